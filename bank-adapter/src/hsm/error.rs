//! Why the key store gives no answer. Nothing here is an answer, and above all none of it is a wrong PIN.

use domain::Reason;
use server_kit::config::ConfigError;
use server_kit::keystore::KeyFileError;
use server_kit::rng::RngError;

use super::key::{Algorithm, KeyName, Use};
use super::pin::PinBlockFormat;

/// What is wrong with a PIN block. It is for the bank's own log and figures: whoever sent the block is told only
/// [`PinBlockFault::reason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinBlockFault {
    /// The block is longer or shorter than its format.
    #[error("the PIN block has {found} bytes where its format has {expected}")]
    Length {
        /// Bytes of the format: 8 or 16.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// Every byte that came is zero: a PIN pad without a PIN.
    #[error("the PIN block is all zero")]
    AllZero,
    /// Format 0 is for triple DES, format 4 for AES (ISO 9564-1:2017).
    #[error("{format:?} is no format for a key of {algorithm:?}")]
    FormatOfOtherAlgorithm {
        /// What was asked for.
        format: PinBlockFormat,
        /// What the key is.
        algorithm: Algorithm,
    },
    /// The first nibble is not the format's. For format 4 this is also how another card number or another key shows.
    #[error("the control nibble is not that of the format")]
    Control,
    /// The length nibble is not 4 to 12.
    #[error("the length nibble is not 4 to 12")]
    PinLength,
    /// A nibble that should be a digit is none. In format 0 this is how another card number or another key shows.
    #[error("a nibble of the PIN is no digit")]
    Digit,
    /// The nibbles behind the PIN are not the filler.
    #[error("the filler is not that of the format")]
    Filler,
}

impl PinBlockFault {
    /// What the sender of the block is told. Everything that is found by decrypting has one reason: who learns which
    /// nibble was wrong, and may ask again without a try being counted, can read a PIN out of a recorded block digit by
    /// digit (J. Clulow, "The Design and Analysis of Cryptographic APIs for Security Devices", University of Natal,
    /// 2003).
    pub const fn reason(self) -> Reason {
        match self {
            Self::Length { .. } | Self::AllZero | Self::FormatOfOtherAlgorithm { .. } => Reason::PinBlockMalformed,
            Self::Control | Self::PinLength | Self::Digit | Self::Filler => Reason::PinBlockUnreadable,
        }
    }
}

/// Why the key store did not do what it was asked. None of these may be counted as a wrong PIN.
#[derive(Debug, thiserror::Error)]
pub enum HsmError {
    /// The PIN block holds no PIN of this card.
    #[error(transparent)]
    PinBlock(#[from] PinBlockFault),
    /// The store has no key of this name, or its last version is retired and may make nothing new.
    #[error("the key store holds no current key {name}")]
    NoCurrentKey {
        /// The key.
        name: KeyName,
    },
    /// The store never had this version of the key.
    #[error("the key store holds no version {version} of {name}")]
    UnknownVersion {
        /// The key.
        name: KeyName,
        /// The version.
        version: u32,
    },
    /// This version of the key was retired.
    #[error("version {version} of {name} is retired")]
    Retired {
        /// The key.
        name: KeyName,
        /// The version.
        version: u32,
    },
    /// The key is for something else.
    #[error("{name} is not for {wanted}")]
    WrongUse {
        /// The key.
        name: KeyName,
        /// What it was asked for.
        wanted: Use,
    },
    /// A key of this name is of other algorithms.
    #[error("{name} cannot be a key of {algorithm:?}")]
    WrongAlgorithm {
        /// The key.
        name: KeyName,
        /// What was given.
        algorithm: Algorithm,
    },
    /// A key that a peer must have too cannot be born here, since it could never be told to the peer.
    #[error("{name} is shared with a peer and is imported, not generated")]
    SharedKey {
        /// The key.
        name: KeyName,
    },
    /// The wrapped key was changed, or wrapped under another key.
    #[error("the wrapped key does not open under {under}")]
    DoesNotUnwrap {
        /// The key that was to open it.
        under: KeyName,
    },
    /// The key that came is not the one whose check value was told.
    #[error("the check value of the key is not the one that was told")]
    OtherCheckValue,
    /// The key has another length than its algorithm.
    #[error("a key of {algorithm:?} has {expected} bytes, not {found}")]
    KeyLength {
        /// The algorithm.
        algorithm: Algorithm,
        /// Its length in bytes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A key for triple DES is not K1‖K2‖K1 with two different halves, or what came as its left half is not K1‖K1‖K1. A
    /// hardware module sees of these only halves that are the same.
    #[error("the key is no double-length key of triple DES with two halves")]
    NotDoubleLength,
    /// The left half of the key, which CVVs and retail MACs are made with, did not come; or came and is not needed.
    #[error("the left half of {name} {}", if *.needed { "is missing" } else { "is not needed" })]
    LeftHalf {
        /// The key.
        name: KeyName,
        /// Whether the algorithms of this key need it.
        needed: bool,
    },
    /// A ceremony has two components or more, of the same algorithm.
    #[error("a key is put together of two components or more, of one algorithm")]
    Components,
    /// What should be digits, a name or a stored value is not; its content is not repeated.
    #[error("{what} is malformed")]
    Malformed {
        /// What: never its content.
        what: &'static str,
    },
    /// The message is longer than any message of a card.
    #[error("the message to authenticate is longer than 64 KiB")]
    TooLong,
    /// As many calls as may be are at the hardware module, and none of them ended in time.
    #[error("the key store is busy")]
    Busy,
    /// The store cannot be reached, or failed. The next call tries again.
    #[error("the key store cannot be reached: {reason}")]
    Unavailable {
        /// What it said, without any secret.
        reason: String,
    },
    /// The store answered what cannot be, or two things to one question.
    #[error("the key store's answer cannot be relied on: {what}")]
    BadAnswer {
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no randomness.
    #[error(transparent)]
    Rng(#[from] RngError),
    /// The sealed file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl HsmError {
    /// What the caller is told.
    pub fn reason(&self) -> Reason {
        match self {
            Self::PinBlock(fault) => fault.reason(),
            Self::NoCurrentKey { name } | Self::UnknownVersion { name, .. } | Self::Retired { name, .. }
                if name.is_for() == Use::PinBlocks =>
            {
                Reason::PinKeyUnknown
            }
            Self::WrongAlgorithm { .. }
            | Self::SharedKey { .. }
            | Self::DoesNotUnwrap { .. }
            | Self::OtherCheckValue
            | Self::KeyLength { .. }
            | Self::NotDoubleLength
            | Self::LeftHalf { .. }
            | Self::Components => Reason::KeyRefused,
            Self::Malformed { .. } | Self::TooLong => Reason::MessageMalformed,
            Self::Busy => Reason::TooBusy,
            Self::Unavailable { .. } | Self::BadAnswer { .. } | Self::File(_) => Reason::HsmAway,
            Self::NoCurrentKey { .. }
            | Self::UnknownVersion { .. }
            | Self::Retired { .. }
            | Self::WrongUse { .. }
            | Self::Rng(_)
            | Self::Config(_) => Reason::Fault,
        }
    }

    pub(super) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into() }
    }
}
