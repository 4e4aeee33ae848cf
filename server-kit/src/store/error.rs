//! What can go wrong with the store, by what the caller can do about it.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
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
    File { path: PathBuf, error: std::io::Error },
}

impl StoreError {
    /// Whether the same transaction, run again, may pass.
    pub fn passes_later(&self) -> bool {
        matches!(self, Self::Conflict | Self::Away(_) | Self::CommitUnknown(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::Conflict,
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // PostgreSQL: serialization failure, deadlock.
                Some("40001" | "40P01") => Self::Conflict,
                // PostgreSQL: connection exceptions, out of resources, operator intervention, read-only standby.
                Some(code) if matches!(code.get(..2), Some("08" | "53" | "57")) || code == "25006" => {
                    Self::Away(error.to_string())
                }
                // SQLite: busy and locked with their extended codes, I/O error, disk full.
                Some("5" | "6" | "261" | "262" | "517" | "10" | "13") => Self::Away(error.to_string()),
                _ => Self::Refused(error.to_string()),
            },
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
