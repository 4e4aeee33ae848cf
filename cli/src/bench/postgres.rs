//! Databases for the bench, and PostgreSQL's own benchmark on the same server in the same run.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Why PostgreSQL could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    #[error("{program} could not be run: {source}")]
    Spawn { program: &'static str, source: std::io::Error },
    #[error("{program} failed: {message}")]
    Failed { program: &'static str, message: String },
    #[error("{0} is not the URL of a database")]
    Url(String),
    #[error("pgbench printed no tps")]
    NoTps,
}

async fn output(program: &'static str, arguments: &[&str]) -> Result<String, PostgresError> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.map_err(|source| PostgresError::Spawn { program, source })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(PostgresError::Failed { program, message });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Makes an empty database beside the one that `server` names, and gives its URL.
pub async fn new_database(server: &str, name: &str) -> Result<String, PostgresError> {
    let (base, _) = server.rsplit_once('/').ok_or_else(|| PostgresError::Url(server.to_owned()))?;
    let name = full_name(name);
    for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
        output("psql", &["--no-psqlrc", "--quiet", "--dbname", server, "--command", &sql]).await?;
    }
    Ok(format!("{base}/{name}"))
}

fn full_name(name: &str) -> String {
    format!("bankhub_bench_{}", name.replace('-', "_"))
}

/// Removes the database that [`new_database`] may have made under this name.
pub async fn drop_if_there(server: &str, name: &str) -> Result<(), PostgresError> {
    let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", full_name(name));
    output("psql", &["--no-psqlrc", "--quiet", "--dbname", server, "--command", &sql]).await.map(drop)
}

/// Removes a database that [`new_database`] has made on a server.
pub async fn drop_database(server: &str, url: &str) -> Result<(), PostgresError> {
    let (_, name) = url.rsplit_once('/').ok_or_else(|| PostgresError::Url(url.to_owned()))?;
    let sql = format!("DROP DATABASE {name} WITH (FORCE)");
    output("psql", &["--no-psqlrc", "--quiet", "--dbname", server, "--command", &sql]).await.map(drop)
}

/// Does for a database that was just filled what the server does by itself in the course of a year: dead rows are cleared,
/// statistics are taken, and what is still in memory goes to the disk, so that none of it falls into a measurement.
pub async fn tidy_up(database: &str) -> Result<(), PostgresError> {
    let psql = async |sql: &str| {
        output("psql", &["--no-psqlrc", "--quiet", "--dbname", database, "--command", sql]).await.map(drop)
    };
    psql("VACUUM (ANALYZE)").await?;
    // Not every user may ask for a checkpoint; the server makes them by itself, too.
    let _ = psql("CHECKPOINT").await;
    Ok(())
}

/// PostgreSQL's own benchmark, its TPC-B-like script with 8 clients.
#[derive(Debug)]
pub struct Tpcb {
    database: String,
}

impl Tpcb {
    pub async fn prepare(server: &str) -> Result<Self, PostgresError> {
        let database = new_database(server, "tpcb").await?;
        output("pgbench", &["--initialize", "--scale=10", "--quiet", &database]).await?;
        Ok(Self { database })
    }

    /// The transactions a second. Each time pgbench first clears its tables of what the run before has left, as it does by itself.
    pub async fn run(&self, span: Duration) -> Result<f64, PostgresError> {
        let seconds = format!("--time={}", span.as_secs().max(1));
        let arguments = ["--client=8", "--jobs=2", "--protocol=prepared", &seconds, &self.database];
        output("pgbench", &arguments).await?.lines().find_map(tps).ok_or(PostgresError::NoTps)
    }
}

fn tps(line: &str) -> Option<f64> {
    line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tps_of_pgbench_are_read() {
        assert_eq!(tps("tps = 1234.5 (without initial connection time)"), Some(1234.5));
        assert_eq!(tps("latency average = 3 ms"), None);
    }
}
