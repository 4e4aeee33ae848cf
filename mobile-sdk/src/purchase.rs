//! What the person bought, in the words of the domain.

use std::time::SystemTime;

use proto::{cardholder as pb, common};

use crate::mirror::mirror;
use crate::platform::moment;

/// An amount in whole minor units: 1250 of CNY is 12.50, 1250 of JPY is 1250.
#[derive(Clone, Debug, PartialEq, Eq, Hash, uniffi::Record)]
pub struct Money {
    /// ISO 4217, such as "CNY".
    pub currency_code: String,
    pub minor_units: i64,
}

/// Whom the money goes to.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Merchant {
    pub merchant_id: String,
    pub display_name: String,
    /// The merchant category code of ISO 18245, four digits.
    pub category_code: String,
}

/// Degrees of WGS 84, north and east positive.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Location {
    pub latitude: f64,
    pub longitude: f64,
}

/// One thing that was bought.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LineItem {
    pub name: String,
    /// The merchant's own code or a GTIN; may be empty.
    pub code: String,
    /// 1000 is one piece, 250 a quarter of a kilogram.
    pub quantity_milli: i64,
    /// The price of all of them, in minor units of the purchase's currency.
    pub amount_minor: i64,
}

mirror! {
    /// What sort of transaction it is.
    Nature = common::Nature {
        Purchase, CashWithdrawal, Savings, TransferOut, PreAuthorisation, Deposit, TopUp, TransferIn, Repayment,
    }
}

mirror! {
    /// Where a purchase stands.
    PurchaseState = common::PurchaseState {
        /// The money is reserved; how much is charged in the end is not yet known.
        Held,
        /// The money has moved, or is certain to.
        Posted,
        /// Taken back as a whole.
        Reversed,
    }
}

mirror! {
    /// Who carried the payment.
    Carrier = common::Carrier {
        /// A terminal of the federation.
        Hub,
        /// Somebody else; the bank has reported it.
        Bank,
    }
}

/// A purchase in the person's record, or another transaction by which money went out.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Purchase {
    pub payment_id: String,
    pub amount: Money,
    /// When it was charged.
    pub occurred_at: SystemTime,
    pub bank_id: String,
    /// The account or card as others may see it, such as "****4821".
    pub account_masked: String,
    pub merchant: Merchant,
    pub terminal_id: String,
    /// What people call the place; may be empty.
    pub place: String,
    pub location: Option<Location>,
    pub items: Vec<LineItem>,
    /// How much came back so far, in minor units.
    pub given_back_minor: i64,
    pub nature: Nature,
    /// How much of it the card's credit side bears, in minor units, where the bank has said it.
    pub credit_minor: Option<i64>,
    pub state: PurchaseState,
    pub carrier: Carrier,
}

pub(crate) fn money_of(money: Option<common::Money>) -> Money {
    let common::Money { currency_code, minor_units } = money.unwrap_or_default();
    Money { currency_code, minor_units }
}

pub(crate) fn merchant_of(merchant: Option<common::Merchant>) -> Merchant {
    let common::Merchant { merchant_id, display_name, category_code } = merchant.unwrap_or_default();
    Merchant { merchant_id, display_name, category_code }
}

/// A time that the hub always sets; one that is missing is the beginning of 1970.
pub(crate) fn time_of(at: Option<&prost_types::Timestamp>) -> SystemTime {
    optional_time(at).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn optional_time(at: Option<&prost_types::Timestamp>) -> Option<SystemTime> {
    at.map(|at| moment(proto::from_timestamp(at)))
}

pub(crate) fn location_of(it: common::Location) -> Location {
    Location { latitude: it.latitude, longitude: it.longitude }
}

pub(crate) fn items_of(items: Vec<common::LineItem>) -> Vec<LineItem> {
    let item = |it: common::LineItem| LineItem {
        name: it.name,
        code: it.code,
        quantity_milli: it.quantity_milli,
        amount_minor: it.amount_minor,
    };
    items.into_iter().map(item).collect()
}

pub(crate) fn purchase_of(it: pb::Purchase) -> Purchase {
    Purchase {
        nature: Nature::read(it.nature),
        state: PurchaseState::read(it.state),
        carrier: Carrier::read(it.carrier),
        payment_id: it.payment_id,
        amount: money_of(it.amount),
        occurred_at: time_of(it.occurred_at.as_ref()),
        bank_id: it.bank_id,
        account_masked: it.account_masked,
        merchant: merchant_of(it.merchant),
        terminal_id: it.terminal_id,
        place: it.place,
        location: it.location.map(location_of),
        items: items_of(it.items),
        given_back_minor: it.given_back_minor,
        credit_minor: it.credit_minor,
    }
}
