//! `[operators]`.

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
}

impl Default for OperatorsConfig {
    fn default() -> Self {
        Self { admins: Vec::new(), second_person: true }
    }
}

impl OperatorsConfig {
    /// The first admins. `Err(NameMalformed)`.
    pub(crate) fn first_admins(&self) -> Result<Vec<OperatorId>, Reason> {
        self.admins.iter().map(|name| OperatorId::parse(name)).collect()
    }
}
