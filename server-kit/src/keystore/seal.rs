//! Bytes in one file, sealed as a whole under a master key that is kept elsewhere.
//!
//! ```text
//! magic ‖ total length (8) ‖ salt (16) ‖ check (16) ‖ AES-256-GCM(content) ‖ SHA-256 of all before
//! ```
//!
//! HKDF-SHA-256 (RFC 5869) makes from the master key and the salt the sealing key, its nonce, and the check, by which a
//! wrong master key is told from an edited file. The salt is new whenever the file is written, so a nonce serves once.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::KeyFileError;
use crate::private_file::{self, Existing};
use crate::rng::Rng;

const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 16;

/// A file that holds sealed keys, and the master key that seals it.
pub struct Seal<'a> {
    magic: &'static [u8],
    path: &'a Path,
    master: Zeroizing<[u8; 32]>,
}

impl<'a> Seal<'a> {
    /// `magic` is how files of one sort begin, their version included, so that one sort is not read as another.
    /// `master` is 32 bytes in base64.
    pub fn new(magic: &'static [u8], path: &'a Path, master: &SecretString) -> Result<Self, KeyFileError> {
        Ok(Self { magic, path, master: master_key(master)? })
    }

    /// Seals `content` into a new file. A file that is there is kept, and the call fails.
    pub fn create(&self, content: &[u8], rng: &dyn Rng) -> Result<(), KeyFileError> {
        self.write(content, rng, Existing::Keep)
    }

    /// Seals `content` into a file that takes the place of the one before: after a power cut either of them is found.
    pub fn replace(&self, content: &[u8], rng: &dyn Rng) -> Result<(), KeyFileError> {
        self.write(content, rng, Existing::Replace)
    }

    /// The content. A file that others may read, that was changed or cut off, or that another master key sealed, is
    /// refused.
    pub fn open(&self) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
        unseal(self.magic, self.path, &self.master)
    }

    /// What to say about a file whose content cannot be read although its seal is good.
    pub fn not_ours(&self) -> KeyFileError {
        KeyFileError::NotAKeyFile { path: self.path.to_owned() }
    }

    fn write(&self, content: &[u8], rng: &dyn Rng, existing: Existing) -> Result<(), KeyFileError> {
        let sealed = seal(self.magic, &self.master, content, rng)?;
        private_file::write(self.path, &sealed, existing).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: self.path.to_owned() },
            _ => KeyFileError::Io { path: self.path.to_owned(), source },
        })
    }
}

impl fmt::Debug for Seal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("path", &self.path).finish_non_exhaustive()
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

fn seal(magic: &[u8], master: &[u8; 32], content: &[u8], rng: &dyn Rng) -> Result<Vec<u8>, KeyFileError> {
    let mut salt = [0; SALT_LEN];
    rng.fill(&mut salt)?;
    let derived = Derived::new(master, &salt).ok_or(KeyFileError::MasterKey)?;
    let mut body = Zeroizing::new(content.to_vec());
    let body_len = body.len() + AES_256_GCM.tag_len();
    let total = magic.len() + 8 + SALT_LEN + CHECK_LEN + body_len + digest::SHA256_OUTPUT_LEN;
    let mut file = Vec::with_capacity(total);
    file.extend_from_slice(magic);
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

fn unseal(magic: &[u8], path: &Path, master: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let path = || path.to_owned();
    let file = read(&path())?;
    let not_ours = || KeyFileError::NotAKeyFile { path: path() };
    let rest = file.strip_prefix(magic).ok_or_else(not_ours)?;
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
    let (header, body) = content.split_at_checked(magic.len() + 8 + SALT_LEN + CHECK_LEN).ok_or_else(edited)?;
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
        .map_err(|_| edited())?
        .len();
    body.truncate(opened);
    Ok(body)
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
