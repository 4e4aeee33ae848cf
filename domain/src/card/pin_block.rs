//! A PIN as somebody types it, and the fields of a PIN block of ISO 9564-1:2017 that are made of it. What enciphers them has the key.

use std::fmt;

use zeroize::Zeroizing;

use crate::Reason;

/// A PIN in clear: 4 to 12 digits, each as a number. It exists between the keys that are pressed, or the opening of a PIN block, and
/// what is made of it; it never shows itself, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Pin {
    digits: Zeroizing<[u8; Pin::MOST_DIGITS]>,
    length: usize,
}

/// What keeps digits from being a PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinFault {
    Length,
    Digit,
}

impl Pin {
    pub const FEWEST_DIGITS: usize = 4;
    pub const MOST_DIGITS: usize = 12;

    /// Reads ASCII digits. `Err(PinMalformed)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let digits = text.bytes().map(|byte| byte.wrapping_sub(b'0'));
        Self::from_digits(text.len(), digits).map_err(|_| Reason::PinMalformed)
    }

    /// Of the first `length` digits, each as a number. It takes as long for what is no digit as for what is one.
    pub fn from_digits(length: usize, digits: impl Iterator<Item = u8>) -> Result<Self, PinFault> {
        if !(Self::FEWEST_DIGITS..=Self::MOST_DIGITS).contains(&length) {
            return Err(PinFault::Length);
        }
        let mut pin = Self { digits: Zeroizing::new([0; Self::MOST_DIGITS]), length };
        let mut are_digits = true;
        for (to, digit) in pin.digits.iter_mut().zip(digits.take(length)) {
            are_digits &= digit <= 9;
            *to = digit;
        }
        if are_digits { Ok(pin) } else { Err(PinFault::Digit) }
    }

    /// Each digit as a number.
    pub fn digits(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// Control ‖ length ‖ digits ‖ filler: the 8 bytes with which the PIN field of every format begins.
    pub fn field(&self, control: u8, filler: u8) -> Zeroizing<[u8; 8]> {
        let head = [control, u8::try_from(self.length).unwrap_or(0)];
        let nibbles = head.into_iter().chain(self.digits().iter().copied()).chain(std::iter::repeat(filler));
        Zeroizing::new(pack(nibbles))
    }

    /// The PIN field of format 4 in clear; `random` makes two blocks of one PIN and card differ.
    pub fn field_4(&self, random: [u8; 8]) -> Zeroizing<[u8; 16]> {
        let mut field = Zeroizing::new([0; 16]);
        let start = self.field(0x4, 0xA);
        field.iter_mut().zip(start.iter().chain(&random)).for_each(|(to, from)| *to = *from);
        field
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(****)")
    }
}

/// The field of the card number in format 4, of 12 to 19 ASCII digits: how many there are beyond twelve, all of them, and zeros.
pub fn pan_field_4(pan: &str) -> [u8; 16] {
    let beyond_twelve = u8::try_from(pan.len().saturating_sub(12)).unwrap_or(0);
    let digits = pan.bytes().map(|digit| digit & 0x0F);
    pack(std::iter::once(beyond_twelve).chain(digits).chain(std::iter::repeat(0)))
}

/// The first `2 * N` nibbles as bytes; zeros where there are fewer.
pub fn pack<const N: usize>(mut nibbles: impl Iterator<Item = u8>) -> [u8; N] {
    std::array::from_fn(|_| {
        let (high, low) = (nibbles.next().unwrap_or(0), nibbles.next().unwrap_or(0));
        high << 4 | low
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_four_to_twelve_ascii_digits_and_does_not_show_itself() {
        for bad in ["", "123", "1234567890123", "12a4", "１２３４", "-123", " 1234"] {
            assert_eq!(Pin::parse(bad).err(), Some(Reason::PinMalformed), "{bad}");
        }
        let pin = Pin::parse("0129").unwrap();
        assert_eq!(pin.digits(), [0, 1, 2, 9]);
        assert_eq!(format!("{pin:?}"), "Pin(****)");
    }

    #[test]
    fn the_fields_of_format_4_are_laid_out_as_the_standard_says() {
        let field = Pin::parse("12345").unwrap().field_4([7; 8]);
        assert_eq!(*field, [0x45, 0x12, 0x34, 0x5A, 0xAA, 0xAA, 0xAA, 0xAA, 7, 7, 7, 7, 7, 7, 7, 7]);
        let pan = pan_field_4("6228480000000015");
        assert_eq!(pan, [0x46, 0x22, 0x84, 0x80, 0, 0, 0, 0x01, 0x50, 0, 0, 0, 0, 0, 0, 0]);
    }
}
