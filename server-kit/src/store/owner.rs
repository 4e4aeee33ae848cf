//! Sole ownership: one process owns a bank's ledger, or one name among the replicas of a hub.
//!
//! On SQLite the locked file says so already. On PostgreSQL a session lock, which the server releases when the connection
//! ends, lets a successor take over at once; and the owner's mark in the table `owners`, checked inside each transaction,
//! fences a predecessor that has not noticed yet. So a lost connection is not a lost name: while the mark is this process's,
//! nobody else has written, and the lock is taken again.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Dialect, Pools, Store, StoreError, Tx};

/// How long to wait for the server on the connection that holds the lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// Another process has taken the name over; this one must end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process has taken over {name}")]
pub struct OwnershipLost {
    pub name: String,
}

/// The right to write under a name.
#[derive(Debug)]
pub struct Owner {
    name: String,
    mark: Uuid,
    store: Store,
    /// Holds the session lock; nothing on SQLite, and while the connection is lost.
    session: Mutex<Option<PgConnection>>,
}

impl Owner {
    /// Takes the name, or says that another process has it. `mark` is new for each process.
    pub async fn take(store: &Store, name: &str, mark: Uuid) -> Result<Self, StoreError> {
        let session = lock_in_time(store, name).await?;
        let mut tx = store.begin().await?;
        tx.execute(
            "INSERT INTO owners (name, mark) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET mark = excluded.mark",
            vec![name.into(), mark.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(Self { name: name.to_owned(), mark, store: store.clone(), session: Mutex::new(session) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Has the transaction refused with [`StoreError::Fenced`], at its next query or at its [`flush`](Tx::flush), if somebody has
    /// taken over; what it has read before that is of no more use then. From there to its end nobody can take over.
    pub fn fence(&self, tx: &mut Tx) {
        tx.fence(&self.name, self.mark);
    }

    /// Looks every `every` whether the name is still held, takes the lock again when the connection that held it was lost,
    /// and tells `report` each time whether it is held. Ends at `stop`, or with an error when another process has taken over.
    pub async fn keep(
        &self,
        every: Duration,
        stop: CancellationToken,
        report: impl Fn(bool),
    ) -> Result<(), OwnershipLost> {
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            let Some(held) = stop.run_until_cancelled(Box::pin(self.hold_on())).await else { break };
            match held {
                Ok(()) => report(true),
                Err(StoreError::Fenced { name }) => return Err(OwnershipLost { name }),
                Err(error) => {
                    tracing::warn!(%error, name = self.name, "the lock of this name cannot be taken again yet");
                    report(false);
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the lock is held. [`StoreError::Fenced`] when another process has taken over; any other error means
    /// that it is to be tried again.
    async fn hold_on(&self) -> Result<(), StoreError> {
        if self.store.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let mut session = self.session.lock().await;
        if let Some(connection) = session.as_mut() {
            if matches!(timeout(PATIENCE, connection.ping()).await, Ok(Ok(()))) {
                return Ok(());
            }
            tracing::warn!(name = self.name, "the connection that holds the lock of this name was lost");
            *session = None;
        }
        let again = lock(&self.store, &self.name).await;
        match again {
            // The server may still hold the lock for the connection that was lost. The mark says whose it is.
            Ok(_) | Err(StoreError::Owned { .. }) => self.check_mark().await?,
            Err(_) => {}
        }
        *session = again?;
        tracing::info!(name = self.name, "the lock of this name is held again");
        Ok(())
    }

    async fn check_mark(&self) -> Result<(), StoreError> {
        let sql = "SELECT mark FROM owners WHERE name = $1";
        match self.store.fetch_one(sql, vec![self.name.as_str().into()]).await?.map(|row| row.id(0)).transpose()? {
            Some(mark) if mark == self.mark => Ok(()),
            _ => Err(self.fenced()),
        }
    }

    fn fenced(&self) -> StoreError {
        StoreError::Fenced { name: self.name.clone() }
    }
}

/// How often it is looked whether whoever held the name is gone: PostgreSQL lets go of what a killed process held when its session has ended
/// what it was at.
const LOOKS: u32 = 30;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);

async fn lock_in_time(store: &Store, name: &str) -> Result<Option<PgConnection>, StoreError> {
    for _ in 1..LOOKS {
        match lock(store, name).await {
            Err(StoreError::Owned { .. }) => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
            done => return done,
        }
    }
    lock(store, name).await
}

/// Locks the name on a connection of its own; nothing on SQLite.
async fn lock(store: &Store, name: &str) -> Result<Option<PgConnection>, StoreError> {
    let Pools::Postgres { read, .. } = &store.pools else { return Ok(None) };
    let options = read.connect_options();
    let asked = Box::pin(async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_one(&mut connection)
            .await?;
        Ok::<_, sqlx::Error>(locked.then_some(connection))
    });
    match timeout(PATIENCE, asked).await {
        Ok(Ok(Some(connection))) => Ok(Some(connection)),
        Ok(Ok(None)) => Err(StoreError::Owned { name: name.to_owned() }),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(StoreError::Away(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}
