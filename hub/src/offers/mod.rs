//! Offers of banks to people (R5): filed by banks, looked at by operators, held against habits that the banks never see, and delivered to
//! those who agreed (ADR 20).
//!
//! `domain::offer` says who gets what. Whatever may change that has the person looked at by the `sweep`: a purchase, which is noted in its own
//! transaction ([`note`]), an offer that begins to run, or an agreement. A look may happen any number of times: a delivery is one transaction that locks the person's
//! agreement and the offers, decides once more by the same rules, and tells the person.

mod agreeing;
mod answering;
mod deliver;
mod federation;
mod filing;
mod operator;
mod phone;
mod sql;
mod steps;
mod sweep;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use std::sync::Arc;

use domain::feed::{Event, EventKind};
use domain::habit::Habits as PersonsHabits;
use domain::offer::{Answer, Recipient, deliver as decide};
use domain::{OfferId, PersonId, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::fault;
use server_kit::keystore::{KeyError, SharedKeyStore};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, Tx, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use crate::habits::Habits;
use deliver::Deliver;
use steps::{Done, OfferSteps, Step};

pub use sweep::sweep;

/// What offers are kept with.
#[derive(Clone, Debug)]
pub struct OfferParts {
    pub store: Store,
    /// Seals what people have signed, and what banks are told of who accepted.
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub feed: Feed,
    /// What people buy.
    pub habits: Habits,
    pub owner: Arc<Owner>,
    /// The fewest deliveries of which a bank is told the number.
    pub floor: u32,
}

/// The offers of all banks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Offers {
    parts: Arc<OfferParts>,
    writer: GroupWriter<OfferSteps>,
}

/// Notes, in the transaction that tells of them, purchases of those who get offers, and what came back of them. For everybody else a
/// purchase costs nothing.
pub(crate) async fn note(
    tx: &mut Tx,
    told: &[Arc<Event>],
    gets_offers: impl Fn(PersonId) -> bool,
) -> Result<(), StoreError> {
    let changes_habits =
        |kind: &EventKind| matches!(kind, EventKind::Charge(_) | EventKind::Update { .. } | EventKind::GiveBack { .. });
    let noted = told.iter().filter(|event| changes_habits(&event.kind) && gets_offers(event.person_id));
    sql::insert_looks(tx, noted.map(|event| (event.person_id, event.sequence)).collect()).await
}

/// What a person's habits were when it was looked which offers are for the person.
#[derive(Debug)]
struct SeenHabits {
    habits: PersonsHabits,
    today: Date,
}

impl Offers {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: OfferParts) -> (Self, JoinHandle<()>) {
        let steps = OfferSteps {
            chain: HeldChain::from(Chain::new(&format!("{}/offers", parts.owner.name()), parts.keys.clone())),
            keys: parts.keys.clone(),
            owner: parts.owner.clone(),
            feed: parts.feed.clone(),
        };
        let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { parts: Arc::new(parts), writer }, task)
    }

    async fn step(&self, step: Step) -> Result<Result<Done, Reason>, StoreError> {
        Ok(self.writer.write(step).await?.done)
    }

    /// Looks which offers are for a person by now, and delivers them. For somebody who has agreed to none it costs one read.
    pub(crate) async fn look(&self, person_id: PersonId) -> Result<(), StoreError> {
        self.look_as_claimed(person_id, None).await
    }

    /// The same for the sweep, which has put the next look off to this time.
    async fn look_as_claimed(&self, person_id: PersonId, claimed: Option<Timestamp>) -> Result<(), StoreError> {
        let found = self.found(person_id).await?;
        if found.is_none() && claimed.is_none() {
            return Ok(());
        }
        if found.is_some() {
            fault::point("offer.matched");
        }
        let (seen, offers) = found.unzip();
        let step = Deliver { person_id, offers: offers.unwrap_or_default(), seen, claimed };
        self.step(Step::Deliver(step)).await.map(|_| ())
    }

    /// The offers that seem to be for a person, those that end first before the others; nothing when there are none. Whether they
    /// are is decided where they are delivered.
    async fn found(&self, person_id: PersonId) -> Result<Option<(SeenHabits, Vec<OfferId>)>, StoreError> {
        let (parts, now) = (&self.parts, self.parts.clock.now());
        let agreed = sql::read_agreement(&parts.store, person_id).await?;
        let Some(agreed) = agreed.filter(|agreed| !agreed.agreement.banks.is_empty()) else { return Ok(None) };
        let mut running = Vec::new();
        for bank in &agreed.agreement.banks {
            running.extend(sql::read_running(&parts.store, bank, person_id, now).await?);
        }
        if running.is_empty() {
            return Ok(None);
        }
        let seen = match parts.habits.of(person_id, now).await? {
            Ok(on) => SeenHabits { habits: on.habits, today: on.today },
            Err(reason) => {
                tracing::error!(%person_id, reason = reason.code(), "somebody's habits cannot be looked at");
                return Ok(None);
            }
        };
        let to = Recipient {
            person_id,
            agreed: true,
            most_a_week: agreed.agreement.most_a_week,
            // How many there were this week is for the delivery, which notes when to look again.
            delivered_at: &[],
            has_this_one: false,
            habits: &seen.habits,
            today: seen.today,
        };
        running.sort_by_key(|offer| (offer.filing.valid_until, offer.filing.id));
        let fits = running.iter().filter(|offer| decide(offer, &to, now).is_ok());
        let offers: Vec<OfferId> = fits.map(|offer| offer.filing.id).collect();
        Ok((!offers.is_empty()).then_some((seen, offers)))
    }
}

/// A key that cannot be used, where only the store's errors can be said.
fn unusable(error: KeyError) -> StoreError {
    StoreError::Refused(format!("a key cannot be used: {error}"))
}

/// Whether an answer leaves an offer among those that a person sees.
const fn is_seen(answer: Answer) -> bool {
    !matches!(answer, Answer::Declined(_))
}
