use std::fmt;

/// The processing code, field 3 (`n 6`): what is done, from which account, to which (ISO 8583:1987, annex A).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessingCode {
    transaction: u8,
    from: u8,
    to: u8,
}

impl ProcessingCode {
    /// From three numbers of two digits each; none if one has more.
    pub fn new(transaction: u8, from: u8, to: u8) -> Option<Self> {
        let fits = [transaction, from, to].iter().all(|part| *part <= 99);
        fits.then_some(Self { transaction, from, to })
    }

    /// None for more than six digits.
    pub fn from_number(number: u64) -> Option<Self> {
        let part = |divisor: u64| u8::try_from(number / divisor % 100).ok();
        if number > 999_999 {
            return None;
        }
        Self::new(part(10_000)?, part(100)?, part(1)?)
    }

    pub fn number(self) -> u64 {
        u64::from(self.transaction) * 10_000 + u64::from(self.from) * 100 + u64::from(self.to)
    }

    /// Such as 00 for goods and services, 01 for cash, 20 for a refund, 21 for a deposit, 31 for a balance inquiry.
    pub fn transaction(self) -> u8 {
        self.transaction
    }

    /// The sort of account that pays, such as 00 for the usual one, 10 for savings, 30 for credit.
    pub fn from_account(self) -> u8 {
        self.from
    }

    pub fn to_account(self) -> u8 {
        self.to
    }
}

impl fmt::Display for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}{:02}{:02}", self.transaction, self.from, self.to)
    }
}

impl fmt::Debug for ProcessingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_three_parts_of_two_digits() {
        for (number, parts, text) in
            [(310_000, (31, 0, 0), "310000"), (13_000, (1, 30, 0), "013000"), (99, (0, 0, 99), "000099")]
        {
            let code = ProcessingCode::from_number(number).unwrap();
            assert_eq!((code.transaction(), code.from_account(), code.to_account()), parts);
            assert_eq!((code.number(), code.to_string().as_str()), (number, text));
        }
        assert_eq!(ProcessingCode::from_number(1_000_000), None);
        assert_eq!(ProcessingCode::new(0, 100, 0), None);
    }
}
