//! How much is charged for one payment, and for whom.

use rust_decimal::Decimal;

use super::Parts;
use crate::{Currency, Money, Reason};

/// Millionths that are the whole. A rate of 1 is a hundredth of a basis point: networks publish fees such as 0.0325 %, which whole basis points cannot say.
pub const PPM: i64 = 1_000_000;

/// A share in per cent, as a person writes it, `0.38`, in millionths; four decimals at most. `Err(FeeRateOutOfRange)`.
pub fn parse_percent(text: &str) -> Result<i64, Reason> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent = Decimal::from_str_exact(text).ok().filter(|_| plain).ok_or(Reason::FeeRateOutOfRange)?;
    let ppm = percent.checked_mul(Decimal::from(PPM / 100)).filter(|ppm| ppm.normalize().scale() == 0);
    let ppm = ppm.and_then(|ppm| i64::try_from(ppm).ok()).filter(|ppm| (0..=PPM).contains(ppm));
    ppm.ok_or(Reason::FeeRateOutOfRange)
}

/// What becomes of the charge when goods come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Returns {
    /// It is given back in the proportion in which the amount is.
    Proportional,
    /// It stays, but for a reversal: there was no sale then.
    Nothing,
}

impl Returns {
    pub const ALL: [Self; 2] = [Self::Proportional, Self::Nothing];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Proportional => "PROPORTIONAL",
            Self::Nothing => "NOTHING",
        }
    }

    /// Reads what [`Returns::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|returns| returns.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What a schedule charges, in minor units of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// Of the amount, in millionths.
    pub rate_ppm: i64,
    /// On top of that.
    pub fixed_minor: i64,
    /// At least so much …
    pub floor_minor: i64,
    /// … and at most so much; no more than the amount in any case.
    pub cap_minor: Option<i64>,
    /// Of the charge what goes to the bank that issued the account or the card, in millionths.
    pub issuer_ppm: i64,
    /// The same for the hub. What is left is the acquirer's.
    pub hub_ppm: i64,
    pub returns: Returns,
}

impl Terms {
    /// The terms if they can be charged. `Err` with `FeeRateOutOfRange`, `AmountMalformed`, `AmountTooLarge`, `FeeFloorAboveCap` or `FeeSharesTooLarge`.
    pub fn check(self, currency: Currency) -> Result<Self, Reason> {
        if !(0..=PPM).contains(&self.rate_ppm) {
            return Err(Reason::FeeRateOutOfRange);
        }
        for minor in [Some(self.fixed_minor), Some(self.floor_minor), self.cap_minor].into_iter().flatten() {
            match minor {
                ..0 => return Err(Reason::AmountMalformed),
                0 => {}
                _ => drop(Money::payable(currency, minor)?),
            }
        }
        if self.cap_minor.is_some_and(|cap| cap < self.floor_minor) {
            return Err(Reason::FeeFloorAboveCap);
        }
        let shares = [self.issuer_ppm, self.hub_ppm];
        let whole = shares.iter().try_fold(0, |sum, share| i64::checked_add(sum, *share));
        if shares.iter().any(|share| *share < 0) || whole.is_none_or(|whole| whole > PPM) {
            return Err(Reason::FeeSharesTooLarge);
        }
        Ok(self)
    }

    /// What is charged for an amount above zero: never more than it, and never less than nothing.
    ///
    /// Halves of a minor unit go to the even one, so that over many payments neither side gains by rounding. Shares are rounded down, and what is left over is the acquirer's.
    pub fn charge(&self, amount_minor: i64) -> Parts {
        let rated = half_even(i128::from(amount_minor) * i128::from(self.rate_ppm), i128::from(PPM));
        let charged = rated.saturating_add(self.fixed_minor).max(self.floor_minor);
        let minor = charged.min(self.cap_minor.unwrap_or(i64::MAX)).min(amount_minor).max(0);
        let share = |ppm: i64| down(i128::from(minor) * i128::from(ppm), i128::from(PPM));
        Parts { minor, issuer_minor: share(self.issuer_ppm), hub_minor: share(self.hub_ppm) }
    }
}

/// The quotient of a number that is not below zero by one above zero, rounded down. What is too large for minor units is the most that they hold.
pub(super) fn down(number: i128, by: i128) -> i64 {
    i64::try_from(number.checked_div(by).unwrap_or(0)).unwrap_or(i64::MAX)
}

/// The same, rounded to the nearest, and to the even one of two that are as near.
pub(super) fn half_even(number: i128, by: i128) -> i64 {
    let (quotient, rest) = (number.checked_div(by).unwrap_or(0), number.checked_rem(by).unwrap_or(0));
    let up = match (rest.saturating_mul(2)).cmp(&by) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => quotient & 1,
        std::cmp::Ordering::Greater => 1,
    };
    i64::try_from(quotient.saturating_add(up)).unwrap_or(i64::MAX)
}
