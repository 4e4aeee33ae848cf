//! What a person's phone does at the hub: it is bound once, opens sessions with its own key, watches the feed and
//! reads the record, the bills and the reminders (R1, R7, R8, R10, S1).
//!
//! A phone has no certificate. Until it has a session it is a stranger: strangers are slowed down by address and in
//! all, get the same words whatever was wrong, and write nothing but the log of a refused enrolment.

mod asking_code;
mod enrol;
mod limits;
mod live;
mod marks;
mod opening;
mod service;
mod session;
mod sql;
mod steps;
mod telling;
#[cfg(test)]
mod tests;
pub(crate) mod wire;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{enrolment, payment};
use server_kit::audit::Chain;
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Store, WriterOptions};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::bills::Bills;
use crate::credit_history::CreditHistory;
use crate::directory::Directory;
use crate::feed::Feed;
use crate::freeze::Freezes;
use crate::habits::Habits;
use crate::notify::Notices;
use crate::offers::Offers;
use crate::payment::Approvals;
use crate::reminders::Reminders;
use crate::repayment::Repayments;
use crate::safety_code::SafetyCodes;
use crate::sign_in::SignIns;
use asking_code::AskedCode;
use limits::Limits;
use marks::Marks;
use session::Sessions;
use steps::{Phones, With};

pub use limits::StrangerLimits;

/// What the cardholder service works with.
#[derive(Clone, Debug)]
pub struct CardholderParts {
    /// The hub's database.
    pub store: Store,
    /// Hashes codes, passwords and tokens.
    pub keys: SharedKeyStore,
    /// Tells which sessions have ended.
    pub clock: SharedClock,
    /// Makes tokens and nonces.
    pub rng: SharedRng,
    /// Makes the ids of phones.
    pub ids: IdMaker,
    /// Told when a person's password changes.
    pub directory: Directory,
    /// What phones watch.
    pub feed: Feed,
    /// The name of this replica, which its audit chain carries.
    pub replica: String,
    /// What people buy again and again.
    pub habits: Habits,
    /// What they have to pay …
    pub bills: Bills,
    /// … and when they want to be reminded of it.
    pub reminders: Reminders,
    /// What waits at terminals for their answer.
    pub approvals: Approvals,
    /// What they repay, and from where.
    pub repayments: Repayments,
    /// What banks have reported of people, and who may be told.
    pub credit_history: CreditHistory,
    /// What people freeze.
    pub freezes: Freezes,
    /// By what they are known when they have no phone at hand.
    pub safety_codes: SafetyCodes,
    /// How they sign in without the app.
    pub sign_ins: SignIns,
    /// What banks offer them.
    pub offers: Offers,
    /// How people are told outside of the app.
    pub notices: Notices,
    /// How long codes by SMS are good for that enrol phones, and how many go out.
    pub codes: enrolment::Policy,
    /// How wrong transaction passwords are counted.
    pub payments: payment::Policy,
}

/// Bounds of the cardholder service.
#[derive(Clone, Copy, Debug)]
pub struct CardholderOptions {
    /// How long a session lives without a call.
    pub idle: Duration,
    /// A session is moved on at most once in this time.
    pub extend_every: Duration,
    /// How long a cached session may be believed: how late a revoked phone is refused.
    pub session_cache_ttl: Duration,
    /// How many sessions are cached.
    pub session_cache_entries: u64,
    /// How long acknowledgements wait for each other, so that they share a flush and leave the disk to payments.
    pub acknowledge_linger: Duration,
    /// How often the session of an open stream is looked up: how late the stream of a revoked phone ends.
    pub check_streams_every: Duration,
    /// How much strangers may ask.
    pub strangers: StrangerLimits,
}

impl Default for CardholderOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(5 * 60),
            extend_every: Duration::from_secs(60),
            session_cache_ttl: Duration::from_secs(5),
            session_cache_entries: 100_000,
            acknowledge_linger: Duration::from_millis(50),
            check_streams_every: Duration::from_secs(60),
            strangers: StrangerLimits::default(),
        }
    }
}

/// What phones call. Cheap to clone.
#[derive(Clone)]
pub struct CardholderApi {
    inner: Arc<Inner>,
}

struct Inner {
    parts: CardholderParts,
    options: CardholderOptions,
    writer: GroupWriter<Phones>,
    marks: Marks,
    sessions: Sessions,
    limits: Arc<Limits>,
    asked_codes: mpsc::Sender<AskedCode>,
}

impl fmt::Debug for CardholderApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardholderApi").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl CardholderApi {
    /// Starts the tasks that write on behalf of phones; they end, with all that has queued written, when the last
    /// clone is dropped.
    pub fn start(parts: CardholderParts, options: CardholderOptions) -> (Self, Vec<JoinHandle<()>>) {
        let chain = Chain::new(&format!("{}/cardholder", parts.replica), parts.keys.clone());
        let phones = Arc::new(Phones::new(chain, parts.keys.clone(), With::of(&parts)));
        let (writer, writing) = GroupWriter::start(parts.store.clone(), phones, WriterOptions::default());
        let limits = Arc::new(Limits::new(options.strangers));
        let (marks, marking) = Marks::start(writer.clone(), options.acknowledge_linger, limits.clone());
        let (asked_codes, asking) = asking_code::start(writer.clone());
        let sessions = Sessions::new(&parts, &options, marks.clone());
        let inner = Inner { parts, options, writer, marks, sessions, limits, asked_codes };
        (Self { inner: Arc::new(inner) }, vec![writing, marking, asking])
    }
}
