//! Field 120, private: entries of a tag of two digits, a length of three, and so many characters. What the standard has no field for
//! stands there, the same in every dialect.

use crate::Reason;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The one-time code that the payer was sent: six digits, in the second message of a payment.
    Code,
    /// The merchant's own reference, 1 to 64 characters, in the first one.
    Reference,
    /// The three digits on the back of a card.
    Cvv2,
    /// In an answer, the reason by its name in the catalogue.
    Reason,
    /// In an answer, the tries that are left for the code.
    TriesLeft,
    /// In an answer to a key exchange: the key of PIN blocks under the exchange key, and its check value, in hexadecimal digits.
    PinKey,
    /// The key of authentication codes in the same way.
    MacKey,
}

impl Tag {
    pub const ALL: [Self; 7] =
        [Self::Code, Self::Reference, Self::Reason, Self::TriesLeft, Self::Cvv2, Self::PinKey, Self::MacKey];

    /// Its two digits.
    pub const fn number(self) -> u8 {
        match self {
            Self::Code => 1,
            Self::Reference => 2,
            Self::Reason => 3,
            Self::TriesLeft => 4,
            Self::Cvv2 => 5,
            Self::PinKey => 11,
            Self::MacKey => 12,
        }
    }
}

/// The longest value of an entry, and of the field.
const MOST_CHARS: usize = 999;
const HEAD: usize = 5;

/// The entries of a field. It never shows their values, since a code may be among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PrivateData<'t> {
    entries: Vec<(u8, &'t str)>,
}

impl std::fmt::Debug for PrivateData<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(tag, _)| tag)).finish()
    }
}

impl<'t> PrivateData<'t> {
    /// Takes a field apart. Tags that are not known are kept; a tag that stands twice, and what is no entry, is
    /// `Err(MessageMalformed)`.
    pub fn parse(text: &'t str) -> Result<Self, Reason> {
        let number = |digits: &str| {
            let fine = digits.bytes().all(|byte| byte.is_ascii_digit());
            if fine {
                digits.parse::<usize>().map_err(|_| Reason::MessageMalformed)
            } else {
                Err(Reason::MessageMalformed)
            }
        };
        let (mut rest, mut entries) = (text, Vec::new());
        while !rest.is_empty() {
            let (head, behind) = rest.split_at_checked(HEAD).ok_or(Reason::MessageMalformed)?;
            let (tag, length) = head.split_at_checked(2).ok_or(Reason::MessageMalformed)?;
            let tag = u8::try_from(number(tag)?).map_err(|_| Reason::MessageMalformed)?;
            let (value, behind) = behind.split_at_checked(number(length)?).ok_or(Reason::MessageMalformed)?;
            if entries.iter().any(|(known, _)| *known == tag) {
                return Err(Reason::MessageMalformed);
            }
            entries.push((tag, value));
            rest = behind;
        }
        Ok(Self { entries })
    }

    pub fn get(&self, tag: Tag) -> Option<&'t str> {
        self.entries.iter().find(|(known, _)| *known == tag.number()).map(|(_, value)| *value)
    }

    /// The same entries without one.
    #[must_use]
    pub fn without(mut self, tag: Tag) -> Self {
        self.entries.retain(|(known, _)| *known != tag.number());
        self
    }

    /// The same entries and one more.
    #[must_use]
    pub fn with(mut self, tag: Tag, value: &'t str) -> Self {
        self.entries.push((tag.number(), value));
        self
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// As it stands in the field. `Err(TextMalformed)` for a value that is too long or has other characters than those of ASCII.
    pub fn to_text(&self) -> Result<String, Reason> {
        let mut text = String::new();
        for (tag, value) in &self.entries {
            if value.len() > MOST_CHARS || !value.is_ascii() {
                return Err(Reason::TextMalformed);
            }
            text.push_str(&format!("{tag:02}{:03}{value}", value.len()));
        }
        if text.len() > MOST_CHARS { Err(Reason::TextMalformed) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn m7_entries_are_found_by_their_tags_and_none_is_shown() {
        let data = PrivateData::parse("01006123456020041234770003abc").err();
        assert_eq!(data, Some(Reason::MessageMalformed), "a length that is not that of its value");
        let data = PrivateData::parse("01006123456020041234").unwrap();
        assert_eq!((data.get(Tag::Code), data.get(Tag::Reference)), (Some("123456"), Some("1234")));
        assert_eq!((data.get(Tag::Reason), format!("{data:?}").as_str()), (None, "[1, 2]"));
        assert_eq!(data.without(Tag::Code).to_text().unwrap(), "020041234");
        assert!(PrivateData::parse("").unwrap().is_empty());
    }

    #[test]
    fn m7_what_is_no_entry_is_refused() {
        for bad in [
            "0",
            "01",
            "010",
            "0100",
            "01006",
            "0100612345",
            "xx001a",
            "01-01a",
            "0１001a",
            "01001a01001b",
            "010061234567",
        ] {
            assert_eq!(PrivateData::parse(bad), Err(Reason::MessageMalformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn m7_what_is_read_is_written_again(values in prop::collection::btree_map(0_u8..100, "[ -~]{0,60}", 0..8)) {
            let text: String = values.iter().map(|(tag, value)| format!("{tag:02}{:03}{value}", value.len())).collect();
            let data = PrivateData::parse(&text).unwrap();
            prop_assert_eq!(data.to_text().unwrap(), text);
        }

        #[test]
        fn m7_any_text_is_entries_or_refused(text in ".{0,200}") {
            if let Ok(data) = PrivateData::parse(&text) && text.is_ascii() {
                prop_assert_eq!(data.to_text().unwrap(), text);
            }
        }
    }
}
