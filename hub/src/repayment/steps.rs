//! The durable steps of repayments. A person repays now and then, so creations are looked at one after the other; rows are loaded and
//! written once for each set.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::feed::{Event, EventKind};
use domain::payment::{Instrument, Policy, Settled};
use domain::repayment::{Form, Legs, Parties, Party, Repayment, Side, State};
use domain::{DeviceId, PaymentId, PersonId, Reason, Timestamp};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::sql::{self, Stored};
use crate::feed::{Feed, Feeds};
use crate::payment::sql::load_guards;

/// What is signed begins with this, so that a signature under a repayment is good for nothing else.
const SIGNED: &str = "bankhub.v1.repayment\n";
/// Repayments that a person may make …
const MOST: i64 = 100;
/// … in this time.
const WITHIN: Duration = Duration::from_hours(24);
/// Repayments that are claimed at once.
pub(super) const MOST_CLAIMED: usize = 64;

/// What a phone says to have signed, and the legs to use if it is new.
pub(super) struct Create {
    pub(super) person_id: PersonId,
    pub(super) device_id: DeviceId,
    pub(super) form: Form,
    pub(super) signature: Vec<u8>,
    pub(super) legs: Legs,
}

impl fmt::Debug for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Create").field("id", &self.form.id).finish_non_exhaustive()
    }
}

impl Create {
    /// Whether the phone's key signed it, to the byte.
    fn is_signed_by(&self, key: &[u8]) -> bool {
        let message = format!("{SIGNED}{}\n{}", self.device_id, self.form);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message.as_bytes(), &self.signature).is_ok()
    }
}

/// One durable step.
#[derive(Debug)]
pub(super) enum Step {
    /// It is taken in, with the ids of its legs, before any bank hears of it.
    Create(Box<Create>),
    /// These banks hold: the commit point, when both do.
    Held { id: PaymentId, sides: Vec<Side> },
    /// A bank will not have it.
    Refused { id: PaymentId, reason: Reason, by: Side },
    /// The decision deadline has passed.
    TimeOut { id: PaymentId },
    /// These banks have posted.
    Posted { id: PaymentId, sides: Vec<Side> },
    /// These banks have nothing any more.
    Voided { id: PaymentId, sides: Vec<Side> },
    /// Takes what is due.
    Claim,
}

impl Step {
    fn named(&self) -> Option<PaymentId> {
        match self {
            Self::Create(create) => Some(create.form.id),
            Self::Held { id, .. }
            | Self::Refused { id, .. }
            | Self::TimeOut { id }
            | Self::Posted { id, .. }
            | Self::Voided { id, .. } => Some(*id),
            Self::Claim => None,
        }
    }

    /// Where a test lets the hub die around this step's commit.
    const fn durable_point(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Create(_) => Some(("repayment.taken.before", "repayment.taken.after")),
            Self::Held { .. } => Some(("repayment.held.before", "repayment.held.after")),
            Self::Refused { .. } | Self::TimeOut { .. } => {
                Some(("repayment.aborting.before", "repayment.aborting.after"))
            }
            Self::Posted { .. } => Some(("repayment.posted.before", "repayment.posted.after")),
            Self::Voided { .. } => Some(("repayment.voided.before", "repayment.voided.after")),
            Self::Claim => None,
        }
    }
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The repayment afterwards, or why nothing was changed. Of a claim there is none.
    pub(super) repayment: Result<Repayment, Reason>,
    /// Whether this step took it in, so that its caller is the one to ask the banks.
    pub(super) is_new: bool,
    /// What a claim has taken.
    pub(super) claimed: Vec<Repayment>,
    event: Option<Arc<Event>>,
}

impl Outcome {
    const fn of(repayment: Result<Repayment, Reason>) -> Self {
        Self { repayment, is_new: false, claimed: Vec::new(), event: None }
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct RepaymentSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) policy: Policy,
}

/// What a set works with.
struct Work<'w> {
    tx: &'w mut Tx,
    now: Timestamp,
    rows: BTreeMap<PaymentId, Stored>,
    log: Vec<Entry>,
}

impl Work<'_> {
    /// Lets a rule work on a repayment; what changes is written and stands in the log.
    fn change(&mut self, id: PaymentId, rule: impl FnOnce(&mut Repayment) -> Settled) -> Outcome {
        let Some(stored) = self.rows.get_mut(&id) else { return Outcome::of(Err(Reason::PaymentUnknown)) };
        let before = stored.repayment.clone();
        let _ = rule(&mut stored.repayment);
        if stored.repayment != before {
            stored.changed = true;
            self.log.push(log_entry(&stored.repayment));
        }
        Outcome::of(Ok(stored.repayment.clone()))
    }
}

impl StepSet for RepaymentSteps {
    const NAME: &'static str = "repayments-writer";

    type Step = Step;
    type Outcome = Outcome;

    // Repayments are locked before feeds.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let ids: BTreeSet<PaymentId> = steps.iter().filter_map(Step::named).collect();
        let rows = sql::load(tx, ids.into_iter().map(PaymentId::uuid).collect()).await?;
        let now = tx.now();
        let mut work = Work { tx, now, rows, log: Vec::new() };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(self.decide(&mut work, step).await?);
        }
        let Work { tx, rows, log, .. } = work;
        sql::write(tx, &rows.into_values().collect::<Vec<_>>()).await?;
        self.tell(tx, &mut outcomes).await?;
        // One claim is as good as many.
        if let Some(at) = steps.iter().position(|step| matches!(step, Step::Claim))
            && let Some(outcome) = outcomes.get_mut(at)
        {
            tx.flush().await?;
            outcome.claimed = self.claim(tx).await?;
        }
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        for (before, _) in steps.iter().filter_map(Step::durable_point) {
            fault::point(before);
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        for (_, after) in steps.iter().filter_map(Step::durable_point) {
            fault::point(after);
        }
        let events: Vec<Arc<Event>> = outcomes.iter().filter_map(|outcome| outcome.event.clone()).collect();
        self.feed.publish(&events);
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

impl RepaymentSteps {
    async fn decide(&self, work: &mut Work<'_>, step: &Step) -> Result<Outcome, StoreError> {
        let now = work.now;
        Ok(match step {
            Step::Create(create) => self.create(work, create).await?,
            Step::Held { id, sides } => {
                let frozen = match work.rows.get(id).map(|stored| &stored.repayment) {
                    Some(known) => frozen(work.tx, known.person_id, &known.paying.party).await?,
                    None => None,
                };
                if let Some(reason) = frozen {
                    return Ok(work.change(*id, |repayment| repayment.abort(reason, Some(Side::Paying), now)));
                }
                let mut moved = false;
                let outcome = work.change(*id, |repayment| {
                    let settled = repayment.held(sides, now, &self.policy);
                    moved = settled == Settled::Moved;
                    settled
                });
                // The event gets its place in the feed when all steps are decided.
                let told = outcome.repayment.as_ref().ok().filter(|_| moved).and_then(event_of);
                Outcome { event: told, ..outcome }
            }
            Step::Refused { id, reason, by } => work.change(*id, |repayment| repayment.abort(*reason, Some(*by), now)),
            Step::TimeOut { id } => work.change(*id, |repayment| repayment.time_out(now)),
            Step::Posted { id, sides } => work.change(*id, |repayment| repayment.posted(sides)),
            Step::Voided { id, sides } => work.change(*id, |repayment| repayment.voided(sides)),
            Step::Claim => Outcome::of(Err(Reason::PaymentUnknown)),
        })
    }

    async fn create(&self, work: &mut Work<'_>, create: &Create) -> Result<Outcome, StoreError> {
        let Create { person_id, device_id, form, signature, legs } = create;
        let key = sql::load_device_key(work.tx, *person_id, *device_id).await?;
        let Some(key) = key else { return Ok(Outcome::of(Err(Reason::DeviceRefused))) };
        if !create.is_signed_by(&key) {
            return Ok(Outcome::of(Err(Reason::SignatureRefused)));
        }
        if let Some(known) = work.rows.get(&form.id) {
            let same = known.repayment.same_request(*person_id, form);
            // The legs are new with every call: when they stand in the row, this call is the one that took it in, also when the set
            // was run again after an unknown outcome of COMMIT.
            let is_new = same.is_ok() && known.repayment.paying.id == legs.paying;
            return Ok(Outcome { is_new, ..Outcome::of(same.map(|()| known.repayment.clone())) });
        }
        let now = work.now;
        if let Err(reason) = form.check(now) {
            return Ok(Outcome::of(Err(reason)));
        }
        let paying = match sql::load_party(work.tx, *person_id, &form.from).await? {
            Ok(party) => party,
            Err(reason) => return Ok(Outcome::of(Err(reason))),
        };
        let receiving = match sql::load_party(work.tx, *person_id, &form.to).await? {
            Ok(party) => party,
            Err(reason) => return Ok(Outcome::of(Err(reason))),
        };
        if let Some(reason) = frozen(work.tx, *person_id, &paying).await? {
            return Ok(Outcome::of(Err(reason)));
        }
        // A deposit account has nothing to repay, and no credit account is bound without its card.
        if matches!(receiving.instrument, Instrument::Account(_)) {
            return Ok(Outcome::of(Err(Reason::NatureUnsupported)));
        }
        let in_set = work.rows.values().filter(|it| it.version == 0 && it.repayment.person_id == *person_id).count();
        let before = sql::count(work.tx, *person_id, now.minus(WITHIN)).await?;
        if before.saturating_add(i64::try_from(in_set).unwrap_or(i64::MAX)) >= MOST {
            return Ok(Outcome::of(Err(Reason::RepaymentsTooMany)));
        }
        let (who, parties) = ((*person_id, *device_id), Parties { paying, receiving });
        let repayment = Repayment::begin(form, who, parties, *legs, now, &self.policy);
        work.log.push(log_entry(&repayment));
        let signature = signature.clone();
        work.rows.insert(form.id, Stored { repayment: repayment.clone(), version: 0, signature, changed: true });
        Ok(Outcome { is_new: true, ..Outcome::of(Ok(repayment)) })
    }

    /// Gives each event of this set its place in its person's feed, and writes it.
    async fn tell(&self, tx: &mut Tx, outcomes: &mut [Outcome]) -> Result<(), StoreError> {
        let persons: BTreeSet<PersonId> =
            outcomes.iter().filter_map(|outcome| Some(outcome.event.as_ref()?.person_id)).collect();
        if persons.is_empty() {
            return Ok(());
        }
        let mut feeds = Feeds::load(tx, persons).await?;
        for outcome in outcomes.iter_mut() {
            outcome.event = outcome.event.take().and_then(|event| match &event.kind {
                EventKind::PaidIn(paid_in) => feeds.tell_repaid(event.person_id, paid_in.clone(), event.occurred_at),
                _ => None,
            });
        }
        let told: Vec<Arc<Event>> = outcomes.iter().filter_map(|outcome| outcome.event.clone()).collect();
        self.feed.hand_on(tx, &told).await?;
        feeds.write(tx).await
    }

    /// Takes what is due and puts it off, so that no other replica takes it meanwhile.
    async fn claim(&self, tx: &mut Tx) -> Result<Vec<Repayment>, StoreError> {
        let now = tx.now();
        let most = i64::try_from(MOST_CLAIMED).unwrap_or(i64::MAX);
        let mut due = sql::claim_due(tx, most).await?;
        let claimed = due.iter().map(|stored| stored.repayment.clone()).collect();
        for (n, stored) in due.iter_mut().enumerate() {
            // The place in the claim spreads the returns as well as chance would.
            let spread = u16::try_from(n.wrapping_mul(389) % 1000).unwrap_or(0);
            stored.repayment.defer(now, spread, &self.policy);
            stored.changed = true;
        }
        sql::write(tx, &due).await?;
        Ok(claimed)
    }
}

/// Why no money may go out of what is to pay, if the person has frozen it (F4). The person's row stays locked, so that a freeze comes before
/// or after what is decided here.
async fn frozen(tx: &mut Tx, person_id: PersonId, paying: &Party) -> Result<Option<Reason>, StoreError> {
    let guards = load_guards(tx, vec![person_id.uuid()], true).await?;
    let guard = guards.get(&person_id).map(|(stored, _)| &stored.value);
    Ok(guard.and_then(|guard| guard.freezes(&paying.bank_id, paying.instrument)))
}

/// What is told of a repayment that is committed, without its place yet.
fn event_of(repayment: &Repayment) -> Option<Arc<Event>> {
    Some(Arc::new(Event {
        person_id: repayment.person_id,
        sequence: 0,
        occurred_at: repayment.decided_at?,
        kind: EventKind::PaidIn(repayment.paid_in()?),
    }))
}

/// One row of the log for what a repayment has come to. It is read by people and exported: nothing in it says more than a receipt would.
fn log_entry(repayment: &Repayment) -> Entry {
    let end = |side: Side| {
        let leg = repayment.leg(side);
        format!("{} {} leg={} {}", leg.party.bank_id, leg.party.masked, leg.id, leg.progress.as_str())
    };
    let mut content = format!(
        "repayment amount={} from={} to={} device={}",
        repayment.amount,
        end(Side::Paying),
        end(Side::Receiving),
        repayment.device_id
    );
    if let Some(reason) = repayment.refusal {
        content.push_str(&format!(" reason={}", reason.code()));
    }
    let kind = match repayment.state {
        State::Holding => "repayment.holding",
        State::Committed => "repayment.committed",
        State::Posted => "repayment.posted",
        State::Aborting => "repayment.aborting",
        State::Aborted => "repayment.aborted",
    };
    Entry { kind, subject: repayment.id.uuid(), content }
}
