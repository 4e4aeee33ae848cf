//! The line to a card network: one connection that is made again whenever it ends, and the door to it.

use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use iso8583::Mti;
use iso8583::element::Stan;
use server_kit::clock::{SharedClock, Stopwatch};
use server_kit::rng::SharedRng;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::link::Link;
use super::message::{Answer, Trace};
use super::session::{Ended, Session};
use crate::bank::PresentedCard;
use crate::network::session::Stream;
use crate::network::settle::Asked;
use crate::network::sql::Compared;

/// Messages that may wait for their turn; more are not sent.
const QUEUE: usize = 1_024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// The network has not seen it, and will not.
    NotSent,
    /// The same, and it cannot be: what proves the card does not go out over this line.
    NotShown(Reason),
    /// The network may have seen it.
    NoAnswer,
}

/// A message that was kept, and what goes with it that was not.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    pub(super) octets: Arc<Zeroizing<Vec<u8>>>,
    pub(super) is_repeat: bool,
    pub(super) card: Option<Arc<PresentedCard>>,
}

/// One message on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) sending: Sending,
    pub(super) trace: Trace,
    /// The type of its answer.
    pub(super) answer: Mti,
    pub(super) reply: oneshot::Sender<Result<Answer, LineError>>,
}

/// What comes by itself.
#[derive(Debug)]
pub(super) enum Told {
    /// An approval that nobody waits for any more.
    Late(Trace, Box<Answer>),
    /// The network goes over to the day MMDD.
    CutOver { day: u16, done: oneshot::Sender<bool> },
    /// The network has its own totals of a day compared.
    Totals { asked: Asked, done: oneshot::Sender<Result<Compared, Reason>> },
}

/// The door. Cheap to clone; the line ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    jobs: mpsc::Sender<Job>,
    up: watch::Receiver<bool>,
    answer_within: Duration,
}

/// A line that has been started.
pub(super) struct Started {
    pub(super) line: Line,
    pub(super) told: mpsc::Receiver<Told>,
    pub(super) task: JoinHandle<()>,
}

impl Line {
    pub(super) fn start(link: Arc<Link>, clock: SharedClock, rng: SharedRng) -> Started {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (up_sender, up) = watch::channel(false);
        let (told_sender, told) = mpsc::channel(QUEUE);
        let answer_within = link.answer_within;
        let keeper = Keeper { link, clock, rng, up: up_sender, told: told_sender };
        Started { line: Self { jobs, up, answer_within }, told, task: tokio::spawn(keeper.keep(queue)) }
    }

    /// Whether the network has taken the sign-on, now or within so long.
    pub(super) async fn is_up_within(&self, at_most: Duration) -> bool {
        let mut up = self.up.clone();
        timeout(at_most, up.wait_for(|up| *up)).await.is_ok_and(|up| up.is_ok())
    }

    /// Sends a message and waits for its answer.
    pub(super) async fn ask(&self, sending: Sending, trace: Trace, answer: Mti) -> Result<Answer, LineError> {
        if !*self.up.borrow() {
            return Err(LineError::NotSent);
        }
        let (reply, answered) = oneshot::channel();
        self.jobs.try_send(Job { sending, trace, answer, reply }).map_err(|_| LineError::NotSent)?;
        match timeout(self.answer_within, answered).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) | Err(_) => Err(LineError::NoAnswer),
        }
    }
}

struct Keeper {
    link: Arc<Link>,
    clock: SharedClock,
    rng: SharedRng,
    up: watch::Sender<bool>,
    told: mpsc::Sender<Told>,
}

impl Keeper {
    /// Connects, lets a session run, and begins again, until nobody can send any more.
    async fn keep(self, mut jobs: mpsc::Receiver<Job>) {
        let mut failures = 0;
        while !jobs.is_closed() {
            let began = Stopwatch::start();
            let ended = match timeout(self.link.connect_within, self.connect()).await {
                Ok(Ok(stream)) => self.serve(stream, &mut jobs).await,
                Ok(Err(error)) => {
                    tracing::debug!(link = self.link.id, %error, "a card network cannot be reached");
                    Ended::Closed
                }
                Err(_) => Ended::Closed,
            };
            let was_up = *self.up.borrow();
            self.set_up(false);
            // Those who wait for their turn are told at once that they will not have one; nothing of theirs was sent.
            while let Ok(job) = jobs.try_recv() {
                let _ = job.reply.send(Err(LineError::NotSent));
            }
            metrics::counter!("bankhub_issuer_line_ended_total", "link" => self.link.id.clone(), "why" => ended.as_str())
                .increment(1);
            if ended == Ended::Stopped {
                break;
            }
            tracing::warn!(link = self.link.id, ended = ended.as_str(), lasted = ?began.elapsed(), "a line to a card network is made again");
            failures = if was_up { 0 } else { failures + 1 };
            // Nobody sends over a line that is down, so that what comes is only the end.
            tokio::select! {
                () = sleep(self.pause(failures)) => {}
                job = jobs.recv() => match job {
                    Some(job) => drop(job.reply.send(Err(LineError::NotSent))),
                    None => break,
                },
            }
        }
    }

    async fn serve(&self, stream: Box<dyn Stream>, jobs: &mut mpsc::Receiver<Job>) -> Ended {
        let mut random = [0; 4];
        let _ = self.rng.fill(&mut random);
        let first = Stan::from_number(u64::from(u32::from_be_bytes(random)) % Stan::LAST.number() + 1);
        let numbers = (self.clock.clone(), first.unwrap_or(Stan::FIRST));
        let mut session = Session::new(self.link.clone(), numbers, self.told.clone(), stream);
        let ended = match session.sign_on().await {
            Ok(()) => {
                self.set_up(true);
                tracing::info!(link = self.link.id, "signed on at a card network");
                session.serve(jobs).await
            }
            Err(ended) => ended,
        };
        session.leave(ended).await;
        ended
    }

    fn set_up(&self, up: bool) {
        self.up.send_replace(up);
        metrics::gauge!("bankhub_issuer_line_up", "link" => self.link.id.clone()).set(if up { 1.0 } else { 0.0 });
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let socket = TcpStream::connect(&self.link.address).await?;
        socket.set_nodelay(true)?;
        match &self.link.tls {
            None => Ok(Box::new(socket)),
            Some((tls, name)) => Ok(Box::new(tls.secure(name, socket).await?)),
        }
    }

    /// Doubles with each failure, with an eighth more or less by chance.
    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.link.pause.saturating_mul(1 << failures.min(16)).min(self.link.pause_at_most);
        let mut spread = [0];
        let _ = self.rng.fill(&mut spread);
        doubled - doubled / 8 + doubled * u32::from(spread[0]) / 1_024
    }
}
