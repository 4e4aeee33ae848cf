//! What can go wrong with the store, by what the caller can do about it.

use std::path::PathBuf;
use std::sync::Arc;

use domain::Reason;
use sqlx::postgres::PgDatabaseError;

use crate::keystore::KeyError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed or made one of the rows: read again and decide again.
    #[error("a row was changed by somebody else")]
    Conflict,
    /// The database does not answer, or not any more. Nothing of the transaction was kept.
    #[error("the database does not answer: {0}")]
    Away(String),
    /// The connection broke while COMMIT was on its way: whether it was kept is to be read again, never guessed.
    #[error("the outcome of a commit is not known: {0}")]
    CommitUnknown(String),
    /// A row was locked by somebody else for longer than a set may wait. Nothing of the transaction was kept.
    #[error("a row is locked by somebody else: {0}")]
    Locked(String),
    /// The database refuses the statement: a fault of this program or of the schema.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// A stored value cannot be read.
    #[error("column {column} cannot be read: {what}")]
    Unreadable { column: usize, what: String },
    /// The writer is full; the caller may try again.
    #[error("more writes are queued than can be done")]
    Full,
    /// The writer has stopped, because the process is going down.
    #[error("the writer has stopped")]
    Stopped,

    #[error("{url} is neither sqlite:<file> nor postgres://…")]
    UnknownUrl { url: String },
    #[error("the database {path} is in use by another process; one process owns it")]
    InUse { path: PathBuf },
    #[error("{name} is owned by another process")]
    Owned { name: String },
    #[error("this process no longer owns {name}: another one has taken over")]
    Fenced { name: String },
    #[error("the database has migration {found}, which is newer than this program; use a newer program")]
    NewerDatabase { found: i64 },
    #[error("a migration failed: {0}")]
    Migration(String),
    #[error("the setting {setting} is {found}; money needs {wanted}")]
    WeakSetting { setting: &'static str, found: String, wanted: &'static str },
    #[error("cannot use {path}: {error}")]
    File { path: PathBuf, error: Arc<std::io::Error> },
}

impl StoreError {
    /// Whether the same transaction, run again at once, may pass.
    pub fn passes_later(&self) -> bool {
        matches!(self, Self::Conflict | Self::Away(_) | Self::CommitUnknown(_))
    }

    /// Whether one step of a set may be to blame, so that the others may pass without it.
    pub(super) fn is_of_one_step(&self) -> bool {
        matches!(self, Self::Conflict | Self::Locked(_) | Self::Refused(_) | Self::Unreadable { .. })
    }

    /// What a caller is told: what can be done about it, and never the particulars.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Full => Reason::TooBusy,
            Self::Away(_) | Self::CommitUnknown(_) | Self::Conflict | Self::Locked(_) => Reason::StorageAway,
            // Another process goes on under the name of this one, or this one is about to end: another one will answer.
            Self::Stopped | Self::Fenced { .. } | Self::Owned { .. } => Reason::ShuttingDown,
            Self::Refused(_)
            | Self::Unreadable { .. }
            | Self::UnknownUrl { .. }
            | Self::InUse { .. }
            | Self::NewerDatabase { .. }
            | Self::Migration(_)
            | Self::WeakSetting { .. }
            | Self::File { .. } => Reason::Fault,
        }
    }
}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Refused(format!("the key store does not answer: {error}"))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict,
            sqlx::Error::Database(database) => {
                let code = database.code();
                let code = code.as_deref().unwrap_or_default();
                if database.try_downcast_ref::<PgDatabaseError>().is_some() {
                    of_postgres(code, error.to_string())
                } else {
                    of_sqlite(code, error.to_string())
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Away(error.to_string()),
            _ => Self::Refused(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let what = error.to_string();
        match error.sqlite_error().map(|failure| failure.extended_code) {
            // SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY.
            Some(2067 | 1555) => Self::Conflict,
            Some(code) => of_sqlite(&code.to_string(), what),
            None => Self::Refused(what),
        }
    }
}

/// By SQLSTATE (PostgreSQL, Appendix A).
fn of_postgres(code: &str, what: String) -> StoreError {
    match code {
        // Serialization failure, deadlock.
        "40001" | "40P01" => StoreError::Conflict,
        // Lock not available: the time for waiting was over.
        "55P03" => StoreError::Locked(what),
        // A transaction that was idle for too long and was ended, a standby that only reads.
        "25P03" | "25006" => StoreError::Away(what),
        // Connection exceptions, out of resources, operator intervention.
        _ if matches!(code.get(..2), Some("08" | "53" | "57")) => StoreError::Away(what),
        _ => StoreError::Refused(what),
    }
}

/// By SQLite's result code; an extended one has the primary one in its lowest byte.
fn of_sqlite(code: &str, what: String) -> StoreError {
    match code.parse::<u32>().map(|code| code & 0xff) {
        // Busy, locked, I/O error, disk full.
        Ok(5 | 6 | 10 | 13) => StoreError::Away(what),
        _ => StoreError::Refused(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgresql_says_what_can_be_done_by_the_class_of_its_state() {
        for (code, reason, passes_later) in [
            ("40001", Reason::StorageAway, true),
            ("40P01", Reason::StorageAway, true),
            ("55P03", Reason::StorageAway, false),
            ("25P03", Reason::StorageAway, true),
            ("25006", Reason::StorageAway, true),
            ("08006", Reason::StorageAway, true),
            ("53300", Reason::StorageAway, true),
            ("57P01", Reason::StorageAway, true),
            ("42P01", Reason::Fault, false),
            ("", Reason::Fault, false),
        ] {
            let error = of_postgres(code, code.to_owned());
            assert_eq!((error.reason(), error.passes_later()), (reason, passes_later), "{code}");
        }
    }

    #[test]
    fn sqlite_says_it_by_the_lowest_byte_of_its_code() {
        // 1034 is SQLITE_IOERR_FSYNC: at COMMIT nobody knows what is on the disk.
        for code in ["5", "6", "10", "13", "261", "262", "517", "1034", "266", "778", "3850"] {
            assert!(matches!(of_sqlite(code, String::new()), StoreError::Away(_)), "{code}");
        }
        for code in ["1", "8", "11", "19", "1811", "x", ""] {
            assert!(matches!(of_sqlite(code, String::new()), StoreError::Refused(_)), "{code}");
        }
    }

    #[test]
    fn a_caller_hears_what_to_do() {
        let name = || "bank-a/ledger".to_owned();
        for (error, reason) in [
            (StoreError::Full, Reason::TooBusy),
            (StoreError::Conflict, Reason::StorageAway),
            (StoreError::CommitUnknown(String::new()), Reason::StorageAway),
            (StoreError::Stopped, Reason::ShuttingDown),
            (StoreError::Fenced { name: name() }, Reason::ShuttingDown),
            (StoreError::Owned { name: name() }, Reason::ShuttingDown),
            (StoreError::Unreadable { column: 3, what: String::new() }, Reason::Fault),
        ] {
            assert_eq!(error.reason(), reason, "{error}");
        }
    }
}
