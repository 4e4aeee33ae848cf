//! How much cash terminals have taken and people have paid in: the rows beside the payments that bound top-ups (M3).
//!
//! A set loads the counters of the top-ups that it names, and only then; no other payment pays for them. They are never remembered
//! between sets, so that the database alone says how much is left.

use std::collections::HashMap;

use domain::payment::{CashCounters, CashTaken, Payment};
use domain::{Currency, PersonId, TerminalId};
use server_kit::store::{Keys, Load, Row, StoreError, Table, Tx};

const CASH_TAKEN: Table =
    Table { name: "cash_taken", key: &["holder"], columns: &["holder", "version", "day", "taken_minor"] };

/// The two rows that a top-up counts in, by their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holders {
    person: String,
    terminal: String,
}

impl Holders {
    pub(super) fn new(person: PersonId, terminal: &TerminalId, currency: Currency) -> Self {
        let code = currency.code();
        Self { person: format!("person/{person}/{code}"), terminal: format!("terminal/{terminal}/{code}") }
    }

    /// Those of a top-up that is there; none of any other payment.
    pub(super) fn of(payment: &Payment) -> Option<Self> {
        let person = payment.person_id.filter(|_| payment.takes_cash())?;
        Some(Self::new(person, &payment.terminal_id, payment.amount.currency))
    }
}

/// The counters of one set.
#[derive(Debug, Default)]
pub(super) struct Cash {
    rows: HashMap<String, Counted>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    taken: CashTaken,
    version: i64,
    changed: bool,
}

impl Cash {
    /// The counters that these top-ups count in, locked in the order of their keys.
    pub(super) async fn load(tx: &mut Tx, holders: Vec<Holders>) -> Result<Self, StoreError> {
        let keys: Vec<String> = holders.into_iter().flat_map(|it| [it.person, it.terminal]).collect();
        let load = Load {
            select: "SELECT holder, version, day, taken_minor FROM cash_taken WHERE holder",
            tail: " ORDER BY holder",
            lock: true,
        };
        let rows = tx.load(load, Keys::Names(keys)).await?;
        let read = |row: &Row| {
            let taken = CashTaken { day: row.int(2)?, taken_minor: row.int(3)? };
            Ok((row.text(0)?, Counted { taken, version: row.int(1)?, changed: false }))
        };
        Ok(Self { rows: rows.iter().map(read).collect::<Result<_, StoreError>>()? })
    }

    /// Lets `change` work on the counters of a top-up.
    pub(super) fn change<T>(&mut self, holders: &Holders, change: impl FnOnce(&mut CashCounters) -> T) -> T {
        let of = |key: &str| self.rows.get(key).map_or_else(CashTaken::default, |counted| counted.taken);
        let mut counters = CashCounters { person: of(&holders.person), terminal: of(&holders.terminal) };
        let done = change(&mut counters);
        for (key, taken) in [(&holders.person, counters.person), (&holders.terminal, counters.terminal)] {
            let counted = self.rows.entry(key.clone()).or_default();
            counted.changed |= counted.taken != taken;
            counted.taken = taken;
        }
        done
    }

    /// Gives free what a top-up took that has come to nothing.
    pub(super) fn settle(&mut self, before: &Payment, after: &Payment) {
        if let Some(holders) = Holders::of(before).filter(|_| !after.takes_cash()) {
            self.change(&holders, |counters| {
                counters.person.release(after);
                counters.terminal.release(after);
            });
        }
    }

    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), StoreError> {
        let changed = self.rows.into_iter().filter(|(_, counted)| counted.changed);
        let row = |(holder, counted): (String, Counted)| {
            let CashTaken { day, taken_minor } = counted.taken;
            vec![holder.into(), (counted.version + 1).into(), day.into(), taken_minor.into()]
        };
        tx.put(&CASH_TAKEN, changed.map(row).collect()).await
    }
}
