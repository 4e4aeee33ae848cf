//! The durable steps of the connector: what is noted before a message goes out and after its answer has come. What the ledger
//! decides is written in the ledger's own transaction: see [`Orders`] and [`PinChanges`].

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{LegId, Reason, Timestamp};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::order::{Order, OrderKey, Told};
use super::orders::Orders;
use super::pin::{ChangeId, PinChanges};
use super::reference::Reference;
use super::sql;
use super::trace::Trace;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// These are about to be sent, and not again before `next`.
    Sending(Vec<Sending>),
    Told(Vec<(OrderKey, Told)>),
    Late(Reference),
    Retry(OrderKey),
    /// A change of a PIN is about to be asked for, and not again before the point in time.
    AskingPin(ChangeId, Timestamp),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) key: OrderKey,
    /// For what has no numbers yet.
    pub(super) trace: Trace,
    pub(super) next: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Those that may be sent, as they stand.
    Sending(Vec<Order>),
    Done,
    /// Whether there is something to tell again.
    Late(bool),
    Retried(Result<(), Reason>),
    /// How often the change has been asked for with this time; none when it is over.
    AskingPin(Option<i64>),
}

/// The steps of the owner of the ledger.
#[derive(Debug)]
pub(super) struct CreditSteps {
    owner: Arc<Owner>,
}

impl CreditSteps {
    pub(super) const fn new(owner: Arc<Owner>) -> Self {
        Self { owner }
    }
}

impl StepSet for CreditSteps {
    const NAME: &'static str = "credit-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (mut legs, mut changes, mut late) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for step in steps {
            late.push(match step {
                Step::Late(reference) => sql::leg_of(tx, *reference).await?,
                _ => None,
            });
            match step {
                Step::Sending(all) => legs.extend(all.iter().map(|sending| sending.key.leg_id)),
                Step::Told(all) => legs.extend(all.iter().map(|(key, _)| key.leg_id)),
                Step::Retry(key) => legs.extend([key.leg_id]),
                Step::Late(_) => legs.extend(late.last().copied().flatten()),
                Step::AskingPin(change, _) => changes.extend([*change]),
            }
        }
        let mut orders = Orders::load(tx, &legs).await?;
        let mut pins = PinChanges::load(tx, &changes, &BTreeSet::new()).await?;
        let now = tx.now();
        let decided = steps.iter().zip(late);
        let outcomes = decided.map(|(step, leg)| decide(&mut orders, &mut pins, step, leg, now)).collect();
        orders.save(tx).await?;
        pins.save(tx).await?;
        pass(steps, ["credit.sending.before", "credit.told.before", "credit.pin.before"]);
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], _: &[Outcome]) {
        pass(steps, ["credit.sending.after", "credit.told.after", "credit.pin.after"]);
    }
}

/// Passes the fault points of what is in this set: that advices are about to be sent, that they were answered, that a change of
/// a PIN is about to be asked for.
fn pass(steps: &[Step], [sending, told, pin]: [&str; 3]) {
    for (is_it, point) in [
        (steps.iter().any(|step| matches!(step, Step::Sending(_))), sending),
        (steps.iter().any(|step| matches!(step, Step::Told(_))), told),
        (steps.iter().any(|step| matches!(step, Step::AskingPin(..))), pin),
    ] {
        if is_it {
            fault::point(point);
        }
    }
}

fn decide(orders: &mut Orders, pins: &mut PinChanges, step: &Step, late: Option<LegId>, now: Timestamp) -> Outcome {
    match step {
        Step::Sending(all) => {
            let may = |sending: &Sending| orders.sending(sending.key, sending.trace, sending.next, now);
            Outcome::Sending(all.iter().filter_map(may).collect())
        }
        Step::Told(all) => {
            all.iter().for_each(|(key, told)| orders.told(*key, *told, now));
            Outcome::Done
        }
        Step::Late(_) => Outcome::Late(late.is_some_and(|leg| orders.approved_late(leg, now))),
        Step::Retry(key) => Outcome::Retried(orders.retry(*key, now)),
        Step::AskingPin(change, next) => Outcome::AskingPin(pins.asking(*change, *next, now)),
    }
}
