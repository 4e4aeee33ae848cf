//! The connection: answers find their requests by field 11.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Reason;
use iso8583::frame::Deframer;
use iso8583::{BuildError, Message, Mti};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{AcquirerOptions, Texts};

/// Why a link could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AcquirerError {
    #[error("the link: {0}")]
    Io(#[from] std::io::Error),
    #[error("the message cannot be written: {0}")]
    Build(#[from] BuildError),
    #[error("no answer came in time")]
    NoAnswer,
    #[error("the connection has ended")]
    Ended,
    #[error("{}: {}", .0.code(), .0)]
    Refused(Reason),
    #[error("the keys of the answer do not open with the exchange key")]
    Key,
}

/// An answer.
pub struct Answer {
    pub mti: Mti,
    pub(super) fields: Texts,
}

/// The type and the response code.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("mti", &self.mti).field("code", &self.text(39)).finish_non_exhaustive()
    }
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Answer>>>>;

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

#[derive(Clone)]
pub(super) struct Wire {
    writer: Arc<AsyncMutex<Writer>>,
    waiting: Waiting,
    _reading: Arc<Reading>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// Ends with the last who asks.
#[derive(Debug)]
struct Reading(JoinHandle<()>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wire {
    pub(super) async fn connect(options: &AcquirerOptions) -> Result<Self, AcquirerError> {
        let socket = TcpStream::connect(options.address).await?;
        socket.set_nodelay(true)?;
        let (reader, writer): (Reader, Writer) = match &options.tls {
            None => {
                let (reader, writer) = socket.into_split();
                (Box::new(reader), Box::new(writer))
            }
            Some((tls, name)) => {
                let (reader, writer) = split(tls.secure(name, socket).await?);
                (Box::new(reader), Box::new(writer))
            }
        };
        let waiting = Waiting::default();
        let deframer = Deframer::new(options.framing.header(), 65_535);
        let reading = tokio::spawn(read(reader, deframer, options.dialect.dialect(), waiting.clone()));
        Ok(Self { writer: Arc::new(AsyncMutex::new(writer)), waiting, _reading: Arc::new(Reading(reading)) })
    }

    pub(super) async fn ask(&self, stan: u64, framed: &[u8], within: Duration) -> Result<Answer, AcquirerError> {
        let (reply, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(stan, reply);
        let mut writer = self.writer.lock().await;
        writer.write_all(framed).await?;
        writer.flush().await?;
        drop(writer);
        match timeout(within, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(AcquirerError::Ended),
            Err(_) => Err(AcquirerError::NoAnswer),
        }
    }
}

async fn read(mut reader: Reader, mut deframer: Deframer, dialect: &'static iso8583::Dialect, waiting: Waiting) {
    let mut piece = Zeroizing::new(vec![0; 8 * 1024]);
    while let Ok(length) = reader.read(&mut piece).await
        && length > 0
    {
        let mut rest = piece.get(..length).unwrap_or_default();
        while let Ok(Some(frame)) = deframer.next(&mut rest) {
            let Ok(message) = Message::read(dialect, frame) else { continue };
            let text = |field: iso8583::Field<'_>| (field.number(), Zeroizing::new(field.text().into_owned()));
            let fields: Texts = message.fields().map(text).collect();
            let stan = message.field(11).and_then(|stan| stan.as_number()).unwrap_or(0);
            let waits = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&stan);
            if let Some(waits) = waits {
                let _ = waits.send(Answer { mti: message.mti(), fields });
            }
        }
    }
    // Whoever waits hears that there is nobody to wait for.
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}
