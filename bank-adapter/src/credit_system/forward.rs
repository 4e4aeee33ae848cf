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
use super::order::{AdviceKey, Told, pause, told};
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

/// What the workers work with.
#[derive(Debug)]
pub(super) struct ForwardParts {
    pub(super) system: ExistingCreditSystem,
    pub(super) store: Store,
    pub(super) owner: Arc<Owner>,
    pub(super) clock: SharedClock,
    pub(super) rng: SharedRng,
    pub(super) pins: Arc<dyn PinBook>,
    pub(super) late: mpsc::Receiver<LateApproval>,
    pub(super) options: ForwardOptions,
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

/// Starts the writer and the workers, which the node cannot do without. The tasks, by name, end when `stop` says so.
pub(super) fn start(parts: ForwardParts, stop: CancellationToken) -> Vec<(&'static str, JoinHandle<()>)> {
    let ForwardParts { system, store, owner, clock, rng, pins, late, options } = parts;
    let steps = Arc::new(CreditSteps::new(owner));
    let (writer, writing) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
    let worker = Arc::new(Worker { system, store, writer, clock, rng, pins, options });
    let advices = tokio::spawn(advices(worker.clone(), stop.clone()));
    let changes = tokio::spawn(changes(worker.clone(), stop.clone()));
    let approvals = tokio::spawn(approvals(worker, late, stop));
    vec![("credit-advices", advices), ("credit-pins", changes), ("credit-late", approvals), ("credit-writer", writing)]
}

/// What came of telling one advice.
type Heard = (AdviceKey, i64, Verdict);

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
        under_way: &mut BTreeSet<AdviceKey>,
    ) -> Result<(), StoreError> {
        let under_way_count = i64::try_from(under_way.len()).unwrap_or(i64::MAX);
        if !self.system.link().is_up() || under_way_count >= self.options.at_once {
            return Ok(());
        }
        let due = sql::due(&self.store, self.clock.now(), self.options.at_once).await?;
        let fresh = due.iter().filter(|due| !under_way.contains(&due.key()));
        let sending: Vec<Sending> = fresh.filter_map(|due| self.numbered(due)).collect();
        if sending.is_empty() {
            return Ok(());
        }
        let Outcome::Sending(all) = self.writer.write(Step::Sending(sending)).await? else { return Ok(()) };
        for sent in all {
            let Some(due) = due.iter().find(|due| due.key() == sent.key).cloned() else { continue };
            let system = self.system.clone();
            under_way.insert(sent.key);
            telling.spawn(async move {
                let verdict = system.tell(&due, &sent).await;
                (sent.key, sent.tries, verdict)
            });
        }
        Ok(())
    }

    /// Makes durable what the answers mean.
    async fn note(&self, heard: &[Heard]) -> Result<(), StoreError> {
        let mut over = Vec::new();
        for (key, tries, verdict) in heard.iter().copied() {
            let told = told(key, tries, verdict);
            let result = match told {
                Told::Again => "again",
                Told::Acknowledged => "acknowledged",
                Told::Stuck(reason) => {
                    tracing::error!(?key, ?reason, "the credit system refuses an advice: somebody has to look");
                    "stuck"
                }
            };
            metrics::counter!("bankhub_credit_advices_total", "kind" => key.as_str(), "result" => result).increment(1);
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
        let (trace, tries) = due.sent();
        let trace = match trace {
            Some(trace) => trace,
            // The number is taken again when the message goes out; nobody else is likely to have it by then.
            None => self.system.link().reserve().ok()?.trace(),
        };
        Some(Sending { key: due.key(), trace, next: self.next_try(tries.saturating_add(1)) })
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
