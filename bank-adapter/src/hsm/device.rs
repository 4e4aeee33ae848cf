//! What a store of keys has to offer so that [`super::store::Store`] can do the work of cards with it. All that is
//! known of CVVs, PINs and MACs stands above this line, once; below it a key is asked to encrypt a block or to hash a
//! message.

use std::fmt;

use domain::Timestamp;

use super::HsmError;
use super::directory::Directory;
use super::key::{Algorithm, KeyInfo, KeyName};
use super::transport::{ClearKey, WrappedKey};

/// What one key can be asked.
pub(super) trait Primitives {
    /// A key, or a handle of one.
    type Key;

    /// Encrypts one block in place: 8 bytes with triple DES, 16 with AES.
    fn encrypt(&self, key: &Self::Key, block: &mut [u8]) -> Result<(), HsmError>;

    /// Decrypts one block in place.
    fn decrypt(&self, key: &Self::Key, block: &mut [u8]) -> Result<(), HsmError>;

    /// The last block of `blocks`, whole ones of 8 bytes, encrypted by single DES under the left half of the key in CBC
    /// mode from an initial block of zeros.
    fn chain(&self, key: &Self::Key, blocks: &[u8]) -> Result<[u8; 8], HsmError>;

    /// AES-CMAC (RFC 4493).
    fn cmac(&self, key: &Self::Key, message: &[u8]) -> Result<[u8; 16], HsmError>;

    /// HMAC-SHA-256 (RFC 2104).
    fn hmac(&self, key: &Self::Key, message: &[u8]) -> Result<[u8; 32], HsmError>;
}

/// One use of a store: it sees the keys as they were when it began.
pub(super) trait Session: Primitives {
    fn directory(&self) -> &Directory<Self::Key>;
}

/// Where a new version of a key comes from.
#[derive(Debug)]
pub(super) enum Source<'a> {
    /// From the store's own randomness.
    Random,
    /// From a ceremony.
    Clear(&'a ClearKey),
    /// From a peer.
    Wrapped {
        /// The key that opens it.
        under: &'a KeyName,
        key: &'a WrappedKey,
    },
}

/// A version that is to be made.
#[derive(Debug)]
pub(super) struct NewKey<'a> {
    pub(super) name: &'a KeyName,
    pub(super) algorithm: Algorithm,
    pub(super) created: Timestamp,
    pub(super) source: Source<'a>,
}

/// A store of keys.
pub(super) trait Device: Send + Sync + fmt::Debug {
    type Session: Session;

    fn session(&self) -> Result<Self::Session, HsmError>;

    /// Makes the next version of a key, which is the current one from then on. It is there wholly or not at all.
    fn install(&self, new: &NewKey<'_>) -> Result<KeyInfo, HsmError>;

    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError>;

    /// Reads the keys again, for another process may have changed them.
    fn reload(&self) -> Result<(), HsmError>;
}
