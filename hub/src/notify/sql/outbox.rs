//! The outbox: what is queued, leased, sent and dead.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::notice::{ChannelKind, NoticeKind, Tried};
use domain::{DeviceId, PersonId, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::super::DeadLetter;
use super::super::channel::Receipt;

const NOTICES: Table = Table {
    name: "notices",
    key: &["notice_id"],
    columns: &[
        "notice_id",
        "key",
        "person_id",
        "kind",
        "channel",
        "device_id",
        "urgency",
        "state",
        "payload_sealed",
        "occurred_at",
        "created_at",
        "due_at",
        "expires_at",
        "tries",
        "leased_until",
    ],
};

/// A row to be added.
#[derive(Debug)]
pub(in super::super) struct NewNotice {
    pub(in super::super) notice_id: Uuid,
    pub(in super::super) key: String,
    pub(in super::super) person_id: PersonId,
    pub(in super::super) kind: NoticeKind,
    pub(in super::super) channel: ChannelKind,
    pub(in super::super) device_id: Option<DeviceId>,
    pub(in super::super) payload_sealed: Vec<u8>,
    pub(in super::super) occurred_at: Timestamp,
    pub(in super::super) due_at: Timestamp,
    pub(in super::super) expires_at: Option<Timestamp>,
}

/// Which of these keys are queued already, or were.
pub(in super::super) async fn known_keys(tx: &mut Tx, keys: Vec<String>) -> Result<BTreeSet<String>, StoreError> {
    let select = "SELECT key FROM notices WHERE key";
    let rows = tx.load(Load { select, tail: "", lock: false }, Keys::Names(keys)).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(in super::super) async fn insert(tx: &mut Tx, notices: Vec<NewNotice>) -> Result<(), StoreError> {
    let now = tx.now();
    let row = |new: NewNotice| {
        vec![
            new.notice_id.into(),
            new.key.into(),
            new.person_id.uuid().into(),
            new.kind.name().into(),
            new.channel.name().into(),
            new.device_id.map(DeviceId::uuid).into(),
            new.kind.urgency().into(),
            "QUEUED".into(),
            Some(new.payload_sealed).into(),
            new.occurred_at.into(),
            now.into(),
            new.due_at.into(),
            new.expires_at.into(),
            0_i64.into(),
            0_i64.into(),
        ]
    };
    tx.insert(&NOTICES, notices.into_iter().map(row).collect()).await
}

/// A notice that a worker has until its lease ends.
#[derive(Debug)]
pub(in super::super) struct Leased {
    pub(in super::super) notice_id: Uuid,
    /// The lease, which a verdict must name.
    pub(in super::super) owner: Uuid,
    pub(in super::super) person_id: PersonId,
    pub(in super::super) kind: NoticeKind,
    pub(in super::super) device_id: Option<Uuid>,
    pub(in super::super) payload_sealed: Option<Vec<u8>>,
    pub(in super::super) tries: i64,
    pub(in super::super) created_at: Timestamp,
    pub(in super::super) expires_at: Option<Timestamp>,
    pub(in super::super) due_at: Timestamp,
}

impl Leased {
    /// What has happened to it with this try.
    pub(in super::super) fn tried(&self, reached: bool) -> Tried {
        let tries = self.tries + i64::from(reached);
        Tried {
            tries: u32::try_from(tries).unwrap_or(u32::MAX),
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

fn leased_of(row: &Row, owner: Uuid) -> Result<Leased, StoreError> {
    Ok(Leased {
        notice_id: row.id(0)?,
        owner,
        person_id: PersonId::from_uuid(row.id(1)?),
        kind: row.parsed(2, NoticeKind::parse)?,
        device_id: row.maybe_id(3)?,
        payload_sealed: row.maybe_bytes(4)?,
        tries: row.int(5)?,
        created_at: row.time(6)?,
        expires_at: row.maybe_time(7)?,
        due_at: row.time(8)?,
    })
}

/// What a worker takes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Lease {
    pub(in super::super) owner: Uuid,
    pub(in super::super) channel: ChannelKind,
    pub(in super::super) limit: i64,
    /// Nothing less urgent.
    pub(in super::super) urgency: i64,
    pub(in super::super) lease_for: Duration,
}

macro_rules! lease_sql {
    ($lock:literal) => {
        concat!(
            "WITH picked AS (SELECT notice_id FROM notices WHERE state = 'QUEUED' AND channel = $1 AND urgency <= $2 \
             AND due_at <= $3 AND (leased_until <= $3 OR owner = $5) ORDER BY urgency, due_at LIMIT $6",
            $lock,
            ") UPDATE notices SET leased_until = $4, owner = $5 FROM picked \
             WHERE notices.notice_id = picked.notice_id RETURNING notices.notice_id, person_id, kind, device_id, \
             payload_sealed, tries, created_at, expires_at, due_at"
        )
    };
}

/// Takes what is due, the most urgent first. Run again after its commit it takes the same.
pub(in super::super) async fn lease(tx: &mut Tx, lease: &Lease) -> Result<Vec<Leased>, StoreError> {
    let now = tx.now();
    let sql = match tx.dialect() {
        // With one writer there is nobody to pass over.
        Dialect::Sqlite => lease_sql!(""),
        Dialect::Postgres => lease_sql!(" FOR UPDATE SKIP LOCKED"),
    };
    let args = vec![
        lease.channel.name().into(),
        lease.urgency.into(),
        now.into(),
        now.plus(lease.lease_for).into(),
        lease.owner.into(),
        lease.limit.into(),
    ];
    let rows = tx.fetch(sql, args).await?;
    let mut leased = rows.iter().map(|row| leased_of(row, lease.owner)).collect::<Result<Vec<_>, _>>()?;
    leased.sort_by_key(|notice| (notice.kind.urgency(), notice.due_at));
    Ok(leased)
}

/// What has become of a leased notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    Sent { provider_id: Option<String> },
    Again { due_at: Timestamp, tries: i64, error: String },
    Dead { tries: i64, error: String, wipe: bool },
}

/// Writes a verdict; whether it was the notice's. That it was sent counts whoever has it now; that it was not, only of the one who
/// has the lease.
pub(in super::super) async fn mark(
    tx: &mut Tx,
    notice: Uuid,
    owner: Uuid,
    verdict: &Verdict,
    kind: NoticeKind,
) -> Result<bool, StoreError> {
    let now = tx.now();
    let touched = match verdict {
        Verdict::Sent { provider_id } => {
            // A code is wiped as soon as it is out; the rest stays for as long as it may have to be sent again.
            let sql = "UPDATE notices SET state = 'SENT', done_at = $2, provider_id = $3, error = NULL, tries = tries + 1, \
                       payload_sealed = CASE WHEN $4 = 1 THEN NULL ELSE payload_sealed END \
                       WHERE notice_id = $1 AND state = 'QUEUED'";
            let wipe = kind.has_code();
            tx.execute(sql, vec![notice.into(), now.into(), provider_id.clone().into(), wipe.into()]).await?
        }
        Verdict::Again { due_at, tries, error } => {
            let sql = "UPDATE notices SET due_at = $3, tries = $4, error = $5, leased_until = 0, owner = NULL \
                       WHERE notice_id = $1 AND owner = $2 AND state = 'QUEUED'";
            let args = vec![notice.into(), owner.into(), (*due_at).into(), (*tries).into(), error.clone().into()];
            tx.execute(sql, args).await?
        }
        Verdict::Dead { tries, error, wipe } => {
            let sql = "UPDATE notices SET state = 'DEAD', done_at = $3, tries = $4, error = $5, \
                       payload_sealed = CASE WHEN $6 = 1 THEN NULL ELSE payload_sealed END \
                       WHERE notice_id = $1 AND owner = $2 AND state = 'QUEUED'";
            let args =
                vec![notice.into(), owner.into(), now.into(), (*tries).into(), error.clone().into(), (*wipe).into()];
            tx.execute(sql, args).await?
        }
    };
    Ok(touched == 1)
}

/// Notes what the other side said later; whether it was about a notice that is known. One that is lost goes to the dead letters.
pub(in super::super) async fn mark_receipt(
    tx: &mut Tx,
    channel: ChannelKind,
    receipt: &Receipt,
) -> Result<bool, StoreError> {
    let sql = "UPDATE notices SET receipt = $3, state = CASE WHEN $4 = 1 THEN 'DEAD' ELSE state END, \
               error = CASE WHEN $4 = 1 THEN 'NOT_DELIVERED' ELSE error END \
               WHERE provider_id = $1 AND channel = $2 AND state = 'SENT'";
    let args = vec![
        receipt.provider_id.clone().into(),
        channel.name().into(),
        receipt.status.clone().into(),
        receipt.is_lost.into(),
    ];
    Ok(tx.execute(sql, args).await? > 0)
}

/// How many wait and how many are dead, by channel.
pub(in super::super) async fn count_waiting(store: &Store, channel: ChannelKind) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT (SELECT count(*) FROM notices WHERE state = 'QUEUED' AND channel = $1), \
               (SELECT count(*) FROM notices WHERE state = 'DEAD' AND channel = $1)";
    let row = store.fetch_one(sql, vec![channel.name().into()]).await?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// A page of dead letters, newest first.
pub(in super::super) async fn read_dead(
    store: &Store,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = "SELECT notice_id, person_id, kind, channel, error, receipt, tries, created_at, done_at, expires_at \
               FROM notices WHERE state = 'DEAD' AND notice_id < $1 ORDER BY notice_id DESC LIMIT $2";
    let before = before.unwrap_or(Uuid::max());
    let rows = store.fetch(sql, vec![before.into(), limit.into()]).await?;
    let dead_of = |row: &Row| {
        Ok(DeadLetter {
            notice_id: row.id(0)?,
            person_id: PersonId::from_uuid(row.id(1)?),
            kind: row.parsed(2, NoticeKind::parse)?,
            channel: row.parsed(3, ChannelKind::parse)?,
            error: row.maybe_text(4)?.unwrap_or_default(),
            receipt: row.maybe_text(5)?,
            tries: row.int(6)?,
            created_at: row.time(7)?,
            died_at: row.maybe_time(8)?.unwrap_or_default(),
            expires_at: row.maybe_time(9)?,
        })
    };
    rows.iter().map(dead_of).collect()
}

/// Has a dead letter tried again from the start, unless it has nothing to say any more; gives who is told.
pub(in super::super) async fn requeue(tx: &mut Tx, notice: Uuid) -> Result<Option<PersonId>, StoreError> {
    let now = tx.now();
    let sql = "UPDATE notices SET state = 'QUEUED', created_at = $2, due_at = $2, tries = 0, leased_until = 0, owner = NULL, \
               done_at = NULL, provider_id = NULL, receipt = NULL WHERE notice_id = $1 AND state = 'DEAD' \
               AND payload_sealed IS NOT NULL AND (expires_at IS NULL OR expires_at > $2) RETURNING person_id";
    let rows = tx.fetch(sql, vec![notice.into(), now.into()]).await?;
    rows.first().map(|row| Ok(PersonId::from_uuid(row.id(0)?))).transpose()
}

/// Wipes codes that have ended and were never sent.
pub(in super::super) async fn wipe_ended(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now();
    let sql = "UPDATE notices SET payload_sealed = NULL \
               WHERE state = 'DEAD' AND expires_at <= $1 AND payload_sealed IS NOT NULL";
    tx.execute(sql, vec![now.into()]).await?;
    Ok(())
}

/// Forgets what was done before a point in time.
pub(in super::super) async fn delete_done(tx: &mut Tx, before: Timestamp) -> Result<(), StoreError> {
    tx.execute("DELETE FROM notices WHERE done_at < $1", vec![before.into()]).await?;
    Ok(())
}
