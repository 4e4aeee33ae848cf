//! Account passwords, sign-ins and the sessions of browsers.

use domain::sign_in::SignInGuard;
use domain::{OrderId, PersonId, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

const PASSWORDS: Table = Table {
    name: "account_passwords",
    key: &["person_id"],
    columns: &["person_id", "version", "hash", "order_id", "signed_at", "failures", "blocked_until", "codes_sent"],
};

const SIGN_INS: Table = Table {
    name: "sign_ins",
    key: &["token_hash"],
    columns: &[
        "token_hash",
        "version",
        "sign_in_id",
        "phone_hash",
        "expires_at",
        "attempts_left",
        "person_id",
        "code_mac",
        "last_try",
    ],
};

const SESSIONS: Table = Table {
    name: "web_sessions",
    key: &["token_hash"],
    columns: &["token_hash", "version", "person_id", "expires_at", "ends_at"],
};

macro_rules! password_columns {
    () => {
        "SELECT person_id, version, hash, order_id, signed_at, failures, blocked_until, codes_sent \
         FROM account_passwords WHERE person_id"
    };
}
macro_rules! sign_in_columns {
    () => {
        "SELECT token_hash, version, sign_in_id, phone_hash, expires_at, attempts_left, person_id, code_mac, last_try \
         FROM sign_ins WHERE token_hash"
    };
}

/// Somebody's account password, and how signing in with it went of late.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) person_id: PersonId,
    pub(super) version: i64,
    pub(super) hash: String,
    pub(super) order_id: OrderId,
    pub(super) signed_at: Timestamp,
    pub(super) guard: SignInGuard,
}

fn kept_of(row: &Row) -> Result<Kept, StoreError> {
    let times = row.bytes(7)?;
    let times = times.chunks_exact(8).filter_map(|bytes| <[u8; 8]>::try_from(bytes).ok());
    Ok(Kept {
        person_id: PersonId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        hash: row.text(2)?,
        order_id: OrderId::from_uuid(row.id(3)?),
        signed_at: row.time(4)?,
        guard: SignInGuard {
            failures: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
            blocked_until: row.maybe_time(6)?,
            codes_sent: times.map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes))).collect(),
        },
    })
}

pub(super) async fn read_kept(store: &Store, person_id: PersonId) -> Result<Option<Kept>, StoreError> {
    let sql = concat!(password_columns!(), " = $1");
    store.fetch_one(sql, vec![person_id.uuid().into()]).await?.as_ref().map(kept_of).transpose()
}

pub(super) async fn load_kept(tx: &mut Tx, person_id: PersonId) -> Result<Option<Kept>, StoreError> {
    let load = Load { select: password_columns!(), tail: "", lock: true };
    tx.load(load, Keys::Ids(vec![person_id.uuid()])).await?.first().map(kept_of).transpose()
}

/// Writes it over the version before its own.
pub(super) async fn put_kept(tx: &mut Tx, kept: &Kept) -> Result<(), StoreError> {
    let sent: Vec<u8> = kept.guard.codes_sent.iter().flat_map(|at| at.micros().to_be_bytes()).collect();
    let row = vec![
        kept.person_id.uuid().into(),
        kept.version.into(),
        kept.hash.clone().into(),
        kept.order_id.uuid().into(),
        kept.signed_at.into(),
        i64::from(kept.guard.failures).into(),
        kept.guard.blocked_until.into(),
        sent.into(),
    ];
    tx.put(&PASSWORDS, vec![row]).await
}

/// A sign-in that has begun.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    pub(super) token_hash: Vec<u8>,
    pub(super) version: i64,
    pub(super) sign_in_id: Uuid,
    pub(super) phone_hash: Vec<u8>,
    pub(super) expires_at: Timestamp,
    pub(super) attempts_left: i64,
    /// Once a code was sent.
    pub(super) person_id: Option<PersonId>,
    pub(super) code_mac: Option<Vec<u8>>,
    pub(super) last_try: Option<Uuid>,
}

fn sign_in_of(row: &Row) -> Result<SignIn, StoreError> {
    Ok(SignIn {
        token_hash: row.bytes(0)?,
        version: row.int(1)?,
        sign_in_id: row.id(2)?,
        phone_hash: row.bytes(3)?,
        expires_at: row.time(4)?,
        attempts_left: row.int(5)?,
        person_id: row.maybe_id(6)?.map(PersonId::from_uuid),
        code_mac: row.maybe_bytes(7)?,
        last_try: row.maybe_id(8)?,
    })
}

pub(super) async fn read_sign_in(store: &Store, token_hash: &[u8]) -> Result<Option<SignIn>, StoreError> {
    let sql = concat!(sign_in_columns!(), " = $1");
    store.fetch_one(sql, vec![token_hash.to_vec().into()]).await?.as_ref().map(sign_in_of).transpose()
}

pub(super) async fn load_sign_in(tx: &mut Tx, token_hash: &[u8]) -> Result<Option<SignIn>, StoreError> {
    let load = Load { select: sign_in_columns!(), tail: "", lock: true };
    tx.load(load, Keys::Blobs(vec![token_hash.to_vec()])).await?.first().map(sign_in_of).transpose()
}

/// Writes sign-ins, each over the version before its own.
pub(super) async fn put_sign_ins(tx: &mut Tx, sign_ins: &[SignIn]) -> Result<(), StoreError> {
    let row = |it: &SignIn| {
        vec![
            it.token_hash.clone().into(),
            it.version.into(),
            it.sign_in_id.into(),
            it.phone_hash.clone().into(),
            it.expires_at.into(),
            it.attempts_left.into(),
            it.person_id.map(PersonId::uuid).into(),
            it.code_mac.clone().into(),
            it.last_try.into(),
        ]
    };
    tx.put(&SIGN_INS, sign_ins.iter().map(row).collect()).await
}

pub(super) async fn delete_sign_in(tx: &mut Tx, token_hash: &[u8]) -> Result<(), StoreError> {
    tx.execute("DELETE FROM sign_ins WHERE token_hash = $1", vec![token_hash.to_vec().into()]).await.map(|_| ())
}

/// Whose number it is.
pub(super) async fn person_of(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<PersonId>, StoreError> {
    let sql = "SELECT person_id FROM persons WHERE phone_hash IN ($1, $2)";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    rows.first().map(|row| row.id(0).map(PersonId::from_uuid)).transpose()
}

/// A person's number, as it is sealed; none for somebody who has none any more.
pub(super) async fn read_phone(store: &Store, person_id: PersonId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT phone_sealed FROM persons WHERE person_id = $1";
    let sealed = store.fetch_one(sql, vec![person_id.uuid().into()]).await?.map(|row| row.bytes(0)).transpose()?;
    Ok(sealed.filter(|sealed| !sealed.is_empty()))
}

/// A browser's session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) person_id: PersonId,
    pub(super) expires_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

fn session_of(row: &Row) -> Result<Session, StoreError> {
    Ok(Session { person_id: PersonId::from_uuid(row.id(0)?), expires_at: row.time(1)?, ends_at: row.time(2)? })
}

const SESSION: &str = "SELECT person_id, expires_at, ends_at FROM web_sessions WHERE token_hash = $1";

pub(super) async fn read_session(store: &Store, token_hash: &[u8]) -> Result<Option<Session>, StoreError> {
    store.fetch_one(SESSION, vec![token_hash.to_vec().into()]).await?.as_ref().map(session_of).transpose()
}

pub(super) async fn find_session(tx: &mut Tx, token_hash: &[u8]) -> Result<Option<Session>, StoreError> {
    tx.fetch(SESSION, vec![token_hash.to_vec().into()]).await?.first().map(session_of).transpose()
}

pub(super) async fn insert_session(tx: &mut Tx, token_hash: &[u8], session: Session) -> Result<(), StoreError> {
    let Session { person_id, expires_at, ends_at } = session;
    let row =
        vec![token_hash.to_vec().into(), 1_i64.into(), person_id.uuid().into(), expires_at.into(), ends_at.into()];
    tx.insert(&SESSIONS, vec![row]).await
}

/// Moves the end of a session on, never back.
pub(super) async fn extend_session(tx: &mut Tx, token_hash: &[u8], until: Timestamp) -> Result<(), StoreError> {
    let sql =
        "UPDATE web_sessions SET expires_at = $1, version = version + 1 WHERE token_hash = $2 AND expires_at < $1";
    tx.execute(sql, vec![until.into(), token_hash.to_vec().into()]).await.map(|_| ())
}

/// Ends a session; whether there was one.
pub(super) async fn delete_session(tx: &mut Tx, token_hash: &[u8]) -> Result<bool, StoreError> {
    let sql = "DELETE FROM web_sessions WHERE token_hash = $1";
    Ok(tx.execute(sql, vec![token_hash.to_vec().into()]).await? > 0)
}

/// Ends all sessions of a person.
pub(super) async fn delete_sessions(tx: &mut Tx, person_id: PersonId) -> Result<(), StoreError> {
    let sql = "DELETE FROM web_sessions WHERE person_id = $1";
    tx.execute(sql, vec![person_id.uuid().into()]).await.map(|_| ())
}

/// Deletes what has ended.
pub(super) async fn delete_ended(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now();
    tx.execute("DELETE FROM sign_ins WHERE expires_at < $1", vec![now.into()]).await?;
    tx.execute("DELETE FROM web_sessions WHERE expires_at < $1", vec![now.into()]).await.map(|_| ())
}
