//! Keys in one file, sealed as a whole under a master key that is kept elsewhere.
//!
//! ```text
//! "bankhub keys 1\n" ‖ total length (8) ‖ salt (16) ‖ check (16) ‖ AES-256-GCM(keys) ‖ SHA-256 of all before
//! ```
//!
//! HKDF-SHA-256 (RFC 5869) makes from the master key and the salt the sealing key, its nonce, and the check, by which a
//! wrong master key is told from an edited file. The salt is new whenever the file is written, so a nonce serves once.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::keyring::{Keyring, RawKey};
use super::{KeyError, KeyFileError, KeyName, KeyStore};
use crate::private_file::{self, Existing};
use crate::rng::{Rng, SharedRng, SystemRng};

const MAGIC: &[u8] = b"bankhub keys 1\n";
const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 16;
const KEY_RECORD_LEN: usize = 1 + 4 + 32;

/// A key store in a file that is sealed under a master key.
pub struct SealedFile {
    path: PathBuf,
    keys: Keyring,
}

impl SealedFile {
    /// Makes a new file with a new key under every name. `master` is 32 bytes in base64. A file that is there is kept,
    /// and the call fails.
    pub fn create(path: &Path, master: &SecretString, rng: &dyn Rng) -> Result<Self, KeyFileError> {
        let master = master_key(master)?;
        let keys = RawKey::generate_all(rng)?;
        write(path, &seal(&master, &keys, rng)?, Existing::Keep)?;
        Ok(Self { path: path.to_owned(), keys: Keyring::prepare(&keys, SystemRng::shared()) })
    }

    /// Opens a file that was made before.
    pub fn open(path: &Path, master: &SecretString) -> Result<Self, KeyFileError> {
        let keys = unseal(path, &*master_key(master)?)?;
        Ok(Self { path: path.to_owned(), keys: Keyring::prepare(&keys, SystemRng::shared()) })
    }

    /// Opens the file, or makes it when there is none: for a first start.
    pub fn open_or_create(path: &Path, master: &SecretString, rng: &dyn Rng) -> Result<Self, KeyFileError> {
        match Self::open(path, master) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(path, master, rng)
            }
            result => result,
        }
    }

    /// Writes a new version of `name` into the file and gives its number. Servers use it when they open the file again;
    /// older versions stay for what was made with them.
    pub fn rotate(path: &Path, master: &SecretString, name: KeyName, rng: &dyn Rng) -> Result<u32, KeyFileError> {
        let master = master_key(master)?;
        let mut keys = unseal(path, &master)?;
        let newest = keys.iter().filter(|key| key.name == name).map(|key| key.version).max();
        if newest.is_some() && !name.may_rotate() {
            return Err(KeyFileError::MayNotRotate { name });
        }
        let version = newest.unwrap_or(0).saturating_add(1);
        keys.push(RawKey::generate(name, version, rng)?);
        write(path, &seal(&master, &keys, rng)?, Existing::Replace)?;
        Ok(version)
    }

    /// Takes the nonces from `rng`, so that the simulator can repeat them.
    #[must_use]
    pub fn with_rng(self, rng: SharedRng) -> Self {
        Self { path: self.path, keys: self.keys.with_rng(rng) }
    }
}

impl fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedFile").field("path", &self.path).field("keys", &self.keys).finish()
    }
}

impl KeyStore for SealedFile {
    fn mac(&self, key: KeyName, parts: &[&[u8]]) -> Result<[u8; 32], KeyError> {
        self.keys.mac(key, parts)
    }

    fn mac_matches(&self, key: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<bool, KeyError> {
        self.keys.mac_matches(key, parts, expected)
    }

    fn seal(&self, key: KeyName, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.keys.seal(key, context, plaintext)
    }

    fn open(&self, key: KeyName, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.keys.open(key, context, sealed)
    }

    fn sign(&self, key: KeyName, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.keys.sign(key, message)
    }

    fn public_key(&self, key: KeyName) -> Result<Vec<u8>, KeyError> {
        self.keys.public_key(key)
    }

    fn signature_matches(&self, key: KeyName, message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
        self.keys.signature_matches(key, message, signature)
    }
}

fn master_key(master: &SecretString) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let decoded = BASE64_STANDARD.decode(master.expose_secret().trim()).map_err(|_| KeyFileError::MasterKey)?;
    let decoded = Zeroizing::new(decoded);
    let bytes: [u8; 32] = decoded.as_slice().try_into().map_err(|_| KeyFileError::MasterKey)?;
    Ok(Zeroizing::new(bytes))
}

/// What the master key and the salt make.
struct Derived {
    key: LessSafeKey,
    nonce: [u8; NONCE_LEN],
    check: [u8; CHECK_LEN],
}

impl Derived {
    fn new(master: &[u8; 32], salt: &[u8]) -> Option<Self> {
        let source = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(master);
        let fill = |purpose: &[u8], to: &mut [u8]| {
            let purpose = [purpose];
            source.expand(&purpose, Length(to.len())).and_then(|made| made.fill(to)).ok()
        };
        let (mut key, mut nonce, mut check) = (Zeroizing::new([0; 32]), [0; NONCE_LEN], [0; CHECK_LEN]);
        fill(b"key", key.as_mut())?;
        fill(b"nonce", &mut nonce)?;
        fill(b"check", &mut check)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?);
        Some(Self { key, nonce, check })
    }
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn seal(master: &[u8; 32], keys: &[RawKey], rng: &dyn Rng) -> Result<Vec<u8>, KeyFileError> {
    let mut salt = [0; SALT_LEN];
    rng.fill(&mut salt)?;
    let derived = Derived::new(master, &salt).ok_or(KeyFileError::MasterKey)?;
    let mut body = encode(keys);
    let body_len = body.len() + AES_256_GCM.tag_len();
    let total = MAGIC.len() + 8 + SALT_LEN + CHECK_LEN + body_len + digest::SHA256_OUTPUT_LEN;
    let mut file = Vec::with_capacity(total);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&u64::try_from(total).unwrap_or(u64::MAX).to_be_bytes());
    file.extend_from_slice(&salt);
    file.extend_from_slice(&derived.check);
    let sealed = derived.key.seal_in_place_separate_tag(
        Nonce::assume_unique_for_key(derived.nonce),
        Aad::from(&file),
        body.as_mut_slice(),
    );
    let Ok(tag) = sealed else {
        body.zeroize();
        return Err(KeyFileError::MasterKey);
    };
    file.extend_from_slice(&body);
    file.extend_from_slice(tag.as_ref());
    let sum = digest::digest(&digest::SHA256, &file);
    file.extend_from_slice(sum.as_ref());
    Ok(file)
}

fn unseal(path: &Path, master: &[u8; 32]) -> Result<Vec<RawKey>, KeyFileError> {
    let path = || path.to_owned();
    let file = read(&path())?;
    let not_ours = || KeyFileError::NotAKeyFile { path: path() };
    let rest = file.strip_prefix(MAGIC).ok_or_else(not_ours)?;
    let found = u64::try_from(file.len()).unwrap_or(u64::MAX);
    let Some((expected, _)) = rest.split_first_chunk::<8>() else {
        return Err(KeyFileError::Truncated { path: path(), expected: found.saturating_add(1), found });
    };
    let expected = u64::from_be_bytes(*expected);
    if found < expected {
        return Err(KeyFileError::Truncated { path: path(), expected, found });
    }
    let edited = || KeyFileError::Edited { path: path() };
    let (content, sum) = file.split_last_chunk::<{ digest::SHA256_OUTPUT_LEN }>().ok_or_else(edited)?;
    // This sum finds accidents and tells them from a wrong master key; against malice there is the seal.
    if found != expected || digest::digest(&digest::SHA256, content).as_ref() != sum {
        return Err(edited());
    }
    let (header, body) = content.split_at_checked(MAGIC.len() + 8 + SALT_LEN + CHECK_LEN).ok_or_else(edited)?;
    let (before_check, check) = header.split_last_chunk::<CHECK_LEN>().ok_or_else(edited)?;
    let (_, salt) = before_check.split_last_chunk::<SALT_LEN>().ok_or_else(edited)?;
    let derived = Derived::new(master, salt).ok_or_else(edited)?;
    if !bool::from(derived.check.ct_eq(check)) {
        return Err(KeyFileError::WrongMasterKey { path: path() });
    }
    let mut body = Zeroizing::new(body.to_vec());
    let opened = derived
        .key
        .open_in_place(Nonce::assume_unique_for_key(derived.nonce), Aad::from(header), body.as_mut_slice())
        .map_err(|_| edited())?;
    // The seal proves that these records are ours; one that cannot be read is of a program newer than this one.
    decode(opened).ok_or_else(not_ours)
}

fn encode(keys: &[RawKey]) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(keys.len() * KEY_RECORD_LEN));
    for key in keys {
        bytes.push(key.name.number());
        bytes.extend_from_slice(&key.version.to_be_bytes());
        bytes.extend_from_slice(key.bytes.as_ref());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Vec<RawKey>> {
    let (records, rest) = bytes.as_chunks::<KEY_RECORD_LEN>();
    let read = |record: &[u8; KEY_RECORD_LEN]| {
        let (number, record) = record.split_first()?;
        let (version, key) = record.split_first_chunk::<4>()?;
        let (name, bytes) = (KeyName::of_number(*number)?, Zeroizing::new(*key.first_chunk::<32>()?));
        Some(RawKey { name, version: u32::from_be_bytes(*version), bytes })
    };
    if rest.is_empty() { records.iter().map(read).collect() } else { None }
}

fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), KeyFileError> {
    private_file::write(path, bytes, existing).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
        _ => KeyFileError::Io { path: path.to_owned(), source },
    })
}

fn read(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    if let Some(mode) = private_file::exposed_mode(&file).map_err(failed)? {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::rng::SeededRng;

    struct Made {
        _directory: tempfile::TempDir,
        path: PathBuf,
        master: SecretString,
    }

    fn master(byte: u8) -> SecretString {
        SecretString::from(BASE64_STANDARD.encode([byte; 32]))
    }

    fn made() -> Made {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hub.keys");
        SealedFile::create(&path, &master(7), &SeededRng::new(1)).unwrap();
        Made { _directory: directory, path, master: master(7) }
    }

    impl Made {
        fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
            let mut bytes = fs::read(&self.path).unwrap();
            change(&mut bytes);
            fs::write(&self.path, bytes).unwrap();
        }

        fn refused(&self) -> KeyFileError {
            SealedFile::open(&self.path, &self.master).unwrap_err()
        }
    }

    #[test]
    fn the_same_keys_come_back_when_the_file_is_opened_again() {
        let made = made();
        let [one, two] = [0, 1].map(|_| SealedFile::open(&made.path, &made.master).unwrap());
        let hash = one.mac(KeyName::PhoneIndex, &[b"+86"]).unwrap();
        assert_eq!(two.mac(KeyName::PhoneIndex, &[b"+86"]).unwrap(), hash);
        let sealed = one.seal(KeyName::SealedPayload, b"", b"text").unwrap();
        assert_eq!(two.open(KeyName::SealedPayload, b"", &sealed).unwrap(), b"text");
        assert_eq!(one.public_key(KeyName::AuditHead).unwrap(), two.public_key(KeyName::AuditHead).unwrap());
    }

    #[test]
    fn the_file_is_private_and_is_never_overwritten() {
        let made = made();
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = SealedFile::create(&made.path, &made.master, &SeededRng::new(2)).unwrap_err();
        assert!(matches!(refused, KeyFileError::Exists { .. }));
        SealedFile::open_or_create(&made.path, &made.master, &SeededRng::new(2)).unwrap();
        fs::set_permissions(&made.path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(made.refused(), KeyFileError::Exposed { mode: 0o640, .. }));
    }

    #[test]
    fn a_wrong_master_key_is_told_from_an_edited_and_from_a_cut_file() {
        let made = made();
        let wrong = SealedFile::open(&made.path, &master(8)).unwrap_err();
        assert!(matches!(wrong, KeyFileError::WrongMasterKey { .. }));

        let length = fs::read(&made.path).unwrap().len();
        made.change(|bytes| bytes.truncate(length - 1));
        assert!(matches!(made.refused(), KeyFileError::Truncated { found, expected, .. } if found + 1 == expected));
        made.change(|bytes| bytes.truncate(MAGIC.len() + 3));
        assert!(matches!(made.refused(), KeyFileError::Truncated { .. }));
        made.change(Vec::clear);
        assert!(matches!(made.refused(), KeyFileError::NotAKeyFile { .. }));
    }

    #[test]
    fn a_file_with_any_byte_changed_is_refused() {
        let made = made();
        for at in 0..fs::read(&made.path).unwrap().len() {
            made.change(|bytes| bytes[at] ^= 1);
            let refused = made.refused();
            let in_content = at >= MAGIC.len() + 8;
            assert!(!in_content || matches!(refused, KeyFileError::Edited { .. }), "byte {at}: {refused:?}");
            made.change(|bytes| bytes[at] ^= 1);
        }
        made.change(|bytes| bytes.push(0));
        assert!(matches!(made.refused(), KeyFileError::Edited { .. }));
    }

    #[test]
    fn an_editor_who_mends_the_sum_is_found_out_by_the_seal() {
        let made = made();
        made.change(|bytes| {
            let content = bytes.len() - 32;
            bytes[content - 40] ^= 1;
            let sum = digest::digest(&digest::SHA256, &bytes[..content]);
            bytes[content..].copy_from_slice(sum.as_ref());
        });
        assert!(matches!(made.refused(), KeyFileError::Edited { .. }));
    }

    #[test]
    fn a_master_key_that_is_no_key_is_refused_without_repeating_it() {
        let made = made();
        for text in ["", "hunter2", "aHVudGVyMg=="] {
            let refused = SealedFile::open(&made.path, &SecretString::from(text)).unwrap_err();
            assert!(matches!(refused, KeyFileError::MasterKey));
        }
    }

    #[test]
    fn a_rotated_key_seals_anew_and_opens_what_was_sealed_before() {
        let made = made();
        let before = SealedFile::open(&made.path, &made.master).unwrap();
        let sealed = before.seal(KeyName::SealedPayload, b"", b"text").unwrap();
        let version = SealedFile::rotate(&made.path, &made.master, KeyName::SealedPayload, &SystemRng::new()).unwrap();
        assert_eq!(version, 2);
        let after = SealedFile::open(&made.path, &made.master).unwrap();
        assert_eq!(after.open(KeyName::SealedPayload, b"", &sealed).unwrap(), b"text");
        assert_eq!(after.seal(KeyName::SealedPayload, b"", b"text").unwrap()[1..5], [0, 0, 0, 2]);
        let refused = SealedFile::rotate(&made.path, &made.master, KeyName::PhoneIndex, &SystemRng::new());
        assert!(matches!(refused, Err(KeyFileError::MayNotRotate { name: KeyName::PhoneIndex })));
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let made = made();
        let text = format!("{:?}", SealedFile::open(&made.path, &made.master).unwrap());
        assert!(text.contains("PhoneIndex: [1]") && text.len() < 500, "{text}");
    }
}
