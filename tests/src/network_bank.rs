//! A bank that takes part only through a card network, which somebody else's program plays.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bankhub::phone::{DeviceKey, Enrolment, Phone};
use bankhub::trial::Person;
use domain::card::{Bin, Pan};
use domain::{AccountId, BankId, CardId, PhoneNumber};
use proto::common::PresentedCard;
use secrecy::SecretString;
use serde_json::Value;
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::store::Store;

use crate::links::PIN_KEY;
use crate::payer::Payer;
use crate::peers::Peer;
use crate::settled::Leg;
use crate::world::World;

/// The bank, and the first digits of its cards.
pub const BANK: &str = "bank-n";
const BIN: &str = "622849";
/// The PIN of every card here.
const PIN: &str = "271828";

/// The network, with the bank behind it.
#[derive(Debug)]
pub struct Network {
    pub peer: Peer,
    state: PathBuf,
    port: u16,
    more: Vec<String>,
}

/// A card of the bank.
#[derive(Clone, Debug)]
pub struct NetworkCard {
    pub pan: Pan,
}

impl NetworkCard {
    /// The n-th.
    pub fn new(n: u64) -> Self {
        Self { pan: Pan::issue(&Bin::parse(BIN).unwrap(), n, 16).unwrap() }
    }

    /// As its track is read.
    pub fn read(&self) -> PresentedCard {
        PresentedCard { track2: format!("{}=29122010000017", self.pan.reveal()), ..PresentedCard::default() }
    }
}

impl Network {
    /// Starts the program; none where there is no Python for it.
    pub async fn start(world: &World, more: &[&str]) -> Option<Self> {
        let state = world.federation.folder().join("network.journal");
        let more: Vec<String> = more.iter().map(|argument| (*argument).to_owned()).collect();
        let peer = Peer::network(&state, 0, &more).await?;
        let port = peer.port;
        Some(Self { peer, state, port, more })
    }

    /// The program dies and is started again where it was.
    pub async fn restart(self) -> Self {
        let Self { peer, state, port, more } = self;
        drop(peer);
        let peer = Peer::network(&state, port, &more).await.unwrap();
        Self { peer, state, port, more }
    }

    /// The same with other arguments.
    pub async fn restart_with(self, more: &[String]) -> Self {
        Self { more: more.to_vec(), ..self }.restart().await
    }

    pub async fn open(&self, card: &NetworkCard, balance: i64) {
        self.peer.tell(&format!("account {} {balance} {PIN}", card.pan.reveal())).await;
    }

    pub async fn fault(&self, what: &str, how: &str) {
        self.peer.tell(&format!("fault {what} {how}")).await;
    }

    /// What is left on a card, and what is reserved of it.
    pub async fn left(&self, card: &NetworkCard) -> (i64, i64) {
        left(&self.peer.state().await, card)
    }

    /// Waits until so much is left on a card and nothing is reserved.
    pub async fn comes_to(&self, card: &NetworkCard, balance: i64) -> Value {
        self.peer.becomes(&format!("a balance of {balance}"), |state| left(state, card) == (balance, 0)).await
    }
}

fn left(state: &Value, card: &NetworkCard) -> (i64, i64) {
    let account = &state["accounts"][card.pan.reveal()];
    (account["balance"].as_i64().unwrap(), account["held"].as_i64().unwrap())
}

impl World {
    /// Has the first hub keep a line to the network, and registers the bank behind it. What is empty in `more` is left out of the line.
    pub async fn join_network(&mut self, network: &Network, more: &[(&str, &str)]) {
        let (pin, address) = (self.secret("issuer-pin", PIN_KEY), format!("127.0.0.1:{}", network.port));
        let usual = [
            ("address", address.as_str()),
            ("institution", "66280000"),
            ("pin_key", &pin),
            ("answer_timeout", "1s"),
            ("reconnect_pause", "50ms"),
            ("reconnect_pause_at_most", "200ms"),
            ("banks.bank-n.institution", "66281000"),
            ("banks.bank-n.ranges", "[\"622849-622849/16\"]"),
        ];
        let is_replaced = |(name, _): &&(&str, &str)| !more.iter().any(|(other, _)| other == name);
        for (name, value) in usual.iter().filter(is_replaced).chain(more.iter().filter(|(_, value)| !value.is_empty()))
        {
            self.set_for_hubs(&format!("network.issuers.cup.{name}"), value);
        }
        self.restart("hub-1").await;
        self.federation.register_bank_at(BANK, "iso8583://cup").await.unwrap();
    }

    /// A person who pays by phone number with a card of the bank.
    pub async fn network_payer(&self, card: &NetworkCard) -> Payer {
        let (operator, bank) = (self.federation.operator().unwrap(), BankId::parse(BANK).unwrap());
        let n = self.next_person();
        let phone = PhoneNumber::parse(&format!("+86137{:08}", 30_000_001 + n * 43)).unwrap();
        let password = SecretString::from(format!("{:06}", 314_159 + n));
        let id = operator.register_person(&phone, "Zhang Wei").await.unwrap();
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        let card_id = CardId::from_uuid(ids.uuid().unwrap());
        let number = card.pan.reveal();
        let masked = operator.bind_card_with(id, &bank, (card_id, number), true).await.unwrap();
        // The same again is the same card.
        assert_eq!(operator.bind_card_with(id, &bank, (card_id, number), true).await.unwrap(), masked);
        let issued = operator.enrolment_code(id).await.unwrap();
        let enrolment = Enrolment {
            phone: phone.clone(),
            code: SecretString::from(issued.enrolment_code),
            transaction_password: Some(password.clone()),
        };
        let channel = self.federation.phone_channel().unwrap();
        let device = Phone::enrol(channel, DeviceKey::generate().unwrap(), &enrolment).await.unwrap();
        Payer::new(Person {
            id,
            name: "Zhang Wei".to_owned(),
            phone,
            bank: BANK.to_owned(),
            account: AccountId::from_uuid(card_id.uuid()),
            account_masked: masked,
            password,
            device,
        })
    }
}

/// The legs at such banks as the hub has asked for them over its lines.
pub(crate) async fn legs(store: &Store) -> Vec<Leg> {
    const SQL: &str = "SELECT leg_id, payment_id, bank_id, asked, state, amount_minor, original_leg_id FROM network_orders \
                       ORDER BY leg_id, asked";
    let mut legs: BTreeMap<String, Leg> = BTreeMap::new();
    for row in store.fetch(SQL, Vec::new()).await.unwrap() {
        let (asked, state) = (row.text(3).unwrap(), row.text(4).unwrap());
        let id = row.id(0).unwrap().to_string();
        let gives_back = row.maybe_id(6).unwrap().is_some();
        let leg = legs.entry(id.clone()).or_insert_with(|| Leg {
            bank: row.text(2).unwrap(),
            id,
            payment: row.id(1).unwrap().to_string(),
            kind: if gives_back { "GIVE_BACK" } else { "CHARGE" }.to_owned(),
            state: "VOIDED".to_owned(),
            amount_minor: 0,
            refunded_minor: 0,
        });
        // In this order: AUTHORISATION, CHARGE, COMPLETION, REFUND, REVERSAL.
        let becomes = match (asked.as_str(), state.as_str(), gives_back) {
            ("AUTHORISATION", "DONE", _) => "HELD",
            ("CHARGE" | "COMPLETION" | "REFUND", "DONE", _) | ("REVERSAL", "DONE", true) => "POSTED",
            ("REVERSAL", "DONE", false) => "VOIDED",
            (_, "REFUSED", _) => "REFUSED",
            // What it is not known of.
            _ => "HELD",
        };
        leg.state = becomes.to_owned();
        if asked != "REVERSAL" || gives_back {
            leg.amount_minor = row.int(5).unwrap();
        }
    }
    legs.into_values().collect()
}
