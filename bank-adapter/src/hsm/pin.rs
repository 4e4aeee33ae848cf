//! PIN blocks as they come and go, and what a bank stores of a PIN. No PIN stands here in clear.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::HsmError;
use super::key::KeyName;

/// A format of ISO 9564-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinBlockFormat {
    /// Format 0, 8 bytes under triple DES; the same as that of ANSI X9.8.
    Iso0,
    /// Format 4, 16 bytes under AES, since the edition of 2017.
    Iso4,
}

impl PinBlockFormat {
    /// How long such a block is, in bytes.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Iso0 => 8,
            Self::Iso4 => 16,
        }
    }
}

/// An encrypted PIN block as a terminal or a peer sends it. It is checked when it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PinBlock {
    /// The key under which it is encrypted: a terminal's or a zone's.
    pub key: KeyName,
    /// The version of that key; none is the current one.
    pub version: Option<u32>,
    pub format: PinBlockFormat,
    pub bytes: Vec<u8>,
}

impl fmt::Debug for PinBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PinBlock");
        shown.field("key", &self.key).field("version", &self.version).field("format", &self.format);
        shown.finish_non_exhaustive()
    }
}

/// The digit of a PVV's key in a track (PVKI): 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PvvKeyIndex(u8);

impl PvvKeyIndex {
    pub fn new(index: u8) -> Result<Self, HsmError> {
        if (1..=6).contains(&index) { Ok(Self(index)) } else { Err(HsmError::Malformed { what: "a PVKI" }) }
    }

    pub(super) const fn digit(self) -> u8 {
        b'0' + self.0
    }
}

/// What is stored of a PIN, and what it is compared with: HMAC-SHA-256 over the whole PIN and the card number, under a
/// key that does not leave the store.
///
/// A PVV covers four digits of the PIN with four digits: of the million PINs of six digits about two hundred pass for
/// the right one, and whoever reads it knows that a PIN is one of those. HMAC (RFC 2104, FIPS 198-1) covers the whole
/// PIN, loses nothing, is worth nothing without the key, and is a mechanism of every PKCS#11 module
/// (`CKM_SHA256_HMAC`). With the card number in it, the values of two cards with one PIN differ. It is the same value
/// each time, so that two systems that hold one card can be compared without its PIN (C4).
#[derive(Clone)]
pub struct PinVerificationValue {
    version: u32,
    value: [u8; 32],
}

impl PinVerificationValue {
    /// Bytes of the stored form.
    pub const LEN: usize = 1 + 4 + 32;
    const FORM: u8 = 1;

    pub(super) const fn of(version: u32, value: [u8; 32]) -> Self {
        Self { version, value }
    }

    /// The version of the key that it was made with.
    pub const fn version(&self) -> u32 {
        self.version
    }

    pub(super) const fn value(&self) -> &[u8; 32] {
        &self.value
    }

    /// The stored form: form (1) ‖ key version (4) ‖ value (32).
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [Self::FORM; Self::LEN];
        let content = self.version.to_be_bytes().into_iter().chain(self.value);
        bytes.iter_mut().skip(1).zip(content).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HsmError> {
        let read = || {
            let (form, rest) = bytes.split_first()?;
            let (version, value) = rest.split_first_chunk::<4>()?;
            let value = value.try_into().ok().filter(|_| *form == Self::FORM)?;
            Some(Self { version: u32::from_be_bytes(*version), value })
        };
        read().ok_or(HsmError::Malformed { what: "a stored PIN verification value" })
    }
}

/// In constant time.
impl PartialEq for PinVerificationValue {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().ct_eq(&other.to_bytes()).into()
    }
}

impl Eq for PinVerificationValue {}

impl fmt::Debug for PinVerificationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinVerificationValue").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_a_pin_is_read_in_one_form_only() {
        let value = PinVerificationValue::of(7, [9; 32]);
        assert_eq!(PinVerificationValue::from_bytes(&value.to_bytes()).unwrap(), value);
        let mut other_form = value.to_bytes();
        other_form[0] = 2;
        let long = [&value.to_bytes()[..], &[0]].concat();
        for bad in [&[][..], &value.to_bytes()[1..], &value.to_bytes()[..36], &other_form, &long] {
            assert!(PinVerificationValue::from_bytes(bad).is_err());
        }
        assert_eq!(format!("{value:?}"), "PinVerificationValue { version: 7, .. }");
    }
}
