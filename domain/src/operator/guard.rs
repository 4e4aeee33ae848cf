//! What stands before the console: how often somebody may try to sign in, and which step of time a one-time password is of.

use std::time::Duration;

use crate::Timestamp;
use crate::tries::{Tried, TryLimit, is_before};

/// The step of RFC 6238, section 4.1.
const STEP_SECONDS: i64 = 30;
/// Steps before and after this one that are taken, too, for clocks that differ (RFC 6238, section 5.2).
const STEPS_AROUND: i64 = 1;

/// How long and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsolePolicy {
    /// Wrong tries in a row that block signing in …
    pub failures_to_block: u32,
    /// … for this long.
    pub block_for: Duration,
    /// How long a session lives without a request …
    pub idle: Duration,
    /// … and with requests at most.
    pub session_at_most: Duration,
}

impl Default for ConsolePolicy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self { failures_to_block: 5, block_for: minutes(15), idle: minutes(15), session_at_most: minutes(8 * 60) }
    }
}

impl ConsolePolicy {
    /// Takes one try into account, in the counters of whoever signs in.
    pub fn tried(&self, is_right: bool, now: Timestamp, counters: (&mut u32, &mut Option<Timestamp>)) -> Tried {
        let &Self { failures_to_block, block_for, .. } = self;
        TryLimit { failures_to_block, block_for }.take(is_right, now, counters)
    }

    pub fn is_blocked(now: Timestamp, blocked_until: Option<Timestamp>) -> bool {
        is_before(now, blocked_until)
    }
}

/// The step of time that this moment is in: the moving factor of RFC 6238.
pub fn step_of(now: Timestamp) -> i64 {
    now.micros().div_euclid(STEP_SECONDS * 1_000_000)
}

/// The step of which a password is, among those around this moment that come after the last one that was used: each is good once.
/// `is_of` compares with the password of a step, and is asked about all of them, so that the time tells nothing.
pub fn matching_step(now: Timestamp, last_used: i64, is_of: impl Fn(i64) -> bool) -> Option<i64> {
    let here = step_of(now);
    let mut found = None;
    for step in here.saturating_sub(STEPS_AROUND)..=here.saturating_add(STEPS_AROUND) {
        if is_of(step) && step > last_used {
            found = Some(step);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[test]
    fn m9_steps_are_those_of_rfc_6238_appendix_b() {
        for (second, step) in [
            (59, 1),
            (1_111_111_109, 0x23523EC),
            (1_111_111_111, 0x23523ED),
            (1_234_567_890, 0x273EF07),
            (2_000_000_000, 0x3F940AA),
            (20_000_000_000, 0x27BC86AA),
            (-1, -1),
        ] {
            assert_eq!(step_of(at(second)), step, "{second}");
        }
    }

    #[test]
    fn m9_a_password_is_good_in_its_step_and_the_ones_beside_it_and_once() {
        let now = at(30 * 100);
        for (step, last_used, wanted) in [
            (100, 0, Some(100)),
            (99, 0, Some(99)),
            (101, 0, Some(101)),
            (98, 0, None),
            (102, 0, None),
            (100, 100, None),
            (99, 100, None),
            (101, 100, Some(101)),
        ] {
            assert_eq!(matching_step(now, last_used, |it| it == step), wanted, "{step} after {last_used}");
        }
        assert_eq!(matching_step(now, 0, |_| false), None);
    }

    #[test]
    fn m9_five_wrong_tries_in_a_row_block_the_console_for_a_quarter_of_an_hour() {
        let policy = ConsolePolicy::default();
        let (mut failures, mut blocked) = (0, None);
        let mut tried = |is_right, second| policy.tried(is_right, at(second), (&mut failures, &mut blocked));
        let all: Vec<Tried> = (0..5).map(|second| tried(false, second)).collect();
        assert_eq!(all.last(), Some(&Tried::WrongAndBlocked));
        assert_eq!(tried(true, 900), Tried::Blocked);
        assert_eq!(tried(true, 904), Tried::Right);
        assert!(ConsolePolicy::is_blocked(at(1), Some(at(2))) && !ConsolePolicy::is_blocked(at(2), Some(at(2))));
    }
}
