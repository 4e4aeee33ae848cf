use std::fmt;

/// The systems trace audit number, field 11 (`n 6`): with the transmission time it finds the request of an answer. 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stan(u32);

impl Stan {
    pub const FIRST: Self = Self(1);
    pub const LAST: Self = Self(999_999);

    /// None for 0 and for more than six digits.
    pub fn from_number(number: u64) -> Option<Self> {
        let number = u32::try_from(number).ok()?;
        (Self::FIRST.0..=Self::LAST.0).contains(&number).then_some(Self(number))
    }

    pub fn number(self) -> u64 {
        self.0.into()
    }

    /// The number after this one: 1 after 999999.
    #[must_use]
    pub fn next(self) -> Self {
        if self == Self::LAST { Self::FIRST } else { Self(self.0 + 1) }
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Debug for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_number_comes_the_first() {
        assert_eq!(Stan::from_number(999_998).map(|stan| stan.next().next().next()), Stan::from_number(2));
        assert_eq!(Stan::LAST.next(), Stan::FIRST);
        assert_eq!(Stan::FIRST.to_string(), "000001");
    }

    #[test]
    fn zero_and_seven_digits_are_no_number() {
        for number in [0, 1_000_000, u64::MAX] {
            assert_eq!(Stan::from_number(number), None);
        }
    }
}
