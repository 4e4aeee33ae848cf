//! The servers' keys in one sealed file: name (1) ‖ version (4) ‖ key (32), one after the other.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::keyring::{Keyring, RawKey};
use super::seal::Seal;
use super::{HeldVersion, KeyError, KeyFileError, KeyName, KeyStore, Purpose};
use crate::rng::{Rng, SharedRng, SystemRng};

const MAGIC: &[u8] = b"bankhub keys 1\n";
const KEY_RECORD_LEN: usize = 1 + 4 + 32;
/// A look-up asks for two hashes at once, that of the old version and that of the new one.
const HASHING_VERSIONS: usize = 2;
/// What is sealed says its version, so that more of them may wait to be retired.
const SEALING_VERSIONS: usize = 8;

/// A key store in a file that is sealed under a master key.
pub struct SealedFile {
    path: PathBuf,
    keys: Keyring,
}

impl SealedFile {
    /// Makes a new file with a new key under every name. `master` is 32 bytes in base64. A file that is there is kept,
    /// and the call fails.
    pub fn create(path: &Path, master: &SecretString, rng: &dyn Rng) -> Result<Self, KeyFileError> {
        let seal = Seal::new(MAGIC, path, master)?;
        let keys = RawKey::generate_all(rng)?;
        seal.create(&encode(&keys), rng)?;
        Ok(Self { path: path.to_owned(), keys: Keyring::prepare(&keys, SystemRng::shared()) })
    }

    /// Opens a file that was made before.
    pub fn open(path: &Path, master: &SecretString) -> Result<Self, KeyFileError> {
        let keys = read(&Seal::new(MAGIC, path, master)?)?;
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

    /// Reads the file again. What was written with still is, and what is new in the file is read with. A file of other keys is refused.
    pub fn reload(&self, master: &SecretString) -> Result<(), KeyFileError> {
        let keys = read(&Seal::new(MAGIC, &self.path, master)?)?;
        self.keys.take(&keys).map_err(|name| KeyFileError::OtherKeys { path: self.path.clone(), name })
    }

    /// Where the keys are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new version of `name` into the file and gives its number. Servers that read the file again read with it, and write with
    /// it when all of them hold it (ADR 40); older versions stay for what was made with them.
    pub fn rotate(path: &Path, master: &SecretString, name: KeyName, rng: &dyn Rng) -> Result<u32, KeyFileError> {
        if !name.may_rotate() {
            return Err(KeyFileError::MayNotRotate { name });
        }
        changed(path, master, rng, |keys| {
            let versions: Vec<u32> = keys.iter().filter(|key| key.name == name).map(|key| key.version).collect();
            let most = if name.purpose() == Purpose::Mac { HASHING_VERSIONS } else { SEALING_VERSIONS };
            if versions.len() >= most {
                return Err(KeyFileError::StillRotating { name, found: versions.len() });
            }
            let version = versions.iter().max().copied().unwrap_or(0).saturating_add(1);
            keys.push(RawKey::generate(name, version, rng)?);
            Ok(version)
        })
    }

    /// Takes a version out of the file that is not the newest, after nothing is left under it. One that is not there is out already.
    pub fn retire(
        path: &Path,
        master: &SecretString,
        (name, version): (KeyName, u32),
        rng: &dyn Rng,
    ) -> Result<(), KeyFileError> {
        changed(path, master, rng, |keys| {
            let newest = keys.iter().filter(|key| key.name == name).map(|key| key.version).max();
            if newest.is_none_or(|newest| version >= newest) {
                return Err(KeyFileError::NotRetired { name, version });
            }
            keys.retain(|key| key.name != name || key.version != version);
            Ok(())
        })
    }

    /// Adds the keys that this program has a name for and the file does not hold, as one that an older program has made; gives their
    /// names. Those that are there stay as they are.
    pub fn complete(path: &Path, master: &SecretString, rng: &dyn Rng) -> Result<Vec<KeyName>, KeyFileError> {
        changed(path, master, rng, |keys| {
            let is_missing = |name: &KeyName| !keys.iter().any(|key| key.name == *name);
            let missing: Vec<KeyName> = KeyName::ALL.into_iter().filter(is_missing).collect();
            for name in &missing {
                keys.push(RawKey::generate(*name, 1, rng)?);
            }
            Ok(missing)
        })
    }

    /// The versions of a key, the current one last.
    pub fn versions(&self, name: KeyName) -> Vec<u32> {
        self.keys.versions_of(name)
    }

    /// The keys that this program needs and the file does not hold.
    pub fn missing(&self) -> Vec<KeyName> {
        KeyName::ALL.into_iter().filter(|name| self.versions(*name).is_empty()).collect()
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

    fn mac_both(&self, key: KeyName, parts: &[&[u8]]) -> Result<[[u8; 32]; 2], KeyError> {
        self.keys.mac_both(key, parts)
    }

    fn mac_version(&self, key: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<Option<u32>, KeyError> {
        self.keys.mac_version(key, parts, expected)
    }

    fn held(&self, key: KeyName) -> Vec<HeldVersion> {
        self.keys.held(key)
    }

    fn current_version(&self, key: KeyName) -> Option<u32> {
        self.keys.current_version(key)
    }

    fn use_version(&self, key: KeyName, version: u32) -> Result<(), KeyError> {
        self.keys.use_version(key, version)
    }

    fn forget_version(&self, key: KeyName, version: u32) {
        self.keys.forget_version(key, version);
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

/// Changes what is in the file, which is replaced as a whole if anything has changed. Two who do so at once do it one after the other.
fn changed<T>(
    path: &Path,
    master: &SecretString,
    rng: &dyn Rng,
    change: impl FnOnce(&mut Vec<RawKey>) -> Result<T, KeyFileError>,
) -> Result<T, KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::File::open(folder).map_err(io)?;
    // The lock ends with the handle. It is the folder's, since the file itself is replaced by another one.
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
    let seal = Seal::new(MAGIC, path, master)?;
    let mut keys = read(&seal)?;
    let before = keys.len();
    let done = change(&mut keys)?;
    if keys.len() != before {
        seal.replace(&encode(&keys), rng)?;
    }
    Ok(done)
}

fn read(seal: &Seal<'_>) -> Result<Vec<RawKey>, KeyFileError> {
    // The seal proves that these records are ours; one that cannot be read is of a program newer than this one.
    decode(&seal.open()?).ok_or_else(|| seal.not_ours())
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use ring::digest;

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
    fn a_file_of_an_older_program_gets_the_keys_that_it_lacks_and_keeps_the_others() {
        let made = made();
        let seal = Seal::new(MAGIC, &made.path, &made.master).unwrap();
        let older = |key: &RawKey| !matches!(key.name, KeyName::CitizenIndex | KeyName::SafetyCode);
        let keys: Vec<RawKey> = read(&seal).unwrap().into_iter().filter(older).collect();
        seal.replace(&encode(&keys), &SeededRng::new(5)).unwrap();
        let before = SealedFile::open(&made.path, &made.master).unwrap();
        assert_eq!(before.missing(), [KeyName::SafetyCode, KeyName::CitizenIndex]);
        let refused = before.mac(KeyName::CitizenIndex, &[b"1"]).unwrap_err();
        assert!(matches!(refused, KeyError::Missing { name: KeyName::CitizenIndex }));
        // Two at once: one of them adds the keys, and the other finds them.
        let complete = || SealedFile::complete(&made.path, &made.master, &SystemRng::new()).unwrap();
        let mut added = std::thread::scope(|scope| {
            let both = [scope.spawn(complete), scope.spawn(complete)];
            both.map(|one| one.join().unwrap())
        });
        added.sort();
        assert_eq!(added, [vec![], vec![KeyName::SafetyCode, KeyName::CitizenIndex]]);
        let after = SealedFile::open(&made.path, &made.master).unwrap();
        assert!(after.missing().is_empty() && after.versions(KeyName::CitizenIndex) == [1]);
        after.mac(KeyName::CitizenIndex, &[b"1"]).unwrap();
        let hash = |keys: &SealedFile| keys.mac(KeyName::PhoneIndex, &[b"+86"]).unwrap();
        assert_eq!(hash(&after), hash(&before));
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
        let wrong = SealedFile::complete(&made.path, &master(8), &SystemRng::new());
        assert!(wrong.is_err() && SealedFile::open(&made.path, &made.master).is_ok());
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
        before.reload(&made.master).unwrap();
        assert_eq!(before.seal(KeyName::SealedPayload, b"", b"text").unwrap()[1..5], [0, 0, 0, 1]);
        before.use_version(KeyName::SealedPayload, 2).unwrap();
        assert_eq!(before.seal(KeyName::SealedPayload, b"", b"text").unwrap()[1..5], [0, 0, 0, 2]);
        let rotate = |name| SealedFile::rotate(&made.path, &made.master, name, &SystemRng::new());
        let refused = rotate(KeyName::RequestFingerprint);
        assert!(matches!(refused, Err(KeyFileError::MayNotRotate { name: KeyName::RequestFingerprint })));
        assert_eq!(rotate(KeyName::PhoneIndex).unwrap(), 2);
        assert!(matches!(rotate(KeyName::PhoneIndex), Err(KeyFileError::StillRotating { found: 2, .. })));
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn m8_a_file_of_other_keys_is_not_taken_over() {
        let (made, other) = (made(), made());
        let before = SealedFile::open(&made.path, &made.master).unwrap();
        SealedFile::rotate(&made.path, &made.master, KeyName::CardIndex, &SystemRng::new()).unwrap();
        before.reload(&made.master).unwrap();
        before.use_version(KeyName::CardIndex, 2).unwrap();
        let (sealed, kept) =
            (before.seal(KeyName::SealedPayload, b"", b"text").unwrap(), fs::read(&made.path).unwrap());
        // Somebody else's file; then one from before the version that is used.
        fs::copy(&other.path, &made.path).unwrap();
        assert!(matches!(before.reload(&other.master), Err(KeyFileError::OtherKeys { .. })));
        fs::write(&made.path, &kept).unwrap();
        before.reload(&made.master).unwrap();
        SealedFile::retire(&made.path, &made.master, (KeyName::CardIndex, 1), &SystemRng::new()).unwrap();
        before.use_version(KeyName::CardIndex, 1).unwrap();
        let refused = before.reload(&made.master);
        assert!(matches!(refused, Err(KeyFileError::OtherKeys { name: KeyName::CardIndex, .. })));
        assert_eq!(before.open(KeyName::SealedPayload, b"", &sealed).unwrap(), b"text");
        assert_eq!(before.versions(KeyName::CardIndex), [1, 2]);
    }

    #[test]
    fn m8_a_version_that_is_retired_is_out_of_the_file_and_the_newest_stays() {
        let made = made();
        SealedFile::rotate(&made.path, &made.master, KeyName::CardIndex, &SystemRng::new()).unwrap();
        let retire = |version| {
            let which = (KeyName::CardIndex, version);
            SealedFile::retire(&made.path, &made.master, which, &SystemRng::new())
        };
        assert!(matches!(retire(2), Err(KeyFileError::NotRetired { version: 2, .. })));
        retire(1).unwrap();
        retire(1).unwrap();
        let after = SealedFile::open(&made.path, &made.master).unwrap();
        assert_eq!(after.versions(KeyName::CardIndex), [2]);
        assert_eq!(after.versions(KeyName::PhoneIndex), [1]);
        assert_eq!(SealedFile::rotate(&made.path, &made.master, KeyName::CardIndex, &SystemRng::new()).unwrap(), 3);
    }

    #[test]
    fn no_key_shows_in_debug_output() {
        let made = made();
        let text = format!("{:?}", SealedFile::open(&made.path, &made.master).unwrap());
        assert!(text.contains("PhoneIndex: [1]") && text.len() < 500, "{text}");
    }
}
