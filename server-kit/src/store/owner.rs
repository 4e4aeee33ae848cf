//! Sole ownership: one process owns a bank's ledger, or one name among the replicas of a hub.
//!
//! On SQLite the locked file says so already. On PostgreSQL a session lock, which the server releases when the connection
//! ends, lets a successor take over at once; and the owner's mark in the table `owners`, checked inside each transaction,
//! fences a predecessor that has not noticed yet.

use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Dialect, Pools, Store, StoreError, Tx};

/// The right to write under a name.
#[derive(Debug)]
pub struct Owner {
    name: String,
    mark: Uuid,
    /// Holds the session lock; SQLite needs none.
    session: Option<Mutex<PgConnection>>,
}

impl Owner {
    /// Takes the name, or says that another process has it. `mark` is new for each process.
    pub async fn take(store: &Store, name: &str, mark: Uuid) -> Result<Self, StoreError> {
        let mut session = None;
        if let Pools::Postgres { read, .. } = &store.pools {
            let mut connection = read.acquire().await?.detach();
            let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(name)
                .fetch_one(&mut connection)
                .await?;
            if !locked {
                return Err(StoreError::Owned { name: name.to_owned() });
            }
            session = Some(Mutex::new(connection));
        }
        let mut tx = store.begin().await?;
        tx.execute(
            "INSERT INTO owners (name, mark) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET mark = excluded.mark",
            vec![name.into(), mark.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(Self { name: name.to_owned(), mark, session })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses the transaction if somebody has taken over. On SQLite nobody can while this process lives.
    pub async fn check(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if tx.dialect() == Dialect::Sqlite {
            return Ok(());
        }
        let rows =
            tx.fetch("SELECT mark FROM owners WHERE name = $1 FOR SHARE", vec![self.name.as_str().into()]).await?;
        match rows.first().map(|row| row.id(0)).transpose()? {
            Some(mark) if mark == self.mark => Ok(()),
            _ => Err(StoreError::Fenced { name: self.name.clone() }),
        }
    }

    /// Whether the session lock is still held; `false` means that the process must take the name again or stop.
    pub async fn alive(&self) -> bool {
        match &self.session {
            None => true,
            Some(session) => session.lock().await.ping().await.is_ok(),
        }
    }
}
