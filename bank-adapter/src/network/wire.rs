//! Between the messages about charges of other networks and the domain. What cannot be read is a reason.

use std::time::Duration;

use domain::card::Proof;
use domain::ledger::{
    Charge, CompletionOrder, Flow, GiveBack, HoldOrder, Leg, LegOrder, LegState, Nature, Origin, Party, RefundOrder,
    Sale, VoidOrder,
};
use domain::purchase::{CategoryCode, LineItem, Location, Merchant};
use domain::text::Line;
use domain::{AccountId, CardId, LegId, MerchantId, Money, PaymentId, Reason, TerminalId, Timestamp};
use proto::counter::network_charge::Payer;
use proto::{Message as _, common, counter};

use super::OUTSIDE;

const MERCHANT_CODE_AT_MOST: usize = 15;
const TERMINAL_CODE_AT_MOST: usize = 8;
/// The most that the things bought take as a message, so that a report of them fits into one.
const ITEMS_AT_MOST: usize = 32 * 1024;
/// Nothing was bought before: 2000-01-01.
const EARLIEST: Timestamp = Timestamp::from_secs(946_684_800);
/// How far the clock of a network may be ahead.
const AHEAD_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// The order of a charge. The hub would refuse the report of what is refused here.
pub(super) fn charge(message: Option<&counter::NetworkCharge>, now: Timestamp) -> Result<HoldOrder, Reason> {
    let message = message.ok_or(Reason::FieldMissing)?;
    let (leg_id, payment_id) = purchase(&message.purchase_id)?;
    let payer = match message.payer.as_ref().ok_or(Reason::FieldMissing)? {
        Payer::AccountId(id) => Party::Account(AccountId::parse(id)?),
        Payer::CardId(id) => Party::Card(CardId::parse(id)?),
    };
    let nature = proto::from_nature(message.nature())?;
    // Savings are of the same holder at the same bank, and no other network comes into it.
    if nature.flow() != Flow::Out || nature == Nature::Savings {
        return Err(Reason::NatureUnsupported);
    }
    let amount = proto::to_payable(message.amount.as_ref())?;
    let seller = message.seller.as_ref().ok_or(Reason::FieldMissing)?;
    let merchant = Merchant {
        id: MerchantId::parse(&outside(&seller.merchant_code, MERCHANT_CODE_AT_MOST)?)?,
        name: Line::parse(&seller.display_name)?,
        category: CategoryCode::parse(&seller.category_code)?,
    };
    let sale = sale(message)?;
    if sale.occurred_at < EARLIEST || sale.occurred_at > now.plus(AHEAD_AT_MOST) {
        return Err(Reason::TimeOutOfRange);
    }
    let charge = Charge { payer, nature, amount, merchant, savings: None, sale: Some(Box::new(sale)) };
    Ok(HoldOrder { leg_id, payment_id, order: LegOrder::Charge(charge), proof: Proof::Given })
}

/// What was bought, where and when.
pub(super) fn sale(message: &counter::NetworkCharge) -> Result<Sale, Reason> {
    let seller = message.seller.as_ref().ok_or(Reason::FieldMissing)?;
    Ok(Sale {
        occurred_at: proto::from_timestamp(message.occurred_at.as_ref().ok_or(Reason::FieldMissing)?),
        terminal_id: TerminalId::parse(&outside(&seller.terminal_code, TERMINAL_CODE_AT_MOST)?)?,
        place: if seller.place.is_empty() { None } else { Some(Line::parse(&seller.place)?) },
        location: seller.location.as_ref().map(location).transpose()?,
        items: items(&message.items)?,
    })
}

fn outside(code: &str, most: usize) -> Result<String, Reason> {
    if (1..=most).contains(&code.len()) { Ok(format!("{OUTSIDE}{code}")) } else { Err(Reason::NameMalformed) }
}

fn location(message: &common::Location) -> Result<Location, Reason> {
    let (latitude, longitude) = proto::to_location(message)?;
    Ok(Location { latitude, longitude })
}

fn items(items: &[common::LineItem]) -> Result<Vec<LineItem>, Reason> {
    if items.iter().map(common::LineItem::encoded_len).sum::<usize>() > ITEMS_AT_MOST {
        return Err(Reason::TooManyItems);
    }
    proto::to_items(items)
}

/// A purchase is a leg, and the payment that the leg belongs to.
fn purchase(id: &str) -> Result<(LegId, PaymentId), Reason> {
    Ok((LegId::parse(id)?, PaymentId::parse(id)?))
}

pub(super) fn post(request: &counter::PostNetworkChargeRequest) -> Result<CompletionOrder, Reason> {
    let (leg_id, payment_id) = purchase(&request.purchase_id)?;
    let amount = proto::to_payable(request.amount.as_ref())?;
    Ok(CompletionOrder { origin: Origin::Network, leg_id, payment_id, amount })
}

pub(super) fn void(request: &counter::VoidNetworkChargeRequest) -> Result<VoidOrder, Reason> {
    let (leg_id, payment_id) = purchase(&request.purchase_id)?;
    Ok(VoidOrder { origin: Origin::Network, leg_id, payment_id })
}

pub(super) fn refund(request: &counter::RefundNetworkChargeRequest) -> Result<RefundOrder, Reason> {
    let (original_leg_id, payment_id) = purchase(&request.purchase_id)?;
    let amount = proto::to_payable(request.amount.as_ref())?;
    Ok(RefundOrder {
        origin: Origin::Network,
        leg_id: LegId::parse(&request.refund_id)?,
        payment_id,
        give_back: GiveBack { original_leg_id, amount },
    })
}

pub(super) const fn to_state(state: LegState) -> counter::NetworkChargeState {
    match state {
        // Nothing is told of a leg that is asking before it is held or refused.
        LegState::Asking => counter::NetworkChargeState::Unspecified,
        LegState::Held => counter::NetworkChargeState::Held,
        LegState::Posted => counter::NetworkChargeState::Posted,
        LegState::Voided => counter::NetworkChargeState::Voided,
        LegState::Refused(_) => counter::NetworkChargeState::Refused,
    }
}

/// The charge as it stands.
pub(super) fn to_standing(leg: &Leg) -> counter::NetworkChargeStanding {
    let is_refused = leg.state.refusal().is_some();
    counter::NetworkChargeStanding {
        purchase_id: leg.id.to_string(),
        state: to_state(leg.state).into(),
        amount: leg.amount().map(|amount| proto::to_money(Money::new(amount.currency, leg.kept_minor()))),
        // What an existing credit system has refused was split, and then took nothing.
        credit_minor: if is_refused { 0 } else { leg.credit_minor() },
        given_back_minor: leg.refunded_minor,
        refusal: leg.state.refusal().map(proto::refusal),
        masked: leg.account_masked.clone(),
    }
}

/// The charge as an answer to a request to move money: one that was voided meanwhile says so as a refusal.
pub(super) fn to_answer(leg: &Leg) -> counter::NetworkChargeStanding {
    let voided = (leg.state == LegState::Voided).then(|| proto::refusal(Reason::LegVoided));
    let standing = to_standing(leg);
    counter::NetworkChargeStanding { refusal: voided.or_else(|| standing.refusal.clone()), ..standing }
}
