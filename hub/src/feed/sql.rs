//! Reading the feed's table. An event says only that something happened; what is told of it is read from the payment
//! and, for what came back since, from the record.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::errand::ErrandKind;
use domain::feed::{Event, EventKind, News, OneTimeCode, PaidIn, Topic};
use domain::ledger::Nature;
use domain::{BankId, Currency, ErrandId, Money, PaymentId, PersonId, Timestamp};
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

use super::FeedParts;
use super::append::REPAID;
use crate::directory::snapshot::merchant_from_json;
use crate::records::row::{PURCHASE_COLUMNS, purchase_columns, purchase_of};

/// A charge as an event, from its row of the record. PostgreSQL takes a NULL without a type for a text.
macro_rules! charge_columns {
    () => {
        concat!(
            "sequence, occurred_at AS told_at, 'CHARGE' AS kind, CAST(NULL AS BYTEA) AS sealed_code, \
             CAST(NULL AS BIGINT) AS expires_at, CAST(NULL AS UUID) AS original_id, CAST(NULL AS BIGINT) AS about_minor, ",
            purchase_columns!(),
            ", CAST(NULL AS TEXT) AS topic, CAST(NULL AS TEXT) AS text_en, CAST(NULL AS TEXT) AS text_zh"
        )
    };
}

/// Any other event in the same columns. What is told of it is read from its payment or its repayment, or of a purchase that a bank has
/// reported from its record: [`event_joins`].
macro_rules! event_columns {
    () => {
        "e.sequence, e.occurred_at, e.kind, e.sealed_code, e.expires_at, p.original_id, e.amount_minor, \
         e.payment_id, COALESCE(r.occurred_at, e.occurred_at), COALESCE(r.currency, p.currency, q.currency), \
         COALESCE(r.amount_minor, p.completed_minor, p.amount_minor, q.amount_minor), COALESCE(r.given_back_minor, 0), \
         COALESCE(r.bank_id, p.bank_id, q.to_bank_id), COALESCE(r.account_masked, p.masked, q.to_masked), \
         COALESCE(r.merchant, p.merchant, q.from_named), COALESCE(r.terminal_id, p.terminal_id), \
         COALESCE(r.items, p.items), \
         COALESCE(r.nature, p.nature, CASE e.kind WHEN 'REPAID' THEN 'REPAYMENT' ELSE 'PURCHASE' END), \
         COALESCE(r.credit_minor, p.credit_minor), COALESCE(r.state, 'POSTED'), COALESCE(r.carrier, 'HUB'), \
         e.topic, e.text_en, e.text_zh"
    };
}
macro_rules! event_joins {
    () => {
        " LEFT JOIN payments p ON p.payment_id = e.payment_id AND e.record_sequence IS NULL AND e.kind <> 'REPAID' \
         LEFT JOIN repayments q ON q.repayment_id = e.payment_id AND e.kind = 'REPAID' \
         LEFT JOIN purchases r ON r.person_id = e.person_id AND r.sequence = e.record_sequence "
    };
}

/// Charges stand in the record and the rest in the table of events; no two have one place. One statement reads both, so that
/// nothing is committed between the two readings. Each has its own limit: neither is read to its end for a page.
const READ: &str = concat!(
    "SELECT * FROM (SELECT ",
    charge_columns!(),
    " FROM purchases WHERE person_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3) charged UNION ALL SELECT ",
    event_columns!(),
    " FROM (SELECT * FROM events WHERE person_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3) e",
    event_joins!(),
    "ORDER BY 1 LIMIT $3"
);

/// The events that are noted first for a follower, in no order, each with its person at the end.
const NOTED: &str = concat!(
    "WITH noted AS MATERIALIZED (SELECT person_id AS whose, sequence AS place FROM followed_events WHERE follower = $1 \
     ORDER BY person_id, sequence LIMIT $2) SELECT ",
    charge_columns!(),
    ", whose FROM noted CROSS JOIN purchases WHERE person_id = whose AND sequence = place UNION ALL SELECT ",
    event_columns!(),
    ", whose FROM noted CROSS JOIN events e",
    event_joins!(),
    "WHERE e.person_id = whose AND e.sequence = place"
);
/// Where the columns of the purchase begin.
const PURCHASE: usize = 7;
/// Where those of news begin.
const NEWS: usize = PURCHASE + PURCHASE_COLUMNS;
/// Where the person is, of an event that is noted.
const WHOSE: usize = NEWS + 3;

/// The person's events after a cursor, in order.
pub(super) async fn read_events(
    parts: &FeedParts,
    person_id: PersonId,
    after: i64,
    limit: u32,
) -> Result<Vec<Arc<Event>>, StoreError> {
    let args = vec![person_id.uuid().into(), after.into(), i64::from(limit).into()];
    let rows = parts.store.fetch(READ, args).await?;
    let now = parts.clock.now();
    rows.iter().map(|row| Ok(Arc::new(event_of(row, person_id, &*parts.keys, now)?))).collect()
}

/// The events that are noted first for a follower, by person and place.
pub(super) async fn read_noted(
    parts: &FeedParts,
    follower: &'static str,
    most: i64,
) -> Result<BTreeMap<(PersonId, i64), Arc<Event>>, StoreError> {
    let rows = parts.store.fetch(NOTED, vec![follower.into(), most.into()]).await?;
    let now = parts.clock.now();
    let read = |row: &Row| {
        let person_id = PersonId::from_uuid(row.id(WHOSE)?);
        let event = event_of(row, person_id, &*parts.keys, now)?;
        Ok(((person_id, event.sequence), Arc::new(event)))
    };
    rows.iter().map(read).collect()
}

/// The end of the person's feed; zero for a person who is not known.
pub async fn read_last_sequence(store: &Store, person_id: PersonId) -> Result<i64, StoreError> {
    let sql = "SELECT last_sequence FROM payers WHERE person_id = $1";
    let row = store.fetch_one(sql, vec![person_id.uuid().into()]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

fn event_of(row: &Row, person_id: PersonId, keys: &dyn KeyStore, now: Timestamp) -> Result<Event, StoreError> {
    let kind = match row.text(2)?.as_str() {
        "NEWS" => EventKind::News(News {
            topic: row.parsed(NEWS, Topic::parse)?,
            subject: row.id(PURCHASE)?,
            english: row.text(NEWS + 1)?,
            chinese: row.text(NEWS + 2)?,
        }),
        "SIGN_IN_CODE" => {
            let (sign_in_id, expires_at) = (row.id(PURCHASE)?, row.time(4)?);
            let code = if expires_at > now { open_code(row, sign_in_id, keys)? } else { None };
            EventKind::SignInCode { sign_in_id, code, expires_at }
        }
        // What it is for stands in the place of the topic, and the shop in that of words.
        "ERRAND_CODE" => {
            let (errand_id, expires_at) = (row.id(PURCHASE)?, row.time(4)?);
            EventKind::ErrandCode {
                errand_id: ErrandId::from_uuid(errand_id),
                errand: row.parsed(NEWS, ErrandKind::parse)?,
                code: if expires_at > now { open_code(row, errand_id, keys)? } else { None },
                merchant: row.parsed(NEWS + 1, merchant_from_json)?.merchant,
                expires_at,
            }
        }
        of_money => money_event(row, of_money, person_id, keys, now)?,
    };
    Ok(Event { person_id, sequence: row.int(0)?, occurred_at: row.time(1)?, kind })
}

/// An event about a payment, or about a purchase in the record.
fn money_event(
    row: &Row,
    kind: &str,
    person_id: PersonId,
    keys: &dyn KeyStore,
    now: Timestamp,
) -> Result<EventKind, StoreError> {
    let payment_id = PaymentId::from_uuid(row.id(PURCHASE)?);
    let amount = Money::new(row.parsed(PURCHASE + 2, Currency::parse)?, row.int(PURCHASE + 3)?);
    let merchant = row.parsed(PURCHASE + 7, merchant_from_json)?.merchant;
    // Of a purchase that a bank has reported an event may be about another amount than all of it.
    let about = Money::new(amount.currency, row.maybe_int(6)?.unwrap_or(amount.minor));
    Ok(match kind {
        "CODE" => {
            let expires_at = row.time(4)?;
            let code = if expires_at > now { open_code(row, payment_id.uuid(), keys)? } else { None };
            EventKind::Code { payment_id, code, amount, merchant, expires_at }
        }
        "CHARGE" => EventKind::Charge(Arc::new(purchase_of(row, PURCHASE, person_id)?)),
        "UPDATE" => EventKind::Update { purchase: Arc::new(purchase_of(row, PURCHASE, person_id)?), before: about },
        "REVERSAL" => EventKind::GiveBack { payment_id, amount: about, reversal: true, merchant },
        "REFUND" => {
            // A refund through the hub is a payment of its own; the person knows the one that it gives back from.
            let original = row.maybe_id(5)?.map_or(payment_id, PaymentId::from_uuid);
            EventKind::GiveBack { payment_id: original, amount: about, reversal: false, merchant }
        }
        "PAID_IN" | REPAID => EventKind::PaidIn(PaidIn {
            payment_id,
            nature: row.parsed(PURCHASE + 10, Nature::parse)?,
            amount,
            bank_id: row.parsed(PURCHASE + 5, BankId::parse)?,
            masked: row.text(PURCHASE + 6)?,
            merchant,
        }),
        other => {
            return Err(StoreError::Unreadable { column: 2, what: format!("no event is a {other:?}") });
        }
    })
}

fn open_code(row: &Row, subject: Uuid, keys: &dyn KeyStore) -> Result<Option<OneTimeCode>, StoreError> {
    let Some(sealed) = row.maybe_bytes(3)? else { return Ok(None) };
    let unreadable = |what: String| StoreError::Unreadable { column: 3, what };
    let code = keys
        .open(KeyName::SealedPayload, subject.as_bytes(), &sealed)
        .map_err(|error| unreadable(error.to_string()))?;
    let code = std::str::from_utf8(&code).ok().and_then(|code| OneTimeCode::parse(code).ok());
    code.map(Some).ok_or_else(|| unreadable("it is not a code".to_owned()))
}
