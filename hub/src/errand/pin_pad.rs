//! What is typed at a terminal's PIN pad for an errand: PIN blocks of format 4 of ISO 9564-1:2017 under AES, with a key that the hub alone
//! shares with the pad. The key lies sealed with its terminal, and is in memory for as long as one block is opened.

use std::fmt;

use aes::Aes128;
use cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use domain::card::Pin;
use domain::card::pin_block::pan_field_4;
use domain::errand::block_number;
use domain::{ErrandId, Reason, TerminalId};
use proto::common;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

const KEY_BYTES: usize = 16;
const CHECK_BYTES: usize = 3;

/// A key of AES. It does not show itself, and its memory is wiped when it is dropped.
pub(crate) struct PadKey(Zeroizing<[u8; KEY_BYTES]>);

impl fmt::Debug for PadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PadKey(…)")
    }
}

impl PadKey {
    /// Reads a key as it was sent, and wipes the message. `Err(KeyRefused)` for one of another length, one that is all zeros, or one to
    /// which the check value does not belong.
    pub(crate) fn read(mut key: Vec<u8>, check_value: &[u8]) -> Result<Self, Reason> {
        let read = <[u8; KEY_BYTES]>::try_from(key.as_slice()).map(Zeroizing::new).map_err(|_| Reason::KeyRefused);
        key.zeroize();
        let key = Self(read?);
        let is_zero = bool::from(key.0.ct_eq(&[0; KEY_BYTES]));
        let fits = bool::from(key.check_value().as_slice().ct_eq(check_value));
        if is_zero || !fits { Err(Reason::KeyRefused) } else { Ok(key) }
    }

    /// The first bytes of the CMAC of sixteen zero bytes under the key (NIST SP 800-38B, of one whole block): what is enciphered is the
    /// subkey alone.
    pub(crate) fn check_value(&self) -> [u8; CHECK_BYTES] {
        let (cipher, mut block) = (self.cipher(), [0; KEY_BYTES]);
        cipher.encrypt_block((&mut block).into());
        let start = u128::from_be_bytes(block);
        let carried = if start >> 127 == 1 { 0x87 } else { 0 };
        let mut block = ((start << 1) ^ carried).to_be_bytes();
        cipher.encrypt_block((&mut block).into());
        let [a, b, c, ..] = block;
        [a, b, c]
    }

    /// Whether it is this key; in constant time.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }

    fn cipher(&self) -> Aes128 {
        Aes128::new((&*self.0).into())
    }

    /// The PIN of a block that was made for this errand. `Err(PinBlockMalformed)` for another format or length, `Err(PinBlockUnreadable)`
    /// for what opens to no PIN.
    pub(super) fn open(&self, errand: ErrandId, mut block: common::PinBlock) -> Result<Pin, Reason> {
        let sent = Zeroizing::new(std::mem::take(&mut block.block));
        if block.format() != common::PinBlockFormat::Iso4 {
            return Err(Reason::PinBlockMalformed);
        }
        let mut bytes =
            Zeroizing::new(<[u8; KEY_BYTES]>::try_from(sent.as_slice()).map_err(|_| Reason::PinBlockMalformed)?);
        let cipher = self.cipher();
        cipher.decrypt_block((&mut *bytes).into());
        bytes.iter_mut().zip(pan_field_4(&block_number(errand))).for_each(|(to, with)| *to ^= with);
        cipher.decrypt_block((&mut *bytes).into());
        read_field_4(&bytes).ok_or(Reason::PinBlockUnreadable)
    }

    /// The key under the hub's own, bound to its terminal.
    pub(crate) fn opened(keys: &dyn KeyStore, terminal: &TerminalId, sealed: &[u8]) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(keys.open(KeyName::SealedPayload, &context(terminal), sealed)?);
        let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Malformed)?;
        Ok(Self(Zeroizing::new(key)))
    }
}

/// The key as it is stored.
pub(crate) fn seal_pad_key(keys: &dyn KeyStore, terminal: &TerminalId, key: &PadKey) -> Result<Vec<u8>, KeyError> {
    keys.seal(KeyName::SealedPayload, &context(terminal), &*key.0)
}

fn context(terminal: &TerminalId) -> Vec<u8> {
    [b"pin_pads.key\n".as_slice(), terminal.as_str().as_bytes()].concat()
}

/// Control 4, the length, the digits, fillers of ten; the second half is random.
fn read_field_4(field: &[u8; KEY_BYTES]) -> Option<Pin> {
    let mut nibbles = Zeroizing::new([0_u8; 16]);
    for (pair, byte) in nibbles.chunks_exact_mut(2).zip(field) {
        pair.copy_from_slice(&[byte >> 4, byte & 0x0F]);
    }
    let [control, length, rest @ ..] = &*nibbles;
    let pin = Pin::from_digits(usize::from(*length), rest.iter().copied()).ok()?;
    let filled = rest.iter().skip(usize::from(*length)).fold(true, |filled, nibble| filled & (*nibble == 0xA));
    (*control == 4 && filled).then_some(pin)
}

#[cfg(test)]
pub(super) mod tests {
    use server_kit::keystore::Keyring;
    use server_kit::rng::SystemRng;
    use uuid::Uuid;

    use super::*;

    pub(in crate::errand) const KEY: [u8; 16] = *b"0123456789abcdef";

    pub(in crate::errand) fn check_value(key: [u8; 16]) -> Vec<u8> {
        PadKey(Zeroizing::new(key)).check_value().to_vec()
    }

    /// As a PIN pad makes it.
    pub(in crate::errand) fn block(key: [u8; 16], errand: ErrandId, pin: &str, random: u8) -> common::PinBlock {
        let cipher = Aes128::new((&key).into());
        let mut block = *Pin::parse(pin).unwrap().field_4([random; 8]);
        cipher.encrypt_block((&mut block).into());
        block.iter_mut().zip(pan_field_4(&block_number(errand))).for_each(|(to, with)| *to ^= with);
        cipher.encrypt_block((&mut block).into());
        common::PinBlock { format: common::PinBlockFormat::Iso4.into(), key_version: 0, block: block.to_vec() }
    }

    fn errand(n: u128) -> ErrandId {
        ErrandId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn m3_a_block_opens_under_its_key_for_its_errand_and_for_nothing_else() {
        let key = PadKey::read(KEY.to_vec(), &check_value(KEY)).unwrap();
        for pin in ["2718", "271828", "123456789012"] {
            let digits: String = key
                .open(errand(1), block(KEY, errand(1), pin, 7))
                .unwrap()
                .digits()
                .iter()
                .map(u8::to_string)
                .collect();
            assert_eq!(digits, pin);
        }
        let made = |change: &dyn Fn(&mut common::PinBlock)| {
            let mut made = block(KEY, errand(1), "271828", 7);
            change(&mut made);
            key.open(errand(1), made).err()
        };
        assert_eq!(key.open(errand(2), block(KEY, errand(1), "271828", 7)).err(), Some(Reason::PinBlockUnreadable));
        assert_eq!(key.open(errand(1), block([1; 16], errand(1), "271828", 7)).err(), Some(Reason::PinBlockUnreadable));
        assert_eq!(made(&|it| it.block[0] ^= 1), Some(Reason::PinBlockUnreadable));
        assert_eq!(made(&|it| it.block.truncate(8)), Some(Reason::PinBlockMalformed));
        assert_eq!(made(&|it| it.block.clear()), Some(Reason::PinBlockMalformed));
        assert_eq!(made(&|it| it.format = common::PinBlockFormat::Iso0.into()), Some(Reason::PinBlockMalformed));
        assert_eq!(made(&|it| it.format = 77), Some(Reason::PinBlockMalformed));
    }

    #[test]
    fn m3_a_key_that_was_mistyped_is_refused_by_its_check_value() {
        // What OpenSSL 3.0 gives: `openssl mac -cipher AES-128-CBC -macopt hexkey:… CMAC` of sixteen zero bytes. The second key is that
        // of RFC 4493.
        let rfc_4493 = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
        assert_eq!(check_value([0; 16]), [0x76, 0x3C, 0xBC]);
        assert_eq!(check_value(rfc_4493), [0x7A, 0xD3, 0x86]);
        assert_eq!(check_value(KEY), [0xD4, 0x0A, 0x83]);
        for (key, check) in [
            (KEY.to_vec(), vec![0, 0, 0]),
            (KEY.to_vec(), check_value(KEY)[..2].to_vec()),
            (KEY[..15].to_vec(), check_value(KEY)),
            ([KEY.as_slice(), &[1]].concat(), check_value(KEY)),
            (vec![0; 16], check_value([0; 16])),
            (Vec::new(), Vec::new()),
        ] {
            assert_eq!(PadKey::read(key, &check).err(), Some(Reason::KeyRefused));
        }
    }

    #[test]
    fn m8_a_sealed_key_opens_for_its_own_terminal_only_and_does_not_show_itself() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let [till, other] = ["till-1", "till-2"].map(|name| TerminalId::parse(name).unwrap());
        let key = PadKey::read(KEY.to_vec(), &check_value(KEY)).unwrap();
        let sealed = seal_pad_key(&keys, &till, &key).unwrap();
        assert!(!sealed.windows(8).any(|bytes| bytes == &KEY[..8]));
        assert!(PadKey::opened(&keys, &till, &sealed).unwrap().is(&key));
        assert!(PadKey::opened(&keys, &other, &sealed).is_err());
        assert_eq!(format!("{key:?}"), "PadKey(…)");
    }
}
