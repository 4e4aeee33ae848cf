//! Steps that came by a message of a card network's link: the message is noted in the transaction of its step, which spares it a flush of
//! its own (ADR 34).

use domain::PaymentId;
use server_kit::store::{Dialect, StoreError, Tx};
use uuid::Uuid;

use super::steps::{Authorize, Step};
use crate::network::Noted;

impl Step {
    /// The message by which it came.
    pub(super) fn noted(&self) -> Option<&Noted> {
        match self {
            Self::Create(create) => create.noted.as_ref(),
            Self::Authorize(Authorize { noted, .. }) => noted.as_ref(),
            _ => None,
        }
    }
}

/// Has a second message and the reversal that names it come one after the other. The one looks for a tombstone under its id before it is
/// noted, the other leaves the tombstone and looks for the note when that is durable: so one of them sees the other, unless both are under
/// way at once at two replicas. SQLite has one writer, and needs nothing for it.
pub(super) async fn in_turn(tx: &mut Tx, crossing: &[PaymentId]) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Sqlite || crossing.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<Uuid> = crossing.iter().map(|id| id.uuid()).collect();
    // In one order, so that two replicas never wait for each other.
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        let (high, low) = id.as_u64_pair();
        tx.fetch("SELECT pg_advisory_xact_lock($1)", vec![(high ^ low).cast_signed().into()]).await?;
    }
    Ok(())
}
