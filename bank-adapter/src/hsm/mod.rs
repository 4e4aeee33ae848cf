//! The key store for cards (C5): keys that never leave, and the work of cards that they do.
//!
//! [`Hsm`] has no way to get a key out, so that the keys can be kept by a sealed file (the default) as well as by a
//! hardware module behind PKCS#11. Both are a `Device`, asked to encrypt a block or to hash a message; the
//! algorithms of cards stand once, above it.
//!
//! | key | algorithm | made by | used for |
//! |---|---|---|---|
//! | `cvk-credit`, `cvk-debit` | triple DES | [`Hsm::generate`], [`Hsm::import`] | CVVs of the cards of one side |
//! | `pin-verification` | HMAC-SHA-256 | [`Hsm::generate`], [`Hsm::import`] | what a PIN is compared with |
//! | `pvv` | triple DES | [`Hsm::generate`], [`Hsm::import`] | PVVs, where a network asks for them |
//! | `terminal-pin:…` | triple DES, AES | [`Hsm::import`] | PIN blocks that come from a terminal |
//! | `zone-pin:…` | triple DES, AES | [`Hsm::import`] | PIN blocks from and to a peer |
//! | `mac:…` | triple DES, AES | [`Hsm::import`] | MACs of ISO 8583 messages |
//! | `key-transport:…` | AES | [`Hsm::load`] | the wrapping of the others |
//!
//! # What a hardware module does not do by standard
//!
//! PKCS#11 knows no PIN block and no CVV. A store behind it asks the module for each step, so a PIN is in this
//! process's memory between two steps, wiped at once; keys never are, with two exceptions. A generated `cvk-…` is made
//! of the module's randomness by this process, since the module offers no way to make a key and its left half; a bank
//! that does not want this imports the key wrapped. And the components of a `key-transport:…` key pass through at a
//! ceremony. The left half beside a `cvk-…` or `mac:…` key of triple DES lets whoever has the module's PIN search that
//! half alone (2^56); such a PIN is to be guarded as the keys are.

mod algorithms;
mod card;
mod config;
mod device;
mod directory;
mod error;
mod key;
mod pin;
mod pin_block;
mod pin_pad;
mod pkcs11;
mod sealed_file;
mod software;
mod store;
mod transport;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use domain::card::Cvv;
use server_kit::clock::SharedClock;
use server_kit::rng::SharedRng;

pub use card::{CardFace, CvvKind, ExpiryDigits, PanDigits, Pvv};
pub use config::{HsmConfig, Pkcs11Config, SealedFileConfig};
pub use error::{HsmError, PinBlockFault};
pub use key::{Algorithm, Kcv, KeyId, KeyInfo, KeyName, KeyState, Side, Use};
pub use pin::{PinBlock, PinBlockFormat, PinVerificationValue, PvvKeyIndex};
pub use pin_pad::PinPad;
pub use transport::{ClearKey, WrappedKey, WrappedPart};

use pkcs11::Token;
use sealed_file::SealedKeys;
use store::Store;

/// What a comparison says. Anything that hinders one is an [`HsmError`], so that a fault is never taken for a wrong
/// PIN.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Matches,
    Differs,
}

/// Something that was made with a key, and the version of the key, which is stored beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made<T> {
    pub value: T,
    /// The version of the key.
    pub version: u32,
}

/// How a PIN block goes on to a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinTarget {
    /// The peer; the block is encrypted under the current `zone-pin:<peer>`.
    pub zone: KeyId,
    pub format: PinBlockFormat,
}

/// Uses the keys of a bank's cards on its behalf.
///
/// Synchronous: a sealed file answers within microseconds, a hardware module when it comes to it; call one that may be
/// either from a blocking thread. Nothing here counts tries or locks a card: that is the ledger's.
///
/// Every error fails closed, and is no answer: see [`HsmError::reason`].
pub trait Hsm: Send + Sync + fmt::Debug {
    /// The CVV of a card under a version of the card verification key of its side; none is the current one.
    fn make_cvv(&self, side: Side, card: &CardFace<'_>, version: Option<u32>) -> Result<Made<Cvv>, HsmError>;

    /// Whether the card's CVV under this version of its side's key is the one that is claimed; in constant time.
    fn verify_cvv(&self, side: Side, card: &CardFace<'_>, claimed: &Made<Cvv>) -> Result<Check, HsmError>;

    /// Turns the PIN in a block into what is stored of it, under the current PIN verification key.
    fn set_pin(&self, block: &PinBlock, pan: &PanDigits) -> Result<PinVerificationValue, HsmError>;

    /// Whether the PIN in a block is the one that `stored` was made of; in constant time. Format 0 does not bind a
    /// block to its card wholly: for two card numbers that differ only in digits under those of the PIN, the answer to
    /// a block of the other card can be [`Check::Differs`].
    fn verify_pin(&self, block: &PinBlock, pan: &PanDigits, stored: &PinVerificationValue) -> Result<Check, HsmError>;

    /// The PVV of the PIN in a block, of which it takes the first four digits.
    fn make_pvv(&self, block: &PinBlock, pan: &PanDigits, index: PvvKeyIndex) -> Result<Made<Pvv>, HsmError>;

    /// Whether the PIN in a block has this PVV; in constant time.
    fn verify_pvv(
        &self,
        block: &PinBlock,
        pan: &PanDigits,
        index: PvvKeyIndex,
        stored: &Made<Pvv>,
    ) -> Result<Check, HsmError>;

    /// Encrypts the PIN in a block anew for a peer. The card number stays the same, and is not changed on the way.
    fn translate_pin(&self, block: &PinBlock, pan: &PanDigits, to: &PinTarget) -> Result<PinBlock, HsmError>;

    /// The MAC of a message of 64 KiB at most under the current `mac:…` key: with triple DES algorithm 3 of ISO/IEC
    /// 9797-1 with padding method 1, with AES the first 8 bytes of the CMAC.
    fn mac(&self, key: &KeyName, message: &[u8]) -> Result<Made<[u8; 8]>, HsmError>;

    /// Whether a message has this MAC under a version of the key, or under the current one; in constant time.
    fn verify_mac(
        &self,
        key: &KeyName,
        version: Option<u32>,
        message: &[u8],
        claimed: &[u8; 8],
    ) -> Result<Check, HsmError>;

    /// Makes a key of the bank's own, or its next version, which is current from then on; earlier ones go on verifying
    /// what was made with them. So a key is rotated.
    fn generate(&self, name: &KeyName) -> Result<KeyInfo, HsmError>;

    /// Puts a `key-transport:…` key together at a ceremony, of two components or more.
    fn load(&self, name: &KeyName, components: &[ClearKey]) -> Result<KeyInfo, HsmError>;

    /// Takes a key in that comes wrapped under the current `key-transport:…` key `under`, as the next version of
    /// `name`.
    fn import(&self, name: &KeyName, under: &KeyName, key: &WrappedKey) -> Result<KeyInfo, HsmError>;

    /// Lets a version do nothing any more. There is no way back: what was made with it is verified no longer.
    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError>;

    /// Every version of every key, by name and version.
    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError>;

    /// Sees what another process changed. Keys are changed by one process at a time.
    fn reload(&self) -> Result<(), HsmError>;
}

/// Opens the store that the configuration names; a sealed file is made at the first start. What a hardware module
/// cannot do right now is an error; one that goes away later is reached again by the call after.
pub fn open(config: &HsmConfig, clock: SharedClock, rng: SharedRng) -> Result<Arc<dyn Hsm>, HsmError> {
    match (&config.sealed_file, &config.pkcs11) {
        (Some(file), None) => {
            let device = SealedKeys::open_or_create(file.file.clone(), file.master.read()?, rng.clone())?;
            Ok(Arc::new(Store::new(device, clock, rng)))
        }
        (None, Some(token)) => {
            let device = Token::open(token.clone(), token.pin.read()?)?;
            Ok(Arc::new(Store::new(Arc::new(device), clock, rng)))
        }
        _ => Err(HsmError::Malformed { what: "`[hsm]`: it has either `sealed_file` or `pkcs11`, and" }),
    }
}
