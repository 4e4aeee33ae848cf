//! A past for tests to read: payments with their events and records, written as the payment capability's writer
//! writes them, without any of its rules.

use std::sync::Arc;

use domain::feed::{Event, EventKind, OneTimeCode};
use domain::ledger::Nature;
use domain::payment::{Charge, Instrument, Kind, Payment, State};
use domain::purchase::{CategoryCode, LineItem, Location, Merchant, Terminal};
use domain::text::Line;
use domain::{
    AccountId, BankId, CardId, Currency, LegId, MerchantId, Money, PaymentId, PersonId, TerminalId, Timestamp,
};
use server_kit::keystore::KeyName;
use server_kit::store::{Dialect, StoreError, Tx};

use super::TestHub;
use crate::feed::Feed;
use crate::payment::sql::{Charged, NewEvent, Stored, insert_events, insert_purchases, put_payments};

/// What happens to a person, in this order and again from the beginning.
const STORY: [Sort; 4] = [Sort::Code, Sort::Charge, Sort::Refund, Sort::Reversal];

#[derive(Clone, Copy, Debug)]
enum Sort {
    Code,
    Charge,
    Refund,
    Reversal,
}

/// The six digits of every code of the past.
pub(crate) const CODE: &str = "271828";

/// The terminal at which everything happens.
pub(crate) fn terminal() -> Terminal {
    Terminal {
        id: TerminalId::parse("till-1").unwrap(),
        merchant: Merchant {
            id: MerchantId::parse("noodles").unwrap(),
            name: Line::parse("老王面馆").unwrap(),
            category: CategoryCode::parse("5812").unwrap(),
        },
        place: Some(Line::parse("West Gate").unwrap()),
        location: Some(Location { latitude: 31.25, longitude: 121.5 }),
        suspended: false,
    }
}

/// What is bought every time.
pub(crate) fn items() -> Vec<LineItem> {
    let noodles = LineItem::new("牛肉面", "6901234567892", 1_000, 1_800).unwrap();
    vec![noodles, LineItem::new("Tea", "", 2_000, 600).unwrap()]
}

/// Gives a person a feed with nothing in it.
pub(crate) async fn register(hub: &TestHub, person_id: PersonId) {
    let mut tx = hub.store.begin().await.unwrap();
    let sql = "INSERT INTO payers (person_id, version, failures, codes_sent, last_sequence) VALUES ($1, 1, 0, $2, 0)";
    tx.execute(sql, vec![person_id.uuid().into(), Vec::<u8>::new().into()]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Makes something happen.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    hub: TestHub,
    feed: Feed,
}

/// What is written in one transaction.
#[derive(Default)]
struct Written {
    payments: Vec<Stored<Payment>>,
    events: Vec<NewEvent>,
    charges: Vec<Charged>,
    told: Vec<Arc<Event>>,
}

impl Past {
    /// A past that this feed tells of as it happens.
    pub(crate) fn new(hub: &TestHub, feed: &Feed) -> Self {
        Self { hub: hub.clone(), feed: feed.clone() }
    }

    /// A person to whom nothing has happened yet.
    pub(crate) async fn person(&self) -> PersonId {
        let person_id = PersonId::from_uuid(self.hub.id());
        register(&self.hub, person_id).await;
        person_id
    }

    /// Lets `count` things happen to each person in one transaction, as a set of the writer does, then publishes them.
    pub(crate) async fn happen(&self, persons: &[PersonId], count: usize) -> Vec<Arc<Event>> {
        self.happen_until(persons, count, self.hub.clock().now().plus(std::time::Duration::from_secs(180))).await
    }

    /// The same with codes that end at a time of the test's own.
    pub(crate) async fn happen_until(
        &self,
        persons: &[PersonId],
        count: usize,
        codes_end: Timestamp,
    ) -> Vec<Arc<Event>> {
        let mut persons = persons.to_vec();
        persons.sort_unstable();
        let events = self.write(&persons, count, codes_end).await.unwrap();
        self.feed.publish(&events);
        events
    }

    async fn write(&self, persons: &[PersonId], count: usize, end: Timestamp) -> Result<Vec<Arc<Event>>, StoreError> {
        let mut tx = self.hub.store.begin().await?;
        let mut written = Written::default();
        for person_id in persons {
            let last = last_sequence(&mut tx, *person_id).await?;
            for sequence in last + 1..=last + count as i64 {
                self.event(&mut written, *person_id, sequence, tx.now(), end);
            }
            let sql = "UPDATE payers SET last_sequence = $1, version = version + 1 WHERE person_id = $2";
            tx.execute(sql, vec![(last + count as i64).into(), person_id.uuid().into()]).await?;
        }
        put_payments(&mut tx, &written.payments).await?;
        insert_events(&mut tx, &written.events).await?;
        insert_purchases(&mut tx, &written.charges).await?;
        self.feed.announce(&mut tx, persons);
        tx.commit().await?;
        Ok(written.told)
    }

    fn event(&self, written: &mut Written, person_id: PersonId, sequence: i64, at: Timestamp, expires_at: Timestamp) {
        let payment_id = PaymentId::from_uuid(self.hub.id());
        let original = PaymentId::from_uuid(self.hub.id());
        let amount = Money::new(Currency::CNY, 100 * sequence);
        let sort = STORY[(sequence - 1) as usize % STORY.len()];
        let kind = match sort {
            Sort::Refund => Kind::Refund { original },
            Sort::Charge => Kind::Card { nature: Nature::CashWithdrawal },
            Sort::Code | Sort::Reversal => Kind::Purchase,
        };
        let mut payment = payment(person_id, payment_id, kind, amount, at);
        let merchant = terminal().merchant;
        let mut sealed_code = None;
        let kind = match sort {
            Sort::Code => {
                let (name, context) = (KeyName::SealedPayload, payment_id.uuid());
                sealed_code = Some(self.hub.keys.seal(name, context.as_bytes(), CODE.as_bytes()).unwrap());
                let code = Some(OneTimeCode::parse(CODE).unwrap());
                EventKind::Code { payment_id, code, amount, merchant, expires_at }
            }
            Sort::Charge => {
                payment.charge_sequence = Some(sequence);
                if let Some(charge) = &mut payment.charge {
                    charge.instrument = Some(Instrument::Card(CardId::from_uuid(payment_id.uuid())));
                    charge.credit_minor = Some(sequence);
                }
                EventKind::Charge(Arc::new(payment.purchase().unwrap()))
            }
            Sort::Refund => EventKind::GiveBack { payment_id: original, amount, reversal: false, merchant },
            Sort::Reversal => EventKind::GiveBack { payment_id, amount, reversal: true, merchant },
        };
        let event = Arc::new(Event { person_id, sequence, occurred_at: at, kind });
        written.payments.push(Stored { value: payment, version: 0, logged_at: Vec::new() });
        written.told.push(event.clone());
        match sort {
            Sort::Charge => written.charges.push(Charged { event, seller: Arc::new(terminal()) }),
            Sort::Code | Sort::Refund | Sort::Reversal => {
                written.events.push(NewEvent { event, sealed_code, payment_id });
            }
        }
    }
}

async fn last_sequence(tx: &mut Tx, person_id: PersonId) -> Result<i64, StoreError> {
    // With one writer SQLite needs no lock, and has none.
    let sql = match tx.dialect() {
        Dialect::Postgres => "SELECT last_sequence FROM payers WHERE person_id = $1 FOR UPDATE",
        Dialect::Sqlite => "SELECT last_sequence FROM payers WHERE person_id = $1",
    };
    tx.fetch(sql, vec![person_id.uuid().into()]).await?[0].int(0)
}

fn payment(person_id: PersonId, id: PaymentId, kind: Kind, amount: Money, at: Timestamp) -> Payment {
    let terminal = terminal();
    Payment {
        id,
        state: State::Posted,
        kind,
        terminal_id: terminal.id.clone(),
        fingerprint: [0; 32],
        person_id: Some(person_id),
        amount,
        completed_minor: None,
        refunded_minor: 0,
        fee: None,
        seller: Some(Arc::new(terminal)),
        items: items(),
        reference: None,
        created_at: at,
        decided_at: Some(at),
        challenge: None,
        attempts: Vec::new(),
        refusal: None,
        charge: Some(Charge {
            bank_id: BankId::parse("bank-a").unwrap(),
            instrument: Some(Instrument::Account(AccountId::from_uuid(id.uuid()))),
            credit_minor: None,
            masked: "****4821".to_owned(),
            leg_id: Some(LegId::from_uuid(id.uuid())),
            reversal_leg_id: None,
        }),
        charge_sequence: None,
        decide_before: None,
        due_at: None,
        tries: 0,
    }
}
