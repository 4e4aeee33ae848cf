//! What the bank tells the hub of its own accord: purchases that the hub did not carry (ADR 16), and how bills stand (ADR 23).
//!
//! `outbox` numbers a report in the ledger's own transaction, so that there is one for each change that is durable and for no
//! other, and only of accounts and cards that somebody has bound at the hub; `bill` keeps each bill as it is told of, in the same
//! way. `sender` tells the hub, until it has taken them in.

mod bells;
mod bill;
mod courier;
mod outbox;
mod progress;
mod sender;
mod sql;

use server_kit::store::{Store, StoreError};

pub(crate) use bells::Bells;
pub(crate) use bill::{BillSender, BillTold};
pub(crate) use courier::SenderOptions;
pub(crate) use outbox::{Answer, AskedHub, IdentityChecked, Outbox, ReportStep};
pub(crate) use progress::progress;
pub(crate) use sender::Sender;
#[cfg(test)]
pub(crate) use sql::{read_progress, read_refused};

/// What is wrong with what is to be told, for an operator's check.
pub(crate) async fn check(store: &Store, faults: &mut Vec<String>) -> Result<(), StoreError> {
    sql::check(store, faults).await?;
    bill::check(store, faults).await
}
