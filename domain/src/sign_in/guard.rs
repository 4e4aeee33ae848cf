//! How often somebody may try to sign in, and how many codes go out for it.

use std::time::Duration;

use crate::Timestamp;
use crate::payment::{SendLimit, note_sent};
use crate::tries::{Tried, TryLimit, is_before};

/// How long and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a code is good for.
    pub code_ttl: Duration,
    /// Wrong tries of one sign-in.
    pub attempts: u32,
    /// Wrong tries in a row, over all sign-ins, that block signing in …
    pub failures_to_block: u32,
    /// … for this long.
    pub block_for: Duration,
    /// How many codes go to one number.
    pub sends: Vec<SendLimit>,
    /// How long a session lives without a request …
    pub idle: Duration,
    /// … and with requests at most.
    pub session_at_most: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            code_ttl: Duration::from_secs(180),
            attempts: 3,
            failures_to_block: 5,
            block_for: minutes(30),
            sends: vec![
                SendLimit { most: 1, within: minutes(1) },
                SendLimit { most: 3, within: minutes(10) },
                SendLimit { most: 10, within: minutes(24 * 60) },
            ],
            idle: minutes(5),
            session_at_most: minutes(60),
        }
    }
}

/// The counters of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInGuard {
    /// Wrong tries in a row.
    pub failures: u32,
    pub blocked_until: Option<Timestamp>,
    /// When codes were sent, oldest first; no more than the limits look back on.
    pub codes_sent: Vec<Timestamp>,
}

impl SignInGuard {
    pub fn is_blocked(&self, now: Timestamp) -> bool {
        is_before(now, self.blocked_until)
    }

    /// Takes one try into account.
    pub fn tried(&mut self, is_right: bool, now: Timestamp, policy: &Policy) -> Tried {
        let &Policy { failures_to_block, block_for, .. } = policy;
        let counters = (&mut self.failures, &mut self.blocked_until);
        TryLimit { failures_to_block, block_for }.take(is_right, now, counters)
    }

    /// Takes note of a code that is about to be sent, or says that none is: signing in is blocked, or there were too many.
    pub fn send_code(&mut self, now: Timestamp, policy: &Policy) -> bool {
        !self.is_blocked(now) && note_sent(&mut self.codes_sent, now, &policy.sends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    #[test]
    fn f3_five_wrong_tries_in_a_row_block_signing_in_for_half_an_hour() {
        use Tried::{Blocked, Right, Wrong, WrongAndBlocked};
        let policy = Policy::default();
        let mut guard = SignInGuard::default();
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
            (1802, false, Blocked),
            (1803, true, Right),
        ];
        for (number, (second, is_right, wanted)) in table.into_iter().enumerate() {
            assert_eq!(guard.tried(is_right, at(second), &policy), wanted, "try {number}");
        }
    }

    #[test]
    fn f3_codes_are_sent_once_a_minute_thrice_in_ten_and_none_while_signing_in_is_blocked() {
        let policy = Policy::default();
        let mut guard = SignInGuard::default();
        let sent: Vec<bool> = [0, 59, 60, 120, 180, 600].map(|second| guard.send_code(at(second), &policy)).into();
        assert_eq!(sent, [true, false, true, true, false, true]);
        guard.blocked_until = Some(at(10_000));
        assert!(!guard.send_code(at(9_999), &policy));
        assert!(guard.send_code(at(10_000), &policy));
    }

    #[test]
    fn f3_ten_codes_a_day_are_sent_to_one_number_and_no_more_are_remembered() {
        let policy = Policy::default();
        let mut guard = SignInGuard::default();
        let sent = (0..200).filter(|n| guard.send_code(at(n * 300), &policy)).count();
        assert_eq!((sent, guard.codes_sent.len()), (10, 10));
        assert!(guard.send_code(at(86_400), &policy));
        assert_eq!(guard.codes_sent.len(), 10);
    }
}
