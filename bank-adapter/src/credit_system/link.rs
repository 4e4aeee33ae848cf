//! The line to the credit system: one connection that is made again whenever it ends, and the door to it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use server_kit::clock::{SharedClock, Stopwatch};
use server_kit::rng::SharedRng;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use iso8583::element::Stan;
use iso8583::frame::LengthHeader;
use server_kit::tls::ClientTls;

use super::answer::Answer;
use super::message::{Manner, Request};
use super::order;
use super::reference::Reference;
use super::seal::Sealer;
use super::session::{Ended, Session};
use super::trace::{Reserved, Stans, Trace};

/// Approvals that nobody waited for may queue up to this many; the rest is only counted.
const LATE_AT_MOST: usize = 1_024;

/// Bounds and times of a line.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// Requests that may wait for their answer at once.
    pub window: usize,
    /// Requests that may wait for their turn.
    pub queue: usize,
    /// The longest message that is taken in, in octets.
    pub longest_message: usize,
    pub framing: LengthHeader,
    pub connect_within: Duration,
    /// How long an answer is waited for, with the wait for a turn.
    pub answer_within: Duration,
    /// The rest of a message must come within this time after its beginning.
    pub rest_within: Duration,
    /// An echo is sent after so long without a message from the peer.
    pub echo_every: Duration,
    /// The pause before the first try to connect again; it doubles.
    pub pause: Duration,
    pub pause_at_most: Duration,
}

/// What is needed to have a line.
#[derive(Clone, Debug)]
pub struct LinkParts {
    /// `host:port`.
    pub address: String,
    /// TLS, and the name that the peer's certificate bears.
    pub tls: Option<(ClientTls, String)>,
    pub manner: Manner,
    pub sealer: Sealer,
    pub options: LinkOptions,
    pub clock: SharedClock,
    pub rng: SharedRng,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The peer has not seen it, and will not.
    #[error("not sent: {0}")]
    NotSent(Reason),
    /// The peer may have seen it: whether it did what was asked is not known.
    #[error("no answer")]
    NoAnswer,
}

/// An approval of a hold that nobody waited for any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateApproval {
    pub reference: Reference,
    pub trace: Trace,
}

/// One request on its way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) reserved: Reserved,
    /// When it is given up, counted from the start of the line.
    pub(super) deadline: Duration,
    pub(super) reply: oneshot::Sender<Result<Answer, LinkError>>,
}

/// The door to the line. Cheap to clone; the line ends when it is told to stop.
#[derive(Clone, Debug)]
pub struct Link {
    jobs: mpsc::Sender<Job>,
    stans: Stans,
    up: watch::Receiver<bool>,
    epoch: Stopwatch,
    clock: SharedClock,
    answer_within: Duration,
}

/// A line that has been started.
#[derive(Debug)]
pub struct Started {
    pub link: Link,
    /// Approvals that came too late.
    pub late: mpsc::Receiver<LateApproval>,
    pub task: JoinHandle<()>,
}

/// What the task shares with its sessions.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) manner: Manner,
    pub(super) sealer: Sealer,
    pub(super) options: LinkOptions,
    pub(super) clock: SharedClock,
    pub(super) stans: Stans,
    pub(super) epoch: Stopwatch,
    pub(super) late: mpsc::Sender<LateApproval>,
    pub(super) up: watch::Sender<bool>,
}

impl Line {
    pub(super) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
        metrics::gauge!("bankhub_credit_link_up").set(if up { 1.0 } else { 0.0 });
    }
}

/// A stream to the peer, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Link {
    /// Starts the line. Numbers go on from a random one, so that those of two runs of this process do not meet.
    pub fn start(parts: LinkParts, stop: CancellationToken) -> Started {
        let LinkParts { address, tls, manner, sealer, options, clock, rng } = parts;
        let mut random = [0; 4];
        let first = rng
            .fill(&mut random)
            .ok()
            .and_then(|()| Stan::from_number(u64::from(u32::from_be_bytes(random)) % Stan::LAST.number() + 1));
        let stans = Stans::starting_at(first.unwrap_or(Stan::FIRST));
        let (jobs, queue) = mpsc::channel(options.queue);
        let (late_sender, late) = mpsc::channel(LATE_AT_MOST);
        let (up_sender, up) = watch::channel(false);
        let epoch = Stopwatch::start();
        let answer_within = options.answer_within;
        let link = Self { jobs, stans: stans.clone(), up, epoch, clock: clock.clone(), answer_within };
        let line = Line { manner, sealer, options, clock, stans, epoch, late: late_sender, up: up_sender };
        let task = tokio::spawn(keep(line, Place { address, tls }, rng, queue, stop));
        Started { link, late, task }
    }

    /// Whether the peer has taken the sign-on.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until the line is up, or for so long.
    pub async fn wait_until_up(&self, at_most: Duration) -> bool {
        let mut up = self.up.clone();
        timeout(at_most, up.wait_for(|up| *up)).await.is_ok_and(|up| up.is_ok())
    }

    /// Numbers for a request that is made durable before it is sent. `Err` with `TooBusy` when all are out.
    pub fn reserve(&self) -> Result<Reserved, Reason> {
        self.stans.reserve(self.clock.now()).ok_or(Reason::TooBusy)
    }

    /// The numbers of a request that is sent again; none while something else that is out has one of them.
    pub fn claim(&self, trace: Trace) -> Option<Reserved> {
        self.stans.claim(trace)
    }

    /// Sends a request and waits for its answer. Never waits for room in the queue.
    pub async fn exchange(&self, request: Request, reserved: Reserved) -> Result<Answer, LinkError> {
        let name = request.name();
        let watch = Stopwatch::start();
        let answered = self.send(request, reserved).await;
        let result = match &answered {
            Ok(answer) => answer.code.map_or_else(|| "none".to_owned(), |code| code.to_string()),
            Err(LinkError::NotSent(_)) => "not_sent".to_owned(),
            Err(LinkError::NoAnswer) => "no_answer".to_owned(),
        };
        metrics::histogram!("bankhub_credit_link_seconds", "request" => name).record(watch.elapsed().as_secs_f64());
        metrics::counter!("bankhub_credit_link_requests_total", "request" => name, "result" => result).increment(1);
        answered
    }

    async fn send(&self, request: Request, reserved: Reserved) -> Result<Answer, LinkError> {
        if !self.is_up() {
            return Err(LinkError::NotSent(Reason::BankAway));
        }
        let (reply, answer) = oneshot::channel();
        let deadline = self.epoch.elapsed() + self.answer_within;
        self.jobs.try_send(Job { request, reserved, deadline, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => LinkError::NotSent(Reason::TooBusy),
            mpsc::error::TrySendError::Closed(_) => LinkError::NotSent(Reason::ShuttingDown),
        })?;
        // The line drops a job only when the process goes down, and then perhaps after it has sent it.
        answer.await.unwrap_or(Err(LinkError::NoAnswer))
    }
}

/// Where the peer is.
struct Place {
    address: String,
    tls: Option<(ClientTls, String)>,
}

impl Place {
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let socket = TcpStream::connect(&self.address).await?;
        socket.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Box::new(socket)),
            Some((tls, name)) => Ok(Box::new(tls.secure(name, socket).await?)),
        }
    }
}

/// Connects, lets a session run, and begins again, until it is told to stop.
async fn keep(line: Line, place: Place, rng: SharedRng, mut queue: mpsc::Receiver<Job>, stop: CancellationToken) {
    let line = Arc::new(line);
    let mut failures = 0;
    while !stop.is_cancelled() {
        let connecting = timeout(line.options.connect_within, place.connect());
        let Some(connected) = stop.run_until_cancelled(connecting).await else { break };
        let ended = match connected {
            Ok(Ok(stream)) => Session::new(line.clone(), stream).run(&mut queue, &stop).await,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the credit system cannot be reached");
                Ended::Unreachable
            }
            Err(_) => Ended::Unreachable,
        };
        let was_up = *line.up.borrow();
        line.set_up(false);
        refuse_all(&mut queue);
        metrics::counter!("bankhub_credit_link_ended_total", "why" => ended.as_str()).increment(1);
        if matches!(ended, Ended::Stopped) {
            break;
        }
        tracing::warn!(%ended, failures, "the connection to the credit system has ended and is made again");
        failures = if was_up { 1 } else { failures + 1 };
        let mut spread = [0];
        let _ = rng.fill(&mut spread);
        let pause = order::pause(failures, line.options.pause, line.options.pause_at_most, spread[0]);
        let _ = stop.run_until_cancelled(sleep(pause)).await;
    }
    queue.close();
    refuse_all(&mut queue);
}

/// Those who wait for their turn are told at once that they will not have one; nothing of theirs was sent.
fn refuse_all(queue: &mut mpsc::Receiver<Job>) {
    while let Ok(job) = queue.try_recv() {
        let _ = job.reply.send(Err(LinkError::NotSent(Reason::BankAway)));
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
