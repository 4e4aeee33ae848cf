//! The durable steps of fee schedules: one is set, or withdrawn before it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::fee::{HEARD_WITHIN, MOST_SCHEDULES, Schedule, Schedules, Scope, Terms};
use domain::{FeeScheduleId, OperatorId, Reason, Timestamp};
use server_kit::audit::{Entry, HeldChain};
use server_kit::store::{Owner, StepSet, StoreError, Tx};

use super::sql::{self, Kept};

/// A schedule as an operator asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewSchedule {
    pub(crate) id: FeeScheduleId,
    pub(crate) scope: Scope,
    /// None where the scope is to end.
    pub(crate) terms: Option<Terms>,
    /// None for as soon as every replica has heard of it.
    pub(crate) valid_from: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) enum Step {
    Set { new: NewSchedule, by: OperatorId },
    Withdraw { id: FeeScheduleId, by: OperatorId },
}

#[derive(Debug)]
pub(super) struct FeeSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) chain: HeldChain,
}

/// What a set has loaded.
struct Found {
    rows: BTreeMap<FeeScheduleId, Kept>,
    merchants: BTreeSet<String>,
    count: i64,
    now: Timestamp,
}

impl StepSet for FeeSteps {
    const NAME: &'static str = "fees-writer";

    type Step = Step;
    type Outcome = Result<Kept, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Step]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        let mut found = Found::load(tx, steps).await?;
        let (mut log, mut changed, mut outcomes) = (Vec::new(), BTreeSet::new(), Vec::with_capacity(steps.len()));
        for step in steps {
            let done = match step {
                Step::Set { new, by } => found.set(new, by),
                Step::Withdraw { id, by } => found.withdraw(*id, by),
            };
            if let Ok((kept, true)) = &done {
                log.push(entry(step, kept));
                changed.insert(kept.schedule.id);
                found.rows.insert(kept.schedule.id, kept.clone());
            }
            outcomes.push(done.map(|(kept, _)| kept));
        }
        sql::put(tx, changed.iter().filter_map(|id| found.rows.get(id))).await?;
        if !log.is_empty() {
            self.chain.append(tx, log).await?;
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
        self.owner.fence(tx);
        self.chain.seal(tx).await
    }
}

impl Found {
    async fn load(tx: &mut Tx, steps: &[Step]) -> Result<Self, StoreError> {
        let (mut ids, mut scopes, mut merchants) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Set { new, .. } => {
                    ids.push(new.id);
                    scopes.insert(new.scope.to_string());
                    merchants.extend(new.scope.merchant.as_ref().map(ToString::to_string));
                }
                Step::Withdraw { id, .. } => ids.push(*id),
            }
        }
        Ok(Self {
            rows: sql::load(tx, ids, &scopes).await?,
            merchants: sql::merchants(tx, merchants).await?,
            count: sql::count(tx).await?,
            now: tx.now(),
        })
    }

    /// The schedule as it stands then, and whether this has changed anything. The same one again changes nothing.
    fn set(&mut self, new: &NewSchedule, by: &OperatorId) -> Result<(Kept, bool), Reason> {
        if let Some(known) = self.rows.get(&new.id) {
            let Schedule { scope, terms, valid_from, .. } = &known.schedule;
            let same = *scope == new.scope && *terms == new.terms && new.valid_from.is_none_or(|at| at == *valid_from);
            return if same { Ok((known.clone(), false)) } else { Err(Reason::FeeScheduleTaken) };
        }
        if new.scope.merchant.as_ref().is_some_and(|merchant| !self.merchants.contains(merchant.as_str())) {
            return Err(Reason::MerchantUnknown);
        }
        let in_scope = || self.rows.values().filter(|kept| kept.schedule.scope == new.scope);
        let standing = in_scope().filter(|kept| kept.withdrawn_at.is_none());
        let stands: Schedules = standing.map(|kept| kept.schedule.clone()).collect();
        let valid_from = new.valid_from.unwrap_or(self.now.plus(HEARD_WITHIN));
        let schedule = Schedule { id: new.id, scope: new.scope.clone(), terms: new.terms, valid_from };
        stands.may_set(&schedule, self.now)?;
        if usize::try_from(self.count).is_ok_and(|count| count >= MOST_SCHEDULES) {
            return Err(Reason::FeeSchedulesTooMany);
        }
        let number = in_scope().map(|kept| kept.number).max().unwrap_or(0).saturating_add(1);
        self.count = self.count.saturating_add(1);
        let (set_at, set_by) = (self.now, by.to_string());
        Ok((Kept { schedule, version: 0, number, set_at, set_by, withdrawn_at: None, withdrawn_by: None }, true))
    }

    fn withdraw(&self, id: FeeScheduleId, by: &OperatorId) -> Result<(Kept, bool), Reason> {
        let known = self.rows.get(&id).ok_or(Reason::FeeScheduleUnknown)?;
        if known.withdrawn_at.is_some() {
            return Ok((known.clone(), false));
        }
        Schedules::may_withdraw(&known.schedule, self.now)?;
        let (withdrawn_at, withdrawn_by) = (Some(self.now), Some(by.to_string()));
        Ok((Kept { withdrawn_at, withdrawn_by, ..known.clone() }, true))
    }
}

fn entry(step: &Step, kept: &Kept) -> Entry {
    let (kind, by) = match step {
        Step::Set { by, .. } => ("FEE_SCHEDULE_SET", by),
        Step::Withdraw { by, .. } => ("FEE_SCHEDULE_WITHDRAWN", by),
    };
    let Scope { merchant, category, way, currency } = &kept.schedule.scope;
    let merchant = merchant.as_ref().map_or("*", |id| id.as_str());
    let category = category.as_ref().map_or("*", |code| code.as_str());
    let way = way.map_or("*", |way| way.as_str());
    let terms = kept.schedule.terms.map_or_else(
        || "terms=none".to_owned(),
        |it| {
            let cap = it.cap_minor.map_or_else(|| "none".to_owned(), |cap| cap.to_string());
            let (fixed, floor, issuer, hub) = (it.fixed_minor, it.floor_minor, it.issuer_ppm, it.hub_ppm);
            let (rate, returns) = (it.rate_ppm, it.returns.as_str());
            format!("rate_ppm={rate} fixed={fixed} floor={floor} cap={cap} issuer_ppm={issuer} hub_ppm={hub} returns={returns}")
        },
    );
    let (currency, number, from) = (currency.code(), kept.number, kept.schedule.valid_from.micros());
    Entry {
        kind,
        subject: kept.schedule.id.uuid(),
        content: format!(
            "merchant={merchant} category={category} way={way} currency={currency} number={number} valid_from={from} {terms} by={by}"
        ),
    }
}
