//! How far the hub has taken in what it is told, for an operator of the counter.

use proto::counter;
use server_kit::store::{Store, StoreError};

use super::{bill, sql};

/// The most refused reports, and bills, that are listed.
const MOST_REFUSED: i64 = 100;

pub(crate) async fn progress(store: &Store) -> Result<counter::GetReportingResponse, StoreError> {
    let (last_sequence, acknowledged_sequence) = sql::read_progress(store).await?;
    let refused = sql::read_refused(store, MOST_REFUSED).await?;
    let refused = refused.into_iter().map(|(sequence, purchase_id, reason)| counter::RefusedPurchaseReport {
        sequence,
        purchase_id: purchase_id.to_string(),
        reason,
    });
    let refused_bills = bill::read_refused(store, MOST_REFUSED).await?;
    let refused_bills = refused_bills.into_iter().map(|(account_id, statement_number, reason)| {
        counter::RefusedBillReport { account_id: account_id.to_string(), statement_number, reason }
    });
    Ok(counter::GetReportingResponse {
        last_sequence,
        acknowledged_sequence,
        refused: refused.collect(),
        waiting_bills: bill::read_waiting(store).await?,
        refused_bills: refused_bills.collect(),
    })
}
