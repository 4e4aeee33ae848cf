//! Clearing between banks: what they owe each other after a business day, as files of ISO 20022 and back (ADR 39).
//!
//! | file | |
//! |---|---|
//! | `books` | what is owed, read of the repayments |
//! | `pacs008`, `pacs002`, `statement` | the messages; `parts` are what they have in common |
//! | `export` | files of a day that is over |
//! | `check` | somebody else's file, held against the books |
//! | `service` | the calls |
//! | `log` | the lines that operators leave |
//!
//! Invariant: nothing here moves money. What a file tells of was committed before, and what is read changes nothing.

mod books;
mod check;
mod export;
mod log;
mod pacs002;
mod pacs008;
mod parts;
mod service;
mod statement;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::Reason;
use domain::clearing::{Bic, Transfer};
use iso8583::Dialect;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, WriterOptions};
use tokio::task::JoinHandle;

use books::Day;
use log::ClearingLog;

pub use crate::xml::{Fault, NamedAt};
pub use check::{File, read};
pub use pacs002::StatusFile;
pub use pacs008::TransferFile;

/// How long after midnight a day is over: whoever decided before it has committed by then.
const GRACE: Duration = Duration::from_secs(60);
/// Octets of a piece of a file, below what a call takes.
const PIECE: usize = 48 * 1024;

/// What clearing works with.
#[derive(Clone, Debug)]
pub struct ClearingParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub zone: TimeZone,
    pub owner: Arc<Owner>,
    /// How each link of a card network writes its messages.
    pub dialects: BTreeMap<String, &'static Dialect>,
    /// Banks that have a BIC as well, by their names.
    pub bics: BTreeMap<String, Bic>,
}

/// Clearing between banks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Clearing {
    parts: Arc<ClearingParts>,
    log: GroupWriter<ClearingLog>,
}

impl Clearing {
    /// The task is the log's; it ends when the last clone is gone.
    pub fn start(parts: ClearingParts) -> (Self, JoinHandle<()>) {
        let chain = Chain::new(&format!("{}/clearing", parts.owner.name()), parts.keys.clone());
        let steps = ClearingLog { chain: HeldChain::from(chain), owner: parts.owner.clone() };
        let (log, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { parts: Arc::new(parts), log }, task)
    }

    /// A day by its name. `Err(TimeOutOfRange)`.
    fn day(&self, date: Date) -> Result<Day, Reason> {
        let next = date.tomorrow().map_err(|_| Reason::TimeOutOfRange)?;
        let start = |date| crate::zone::start_of(date, &self.parts.zone).map_err(|_| Reason::TimeOutOfRange);
        Ok(Day { date, begins: start(date)?, ends: start(next)? })
    }

    /// The banks of transfers with their BICs, where they have one.
    fn with_bics(&self, mut transfers: Vec<Transfer>) -> Vec<Transfer> {
        for transfer in &mut transfers {
            for agent in [&mut transfer.debtor_agent, &mut transfer.creditor_agent] {
                agent.bic = agent.member.as_ref().and_then(|member| self.parts.bics.get(member.as_str())).cloned();
            }
        }
        transfers
    }

    /// Whether the clock has left a day behind it.
    fn is_past(&self, day: Day) -> bool {
        self.parts.clock.now() >= day.ends.plus(GRACE)
    }
}

/// 64 bits of a hash, as what a name stands for where it has no room or no business.
fn short_hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    crate::hex::encode(digest.as_ref().get(..8).unwrap_or_default())
}
