//! How often a wrong safety code may be tried.

use std::time::Duration;

use crate::Timestamp;
use crate::tries::{Tried, TryLimit, is_before};

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long after an identity check the code may be set.
    pub window: Duration,
    /// Wrong tries in a row, over all channels, that block the code …
    pub failures_to_block: u32,
    /// … for this long.
    pub block_for: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30 * 24 * 60 * 60),
            failures_to_block: 5,
            block_for: Duration::from_secs(30 * 60),
        }
    }
}

/// Wrong tries of one person's code in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SafetyGuard {
    pub failures: u32,
    pub blocked_until: Option<Timestamp>,
}

impl SafetyGuard {
    pub fn is_blocked(&self, now: Timestamp) -> bool {
        is_before(now, self.blocked_until)
    }

    /// Takes one try into account.
    pub fn tried(&mut self, is_right: bool, now: Timestamp, policy: &Policy) -> Tried {
        let &Policy { failures_to_block, block_for, .. } = policy;
        let counters = (&mut self.failures, &mut self.blocked_until);
        TryLimit { failures_to_block, block_for }.take(is_right, now, counters)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    #[test]
    fn f2_five_wrong_safety_codes_in_a_row_block_it_for_half_an_hour() {
        use Tried::{Blocked, Right, Wrong, WrongAndBlocked};
        let policy = Policy::default();
        let mut guard = SafetyGuard::default();
        let table = [
            (0, false, Wrong),
            (0, false, Wrong),
            (0, false, Wrong),
            (0, false, Wrong),
            (1, true, Right),
            (2, false, Wrong),
            (2, false, Wrong),
            (2, false, Wrong),
            (2, false, Wrong),
            (3, false, WrongAndBlocked),
            (3, true, Blocked),
            (1802, true, Blocked),
            (1802, false, Blocked),
            (1803, true, Right),
            (1803, false, Wrong),
        ];
        for (number, (second, is_right, wanted)) in table.into_iter().enumerate() {
            assert_eq!(guard.tried(is_right, at(second), &policy), wanted, "try {number}");
        }
    }

    proptest! {
        #[test]
        fn f2_whoever_guesses_is_heard_five_times_in_half_an_hour_at_most(
            tries in prop::collection::vec((0_i64..600, prop::bool::weighted(0.02)), 1..200),
        ) {
            let policy = Policy::default();
            let (mut guard, mut second, mut heard) = (SafetyGuard::default(), 0, Vec::new());
            for (pause, is_right) in tries {
                second += pause;
                match guard.tried(is_right, at(second), &policy) {
                    Tried::Right => heard.clear(),
                    Tried::Wrong | Tried::WrongAndBlocked => heard.push(second),
                    Tried::Blocked => {}
                }
                for five in heard.windows(6) {
                    prop_assert!(five[5] - five[0] >= 1800, "{:?}", five);
                }
            }
        }
    }
}
