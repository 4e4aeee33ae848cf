//! `[operators]`.

use domain::operator::PersonLookupPolicy;
use domain::{OperatorId, Reason};
use serde::Deserialize;

/// Who operates the hub at first, and whether one person is enough.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorsConfig {
    /// Who is registered as admin when the hub starts and has no admin yet, by the names in their certificates. Once there is one
    /// this says nothing any more.
    pub admins: Vec<String>,
    /// Whether dangerous acts wait for a second person. Without it one admin is enough for everything: for trials.
    pub second_person: bool,
    /// How many people an operator or an admin may look up on one day (UTC), and how many somebody in the role of risk.
    pub people_per_day: u32,
    pub people_per_day_of_risk: u32,
}

impl Default for OperatorsConfig {
    fn default() -> Self {
        let policy = PersonLookupPolicy::default();
        Self {
            admins: Vec::new(),
            second_person: true,
            people_per_day: policy.operator,
            people_per_day_of_risk: policy.risk,
        }
    }
}

impl OperatorsConfig {
    pub(crate) const fn lookups(&self) -> PersonLookupPolicy {
        let &Self { people_per_day, people_per_day_of_risk, .. } = self;
        PersonLookupPolicy { operator: people_per_day, risk: people_per_day_of_risk, admin: people_per_day }
    }

    /// The first admins. `Err(NameMalformed)`.
    pub(crate) fn first_admins(&self) -> Result<Vec<OperatorId>, Reason> {
        self.admins.iter().map(|name| OperatorId::parse(name)).collect()
    }
}
