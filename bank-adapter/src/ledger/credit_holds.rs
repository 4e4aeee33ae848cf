//! Holds whose credit part an existing credit system decides (C8): it says what is left, the front decides the split, and it is
//! asked for its part before the hold is answered. What is decided here and what it commits apart: see ADR 13.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::ledger::{Available, CreditLeft, HoldOrder, Leg, LegOrder, LegState, Part, Party};
use domain::purchase::CategoryCode;
use domain::{CardId, LegId, Money, Reason};
use futures_util::future::join_all;
use server_kit::clock::SharedClock;
use server_kit::fault;
use server_kit::identity::Principal;
use server_kit::store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::credit_steps::{CreditStep, PinIntent};
use super::steps::{Outcome, Step};
use super::{Ledger, LedgerError, PageAsked, mixed_up};
use crate::call::CallError;
use crate::card::{Cards, PinSetting, sql as card};
use crate::credit_system::{
    self, Answered, Asked, ChangeId, CreditHold, ExistingCreditSystem, HoldAnswer, PinBook, PinChange, PinState,
    Retold, Stuck, StuckKey, Trace, Verdict,
};

/// Holds without an answer that are settled in one go.
const SETTLED_AT_ONCE: i64 = 200;

/// Who keeps the credit accounts of a bank's cards (C8): the [`Ledger`] itself, or an existing system behind [`CreditHolds`].
pub(crate) trait CreditSystem: Send + Sync + fmt::Debug {
    /// As [`Ledger::hold_all`].
    fn hold_all(&self, orders: Vec<HoldOrder>) -> Answered<'_, Result<Vec<Result<Leg, Reason>>, LedgerError>>;

    /// As [`Ledger::post_offline`].
    fn post_offline(&self, order: HoldOrder) -> Answered<'_, Result<Leg, LedgerError>>;

    /// What a card may spend, of which the ledger knows this much. `Err` when the rest cannot be known now.
    fn available(&self, card_id: CardId, of_ledger: Available) -> Answered<'_, Result<Available, Reason>>;

    /// Has a PIN set wherever the card has one, or nowhere. Says how far that is.
    fn set_pin<'a>(
        &'a self,
        cards: &'a Cards,
        setting: PinSetting,
        by: Principal,
    ) -> Answered<'a, Result<PinState, CallError>>;

    /// What an existing system refuses to take note of, and the token of the next page. `Err` with `CreditSystemAbsent`.
    fn stuck(&self, asked: PageAsked) -> Answered<'_, Result<(Vec<Stuck>, String), CallError>>;

    /// Has an advice told again that is stuck. `Err` with `CreditSystemAbsent` or `AdviceUnknown`.
    fn retell(&self, key: StuckKey, by: Principal) -> Answered<'_, Result<Retold, CallError>>;
}

impl CreditSystem for Ledger {
    fn hold_all(&self, orders: Vec<HoldOrder>) -> Answered<'_, Result<Vec<Result<Leg, Reason>>, LedgerError>> {
        Box::pin(Self::hold_all(self, orders))
    }

    fn post_offline(&self, order: HoldOrder) -> Answered<'_, Result<Leg, LedgerError>> {
        Box::pin(Self::post_offline(self, order))
    }

    fn available(&self, _: CardId, of_ledger: Available) -> Answered<'_, Result<Available, Reason>> {
        Box::pin(std::future::ready(Ok(of_ledger)))
    }

    fn set_pin<'a>(
        &'a self,
        cards: &'a Cards,
        setting: PinSetting,
        by: Principal,
    ) -> Answered<'a, Result<PinState, CallError>> {
        Box::pin(async move { cards.set_pin(setting, by).await.map(|_| PinState::Done) })
    }

    fn stuck(&self, _: PageAsked) -> Answered<'_, Result<(Vec<Stuck>, String), CallError>> {
        Box::pin(std::future::ready(Err(Reason::CreditSystemAbsent.into())))
    }

    fn retell(&self, _: StuckKey, _: Principal) -> Answered<'_, Result<Retold, CallError>> {
        Box::pin(std::future::ready(Err(Reason::CreditSystemAbsent.into())))
    }
}

impl CreditSystem for CreditHolds {
    fn hold_all(&self, orders: Vec<HoldOrder>) -> Answered<'_, Result<Vec<Result<Leg, Reason>>, LedgerError>> {
        Box::pin(Self::hold_all(self, orders))
    }

    // The credit system is asked in between. Whoever gets no answer asks again, and what is held by then is posted.
    fn post_offline(&self, order: HoldOrder) -> Answered<'_, Result<Leg, LedgerError>> {
        Box::pin(async move {
            let held = Self::hold_all(self, vec![order]).await?.into_iter().next().unwrap_or(Err(Reason::Fault));
            let leg = held.map_err(LedgerError::Refused)?;
            match leg.whole() {
                Some(whole) => self.ledger.complete(whole).await,
                None => Ok(leg),
            }
        })
    }

    fn available(&self, card_id: CardId, of_ledger: Available) -> Answered<'_, Result<Available, Reason>> {
        Box::pin(Self::available(self, card_id, of_ledger))
    }

    fn set_pin<'a>(
        &'a self,
        cards: &'a Cards,
        setting: PinSetting,
        by: Principal,
    ) -> Answered<'a, Result<PinState, CallError>> {
        Box::pin(cards.set_shared_pin(self, setting, by))
    }

    fn stuck(&self, asked: PageAsked) -> Answered<'_, Result<(Vec<Stuck>, String), CallError>> {
        Box::pin(self.ledger.stuck_advices(asked))
    }

    fn retell(&self, key: StuckKey, by: Principal) -> Answered<'_, Result<Retold, CallError>> {
        Box::pin(async move { Ok(self.ledger.retell(key, by).await?) })
    }
}

/// Holds at a bank whose credit accounts another system keeps. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CreditHolds {
    ledger: Ledger,
    system: ExistingCreditSystem,
    pins: PinSettler,
    clock: SharedClock,
    /// How long the credit system may take to answer.
    answer_within: Duration,
}

/// Where a hold with a card goes.
enum Way {
    /// The ledger decides it alone.
    Ledger,
    /// The ledger has decided it: the credit side bears nothing, whatever it has left.
    Decided(Box<Leg>),
    Credit(CreditLeft),
}

impl CreditHolds {
    pub(crate) fn new(
        ledger: Ledger,
        system: ExistingCreditSystem,
        pins: PinSettler,
        clock: SharedClock,
        answer_within: Duration,
    ) -> Self {
        Self { ledger, system, pins, clock, answer_within }
    }

    pub(crate) const fn system(&self) -> &ExistingCreditSystem {
        &self.system
    }

    /// As [`Ledger::hold_all`]; what the credit system has no part in is one step, as there.
    pub(crate) async fn hold_all(&self, orders: Vec<HoldOrder>) -> Result<Vec<Result<Leg, Reason>>, LedgerError> {
        let alone: Vec<HoldOrder> = orders.iter().filter(|order| !may_draw(order)).cloned().collect();
        let held = async { if alone.is_empty() { Ok(Vec::new()) } else { self.ledger.hold_all(alone).await } };
        // A task of its own sees a hold through, also when the caller goes away meanwhile.
        let asking = orders.iter().filter(|order| may_draw(order)).map(|order| {
            let (holds, order) = (self.clone(), order.clone());
            tokio::spawn(async move { holds.hold(order).await })
        });
        let (held, asked) = tokio::join!(held, join_all(asking));
        let (mut held, mut asked) = (held?.into_iter(), asked.into_iter());
        orders
            .iter()
            .map(|order| match may_draw(order) {
                false => Ok(held.next().unwrap_or(Err(Reason::Fault))),
                true => match asked.next() {
                    Some(Ok(Ok(leg))) => Ok(Ok(leg)),
                    Some(Ok(Err(LedgerError::Refused(reason)))) => Ok(Err(reason)),
                    Some(Ok(Err(error @ LedgerError::Store(_)))) => Err(error),
                    Some(Err(_)) | None => Ok(Err(Reason::Fault)),
                },
            })
            .collect()
    }

    /// One hold to its end: a leg that is asking is no answer.
    async fn hold(&self, order: HoldOrder) -> Result<Leg, LedgerError> {
        let leg_id = order.leg_id;
        let left = match self.way(&order).await? {
            Way::Ledger => return self.of_ledger(order).await,
            // The same hold may have come before it meanwhile, and asks.
            Way::Decided(leg) if leg.state == LegState::Asking => return self.settled(leg_id).await,
            Way::Decided(leg) => return Ok(*leg),
            Way::Credit(left) => left,
        };
        let asked = self.system.reserve().map_err(LedgerError::Refused)?;
        let category = match &order.order {
            LegOrder::Charge(charge) => Some(charge.merchant.category),
            _ => None,
        };
        let (leg, hold) = self.ledger.ask(order, left, asked.trace()).await?;
        match hold {
            Some(hold) => {
                fault::point("asked.sent");
                self.ask(hold, category, asked).await
            }
            None if leg.state == LegState::Asking => self.settled(leg_id).await,
            None => Ok(leg),
        }
    }

    /// The part of a hold before a crash: it is noted, and nobody asks.
    #[cfg(test)]
    pub(crate) async fn ask_and_die(&self, order: HoldOrder) {
        let asked = self.system.reserve().unwrap();
        let left = CreditLeft { credit_minor: 1_000, cash_minor: 200 };
        let (leg, hold) = self.ledger.ask(order, left, asked.trace()).await.unwrap();
        assert!(leg.state == LegState::Asking && hold.is_some());
    }

    async fn ask(&self, hold: CreditHold, category: Option<CategoryCode>, asked: Asked) -> Result<Leg, LedgerError> {
        let answer = self.system.hold(hold, category, asked).await;
        fault::point("asked.answered");
        self.settle(hold.leg_id, answer).await
    }

    /// What a card may spend, with what the credit system says of its part. `Err` when that cannot be known now.
    pub(crate) async fn available(&self, card_id: CardId, of_ledger: Available) -> Result<Available, Reason> {
        let Some(Money { currency, .. }) = of_ledger.credit else { return Ok(of_ledger) };
        let left = self.system.left(card_id, currency).await?;
        let money = |minor: i64| Some(Money::new(currency, minor.max(0)));
        Ok(Available { credit: money(left.credit_minor), cash_advance: money(left.cash_minor), ..of_ledger })
    }

    async fn settle(&self, leg_id: LegId, answer: HoldAnswer) -> Result<Leg, LedgerError> {
        let leg = self.ledger.settle(leg_id, answer).await;
        self.pins.settled.notify_waiters();
        leg
    }

    async fn of_ledger(&self, order: HoldOrder) -> Result<Leg, LedgerError> {
        let leg_id = order.leg_id;
        let held = self.ledger.hold_all(vec![order]).await?;
        let leg = held.into_iter().next().unwrap_or(Err(Reason::Fault)).map_err(LedgerError::Refused)?;
        if leg.state == LegState::Asking { self.settled(leg_id).await } else { Ok(leg) }
    }

    /// Whether the credit system is asked, and what it has left. What was asked before, has no credit side, or is not proved is
    /// for the ledger alone.
    async fn way(&self, order: &HoldOrder) -> Result<Way, LedgerError> {
        let charge = match (&order.order, self.ledger.leg(order.leg_id).await) {
            (_, Ok(_)) => return Ok(Way::Ledger),
            (_, Err(error @ LedgerError::Store(_))) => return Err(error),
            (LegOrder::Charge(charge), Err(LedgerError::Refused(_))) => charge,
            _ => return Ok(Way::Ledger),
        };
        let Party::Card(card_id) = charge.payer else { return Ok(Way::Ledger) };
        let Some(known) = card::find(self.ledger.store(), card_id).await? else { return Ok(Way::Ledger) };
        if known.card.sides.credit().is_none() {
            return Ok(Way::Ledger);
        }
        // Somebody who cannot prove the card learns nothing of its line, and the ledger counts what was tried.
        if known.card.proved(order.proof, self.clock.now()).1.is_err() {
            return Ok(Way::Credit(CreditLeft::NOTHING));
        }
        // What goes credit first may draw on it in any case.
        if charge.nature.parts().first() == Some(&Part::Debit)
            && let Some(leg) = self.ledger.hold_without_asking(order.clone()).await?
        {
            return Ok(Way::Decided(Box::new(leg)));
        }
        let left = self.system.left(card_id, charge.amount.currency).await;
        left.map(Way::Credit).map_err(LedgerError::Refused)
    }

    /// Waits until a leg that somebody else has asked for is not asking any more. `Err` with `BankAway` when that takes longer
    /// than an answer may.
    async fn settled(&self, leg_id: LegId) -> Result<Leg, LedgerError> {
        let waiting = async {
            loop {
                let settled = self.pins.settled.notified();
                tokio::pin!(settled);
                settled.as_mut().enable();
                let leg = self.ledger.leg(leg_id).await?;
                if leg.state != LegState::Asking {
                    return Ok(leg);
                }
                settled.await;
            }
        };
        let within = self.answer_within.saturating_mul(2);
        tokio::time::timeout(within, waiting).await.unwrap_or(Err(LedgerError::Refused(Reason::BankAway)))
    }

    /// Settles the holds of which nobody will hear any more, because the process that asked has died. Before anything else is
    /// served, so that all of them are such.
    pub(crate) async fn recover(&self) -> Result<(), LedgerError> {
        while self.settle_older_than(Duration::ZERO).await? {}
        Ok(())
    }

    /// Settles holds whose answer is long overdue, until `stop`.
    pub(crate) async fn sweep(self, stop: CancellationToken) {
        let overdue = self.answer_within.saturating_mul(2);
        while stop.run_until_cancelled(tokio::time::sleep(self.answer_within)).await.is_some() {
            if let Err(error) = self.settle_older_than(overdue).await {
                tracing::warn!(%error, "holds without an answer wait for the storage");
            }
        }
    }

    /// Says whether there may be more.
    async fn settle_older_than(&self, age: Duration) -> Result<bool, LedgerError> {
        let before = self.clock.now().minus(age);
        let asking = credit_system::asking(self.ledger.store(), before, SETTLED_AT_ONCE).await?;
        for order in &asking {
            let verdict = Verdict::Unclear(Reason::BankAway);
            self.settle(order.key.leg_id, HoldAnswer { verdict, approval_code: None }).await?;
            tracing::warn!(leg_id = %order.key.leg_id, "a hold without an answer is voided");
        }
        Ok(i64::try_from(asking.len()).unwrap_or(i64::MAX) >= SETTLED_AT_ONCE)
    }

    /// Has the credit system asked for a new PIN, and waits for its answer for as long as one may take: the change as it stands.
    pub(crate) async fn change_pin(&self, intent: PinIntent, by: Principal) -> Result<PinState, LedgerError> {
        let change_id = ChangeId::from_uuid(intent.sent.change_id);
        let state = self.ledger.intend_pin(intent, by).await?;
        if state != PinState::Asking {
            return Ok(state);
        }
        let waiting = async {
            loop {
                let settled = self.pins.settled.notified();
                tokio::pin!(settled);
                settled.as_mut().enable();
                let change = credit_system::change(self.ledger.store(), change_id).await?;
                match change.map(|change| change.state) {
                    Some(PinState::Asking) => settled.await,
                    Some(state) => return Ok(state),
                    None => return Err(LedgerError::Refused(Reason::Fault)),
                }
            }
        };
        tokio::time::timeout(self.answer_within, waiting).await.unwrap_or(Ok(PinState::Asking))
    }
}

/// Whether the nature of a hold may draw on the credit side of a card.
fn may_draw(order: &HoldOrder) -> bool {
    match &order.order {
        LegOrder::Charge(charge) => {
            matches!(charge.payer, Party::Card(_)) && charge.nature.parts().iter().any(|part| *part != Part::Debit)
        }
        LegOrder::Receipt(_) | LegOrder::GiveBack(_) | LegOrder::Unseen => false,
    }
}

/// Ends changes of PINs in the ledger, and tells whoever waits for the end of one or of a hold.
#[derive(Clone, Debug)]
pub(crate) struct PinSettler {
    ledger: Ledger,
    settled: Arc<Notify>,
}

impl PinSettler {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, settled: Arc::default() }
    }
}

impl PinBook for PinSettler {
    fn settle<'a>(&'a self, change: &'a PinChange, refusal: Option<Reason>) -> Answered<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let step = CreditStep::SettlePin(change.id, change.card_id, refusal);
            let ended = match self.ledger.writer.write(Step::Credit(step)).await? {
                Outcome::Pin(Ok(_)) => Ok(()),
                Outcome::Pin(Err(reason)) => Err(StoreError::Refused(format!("a change of a PIN: {reason}"))),
                other => Err(StoreError::Refused(format!("an outcome of another step: {other:?}"))),
            };
            self.settled.notify_waiters();
            ended
        })
    }
}

impl Ledger {
    /// Reserves a leg; with what is to be asked for, if this call has to ask.
    async fn ask(
        &self,
        order: HoldOrder,
        left: CreditLeft,
        trace: Trace,
    ) -> Result<(Leg, Option<CreditHold>), LedgerError> {
        match self.writer.write(Step::Credit(CreditStep::Ask(Box::new(order), left, trace))).await? {
            Outcome::Asked(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    /// Reserves a leg if its credit side bears nothing, whatever it has left. `None` when that has to be asked.
    async fn hold_without_asking(&self, order: HoldOrder) -> Result<Option<Leg>, LedgerError> {
        match self.writer.write(Step::Credit(CreditStep::HoldAlone(Box::new(order)))).await? {
            Outcome::Alone(result) => result.map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }

    async fn settle(&self, leg_id: LegId, answer: HoldAnswer) -> Result<Leg, LedgerError> {
        self.leg_step(Step::Credit(CreditStep::Settle(leg_id, answer))).await
    }

    async fn intend_pin(&self, intent: PinIntent, by: Principal) -> Result<PinState, LedgerError> {
        match self.writer.write(Step::Credit(CreditStep::IntendPin(Box::new(intent), by))).await? {
            Outcome::Pin(result) => result.map(|(_, state)| state).map_err(LedgerError::Refused),
            other => Err(mixed_up(&other)),
        }
    }
}
