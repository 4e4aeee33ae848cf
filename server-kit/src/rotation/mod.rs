//! Keys of columns change while everything runs (ADR 40).
//!
//! A new version of a key is put into the key files and read with at once; it is *announced*. When every server that lives holds it, the
//! database says so and it is *written with*. Then the rows that were written before are *rewritten*, a bounded page at a time, and a
//! version under which nothing is left can be *retired*. What a server knows of its columns is a table of [`Column`]s; the rules are
//! `domain::key_rotation`; the tables are in the migrations of both servers.

mod column;
mod config;
mod count;
mod sql;
mod steps;
mod task;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

pub use column::{Column, Kind, Plain, Sort, cursor_of};
pub use config::RotationConfig;

use crate::audit::{Chain, HeldChain};
use crate::config::SecretRef;
use crate::keystore::{KeyError, KeyFileError, KeyName, KeyStore, SealedFile, SharedKeyStore};
use crate::rng::SystemRng;
use crate::store::{GroupWriter, Owner, Store, StoreError, Tx, WriterOptions};
use domain::Reason;
use domain::key_rotation::{Standing, Status, may_retire};
use steps::{Done, KeySteps, Step};

/// How a server goes about it.
#[derive(Clone, Copy, Debug)]
pub struct RotationOptions {
    /// How often a server says what it holds, and looks what is written with.
    pub every: Duration,
    /// A server that has said nothing for so long is not waited for.
    pub alive: Duration,
    /// A server that has said nothing for so long does not keep a version from being retired.
    pub gone: Duration,
    /// Rows in one transaction.
    pub page: u16,
    /// The least pause between two of them; a page that took long is followed by a longer one.
    pub pause: Duration,
    /// How long a column is a server's that says nothing more of it.
    pub lease: Duration,
    /// How long after a switch columns are rewritten: by then every look-up is over that was made before the version was announced.
    pub settle: Duration,
}

impl Default for RotationOptions {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(5),
            alive: Duration::from_secs(30),
            gone: Duration::from_secs(600),
            page: 200,
            pause: Duration::from_millis(50),
            lease: Duration::from_secs(30),
            settle: Duration::from_secs(15),
        }
    }
}

/// The key file, which is read again when it has changed.
#[derive(Clone, Debug)]
pub struct KeyFile {
    pub keys: Arc<SealedFile>,
    pub master: SecretRef,
}

/// What the rotation of a server's keys stands on.
#[derive(Clone, Debug)]
pub struct RotationParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    /// None where the keys are in memory alone.
    pub file: Option<KeyFile>,
    pub owner: Arc<Owner>,
    pub columns: &'static [Column],
    pub options: RotationOptions,
}

/// Why a server cannot use its keys with its database.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("the key file holds no version {version} of {}, with which the database is written: give this server the file that the others have", .name.as_str())]
    Lacking { name: KeyName, version: u32 },
    #[error("version {version} of {} in the key file is another key than the one that the database was written with", .name.as_str())]
    Foreign { name: KeyName, version: u32 },
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys of a server's columns. Cheap to clone.
#[derive(Clone)]
pub struct Rotation {
    parts: Arc<RotationParts>,
    writer: GroupWriter<KeySteps>,
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").finish_non_exhaustive()
    }
}

impl Rotation {
    /// Makes sure that the keys are those of the database, has the versions be used that it says, and starts the writer. Nothing is to
    /// be sealed, opened or hashed before.
    pub async fn open(parts: RotationParts) -> Result<(Self, JoinHandle<()>), RotationError> {
        let keys = &*parts.keys;
        let mut tx = parts.store.begin().await?;
        let mut log = Vec::new();
        let announced = steps::announce(&mut tx, keys, (parts.owner.name(), parts.options), &mut log).await?;
        steps::adopt(keys, &announced, true)?;
        // What was adopted is said once more, so that nobody takes this server for one that is behind.
        steps::announce(&mut tx, keys, (parts.owner.name(), parts.options), &mut log).await?;
        let chain = HeldChain::from(Chain::new(&format!("{}/keys", parts.owner.name()), parts.keys.clone()));
        if !log.is_empty() {
            chain.append(&mut tx, log).await?;
        }
        tx.commit().await?;
        chain.confirm();
        let parts = Arc::new(parts);
        let steps = KeySteps { chain, parts: parts.clone() };
        let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        Ok((Self { parts, writer }, task))
    }

    /// Reads the key file again. What was used stays in use, if it is still there.
    pub async fn reload(&self) -> Result<(), KeyFileError> {
        let Some(KeyFile { keys, master }) = self.parts.file.clone() else { return Ok(()) };
        let path = keys.path().to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let master = master.read().map_err(|_| KeyFileError::MasterKey)?;
            keys.reload(&master)
        });
        read.await
            .unwrap_or_else(|error| Err(KeyFileError::Io { path, source: std::io::Error::other(error.to_string()) }))
    }

    /// Says what this server holds, and uses what all hold. Called again and again by [`Rotation::run`].
    pub async fn keep_up(&self) -> Result<(), RotationError> {
        let announced = match self.writer.write(Step::Announce).await? {
            Done::Announced(announced) => announced,
            _ => return Ok(()),
        };
        let changed = steps::adopt(&*self.parts.keys, &announced, false)?;
        for (name, version) in announced.retired() {
            if self.parts.keys.held(name).iter().any(|held| held.version == version) {
                self.forget(name, version).await;
            }
        }
        if changed {
            // The others hear at once that this server has followed.
            self.writer.write(Step::Announce).await?;
        }
        Ok(())
    }

    /// Takes a version that was retired out of memory and file.
    async fn forget(&self, name: KeyName, version: u32) {
        self.parts.keys.forget_version(name, version);
        let Some(KeyFile { keys, master }) = self.parts.file.clone() else { return };
        let removed = tokio::task::spawn_blocking(move || {
            let master = master.read().map_err(|_| KeyFileError::MasterKey)?;
            SealedFile::retire(keys.path(), &master, (name, version), &SystemRng::new())
        });
        match removed.await {
            Ok(Ok(())) => tracing::info!(key = name.as_str(), version, "a version of a key is out of the key file"),
            Ok(Err(error)) => tracing::warn!(
                key = name.as_str(),
                version,
                error = &error as &dyn std::error::Error,
                "a version of a key is retired and still stands in the key file"
            ),
            Err(error) => {
                tracing::warn!(key = name.as_str(), version, %error, "a version of a key still stands in the file")
            }
        }
    }

    /// Retires an old version on behalf of `by`, after it was counted that nothing is left under it. `Err` inside with `KeyUnknown`,
    /// `KeyVersionUnknown`, `KeyVersionCurrent`, `KeyVersionAwaited` or `KeyVersionHasRows`. The same again is no error.
    pub async fn retire(&self, name: &str, version: u32, by: &str) -> Result<Result<(), Reason>, StoreError> {
        let Some(name) = KeyName::parse(name).filter(|name| name.may_rotate()) else {
            return Ok(Err(Reason::KeyUnknown));
        };
        // First nobody writes under it any more, then what is left is counted.
        let before = sql::standing(&self.parts.store, (name, version), self.parts.options).await?;
        if before.is_retired {
            return Ok(Ok(()));
        }
        if let Err(reason) = may_retire(Standing { rows: 0, ..before.standing }) {
            return Ok(Err(reason));
        }
        let mut rows = 0_u64;
        for column in self.parts.columns.iter().filter(|column| column.key == name) {
            let counted = count::count(&self.parts.store, &*self.parts.keys, column).await?;
            rows = rows.saturating_add(counted.under(version)).saturating_add(counted.unknown);
        }
        let retire = Step::Retire { name, version, rows, by: by.to_owned() };
        match self.writer.write(retire).await? {
            Done::Retired(result) => Ok(result),
            _ => Ok(Err(Reason::Fault)),
        }
    }

    /// How keys and columns stand, counted anew.
    pub async fn status(&self) -> Result<Status, StoreError> {
        count::status(&self.parts).await
    }
}

/// Makes sure, in the transaction that writes a keyed hash, that it is made under the version that everybody writes: until its end
/// nobody switches to another one. So a hash that has to be the only one is the only one, whichever server writes it. Whoever writes it has
/// looked for it under both hashes in this transaction.
pub async fn pin(tx: &mut Tx, keys: &dyn KeyStore, name: KeyName) -> Result<(), StoreError> {
    match sql::pin(tx, name).await? {
        Some(version) => Ok(keys.use_version(name, version)?),
        // Nothing rotates in a database that no server has opened.
        None => Ok(()),
    }
}
