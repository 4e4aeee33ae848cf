//! An empty database for a test, on each engine there is.

use domain::Timestamp;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Dialect, Migrations, Store, StoreError, StoreOptions, Tx};
use crate::clock::SharedClock;
use crate::rng::{Rng as _, SystemRng};

/// Names a PostgreSQL server and a database on it from which tests may create others; unset, tests run on SQLite alone.
pub const POSTGRES: &str = "BANKHUB_TEST_POSTGRES";

/// A database that nobody else uses. It goes when it is dropped, so it must outlive the stores that are opened on it.
#[derive(Debug)]
pub struct TestDatabase {
    options: StoreOptions,
    made: Option<Made>,
}

#[derive(Debug)]
enum Made {
    #[expect(dead_code, reason = "it is there to be dropped")]
    Folder(TempDir),
    /// A database on the server with this URL.
    Database { admin: String, name: String },
}

/// One empty database for each engine. Without PostgreSQL it says so, for whoever reads the test's output.
pub async fn databases() -> Vec<TestDatabase> {
    let mut all = vec![TestDatabase::sqlite()];
    match TestDatabase::postgres().await {
        Some(database) => all.push(database),
        #[allow(clippy::print_stderr, reason = "a test that leaves something out says so")]
        None => eprintln!("skipped on PostgreSQL: {POSTGRES} is not set"),
    }
    all
}

impl Tx {
    /// Has the transaction take place at a time of the test's own, on PostgreSQL too.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }
}

#[allow(clippy::expect_used, clippy::panic, reason = "a test without its database has failed")]
impl TestDatabase {
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
        Self { options: StoreOptions::new(&url), made: Some(Made::Folder(folder)) }
    }

    /// A new database on the server of [`POSTGRES`]; nothing if that is not set.
    pub async fn postgres() -> Option<Self> {
        let admin = std::env::var(POSTGRES).ok()?;
        let mut bytes = [0; 16];
        SystemRng::new().fill(&mut bytes).expect("randomness");
        let name = format!("bankhub_test_{}", Uuid::from_bytes(bytes).simple());
        as_admin(&admin, format!("CREATE DATABASE {name}")).await.expect("a new database");
        let (server, _) = admin.rsplit_once('/').expect("a URL with a database");
        let options = StoreOptions::new(&format!("{server}/{name}"));
        Some(Self { options, made: Some(Made::Database { admin, name }) })
    }

    /// A database that another process has made, and takes away.
    pub fn of_another_process(url: &str) -> Self {
        Self { options: StoreOptions::new(url), made: None }
    }

    pub fn dialect(&self) -> Dialect {
        if self.options.url.starts_with("sqlite:") { Dialect::Sqlite } else { Dialect::Postgres }
    }

    pub fn url(&self) -> &str {
        &self.options.url
    }

    /// Opens it, as often as the test restarts its subject.
    pub async fn open(&self, migrations: &Migrations, clock: SharedClock) -> Result<Store, StoreError> {
        Store::open(&self.options, migrations, clock).await
    }

    /// Breaks every connection to it; SQLite has none that could break.
    pub async fn cut_connections(&self) {
        let Some(Made::Database { admin, name }) = &self.made else { return };
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        as_admin(admin, sql).await.expect("connections are ended");
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(Made::Database { admin, name }) = self.made.take() else { return };
        let remove = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime
                .block_on(as_admin(&admin, format!("DROP DATABASE {name} WITH (FORCE)")))
                .map_err(std::io::Error::other)
        };
        // The test's own runtime cannot be waited on here. What cannot be removed goes with the throw-away server.
        let _ = std::thread::spawn(remove).join();
    }
}

async fn as_admin(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(sql)).await?;
    connection.close().await
}
