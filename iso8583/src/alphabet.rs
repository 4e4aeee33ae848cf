//! The characters of text fields and the octets that stand for them.

/// How characters are put into octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    Ascii,
    /// EBCDIC as IBM code page 037 (CCSID 37) has it, for the printable characters of ASCII.
    Ebcdic,
}

/// Which characters a text field may hold, as ISO 8583:1987, section 4.2 names its attributes. A blank pads letters and
/// is therefore among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `a`: letters and blanks.
    Letters,
    /// `an`: letters, digits and blanks.
    Alphanumeric,
    /// `ns`: digits, special characters and blanks.
    NumericSpecial,
    /// `ans`: every printable character of ASCII.
    Printable,
    /// `ans` in a network that writes names in a national set of two octets a character, such as GBK: printable ASCII, and
    /// every octet above it. The codec does not decode the latter.
    National,
}

const DIGIT: u8 = 1;
const LETTER: u8 = 2;
const BLANK: u8 = 4;
const SPECIAL: u8 = 8;
const HIGH: u8 = 16;

impl Class {
    const fn kinds(self) -> u8 {
        match self {
            Self::Letters => LETTER | BLANK,
            Self::Alphanumeric => DIGIT | LETTER | BLANK,
            Self::NumericSpecial => DIGIT | SPECIAL | BLANK,
            Self::Printable => DIGIT | LETTER | SPECIAL | BLANK,
            Self::National => DIGIT | LETTER | SPECIAL | BLANK | HIGH,
        }
    }

    /// Whether the character, an octet of ASCII or of the national set, may stand in such a field.
    pub fn allows(self, character: u8) -> bool {
        look_up(&KINDS, character) & self.kinds() != 0
    }
}

/// The code page 037 of the characters 0x20 to 0x7E of ASCII. Source: IBM CDRA, CCSID 37.
const CODE_PAGE_037: [u8; 95] = [
    0x40, 0x5A, 0x7F, 0x7B, 0x5B, 0x6C, 0x50, 0x7D, 0x4D, 0x5D, 0x5C, 0x4E, 0x6B, 0x60, 0x4B, 0x61, //
    0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0x7A, 0x5E, 0x4C, 0x7E, 0x6E, 0x6F, //
    0x7C, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, //
    0xD7, 0xD8, 0xD9, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xBA, 0xE0, 0xBB, 0xB0, 0x6D, //
    0x79, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, //
    0x97, 0x98, 0x99, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xC0, 0x4F, 0xD0, 0xA1,
];

/// Of a character in ASCII or in the national set.
static KINDS: [u8; 256] = kinds();
/// Of an octet in EBCDIC.
static EBCDIC_KINDS: [u8; 256] = ebcdic_kinds();
static TO_EBCDIC: [u8; 256] = tables().0;
static FROM_EBCDIC: [u8; 256] = tables().1;

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn kinds() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut octet = 0x20;
    while octet < 256 {
        kinds[octet] = match octet as u8 {
            b' ' => BLANK,
            b'0'..=b'9' => DIGIT,
            b'A'..=b'Z' | b'a'..=b'z' => LETTER,
            0x7F => 0,
            0x80.. => HIGH,
            _ => SPECIAL,
        };
        octet += 1;
    }
    kinds
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn ebcdic_kinds() -> [u8; 256] {
    let (from, kinds) = (tables().1, kinds());
    let mut ebcdic = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        ebcdic[octet] = kinds[from[octet] as usize];
        octet += 1;
    }
    ebcdic
}

/// From ASCII and to ASCII; 0 where there is no such character.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn tables() -> ([u8; 256], [u8; 256]) {
    let (mut to, mut from) = ([0; 256], [0; 256]);
    let mut at = 0;
    while at < CODE_PAGE_037.len() {
        to[at + 0x20] = CODE_PAGE_037[at];
        from[CODE_PAGE_037[at] as usize] = at as u8 + 0x20;
        at += 1;
    }
    (to, from)
}

fn look_up(table: &[u8; 256], octet: u8) -> u8 {
    table.get(usize::from(octet)).copied().unwrap_or_default()
}

/// Whether it is so for any octet; asks them all, without a branch, which is faster than to stop.
pub(crate) fn any(octets: &[u8], is_so: impl Fn(u8) -> bool) -> bool {
    octets.iter().fold(false, |any, octet| any | is_so(*octet))
}

impl Alphabet {
    /// The character of an octet in ASCII; 0, which is in no class, for an octet that stands for none.
    pub(crate) fn character(self, octet: u8) -> u8 {
        match self {
            Self::Ascii => octet,
            Self::Ebcdic => look_up(&FROM_EBCDIC, octet),
        }
    }

    /// The octet of a character; 0 for a character that the alphabet does not have.
    pub(crate) fn octet(self, character: u8) -> u8 {
        match self {
            Self::Ascii => character,
            Self::Ebcdic => look_up(&TO_EBCDIC, character),
        }
    }

    /// The octet of the digit 0; the others follow it in both alphabets.
    pub(crate) const fn zero(self) -> u8 {
        match self {
            Self::Ascii => b'0',
            Self::Ebcdic => 0xF0,
        }
    }

    /// The value of an octet as a digit.
    pub(crate) fn digit(self, octet: u8) -> Option<u8> {
        let value = octet.wrapping_sub(self.zero());
        (value < 10).then_some(value)
    }

    /// The first octet of `octets` that is no character of the class.
    pub(crate) fn stranger(self, class: Class, octets: &[u8]) -> Option<usize> {
        // Seen as a whole first: these loops have no branch and nearly always say that there is none.
        let any = match (self, class) {
            (Self::Ascii, Class::Printable) => any(octets, |octet| octet.wrapping_sub(b' ') > b'~' - b' '),
            (Self::Ascii, Class::National) => any(octets, |octet| octet < b' ' || octet == 0x7F),
            _ => {
                let kinds = if self == Self::Ascii { &KINDS } else { &EBCDIC_KINDS };
                any(octets, |octet| look_up(kinds, octet) & class.kinds() == 0)
            }
        };
        if any { octets.iter().position(|octet| !class.allows(self.character(*octet))) } else { None }
    }

    /// The first octet that is not a digit.
    pub(crate) fn no_digit(self, octets: &[u8]) -> Option<usize> {
        let zero = self.zero();
        let is_none = |octet: u8| octet.wrapping_sub(zero) > 9;
        if any(octets, is_none) { octets.iter().position(|octet| is_none(*octet)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_has_an_octet_of_its_own_in_ebcdic() {
        for character in 0x20..0x7F {
            let octet = Alphabet::Ebcdic.octet(character);
            assert_eq!(Alphabet::Ebcdic.character(octet), character, "{character:#04x}");
        }
        let known = (0..=255).filter(|octet| Alphabet::Ebcdic.character(*octet) != 0).count();
        assert_eq!(known, 95);
    }

    #[test]
    fn code_page_037_writes_words_as_ibm_does() {
        // IBM CDRA, CCSID 37: digits at F0, letters in three runs, and where 037 differs from 500: ! [ ] ^ |.
        for (character, octet) in
            [(b'0', 0xF0), (b'9', 0xF9), (b'A', 0xC1), (b'J', 0xD1), (b'S', 0xE2), (b' ', 0x40), (b'a', 0x81)]
                .into_iter()
                .chain([(b'!', 0x5A), (b'[', 0xBA), (b']', 0xBB), (b'^', 0xB0), (b'|', 0x4F)])
        {
            assert_eq!(Alphabet::Ebcdic.octet(character), octet, "{}", char::from(character));
        }
    }

    #[test]
    fn a_class_has_its_characters_and_no_others() {
        let table = [
            (Class::Letters, "aZ ", "0-\u{7f}"),
            (Class::Alphanumeric, "aZ 09", "-=\t"),
            (Class::NumericSpecial, "09 -=", "aZ\n"),
            (Class::Printable, "aZ 09-=~", "\u{0}\u{7f}"),
            (Class::National, "aZ 09-=~\u{4f60}", "\u{0}\u{7f}"),
        ];
        for (class, good, bad) in table {
            assert!(good.bytes().all(|character| class.allows(character)), "{class:?}");
            assert!(!bad.bytes().any(|character| class.allows(character)), "{class:?}");
        }
        assert!(!Class::Printable.allows(0x80));
    }
}
