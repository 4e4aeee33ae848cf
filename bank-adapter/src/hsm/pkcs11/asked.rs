//! What a token is asked with its keys, question by question.

use cryptoki::error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use zeroize::Zeroizing;

use super::super::HsmError;
use super::super::device::Primitives;
use super::super::key::Algorithm;
use super::connection::unavailable;

/// What the token knows a key by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Handles {
    pub(super) algorithm: Algorithm,
    pub(super) whole: ObjectHandle,
    /// K1‖K1‖K1, with which triple DES is single DES under the left half.
    pub(super) left: Option<ObjectHandle>,
}

/// Puts questions to the token in one of its sessions.
pub(super) struct Asked<'a>(pub(super) &'a Session);

/// The key is of another algorithm than the operation: a mistake in the program.
const MISUSE: HsmError = HsmError::BadAnswer { what: "the key does not know this operation" };

/// Reads an answer, which may be a PIN in clear.
fn read<T>(answer: error::Result<Vec<u8>>, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, HsmError> {
    let answer = Zeroizing::new(answer.map_err(|error| unavailable(&error))?);
    read(&answer).ok_or(HsmError::BadAnswer { what: "it is not as long as what was asked" })
}

fn replace(block: &mut [u8], answer: &[u8]) -> Option<()> {
    (answer.len() == block.len()).then(|| block.copy_from_slice(answer))
}

fn single_blocks(key: &Handles) -> Result<Mechanism<'static>, HsmError> {
    match key.algorithm {
        Algorithm::TripleDes => Ok(Mechanism::Des3Ecb),
        Algorithm::Aes128 | Algorithm::Aes256 => Ok(Mechanism::AesEcb),
        Algorithm::HmacSha256 => Err(MISUSE),
    }
}

impl Primitives for Asked<'_> {
    type Key = Handles;

    fn encrypt(&self, key: &Handles, block: &mut [u8]) -> Result<(), HsmError> {
        let answer = self.0.encrypt(&single_blocks(key)?, key.whole, block);
        read(answer, |answer| replace(block, answer))
    }

    fn decrypt(&self, key: &Handles, block: &mut [u8]) -> Result<(), HsmError> {
        let answer = self.0.decrypt(&single_blocks(key)?, key.whole, block);
        read(answer, |answer| replace(block, answer))
    }

    fn chain(&self, key: &Handles, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        let left = key.left.ok_or(MISUSE)?;
        let answer = self.0.encrypt(&Mechanism::Des3Cbc([0; 8]), left, blocks);
        read(answer, |answer| answer.last_chunk().copied().filter(|_| answer.len() == blocks.len()))
    }

    fn cmac(&self, key: &Handles, message: &[u8]) -> Result<[u8; 16], HsmError> {
        read(self.0.sign(&Mechanism::AesCMac, key.whole, message), |answer| answer.try_into().ok())
    }

    fn hmac(&self, key: &Handles, message: &[u8]) -> Result<[u8; 32], HsmError> {
        read(self.0.sign(&Mechanism::Sha256Hmac, key.whole, message), |answer| answer.try_into().ok())
    }
}
