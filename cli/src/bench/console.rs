//! How long the console's pages take, beside a past of many payments: `bench console`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use hub::operators::one_time_password;
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::growth;
use super::latency::Latencies;
use super::payments::Means;
use super::report::half_and_most;
use super::scene::Scene;
use super::{BenchError, BenchOptions, WARM_UP, proof};
use crate::operator::OperatorError;
use crate::output::Output;
use crate::trial::OPERATOR;

const PASSWORD: &str = "a bench that looks at pages 7";
/// Each page is asked for so often, one after the other.
const LOOKS: usize = 200;
/// RFC 6238, section 5.2.
const STEP: i64 = 30;

/// What is measured of the console.
#[derive(Clone, Debug, Args)]
pub struct ConsoleBenchArgs {
    /// Payments of a past beside which the pages are made.
    #[arg(long, default_value_t = 1_000_000)]
    pub stored: u64,
    /// A PostgreSQL server where databases can be made, as postgres://user@host:port/database; without it only SQLite is measured.
    #[arg(long, env = "BANKHUB_BENCH_POSTGRES")]
    pub postgres: Option<String>,
    /// Leave SQLite out.
    #[arg(long, requires = "postgres")]
    pub postgres_only: bool,
}

/// Why the console could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleBenchError {
    #[error(transparent)]
    Operator(#[from] OperatorError),
    #[error("the connection: {0}")]
    Connection(#[from] std::io::Error),
    #[error("the hub serves no console")]
    NotServed,
    #[error("the secret of the one-time passwords is unreadable")]
    Secret,
    #[error("{page}: answered by {status}")]
    Refused { page: String, status: String },
    #[error("there is no payment on the page of payments")]
    NoPayment,
}

impl From<ConsoleBenchError> for BenchError {
    fn from(error: ConsoleBenchError) -> Self {
        Self::Console(Box::new(error))
    }
}

/// Measures and prints.
pub async fn run(args: &ConsoleBenchArgs, out: &Output) -> Result<(), BenchError> {
    let folder = TempDir::new()?;
    for (name, server) in [("SQLite", None), ("PostgreSQL", args.postgres.as_deref())] {
        if (name == "PostgreSQL" && server.is_none()) || (name == "SQLite" && args.postgres_only) {
            continue;
        }
        out.note(&format!("The federation on {name}, with {} payments …", args.stored));
        engine(args, &folder.path().join(name), (name, server), out).await?;
    }
    Ok(())
}

/// Printed before the books are examined, which takes as long as all else.
fn print(name: &str, stored: u64, pages: &[(String, Latencies)], out: &Output) {
    let row = |(page, it): &(String, Latencies)| vec![name.to_owned(), page.clone(), half_and_most(it)];
    let rows: Vec<_> = pages.iter().map(row).collect();
    out.table(&["of", "page", "p50 / p99"], &rows, &told(name, stored, pages));
}

fn told(name: &str, stored: u64, pages: &[(String, Latencies)]) -> Value {
    let micros = |it: &Latencies, share| u64::try_from(it.quantile(share).as_micros()).unwrap_or(u64::MAX);
    let page = |(page, it): &(String, Latencies)| json!({ "page": page, "p50_micros": micros(it, 0.5), "p99_micros": micros(it, 0.99) });
    json!({ "engine": name, "stored": stored, "pages": pages.iter().map(page).collect::<Vec<_>>() })
}

async fn engine(
    args: &ConsoleBenchArgs,
    folder: &Path,
    (name, server): (&str, Option<&str>),
    out: &Output,
) -> Result<(), BenchError> {
    let options = BenchOptions {
        span: Duration::from_secs(1),
        payers: 32,
        in_flight: 1,
        terminals: 8,
        stored: args.stored,
        postgres: args.postgres.clone(),
    };
    // Whoever measures asks more often than people do.
    let settings = [("console.requests_per_address_per_minute".to_owned(), "1000000".to_owned())];
    let mut scene = Scene::open_with(&options, folder, (server, "_console"), &settings).await?;
    growth::grow(&mut scene, args.stored).await?;
    // Some payments are of today.
    scene.pay(Means::Phone, WARM_UP).await?;
    let pages = look(&scene).await;
    if let Ok(pages) = &pages {
        print(name, args.stored, pages, out);
    }
    let federation = scene.close().await?;
    pages?;
    out.note(&format!("{name}: the books …"));
    proof::check(&federation).await?;
    growth::remove(&federation, server).await?;
    out.note(&format!("{name}: the books agree."));
    Ok(())
}

async fn look(scene: &Scene) -> Result<Vec<(String, Latencies)>, BenchError> {
    let hub = scene.federation.first_hub()?;
    let address = hub.console_address().ok_or(ConsoleBenchError::NotServed)?;
    let uri = scene.federation.operator()?.set_console_sign_in(PASSWORD).await.map_err(ConsoleBenchError::from)?;
    let browser = Browser::sign_in(address, &uri).await?;
    let payment = newest_payment(&browser.page("/payments").await?)?;
    let mut pages: Vec<(String, String)> =
        ["/", "/payments", "/doubt", "/banks", "/terminals", "/freezes", "/dead-letters"]
            .into_iter()
            .chain(["/inquiries", "/log", "/approvals", "/operators"])
            .map(|path| (path.to_owned(), path.to_owned()))
            .collect();
    let search = |what: &str, query: &str| (format!("/payments, {what}"), format!("/payments?{query}"));
    pages.push((String::from("/payments/PAYMENT"), format!("/payments/{payment}")));
    pages.push(search("of a terminal", "terminal=till-1"));
    pages.push(search("of a bank, as CSV", "bank=bank-b&format=csv"));
    pages.push(search("in a state of which there is none", "state=EXPIRED"));
    let mut found = Vec::new();
    for (name, path) in pages {
        let mut times = Latencies::default();
        for _ in 0..LOOKS {
            let watch = Stopwatch::start();
            browser.page(&path).await?;
            times.record(watch.elapsed());
        }
        found.push((name, times));
    }
    Ok(found)
}

/// The first payment that a page links to.
fn newest_payment(page: &str) -> Result<String, ConsoleBenchError> {
    let after = page.split("/payments/").nth(1).ok_or(ConsoleBenchError::NoPayment)?;
    Ok(after.chars().take_while(|c| c.is_ascii_hexdigit() || *c == '-').collect())
}

/// Somebody who has signed in. Each page has a connection of its own, as with a browser that was idle.
struct Browser {
    address: SocketAddr,
    cookies: String,
}

impl Browser {
    async fn sign_in(address: SocketAddr, totp_uri: &str) -> Result<Self, ConsoleBenchError> {
        let secret =
            totp_uri.split("secret=").nth(1).and_then(|it| it.split('&').next()).ok_or(ConsoleBenchError::Secret)?;
        let secret = base32(secret).ok_or(ConsoleBenchError::Secret)?;
        let code = one_time_password(&secret, SystemClock.now().micros() / 1_000_000 / STEP);
        let mut browser = Self { address, cookies: String::new() };
        // The form has a mark that goes with the cookie of whoever has asked for it.
        let form = browser.ask("GET", "/sign-in", "").await?;
        browser.keep_cookies(&form);
        let mark = form.split("name=\"form\" value=\"").nth(1).and_then(|it| it.split('"').next()).unwrap_or_default();
        let password = PASSWORD.replace(' ', "+");
        let form = format!("form={mark}&operator={OPERATOR}&password={password}&code={code}");
        let answer = browser.ask("POST", "/sign-in", &form).await?;
        if !answer.starts_with("HTTP/1.1 303") {
            return Err(refused("/sign-in", &answer));
        }
        browser.keep_cookies(&answer);
        Ok(browser)
    }

    fn keep_cookies(&mut self, answer: &str) {
        let cookie = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let value = value.split(';').next().unwrap_or_default().trim();
            name.eq_ignore_ascii_case("set-cookie").then(|| value.to_owned())
        };
        let found: Vec<String> = answer.lines().take_while(|line| !line.is_empty()).filter_map(cookie).collect();
        if !found.is_empty() {
            self.cookies = found.join("; ");
        }
    }

    async fn page(&self, path: &str) -> Result<String, ConsoleBenchError> {
        let answer = self.ask("GET", path, "").await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { Err(refused(path, &answer)) }
    }

    async fn ask(&self, method: &str, path: &str, form: &str) -> Result<String, ConsoleBenchError> {
        let Self { address, cookies } = self;
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncookie: {cookies}\r\n");
        let body = match method {
            "POST" => format!(
                "origin: http://{address}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                form.len()
            ),
            _ => "\r\n".to_owned(),
        };
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

fn refused(page: &str, answer: &str) -> ConsoleBenchError {
    ConsoleBenchError::Refused { page: page.to_owned(), status: answer.lines().next().unwrap_or_default().to_owned() }
}

/// RFC 4648, section 6, without padding.
fn base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5 | u32::from(value)) & 0xFFF;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_rfc_4648_section_10_writes_it() {
        for (text, bytes) in [("", &b""[..]), ("MY", b"f"), ("MZXW6YTB", b"fooba"), ("MZXW6YTBOI", b"foobar")] {
            assert_eq!(base32(text).as_deref(), Some(bytes));
        }
        assert_eq!(base32("0"), None);
    }
}
