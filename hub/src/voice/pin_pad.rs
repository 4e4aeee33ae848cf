//! PINs that callers type, enciphered for their banks as a terminal's PIN pad does it: format 4 of ISO 9564-1:2017 under AES.

use std::fmt;

use aes::Aes128;
use cipher::{BlockCipherEncrypt as _, KeyInit as _};
use domain::TerminalId;
use domain::card::pin_block::pan_field_4;
use domain::card::{Pan, Pin};
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::rng::{Rng, RngError};
use zeroize::Zeroizing;

use crate::bank::TypedPin;
use crate::hex;

/// Why a key cannot be used. What was read is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum PinPadError {
    #[error("safety_code.pin_pad: the name of a PIN pad has 1 to 64 of a-z, 0-9 and '-'")]
    Name,
    #[error("safety_code.pin_pad_key: the key has 32 hexadecimal digits")]
    Key,
}

/// The hub's own PIN pad. The cipher wipes its key when it is dropped.
pub struct VoicePinPad {
    /// By which banks know the key.
    name: String,
    cipher: Aes128,
}

impl fmt::Debug for VoicePinPad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoicePinPad").field("name", &self.name).finish_non_exhaustive()
    }
}

impl VoicePinPad {
    /// A pad with this key, 16 bytes of AES in hexadecimal digits.
    pub fn new(name: &str, key: &SecretString) -> Result<Self, PinPadError> {
        TerminalId::parse(name).map_err(|_| PinPadError::Name)?;
        let digits = Zeroizing::new(key.expose_secret().trim().to_ascii_lowercase());
        let bytes = Zeroizing::new(hex::decode(&digits).ok_or(PinPadError::Key)?);
        let cipher = Aes128::new_from_slice(&bytes).map_err(|_| PinPadError::Key)?;
        Ok(Self { name: name.to_owned(), cipher })
    }

    /// What goes to the bank.
    pub(crate) fn encipher(&self, pan: &Pan, pin: &Pin, rng: &dyn Rng) -> Result<TypedPin, RngError> {
        let mut random = [0; 8];
        rng.fill(&mut random)?;
        let mut block = pin.field_4(random);
        self.cipher.encrypt_block((&mut *block).into());
        block.iter_mut().zip(pan_field_4(pan.reveal())).for_each(|(to, with)| *to ^= with);
        self.cipher.encrypt_block((&mut *block).into());
        Ok(TypedPin { pan: pan.clone(), block, pin_pad: self.name.clone() })
    }
}

#[cfg(test)]
mod tests {
    use cipher::BlockCipherDecrypt as _;
    use server_kit::rng::SystemRng;

    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn f2_a_pin_that_a_caller_types_leaves_as_a_block_of_format_4() {
        let pad = VoicePinPad::new("hub-voice", &SecretString::from(KEY)).unwrap();
        let (pan, pin) = (Pan::parse("6228480000000015").unwrap(), Pin::parse("271828").unwrap());
        let rng = SystemRng::new();
        let typed = pad.encipher(&pan, &pin, &rng).unwrap();
        let mut block = *typed.block;
        pad.cipher.decrypt_block((&mut block).into());
        block.iter_mut().zip(pan_field_4(pan.reveal())).for_each(|(to, with)| *to ^= with);
        pad.cipher.decrypt_block((&mut block).into());
        assert_eq!(block[..8], [0x46, 0x27, 0x18, 0x28, 0xAA, 0xAA, 0xAA, 0xAA]);
        assert_ne!(*pad.encipher(&pan, &pin, &rng).unwrap().block, *typed.block, "no two blocks are alike");
        assert_eq!(format!("{typed:?}"), "TypedPin(…)");
        assert!(!format!("{pad:?}").contains("0011"));
    }

    #[test]
    fn f2_a_key_that_is_none_is_refused_and_not_repeated() {
        for bad in ["", "00", "zz112233445566778899aabbccddeeff", &KEY.repeat(2)] {
            let refused = VoicePinPad::new("hub-voice", &SecretString::from(bad)).unwrap_err().to_string();
            assert!(bad.is_empty() || !refused.contains(bad), "{refused}");
        }
        assert!(matches!(VoicePinPad::new("Hub Voice", &SecretString::from(KEY)), Err(PinPadError::Name)));
    }
}
