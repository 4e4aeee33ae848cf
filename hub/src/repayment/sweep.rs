//! Carries on what a lost answer, a killed process or a bank that was away left behind. Rows are claimed by moving their due time, under a
//! row lock that other replicas skip, so that replicas share the work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::BankId;
use domain::repayment::{Repayment, Side};
use server_kit::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::Repayments;
use super::steps::{MOST_CLAIMED, Step};

/// Repayments that wait for the answer of one bank at once. What finds no place is left deferred and comes back, so that a bank that
/// swallows every call holds up nobody's repayments but its own.
const MOST_PER_BANK: usize = 16;

/// Looks for what is due every `every`, until the server drains.
pub async fn sweep(repayments: Repayments, every: Duration, draining: CancellationToken) {
    // A federation has few banks, and they are never removed.
    let mut places: HashMap<BankId, Arc<Semaphore>> = HashMap::new();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // A full claim means that more may be due.
        while !draining.is_cancelled() {
            match repayments.write(Step::Claim).await {
                Ok(outcome) => {
                    let count = outcome.claimed.len();
                    outcome.claimed.into_iter().for_each(|it| begin(&repayments, &mut places, it));
                    if count < MOST_CLAIMED {
                        break;
                    }
                }
                // The writer has ended by itself, and so must this task, which the server watches.
                Err(StoreError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "the sweep of repayments failed and is tried again");
                    break;
                }
            }
        }
    }
}

/// Begins what is to be done in a task of its own.
fn begin(repayments: &Repayments, places: &mut HashMap<BankId, Arc<Semaphore>>, repayment: Repayment) {
    let mut taken: Vec<OwnedSemaphorePermit> = Vec::new();
    for side in Side::BOTH {
        let place = places.entry(repayment.leg(side).party.bank_id.clone());
        let place = place.or_insert_with(|| Arc::new(Semaphore::new(MOST_PER_BANK)));
        let Ok(place) = place.clone().try_acquire_owned() else { return };
        taken.push(place);
    }
    let repayments = repayments.clone();
    tokio::spawn(async move {
        repayments.carry(repayment).await;
        drop(taken);
    });
}
