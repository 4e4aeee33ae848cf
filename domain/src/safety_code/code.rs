//! The digits.

use std::fmt;

use zeroize::Zeroize as _;

use crate::Reason;

/// Six to eight ASCII digits. They never show themselves, and their memory is wiped when they are dropped; whoever compares them does
/// it by keyed hash and in constant time.
#[derive(Clone)]
pub struct SafetyCode(Box<str>);

impl SafetyCode {
    pub const FEWEST_DIGITS: usize = 6;
    pub const MOST_DIGITS: usize = 8;

    /// Reads a code that somebody says to know. `Err(SafetyCodeMalformed)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fine = (Self::FEWEST_DIGITS..=Self::MOST_DIGITS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if fine { Ok(Self(text.into())) } else { Err(Reason::SafetyCodeMalformed) }
    }

    /// Whether it may be set. `Err(SafetyCodeGuessable)` for what is tried first: one digit throughout, a run that rises or falls by
    /// one (9 and 0 are neighbours), and two or three digits again and again.
    pub fn may_be_chosen(&self) -> Result<(), Reason> {
        let digits = self.0.as_bytes();
        let step = |pair: &[u8]| match pair {
            [a, b] => (10 + b - a) % 10,
            _ => 0,
        };
        let mut steps = digits.windows(2).map(step);
        let first = steps.next().unwrap_or(0);
        let is_run = matches!(first, 0 | 1 | 9) && steps.all(|step| step == first);
        let repeats = |length: usize| digits.iter().zip(digits.iter().skip(length)).all(|(a, b)| a == b);
        if is_run || repeats(2) || repeats(3) { Err(Reason::SafetyCodeGuessable) } else { Ok(()) }
    }

    /// The digits, for a keyed hash or to sign; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for SafetyCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SafetyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SafetyCode(******)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_a_safety_code_has_six_to_eight_ascii_digits() {
        for fine in ["271828", "2718281", "27182818", "000001"] {
            assert_eq!(SafetyCode::parse(fine).unwrap().reveal(), fine);
        }
        for bad in ["", "27182", "271828182", "27182a", "２７１８２８", " 271828", "271828\n", "-271828", "+27182"]
        {
            assert_eq!(SafetyCode::parse(bad).err(), Some(Reason::SafetyCodeMalformed), "{bad:?}");
        }
    }

    #[test]
    fn f1_what_is_guessed_first_may_not_be_chosen_by_this_table() {
        let table = [
            ("000000", false),
            ("77777777", false),
            ("123456", false),
            ("234567", false),
            ("567890", false),
            ("890123", false),
            ("654321", false),
            ("210987", false),
            ("98765432", false),
            ("121212", false),
            ("90909090", false),
            ("123123", false),
            ("1231231", false),
            ("271828", true),
            ("123457", true),
            ("123321", true),
            ("112233", true),
            ("135791", true),
            ("000001", true),
            ("12341234", true),
        ];
        for (code, fine) in table {
            let wanted = if fine { Ok(()) } else { Err(Reason::SafetyCodeGuessable) };
            assert_eq!(SafetyCode::parse(code).unwrap().may_be_chosen(), wanted, "{code}");
        }
    }

    #[test]
    fn m8_a_safety_code_does_not_show_itself() {
        let code = SafetyCode::parse("27182818").unwrap();
        assert_eq!(format!("{code:?} {code:#?}"), "SafetyCode(******) SafetyCode(******)");
    }
}
