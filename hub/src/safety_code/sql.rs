//! The rows of safety codes and of identity checks.

use domain::payment::Instrument;
use domain::safety_code::{SafetyGuard, Setter};
use domain::{BankId, OrderId, PersonId, Timestamp};
use server_kit::store::{Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

const SAFETY_CODES: Table = Table {
    name: "safety_codes",
    key: &["person_id"],
    columns: &[
        "person_id",
        "version",
        "code_mac",
        "set_at",
        "set_by",
        "order_id",
        "open_until",
        "failures",
        "blocked_until",
    ],
};

const IDENTITY_CHECKS: Table = Table {
    name: "identity_checks",
    key: &["check_id"],
    columns: &["check_id", "person_id", "content", "open_until", "taken_at"],
};

/// A code as it was set last.
#[derive(Clone, Debug)]
pub(super) struct SetCode {
    pub(super) mac: Vec<u8>,
    pub(super) at: Timestamp,
    pub(super) by: Setter,
    pub(super) order_id: Option<OrderId>,
}

/// What is kept of one person's code.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// That of the row; none is 0.
    pub(super) version: i64,
    pub(super) code: Option<SetCode>,
    pub(super) open_until: Option<Timestamp>,
    pub(super) guard: SafetyGuard,
}

const FIND: &str = "SELECT version, code_mac, set_at, set_by, order_id, open_until, failures, blocked_until \
                    FROM safety_codes WHERE person_id = $1";

/// What is kept of somebody, whose row of payers is locked by whoever calls; nothing for somebody who was never checked.
pub(super) async fn load(tx: &mut Tx, person_id: PersonId) -> Result<Kept, StoreError> {
    let rows = tx.fetch(FIND, vec![person_id.uuid().into()]).await?;
    rows.first().map_or_else(|| Ok(Kept::default()), kept_of)
}

pub(super) async fn read(store: &Store, person_id: PersonId) -> Result<Kept, StoreError> {
    let rows = store.fetch(FIND, vec![person_id.uuid().into()]).await?;
    rows.first().map_or_else(|| Ok(Kept::default()), kept_of)
}

fn kept_of(row: &Row) -> Result<Kept, StoreError> {
    let code = match (row.maybe_bytes(1)?, row.maybe_time(2)?, row.maybe_text(3)?) {
        (Some(mac), Some(at), Some(by)) => {
            let by = match by.as_str() {
                "CARD" => Setter::Card,
                "APP" => Setter::App,
                _ => return Err(StoreError::Unreadable { column: 3, what: by }),
            };
            Some(SetCode { mac, at, by, order_id: row.maybe_id(4)?.map(OrderId::from_uuid) })
        }
        _ => None,
    };
    let failures = u32::try_from(row.int(6)?).unwrap_or(u32::MAX);
    Ok(Kept {
        version: row.int(0)?,
        code,
        open_until: row.maybe_time(5)?,
        guard: SafetyGuard { failures, blocked_until: row.maybe_time(7)? },
    })
}

pub(super) const fn word(by: Setter) -> &'static str {
    match by {
        Setter::Card => "CARD",
        Setter::App => "APP",
    }
}

pub(super) async fn put(tx: &mut Tx, person_id: PersonId, kept: &Kept) -> Result<(), StoreError> {
    let code = kept.code.as_ref();
    let row = vec![
        person_id.uuid().into(),
        kept.version.saturating_add(1).into(),
        code.map(|code| code.mac.clone()).into(),
        code.map(|code| code.at).into(),
        code.map(|code| word(code.by).to_owned()).into(),
        code.and_then(|code| code.order_id).map(OrderId::uuid).into(),
        kept.open_until.into(),
        i64::from(kept.guard.failures).into(),
        kept.guard.blocked_until.into(),
    ];
    tx.put(&SAFETY_CODES, vec![row]).await
}

/// Writes the counters; of somebody without a row nothing, with the same work.
pub(super) async fn count(tx: &mut Tx, person_id: PersonId, guard: SafetyGuard) -> Result<(), StoreError> {
    let sql = "UPDATE safety_codes SET failures = $1, blocked_until = $2, version = version + 1 WHERE person_id = $3";
    let args = vec![i64::from(guard.failures).into(), guard.blocked_until.into(), person_id.uuid().into()];
    tx.execute(sql, args).await.map(|_| ())
}

/// Whose an account or a card is that is bound at this bank; and whether the bank is suspended.
pub(super) async fn holder(
    tx: &mut Tx,
    bank: &BankId,
    instrument: Instrument,
) -> Result<Option<(PersonId, String)>, StoreError> {
    let sql = "SELECT person_id, masked FROM bindings \
               WHERE bank_id = $1 AND instrument_id = $2 AND instrument = $3";
    let args = vec![bank.as_str().into(), instrument.uuid().into(), instrument.kind().into()];
    let rows = tx.fetch(sql, args).await?;
    rows.first().map(|row| Ok((PersonId::from_uuid(row.id(0)?), row.text(1)?))).transpose()
}

/// What people call a bank, and whether it is suspended; none for one that does not take part.
pub(super) async fn bank(tx: &mut Tx, bank: &BankId) -> Result<Option<(String, bool)>, StoreError> {
    let rows =
        tx.fetch("SELECT display_name, suspended FROM banks WHERE bank_id = $1", vec![bank.as_str().into()]).await?;
    rows.first().map(|row| Ok((row.text(0)?, row.flag(1)?))).transpose()
}

pub(super) async fn is_person(tx: &mut Tx, person_id: PersonId) -> Result<bool, StoreError> {
    let rows = tx.fetch("SELECT 1 FROM persons WHERE person_id = $1", vec![person_id.uuid().into()]).await?;
    Ok(!rows.is_empty())
}

/// Whether somebody has no number any more.
pub(super) async fn has_no_number(tx: &mut Tx, person_id: PersonId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM payers WHERE person_id = $1 AND number_closed = 'ENDED'";
    Ok(!tx.fetch(sql, vec![person_id.uuid().into()]).await?.is_empty())
}

/// Has codes sent to somebody's number again, and count. The row is locked by whoever calls; its version goes on, so that no replica decides
/// by what it remembers.
pub(super) async fn open_number(tx: &mut Tx, person_id: PersonId) -> Result<(), StoreError> {
    let sql = "UPDATE payers SET number_closed = NULL, version = version + 1 WHERE person_id = $1 AND number_closed = 'UNPROVED'";
    tx.execute(sql, vec![person_id.uuid().into()]).await.map(|_| ())
}

/// Whose check this was, what it said, and until when a code may be set by it.
pub(super) async fn find_check(
    tx: &mut Tx,
    check_id: Uuid,
) -> Result<Option<(PersonId, String, Timestamp)>, StoreError> {
    let sql = "SELECT person_id, content, open_until FROM identity_checks WHERE check_id = $1";
    let rows = tx.fetch(sql, vec![check_id.into()]).await?;
    rows.first().map(|row| Ok((PersonId::from_uuid(row.id(0)?), row.text(1)?, row.time(2)?))).transpose()
}

pub(super) async fn insert_check(
    tx: &mut Tx,
    check_id: Uuid,
    person_id: PersonId,
    content: &str,
    (open_until, taken_at): (Timestamp, Timestamp),
) -> Result<(), StoreError> {
    let row = vec![check_id.into(), person_id.uuid().into(), content.into(), open_until.into(), taken_at.into()];
    tx.insert(&IDENTITY_CHECKS, vec![row]).await
}
