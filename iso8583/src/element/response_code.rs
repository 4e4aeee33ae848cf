use std::fmt;

/// The response code, field 39 (`an 2`). What it means to the caller is the caller's.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResponseCode([u8; 2]);

impl ResponseCode {
    pub const APPROVED: Self = Self(*b"00");

    /// From two letters or digits.
    pub fn from_text(text: &str) -> Option<Self> {
        let characters: [u8; 2] = text.as_bytes().try_into().ok()?;
        characters.iter().all(u8::is_ascii_alphanumeric).then_some(Self(characters))
    }

    /// The two characters, in ASCII.
    pub fn characters(self) -> [u8; 2] {
        self.0
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0.map(char::from);
        write!(f, "{first}{second}")
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_letters_or_digits() {
        for text in ["00", "51", "N7", "a1"] {
            assert_eq!(ResponseCode::from_text(text).map(|code| code.to_string()).as_deref(), Some(text));
        }
        for text in ["", "0", "000", "0 ", "-1", "é"] {
            assert_eq!(ResponseCode::from_text(text), None, "{text}");
        }
    }
}
