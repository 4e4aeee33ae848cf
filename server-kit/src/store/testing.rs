//! An empty database for a test, on each engine there is.

use tempfile::TempDir;
use uuid::Uuid;

use super::{Dialect, Migrations, Store, StoreError, StoreOptions};
use crate::clock::SharedClock;
use crate::rng::{Rng as _, SystemRng};

/// Names a PostgreSQL server and a database on it from which tests may create others; unset, tests run on SQLite alone.
pub const POSTGRES: &str = "BANKHUB_TEST_POSTGRES";

/// A database that nobody else uses. Its files go when it is dropped; on PostgreSQL the throw-away server goes as a whole.
#[derive(Debug)]
pub struct TestDatabase {
    options: StoreOptions,
    _folder: Option<TempDir>,
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

#[allow(clippy::expect_used, clippy::panic, reason = "a test without its database has failed")]
impl TestDatabase {
    pub fn sqlite() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
        Self { options: StoreOptions::new(&url), _folder: Some(folder) }
    }

    /// A new database on the server of [`POSTGRES`]; nothing if that is not set.
    pub async fn postgres() -> Option<Self> {
        let admin = std::env::var(POSTGRES).ok()?;
        let mut bytes = [0; 16];
        SystemRng::new().fill(&mut bytes).expect("randomness");
        let name = format!("bankhub_test_{}", Uuid::from_bytes(bytes).simple());
        let pool = sqlx::PgPool::connect(&admin).await.expect("the PostgreSQL server for tests");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&pool).await.expect("a new database");
        pool.close().await;
        let (server, _) = admin.rsplit_once('/').expect("a URL with a database");
        Some(Self { options: StoreOptions::new(&format!("{server}/{name}")), _folder: None })
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
}
