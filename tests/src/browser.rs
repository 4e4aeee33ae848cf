//! A browser as the hub's pages see one: it keeps cookies, and its forms have the marks of the page that was shown last.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A browser of one person.
#[derive(Clone, Debug)]
pub struct Browser {
    /// Where the pages are; it changes when the hub is started again.
    pub address: SocketAddr,
    cookies: BTreeMap<String, String>,
    page: String,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Shown {
    pub status: u16,
    /// Where it leads to; empty for a page.
    pub location: String,
    pub body: String,
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() {
            all.push(char::from(byte));
        } else {
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}

impl Browser {
    pub fn at(address: SocketAddr) -> Self {
        Self { address, cookies: BTreeMap::new(), page: String::new() }
    }

    pub fn has_cookie(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// The value of a hidden field of the page that was shown last.
    pub fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self.page.split_once(&start).map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    pub async fn get(&mut self, path: &str) -> io::Result<Shown> {
        self.send("GET", path, "").await
    }

    /// Sends a form of the page that was shown last. `Err` when the hub is gone before it has answered.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> io::Result<Shown> {
        let mark = self.hidden("form");
        let all = [("form", mark.as_str())].into_iter().chain(fields.iter().copied());
        let body: Vec<String> = all.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        self.send("POST", path, &body.join("&")).await
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<Shown> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookie = if cookies.is_empty() { String::new() } else { format!("Cookie: {}\r\n", cookies.join("; ")) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Language: en\r\nConnection: close\r\n{cookie}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(self.address).await?;
        socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        self.take(head, body)
    }

    fn take(&mut self, head: &str, body: &str) -> io::Result<Shown> {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let mut location = String::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            if name.eq_ignore_ascii_case("location") {
                value.clone_into(&mut location);
            }
            let kept = value.split(';').next().and_then(|pair| pair.split_once('='));
            if let (true, Some((name, value))) = (name.eq_ignore_ascii_case("set-cookie"), kept) {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if body.contains("name=\"form\"") {
            body.clone_into(&mut self.page);
        }
        Ok(Shown { status: status.ok_or(io::ErrorKind::InvalidData)?, location, body: body.to_owned() })
    }
}
