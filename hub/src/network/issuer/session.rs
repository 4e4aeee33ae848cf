//! One connection to a card network, from sign-on to its end: one loop reads and sends, one task writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use domain::network::{PrivateData, Response, Tag, code_of};
use iso8583::element::{Stan, TransmissionTime};
use iso8583::frame::Deframer;
use iso8583::mti::MessageClass;
use iso8583::{BuildError, Message, MessageBuilder, Mti};
use server_kit::clock::{SharedClock, Stopwatch};
use tokio::io::{AsyncReadExt as _, ReadHalf, split};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::line::{Job, LineError, Told};
use super::link::{LineKeys, Link};
use super::message::{Answer, Trace, WireError, on_the_wire};
use crate::network::session::{Stream, write_answers};
use crate::network::settle::{Asked, total_fields};
use crate::network::working_key::WorkingKey;

/// What is read from the socket at once.
const PIECE: usize = 8 * 1024;

/// Network management, field 70 (ISO 8583:1987, annex A.14).
const SIGN_ON: u64 = 1;
const SIGN_OFF: u64 = 2;
const KEY_EXCHANGE: u64 = 101;
const CUT_OVER: u64 = 201;
const ECHO: u64 = 301;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Stopped,
    /// The network, or the way to it, ended it.
    Closed,
    NotSignedOn,
    /// An echo was not answered.
    Silent,
    HalfMessage,
    Garbage,
    WrongMac,
}

impl Ended {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Closed => "closed",
            Self::NotSignedOn => "not_signed_on",
            Self::Silent => "silent",
            Self::HalfMessage => "half_message",
            Self::Garbage => "garbage",
            Self::WrongMac => "wrong_mac",
        }
    }
}

type Frame = Zeroizing<Vec<u8>>;
type Waiting = HashMap<(Trace, Mti), oneshot::Sender<Result<Answer, LineError>>>;

pub(super) struct Session {
    link: Arc<Link>,
    clock: SharedClock,
    reader: ReadHalf<Box<dyn Stream>>,
    frames: mpsc::Sender<Frame>,
    writing: JoinHandle<()>,
    deframer: Deframer,
    waiting: Waiting,
    told: mpsc::Sender<Told>,
    keys: LineKeys,
    /// The numbers of what manages the connection; messages about money have theirs from the database.
    stan: Stan,
    heard: Stopwatch,
    is_echoed: bool,
    /// Since when the rest of a message is waited for.
    within: Option<Stopwatch>,
}

impl Session {
    pub(super) fn new(
        link: Arc<Link>,
        (clock, stan): (SharedClock, Stan),
        told: mpsc::Sender<Told>,
        stream: Box<dyn Stream>,
    ) -> Self {
        let (reader, writer) = split(stream);
        let (frames, written) = mpsc::channel(link.window);
        Self {
            deframer: Deframer::new(link.framing, link.longest_message),
            keys: link.keys.clone(),
            link,
            clock,
            reader,
            frames,
            writing: tokio::spawn(write_answers(writer, written)),
            waiting: HashMap::new(),
            told,
            stan,
            heard: Stopwatch::start(),
            is_echoed: false,
            within: None,
        }
    }

    /// Signs on, and asks for new keys where there is a key to hand them out under. The line is up after it.
    pub(super) async fn sign_on(&mut self) -> Result<(), Ended> {
        let answer = self.manage(SIGN_ON).await?;
        if answer.code != "00" {
            tracing::warn!(link = self.link.id, code = answer.code, "a card network refuses the sign-on");
            return Err(Ended::NotSignedOn);
        }
        let Some(exchange) = self.link.exchange_key.clone() else { return Ok(()) };
        let answer = self.manage(KEY_EXCHANGE).await?;
        let told = Zeroizing::new(answer.private.unwrap_or_default());
        let keys = new_keys(&exchange, &told, self.keys.mac.is_some()).filter(|_| answer.code == "00");
        self.keys = keys.ok_or_else(|| {
            tracing::warn!(link = self.link.id, code = answer.code, "a card network hands out no keys that open");
            Ended::NotSignedOn
        })?;
        tracing::info!(link = self.link.id, "a line to a card network has new keys");
        Ok(())
    }

    /// Sends what comes and hears what is answered, until the connection ends or nobody can send any more.
    pub(super) async fn serve(&mut self, jobs: &mut mpsc::Receiver<Job>) -> Ended {
        let mut piece = Zeroizing::new(vec![0; PIECE]);
        loop {
            self.waiting.retain(|_, reply| !reply.is_closed());
            let takes = self.waiting.len() < self.link.window;
            let (patience, over) = self.patience();
            let (frames, read) = (self.frames.clone(), self.reader.read(&mut piece));
            let done = tokio::select! {
                biased;
                () = frames.closed() => Err(Ended::Closed),
                job = jobs.recv(), if takes => match job {
                    Some(job) => self.send(job).await,
                    None => Err(Ended::Stopped),
                },
                read = timeout(patience, read) => match read {
                    Ok(Ok(length)) if length > 0 => self.take_in(piece.get(..length).unwrap_or_default()).await,
                    Ok(_) => Err(Ended::Closed),
                    Err(_) => self.passed(over).await,
                },
            };
            match done {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    /// Says good-bye, if it may, and lets what was written go out.
    pub(super) async fn leave(mut self, ended: Ended) {
        if ended == Ended::Stopped
            && let Ok((_, _, octets)) = self.managing(SIGN_OFF)
        {
            let _ = self.put(&octets).await;
        }
        drop(self.frames);
        let _ = timeout(Duration::from_secs(1), self.writing).await;
    }

    /// How long the next octet is waited for, and what it means if it does not come.
    fn patience(&self) -> (Duration, Option<Ended>) {
        if let Some(within) = &self.within {
            return (self.link.rest_within.saturating_sub(within.elapsed()), Some(Ended::HalfMessage));
        }
        let silence = self.heard.elapsed();
        if self.is_echoed {
            let patience = (self.link.echo_every + self.link.answer_within).saturating_sub(silence);
            return (patience, Some(Ended::Silent));
        }
        // What waits for an answer is looked at now and then, so that those who have gone make room.
        (self.link.echo_every.saturating_sub(silence).min(self.link.answer_within), None)
    }

    async fn passed(&mut self, over: Option<Ended>) -> Result<(), Ended> {
        if let Some(ended) = over {
            return Err(ended);
        }
        if self.heard.elapsed() >= self.link.echo_every {
            self.is_echoed = true;
            let (_, _, octets) = self.managing(ECHO)?;
            self.put(&octets).await?;
        }
        Ok(())
    }

    /// A message that manages the connection, with the key of its answer.
    fn managing(&mut self, code: u64) -> Result<(Trace, Mti, Frame), Ended> {
        let seconds = u64::try_from(self.clock.now().micros() / 1_000_000).unwrap_or(0);
        self.stan = self.stan.next();
        let trace = Trace { stan: self.stan.number(), time: TransmissionTime::from_unix_seconds(seconds).number() };
        let mti = Mti::NETWORK_MANAGEMENT_REQUEST;
        let build = || -> Result<Frame, BuildError> {
            let mut message = MessageBuilder::new(self.link.manner.dialect, mti)?;
            if let Some(header) = &self.link.manner.header {
                message.header(header)?;
            }
            message.number(7, trace.time)?.number(11, trace.stan)?.text(32, &self.link.manner.institution)?;
            message.number(70, code)?;
            let mut octets = Zeroizing::new(Vec::new());
            message.write(&mut octets)?;
            Ok(octets)
        };
        let octets = build().map_err(|error| {
            tracing::error!(link = self.link.id, %error, "the dialect has no message for the management of connections");
            Ended::NotSignedOn
        })?;
        let octets = on_the_wire(&self.link.manner, &self.keys, (&octets, false), None).map_err(|error| {
            tracing::error!(link = self.link.id, %error, "a message to a card network cannot be written");
            Ended::NotSignedOn
        })?;
        Ok((trace, mti.answer().unwrap_or(mti), octets))
    }

    /// Sends a message that manages the connection and waits for its answer.
    async fn manage(&mut self, code: u64) -> Result<Answer, Ended> {
        let (trace, answer, octets) = self.managing(code)?;
        let (reply, mut answered) = oneshot::channel();
        self.waiting.insert((trace, answer), reply);
        self.put(&octets).await?;
        let (watch, mut piece) = (Stopwatch::start(), Zeroizing::new(vec![0; PIECE]));
        loop {
            let patience = self.link.answer_within.saturating_sub(watch.elapsed());
            let read = timeout(patience, self.reader.read(&mut piece)).await;
            match read {
                Err(_) => return Err(Ended::NotSignedOn),
                Ok(Ok(length)) if length > 0 => self.take_in(piece.get(..length).unwrap_or_default()).await?,
                Ok(_) => return Err(Ended::Closed),
            }
            if let Ok(Ok(answer)) = answered.try_recv() {
                return Ok(answer);
            }
        }
    }

    async fn put(&mut self, octets: &[u8]) -> Result<(), Ended> {
        let mut framed = Zeroizing::new(Vec::with_capacity(octets.len() + 4));
        // Longer than the length can tell is no message of any dialect here.
        let _ = self.link.framing.write(octets, &mut framed);
        self.frames.send(framed).await.map_err(|_| Ended::Closed)
    }

    async fn send(&mut self, job: Job) -> Result<(), Ended> {
        if job.reply.is_closed() {
            return Ok(());
        }
        let sending = &job.sending;
        let kept = (sending.octets.as_slice(), sending.is_repeat);
        match on_the_wire(&self.link.manner, &self.keys, kept, sending.card.as_deref()) {
            Ok(octets) => {
                if let Ok(message) = Message::read(self.link.manner.dialect, &octets) {
                    tracing::debug!(target: "hub::network::frames", link = self.link.id, way = "out", "{}", message.dump());
                }
                self.waiting.insert((job.trace, job.answer), job.reply);
                self.put(&octets).await
            }
            Err(error) => {
                tracing::error!(link = self.link.id, %error, "a message to a card network cannot be written");
                let _ = job.reply.send(Err(match error {
                    WireError::Card(reason) => LineError::NotShown(reason),
                    WireError::Read(_) | WireError::Build(_) => LineError::NotSent,
                }));
                Ok(())
            }
        }
    }

    async fn take_in(&mut self, mut piece: &[u8]) -> Result<(), Ended> {
        self.heard = Stopwatch::start();
        self.is_echoed = false;
        let mut frames: Vec<Frame> = Vec::new();
        let broken = loop {
            match self.deframer.next(&mut piece) {
                Ok(Some(frame)) => frames.push(Zeroizing::new(frame.to_vec())),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        if !self.deframer.is_within() {
            self.within = None;
        } else if self.within.is_none() || !frames.is_empty() {
            self.within = Some(Stopwatch::start());
        }
        for frame in frames {
            self.hear(&frame).await?;
        }
        if broken { Err(Ended::Garbage) } else { Ok(()) }
    }

    async fn hear(&mut self, frame: &[u8]) -> Result<(), Ended> {
        let link = self.link.clone();
        let message = Message::read(link.manner.dialect, frame).map_err(|error| {
            tracing::warn!(link = link.id, %error, "what a card network sent is no message");
            Ended::Garbage
        })?;
        tracing::debug!(target: "hub::network::frames", link = link.id, way = "in", "{}", message.dump());
        if self.keys.mac.as_ref().is_some_and(|key| message.verify(&key.as_mac()).is_err()) {
            return Err(Ended::WrongMac);
        }
        if message.mti().is_request() {
            return self.asked(&message).await;
        }
        let Some(trace) = Trace::read(&message) else { return Ok(()) };
        let answer = Answer::of(&message);
        let is_heard = match self.waiting.remove(&(trace, message.mti())) {
            Some(reply) => reply.send(Ok(answer.clone())).is_ok(),
            None => false,
        };
        let takes_money = matches!(message.mti().class(), MessageClass::Authorization | MessageClass::Financial);
        if !is_heard && takes_money && answer.code == "00" {
            tracing::warn!(link = link.id, stan = trace.stan, "a card network approves what nobody waits for");
            if self.told.try_send(Told::Late(trace, Box::new(answer))).is_err() {
                metrics::counter!("bankhub_issuer_late_lost_total", "link" => link.id.clone()).increment(1);
            }
        }
        Ok(())
    }

    /// What the network asks: the management of the connection; anything else is not done here.
    async fn asked(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let number = |field| message.field(field).and_then(|field| field.as_number());
        let is_managing = message.mti().class() == MessageClass::NetworkManagement;
        let code = match number(70).filter(|_| is_managing) {
            Some(ECHO | SIGN_ON) => "00",
            Some(SIGN_OFF) => {
                self.answer(message, "00").await?;
                return Err(Ended::Closed);
            }
            Some(CUT_OVER) => match number(15).and_then(|day| u16::try_from(day).ok()) {
                None => "30",
                Some(day) => {
                    let (done, is_done) = oneshot::channel();
                    let asked = self.told.try_send(Told::CutOver { day, done }).is_ok();
                    // The day is another one before the network hears that it is; what comes meanwhile stays in the socket.
                    if asked && is_done.await == Ok(true) { "00" } else { "96" }
                }
            },
            _ if message.mti().class() == MessageClass::Reconciliation => return self.compare(message).await,
            _ => "12",
        };
        self.answer(message, code).await
    }

    /// Has the network's totals compared, and answers with the hub's.
    async fn compare(&mut self, message: &Message<'_>) -> Result<(), Ended> {
        let compared = match Asked::of(message) {
            Err(reason) => Err(reason),
            Ok(asked) => {
                let (done, is_done) = oneshot::channel();
                let told = self.told.try_send(Told::Totals { asked, done }).map_err(|_| Reason::TooBusy);
                match told {
                    Ok(()) => is_done.await.unwrap_or(Err(Reason::Fault)),
                    Err(reason) => Err(reason),
                }
            }
        };
        let compared = match compared {
            Ok(compared) => compared,
            Err(reason) => return self.answer(message, code_of(Response::Refused(reason))).await,
        };
        let is_same = compared.differences().is_empty();
        let mut fields = total_fields(&compared.ours, compared.day);
        fields.push((66, if is_same { "1" } else { "2" }.to_owned()));
        self.answer_with(message, if is_same { "00" } else { "95" }, &fields).await
    }

    async fn answer(&mut self, message: &Message<'_>, code: &str) -> Result<(), Ended> {
        self.answer_with(message, code, &[]).await
    }

    async fn answer_with(&mut self, message: &Message<'_>, code: &str, more: &[(u8, String)]) -> Result<(), Ended> {
        let Some(mti) = message.mti().answer() else { return Ok(()) };
        let build = || -> Result<Frame, BuildError> {
            let mut answer = MessageBuilder::new(self.link.manner.dialect, mti)?;
            answer.header(message.header())?;
            for number in [3, 4, 7, 11, 15, 32, 33, 37, 41, 49, 50, 70] {
                if let Some(field) = message.field(number) {
                    answer.field(&field)?;
                }
            }
            answer.text(39, code)?;
            for (field, text) in more {
                answer.text(*field, text)?;
            }
            let mut octets = Zeroizing::new(Vec::new());
            answer.write(&mut octets)?;
            Ok(octets)
        };
        let written = build().map_err(|error| error.to_string()).and_then(|octets| {
            let wire = on_the_wire(&self.link.manner, &self.keys, (&octets, false), None);
            wire.map_err(|error| error.to_string())
        });
        match written {
            Ok(octets) => self.put(&octets).await,
            Err(error) => {
                tracing::warn!(link = self.link.id, error, "a request of a card network cannot be answered");
                Ok(())
            }
        }
    }
}

/// The keys that a network hands out in its private field; none if one is missing or does not open.
fn new_keys(exchange: &WorkingKey, told: &str, with_mac: bool) -> Option<LineKeys> {
    let data = PrivateData::parse(told).ok()?;
    let pin = exchange.open_key(data.get(Tag::PinKey)?)?;
    let mac = match with_mac {
        true => Some(exchange.open_key(data.get(Tag::MacKey)?)?),
        false => None,
    };
    Some(LineKeys { mac, pin: Some(pin) })
}
