//! What terminals were told, in order: a final answer never flips.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::terminal::{Payment, PaymentState};

/// Every answer about every payment. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    told: Arc<Mutex<BTreeMap<String, Vec<PaymentState>>>>,
}

/// What was known of a payment when a call was sent. Answers of calls that are under way together come in any order; what
/// was final before a call began binds its answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    known: Option<PaymentState>,
}

impl Answers {
    /// Takes note that a call about a payment is about to be sent.
    pub fn asking(&self, payment: &str) -> Asked {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.get(payment).and_then(|states| states.iter().rev().copied().find(|state| is_final(*state)));
        Asked { known }
    }

    /// Takes note of the answer, and fails the test if it contradicts one before it.
    pub fn note(&self, asked: Asked, payment: &Payment) {
        let state = payment.state();
        let id = &payment.payment_id;
        if let Some(known) = asked.known {
            assert!(may_follow(known, state), "{id} was {known:?} when the call began, and now is {state:?}");
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.entry(id.clone()).or_default();
        for other in before.iter().copied().filter(|other| is_final(*other) && is_final(state)) {
            assert!(may_follow(other, state) || may_follow(state, other), "{id} was {before:?} and now is {state:?}");
        }
        if before.last() != Some(&state) {
            before.push(state);
        }
    }

    /// The final answer that each payment has got, or else the last one.
    pub fn last(&self) -> Vec<(String, PaymentState)> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |states: &Vec<PaymentState>| {
            let reversed = states.iter().copied().find(|state| *state == PaymentState::Reversed);
            reversed.or_else(|| states.iter().copied().find(|state| is_final(*state))).or(states.last().copied())
        };
        told.iter().filter_map(|(id, states)| Some((id.clone(), last(states)?))).collect()
    }
}

/// Whether a call that began after the first answer may get the second one.
fn may_follow(first: PaymentState, second: PaymentState) -> bool {
    first == second || (first, second) == (PaymentState::Approved, PaymentState::Reversed)
}

/// Whether the state is an answer that stands.
pub fn is_final(state: PaymentState) -> bool {
    matches!(state, PaymentState::Approved | PaymentState::Declined | PaymentState::Reversed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(state: PaymentState) -> Payment {
        Payment { payment_id: "p".to_owned(), state: state.into(), ..Payment::default() }
    }

    #[test]
    fn an_answer_may_become_reversed_and_nothing_else() {
        let answers = Answers::default();
        let late = answers.asking("p");
        for state in [PaymentState::AwaitingCode, PaymentState::Approved, PaymentState::Reversed] {
            answers.note(answers.asking("p"), &payment(state));
        }
        answers.note(late, &payment(PaymentState::Pending));
        assert_eq!(answers.last(), [("p".to_owned(), PaymentState::Reversed)]);
    }

    #[test]
    #[should_panic(expected = "when the call began")]
    fn an_answer_that_flips_is_found() {
        let answers = Answers::default();
        answers.note(answers.asking("p"), &payment(PaymentState::Declined));
        answers.note(answers.asking("p"), &payment(PaymentState::Pending));
    }

    #[test]
    #[should_panic(expected = "and now is")]
    fn two_answers_that_contradict_each_other_are_found_in_any_order() {
        let answers = Answers::default();
        let (one, other) = (answers.asking("p"), answers.asking("p"));
        answers.note(one, &payment(PaymentState::Approved));
        answers.note(other, &payment(PaymentState::Declined));
    }
}
