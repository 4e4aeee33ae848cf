//! A connection that a pool of PostgreSQL has lent. It goes back only when the server answers on it: one that does not is closed
//! without a word, for a pool that waits for it would soon have none left.

use std::time::Duration;

use domain::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::StoreError;

/// How long one round trip may take.
const ROUND_TRIP: Duration = Duration::from_secs(5);
/// How long the server may take to answer on a connection whose user broke off.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Lent {
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
}

impl Lent {
    pub(super) async fn by(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self { connection: Some(pool.acquire().await?), in_transaction: false })
    }

    pub(super) fn get(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.connection.as_deref_mut().ok_or(StoreError::Stopped)
    }

    /// Begins a transaction and asks for the time, in one round trip.
    pub(super) async fn begin(&mut self) -> Result<Timestamp, StoreError> {
        const SQL: &str = "BEGIN; SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
        self.in_transaction = true;
        let row = bounded(sqlx::raw_sql(SQL).fetch_one(self.get()?)).await?;
        Ok(Timestamp::from_micros(row.try_get(0)?))
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        bounded(self.get()?.execute("COMMIT")).await?;
        self.give_back();
        Ok(())
    }

    /// Gives the connection back after all that was asked on it has been answered.
    pub(super) fn give_back(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let in_transaction = self.in_transaction;
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(give_back_or_close(connection, in_transaction))),
            Err(_) => drop(connection.detach()),
        }
    }
}

async fn give_back_or_close(mut connection: PoolConnection<Postgres>, in_transaction: bool) {
    let answer = timeout(PATIENCE, async {
        if in_transaction { connection.execute("ROLLBACK").await.map(|_| ()) } else { connection.ping().await }
    });
    if !matches!(answer.await, Ok(Ok(()))) {
        drop(connection.detach());
    }
}

/// Waits for one answer of the server, and no longer than an answer may take.
pub(super) async fn bounded<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match timeout(ROUND_TRIP, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Away(format!("no answer within {} s", ROUND_TRIP.as_secs()))),
    }
}
