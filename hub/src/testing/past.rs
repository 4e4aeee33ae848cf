//! A past for tests to read: payments with their events and records, written as the payment capability's writer
//! writes them, without any of its rules.

use std::sync::Arc;

use domain::feed::{Event, EventKind, OneTimeCode};
use domain::purchase::{CategoryCode, LineItem, Location, Merchant, Purchase, Terminal};
use domain::text::Line;
use domain::{BankId, Currency, MerchantId, Money, PaymentId, PersonId, TerminalId, Timestamp};
use server_kit::keystore::KeyName;
use server_kit::store::{Dialect, StoreError, Table, Tx, Value};

use super::TestHub;
use crate::directory::snapshot::{items_to_json, merchant_to_json};
use crate::feed::Feed;
use crate::payment::sql::{EVENTS, PURCHASES};

const PAYMENTS: Table = Table {
    name: "payments",
    key: &["payment_id"],
    columns: &[
        "payment_id",
        "version",
        "state",
        "kind",
        "terminal_id",
        "fingerprint",
        "person_id",
        "currency",
        "amount_minor",
        "refunded_minor",
        "original_id",
        "merchant",
        "items",
        "reference",
        "created_at",
        "attempts_left",
        "attempt_ids",
        "bank_id",
        "account_masked",
        "leg_id",
        "due_at",
        "tries",
    ],
};

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

/// Makes something happen.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    hub: TestHub,
    feed: Feed,
}

/// Rows of one transaction.
#[derive(Default)]
struct Rows {
    payments: Vec<Vec<Value>>,
    events: Vec<Vec<Value>>,
    purchases: Vec<Vec<Value>>,
}

impl Past {
    /// A past that this feed tells of as it happens.
    pub(crate) fn new(hub: &TestHub, feed: &Feed) -> Self {
        Self { hub: hub.clone(), feed: feed.clone() }
    }

    /// A person to whom nothing has happened yet.
    pub(crate) async fn person(&self) -> PersonId {
        let person_id = PersonId::from_uuid(self.hub.id());
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql =
            "INSERT INTO payers (person_id, version, failures, codes_sent, last_sequence) VALUES ($1, 1, 0, $2, 0)";
        tx.execute(sql, vec![person_id.uuid().into(), Vec::<u8>::new().into()]).await.unwrap();
        tx.commit().await.unwrap();
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
        let mut rows = Rows::default();
        let mut events = Vec::new();
        for person_id in persons {
            let last = last_sequence(&mut tx, *person_id).await?;
            for sequence in last + 1..=last + count as i64 {
                events.push(Arc::new(self.event(&mut rows, *person_id, sequence, tx.now(), end)));
            }
            let sql = "UPDATE payers SET last_sequence = $1, version = version + 1 WHERE person_id = $2";
            tx.execute(sql, vec![(last + count as i64).into(), person_id.uuid().into()]).await?;
        }
        tx.insert(&PAYMENTS, rows.payments).await?;
        tx.insert(&EVENTS, rows.events).await?;
        tx.insert(&PURCHASES, rows.purchases).await?;
        self.feed.announce(&mut tx, persons).await?;
        tx.commit().await?;
        Ok(events)
    }

    fn event(
        &self,
        rows: &mut Rows,
        person_id: PersonId,
        sequence: i64,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> Event {
        let payment_id = PaymentId::from_uuid(self.hub.id());
        let original = PaymentId::from_uuid(self.hub.id());
        let amount = Money::new(Currency::CNY, 100 * sequence);
        let sort = STORY[(sequence - 1) as usize % STORY.len()];
        let merchant = terminal().merchant;
        let kind = match sort {
            Sort::Code => {
                let code = Some(OneTimeCode::parse(CODE).unwrap());
                EventKind::Code { payment_id, code, amount, merchant, expires_at }
            }
            Sort::Charge => EventKind::Charge(Box::new(purchase(person_id, payment_id, amount, at))),
            Sort::Refund => EventKind::GiveBack { payment_id: original, amount, reversal: false, merchant },
            Sort::Reversal => EventKind::GiveBack { payment_id, amount, reversal: true, merchant },
        };
        let event = Event { person_id, sequence, occurred_at: at, kind };
        let refunds = matches!(sort, Sort::Refund).then_some(original);
        rows.payments.push(payment_row(person_id, payment_id, refunds, amount, at));
        rows.events.push(self.event_row(&event, payment_id));
        if let EventKind::Charge(purchase) = &event.kind {
            rows.purchases.push(purchase_row(purchase));
        }
        event
    }

    fn event_row(&self, event: &Event, payment_id: PaymentId) -> Vec<Value> {
        let (code, expires_at) = match &event.kind {
            EventKind::Code { code: Some(code), expires_at, .. } => {
                let context = payment_id.uuid();
                let sealed = self.hub.keys.seal(KeyName::SealedPayload, context.as_bytes(), code.reveal().as_bytes());
                (Some(sealed.unwrap()), Some(*expires_at))
            }
            _ => (None, None),
        };
        vec![
            event.person_id.uuid().into(),
            event.sequence.into(),
            event.occurred_at.into(),
            event.kind.name().into(),
            payment_id.uuid().into(),
            code.into(),
            expires_at.into(),
        ]
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

fn purchase(person_id: PersonId, payment_id: PaymentId, amount: Money, occurred_at: Timestamp) -> Purchase {
    let terminal = terminal();
    Purchase {
        payment_id,
        person_id,
        amount,
        occurred_at,
        bank_id: BankId::parse("bank-a").unwrap(),
        account_masked: "****4821".to_owned(),
        merchant: terminal.merchant,
        terminal_id: terminal.id,
        place: terminal.place,
        location: terminal.location,
        items: items(),
        given_back_minor: 0,
    }
}

fn payment_row(
    person_id: PersonId,
    payment_id: PaymentId,
    original: Option<PaymentId>,
    amount: Money,
    at: Timestamp,
) -> Vec<Value> {
    vec![
        payment_id.uuid().into(),
        1_i64.into(),
        "POSTED".into(),
        "PURCHASE".into(),
        "till-1".into(),
        vec![0_u8; 32].into(),
        person_id.uuid().into(),
        amount.currency.code().into(),
        amount.minor.into(),
        0_i64.into(),
        original.map(PaymentId::uuid).into(),
        merchant_to_json(&terminal()).into(),
        items_to_json(&items()).into(),
        "".into(),
        at.into(),
        3_i64.into(),
        Vec::<u8>::new().into(),
        "bank-a".into(),
        "****4821".into(),
        payment_id.uuid().into(),
        None::<i64>.into(),
        0_i64.into(),
    ]
}

fn purchase_row(purchase: &Purchase) -> Vec<Value> {
    vec![
        purchase.person_id.uuid().into(),
        purchase.occurred_at.into(),
        purchase.payment_id.uuid().into(),
        1_i64.into(),
        purchase.amount.currency.code().into(),
        purchase.amount.minor.into(),
        0_i64.into(),
        purchase.bank_id.as_str().into(),
        purchase.account_masked.as_str().into(),
        merchant_to_json(&terminal()).into(),
        purchase.merchant.category.as_str().into(),
        purchase.terminal_id.as_str().into(),
        items_to_json(&purchase.items).into(),
    ]
}
