//! How large a purchase is, roughly.

use std::fmt;

use crate::Reason;

/// The most steps: the last bucket begins at 3 × 10^18 minor units.
const LAST: u8 = 37;

/// A bucket of amounts in minor units. The bounds are 1, 3, 10, 30, 100 and so on, steps of about three that people can
/// read: `[10.00, 30.00)` of a currency with two decimals, then `[30.00, 100.00)`. Each holds its lower bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u8);

impl Size {
    /// The bucket of this amount; what is below one minor unit is in the first.
    pub fn of(amount_minor: i64) -> Self {
        Self((0..=LAST).rev().find(|step| bound(*step) <= amount_minor).unwrap_or(0))
    }

    /// The least amount of the bucket, in minor units.
    pub fn from_minor(self) -> i64 {
        bound(self.0)
    }

    /// The bound above the bucket, in minor units; none above the last.
    pub fn below_minor(self) -> Option<i64> {
        (self.0 < LAST).then(|| bound(self.0.saturating_add(1)))
    }

    /// Reads the form that is stored: the least amount of the bucket. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let steps = (0..=LAST).map(Self);
        steps.into_iter().find(|size| size.to_string() == text).ok_or(Reason::FieldUnknown)
    }
}

fn bound(step: u8) -> i64 {
    let factor = if step.is_multiple_of(2) { 1 } else { 3 };
    10_i64.saturating_pow(u32::from(step / 2)).saturating_mul(factor)
}

/// The least amount of the bucket, in minor units.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.from_minor())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r4_sizes_go_up_in_steps_of_about_three() {
        let table = [
            (1, 1, Some(3)),
            (2, 1, Some(3)),
            (3, 3, Some(10)),
            (999, 300, Some(1_000)),
            (1_000, 1_000, Some(3_000)),
            (2_999, 1_000, Some(3_000)),
            (3_000, 3_000, Some(10_000)),
            (i64::MAX, 3_000_000_000_000_000_000, None),
            (0, 1, Some(3)),
            (i64::MIN, 1, Some(3)),
        ];
        for (amount, from, below) in table {
            let size = Size::of(amount);
            assert_eq!((size.from_minor(), size.below_minor()), (from, below), "{amount}");
        }
        assert_eq!(Size::parse("3000"), Ok(Size::of(3_000)));
        for bad in ["", "0", "2", "03", "3000000000000000001", "x"] {
            assert_eq!(Size::parse(bad), Err(Reason::FieldUnknown), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_lies_in_its_bucket(amount in 1..i64::MAX) {
            let size = Size::of(amount);
            prop_assert!(size.from_minor() <= amount && size.below_minor().is_none_or(|below| amount < below));
            prop_assert_eq!(Size::parse(&size.to_string()), Ok(size));
        }
    }
}
