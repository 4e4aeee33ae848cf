//! Secrets that may be tried a few times in a row and then not for a while: safety codes, and what browsers sign in with.

use std::time::Duration;

use crate::Timestamp;

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    Right,
    Wrong,
    /// Wrong, and the last one for a while: the person is told.
    WrongAndBlocked,
    /// Not looked at, since too many before it were wrong. It counts for nothing, right or wrong.
    Blocked,
}

/// Wrong tries in a row that block a secret, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TryLimit {
    pub(crate) failures_to_block: u32,
    pub(crate) block_for: Duration,
}

impl TryLimit {
    /// Takes one try into account, in the counters of whoever is guarded.
    pub(crate) fn take(
        self,
        is_right: bool,
        now: Timestamp,
        (failures, blocked_until): (&mut u32, &mut Option<Timestamp>),
    ) -> Tried {
        if is_before(now, *blocked_until) {
            return Tried::Blocked;
        }
        if is_right {
            *failures = 0;
            return Tried::Right;
        }
        *failures = failures.saturating_add(1);
        if *failures < self.failures_to_block {
            return Tried::Wrong;
        }
        *failures = 0;
        *blocked_until = Some(now.plus(self.block_for));
        Tried::WrongAndBlocked
    }
}

/// Whether a block has not ended yet.
pub(crate) fn is_before(now: Timestamp, blocked_until: Option<Timestamp>) -> bool {
    blocked_until.is_some_and(|until| now < until)
}
