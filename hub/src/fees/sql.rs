//! The rows of fee schedules.

use std::collections::{BTreeMap, BTreeSet};

use domain::fee::{Returns, Schedule, Scope, Terms};
use domain::{FeeScheduleId, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

const SCHEDULES: Table = Table {
    name: "fee_schedules",
    key: &["schedule_id"],
    columns: &[
        "schedule_id",
        "version",
        "scope",
        "number",
        "valid_from",
        "rate_ppm",
        "fixed_minor",
        "floor_minor",
        "cap_minor",
        "issuer_ppm",
        "hub_ppm",
        "returns",
        "set_at",
        "set_by",
        "withdrawn_at",
        "withdrawn_by",
    ],
};

macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT schedule_id, version, scope, number, valid_from, rate_ppm, fixed_minor, floor_minor, cap_minor, issuer_ppm, \
             hub_ppm, returns, set_at, set_by, withdrawn_at, withdrawn_by FROM fee_schedules s WHERE ",
            $tail
        )
    };
}

/// A schedule as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) schedule: Schedule,
    /// 0 for one that is not there yet.
    pub(super) version: i64,
    /// Counts up from 1 in its scope.
    pub(crate) number: i64,
    pub(crate) set_at: Timestamp,
    pub(crate) set_by: String,
    pub(crate) withdrawn_at: Option<Timestamp>,
    pub(crate) withdrawn_by: Option<String>,
}

/// The schedules of these ids and those of these scopes, locked.
pub(super) async fn load(
    tx: &mut Tx,
    ids: Vec<FeeScheduleId>,
    scopes: &BTreeSet<String>,
) -> Result<BTreeMap<FeeScheduleId, Kept>, StoreError> {
    let by_id = Load { select: select!("schedule_id"), tail: " ORDER BY schedule_id", lock: true };
    let by_scope = Load { select: select!("scope"), tail: " ORDER BY schedule_id", lock: true };
    let mut rows = tx.load(by_id, Keys::Ids(ids.into_iter().map(FeeScheduleId::uuid).collect())).await?;
    rows.extend(tx.load(by_scope, Keys::Names(scopes.iter().cloned().collect())).await?);
    rows.iter().map(|row| read(row).map(|kept| (kept.schedule.id, kept))).collect()
}

/// Those of the merchants that there are.
pub(super) async fn merchants(tx: &mut Tx, names: BTreeSet<String>) -> Result<BTreeSet<String>, StoreError> {
    let load = Load {
        select: "SELECT merchant_id FROM merchants WHERE merchant_id",
        tail: " ORDER BY merchant_id",
        lock: false,
    };
    let rows = tx.load(load, Keys::Names(names.into_iter().collect())).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// How many stand that hold now or later.
pub(super) async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM fee_schedules s WHERE withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 FROM fee_schedules l \
               WHERE l.scope = s.scope AND l.number > s.number AND l.withdrawn_at IS NULL AND l.valid_from <= $1)";
    let now = tx.now();
    tx.fetch(sql, vec![now.into()]).await?.first().map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn put(tx: &mut Tx, kept: impl Iterator<Item = &Kept>) -> Result<(), StoreError> {
    let write = |kept: &Kept| {
        let terms = kept.schedule.terms;
        vec![
            kept.schedule.id.uuid().into(),
            (kept.version + 1).into(),
            kept.schedule.scope.to_string().into(),
            kept.number.into(),
            kept.schedule.valid_from.into(),
            terms.map(|terms| terms.rate_ppm).into(),
            terms.map(|terms| terms.fixed_minor).into(),
            terms.map(|terms| terms.floor_minor).into(),
            terms.and_then(|terms| terms.cap_minor).into(),
            terms.map(|terms| terms.issuer_ppm).into(),
            terms.map(|terms| terms.hub_ppm).into(),
            terms.map(|terms| terms.returns.as_str().to_owned()).into(),
            kept.set_at.into(),
            kept.set_by.as_str().into(),
            kept.withdrawn_at.into(),
            kept.withdrawn_by.clone().into(),
        ]
    };
    tx.put(&SCHEDULES, kept.map(write).collect()).await
}

/// All that hold at this moment or later.
pub(super) async fn read_holding(store: &Store, at: Timestamp) -> Result<Vec<Kept>, StoreError> {
    // A later version has a higher number: what is withdrawn in between never held.
    let sql = select!(
        "withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 FROM fee_schedules l WHERE l.scope = s.scope AND l.number > s.number \
         AND l.withdrawn_at IS NULL AND l.valid_from <= $1) ORDER BY scope, number"
    );
    store.fetch(sql, vec![at.into()]).await?.iter().map(read).collect()
}

/// All that ever stood, the latest first.
pub(super) async fn read_all(store: &Store, most: i64) -> Result<Vec<Kept>, StoreError> {
    store
        .fetch(select!("1 = 1 ORDER BY schedule_id DESC LIMIT $1"), vec![most.into()])
        .await?
        .iter()
        .map(read)
        .collect()
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    let terms = match row.maybe_int(5)? {
        None => None,
        Some(rate_ppm) => Some(Terms {
            rate_ppm,
            fixed_minor: row.int(6)?,
            floor_minor: row.int(7)?,
            cap_minor: row.maybe_int(8)?,
            issuer_ppm: row.int(9)?,
            hub_ppm: row.int(10)?,
            returns: row.parsed(11, Returns::parse)?,
        }),
    };
    Ok(Kept {
        schedule: Schedule {
            id: FeeScheduleId::from_uuid(row.id(0)?),
            scope: row.parsed(2, Scope::parse)?,
            terms,
            valid_from: row.time(4)?,
        },
        version: row.int(1)?,
        number: row.int(3)?,
        set_at: row.time(12)?,
        set_by: row.text(13)?,
        withdrawn_at: row.maybe_time(14)?,
        withdrawn_by: row.maybe_text(15)?,
    })
}
