//! A federation with people whose purchases banks tell of: how it is set up, and what is done to its database while it stands still.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::PersonId;
use hub::directory::fill::People;
use hub::habits::Habits;
use jiff::tz::{Offset, TimeZone, offset};
use secrecy::SecretString;
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{Owner, Store};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::banks::{self, Bank};
use super::past::{Past, Reports, one_of};
use super::{RecordsError, RecordsOptions, Size};
use crate::bench::growth::{open, postgres_urls};
use crate::bench::scene::Scene;
use crate::bench::usage::{self, Usage};
use crate::bench::{BenchOptions, ceiling, postgres};
use crate::operator::Operator;
use crate::phone::{DeviceKey, Enrolment, Phone};

/// People who are written, counted or enrolled at once.
const AT_ONCE: usize = 1_000;
const ENROLLING: usize = 32;
/// Connections over which the phones that ask are enrolled and ask.
const PHONE_CHANNELS: usize = 16;
/// Into so many parts the telling of a past is cut.
pub const PARTS: u64 = 5;
/// China has one time and no summer time, and the hub's days are those of China.
const HUB_ZONE: Offset = offset(8);
/// The hub is taken to have nothing left to do when it uses so little of a core for so long.
const QUIET: f64 = 0.05;
const LOOK: Duration = Duration::from_secs(2);
const SETTLES_WITHIN: Duration = Duration::from_secs(1_800);
/// Who writes while no hub runs.
const NAME: &str = "growth";

/// A federation with its people.
#[derive(Debug)]
pub struct World {
    pub scene: Scene,
    pub past: Past,
    banks: Vec<Bank>,
    /// People of the past with phones, each with the end of their feed.
    pub phones: Vec<(Phone, i64)>,
}

/// One part of a past as it was told.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub records: u64,
    pub elapsed: Duration,
    /// What the hub used.
    pub cpu: Duration,
    /// Empty calls a second over the connections of the banks, before it.
    pub empty_calls_per_second: f64,
}

impl World {
    /// Starts a federation on SQLite in a folder, or on new databases of a PostgreSQL server, and registers the people of a past. Those
    /// who pay are others, with accounts at banks that run.
    pub async fn open(options: &RecordsOptions, size: &Size, folder: &Path) -> Result<Self, RecordsError> {
        let server = options.postgres.as_deref();
        let bench = BenchOptions {
            span: options.span,
            payers: size.payers,
            in_flight: options.in_flight,
            terminals: options.terminals,
            stored: 0,
            postgres: options.postgres.clone(),
        };
        let scene = Scene::open(&bench, folder, server, &size.suffix()).await.map_err(Box::new)?;
        let past = Past::new(options.seed, size.records, SystemClock.now()).map_err(RecordsError::Rule)?;
        let banks = Bank::open_all(&scene.federation, &past).await?;
        let mut world = Self { scene, past, banks, phones: Vec::new() };
        world.stand_still(async |world, store, keys| world.register(store, keys).await).await?;
        Ok(world)
    }

    /// Stops the federation, does something to the hub's database, and starts it again where it listened.
    pub async fn stand_still<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self, &Store, SharedKeyStore) -> Result<T, RecordsError>,
    ) -> Result<T, RecordsError> {
        self.scene.federation.stop().await?;
        let (store, keys) = open(self.scene.federation.first_hub()?).await?;
        let done = work(self, &store, keys).await;
        store.close().await;
        // The file is owned for as long as this is there.
        drop(store);
        let done = done?;
        for url in postgres_urls(&self.scene.federation)? {
            postgres::tidy_up(&url).await?;
        }
        self.scene.federation.start_again().await?;
        Ok(done)
    }

    async fn register(&self, store: &Store, keys: SharedKeyStore) -> Result<(), RecordsError> {
        let filling = People::start(store, keys);
        let people: Vec<u64> = (0..self.past.people()).collect();
        for some in people.chunks(AT_ONCE) {
            let some = some.iter().map(|person| self.past.person(*person)).collect::<Result<Vec<_>, _>>();
            filling.add(&some.map_err(RecordsError::Rule)?).await?;
        }
        Ok(filling.finish().await?)
    }

    /// Has the banks tell of the past in parts, and then of the last hour, which is more work: people are told of it.
    pub async fn tell(&mut self, parts: u64, options: &RecordsOptions) -> Result<(Vec<Part>, Part), RecordsError> {
        let mut told = Vec::new();
        let span = options.span / u32::try_from(parts + 1).unwrap_or(1);
        for part in 1..=parts {
            told.push(self.tell_before(Reports::OVER * part / parts, options.in_flight, span).await?);
        }
        Ok((told, self.tell_before(Reports::ALL, options.in_flight, span).await?))
    }

    /// Measures empty calls over the connections of the banks, and then has them tell.
    async fn tell_before(&mut self, round: u64, in_flight: usize, span: Duration) -> Result<Part, RecordsError> {
        let channels: Vec<Channel> = self.banks.iter().map(|bank| bank.channel.clone()).collect();
        let (empty_calls_per_second, _) = ceiling::run(&channels, in_flight, span).await?;
        let (watch, before) = (Stopwatch::start(), self.hub_usage());
        let records = banks::tell_before(&mut self.banks, round).await?;
        let elapsed = watch.elapsed();
        let cpu = self.hub_usage().cpu.saturating_sub(before.cpu);
        Ok(Part { records, elapsed, cpu, empty_calls_per_second })
    }

    /// Waits until the hub has nothing left to do by itself: what follows the purchases of the last hour goes on when they are all
    /// taken in. Gives how long that took.
    pub async fn settle(&self) -> Result<Duration, RecordsError> {
        let watch = Stopwatch::start();
        loop {
            let (quiet, before) = (watch.elapsed(), self.hub_usage().cpu);
            tokio::time::sleep(LOOK).await;
            let used = self.hub_usage().cpu.saturating_sub(before);
            if used < LOOK.mul_f64(QUIET) {
                return Ok(quiet);
            }
            if quiet > SETTLES_WITHIN {
                return Err(RecordsError::Busy);
            }
        }
    }

    /// Has the banks bill; gives how many bills and how long it took.
    pub async fn bill(&mut self) -> Result<(u64, Duration), RecordsError> {
        let watch = Stopwatch::start();
        let bills = banks::bill_all(&mut self.banks, &self.past).await?;
        Ok((bills, watch.elapsed()))
    }

    /// What the hub has used so far.
    pub fn hub_usage(&self) -> Usage {
        let process = self.scene.federation.first_hub().ok().and_then(|hub| hub.process_id());
        process.and_then(usage::of).unwrap_or_default()
    }

    /// Counts the habits of everybody, as the hub does for who asks; gives how long it took.
    pub async fn count_habits(&self, store: &Store) -> Result<Duration, RecordsError> {
        let watch = Stopwatch::start();
        let owner = Arc::new(Owner::take(store, NAME, self.scene.ids.uuid()?).await?);
        let (habits, task) = Habits::start(store.clone(), owner, TimeZone::fixed(HUB_ZONE));
        let people: Vec<PersonId> = (0..self.past.people()).map(|person| self.past.person_id(person)).collect();
        for some in people.chunks(AT_ONCE) {
            let mut counting = JoinSet::new();
            for person_id in some.iter().copied() {
                let habits = habits.clone();
                counting.spawn(async move { habits.catch_up(person_id).await });
            }
            for counted in counting.join_all().await {
                counted?.map_err(RecordsError::Rule)?;
            }
        }
        drop(habits);
        task.await.map_err(|_| RecordsError::TaskEnded)?;
        Ok(watch.elapsed())
    }

    /// The ends of the feeds of those who are to have phones: people taken from all over the past.
    pub async fn feed_ends(&self, store: &Store, count: usize) -> Result<BTreeMap<u64, i64>, RecordsError> {
        let mut ends = BTreeMap::new();
        let people = self.past.people();
        let wanted = count.min(usize::try_from(people).unwrap_or(usize::MAX));
        let mut next = one_of(people, &[people]);
        while ends.len() < wanted {
            let end = hub::feed::read_last_sequence(store, self.past.person_id(next)).await?;
            ends.insert(next, end);
            // Far from the one before, and the one after it where somebody is met again.
            next = one_of(people, &[next]);
            while ends.len() < wanted && ends.contains_key(&next) {
                next = (next + 1) % people;
            }
        }
        Ok(ends)
    }

    /// Enrols phones for these people.
    pub async fn enrol(&mut self, ends: BTreeMap<u64, i64>) -> Result<(), RecordsError> {
        let federation = &self.scene.federation;
        let (operator, past) = (Arc::new(federation.operator()?), Arc::new(self.past.clone()));
        let channels = (0..PHONE_CHANNELS).map(|_| federation.phone_channel()).collect::<Result<Vec<_>, _>>()?;
        let mut people = ends.into_iter().zip(channels.iter().cycle().cloned());
        let mut enrolling = JoinSet::new();
        loop {
            while enrolling.len() < ENROLLING
                && let Some(((person, end), channel)) = people.next()
            {
                let (operator, past) = (operator.clone(), past.clone());
                enrolling.spawn(async move {
                    Ok::<_, RecordsError>((enrol(&operator, &past, person, channel).await?, end))
                });
            }
            match enrolling.join_next().await {
                Some(done) => self.phones.push(done.map_err(|_| RecordsError::TaskEnded)??),
                None => return Ok(()),
            }
        }
    }
}

async fn enrol(operator: &Operator, past: &Past, person: u64, channel: Channel) -> Result<Phone, RecordsError> {
    let found = past.person(person).map_err(RecordsError::Rule)?;
    let issued = operator.enrolment_code(found.person_id).await?;
    let enrolment = Enrolment {
        phone: found.phone,
        code: SecretString::from(issued.enrolment_code),
        transaction_password: Some(SecretString::from("246810")),
    };
    Ok(Phone::enrol(channel, DeviceKey::generate()?, &enrolment).await?)
}
