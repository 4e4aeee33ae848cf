//! The durable step of limits: one is set, or removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::limit::{Limit, LimitKey, Limits, MOST_LIMITS};
use domain::{OperatorId, Reason};
use server_kit::audit::{Entry, HeldChain};
use server_kit::store::{Owner, StepSet, StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Kept};

/// Sets a limit, or removes it.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) key: LimitKey,
    pub(super) most: Option<i64>,
    pub(super) by: OperatorId,
    /// Whether it may allow more than before, for which a second person has been asked.
    pub(super) may_rise: bool,
}

#[derive(Debug)]
pub(super) struct LimitSteps {
    pub(super) owner: Arc<Owner>,
    pub(super) chain: HeldChain,
}

impl StepSet for LimitSteps {
    const NAME: &'static str = "limits-writer";

    type Step = Set;
    type Outcome = Result<Kept, Reason>;

    async fn run(&self, tx: &mut Tx, steps: &[Set]) -> Result<Vec<Self::Outcome>, StoreError> {
        self.owner.fence(tx);
        // What holds for somebody who has no limit of their own is that of everybody, so both are looked at.
        let general = |key: &LimitKey| LimitKey { of: None, ..key.clone() };
        let keys = steps.iter().flat_map(|step| [step.key.to_string(), general(&step.key).to_string()]);
        let mut rows = sql::load(tx, keys.collect()).await?;
        let mut count = sql::count(tx).await?;
        let (now, mut log, mut outcomes) = (tx.now(), Vec::new(), Vec::with_capacity(steps.len()));
        let mut changed = BTreeSet::new();
        for step in steps {
            let name = step.key.to_string();
            let stands: Limits = rows.values().filter_map(Kept::limit).collect();
            let known = rows.get(&name).cloned();
            let before = known.as_ref().and_then(|kept| kept.most);
            if let Err(reason) = decide(step, &stands, before, count) {
                outcomes.push(Err(reason));
                continue;
            }
            // What was agreed to once, a lower limit keeps.
            let stood = known.as_ref().filter(|kept| kept.most.is_some());
            let may_exceed = step.may_rise || stood.is_some_and(|kept| kept.may_exceed);
            let is_same = stood.is_some_and(|kept| (kept.most, kept.may_exceed) == (step.most, may_exceed));
            let set_at = stood.map_or(now, |kept| kept.set_at);
            let version = known.map_or(0, |kept| kept.version);
            let kept = Kept {
                key: step.key.clone(),
                version,
                most: step.most,
                set_at,
                changed_at: now,
                changed_by: step.by.to_string(),
                may_exceed,
            };
            if !is_same {
                count = count.saturating_add(i64::from(step.most.is_some()) - i64::from(before.is_some()));
                log.push(entry(step, before, may_exceed));
                changed.insert(name.clone());
                rows.insert(name, kept.clone());
            }
            outcomes.push(Ok(kept));
        }
        sql::put(tx, changed.iter().filter_map(|name| rows.get(name))).await?;
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

/// Whether the step may be done. The same step again changes nothing, and is none that rises.
fn decide(step: &Set, stands: &Limits, before: Option<i64>, count: i64) -> Result<(), Reason> {
    match step.most {
        // What was removed before was not there before that either, for all that the caller knows.
        None if before.is_none() => Err(Reason::LimitUnknown),
        None if !step.may_rise => Err(Reason::LimitNotLower),
        None => Ok(()),
        Some(most) => {
            Limit::check(most)?;
            if before.is_none() && usize::try_from(count).is_ok_and(|count| count >= MOST_LIMITS) {
                return Err(Reason::LimitsTooMany);
            }
            if !step.may_rise && stands.would_rise(&step.key, most) { Err(Reason::LimitNotLower) } else { Ok(()) }
        }
    }
}

fn entry(step: &Set, before: Option<i64>, may_exceed: bool) -> Entry {
    let words = |most: Option<i64>| most.map_or("none".to_owned(), |most| most.to_string());
    let Set { key, by, .. } = step;
    let of = key.of.as_deref().unwrap_or("*");
    let (subject, currency, measure) = (key.subject.as_str(), key.currency.code(), key.measure.as_str());
    let (window, before, most) = (key.window.as_secs(), words(before), words(step.most));
    let above = key.of.as_ref().map(|_| format!(" above_everybody={may_exceed}")).unwrap_or_default();
    Entry {
        kind: "LIMIT_SET",
        subject: Uuid::nil(),
        content: format!(
            "subject={subject} of={of} currency={currency} measure={measure} window={window} before={before} most={most}{above} by={by}"
        ),
    }
}
