//! The phone's own files: sealed with AES-256-GCM under a key that lies in the secure store, and replaced as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::{Failure, Trouble};
use crate::platform;
use crate::secure_store::SecureStore;

/// Under which name the key lies in the secure store.
const KEY_NAME: &str = "bankhub.data-key";
const KEY_BYTES: usize = 32;

/// A folder of sealed files. A file that was moved to another name, or was written under another key, cannot be opened.
#[derive(Clone)]
pub(crate) struct Vault {
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder {
        folder: Arc<Path>,
        key: Arc<LessSafeKey>,
    },
    /// Gone with the process.
    Memory(Arc<Mutex<Files>>),
}

type Files = BTreeMap<String, Zeroizing<Vec<u8>>>;

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = if let Place::Folder { folder, .. } = &self.place { Some(folder) } else { None };
        f.debug_struct("Vault").field("folder", &folder).finish_non_exhaustive()
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a write has to outlive a power cut before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// At once.
    Now,
    /// It may be lost.
    Perhaps,
}

impl Vault {
    /// Opens the folder, with the key that is in the store or a new one.
    pub(crate) async fn open(folder: &Path, store: &dyn SecureStore) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(|_| Trouble::DiskFailed)?;
        let stored = store.get(KEY_NAME.to_owned()).await.map_err(|_| Trouble::StoreFailed)?.map(Zeroizing::new);
        let key = match stored {
            Some(key) => key,
            None => {
                let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
                platform::fill(&mut key)?;
                store.put(KEY_NAME.to_owned(), key.to_vec()).await.map_err(|_| Trouble::StoreFailed)?;
                key
            }
        };
        let key = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| Trouble::DataUnreadable)?;
        Ok(Self { place: Place::Folder { folder: folder.into(), key: Arc::new(LessSafeKey::new(key)) } })
    }

    /// One that stores nothing on disk.
    pub(crate) fn in_memory() -> Self {
        Self { place: Place::Memory(Arc::default()) }
    }

    /// Removes the key, so that nobody can read the files again.
    pub(crate) async fn forget_key(store: &dyn SecureStore) -> Result<(), Failure> {
        store.remove(KEY_NAME.to_owned()).await.map_err(|_| Trouble::StoreFailed.into())
    }

    /// What was written under this name; none when nothing was. `Err` with `DataUnreadable` when it was not written here.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Trouble> {
        let (folder, key) = match &self.place {
            Place::Folder { folder, key } => (folder, key),
            Place::Memory(files) => return Ok(lock(files).get(name).cloned()),
        };
        let sealed = match fs::read(folder.join(name)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) => return Err(Trouble::DiskFailed),
        };
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(Trouble::DataUnreadable)?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(nonce, Aad::from(name.as_bytes()), &mut rest);
        let length = opened.map_err(|_| Trouble::DataUnreadable)?.len();
        rest.truncate(length);
        Ok(Some(rest))
    }

    /// Writes a file as a whole: either the old one or the new one is found after a power cut.
    pub(crate) fn write(&self, name: &str, content: &[u8], lasting: Lasting) -> Result<(), Trouble> {
        let (folder, key) = match &self.place {
            Place::Folder { folder, key } => (folder, key),
            Place::Memory(files) => {
                lock(files).insert(name.to_owned(), Zeroizing::new(content.to_vec()));
                return Ok(());
            }
        };
        let mut nonce = [0; NONCE_LEN];
        platform::fill(&mut nonce)?;
        let mut sealed = content.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name.as_bytes()), &mut sealed)
            .map_err(|_| Trouble::DiskFailed)?;
        let (path, partial) = (folder.join(name), folder.join(format!("{name}.partial")));
        let written = fs::File::create(&partial).and_then(|mut file| {
            file.write_all(&nonce)?;
            file.write_all(&sealed)?;
            if lasting == Lasting::Now { file.sync_all() } else { Ok(()) }
        });
        written.and_then(|()| fs::rename(&partial, &path)).map_err(|_| Trouble::DiskFailed)
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Trouble> {
        let folder = match &self.place {
            Place::Folder { folder, .. } => folder,
            Place::Memory(files) => {
                lock(files).remove(name);
                return Ok(());
            }
        };
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Trouble::DiskFailed),
            _ => Ok(()),
        }
    }

    /// The files whose names begin so, with their sizes, the oldest first.
    pub(crate) fn files(&self, prefix: &str) -> Result<Vec<(String, u64)>, Trouble> {
        let folder = match &self.place {
            Place::Folder { folder, .. } => folder,
            Place::Memory(files) => {
                let size = |file: &[u8]| u64::try_from(file.len()).unwrap_or(u64::MAX);
                let named = |(name, file): (&String, &Zeroizing<Vec<u8>>)| (name.clone(), size(file));
                return Ok(lock(files).iter().filter(|(name, _)| name.starts_with(prefix)).map(named).collect());
            }
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(|_| Trouble::DiskFailed)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let (true, Ok(about)) = (name.starts_with(prefix), entry.metadata()) {
                found.push((about.modified().ok(), name, about.len()));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, name, size)| (name, size)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure_store::MemorySecureStore;

    #[tokio::test]
    async fn s1_what_is_stored_is_read_again_with_its_key_and_under_its_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = MemorySecureStore::new();
        let vault = Vault::open(folder.path(), &*store).await.unwrap();
        assert_eq!(vault.read("a"), Ok(None));
        vault.write("a", b"a secret thing", Lasting::Now).unwrap();
        vault.write("b", b"another", Lasting::Perhaps).unwrap();
        let again = Vault::open(folder.path(), &*store).await.unwrap();
        assert_eq!(again.read("a").unwrap().unwrap().as_slice(), b"a secret thing");
        let bytes = fs::read(folder.path().join("a")).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"secret"));

        fs::copy(folder.path().join("a"), folder.path().join("c")).unwrap();
        assert_eq!(again.read("c"), Err(Trouble::DataUnreadable), "under another name");
        let other = Vault::open(folder.path(), &*MemorySecureStore::new()).await.unwrap();
        assert_eq!(other.read("a"), Err(Trouble::DataUnreadable), "with another key");
        for length in 0..bytes.len() {
            fs::write(folder.path().join("a"), &bytes[..length]).unwrap();
            assert_eq!(again.read("a"), Err(Trouble::DataUnreadable), "{length}");
        }
        again.remove("a").unwrap();
        again.remove("a").unwrap();
        assert_eq!(again.read("a"), Ok(None));
    }

    #[test]
    fn s1_a_phone_in_memory_reads_what_it_has_written_and_shows_nothing() {
        let vault = Vault::in_memory();
        vault.write("cache-a", b"a secret thing", Lasting::Now).unwrap();
        assert_eq!(vault.clone().read("cache-a").unwrap().unwrap().as_slice(), b"a secret thing");
        assert_eq!(vault.files("cache-").unwrap(), [("cache-a".to_owned(), 14)]);
        assert!(!format!("{vault:?}").contains("secret"));
        vault.remove("cache-a").unwrap();
        assert_eq!(vault.read("cache-a"), Ok(None));
    }
}
