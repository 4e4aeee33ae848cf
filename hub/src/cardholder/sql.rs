//! Phones, their sessions and the record that they read.

use domain::enrolment::{CodesBySms, SentCode};
use domain::{DeviceId, PersonId, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

const DEVICES: Table = Table {
    name: "devices",
    key: &["device_id"],
    columns: &["device_id", "version", "person_id", "public_key", "revoked", "acknowledged_sequence", "enrolled_at"],
};

const SESSIONS: Table = Table {
    name: "sessions",
    key: &["token_hash"],
    columns: &["token_hash", "version", "device_id", "person_id", "expires_at"],
};

const DEVICE_COLUMNS: &str = "SELECT device_id, version, person_id, public_key, revoked, acknowledged_sequence, \
                              enrolled_at FROM devices WHERE device_id";
const SESSION_COLUMNS: &str =
    "SELECT token_hash, version, device_id, person_id, expires_at FROM sessions WHERE token_hash";

/// A phone that is bound to a person.
#[derive(Clone, Debug)]
pub(super) struct Device {
    pub(super) device_id: DeviceId,
    pub(super) version: i64,
    pub(super) person_id: PersonId,
    pub(super) public_key: Vec<u8>,
    pub(super) revoked: bool,
    pub(super) acknowledged_sequence: i64,
    pub(super) enrolled_at: Timestamp,
}

fn device_of(row: &Row) -> Result<Device, StoreError> {
    Ok(Device {
        device_id: DeviceId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        person_id: PersonId::from_uuid(row.id(2)?),
        public_key: row.bytes(3)?,
        revoked: row.flag(4)?,
        acknowledged_sequence: row.int(5)?,
        enrolled_at: row.time(6)?,
    })
}

pub(super) async fn read_device(store: &Store, id: DeviceId) -> Result<Option<Device>, StoreError> {
    let sql = "SELECT device_id, version, person_id, public_key, revoked, acknowledged_sequence, enrolled_at \
               FROM devices WHERE device_id = $1";
    store.fetch_one(sql, vec![id.uuid().into()]).await?.as_ref().map(device_of).transpose()
}

pub(super) async fn load_devices(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<Device>, StoreError> {
    let load = Load { select: DEVICE_COLUMNS, tail: " ORDER BY device_id", lock: true };
    tx.load(load, Keys::Ids(ids)).await?.iter().map(device_of).collect()
}

/// Writes phones; each has the version that it goes to.
pub(super) async fn put_devices(tx: &mut Tx, devices: &[Device]) -> Result<(), StoreError> {
    let row = |device: &Device| {
        vec![
            device.device_id.uuid().into(),
            device.version.into(),
            device.person_id.uuid().into(),
            device.public_key.clone().into(),
            device.revoked.into(),
            device.acknowledged_sequence.into(),
            device.enrolled_at.into(),
        ]
    };
    tx.put(&DEVICES, devices.iter().map(row).collect()).await
}

/// The end of each person's feed.
pub(super) async fn load_last_sequences(tx: &mut Tx, ids: Vec<Uuid>) -> Result<Vec<(PersonId, i64)>, StoreError> {
    let select = "SELECT person_id, last_sequence FROM payers WHERE person_id";
    let rows = tx.load(Load { select, tail: "", lock: false }, Keys::Ids(ids)).await?;
    rows.iter().map(|row| Ok((PersonId::from_uuid(row.id(0)?), row.int(1)?))).collect()
}

/// A session that is open.
#[derive(Clone, Debug)]
pub(super) struct SessionRow {
    pub(super) token_hash: Vec<u8>,
    pub(super) version: i64,
    pub(super) device_id: DeviceId,
    pub(super) person_id: PersonId,
    pub(super) expires_at: Timestamp,
}

fn session_of(row: &Row) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        token_hash: row.bytes(0)?,
        version: row.int(1)?,
        device_id: DeviceId::from_uuid(row.id(2)?),
        person_id: PersonId::from_uuid(row.id(3)?),
        expires_at: row.time(4)?,
    })
}

/// The session of a phone that is not revoked.
pub(super) async fn read_session(store: &Store, token_hash: &[u8]) -> Result<Option<SessionRow>, StoreError> {
    let sql = "SELECT s.token_hash, s.version, s.device_id, s.person_id, s.expires_at \
               FROM sessions s JOIN devices d ON d.device_id = s.device_id \
               WHERE s.token_hash = $1 AND d.revoked = 0";
    store.fetch_one(sql, vec![token_hash.to_vec().into()]).await?.as_ref().map(session_of).transpose()
}

pub(super) async fn load_sessions(tx: &mut Tx, hashes: Vec<Vec<u8>>) -> Result<Vec<SessionRow>, StoreError> {
    let load = Load { select: SESSION_COLUMNS, tail: " ORDER BY token_hash", lock: true };
    tx.load(load, Keys::Blobs(hashes)).await?.iter().map(session_of).collect()
}

/// Writes sessions; each has the version that it goes to.
pub(super) async fn put_sessions(tx: &mut Tx, sessions: &[SessionRow]) -> Result<(), StoreError> {
    let row = |session: &SessionRow| {
        vec![
            session.token_hash.clone().into(),
            session.version.into(),
            session.device_id.uuid().into(),
            session.person_id.uuid().into(),
            session.expires_at.into(),
        ]
    };
    tx.put(&SESSIONS, sessions.iter().map(row).collect()).await
}

/// Marks a nonce as used; `false` when it was used before.
pub(super) async fn spend_nonce(
    tx: &mut Tx,
    nonce: &[u8],
    device_id: DeviceId,
    expires_at: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO spent_nonces (nonce, device_id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, vec![nonce.to_vec().into(), device_id.uuid().into(), expires_at.into()]).await? == 1)
}

/// Deletes sessions and nonces that have ended.
pub(super) async fn delete_ended(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now();
    tx.execute("DELETE FROM sessions WHERE expires_at < $1", vec![now.into()]).await?;
    tx.execute("DELETE FROM spent_nonces WHERE expires_at < $1", vec![now.into()]).await?;
    Ok(())
}

/// A person who may have an enrolment code.
#[derive(Debug)]
pub(super) struct Enrolling {
    pub(super) person_id: PersonId,
    pub(super) person_version: i64,
    pub(super) code: Option<EnrolmentCode>,
}

#[derive(Debug)]
pub(super) struct EnrolmentCode {
    pub(super) version: i64,
    pub(super) mac: Vec<u8>,
    pub(super) expires_at: Timestamp,
    pub(super) attempts_left: i64,
}

pub(super) async fn load_enrolling(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<Enrolling>, StoreError> {
    let sql = "SELECT p.person_id, p.version, c.version, c.code_mac, c.expires_at, c.attempts_left \
               FROM persons p LEFT JOIN enrolment_codes c ON c.person_id = p.person_id WHERE p.phone_hash IN ($1, $2)";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let code = match row.maybe_int(2)? {
        None => None,
        Some(version) => {
            Some(EnrolmentCode { version, mac: row.bytes(3)?, expires_at: row.time(4)?, attempts_left: row.int(5)? })
        }
    };
    Ok(Some(Enrolling { person_id: PersonId::from_uuid(row.id(0)?), person_version: row.int(1)?, code }))
}

/// Counts a wrong try; the number of codes that it touched.
pub(super) async fn count_try(tx: &mut Tx, person_id: PersonId, version: i64) -> Result<u64, StoreError> {
    let sql = "UPDATE enrolment_codes SET attempts_left = attempts_left - 1, version = version + 1 \
               WHERE person_id = $1 AND version = $2 AND attempts_left > 0";
    tx.execute(sql, vec![person_id.uuid().into(), version.into()]).await
}

/// Uses a code up.
pub(super) async fn spend_code(tx: &mut Tx, person_id: PersonId, version: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM enrolment_codes WHERE person_id = $1 AND version = $2";
    one(tx.execute(sql, vec![person_id.uuid().into(), version.into()]).await?)
}

pub(super) async fn set_password(tx: &mut Tx, person_id: PersonId, version: i64, mac: &[u8]) -> Result<(), StoreError> {
    let sql = "UPDATE persons SET password_mac = $1, version = version + 1 WHERE person_id = $2 AND version = $3";
    one(tx.execute(sql, vec![mac.to_vec().into(), person_id.uuid().into(), version.into()]).await?)
}

fn one(touched: u64) -> Result<(), StoreError> {
    if touched == 1 { Ok(()) } else { Err(StoreError::Conflict) }
}

const MESSAGES: Table = Table {
    name: "enrolment_messages",
    key: &["person_id"],
    columns: &["person_id", "version", "code_mac", "number_epoch", "expires_at", "attempts_left", "codes_sent"],
};

/// The codes by SMS of a person.
#[derive(Debug, Default)]
pub(super) struct StoredCodes {
    /// 0 where there was none yet.
    pub(super) version: i64,
    pub(super) mac: Option<Vec<u8>>,
    pub(super) codes: CodesBySms,
}

/// The codes that went to a person by SMS, locked; none of somebody who is not known.
pub(super) async fn load_codes_by_sms(tx: &mut Tx, person_id: PersonId) -> Result<StoredCodes, StoreError> {
    let select = "SELECT version, code_mac, number_epoch, expires_at, attempts_left, codes_sent FROM enrolment_messages \
                  WHERE person_id";
    let rows = tx.load(Load { select, tail: "", lock: true }, Keys::Ids(vec![person_id.uuid()])).await?;
    let Some(row) = rows.first() else { return Ok(StoredCodes::default()) };
    let times = row.bytes(5)?;
    let times = times.chunks_exact(8).filter_map(|bytes| <[u8; 8]>::try_from(bytes).ok());
    let mac = row.maybe_bytes(1)?;
    let code = SentCode {
        number_epoch: row.int(2)?,
        expires_at: row.time(3)?,
        attempts_left: u32::try_from(row.int(4)?).unwrap_or(0),
    };
    Ok(StoredCodes {
        version: row.int(0)?,
        codes: CodesBySms {
            code: mac.is_some().then_some(code),
            codes_sent: times.map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes))).collect(),
        },
        mac,
    })
}

/// Writes them over the version before their own.
pub(super) async fn put_codes_by_sms(tx: &mut Tx, person_id: PersonId, it: &StoredCodes) -> Result<(), StoreError> {
    let sent: Vec<u8> = it.codes.codes_sent.iter().flat_map(|at| at.micros().to_be_bytes()).collect();
    let code = it.codes.code;
    let row = vec![
        person_id.uuid().into(),
        it.version.into(),
        code.and(it.mac.clone()).into(),
        code.map_or(0, |code| code.number_epoch).into(),
        code.map_or(Timestamp::from_micros(0), |code| code.expires_at).into(),
        code.map_or(0, |code| i64::from(code.attempts_left)).into(),
        sent.into(),
    ];
    tx.put(&MESSAGES, vec![row]).await
}
