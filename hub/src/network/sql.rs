//! The tables of a card network's links.

use std::collections::BTreeMap;

use domain::network::{Counted, Difference, Sum, Totals};
use domain::{Currency, Money, PaymentId, Timestamp};
use jiff::civil::Date;
use server_kit::store::{Keys, Load, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

const MESSAGES: Table = Table {
    name: "network_messages",
    key: &["message_id"],
    columns: &[
        "message_id",
        "version",
        "link",
        "business_day",
        "kind",
        "payment_id",
        "currency",
        "amount_minor",
        "received_at",
        "sealed_message",
    ],
};

const LINKS: Table =
    Table { name: "network_links", key: &["link"], columns: &["link", "version", "business_day", "changed_at"] };

const SETTLEMENTS: Table = Table {
    name: "network_settlements",
    key: &["link", "business_day", "currency"],
    columns: &["link", "business_day", "currency", "version", "ours", "theirs", "in_balance", "compared_at"],
};

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Payment,
    Code,
    Reversal,
    Refund,
    Completion,
    /// What a network tells of a payment that it charged by itself.
    Advice,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Payment => "PAYMENT",
            Self::Code => "CODE",
            Self::Reversal => "REVERSAL",
            Self::Refund => "REFUND",
            Self::Completion => "COMPLETION",
            Self::Advice => "ADVICE",
        }
    }
}

/// A message as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(super) id: Uuid,
    pub(super) link: String,
    pub(super) kind: Kind,
    pub(super) payment: PaymentId,
    pub(super) amount: Money,
    pub(super) sealed_message: Vec<u8>,
    /// On which it counts if its link was never cut over.
    pub(super) today: Date,
}

/// The business day of a link, with the version of its row.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkDay {
    pub(super) version: i64,
    pub(super) day: Date,
}

fn date(text: &str) -> Result<Date, jiff::Error> {
    text.parse()
}

pub(super) async fn load_known(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    let select = "SELECT message_id FROM network_messages WHERE message_id";
    let load = Load { select, tail: " ORDER BY message_id", lock: false };
    tx.load(load, Keys::Ids(ids)).await?.iter().map(|row| row.id(0)).collect()
}

pub(super) async fn load_days(tx: &mut Tx, links: Vec<String>) -> Result<BTreeMap<String, LinkDay>, StoreError> {
    let select = "SELECT link, version, business_day FROM network_links WHERE link";
    let load = Load { select, tail: " ORDER BY link", lock: true };
    let rows = tx.load(load, Keys::Names(links)).await?;
    rows.iter().map(|row| Ok((row.text(0)?, LinkDay { version: row.int(1)?, day: row.parsed(2, date)? }))).collect()
}

pub(super) async fn insert_messages(tx: &mut Tx, rows: Vec<(&Noted, Date)>) -> Result<(), StoreError> {
    let now = tx.now();
    let write = |(noted, day): (&Noted, Date)| {
        vec![
            noted.id.into(),
            1.into(),
            noted.link.as_str().into(),
            day.to_string().into(),
            noted.kind.as_str().into(),
            noted.payment.uuid().into(),
            noted.amount.currency.code().into(),
            noted.amount.minor.into(),
            now.into(),
            noted.sealed_message.clone().into(),
        ]
    };
    tx.insert(&MESSAGES, rows.into_iter().map(write).collect()).await
}

/// Notes messages in the transaction of whoever works on them. What is known already stays as it is.
pub(crate) async fn note(tx: &mut Tx, noted: Vec<&Noted>) -> Result<(), StoreError> {
    if noted.is_empty() {
        return Ok(());
    }
    let known = load_known(tx, noted.iter().map(|noted| noted.id).collect()).await?;
    let mut known: std::collections::BTreeSet<Uuid> = known.into_iter().collect();
    let days = load_days(tx, noted.iter().map(|noted| noted.link.clone()).collect()).await?;
    let new = noted.into_iter().filter(|noted| known.insert(noted.id));
    insert_messages(tx, new.map(|noted| (noted, days.get(&noted.link).map_or(noted.today, |link| link.day))).collect())
        .await
}

pub(super) async fn put_day(tx: &mut Tx, link: &str, day: LinkDay) -> Result<(), StoreError> {
    let row = vec![link.into(), day.version.into(), day.day.to_string().into(), tx.now().into()];
    tx.put(&LINKS, vec![row]).await
}

/// What was compared.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) link: String,
    pub(super) day: Date,
    pub(super) currency: Currency,
    pub(super) ours: Totals,
    pub(super) theirs: Totals,
}

impl Compared {
    pub(super) fn differences(&self) -> Vec<Difference> {
        self.ours.differences(&self.theirs)
    }
}

/// Totals in words, as they are kept.
pub(super) fn words_of(totals: &Totals) -> String {
    let part = |what: &Counted| {
        let Sum { number, minor } = totals.of(*what);
        format!("{}={number}/{minor}", what.as_str().replace(' ', "_"))
    };
    Counted::ALL.iter().map(part).collect::<Vec<_>>().join(" ")
}

pub(super) async fn put_settlement(tx: &mut Tx, compared: &Compared) -> Result<(), StoreError> {
    let key: Vec<Value> =
        vec![compared.link.as_str().into(), compared.day.to_string().into(), compared.currency.code().into()];
    let select = "SELECT version FROM network_settlements WHERE link = $1 AND business_day = $2 AND currency = $3";
    let version = tx.fetch(select, key.clone()).await?.first().map_or(Ok(0), |row| row.int(0))?;
    let mut row = key;
    row.extend([
        (version + 1).into(),
        words_of(&compared.ours).into(),
        words_of(&compared.theirs).into(),
        compared.differences().is_empty().into(),
        tx.now().into(),
    ]);
    tx.put(&SETTLEMENTS, vec![row]).await
}

/// The payment that a message is about; none for a message that has not come.
pub(super) async fn payment_of(store: &Store, message: Uuid) -> Result<Option<PaymentId>, StoreError> {
    let sql = "SELECT payment_id FROM network_messages WHERE message_id = $1";
    let row = store.fetch_one(sql, vec![message.into()]).await?;
    row.map(|row| row.id(0).map(PaymentId::from_uuid)).transpose()
}

/// The days of all links that were ever cut over.
pub(super) async fn days_of_links(store: &Store) -> Result<BTreeMap<String, Date>, StoreError> {
    let rows = store.fetch("SELECT link, business_day FROM network_links", Vec::new()).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.parsed(1, date)?))).collect()
}

pub(crate) async fn day_of_link(store: &Store, link: &str) -> Result<Option<Date>, StoreError> {
    let row = store.fetch_one("SELECT business_day FROM network_links WHERE link = $1", vec![link.into()]).await?;
    row.map(|row| row.parsed(0, date)).transpose()
}

/// What was charged, taken back and given back over a link on a day, from the payments as they stand. A payment is counted once, however
/// many messages were about it.
const TOTALS: &str = "SELECT kind, count(*), CAST(COALESCE(sum(amount_minor), 0) AS BIGINT) FROM (SELECT DISTINCT m.kind AS kind, m.payment_id, \
     COALESCE(p.completed_minor, p.amount_minor) AS amount_minor FROM network_messages m JOIN payments p ON p.payment_id = m.payment_id \
     WHERE m.link = $1 AND m.business_day = $2 AND p.currency = $3 AND (\
     m.kind = 'PAYMENT' AND p.kind IN ('PURCHASE', 'CARD') AND p.state IN ('COMMITTED', 'POSTED', 'REVERSING', 'REVERSED') OR \
     m.kind = 'REVERSAL' AND p.kind IN ('PURCHASE', 'CARD') AND p.state IN ('REVERSING', 'REVERSED') OR \
     m.kind = 'REFUND' AND p.kind = 'REFUND' AND p.state IN ('COMMITTED', 'POSTED'))) counted GROUP BY kind";

pub(super) async fn totals(store: &Store, link: &str, day: Date, currency: Currency) -> Result<Totals, StoreError> {
    let args = vec![link.into(), day.to_string().into(), currency.code().into()];
    let mut totals = Totals::default();
    for row in store.fetch(TOTALS, args).await? {
        let sum = Sum { number: row.int(1)?, minor: row.int(2)? };
        match row.text(0)?.as_str() {
            "PAYMENT" => totals.debits = sum,
            "REVERSAL" => totals.debit_reversals = sum,
            _ => totals.credits = sum,
        }
    }
    Ok(totals)
}

/// The day of a moment, for a link that has not been cut over yet.
pub(super) fn today(now: Timestamp, zone: &jiff::tz::TimeZone) -> Result<Date, StoreError> {
    crate::zone::day_of(now, zone).map_err(|reason| StoreError::Refused(reason.english().to_owned()))
}
