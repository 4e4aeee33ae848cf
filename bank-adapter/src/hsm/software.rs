//! Keys in this process's memory: what the sealed file works with, and a pin pad.

use std::fmt;

use aes::{Aes128, Aes256};
use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit as _};
use cmac::digest::InnerInit as _;
use cmac::{Cmac, Mac as _};
use des::{Des, TdesEde3};
use ring::hmac;

use super::HsmError;
use super::device::Primitives;
use super::key::Algorithm;
use super::transport::ClearKey;

/// A key that is prepared once, so that an operation costs the cryptography and nothing else. The ciphers wipe
/// themselves when they are dropped; ring's HMAC key does not.
pub(super) enum SoftKey {
    TripleDes { whole: Box<TdesEde3>, left: Box<Des> },
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
    Hmac(hmac::Key),
}

impl SoftKey {
    pub(super) fn prepare(key: &ClearKey) -> Result<Self, HsmError> {
        let bytes = key.bytes();
        let prepared = match key.algorithm() {
            Algorithm::TripleDes => {
                let left = bytes.get(..8).and_then(|left| Des::new_from_slice(left).ok());
                let whole = TdesEde3::new_from_slice(bytes).ok();
                whole.zip(left).map(|(whole, left)| Self::TripleDes { whole: Box::new(whole), left: Box::new(left) })
            }
            Algorithm::Aes128 => Aes128::new_from_slice(bytes).ok().map(|cipher| Self::Aes128(Box::new(cipher))),
            Algorithm::Aes256 => Aes256::new_from_slice(bytes).ok().map(|cipher| Self::Aes256(Box::new(cipher))),
            Algorithm::HmacSha256 => Some(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, bytes))),
        };
        let algorithm = key.algorithm();
        prepared.ok_or(HsmError::KeyLength { algorithm, expected: algorithm.key_len(), found: bytes.len() })
    }
}

impl fmt::Debug for SoftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TripleDes { .. } => "TripleDes(…)",
            Self::Aes128(_) => "Aes128(…)",
            Self::Aes256(_) => "Aes256(…)",
            Self::Hmac(_) => "Hmac(…)",
        })
    }
}

/// Does what keys in memory are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct InProcess;

/// The key is of another algorithm than the operation, or the data are no blocks: a mistake in the program.
const MISUSE: HsmError = HsmError::BadAnswer { what: "the key does not know this operation" };

fn encrypt<C: BlockCipherEncrypt + BlockSizeUser>(cipher: &C, block: &mut [u8]) -> Result<(), HsmError> {
    block.try_into().map(|block| cipher.encrypt_block(block)).map_err(|_| MISUSE)
}

fn decrypt<C: BlockCipherDecrypt + BlockSizeUser>(cipher: &C, block: &mut [u8]) -> Result<(), HsmError> {
    block.try_into().map(|block| cipher.decrypt_block(block)).map_err(|_| MISUSE)
}

impl Primitives for InProcess {
    type Key = SoftKey;

    fn encrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        match key {
            SoftKey::TripleDes { whole, .. } => encrypt(&**whole, block),
            SoftKey::Aes128(cipher) => encrypt(&**cipher, block),
            SoftKey::Aes256(cipher) => encrypt(&**cipher, block),
            SoftKey::Hmac(_) => Err(MISUSE),
        }
    }

    fn decrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        match key {
            SoftKey::TripleDes { whole, .. } => decrypt(&**whole, block),
            SoftKey::Aes128(cipher) => decrypt(&**cipher, block),
            SoftKey::Aes256(cipher) => decrypt(&**cipher, block),
            SoftKey::Hmac(_) => Err(MISUSE),
        }
    }

    fn chain(&self, key: &SoftKey, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        let (SoftKey::TripleDes { left, .. }, (blocks, [])) = (key, blocks.as_chunks::<8>()) else {
            return Err(MISUSE);
        };
        let mut last = [0; 8];
        for block in blocks {
            last.iter_mut().zip(block).for_each(|(to, from)| *to ^= from);
            encrypt(&**left, &mut last)?;
        }
        Ok(last)
    }

    fn cmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 16], HsmError> {
        match key {
            SoftKey::Aes128(cipher) => {
                Ok(Cmac::inner_init((**cipher).clone()).chain_update(message).finalize().into_bytes().into())
            }
            SoftKey::Aes256(cipher) => {
                Ok(Cmac::inner_init((**cipher).clone()).chain_update(message).finalize().into_bytes().into())
            }
            SoftKey::TripleDes { .. } | SoftKey::Hmac(_) => Err(MISUSE),
        }
    }

    fn hmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 32], HsmError> {
        let SoftKey::Hmac(key) = key else { return Err(MISUSE) };
        hmac::sign(key, message).as_ref().try_into().map_err(|_| MISUSE)
    }
}
