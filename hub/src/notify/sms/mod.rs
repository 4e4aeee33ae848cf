//! SMS over SMPP 3.4: a line to an SMSC that binds, keeps a window, asks whether the other side is there, slows down when it is told
//! to, and connects again.
//!
//! What the SMSC has taken is remembered by notice and part, so that an answer that comes after its time, or after the worker has
//! given up waiting, spares the next try the message. Only what was on its way when a connection broke may go out twice: then with the
//! same reference, by which a phone knows the parts of one text, and the same `user_message_reference`, by which an SMSC can.

mod pdu;
mod receipt;
mod session;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::notice::ChannelKind;
use domain::{PhoneNumber, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;
use server_kit::clock::SharedClock;
use server_kit::config::SecretRef;
use server_kit::rng::SharedRng;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ChannelError;
use super::channel::{Address, Channel, Letter, Receipt, SendError, Sent};
use super::tls::Tls;
use pdu::{Addr, Bind, Short, tag};
use session::{Ended, Key, Limits, Session, Stream, Submit, Taken};

/// Parts that wait for the line.
const QUEUE: usize = 256;
/// Receipts that wait for the worker.
const RECEIPTS: usize = 256;
/// Parts that are remembered as taken, and for how long.
const REMEMBERED: u64 = 16_384;
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the SMSC is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct SmsOptions {
    pub host: String,
    pub port: u16,
    /// Whether the line is under TLS.
    pub tls: bool,
    /// The authorities of the SMSC's certificate, in PEM form; without it those of the public web.
    pub ca: Option<PathBuf>,
    pub system_id: String,
    pub password: SecretRef,
    pub system_type: String,
    /// Who the message is from: a number, or a name of 11 characters at most.
    pub source: String,
    /// Messages without an answer.
    pub window: usize,
    pub per_second: u32,
    pub answer_within: Duration,
    pub enquire_every: Duration,
}

/// SMS.
pub struct Sms {
    submits: mpsc::Sender<Submit>,
    taken: Taken,
    source: Addr,
    clock: SharedClock,
}

impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sms").field("taken", &self.taken.entry_count()).finish_non_exhaustive()
    }
}

/// A channel with its line, which is a task until the hub drains, and the receipts that come over it.
#[derive(Debug)]
pub struct SmsLine {
    pub channel: Arc<Sms>,
    pub receipts: mpsc::Receiver<Receipt>,
    pub task: JoinHandle<()>,
}

impl Sms {
    /// Opens the line; it connects by itself, now and whenever it was lost.
    pub fn start(
        options: SmsOptions,
        clock: SharedClock,
        rng: SharedRng,
        draining: CancellationToken,
    ) -> Result<SmsLine, ChannelError> {
        let source = source(&options.source).ok_or(ChannelError::Sender)?;
        // A secret that is not there is told at the start, not at midnight.
        options.password.read()?;
        let tls = if options.tls { Some(Tls::new(options.ca.as_deref(), &[])?) } else { None };
        let (submits, queue) = mpsc::channel(QUEUE);
        let (to, receipts) = mpsc::channel(RECEIPTS);
        let taken = Taken::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let line = Line { options, tls, taken: taken.clone(), receipts: to, rng, draining };
        let task = tokio::spawn(line.run(queue));
        let channel = Arc::new(Self { submits, taken, source, clock });
        Ok(SmsLine { channel, receipts, task })
    }

    async fn send_parts(&self, letter: &Letter, to: &PhoneNumber) -> Result<Sent, SendError> {
        let reference = reference(letter.notice_id);
        let parts = text::parts(&letter.text, reference);
        let validity_period = validity(letter.expires_at, self.clock.now());
        let last = parts.len();
        let mut provider_id = None;
        for (number, part) in (1_u8..).zip(parts) {
            let destination = Addr { ton: 1, npi: 1, digits: to.as_e164().trim_start_matches('+').to_owned() };
            let umr = reference.wrapping_add(u16::from(number)).to_be_bytes().to_vec();
            let short = Short {
                source: self.source.clone(),
                destination,
                esm_class: part.esm_class,
                validity_period: validity_period.clone(),
                // A receipt of the last part speaks for all.
                registered_delivery: u8::from(usize::from(number) == last),
                data_coding: part.data_coding,
                message: part.message,
                options: vec![(tag::USER_MESSAGE_REFERENCE, umr)],
            };
            let message_id = self.submit((letter.notice_id, number), short).await?;
            provider_id = Some(message_id).filter(|id| !id.is_empty());
        }
        Ok(Sent { provider_id })
    }

    async fn submit(&self, key: Key, short: Short) -> Result<String, SendError> {
        if let Some(message_id) = self.taken.get(&key) {
            return Ok(message_id);
        }
        let (reply, answer) = oneshot::channel();
        self.submits.try_send(Submit { key, short, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                SendError::Later { code: "LINE_FULL".to_owned(), pause: Duration::from_secs(1) }
            }
            mpsc::error::TrySendError::Closed(_) => away("STOPPED"),
        })?;
        answer.await.unwrap_or_else(|_| Err(away("STOPPED")))
    }
}

impl Channel for Sms {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Sms
    }

    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, SendError>> {
        async move {
            match &letter.to {
                Address::Phone(phone) => self.send_parts(letter, phone).await,
                _ => Err(SendError::Refused { code: "NOT_A_NUMBER".to_owned() }),
            }
        }
        .boxed()
    }
}

fn away(code: &str) -> SendError {
    SendError::Away { code: code.to_owned() }
}

/// An alphanumeric sender (type of number 5) has 11 characters at most; a number is international.
fn source(text: &str) -> Option<Addr> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) {
        let ton = u8::from(text.starts_with('+'));
        return Some(Addr { ton, npi: 1, digits: digits.to_owned() });
    }
    let fine = (1..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ');
    fine.then(|| Addr { ton: 5, npi: 0, digits: text.to_owned() })
}

/// From the random end of the notice's id.
fn reference(notice: Uuid) -> u16 {
    let [.., high, low] = *notice.as_bytes();
    u16::from_be_bytes([high, low])
}

/// For how long the SMSC shall try: a relative time (section 7.1.1.2) of a day at most, or what it does by itself.
fn validity(expires_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(end) = expires_at else { return String::new() };
    let seconds = end.since(now).as_secs().clamp(1, 24 * 60 * 60 - 1);
    format!("000000{:02}{:02}{:02}000R", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// What keeps the connection.
struct Line {
    options: SmsOptions,
    tls: Option<Tls>,
    taken: Taken,
    receipts: mpsc::Sender<Receipt>,
    rng: SharedRng,
    draining: CancellationToken,
}

impl Line {
    async fn run(self, mut submits: mpsc::Receiver<Submit>) {
        let mut pause = FIRST_PAUSE;
        while !self.draining.is_cancelled() && !submits.is_closed() {
            let bound = while_away(&mut submits, self.bind()).await;
            let ended = match bound {
                Ok(mut session) => {
                    pause = FIRST_PAUSE;
                    metrics::gauge!("bankhub_sms_bound").set(1.0);
                    tracing::info!(host = %self.options.host, "bound to the SMSC");
                    session.run(&mut submits, &self.draining).await
                }
                Err(ended) => ended,
            };
            metrics::gauge!("bankhub_sms_bound").set(0.0);
            if matches!(ended, Ended::Draining) {
                break;
            }
            tracing::warn!(%ended, host = %self.options.host, "not bound to the SMSC; connecting again");
            let mut jitter = [0];
            let _ = self.rng.fill(&mut jitter);
            let spread = pause + pause.saturating_mul(u32::from(jitter[0])) / 512;
            let resting = self.draining.run_until_cancelled(tokio::time::sleep(spread));
            while_away(&mut submits, resting).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        submits.close();
        while let Some(submit) = submits.recv().await {
            let _ = submit.reply.send(Err(away("STOPPED")));
        }
    }

    async fn bind(&self) -> Result<Session<'_>, Ended> {
        let options = &self.options;
        let stream = self.connect().await.map_err(|error| {
            tracing::debug!(error = %error.kind(), "the SMSC cannot be reached");
            Ended::Lost
        })?;
        let password = options.password.read().map_err(|error| {
            tracing::error!(%error, "the password for the SMSC cannot be read");
            Ended::Lost
        })?;
        let bind = Bind {
            system_id: options.system_id.clone(),
            password: password.expose_secret().to_owned(),
            system_type: options.system_type.clone(),
        };
        let limits = Limits {
            window: options.window.max(1),
            per_second: options.per_second,
            answer_within: options.answer_within,
            enquire_every: options.enquire_every,
        };
        Session::bind(stream, bind, limits, &self.taken, &self.receipts).await
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let SmsOptions { host, port, answer_within, .. } = &self.options;
        if let Some(tls) = &self.tls {
            return Ok(Box::new(tls.connect(host, *port, *answer_within).await?));
        }
        let connecting = timeout(*answer_within, TcpStream::connect((host.as_str(), *port))).await;
        let socket = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        socket.set_nodelay(true)?;
        Ok(Box::new(socket))
    }
}

/// Waits for something and tells those who submit meanwhile that nothing was sent.
async fn while_away<T>(submits: &mut mpsc::Receiver<Submit>, waiting: impl Future<Output = T>) -> T {
    tokio::pin!(waiting);
    loop {
        tokio::select! {
            done = &mut waiting => return done,
            Some(submit) = submits.recv() => {
                let _ = submit.reply.send(Err(away("NOT_BOUND")));
            }
        }
    }
}
