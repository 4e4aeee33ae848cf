//! Digits, two in an octet: packed decimal (BCD).

use crate::alphabet::any;

/// Where the half octet goes that an odd number of digits leaves over, and what stands in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pad {
    /// The digits stand on the right, behind a zero.
    LeftZero,
    /// The digits stand on the left, before a zero.
    RightZero,
    /// The digits stand on the left, before an F.
    RightF,
}

/// The half octet that separates the fields of a track, `=` in text (ISO/IEC 7813, section 7.1.1).
const SEPARATOR: u8 = 0xD;

/// What is wrong with packed digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackedFault {
    /// The octet at this place holds something else than digits.
    Nibble(usize),
    /// The octet at this place is padded with something else.
    Pad(usize),
}

pub(crate) const fn octets(digits: usize) -> usize {
    digits.div_ceil(2)
}

/// Whether both halves of the octet are digits.
const fn is_decimal(octet: u8) -> bool {
    octet & 0x0F <= 9 && octet <= 0x99
}

const fn is_track(octet: u8) -> bool {
    let (high, low) = (octet >> 4, octet & 0x0F);
    (high <= 9 || high == SEPARATOR) && (low <= 9 || low == SEPARATOR)
}

/// Whether `octets` hold that many digits, exactly as [`pack`] would have written them.
pub(crate) fn check(octets: &[u8], digits: usize, pad: Pad, is_a_track: bool) -> Result<(), PackedFault> {
    if is_a_track { check_with(octets, digits, pad, is_track) } else { check_with(octets, digits, pad, is_decimal) }
}

fn check_with(octets: &[u8], digits: usize, pad: Pad, fits: impl Fn(u8) -> bool) -> Result<(), PackedFault> {
    let mut whole = octets;
    if digits % 2 == 1 {
        match (pad, octets) {
            (Pad::LeftZero, [first, ..]) if first >> 4 != 0 => return Err(PackedFault::Pad(0)),
            // A zero for padding is a digit like the others.
            (Pad::LeftZero, _) | (_, []) => {}
            (Pad::RightZero | Pad::RightF, [rest @ .., last]) => {
                let wanted = if pad == Pad::RightF { 0xF } else { 0 };
                if !fits(*last & 0xF0) {
                    return Err(PackedFault::Nibble(rest.len()));
                }
                if last & 0x0F != wanted {
                    return Err(PackedFault::Pad(rest.len()));
                }
                whole = rest;
            }
        }
    }
    if any(whole, |octet| !fits(octet)) {
        return Err(PackedFault::Nibble(whole.iter().position(|octet| !fits(*octet)).unwrap_or_default()));
    }
    Ok(())
}

/// The half octets that hold digits, first to last; each is at most 15.
pub(crate) fn nibbles(octets: &[u8], digits: usize, pad: Pad) -> impl Iterator<Item = u8> {
    let skipped = usize::from(pad == Pad::LeftZero && digits % 2 == 1);
    octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]).skip(skipped).take(digits)
}

/// The characters of both halves of every octet.
static PAIRS: [[u8; 2]; 256] = pairs();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn pairs() -> [[u8; 2]; 256] {
    let mut pairs = [[0; 2]; 256];
    let mut octet = 0;
    while octet < 256 {
        pairs[octet] = [character(octet as u8 >> 4), character(octet as u8 & 0x0F)];
        octet += 1;
    }
    pairs
}

const fn character(nibble: u8) -> u8 {
    if nibble == SEPARATOR { b'=' } else { b'0' + nibble }
}

/// Appends the digits as text, the separator of a track as `=`.
pub(crate) fn unpack(octets: &[u8], digits: usize, pad: Pad, out: &mut Vec<u8>) {
    let is_odd = !digits.is_multiple_of(2);
    let (first, whole, last) = match (pad, octets) {
        (Pad::LeftZero, [first, rest @ ..]) if is_odd => (Some(first & 0x0F), rest, None),
        (_, [rest @ .., last]) if is_odd => (None, rest, Some(last >> 4)),
        _ => (None, octets, None),
    };
    out.reserve(digits);
    out.extend(first.map(character));
    for octet in whole {
        out.extend_from_slice(PAIRS.get(usize::from(*octet)).unwrap_or(&[0; 2]));
    }
    out.extend(last.map(character));
}

/// Appends the digits, packed. Fails with the place of the first character that is neither a digit nor, in a track, `=` or
/// `D`.
pub(crate) fn pack(text: &[u8], pad: Pad, is_a_track: bool, out: &mut Vec<u8>) -> Result<(), usize> {
    let is_stranger = |character: u8| !(character.is_ascii_digit() || is_a_track && matches!(character, b'=' | b'D'));
    if any(text, is_stranger) {
        return Err(text.iter().position(|character| is_stranger(*character)).unwrap_or_default());
    }
    // The lower half of `=` is the separator.
    let nibble = |character: u8| if character == b'D' { SEPARATOR } else { character & 0x0F };
    let is_odd = !text.len().is_multiple_of(2);
    let (first, pairs, last) = match (pad, text) {
        (Pad::LeftZero, [first, rest @ ..]) if is_odd => (Some(*first), rest, None),
        (_, [rest @ .., last]) if is_odd => (None, rest, Some(*last)),
        _ => (None, text, None),
    };
    out.extend(first.map(nibble));
    out.extend(pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, half| octet << 4 | nibble(*half))));
    out.extend(last.map(|last| nibble(last) << 4 | if pad == Pad::RightF { 0xF } else { 0 }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_packed_on_the_side_that_the_table_says() {
        let table: [(&str, Pad, bool, &[u8]); 8] = [
            ("1234", Pad::LeftZero, false, &[0x12, 0x34]),
            ("123", Pad::LeftZero, false, &[0x01, 0x23]),
            ("123", Pad::RightZero, false, &[0x12, 0x30]),
            ("123", Pad::RightF, false, &[0x12, 0x3F]),
            ("7", Pad::LeftZero, false, &[0x07]),
            ("62=12", Pad::RightZero, true, &[0x62, 0xD1, 0x20]),
            ("62D12", Pad::RightF, true, &[0x62, 0xD1, 0x2F]),
            ("=123", Pad::LeftZero, true, &[0xD1, 0x23]),
        ];
        for (text, pad, is_a_track, wanted) in table {
            let mut packed = Vec::new();
            pack(text.as_bytes(), pad, is_a_track, &mut packed).unwrap();
            assert_eq!(packed, wanted, "{text} {pad:?}");
            assert_eq!(check(&packed, text.len(), pad, is_a_track), Ok(()), "{text} {pad:?}");
            let mut unpacked = Vec::new();
            unpack(&packed, text.len(), pad, &mut unpacked);
            assert_eq!(String::from_utf8(unpacked).unwrap(), text.replace('D', "="));
        }
    }

    #[test]
    fn what_pack_would_not_have_written_is_refused_with_its_place() {
        use PackedFault::{Nibble, Pad as Padding};
        let table: [(&[u8], usize, Pad, bool, PackedFault); 9] = [
            (&[0x12, 0x3A], 4, Pad::LeftZero, false, Nibble(1)),
            (&[0xA2, 0x34], 4, Pad::LeftZero, false, Nibble(0)),
            (&[0x12, 0xD4], 4, Pad::LeftZero, false, Nibble(1)),
            (&[0x12, 0xE4], 4, Pad::LeftZero, true, Nibble(1)),
            (&[0x11, 0x23], 3, Pad::LeftZero, false, Padding(0)),
            (&[0x0B, 0x23], 3, Pad::LeftZero, false, Nibble(0)),
            (&[0x12, 0x31], 3, Pad::RightZero, false, Padding(1)),
            (&[0x12, 0x30], 3, Pad::RightF, false, Padding(1)),
            (&[0x12, 0xCF], 3, Pad::RightF, false, Nibble(1)),
        ];
        for (octets, digits, pad, is_a_track, fault) in table {
            assert_eq!(check(octets, digits, pad, is_a_track), Err(fault), "{octets:02X?} {pad:?}");
        }
    }

    #[test]
    fn a_character_that_is_no_digit_is_not_packed() {
        for (text, place) in [("12a4", 2), ("x", 0), ("12=", 2), ("1 2", 1)] {
            assert_eq!(pack(text.as_bytes(), Pad::LeftZero, false, &mut Vec::new()), Err(place), "{text}");
        }
    }
}
