//! The durable steps of sign-ups and numbers. They are seldom beside payments, so they run one after the other and share the flush.

use std::sync::Arc;

use domain::feed::Event;
use domain::sign_up::SignUp;
use domain::{AccountId, BankId, PersonId, Reason, SignUpId, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::fault;
use server_kit::keystore::{KeyStore, SharedKeyStore};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use tokio::sync::Notify;

use super::ask::Ask;
use super::carriers::Register;
use super::open;
use super::report::Report;
use super::sql::{self, Carrier, Stored};
use super::tell;
use crate::directory::Directory;
use crate::feed::Feed;

/// Sign-ups that are claimed at once.
pub(super) const MOST_CLAIMED: i64 = 64;

#[derive(Debug)]
pub(super) enum Step {
    /// An operator registers a carrier.
    Register(Register),
    /// A carrier asks.
    Ask(Box<Ask>),
    /// The bank is chosen, and the account gets its id, before the bank hears of it.
    Choose { id: SignUpId, account_id: AccountId },
    /// The bank has opened the account: person, number and account are bound. The id is for a person who is not known yet.
    Opened { id: SignUpId, masked: String, person_id: PersonId },
    /// The bank will never open it.
    Refused { id: SignUpId, reason: Reason },
    /// The bank follows the account: everybody is told.
    Followed { id: SignUpId },
    /// A carrier speaks of a number.
    Report(Box<Report>),
    /// Takes what is due.
    Claim,
}

impl Step {
    /// Where a test lets the hub die around this step's commit.
    const fn durable_point(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Ask(_) => Some(("sign_up.asked.before", "sign_up.asked.after")),
            Self::Choose { .. } => Some(("sign_up.opening.before", "sign_up.opening.after")),
            Self::Opened { .. } => Some(("sign_up.bound.before", "sign_up.bound.after")),
            Self::Refused { .. } => Some(("sign_up.refused.before", "sign_up.refused.after")),
            Self::Followed { .. } => Some(("sign_up.told.before", "sign_up.told.after")),
            Self::Report(_) => Some(("number.before", "number.after")),
            Self::Register(_) | Self::Claim => None,
        }
    }
}

/// What was done.
#[derive(Debug)]
pub(super) enum Done {
    Carrier(Box<Carrier>),
    /// The sign-up as it stands.
    SignUp(Box<SignUp>),
    /// How often the number has changed.
    Reported(i64),
    Claimed(Vec<SignUp>),
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) done: Result<Done, Reason>,
    events: Vec<Arc<Event>>,
    changed: Changed,
}

/// Of whom something has changed that payments keep in memory.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) persons: Vec<PersonId>,
    pub(super) phones: Vec<[[u8; 32]; 2]>,
}

/// What a step works with.
pub(super) struct Work<'w> {
    pub(super) tx: &'w mut Tx,
    pub(super) keys: &'w dyn KeyStore,
    pub(super) now: Timestamp,
    pub(super) log: Vec<Entry>,
    pub(super) events: Vec<Arc<Event>>,
    pub(super) changed: Changed,
}

impl Work<'_> {
    /// Writes a sign-up that has moved, with its line in the log. Nothing of who it is stands there.
    pub(super) async fn moved(&mut self, stored: &Stored) -> Result<(), StoreError> {
        sql::write(self.tx, stored).await?;
        self.log.push(log_entry(&stored.sign_up));
        Ok(())
    }

    /// The sequence of the next answer to a carrier, which is taken by it.
    pub(super) async fn next_answer(&mut self, sign_up: &SignUp) -> Result<i64, StoreError> {
        let carrier = sql::load_carrier(self.tx, &sign_up.carrier_id).await?;
        let mut carrier = carrier.ok_or_else(|| StoreError::Refused("a sign-up has no carrier".to_owned()))?;
        carrier.last_answer = carrier.last_answer.saturating_add(1);
        sql::put_carrier(self.tx, &carrier).await?;
        Ok(carrier.last_answer)
    }

    /// Ends a sign-up that comes to nothing. Who it was is not kept.
    pub(super) async fn refuse(&mut self, mut stored: Stored, reason: Reason) -> Result<SignUp, StoreError> {
        let answer = self.next_answer(&stored.sign_up).await?;
        if stored.sign_up.refuse(reason, answer, self.now) {
            stored.sealed = None;
            self.moved(&stored).await?;
        }
        Ok(stored.sign_up)
    }
}

/// The steps' surroundings.
#[derive(Debug)]
pub(super) struct SignUpSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) directory: Directory,
    pub(super) decided: Arc<Notify>,
}

impl StepSet for SignUpSteps {
    const NAME: &'static str = "sign-ups-writer";

    type Step = Step;
    type Outcome = Outcome;

    // Sign-ups are locked before carriers, these before numbers, and people's feeds last.
    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let (now, keys) = (tx.now(), &*self.keys);
        let (log, events, changed) = (Vec::new(), Vec::new(), Changed::default());
        let mut work = Work { tx, keys, now, log, events, changed };
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            let done = apply(&mut work, step).await?;
            // The next step reads what this one has written.
            work.tx.flush().await?;
            let (events, changed) = (std::mem::take(&mut work.events), std::mem::take(&mut work.changed));
            outcomes.push(Outcome { done, events, changed });
        }
        let Work { tx, log, .. } = work;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = outcomes.iter().flat_map(|it| &it.events).cloned().collect();
        self.feed.hand_on(tx, &told).await?;
        for (before, _) in steps.iter().filter_map(Step::durable_point) {
            fault::point(before);
        }
        Ok(outcomes)
    }

    fn committed(&self, steps: &[Step], outcomes: &[Outcome]) {
        self.chain.confirm();
        for (_, after) in steps.iter().filter_map(Step::durable_point) {
            fault::point(after);
        }
        for outcome in outcomes {
            outcome.changed.phones.iter().for_each(|hashes| self.directory.forget_phone(hashes));
            outcome.changed.persons.iter().for_each(|person| self.directory.forget_payer(*person));
            self.feed.publish(&outcome.events);
        }
        self.decided.notify_waiters();
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

async fn apply(work: &mut Work<'_>, step: &Step) -> Result<Result<Done, Reason>, StoreError> {
    let sign_up = match step {
        Step::Register(register) => return register.apply(work).await,
        Step::Report(report) => return report.apply(work).await,
        Step::Claim => return Ok(Ok(Done::Claimed(claim(work).await?))),
        Step::Ask(ask) => ask.apply(work).await?,
        Step::Choose { id, account_id } => open::choose(work, *id, *account_id).await?,
        Step::Opened { id, masked, person_id } => open::bind(work, *id, masked, *person_id).await?,
        Step::Refused { id, reason } => open::refuse(work, *id, *reason).await?,
        Step::Followed { id } => tell::tell(work, *id).await?,
    };
    Ok(sign_up.map(|sign_up| Done::SignUp(Box::new(sign_up))))
}

/// Takes what is due and puts it off, so that no other replica takes it meanwhile.
async fn claim(work: &mut Work<'_>) -> Result<Vec<SignUp>, StoreError> {
    let mut claimed = Vec::new();
    for mut stored in sql::claim_due(work.tx, MOST_CLAIMED).await? {
        stored.sign_up.defer(work.now);
        sql::write(work.tx, &stored).await?;
        claimed.push(stored.sign_up);
    }
    Ok(claimed)
}

fn log_entry(sign_up: &SignUp) -> Entry {
    let mut content = format!("sign_up carrier={} state={}", sign_up.carrier_id, sign_up.state.name());
    if let Some((bank, account)) = &sign_up.account {
        content.push_str(&said_of(bank, *account));
    }
    if let Some((person, masked)) = &sign_up.bound {
        content.push_str(&format!(" person={person} number={masked}"));
    }
    if let Some(reason) = sign_up.refusal {
        content.push_str(&format!(" reason={}", reason.code()));
    }
    Entry { kind: "sign_up.changed", subject: sign_up.id.uuid(), content }
}

fn said_of(bank: &BankId, account: AccountId) -> String {
    format!(" bank={bank} account={account}")
}
