//! PIN blocks of ISO 9564-1:2017, formats 0 and 4: the fields in clear, and their encryption over [`Primitives`].
//!
//! Under PKCS#11 the two decryptions of format 4, and what follows any decryption, are calls of their own, so the clear
//! field passes through this process's memory. It goes no further than this module and [`super::algorithms`], and is
//! wiped.

use domain::card::pin_block::{PinFault, pan_field_4};
use zeroize::Zeroizing;

use super::HsmError;
use super::card::PanDigits;
use super::device::Primitives;
use super::error::PinBlockFault;
use super::key::Algorithm;
use super::pin::PinBlockFormat;

pub(super) use domain::card::pin_block::{Pin, pack};

fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

fn xor(to: &mut [u8], with: &[u8]) {
    to.iter_mut().zip(with).for_each(|(to, with)| *to ^= with);
}

/// Reads what [`Pin::field`] makes.
fn read_pin(field: &[u8; 8], control: u8, filler: u8) -> Result<Pin, PinBlockFault> {
    let mut rest = nibbles(field);
    if rest.next() != Some(control) {
        return Err(PinBlockFault::Control);
    }
    let length = usize::from(rest.next().unwrap_or(0));
    let pin = Pin::from_digits(length, nibbles(field).skip(2)).map_err(|fault| match fault {
        PinFault::Length => PinBlockFault::PinLength,
        PinFault::Digit => PinBlockFault::Digit,
    })?;
    let filled = nibbles(field).skip(2 + length).fold(true, |filled, nibble| filled & (nibble == filler));
    if filled { Ok(pin) } else { Err(PinBlockFault::Filler) }
}

/// Format 0: four zeros and the twelve digits before the check digit.
fn pan_field_0(pan: &PanDigits) -> [u8; 8] {
    let digits = pan.before_check_digit(12);
    let zeros = std::iter::repeat_n(0, 16 - digits.len());
    pack(zeros.chain(digits.bytes().map(|digit| digit & 0x0F)))
}

/// Format 0 in clear.
pub(super) fn field_0(pin: &Pin, pan: &PanDigits) -> Zeroizing<[u8; 8]> {
    let mut field = pin.field(0x0, 0xF);
    xor(field.as_mut_slice(), &pan_field_0(pan));
    field
}

/// Reads format 0 in clear.
pub(super) fn read_0(field: &[u8; 8], pan: &PanDigits) -> Result<Pin, PinBlockFault> {
    let mut field = Zeroizing::new(*field);
    xor(field.as_mut_slice(), &pan_field_0(pan));
    read_pin(&field, 0x0, 0xF)
}

fn must_fit(format: PinBlockFormat, algorithm: Algorithm) -> Result<(), PinBlockFault> {
    let fits = match format {
        PinBlockFormat::Iso0 => algorithm == Algorithm::TripleDes,
        PinBlockFormat::Iso4 => matches!(algorithm, Algorithm::Aes128 | Algorithm::Aes256),
    };
    if fits { Ok(()) } else { Err(PinBlockFault::FormatOfOtherAlgorithm { format, algorithm }) }
}

/// What can be said of a block without the key.
pub(super) fn look_at(format: PinBlockFormat, bytes: &[u8]) -> Result<(), PinBlockFault> {
    if bytes.len() != format.block_len() {
        return Err(PinBlockFault::Length { expected: format.block_len(), found: bytes.len() });
    }
    if bytes.iter().all(|byte| *byte == 0) { Err(PinBlockFault::AllZero) } else { Ok(()) }
}

/// Decrypts a block that [`look_at`] has passed.
pub(super) fn open<P: Primitives>(
    store: &P,
    key: &P::Key,
    algorithm: Algorithm,
    (format, bytes): (PinBlockFormat, &[u8]),
    pan: &PanDigits,
) -> Result<Pin, HsmError> {
    must_fit(format, algorithm)?;
    let mut block = Zeroizing::new(bytes.to_vec());
    store.decrypt(key, &mut block)?;
    if format == PinBlockFormat::Iso4 {
        xor(&mut block, &pan_field_4(pan.reveal()));
        store.decrypt(key, &mut block)?;
    }
    let field = block.first_chunk::<8>().ok_or(HsmError::BadAnswer { what: "a block is too short" })?;
    match format {
        PinBlockFormat::Iso0 => Ok(read_0(field, pan)?),
        PinBlockFormat::Iso4 => Ok(read_pin(field, 0x4, 0xA)?),
    }
}

/// Encrypts a PIN for a card. Format 0 does not use `random`.
pub(super) fn close<P: Primitives>(
    store: &P,
    key: &P::Key,
    algorithm: Algorithm,
    (format, random): (PinBlockFormat, [u8; 8]),
    (pin, pan): (&Pin, &PanDigits),
) -> Result<Vec<u8>, HsmError> {
    must_fit(format, algorithm)?;
    match format {
        PinBlockFormat::Iso0 => {
            let mut block = field_0(pin, pan);
            store.encrypt(key, block.as_mut_slice())?;
            Ok(block.to_vec())
        }
        PinBlockFormat::Iso4 => {
            let mut block = pin.field_4(random);
            store.encrypt(key, block.as_mut_slice())?;
            xor(block.as_mut_slice(), &pan_field_4(pan.reveal()));
            store.encrypt(key, block.as_mut_slice())?;
            Ok(block.to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// psec, tests/test_pinblock.py (github.com/knovichikhin/psec).
    #[test]
    fn the_fields_of_format_0_are_those_that_are_published() {
        let pan = PanDigits::parse("5555555551234567").unwrap();
        for (pin, expected) in [
            ("1234", 0x0412_61AA_AAED_CBA9_u64),
            ("123456789", 0x0912_6103_2D8D_CBA9),
            ("1234567890", 0x0A12_6103_2D82_CBA9),
            ("123456789012", 0x0C12_6103_2D82_26A9),
        ] {
            let field = field_0(&Pin::parse(pin).unwrap(), &pan);
            assert_eq!(*field, expected.to_be_bytes(), "{pin}");
            let digits: String = read_0(&field, &pan).unwrap().digits().iter().map(u8::to_string).collect();
            assert_eq!(digits, pin);
        }
        for (field, fault) in [
            (0x2412_61AA_AAED_CBA9_u64, PinBlockFault::Control),
            (0x0F12_61AA_AAED_CBA9, PinBlockFault::PinLength),
            (0x0212_61AA_AAED_CBA9, PinBlockFault::PinLength),
            (0x0412_61AA_AAED_CBAA, PinBlockFault::Filler),
            (0x0512_61AA_AAED_CBA9, PinBlockFault::Digit),
        ] {
            assert_eq!(read_0(&field.to_be_bytes(), &pan).err(), Some(fault));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_of_a_field_is_what_was_written(pin in "[0-9]{4,12}", pan in "[0-9]{12,19}", random: [u8; 8]) {
            let (pin, pan) = (Pin::parse(&pin).unwrap(), PanDigits::parse(&pan).unwrap());
            let read = read_0(&field_0(&pin, &pan), &pan).unwrap();
            prop_assert_eq!(read.digits(), pin.digits());
            let read = read_pin(pin.field_4(random).first_chunk().unwrap(), 4, 10).unwrap();
            prop_assert_eq!(read.digits(), pin.digits());
        }

        #[test]
        fn any_field_is_a_pin_or_a_fault(field: [u8; 8], pan in "[0-9]{12,19}") {
            let pan = PanDigits::parse(&pan).unwrap();
            if let Ok(pin) = read_0(&field, &pan) {
                prop_assert_eq!(*field_0(&pin, &pan), field);
            }
        }
    }
}
