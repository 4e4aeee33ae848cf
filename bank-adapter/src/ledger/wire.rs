//! Between the messages of the bank's service and the ledger's own types. What cannot be read is a reason.

use domain::ledger::{Account, Charge, GiveBack, HoldOrder, Leg, LegState, RefundOrder, VoidOrder, digest_line};
use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{AccountId, LegId, MerchantId, Money, PaymentId, Reason};
use proto::{bank, common};
use ring::digest::{Context, SHA256};

use super::PostResult;

/// Holds of one call; a message with fewer may be too long already.
const MOST_HOLDS: usize = 128;
/// Legs that one call may post.
const MOST_POSTS: usize = 512;

/// What can be read of the holds, each in its place.
pub(super) fn hold_orders(request: &bank::HoldLegsRequest) -> Result<Vec<Result<HoldOrder, Reason>>, Reason> {
    if request.holds.len() > MOST_HOLDS {
        return Err(Reason::TooManyItems);
    }
    Ok(request.holds.iter().map(hold_order).collect())
}

fn hold_order(request: &bank::Hold) -> Result<HoldOrder, Reason> {
    Ok(HoldOrder {
        leg_id: LegId::parse(&request.leg_id)?,
        payment_id: PaymentId::parse(&request.payment_id)?,
        charge: Charge::purchase(
            payer(request)?,
            proto::to_payable(request.amount.as_ref())?,
            merchant(request.merchant.as_ref())?,
        ),
    })
}

fn payer(request: &bank::Hold) -> Result<AccountId, Reason> {
    match &request.payer {
        Some(bank::hold::Payer::AccountId(id)) => AccountId::parse(id),
        _ => Err(Reason::FieldMissing),
    }
}

fn merchant(merchant: Option<&common::Merchant>) -> Result<Merchant, Reason> {
    let merchant = merchant.ok_or(Reason::FieldMissing)?;
    Ok(Merchant {
        id: MerchantId::parse(&merchant.merchant_id)?,
        name: Line::parse(&merchant.display_name)?,
        category: CategoryCode::parse(&merchant.category_code)?,
    })
}

pub(super) fn legs_to_post(request: &bank::PostLegsRequest) -> Result<Vec<LegId>, Reason> {
    if request.leg_ids.len() > MOST_POSTS {
        return Err(Reason::TooManyItems);
    }
    request.leg_ids.iter().map(|id| LegId::parse(id)).collect()
}

pub(super) fn void_order(request: &bank::VoidLegRequest) -> Result<VoidOrder, Reason> {
    Ok(VoidOrder { leg_id: LegId::parse(&request.leg_id)?, payment_id: PaymentId::parse(&request.payment_id)? })
}

pub(super) fn refund_order(request: &bank::RefundLegRequest) -> Result<RefundOrder, Reason> {
    Ok(RefundOrder {
        leg_id: LegId::parse(&request.leg_id)?,
        payment_id: PaymentId::parse(&request.payment_id)?,
        give_back: GiveBack {
            original_leg_id: LegId::parse(&request.original_leg_id)?,
            amount: proto::to_payable(request.amount.as_ref())?,
        },
    })
}

const fn to_state(state: LegState) -> bank::LegState {
    match state {
        LegState::Held => bank::LegState::Held,
        LegState::Posted => bank::LegState::Posted,
        LegState::Voided => bank::LegState::Voided,
        LegState::Refused(_) => bank::LegState::Refused,
    }
}

/// The leg as it stands.
pub(super) fn to_leg(leg: &Leg) -> bank::Leg {
    bank::Leg {
        leg_id: leg.id.to_string(),
        payment_id: leg.payment_id.to_string(),
        state: to_state(leg.state).into(),
        account_id: leg.account_id.map(|id| id.to_string()).unwrap_or_default(),
        amount: leg.amount().map(proto::to_money),
        refusal: leg.state.refusal().map(proto::refusal),
        original_leg_id: leg.original_leg_id().map(|id| id.to_string()).unwrap_or_default(),
        account_masked: leg.account_masked.clone(),
        changed_at: Some(proto::to_timestamp(leg.changed_at)),
        card_id: String::new(),
        nature: 0,
        parts: Vec::new(),
        released_minor: leg.released_minor,
    }
}

/// The leg as an answer to a request to move money: one that was voided meanwhile says so as a refusal.
pub(super) fn to_answer(leg: &Leg) -> bank::Leg {
    let voided = (leg.state == LegState::Voided).then(|| proto::refusal(Reason::LegVoided));
    let leg = to_leg(leg);
    bank::Leg { refusal: voided.or_else(|| leg.refusal.clone()), ..leg }
}

pub(super) fn to_hold_result(hold: &bank::Hold, result: Result<Leg, Reason>) -> bank::HoldLegResult {
    let leg_id = hold.leg_id.clone();
    match result {
        Ok(leg) => bank::HoldLegResult { leg_id, leg: Some(to_answer(&leg)), refusal: None },
        Err(reason) => bank::HoldLegResult { leg_id, leg: None, refusal: Some(proto::refusal(reason)) },
    }
}

pub(super) fn to_post_result(result: &PostResult) -> bank::PostLegResult {
    bank::PostLegResult {
        leg_id: result.leg_id.to_string(),
        state: result.state.map_or(bank::LegState::Unspecified, to_state).into(),
        refusal: result.refusal.map(proto::refusal),
    }
}

pub(super) fn to_account(account: &Account) -> bank::Account {
    let money = |minor| Some(proto::to_money(Money::new(account.currency, minor)));
    bank::Account {
        account_id: account.id.to_string(),
        account_masked: account.masked(),
        available: money(account.available_minor()),
        balance: money(account.balance_minor()),
        frozen: account.frozen,
        payment_limit_minor: account.payment_limit_minor,
    }
}

/// SHA-256 over the digest lines of a page.
pub(super) fn digest(legs: &[Leg]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for leg in legs {
        let amount_minor = leg.amount().map_or(0, |amount| amount.minor);
        context.update(digest_line(leg.id, leg.state, amount_minor).as_bytes());
    }
    context.finish().as_ref().to_vec()
}
