//! What keys there are, what each is for, and what may be told of them.

use std::fmt;
use std::str::FromStr;

use domain::Timestamp;
use server_kit::identity;

use super::HsmError;

/// The two sides of a combined card. Each has a card verification key of its own; which one a card's CVVs are made with
/// follows from its BIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Credit,
    Debit,
}

/// The id of a peer, or of a terminal's key: 1 to 64 of `a`–`z`, `0`–`9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    pub fn parse(text: &str) -> Result<Self, HsmError> {
        if identity::is_id(text) { Ok(Self(text.into())) } else { Err(HsmError::Malformed { what: "the id of a key" }) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a key is for. One key serves one use, so that nothing made with it can be passed off as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// CVVs.
    CardVerification,
    /// The value that a PIN is compared with.
    PinVerification,
    /// PVVs, by the Visa method.
    Pvv,
    /// PIN blocks.
    PinBlocks,
    /// MACs of ISO 8583 messages.
    Macs,
    /// Other keys on their way into the store.
    KeyTransport,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CardVerification => "CVVs",
            Self::PinVerification => "the verification of PINs",
            Self::Pvv => "PVVs",
            Self::PinBlocks => "PIN blocks",
            Self::Macs => "MACs",
            Self::KeyTransport => "the transport of keys",
        })
    }
}

/// Every key, by what it is for. The text form is that of [`fmt::Display`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// `cvk-credit`, `cvk-debit`: CVVs of the cards of one side.
    CardVerification(Side),
    /// `pin-verification`: the keyed hash that a PIN is compared with.
    PinVerification,
    /// `pvv`: PVVs for interchange.
    Pvv,
    /// `terminal-pin:<key>`: PIN blocks from a terminal.
    TerminalPin(KeyId),
    /// `zone-pin:<peer>`: PIN blocks from and to a peer.
    ZonePin(KeyId),
    /// `mac:<peer>`: MACs of the messages from and to a peer.
    Mac(KeyId),
    /// `key-transport:<peer>`: keys that come wrapped.
    KeyTransport(KeyId),
}

impl KeyName {
    /// What the key is for.
    pub const fn is_for(&self) -> Use {
        match self {
            Self::CardVerification(_) => Use::CardVerification,
            Self::PinVerification => Use::PinVerification,
            Self::Pvv => Use::Pvv,
            Self::TerminalPin(_) | Self::ZonePin(_) => Use::PinBlocks,
            Self::Mac(_) => Use::Macs,
            Self::KeyTransport(_) => Use::KeyTransport,
        }
    }

    /// Whether somebody else has the key too.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::TerminalPin(_) | Self::ZonePin(_) | Self::Mac(_) | Self::KeyTransport(_))
    }

    /// The algorithms that such a key may have; the first is the one that it is generated for.
    pub const fn algorithms(&self) -> &'static [Algorithm] {
        match self.is_for() {
            Use::CardVerification | Use::Pvv => &[Algorithm::TripleDes],
            Use::PinVerification => &[Algorithm::HmacSha256],
            Use::PinBlocks | Use::Macs => &[Algorithm::TripleDes, Algorithm::Aes128, Algorithm::Aes256],
            Use::KeyTransport => &[Algorithm::Aes256, Algorithm::Aes128],
        }
    }

    /// Whether single DES under the left half of the key is part of its algorithm, as in a CVV and in a retail MAC.
    pub fn has_left_half(&self, algorithm: Algorithm) -> bool {
        algorithm == Algorithm::TripleDes && matches!(self.is_for(), Use::CardVerification | Use::Macs)
    }

    pub(super) fn must_be_for(&self, wanted: Use) -> Result<(), HsmError> {
        if self.is_for() == wanted { Ok(()) } else { Err(HsmError::WrongUse { name: self.clone(), wanted }) }
    }

    pub(super) fn must_allow(&self, algorithm: Algorithm) -> Result<(), HsmError> {
        if self.algorithms().contains(&algorithm) {
            Ok(())
        } else {
            Err(HsmError::WrongAlgorithm { name: self.clone(), algorithm })
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CardVerification(Side::Credit) => f.write_str("cvk-credit"),
            Self::CardVerification(Side::Debit) => f.write_str("cvk-debit"),
            Self::PinVerification => f.write_str("pin-verification"),
            Self::Pvv => f.write_str("pvv"),
            Self::TerminalPin(id) => write!(f, "terminal-pin:{}", id.as_str()),
            Self::ZonePin(id) => write!(f, "zone-pin:{}", id.as_str()),
            Self::Mac(id) => write!(f, "mac:{}", id.as_str()),
            Self::KeyTransport(id) => write!(f, "key-transport:{}", id.as_str()),
        }
    }
}

impl FromStr for KeyName {
    type Err = HsmError;

    fn from_str(text: &str) -> Result<Self, HsmError> {
        let (kind, id) = text.split_once(':').map_or((text, None), |(kind, id)| (kind, Some(id)));
        match (kind, id.map(KeyId::parse).transpose()?) {
            ("cvk-credit", None) => Ok(Self::CardVerification(Side::Credit)),
            ("cvk-debit", None) => Ok(Self::CardVerification(Side::Debit)),
            ("pin-verification", None) => Ok(Self::PinVerification),
            ("pvv", None) => Ok(Self::Pvv),
            ("terminal-pin", Some(id)) => Ok(Self::TerminalPin(id)),
            ("zone-pin", Some(id)) => Ok(Self::ZonePin(id)),
            ("mac", Some(id)) => Ok(Self::Mac(id)),
            ("key-transport", Some(id)) => Ok(Self::KeyTransport(id)),
            _ => Err(HsmError::Malformed { what: "the name of a key" }),
        }
    }
}

/// What a key is used with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Triple DES with a double-length key, K1‖K2‖K1 (NIST SP 800-67, keying option 2). The card business uses no
    /// other.
    TripleDes,
    /// AES with a key of 16 bytes (FIPS 197).
    Aes128,
    /// AES with a key of 32 bytes.
    Aes256,
    /// HMAC-SHA-256 (RFC 2104) with a key of 32 bytes.
    HmacSha256,
}

impl Algorithm {
    pub(super) const ALL: [Self; 4] = [Self::TripleDes, Self::Aes128, Self::Aes256, Self::HmacSha256];

    /// Bytes of a key as it is stored and wrapped.
    pub const fn key_len(self) -> usize {
        match self {
            Self::TripleDes => 24,
            Self::Aes128 => 16,
            Self::Aes256 | Self::HmacSha256 => 32,
        }
    }

    /// The number under which the algorithm is stored. Numbers are never used again for another.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::TripleDes => 1,
            Self::Aes128 => 2,
            Self::Aes256 => 3,
            Self::HmacSha256 => 4,
        }
    }

    pub(super) fn of_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.number() == number)
    }
}

/// A key check value: three bytes by which two parties see that they hold the same key. Triple DES: zeros encrypted;
/// AES: the CMAC of a block of zeros (both as in ANSI X9.24-1:2017); HMAC, for which there is no rule: the hash of
/// nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kcv(pub [u8; 3]);

impl fmt::Display for Kcv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Kcv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kcv({self})")
    }
}

/// How far a version of a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Makes what is new, and verifies.
    Current,
    /// Only verifies and opens what was made with it.
    Earlier,
    /// Does nothing.
    Retired,
}

/// What may be told of one version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    pub name: KeyName,
    /// Counted from 1.
    pub version: u32,
    pub algorithm: Algorithm,
    pub created: Timestamp,
    pub kcv: Kcv,
    pub state: KeyState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_as_it_is_shown_and_nothing_else_is_a_key() {
        for text in [
            "cvk-credit",
            "cvk-debit",
            "pin-verification",
            "pvv",
            "terminal-pin:t-1",
            "zone-pin:network",
            "mac:credit-system",
            "key-transport:office",
        ] {
            assert_eq!(text.parse::<KeyName>().unwrap().to_string(), text);
        }
        let long = format!("mac:{}", "a".repeat(65));
        for text in ["", ":", "cvk", "cvk-credit:", "cvk-credit:a", "mac", "mac:", "mac:A", "mac:a:b", "MAC:a", &long] {
            assert!(text.parse::<KeyName>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_key_has_an_algorithm_and_every_algorithm_a_number_of_its_own() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::of_number(algorithm.number()), Some(algorithm));
        }
        assert_eq!(Algorithm::of_number(0), None);
        let mac = KeyName::Mac(KeyId::parse("a").unwrap());
        assert!(mac.has_left_half(Algorithm::TripleDes) && !mac.has_left_half(Algorithm::Aes128));
        assert!(!KeyName::Pvv.has_left_half(Algorithm::TripleDes));
    }
}
