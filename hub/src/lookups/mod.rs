//! Budgets for look-ups of people by their number (M4, M9; ADR 33).
//!
//! Whoever may ask whether a number is a customer's has a budget for it: a terminal and its merchant, a link of a card network, a carrier, a bank. The rule is
//! `domain::lookup`. A replica draws parts of budgets from the database and pays look-ups out of memory, so that a payment waits for no database here.

mod config;
mod operator;
mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::lookup::{Allowance, Rate, Scope, Take};
use domain::{MerchantId, Reason, TerminalId};
use moka::sync::Cache;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use steps::{Done, LookupSteps, Step};

pub use config::LookupsConfig;
pub(crate) use operator::{Listed, budget as read_budget};

/// Budgets of which a part is in memory. Those that ask are enrolled, so that this is a bound for the worst case.
const MOST_HELD: u64 = 200_000;
/// What is drawn and not used for so long is forgotten, and lost to its budget.
const IDLE: Duration = Duration::from_secs(60 * 60);
/// How long a budget is taken to be dry without another look: how late it is seen that an operator has filled it up at another replica.
const DRY_FOR: Duration = Duration::from_secs(2);

/// Whose budget it is, by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Budget {
    pub scope: Scope,
    pub id: String,
}

impl Budget {
    pub(crate) fn new(scope: Scope, id: &str) -> Self {
        Self { scope, id: id.to_owned() }
    }

    /// Those of a terminal: its own and its merchant's.
    pub(crate) fn of_terminal(terminal: &TerminalId, merchant: &MerchantId) -> Vec<Self> {
        vec![Self::new(Scope::Terminal, terminal.as_str()), Self::new(Scope::Merchant, merchant.as_str())]
    }

    fn words(&self) -> String {
        format!("scope={} id={}", self.scope.as_str(), self.id)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope.as_str(), self.id)
    }
}

/// The budgets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lookups {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: SharedClock,
    config: LookupsConfig,
    writer: GroupWriter<LookupSteps>,
    held: Cache<Budget, Arc<Held>>,
}

/// What this replica has drawn of one budget.
#[derive(Debug, Default)]
struct Held {
    allowance: Mutex<Allowance>,
    /// Whoever draws does it for all who wait.
    drawing: tokio::sync::Mutex<()>,
}

impl Held {
    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up that is paid for at the price of one that finds nobody. It costs that unless something else is said: whoever hangs up in the middle may still ask what came of it.
#[derive(Debug)]
#[must_use]
pub(crate) struct LookUp {
    /// With what was set aside.
    from: Vec<(Arc<Held>, Rate, u32)>,
    hit: u32,
}

impl LookUp {
    /// It was about somebody whom the asker has to do with: it costs little.
    pub(crate) fn hit(self) {
        metrics::counter!("bankhub_lookups_total", "outcome" => "hit").increment(1);
        self.give_back(self.hit);
    }

    /// It was not: nobody has the number, or nobody who can pay; to a carrier, somebody who is not its own.
    pub(crate) fn miss(self) {
        metrics::counter!("bankhub_lookups_total", "outcome" => "miss").increment(1);
    }

    /// Nothing was said of anybody.
    pub(crate) fn told_nothing(self) {
        self.give_back(0);
    }

    fn give_back(&self, cost: u32) {
        for (held, rate, reserved) in &self.from {
            held.allowance().give_back(reserved.saturating_sub(cost), *rate);
        }
    }
}

impl Lookups {
    /// The task is the writer's; it ends when the last clone is gone.
    pub(crate) fn start(
        (store, clock): (Store, SharedClock),
        keys: SharedKeyStore,
        replica: &str,
        config: LookupsConfig,
    ) -> (Self, JoinHandle<()>) {
        let steps = LookupSteps { chain: HeldChain::from(Chain::new(&format!("{replica}/lookups"), keys)) };
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(steps), WriterOptions::default());
        let held = Cache::builder().max_capacity(MOST_HELD).time_to_idle(IDLE).build();
        (Self { inner: Arc::new(Inner { store, clock, config, writer, held }) }, task)
    }

    /// Pays for one look-up out of all these budgets, before anybody looks. `Err` inside with `LookupsExhausted`, whoever would be found.
    pub(crate) async fn pay(&self, budgets: Vec<Budget>) -> Result<Result<LookUp, Reason>, StoreError> {
        let costs = self.inner.config.costs();
        let mut paid = LookUp { from: Vec::with_capacity(budgets.len()), hit: costs.hit };
        for budget in budgets {
            let Some(rate) = self.inner.config.rate(budget.scope) else { continue };
            let held = self.inner.held.get_with(budget.clone(), Arc::default);
            match self.take(&budget, &held, rate).await {
                Ok(true) => paid.from.push((held, rate, rate.reserved(costs))),
                refused => {
                    paid.told_nothing();
                    return refused.map(|_| {
                        let scope = budget.scope.as_str();
                        metrics::counter!("bankhub_lookups_refused_total", "scope" => scope).increment(1);
                        Err(Reason::LookupsExhausted)
                    });
                }
            }
        }
        Ok(Ok(paid))
    }

    /// Sets the dearest price aside; says whether there was as much.
    async fn take(&self, budget: &Budget, held: &Held, rate: Rate) -> Result<bool, StoreError> {
        let (costs, reserved) = (self.inner.config.costs(), rate.reserved(self.inner.config.costs()));
        let take = || held.allowance().take(reserved, self.inner.clock.now());
        match take() {
            Take::Paid => return Ok(true),
            Take::Dry => return Ok(false),
            Take::Draw => {}
        }
        let _turn = held.drawing.lock().await;
        // Whoever had the turn before may have drawn enough for this one, or found nothing.
        match take() {
            Take::Paid => return Ok(true),
            Take::Dry => return Ok(false),
            Take::Draw => {}
        }
        let done = self.inner.writer.write(Step::Draw { budget: budget.clone(), rate, costs }).await?;
        match done {
            Ok(Done::Drawn(tokens)) => held.allowance().drawn(tokens, rate),
            Ok(Done::Dry(enough_in)) => {
                let until = self.inner.clock.now().plus(enough_in.min(DRY_FOR));
                held.allowance().dry(until);
                metrics::counter!("bankhub_lookup_budgets_dry_total", "scope" => budget.scope.as_str()).increment(1);
                tracing::warn!(%budget, "too many numbers are asked for that belong to nobody who can pay");
            }
            Ok(Done::Filled) | Err(_) => return Err(StoreError::Refused("a draw was answered otherwise".to_owned())),
        }
        Ok(take() == Take::Paid)
    }

    /// A payment by phone number was made at a terminal: once for each, which the commit point sees to. What is lost when nothing of the budget is in
    /// memory is lost.
    pub(crate) fn paid(&self, terminal: &TerminalId, merchant: &MerchantId) {
        let config = &self.inner.config;
        for budget in Budget::of_terminal(terminal, merchant) {
            if let (Some(rate), Some(held)) = (config.rate(budget.scope), self.inner.held.get(&budget)) {
                held.allowance().give_back(config.paid, rate);
            }
        }
    }
}
