//! What the outbox writes, in sets. Each step is small and comes seldom beside a payment's, so a set runs them one after the other and
//! shares the flush.

use domain::notice::{ChannelKind, Next};
use domain::{DeviceId, PersonId, Reason};
use server_kit::audit::{Entry, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Lease, Leased, TemplatePlace, Verdict};
use super::standing::{Confirm, Prefer, Standing};
use super::{NoticesOptions, PushTarget, Receipt, SendError};

#[derive(Debug)]
pub(super) enum Step {
    /// A worker takes what is due.
    Lease(Lease),
    /// A try is over.
    Tried(Tried),
    Receipt {
        channel: ChannelKind,
        receipt: Receipt,
    },
    Prefer(Box<Prefer>),
    Confirm(Confirm),
    Template {
        place: TemplatePlace,
        text: Option<String>,
    },
    Target {
        person: PersonId,
        device: DeviceId,
        target: PushTarget,
    },
    ForgetTarget {
        person: PersonId,
        device: DeviceId,
    },
    /// An operator has a dead letter tried again.
    Requeue {
        notice: Uuid,
        by: String,
    },
}

/// How a try of a leased notice went.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) notice: Leased,
    pub(super) outcome: Outcome,
    /// Spreads the next try.
    pub(super) jitter: u8,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Sent {
        provider_id: Option<String>,
    },
    Failed(SendError),
    /// It is not sent at all, and why.
    Dropped(&'static str),
}

/// How a step went.
#[derive(Debug)]
pub(super) enum Done {
    Leased(Vec<Leased>),
    /// What became of a notice; none when somebody else had it by then.
    Marked(Option<Verdict>),
    /// Whether the receipt was about something that is known.
    Received(bool),
    /// How a person is told from now on.
    Stands(Box<Standing>),
    Stored,
}

/// The writer's side.
pub(super) struct NoticeSteps {
    pub(super) keys: SharedKeyStore,
    pub(super) options: NoticesOptions,
    pub(super) channels: Vec<ChannelKind>,
    /// What people and operators have changed. What the workers do stands in the rows.
    pub(super) chain: HeldChain,
}

impl StepSet for NoticeSteps {
    const NAME: &'static str = "notices-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut log: Vec<Entry> = Vec::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(self.apply(tx, &mut log, step).await?);
        }
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        Ok(outcomes)
    }

    // The writer calls these between two sets, when nobody holds the chain.
    fn committed(&self, _: &[Step], _: &[Self::Outcome]) {
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn skippable(&self, step: &Step) -> bool {
        matches!(step, Step::Lease(_))
    }

    fn wants_upkeep(&self) -> bool {
        !self.channels.is_empty() || self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let before = tx.now().minus(self.options.keep_for);
        sql::wipe_ended(tx).await?;
        sql::delete_done(tx, before).await?;
        self.chain.seal(tx).await
    }
}

impl NoticeSteps {
    async fn apply(&self, tx: &mut Tx, log: &mut Vec<Entry>, step: &Step) -> Result<Result<Done, Reason>, StoreError> {
        let keys = &*self.keys;
        Ok(Ok(match step {
            Step::Lease(lease) => Done::Leased(sql::lease(tx, lease).await?),
            Step::Tried(tried) => Done::Marked(self.mark(tx, tried).await?),
            Step::Receipt { channel, receipt } => Done::Received(sql::mark_receipt(tx, *channel, receipt).await?),
            Step::Prefer(prefer) => return prefer.apply(tx, log, keys, &self.channels).await,
            Step::Confirm(confirm) => return confirm.apply(tx, log, keys).await,
            Step::Template { place, text } => {
                sql::put_template(tx, keys, place, text.as_deref()).await?;
                let TemplatePlace { person, kind, language, channel } = place;
                let words = if text.is_some() { "own" } else { "usual" };
                let place = format!("kind={} language={} channel={}", kind.name(), language.name(), channel.name());
                log.push(entry("TEMPLATE_SET", *person, format!("{place} words={words}")));
                Done::Stored
            }
            Step::Target { person, device, target } => {
                sql::put_target(tx, keys, *person, *device, target).await?;
                log.push(entry("PUSH_REGISTERED", *person, format!("device={device} vendor={}", target.vendor.name())));
                Done::Stored
            }
            Step::ForgetTarget { person, device } => {
                sql::delete_target(tx, device.uuid()).await?;
                log.push(entry("PUSH_FORGOTTEN", *person, format!("device={device}")));
                Done::Stored
            }
            Step::Requeue { notice, by } => {
                let Some(person) = sql::requeue(tx, *notice).await? else {
                    return Ok(Err(Reason::NoticeUnknown));
                };
                log.push(entry("NOTICE_RETRIED", person, format!("notice={notice} by={by}")));
                Done::Stored
            }
        }))
    }

    /// Decides what becomes of a notice after a try, by the database's clock.
    async fn mark(&self, tx: &mut Tx, tried: &Tried) -> Result<Option<Verdict>, StoreError> {
        let Tried { notice, outcome, jitter } = tried;
        let is_code = notice.kind.has_code();
        let verdict = match outcome {
            Outcome::Sent { provider_id } => Verdict::Sent { provider_id: provider_id.clone() },
            Outcome::Dropped(why) => Verdict::Dead { tries: notice.tries, error: (*why).to_owned(), wipe: is_code },
            Outcome::Failed(error) => {
                let tried = notice.tried(!matches!(error, SendError::Away { .. }));
                let tries = i64::from(tried.tries);
                let code = error.code();
                match self.options.retry.after(error.failure(), tried, tx.now(), *jitter) {
                    Next::Again(due_at) => Verdict::Again { due_at, tries, error: code.to_owned() },
                    Next::Dead("REFUSED") => Verdict::Dead { tries, error: code.to_owned(), wipe: false },
                    Next::Dead(why) => Verdict::Dead { tries, error: format!("{why} {code}"), wipe: is_code },
                }
            }
        };
        if let (Outcome::Failed(SendError::Gone { .. }), Some(device)) = (outcome, notice.device_id) {
            sql::delete_target(tx, device).await?;
        }
        let was_its = sql::mark(tx, notice.notice_id, notice.owner, &verdict, notice.kind).await?;
        Ok(was_its.then_some(verdict))
    }
}

/// A line of the log about a person.
pub(super) fn entry(kind: &'static str, person: PersonId, content: String) -> Entry {
    Entry { kind, subject: person.uuid(), content }
}
