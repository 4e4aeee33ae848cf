//! Text that people typed and other people will read: names, line items, places.

use std::fmt;
use std::sync::Arc;

use crate::Reason;

/// One line of visible text, 1 to 100 characters, that cannot play tricks where it is shown: no control characters
/// (line breaks, ANSI escapes), no bidirectional overrides or marks (Unicode TR 36 §2.5), no surrounding space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line(Arc<str>);

impl Line {
    pub const MOST_CHARS: usize = 100;

    pub fn parse(text: &str) -> Result<Self, Reason> {
        let chars = text.chars().take(Self::MOST_CHARS + 1).count();
        if chars == 0 || chars > Self::MOST_CHARS || text.trim() != text || text.chars().any(is_trick) {
            return Err(Reason::TextMalformed);
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A character that changes how others are shown, or is not shown itself.
pub(crate) fn is_trick(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_everywhere_are_lines() {
        for good in ["王小明", "Zoë O'Neill", "مريم", "Café №1", "a", &"好".repeat(100)] {
            assert_eq!(Line::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn text_that_could_mislead_a_reader_is_refused() {
        for bad in [
            "",
            " ",
            " a",
            "a ",
            "a\nb",
            "a\r",
            "\u{1b}[31mred",
            "\u{202e}gnp.exe",
            "a\u{200f}b",
            "a\u{0}b",
            "zero\u{200b}width",
            &"a".repeat(101),
        ] {
            assert_eq!(Line::parse(bad), Err(Reason::TextMalformed), "{bad:?}");
        }
    }
}
