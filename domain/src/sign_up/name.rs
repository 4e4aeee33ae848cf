//! Names of people as they stand on identity cards.

use std::fmt;

use crate::Reason;
use crate::text::Line;

/// A name in Chinese characters, or one in Latin letters; 2 to 50 characters. What is no letter of the one script is refused, so that no letter
/// of another script that looks the same passes for it (Unicode TR 36 §2.2), and each name has one spelling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PersonName(Line);

impl PersonName {
    pub const MOST_CHARS: usize = 50;

    /// `Err(PersonNameMalformed)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let line = Line::parse(text).map_err(|_| Reason::PersonNameMalformed)?;
        let chars = text.chars().count();
        let fine = (2..=Self::MOST_CHARS).contains(&chars) && (is_chinese(text) || is_latin(text));
        if fine { Ok(Self(line)) } else { Err(Reason::PersonNameMalformed) }
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As other texts that people read.
    pub fn line(&self) -> &Line {
        &self.0
    }
}

/// A name is nobody's business but that of those who open accounts.
impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(**)")
    }
}

/// Chinese characters, with the one dot that stands between the parts of names of other peoples of China. Radicals and compatibility
/// characters look like the characters that they stand for, and are none.
fn is_chinese(text: &str) -> bool {
    let is_letter = |c: char| {
        matches!(c, '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
            | '\u{20000}'..='\u{2ebe0}' | '\u{2ebf0}'..='\u{2ee5d}' | '\u{30000}'..='\u{323af}')
    };
    has_parts(text, is_letter, |c| c == '\u{b7}', 1)
}

/// Latin letters, each as one character, with what stands between the parts of a name.
fn is_latin(text: &str) -> bool {
    let is_letter = |c: char| {
        c.is_ascii_alphabetic()
            || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{17f}' | '\u{1e00}'..='\u{1eff}')
    };
    has_parts(text, is_letter, |c| matches!(c, ' ' | '-' | '\'' | '.'), 2)
}

/// Letters, and between two of them at most so many marks, two as in "St. John"; a full stop may also end it.
fn has_parts(text: &str, is_letter: impl Fn(char) -> bool, is_mark: impl Fn(char) -> bool, most: u32) -> bool {
    let mut marks = 1_u32;
    let mut last = None;
    for (at, c) in text.chars().enumerate() {
        last = Some(c);
        if is_letter(c) {
            marks = 0;
        } else if is_mark(c) && marks < most && at > 0 {
            marks += 1;
        } else {
            return false;
        }
    }
    last.is_some_and(|c| is_letter(c) || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_names_as_identity_cards_have_them_are_taken() {
        for good in [
            "王小明",
            "欧阳娜娜",
            "买买提·吐尔逊",
            "〇一",
            "Wang Xiaoming",
            "Zoë O'Neill",
            "Anne-Marie St. John",
            "Li J.",
        ] {
            assert_eq!(PersonName::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn m1_a_name_that_only_looks_like_one_is_refused() {
        for bad in [
            "",
            "王",
            "W",
            "王小明\n",
            "王\u{202e}小明",
            "王小明 ",
            "王 小明",
            "王Xiaoming",
            // A Cyrillic а, a Greek ο, a full-width W, an ℹ, and an accent of its own.
            "W\u{430}ng Xiaoming",
            "Wang Xia\u{3bf}ming",
            "\u{ff37}ang Xiaoming",
            "L\u{2139} Lei",
            "Zoe\u{308} Chen",
            // A radical, a compatibility character, and three dots that are not the one.
            "\u{2f9f}小明",
            "\u{f900}小明",
            "买买提\u{30fb}吐尔逊",
            "买买提\u{2022}吐尔逊",
            "买买提.吐尔逊",
            "·王小明",
            "王小明·",
            "王··小明",
            "Wang1",
            "<b>Wang</b>",
            "-Wang",
            "Wang---Li",
            &"王".repeat(51),
        ] {
            assert_eq!(PersonName::parse(bad), Err(Reason::PersonNameMalformed), "{bad:?}");
        }
    }

    #[test]
    fn m8_a_name_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", PersonName::parse("王小明").unwrap()), "PersonName(**)");
    }
}
