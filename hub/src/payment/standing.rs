//! How payments and repayments stand, for whoever watches the hub from outside: counted once in a while from the index of what is due, in which
//! nothing stands that has come to its end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::desk::Desk;

/// How often it is counted: several times between two looks of a Prometheus that looks every half minute.
const EVERY: Duration = Duration::from_secs(10);

/// Keeps the gauges until the server drains. All replicas count the same payments.
pub async fn keep_standing(desk: Desk, draining: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while draining.run_until_cancelled(ticks.tick()).await.is_some() {
        match desk.directory().unsettled().await {
            Ok((payments, oldest)) => {
                let age = oldest.map_or(0.0, |oldest| desk.clock().now().since(oldest).as_secs_f64());
                metrics::gauge!("bankhub_payments_unsettled").set(payments as f64);
                metrics::gauge!("bankhub_oldest_unsettled_seconds").set(age);
            }
            // The gauges keep what they had, and whoever looks sees the writers fail.
            Err(error) => tracing::warn!(%error, "it could not be counted how payments stand"),
        }
    }
}
