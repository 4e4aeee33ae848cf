//! What holders freeze and set free by the hub's orders (F4), in the transaction of the ledger in which it takes effect.
//!
//! Invariant: of what is frozen no debit is authorised later than the time that was answered, since holds and orders are decided one after
//! the other by the ledger's one writer.

mod sql;
mod wire;

pub(crate) use sql::{frozen_by, mark};
pub(crate) use wire::{confirmations, orders};

use std::collections::{BTreeSet, HashMap};

use domain::freeze::{HolderFreeze, HolderOrder};
use domain::ledger::{self as rules, Account, Books};
use domain::payment::Instrument;
use domain::{Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use sql::Left;

/// An order of the holder of one account or card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) instrument: Instrument,
    pub(crate) order: HolderOrder,
}

/// How the accounts and cards of a set's orders were left, and are.
#[derive(Debug, Default)]
pub(crate) struct HolderFreezes {
    left: HashMap<Uuid, Left>,
    changed: BTreeSet<Uuid>,
}

impl HolderFreezes {
    /// Asks for nothing when there are no orders.
    pub(crate) async fn load<'o>(tx: &mut Tx, orders: impl Iterator<Item = &'o Order>) -> Result<Self, StoreError> {
        let ids: BTreeSet<Uuid> = orders.map(|order| order.instrument.uuid()).collect();
        Ok(Self { left: sql::load(tx, ids.into_iter().collect()).await?, changed: BTreeSet::new() })
    }

    /// Follows an order.
    pub(crate) fn follow(
        &mut self,
        books: &mut Books,
        Order { instrument, order }: Order,
        now: Timestamp,
        log: &mut Vec<Entry>,
    ) -> Result<HolderFreeze, Reason> {
        let id = instrument.uuid();
        let known = self.left.get(&id);
        let before = known.map(|left| left.freeze);
        let decided = rules::follow_holder(books, instrument, before, order, now)?;
        if before == Some(decided.answer) {
            return Ok(decided.answer);
        }
        let version = known.map_or(0, |left| left.version);
        self.left.insert(id, Left { instrument, freeze: decided.answer, version });
        self.changed.insert(id);
        books.apply(decided.change);
        log.push(entry(books, instrument, order));
        Ok(decided.answer)
    }

    pub(crate) async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        sql::save(tx, self.changed.iter().filter_map(|id| self.left.get(id))).await
    }
}

fn entry(books: &Books, instrument: Instrument, order: HolderOrder) -> Entry {
    let (kind, masked) = match instrument {
        Instrument::Account(id) => (
            if order.frozen { "account.frozen_by_holder" } else { "account.unfrozen_by_holder" },
            books.account(id).map(Account::masked),
        ),
        Instrument::Card(id) => (
            if order.frozen { "card.frozen_by_holder" } else { "card.unfrozen_by_holder" },
            books.card(id).map(|card| card.masked.clone()),
        ),
    };
    let content = format!("instrument={} order={}", masked.unwrap_or_default(), order.number);
    Entry { kind, subject: instrument.uuid(), content }
}
