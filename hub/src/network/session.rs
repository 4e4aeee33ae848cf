//! One connection of a link, from its beginning to its end: one loop reads, tasks work, one task writes.
//!
//! Whoever connects signs on first. Messages are read only as fast as they can be worked on: what comes beyond the window stays in the
//! socket. Keys that are exchanged are this connection's; the next one begins with the configured ones.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use domain::network::{Response, Tag};
use iso8583::frame::Deframer;
use iso8583::mti::MessageClass;
use iso8583::{BuildError, Message};
use server_kit::clock::Stopwatch;
use server_kit::rng::SharedRng;
use server_kit::trace::{Kind, Span};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::carry::Carrier;
use super::link::Link;
use super::reply::{self, Reply};
use super::sent::number;
use super::settle;
use super::working_key::WorkingKeys;
use crate::standing::{SignedOn, Standings};

/// What is read from the socket at once.
const PIECE: usize = 8 * 1024;
/// How long the other side may leave the connection full.
const STALLED_AT_MOST: Duration = Duration::from_secs(10);
/// How long what is under way may take when a connection ends.
const FINISH_WITHIN: Duration = Duration::from_secs(20);

/// Network management, field 70 (ISO 8583:1987, annex A.14).
const SIGN_ON: u64 = 1;
const SIGN_OFF: u64 = 2;
const KEY_EXCHANGE: u64 = 101;
const CUT_OVER: u64 = 201;
const ECHO: u64 = 301;

/// A connection, in the clear or under TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The hub drains.
    Drained,
    /// The other side, or the network, ended it.
    Closed,
    SignedOff,
    NotSignedOn,
    /// Nothing came for too long.
    Idle,
    /// A message began and its rest did not come.
    HalfMessage,
    /// What came is no message.
    Garbage,
}

impl Ended {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Drained => "drained",
            Self::Closed => "closed",
            Self::SignedOff => "signed_off",
            Self::NotSignedOn => "not_signed_on",
            Self::Idle => "idle",
            Self::HalfMessage => "half_message",
            Self::Garbage => "garbage",
        }
    }
}

/// What connections stand on.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub(super) carrier: Carrier,
    pub(super) rng: SharedRng,
    pub(super) standings: Standings,
    pub(super) draining: CancellationToken,
}

type Frame = Zeroizing<Vec<u8>>;

pub(super) struct Session {
    link: Arc<Link>,
    ground: Ground,
    reader: ReadHalf<Box<dyn Stream>>,
    deframer: Deframer,
    answers: mpsc::Sender<Frame>,
    keys: Arc<WorkingKeys>,
    places: Arc<Semaphore>,
    /// From the sign-on to the end.
    signed_on: Option<SignedOn>,
    began: Stopwatch,
    /// Since when the rest of a message is waited for.
    within: Option<Stopwatch>,
}

/// Writes answers until nobody makes any more, or the other side takes none.
pub(super) async fn write_answers(mut writer: WriteHalf<Box<dyn Stream>>, mut answers: mpsc::Receiver<Frame>) {
    while let Some(answer) = answers.recv().await {
        let written = timeout(STALLED_AT_MOST, async {
            writer.write_all(&answer).await?;
            writer.flush().await
        });
        if !matches!(written.await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(STALLED_AT_MOST, writer.shutdown()).await;
}

/// Serves a connection to its end.
pub(super) async fn serve(link: Arc<Link>, ground: Ground, stream: Box<dyn Stream>) -> Ended {
    let (reader, writer) = split(stream);
    let (answers, written) = mpsc::channel(link.window);
    let writing = tokio::spawn(write_answers(writer, written));
    let session = Session {
        deframer: Deframer::new(link.framing, link.longest_message),
        keys: Arc::new(link.keys.clone()),
        places: Arc::new(Semaphore::new(link.window)),
        link,
        ground,
        reader,
        answers,
        signed_on: None,
        began: Stopwatch::start(),
        within: None,
    };
    let ended = session.run().await;
    // What is under way is answered before the connection closes.
    if timeout(FINISH_WITHIN, writing).await.is_err() {
        tracing::warn!("the answers of a link could not all be handed over");
    }
    ended
}

impl Session {
    async fn run(mut self) -> Ended {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        loop {
            let (patience, over) = self.patience();
            let draining = self.ground.draining.clone();
            let read = tokio::select! {
                biased;
                () = draining.cancelled() => return Ended::Drained,
                () = self.answers.closed() => return Ended::Closed,
                read = timeout(patience, self.reader.read(&mut piece)) => read,
            };
            let length = match read {
                Err(_) => return over,
                Ok(Ok(length)) if length > 0 => length,
                Ok(_) => return Ended::Closed,
            };
            if let Err(ended) = self.take_in(piece.get(..length).unwrap_or_default()).await {
                return ended;
            }
        }
    }

    /// How long the next octet is waited for, and what it means if it does not come.
    fn patience(&self) -> (Duration, Ended) {
        if let Some(within) = &self.within {
            return (self.link.message_timeout.saturating_sub(within.elapsed()), Ended::HalfMessage);
        }
        if self.signed_on.is_none() {
            return (self.link.sign_on_timeout.saturating_sub(self.began.elapsed()), Ended::NotSignedOn);
        }
        (self.link.idle_timeout, Ended::Idle)
    }

    async fn take_in(&mut self, mut piece: &[u8]) -> Result<(), Ended> {
        let mut frames: Vec<Frame> = Vec::new();
        let broken = loop {
            match self.deframer.next(&mut piece) {
                Ok(Some(frame)) => frames.push(Zeroizing::new(frame.to_vec())),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if !self.deframer.is_within() {
            self.within = None;
        } else if self.within.is_none() || !frames.is_empty() {
            self.within = Some(Stopwatch::start());
        }
        for frame in frames {
            self.hear(frame).await?;
        }
        match broken {
            None => Ok(()),
            Some(error) => {
                tracing::warn!(link = self.link.id, %error, "what came over a link is no message");
                Err(Ended::Garbage)
            }
        }
    }

    async fn hear(&mut self, frame: Frame) -> Result<(), Ended> {
        let (link, keys) = (self.link.clone(), self.keys.clone());
        let message = Message::read(link.dialect, &frame).map_err(|error| {
            tracing::warn!(link = link.id, %error, "what came over a link is no message");
            Ended::Garbage
        })?;
        tracing::debug!(target: "hub::network::frames", link = link.id, way = "in", "{}", message.dump());
        if !message.mti().is_request() {
            metrics::counter!("bankhub_network_ignored_total", "link" => link.id.clone()).increment(1);
            return Ok(());
        }
        let is_sealed = keys.mac.as_ref().is_none_or(|key| message.verify(&key.as_mac()).is_ok());
        let refused = match message.mti().class() {
            _ if !is_sealed => Some(Reason::MacRefused),
            MessageClass::NetworkManagement => return self.manage(&message).await,
            _ if self.signed_on.is_none() => Some(Reason::NotSignedOn),
            _ => None,
        };
        if let Some(reason) = refused {
            return self.say(&message, &keys, &Reply::of(Response::Refused(reason))).await;
        }
        let place = self.places.clone().acquire_owned().await.map_err(|_| Ended::Closed)?;
        let work = Work { carrier: self.ground.carrier.clone(), answers: self.answers.clone(), link, keys, place };
        tokio::spawn(work.run(frame));
        Ok(())
    }

    /// The management of the connection, in the order in which it comes.
    async fn manage(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let keys = self.keys.clone();
        let (link, journal) = (self.link.clone(), self.ground.carrier.journal.clone());
        let approved = Reply::of(Response::Approved);
        match number(message, 70) {
            Some(SIGN_ON) => {
                if self.signed_on.is_none() {
                    self.signed_on = Some(self.ground.standings.signed_on(&link.id));
                }
                tracing::info!(link = link.id, "a link has signed on");
                self.say(message, &keys, &approved).await
            }
            Some(SIGN_OFF) => {
                self.say(message, &keys, &approved).await?;
                Err(Ended::SignedOff)
            }
            Some(ECHO) => self.say(message, &keys, &approved).await,
            Some(KEY_EXCHANGE) if self.signed_on.is_some() => self.exchange(message).await,
            Some(CUT_OVER) if self.signed_on.is_some() => {
                let done = settle::cut_over(&journal, &link, message).await;
                let reply = done.unwrap_or_else(|reason| Reply::of(Response::Refused(reason)));
                self.say(message, &keys, &reply).await
            }
            Some(KEY_EXCHANGE | CUT_OVER) => {
                self.say(message, &keys, &Reply::of(Response::Refused(Reason::NotSignedOn))).await
            }
            _ => self.say(message, &keys, &Reply::of(Response::Refused(Reason::NatureUnsupported))).await,
        }
    }

    /// Hands new keys out. What is under way is answered under the old ones first, and so is this.
    async fn exchange(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let old = self.keys.clone();
        let Some(exchange_key) = self.link.exchange_key.clone() else {
            return self.say(message, &old, &Reply::of(Response::Refused(Reason::NatureUnsupported))).await;
        };
        let all = u32::try_from(self.link.window).unwrap_or(u32::MAX);
        let places = self.places.clone();
        let _all = places.acquire_many(all).await.map_err(|_| Ended::Closed)?;
        let made = exchange_key.hand_out(&*self.ground.rng).and_then(|pin| {
            let mac = old.mac.as_ref().map(|_| exchange_key.hand_out(&*self.ground.rng)).transpose()?;
            Ok((pin, mac))
        });
        let (pin, mac) = match made {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(%error, "a key for a link cannot be made");
                return self.say(message, &old, &Reply::of(Response::Refused(Reason::Fault))).await;
            }
        };
        let mut reply = Reply::of(Response::Approved).telling(Tag::PinKey, pin.told.clone());
        if let Some(mac) = &mac {
            reply = reply.telling(Tag::MacKey, mac.told.clone());
        }
        self.say(message, &old, &reply).await?;
        self.keys = Arc::new(WorkingKeys { pin: pin.key, mac: mac.map(|mac| mac.key) });
        tracing::info!(link = self.link.id, "a link has new keys");
        Ok(())
    }

    async fn say(&mut self, message: &Message<'_>, keys: &WorkingKeys, reply: &Reply) -> Result<(), Ended> {
        match written(&self.link, keys, message, reply) {
            Some(answer) => self.answers.send(answer).await.map_err(|_| Ended::Closed),
            None => Ok(()),
        }
    }
}

/// One request on its way.
struct Work {
    carrier: Carrier,
    answers: mpsc::Sender<Frame>,
    link: Arc<Link>,
    keys: Arc<WorkingKeys>,
    place: OwnedSemaphorePermit,
}

impl Work {
    fn run(self, frame: Frame) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Self { carrier, answers, link, keys, place } = self;
            // It was read before.
            let Ok(message) = Message::read(link.dialect, &frame) else { return };
            let watch = Stopwatch::start();
            let span = Span::begin("network message", Kind::Server);
            span.note("bankhub.link", || link.id.clone());
            let reply = span.run(carrier.answer(&link, &keys, &message)).await;
            let answer = written(&link, &keys, &message, &reply);
            metrics::histogram!("bankhub_network_answer_seconds", "link" => link.id.clone())
                .record(watch.elapsed().as_secs_f64());
            if let Some(answer) = answer {
                // Nobody is there to hear it: the other side asks again.
                let _ = answers.send(answer).await;
            }
            drop(place);
        })
    }
}

/// The answer as it goes out, noted in the log of frames.
fn written(link: &Link, keys: &WorkingKeys, message: &Message<'_>, reply: &Reply) -> Option<Frame> {
    let code = domain::network::code_of(reply.response);
    let mti = message.mti().to_string();
    metrics::counter!("bankhub_network_messages_total", "link" => link.id.clone(), "mti" => mti, "code" => code)
        .increment(1);
    let answer: Result<Frame, BuildError> = reply::write(link, keys, message, reply);
    match answer {
        Ok(answer) => {
            let body = answer.get(link.framing.octets()..).unwrap_or_default();
            if let Ok(message) = Message::read(link.dialect, body) {
                tracing::debug!(target: "hub::network::frames", link = link.id, way = "out", "{}", message.dump());
            }
            Some(answer)
        }
        Err(error) => {
            tracing::error!(link = link.id, %error, "an answer cannot be written in the dialect of its link");
            None
        }
    }
}
