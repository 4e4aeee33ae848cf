//! The rows of errands, and what they read and change of people.

use std::sync::Arc;

use domain::errand::{Errand, ErrandKind, Known, State};
use domain::payment::{Challenge, PayerGuard};
use domain::purchase::Terminal;
use domain::{AttemptId, ErrandId, PersonId, Reason, TerminalId};
use server_kit::store::{Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use crate::directory::snapshot;

const ERRANDS: Table = Table {
    name: "errands",
    key: &["errand_id"],
    columns: &[
        "errand_id",
        "version",
        "state",
        "code_mac",
        "code_epoch",
        "code_expires_at",
        "attempts_left",
        "attempt_ids",
        "refusal",
        "decided_at",
        // From here on nothing changes after the errand was taken in.
        "kind",
        "terminal_id",
        "merchant",
        "fingerprint",
        "person_id",
        "created_at",
    ],
};

const FIND: &str = "SELECT errand_id, version, state, code_mac, code_epoch, code_expires_at, attempts_left, attempt_ids, refusal, \
                    decided_at, kind, terminal_id, merchant, fingerprint, person_id, created_at FROM errands WHERE errand_id = $1";

/// An errand with the version of its row.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) errand: Errand,
    pub(super) version: i64,
}

pub(super) async fn load(tx: &mut Tx, id: ErrandId) -> Result<Option<Stored>, StoreError> {
    tx.fetch(FIND, vec![id.uuid().into()]).await?.first().map(stored_of).transpose()
}

pub(super) async fn find(store: &Store, id: ErrandId) -> Result<Option<Errand>, StoreError> {
    let row = store.fetch_one(FIND, vec![id.uuid().into()]).await?;
    Ok(row.as_ref().map(stored_of).transpose()?.map(|stored| stored.errand))
}

fn unreadable(column: usize, what: &str) -> StoreError {
    StoreError::Unreadable { column, what: what.to_owned() }
}

fn stored_of(row: &Row) -> Result<Stored, StoreError> {
    let terminal_id = row.parsed(11, TerminalId::parse)?;
    let refusal = row.maybe_text(8)?;
    let hash = |bytes: Vec<u8>, column| <[u8; 32]>::try_from(bytes).map_err(|_| unreadable(column, "not 32 bytes"));
    let challenge = match (row.maybe_bytes(3)?, row.maybe_time(5)?) {
        (Some(mac), Some(expires_at)) => Some(Challenge {
            code_mac: hash(mac, 3)?,
            epoch: row.int(4)?,
            expires_at,
            attempts_left: u8::try_from(row.int(6)?).map_err(|_| unreadable(6, "out of range"))?,
        }),
        _ => None,
    };
    let attempts = row.bytes(7)?;
    let attempts = attempts.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
    let snapshot::Snapshot { merchant, place, location } = row.parsed(12, snapshot::merchant_from_json)?;
    let errand = Errand {
        id: ErrandId::from_uuid(row.id(0)?),
        kind: row.parsed(10, ErrandKind::parse)?,
        state: row.parsed(2, State::parse)?,
        seller: Arc::new(Terminal { id: terminal_id.clone(), merchant, place, location, suspended: false }),
        terminal_id,
        fingerprint: hash(row.bytes(13)?, 13)?,
        person_id: row.maybe_id(14)?.map(PersonId::from_uuid),
        challenge,
        attempts: attempts.map(AttemptId::from_uuid).collect(),
        refusal: refusal.map(|code| Reason::from_code(&code).ok_or_else(|| unreadable(8, &code))).transpose()?,
        created_at: row.time(15)?,
        decided_at: row.maybe_time(9)?,
    };
    Ok(Stored { errand, version: row.int(1)? })
}

pub(super) async fn put(tx: &mut Tx, stored: &Stored) -> Result<(), StoreError> {
    let errand = &stored.errand;
    let challenge = errand.challenge.as_ref();
    let row = vec![
        errand.id.uuid().into(),
        (stored.version + 1).into(),
        errand.state.as_str().into(),
        challenge.map(|challenge| challenge.code_mac.to_vec()).into(),
        challenge.map_or(0, |challenge| challenge.epoch).into(),
        challenge.map(|challenge| challenge.expires_at).into(),
        challenge.map_or(0, |challenge| i64::from(challenge.attempts_left)).into(),
        errand.attempts.iter().flat_map(|id| *id.uuid().as_bytes()).collect::<Vec<u8>>().into(),
        errand.refusal.map(|reason| reason.code().to_owned()).into(),
        errand.decided_at.into(),
        errand.kind.as_str().into(),
        errand.terminal_id.as_str().into(),
        snapshot::merchant_to_json(&errand.seller).into(),
        errand.fingerprint.to_vec().into(),
        errand.person_id.map(PersonId::uuid).into(),
        errand.created_at.into(),
    ];
    tx.put(&ERRANDS, vec![row]).await
}

/// What the hub knows of somebody, and the version of the person's row.
pub(super) async fn known(tx: &mut Tx, person_id: PersonId) -> Result<(Known, i64), StoreError> {
    let sql = "SELECT p.version, p.password_mac, \
               (SELECT count(*) FROM bindings b WHERE b.person_id = p.person_id), \
               (SELECT count(*) FROM bindings b WHERE b.person_id = p.person_id AND b.active = 0) \
               FROM persons p WHERE p.person_id = $1";
    let rows = tx.fetch(sql, vec![person_id.uuid().into()]).await?;
    let Some(row) = rows.first() else { return Ok((Known::default(), 0)) };
    let known =
        Known { has_instrument: row.int(2)? > 0, waits: row.int(3)? > 0, has_password: row.maybe_bytes(1)?.is_some() };
    Ok((known, row.int(0)?))
}

/// Writes the counters of tries and codes. The row is locked by whoever calls; its version goes on, so that no replica decides by what it
/// remembers.
pub(super) async fn count(tx: &mut Tx, guard: &PayerGuard) -> Result<(), StoreError> {
    let sql = "UPDATE payers SET failures = $1, blocked_until = $2, codes_sent = $3, version = version + 1 WHERE person_id = $4";
    let sent: Vec<u8> = guard.codes_sent.iter().flat_map(|at| at.micros().to_be_bytes()).collect();
    let args =
        vec![i64::from(guard.failures).into(), guard.blocked_until.into(), sent.into(), guard.person_id.uuid().into()];
    tx.execute(sql, args).await.map(|_| ())
}

/// Has everything pay from now on that was opened for somebody. Gives how much it was.
pub(super) async fn activate(tx: &mut Tx, person_id: PersonId) -> Result<u64, StoreError> {
    crate::directory::join::activate(tx, person_id).await
}

/// Sets the keyed hash of the transaction password, over the row as it was read.
pub(super) async fn set_password(
    tx: &mut Tx,
    person_id: PersonId,
    version: i64,
    mac: &[u8; 32],
) -> Result<(), StoreError> {
    let sql = "UPDATE persons SET password_mac = $1, version = version + 1 WHERE person_id = $2 AND version = $3";
    match tx.execute(sql, vec![mac.to_vec().into(), person_id.uuid().into(), version.into()]).await? {
        1 => Ok(()),
        _ => Err(StoreError::Conflict),
    }
}
