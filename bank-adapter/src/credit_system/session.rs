//! One connection to the credit system, from sign-on to its end. Everything that can happen on it goes through one loop, which
//! owns the socket.

use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use iso8583::element::{ProcessingCode, ResponseCode};
use iso8583::frame::Deframer;
use iso8583::mti::MessageClass;
use iso8583::{BuildError, Message, MessageBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zeroize::{Zeroize as _, Zeroizing};

use super::answer::{Answer, trace_of};
use super::link::{Job, LateApproval, Line, LinkError, Stream};
use super::matching::{Matched, Window};
use super::message::{Network, Request};
use super::response::Verdict;
use super::seal::{Draft, Frames, Suspicion};

/// What is written and not yet taken by the peer; beyond it nothing more is sent.
const UNSENT_AT_MOST: usize = 64 * 1024;
/// What is read from the socket at once.
const PIECE: usize = 8 * 1024;
/// How long a peer may leave the connection full.
const STALLED_AT_MOST: Duration = Duration::from_secs(10);
/// How long the answer to a sign-off is waited for.
const SIGN_OFF_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    Unreachable,
    /// The peer, or the network, ended it.
    Closed,
    /// The sign-on was refused or not answered.
    NotSignedOn,
    /// An echo was not answered.
    Silent,
    /// The peer takes nothing more.
    Stalled,
    /// A message began and its rest did not come.
    HalfMessage,
    /// What came is no message.
    Garbage,
    WrongMac,
    /// The key store could not verify what came.
    HsmAway,
}

impl Ended {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::NotSignedOn => "not_signed_on",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::HalfMessage => "half_message",
            Self::Garbage => "garbage",
            Self::WrongMac => "wrong_mac",
            Self::HsmAway => "hsm_away",
        }
    }
}

/// Who waits for an answer.
#[derive(Debug)]
enum Waiter {
    Caller(oneshot::Sender<Result<Answer, LinkError>>),
    Network(Network),
}

pub(super) struct Session {
    line: Arc<Line>,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    deframer: Deframer,
    window: Window<Waiter>,
    /// What is to be written, and how much of it has been.
    unsent: Zeroizing<Vec<u8>>,
    sent: usize,
    /// Nothing of what was written waits for TLS to pass it on.
    is_flushed: bool,
    /// Times since the start of the line.
    heard_at: Duration,
    written_at: Duration,
    echoed_at: Duration,
    /// Since when a message is waited for whose beginning has come.
    within_since: Option<Duration>,
    is_signed_on: bool,
    is_leaving: bool,
}

/// What woke the loop.
enum Event {
    Stop,
    Read(std::io::Result<usize>),
    Pushed(std::io::Result<usize>),
    Job(Option<Job>),
    Time,
}

/// Writes of what is left as much as the socket takes, or when nothing is left has TLS pass on what it keeps. Says how much.
async fn push(writer: &mut WriteHalf<Box<dyn Stream>>, rest: &[u8]) -> std::io::Result<usize> {
    if rest.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(rest).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        length => Ok(length),
    }
}

impl Session {
    pub(super) fn new(line: Arc<Line>, stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = split(stream);
        let now = line.epoch.elapsed();
        Self {
            deframer: Deframer::new(line.options.framing, line.options.longest_message),
            window: Window::new(line.options.window),
            line,
            reader,
            writer,
            unsent: Zeroizing::new(Vec::with_capacity(2 * UNSENT_AT_MOST)),
            sent: 0,
            is_flushed: true,
            heard_at: now,
            written_at: now,
            echoed_at: now,
            within_since: None,
            is_signed_on: false,
            is_leaving: false,
        }
    }

    /// Runs until the connection ends; everybody who waits for an answer is told that there is none.
    pub(super) async fn run(mut self, queue: &mut mpsc::Receiver<Job>, stop: &CancellationToken) -> Ended {
        let ended = match self.network(Network::SignOn).await {
            Ok(()) => self.serve(queue, stop).await,
            Err(ended) => ended,
        };
        for waiter in self.window.into_waiters() {
            if let Waiter::Caller(reply) = waiter {
                let _ = reply.send(Err(LinkError::NoAnswer));
            }
        }
        ended
    }

    async fn serve(&mut self, queue: &mut mpsc::Receiver<Job>, stop: &CancellationToken) -> Ended {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        loop {
            let (now, wake) = (self.now(), self.wake());
            let takes_jobs = self.is_signed_on && !self.is_leaving && self.window.room() > 0 && self.has_room();
            let rest = self.unsent.get(self.sent..).unwrap_or_default();
            let pushes = !rest.is_empty() || !self.is_flushed;
            let event = tokio::select! {
                // In this order nobody waits for ever: what is due is not put off by a peer that never stops sending, and
                // the window lets only so many jobs go before what is to be read.
                biased;
                () = std::future::ready(()), if now >= wake => Event::Time,
                () = stop.cancelled(), if !self.is_leaving => Event::Stop,
                pushed = push(&mut self.writer, rest), if pushes => Event::Pushed(pushed),
                job = queue.recv(), if takes_jobs => Event::Job(job),
                read = self.reader.read(&mut piece) => Event::Read(read),
                () = sleep(wake.saturating_sub(now)) => Event::Time,
            };
            let done = match event {
                Event::Stop => self.leave().await,
                Event::Read(Ok(length)) if length > 0 => self.take_in(piece.get(..length).unwrap_or_default()).await,
                Event::Pushed(Ok(length)) => {
                    self.pushed(length);
                    Ok(())
                }
                Event::Read(_) | Event::Pushed(Err(_)) => Err(Ended::Closed),
                Event::Job(Some(job)) => self.send(job, queue).await,
                Event::Job(None) => Err(Ended::Stopped),
                Event::Time => self.on_time().await,
            };
            if let Err(ended) = done {
                return if self.is_leaving { Ended::Stopped } else { ended };
            }
        }
    }

    fn now(&self) -> Duration {
        self.line.epoch.elapsed()
    }

    fn has_room(&self) -> bool {
        self.unsent.len().saturating_sub(self.sent) < UNSENT_AT_MOST
    }

    /// When something is to be done though nothing happens.
    fn wake(&self) -> Duration {
        let options = &self.line.options;
        let stalled = (self.sent < self.unsent.len()).then(|| self.written_at + STALLED_AT_MOST);
        let rest = self.within_since.map(|since| since + options.rest_within);
        [self.window.next_deadline(), stalled, rest].into_iter().flatten().fold(self.echo_at(), Duration::min)
    }

    /// What is sent does not put it off: a peer that is gone takes in what is sent for a long time.
    fn echo_at(&self) -> Duration {
        self.heard_at.max(self.echoed_at) + self.line.options.echo_every
    }

    async fn on_time(&mut self) -> Result<(), Ended> {
        let (now, options) = (self.now(), self.line.options);
        if self.within_since.is_some_and(|since| now >= since + options.rest_within) {
            return Err(Ended::HalfMessage);
        }
        if self.sent < self.unsent.len() && now >= self.written_at + STALLED_AT_MOST {
            return Err(Ended::Stalled);
        }
        for waiter in self.window.expire(now) {
            match waiter {
                Waiter::Caller(reply) => {
                    let _ = reply.send(Err(LinkError::NoAnswer));
                }
                Waiter::Network(Network::SignOn) => return Err(Ended::NotSignedOn),
                Waiter::Network(Network::Echo) => return Err(Ended::Silent),
                Waiter::Network(Network::SignOff) => return Err(Ended::Stopped),
            }
        }
        if now >= self.echo_at() {
            self.echoed_at = now;
            if self.is_signed_on && !self.is_leaving {
                return self.network(Network::Echo).await;
            }
        }
        Ok(())
    }

    async fn leave(&mut self) -> Result<(), Ended> {
        self.is_leaving = true;
        self.line.set_up(false);
        if self.is_signed_on { self.network(Network::SignOff).await } else { Err(Ended::Stopped) }
    }

    async fn network(&mut self, network: Network) -> Result<(), Ended> {
        let within = match network {
            Network::SignOff => SIGN_OFF_WITHIN,
            Network::SignOn | Network::Echo => self.line.options.answer_within,
        };
        let reserved = self.line.stans.reserve(self.line.clock.now()).ok_or(Ended::Stalled)?;
        let request = Request::Network(network);
        let message = request.build(&self.line.manner, reserved.trace());
        let draft = message.and_then(|message| self.line.sealer.draft(message)).map_err(|error| {
            tracing::error!(%error, "the dialect has no message for the management of connections");
            Ended::NotSignedOn
        })?;
        let answer = request.mti().answer().ok_or(Ended::NotSignedOn)?;
        self.put(vec![draft]).await.map_err(|_| Ended::HsmAway)?;
        self.window.open(reserved, answer, self.now() + within, Waiter::Network(network));
        Ok(())
    }

    /// Sends a request, with all that wait behind it and have room, so that their codes are made together.
    async fn send(&mut self, first: Job, queue: &mut mpsc::Receiver<Job>) -> Result<(), Ended> {
        let (mut drafts, mut jobs) = (Vec::new(), Vec::new());
        let room = self.window.room();
        let mut next = Some(first);
        while let Some(job) = next {
            match self.draft(&job) {
                Ok(draft) => {
                    drafts.push(draft);
                    jobs.push(job);
                }
                Err(reason) => {
                    let _ = job.reply.send(Err(LinkError::NotSent(reason)));
                }
            }
            next = if jobs.len() < room { queue.try_recv().ok() } else { None };
        }
        if let Err(error) = self.put(drafts).await {
            tracing::error!(%error, "messages to the credit system get no authentication code");
            for job in jobs {
                let _ = job.reply.send(Err(LinkError::NotSent(error.reason())));
            }
            return Ok(());
        }
        for Job { request, reserved, deadline, reply } in jobs {
            if let Some(answer) = request.mti().answer() {
                self.window.open(reserved, answer, deadline, Waiter::Caller(reply));
            }
        }
        Ok(())
    }

    /// The message of a job, or why it is not sent.
    fn draft(&self, job: &Job) -> Result<Draft, Reason> {
        if job.deadline <= self.now() || job.reply.is_closed() {
            return Err(Reason::TooBusy);
        }
        let message = job.request.build(&self.line.manner, job.reserved.trace());
        message.and_then(|message| self.line.sealer.draft(message)).map_err(|error: BuildError| {
            tracing::error!(%error, request = ?job.request, "a message to the credit system cannot be written");
            Reason::MessageMalformed
        })
    }

    /// Seals messages and puts them behind what is to be written.
    async fn put(&mut self, drafts: Vec<Draft>) -> Result<(), crate::hsm::HsmError> {
        let messages = self.line.sealer.seal(drafts).await?;
        if self.sent == self.unsent.len() {
            self.written_at = self.now();
        }
        // So that it never has to grow, which would leave a copy of messages behind in memory.
        if self.sent > UNSENT_AT_MOST {
            self.unsent.drain(..self.sent);
            self.sent = 0;
        }
        for message in messages {
            // Longer than the length can tell is no message of any dialect here.
            let _ = self.line.options.framing.write(&message, &mut self.unsent);
        }
        Ok(())
    }

    fn pushed(&mut self, length: usize) {
        self.sent = self.sent.saturating_add(length);
        self.is_flushed = length == 0;
        self.written_at = self.now();
        if self.sent >= self.unsent.len() {
            self.unsent.as_mut_slice().zeroize();
            self.unsent.clear();
            self.sent = 0;
        }
    }

    /// Takes a piece of the stream apart, verifies the messages together and goes through them.
    async fn take_in(&mut self, mut piece: &[u8]) -> Result<(), Ended> {
        self.heard_at = self.now();
        let mut frames = Frames::new();
        let broken = loop {
            match self.deframer.next(&mut piece) {
                Ok(Some(frame)) => frames.push(Zeroizing::new(frame.to_vec())),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        self.within_since = match (self.deframer.is_within(), self.within_since) {
            (true, Some(since)) if frames.is_empty() => Some(since),
            (true, _) => Some(self.heard_at),
            (false, _) => None,
        };
        let (frames, suspicion) = self.line.sealer.verify(frames).await.map_err(|error| {
            tracing::error!(%error, "messages of the credit system cannot be verified");
            Ended::HsmAway
        })?;
        for frame in &frames {
            self.hear(frame).await?;
        }
        match (suspicion, broken) {
            (Some(Suspicion::Missing | Suspicion::Wrong), _) => Err(Ended::WrongMac),
            (None, true) => Err(Ended::Garbage),
            (None, false) => Ok(()),
        }
    }

    async fn hear(&mut self, frame: &[u8]) -> Result<(), Ended> {
        let line = self.line.clone();
        let message = Message::read(line.manner.dialect, frame).map_err(|error| {
            tracing::warn!(%error, "what the credit system sent is no message");
            Ended::Garbage
        })?;
        if message.mti().is_request() {
            return self.answer(&message).await;
        }
        let Some(trace) = trace_of(&message) else { return self.ignore("no_trace") };
        match self.window.take(trace, message.mti()) {
            Matched::Answer(Waiter::Caller(reply)) => {
                // Whoever asked may have gone, as if there had been no answer.
                if reply.send(Ok(Answer::of(&message))).is_err() {
                    self.late(&message);
                }
                Ok(())
            }
            Matched::Answer(Waiter::Network(network)) => self.managed(network, &Answer::of(&message)),
            Matched::Duplicate => self.ignore("duplicate"),
            Matched::Late => {
                self.late(&message);
                self.ignore("late")
            }
        }
    }

    fn managed(&mut self, network: Network, answer: &Answer) -> Result<(), Ended> {
        let is_good = answer.code == Some(ResponseCode::APPROVED);
        match network {
            Network::SignOn if is_good => {
                self.is_signed_on = true;
                self.line.set_up(true);
                tracing::info!("signed on at the credit system");
                Ok(())
            }
            Network::SignOn => Err(Ended::NotSignedOn),
            Network::SignOff => Err(Ended::Stopped),
            Network::Echo => Ok(()),
        }
    }

    /// Hands the approval of a hold to whoever voids it.
    fn late(&self, message: &Message<'_>) {
        let code = message.field(3).and_then(|code| code.as_number()).and_then(ProcessingCode::from_number);
        let is_hold = message.mti().to_string() == "0110" && code.is_none_or(|code| code.transaction() <= 19);
        let answer = Answer::of(message);
        let (Some(reference), Some(trace)) = (answer.reference, trace_of(message)) else { return };
        if is_hold && answer.code.is_some_and(|code| super::response::verdict(code) == Verdict::Approved) {
            tracing::warn!(%reference, "the credit system approves a hold that nobody waits for");
            if self.line.late.try_send(LateApproval { reference, trace }).is_err() {
                metrics::counter!("bankhub_credit_late_lost_total").increment(1);
            }
        }
    }

    #[allow(clippy::unnecessary_wraps, reason = "reads as what becomes of the connection")]
    fn ignore(&self, why: &'static str) -> Result<(), Ended> {
        metrics::counter!("bankhub_credit_link_ignored_total", "why" => why).increment(1);
        Ok(())
    }

    /// Answers what the peer asks: the management of the connection is acknowledged, anything else is not done here.
    async fn answer(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let Some(mti) = message.mti().answer() else { return self.ignore("no_answer_owed") };
        let is_network = message.mti().class() == MessageClass::NetworkManagement;
        if !self.has_room() {
            return Err(Ended::Stalled);
        }
        let build = || {
            let mut answer = MessageBuilder::new(self.line.manner.dialect, mti)?;
            answer.header(message.header())?;
            for number in [2, 3, 4, 7, 11, 32, 37, 41, 70] {
                if let Some(field) = message.field(number) {
                    answer.field(&field)?;
                }
            }
            answer.text(39, if is_network { "00" } else { "12" })?;
            self.line.sealer.draft(answer)
        };
        match build() {
            Ok(draft) => self.put(vec![draft]).await.map_err(|_| Ended::HsmAway),
            Err(error) => {
                tracing::warn!(%error, "a request of the credit system cannot be answered");
                Ok(())
            }
        }
    }
}
