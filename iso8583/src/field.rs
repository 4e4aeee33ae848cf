//! What a table says about one field.

use crate::alphabet::{Alphabet, Class};
use crate::packed::Pad;

/// One row of a dialect's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpec {
    /// 2 to 128. Field 1 is the secondary bitmap and no field of a table.
    pub number: u8,
    /// As ISO 8583:1987, table 5, names it.
    pub name: &'static str,
    pub form: Form,
    pub length: Length,
    pub masking: Masking,
}

/// What a field holds and how it is put into octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `n`: digits.
    Digits(Digits),
    /// `z`: the digits and separators of track 2 or 3 (ISO/IEC 7813, ISO/IEC 4909).
    Track(Digits),
    /// `x+n`: `C` for credit or `D` for debit, then digits.
    Signed(Alphabet, Digits),
    /// `a`, `an`, `ns`, `ans`: characters.
    Text(Class, Alphabet),
    /// `b`: octets.
    Octets(Binary),
}

/// How digits are put into octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// A character each.
    Characters(Alphabet),
    /// Two in an octet.
    Packed(Pad),
}

/// How the octets of a binary field are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// As they are.
    Raw,
    /// Each as two digits of 0–9, A–F. Small letters are refused, so that there is one way to write a value.
    Hex(Alphabet),
}

/// How long a field is, in its units: digits, characters (the sign of an `x+n` is one of them), or octets of a binary field
/// however those are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Fixed(u16),
    /// From 1 to `most` units, told by a prefix.
    Variable {
        most: u16,
        prefix: Prefix,
    },
}

/// The length before a field of variable length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Decimal digits of the length: 2 for LL, 3 for LLL; at most 4.
    pub digits: u8,
    pub coding: PrefixCoding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixCoding {
    /// A character for each digit.
    Characters(Alphabet),
    /// Two digits in an octet, behind a zero where their number is odd.
    Packed,
    /// An unsigned number, big-endian: one octet for LL, two for more.
    Binary,
}

/// What a log may show of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    Shown,
    /// A primary account number: its first six and last four digits (PCI DSS 4.0, requirement 3.4.1).
    AccountNumber,
    /// The last four characters.
    LastFour,
    /// Nothing but the length.
    Hidden,
}

impl Length {
    pub const fn most(self) -> u16 {
        match self {
            Self::Fixed(length) | Self::Variable { most: length, .. } => length,
        }
    }
}

impl Prefix {
    pub(crate) const fn octets(self) -> usize {
        match self.coding {
            PrefixCoding::Characters(_) => self.digits as usize,
            PrefixCoding::Packed => self.digits.div_ceil(2) as usize,
            PrefixCoding::Binary => {
                if self.digits <= 2 {
                    1
                } else {
                    2
                }
            }
        }
    }

    /// The length, or none if there is something else than a number.
    #[inline]
    pub(crate) fn read(self, octets: &[u8]) -> Option<usize> {
        let mut length = 0;
        match self.coding {
            PrefixCoding::Characters(alphabet) => {
                for octet in octets {
                    length = length * 10 + usize::from(alphabet.digit(*octet)?);
                }
            }
            PrefixCoding::Packed => {
                for octet in octets {
                    let (high, low) = (octet >> 4, octet & 0x0F);
                    if high > 9 || low > 9 {
                        return None;
                    }
                    length = length * 100 + usize::from(high) * 10 + usize::from(low);
                }
                // The half octet before an odd number of digits is a zero and no digit.
                if self.digits % 2 == 1 && length >= 10_usize.pow(u32::from(self.digits)) {
                    return None;
                }
            }
            PrefixCoding::Binary => {
                for octet in octets {
                    length = length << 8 | usize::from(*octet);
                }
            }
        }
        Some(length)
    }

    /// Appends the length, which the caller has held against `most`.
    pub(crate) fn write(self, length: usize, out: &mut Vec<u8>) {
        for at in (0..self.octets()).rev() {
            out.push(match self.coding {
                PrefixCoding::Characters(alphabet) => alphabet.zero() + decimal(length, at, 10),
                PrefixCoding::Packed => {
                    let pair = decimal(length, at, 100);
                    ((pair / 10) << 4) | (pair % 10)
                }
                PrefixCoding::Binary => (length >> (8 * at)) as u8,
            });
        }
    }

    /// The longest length that it can tell.
    pub(crate) const fn reach(self) -> u32 {
        match self.coding {
            PrefixCoding::Characters(_) | PrefixCoding::Packed => 10_u32.pow(self.digits as u32) - 1,
            PrefixCoding::Binary => (1 << (8 * self.octets())) - 1,
        }
    }
}

/// The digit of `number` at a place, counted from the right, to the base 10 or 100.
fn decimal(number: usize, place: usize, base: usize) -> u8 {
    let mut rest = number;
    for _ in 0..place {
        rest /= base;
    }
    (rest % base) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_in_every_coding_and_read_back() {
        let ascii = PrefixCoding::Characters(Alphabet::Ascii);
        let ebcdic = PrefixCoding::Characters(Alphabet::Ebcdic);
        let table: [(u8, PrefixCoding, usize, &[u8]); 9] = [
            (2, ascii, 7, b"07"),
            (3, ascii, 104, b"104"),
            (4, ascii, 1_999, b"1999"),
            (2, ebcdic, 19, &[0xF1, 0xF9]),
            (2, PrefixCoding::Packed, 37, &[0x37]),
            (3, PrefixCoding::Packed, 104, &[0x01, 0x04]),
            (4, PrefixCoding::Packed, 1_024, &[0x10, 0x24]),
            (2, PrefixCoding::Binary, 37, &[0x25]),
            (3, PrefixCoding::Binary, 999, &[0x03, 0xE7]),
        ];
        for (digits, coding, length, octets) in table {
            let prefix = Prefix { digits, coding };
            let mut written = Vec::new();
            prefix.write(length, &mut written);
            assert_eq!(written, octets, "{prefix:?}");
            assert_eq!(prefix.read(octets), Some(length), "{prefix:?}");
            assert_eq!(prefix.octets(), octets.len(), "{prefix:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_no_length() {
        let ascii = PrefixCoding::Characters(Alphabet::Ascii);
        let table: [(u8, PrefixCoding, &[u8]); 5] = [
            (2, ascii, b"1A"),
            (2, ascii, b" 7"),
            (2, PrefixCoding::Characters(Alphabet::Ebcdic), b"07"),
            (2, PrefixCoding::Packed, &[0x1A]),
            (3, PrefixCoding::Packed, &[0x10, 0x04]),
        ];
        for (digits, coding, octets) in table {
            assert_eq!(Prefix { digits, coding }.read(octets), None, "{coding:?} {octets:02X?}");
        }
    }
}
