//! What the payment path reads again and again, for a moment. That something is not there is remembered too, so that
//! guessing at numbers costs the database no more than paying does.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use domain::card::BinTable;
use domain::purchase::Terminal;
use domain::{BankId, CardId, PersonId, TerminalId};
use moka::sync::Cache;

use super::{BankEntry, Payer};

type Known<K, V> = Cache<K, Option<V>>;

/// Bounded by number and by age; clones are the same caches.
#[derive(Clone, Debug)]
pub(super) struct Caches {
    pub(super) terminals: Known<TerminalId, Arc<Terminal>>,
    /// By the keyed hash of the number; only who it is, so that a change of the person is forgotten in one place.
    pub(super) phones: Known<[u8; 32], PersonId>,
    pub(super) payers: Known<PersonId, Arc<Payer>>,
    pub(super) banks: Known<BankId, Arc<BankEntry>>,
    /// Whose card it is.
    pub(super) cards: Known<(BankId, CardId), PersonId>,
    /// The whole table, which is small.
    pub(super) bins: Cache<(), Arc<BinTable>>,
}

impl Caches {
    pub(super) fn new(ttl: Duration, entries: u64) -> Self {
        Self {
            terminals: cache(ttl, entries),
            phones: cache(ttl, entries),
            payers: cache(ttl, entries),
            banks: cache(ttl, entries),
            cards: cache(ttl, entries),
            bins: Cache::builder().max_capacity(1).time_to_live(ttl).build(),
        }
    }
}

fn cache<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static>(
    ttl: Duration,
    entries: u64,
) -> Known<K, V> {
    Cache::builder().max_capacity(entries).time_to_live(ttl).build()
}
