//! Hearing what other replicas have committed: LISTEN and NOTIFY of PostgreSQL. A notice is a hint, not a message:
//! whoever was not listening reads the tables.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use super::{Pools, Store, StoreError};

/// After so long without a notice the connection is tried, for a connection that is cut says nothing.
const QUIET: Duration = Duration::from_secs(15);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody's notice.
    Notice(String),
    /// The connection was lost and is there again: notices may have been missed.
    Gap,
}

/// Hears the notices of one channel, on a connection of its own.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Store {
    /// Listens on a channel; none on SQLite, which has no other replica to hear.
    pub async fn listen(&self, channel: &str) -> Result<Option<Listener>, StoreError> {
        let Pools::Postgres { read, .. } = &self.pools else { return Ok(None) };
        let own: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(PATIENCE)
            .connect_with((*read.connect_options()).clone())
            .await?;
        let mut inner = PgListener::connect_with(&own).await?;
        inner.listen(channel).await?;
        Ok(Some(Listener { inner }))
    }
}

impl Listener {
    /// Waits for the next notice. After an error the listener is of no more use.
    pub async fn next(&mut self) -> Result<Heard, StoreError> {
        loop {
            match timeout(QUIET, self.inner.try_recv()).await {
                Ok(heard) => return Ok(heard?.map_or(Heard::Gap, |notice| Heard::Notice(notice.payload().to_owned()))),
                Err(_) => self.ping().await?,
            }
        }
    }

    async fn ping(&mut self) -> Result<(), StoreError> {
        match timeout(PATIENCE, sqlx::query("SELECT 1").execute(&mut self.inner)).await {
            Ok(answer) => Ok(answer.map(|_| ())?),
            Err(_) => Err(StoreError::Away("the connection that listens does not answer".to_owned())),
        }
    }
}
