//! Money: a currency of ISO 4217 and whole minor units. Arithmetic is checked; there is no floating point.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

use crate::Reason;

/// A currency of ISO 4217 that has minor units (funds codes and metals have none and cannot be paid with).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// Chinese yuan renminbi, 2 decimals.
    pub const CNY: Self = Self(iso_currency::Currency::CNY);

    /// Reads the three upper-case letters. Anything else, lower case included, is refused.
    pub fn parse(code: &str) -> Result<Self, Reason> {
        iso_currency::Currency::from_code(code)
            .filter(|currency| currency.exponent().is_some() && currency.code() == code)
            .map(Self)
            .ok_or(Reason::CurrencyUnknown)
    }

    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The number of three digits at most under which ISO 4217 lists it too, as card messages name it: 156 for CNY.
    pub fn numeric(self) -> u16 {
        self.0.numeric()
    }

    /// The currency with this number; those without minor units are refused as by [`Currency::parse`].
    pub fn from_numeric(number: u16) -> Result<Self, Reason> {
        let found = iso_currency::Currency::from_numeric(number).ok_or(Reason::CurrencyUnknown)?;
        Self::parse(found.code())
    }

    /// Decimal places of the major unit: 2 for CNY, 0 for JPY, 3 for KWD.
    pub fn exponent(self) -> u32 {
        self.0.exponent().map_or(0, u32::from)
    }
}

/// By code.
impl Ord for Currency {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The most that one payment may move: a billion major units. It leaves room to sum nine million of the largest
/// payments in an `i64`, and refuses typing errors of a terminal before a bank sees them.
pub const MAX_PAYMENT_MAJOR: i64 = 1_000_000_000;

/// An amount in whole minor units of one currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    pub currency: Currency,
    pub minor: i64,
}

impl Money {
    pub const fn new(currency: Currency, minor: i64) -> Self {
        Self { currency, minor }
    }

    /// An amount that a payment may have: more than zero and at most [`MAX_PAYMENT_MAJOR`].
    pub fn payable(currency: Currency, minor: i64) -> Result<Self, Reason> {
        let most = MAX_PAYMENT_MAJOR.saturating_mul(10_i64.saturating_pow(currency.exponent()));
        if minor <= 0 {
            Err(Reason::AmountNotPositive)
        } else if minor > most {
            Err(Reason::AmountTooLarge)
        } else {
            Ok(Self { currency, minor })
        }
    }

    /// The sum; refused on another currency or past `i64`.
    pub fn plus(self, other: Self) -> Result<Self, Reason> {
        if self.currency != other.currency {
            return Err(Reason::CurrencyMismatch);
        }
        let minor = self.minor.checked_add(other.minor).ok_or(Reason::AmountTooLarge)?;
        Ok(Self { currency: self.currency, minor })
    }

    /// Major units as they are written without the currency: `12.50`.
    pub fn to_major(self) -> String {
        Decimal::new(self.minor, self.currency.exponent()).to_string()
    }

    /// Reads major units as a person writes them, `12.50`; more decimals than the currency has are refused.
    pub fn parse_major(currency: Currency, text: &str) -> Result<Self, Reason> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        let major = Decimal::from_str_exact(text).ok().filter(|_| plain).ok_or(Reason::AmountMalformed)?;
        if major.normalize().scale() > currency.exponent() {
            return Err(Reason::AmountMalformed);
        }
        let unit = Decimal::from(10_i64.saturating_pow(currency.exponent()));
        let minor = major.checked_mul(unit).and_then(|minor| i64::try_from(minor).ok());
        Ok(Self { currency, minor: minor.ok_or(Reason::AmountTooLarge)? })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_major(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_upper_case_iso_4217_codes_with_minor_units_are_currencies() {
        for good in ["CNY", "USD", "JPY", "KWD"] {
            assert_eq!(Currency::parse(good).unwrap().code(), good);
        }
        for bad in ["", "cny", "Cny", "CNX", "RMB", "CNYY", "XAU", "XXX", "ＣＮＹ"] {
            assert_eq!(Currency::parse(bad), Err(Reason::CurrencyUnknown), "{bad:?}");
        }
    }

    #[test]
    fn a_payment_moves_more_than_nothing_and_less_than_a_billion() {
        let cny = |minor| Money::payable(Currency::CNY, minor).map(|m| m.minor);
        assert_eq!(cny(1), Ok(1));
        assert_eq!(cny(100_000_000_000), Ok(100_000_000_000));
        assert_eq!(cny(0), Err(Reason::AmountNotPositive));
        assert_eq!(cny(-1), Err(Reason::AmountNotPositive));
        assert_eq!(cny(i64::MIN), Err(Reason::AmountNotPositive));
        assert_eq!(cny(100_000_000_001), Err(Reason::AmountTooLarge));
        assert_eq!(cny(i64::MAX), Err(Reason::AmountTooLarge));
    }

    #[test]
    fn sums_stay_in_one_currency_and_in_range() {
        let one = Money::new(Currency::CNY, 1);
        assert_eq!(one.plus(one).unwrap().minor, 2);
        assert_eq!(Money::new(Currency::CNY, i64::MAX).plus(one), Err(Reason::AmountTooLarge));
        let yen = Money::new(Currency::parse("JPY").unwrap(), 1);
        assert_eq!(one.plus(yen), Err(Reason::CurrencyMismatch));
    }

    #[test]
    fn major_units_read_and_print_with_the_decimals_of_the_currency() {
        let jpy = Currency::parse("JPY").unwrap();
        assert_eq!(Money::parse_major(Currency::CNY, "12.50").unwrap().to_string(), "12.50 CNY");
        assert_eq!(Money::parse_major(Currency::CNY, "12").unwrap().minor, 1200);
        assert_eq!(Money::parse_major(jpy, "12").unwrap().to_string(), "12 JPY");
        for bad in ["", "12.505", "1e3", "1_000", "１２", "12,50", " 12"] {
            assert_eq!(Money::parse_major(Currency::CNY, bad), Err(Reason::AmountMalformed), "{bad:?}");
        }
        assert_eq!(Money::parse_major(jpy, "12.5"), Err(Reason::AmountMalformed));
    }
}
