//! Keys in one file that is sealed under a master key: the default.
//!
//! A record is: name (1 + text) ‖ version (4) ‖ algorithm (1) ‖ created (8) ‖ retired (1) ‖ key (as its algorithm's are
//! long).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use domain::Timestamp;
use secrecy::SecretString;
use server_kit::keystore::{KeyFileError, Seal};
use server_kit::rng::SharedRng;
use zeroize::Zeroizing;

use super::HsmError;
use super::device::{Device, NewKey, Primitives, Session, Source};
use super::directory::{Directory, Entry};
use super::key::{Algorithm, KeyInfo, KeyName};
use super::software::{InProcess, SoftKey};
use super::transport::ClearKey;

const MAGIC: &[u8] = b"bankhub hsm 1\n";

/// One version of a key as it stands in the file.
#[derive(Debug)]
struct Record {
    name: KeyName,
    version: u32,
    created: Timestamp,
    retired: bool,
    key: ClearKey,
}

/// The keys in the file, and those that are in use.
pub(super) struct SealedKeys {
    path: PathBuf,
    master: SecretString,
    rng: SharedRng,
    keys: RwLock<Arc<Directory<SoftKey>>>,
}

impl SealedKeys {
    /// Opens the file, or makes it, without a key, when there is none.
    pub(super) fn open_or_create(path: PathBuf, master: SecretString, rng: SharedRng) -> Result<Self, HsmError> {
        let seal = Seal::new(MAGIC, &path, &master)?;
        let records = match read(&seal) {
            Err(KeyFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                seal.create(&[], &*rng)?;
                Vec::new()
            }
            records => records?,
        };
        let keys = RwLock::new(Arc::new(prepare(&records)?));
        Ok(Self { path, master, rng, keys })
    }

    /// Changes what is in the file while nobody else does, and then what is in use.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Record>) -> Result<T, HsmError>) -> Result<T, HsmError> {
        let _lock = self.lock()?;
        let seal = Seal::new(MAGIC, &self.path, &self.master)?;
        let mut records = read(&seal)?;
        let changed = change(&mut records)?;
        let prepared = prepare(&records)?;
        seal.replace(&encode(&records), &*self.rng)?;
        self.use_from_now_on(prepared);
        Ok(changed)
    }

    /// Held until the file is dropped. It is another file than the sealed one, since that one is replaced.
    fn lock(&self) -> Result<File, HsmError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let failed = |source| HsmError::File(KeyFileError::Io { path: PathBuf::from(&path), source });
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn use_from_now_on(&self, keys: Directory<SoftKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn in_use(&self) -> Arc<Directory<SoftKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for SealedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Device for SealedKeys {
    type Session = SoftSession;

    fn session(&self) -> Result<SoftSession, HsmError> {
        Ok(SoftSession(self.in_use()))
    }

    fn install(&self, new: &NewKey<'_>) -> Result<KeyInfo, HsmError> {
        let name = new.name;
        let version = self.change(|records| {
            let key = match &new.source {
                Source::Random => ClearKey::random(new.algorithm, &*self.rng)?,
                Source::Clear(key) => (*key).clone(),
                Source::Wrapped { under, key } => key.unwrap(name, under, &current(records, under)?.key)?,
            };
            let version = prepare(records)?.next_version(name);
            records.push(Record { name: name.clone(), version, created: new.created, retired: false, key });
            Ok(version)
        })?;
        self.in_use().info(name, version)
    }

    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError> {
        self.change(|records| {
            let record = records.iter_mut().find(|record| record.name == *name && record.version == version);
            let record = record.ok_or_else(|| HsmError::UnknownVersion { name: name.clone(), version })?;
            record.retired = true;
            Ok(())
        })
    }

    fn reload(&self) -> Result<(), HsmError> {
        let records = read(&Seal::new(MAGIC, &self.path, &self.master)?)?;
        self.use_from_now_on(prepare(&records)?);
        Ok(())
    }
}

/// The keys as they were when the session began.
#[derive(Debug)]
pub(super) struct SoftSession(Arc<Directory<SoftKey>>);

impl Session for SoftSession {
    fn directory(&self) -> &Directory<SoftKey> {
        &self.0
    }
}

impl Primitives for SoftSession {
    type Key = SoftKey;

    fn encrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        InProcess.encrypt(key, block)
    }

    fn decrypt(&self, key: &SoftKey, block: &mut [u8]) -> Result<(), HsmError> {
        InProcess.decrypt(key, block)
    }

    fn chain(&self, key: &SoftKey, blocks: &[u8]) -> Result<[u8; 8], HsmError> {
        InProcess.chain(key, blocks)
    }

    fn cmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 16], HsmError> {
        InProcess.cmac(key, message)
    }

    fn hmac(&self, key: &SoftKey, message: &[u8]) -> Result<[u8; 32], HsmError> {
        InProcess.hmac(key, message)
    }
}

/// The record of the key that is current by the rule of [`Directory::current`].
fn current<'a>(records: &'a [Record], name: &KeyName) -> Result<&'a Record, HsmError> {
    let last = records.iter().filter(|record| record.name == *name).max_by_key(|record| record.version);
    last.filter(|record| !record.retired).ok_or_else(|| HsmError::NoCurrentKey { name: name.clone() })
}

fn prepare(records: &[Record]) -> Result<Directory<SoftKey>, HsmError> {
    let entry = |record: &Record| {
        Ok(Entry {
            name: record.name.clone(),
            version: record.version,
            algorithm: record.key.algorithm(),
            created: record.created,
            kcv: record.key.kcv(&record.name)?,
            retired: record.retired,
            key: SoftKey::prepare(&record.key)?,
        })
    };
    Directory::of(records.iter().map(entry).collect::<Result<_, HsmError>>()?)
}

fn read(seal: &Seal<'_>) -> Result<Vec<Record>, KeyFileError> {
    // The seal proves that these records are ours; one that cannot be read is of a program newer than this one.
    decode(&seal.open()?).ok_or_else(|| seal.not_ours())
}

fn encode(records: &[Record]) -> Zeroizing<Vec<u8>> {
    // Enough for the longest record, so that no copy stays behind where the bytes had no room to grow.
    let mut bytes = Zeroizing::new(Vec::with_capacity(records.len() * 192));
    for record in records {
        let name = record.name.to_string();
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&record.version.to_be_bytes());
        bytes.push(record.key.algorithm().number());
        bytes.extend_from_slice(&record.created.micros().to_be_bytes());
        bytes.push(u8::from(record.retired));
        bytes.extend_from_slice(record.key.bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = decode_one(bytes)?;
        records.push(record);
        bytes = rest;
    }
    Some(records)
}

fn decode_one(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, bytes) = bytes.split_first()?;
    let (name, bytes) = bytes.split_at_checked(usize::from(*length))?;
    let (version, bytes) = bytes.split_first_chunk::<4>()?;
    let (algorithm, bytes) = bytes.split_first()?;
    let (created, bytes) = bytes.split_first_chunk::<8>()?;
    let (retired, bytes) = bytes.split_first()?;
    let algorithm = Algorithm::of_number(*algorithm)?;
    let (key, rest) = bytes.split_at_checked(algorithm.key_len())?;
    let record = Record {
        name: std::str::from_utf8(name).ok()?.parse().ok()?,
        version: u32::from_be_bytes(*version),
        created: Timestamp::from_micros(i64::from_be_bytes(*created)),
        retired: *retired != 0,
        key: ClearKey::new(algorithm, key).ok()?,
    };
    Some((record, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let names = prop::sample::select(&["cvk-credit", "pvv", "terminal-pin:t1", "key-transport:office"]);
        let algorithms = prop::sample::select(&Algorithm::ALL);
        let record = (names, algorithms, any::<(u32, i64, bool)>(), any::<u64>());
        let record = record.prop_map(|(name, algorithm, (version, created, retired), seed)| Record {
            name: name.parse().unwrap(),
            version,
            created: Timestamp::from_micros(created),
            retired,
            key: ClearKey::random(algorithm, &server_kit::rng::SeededRng::new(seed)).unwrap(),
        });
        prop::collection::vec(record, 0..10)
    }

    proptest! {
        #[test]
        fn records_are_read_as_they_were_written(records in records()) {
            let bytes = encode(&records);
            prop_assert_eq!(encode(&decode(&bytes).unwrap()), bytes);
        }

        #[test]
        fn what_is_no_record_is_refused(records in records(), cut in 1_usize..20, bytes in any::<[u8; 40]>()) {
            let mut written = encode(&records).to_vec();
            written.truncate(written.len().saturating_sub(cut));
            prop_assert!(decode(&written).is_none_or(|read| read.len() < records.len() || records.is_empty()));
            let _ = decode(&bytes);
        }
    }
}
