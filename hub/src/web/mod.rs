//! The self-service pages (F3, R7, C8): what a person does at a PC, with a browser and nothing else (ADR 28).
//!
//! Pages are made on the server and need no JavaScript; there is none. Every one is read through the same functions as the calls of
//! phones, and shows what the session's person has and nobody else.

mod answer;
mod bills;
mod config;
mod consents;
mod freezing;
mod limits;
mod overview;
mod page;
mod purchases;
mod sign_in;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::Store;

use crate::bills::Bills;
use crate::credit_history::CreditHistory;
use crate::directory::Directory;
use crate::freeze::Freezes;
use crate::sign_in::SignIns;
use limits::Limits;

pub use config::WebConfig;

/// What the pages are made from.
#[derive(Clone)]
pub struct WebParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub rng: SharedRng,
    pub ids: IdMaker,
    pub directory: Directory,
    pub sign_ins: SignIns,
    pub freezes: Freezes,
    pub bills: Bills,
    pub credit_history: CreditHistory,
    /// Where people's days and hours are.
    pub zone: TimeZone,
}

impl fmt::Debug for WebParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebParts").finish_non_exhaustive()
    }
}

/// The pages. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    inner: Arc<Inner>,
}

struct Inner {
    parts: WebParts,
    config: WebConfig,
    limits: Limits,
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Web {
    pub fn new(parts: WebParts, config: WebConfig) -> Self {
        let limits = Limits::new(&config);
        Self { inner: Arc::new(Inner { parts, config, limits }) }
    }
}
