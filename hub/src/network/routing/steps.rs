//! The durable step: a link may route from now on, or may not.

use std::sync::Arc;

use domain::{OperatorId, Reason};
use server_kit::audit::{Entry, HeldChain};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Kept};

#[derive(Debug)]
pub(super) struct Set {
    pub(super) link: String,
    pub(super) allowed: bool,
    pub(super) by: OperatorId,
    /// Whether the link is configured here.
    pub(super) is_known: bool,
}

#[derive(Debug)]
pub(super) struct RoutingSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) chain: HeldChain,
}

impl StepSet for RoutingSteps {
    const NAME: &'static str = "routing-writer";

    type Step = Set;
    type Outcome = Result<(), Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Set]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut rows = sql::load(tx, steps.iter().map(|step| step.link.clone()).collect()).await?;
        let stored = rows.clone();
        let (now, mut log, mut outcomes) = (tx.now(), Vec::new(), Vec::with_capacity(steps.len()));
        for Set { link, allowed, by, is_known } in steps {
            let known = rows.get(link);
            if known.is_none() && !is_known {
                outcomes.push(Err(Reason::LinkUnknown));
                continue;
            }
            if known.is_some_and(|known| known.allowed) != *allowed {
                let version = stored.get(link).map_or(0, |stored| stored.version) + 1;
                let kept = Kept { version, allowed: *allowed, changed_at: now, changed_by: by.to_string() };
                rows.insert(link.clone(), kept);
                let kind = if *allowed { "ROUTING_ALLOWED" } else { "ROUTING_SUSPENDED" };
                log.push(Entry { kind, subject: Uuid::nil(), content: format!("link={link} by={by}") });
            }
            outcomes.push(Ok(()));
        }
        let is_changed = |(link, row): &(&String, &Kept)| stored.get(*link).map_or(0, |it| it.version) != row.version;
        sql::put(tx, rows.iter().filter(is_changed)).await?;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Set], _: &[Self::Outcome]) {
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}
