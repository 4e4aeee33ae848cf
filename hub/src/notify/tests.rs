//! The outbox on both engines, with a channel that does as it is told.

mod mail;
mod open;
mod outbox;
mod proving;
mod retries;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::notice::{ChannelKind, Field, NoticeKind, RetryPolicy, Variables};
use domain::{Currency, Money, PersonId, PhoneNumber, Timestamp};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::store::{StoreError, Value};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::channel::{Channel, Letter, Receipt, SendError, Sent};
use super::{Notice, Notices, NoticesOptions, NoticesParts, Preferences, sql};
use crate::directory::{phone_hash, seal_phone};
use crate::testing::TestHub;

pub(super) const PHONE: &str = "+8613800138000";

/// Notices that wait for nothing longer than a test does.
pub(super) fn quick() -> NoticesOptions {
    NoticesOptions {
        poll_every: Duration::from_millis(10),
        retry: RetryPolicy {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(10),
            most_tries: 4,
            ..RetryPolicy::default()
        },
        ..NoticesOptions::default()
    }
}

/// An outbox and what its workers hold on to.
pub(super) struct Office {
    pub(super) hub: TestHub,
    pub(super) notices: Notices,
    pub(super) draining: CancellationToken,
}

pub(crate) fn parts(hub: &TestHub) -> NoticesParts {
    NoticesParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        // Each outbox of a test is a replica of its own.
        replica: hub.id().to_string(),
    }
}

impl Notices {
    /// Puts preferences as they are, as if their address had been confirmed.
    pub(crate) async fn set_preferences(&self, person: PersonId, preferences: Preferences) -> Result<(), StoreError> {
        let parts = &self.inner.parts;
        let mut tx = parts.store.begin().await?;
        sql::put_preferences(&mut tx, &*parts.keys, person, &preferences).await?;
        tx.commit().await
    }
}

pub(super) fn open(hub: &TestHub, options: NoticesOptions, channels: &[ChannelKind]) -> Office {
    let (notices, _) = Notices::start(parts(hub), options, channels.to_vec());
    Office { hub: hub.clone(), notices, draining: CancellationToken::new() }
}

/// Waits until something is so, and fails the test when it never is.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(super) fn charge(person: PersonId, key: &str) -> Notice {
    let variables = Variables::new()
        .with_text(Field::Merchant, "老王面馆")
        .with_text(Field::Bank, "第一银行")
        .with_text(Field::Card, "****4821")
        .with_money(Field::Amount, Money::new(Currency::CNY, 1_250))
        .with_time(Field::Time, Timestamp::from_secs(1_772_339_400));
    let kind = NoticeKind::Charge;
    Notice { person_id: person, kind, key: format!("charge/{key}"), occurred_at: SystemClock.now(), variables }
}

pub(super) fn code(person: PersonId, key: &str, good_for: Duration) -> Notice {
    let now = SystemClock.now();
    let variables = Variables::new()
        .with_text(Field::Code, "271828")
        .with_money(Field::Amount, Money::new(Currency::CNY, 1_250))
        .with_text(Field::Merchant, "老王面馆")
        .with_time(Field::Until, now.plus(good_for));
    Notice { person_id: person, kind: NoticeKind::Code, key: format!("code/{key}"), occurred_at: now, variables }
}

impl Office {
    /// A person with a phone number, and nothing said about how to be told.
    pub(super) async fn person(&self, phone: &str) -> PersonId {
        let (keys, person) = (&*self.hub.keys, PersonId::from_uuid(self.hub.id()));
        let phone = PhoneNumber::parse(phone).unwrap();
        let sealed = seal_phone(keys, person, &phone).unwrap();
        let hash = phone_hash(keys, &phone).unwrap().to_vec();
        let sql = "INSERT INTO persons (person_id, version, phone_hash, phone_sealed, name_sealed, registered_at) \
                   VALUES ($1, 1, $2, $3, $3, 0)";
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, vec![person.uuid().into(), hash.into(), sealed.into()]).await.unwrap();
        tx.commit().await.unwrap();
        person
    }

    /// What a follower of the feed does.
    pub(super) async fn queue(&self, notices: &[Notice]) -> usize {
        let mut tx = self.hub.store.begin().await.unwrap();
        let count = self.notices.queue(&mut tx, notices).await.unwrap();
        tx.commit().await.unwrap();
        self.notices.wake();
        count
    }

    pub(super) fn work(&self, channel: &Arc<Told>) -> JoinHandle<()> {
        let (told, receipts) = mpsc::channel(16);
        *channel.receipts.lock().unwrap() = Some(told);
        tokio::spawn(self.notices.clone().deliver(channel.clone(), receipts, self.draining.clone()))
    }

    /// How many rows are in each state.
    pub(super) async fn states(&self) -> BTreeMap<String, i64> {
        let rows =
            self.hub.store.fetch("SELECT state, count(*) FROM notices GROUP BY state", Vec::new()).await.unwrap();
        rows.iter().map(|row| (row.text(0).unwrap(), row.int(1).unwrap())).collect()
    }

    pub(super) async fn count(&self, state: &str) -> i64 {
        self.states().await.get(state).copied().unwrap_or(0)
    }

    pub(super) async fn becomes(&self, state: &str, count: i64) {
        let what = format!("{count} {state} on {}", self.hub.engine);
        eventually(&what, async || self.count(state).await == count).await;
    }

    pub(super) async fn number(&self, sql: &'static str, args: Vec<Value>) -> i64 {
        self.hub.store.fetch_one(sql, args).await.unwrap().unwrap().int(0).unwrap()
    }
}

/// A channel that keeps what it was given and answers as it was told to, then always yes.
#[derive(Debug)]
pub(crate) struct Told {
    kind: ChannelKind,
    pub(crate) letters: Mutex<Vec<Letter>>,
    answers: Mutex<VecDeque<Result<Sent, SendError>>>,
    /// Answers wait for a permit.
    gate: Semaphore,
    pub(super) receipts: Mutex<Option<mpsc::Sender<Receipt>>>,
}

impl Told {
    pub(crate) fn to(kind: ChannelKind, answers: impl IntoIterator<Item = Result<Sent, SendError>>) -> Arc<Self> {
        Arc::new(Self {
            kind,
            letters: Mutex::default(),
            answers: Mutex::new(answers.into_iter().collect()),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            receipts: Mutex::default(),
        })
    }

    /// One that takes every letter and never answers.
    pub(super) fn mute(kind: ChannelKind) -> Arc<Self> {
        let told = Self::to(kind, []);
        told.gate.forget_permits(Semaphore::MAX_PERMITS);
        told
    }

    pub(crate) fn ids(&self) -> Vec<Uuid> {
        self.letters.lock().unwrap().iter().map(|letter| letter.notice_id).collect()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.letters.lock().unwrap().iter().map(|letter| letter.text.clone()).collect()
    }
}

impl Channel for Told {
    fn kind(&self) -> ChannelKind {
        self.kind
    }

    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, SendError>> {
        async {
            self.letters.lock().unwrap().push(letter.clone());
            let _permit = self.gate.acquire().await.unwrap();
            let answer = self.answers.lock().unwrap().pop_front();
            answer.unwrap_or(Ok(Sent { provider_id: None }))
        }
        .boxed()
    }
}
