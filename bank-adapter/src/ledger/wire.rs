//! Between the messages of the bank's service and the ledger's own types. What cannot be read is a reason.

use domain::card::Proof;
use domain::ledger::{
    Account, Available, Charge, CompletionOrder, Flow, GiveBack, HoldOrder, Leg, LegOrder, LegState, Nature, Origin,
    Part, Party, Receipt, RefundOrder, Split, VoidOrder, digest_line,
};
use domain::payment::Instrument;
use domain::purchase::{CategoryCode, Merchant};
use domain::text::Line;
use domain::{AccountId, CardId, LegId, MerchantId, Money, PaymentId, Reason};
use proto::{bank, common};
use ring::digest::{Context, SHA256};

use super::PostResult;
use crate::card::Presented;

/// Holds of one call; a message with fewer may be too long already.
const MOST_HOLDS: usize = 128;
/// Legs that one call may post.
const MOST_POSTS: usize = 512;

/// Whether a call has no more holds than it may have.
pub(super) fn may_hold(request: &bank::HoldLegsRequest) -> Result<(), Reason> {
    if request.holds.len() > MOST_HOLDS { Err(Reason::TooManyItems) } else { Ok(()) }
}

/// Who pays or gets, as it was named.
#[derive(Debug)]
pub(super) enum Payer {
    /// Somebody whom the hub has authenticated.
    Named(Party),
    Presented(Box<Presented>),
}

/// A hold as far as the message says it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) payer: Payer,
    pub(super) nature: Nature,
    pub(super) amount: Money,
    pub(super) rest: Rest,
}

impl Reading {
    /// The nature by which the card has to be proved: money that comes back out of savings leaves an account, too.
    pub(super) const fn shows_as(&self) -> Nature {
        match (self.nature, self.rest.savings) {
            (Nature::TransferIn, Some(_)) => Nature::TransferOut,
            (nature, _) => nature,
        }
    }
}

/// What a hold says besides who pays.
#[derive(Debug)]
pub(super) struct Rest {
    leg_id: LegId,
    payment_id: PaymentId,
    nature: Nature,
    amount: Money,
    merchant: Merchant,
    savings: Option<AccountId>,
}

impl Rest {
    pub(super) fn order(self, party: Party, proof: Proof) -> HoldOrder {
        let Self { leg_id, payment_id, nature, amount, merchant, savings } = self;
        let order = match nature.flow() {
            Flow::In => LegOrder::Receipt(Receipt { payee: party, nature, amount, merchant, savings }),
            Flow::Out | Flow::Look | Flow::Follows => {
                LegOrder::Charge(Charge { payer: party, nature, amount, merchant, savings, sale: None })
            }
        };
        HoldOrder { leg_id, payment_id, order, proof }
    }
}

pub(super) fn hold(hold: &bank::Hold) -> Result<Reading, Reason> {
    let (leg_id, payment_id) = (LegId::parse(&hold.leg_id)?, PaymentId::parse(&hold.payment_id)?);
    let payer = match hold.payer.as_ref().ok_or(Reason::FieldMissing)? {
        bank::hold::Payer::AccountId(id) => Payer::Named(Party::Account(AccountId::parse(id)?)),
        bank::hold::Payer::CardId(id) => Payer::Named(Party::Card(CardId::parse(id)?)),
        bank::hold::Payer::Card(card) => Payer::Presented(Box::new(presented(Some(card))?)),
    };
    let nature = proto::from_nature(hold.nature())?;
    let amount = proto::to_payable(hold.amount.as_ref())?;
    let savings = match hold.savings_account_id.as_str() {
        "" => None,
        id => Some(AccountId::parse(id)?),
    };
    let merchant = merchant(hold.merchant.as_ref())?;
    Ok(Reading { payer, nature, amount, rest: Rest { leg_id, payment_id, nature, amount, merchant, savings } })
}

pub(super) fn instrument(request: &bank::FollowInstrumentRequest) -> Result<Instrument, Reason> {
    use bank::follow_instrument_request::Instrument as Named;
    Ok(match request.instrument.as_ref().ok_or(Reason::FieldMissing)? {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
        Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
    })
}

pub(super) fn presented(card: Option<&bank::CardAtTerminal>) -> Result<Presented, Reason> {
    let at = card.ok_or(Reason::FieldMissing)?;
    Presented::read(at.card.as_ref().ok_or(Reason::FieldMissing)?, &at.terminal_id)
}

fn to_part(split: &Split) -> bank::LegPart {
    let part = match split.part {
        Part::Debit => bank::Part::Debit,
        Part::Credit => bank::Part::Credit,
        Part::CashAdvance => bank::Part::CashAdvance,
    };
    bank::LegPart { part: part.into(), amount_minor: split.amount_minor }
}

pub(super) fn completion(request: &bank::CompleteLegRequest) -> Result<CompletionOrder, Reason> {
    Ok(CompletionOrder {
        origin: Origin::Hub,
        leg_id: LegId::parse(&request.leg_id)?,
        payment_id: PaymentId::parse(&request.payment_id)?,
        amount: proto::to_payable(request.amount.as_ref())?,
    })
}

pub(super) fn to_balance(available: Available, card_masked: String) -> bank::InquireBalanceResponse {
    bank::InquireBalanceResponse {
        debit_available: available.debit.map(proto::to_money),
        credit_available: available.credit.map(proto::to_money),
        cash_advance_available: available.cash_advance.map(proto::to_money),
        card_masked,
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
    let (leg_id, payment_id) = (LegId::parse(&request.leg_id)?, PaymentId::parse(&request.payment_id)?);
    Ok(VoidOrder { origin: Origin::Hub, leg_id, payment_id })
}

pub(super) fn refund_order(request: &bank::RefundLegRequest) -> Result<RefundOrder, Reason> {
    Ok(RefundOrder {
        origin: Origin::Hub,
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
        // Nothing is told of a leg that is asking before it is held or refused.
        LegState::Asking => bank::LegState::Unspecified,
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
        card_id: match leg.party() {
            Some(Party::Card(id)) => id.to_string(),
            Some(Party::Account(_) | Party::UnknownCard) | None => String::new(),
        },
        nature: leg.nature().map_or(common::Nature::Unspecified, proto::to_nature).into(),
        // What an existing credit system has refused was split, and then took nothing.
        parts: match leg.state {
            LegState::Refused(_) => Vec::new(),
            _ => leg.kept_splits().iter().map(to_part).collect(),
        },
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
        frozen: account.is_frozen(),
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
