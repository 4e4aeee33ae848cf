//! A database for each server of a federation: the file that the launcher makes, or a database of its own on the server that
//! `tests/run` starts.

use std::str::FromStr as _;

use server_kit::rng::{Rng as _, SystemRng};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

/// Names the PostgreSQL server of the tests: `postgres://user@host:port/postgres`, allowed to create databases.
pub const POSTGRES: &str = "BANKHUB_TEST_POSTGRES";

/// Where a federation keeps its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// Whether tests on this engine can run here. Those that cannot say so; `tests/run` makes sure that they can.
    pub fn is_there(self) -> bool {
        let there = self == Self::Sqlite || postgres().is_some();
        if !there {
            println!("skipped: no PostgreSQL; {POSTGRES} names no server");
        }
        there
    }
}

fn postgres() -> Option<String> {
    std::env::var(POSTGRES).ok().filter(|url| !url.is_empty())
}

/// The database of one server, or of the replicas of one hub.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name on the PostgreSQL server; none for a file.
    name: Option<String>,
}

impl Database {
    /// A new, empty database called after `server`.
    pub async fn create(engine: Engine, server: &str) -> Self {
        if engine == Engine::Sqlite {
            return Self { name: None };
        }
        let name = format!("bankhub_test_{}_{}", server.replace('-', "_"), random_name());
        let mut admin = admin().await;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        Self { name: Some(name) }
    }

    /// Where it is, if it is not a file.
    pub fn url(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(admin_options().database(name).to_url_lossy().to_string())
    }

    /// Sets a parameter that every new connection to this database begins with.
    pub async fn set_parameter(&self, parameter: &str, value: &str) {
        let Some(name) = &self.name else { panic!("only PostgreSQL has parameters of a database") };
        let mut admin = admin().await;
        let sql = format!("ALTER DATABASE {name} SET {parameter} = {value}");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    }

    /// Ends every connection to the database, as a server that fails over does. A file has none.
    pub async fn disconnect(&self) {
        let Some(name) = &self.name else { return };
        let mut admin = admin().await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        sqlx::query(sql).bind(name).execute(&mut admin).await.unwrap();
    }

    /// All that is in it, as text; nothing for a file, which can be read as it is, or where PostgreSQL's own `pg_dump` is not at hand.
    pub async fn dump(&self) -> Option<Vec<u8>> {
        // What stands behind the question mark is for sqlx.
        let url = self.url()?.split('?').next()?.to_owned();
        let mut dump = tokio::process::Command::new("pg_dump");
        let output =
            dump.args(["--data-only", "--inserts", "--dbname"]).arg(url).kill_on_drop(true).output().await.ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    }

    /// Drops a database that nobody needs any more. One whose test failed is left to be looked at.
    pub async fn remove(&self) {
        let Some(name) = &self.name else { return };
        let mut admin = admin().await;
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        sqlx::query(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    }
}

fn admin_options() -> PgConnectOptions {
    let url = postgres().unwrap_or_else(|| panic!("{POSTGRES} is not set"));
    PgConnectOptions::from_str(&url).unwrap()
}

async fn admin() -> PgConnection {
    PgConnection::connect_with(&admin_options()).await.unwrap()
}

fn random_name() -> String {
    let mut bytes = [0; 8];
    SystemRng::new().fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
