//! Watching that this process still owns the ledger.

use std::time::Duration;

use server_kit::rng::IdMaker;
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Ledger;

/// Another process has taken the ledger over; this one must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another process has taken over the ledger of this bank")]
pub struct OwnershipLost;

/// Looks every `every` whether the right to write is still held, takes it again when the connection that held it was
/// lost, and tells `report` each time whether it is. Ends with an error when another process has it.
pub async fn keep_ownership(
    ledger: &Ledger,
    ids: &IdMaker,
    every: Duration,
    stop: CancellationToken,
    report: impl Fn(bool),
) -> Result<(), OwnershipLost> {
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        if ledger.steps.owner().alive().await {
            report(true);
            continue;
        }
        match Ledger::take_ownership(&ledger.store, &ledger.bank_id, ids).await {
            Ok(owner) => {
                tracing::info!("the connection that holds the ledger was lost and is there again");
                ledger.steps.replace_owner(owner);
                report(true);
            }
            Err(StoreError::Owned { .. }) => return Err(OwnershipLost),
            Err(error) => {
                tracing::warn!(%error, "the right to write the ledger cannot be taken again yet");
                report(false);
            }
        }
    }
    Ok(())
}
