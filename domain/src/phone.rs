//! A phone number as ITU-T E.164 has it, which is the account that a person pays with.

use std::fmt;

use crate::Reason;

/// `+`, a country code that does not begin with 0, and 8 to 15 digits in all, in ASCII and nothing else.
///
/// `Debug` and logs show the masked form only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Box<str>);

impl PhoneNumber {
    /// Reads the international form. Spaces, full-width digits and direction marks are refused rather than guessed at.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let digits = text.strip_prefix('+').ok_or(Reason::PhoneNumberMalformed)?;
        let fine =
            (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if fine { Ok(Self(text.into())) } else { Err(Reason::PhoneNumberMalformed) }
    }

    /// The full number, for storage and sending; never for a log.
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    /// What other people may see: the first five and the last two characters, `+8613******78`.
    pub fn masked(&self) -> String {
        let shown = self.0.len().saturating_sub(2);
        self.0.chars().enumerate().map(|(i, c)| if i < 5 || i >= shown { c } else { '*' }).collect()
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_e164_is_a_phone_number() {
        assert_eq!(PhoneNumber::parse("+8613800138000").unwrap().as_e164(), "+8613800138000");
        for bad in [
            "",
            "+",
            "13800138000",
            "+0123456789",
            "+8６13800138000",
            "\u{202e}+8613800138000",
            "+86 138 0013 8000",
            "+861380013800012345678901234567890123456",
            "+1234567",
            "+8613800138000\n",
            "+86138\u{200f}00138000",
        ] {
            assert_eq!(PhoneNumber::parse(bad), Err(Reason::PhoneNumberMalformed), "{bad:?}");
        }
    }

    #[test]
    fn a_number_in_debug_output_is_masked() {
        let phone = PhoneNumber::parse("+8613800138078").unwrap();
        assert_eq!(format!("{phone:?}"), "+8613*******78");
    }
}
