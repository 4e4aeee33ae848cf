//! The store: one body of SQL on SQLite and PostgreSQL, written in sets.
//!
//! A capability that keeps something adds (1) a table in both `migrations/sqlite` and `migrations/postgres`, under the same
//! file name; (2) a [`Table`] constant and a pair of functions between its rows and its domain type, in the capability's
//! `sql.rs`; (3) a case in the conformance suite, which runs on both engines. Statements have `$1` parameters; the values that
//! exist are those of [`Value`]. Where the engines must differ, match on [`Tx::dialect`] and say why.

mod cells;
mod checkpoint;
mod columns;
mod error;
mod lent;
mod listen;
mod local;
mod open;
mod owner;
mod readers;
mod remote;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod tx;
mod value;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::time::timeout;

use crate::clock::SharedClock;

pub use cells::{Cells, Page, Swap};
pub use error::StoreError;
pub use listen::{Heard, Listener};
pub use open::{Migrations, StoreOptions};
pub use owner::{Owner, OwnershipLost};
pub use table::Table;
pub use tx::{Load, Tx};
pub use value::{Keys, Row, Value};
pub use writer::{GroupWriter, StepSet, WriterOptions};

use lent::Lent;
use local::Local;
use readers::Readers;
use remote::RemoteTx;
use tx::Inner;

/// How long a read may take, with the wait for a connection.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Which engine is behind the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// An open database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pools: Pools,
    clock: SharedClock,
    /// Keeps the lock file of an SQLite database locked while the store is in use.
    _lock: Option<Arc<std::fs::File>>,
}

#[derive(Clone, Debug)]
enum Pools {
    /// One connection writes; readers have their own and never wait for it (WAL).
    Sqlite {
        write: Local,
        read: Readers,
    },
    Postgres {
        write: PgPool,
        read: PgPool,
    },
}

impl Store {
    pub fn dialect(&self) -> Dialect {
        match self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// The same database over connections that belong to the runtime of the caller: a connection is as quick to answer as the
    /// runtime that it was opened in. SQLite's needs no runtime.
    fn with_own_connections(self) -> Self {
        let Pools::Postgres { write, read } = self.pools else { return self };
        let options = write.options().clone().max_connections(2);
        let write = options.connect_lazy_with((*write.connect_options()).clone());
        Self { pools: Pools::Postgres { write, read }, ..self }
    }

    /// Begins a transaction that writes. On SQLite its statements run in the caller's thread, and COMMIT waits there for the
    /// disk: a server's steps belong in a [`GroupWriter`], which has a thread for that.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let tx = write.begin().await?;
                Ok(Tx { inner: Inner::Sqlite(tx), now: self.clock.now() })
            }
            Pools::Postgres { write, .. } => {
                let (tx, now) = RemoteTx::begin(write).await?;
                Ok(Tx { inner: Inner::Postgres(tx), now })
            }
        }
    }

    /// Runs one query outside of any transaction, on a connection that writes never hold up.
    pub async fn fetch(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        // In a box: the driver's future is 4 KiB, and each future above would carry and copy it along.
        match timeout(READ_WITHIN, Box::pin(self.fetch_at_leisure(sql, args))).await {
            Ok(rows) => rows,
            Err(_) => Err(StoreError::Away(format!("no answer within {} s", READ_WITHIN.as_secs()))),
        }
    }

    /// The same without a deadline, for an operator's check that reads everything.
    pub async fn fetch_at_leisure(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        match &self.pools {
            Pools::Sqlite { read, .. } => read.fetch(sql.into(), args).await,
            Pools::Postgres { read, .. } => {
                let mut lent = Lent::by(read).await?;
                let rows = sqlx::query_with(sql, tx::postgres_arguments(args)?).fetch_all(lent.get()?).await?;
                lent.give_back();
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs one query and gives its only row, if there is one.
    pub async fn fetch_one(&self, sql: &'static str, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    /// Closes the connections; waits for those in use.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Pools::Postgres { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}
