//! `bankhub doctor`: whether what a server stands on is whole: certificates, keys, storage, books and log.

mod certificates;
pub mod command;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use serde::Deserialize;
use server_kit::audit;
use server_kit::clock::SystemClock;
use server_kit::config::{ConfigError, SecretRef};
use server_kit::keystore::{KeyStore, SealedFile};
use server_kit::store::{Dialect, Migrations, Store, StoreError, StoreOptions};
use server_kit::tls::{ServerTls, ServerTlsConfig};

use crate::error::in_full;
use crate::serve::{ADAPTER_PREFIX, HUB_PREFIX};

/// Why the doctor could not look.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which server a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    Hub,
    Adapter,
}

impl ServerKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Hub => HUB_PREFIX,
            Self::Adapter => ADAPTER_PREFIX,
        }
    }

    pub fn migrations(self) -> Migrations {
        match self {
            Self::Hub => hub::migrations(),
            Self::Adapter => bank_adapter::migrations(),
        }
    }
}

/// The part of a server's configuration that both servers have in common: where things are. Other keys are for the server
/// itself, and `config check` looks at them.
#[derive(Clone, Debug, Deserialize)]
pub struct Files {
    pub federation: String,
    #[serde(default)]
    pub bank_id: String,
    pub tls: ServerTlsConfig,
    pub database: DatabaseFiles,
    pub keys: KeyFiles,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DatabaseFiles {
    pub url: String,
    #[serde(default)]
    pub password: Option<SecretRef>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct KeyFiles {
    pub file: PathBuf,
    pub master: SecretRef,
}

impl Files {
    /// Reads where things are, in the server's own layers.
    pub fn load(kind: ServerKind, file: &Path, settings: &[(String, String)]) -> Result<Self, ConfigError> {
        server_kit::config::load(Some(file), kind.prefix(), settings)
    }

    /// The keys, opened.
    pub fn open_keys(&self) -> Result<SealedFile, String> {
        let master = self.keys.master.read().map_err(|error| in_full(&error))?;
        SealedFile::open(&self.keys.file, &master).map_err(|error| in_full(&error))
    }

    /// The database, opened as the server does it; on SQLite only while the server is stopped.
    pub async fn open_store(&self, kind: ServerKind) -> Result<Store, DoctorError> {
        let password = self.database.password.as_ref().map(SecretRef::read).transpose()?;
        let options = StoreOptions { password, ..StoreOptions::new(&self.database.url) };
        Ok(Store::open(&options, &kind.migrations(), SystemClock::shared()).await?)
    }
}

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Bad,
    /// It could not be made, because another one failed.
    Skipped,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    pub verdict: Verdict,
    pub detail: String,
}

impl Check {
    pub fn new(name: &str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), verdict, detail: detail.into() }
    }

    fn of<T>(name: &str, result: &Result<T, String>, good: impl FnOnce(&T) -> String) -> Self {
        match result {
            Ok(value) => Self::new(name, Verdict::Good, good(value)),
            Err(detail) => Self::new(name, Verdict::Bad, detail.clone()),
        }
    }
}

/// Looks at everything that one server stands on.
pub async fn examine(kind: ServerKind, files: &Files) -> Vec<Check> {
    let mut checks = certificates::check(kind, files);
    let tls = ServerTls::load(&files.tls, &files.federation).map_err(|error| in_full(&error));
    checks.push(Check::of("key of the certificate", &tls, |_| "belongs to the certificate".to_owned()));
    let keys = files.open_keys();
    checks.push(Check::of("sealed keys", &keys, |_| format!("{} opens", files.keys.file.display())));
    if let Ok(keys) = &keys {
        let missing = keys.missing();
        let (verdict, detail) = match missing.as_slice() {
            [] => (Verdict::Good, "all that this version needs".to_owned()),
            missing => (Verdict::Bad, format!("{missing:?} are missing: `bankhub keys … complete` adds them")),
        };
        checks.push(Check::new("complete keys", verdict, detail));
    }
    let store = files.open_store(kind).await.map_err(|error| in_full(&error));
    checks.push(Check::of("storage", &store, settings_of));
    match &store {
        Ok(store) => {
            checks.push(books(kind, store).await);
            match keys {
                Ok(keys) => checks.extend(log_chains(store, Arc::new(keys).as_ref()).await),
                Err(_) => {
                    checks.push(Check::new("log", Verdict::Skipped, "its heads cannot be checked without the keys"))
                }
            }
            store.close().await;
        }
        Err(_) => {
            checks.push(Check::new("books", Verdict::Skipped, "the database is not open"));
            checks.push(Check::new("log", Verdict::Skipped, "the database is not open"));
        }
    }
    checks
}

/// What opening has made sure of.
fn settings_of(store: &Store) -> String {
    match store.dialect() {
        Dialect::Sqlite => "SQLite, journal in WAL mode, synchronous FULL, nobody else has it open".to_owned(),
        Dialect::Postgres => "PostgreSQL, fsync and synchronous_commit on".to_owned(),
    }
}

/// The server's own check of its books.
pub async fn books(kind: ServerKind, store: &Store) -> Check {
    let found = match kind {
        ServerKind::Hub => hub::check_books(store).await.map(|report| {
            let what =
                format!("{} payments, {} purchases, {} events", report.payments, report.purchases, report.events);
            (what, report.faults)
        }),
        ServerKind::Adapter => bank_adapter::check_books(store).await.map(|report| {
            let what = format!(
                "{} accounts, {} legs, {} transfers; debits equal credits",
                report.accounts, report.legs, report.transfers
            );
            (what, report.faults)
        }),
    };
    match found {
        Ok((what, faults)) if faults.is_empty() => Check::new("books", Verdict::Good, what),
        Ok((_, faults)) => Check::new("books", Verdict::Bad, faults.join("\n")),
        Err(error) => Check::new("books", Verdict::Bad, in_full(&error)),
    }
}

/// Every chain of the log, computed again.
pub async fn log_chains(store: &Store, keys: &dyn KeyStore) -> Vec<Check> {
    match audit::verify(store, keys).await {
        Ok(reports) if reports.is_empty() => vec![Check::new("log", Verdict::Good, "empty")],
        Ok(reports) => reports
            .into_iter()
            .map(|report| {
                let name = format!("log {}", report.chain);
                if report.faults.is_empty() {
                    let detail = format!("{} entries whole, {} signed heads", report.entries, report.signed_heads);
                    Check::new(&name, Verdict::Good, detail)
                } else {
                    Check::new(&name, Verdict::Bad, report.faults.join("\n"))
                }
            })
            .collect(),
        Err(error) => vec![Check::new("log", Verdict::Bad, in_full(&error))],
    }
}
