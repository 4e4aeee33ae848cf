//! The durable steps of errands. They are seldom, so they run one after the other and share the flush.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use domain::errand::{Attempt, Errand, ErrandKind, Known, NewErrand, Proof};
use domain::feed::{Event, EventKind};
use domain::payment::PayerGuard;
use domain::safety_code::SafetyCode;
use domain::{AttemptId, ErrandId, OneTimeCode, PersonId, Reason, TerminalId, Timestamp, TransactionPassword};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyError, KeyName, KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Stored};
use super::words;
use crate::directory::{password_mac, password_matches};
use crate::feed::{Feed, Feeds};
use crate::freeze::load_guard;
use crate::safety_code::{self, Claim};

/// Which sort of code it is, so that no other one is good in its place.
const ERRAND: &[u8] = b"errand";

#[derive(Debug)]
pub(super) enum Step {
    /// An errand is taken in, and its code goes out; or it is refused.
    Begin(Box<Begin>),
    /// Code and password are evaluated, and the errand is done if they are right.
    Prove(Box<Prove>),
}

/// A new errand with the code that goes to the phone.
pub(super) struct Begin {
    pub(super) new: NewErrand,
    pub(super) code: OneTimeCode,
    pub(super) sealed: Vec<u8>,
}

impl fmt::Debug for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin").field("errand", &self.new.id).finish_non_exhaustive()
    }
}

/// What the person knows beside the code.
pub(super) enum Secret {
    Password(TransactionPassword),
    SafetyCode(SafetyCode),
}

/// A try, as it was typed.
pub(super) struct Prove {
    pub(super) errand: ErrandId,
    pub(super) attempt: AttemptId,
    pub(super) terminal: TerminalId,
    pub(super) code: OneTimeCode,
    pub(super) known: Option<Secret>,
    pub(super) new_password: Option<TransactionPassword>,
}

impl fmt::Debug for Prove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prove").field("errand", &self.errand).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Outcome {
    /// The errand afterwards, or why nothing was changed.
    pub(super) errand: Result<Errand, Reason>,
    events: Vec<Arc<Event>>,
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct ErrandSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: domain::payment::Policy,
    pub(super) safety: domain::safety_code::Policy,
}

/// What a set works with.
struct Work<'w> {
    tx: &'w mut Tx,
    log: Vec<Entry>,
    events: Vec<Arc<Event>>,
}

/// The keyed hash of a code, bound to the errand, to what it does and where, and to the epoch of the number.
pub(super) fn code_mac(
    keys: &dyn KeyStore,
    code: &OneTimeCode,
    bound: (ErrandId, ErrandKind, &TerminalId, i64),
) -> Result<[u8; 32], KeyError> {
    let (id, kind, terminal, epoch) = bound;
    keys.mac(KeyName::OneTimeCode, &code_parts(code, &(id.uuid(), kind, terminal, epoch.to_be_bytes())))
}

type Bound<'b> = (Uuid, ErrandKind, &'b TerminalId, [u8; 8]);

fn code_parts<'p>(code: &'p OneTimeCode, bound: &'p Bound<'_>) -> [&'p [u8]; 6] {
    let (id, kind, terminal, epoch) = bound;
    let parts = [kind.as_str().as_bytes(), terminal.as_str().as_bytes()];
    [ERRAND, id.as_bytes(), parts[0], parts[1], epoch.as_slice(), code.reveal().as_bytes()]
}

impl StepSet for ErrandSteps {
    const NAME: &'static str = "errands-writer";

    type Step = Step;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut work = Work { tx, log: Vec::new(), events: Vec::new() };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let errand = match step {
                Step::Begin(begin) => self.begin(&mut work, begin).await?,
                Step::Prove(prove) => self.prove(&mut work, prove).await?,
            };
            outcomes.push(Outcome { errand, events: std::mem::take(&mut work.events) });
        }
        let Work { tx, log, .. } = work;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        points(steps).for_each(|[before, _]| fault::point(before));
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        points(steps).for_each(|[_, after]| fault::point(after));
        for outcome in outcomes {
            self.feed.publish(&outcome.events);
        }
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn recovered(&self) {
        self.feed.wake_all();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

fn points(steps: &[Step]) -> impl Iterator<Item = [&'static str; 2]> {
    steps.iter().map(|step| match step {
        Step::Begin(_) => ["errand.begin.before", "errand.begin.after"],
        Step::Prove(_) => ["errand.prove.before", "errand.prove.after"],
    })
}

impl ErrandSteps {
    async fn begin(&self, work: &mut Work<'_>, begin: &Begin) -> Result<Result<Errand, Reason>, StoreError> {
        let new = &begin.new;
        let person = Person::lock(work.tx, new.person_id).await?;
        if let Some(Stored { errand, .. }) = sql::load(work.tx, new.id).await? {
            return Ok(errand.same_request(&new.terminal.id, &new.fingerprint).map(|()| errand));
        }
        let mut guard = person.guard.clone();
        let now = work.tx.now();
        let errand = Errand::create(new.clone(), guard.as_mut(), person.known, now, &self.policy);
        person.count(work.tx, guard.as_ref()).await?;
        if let (Some(person_id), Some(challenge)) = (errand.person_id, &errand.challenge) {
            let mut feeds = Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
            let kind = EventKind::ErrandCode {
                errand_id: errand.id,
                errand: errand.kind,
                code: Some(begin.code.clone()),
                merchant: errand.seller.merchant.clone(),
                expires_at: challenge.expires_at,
            };
            work.events.extend(feeds.tell_errand_code(person_id, kind, &errand.seller, begin.sealed.clone(), now));
            feeds.write(work.tx).await?;
        }
        self.write(work, Stored { errand, version: 0 }).await.map(Ok)
    }

    async fn prove(&self, work: &mut Work<'_>, prove: &Prove) -> Result<Result<Errand, Reason>, StoreError> {
        let Some(found) = sql::load(work.tx, prove.errand).await? else { return Ok(Err(Reason::ErrandUnknown)) };
        let person = Person::lock(work.tx, found.errand.person_id).await?;
        // Read again with the person's row locked: whoever held it may have taken a try in.
        let Some(Stored { mut errand, version }) = sql::load(work.tx, prove.errand).await? else {
            return Err(StoreError::Conflict);
        };
        let (Some(person_id), Some(mut guard)) = (errand.person_id, person.guard.clone()) else {
            return Ok(errand.owned_by(&prove.terminal).map(|_| ()).and(Err(Reason::ErrandDecided)));
        };
        let proof = self.compare(work, &errand, prove, &person).await?;
        let attempt = Attempt { id: prove.attempt, terminal_id: prove.terminal.clone(), proof };
        let before = errand.clone();
        let done = match errand.prove(&attempt, &mut guard, person.known, work.tx.now(), &self.policy) {
            Ok(done) => done,
            Err(reason) => return Ok(Err(reason)),
        };
        if errand == before {
            return Ok(Ok(errand));
        }
        person.count(work.tx, Some(&guard)).await?;
        if done {
            self.carry_out(work, &errand, prove, &person).await?;
            let mut feeds = Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
            work.events.extend(feeds.tell_news(person_id, words::done(&errand), work.tx.now()));
            feeds.write(work.tx).await?;
        }
        self.write(work, Stored { errand, version }).await.map(Ok)
    }

    /// Compares what was typed in constant time. The safety code is looked at only with the right code: it has counters of its own, which
    /// nobody without the phone is to run full.
    async fn compare(
        &self,
        work: &mut Work<'_>,
        errand: &Errand,
        prove: &Prove,
        person: &Person,
    ) -> Result<Proof, StoreError> {
        let challenge = errand.challenge.as_ref();
        let stored = challenge.map_or([0; 32], |challenge| challenge.code_mac);
        let epoch = challenge.map_or(0, |challenge| challenge.epoch).to_be_bytes();
        let bound = (errand.id.uuid(), errand.kind, &errand.terminal_id, epoch);
        let code_matches = self.keys.mac_matches(KeyName::OneTimeCode, &code_parts(&prove.code, &bound), &stored)?;
        let now = work.tx.now();
        let is_new = errand.terminal_id == prove.terminal && !errand.attempts.contains(&prove.attempt);
        let is_looked_at = is_new && !errand.has_expired(now) && !person.is_blocked(now);
        let known_matches = match (&prove.known, errand.person_id) {
            (None, _) => !errand.kind.takes_known(),
            (Some(Secret::Password(password)), Some(person_id)) => {
                password_matches(&*self.keys, &person_id, password.reveal(), &person.password).map_err(refused)?
            }
            (Some(Secret::SafetyCode(code)), Some(person_id)) if code_matches && is_looked_at => {
                self.knows_safety_code(work, errand, person_id, code).await?
            }
            _ => false,
        };
        Ok(Proof { code_matches, known_matches })
    }

    async fn knows_safety_code(
        &self,
        work: &mut Work<'_>,
        errand: &Errand,
        person_id: PersonId,
        code: &SafetyCode,
    ) -> Result<bool, StoreError> {
        let by = format!("terminal/{}", errand.terminal_id);
        let claim = Claim { person_id, code: code.clone(), by };
        let mut feeds = Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
        let proved = safety_code::prove(work.tx, (&*self.keys, &self.safety), &mut feeds, &claim).await?;
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        work.log.extend(proved.log);
        work.events.extend(proved.told);
        Ok(proved.answer.is_ok())
    }

    /// Does what the errand is for, in the transaction that spends its code.
    async fn carry_out(
        &self,
        work: &mut Work<'_>,
        errand: &Errand,
        prove: &Prove,
        person: &Person,
    ) -> Result<(), StoreError> {
        let Some(person_id) = errand.person_id else { return Ok(()) };
        match (errand.kind, &prove.new_password) {
            (ErrandKind::Activate, _) => sql::activate(work.tx, person_id).await.map(|_| ()),
            (_, Some(password)) => {
                let mac = password_mac(&*self.keys, &person_id, password.reveal()).map_err(refused)?;
                sql::set_password(work.tx, person_id, person.version, &mac).await
            }
            (_, None) => Err(StoreError::Refused("an errand without the password that it takes".to_owned())),
        }
    }

    async fn write(&self, work: &mut Work<'_>, stored: Stored) -> Result<Errand, StoreError> {
        sql::put(work.tx, &stored).await?;
        work.tx.flush().await?;
        let errand = stored.errand;
        let kind = match errand.state {
            domain::errand::State::Waiting => "errand.waiting",
            domain::errand::State::Done => "errand.done",
            domain::errand::State::Refused => "errand.refused",
        };
        let mut content = format!("kind={} terminal={}", errand.kind.as_str(), errand.terminal_id);
        if let Some(person_id) = errand.person_id {
            content.push_str(&format!(" person={person_id} tries={}", errand.attempts.len()));
        }
        if let Some(reason) = errand.refusal {
            content.push_str(&format!(" reason={}", reason.code()));
        }
        work.log.push(Entry { kind, subject: errand.id.uuid(), content });
        Ok(errand)
    }
}

fn refused(error: crate::directory::SecretError) -> StoreError {
    StoreError::Refused(format!("a password cannot be kept or compared: {error}"))
}

/// Somebody whom an errand is about, whose row of counters is locked.
struct Person {
    guard: Option<PayerGuard>,
    /// The keyed hash of the transaction password; empty when none is set.
    password: Vec<u8>,
    known: Known,
    /// That of the person's own row.
    version: i64,
}

impl Person {
    async fn lock(tx: &mut Tx, person_id: Option<PersonId>) -> Result<Self, StoreError> {
        let nobody = Self { guard: None, password: Vec::new(), known: Known::default(), version: 0 };
        let Some(person_id) = person_id else { return Ok(nobody) };
        let Some((guard, password)) = load_guard(tx, person_id).await? else { return Ok(nobody) };
        let (known, version) = sql::known(tx, person_id).await?;
        Ok(Self { guard: Some(guard), password, known, version })
    }

    fn is_blocked(&self, now: Timestamp) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.is_blocked(now))
    }

    /// Writes what was counted, if anything was.
    async fn count(&self, tx: &mut Tx, after: Option<&PayerGuard>) -> Result<(), StoreError> {
        match after {
            Some(after) if self.guard.as_ref() != Some(after) => sql::count(tx, after).await,
            _ => Ok(()),
        }
    }
}
