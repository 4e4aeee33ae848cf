//! Between the messages of the counter and the domain. What cannot be read is a reason.

use domain::card::{Bin, Card, CardState, Pan};
use domain::ledger::{
    Account, AccountKind, Deposit, DepositId, FreezeOrder, Leg, LegState, Split, decide_again, write_splits,
};
use domain::text::Line;
use domain::{AccountId, AttemptId, CardId, Currency, LegId, Money, Reason, Timestamp};
use proto::counter;

use crate::card::{Face, Issuing, PinSetting, pin_block};
use crate::credit_system::{About, Kind, OrderKey, Retold, State, Stuck, StuckKey};
use crate::ledger::Opening;

pub(super) fn opening(request: &counter::OpenAccountRequest) -> Result<Opening, Reason> {
    if request.credit_line.is_some() && request.kind() != counter::AccountKind::Credit {
        return Err(Reason::FieldUnknown);
    }
    Ok(Opening {
        account_id: AccountId::parse(&request.account_id)?,
        currency: Currency::parse(&request.currency_code)?,
        holder: Line::parse(&request.holder_name)?,
        payment_limit_minor: request.payment_limit_minor,
    })
}

pub(super) fn deposit(request: &counter::DepositCashRequest) -> Result<Deposit, Reason> {
    Ok(Deposit {
        id: DepositId::parse(&request.deposit_id)?,
        account_id: AccountId::parse(&request.account_id)?,
        amount: proto::to_payable(request.amount.as_ref())?,
    })
}

pub(super) fn freeze_order(request: &counter::SetAccountFrozenRequest) -> Result<FreezeOrder, Reason> {
    Ok(FreezeOrder { account_id: AccountId::parse(&request.account_id)?, frozen: request.frozen })
}

const fn to_kind(kind: AccountKind) -> counter::AccountKind {
    match kind {
        AccountKind::CustomerDeposit => counter::AccountKind::Deposit,
        AccountKind::CustomerSavings => counter::AccountKind::Savings,
        AccountKind::CustomerCredit => counter::AccountKind::Credit,
        AccountKind::HubSettlement
        | AccountKind::NetworkSettlement
        | AccountKind::Cash
        | AccountKind::Fees
        | AccountKind::Interest => counter::AccountKind::Unspecified,
    }
}

pub(super) fn to_account(account: &Account) -> counter::Account {
    let money = |minor| Some(proto::to_money(Money::new(account.currency, minor)));
    counter::Account {
        account_id: account.id.to_string(),
        account_masked: account.masked(),
        available: money(account.available_minor()),
        balance: money(account.balance_minor()),
        frozen: account.is_frozen(),
        payment_limit_minor: account.payment_limit_minor,
        kind: to_kind(account.kind).into(),
        credit_line: None,
    }
}

pub(super) fn issuing(request: &counter::IssueCardRequest) -> Result<Issuing, Reason> {
    let account = |id: &str| (!id.is_empty()).then(|| AccountId::parse(id)).transpose();
    Ok(Issuing {
        card_id: CardId::parse(&request.card_id)?,
        bin: Bin::parse(&request.bin)?,
        debit: account(&request.debit_account_id)?,
        credit: account(&request.credit_account_id)?,
        pan: (!request.pan.is_empty()).then(|| Pan::parse(&request.pan)).transpose()?,
    })
}

pub(super) fn pin_setting(request: &counter::SetPinRequest) -> Result<PinSetting, Reason> {
    // One rule for the form of all ids.
    let change_id = AttemptId::parse(&request.change_id)?.uuid();
    let pad = &request.pin_pad_id;
    Ok(PinSetting {
        ids: (CardId::parse(&request.card_id)?, change_id),
        new: pin_block(request.new_pin.as_ref().ok_or(Reason::FieldMissing)?, pad)?,
        current: request.current_pin.as_ref().map(|block| pin_block(block, pad)).transpose()?,
    })
}

const fn to_state(state: CardState) -> counter::CardState {
    match state {
        CardState::Issued => counter::CardState::Issued,
        CardState::Active => counter::CardState::Active,
        CardState::Lost => counter::CardState::Lost,
        CardState::Replaced => counter::CardState::Replaced,
        CardState::Closed => counter::CardState::Closed,
    }
}

pub(super) fn to_card(card: &Card, has_pin: bool, now: Timestamp) -> counter::Card {
    let account = |id: Option<AccountId>| id.map(|id| id.to_string()).unwrap_or_default();
    counter::Card {
        card_id: card.id.to_string(),
        card_masked: card.masked.clone(),
        state: to_state(card.state).into(),
        frozen: card.is_frozen(),
        locked: card.tries.is_locked(),
        expiry: card.expiry.yymm(),
        debit_account_id: account(card.sides.debit()),
        credit_account_id: account(card.sides.credit()),
        replaced_by_card_id: card.replaced_by.map(|id| id.to_string()).unwrap_or_default(),
        has_pin,
        pin_only: card.cvv_tries.is_blocked(now),
    }
}

pub(super) fn to_face(face: &Face) -> counter::CardFace {
    counter::CardFace {
        pan: face.pan.reveal().to_owned(),
        expiry: face.expiry.yymm(),
        cvv2: face.cvv2.reveal().to_owned(),
        track2: face.track.reveal(),
    }
}

pub(super) fn advice_key(request: &counter::RetellAdviceRequest) -> Result<StuckKey, Reason> {
    let kind = match request.kind() {
        counter::AdviceKind::Post => Kind::Post,
        counter::AdviceKind::Void => Kind::Void,
        counter::AdviceKind::Refund => Kind::Refund,
        counter::AdviceKind::Repayment => Kind::Repayment,
        counter::AdviceKind::Reversal => Kind::Reversal,
        counter::AdviceKind::Card => return Ok(StuckKey::Card(CardId::parse(&request.card_id)?)),
        counter::AdviceKind::Unspecified => return Err(Reason::FieldUnknown),
    };
    Ok(StuckKey::Leg(OrderKey { leg_id: LegId::parse(&request.leg_id)?, kind }))
}

pub(super) fn to_stuck(stuck: &Stuck) -> counter::StuckAdvice {
    let told = counter::StuckAdvice {
        card_id: stuck.card_id.to_string(),
        card_masked: stuck.card_masked.clone(),
        reason: stuck.refusal.code().to_owned(),
        queued_at: Some(proto::to_timestamp(stuck.queued_at)),
        refused_at: Some(proto::to_timestamp(stuck.refused_at)),
        tries: stuck.tries,
        ..counter::StuckAdvice::default()
    };
    match stuck.about {
        About::Leg { key, amount } => counter::StuckAdvice {
            kind: to_advice_kind(key.kind).into(),
            leg_id: key.leg_id.to_string(),
            amount: Some(proto::to_money(amount)),
            ..told
        },
        About::Card(status) => counter::StuckAdvice {
            kind: counter::AdviceKind::Card.into(),
            card_status: status.as_str().to_owned(),
            ..told
        },
    }
}

const fn to_advice_kind(kind: Kind) -> counter::AdviceKind {
    match kind {
        // A hold is no advice, and is never stuck.
        Kind::Hold => counter::AdviceKind::Unspecified,
        Kind::Post => counter::AdviceKind::Post,
        Kind::Void => counter::AdviceKind::Void,
        Kind::Refund => counter::AdviceKind::Refund,
        Kind::Repayment => counter::AdviceKind::Repayment,
        Kind::Reversal => counter::AdviceKind::Reversal,
    }
}

pub(super) fn to_retold(retold: Retold) -> counter::RetellAdviceResponse {
    let state = match retold.state {
        State::Waiting => counter::AdviceState::Waiting,
        State::Acknowledged => counter::AdviceState::Acknowledged,
        State::Stuck(_) => counter::AdviceState::Stuck,
        State::Superseded => counter::AdviceState::Superseded,
        // Those of a hold, which is no advice.
        State::Asking | State::Approved | State::Refused(_) | State::Unanswered => counter::AdviceState::Unspecified,
    };
    counter::RetellAdviceResponse { told_again: retold.refusal.is_some(), state: state.into() }
}

/// Why a leg is as it is: what was known, what was decided, and what the same facts give now.
pub(super) fn explanation(leg: &Leg) -> counter::ExplainLegResponse {
    let told = |decided: Result<Vec<Split>, Reason>| match decided {
        Ok(splits) => write_splits(&splits),
        Err(reason) => reason.code().to_owned(),
    };
    let decided = match leg.state {
        LegState::Refused(reason) => Err(reason),
        LegState::Asking | LegState::Held | LegState::Posted | LegState::Voided => Ok(leg.splits.clone()),
    };
    let decided_again = decide_again(&leg.decision).map(told).unwrap_or_default();
    counter::ExplainLegResponse { facts: leg.decision.clone(), decided: told(decided), decided_again }
}
