//! E-mail over SMTP, always under TLS: text and page of the same words, under a Message-ID that a second try has again.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use domain::notice::{ChannelKind, MailAddress};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address as MailPath, Message};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use server_kit::clock::{SharedClock, Stopwatch};
use server_kit::config::SecretRef;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::channel::{Address, Channel, Letter, SendError, Sent};
use super::{ChannelError, tls};

/// When TLS begins. Without it nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// With the connection (RFC 8314), usually on port 465.
    Implicit,
    /// By STARTTLS (RFC 3207), usually on port 587; a server that does not offer it is not used.
    StartTls,
}

/// Where the mail server is and how it is spoken to.
#[derive(Clone, Debug)]
pub struct MailOptions {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// The authorities of the server's certificate, in PEM form; without it those of the public web.
    pub ca: Option<PathBuf>,
    /// The account at the server, if it wants one, and its password.
    pub login: Option<(String, SecretRef)>,
    /// Who mail is from. Its domain is in every Message-ID.
    pub from: MailAddress,
    pub connections: usize,
    /// How long it may take to connect, and to hand over a message.
    pub answer_within: Duration,
}

/// A connection that has been idle for longer is not used again: the server may be about to close it.
const IDLE_AT_MOST: Duration = Duration::from_secs(20);

/// E-mail.
pub struct Mail {
    options: MailOptions,
    tls: TlsParameters,
    hello: ClientId,
    clock: SharedClock,
    /// As many as there may be connections.
    turns: Semaphore,
    idle: Mutex<Vec<(AsyncSmtpConnection, Stopwatch)>>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("host", &self.options.host).finish_non_exhaustive()
    }
}

impl Mail {
    pub fn new(options: MailOptions, clock: SharedClock) -> Result<Self, ChannelError> {
        let mut tls = TlsParameters::builder(options.host.clone());
        if let Some(path) = &options.ca {
            tls = tls.certificate_store(CertificateStore::None);
            for certificate in tls::certificates(path)? {
                let usable = Certificate::from_der(certificate.to_vec());
                tls = tls.add_root_certificate(usable.map_err(|_| ChannelError::Certificates { path: path.clone() })?);
            }
        } else {
            tls = tls.certificate_store(CertificateStore::WebpkiRoots);
        }
        let tls = tls.build_rustls().map_err(|_| ChannelError::Mail)?;
        if let Some((_, password)) = &options.login {
            // A secret that is not there is told at the start, not at midnight.
            password.read()?;
        }
        let hello = ClientId::Domain(domain_of(&options.from).to_owned());
        let turns = Semaphore::new(options.connections.max(1));
        Ok(Self { options, tls, hello, clock, turns, idle: Mutex::default() })
    }

    async fn send_to(&self, letter: &Letter, to: &MailAddress) -> Result<Sent, SendError> {
        let message = self.message(letter, to).ok_or_else(|| SendError::Refused { code: "NO_MESSAGE".to_owned() })?;
        let _turn = self.turns.acquire().await;
        // A server that is away, or does not take the hub for who it is, is not the letter's fault.
        let mut connection = self.connection().await.map_err(|code| SendError::Away { code })?;
        let (envelope, octets) = (message.envelope(), message.formatted());
        let sending = connection.send(envelope, &octets);
        match timeout(self.options.answer_within, sending).await {
            Ok(Ok(_)) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.push((connection, Stopwatch::start()));
                Ok(Sent { provider_id: None })
            }
            Ok(Err(error)) if error.is_permanent() => Err(SendError::Refused { code: code_of(&error) }),
            Ok(Err(error)) if error.is_transient() => {
                Err(SendError::Later { code: code_of(&error), pause: Duration::ZERO })
            }
            Ok(Err(error)) => Err(SendError::Unknown { code: code_of(&error) }),
            Err(_) => Err(SendError::Unknown { code: "TIMED_OUT".to_owned() }),
        }
    }

    /// A connection that is there, or a new one; otherwise why there is none.
    async fn connection(&self) -> Result<AsyncSmtpConnection, String> {
        while let Some((mut connection, since)) = self.take_idle() {
            let alive = timeout(self.options.answer_within, connection.test_connected());
            if since.elapsed() < IDLE_AT_MOST && matches!(alive.await, Ok(true)) {
                return Ok(connection);
            }
        }
        let connecting = Box::pin(self.connect());
        match timeout(self.options.answer_within, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err("TIMED_OUT".to_owned()),
        }
    }

    fn take_idle(&self) -> Option<(AsyncSmtpConnection, Stopwatch)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let MailOptions { host, port, tls, login, answer_within, .. } = &self.options;
        let (server, hello) = ((host.as_str(), *port), &self.hello);
        let at_once = (*tls == MailTls::Implicit).then(|| self.tls.clone());
        let connecting = AsyncSmtpConnection::connect_tokio1(server, Some(*answer_within), hello, at_once, None);
        let mut connection = connecting.await.map_err(|error| code_of(&error))?;
        if *tls == MailTls::StartTls {
            // An error where the server does not offer it.
            connection.starttls(self.tls.clone(), hello).await.map_err(|error| code_of(&error))?;
        }
        if let Some((user, password)) = login {
            let password = password.read().map_err(|_| "PASSWORD".to_owned())?;
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let logging_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            logging_in.await.map_err(|error| code_of(&error))?;
        }
        Ok(connection)
    }

    fn message(&self, letter: &Letter, to: &MailAddress) -> Option<Message> {
        let mailbox = |address: &MailAddress| {
            let path: MailPath = address.as_str().parse().ok()?;
            Some(Mailbox::new(None, path))
        };
        let since = u64::try_from(self.clock.now().micros()).unwrap_or(0);
        let builder = Message::builder()
            .from(mailbox(&self.options.from)?)
            .to(mailbox(to)?)
            .date(SystemTime::UNIX_EPOCH + Duration::from_micros(since))
            .message_id(Some(format!("<{}@{}>", letter.notice_id, domain_of(&self.options.from))))
            // What could end a header is not in the subjects that there are, and would not be let through.
            .subject(letter.subject.chars().filter(|c| !c.is_control()).collect::<String>())
            .header(AutoSubmitted);
        let message = match &letter.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(letter.text.clone(), html.clone())),
            None => builder.body(letter.text.clone()),
        };
        message.ok()
    }
}

impl Channel for Mail {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Mail
    }

    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, SendError>> {
        async move {
            match &letter.to {
                Address::Mail(address) => self.send_to(letter, address).await,
                _ => Err(SendError::Refused { code: "NOT_AN_ADDRESS".to_owned() }),
            }
        }
        .boxed()
    }
}

fn domain_of(address: &MailAddress) -> &str {
    address.as_str().split_once('@').map_or("localhost", |(_, domain)| domain)
}

/// The reply code, or what sort of fault it is; the server's words may quote the address.
fn code_of(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("SMTP_{code}"),
        None if error.is_tls() => "TLS".to_owned(),
        None if error.is_timeout() => "TIMED_OUT".to_owned(),
        None => "CONNECTION".to_owned(),
    }
}

/// That no person wrote it, so that nothing answers by itself (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}
