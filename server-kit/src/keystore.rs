//! Keys that never leave: callers name a key and an operation, and never see the key itself.
//!
//! The trait has no way to get a key out, so that it can be kept by a sealed file ([`SealedFile`]) as well as by a
//! hardware module behind PKCS#11, where HMAC-SHA-256, AES-256-GCM and Ed25519 are mechanisms too.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

mod keyring;
mod seal;
mod sealed_file;

pub use keyring::Keyring;
pub use seal::Seal;
pub use sealed_file::SealedFile;

use crate::rng::RngError;

/// What a key may be used for, and with that which algorithm it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// HMAC-SHA-256 (RFC 2104, FIPS 180-4).
    Mac,
    /// AES-256-GCM (NIST SP 800-38D).
    Seal,
    /// Ed25519 (RFC 8032).
    Sign,
}

/// Every key there is. One key serves one purpose, so that nothing made with it can be passed off as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyName {
    /// The keyed hash of a one-time code and the payment that it is for.
    OneTimeCode,
    /// The keyed hash of a transaction password.
    TransactionPassword,
    /// The keyed hash under which a phone number is looked up.
    PhoneIndex,
    /// The keyed hash under which a card number is looked up.
    CardIndex,
    /// The keyed hash of a session's token.
    SessionToken,
    /// The keyed hash that makes a page token opaque and unforgeable.
    PageToken,
    /// The fingerprint of a request, by which a repeated id with other content is found out.
    RequestFingerprint,
    /// Payloads in the database that must be read again, as the text of a notice.
    SealedPayload,
    /// Card numbers in the database.
    CardNumber,
    /// The signed head of the audit log.
    AuditHead,
    /// A bank's word on since when something is frozen.
    FreezeConfirmation,
    /// The keyed hash of a safety code.
    SafetyCode,
    /// The keyed hash under which a citizen identity number is looked up.
    CitizenIndex,
}

impl KeyName {
    /// Every key, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::OneTimeCode,
        Self::TransactionPassword,
        Self::PhoneIndex,
        Self::CardIndex,
        Self::SessionToken,
        Self::PageToken,
        Self::RequestFingerprint,
        Self::SealedPayload,
        Self::CardNumber,
        Self::AuditHead,
        Self::FreezeConfirmation,
        Self::SafetyCode,
        Self::CitizenIndex,
    ];

    /// What the key is for.
    pub const fn purpose(self) -> Purpose {
        match self {
            Self::OneTimeCode
            | Self::TransactionPassword
            | Self::PhoneIndex
            | Self::CardIndex
            | Self::SessionToken
            | Self::PageToken
            | Self::RequestFingerprint
            | Self::SafetyCode
            | Self::CitizenIndex => Purpose::Mac,
            Self::SealedPayload | Self::CardNumber => Purpose::Seal,
            Self::AuditHead | Self::FreezeConfirmation => Purpose::Sign,
        }
    }

    /// Whether new versions may take over while servers run: what hangs on the key stands in columns that are rewritten (ADR 40).
    /// What hangs on any other key is in no column that could be counted, so these stay for as long as the data does.
    pub const fn may_rotate(self) -> bool {
        matches!(self, Self::SealedPayload | Self::CardNumber | Self::PhoneIndex | Self::CardIndex | Self::CitizenIndex)
    }

    /// The keys whose versions change, in the order of their numbers.
    pub fn rotating() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|name| name.may_rotate())
    }

    /// The name as configurations, tables and documents have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneTimeCode => "one-time-code",
            Self::TransactionPassword => "transaction-password",
            Self::PhoneIndex => "phone-index",
            Self::CardIndex => "card-index",
            Self::SessionToken => "session-token",
            Self::PageToken => "page-token",
            Self::RequestFingerprint => "request-fingerprint",
            Self::SealedPayload => "sealed-payload",
            Self::CardNumber => "card-number",
            Self::AuditHead => "audit-head",
            Self::FreezeConfirmation => "freeze-confirmation",
            Self::SafetyCode => "safety-code",
            Self::CitizenIndex => "citizen-index",
        }
    }

    /// Reads what [`KeyName::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == text)
    }

    /// The number under which the key is stored. Numbers are never used again for another key.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::OneTimeCode => 1,
            Self::TransactionPassword => 2,
            Self::PhoneIndex => 3,
            Self::CardIndex => 4,
            Self::SessionToken => 5,
            Self::PageToken => 6,
            Self::RequestFingerprint => 7,
            Self::SealedPayload => 8,
            Self::CardNumber => 9,
            Self::AuditHead => 10,
            Self::FreezeConfirmation => 11,
            Self::SafetyCode => 12,
            Self::CitizenIndex => 13,
        }
    }

    pub(crate) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.number() == number)
    }
}

/// Uses keys on behalf of others. Synchronous, since the usual one answers within microseconds; one that asks a
/// hardware module is to be called from a blocking thread.
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// The keyed hash (HMAC-SHA-256) of `parts` under the current version. Every part is hashed behind its length, so
    /// that `["ab", "c"]` and `["a", "bc"]` differ.
    fn mac(&self, key: KeyName, parts: &[&[u8]]) -> Result<[u8; 32], KeyError>;

    /// Whether `expected` is the keyed hash of `parts` under any version; in constant time for each version.
    fn mac_matches(&self, key: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<bool, KeyError>;

    /// Encrypts under the current version: version byte ‖ key version ‖ nonce ‖ ciphertext and tag. `context` (which
    /// row, which column) is not stored, and must be the same again to open.
    fn seal(&self, key: KeyName, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Decrypts what was sealed under any version.
    fn open(&self, key: KeyName, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// The keyed hashes of `parts` under the version that is written with and under the other one that is held: what is looked up by
    /// its hash is looked up by both while it is rewritten. Twice the same where one version is held alone.
    fn mac_both(&self, key: KeyName, parts: &[&[u8]]) -> Result<[[u8; 32]; 2], KeyError>;

    /// Under which version `expected` is the keyed hash of `parts`; in constant time for each version.
    fn mac_version(&self, key: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<Option<u32>, KeyError>;

    /// The versions that are held of a key, in order.
    fn held(&self, key: KeyName) -> Vec<HeldVersion>;

    /// The version that is written with.
    fn current_version(&self, key: KeyName) -> Option<u32>;

    /// Has this version be written with from now on; the others stay for reading. `Err` with [`KeyError::UnknownVersion`] when it is
    /// not held.
    fn use_version(&self, key: KeyName, version: u32) -> Result<(), KeyError>;

    /// Forgets a version that is not written with. It is gone from the memory of this process only.
    fn forget_version(&self, key: KeyName, version: u32);

    /// Signs under the current version (Ed25519, 64 bytes).
    fn sign(&self, key: KeyName, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// The public key of the current version (32 bytes).
    fn public_key(&self, key: KeyName) -> Result<Vec<u8>, KeyError>;

    /// Whether any version signed `message`.
    fn signature_matches(&self, key: KeyName, message: &[u8], signature: &[u8]) -> Result<bool, KeyError>;
}

/// A version of a key that a store holds, and by what it is told from another key of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldVersion {
    /// Its number.
    pub version: u32,
    /// The first bytes of a hash of the key, from which nobody gets the key: it is 32 random bytes.
    pub check: [u8; 8],
}

/// How many bytes say under which version something was sealed, in front of it.
pub const SEALED_PREFIX_LEN: usize = 5;

/// The version under which something says that it was sealed; none when it is nothing that [`KeyStore::seal`] makes.
pub fn sealed_version(sealed: &[u8]) -> Option<u32> {
    match sealed {
        [keyring::FORMAT, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// A key store that many parts of a server share.
pub type SharedKeyStore = Arc<dyn KeyStore>;

/// Whether the Ed25519 key `public_key` signed `message`, for those who have nothing but the public key.
pub fn signature_is_of(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public_key).verify(message, signature).is_ok()
}

/// Why a key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store does not hold the key. One that was made by an older program is completed by `bankhub keys complete`.
    #[error("the key store holds no key {name:?}")]
    Missing {
        /// The key.
        name: KeyName,
    },
    /// The key is for something else; a mistake in the program.
    #[error("the key {name:?} is for {:?}, not for {wanted:?}", .name.purpose())]
    WrongPurpose {
        /// The key.
        name: KeyName,
        /// What it was asked for.
        wanted: Purpose,
    },
    /// The bytes are not what [`KeyStore::seal`] makes.
    #[error("the sealed bytes are malformed")]
    Malformed,
    /// A version of the key sealed the bytes that the store does not hold.
    #[error("the key store holds no version {version} of {name:?}")]
    UnknownVersion {
        /// The key.
        name: KeyName,
        /// The version.
        version: u32,
    },
    /// The bytes were changed, or sealed with another key or in another context.
    #[error("the sealed bytes do not open with {name:?} in this context")]
    DoesNotOpen {
        /// The key.
        name: KeyName,
    },
    /// The plaintext is longer than the algorithm allows.
    #[error("the plaintext is too long to be sealed")]
    TooLong,
    /// There is no randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The store cannot be reached, as a hardware module can be.
    #[error("the key store cannot be reached: {reason}")]
    Unavailable {
        /// What it said.
        reason: String,
    },
}

/// Why a sealed file of keys cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The master key is not 32 bytes in base64. What was given is not repeated.
    #[error("the master key must be 32 bytes in base64 (make one with `openssl rand -base64 32`)")]
    MasterKey,
    /// There is a file already, and keys that data hangs on are never overwritten.
    #[error("{path} exists and is not overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than its owner may read or write the file.
    #[error("{path} has mode {mode:03o}: others may read it; chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is something else, or of a newer program.
    #[error("{path} is not a file of keys that this program knows")]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The end of the file is missing.
    #[error("{path} is cut off: it has {found} bytes where it says {expected}")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// How long it says it is.
        expected: u64,
        /// How long it is.
        found: u64,
    },
    /// The file is whole but was sealed with another master key.
    #[error("{path} was sealed with another master key")]
    WrongMasterKey {
        /// The file.
        path: PathBuf,
    },
    /// The file was changed after it was sealed.
    #[error("{path} was changed after it was sealed")]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// What is written with is not in the file, or is another key of the same number.
    #[error("{path} has another {}, or lacks the version that is used", .name.as_str())]
    OtherKeys {
        /// The file.
        path: PathBuf,
        /// The key.
        name: KeyName,
    },
    /// What hangs on the key is not rewritten, so it stays.
    #[error("the key {} does not rotate: what hangs on it is in no column that could be rewritten", .name.as_str())]
    MayNotRotate {
        /// The key.
        name: KeyName,
    },
    /// As many versions are there as there may be at once.
    #[error("the key {} has {found} versions already: retire an old one before another is added", .name.as_str())]
    StillRotating {
        /// The key.
        name: KeyName,
        /// How many there are.
        found: usize,
    },
    /// The last version of a key stays.
    #[error("version {version} of the key {} is the only one or is none of it", .name.as_str())]
    NotRetired {
        /// The key.
        name: KeyName,
        /// The version.
        version: u32,
    },
    /// There is no randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
}
