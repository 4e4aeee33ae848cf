//! The durable steps of reminders: setting them, taking them away, and sending what is to be sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::bill::Bill;
use domain::feed::Event;
use domain::reminder::{Due, Firing, FiringKey, news};
use domain::{PersonId, Reason, ReminderId, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::dues_of;
use super::sql::{self, AT_ONCE, Looked, Stored};
use super::wire::Asked;
use crate::bills;
use crate::feed::{Feed, Feeds};

/// Reminders that are looked at in one transaction.
pub(super) const MOST_LOOKED_AT: usize = 64;
/// The most of one person.
const MOST: i64 = 20;
/// Clocks of replicas may differ by so much before one of them counts as set back.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// When one that cannot be read is tried again.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(super) enum Step {
    Set {
        person_id: PersonId,
        asked: Asked,
    },
    Delete {
        person_id: PersonId,
        reminder_id: ReminderId,
    },
    /// Sends what is to be sent.
    Look,
}

/// How a step went.
#[derive(Debug)]
pub(super) enum Done {
    Set,
    Deleted,
    Looked { count: usize, events: Vec<Arc<Event>> },
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct ReminderSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) clock: SharedClock,
}

impl StepSet for ReminderSteps {
    const NAME: &'static str = "reminders-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    // Reminders are locked before feeds, here and wherever else both are; so what phones ask comes before what is sent.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut log = Vec::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(match step {
                Step::Set { person_id, asked } => self.set(tx, *person_id, asked, &mut log).await?,
                Step::Delete { person_id, reminder_id } => {
                    if sql::delete(tx, *person_id, *reminder_id).await? {
                        log.push(entry("reminder.deleted", *reminder_id, *person_id, String::new()));
                    }
                    Ok(Done::Deleted)
                }
                Step::Look => Ok(Done::Looked { count: 0, events: Vec::new() }),
            });
        }
        // One look is as good as many.
        if let Some(at) = steps.iter().position(|step| matches!(step, Step::Look))
            && let Some(outcome) = outcomes.get_mut(at)
        {
            *outcome = Ok(self.look(tx, &mut log).await?);
        }
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        if outcomes.iter().any(has_written) {
            fault::point("N1.before");
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], outcomes: &[Self::Outcome]) {
        self.chain.confirm();
        if outcomes.iter().any(has_written) {
            fault::point("N1.after");
        }
        for outcome in outcomes {
            if let Ok(Done::Looked { events, .. }) = outcome {
                self.feed.publish(events);
            }
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

/// Whether a person is told, or a reminder stands differently; most looks find nothing to do.
fn has_written(outcome: &Result<Done, Reason>) -> bool {
    match outcome {
        Ok(Done::Looked { events, .. }) => !events.is_empty(),
        Ok(Done::Set | Done::Deleted) => true,
        Err(_) => false,
    }
}

fn entry(kind: &'static str, reminder_id: ReminderId, person_id: PersonId, what: String) -> Entry {
    Entry { kind, subject: reminder_id.uuid(), content: format!("person={person_id}{what}") }
}

impl ReminderSteps {
    async fn set(
        &self,
        tx: &mut Tx,
        person_id: PersonId,
        asked: &Asked,
        log: &mut Vec<Entry>,
    ) -> Result<Result<Done, Reason>, StoreError> {
        let before = sql::load(tx, asked.id).await?;
        let (set_at, version) = match &before {
            Some(stored) if stored.person_id != person_id => return Ok(Err(Reason::IdTaken)),
            Some(stored) => (stored.planned.reminder.set_at(), stored.version),
            None => {
                if let Err(reason) = sql::has_room(tx, person_id, MOST).await? {
                    return Ok(Err(reason));
                }
                (self.clock.now(), 0)
            }
        };
        let planned = match asked.set(set_at) {
            Ok(planned) => planned,
            Err(reason) => return Ok(Err(reason)),
        };
        if before.is_some_and(|stored| stored.planned == planned) {
            return Ok(Ok(Done::Set));
        }
        let (reminder, zone) = (&planned.reminder, &planned.zone_name);
        let what = format!(" when={:?} at={} zone={zone}", reminder.when(), reminder.at());
        log.push(entry("reminder.set", asked.id, person_id, what));
        let looked = Looked { next_at: Some(AT_ONCE), at: AT_ONCE };
        sql::put(tx, vec![(Stored { planned, person_id, version }, looked)]).await?;
        // What comes next in this set may read it.
        tx.flush().await?;
        Ok(Ok(Done::Set))
    }

    async fn look(&self, tx: &mut Tx, log: &mut Vec<Entry>) -> Result<Done, StoreError> {
        let now = self.clock.now();
        let claimed = sql::claim(tx, now, now.plus(CLOCKS_DIFFER), MOST_LOOKED_AT).await?;
        let count = claimed.len();
        let mut due = Vec::new();
        for claimed in claimed {
            match claimed {
                Ok(stored) => due.push(stored),
                Err(id) => {
                    let again = Looked { next_at: Some(now.plus(UNREADABLE_AGAIN)), at: now };
                    sql::put_off(tx, id, again).await?;
                }
            }
        }
        let persons: BTreeSet<PersonId> = due.iter().map(|stored| stored.person_id).collect();
        let bills = load_bills(tx, &persons).await?;
        let mut sent = sql::load_sent(tx, due.iter().map(|stored| stored.planned.reminder.id()).collect()).await?;
        let mut sending = Sending { now, feeds: Feeds::load(tx, persons).await?, events: Vec::new(), sent: Vec::new() };
        let mut looked = Vec::with_capacity(due.len());
        for stored in due {
            let known = sent.entry(stored.planned.reminder.id()).or_default();
            let next_at = match bills.get(&stored.person_id) {
                Some(bills) => sending.send(&stored, bills, known, log),
                None => Some(now.plus(UNREADABLE_AGAIN)),
            };
            looked.push((stored, Looked { next_at, at: now }));
        }
        sql::put(tx, looked).await?;
        let Sending { feeds, events, sent, .. } = sending;
        sql::insert_sent(tx, sent).await?;
        self.feed.hand_on(tx, &events).await?;
        feeds.write(tx).await?;
        Ok(Done::Looked { count, events })
    }
}

/// The newest bills of each person; of one whose bills cannot be read none, so that the others are not held up.
async fn load_bills(tx: &mut Tx, persons: &BTreeSet<PersonId>) -> Result<BTreeMap<PersonId, Vec<Bill>>, StoreError> {
    let mut bills = BTreeMap::new();
    for person_id in persons {
        match bills::sql::load_of_person(tx, *person_id).await {
            Ok(kept) => drop(bills.insert(*person_id, bills::query::newest(&kept).cloned().collect())),
            Err(error @ StoreError::Unreadable { .. }) => {
                tracing::error!(%error, %person_id, "the bills of a person who is to be reminded cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bills)
}

/// What a look sends.
struct Sending {
    now: Timestamp,
    feeds: Feeds,
    events: Vec<Arc<Event>>,
    sent: Vec<(FiringKey, PersonId, i64)>,
}

impl Sending {
    /// Sends what has come of a reminder, in one message, and gives when it is looked at next.
    fn send(
        &mut self,
        stored: &Stored,
        bills: &[Bill],
        known: &mut BTreeSet<FiringKey>,
        log: &mut Vec<Entry>,
    ) -> Option<Timestamp> {
        let (planned, person_id) = (&stored.planned, stored.person_id);
        let dues = dues_of(bills.iter());
        let firings = planned.reminder.reached(self.now, &planned.zone, &dues, known);
        if !firings.is_empty() {
            let told = news(planned.reminder.id(), &told_of(bills, &firings));
            // Nobody hears of it who has no feed.
            let event = self.feeds.tell_news(person_id, told, self.now)?;
            for Firing { key, .. } in firings {
                log.push(entry("reminder.sent", planned.reminder.id(), person_id, format!(" key={key}")));
                known.insert(key.clone());
                self.sent.push((key, person_id, event.sequence));
            }
            self.events.push(event);
        }
        planned.next_at(self.now, &dues, known)
    }
}

/// The bills that firings are about.
fn told_of<'b>(bills: &'b [Bill], firings: &[Firing]) -> Vec<&'b Bill> {
    let dues: BTreeSet<&Due> = firings.iter().flat_map(|firing| &firing.dues).collect();
    bills.iter().filter(|bill| Due::of(bill).is_some_and(|due| dues.contains(&due))).collect()
}
