//! What the outbox writes, in sets. Each step is small and comes seldom beside a payment's, so a set runs them one after the other and
//! shares the flush.

use domain::notice::{ChannelKind, Next, NoticeKind};
use domain::{DeviceId, PersonId, Reason};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{StepSet, StoreError, Tx};
use uuid::Uuid;

use super::preferences::Preferences;
use super::sql::{self, Lease, Leased, TemplatePlace, Verdict};
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
    Preferences {
        person: PersonId,
        preferences: Preferences,
    },
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
        device: DeviceId,
    },
    /// A dead letter is to be tried again.
    Requeue {
        notice: Uuid,
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
    Stored,
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct NoticeSteps {
    pub(super) keys: SharedKeyStore,
    pub(super) options: NoticesOptions,
    pub(super) channels: Vec<ChannelKind>,
}

impl StepSet for NoticeSteps {
    const NAME: &'static str = "notices-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut outcomes = Vec::with_capacity(steps.len());
        for step in steps {
            outcomes.push(self.apply(tx, step).await?);
        }
        Ok(outcomes)
    }

    fn skippable(&self, step: &Step) -> bool {
        matches!(step, Step::Lease(_))
    }

    fn wants_upkeep(&self) -> bool {
        !self.channels.is_empty()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let before = tx.now().minus(self.options.keep_for);
        sql::wipe_ended(tx).await?;
        sql::delete_done(tx, before).await
    }
}

impl NoticeSteps {
    async fn apply(&self, tx: &mut Tx, step: &Step) -> Result<Result<Done, Reason>, StoreError> {
        let keys = &*self.keys;
        Ok(Ok(match step {
            Step::Lease(lease) => Done::Leased(sql::lease(tx, lease).await?),
            Step::Tried(tried) => Done::Marked(self.mark(tx, tried).await?),
            Step::Receipt { channel, receipt } => Done::Received(sql::mark_receipt(tx, *channel, receipt).await?),
            Step::Preferences { person, preferences } => {
                sql::put_preferences(tx, keys, *person, preferences).await?;
                Done::Stored
            }
            Step::Template { place, text } => {
                sql::put_template(tx, keys, place, text.as_deref()).await?;
                Done::Stored
            }
            Step::Target { person, device, target } => {
                sql::put_target(tx, keys, *person, *device, target).await?;
                Done::Stored
            }
            Step::ForgetTarget { device } => {
                sql::delete_target(tx, device.uuid()).await?;
                Done::Stored
            }
            Step::Requeue { notice } => {
                if !sql::requeue(tx, *notice).await? {
                    return Ok(Err(Reason::NoticeUnknown));
                }
                Done::Stored
            }
        }))
    }

    /// Decides what becomes of a notice after a try, by the database's clock.
    async fn mark(&self, tx: &mut Tx, tried: &Tried) -> Result<Option<Verdict>, StoreError> {
        let Tried { notice, outcome, jitter } = tried;
        let is_code = notice.kind == NoticeKind::Code;
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
