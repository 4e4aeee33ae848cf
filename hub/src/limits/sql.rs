//! The rows of limits and of what was paid lately.

use std::collections::BTreeMap;

use domain::Timestamp;
use domain::limit::{Limit, LimitKey, Tally, TallyKey};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

const LIMITS: Table = Table {
    name: "limits",
    key: &["limit_key"],
    columns: &["limit_key", "version", "most", "set_at", "changed_at", "changed_by", "may_exceed"],
};

const TALLIES: Table = Table { name: "limit_tallies", key: &["tally"], columns: &["tally", "version", "slots"] };

/// A limit as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) key: LimitKey,
    /// 0 for one that is not there yet.
    pub(super) version: i64,
    /// None once it was removed.
    pub(crate) most: Option<i64>,
    pub(crate) set_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) changed_by: String,
    pub(super) may_exceed: bool,
}

impl Kept {
    /// Whether it is of one who is named, and holds where it is above that of everybody.
    pub(crate) fn is_above_everybody(&self) -> bool {
        self.key.of.is_some() && self.may_exceed
    }

    pub(super) fn limit(&self) -> Option<Limit> {
        self.most.map(|most| Limit { key: self.key.clone(), most, set_at: self.set_at, may_exceed: self.may_exceed })
    }
}

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT limit_key, version, most, set_at, changed_at, changed_by, may_exceed FROM limits WHERE ", $tail)
    };
}

pub(super) async fn load(tx: &mut Tx, keys: Vec<String>) -> Result<BTreeMap<String, Kept>, StoreError> {
    let load = Load { select: select!("limit_key"), tail: " ORDER BY limit_key", lock: true };
    tx.load(load, Keys::Names(keys)).await?.iter().map(|row| Ok((row.text(0)?, read(row)?))).collect()
}

pub(super) async fn count(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.fetch("SELECT count(*) FROM limits WHERE most IS NOT NULL", Vec::new())
        .await?
        .first()
        .map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn put(tx: &mut Tx, kept: impl Iterator<Item = &Kept>) -> Result<(), StoreError> {
    let write = |kept: &Kept| {
        vec![
            kept.key.to_string().into(),
            (kept.version + 1).into(),
            kept.most.into(),
            kept.set_at.into(),
            kept.changed_at.into(),
            kept.changed_by.as_str().into(),
            i64::from(kept.may_exceed).into(),
        ]
    };
    tx.put(&LIMITS, kept.map(write).collect()).await
}

/// All limits that stand, of which there are few.
pub(super) async fn read_all(store: &Store) -> Result<Vec<Kept>, StoreError> {
    store.fetch(select!("most IS NOT NULL ORDER BY limit_key"), Vec::new()).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    Ok(Kept {
        key: row.parsed(0, LimitKey::parse)?,
        version: row.int(1)?,
        most: row.maybe_int(2)?,
        set_at: row.time(3)?,
        changed_at: row.time(4)?,
        changed_by: row.text(5)?,
        may_exceed: row.int(6)? == 1,
    })
}

/// A tally with the version of its row, 0 for one that is not there yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoredTally {
    pub(crate) tally: Tally,
    pub(crate) version: i64,
    pub(crate) changed: bool,
}

/// Tallies by key: those that are stored, and an empty one for each of the others.
pub(crate) async fn load_tallies(
    tx: &mut Tx,
    keys: impl Iterator<Item = TallyKey>,
    lock: bool,
) -> Result<BTreeMap<TallyKey, StoredTally>, StoreError> {
    let mut wanted: BTreeMap<String, TallyKey> = keys.map(|key| (key.to_string(), key)).collect();
    let load =
        Load { select: "SELECT tally, version, slots FROM limit_tallies WHERE tally", tail: " ORDER BY tally", lock };
    let mut found = BTreeMap::new();
    for row in tx.load(load, Keys::Names(wanted.keys().cloned().collect())).await? {
        if let Some(key) = wanted.remove(&row.text(0)?) {
            let stored = StoredTally { tally: row.parsed(2, Tally::parse)?, version: row.int(1)?, changed: false };
            found.insert(key, stored);
        }
    }
    found.extend(wanted.into_values().map(|key| (key, StoredTally::default())));
    Ok(found)
}

pub(crate) async fn put_tallies(tx: &mut Tx, tallies: &BTreeMap<TallyKey, StoredTally>) -> Result<(), StoreError> {
    let changed = tallies.iter().filter(|(_, stored)| stored.changed);
    let rows = changed
        .map(|(key, stored)| vec![key.to_string().into(), (stored.version + 1).into(), stored.tally.words().into()]);
    tx.put(&TALLIES, rows.collect()).await
}
