//! A payment as its terminal sees it, read strictly from the wire.

use std::fmt;

use domain::ledger::Flow;
use domain::{Currency, Money, PaymentId, Reason, Timestamp};
use proto::common;
use proto::terminal as pb;

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    AwaitingCode,
    Pending,
    Approved,
    Declined,
    Reversed,
    /// Reserved by a pre-authorisation.
    Authorised,
}

impl PaymentState {
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwaitingCode => "AWAITING_CODE",
            Self::Pending => "PENDING",
            Self::Approved => "APPROVED",
            Self::Declined => "DECLINED",
            Self::Reversed => "REVERSED",
            Self::Authorised => "AUTHORISED",
        }
    }

    pub const fn is_final(self) -> bool {
        matches!(self, Self::Approved | Self::Declined | Self::Reversed)
    }
}

impl fmt::Display for PaymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub name: String,
    /// Thousandths of a unit.
    pub quantity_milli: i64,
    /// The price of all of them, in minor units of the payment's currency.
    pub amount_minor: i64,
}

impl Item {
    pub(crate) fn to_wire(&self) -> common::LineItem {
        common::LineItem {
            name: self.name.clone(),
            code: String::new(),
            quantity_milli: self.quantity_milli,
            amount_minor: self.amount_minor,
        }
    }
}

/// A payment or a refund.
#[derive(Clone, Debug, PartialEq)]
pub struct Payment {
    pub id: PaymentId,
    pub state: PaymentState,
    pub amount: Money,
    /// Why it was declined, or why the last try failed.
    pub refusal: Option<common::Refusal>,
    pub attempts_left: u32,
    pub code_expires_at: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    pub refunded_minor: i64,
    /// The bank that was charged; empty before.
    pub bank_id: String,
    pub account_masked: String,
    /// For a refund, the payment that it gives back from; otherwise empty.
    pub refund_of: String,
    /// Whether it is one by which money comes in.
    pub comes_in: bool,
}

/// The hub's answer does not say what a payment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hub's answer cannot be read: {what}")]
pub struct UnreadablePayment {
    pub what: &'static str,
}

impl Payment {
    pub(super) fn read(wire: Option<pb::Payment>) -> Result<Self, UnreadablePayment> {
        let unreadable = |what| UnreadablePayment { what };
        let wire = wire.ok_or_else(|| unreadable("there is no payment in it"))?;
        let state = match pb::PaymentState::try_from(wire.state) {
            Ok(pb::PaymentState::AwaitingCode) => PaymentState::AwaitingCode,
            Ok(pb::PaymentState::Pending) => PaymentState::Pending,
            Ok(pb::PaymentState::Approved) => PaymentState::Approved,
            Ok(pb::PaymentState::Declined) => PaymentState::Declined,
            Ok(pb::PaymentState::Reversed) => PaymentState::Reversed,
            Ok(pb::PaymentState::Authorised) => PaymentState::Authorised,
            Ok(pb::PaymentState::Unspecified) | Err(_) => return Err(unreadable("its state is not known here")),
        };
        let comes_in = proto::from_nature(wire.nature()).is_ok_and(|nature| nature.flow() == Flow::In);
        let amount = wire.amount.ok_or_else(|| unreadable("it has no amount"))?;
        let currency = Currency::parse(&amount.currency_code).map_err(|_| unreadable("its currency is not known"))?;
        Ok(Self {
            id: PaymentId::parse(&wire.payment_id).map_err(|_| unreadable("its id is malformed"))?,
            state,
            amount: Money::new(currency, amount.minor_units),
            refusal: wire.refusal,
            attempts_left: wire.attempts_left,
            code_expires_at: wire.code_expires_at.as_ref().map(proto::from_timestamp),
            created_at: wire.created_at.as_ref().map(proto::from_timestamp),
            decided_at: wire.decided_at.as_ref().map(proto::from_timestamp),
            refunded_minor: wire.refunded_minor,
            bank_id: wire.bank_id,
            account_masked: wire.account_masked,
            refund_of: wire.refund_of_payment_id,
            comes_in,
        })
    }

    /// The reason of the catalogue for which it was declined or the last try failed.
    pub fn reason(&self) -> Option<Reason> {
        self.refusal.as_ref().and_then(|refusal| Reason::from_code(&refusal.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> pb::Payment {
        pb::Payment {
            payment_id: "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f".to_owned(),
            state: pb::PaymentState::Approved.into(),
            amount: Some(common::Money { currency_code: "CNY".to_owned(), minor_units: 1250 }),
            ..pb::Payment::default()
        }
    }

    #[test]
    fn an_answer_is_read_or_refused_and_never_guessed() {
        let payment = Payment::read(Some(wire())).unwrap();
        assert!(payment.state.is_final() && payment.amount == Money::new(Currency::CNY, 1250));
        assert!(Payment::read(None).is_err());
        for state in [0, 99, -1] {
            assert!(Payment::read(Some(pb::Payment { state, ..wire() })).is_err());
        }
        assert!(Payment::read(Some(pb::Payment { amount: None, ..wire() })).is_err());
        assert!(Payment::read(Some(pb::Payment { payment_id: "7".to_owned(), ..wire() })).is_err());
    }
}
