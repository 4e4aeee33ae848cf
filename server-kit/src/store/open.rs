//! Opening a database: its settings are checked, its migrations run, and nobody else may own it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, PgPool, SqliteConnection};

use super::local::Local;
use super::readers::Readers;
use super::{Pools, Store, StoreError};
use crate::clock::SharedClock;

/// How long to wait for a connection, a new one or one of the pool's.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);
/// Has the server notice within 11 seconds that this host has gone without a word, and release what it held: rows that it
/// had locked, and names that it owned. The server's own default is two hours.
const KEEP_ALIVE: [(&str, &str); 3] =
    [("tcp_keepalives_idle", "5"), ("tcp_keepalives_interval", "2"), ("tcp_keepalives_count", "3")];

/// 16 MiB of pages for each connection. SQLite looks through all of them at the end of a transaction that has moved pages, and
/// what it does not find there is in the system's memory.
const CACHE_SIZE: &str = "-16384";
/// How the connection that writes is set. FULL has COMMIT wait for the disk.
const SQLITE_SETTINGS: [(&str, &str); 5] = [
    ("journal_mode", "wal"),
    ("synchronous", "full"),
    ("foreign_keys", "on"),
    ("cache_size", CACHE_SIZE),
    // What a statement may have to take back is kept in memory rather than in a temporary file.
    ("temp_store", "memory"),
];

/// The twin migrations of one server: the same file names in two folders, one for each engine.
#[derive(Debug)]
pub struct Migrations {
    pub sqlite: Migrator,
    pub postgres: Migrator,
}

/// Where the database is and how it is reached.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// `sqlite:<file>` or `postgres://user@host/database`.
    pub url: String,
    /// The password for PostgreSQL, kept out of the URL.
    pub password: Option<SecretString>,
    /// Connections that read.
    pub readers: u32,
    /// Connections that write; SQLite always has one.
    pub writers: u32,
}

impl StoreOptions {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), password: None, readers: 4, writers: 4 }
    }
}

impl Store {
    /// Opens the database, checks that its settings keep what was committed, and brings its schema up to date.
    pub async fn open(options: &StoreOptions, migrations: &Migrations, clock: SharedClock) -> Result<Self, StoreError> {
        if let Some(file) = options.url.strip_prefix("sqlite:") {
            open_sqlite(Path::new(file), options, &migrations.sqlite, clock).await
        } else if options.url.starts_with("postgres://") || options.url.starts_with("postgresql://") {
            open_postgres(options, &migrations.postgres, clock).await
        } else {
            let scheme = options.url.split(':').next().unwrap_or_default();
            Err(StoreError::UnknownUrl { url: format!("{scheme}:…") })
        }
    }
}

async fn open_sqlite(
    file: &Path,
    options: &StoreOptions,
    migrations: &Migrator,
    clock: SharedClock,
) -> Result<Store, StoreError> {
    let lock = lock_file(file)?;
    private(file)?;
    let base = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", CACHE_SIZE)
        .disable_statement_logging();
    let mut migrating = SqliteConnection::connect_with(&base).await?;
    migrations.run(&mut migrating).await.map_err(migration_error)?;
    migrating.close().await?;
    let write = Local::open(file, &SQLITE_SETTINGS)?;
    check_sqlite(&write).await?;
    let read = Readers::open(file, options.readers, CACHE_SIZE)?;
    Ok(Store { pools: Pools::Sqlite { write, read }, clock, _lock: Some(Arc::new(lock)) })
}

/// Locks `<file>.lock`, which the system releases when the process ends, however it ends.
fn lock_file(file: &Path) -> Result<File, StoreError> {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let lock = private(&path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: file.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::File { path, error: Arc::new(error) }),
    }
}

/// Opens a file for writing; one that is not there yet is made for its owner only, for a database holds names and purchases.
/// SQLite gives the files beside a database the mode that the database has.
fn private(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    file.map_err(|error| StoreError::File { path: path.to_owned(), error: Arc::new(error) })
}

async fn check_sqlite(write: &Local) -> Result<(), StoreError> {
    for (setting, fits, wanted) in [("synchronous", "2", "2 (FULL)"), ("journal_mode", "wal", "wal")] {
        let found = write.setting(setting).await?;
        if !found.eq_ignore_ascii_case(fits) {
            return Err(StoreError::WeakSetting { setting, found, wanted });
        }
    }
    Ok(())
}

async fn open_postgres(options: &StoreOptions, migrations: &Migrator, clock: SharedClock) -> Result<Store, StoreError> {
    let mut base = PgConnectOptions::from_str(&options.url)
        .map_err(|_| StoreError::UnknownUrl { url: "postgres://…".to_owned() })?
        .application_name("bankhub")
        .statement_cache_capacity(512)
        .options(KEEP_ALIVE)
        .disable_statement_logging();
    if let Some(password) = &options.password {
        base = base.password(password.expose_secret());
    }
    // No statement scans where there is a key: keyed access is planned once, whatever the statistics say about tables that
    // have just been filled.
    let keyed = base.options([
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ]);
    let read = PgPoolOptions::new()
        .max_connections(options.readers)
        .acquire_timeout(ACQUIRE_WITHIN)
        .test_before_acquire(false)
        .connect_with(keyed.clone())
        .await?;
    check_postgres(&read).await?;
    migrations.run(&read).await.map_err(migration_error)?;
    let durable = keyed.options([
        ("synchronous_commit", "on"),
        ("lock_timeout", "1s"),
        ("idle_in_transaction_session_timeout", "15s"),
    ]);
    let write = PgPoolOptions::new()
        .max_connections(options.writers)
        .acquire_timeout(ACQUIRE_WITHIN)
        .test_before_acquire(false)
        .connect_with(durable)
        .await?;
    Ok(Store { pools: Pools::Postgres { write, read }, clock, _lock: None })
}

async fn check_postgres(pool: &PgPool) -> Result<(), StoreError> {
    for (setting, wanted) in [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on or stronger")] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)").bind(setting).fetch_one(pool).await?;
        if matches!(found.as_str(), "off" | "local") {
            return Err(StoreError::WeakSetting { setting, found, wanted });
        }
    }
    Ok(())
}

fn migration_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) => StoreError::NewerDatabase { found },
        other => StoreError::Migration(other.to_string()),
    }
}
