//! Reading the feed's table. An event says only that something happened; what is told of it is read from the payment
//! and, for what came back since, from the record.

use std::sync::Arc;

use domain::feed::{Event, EventKind, OneTimeCode, PaidIn};
use domain::ledger::Nature;
use domain::purchase::Purchase;
use domain::{BankId, Currency, Money, PaymentId, PersonId, TerminalId, Timestamp};
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::{Row, Store, StoreError};

use super::FeedParts;
use crate::directory::snapshot::{Snapshot, items_from_json, merchant_from_json};

/// Charges stand in the record and the rest in the table of events; no two have one place. One statement reads both, so that
/// nothing is committed between the two readings. Each has its own limit: neither is read to its end for a page.
/// PostgreSQL takes a NULL without a type for a text.
const READ: &str = "SELECT e.sequence, e.occurred_at, e.kind, e.payment_id, e.sealed_code, e.expires_at, \
                    p.original_id, p.currency, COALESCE(p.completed_minor, p.amount_minor), p.merchant, p.terminal_id, p.bank_id, \
                    p.masked, p.items, e.given_back_minor, p.nature, p.credit_minor FROM ( \
                    SELECT * FROM (SELECT sequence, occurred_at, kind, payment_id, sealed_code, expires_at, \
                    CAST(NULL AS BIGINT) AS given_back_minor FROM events \
                    WHERE person_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3) told \
                    UNION ALL \
                    SELECT * FROM (SELECT sequence, occurred_at, 'CHARGE', payment_id, CAST(NULL AS BYTEA), CAST(NULL AS BIGINT), given_back_minor \
                    FROM purchases WHERE person_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3) charged \
                    ) e JOIN payments p ON p.payment_id = e.payment_id ORDER BY e.sequence LIMIT $3";

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

/// The end of the person's feed; zero for a person who is not known.
pub async fn read_last_sequence(store: &Store, person_id: PersonId) -> Result<i64, StoreError> {
    let sql = "SELECT last_sequence FROM payers WHERE person_id = $1";
    let row = store.fetch_one(sql, vec![person_id.uuid().into()]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

fn event_of(row: &Row, person_id: PersonId, keys: &dyn KeyStore, now: Timestamp) -> Result<Event, StoreError> {
    let (occurred_at, payment_id) = (row.time(1)?, PaymentId::from_uuid(row.id(3)?));
    let amount = Money::new(row.parsed(7, Currency::parse)?, row.int(8)?);
    let snapshot = row.parsed(9, merchant_from_json)?;
    let kind = match row.text(2)?.as_str() {
        "CODE" => {
            let expires_at = row.time(5)?;
            let code = if expires_at > now { open_code(row, payment_id, keys)? } else { None };
            EventKind::Code { payment_id, code, amount, merchant: snapshot.merchant, expires_at }
        }
        "CHARGE" => EventKind::Charge(Arc::new(purchase_of(row, person_id, snapshot)?)),
        "REVERSAL" => EventKind::GiveBack { payment_id, amount, reversal: true, merchant: snapshot.merchant },
        "REFUND" => {
            // The refund is a payment of its own; the person knows the one that it gives back from.
            let original = row.maybe_id(6)?.map_or(payment_id, PaymentId::from_uuid);
            EventKind::GiveBack { payment_id: original, amount, reversal: false, merchant: snapshot.merchant }
        }
        "PAID_IN" => EventKind::PaidIn(PaidIn {
            payment_id,
            nature: nature_of(row)?,
            amount,
            bank_id: row.parsed(11, BankId::parse)?,
            masked: row.text(12)?,
            merchant: snapshot.merchant,
        }),
        other => {
            return Err(StoreError::Unreadable { column: 2, what: format!("no event is a {other:?}") });
        }
    };
    Ok(Event { person_id, sequence: row.int(0)?, occurred_at, kind })
}

/// What sort of transaction the payment is; one by phone number is a purchase.
fn nature_of(row: &Row) -> Result<Nature, StoreError> {
    match row.maybe_text(15)? {
        None => Ok(Nature::Purchase),
        Some(_) => row.parsed(15, Nature::parse),
    }
}

fn open_code(row: &Row, payment_id: PaymentId, keys: &dyn KeyStore) -> Result<Option<OneTimeCode>, StoreError> {
    let Some(sealed) = row.maybe_bytes(4)? else { return Ok(None) };
    let unreadable = |what: String| StoreError::Unreadable { column: 4, what };
    let code = keys
        .open(KeyName::SealedPayload, payment_id.uuid().as_bytes(), &sealed)
        .map_err(|error| unreadable(error.to_string()))?;
    let code = std::str::from_utf8(&code).ok().and_then(|code| OneTimeCode::parse(code).ok());
    code.map(Some).ok_or_else(|| unreadable("it is not a code".to_owned()))
}

fn purchase_of(row: &Row, person_id: PersonId, snapshot: Snapshot) -> Result<Purchase, StoreError> {
    Ok(Purchase {
        payment_id: PaymentId::from_uuid(row.id(3)?),
        person_id,
        nature: nature_of(row)?,
        credit_minor: row.maybe_int(16)?,
        amount: Money::new(row.parsed(7, Currency::parse)?, row.int(8)?),
        occurred_at: row.time(1)?,
        bank_id: row.parsed(11, BankId::parse)?,
        account_masked: row.text(12)?,
        merchant: snapshot.merchant,
        terminal_id: row.parsed(10, TerminalId::parse)?,
        place: snapshot.place,
        location: snapshot.location,
        items: row.parsed(13, items_from_json)?,
        given_back_minor: row.maybe_int(14)?.unwrap_or(0),
    })
}
