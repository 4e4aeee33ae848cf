//! One bound connection to an SMSC: what is out, what is answered, what comes in by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use moka::sync::Cache;
use server_kit::clock::Stopwatch;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::channel::{Receipt, SendError};
use super::pdu::{self, Bind, Body, Pdu, PduError, Short, status};
use super::receipt::receipt_of;

/// A socket, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// How often it is looked at what is late.
const TICK: Duration = Duration::from_millis(50);
/// Messages that were read and not looked at yet.
const READ_AHEAD: usize = 32;
/// The first pause after the other side has said that it is too much; it doubles until something is taken.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A message whose answer is later than so many times the usual wait is taken for lost.
const LOST_AFTER: u32 = 3;

/// Which part of which notice.
pub(super) type Key = (Uuid, u8);
/// What the other side has taken, by its name there. A notice that comes again finds its parts here and is not sent twice.
pub(super) type Taken = Cache<Key, String>;

/// A short message on its way out.
pub(super) struct Submit {
    pub(super) key: Key,
    pub(super) short: Short,
    pub(super) reply: oneshot::Sender<Result<String, SendError>>,
}

/// The numbers of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Messages without an answer.
    pub(super) window: usize,
    pub(super) per_second: u32,
    /// How long an answer may take.
    pub(super) answer_within: Duration,
    /// Silence after which the other side is asked whether it is there.
    pub(super) enquire_every: Duration,
}

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the other side has refused the bind with status {0:#04x}")]
    Refused(u32),
    #[error("the other side has unbound")]
    Unbound,
    #[error("the other side does not answer")]
    Silent,
    #[error("the connection was lost")]
    Lost,
    #[error(transparent)]
    Unreadable(#[from] PduError),
    #[error("the hub drains")]
    Draining,
}

/// A message that the other side has and did not answer yet.
struct Out {
    key: Key,
    /// None when whoever asked was told that it is late.
    reply: Option<oneshot::Sender<Result<String, SendError>>>,
    /// Since it was sent, and since somebody waits for it.
    sent: Stopwatch,
    waited: Stopwatch,
}

pub(super) struct Session<'a> {
    writer: WriteHalf<Box<dyn Stream>>,
    frames: mpsc::Receiver<Result<Pdu, Ended>>,
    reader: JoinHandle<()>,
    limits: Limits,
    taken: &'a Taken,
    receipts: &'a mpsc::Sender<Receipt>,
    out: BTreeMap<u32, Out>,
    sequence: u32,
    /// What may be sent right now by the rate, in messages.
    allowance: f64,
    ticked: Stopwatch,
    heard: Stopwatch,
    enquiry: Option<Stopwatch>,
    paused: Option<Stopwatch>,
    pause: Duration,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.reader.abort();
        for (_, out) in std::mem::take(&mut self.out) {
            answer(out.reply, Err(SendError::Unknown { code: "LOST".to_owned() }));
        }
    }
}

impl<'a> Session<'a> {
    /// Binds as a transceiver.
    pub(super) async fn bind(
        stream: Box<dyn Stream>,
        bind: Bind,
        limits: Limits,
        taken: &'a Taken,
        receipts: &'a mpsc::Sender<Receipt>,
    ) -> Result<Self, Ended> {
        let (read, writer) = tokio::io::split(stream);
        let (to, frames) = mpsc::channel(READ_AHEAD);
        let reader = tokio::spawn(read_frames(read, to));
        let mut session = Self {
            writer,
            frames,
            reader,
            limits,
            taken,
            receipts,
            out: BTreeMap::new(),
            sequence: 0,
            allowance: 1.0,
            ticked: Stopwatch::start(),
            heard: Stopwatch::start(),
            enquiry: None,
            paused: None,
            pause: FIRST_PAUSE,
        };
        session.request(Body::BindTransceiver(bind)).await?;
        let bound = timeout(limits.answer_within, session.bound()).await;
        bound.unwrap_or(Err(Ended::Silent)).map(|()| session)
    }

    async fn bound(&mut self) -> Result<(), Ended> {
        loop {
            let pdu = self.frames.recv().await.unwrap_or(Err(Ended::Lost))?;
            match pdu.body {
                Body::BindTransceiverResp | Body::GenericNack if pdu.status != status::OK => {
                    return Err(Ended::Refused(pdu.status));
                }
                Body::BindTransceiverResp => return Ok(()),
                _ => self.heard(pdu).await?,
            }
        }
    }

    /// Sends what is submitted until the connection ends or the hub drains.
    pub(super) async fn run(&mut self, submits: &mut mpsc::Receiver<Submit>, draining: &CancellationToken) -> Ended {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let may_send = self.may_send();
            let done = tokio::select! {
                biased;
                frame = self.frames.recv() => match frame.unwrap_or(Err(Ended::Lost)) {
                    Ok(pdu) => self.heard(pdu).await,
                    Err(ended) => Err(ended),
                },
                _ = ticks.tick() => self.tick().await,
                () = draining.cancelled(), if self.waiting() == 0 && submits.is_empty() => Err(Ended::Draining),
                submit = submits.recv(), if may_send => match submit {
                    Some(submit) => self.submit(submit).await,
                    None => Err(Ended::Draining),
                },
            };
            if let Err(ended) = done {
                match &ended {
                    Ended::Draining => self.unbind().await,
                    Ended::Unreadable(error) => self.complain(*error).await,
                    _ => {}
                }
                return ended;
            }
        }
    }

    /// How many messages somebody waits for.
    fn waiting(&self) -> usize {
        self.out.values().filter(|out| out.reply.is_some()).count()
    }

    fn may_send(&self) -> bool {
        self.paused.is_none() && self.allowance >= 1.0 && self.waiting() < self.limits.window
    }

    async fn submit(&mut self, submit: Submit) -> Result<(), Ended> {
        if submit.reply.is_closed() {
            return Ok(());
        }
        // The same message as one whose answer is late: its answer will do for both.
        if let Some(out) = self.out.values_mut().find(|out| out.key == submit.key) {
            out.reply = Some(submit.reply);
            out.waited = Stopwatch::start();
            return Ok(());
        }
        if let Some(message_id) = self.taken.get(&submit.key) {
            answer(Some(submit.reply), Ok(message_id));
            return Ok(());
        }
        self.allowance -= 1.0;
        let sequence = self.next_sequence();
        let (sent, waited) = (Stopwatch::start(), Stopwatch::start());
        self.out.insert(sequence, Out { key: submit.key, reply: Some(submit.reply), sent, waited });
        self.write(Pdu { status: status::OK, sequence, body: Body::SubmitSm(Box::new(submit.short)) }).await
    }

    async fn heard(&mut self, pdu: Pdu) -> Result<(), Ended> {
        self.heard = Stopwatch::start();
        let Pdu { status, sequence, body } = pdu;
        let reply = |body| Pdu { status: status::OK, sequence, body };
        match body {
            Body::SubmitSmResp(message_id) => self.submitted(sequence, status, message_id),
            Body::GenericNack => self.submitted(sequence, status.max(1), None),
            Body::EnquireLinkResp => self.enquiry = None,
            Body::EnquireLink => self.write(reply(Body::EnquireLinkResp)).await?,
            Body::DeliverSm(short) => {
                let status = self.delivered(&short);
                self.write(Pdu { status, sequence, body: Body::DeliverSmResp }).await?;
            }
            Body::Unbind => {
                self.write(reply(Body::UnbindResp)).await?;
                return Err(Ended::Unbound);
            }
            Body::Other(pdu::id::ALERT_NOTIFICATION) => {}
            Body::Other(command) if command & pdu::id::RESPONSE == 0 => {
                let status = status::INVALID_COMMAND;
                self.write(Pdu { status, sequence, body: Body::GenericNack }).await?;
            }
            _ => ignored("unexpected"),
        }
        Ok(())
    }

    /// What the other side says to a message that it was given.
    fn submitted(&mut self, sequence: u32, status: u32, message_id: Option<String>) {
        // An answer that came twice, or after the message was taken for lost.
        let Some(out) = self.out.remove(&sequence) else { return ignored("unasked") };
        if out.reply.is_none() {
            ignored("late");
        }
        let code = format!("SMPP_{status:02X}");
        let said = match status {
            status::OK => {
                let message_id = message_id.unwrap_or_default();
                // Also when nobody waits any more: whoever tries the notice again finds it here.
                self.taken.insert(out.key, message_id.clone());
                self.pause = FIRST_PAUSE;
                Ok(message_id)
            }
            status::THROTTLED | status::QUEUE_FULL => {
                let pause = self.slow_down();
                Err(SendError::Later { code, pause })
            }
            status::SYSTEM_ERROR | status::SUBMIT_FAILED | status::TEMPORARY_ERROR | status::INVALID_BIND_STATE => {
                Err(SendError::Later { code, pause: Duration::ZERO })
            }
            _ => Err(SendError::Refused { code }),
        };
        answer(out.reply, said);
    }

    /// Sends nothing for a while; what was out already and is refused too does not make it longer.
    fn slow_down(&mut self) -> Duration {
        if self.paused.is_none() {
            self.paused = Some(Stopwatch::start());
            self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        self.pause / 2
    }

    /// Takes what came by itself; the status of the answer.
    fn delivered(&self, short: &Short) -> u32 {
        let Some(receipt) = receipt_of(short) else {
            ignored("not a receipt");
            return status::OK;
        };
        match self.receipts.try_send(receipt) {
            Ok(()) => status::OK,
            // The other side keeps it and comes again.
            Err(_) => status::TEMPORARY_ERROR,
        }
    }

    /// Looks at what is late.
    async fn tick(&mut self) -> Result<(), Ended> {
        let Limits { per_second, answer_within, enquire_every, .. } = self.limits;
        let rate = f64::from(per_second.max(1));
        self.allowance = (self.allowance + rate * self.ticked.elapsed().as_secs_f64()).min(rate.max(1.0));
        self.ticked = Stopwatch::start();
        // The pause that was told last; the next one will be twice as long.
        let pause = self.pause / 2;
        self.paused = self.paused.filter(|since| since.elapsed() < pause);
        for out in self.out.values_mut().filter(|out| out.waited.elapsed() >= answer_within) {
            answer(out.reply.take(), Err(SendError::Unknown { code: "NO_ANSWER".to_owned() }));
        }
        self.out.retain(|_, out| out.reply.is_some() || out.sent.elapsed() < answer_within.saturating_mul(LOST_AFTER));
        if self.enquiry.is_some_and(|asked| asked.elapsed() >= answer_within) {
            return Err(Ended::Silent);
        }
        if self.enquiry.is_none() && self.heard.elapsed() >= enquire_every {
            self.enquiry = Some(Stopwatch::start());
            self.request(Body::EnquireLink).await?;
        }
        Ok(())
    }

    /// Says that a message could not be read, before the connection ends.
    async fn complain(&mut self, error: PduError) {
        let sequence = match error {
            PduError::Body { sequence } => sequence,
            PduError::Length(_) => 0,
        };
        let _ = self.write(Pdu { status: status::INVALID_LENGTH, sequence, body: Body::GenericNack }).await;
    }

    async fn unbind(&mut self) {
        let within = self.limits.answer_within.min(Duration::from_secs(2));
        let leaving = async {
            self.request(Body::Unbind).await?;
            while let Some(Ok(pdu)) = self.frames.recv().await {
                if pdu.body == Body::UnbindResp {
                    break;
                }
                self.heard(pdu).await?;
            }
            Ok::<_, Ended>(())
        };
        let _ = timeout(within, leaving).await;
    }

    async fn request(&mut self, body: Body) -> Result<(), Ended> {
        let sequence = self.next_sequence();
        self.write(Pdu { status: status::OK, sequence, body }).await
    }

    /// From 1 to 0x7FFFFFFF, section 3.2.
    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence % 0x7FFF_FFFF + 1;
        self.sequence
    }

    async fn write(&mut self, pdu: Pdu) -> Result<(), Ended> {
        let octets = pdu.encode();
        match timeout(self.limits.answer_within, self.writer.write_all(&octets)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ended::Lost),
            Err(_) => Err(Ended::Silent),
        }
    }
}

fn answer(reply: Option<oneshot::Sender<Result<String, SendError>>>, said: Result<String, SendError>) {
    if let Some(reply) = reply {
        // Whoever asked may have gone; what was taken is remembered all the same.
        let _ = reply.send(said);
    }
}

fn ignored(why: &'static str) {
    metrics::counter!("bankhub_sms_ignored_total", "why" => why).increment(1);
}

/// Reads messages until the connection ends or one cannot be read: nothing behind it can be trusted.
async fn read_frames(mut read: ReadHalf<Box<dyn Stream>>, to: mpsc::Sender<Result<Pdu, Ended>>) {
    loop {
        let frame = read_frame(&mut read).await;
        let is_last = frame.is_err();
        if to.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

async fn read_frame(read: &mut ReadHalf<Box<dyn Stream>>) -> Result<Pdu, Ended> {
    let mut first = [0; 4];
    read.read_exact(&mut first).await.map_err(|_| Ended::Lost)?;
    let mut octets = vec![0; pdu::length(first)?];
    let (head, rest) = octets.split_at_mut(4);
    head.copy_from_slice(&first);
    read.read_exact(rest).await.map_err(|_| Ended::Lost)?;
    Ok(Pdu::decode(&octets)?)
}
