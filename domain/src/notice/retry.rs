//! How often a notice is tried, and when it is given up.

use std::time::Duration;

use crate::Timestamp;

/// Why a notice was not sent, as far as it matters for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The other side will never take it: a wrong address, a refused sender.
    Refused,
    /// The other side is there and does not take it now, or nobody knows whether it did.
    Later {
        /// How long the other side wants to be left alone.
        pause: Duration,
    },
    /// The other side is not there: nothing was sent, and the notice is not to blame.
    Away,
}

/// What has happened to a notice so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The tries that reached the other side, with this one.
    pub tries: u32,
    pub created_at: Timestamp,
    /// When it is of no use any more, as a code.
    pub expires_at: Option<Timestamp>,
}

/// What is done with a notice that was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again then.
    Again(Timestamp),
    /// It goes to the dead letters.
    Dead(&'static str),
}

/// The numbers of trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The pause after the first try; it doubles with each further one.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Tries that reached the other side.
    pub most_tries: u32,
    /// How long a notice is tried at all.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(15 * 60),
            most_tries: 12,
            give_up_after: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl RetryPolicy {
    /// What comes after a failure; `jitter` is a random number from 0 to 255, which spreads what failed together.
    pub fn after(&self, failure: Failure, tried: Tried, now: Timestamp, jitter: u8) -> Next {
        let (pause, tries) = match failure {
            Failure::Refused => return Next::Dead("REFUSED"),
            Failure::Later { pause } => (pause, tried.tries),
            Failure::Away => (Duration::ZERO, 1),
        };
        if matches!(failure, Failure::Later { .. }) && tries >= self.most_tries {
            return Next::Dead("TRIED_TOO_OFTEN");
        }
        let doubled = self.first_pause.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(31)));
        let backoff = doubled.min(self.longest_pause);
        // Between three quarters and five quarters of it.
        let spread = backoff.saturating_mul(3) / 4 + backoff.saturating_mul(u32::from(jitter)) / 512;
        let next = now.plus(spread.max(pause));
        if tried.expires_at.is_some_and(|end| next >= end) {
            return Next::Dead("EXPIRED");
        }
        if now.since(tried.created_at) >= self.give_up_after {
            return Next::Dead("TOO_OLD");
        }
        Next::Again(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Failure = Failure::Later { pause: Duration::ZERO };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn r6_a_notice_is_tried_again_with_longer_pauses_and_then_given_up() {
        let policy = RetryPolicy::default();
        let tried = |tries| Tried { tries, created_at: at(0), expires_at: None };
        let expiring = |tries, end| Tried { expires_at: Some(at(end)), ..tried(tries) };
        let busy = Failure::Later { pause: Duration::from_secs(60) };
        for (failure, tried, now, next) in [
            (LATER, tried(1), 0, Next::Again(Timestamp::from_micros(1_500_000))),
            (LATER, tried(2), 0, Next::Again(at(3))),
            (LATER, tried(11), 0, Next::Again(at(675))),
            (LATER, tried(12), 0, Next::Dead("TRIED_TOO_OFTEN")),
            (LATER, tried(u32::MAX), 0, Next::Dead("TRIED_TOO_OFTEN")),
            (busy, tried(1), 0, Next::Again(at(60))),
            (Failure::Refused, tried(1), 0, Next::Dead("REFUSED")),
            // The other side's absence is not the notice's fault, for a day.
            (Failure::Away, tried(500), 10, Next::Again(Timestamp::from_micros(11_500_000))),
            (Failure::Away, tried(0), 86_400, Next::Dead("TOO_OLD")),
            (LATER, tried(1), 86_400, Next::Dead("TOO_OLD")),
            // A code is tried only while it is good.
            (LATER, expiring(1, 180), 100, Next::Again(Timestamp::from_micros(101_500_000))),
            (LATER, expiring(1, 180), 179, Next::Dead("EXPIRED")),
            (Failure::Away, expiring(1, 180), 179, Next::Dead("EXPIRED")),
            (busy, expiring(1, 180), 150, Next::Dead("EXPIRED")),
        ] {
            assert_eq!(policy.after(failure, tried, at(now), 0), next, "{failure:?} {tried:?} {now}");
        }
    }

    #[test]
    fn what_failed_together_is_spread() {
        let policy = RetryPolicy::default();
        let tried = Tried { tries: 3, created_at: at(0), expires_at: None };
        let pause = |jitter| match policy.after(LATER, tried, at(0), jitter) {
            Next::Again(then) => then.since(at(0)),
            Next::Dead(why) => panic!("{why}"),
        };
        assert_eq!(pause(0), Duration::from_secs(6));
        assert!(pause(255) > Duration::from_millis(9_900) && pause(255) < Duration::from_secs(10));
        assert!((0..255).all(|jitter| pause(jitter) < pause(jitter + 1)));
    }
}
