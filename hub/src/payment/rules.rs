//! What a set of steps decides by, beside what it loads: as it stood when the set began, whoever changes it meanwhile.

use std::sync::Arc;

use domain::Timestamp;
use domain::fee::Schedules;
use domain::limit::Limits;
use server_kit::store::StoreError;

use super::steps::PaymentSteps;

/// Limits, and what merchants are charged.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub limits: Arc<Limits>,
    pub fees: Arc<Schedules>,
    /// The business day on which the set decides.
    pub day: String,
}

impl PaymentSteps {
    /// One look for a whole set.
    pub(super) fn rules(&self, now: Timestamp) -> Result<Rules, StoreError> {
        let day = self.fees.day_of(now).map_err(|reason| StoreError::Refused(format!("no day of now: {reason}")))?;
        Ok(Rules { limits: self.limits.current(), fees: self.fees.current(), day })
    }
}
