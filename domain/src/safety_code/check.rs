//! What is said of an identity check.

use crate::Reason;
use crate::text::Line;

/// Digits in a row that a line for the log may have: numbers of identity cards and accounts have no place there.
const MOST_DIGITS: usize = 7;

/// By what somebody's identity was checked. `Err(TextMalformed)`, also for what looks like a number of a card or of somebody.
pub fn how_checked(text: &str) -> Result<Line, Reason> {
    let mut in_a_row = 0;
    for character in text.chars() {
        in_a_row = if character.is_ascii_digit() { in_a_row + 1 } else { 0 };
        if in_a_row > MOST_DIGITS {
            return Err(Reason::TextMalformed);
        }
    }
    Line::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_how_somebody_was_checked_is_a_line_without_anybodys_number() {
        for fine in ["ID card and photo", "身份证、人像比对", "form 12 of 2026-11-22", "branch 1234567"] {
            assert!(how_checked(fine).is_ok(), "{fine}");
        }
        for bad in ["", "two\nlines", "ID 110101199003070000", "card 6228480000000015", "call 13800138000"] {
            assert_eq!(how_checked(bad).err(), Some(Reason::TextMalformed), "{bad:?}");
        }
    }
}
