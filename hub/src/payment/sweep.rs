//! Carries on what a lost answer, a killed process or a bank that was away left behind. Rows are claimed by moving their due
//! time, under a row lock that other replicas skip, so that replicas share the work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::BankId;
use domain::payment::{Payment, Policy, Work};
use server_kit::store::{GroupWriter, StepSet, StoreError, Tx, WriterOptions};
use server_kit::trace::{Kind, Span};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::sql::{self, Stored};

/// Payments that are claimed at once.
const MOST_CLAIMED: usize = 256;
/// Payments that wait for the answer of one bank at once. What finds no place is left deferred and comes back, so that a bank
/// that swallows every call holds up nobody's payments but its own.
const MOST_PER_BANK: usize = 32;

/// Looks for what is due every `every`, until the server drains.
pub async fn sweep(desk: Desk, every: Duration, draining: CancellationToken) {
    let claiming = Arc::new(Claiming { policy: desk.policy().clone() });
    let (claims, claiming) = GroupWriter::start(desk.store().clone(), claiming, WriterOptions::default());
    let mut sweeper = Sweeper { desk, claims, places: HashMap::new() };
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    'sweeping: loop {
        tokio::select! {
            () = draining.cancelled() => break,
            _ = ticks.tick() => {}
        }
        // A full claim means that more may be due.
        while !draining.is_cancelled() {
            match sweeper.sweep_once().await {
                Ok(MOST_CLAIMED) => {}
                Ok(_) => break,
                // The writer of claims has ended by itself, and so must this task, which the server watches.
                Err(StoreError::Stopped) => break 'sweeping,
                Err(error) => {
                    tracing::warn!(%error, "the sweep failed and is tried again");
                    break;
                }
            }
        }
    }
    drop(sweeper);
    if let Err(error) = claiming.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

struct Sweeper {
    desk: Desk,
    claims: GroupWriter<Claiming>,
    /// The places at each bank; a federation has few banks, and they are never removed.
    places: HashMap<BankId, Arc<Semaphore>>,
}

impl Sweeper {
    async fn sweep_once(&mut self) -> Result<usize, StoreError> {
        let claimed = self.claims.write(Claim).await?;
        let count = claimed.len();
        metrics::gauge!("bankhub_sweep_claimed").set(count as f64);
        for (payment, work) in claimed {
            self.begin(payment, work);
        }
        Ok(count)
    }

    /// Begins what is to be done in a task of its own.
    fn begin(&mut self, payment: Payment, work: Work) {
        let asks_bank = !matches!(work, Work::Nothing | Work::Expire | Work::Post);
        let place = match payment.charge.as_ref().filter(|_| asks_bank) {
            None => None,
            Some(charge) => {
                let places = self.places.entry(charge.bank_id.clone());
                let places = places.or_insert_with(|| Arc::new(Semaphore::new(MOST_PER_BANK)));
                let Ok(place) = places.clone().try_acquire_owned() else { return };
                Some(place)
            }
        };
        let desk = self.desk.clone();
        tokio::spawn(async move {
            // What began it is not remembered any more: a trace of its own, which the payment's id leads to.
            let span = Span::begin("payment sweep", Kind::Internal);
            span.note("bankhub.payment.id", || payment.id.to_string());
            span.note("bankhub.work", || format!("{work:?}"));
            span.run(desk.carry(payment, work)).await;
            drop(place);
        });
    }
}

/// Takes what is due, up to a full claim. Run again after a commit whose outcome was not known it takes less, or nothing: what
/// was deferred then comes back by itself.
#[derive(Debug)]
struct Claim;

#[derive(Debug)]
struct Claiming {
    policy: Policy,
}

impl StepSet for Claiming {
    const NAME: &'static str = "sweep-writer";

    type Step = Claim;
    type Outcome = Vec<(Payment, Work)>;

    async fn run(&self, tx: &mut Tx, steps: &[Claim]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(steps.len());
        for Claim in steps {
            let now = tx.now();
            let mut due = sql::claim_due(tx, MOST_CLAIMED as i64).await?;
            outcomes.push(due.iter().map(|stored| (stored.value.clone(), stored.value.work(now))).collect());
            defer(&mut due, now, &self.policy);
            sql::put_payments(tx, &due).await?;
        }
        Ok(outcomes)
    }
}

fn defer(due: &mut [Stored<Payment>], now: domain::Timestamp, policy: &Policy) {
    for (i, stored) in due.iter_mut().enumerate() {
        // The place in the claim spreads the returns as well as chance would.
        let spread = u16::try_from(i.wrapping_mul(389) % 1000).unwrap_or(0);
        stored.value.defer(now, spread, policy);
    }
}
