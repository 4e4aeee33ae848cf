//! The lines of FastAGI, and what is read of them: no more than is bounded, and nothing that it does not have.
//!
//! Source: the Asterisk project's documentation of the Asterisk Gateway Interface. Headers `agi_name: value` until an empty line; then
//! commands, a line each, answered by `200 result=…`, `510` (no such command), `511` (the channel is dead) or `520` (wrong use), and at
//! any time a line `HANGUP`.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest line. Asterisk tells a channel's name, an extension and what a dial plan hands over; none comes near.
const MOST_LINE: usize = 1024;
/// Asterisk has about twenty, and one more for each argument.
const MOST_HEADERS: usize = 64;
/// How long a line may take to be taken by the other side.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// Why a call cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The caller has hung up, or the exchange has gone.
    HungUp,
    /// The other side does not speak this protocol.
    Garbage(&'static str),
}

/// What is read of a call's headers.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Headers {
    /// The number as the exchange has it; empty when it has none.
    pub(super) caller: String,
    /// Octet 3a of the calling party number.
    pub(super) presentation: String,
}

impl std::fmt::Debug for Headers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headers").field("presentation", &self.presentation).finish_non_exhaustive()
    }
}

/// What a command came to: the value, which may be keys and is wiped, and whether time ran out.
pub(super) struct Reply {
    pub(super) result: Zeroizing<String>,
    pub(super) timed_out: bool,
}

/// A connection of Asterisk's.
pub(super) struct Wire<S> {
    reader: BufReader<ReadHalf<S>>,
    writer: WriteHalf<S>,
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader: BufReader::with_capacity(MOST_LINE, reader), writer }
    }

    /// One line without its end.
    async fn line(&mut self) -> Result<Zeroizing<String>, Broken> {
        let mut line = Zeroizing::new(Vec::with_capacity(MOST_LINE));
        loop {
            let there = self.reader.fill_buf().await.map_err(|_| Broken::HungUp)?;
            if there.is_empty() {
                return Err(Broken::HungUp);
            }
            let (part, has_ended) = match there.iter().position(|byte| *byte == b'\n') {
                Some(end) => (there.get(..end).unwrap_or_default(), true),
                None => (there, false),
            };
            if line.len().saturating_add(part.len()) > MOST_LINE {
                return Err(Broken::Garbage("a line is too long"));
            }
            line.extend_from_slice(part);
            let taken = part.len().saturating_add(usize::from(has_ended));
            self.reader.consume(taken);
            if has_ended {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(Broken::Garbage("a line has control characters"));
        }
        // A caller's name may be in any encoding; nothing is read of it.
        Ok(Zeroizing::new(String::from_utf8_lossy(&line).into_owned()))
    }

    /// What Asterisk tells first.
    pub(super) async fn headers(&mut self) -> Result<Headers, Broken> {
        let (mut headers, mut is_agi) = (Headers::default(), false);
        for _ in 0..MOST_HEADERS {
            let line = self.line().await?;
            if line.is_empty() {
                return if is_agi { Ok(headers) } else { Err(Broken::Garbage("no request in the headers")) };
            }
            let (name, value) = match line.strip_prefix("agi_").and_then(|header| header.split_once(':')) {
                Some((name, value)) => (name, value.trim()),
                None => return Err(Broken::Garbage("a header is none")),
            };
            match name {
                "request" => is_agi = true,
                "callerid" => headers.caller = value.to_owned(),
                "callingpres" => headers.presentation = value.to_owned(),
                _ => {}
            }
        }
        Err(Broken::Garbage("too many headers"))
    }

    /// What came before anything was asked is the end of the call, or an answer to nothing: taken for one, it would be an answer to
    /// something else.
    async fn nothing_came_unasked(&mut self) -> Result<(), Broken> {
        if self.reader.buffer().is_empty() {
            return Ok(());
        }
        let line = tokio::time::timeout(SEND_WITHIN, self.line()).await;
        let line = line.map_err(|_| Broken::Garbage("half a line"))??;
        Err(if *line == "HANGUP" { Broken::HungUp } else { Broken::Garbage("an answer to nothing") })
    }

    /// Has a command done, and waits for what it came to.
    pub(super) async fn command(&mut self, command: &str, within: Duration) -> Result<Reply, Broken> {
        self.nothing_came_unasked().await?;
        let line = format!("{command}\n");
        let sent = tokio::time::timeout(SEND_WITHIN, async {
            self.writer.write_all(line.as_bytes()).await?;
            self.writer.flush().await
        });
        if !matches!(sent.await, Ok(Ok(()))) {
            return Err(Broken::HungUp);
        }
        match tokio::time::timeout(within, self.line()).await {
            Ok(line) => reply(line?),
            Err(_) => Err(Broken::Garbage("no answer in time")),
        }
    }
}

fn reply(mut line: Zeroizing<String>) -> Result<Reply, Broken> {
    let read = match line.get(..3) {
        Some("HAN") if *line == "HANGUP" => Err(Broken::HungUp),
        Some("511") => Err(Broken::HungUp),
        Some("510") => Err(Broken::Garbage("a command is not known")),
        Some("520") => Err(Broken::Garbage("a command is used wrongly")),
        Some("200") => result(&line).ok_or(Broken::Garbage("an answer without a result")),
        _ => Err(Broken::Garbage("no answer")),
    };
    line.zeroize();
    read
}

fn result(line: &str) -> Option<Reply> {
    let rest = line.strip_prefix("200 result=")?;
    let (value, remark) = rest.split_once(' ').unwrap_or((rest, ""));
    let fine = value.len() <= 32 && value.bytes().all(|byte| byte.is_ascii_digit() || b"-*#".contains(&byte));
    fine.then(|| Reply { result: Zeroizing::new(value.to_owned()), timed_out: remark.contains("(timeout)") })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn headers(sent: &[u8]) -> Result<Headers, Broken> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        far.write_all(sent).await.unwrap();
        drop(far);
        Wire::new(near).headers().await
    }

    #[tokio::test]
    async fn f2_headers_are_read_as_asterisk_writes_them_and_nothing_else_is() {
        let good = b"agi_network: yes\nagi_request: agi://localhost/freeze\nagi_channel: SIP/trunk-1\nagi_callerid: 13800138000\n\
                     agi_calleridname: \xb0\xa1\xff\nagi_callingpres: 0\nagi_arg_1: x: y\n\n";
        let read = headers(good).await.unwrap();
        assert_eq!((read.caller.as_str(), read.presentation.as_str()), ("13800138000", "0"));
        assert!(!format!("{read:?}").contains("13800138000"));
        let endless = "agi_request: x\n".repeat(1_000);
        let long = format!("agi_request: {}\n\n", "x".repeat(5_000));
        let garbage: [(&[u8], &str); 8] = [
            (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", "a header is none"),
            (b"\n", "no request in the headers"),
            (b"agi_callerid: 1\n\n", "no request in the headers"),
            (b"agi_request: \x00\n\n", "a line has control characters"),
            (b"agi_request: \x1b[2J\n\n", "a line has control characters"),
            (b"agi_request\n\n", "a header is none"),
            (endless.as_bytes(), "too many headers"),
            (long.as_bytes(), "a line is too long"),
        ];
        for (sent, why) in garbage {
            assert_eq!(headers(sent).await, Err(Broken::Garbage(why)), "{}", String::from_utf8_lossy(sent));
        }
        for half in [&b""[..], b"agi_request: x", b"agi_request: x\nagi_cal"] {
            assert_eq!(headers(half).await, Err(Broken::HungUp), "half a line");
        }
    }

    #[test]
    fn f2_an_answer_is_a_result_or_the_end_of_the_call() {
        let read = |line: &str| {
            reply(Zeroizing::new(line.to_owned())).map(|reply| (reply.result.to_string(), reply.timed_out))
        };
        for (line, result, timed_out) in [
            ("200 result=0", "0", false),
            ("200 result=1234", "1234", false),
            ("200 result=12 (timeout)", "12", true),
            ("200 result= (timeout)", "", true),
            ("200 result=", "", false),
            ("200 result=49 endpos=8000", "49", false),
            ("200 result=-1", "-1", false),
        ] {
            assert_eq!(read(line), Ok((result.to_owned(), timed_out)), "{line}");
        }
        for line in ["HANGUP", "511 Command Not Permitted on a dead channel", "511"] {
            assert_eq!(read(line), Err(Broken::HungUp), "{line}");
        }
        for line in [
            "",
            "2",
            "200",
            "200 OK",
            "200 result=abc",
            "510 Invalid or unknown command",
            "520-Usage:",
            "HANG",
            "HANGUPS",
            "好好",
        ] {
            assert!(matches!(read(line), Err(Broken::Garbage(_))), "{line}");
        }
        let storm = format!("200 result={}", "7".repeat(900));
        assert!(matches!(read(&storm), Err(Broken::Garbage(_))));
    }
}
