//! Keys on their way into a store: wrapped under a key for transport (RFC 3394), or in clear at a ceremony.
//!
//! A PKCS#11 module takes triple DES keys as 24 bytes, so a double-length key K1‖K2 travels as K1‖K2‖K1. CVVs and
//! retail MACs also take single DES under K1, which no mechanism offers with that key; for these the left half travels
//! beside it as K1‖K1‖K1, with which triple DES is single DES.

use std::fmt;

use aes::{Aes128, Aes256};
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit as _};
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::rng::Rng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::HsmError;
use super::algorithms;
use super::key::{Algorithm, Kcv, KeyName, Use};
use super::software::{InProcess, SoftKey};

/// A key in clear, for those who must have it outside of a store: a ceremony, a terminal, a test. Wiped when dropped.
#[derive(Clone)]
pub struct ClearKey {
    algorithm: Algorithm,
    /// As many as [`Algorithm::key_len`].
    bytes: Zeroizing<Vec<u8>>,
}

impl ClearKey {
    /// A key of its algorithm's length; for triple DES also the 16 bytes K1‖K2.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, HsmError> {
        let key = Self { algorithm, bytes: Self::whole(algorithm, bytes)? };
        match key.halves() {
            Some((left, right, third)) if left == right || left != third => Err(HsmError::NotDoubleLength),
            _ => Ok(key),
        }
    }

    fn whole(algorithm: Algorithm, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, HsmError> {
        let mut whole = Zeroizing::new(Vec::with_capacity(algorithm.key_len()));
        whole.extend_from_slice(bytes);
        if let (Algorithm::TripleDes, 16, Some(left)) = (algorithm, bytes.len(), bytes.first_chunk::<8>()) {
            whole.extend_from_slice(left);
        }
        if whole.len() == algorithm.key_len() {
            return Ok(whole);
        }
        Err(HsmError::KeyLength { algorithm, expected: algorithm.key_len(), found: bytes.len() })
    }

    /// A new key.
    pub fn random(algorithm: Algorithm, rng: &dyn Rng) -> Result<Self, HsmError> {
        let length = if algorithm == Algorithm::TripleDes { 16 } else { algorithm.key_len() };
        let mut bytes = Zeroizing::new(vec![0; length]);
        rng.fill(&mut bytes)?;
        Self::new(algorithm, &bytes)
    }

    /// Reads hexadecimal digits, as a terminal's or an officer's file has them. What is wrong is not repeated.
    pub fn from_hex(algorithm: Algorithm, text: &SecretString) -> Result<Self, HsmError> {
        let (pairs, rest) = text.expose_secret().trim().as_bytes().as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        // As long as it gets, so that no copy stays behind where the bytes had no room to grow.
        let mut bytes = Zeroizing::new(vec![0; pairs.len()]);
        let are_digits = bytes.iter_mut().zip(pairs).all(|(to, pair)| byte(pair).map(|byte| *to = byte).is_some());
        if !are_digits || !rest.is_empty() {
            return Err(HsmError::Malformed { what: "a key in hexadecimal digits" });
        }
        Self::new(algorithm, &bytes)
    }

    /// The key whose components several officers hold: their exclusive-or, so that none of them knows any of it.
    pub fn combine(components: &[Self]) -> Result<Self, HsmError> {
        let [first, others @ ..] = components else { return Err(HsmError::Components) };
        if others.is_empty() || others.iter().any(|other| other.algorithm != first.algorithm) {
            return Err(HsmError::Components);
        }
        let mut bytes = first.bytes.clone();
        for other in others {
            bytes.iter_mut().zip(other.bytes.iter()).for_each(|(to, with)| *to ^= with);
        }
        Self::new(first.algorithm, &bytes)
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The check value that a store tells of the same key under `name`.
    pub fn kcv(&self, name: &KeyName) -> Result<Kcv, HsmError> {
        // A check value does not depend on what an AES key is for; only the way of asking does.
        let is_for = if name.is_for() == Use::KeyTransport { Use::PinBlocks } else { name.is_for() };
        algorithms::kcv(&InProcess, &SoftKey::prepare(self)?, self.algorithm, is_for)
    }

    /// Wraps the key under a key for transport, as a store imports it under `name`.
    pub fn wrap(&self, name: &KeyName, under: &Self) -> Result<WrappedKey, HsmError> {
        let part = |key: &Self| {
            let kcv = key.kcv(name)?;
            Ok::<_, HsmError>(WrappedPart { bytes: wrap(under, &key.bytes)?, kcv })
        };
        let left = name.has_left_half(self.algorithm).then(|| self.left_half()).flatten();
        Ok(WrappedKey { algorithm: self.algorithm, whole: part(self)?, left: left.as_ref().map(part).transpose()? })
    }

    /// K1‖K1‖K1 of a triple DES key.
    pub(super) fn left_half(&self) -> Option<Self> {
        let (left, ..) = self.halves()?;
        Some(Self { algorithm: self.algorithm, bytes: Zeroizing::new(left.repeat(3)) })
    }

    fn halves(&self) -> Option<(&[u8; 8], &[u8; 8], &[u8; 8])> {
        match (self.algorithm, self.bytes.as_chunks::<8>()) {
            (Algorithm::TripleDes, ([left, right, third], [])) => Some((left, right, third)),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for ClearKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClearKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// One wrapped key of as many bytes as its algorithm's keys and eight more, and its check value, which is compared
/// before the key is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedPart {
    pub bytes: Vec<u8>,
    pub kcv: Kcv,
}

/// A key as a store imports it. [`ClearKey::wrap`] makes it; a key custodian's own tools do, with AES key wrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    pub algorithm: Algorithm,
    pub whole: WrappedPart,
    /// K1‖K1‖K1, where [`KeyName::has_left_half`].
    pub left: Option<WrappedPart>,
}

impl WrappedKey {
    /// Whether the parts are there, in their lengths.
    pub(super) fn must_suit(&self, name: &KeyName) -> Result<(), HsmError> {
        let needed = name.has_left_half(self.algorithm);
        if needed != self.left.is_some() {
            return Err(HsmError::LeftHalf { name: name.clone(), needed });
        }
        let expected = self.algorithm.key_len() + 8;
        let lengths = [Some(&self.whole), self.left.as_ref()].into_iter().flatten().map(|part| part.bytes.len());
        match lengths.into_iter().find(|length| *length != expected) {
            Some(found) => Err(HsmError::KeyLength { algorithm: self.algorithm, expected, found }),
            None => Ok(()),
        }
    }

    /// Opens the key in this process.
    pub(super) fn unwrap(&self, name: &KeyName, under: &KeyName, with: &ClearKey) -> Result<ClearKey, HsmError> {
        let open = |part: &WrappedPart| {
            let closed = || HsmError::DoesNotUnwrap { under: under.clone() };
            unwrap(with, &part.bytes).ok_or_else(closed)
        };
        let key = ClearKey::new(self.algorithm, &open(&self.whole)?)?;
        if key.kcv(name)? != self.whole.kcv {
            return Err(HsmError::OtherCheckValue);
        }
        if let Some(left) = &self.left {
            let (bytes, half) = (open(left)?, key.left_half().ok_or(HsmError::NotDoubleLength)?);
            if !bool::from(half.bytes.ct_eq(&bytes)) {
                return Err(HsmError::NotDoubleLength);
            }
            if half.kcv(name)? != left.kcv {
                return Err(HsmError::OtherCheckValue);
            }
        }
        Ok(key)
    }
}

/// The initial value of RFC 3394, 2.2.3.1, by which a key that was changed is found out.
const INTEGRITY: [u8; 8] = [0xA6; 8];

/// One step of the wrap function: the register and a half of the key, encrypted or decrypted as one block.
type Step<'a> = Box<dyn Fn(&mut [u8; 16]) + 'a>;

fn encryption(under: &ClearKey) -> Option<Step<'_>> {
    Some(match under.algorithm {
        Algorithm::Aes128 => {
            let cipher = Aes128::new_from_slice(&under.bytes).ok()?;
            Box::new(move |block| cipher.encrypt_block(block.into()))
        }
        Algorithm::Aes256 => {
            let cipher = Aes256::new_from_slice(&under.bytes).ok()?;
            Box::new(move |block| cipher.encrypt_block(block.into()))
        }
        Algorithm::TripleDes | Algorithm::HmacSha256 => return None,
    })
}

fn decryption(under: &ClearKey) -> Option<Step<'_>> {
    Some(match under.algorithm {
        Algorithm::Aes128 => {
            let cipher = Aes128::new_from_slice(&under.bytes).ok()?;
            Box::new(move |block| cipher.decrypt_block(block.into()))
        }
        Algorithm::Aes256 => {
            let cipher = Aes256::new_from_slice(&under.bytes).ok()?;
            Box::new(move |block| cipher.decrypt_block(block.into()))
        }
        Algorithm::TripleDes | Algorithm::HmacSha256 => return None,
    })
}

/// AES key wrap (RFC 3394, 2.2.1, index based). `key` is a whole number of blocks of 8 bytes.
fn wrap(under: &ClearKey, key: &[u8]) -> Result<Vec<u8>, HsmError> {
    let encrypt = encryption(under).ok_or(HsmError::Malformed { what: "a key for the transport of keys" })?;
    let mut blocks: Zeroizing<Vec<[u8; 8]>> = Zeroizing::new(key.as_chunks::<8>().0.to_vec());
    let (mut register, mut count) = (INTEGRITY, 0_u64);
    for _ in 0..6 {
        for block in blocks.iter_mut() {
            count += 1;
            let mut both = Zeroizing::new(join(register, *block));
            encrypt(&mut both);
            (register, *block) = split(&both);
            register = (u64::from_be_bytes(register) ^ count).to_be_bytes();
        }
    }
    Ok(std::iter::once(&register).chain(blocks.iter()).flatten().copied().collect())
}

/// The inverse of [`wrap`] (RFC 3394, 2.2.2). None when the integrity check fails.
fn unwrap(under: &ClearKey, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let decrypt = decryption(under)?;
    let (chunks, []) = wrapped.as_chunks::<8>() else { return None };
    let (first, blocks) = chunks.split_first()?;
    let mut blocks: Zeroizing<Vec<[u8; 8]>> = Zeroizing::new(blocks.to_vec());
    let (mut register, mut count) = (*first, u64::try_from(blocks.len()).ok()? * 6);
    for _ in 0..6 {
        for block in blocks.iter_mut().rev() {
            register = (u64::from_be_bytes(register) ^ count).to_be_bytes();
            let mut both = Zeroizing::new(join(register, *block));
            decrypt(&mut both);
            (register, *block) = split(&both);
            count = count.saturating_sub(1);
        }
    }
    let key = Zeroizing::new(blocks.as_flattened().to_vec());
    bool::from(register.ct_eq(&INTEGRITY)).then_some(key)
}

fn join(left: [u8; 8], right: [u8; 8]) -> [u8; 16] {
    (u128::from(u64::from_be_bytes(left)) << 64 | u128::from(u64::from_be_bytes(right))).to_be_bytes()
}

fn split(both: &[u8; 16]) -> ([u8; 8], [u8; 8]) {
    let both = u128::from_be_bytes(*both);
    let [high, low] = [both >> 64, both].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0));
    (high.to_be_bytes(), low.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm, bytes: &[u8]) -> ClearKey {
        ClearKey::new(algorithm, bytes).unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_vectors_of_rfc_3394_section_4() {
        let data: Vec<u8> = hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F");
        let keys: Vec<u8> = (0..32).collect();
        let [short, long] = [(Algorithm::Aes128, 16), (Algorithm::Aes256, 32)].map(|(a, len)| key(a, &keys[..len]));
        for (under, length, wrapped) in [
            (&short, 16, "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"),
            (&long, 16, "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"),
            (&long, 24, "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"),
            (&long, 32, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"),
        ] {
            assert_eq!(wrap(under, &data[..length]).unwrap(), hex(wrapped));
            assert_eq!(*unwrap(under, &hex(wrapped)).unwrap(), data[..length]);
        }
    }

    #[test]
    fn a_wrapped_key_with_any_bit_changed_does_not_open() {
        let under = key(Algorithm::Aes256, &[7; 32]);
        let wrapped = wrap(&under, &[1; 24]).unwrap();
        for at in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(unwrap(&under, &changed).is_none());
        }
        for length in 0..wrapped.len() {
            assert!(unwrap(&under, &wrapped[..length]).is_none());
        }
    }

    #[test]
    fn a_key_of_triple_des_has_two_different_halves() {
        let both = [[1; 8], [2; 8]].concat();
        assert_eq!(key(Algorithm::TripleDes, &both).bytes(), [both.clone(), vec![1; 8]].concat());
        for (bytes, refused) in [
            (vec![1; 16], "NotDoubleLength"),
            ([both.clone(), vec![3; 8]].concat(), "NotDoubleLength"),
            (vec![1; 8], "KeyLength"),
            (vec![], "KeyLength"),
        ] {
            let error = ClearKey::new(Algorithm::TripleDes, &bytes).unwrap_err();
            assert!(format!("{error:?}").starts_with(refused), "{error:?}");
        }
    }

    #[test]
    fn a_key_is_put_together_of_two_components_or_more_of_one_algorithm() {
        let [one, two] = [[0xF0; 32], [0x0F; 32]].map(|bytes| key(Algorithm::Aes256, &bytes));
        assert_eq!(ClearKey::combine(&[one.clone(), two]).unwrap().bytes(), [0xFF; 32]);
        let other = key(Algorithm::HmacSha256, &[1; 32]);
        for components in [vec![], vec![one.clone()], vec![one, other]] {
            assert!(matches!(ClearKey::combine(&components), Err(HsmError::Components)));
        }
    }

    #[test]
    fn a_key_in_hexadecimal_digits_is_read_and_what_is_none_is_not_repeated() {
        let text = SecretString::from("000102030405060708090a0b0c0d0e0F\n");
        assert_eq!(ClearKey::from_hex(Algorithm::Aes128, &text).unwrap().bytes(), (0..16).collect::<Vec<u8>>());
        for bad in ["", "0", "hunter2hunter2hunter2hunter2hunt", "＋１"] {
            let refused = ClearKey::from_hex(Algorithm::Aes128, &SecretString::from(bad)).unwrap_err();
            assert!(!refused.to_string().contains("hunter"), "{refused}");
        }
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        assert_eq!(format!("{:?}", key(Algorithm::Aes128, &[0xAB; 16])), "ClearKey { algorithm: Aes128, .. }");
    }
}
