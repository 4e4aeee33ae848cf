//! When a new version of a key is written with, and when an old one may go.
//!
//! A version is first *announced*: it stands in the key files, and everybody reads with it. Only when every server holds it is it
//! *switched* to, so that none ever writes what another one cannot read. What was written before is rewritten meanwhile, and only
//! when nothing is left under the old version may it be *retired*.

use std::collections::{BTreeMap, BTreeSet};

use crate::Reason;

/// What is to be done about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing newer is there.
    Stay,
    /// This version is there, and this many servers do not hold it yet.
    Wait(u32, usize),
    /// Everybody holds this version: it is written with from now on.
    Switch(u32),
}

/// What follows from the version that is written with and the versions that each living server holds.
pub fn next(current: u32, held: &[BTreeSet<u32>]) -> Next {
    let newest = held.iter().filter_map(BTreeSet::last).max().copied();
    let Some(newest) = newest.filter(|newest| *newest > current) else { return Next::Stay };
    match held.iter().filter(|versions| !versions.contains(&newest)).count() {
        0 => Next::Switch(newest),
        lacking => Next::Wait(newest, lacking),
    }
}

/// How a version of a key stands where somebody wants to retire it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The version that is written with.
    pub current: u32,
    /// The version that is to go.
    pub version: u32,
    /// Whether anybody has ever held it.
    pub is_known: bool,
    /// Whether the current one has been written with for so long that what was made under another one, and was on its way, is stored.
    pub is_settled: bool,
    /// Servers that may still write with another version than the current one.
    pub behind: usize,
    /// Rows under it, or under nobody knows which.
    pub rows: u64,
}

/// Whether a version may go. `Err` with `KeyVersionUnknown`, `KeyVersionCurrent`, `KeyVersionAwaited` or `KeyVersionHasRows`.
pub fn may_retire(standing: Standing) -> Result<(), Reason> {
    if !standing.is_known {
        return Err(Reason::KeyVersionUnknown);
    }
    // One that is newer is not written with yet, and is about to be.
    if standing.version >= standing.current {
        return Err(Reason::KeyVersionCurrent);
    }
    if standing.behind > 0 || !standing.is_settled {
        return Err(Reason::KeyVersionAwaited);
    }
    if standing.rows > 0 {
        return Err(Reason::KeyVersionHasRows);
    }
    Ok(())
}

/// How a key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The name of the key.
    pub key: &'static str,
    /// The version that is written with.
    pub current: u32,
    /// Every version that is not retired.
    pub versions: Vec<u32>,
    /// Servers that live and do not hold the newest version.
    pub lacking: Vec<String>,
}

/// How a column stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnStatus {
    /// Table and column.
    pub column: String,
    /// The name of its key.
    pub key: &'static str,
    /// Rows by version.
    pub rows: BTreeMap<u32, u64>,
    /// Rows under no version that could be found out.
    pub unknown: u64,
    /// Rows that could not be rewritten, as they are called in the log; the first of them.
    pub damaged: Vec<String>,
}

/// How keys and columns stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The keys.
    pub keys: Vec<KeyStatus>,
    /// The columns that hang on them.
    pub columns: Vec<ColumnStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_a_version_is_switched_to_when_every_server_holds_it() {
        let table: &[(u32, &[&[u32]], Next)] = &[
            (1, &[], Next::Stay),
            (1, &[&[1]], Next::Stay),
            (1, &[&[1, 2]], Next::Switch(2)),
            (1, &[&[1, 2], &[1]], Next::Wait(2, 1)),
            (1, &[&[1], &[1], &[1, 2]], Next::Wait(2, 2)),
            (1, &[&[1, 2], &[1, 2]], Next::Switch(2)),
            (2, &[&[1, 2], &[1, 2]], Next::Stay),
            (2, &[&[2]], Next::Stay),
            // Somebody who lacks even the current one holds up the next.
            (2, &[&[1], &[2, 3]], Next::Wait(3, 1)),
            (1, &[&[1, 3], &[1, 2, 3]], Next::Switch(3)),
        ];
        for (current, held, wanted) in table {
            let held: Vec<BTreeSet<u32>> = held.iter().map(|versions| versions.iter().copied().collect()).collect();
            assert_eq!(next(*current, &held), *wanted, "{current} {held:?}");
        }
    }

    #[test]
    fn m8_a_version_goes_when_nothing_hangs_on_it_and_nobody_writes_with_it() {
        let free = Standing { current: 2, version: 1, is_known: true, is_settled: true, behind: 0, rows: 0 };
        for (standing, wanted) in [
            (free, Ok(())),
            (Standing { is_known: false, ..free }, Err(Reason::KeyVersionUnknown)),
            (Standing { version: 2, ..free }, Err(Reason::KeyVersionCurrent)),
            (Standing { version: 3, ..free }, Err(Reason::KeyVersionCurrent)),
            (Standing { behind: 1, rows: 1, ..free }, Err(Reason::KeyVersionAwaited)),
            (Standing { is_settled: false, ..free }, Err(Reason::KeyVersionAwaited)),
            (Standing { rows: 1, ..free }, Err(Reason::KeyVersionHasRows)),
        ] {
            assert_eq!(may_retire(standing), wanted, "{standing:?}");
        }
    }
}
