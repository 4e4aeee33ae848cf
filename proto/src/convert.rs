//! Small conversions that every service needs. What cannot be read is a [`Reason`], never a default.

use domain::{Currency, Money, Reason, Timestamp};

use crate::common;

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
}
