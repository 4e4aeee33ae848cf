//! How much callers may ask, by number and in all.

use std::num::NonZeroU32;

use domain::{PhoneNumber, Reason};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Numbers that are kept before those are forgotten that have been quiet.
const MOST_NUMBERS: usize = 10_000;

#[derive(Debug)]
pub(super) struct CallLimits {
    in_all: DefaultDirectRateLimiter,
    by_number: DefaultKeyedRateLimiter<PhoneNumber>,
}

impl CallLimits {
    pub(super) fn new(per_number_per_minute: NonZeroU32, in_all_per_minute: NonZeroU32) -> Self {
        Self {
            in_all: RateLimiter::direct(Quota::per_minute(in_all_per_minute)),
            by_number: RateLimiter::keyed(Quota::per_minute(per_number_per_minute)),
        }
    }

    /// Lets a wish pass. `Err(TooBusy)`. The number first, so that one that asks too much takes nothing from the others.
    pub(super) fn check(&self, caller: &PhoneNumber) -> Result<(), Reason> {
        if self.by_number.len() > MOST_NUMBERS {
            self.by_number.retain_recent();
            self.by_number.shrink_to_fit();
        }
        let fine = self.by_number.check_key(caller).is_ok() && self.in_all.check().is_ok();
        if fine { Ok(()) } else { Err(Reason::TooBusy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_one_number_runs_out_before_the_others_do() {
        let few = |n| NonZeroU32::new(n).unwrap();
        let limits = CallLimits::new(few(3), few(5));
        let passed = |last: u32| {
            let number = PhoneNumber::parse(&format!("+86138001380{last:02}")).unwrap();
            (0..10).filter(|_| limits.check(&number).is_ok()).count()
        };
        assert_eq!((passed(1), passed(2), passed(3)), (3, 2, 0));
    }
}
