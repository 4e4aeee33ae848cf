//! Tells the hub which card numbers this bank issues.

use std::time::Duration;

use domain::card::BinRange;
use proto::federation as pb;
use tokio_util::sync::CancellationToken;

use crate::ledger::HubClient;

/// The first pause after the hub did not take the ranges; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MOST_PAUSE: Duration = Duration::from_secs(30);

/// Registers the bank's ranges at the hub, and tries again until it has taken them: it may be away, or may not know the bank yet.
pub(crate) async fn register_ranges(hub: HubClient, ranges: Vec<BinRange>, stop: CancellationToken) {
    let request = pb::RegisterBinRangesRequest { ranges: ranges.iter().map(proto::to_bin_range).collect() };
    let mut pause = FIRST_PAUSE;
    loop {
        match hub.register_bin_ranges(request.clone()).await {
            Ok(()) => {
                tracing::info!(ranges = ranges.len(), "the hub has taken the ranges of this bank's cards");
                return;
            }
            Err(status) => {
                let reason = proto::reason_of(&status).map_or("", |reason| reason.code());
                tracing::warn!(reason, code = ?status.code(), "the hub has not taken the ranges of this bank's cards yet");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(MOST_PAUSE),
        }
    }
}
