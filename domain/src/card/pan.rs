//! The number of a card (ISO/IEC 7812-1): the issuer's digits, the account's digits, and a check digit.

use std::fmt;

use zeroize::Zeroize;

use super::Bin;
use crate::Reason;

/// A primary account number: 13 to 19 digits of which the last checks the others.
///
/// It shows itself as its first six and last four digits at most (PCI DSS 4.0, requirement 3.4.1); [`Pan::reveal`] is the only
/// way to the rest. Its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Pan(Box<str>);

impl Pan {
    pub const FEWEST_DIGITS: usize = 13;
    pub const MOST_DIGITS: usize = 19;

    /// Reads the digits, without spaces. `Err` with `CardNumberMalformed` (something that is no ASCII digit),
    /// `CardNumberLength` or `CardNumberInvalid` (the check digit).
    pub fn parse(text: &str) -> Result<Self, Reason> {
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::CardNumberMalformed);
        }
        if !(Self::FEWEST_DIGITS..=Self::MOST_DIGITS).contains(&text.len()) {
            return Err(Reason::CardNumberLength);
        }
        let Some((body, check)) = text.len().checked_sub(1).and_then(|last| text.split_at_checked(last)) else {
            return Err(Reason::CardNumberLength);
        };
        if check.as_bytes() != [check_digit(body)] {
            return Err(Reason::CardNumberInvalid);
        }
        Ok(Self(text.into()))
    }

    /// The number of `digits` digits that the account with this sequence gets under a BIN. `Err` with `CardNumbersExhausted`
    /// when the sequence has more digits than there is room for, and `CardNumberLength` for a length that no card has.
    pub fn issue(bin: &Bin, sequence: u64, digits: usize) -> Result<Self, Reason> {
        if !(Self::FEWEST_DIGITS..=Self::MOST_DIGITS).contains(&digits) {
            return Err(Reason::CardNumberLength);
        }
        let room = digits.saturating_sub(bin.as_str().len()).saturating_sub(1);
        let mut text = format!("{}{sequence:0room$}", bin.as_str());
        if text.len().saturating_add(1) != digits {
            text.zeroize();
            return Err(Reason::CardNumbersExhausted);
        }
        text.push(char::from(check_digit(&text)));
        let pan = Self::parse(&text);
        text.zeroize();
        pan
    }

    /// All digits: for the HSM, for encryption, for a keyed hash. Never for a log, an error or a person.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The number as a receipt may show it, such as `622848******4821`.
    pub fn masked(&self) -> String {
        let (head, rest) = self.0.split_at_checked(6).unwrap_or_default();
        let tail = rest.get(rest.len().saturating_sub(4)..).unwrap_or_default();
        format!("{head}{}{tail}", "*".repeat(rest.len().saturating_sub(4)))
    }
}

impl Drop for Pan {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Display for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pan({})", self.masked())
    }
}

/// The ASCII digit that makes `body` a valid number: the Luhn formula of ISO/IEC 7812-1, annex B. Every second digit from
/// the right counts double, and a double of two digits counts as their sum.
fn check_digit(body: &str) -> u8 {
    let weigh = |(place, byte): (usize, u8)| {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        let doubled = digit.saturating_mul(2);
        match place % 2 {
            0 if doubled > 9 => doubled.saturating_sub(9),
            0 => doubled,
            _ => digit,
        }
    };
    let sum: u32 = body.bytes().rev().enumerate().map(weigh).sum();
    let digit = (10 - sum % 10) % 10;
    b'0'.wrapping_add(u8::try_from(digit).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_networks_publish_for_tests_are_numbers() {
        // Visa, Mastercard, American Express, Diners Club, and ISO/IEC 7812-1's own shape with 19 digits.
        for good in ["4111111111111111", "5555555555554444", "378282246310005", "30569309025904", "6226000000000000005"]
        {
            assert_eq!(Pan::parse(good).map(|pan| pan.reveal().to_owned()), Ok(good.to_owned()));
        }
        assert!(Pan::parse("4222222222222").is_ok(), "13 digits are the fewest");
    }

    #[test]
    fn each_way_to_be_no_card_number_has_its_reason() {
        let table = [
            ("nothing", "", Reason::CardNumberLength),
            ("12 digits", "411111111116", Reason::CardNumberLength),
            ("20 digits", "41111111111111111114", Reason::CardNumberLength),
            ("one digit typed wrong", "4111111111111112", Reason::CardNumberInvalid),
            ("two neighbours swapped", "4111111111111171", Reason::CardNumberInvalid),
            ("a letter", "411111111111111A", Reason::CardNumberMalformed),
            ("spaces", "4111 1111 1111 1111", Reason::CardNumberMalformed),
            ("full-width digits", "４１１１１１１１１１１１１１１１", Reason::CardNumberMalformed),
            ("Arabic-Indic digits", "٤١١١١١١١١١١١١١١١", Reason::CardNumberMalformed),
            ("a sign", "-411111111111111", Reason::CardNumberMalformed),
            ("a line break", "4111111111111111\n", Reason::CardNumberMalformed),
        ];
        for (name, text, reason) in table {
            assert_eq!(Pan::parse(text), Err(reason), "{name}");
        }
    }

    #[test]
    fn a_number_shows_its_first_six_and_last_four_digits_at_most() {
        let pan = Pan::parse("4111111111111111").unwrap();
        assert_eq!(pan.to_string(), "411111******1111");
        assert_eq!(format!("{pan:?}"), "Pan(411111******1111)");
        assert_eq!(Pan::parse("4222222222222").unwrap().masked(), "422222***2222");
    }

    #[test]
    fn c3_a_number_is_made_of_bin_account_and_check_digit() {
        let bin = Bin::parse("62284800").unwrap();
        let made = |sequence, digits| Pan::issue(&bin, sequence, digits).map(|pan| pan.reveal().to_owned());
        assert_eq!(made(1, 16), Ok("6228480000000015".to_owned()));
        assert_eq!(made(9_999_999, 16), Ok("6228480099999994".to_owned()));
        assert_eq!(made(10_000_000, 16), Err(Reason::CardNumbersExhausted));
        assert_eq!(made(u64::MAX, 19), Err(Reason::CardNumbersExhausted));
        assert_eq!(made(1, 12), Err(Reason::CardNumberLength));
        assert_eq!(made(1, 20), Err(Reason::CardNumberLength));
    }

    proptest! {
        #[test]
        fn every_number_that_is_made_can_be_read_and_no_single_wrong_digit_can(
            sequence in 0_u64..10_000_000_000, place in 0_usize..19, by in 1_u8..10
        ) {
            let pan = Pan::issue(&Bin::parse("62284800").unwrap(), sequence, 19).unwrap();
            prop_assert_eq!(Pan::parse(pan.reveal()), Ok(pan.clone()));
            let mut wrong = pan.reveal().as_bytes().to_vec();
            wrong[place] = b'0' + (wrong[place] - b'0' + by) % 10;
            prop_assert_eq!(Pan::parse(&String::from_utf8(wrong).unwrap()), Err(Reason::CardNumberInvalid));
        }
    }
}
