//! An SMSC for trials: it takes what a hub sends over SMPP 3.4 (issue 1.2, sections 3 to 5) and hands it to whoever shows it, in the place
//! of phones. It checks no password and sends nothing anywhere, so it listens on the loopback alone.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

const HEADER: usize = 16;
const MOST_OCTETS: usize = 8_192;
const RESPONSE: u32 = 0x8000_0000;
const GENERIC_NACK: u32 = 0x8000_0000;
const SUBMIT_SM: u32 = 0x04;
const UNBIND: u32 = 0x06;
const BIND_TRANSCEIVER: u32 = 0x09;
const ENQUIRE_LINK: u32 = 0x15;
const INVALID_COMMAND: u32 = 0x03;
const INVALID_LENGTH: u32 = 0x02;
/// esm_class: a header stands before the text (5.2.12); data_coding: UCS-2 (5.2.19).
const HAS_HEADER: u8 = 0x40;
const UCS2: u8 = 0x08;
/// Texts of which parts are missing; the oldest is forgotten for another one.
const MOST_IN_PARTS: usize = 64;
/// Texts that nobody has looked at yet; the SMSC waits for room.
const QUEUE: usize = 64;

/// A text as a phone shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The number in international form.
    pub to: String,
    pub words: String,
}

/// A simulated SMSC that runs; dropping it ends it.
#[derive(Debug)]
pub struct SmsSimulator {
    addr: SocketAddr,
    _stop: DropGuard,
}

impl SmsSimulator {
    /// Listens on a port of its own; the texts that come in go to the receiver.
    pub async fn start() -> io::Result<(Self, mpsc::Receiver<Text>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (shown, texts) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let ends = stop.clone();
        tokio::spawn(async move {
            while let Some(Ok((stream, _))) = ends.run_until_cancelled(listener.accept()).await {
                let (ends, shown) = (ends.clone(), shown.clone());
                tokio::spawn(async move {
                    // A line that breaks is opened again by the hub.
                    let _ = ends.run_until_cancelled(serve(stream, shown)).await;
                });
            }
        });
        Ok((Self { addr, _stop: stop.drop_guard() }, texts))
    }

    /// What a hub's configuration says of it, as (`dotted.key`, value); `password` is a secret's reference, whatever it holds.
    pub fn settings(&self, password: &str) -> Vec<(String, String)> {
        let port = self.addr.port().to_string();
        let settings = [
            ("host", "127.0.0.1"),
            ("port", &port),
            ("tls", "false"),
            ("system_id", "hub"),
            ("password", password),
            ("source", "bankhub"),
        ];
        settings.map(|(key, value)| (format!("notify.sms.{key}"), value.to_owned())).to_vec()
    }
}

/// Answers one line until it ends. `Err` when it broke, or said what is no message.
async fn serve(mut stream: TcpStream, shown: mpsc::Sender<Text>) -> io::Result<()> {
    let mut phones = Phones::default();
    let mut messages = 0_u64;
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if !(HEADER..=MOST_OCTETS).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let (command, _) = (stream.read_u32().await?, stream.read_u32().await?);
        let sequence = stream.read_u32().await?;
        let mut body = vec![0; length - HEADER];
        stream.read_exact(&mut body).await?;
        match command {
            BIND_TRANSCEIVER => say(&mut stream, (command | RESPONSE, 0, sequence), b"simulator\0").await?,
            ENQUIRE_LINK => say(&mut stream, (command | RESPONSE, 0, sequence), b"").await?,
            SUBMIT_SM => match Short::read(&body) {
                Some(short) => {
                    messages = messages.saturating_add(1);
                    say(&mut stream, (command | RESPONSE, 0, sequence), format!("{messages}\0").as_bytes()).await?;
                    if let Some(text) = phones.arrive(short) {
                        shown.send(text).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                    }
                }
                None => say(&mut stream, (command | RESPONSE, INVALID_LENGTH, sequence), b"").await?,
            },
            UNBIND => return say(&mut stream, (command | RESPONSE, 0, sequence), b"").await,
            // An answer to what was never asked.
            response if response & RESPONSE != 0 => {}
            _ => say(&mut stream, (GENERIC_NACK, INVALID_COMMAND, sequence), b"").await?,
        }
    }
}

async fn say(stream: &mut TcpStream, (command, status, sequence): (u32, u32, u32), body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let header: Vec<u8> = [length, command, status, sequence].iter().flat_map(|field| field.to_be_bytes()).collect();
    stream.write_all(&[&header, body].concat()).await
}

/// A short message: where it goes, which part of what it is, and its words.
struct Short {
    to: String,
    part: Option<Part>,
    words: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    reference: [u8; 2],
    count: u8,
    number: u8,
}

impl Short {
    /// Reads the body of submit_sm (4.4.1); none for what is no such body.
    fn read(body: &[u8]) -> Option<Self> {
        let rest = after_text(body)?.1;
        let rest = after_text(rest.get(2..)?)?.1;
        let (to, rest) = after_text(rest.get(2..)?)?;
        let (&esm_class, rest) = rest.split_first()?;
        let rest = after_text(rest.get(2..)?)?.1;
        let rest = after_text(rest)?.1;
        // registered_delivery, replace_if_present, data_coding, sm_default_msg_id, sm_length.
        let &[_, _, data_coding, _, length, ref rest @ ..] = rest else { return None };
        let message = rest.get(..usize::from(length))?;
        let (part, message) = match (esm_class & HAS_HEADER, message) {
            (0, message) => (None, message),
            // Concatenated short messages, 16-bit reference (TS 23.040, section 9.2.3.24.8).
            (_, &[6, 0x08, 4, high, low, count, number, ref words @ ..]) => {
                (Some(Part { reference: [high, low], count, number }), words)
            }
            _ => return None,
        };
        let words = if data_coding == UCS2 {
            let units: Vec<u16> =
                message.chunks_exact(2).filter_map(|two| Some(u16::from_be_bytes(two.try_into().ok()?))).collect();
            String::from_utf16_lossy(&units)
        } else {
            // The default alphabet has letters and digits where ASCII has them; other characters show as a question mark.
            message
                .iter()
                .map(|octet| if octet.is_ascii_graphic() || *octet == b' ' { char::from(*octet) } else { '?' })
                .collect()
        };
        Some(Self { to: format!("+{}", String::from_utf8_lossy(to).trim_start_matches('+')), part, words })
    }
}

/// A string that ends with a zero, and what comes after it.
fn after_text(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = octets.iter().position(|octet| *octet == 0)?;
    Some((octets.get(..end)?, octets.get(end.checked_add(1)?..)?))
}

/// Texts of which parts are missing.
#[derive(Default)]
struct Phones(VecDeque<Vec<Short>>);

impl Phones {
    /// The text that is whole with this message.
    fn arrive(&mut self, short: Short) -> Option<Text> {
        let Some(part) = short.part else { return Some(Text { to: short.to, words: short.words }) };
        let is_of = |known: &Vec<Short>| {
            known.first().is_some_and(|first| {
                first.to == short.to
                    && first.part.is_some_and(|it| (it.reference, it.count) == (part.reference, part.count))
            })
        };
        let place = self.0.iter().position(is_of);
        let mut parts = place.and_then(|place| self.0.remove(place)).unwrap_or_default();
        // One that comes again is the same.
        parts.retain(|known| known.part != short.part);
        parts.push(short);
        if parts.len() < usize::from(part.count) {
            if self.0.len() >= MOST_IN_PARTS {
                self.0.pop_front();
            }
            self.0.push_back(parts);
            return None;
        }
        parts.sort_by_key(|known| known.part.map(|part| part.number));
        let to = parts.first()?.to.clone();
        Some(Text { to, words: parts.into_iter().map(|known| known.words).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(to: &str, esm_class: u8, data_coding: u8, message: &[u8]) -> Vec<u8> {
        let mut body = b"\0\x05\0bankhub\0\x01\x01".to_vec();
        body.extend(to.as_bytes());
        body.extend([0, esm_class, 0, 0, 0, 0, 0, 0, data_coding, 0, u8::try_from(message.len()).unwrap()]);
        body.extend(message);
        body
    }

    fn ucs2(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    async fn frame(stream: &mut TcpStream) -> (u32, u32, u32) {
        let length = usize::try_from(stream.read_u32().await.unwrap()).unwrap();
        let fields =
            (stream.read_u32().await.unwrap(), stream.read_u32().await.unwrap(), stream.read_u32().await.unwrap());
        stream.read_exact(&mut vec![0; length - HEADER]).await.unwrap();
        fields
    }

    #[tokio::test]
    async fn r6_a_text_in_parts_is_shown_once_and_whole_and_what_is_no_message_is_refused() {
        let (simulator, mut texts) = SmsSimulator::start().await.unwrap();
        let mut line = TcpStream::connect(simulator.addr).await.unwrap();
        let part = |number: u8, words: &str| [&[6, 8, 4, 1, 2, 2, number][..], &ucs2(words)].concat();
        let asked = [
            (BIND_TRANSCEIVER, b"hub\0pw\0\0\x34\0\0\0".to_vec(), RESPONSE | BIND_TRANSCEIVER, 0),
            (SUBMIT_SM, body("8613800138000", 0, 0, b"Code 12345678"), RESPONSE | SUBMIT_SM, 0),
            (SUBMIT_SM, body("8613800138000", HAS_HEADER, UCS2, &part(2, "有效。")), RESPONSE | SUBMIT_SM, 0),
            (SUBMIT_SM, body("8613800138000", HAS_HEADER, UCS2, &part(2, "有效。")), RESPONSE | SUBMIT_SM, 0),
            (SUBMIT_SM, body("8613800138000", HAS_HEADER, UCS2, &part(1, "登记码")), RESPONSE | SUBMIT_SM, 0),
            (SUBMIT_SM, b"\0\0".to_vec(), RESPONSE | SUBMIT_SM, INVALID_LENGTH),
            (ENQUIRE_LINK, Vec::new(), RESPONSE | ENQUIRE_LINK, 0),
            (0x103, Vec::new(), GENERIC_NACK, INVALID_COMMAND),
            (UNBIND, Vec::new(), RESPONSE | UNBIND, 0),
        ];
        for (sequence, (command, body, answer, status)) in (1..).zip(asked) {
            say(&mut line, (command, 0, sequence), &body).await.unwrap();
            assert_eq!(frame(&mut line).await, (answer, status, sequence), "{sequence}");
        }
        let shown = |words: &str| Text { to: "+8613800138000".to_owned(), words: words.to_owned() };
        assert_eq!(texts.recv().await.unwrap(), shown("Code 12345678"));
        assert_eq!(texts.recv().await.unwrap(), shown("登记码有效。"));
        assert!(texts.try_recv().is_err());
    }
}
