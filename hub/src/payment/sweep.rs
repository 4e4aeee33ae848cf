//! Carries on what a lost answer, a killed process or a bank that was away left behind. Rows are claimed by moving their due
//! time, under a row lock that other replicas skip, so that replicas share the work.

use std::time::Duration;

use domain::payment::{Payment, Policy, Work};
use futures_util::StreamExt as _;
use server_kit::store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::sql::{self, Stored};

/// Payments that are claimed at once.
const MOST_CLAIMED: i64 = 256;
/// Payments that are carried on at once.
const MOST_CARRIED: usize = 64;

/// Looks for what is due every `every`, until the server drains.
pub async fn sweep(desk: Desk, every: Duration, draining: CancellationToken) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // A full claim means that more may be due.
        loop {
            match sweep_once(&desk).await {
                Ok(claimed) if claimed == MOST_CLAIMED as usize && !draining.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "the sweep failed and is tried again");
                    break;
                }
            }
        }
    }
}

async fn sweep_once(desk: &Desk) -> Result<usize, StoreError> {
    // Nothing is written, and no writer is held up, while nothing is due.
    if !sql::anything_due(desk.store(), desk.clock().now()).await? {
        return Ok(0);
    }
    let claimed = claim(desk.store(), desk).await?;
    let count = claimed.len();
    metrics::gauge!("bankhub_sweep_claimed").set(count as f64);
    futures_util::stream::iter(claimed)
        .for_each_concurrent(MOST_CARRIED, |(payment, work)| async move {
            desk.carry(payment, work).await;
        })
        .await;
    Ok(count)
}

async fn claim(store: &Store, desk: &Desk) -> Result<Vec<(Payment, Work)>, StoreError> {
    let mut tx = store.begin().await?;
    let now = tx.now();
    let mut due = sql::claim_due(&mut tx, MOST_CLAIMED).await?;
    let work = due.iter().map(|stored| (stored.value.clone(), stored.value.work(now))).collect();
    defer(&mut due, now, desk.policy());
    sql::put_payments(&mut tx, &due).await?;
    tx.commit().await?;
    Ok(work)
}

fn defer(due: &mut [Stored<Payment>], now: domain::Timestamp, policy: &Policy) {
    for (i, stored) in due.iter_mut().enumerate() {
        // The place in the claim spreads the returns as well as chance would.
        let spread = u16::try_from(i.wrapping_mul(389) % 1000).unwrap_or(0);
        stored.value.defer(now, spread, policy);
    }
}
