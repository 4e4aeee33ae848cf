//! How a text becomes short messages: the alphabet, and the parts of a long one (3GPP TS 23.038 and 23.040).

use super::pdu::{HAS_HEADER, UCS2};

/// The parts of the longest text; what does not fit is cut.
const MOST_PARTS: usize = 10;
/// One message: 140 octets on the air, which are 160 septets or 70 units of UCS-2.
const SEPTETS: usize = 160;
const UNITS: usize = 70;
/// With a header of 7 octets in front of each part, which are 8 septets.
const SEPTETS_OF_A_PART: usize = 152;
const UNITS_OF_A_PART: usize = 66;
/// What a text ends with that was cut.
const CUT: char = '…';

/// One short message of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) esm_class: u8,
    pub(super) data_coding: u8,
    pub(super) message: Vec<u8>,
}

/// The short messages of a text. `reference` is what a phone knows the parts of one text by; the same text sent again has the same, so
/// that parts that come twice are seen as such.
pub(super) fn parts(text: &str, reference: u16) -> Vec<Part> {
    let (data_coding, atoms) = match septets(text) {
        Some(atoms) => (0, atoms),
        None => (UCS2, units(text)),
    };
    // An atom is never split: an escaped character of the default alphabet, a surrogate pair.
    let (whole, part) = match data_coding {
        UCS2 => (UNITS * 2, UNITS_OF_A_PART * 2),
        _ => (SEPTETS, SEPTETS_OF_A_PART),
    };
    if atoms.iter().map(Vec::len).sum::<usize>() <= whole {
        return vec![Part { esm_class: 0, data_coding, message: atoms.concat() }];
    }
    let mut bodies: Vec<Vec<u8>> = vec![Vec::new()];
    for atom in &atoms {
        match bodies.last_mut() {
            Some(body) if body.len() + atom.len() <= part => body.extend(atom),
            _ => bodies.push(atom.clone()),
        }
    }
    if bodies.len() > MOST_PARTS {
        return parts(&cut(text), reference);
    }
    let count = u8::try_from(bodies.len()).unwrap_or(u8::MAX);
    let [high, low] = reference.to_be_bytes();
    let with_header = |(number, body): (u8, Vec<u8>)| Part {
        esm_class: HAS_HEADER,
        data_coding,
        // Concatenated short messages, 16-bit reference (TS 23.040, section 9.2.3.24.8).
        message: [&[6, 0x08, 4, high, low, count, number][..], &body].concat(),
    };
    (1..=count).zip(bodies).map(with_header).collect()
}

/// So much of the text as fits whatever its characters are, or one character less.
fn cut(text: &str) -> String {
    let room = MOST_PARTS * UNITS_OF_A_PART - MOST_PARTS - 1;
    let mut left = room;
    let kept = text.chars().take_while(|c| {
        left = left.saturating_sub(c.len_utf16());
        left > 0
    });
    kept.chain([CUT]).collect()
}

fn units(text: &str) -> Vec<Vec<u8>> {
    let mut buffer = [0; 2];
    text.chars().map(|c| c.encode_utf16(&mut buffer).iter().flat_map(|unit| unit.to_be_bytes()).collect()).collect()
}

/// The text in the default alphabet, one octet for each septet; none if it has other characters.
fn septets(text: &str) -> Option<Vec<Vec<u8>>> {
    text.chars().map(septets_of).collect()
}

/// The default alphabet of TS 23.038, section 6.2.1, by the numbers from 0; the escape stands for nothing by itself.
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                        ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension, section 6.2.1.1, behind an escape.
const EXTENSION: &[(char, u8)] = &[
    ('^', 0x14),
    ('{', 0x28),
    ('}', 0x29),
    ('\\', 0x2F),
    ('[', 0x3C),
    ('~', 0x3D),
    (']', 0x3E),
    ('|', 0x40),
    ('€', 0x65),
];
const ESCAPE: u8 = 0x1B;

fn septets_of(c: char) -> Option<Vec<u8>> {
    if let Some((_, septet)) = EXTENSION.iter().find(|(known, _)| *known == c) {
        return Some(vec![ESCAPE, *septet]);
    }
    let septet = ALPHABET.chars().position(|known| known == c && c != '\u{1b}')?;
    Some(vec![u8::try_from(septet).ok()?])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a phone makes of the parts.
    fn read(parts: &[Part]) -> String {
        let mut text = String::new();
        for part in parts {
            let body = if part.esm_class == HAS_HEADER { &part.message[7..] } else { &part.message[..] };
            if part.data_coding == UCS2 {
                let units: Vec<u16> = body.chunks(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
                text += &String::from_utf16(&units).expect("no pair is split");
            } else {
                let mut septets = body.iter();
                while let Some(septet) = septets.next() {
                    if *septet == ESCAPE {
                        let next = septets.next().expect("no escape is split");
                        text.push(EXTENSION.iter().find(|(_, septet)| septet == next).unwrap().0);
                    } else {
                        text.push(ALPHABET.chars().nth(usize::from(*septet)).unwrap());
                    }
                }
            }
        }
        text
    }

    #[test]
    fn r6_a_text_has_as_many_parts_as_it_needs() {
        assert_eq!(ALPHABET.chars().count(), 128);
        for (text, coding, count) in [
            ("12.50 CNY".to_owned(), 0, 1),
            ("a".repeat(160), 0, 1),
            ("a".repeat(161), 0, 2),
            ("a".repeat(304), 0, 2),
            ("a".repeat(305), 0, 3),
            ("€".repeat(80), 0, 1),
            ("€".repeat(81), 0, 2),
            ("a".repeat(151) + "€" + &"a".repeat(150), 0, 2),
            ("验".repeat(70), UCS2, 1),
            ("验".repeat(71), UCS2, 2),
            ("验".repeat(132), UCS2, 2),
            ("验".repeat(133), UCS2, 3),
            ("a验".repeat(35), UCS2, 1),
            ("😀".repeat(35), UCS2, 1),
            ("验".repeat(65) + "😀" + &"验".repeat(65), UCS2, 3),
            ("验".repeat(660), UCS2, 10),
        ] {
            let parts = parts(&text, 0x1234);
            assert_eq!((parts.len(), parts[0].data_coding), (count, coding), "{text}");
            assert_eq!(read(&parts), text);
        }
        let two = parts(&"验".repeat(71), 0x1234);
        assert_eq!(two[0].message[..7], [6, 8, 4, 0x12, 0x34, 2, 1]);
        assert_eq!(two[1].message[..7], [6, 8, 4, 0x12, 0x34, 2, 2]);
    }

    #[test]
    fn r6_a_text_that_is_too_long_is_cut_and_says_so() {
        for text in ["验".repeat(661), "😀".repeat(2_000), "a".repeat(100_000), "€".repeat(5_000)] {
            let parts = parts(&text, 1);
            assert!(parts.len() <= MOST_PARTS);
            let read = read(&parts);
            let kept = read.strip_suffix(CUT).unwrap();
            assert!(text.starts_with(kept) && kept.encode_utf16().count() >= 640, "{}", kept.len());
        }
    }

    proptest! {
        #[test]
        fn r6_any_text_arrives_whole(text in "\\PC{0,300}|[a-z€{}]{0,400}|[验证码😀a]{0,300}") {
            let parts = parts(&text, 7);
            let most = |part: &Part| if part.data_coding == UCS2 { 140 } else { 160 };
            prop_assert!(parts.iter().all(|part| part.message.len() <= most(part)));
            prop_assert_eq!(read(&parts), text);
        }
    }
}
