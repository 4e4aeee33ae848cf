//! Codes that mean the same goods in every shop.

use std::fmt;

/// A Global Trade Item Number in its form of 14 digits, to which those of 8, 12 and 13 are filled up with zeros in front
/// (GS1 General Specifications, section 3.3; quoted from memory, as the prefixes below are).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtin([u8; 14]);

impl Gtin {
    /// Nothing if it is a shop's own code: one of another length, with a wrong check digit, or out of the numbers that each shop
    /// may use as it likes, in which the same code is milk here and nails there.
    pub fn parse(code: &str) -> Option<Self> {
        if !matches!(code.len(), 8 | 12 | 13 | 14) || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let mut digits = [0; 14];
        for (place, b) in digits.iter_mut().rev().zip(code.bytes().rev()) {
            *place = b - b'0';
        }
        // Threes and ones in turn, the check digit with a one.
        let weighed = digits.iter().zip([3, 1].into_iter().cycle()).map(|(digit, weight)| u32::from(*digit) * weight);
        let is_right = weighed.sum::<u32>().is_multiple_of(10);
        let is_nothing = digits == [0; 14];
        (is_right && !is_nothing && !is_restricted(&digits)).then_some(Self(digits))
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|digit| write!(f, "{digit}"))
    }
}

/// Whether a number is for use within a company or a region: GTIN-8 that begin with 0 or 2, and otherwise the GS1 prefixes 02, 04
/// and 20 to 29. Weight or price often stand in them.
fn is_restricted(digits: &[u8; 14]) -> bool {
    match digits {
        [0, 0, 0, 0, 0, 0, first, ..] => matches!(first, 0 | 2),
        [_, 0, second, ..] => matches!(second, 2 | 4),
        [_, first, ..] => *first == 2,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p2_a_gtin_is_the_same_in_all_its_lengths() {
        for good in ["6901234567892", "4006381333931", "96385074", "036000291452", "16901234567899"] {
            assert!(Gtin::parse(good).is_some(), "{good}");
        }
        assert_eq!(Gtin::parse("036000291452"), Gtin::parse("0036000291452"));
        assert_eq!(Gtin::parse("6901234567892"), Gtin::parse("06901234567892"));
        assert_ne!(Gtin::parse("6901234567892"), Gtin::parse("16901234567899"), "a case of them");
    }

    #[test]
    fn p2_a_shops_own_code_is_no_gtin() {
        for own in [
            "",
            "1001",
            "SKU-4711",
            "690123456789",
            "6901234567893",
            "６９０１２３４５６７８９２",
            "69012345678 2",
            "2012345",
            // Right check digits, and numbers that each shop uses as it likes.
            "2123456789010",
            "20123451",
            "01234565",
            "212345678909",
            "0201234567899",
            "0412345678903",
            "412345678903",
            "00000000",
            "00000000000000",
        ] {
            assert_eq!(Gtin::parse(own), None, "{own}");
        }
    }

    proptest! {
        #[test]
        fn p2_no_single_wrong_digit_passes(place in 0_usize..13, by in 1_u8..10) {
            let mut code = *b"6901234567892";
            code[place] = b'0' + (code[place] - b'0' + by) % 10;
            prop_assert_eq!(Gtin::parse(std::str::from_utf8(&code).unwrap()), None);
        }
    }
}
