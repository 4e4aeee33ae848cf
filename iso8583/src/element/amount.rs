use std::fmt;

/// An amount of field 4, 5 or 6 (`n 12`): whole minor units of the currency that another field names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    pub const ZERO: Self = Self(0);
    pub const MOST: Self = Self(999_999_999_999);

    /// None for more than twelve digits.
    pub fn from_number(minor_units: u64) -> Option<Self> {
        (minor_units <= Self::MOST.0).then_some(Self(minor_units))
    }

    /// None for an amount below zero or of more than twelve digits.
    pub fn from_minor_units(minor_units: i64) -> Option<Self> {
        Self::from_number(u64::try_from(minor_units).ok()?)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    pub fn minor_units(self) -> i64 {
        // Twelve digits fit.
        self.0 as i64
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits_are_an_amount_and_thirteen_are_not() {
        for (minor_units, text) in
            [(0, Some("000000000000")), (1_250, Some("000000001250")), (999_999_999_999, Some("999999999999"))]
                .into_iter()
                .chain([(1_000_000_000_000, None), (-1, None), (i64::MIN, None), (i64::MAX, None)])
        {
            let amount = Amount::from_minor_units(minor_units);
            assert_eq!(amount.map(|amount| amount.to_string()).as_deref(), text, "{minor_units}");
            assert!(amount.is_none_or(|amount| amount.minor_units() == minor_units));
        }
        assert_eq!(Amount::from_number(u64::MAX), None);
    }
}
