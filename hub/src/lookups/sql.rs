//! The rows of look-up budgets.

use std::collections::HashMap;

use domain::Timestamp;
use domain::lookup::{Bucket, Scope};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};

use super::Budget;

const BUDGETS: Table = Table {
    name: "lookup_budgets",
    key: &["budget"],
    columns: &["budget", "version", "full_at", "dry_since", "dry_times", "drawn_at"],
};

/// A budget as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) budget: Budget,
    /// 0 for one that is not there yet.
    pub(super) version: i64,
    pub(super) bucket: Bucket,
    pub(super) dry_since: Option<Timestamp>,
    pub(super) dry_times: i64,
    pub(super) drawn_at: Timestamp,
}

impl Kept {
    /// One from which nothing was drawn before.
    pub(super) const fn new(budget: Budget, now: Timestamp) -> Self {
        Self { budget, version: 0, bucket: Bucket::full(now), dry_since: None, dry_times: 0, drawn_at: now }
    }
}

macro_rules! select {
    ($tail:literal) => {
        concat!("SELECT budget, version, full_at, dry_since, dry_times, drawn_at FROM lookup_budgets WHERE ", $tail)
    };
}

pub(super) async fn load(tx: &mut Tx, budgets: Vec<String>) -> Result<HashMap<String, Kept>, StoreError> {
    let load = Load { select: select!("budget"), tail: " ORDER BY budget", lock: true };
    let rows = tx.load(load, Keys::Names(budgets)).await?;
    rows.iter().map(|row| Ok((row.text(0)?, read(row)?))).collect()
}

pub(super) async fn put(tx: &mut Tx, kept: impl Iterator<Item = &Kept>) -> Result<(), StoreError> {
    let write = |kept: &Kept| {
        vec![
            kept.budget.to_string().into(),
            (kept.version + 1).into(),
            kept.bucket.full_at.into(),
            kept.dry_since.into(),
            kept.dry_times.into(),
            kept.drawn_at.into(),
        ]
    };
    tx.put(&BUDGETS, kept.map(write).collect()).await
}

/// Budgets in order of name, after one; all of them, or those alone that are dry.
pub(super) async fn list(store: &Store, dry: bool, after: &str, most: i64) -> Result<Vec<Kept>, StoreError> {
    let sql = if dry {
        select!("dry_since IS NOT NULL AND budget > $1 ORDER BY budget LIMIT $2")
    } else {
        select!("budget > $1 ORDER BY budget LIMIT $2")
    };
    store.fetch(sql, vec![after.into(), most.into()]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Kept, StoreError> {
    let budget = |text: &str| {
        let (scope, id) = text.split_once(' ').ok_or("no scope")?;
        let scope = Scope::parse(scope).map_err(|_| "no such scope")?;
        Ok::<_, &'static str>(Budget { scope, id: id.to_owned() })
    };
    Ok(Kept {
        budget: row.parsed(0, budget)?,
        version: row.int(1)?,
        bucket: Bucket { full_at: row.time(2)? },
        dry_since: row.maybe_time(3)?,
        dry_times: row.int(4)?,
        drawn_at: row.time(5)?,
    })
}
