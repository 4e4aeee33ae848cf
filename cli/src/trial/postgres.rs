//! Databases on a PostgreSQL server that is there already.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use super::TrialError;

/// A database, and where its password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// Without a password.
    pub url: String,
    /// `file:/path` of the password, if the URL had one.
    pub password: Option<String>,
}

/// Makes the database `name` on the server that `url` names, or finds it; with `fresh` an older one is dropped first. The
/// password of the URL goes into `password_file`, since configurations hold no secrets.
pub async fn database(url: &str, name: &str, password_file: &Path, fresh: bool) -> Result<Database, TrialError> {
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_name {
        return Err(TrialError::Name { name: name.to_owned(), reason: domain::Reason::NameMalformed });
    }
    let mut server = PgConnectOptions::from_str(url)?.disable_statement_logging().connect().await?;
    if fresh {
        // The name was checked above, and identifiers cannot be parameters.
        server.execute(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))).await?;
    }
    let known = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name).fetch_optional(&mut server);
    if known.await?.is_none() {
        server.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    }
    server.close().await?;
    let (plain, password) = split(url, name);
    let password = match password {
        Some(password) => {
            write_private(password_file, &password)
                .map_err(|source| TrialError::File { path: password_file.to_owned(), source })?;
            Some(format!("file:{}", password_file.display()))
        }
        None => None,
    };
    Ok(Database { url: plain, password })
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// The URL of another database of the same server without its password, and the password.
fn split(url: &str, name: &str) -> (String, Option<String>) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (before, query) = rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
    let authority = before.split('/').next().unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let (user, password) = match user.and_then(|user| user.split_once(':')) {
        Some((user, password)) => (Some(user), Some(decoded(password))),
        None => (user, None),
    };
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    (format!("{scheme}://{user}{host}/{name}{query}"), password)
}

/// Text as it is behind the %XX of a URL.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_leaves_the_url_and_the_database_changes() {
        let plain = |url| split(url, "books");
        assert_eq!(plain("postgres://ann@host:5433/postgres"), ("postgres://ann@host:5433/books".to_owned(), None));
        let (url, password) = plain("postgres://ann:p%40ss@host/postgres?sslmode=disable");
        assert_eq!(url, "postgres://ann@host/books?sslmode=disable");
        assert_eq!(password.as_deref(), Some("p@ss"));
        let socket = plain("postgres://ann@localhost/postgres?host=/run/postgresql").0;
        assert_eq!(socket, "postgres://ann@localhost/books?host=/run/postgresql");
    }
}
