//! How many calls are taken, from whom, and for how long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::PhoneNumber;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::VoiceConfig;

/// Numbers that the limit remembers before those that have been quiet are forgotten.
const MOST_NUMBERS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Lines {
    from: Vec<IpAddr>,
    free: Arc<Semaphore>,
    by_caller: DefaultKeyedRateLimiter<PhoneNumber>,
    pub(super) call_at_most: Duration,
}

impl Lines {
    pub(super) fn new(config: &VoiceConfig) -> Self {
        Self {
            from: config.from.iter().map(IpAddr::to_canonical).collect(),
            free: Arc::new(Semaphore::new(config.calls_at_once.min(Semaphore::MAX_PERMITS))),
            by_caller: RateLimiter::keyed(Quota::per_minute(config.calls_per_caller_per_minute)),
            call_at_most: config.call_at_most.get(),
        }
    }

    /// Whether calls are taken from this address.
    pub(super) fn knows(&self, address: IpAddr) -> bool {
        self.from.contains(&address.to_canonical())
    }

    /// A line for one call, as long as it is held; none when all are busy.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().try_acquire_owned().ok()
    }

    /// Whether this number may begin a call.
    pub(super) fn may_call(&self, caller: &PhoneNumber) -> bool {
        if self.by_caller.len() > MOST_NUMBERS {
            self.by_caller.retain_recent();
        }
        self.by_caller.check_key(caller).is_ok()
    }
}
