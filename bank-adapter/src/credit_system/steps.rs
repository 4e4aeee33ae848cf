//! The durable steps of the connector: what is noted before a message goes out and after its answer has come. What the ledger
//! decides is written in the ledger's own transaction: see [`Orders`] and [`PinChanges`].

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{LegId, Timestamp};
use server_kit::fault;
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::card::CardAdvices;
use super::order::{AdviceKey, Told};
use super::orders::Orders;
use super::pin::{ChangeId, PinChanges};
use super::reference::Reference;
use super::sql;
use super::trace::Trace;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// These are about to be sent, and not again before `next`.
    Sending(Vec<Sending>),
    Told(Vec<(AdviceKey, Told)>),
    Late(Reference),
    /// A change of a PIN is about to be asked for, and not again before the point in time.
    AskingPin(ChangeId, Timestamp),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub(super) key: AdviceKey,
    /// For what has no numbers yet.
    pub(super) trace: Trace,
    pub(super) next: Timestamp,
}

/// One that may be sent, under these numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) key: AdviceKey,
    pub(super) trace: Trace,
    /// How often, with this time.
    pub(super) tries: i64,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// Those that may be sent.
    Sending(Vec<Sent>),
    Done,
    /// Whether there is something to tell again.
    Late(bool),
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
        let (mut advices, mut legs) = (Vec::new(), BTreeSet::new());
        let (mut changes, mut late) = (BTreeSet::new(), Vec::new());
        for step in steps {
            late.push(match step {
                Step::Late(reference) => sql::leg_of(tx, *reference).await?,
                _ => None,
            });
            match step {
                Step::Sending(all) => advices.extend(all.iter().map(|sending| sending.key)),
                Step::Told(all) => advices.extend(all.iter().map(|(key, _)| *key)),
                Step::Late(_) => legs.extend(late.last().copied().flatten()),
                Step::AskingPin(change, _) => changes.extend([*change]),
            }
        }
        let mut cards = BTreeSet::new();
        for key in advices {
            match key {
                AdviceKey::Leg(key) => legs.extend([key.leg_id]),
                AdviceKey::Card(key) => cards.extend([key.card_id]),
            }
        }
        let mut rows = Rows {
            orders: Orders::load(tx, &legs).await?,
            cards: CardAdvices::load(tx, &cards).await?,
            pins: PinChanges::load(tx, &changes, &BTreeSet::new()).await?,
        };
        let now = tx.now();
        let outcomes = steps.iter().zip(late).map(|(step, leg)| rows.decide(step, leg, now)).collect();
        rows.orders.save(tx).await?;
        rows.cards.save(tx).await?;
        rows.pins.save(tx).await?;
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

/// What a set of steps loads and changes.
struct Rows {
    orders: Orders,
    cards: CardAdvices,
    pins: PinChanges,
}

impl Rows {
    fn decide(&mut self, step: &Step, late: Option<LegId>, now: Timestamp) -> Outcome {
        match step {
            Step::Sending(all) => {
                Outcome::Sending(all.iter().filter_map(|sending| self.sending(sending, now)).collect())
            }
            Step::Told(all) => {
                for (key, told) in all {
                    match *key {
                        AdviceKey::Leg(key) => self.orders.told(key, *told, now),
                        AdviceKey::Card(key) => self.cards.told(key, *told, now),
                    }
                }
                Outcome::Done
            }
            Step::Late(_) => Outcome::Late(late.is_some_and(|leg| self.orders.approved_late(leg, now))),
            Step::AskingPin(change, next) => Outcome::AskingPin(self.pins.asking(*change, *next, now)),
        }
    }

    fn sending(&mut self, sending: &Sending, now: Timestamp) -> Option<Sent> {
        let Sending { key, trace, next } = *sending;
        let (trace, tries) = match key {
            AdviceKey::Leg(key) => {
                self.orders.sending(key, trace, next, now).map(|order| (order.trace, order.tries))?
            }
            AdviceKey::Card(key) => {
                self.cards.sending(key, trace, next, now).map(|advice| (advice.trace, advice.tries))?
            }
        };
        Some(Sent { key, trace: trace?, tries })
    }
}
