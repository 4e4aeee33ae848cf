//! A link of the hub's front for card networks, and an acquirer at its other end.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bankhub::acquirer::{Acquirer, AcquirerOptions, Answer, Named};
use domain::network::Response;
use domain::{Currency, Money, OneTimeCode};
use hub::network::WorkingKey;
use hub::network::config::{DialectName, Framing};
use secrecy::SecretString;

use crate::payer::Payer;
use crate::wait::until;
use crate::world::World;

pub const INSTITUTION: &str = "66280000";
pub const PIN_KEY: &str = "0123456789ABCDEFFEDCBA9876543210";
pub const MAC_KEY: &str = "1C1C1C1C2A2A2A2A3B3B3B3B4D4D4D4D";
pub const EXCHANGE_KEY: &str = "89ABCDEF0123456776543210FEDCBA98";

/// So much of the yuan's hundredth.
pub fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

pub fn key(digits: &str) -> WorkingKey {
    WorkingKey::read(&SecretString::from(digits)).unwrap()
}

/// A port that nobody listens on, below those of outgoing connections, and another one with each call.
fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 7_000).unwrap();
    loop {
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(addr).is_ok() {
            return addr;
        }
    }
}

impl World {
    /// Opens a link at all hubs, the first of which is started again; gives where that one listens.
    pub async fn open_link(&mut self, dialect: &str, more: &[(&str, &str)]) -> SocketAddr {
        let addr = free_port();
        let (pin, exchange) = (self.secret("link-pin", PIN_KEY), self.secret("link-exchange", EXCHANGE_KEY));
        for (name, value) in [
            ("listen", addr.to_string().as_str()),
            ("dialect", dialect),
            ("acquirers", &format!("[\"{INSTITUTION}\"]")),
            ("terminal_prefix", ""),
            ("pin_key", &pin),
            ("exchange_key", &exchange),
        ]
        .iter()
        .chain(more)
        {
            self.server("hub-1").set(&format!("network.links.acq.{name}"), value);
        }
        self.restart("hub-1").await;
        addr
    }
}

/// The options of an acquirer that fits [`World::open_link`], without authentication codes.
pub fn options(address: SocketAddr, dialect: DialectName) -> AcquirerOptions {
    AcquirerOptions {
        address,
        dialect,
        framing: Framing::Binary2,
        institution: INSTITUTION.to_owned(),
        terminal: "TILL-1".to_owned(),
        mac_key: None,
        pin_key: key(PIN_KEY),
        tls: None,
        answer_within: Duration::from_secs(10),
    }
}

/// An acquirer that does not give up: it connects again and sends the same message again.
#[derive(Debug)]
pub struct Stubborn {
    options: AcquirerOptions,
    acquirer: Acquirer,
}

impl Stubborn {
    pub async fn connect(options: AcquirerOptions) -> Self {
        let acquirer = Acquirer::connect(options.clone()).await.unwrap();
        Self { options, acquirer }
    }

    pub fn acquirer(&self) -> &Acquirer {
        &self.acquirer
    }

    /// Asks until there is an answer that is not "in progress".
    pub async fn ask(&mut self, named: Named, fields: &bankhub::acquirer::Fields) -> Answer {
        until("an answer over the link", World::HEALING, async || match self.acquirer.ask(named, fields).await {
            Ok(answer) if answer.response() != Response::InProgress && !is_away(answer.response()) => Some(answer),
            Ok(_) => None,
            Err(_) => {
                if let Ok(again) = Acquirer::connect(self.options.clone()).await {
                    self.acquirer = again;
                }
                None
            }
        })
        .await
    }

    /// Both messages of a payment; gives their names and the last answer.
    pub async fn pay(&mut self, payer: &Payer, amount: Money) -> (Named, Named, Response) {
        let first = self.acquirer.name("0200").unwrap();
        let fields = self.acquirer.first(&payer.person.phone, amount);
        let answer = self.ask(first, &fields).await;
        assert_eq!(answer.response(), Response::CodeSent, "{answer:?}");
        let (_, code) = payer.next_code().await;
        let second = self.acquirer.name("0200").unwrap();
        let fields = self.second(first, payer, amount, &code);
        let answer = self.ask(second, &fields).await;
        (first, second, answer.response())
    }

    pub fn second(&self, first: Named, payer: &Payer, amount: Money, code: &str) -> bankhub::acquirer::Fields {
        let code = OneTimeCode::parse(code).unwrap();
        self.acquirer.second(first, (&payer.person.phone, amount), (&code, payer.password())).unwrap()
    }
}

fn is_away(response: Response) -> bool {
    use domain::reason::Class;
    matches!(response, Response::Refused(reason) if matches!(reason.class(), Class::Away | Class::Fault))
}
