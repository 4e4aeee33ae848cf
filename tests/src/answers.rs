//! What terminals were told, in order: a final answer never flips.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::terminal::{Payment, PaymentState};

/// Every answer about every payment. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    told: Arc<Mutex<BTreeMap<String, Vec<PaymentState>>>>,
}

impl Answers {
    /// Takes note of an answer, and fails the test if it contradicts one before it.
    pub fn note(&self, payment: &Payment) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.entry(payment.payment_id.clone()).or_default();
        let state = payment.state();
        if let Some(last) = before.iter().rev().find(|state| is_final(**state)) {
            let stands = *last == state || (*last, state) == (PaymentState::Approved, PaymentState::Reversed);
            assert!(stands, "{} was {before:?} and now is {state:?}", payment.payment_id);
        }
        if before.last() != Some(&state) {
            before.push(state);
        }
    }

    /// What was told last of each payment.
    pub fn last(&self) -> Vec<(String, PaymentState)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter_map(|(id, states)| Some((id.clone(), *states.last()?))).collect()
    }
}

/// Whether the state is an answer that stands.
pub fn is_final(state: PaymentState) -> bool {
    matches!(state, PaymentState::Approved | PaymentState::Declined | PaymentState::Reversed)
}
