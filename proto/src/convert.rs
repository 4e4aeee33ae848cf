//! Small conversions that every service needs. What cannot be read is a [`Reason`], never a default.

#[cfg(feature = "federation")]
use domain::card::{BinRange, Product};
use domain::errand::ErrandKind;
use domain::ledger::Nature;
use domain::purchase::{Carrier, LineItem, PurchaseState};
use domain::{Currency, Money, Reason, Timestamp};

#[cfg(feature = "federation")]
use prost::Message as _;

use crate::common;
#[cfg(feature = "federation")]
use crate::federation;

/// The amount on the wire.
pub fn to_money(money: Money) -> common::Money {
    common::Money { currency_code: money.currency.code().to_owned(), minor_units: money.minor }
}

/// An amount that a payment may have: set, in a known currency, more than zero and not absurd.
pub fn to_payable(money: Option<&common::Money>) -> Result<Money, Reason> {
    let money = money.ok_or(Reason::FieldMissing)?;
    Money::payable(Currency::parse(&money.currency_code)?, money.minor_units)
}

/// A refusal with its words in both languages.
pub fn refusal(reason: Reason) -> common::Refusal {
    common::Refusal {
        reason: reason.code().to_owned(),
        message_en: reason.english().to_owned(),
        message_zh: reason.chinese().to_owned(),
    }
}

pub fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.micros();
    prost_types::Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0).saturating_mul(1_000),
    }
}

/// A point in time to the microsecond; finer digits are dropped, what does not fit saturates.
pub fn from_timestamp(at: &prost_types::Timestamp) -> Timestamp {
    Timestamp::from_micros(at.seconds.saturating_mul(1_000_000).saturating_add(i64::from(at.nanos) / 1_000))
}

/// Coordinates in range, or the reason.
pub fn to_location(location: &common::Location) -> Result<(f64, f64), Reason> {
    let fine = (-90.0..=90.0).contains(&location.latitude) && (-180.0..=180.0).contains(&location.longitude);
    if fine { Ok((location.latitude, location.longitude)) } else { Err(Reason::LocationMalformed) }
}

/// The nature that a request names. `Err(FieldUnknown)` when it names none.
pub const fn from_nature(nature: common::Nature) -> Result<Nature, Reason> {
    Ok(match nature {
        common::Nature::Unspecified => return Err(Reason::FieldUnknown),
        common::Nature::Purchase => Nature::Purchase,
        common::Nature::CashWithdrawal => Nature::CashWithdrawal,
        common::Nature::Savings => Nature::Savings,
        common::Nature::TransferOut => Nature::TransferOut,
        common::Nature::PreAuthorisation => Nature::PreAuthorisation,
        common::Nature::Deposit => Nature::Deposit,
        common::Nature::TopUp => Nature::TopUp,
        common::Nature::TransferIn => Nature::TransferIn,
        common::Nature::Repayment => Nature::Repayment,
    })
}

/// The errand that a request names. `Err(FieldUnknown)` when it names none.
pub const fn from_errand_kind(kind: common::ErrandKind) -> Result<ErrandKind, Reason> {
    Ok(match kind {
        common::ErrandKind::Unspecified => return Err(Reason::FieldUnknown),
        common::ErrandKind::Activate => ErrandKind::Activate,
        common::ErrandKind::SetPassword => ErrandKind::SetPassword,
        common::ErrandKind::ChangePassword => ErrandKind::ChangePassword,
        common::ErrandKind::ResetPassword => ErrandKind::ResetPassword,
    })
}

pub const fn to_errand_kind(kind: ErrandKind) -> common::ErrandKind {
    match kind {
        ErrandKind::Activate => common::ErrandKind::Activate,
        ErrandKind::SetPassword => common::ErrandKind::SetPassword,
        ErrandKind::ChangePassword => common::ErrandKind::ChangePassword,
        ErrandKind::ResetPassword => common::ErrandKind::ResetPassword,
    }
}

/// The nature as the contract has it, which says what completes, refunds and inquires by calls of their own.
pub const fn to_nature(nature: Nature) -> common::Nature {
    match nature {
        Nature::Purchase => common::Nature::Purchase,
        Nature::CashWithdrawal => common::Nature::CashWithdrawal,
        Nature::Savings => common::Nature::Savings,
        Nature::TransferOut => common::Nature::TransferOut,
        Nature::PreAuthorisation => common::Nature::PreAuthorisation,
        Nature::Deposit => common::Nature::Deposit,
        Nature::TopUp => common::Nature::TopUp,
        Nature::TransferIn => common::Nature::TransferIn,
        Nature::Repayment => common::Nature::Repayment,
        Nature::Completion | Nature::Refund | Nature::BalanceInquiry => common::Nature::Unspecified,
    }
}

pub const fn to_purchase_state(state: PurchaseState) -> common::PurchaseState {
    match state {
        PurchaseState::Held => common::PurchaseState::Held,
        PurchaseState::Posted => common::PurchaseState::Posted,
        PurchaseState::Reversed => common::PurchaseState::Reversed,
    }
}

/// `Err(FieldUnknown)` when nothing is said.
pub const fn from_purchase_state(state: common::PurchaseState) -> Result<PurchaseState, Reason> {
    match state {
        common::PurchaseState::Unspecified => Err(Reason::FieldUnknown),
        common::PurchaseState::Held => Ok(PurchaseState::Held),
        common::PurchaseState::Posted => Ok(PurchaseState::Posted),
        common::PurchaseState::Reversed => Ok(PurchaseState::Reversed),
    }
}

pub const fn to_carrier(carrier: Carrier) -> common::Carrier {
    match carrier {
        Carrier::Hub => common::Carrier::Hub,
        Carrier::Bank => common::Carrier::Bank,
    }
}

/// The things that were bought, each readable and not too many of them.
pub fn to_items(items: &[common::LineItem]) -> Result<Vec<LineItem>, Reason> {
    if items.len() > LineItem::MOST {
        return Err(Reason::TooManyItems);
    }
    items.iter().map(|item| LineItem::new(&item.name, &item.code, item.quantity_milli, item.amount_minor)).collect()
}

/// The bytes of what a report says, without its place: a version that is told again says the same.
#[cfg(feature = "federation")]
pub fn report_content(report: &federation::PurchaseReport) -> Vec<u8> {
    federation::PurchaseReport { sequence: 0, ..report.clone() }.encode_to_vec()
}

/// The bytes of what a bank says of a bill.
#[cfg(feature = "federation")]
pub fn bill_content(report: &federation::BillReport) -> Vec<u8> {
    report.encode_to_vec()
}

/// A range of card numbers as a bank registers it and the hub tells of it.
#[cfg(feature = "federation")]
pub fn to_bin_range(range: &BinRange) -> federation::BinRange {
    federation::BinRange {
        first: range.first.to_string(),
        last: range.last.to_string(),
        digits: range.digits.into(),
        product: to_product(range.product).into(),
    }
}

#[cfg(feature = "federation")]
const fn to_product(product: Product) -> federation::CardProduct {
    match product {
        Product::Combined => federation::CardProduct::Combined,
        Product::CreditOnly => federation::CardProduct::CreditOnly,
        Product::DebitOnly => federation::CardProduct::DebitOnly,
    }
}

/// `Err` with `FieldUnknown` when nothing is said.
#[cfg(feature = "federation")]
pub const fn from_product(product: federation::CardProduct) -> Result<Product, Reason> {
    match product {
        federation::CardProduct::Unspecified => Err(Reason::FieldUnknown),
        federation::CardProduct::Combined => Ok(Product::Combined),
        federation::CardProduct::CreditOnly => Ok(Product::CreditOnly),
        federation::CardProduct::DebitOnly => Ok(Product::DebitOnly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_keep_their_microseconds() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, -1_500_000] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(from_timestamp(&to_timestamp(at)), at);
        }
    }

    #[test]
    fn an_amount_that_is_not_there_or_not_money_is_refused_by_reason() {
        let money = |code: &str, minor| common::Money { currency_code: code.into(), minor_units: minor };
        assert_eq!(to_payable(None), Err(Reason::FieldMissing));
        assert_eq!(to_payable(Some(&money("cny", 1))), Err(Reason::CurrencyUnknown));
        assert_eq!(to_payable(Some(&money("CNY", 0))), Err(Reason::AmountNotPositive));
        assert_eq!(to_payable(Some(&money("CNY", i64::MIN))), Err(Reason::AmountNotPositive));
        assert_eq!(to_payable(Some(&money("CNY", i64::MAX))), Err(Reason::AmountTooLarge));
    }

    #[test]
    fn coordinates_are_on_the_globe() {
        assert!(to_location(&common::Location { latitude: 31.2, longitude: 121.5 }).is_ok());
        for (latitude, longitude) in [(91.0, 0.0), (0.0, -181.0), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            let location = common::Location { latitude, longitude };
            assert_eq!(to_location(&location), Err(Reason::LocationMalformed));
        }
    }

    #[test]
    fn c2_every_nature_of_the_contract_is_the_same_in_the_domain() {
        for number in 1..=9 {
            let nature = common::Nature::try_from(number).unwrap();
            assert_eq!(from_nature(nature).map(to_nature), Ok(nature));
        }
        assert!(common::Nature::try_from(10).is_err(), "a new one is to be mapped here");
        assert_eq!(from_nature(common::Nature::Unspecified), Err(Reason::FieldUnknown));
    }

    #[cfg(feature = "federation")]
    #[test]
    fn r2_every_product_of_the_contract_is_the_same_in_the_domain() {
        for number in 1..=3 {
            let product = federation::CardProduct::try_from(number).unwrap();
            assert_eq!(from_product(product).map(to_product), Ok(product));
        }
        assert!(federation::CardProduct::try_from(4).is_err(), "a new one is to be mapped here");
        assert_eq!(from_product(federation::CardProduct::Unspecified), Err(Reason::FieldUnknown));
    }
}
