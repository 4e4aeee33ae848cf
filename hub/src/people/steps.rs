//! The durable step of a look-up. It is seldom, so look-ups run one after the other and share the flush.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::feed::{Event, News, Topic};
use domain::operator::{PersonLookupPolicy, PersonPurpose, Role};
use domain::text::Line;
use domain::{OperatorId, PersonId, Reason};
use server_kit::audit::{Entry, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql;
use crate::directory::join::{has_name, holder};
use crate::feed::{Feed, Feeds};

/// How long the same look-up is answered again: an answer may be lost.
const REPEATED_WITHIN: Duration = Duration::from_secs(600);

/// Whom an operator looks up.
pub(super) enum Sought {
    Person(PersonId),
    /// Whoever has the number with this keyed hash.
    Number([[u8; 32]; 2]),
}

/// A look-up.
pub(super) struct LookUp {
    pub(super) id: Uuid,
    pub(super) operator: OperatorId,
    pub(super) role: Role,
    pub(super) sought: Sought,
    pub(super) name: Option<Line>,
    pub(super) purpose: PersonPurpose,
    pub(super) why: Line,
    /// Of all that was asked.
    pub(super) fingerprint: [u8; 32],
}

impl fmt::Debug for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookUp").field("id", &self.id).field("operator", &self.operator).finish_non_exhaustive()
    }
}

/// Who was found, if anybody was, and how many look-ups are left for today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) person_id: Option<PersonId>,
    pub(super) left: u32,
}

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) found: Result<Found, Reason>,
    told: Option<Arc<Event>>,
}

/// The step's surroundings.
#[derive(Debug)]
pub(super) struct PeopleSteps {
    pub(super) chain: HeldChain,
    pub(super) owner: Arc<Owner>,
    pub(super) feed: Feed,
    pub(super) keys: SharedKeyStore,
    pub(super) policy: PersonLookupPolicy,
}

impl StepSet for PeopleSteps {
    const NAME: &'static str = "people-writer";

    type Step = LookUp;
    type Outcome = Outcome;

    async fn run(&self, tx: &mut Tx, steps: &[LookUp]) -> Result<Vec<Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut log = Vec::new();
        let mut outcomes = Vec::with_capacity(steps.len());
        sql::forget_old(tx).await?;
        // All at once, so that whoever has several people locked has locked them in the same order.
        let mut sought = Vec::with_capacity(steps.len());
        for step in steps {
            sought.push(self.sought(tx, step).await?);
        }
        // The people's rows are locked first, as in every step that has one.
        let mut feeds = Feeds::load(tx, sought.iter().flatten().copied().collect::<BTreeSet<_>>()).await?;
        for (step, person_id) in steps.iter().zip(sought) {
            outcomes.push(self.look_up(tx, (&mut feeds, &mut log), (step, person_id)).await?);
        }
        feeds.write(tx).await?;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        let told: Vec<Arc<Event>> = outcomes.iter().filter_map(|it| it.told.clone()).collect();
        self.feed.hand_on(tx, &told).await?;
        Ok(outcomes)
    }

    fn committed(&self, _: &[LookUp], outcomes: &[Outcome]) {
        self.chain.confirm();
        let told: Vec<Arc<Event>> = outcomes.iter().filter_map(|it| it.told.clone()).collect();
        self.feed.publish(&told);
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

impl PeopleSteps {
    async fn look_up(
        &self,
        tx: &mut Tx,
        (feeds, log): (&mut Feeds, &mut Vec<Entry>),
        (step, person_id): (&LookUp, Option<PersonId>),
    ) -> Result<Outcome, StoreError> {
        let refused = |reason| Ok(Outcome { found: Err(reason), told: None });
        let mut today = sql::load_day(tx, &step.operator).await?;
        if let Some(before) = sql::find_lookup(tx, step.id).await? {
            // What is shown is how things stand now, so that a look-up is one only for as long as an answer may have been lost.
            let is_late = tx.now().since(before.looked_up_at) > REPEATED_WITHIN;
            if is_late || before.operator_id != step.operator || before.fingerprint != step.fingerprint {
                return refused(Reason::IdTaken);
            }
            let left = self.policy.take(step.role, today.looked_up.saturating_sub(1)).unwrap_or(0);
            return Ok(Outcome { found: Ok(Found { person_id: before.person_id, left }), told: None });
        }
        let left = match self.policy.take(step.role, today.looked_up) {
            Ok(left) => left,
            Err(reason) => {
                log.push(entry("PERSON_LOOKUP_REFUSED", None, step, reason.code()));
                return refused(reason);
            }
        };
        today.looked_up = today.looked_up.saturating_add(1);
        today.version += 1;
        sql::put_day(tx, &step.operator, &today).await?;
        sql::insert_lookup(tx, step, person_id).await?;
        let told = person_id.and_then(|person_id| feeds.tell_news(person_id, news(step), tx.now()));
        tx.flush().await?;
        log.push(entry("PERSON_LOOKED_UP", person_id, step, if person_id.is_some() { "FOUND" } else { "NOBODY" }));
        Ok(Outcome { found: Ok(Found { person_id, left }), told })
    }

    /// Who it is; nobody, when the name is another one.
    async fn sought(&self, tx: &mut Tx, step: &LookUp) -> Result<Option<PersonId>, StoreError> {
        let person_id = match &step.sought {
            Sought::Person(person_id) => sql::is_person(tx, *person_id).await?.then_some(*person_id),
            Sought::Number(phone_hashes) => holder(tx, phone_hashes).await?,
        };
        let (Some(person_id), Some(name)) = (person_id, &step.name) else { return Ok(person_id) };
        Ok(has_name(tx, &*self.keys, person_id, name).await?.then_some(person_id))
    }
}

fn entry(kind: &'static str, person_id: Option<PersonId>, step: &LookUp, outcome: &str) -> Entry {
    let by = match step.sought {
        Sought::Person(_) => "id",
        Sought::Number(_) => "number",
    };
    let (operator, purpose, why) = (&step.operator, step.purpose.as_str(), &step.why);
    let content =
        format!("by={operator} lookup={} sought_by={by} purpose={purpose} outcome={outcome} why={why}", step.id);
    Entry { kind, subject: person_id.map_or(Uuid::nil(), PersonId::uuid), content }
}

/// What the person is told: who looked, and what for.
fn news(step: &LookUp) -> News {
    let (operator, (english, chinese)) = (&step.operator, step.purpose.words());
    News {
        topic: Topic::Inquiry,
        subject: step.id,
        english: format!("{operator}, who operates bankhub, has looked you up, for {english}."),
        chinese: format!("平台操作员{operator}查询了您的资料，用途：{chinese}。"),
    }
}
