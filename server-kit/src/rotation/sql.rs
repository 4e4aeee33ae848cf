//! The tables of keys and of what is rewritten: `key_currents`, `key_versions`, `key_holders`, `key_rewrites`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use domain::Timestamp;
use domain::key_rotation::{KeyStatus, Standing};

use super::RotationOptions;
use crate::keystore::{HeldVersion, KeyName, KeyStore};
use crate::store::{Dialect, Row, Store, StoreError, Table, Tx, Value};

const HOLDERS: Table = Table {
    name: "key_holders",
    key: &["replica", "name", "key_version"],
    columns: &["replica", "name", "key_version", "is_used", "seen_at"],
};

/// A version of a key in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownVersion {
    pub(super) name: KeyName,
    pub(super) version: u32,
    pub(super) check: Vec<u8>,
    pub(super) retired: bool,
}

/// What a server has said that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) replica: String,
    pub(super) name: KeyName,
    pub(super) version: u32,
    pub(super) is_used: bool,
    pub(super) seen_at: Timestamp,
}

fn name_of(row: &Row, column: usize) -> Result<KeyName, StoreError> {
    row.parsed(column, |text| KeyName::parse(text).ok_or("no key has this name"))
}

fn version_of(row: &Row, column: usize) -> Result<u32, StoreError> {
    let version = row.int(column)?;
    u32::try_from(version).map_err(|_| StoreError::Unreadable { column, what: "no version of a key".to_owned() })
}

/// The version that everybody writes, which nobody changes before the end of the transaction.
pub(super) async fn pin(tx: &mut Tx, name: KeyName) -> Result<Option<u32>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT key_version FROM key_currents WHERE name = $1",
        Dialect::Postgres => "SELECT key_version FROM key_currents WHERE name = $1 FOR SHARE",
    };
    let rows = tx.fetch(sql, vec![name.as_str().into()]).await?;
    rows.first().map(|row| version_of(row, 0)).transpose()
}

/// The same for whoever changes it, with the time since when it is written.
pub(super) async fn lock_current(tx: &mut Tx, name: KeyName) -> Result<Option<u32>, StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "SELECT key_version FROM key_currents WHERE name = $1",
        Dialect::Postgres => "SELECT key_version FROM key_currents WHERE name = $1 FOR UPDATE",
    };
    let rows = tx.fetch(sql, vec![name.as_str().into()]).await?;
    rows.first().map(|row| version_of(row, 0)).transpose()
}

pub(super) async fn currents(tx: &mut Tx) -> Result<BTreeMap<KeyName, u32>, StoreError> {
    let rows = tx.fetch("SELECT name, key_version FROM key_currents ORDER BY name", Vec::new()).await?;
    rows.iter().map(|row| Ok((name_of(row, 0)?, version_of(row, 1)?))).collect()
}

/// The keys that are written with as they are for so long.
pub(super) async fn settled(tx: &mut Tx, settle: Duration) -> Result<BTreeSet<KeyName>, StoreError> {
    let since = tx.now().minus(settle);
    let rows = tx.fetch("SELECT name FROM key_currents WHERE since <= $1", vec![since.into()]).await?;
    rows.iter().map(|row| name_of(row, 0)).collect()
}

/// Has a key that was never written with be written with this version.
pub(super) async fn begin_current(tx: &mut Tx, name: KeyName, version: u32) -> Result<(), StoreError> {
    let sql = "INSERT INTO key_currents (name, key_version, since) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    let now = tx.now();
    tx.execute(sql, vec![name.as_str().into(), i64::from(version).into(), now.into()]).await.map(|_| ())
}

pub(super) async fn switch(tx: &mut Tx, name: KeyName, version: u32) -> Result<(), StoreError> {
    let sql = "UPDATE key_currents SET key_version = $2, since = $3 WHERE name = $1";
    let now = tx.now();
    tx.execute(sql, vec![name.as_str().into(), i64::from(version).into(), now.into()]).await.map(|_| ())
}

const VERSIONS: &str = "SELECT name, key_version, check_value, retired_at FROM key_versions ORDER BY name, key_version";

fn known_version(row: &Row) -> Result<KnownVersion, StoreError> {
    Ok(KnownVersion {
        name: name_of(row, 0)?,
        version: version_of(row, 1)?,
        check: row.bytes(2)?,
        retired: row.maybe_int(3)?.is_some(),
    })
}

pub(super) async fn versions(tx: &mut Tx) -> Result<Vec<KnownVersion>, StoreError> {
    tx.fetch(VERSIONS, Vec::new()).await?.iter().map(known_version).collect()
}

/// Notes versions that nobody has held before. Who notes one first says which key it is.
pub(super) async fn note_version(tx: &mut Tx, name: KeyName, held: HeldVersion) -> Result<bool, StoreError> {
    let sql = "INSERT INTO key_versions (name, key_version, check_value, retired_at) VALUES ($1, $2, $3, NULL) \
               ON CONFLICT (name, key_version) DO NOTHING";
    let args = vec![name.as_str().into(), i64::from(held.version).into(), held.check.to_vec().into()];
    Ok(tx.execute(sql, args).await? > 0)
}

pub(super) async fn retire(tx: &mut Tx, name: KeyName, version: u32) -> Result<(), StoreError> {
    let sql = "UPDATE key_versions SET retired_at = $3 WHERE name = $1 AND key_version = $2";
    let now = tx.now();
    tx.execute(sql, vec![name.as_str().into(), i64::from(version).into(), now.into()]).await.map(|_| ())
}

/// Puts what a server holds, and which of it it writes with, in the place of what it has said before.
pub(super) async fn hold(
    tx: &mut Tx,
    replica: &str,
    keys: &dyn KeyStore,
    held: &BTreeSet<(KeyName, u32)>,
    gone: Duration,
) -> Result<(), StoreError> {
    let now = tx.now();
    // Whoever was silent for so long is asked by nobody any more.
    let sql = "DELETE FROM key_holders WHERE replica = $1 OR seen_at < $2";
    tx.execute(sql, vec![replica.into(), now.minus(gone).into()]).await?;
    let row = |(name, version): &(KeyName, u32)| {
        let is_used = keys.current_version(*name) == Some(*version);
        vec![replica.into(), name.as_str().into(), i64::from(*version).into(), is_used.into(), now.into()]
    };
    tx.insert(&HOLDERS, held.iter().map(row).collect::<Vec<Vec<Value>>>()).await?;
    tx.flush().await
}

const HOLDING: &str =
    "SELECT replica, name, key_version, is_used, seen_at FROM key_holders WHERE seen_at > $1 ORDER BY replica, name";

fn holder(row: &Row) -> Result<Holder, StoreError> {
    Ok(Holder {
        replica: row.text(0)?,
        name: name_of(row, 1)?,
        version: version_of(row, 2)?,
        is_used: row.flag(3)?,
        seen_at: row.time(4)?,
    })
}

/// What was said within this time.
pub(super) async fn holders(tx: &mut Tx, within: Duration) -> Result<Vec<Holder>, StoreError> {
    let since = tx.now().minus(within);
    tx.fetch(HOLDING, vec![since.into()]).await?.iter().map(holder).collect()
}

/// The versions of a key that each server holds.
pub(super) fn held_of(holders: &[Holder], name: KeyName) -> BTreeMap<&str, BTreeSet<u32>> {
    // A server that holds no version of this key is one that lacks the next.
    let mut held: BTreeMap<&str, BTreeSet<u32>> =
        holders.iter().map(|holder| (holder.replica.as_str(), BTreeSet::new())).collect();
    for holder in holders.iter().filter(|holder| holder.name == name) {
        held.entry(&holder.replica).or_default().insert(holder.version);
    }
    held
}

/// Servers that have said of another version that they write with it.
pub(super) fn behind(holders: &[Holder], name: KeyName, current: u32) -> usize {
    let others = |holder: &&Holder| holder.name == name && holder.is_used && holder.version != current;
    holders.iter().filter(others).count()
}

/// How a version stands, without its rows.
pub(super) struct VersionStanding {
    pub(super) standing: Standing,
    pub(super) is_retired: bool,
}

/// Reads it outside of any transaction that writes.
pub(super) async fn standing(
    store: &Store,
    which: (KeyName, u32),
    options: RotationOptions,
) -> Result<VersionStanding, StoreError> {
    let mut tx = store.begin().await?;
    standing_in(&mut tx, which, options).await
}

pub(super) async fn standing_in(
    tx: &mut Tx,
    (name, version): (KeyName, u32),
    options: RotationOptions,
) -> Result<VersionStanding, StoreError> {
    let current = lock_current(tx, name).await?.unwrap_or(0);
    let known = versions(tx).await?;
    let known = known.iter().find(|known| known.name == name && known.version == version);
    let is_settled = settled(tx, options.settle).await?.contains(&name);
    let holders = holders(tx, options.gone).await?;
    let behind = behind(&holders, name, current);
    Ok(VersionStanding {
        standing: Standing { current, version, is_known: known.is_some(), is_settled, behind, rows: 0 },
        is_retired: known.is_some_and(|known| known.retired),
    })
}

pub(super) async fn key_statuses(store: &Store, alive: Duration) -> Result<Vec<KeyStatus>, StoreError> {
    let mut tx = store.begin().await?;
    let (currents, versions) = (currents(&mut tx).await?, versions(&mut tx).await?);
    let holders = holders(&mut tx, alive).await?;
    let status = |(key, current): (&KeyName, &u32)| {
        let mine = versions.iter().filter(|known| known.name == *key && !known.retired);
        let versions: Vec<u32> = mine.map(|known| known.version).collect();
        let newest = versions.last().copied().unwrap_or(*current);
        let held = held_of(&holders, *key);
        let lacking = held.iter().filter(|(_, held)| !held.contains(&newest));
        KeyStatus {
            key: key.as_str(),
            current: *current,
            versions,
            lacking: lacking.map(|(replica, _)| (*replica).to_owned()).collect(),
        }
    };
    Ok(currents.iter().map(status).collect())
}

/// A column that is, was or is to be rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rewrite {
    pub(super) version: u32,
    pub(super) leased_until: Timestamp,
    pub(super) is_finished: bool,
}

pub(super) async fn rewrites(tx: &mut Tx) -> Result<HashMap<String, Rewrite>, StoreError> {
    let sql = "SELECT column_name, key_version, leased_until, finished_at FROM key_rewrites ORDER BY column_name";
    let rewrite = |row: &Row| {
        let is_finished = row.maybe_int(3)?.is_some();
        Ok((row.text(0)?, Rewrite { version: version_of(row, 1)?, leased_until: row.time(2)?, is_finished }))
    };
    tx.fetch(sql, Vec::new()).await?.iter().map(rewrite).collect()
}

/// Takes a column that nobody has. False when somebody was faster.
pub(super) async fn claim(
    tx: &mut Tx,
    (column, version): (&str, u32),
    (by, lease): (&str, Duration),
) -> Result<bool, StoreError> {
    let sql = "INSERT INTO key_rewrites (column_name, key_version, leased_by, leased_until, rewritten, damaged, finished_at) \
               VALUES ($1, $2, $3, $4, 0, '', NULL) \
               ON CONFLICT (column_name) DO UPDATE SET key_version = excluded.key_version, \
               leased_by = excluded.leased_by, leased_until = excluded.leased_until, damaged = '', finished_at = NULL, \
               rewritten = CASE WHEN key_rewrites.key_version = excluded.key_version THEN key_rewrites.rewritten ELSE 0 END \
               WHERE key_rewrites.leased_until <= $5";
    let now = tx.now();
    let args = vec![column.into(), i64::from(version).into(), by.into(), now.plus(lease).into(), now.into()];
    Ok(tx.execute(sql, args).await? > 0)
}

/// What a page has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) rewritten: u64,
    /// What could not be rewritten, a line each.
    pub(super) damaged: String,
}

/// Adds to what was done of a column and keeps it for longer. False when it is somebody else's.
pub(super) async fn renew(
    tx: &mut Tx,
    (column, version): (&str, u32),
    (by, lease): (&str, Duration),
    progress: &Progress,
) -> Result<bool, StoreError> {
    let sql = "UPDATE key_rewrites SET rewritten = rewritten + $4, damaged = substr(damaged || $5, 1, 4000), \
               leased_until = $6 WHERE column_name = $1 AND key_version = $2 AND leased_by = $3 AND finished_at IS NULL";
    let rewritten = i64::try_from(progress.rewritten).unwrap_or(i64::MAX);
    let args = vec![
        column.into(),
        i64::from(version).into(),
        by.into(),
        rewritten.into(),
        progress.damaged.as_str().into(),
        tx.now().plus(lease).into(),
    ];
    Ok(tx.execute(sql, args).await? > 0)
}

/// Gives a column back: for good when it is done. Gives how many rows were rewritten.
pub(super) async fn give_back(
    tx: &mut Tx,
    (column, version): (&str, u32),
    by: &str,
    is_done: bool,
) -> Result<Option<i64>, StoreError> {
    let now = tx.now();
    let sql = "UPDATE key_rewrites SET leased_until = $4, finished_at = $5 \
               WHERE column_name = $1 AND key_version = $2 AND leased_by = $3 AND finished_at IS NULL";
    let finished = is_done.then_some(now);
    let args = vec![column.into(), i64::from(version).into(), by.into(), now.into(), finished.into()];
    if tx.execute(sql, args).await? == 0 {
        return Ok(None);
    }
    let rows = tx.fetch("SELECT rewritten FROM key_rewrites WHERE column_name = $1", vec![column.into()]).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

/// Has a column looked at once more.
pub(super) async fn reopen(tx: &mut Tx, column: &str) -> Result<(), StoreError> {
    let sql = "UPDATE key_rewrites SET finished_at = NULL WHERE column_name = $1";
    tx.execute(sql, vec![column.into()]).await.map(|_| ())
}

/// What could not be rewritten, by column.
pub(super) async fn damaged(store: &Store) -> Result<HashMap<String, Vec<String>>, StoreError> {
    let sql = "SELECT column_name, damaged FROM key_rewrites WHERE damaged <> '' ORDER BY column_name";
    let lines = |row: &Row| Ok((row.text(0)?, row.text(1)?.lines().map(str::to_owned).collect()));
    store.fetch(sql, Vec::new()).await?.iter().map(lines).collect()
}
