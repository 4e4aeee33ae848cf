//! How often a terminal's cards were not verified lately, so that nobody tries stolen or guessed cards fast.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Reason, TerminalId, Timestamp};

/// The span over which is counted.
const WITHIN: Duration = Duration::from_secs(60);

/// The refused tries of every terminal, at this replica. Terminals are enrolled, so that there are no more than those.
#[derive(Clone, Debug)]
pub(super) struct RefusedTries {
    most: usize,
    refused: Arc<Mutex<HashMap<TerminalId, VecDeque<Timestamp>>>>,
}

impl RefusedTries {
    /// So many in a minute; 0 is no limit.
    pub(super) fn new(most: usize) -> Self {
        Self { most, refused: Arc::default() }
    }

    /// Whether another card may be tried. What was begun before the last of them was refused is not held back.
    pub(super) fn may_try(&self, terminal: &TerminalId, now: Timestamp) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tries) = refused.get_mut(terminal) else { return true };
        while tries.front().is_some_and(|at| now.since(*at) >= WITHIN) {
            tries.pop_front();
        }
        let few = tries.len() < self.most;
        if tries.is_empty() {
            refused.remove(terminal);
        }
        few
    }

    /// Takes note of what a bank refused a card for. A card that was not verified counts, and one that is locked or that was shown
    /// with wrong values too often: each tells something of a card to whoever tries.
    pub(super) fn refused(&self, terminal: &TerminalId, reason: Reason, now: Timestamp) {
        let counts = matches!(reason, Reason::CardNotVerified | Reason::CardLocked | Reason::CardValuesExhausted);
        if self.most == 0 || !counts {
            return;
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let tries = refused.entry(terminal.clone()).or_default();
        tries.push_back(now);
        if tries.len() > self.most {
            tries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m8_a_terminal_has_so_many_refused_tries_in_a_minute_and_others_have_theirs() {
        let tries = RefusedTries::new(3);
        let (till, other) = (TerminalId::parse("till-1").unwrap(), TerminalId::parse("till-2").unwrap());
        let wrong = Reason::CardNotVerified;
        for (second, reason) in [(0, wrong), (5, Reason::InsufficientFunds), (10, Reason::CardLocked), (20, wrong)] {
            assert!(tries.may_try(&till, Timestamp::from_secs(second)));
            tries.refused(&till, reason, Timestamp::from_secs(second));
        }
        assert!(!tries.may_try(&till, Timestamp::from_secs(59)));
        assert!(tries.may_try(&other, Timestamp::from_secs(59)));
        assert!(tries.may_try(&till, Timestamp::from_secs(60)), "the first is a minute old");
        tries.refused(&till, wrong, Timestamp::from_secs(60));
        assert!(!tries.may_try(&till, Timestamp::from_secs(69)));
        assert!(tries.may_try(&till, Timestamp::from_secs(3600)));
        let unlimited = RefusedTries::new(0);
        unlimited.refused(&till, wrong, Timestamp::from_secs(0));
        assert!(unlimited.may_try(&till, Timestamp::from_secs(0)));
    }
}
