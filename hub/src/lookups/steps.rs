//! The durable steps of look-up budgets: a replica draws a part of one, and an operator fills one up.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use domain::lookup::{Bucket, Costs, Rate};
use domain::{Reason, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::store::{StepSet, StoreError, Tx};
use uuid::Uuid;

use super::Budget;
use super::sql::{self, Kept};

#[derive(Debug)]
pub(super) enum Step {
    /// Run again after a commit whose outcome was not known it draws once more: then tokens are lost, and none are gained.
    Draw { budget: Budget, rate: Rate, costs: Costs },
    /// Fills a budget up. Run again it fills a full one.
    Fill { budget: Budget, by: String },
}

/// What came of a step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Done {
    /// So many tokens are the replica's.
    Drawn(u32),
    /// There are too few, and enough not before so long.
    Dry(Duration),
    Filled,
}

impl Step {
    const fn budget(&self) -> &Budget {
        match self {
            Self::Draw { budget, .. } | Self::Fill { budget, .. } => budget,
        }
    }
}

#[derive(Debug)]
pub(super) struct LookupSteps {
    pub(super) chain: HeldChain,
}

impl StepSet for LookupSteps {
    const NAME: &'static str = "lookups-writer";

    type Step = Step;
    type Outcome = Result<Done, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        let mut book = Book {
            now: tx.now(),
            rows: sql::load(tx, steps.iter().map(|step| step.budget().to_string()).collect()).await?,
            changed: BTreeSet::new(),
            log: Vec::new(),
        };
        let outcomes = steps.iter().map(|step| book.decide(step)).collect();
        sql::put(tx, book.changed.iter().filter_map(|name| book.rows.get(name))).await?;
        if !book.log.is_empty() {
            self.chain.append(tx, book.log).await?;
        }
        Ok(outcomes)
    }

    fn committed(&self, _: &[Step], _: &[Self::Outcome]) {
        self.chain.confirm();
    }

    fn dropped(&self, _: &StoreError) {
        self.chain.forget();
    }

    fn wants_upkeep(&self) -> bool {
        self.chain.is_unsealed()
    }

    async fn upkeep(&self, tx: &mut Tx) -> Result<(), StoreError> {
        self.chain.seal(tx).await
    }
}

/// The budgets that a set names.
struct Book {
    now: Timestamp,
    rows: HashMap<String, Kept>,
    changed: BTreeSet<String>,
    log: Vec<Entry>,
}

impl Book {
    fn decide(&mut self, step: &Step) -> Result<Done, Reason> {
        match step {
            Step::Draw { budget, rate, costs } => Ok(self.draw(budget, *rate, *costs)),
            Step::Fill { budget, by } => {
                let name = budget.to_string();
                let kept = self.rows.get_mut(&name).ok_or(Reason::LookupBudgetUnknown)?;
                (kept.bucket, kept.dry_since) = (Bucket::full(self.now), None);
                self.changed.insert(name);
                self.log.push(entry("LOOKUPS_FILLED", format!("{} by={by}", budget.words())));
                Ok(Done::Filled)
            }
        }
    }

    fn draw(&mut self, budget: &Budget, rate: Rate, costs: Costs) -> Done {
        let (now, name) = (self.now, budget.to_string());
        let kept = self.rows.entry(name.clone()).or_insert_with(|| Kept::new(budget.clone(), now));
        let least = rate.reserved(costs);
        // Somebody who goes on and on gets a little whenever a little is there, and is still the same dry time.
        if kept.dry_since.is_some() && kept.bucket.is_well_again(rate, now) {
            kept.dry_since = None;
        }
        let drawn = kept.bucket.draw(rate.part(costs), least, rate, now);
        if drawn > 0 || least == 0 {
            kept.drawn_at = now;
            self.changed.insert(name);
            return Done::Drawn(drawn);
        }
        if kept.dry_since.is_none() {
            kept.dry_since = Some(now);
            kept.dry_times = kept.dry_times.saturating_add(1);
            self.changed.insert(name);
            self.log.push(entry("LOOKUPS_DRY", budget.words()));
        }
        Done::Dry(kept.bucket.has_in(least, rate, now))
    }
}

const fn entry(kind: &'static str, content: String) -> Entry {
    // Terminals, merchants and the others have names and no ids.
    Entry { kind, subject: Uuid::nil(), content }
}
