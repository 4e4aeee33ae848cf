//! Values into octets and back, for every form that a table can name. This is the only place that knows how a form is written.

use crate::alphabet::Alphabet;
use crate::field::{Binary, Digits, Form};
use crate::packed::{self, PackedFault};

/// What is wrong with the octets of a field; the number is the place within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Character(usize),
    Nibble(usize),
    Pad(usize),
    Sign,
}

impl From<PackedFault> for Fault {
    fn from(fault: PackedFault) -> Self {
        match fault {
            PackedFault::Nibble(at) => Self::Nibble(at),
            PackedFault::Pad(at) => Self::Pad(at),
        }
    }
}

impl Fault {
    fn behind(self, octets: usize) -> Self {
        match self {
            Self::Character(at) => Self::Character(at + octets),
            Self::Nibble(at) => Self::Nibble(at + octets),
            Self::Pad(at) => Self::Pad(at + octets),
            Self::Sign => Self::Sign,
        }
    }
}

impl Digits {
    const fn octets(self, digits: usize) -> usize {
        match self {
            Self::Characters(_) => digits,
            Self::Packed(_) => packed::octets(digits),
        }
    }

    #[inline]
    fn check(self, octets: &[u8], digits: usize) -> Result<(), Fault> {
        match self {
            Self::Characters(alphabet) => alphabet.no_digit(octets).map_or(Ok(()), |at| Err(Fault::Character(at))),
            Self::Packed(pad) => Ok(packed::check(octets, digits, pad, false)?),
        }
    }

    fn append_text(self, octets: &[u8], digits: usize, out: &mut Vec<u8>) {
        match self {
            Self::Characters(alphabet) => append_characters(alphabet, octets, out),
            Self::Packed(pad) => packed::unpack(octets, digits, pad, out),
        }
    }

    fn append_octets(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        match self {
            Self::Characters(alphabet) => {
                if let Some(at) = Alphabet::Ascii.no_digit(text) {
                    return Err(at);
                }
                append_encoded(alphabet, text, out);
                Ok(())
            }
            Self::Packed(pad) => packed::pack(text, pad, false, out),
        }
    }
}

/// Appends characters of ASCII in the alphabet.
fn append_encoded(alphabet: Alphabet, text: &[u8], out: &mut Vec<u8>) {
    match alphabet {
        Alphabet::Ascii => out.extend_from_slice(text),
        Alphabet::Ebcdic => out.extend(text.iter().map(|character| alphabet.octet(*character))),
    }
}

fn append_characters(alphabet: Alphabet, octets: &[u8], out: &mut Vec<u8>) {
    match alphabet {
        Alphabet::Ascii => out.extend_from_slice(octets),
        Alphabet::Ebcdic => out.extend(octets.iter().map(|octet| alphabet.character(*octet))),
    }
}

/// Whether the character, in ASCII, may stand on a track. In characters the separator is `=` or `D`, whichever was sent.
fn is_on_track(character: u8) -> bool {
    character.is_ascii_digit() || matches!(character, b'=' | b'D')
}

/// The value of a digit of hexadecimal.
pub(crate) fn hex_value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'A' + value - 10 }
}

/// Appends each octet as two digits of hexadecimal.
pub(crate) fn append_hex(alphabet: Alphabet, octets: &[u8], out: &mut Vec<u8>) {
    out.extend(octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0F]).map(|half| alphabet.octet(hex_digit(half))));
}

/// Appends the octets that pairs of hexadecimal digits stand for; fails with the place of the first that is none.
pub(crate) fn append_unhexed(alphabet: Alphabet, digits: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
    for (at, pair) in digits.chunks(2).enumerate() {
        let value =
            |half: usize| pair.get(half).and_then(|digit| hex_value(alphabet.character(*digit))).ok_or(at * 2 + half);
        out.push(value(0)? << 4 | value(1)?);
    }
    Ok(())
}

impl Form {
    /// The octets that so many units fill.
    pub(crate) const fn octets(self, units: usize) -> usize {
        match self {
            Self::Digits(digits) | Self::Track(digits) => digits.octets(units),
            Self::Signed(_, digits) => 1 + digits.octets(units.saturating_sub(1)),
            Self::Text(..) | Self::Octets(Binary::Raw) => units,
            Self::Octets(Binary::Hex(_)) => units * 2,
        }
    }

    /// Whether the octets are exactly what [`Form::append_octets`] writes for some value of so many units.
    #[inline]
    pub(crate) fn check(self, octets: &[u8], units: usize) -> Result<(), Fault> {
        match self {
            Self::Digits(digits) => digits.check(octets, units),
            Self::Track(Digits::Packed(pad)) => Ok(packed::check(octets, units, pad, true)?),
            Self::Track(Digits::Characters(alphabet)) => {
                let stranger = octets.iter().position(|octet| !is_on_track(alphabet.character(*octet)));
                stranger.map_or(Ok(()), |at| Err(Fault::Character(at)))
            }
            Self::Signed(alphabet, digits) => match octets {
                [sign, rest @ ..] if matches!(alphabet.character(*sign), b'C' | b'D') => {
                    digits.check(rest, units.saturating_sub(1)).map_err(|fault| fault.behind(1))
                }
                _ => Err(Fault::Sign),
            },
            Self::Text(class, alphabet) => {
                alphabet.stranger(class, octets).map_or(Ok(()), |at| Err(Fault::Character(at)))
            }
            Self::Octets(Binary::Raw) => Ok(()),
            Self::Octets(Binary::Hex(alphabet)) => {
                let stranger = octets.iter().position(|octet| hex_value(alphabet.character(*octet)).is_none());
                stranger.map_or(Ok(()), |at| Err(Fault::Character(at)))
            }
        }
    }

    /// Appends the value as text in ASCII: digits, characters, or hexadecimal for octets. What has no ASCII (a national
    /// character) is appended as it is.
    #[inline]
    pub(crate) fn append_text(self, octets: &[u8], units: usize, out: &mut Vec<u8>) {
        match self {
            Self::Digits(digits) | Self::Track(digits) => digits.append_text(octets, units, out),
            Self::Signed(alphabet, digits) => {
                if let [sign, rest @ ..] = octets {
                    out.push(alphabet.character(*sign));
                    digits.append_text(rest, units.saturating_sub(1), out);
                }
            }
            Self::Text(_, alphabet) | Self::Octets(Binary::Hex(alphabet)) => append_characters(alphabet, octets, out),
            Self::Octets(Binary::Raw) => append_hex(Alphabet::Ascii, octets, out),
        }
    }

    /// Whether the text of the value is its octets.
    pub(crate) const fn is_ascii(self) -> bool {
        matches!(
            self,
            Self::Digits(Digits::Characters(Alphabet::Ascii))
                | Self::Track(Digits::Characters(Alphabet::Ascii))
                | Self::Signed(Alphabet::Ascii, Digits::Characters(Alphabet::Ascii))
                | Self::Text(_, Alphabet::Ascii)
                | Self::Octets(Binary::Hex(Alphabet::Ascii))
        )
    }

    /// Appends the octets of a value that is given as characters: in ASCII or the national set, octets as hexadecimal. Fails
    /// with the place of the first character that the form does not have. Whether the length is right is the caller's.
    pub(crate) fn append_octets(self, text: &[u8], out: &mut Vec<u8>) -> Result<(), usize> {
        match self {
            Self::Digits(digits) => digits.append_octets(text, out),
            Self::Track(Digits::Packed(pad)) => packed::pack(text, pad, true, out),
            Self::Track(Digits::Characters(alphabet)) => {
                match text.iter().position(|character| !is_on_track(*character)) {
                    Some(at) => Err(at),
                    None => {
                        out.extend(text.iter().map(|character| alphabet.octet(*character)));
                        Ok(())
                    }
                }
            }
            Self::Signed(alphabet, digits) => match text {
                [sign @ (b'C' | b'D'), rest @ ..] => {
                    out.push(alphabet.octet(*sign));
                    digits.append_octets(rest, out).map_err(|at| at + 1)
                }
                _ => Err(0),
            },
            Self::Text(class, alphabet) => {
                if let Some(at) = Alphabet::Ascii.stranger(class, text) {
                    return Err(at);
                }
                // A national character has no place in EBCDIC.
                if let Some(at) = text.iter().position(|character| alphabet.octet(*character) == 0) {
                    return Err(at);
                }
                append_encoded(alphabet, text, out);
                Ok(())
            }
            Self::Octets(binary) => {
                let begin = out.len();
                append_unhexed(Alphabet::Ascii, text, out)?;
                if let Binary::Hex(alphabet) = binary {
                    out.truncate(begin);
                    append_encoded(alphabet, text, out);
                }
                Ok(())
            }
        }
    }

    /// Appends the octets of a binary value.
    pub(crate) fn append_binary(self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Octets(Binary::Hex(alphabet)) => append_hex(alphabet, value, out),
            _ => out.extend_from_slice(value),
        }
    }

    /// How many units a value has that is given as characters.
    pub(crate) const fn units(self, text: &[u8]) -> usize {
        match self {
            Self::Octets(_) => text.len().div_ceil(2),
            _ => text.len(),
        }
    }
}
