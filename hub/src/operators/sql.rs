//! Operators, proposals, and sessions at the console.

use domain::operator::{Act, Proposal, ProposalState, Role};
use domain::{OperatorId, Reason, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

const OPERATORS: Table = Table {
    name: "operators",
    key: &["operator_id"],
    columns: &[
        "operator_id",
        "version",
        "role",
        "suspended",
        "registered_at",
        "password_hash",
        "totp_sealed",
        "totp_step",
        "failures",
        "blocked_until",
        "last_try",
    ],
};

const PROPOSALS: Table = Table {
    name: "operator_proposals",
    key: &["proposal_id"],
    columns: &[
        "proposal_id",
        "version",
        "act",
        "content",
        "summary",
        "why",
        "proposed_by",
        "proposed_at",
        "expires_at",
        "state",
        "decided_by",
        "decided_at",
        "failure",
    ],
};

const SESSIONS: Table = Table {
    name: "console_sessions",
    key: &["token_hash"],
    columns: &["token_hash", "version", "operator_id", "expires_at", "ends_at"],
};

macro_rules! operators {
    ($rest:literal) => {
        concat!(
            "SELECT operator_id, version, role, suspended, registered_at, password_hash, totp_sealed, totp_step, failures, \
             blocked_until, last_try FROM operators",
            $rest
        )
    };
}

macro_rules! proposals {
    ($rest:literal) => {
        concat!(
            "SELECT proposal_id, version, act, content, summary, why, proposed_by, proposed_at, expires_at, state, \
             decided_by, decided_at, failure FROM operator_proposals",
            $rest
        )
    };
}

/// An operator as stored.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) operator_id: OperatorId,
    pub(super) version: i64,
    pub(crate) role: Role,
    pub(crate) suspended: bool,
    pub(crate) registered_at: Timestamp,
    pub(super) password_hash: Option<String>,
    pub(super) totp_sealed: Option<Vec<u8>>,
    pub(super) totp_step: i64,
    pub(super) failures: u32,
    pub(super) blocked_until: Option<Timestamp>,
    pub(super) last_try: Option<Uuid>,
}

impl Kept {
    /// Somebody new, with no way into the console.
    pub(super) fn new(operator_id: OperatorId, role: Role, suspended: bool, now: Timestamp) -> Self {
        Self {
            operator_id,
            version: 1,
            role,
            suspended,
            registered_at: now,
            password_hash: None,
            totp_sealed: None,
            totp_step: 0,
            failures: 0,
            blocked_until: None,
            last_try: None,
        }
    }

    pub(crate) fn has_console(&self) -> bool {
        self.password_hash.is_some() && self.totp_sealed.is_some()
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("operator_id", &self.operator_id).field("role", &self.role).finish_non_exhaustive()
    }
}

fn operator_of(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept {
        operator_id: row.parsed(0, OperatorId::parse)?,
        version: row.int(1)?,
        role: row.parsed(2, Role::parse)?,
        suspended: row.int(3)? != 0,
        registered_at: row.time(4)?,
        password_hash: row.maybe_text(5)?,
        totp_sealed: row.maybe_bytes(6)?,
        totp_step: row.int(7)?,
        failures: u32::try_from(row.int(8)?).unwrap_or(u32::MAX),
        blocked_until: row.maybe_time(9)?,
        last_try: row.maybe_id(10)?,
    })
}

pub(super) async fn read_operator(store: &Store, operator: &OperatorId) -> Result<Option<Kept>, StoreError> {
    let sql = operators!(" WHERE operator_id = $1");
    store.fetch_one(sql, vec![operator.as_str().into()]).await?.as_ref().map(operator_of).transpose()
}

pub(super) async fn read_operators(store: &Store) -> Result<Vec<Kept>, StoreError> {
    let rows = store.fetch(operators!(" ORDER BY operator_id"), Vec::new()).await?;
    rows.iter().map(operator_of).collect()
}

pub(super) async fn load_operator(tx: &mut Tx, operator: &OperatorId) -> Result<Option<Kept>, StoreError> {
    let load = Load { select: operators!(" WHERE operator_id"), tail: "", lock: true };
    tx.load(load, Keys::Names(vec![operator.as_str().to_owned()])).await?.first().map(operator_of).transpose()
}

/// All admins who are not suspended, locked: whoever is to be the last one is known to be.
pub(super) async fn load_admins(tx: &mut Tx) -> Result<Vec<OperatorId>, StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => {
            "SELECT operator_id FROM operators WHERE role = 'ADMIN' AND suspended = 0 ORDER BY operator_id"
        }
        // SQLite has one writer and no row locks.
        Dialect::Postgres => {
            "SELECT operator_id FROM operators WHERE role = 'ADMIN' AND suspended = 0 ORDER BY operator_id FOR UPDATE"
        }
    };
    tx.fetch(sql, Vec::new()).await?.iter().map(|row| row.parsed(0, OperatorId::parse)).collect()
}

/// Whether anybody was ever registered as admin.
pub(super) async fn has_admin(tx: &mut Tx) -> Result<bool, StoreError> {
    let sql = "SELECT operator_id FROM operators WHERE role = 'ADMIN' LIMIT 1";
    Ok(!tx.fetch(sql, Vec::new()).await?.is_empty())
}

/// Writes it over the version before its own.
pub(super) async fn put_operator(tx: &mut Tx, kept: &Kept) -> Result<(), StoreError> {
    let row = vec![
        kept.operator_id.as_str().into(),
        kept.version.into(),
        kept.role.as_str().into(),
        kept.suspended.into(),
        kept.registered_at.into(),
        kept.password_hash.clone().into(),
        kept.totp_sealed.clone().into(),
        kept.totp_step.into(),
        i64::from(kept.failures).into(),
        kept.blocked_until.into(),
        kept.last_try.into(),
    ];
    tx.put(&OPERATORS, vec![row]).await
}

/// A proposal as stored.
#[derive(Clone, Debug)]
pub(crate) struct Proposed {
    pub(crate) proposal_id: Uuid,
    pub(super) version: i64,
    pub(crate) proposal: Proposal,
    /// The act as it was asked for, as protobuf.
    pub(super) content: Vec<u8>,
    pub(crate) summary: String,
    pub(crate) why: String,
    pub(crate) proposed_at: Timestamp,
    pub(crate) decided_at: Option<Timestamp>,
    pub(crate) failure: Option<String>,
}

fn proposal_of(row: &Row) -> Result<Proposed, StoreError> {
    let decided_by = row.maybe_text(10)?.map(|name| OperatorId::parse(&name)).transpose();
    let unreadable = |reason: Reason| StoreError::Unreadable { column: 10, what: reason.code().to_owned() };
    Ok(Proposed {
        proposal_id: row.id(0)?,
        version: row.int(1)?,
        proposal: Proposal {
            act: row.parsed(2, Act::parse)?,
            proposed_by: row.parsed(6, OperatorId::parse)?,
            expires_at: row.time(8)?,
            state: row.parsed(9, ProposalState::parse)?,
            decided_by: decided_by.map_err(unreadable)?,
        },
        content: row.bytes(3)?,
        summary: row.text(4)?,
        why: row.text(5)?,
        proposed_at: row.time(7)?,
        decided_at: row.maybe_time(11)?,
        failure: row.maybe_text(12)?,
    })
}

pub(super) async fn load_proposal(tx: &mut Tx, id: Uuid) -> Result<Option<Proposed>, StoreError> {
    let load = Load { select: proposals!(" WHERE proposal_id"), tail: "", lock: true };
    tx.load(load, Keys::Ids(vec![id])).await?.first().map(proposal_of).transpose()
}

/// Writes it over the version before its own.
pub(super) async fn put_proposal(tx: &mut Tx, it: &Proposed) -> Result<(), StoreError> {
    let row = vec![
        it.proposal_id.into(),
        it.version.into(),
        it.proposal.act.as_str().into(),
        it.content.clone().into(),
        it.summary.clone().into(),
        it.why.clone().into(),
        it.proposal.proposed_by.as_str().into(),
        it.proposed_at.into(),
        it.proposal.expires_at.into(),
        it.proposal.state.as_str().into(),
        it.proposal.decided_by.as_ref().map(|by| by.as_str().to_owned()).into(),
        it.decided_at.into(),
        it.failure.clone().into(),
    ];
    tx.put(&PROPOSALS, vec![row]).await
}

/// Proposals before this one, newest first; those that are open alone, or all.
pub(super) async fn read_proposals(
    store: &Store,
    with_decided: bool,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Proposed>, StoreError> {
    let before = before.unwrap_or(Uuid::max());
    let sql = if with_decided {
        proposals!(" WHERE proposal_id < $1 ORDER BY proposal_id DESC LIMIT $2")
    } else {
        proposals!(" WHERE proposal_id < $1 AND state IN ('PROPOSED', 'APPROVED') ORDER BY proposal_id DESC LIMIT $2")
    };
    let rows = store.fetch(sql, vec![before.into(), limit.into()]).await?;
    rows.iter().map(proposal_of).collect()
}

/// What was approved before this time and not carried out: whoever was at it has died.
pub(super) async fn read_left(store: &Store, before: Timestamp) -> Result<Vec<Proposed>, StoreError> {
    let sql = proposals!(
        " WHERE state IN ('PROPOSED', 'APPROVED') AND state = 'APPROVED' AND decided_at < $1 ORDER BY proposal_id LIMIT 50"
    );
    let rows = store.fetch(sql, vec![before.into()]).await?;
    rows.iter().map(proposal_of).collect()
}

/// A session at the console.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) operator_id: OperatorId,
    pub(super) expires_at: Timestamp,
    pub(super) ends_at: Timestamp,
}

fn session_of(row: &Row) -> Result<Session, StoreError> {
    Ok(Session { operator_id: row.parsed(0, OperatorId::parse)?, expires_at: row.time(1)?, ends_at: row.time(2)? })
}

const SESSION: &str = "SELECT operator_id, expires_at, ends_at FROM console_sessions WHERE token_hash = $1";

pub(super) async fn read_session(store: &Store, token_hash: &[u8]) -> Result<Option<Session>, StoreError> {
    store.fetch_one(SESSION, vec![token_hash.to_vec().into()]).await?.as_ref().map(session_of).transpose()
}

pub(super) async fn find_session(tx: &mut Tx, token_hash: &[u8]) -> Result<Option<Session>, StoreError> {
    tx.fetch(SESSION, vec![token_hash.to_vec().into()]).await?.first().map(session_of).transpose()
}

pub(super) async fn insert_session(tx: &mut Tx, token_hash: &[u8], it: &Session) -> Result<(), StoreError> {
    let row = vec![
        token_hash.to_vec().into(),
        1_i64.into(),
        it.operator_id.as_str().into(),
        it.expires_at.into(),
        it.ends_at.into(),
    ];
    tx.insert(&SESSIONS, vec![row]).await
}

/// Moves the end of a session on, never back.
pub(super) async fn extend_session(tx: &mut Tx, token_hash: &[u8], until: Timestamp) -> Result<(), StoreError> {
    let sql =
        "UPDATE console_sessions SET expires_at = $1, version = version + 1 WHERE token_hash = $2 AND expires_at < $1";
    tx.execute(sql, vec![until.into(), token_hash.to_vec().into()]).await.map(|_| ())
}

/// Ends a session; whether there was one.
pub(super) async fn delete_session(tx: &mut Tx, token_hash: &[u8]) -> Result<bool, StoreError> {
    let sql = "DELETE FROM console_sessions WHERE token_hash = $1";
    Ok(tx.execute(sql, vec![token_hash.to_vec().into()]).await? > 0)
}

/// Ends all sessions of an operator, and those of everybody that have ended.
pub(super) async fn delete_sessions(tx: &mut Tx, operator: &OperatorId) -> Result<(), StoreError> {
    let now = tx.now();
    let sql = "DELETE FROM console_sessions WHERE operator_id = $1 OR expires_at < $2";
    tx.execute(sql, vec![operator.as_str().into(), now.into()]).await.map(|_| ())
}
