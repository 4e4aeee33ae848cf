//! What the tests of every capability stand on: an empty hub database on each engine, and callers without a network.
//!
//! SQLite is always tested, and PostgreSQL when there is one: see [`server_kit::store::testing`].

pub(crate) mod bank;
pub(crate) mod history;
pub(crate) mod lost;
pub(crate) mod past;
pub(crate) mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Reason, Timestamp};
use server_kit::clock::{Clock, SharedClock, SystemClock};
use server_kit::identity::{Principal, Role};
use server_kit::keystore::{Keyring, SharedKeyStore};
use server_kit::rng::{IdMaker, SharedRng, SystemRng};
use server_kit::store::testing::{TestDatabase, databases};
use server_kit::store::{Dialect, Owner, Store};
use server_kit::tls::Peer;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::directory::DirectoryParts;
use crate::fees::FeeParts;

/// The machine's clock, which a test may set forward and back.
#[derive(Debug, Default)]
pub(crate) struct ShiftedClock {
    ahead: AtomicI64,
}

impl ShiftedClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn set_back(&self, by: Duration) {
        self.ahead.fetch_sub(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().micros() + self.ahead.load(Ordering::SeqCst))
    }
}

/// An empty hub.
#[derive(Clone, Debug)]
pub(crate) struct TestHub {
    /// For the message of an assertion.
    pub(crate) engine: &'static str,
    pub(crate) store: Store,
    pub(crate) keys: SharedKeyStore,
    /// On PostgreSQL transactions have the server's time, whatever this clock says.
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) rng: SharedRng,
    pub(crate) ids: IdMaker,
}

impl TestHub {
    fn new(engine: &'static str, store: Store, clock: Arc<ShiftedClock>) -> Self {
        let rng = SystemRng::shared();
        let keys = Arc::new(Keyring::generate(rng.clone()).unwrap());
        let ids = IdMaker::new(clock.clone(), rng.clone());
        Self { engine, store, keys, clock, rng, ids }
    }

    pub(crate) fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    /// What a replica's directory is made from.
    pub(crate) fn directory_parts(&self, replica: &str) -> DirectoryParts {
        let (store, keys, clock, rng) = (self.store.clone(), self.keys.clone(), self.clock(), self.rng.clone());
        DirectoryParts { store, keys, clock, rng, replica: replica.to_owned() }
    }

    /// What fees are kept in; days are those of UTC.
    pub(crate) fn fee_parts(&self, owner: Arc<Owner>) -> FeeParts {
        let (store, keys, clock) = (self.store.clone(), self.keys.clone(), self.clock());
        FeeParts { store, keys, clock, owner, zone: jiff::tz::TimeZone::UTC }
    }

    /// A new id.
    pub(crate) fn id(&self) -> Uuid {
        self.ids.uuid().unwrap()
    }
}

/// Runs a test on each engine that there is, each time with a database of its own.
pub(crate) async fn on_each_engine(test: impl AsyncFn(TestHub)) {
    for database in databases().await {
        on(&database, &test).await;
    }
}

/// Runs a test on PostgreSQL, if there is one.
pub(crate) async fn on_postgres(test: impl AsyncFn(TestHub)) {
    if let Some(database) = TestDatabase::postgres().await {
        on(&database, &test).await;
    }
}

pub(crate) async fn on(database: &TestDatabase, test: &impl AsyncFn(TestHub)) {
    let clock = Arc::new(ShiftedClock::default());
    let store = database.open(&crate::migrations(), clock.clone()).await.unwrap();
    let engine = match database.dialect() {
        Dialect::Sqlite => "SQLite",
        Dialect::Postgres => "PostgreSQL",
    };
    test(TestHub::new(engine, store.clone(), clock)).await;
    store.close().await;
}

/// A request as it comes from a member of the federation.
pub(crate) fn from_member<T>(role: Role, id: &str, message: T) -> Request<T> {
    from_peer(Some(Principal::member("test", role, id).unwrap()), message)
}

/// A request as it comes over TLS without a client certificate.
pub(crate) fn from_stranger<T>(message: T) -> Request<T> {
    from_peer(None, message)
}

fn from_peer<T>(principal: Option<Principal>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let addr = SocketAddr::from(([192, 0, 2, 1], 40_000));
    request.extensions_mut().insert(Arc::new(Peer { principal, refused: None, addr }));
    request
}

/// Why a call failed; fails the test when it did not.
pub(crate) fn reason<T>(answer: Result<T, Status>) -> Reason {
    match answer {
        Ok(_) => panic!("the call was answered"),
        Err(status) => proto::reason_of(&status).unwrap_or_else(|| panic!("no reason in {status:?}")),
    }
}
