//! All schedules together: which one holds for a payment, and which new one may stand beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Fee, Scope, Sold, Terms};
use crate::{FeeScheduleId, Reason, Timestamp};

/// How long before a schedule holds every replica has heard of it: so all charge the same at the same moment.
pub const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// How long before it holds a schedule can be set.
const AHEAD: Duration = Duration::from_secs(2 * 366 * 24 * 60 * 60);
/// Schedules that hold now or later which a hub keeps: all of them are in memory.
pub const MOST_SCHEDULES: usize = 5_000;

/// A version of what is charged in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub id: FeeScheduleId,
    pub scope: Scope,
    /// What is charged; none where nothing is said of this scope any more, so that a wider one holds.
    pub terms: Option<Terms>,
    /// From when on, until the next one of the scope.
    pub valid_from: Timestamp,
}

/// The schedules that hold now or later, those of each scope in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedules {
    scopes: BTreeMap<Scope, Vec<Schedule>>,
}

impl FromIterator<Schedule> for Schedules {
    fn from_iter<T: IntoIterator<Item = Schedule>>(schedules: T) -> Self {
        let mut scopes: BTreeMap<Scope, Vec<Schedule>> = BTreeMap::new();
        for schedule in schedules {
            scopes.entry(schedule.scope.clone()).or_default().push(schedule);
        }
        scopes.values_mut().for_each(|versions| versions.sort_by_key(|schedule| schedule.valid_from));
        Self { scopes }
    }
}

impl Schedules {
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// The version of a scope that holds at a moment.
    pub fn holding(&self, scope: &Scope, at: Timestamp) -> Option<&Schedule> {
        self.scopes.get(scope)?.iter().rev().find(|schedule| schedule.valid_from <= at)
    }

    /// What is charged for a sale at a moment: by the nearest scope of which something is said.
    pub fn charge(&self, sold: &Sold<'_>, amount_minor: i64, at: Timestamp) -> Fee {
        if self.is_empty() {
            return Fee::NONE;
        }
        let charged = Scope::of(sold).into_iter().find_map(|scope| {
            let schedule = self.holding(&scope, at)?;
            Some((schedule.id, schedule.terms?))
        });
        charged.map_or(Fee::NONE, |(id, terms)| Fee {
            schedule: Some(id),
            parts: terms.charge(amount_minor),
            returns: terms.returns,
        })
    }

    /// Whether a new schedule may stand. `Err` with `FeeValidityOutOfRange`, `FeeValidityOverlaps`, `FeeScheduleUnknown` or what [`Terms::check`] says.
    pub fn may_set(&self, new: &Schedule, now: Timestamp) -> Result<(), Reason> {
        if let Some(terms) = new.terms {
            terms.check(new.scope.currency)?;
        }
        if new.valid_from < now.plus(HEARD_WITHIN) || new.valid_from > now.plus(AHEAD) {
            return Err(Reason::FeeValidityOutOfRange);
        }
        match self.scopes.get(&new.scope).and_then(|versions| versions.last()) {
            Some(last) if last.valid_from >= new.valid_from => Err(Reason::FeeValidityOverlaps),
            // Nothing is there that could end.
            None if new.terms.is_none() => Err(Reason::FeeScheduleUnknown),
            _ => Ok(()),
        }
    }

    /// Whether a schedule may be withdrawn: only before it holds, and while no replica charges by it. `Err(FeeScheduleInForce)`.
    pub fn may_withdraw(schedule: &Schedule, now: Timestamp) -> Result<(), Reason> {
        if schedule.valid_from < now.plus(HEARD_WITHIN) { Err(Reason::FeeScheduleInForce) } else { Ok(()) }
    }
}
