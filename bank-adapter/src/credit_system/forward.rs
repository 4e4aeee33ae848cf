//! Store and forward: the workers that tell the credit system what has been decided and ask it for changes of PINs, until it
//! has answered, across whatever breaks in between.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Reason, Timestamp};
use server_kit::clock::SharedClock;
use server_kit::rng::SharedRng;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::existing::{Answered, ExistingCreditSystem};
use super::link::LateApproval;
use super::order::{OrderKey, Told, pause, told};
use super::pin::{self, PinChange};
use super::response::Verdict;
use super::sql::{self, Due};
use super::steps::{CreditSteps, Outcome, Sending, Step};

/// The front's side of a change of a PIN.
pub trait PinBook: Send + Sync + fmt::Debug {
    /// Ends the change in one transaction: [`PinChanges::settle`](super::PinChanges::settle), and what it gives becomes what
    /// the card's PIN is compared with. Called again after a crash until it has succeeded.
    fn settle<'a>(&'a self, change: &'a PinChange, refusal: Option<Reason>) -> Answered<'a, Result<(), StoreError>>;
}

/// How often it is told.
#[derive(Clone, Copy, Debug)]
pub struct ForwardOptions {
    /// How often what waits is looked for when nobody says that there is something.
    pub every: Duration,
    /// The pause after the first try; it doubles.
    pub pause: Duration,
    pub pause_at_most: Duration,
    /// Advices that go out together.
    pub at_once: i64,
}

/// What a forwarder works with.
#[derive(Debug)]
pub struct ForwardParts {
    pub system: ExistingCreditSystem,
    pub store: Store,
    pub owner: Arc<Owner>,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub pins: Arc<dyn PinBook>,
    pub late: mpsc::Receiver<LateApproval>,
    pub options: ForwardOptions,
}

/// Tells and asks. Its tasks are ones that the node cannot do without.
#[derive(Clone, Debug)]
pub struct Forwarder {
    writer: GroupWriter<CreditSteps>,
}

#[derive(Debug)]
struct Worker {
    system: ExistingCreditSystem,
    store: Store,
    writer: GroupWriter<CreditSteps>,
    clock: SharedClock,
    rng: SharedRng,
    pins: Arc<dyn PinBook>,
    options: ForwardOptions,
}

impl Forwarder {
    /// Starts the writer and the workers. The tasks, by name, end when `stop` says so and the door is closed.
    pub fn start(parts: ForwardParts, stop: CancellationToken) -> (Self, Vec<(&'static str, JoinHandle<()>)>) {
        let ForwardParts { system, store, owner, clock, rng, pins, late, options } = parts;
        let steps = Arc::new(CreditSteps::new(owner));
        let (writer, writing) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        let worker = Arc::new(Worker { system, store, writer: writer.clone(), clock, rng, pins, options });
        let advices = tokio::spawn(advices(worker.clone(), stop.clone()));
        let changes = tokio::spawn(changes(worker.clone(), stop.clone()));
        let approvals = tokio::spawn(approvals(worker, late, stop));
        let tasks = vec![
            ("credit-advices", advices),
            ("credit-pins", changes),
            ("credit-late", approvals),
            ("credit-writer", writing),
        ];
        (Self { writer }, tasks)
    }

    /// Tells once more what the credit system has refused, for an operator who has seen to it.
    pub async fn retry(&self, key: OrderKey) -> Result<Result<(), Reason>, StoreError> {
        match self.writer.write(Step::Retry(key)).await? {
            Outcome::Retried(done) => Ok(done),
            other => Err(mixed_up(&other)),
        }
    }
}

/// What came of telling one advice.
type Heard = (OrderKey, i64, Verdict);

async fn advices(worker: Arc<Worker>, stop: CancellationToken) {
    // Each is told by itself, so that one that gets no answer does not keep the others waiting.
    let (mut telling, mut under_way) = (JoinSet::new(), BTreeSet::new());
    let mut ticks = interval(worker.options.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        let round = worker.tell_due(&mut telling, &mut under_way);
        match stop.run_until_cancelled(round).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "advices to the credit system wait for the storage"),
            None => break,
        }
        let first = tokio::select! {
            () = stop.cancelled() => break,
            Some(Ok(heard)) = telling.join_next() => Some(heard),
            () = worker.system.woken() => None,
            _ = ticks.tick() => {
                worker.measure().await;
                None
            }
        };
        let rest = std::iter::from_fn(|| telling.try_join_next()).flatten();
        let heard: Vec<Heard> = first.into_iter().chain(rest).collect();
        for (key, ..) in &heard {
            under_way.remove(key);
        }
        if let Some(Err(error)) = stop.run_until_cancelled(worker.note(&heard)).await {
            tracing::warn!(%error, "answers of the credit system could not be noted; it is told again");
        }
    }
}

async fn changes(worker: Arc<Worker>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let Some(asked) = stop.run_until_cancelled(worker.ask_due()).await else { break };
        if let Err(error) = asked {
            tracing::warn!(%error, "changes of PINs wait for the storage");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = worker.system.woken_for_pins() => {}
            () = sleep(worker.options.every) => {}
        }
    }
}

/// An approval is not let go before it is known what it was of.
async fn approvals(worker: Arc<Worker>, mut late: mpsc::Receiver<LateApproval>, stop: CancellationToken) {
    while let Some(Some(approval)) = stop.run_until_cancelled(late.recv()).await {
        loop {
            match worker.writer.write(Step::Late(approval.reference)).await {
                Ok(Outcome::Late(is_voided_again)) => {
                    let reference = approval.reference;
                    tracing::warn!(%reference, is_voided_again, "an approval came late");
                    worker.system.wake();
                    break;
                }
                Ok(_) => break,
                Err(error) => tracing::warn!(%error, "a late approval waits for the storage"),
            }
            if stop.run_until_cancelled(sleep(worker.options.every)).await.is_none() {
                return;
            }
        }
    }
    stop.cancelled().await;
}

impl Worker {
    /// Begins to tell what is due and not under way.
    async fn tell_due(
        &self,
        telling: &mut JoinSet<Heard>,
        under_way: &mut BTreeSet<OrderKey>,
    ) -> Result<(), StoreError> {
        let under_way_count = i64::try_from(under_way.len()).unwrap_or(i64::MAX);
        if !self.system.link().is_up() || under_way_count >= self.options.at_once {
            return Ok(());
        }
        let due = sql::due(&self.store, self.clock.now(), self.options.at_once).await?;
        let fresh = due.iter().filter(|due| !under_way.contains(&due.order.key));
        let sending: Vec<Sending> = fresh.filter_map(|due| self.numbered(due)).collect();
        if sending.is_empty() {
            return Ok(());
        }
        let Outcome::Sending(orders) = self.writer.write(Step::Sending(sending)).await? else { return Ok(()) };
        for order in orders {
            let Some(due) = due.iter().find(|due| due.order.key == order.key).cloned() else { continue };
            let system = self.system.clone();
            under_way.insert(order.key);
            telling.spawn(async move {
                let verdict = system.tell(&due, &order).await;
                (order.key, order.tries, verdict)
            });
        }
        Ok(())
    }

    /// Makes durable what the answers mean.
    async fn note(&self, heard: &[Heard]) -> Result<(), StoreError> {
        let mut over = Vec::new();
        for (key, tries, verdict) in heard.iter().copied() {
            let told = told(key.kind, tries, verdict);
            let result = match told {
                Told::Again => "again",
                Told::Acknowledged => "acknowledged",
                Told::Stuck(reason) => {
                    tracing::error!(?key, ?reason, "the credit system refuses an advice: somebody has to look");
                    "stuck"
                }
            };
            metrics::counter!("bankhub_credit_advices_total", "kind" => key.kind.as_str(), "result" => result)
                .increment(1);
            if told != Told::Again {
                over.push((key, told));
            }
        }
        if !over.is_empty() {
            self.writer.write(Step::Told(over)).await?;
        }
        Ok(())
    }

    async fn measure(&self) {
        if let Ok((waiting, stuck)) = sql::depths(&self.store).await {
            metrics::gauge!("bankhub_credit_advices_waiting").set(waiting as f64);
            metrics::gauge!("bankhub_credit_advices_stuck").set(stuck as f64);
        }
    }

    /// An advice with numbers for its message, and the time before which it is not told again.
    fn numbered(&self, due: &Due) -> Option<Sending> {
        let trace = match due.order.trace {
            Some(trace) => trace,
            // The number is taken again when the message goes out; nobody else is likely to have it by then.
            None => self.system.link().reserve().ok()?.trace(),
        };
        Some(Sending { key: due.order.key, trace, next: self.next_try(due.order.tries + 1) })
    }

    fn next_try(&self, tries: i64) -> Timestamp {
        let mut spread = [0];
        let _ = self.rng.fill(&mut spread);
        self.clock.now().plus(pause(tries, self.options.pause, self.options.pause_at_most, spread[0]))
    }

    async fn ask_due(&self) -> Result<(), StoreError> {
        if !self.system.link().is_up() {
            return Ok(());
        }
        for change in pin::due(&self.store, self.clock.now(), self.options.at_once).await? {
            self.change_pin(&change).await?;
        }
        Ok(())
    }

    /// Asks for one change, and ends it when the answer is known.
    async fn change_pin(&self, change: &PinChange) -> Result<(), StoreError> {
        let next = self.next_try(change.tries + 1);
        let Outcome::AskingPin(Some(tries)) = self.writer.write(Step::AskingPin(change.id, next)).await? else {
            return Ok(());
        };
        let verdict = self.system.ask_pin(change, tries > 1).await;
        let refusal = match verdict {
            Verdict::Approved => None,
            // That it was asked for before says nothing about how that ended, so it is neither yes nor no.
            Verdict::Refused(reason) if reason != Reason::IdTaken => Some(reason),
            Verdict::Refused(reason) | Verdict::Unclear(reason) => {
                tracing::info!(change_id = %change.id, tries, ?reason, "a change of a PIN is asked for again later");
                return Ok(());
            }
        };
        let result = if refusal.is_none() { "done" } else { "refused" };
        self.pins.settle(change, refusal).await?;
        metrics::counter!("bankhub_credit_pin_changes_total", "result" => result).increment(1);
        Ok(())
    }
}

fn mixed_up(outcome: &Outcome) -> StoreError {
    StoreError::Refused(format!("an outcome of another step: {outcome:?}"))
}
