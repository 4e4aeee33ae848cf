//! The end of every test: nothing is pending, the servers stop as they should, and then all books are laid side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::ledger::Nature;
use proto::terminal::PaymentState;
use server_kit::audit;
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::keystore::SealedFile;
use server_kit::store::{Migrations, Store, StoreOptions};

use crate::till::passes_later;
use crate::wait::until;
use crate::world::World;

/// States in which a bank or the hub still has something to do.
const PENDING: [&str; 4] = ["HOLDING", "COMMITTED", "ABORTING", "REVERSING"];

/// A payment or a refund, as the hub has it.
#[derive(Clone, Debug)]
pub struct Payment {
    pub id: String,
    pub state: String,
    pub kind: String,
    /// What is charged: of a pre-authorisation what a completion has made of it.
    pub amount_minor: i64,
    /// Whether it pays in and not out.
    pub comes_in: bool,
    pub bank: String,
    pub leg: Option<String>,
    pub reversal_leg: Option<String>,
    pub refusal: String,
}

impl Payment {
    /// What a terminal is told of it.
    fn seen(&self) -> PaymentState {
        match (self.state.as_str(), self.kind.as_str()) {
            ("CHALLENGED", _) => PaymentState::AwaitingCode,
            ("AUTHORISED", _) => PaymentState::Authorised,
            ("HOLDING", _) | ("COMMITTED", "REFUND") => PaymentState::Pending,
            ("COMMITTED" | "POSTED", _) => PaymentState::Approved,
            ("DECLINED" | "EXPIRED" | "CANCELLED" | "ABORTING" | "ABORTED", _) => PaymentState::Declined,
            ("REVERSING" | "REVERSED", _) => PaymentState::Reversed,
            other => panic!("{} is in a state that is not known: {other:?}", self.id),
        }
    }
}

/// A leg, as a bank has it.
#[derive(Clone, Debug)]
pub struct Leg {
    pub bank: String,
    pub id: String,
    pub payment: String,
    pub kind: String,
    pub state: String,
    pub amount_minor: i64,
    pub refunded_minor: i64,
}

/// Everything that is left when the servers are gone.
#[derive(Clone, Debug, Default)]
pub struct Ledgers {
    pub payments: Vec<Payment>,
    pub legs: Vec<Leg>,
}

impl Ledgers {
    /// How many payments are in a state.
    pub fn count(&self, state: &str) -> usize {
        self.payments.iter().filter(|payment| payment.state == state).count()
    }

    pub fn payment(&self, id: &str) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    /// The money that has left customers' accounts and has not come back.
    pub fn charged_minor(&self) -> i64 {
        let posted = self.legs.iter().filter(|leg| leg.state == "POSTED");
        posted.map(|leg| if leg.kind == "CHARGE" { leg.amount_minor } else { -leg.amount_minor }).sum()
    }
}

impl World {
    /// Waits until nothing is pending, stops all servers and checks everything that they have written.
    pub async fn settled(mut self) -> Ledgers {
        let at_rest = async || {
            let overview = self.federation.operator().unwrap().overview().await;
            let overview = overview.map_err(|error| println!("the hub's overview: {error}")).ok()?;
            let pending = |state: &&str| overview.payments_by_state.get(*state).is_some_and(|count| *count > 0);
            (!PENDING.iter().any(pending)).then_some(())
        };
        until("all payments to come to rest", Self::HEALING, at_rest).await;
        self.legs_at_rest().await;
        self.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
        let panicked = self.logs().lines().find(|line| line.contains("panicked at")).map(str::to_owned);
        assert_eq!(panicked, None, "a server panicked");
        let ledgers = self.read().await;
        compare(&ledgers);
        self.compare_answers(&ledgers);
        self.forget().await;
        ledgers
    }

    /// Waits until no bank holds a leg: one that a hub has forgotten is asked about.
    async fn legs_at_rest(&self) {
        use proto::bank::{LegState, ListLegsRequest};
        let whole = |micros| Some(proto::to_timestamp(domain::Timestamp::from_micros(micros)));
        for name in self.databases.keys().filter(|name| !name.starts_with("hub")) {
            let mut bank = self.federation.bank_as_hub(name).unwrap();
            let released = async || {
                let (mut held, mut page_token) = (0, String::new());
                loop {
                    let request = ListLegsRequest {
                        changed_from: whole(0),
                        changed_before: whole(i64::MAX / 2),
                        page_size: 200,
                        page_token,
                    };
                    let page = match bank.list_legs(request).await {
                        Ok(page) => page.into_inner(),
                        Err(status) if passes_later(&status) => return None,
                        Err(status) => panic!("{name} says {status:?}"),
                    };
                    held += page.legs.iter().filter(|leg| leg.state() == LegState::Held).count();
                    page_token = page.next_page_token;
                    if page_token.is_empty() {
                        return (held == 0).then_some(());
                    }
                }
            };
            until(&format!("all legs at {name} to come to rest"), Self::HEALING, released).await;
        }
    }

    /// Checks each server's own books and its log, and reads payments and legs.
    async fn read(&self) -> Ledgers {
        let mut ledgers = Ledgers::default();
        let mut hub_is_read = false;
        for name in self.databases.keys() {
            let is_hub = name.starts_with("hub");
            // Replicas share one database.
            if is_hub && std::mem::replace(&mut hub_is_read, true) {
                continue;
            }
            let store = self.open(name).await;
            let faults = match is_hub {
                true => hub::check_books(&store).await.unwrap().faults,
                false => bank_adapter::check_books(&store).await.unwrap().faults,
            };
            assert_eq!(faults, Vec::<String>::new(), "the books of {name}");
            self.check_log(name, &store).await;
            match is_hub {
                true => {
                    ledgers.payments.extend(payments(&store).await);
                    ledgers.legs.extend(crate::network_bank::legs(&store).await);
                }
                false => ledgers.legs.extend(legs(&store, name).await),
            }
            store.close().await;
        }
        ledgers
    }

    /// The database of a server that has stopped.
    pub async fn open(&self, name: &str) -> Store {
        let url = self.database_url(name);
        let migrations: Migrations =
            if name.starts_with("hub") { hub::migrations() } else { bank_adapter::migrations() };
        Store::open(&StoreOptions::new(&url), &migrations, SystemClock::shared()).await.unwrap()
    }

    /// Where a server keeps its books.
    pub fn database_url(&self, name: &str) -> String {
        let file = self.federation.server(name).unwrap().member().folder.join("books.db");
        self.databases[name].url().unwrap_or_else(|| format!("sqlite:{}", file.display()))
    }

    async fn check_log(&self, name: &str, store: &Store) {
        let member = self.federation.server(name).unwrap().member();
        let master = SecretRef::File(member.master()).read().unwrap();
        let keys = Arc::new(SealedFile::open(&member.sealed_keys(), &master).unwrap());
        let reports = audit::verify(store, keys.as_ref()).await.unwrap();
        let rows: i64 = reports.iter().map(|report| report.entries).sum();
        // A bank that nobody has asked for anything has nothing to log.
        assert!(rows > 0 || !name.starts_with("hub"), "{name} has logged nothing");
        for report in reports {
            assert_eq!(report.faults, Vec::<String>::new(), "the log of {name}, chain {}", report.chain);
        }
    }

    /// What terminals were told last is what is stored: a final answer stands.
    fn compare_answers(&self, ledgers: &Ledgers) {
        for (id, told) in self.answers.last() {
            let stored = ledgers.payment(&id).unwrap_or_else(|| panic!("{id} was answered and is not stored"));
            let seen = stored.seen();
            let stands = match told {
                PaymentState::Approved => matches!(seen, PaymentState::Approved | PaymentState::Reversed),
                PaymentState::Declined | PaymentState::Reversed => seen == told,
                _ => true,
            };
            assert!(stands, "a terminal was told {told:?} of {stored:?}");
        }
    }
}

async fn payments(store: &Store) -> Vec<Payment> {
    const SQL: &str = "SELECT payment_id, state, kind, COALESCE(completed_minor, amount_minor), bank_id, leg_id, \
                       reversal_leg_id, refusal, nature FROM payments UNION ALL \
                       SELECT repayment_id, state, 'REPAYMENT', amount_minor, from_bank_id, from_leg_id, NULL, refusal, NULL \
                       FROM repayments UNION ALL \
                       SELECT repayment_id, state, 'REPAYMENT', amount_minor, to_bank_id, to_leg_id, NULL, refusal, 'REPAYMENT' \
                       FROM repayments ORDER BY 1";
    let rows = store.fetch(SQL, Vec::new()).await.unwrap();
    let read = rows.iter().map(|row| Payment {
        id: row.id(0).unwrap().to_string(),
        state: row.text(1).unwrap(),
        kind: row.text(2).unwrap(),
        amount_minor: row.int(3).unwrap(),
        bank: row.maybe_text(4).unwrap().unwrap_or_default(),
        leg: row.maybe_id(5).unwrap().map(|id| id.to_string()),
        reversal_leg: row.maybe_id(6).unwrap().map(|id| id.to_string()),
        refusal: row.maybe_text(7).unwrap().unwrap_or_default(),
        comes_in: row
            .maybe_text(8)
            .unwrap()
            .is_some_and(|nature| Nature::parse(&nature).unwrap().flow() == domain::ledger::Flow::In),
    });
    read.collect()
}

async fn legs(store: &Store, bank: &str) -> Vec<Leg> {
    const SQL: &str = "SELECT leg_id, payment_id, kind, state, amount_minor - released_minor, refunded_minor FROM legs ORDER BY leg_id";
    let rows = store.fetch(SQL, Vec::new()).await.unwrap();
    let read = rows.iter().map(|row| Leg {
        bank: bank.to_owned(),
        id: row.id(0).unwrap().to_string(),
        payment: row.id(1).unwrap().to_string(),
        kind: row.text(2).unwrap(),
        state: row.text(3).unwrap(),
        amount_minor: row.maybe_int(4).unwrap().unwrap_or_default(),
        refunded_minor: row.int(5).unwrap(),
    });
    read.collect()
}

/// Lays the hub's books beside the banks'.
fn compare(ledgers: &Ledgers) {
    let legs: BTreeMap<(&str, &str), &Leg> =
        ledgers.legs.iter().map(|leg| ((leg.bank.as_str(), leg.id.as_str()), leg)).collect();
    // Each posted leg is to be the one that some payment asked for.
    let mut asked_for = BTreeSet::new();
    for payment in &ledgers.payments {
        assert!(!PENDING.contains(&payment.state.as_str()), "still pending: {payment:?}");
        let bank = payment.bank.as_str();
        let leg = payment.leg.as_deref().and_then(|id| legs.get(&(bank, id)).copied());
        let given_back = payment.reversal_leg.as_deref().and_then(|id| legs.get(&(bank, id)).copied());
        let is_posted = |leg: Option<&Leg>, kind: &str| {
            leg.is_some_and(|leg| {
                (leg.state.as_str(), leg.kind.as_str(), leg.amount_minor) == ("POSTED", kind, payment.amount_minor)
            })
        };
        let taken = if payment.comes_in { "RECEIPT" } else { "CHARGE" };
        match (payment.kind.as_str(), payment.state.as_str()) {
            ("PURCHASE" | "CARD" | "TOP_UP" | "REPAYMENT", "POSTED") => {
                assert!(is_posted(leg, taken), "an approved purchase without its debit: {payment:?}, {leg:?}");
                assert!(payment.reversal_leg.is_none(), "{payment:?}");
            }
            ("PURCHASE" | "CARD", "REVERSED") => {
                assert!(is_posted(leg, taken), "{payment:?}, {leg:?}");
                assert!(is_posted(given_back, "GIVE_BACK"), "a reversal that gave nothing back: {payment:?}");
            }
            ("REFUND", "POSTED") => assert!(is_posted(leg, "GIVE_BACK"), "{payment:?}, {leg:?}"),
            _ => {
                let moved = leg.is_some_and(|leg| matches!(leg.state.as_str(), "POSTED" | "HELD"));
                assert!(!moved, "money moved for a payment that came to nothing: {payment:?}, {leg:?}");
                continue;
            }
        }
        asked_for.extend(leg.into_iter().chain(given_back).map(|leg| (leg.bank.as_str(), leg.id.as_str())));
    }
    for leg in &ledgers.legs {
        let known = asked_for.contains(&(leg.bank.as_str(), leg.id.as_str()));
        match leg.state.as_str() {
            "POSTED" => assert!(known, "a debit or a credit without a payment: {leg:?}"),
            "HELD" => panic!("still held: {leg:?}"),
            _ => {}
        }
    }
    let charges = ledgers.legs.iter().filter(|leg| (leg.state.as_str(), leg.kind.as_str()) == ("POSTED", "CHARGE"));
    let mut charged = BTreeSet::new();
    for leg in charges {
        assert!(charged.insert(&leg.payment), "{} was charged twice", leg.payment);
    }
}
