//! The operators' console (M9, ADR 31): how the whole system stands, for those who run it, in a browser.
//!
//! Pages are made on the server and do without scripts; one script keeps some of them up to date where it may run. Each is read in one bounded query or a few, shows the same command for the command line,
//! and is given as CSV and JSON, too. What they change goes through the operators' own calls, with the same roles and second persons.

mod answer;
mod approvals;
mod banks;
mod bins;
mod config;
mod dictionary;
mod doubt;
mod fees;
mod frame;
mod letters;
mod limits;
mod links;
mod live;
mod log;
mod lookups;
mod overview;
mod payments;
mod people;
mod shown;
mod sign_in;
mod sql;
mod table;
mod terminals;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::tz::TimeZone;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::Store;
use tokio_util::sync::CancellationToken;

use crate::directory::OperatorApi;
use crate::operators::Operators;
use crate::standing::Standings;

pub use config::ConsoleConfig;
use live::Live;

/// What the console is made from.
#[derive(Clone)]
pub struct ConsoleParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub operators: Operators,
    /// What is done is done by the calls that operators make.
    pub api: OperatorApi,
    /// Where the hub's days and hours are.
    pub zone: TimeZone,
    /// Who answers, of those around the hub.
    pub standings: Standings,
    /// When it is cancelled, those who watch are let go.
    pub draining: CancellationToken,
}

impl fmt::Debug for ConsoleParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleParts").finish_non_exhaustive()
    }
}

/// The console. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Inner>,
}

struct Inner {
    parts: ConsoleParts,
    config: ConsoleConfig,
    live: Live,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    sign_ins_by_address: DefaultKeyedRateLimiter<IpAddr>,
    requests: AtomicU32,
}

/// After so many requests the limits forget addresses that ask no more.
const TIDY_EVERY: u32 = 1_024;

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Inner {
    /// Whether a request from this address is one too many.
    fn asks_too_much(&self, from: &IpAddr) -> bool {
        if self.requests.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.by_address.retain_recent();
            self.sign_ins_by_address.retain_recent();
        }
        self.by_address.check_key(from).is_err()
    }
}

impl Console {
    pub fn new(parts: ConsoleParts, config: ConsoleConfig) -> Self {
        let by_address = RateLimiter::keyed(Quota::per_minute(config.requests_per_address_per_minute));
        let sign_ins_by_address = RateLimiter::keyed(Quota::per_minute(config.sign_ins_per_address_per_minute));
        let live = Live::new(config.streams);
        let requests = AtomicU32::new(0);
        Self { inner: Arc::new(Inner { parts, config, live, by_address, sign_ins_by_address, requests }) }
    }
}
