//! What the hub may ask of a leg: hold, post, void, and give back.

use super::{
    AccountFacts, Books, Change, Charge, Decided, Facts, GiveBack, Leg, LegOrder, LegState, Nature, Transfer,
    TransferKind, give_back, route,
};
use crate::{LegId, PaymentId, Reason, Timestamp};

/// Reserve the money of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldOrder {
    pub leg_id: LegId,
    pub payment_id: PaymentId,
    pub charge: Charge,
}

/// Release a leg, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidOrder {
    pub leg_id: LegId,
    pub payment_id: PaymentId,
}

/// Give money back from a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// The id of this movement.
    pub leg_id: LegId,
    /// The refund or reversal that it belongs to.
    pub payment_id: PaymentId,
    pub give_back: GiveBack,
}

/// Reserves the money of a leg, or refuses. The answer is a leg that is held or refused; voided when it was voided
/// before it came; as it stands when the same was asked before. `Err(LegIdTaken)` for another order under the same id,
/// `Err(Fault)` for a mistake of this program.
pub fn hold(books: &Books, order: &HoldOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let leg_order = LegOrder::Charge(order.charge.clone());
    if let Some(leg) = books.leg(order.leg_id) {
        return as_before(leg, order.payment_id, &leg_order);
    }
    let account = books.account(order.charge.account_id);
    let facts = Facts {
        nature: Nature::Purchase,
        amount: order.charge.amount,
        account_id: order.charge.account_id,
        account: account.map(AccountFacts::from),
    };
    let mut leg = Leg::new(order.leg_id, order.payment_id, leg_order, LegState::Held, now);
    leg.account_id = Some(order.charge.account_id);
    leg.decision = facts.to_string();
    leg.account_masked = account.map(super::Account::masked).unwrap_or_default();
    leg.splits = match route(&facts) {
        Ok(splits) => splits,
        Err(reason) => return Ok(refused(leg, reason)),
    };
    let transfers = leg.pending(&order.charge, now);
    match books.moved(&transfers, now) {
        Ok(accounts) => Ok(stored(leg.clone(), vec![leg], accounts, transfers)),
        // A mistake of this program says nothing about the account: it is not stored, and the same hold may pass later.
        Err(Reason::Fault) => Err(Reason::Fault),
        Err(reason) => Ok(refused(leg, reason)),
    }
}

/// Moves what a leg holds. Posted already is fine. `Err` with `LegUnknown`, `LegVoided` or `LegRefused`.
pub fn post(books: &Books, leg_id: LegId, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let Some(leg) = books.leg(leg_id) else {
        return Err(Reason::LegUnknown);
    };
    if leg.state == LegState::Posted {
        return Ok(Decided::unchanged(leg.clone()));
    }
    if leg.state == LegState::Voided {
        return Err(Reason::LegVoided);
    }
    let (LegState::Held, LegOrder::Charge(charge)) = (leg.state, &leg.order) else {
        return Err(Reason::LegRefused);
    };
    let transfers = leg.resolutions(charge, TransferKind::PostOf, now);
    let accounts = books.moved(&transfers, now)?;
    let leg = leg.moved_to(LegState::Posted, now);
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Releases what a leg holds. Voided already, and refused, are fine. An unknown leg leaves a tombstone.
/// `Err` with `LegIdTaken` for another payment's leg and `LegPosted` for one that is past releasing.
pub fn void(books: &Books, order: VoidOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let Some(leg) = books.leg(order.leg_id) else {
        let leg = Leg::new(order.leg_id, order.payment_id, LegOrder::Unseen, LegState::Voided, now);
        return Ok(stored(leg.clone(), vec![leg], Vec::new(), Vec::new()));
    };
    if leg.payment_id != order.payment_id {
        return Err(Reason::LegIdTaken);
    }
    if leg.state == LegState::Posted {
        return Err(Reason::LegPosted);
    }
    let (LegState::Held, LegOrder::Charge(charge)) = (leg.state, &leg.order) else {
        return Ok(Decided::unchanged(leg.clone()));
    };
    let transfers = leg.resolutions(charge, TransferKind::VoidOf, now);
    let accounts = books.moved(&transfers, now)?;
    let leg = leg.moved_to(LegState::Voided, now);
    Ok(stored(leg.clone(), vec![leg], accounts, transfers))
}

/// Gives money back, posted at once, whatever the state of the account: frozen, money can come in. The answer is a leg
/// that is posted or refused; voided when it was voided before it came. `Err(LegIdTaken)` for another order under the same id.
pub fn refund(books: &Books, order: &RefundOrder, now: Timestamp) -> Result<Decided<Leg>, Reason> {
    let leg_order = LegOrder::GiveBack(order.give_back.clone());
    if let Some(leg) = books.leg(order.leg_id) {
        return as_before(leg, order.payment_id, &leg_order);
    }
    let amount = order.give_back.amount;
    let mut leg = Leg::new(order.leg_id, order.payment_id, leg_order, LegState::Posted, now);
    let Some(original) = books.leg(order.give_back.original_leg_id) else {
        return Ok(refused(leg, Reason::OriginalUnknown));
    };
    let LegOrder::Charge(charge) = &original.order else {
        return Ok(refused(leg, Reason::OriginalUnknown));
    };
    if !matches!(original.state, LegState::Held | LegState::Posted) {
        return Ok(refused(leg, Reason::OriginalUnknown));
    }
    leg.account_id = original.account_id;
    leg.account_masked.clone_from(&original.account_masked);
    if charge.amount.currency != amount.currency {
        return Ok(refused(leg, Reason::CurrencyMismatch));
    }
    if amount.minor <= 0 {
        return Ok(refused(leg, Reason::AmountNotPositive));
    }
    if amount.minor > charge.amount.minor.saturating_sub(original.refunded_minor) {
        return Ok(refused(leg, Reason::RefundTooLarge));
    }
    // The hub says that the payment was committed, so a leg that is held still is one whose post has not come yet.
    let mut transfers = match original.state {
        LegState::Held => original.resolutions(charge, TransferKind::PostOf, now),
        LegState::Posted | LegState::Voided | LegState::Refused(_) => Vec::new(),
    };
    leg.splits = give_back(&original.splits, original.refunded_minor, amount.minor);
    transfers.extend(leg.pending(charge, now).into_iter().map(turned_round));
    let accounts = match books.moved(&transfers, now) {
        Ok(accounts) => accounts,
        Err(Reason::Fault) => return Err(Reason::Fault),
        Err(reason) => return Ok(refused(leg, reason)),
    };
    let mut original = original.moved_to(LegState::Posted, now);
    original.refunded_minor = original.refunded_minor.saturating_add(amount.minor);
    Ok(stored(leg.clone(), vec![original, leg], accounts, transfers))
}

/// The same transfer in the other direction and at once.
fn turned_round(transfer: Transfer) -> Transfer {
    Transfer {
        kind: TransferKind::Posted,
        debit_account: transfer.credit_account,
        credit_account: transfer.debit_account,
        ..transfer
    }
}

/// The answer to an id that is known: the same order gets the leg as it stands.
fn as_before(leg: &Leg, payment_id: PaymentId, order: &LegOrder) -> Result<Decided<Leg>, Reason> {
    if leg.payment_id != payment_id {
        return Err(Reason::LegIdTaken);
    }
    if leg.order != LegOrder::Unseen && leg.order != *order {
        return Err(Reason::LegIdTaken);
    }
    Ok(Decided::unchanged(leg.clone()))
}

fn refused(mut leg: Leg, reason: Reason) -> Decided<Leg> {
    leg.state = LegState::Refused(reason);
    leg.splits = Vec::new();
    stored(leg.clone(), vec![leg], Vec::new(), Vec::new())
}

fn stored(answer: Leg, legs: Vec<Leg>, accounts: Vec<super::Account>, transfers: Vec<Transfer>) -> Decided<Leg> {
    Decided { answer, change: Change { legs, accounts, transfers, deposit: None } }
}
