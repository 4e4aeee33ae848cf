//! What the SDK takes from the machine that it runs on: time, randomness, and threads for its work.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use domain::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::error::Trouble;

/// Says what time it is.
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;
}

/// The phone's own clock, which its owner may have set to anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "this is the SDK's one door to the time")]
    fn now(&self) -> Timestamp {
        micros(SystemTime::now())
    }
}

pub(crate) type SharedClock = Arc<dyn Clock>;

/// The moment as the domain has it; what does not fit saturates.
pub(crate) fn micros(at: SystemTime) -> Timestamp {
    let whole = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(match at.duration_since(UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => whole(before.duration()).saturating_neg(),
    })
}

/// The moment as Kotlin and Swift have it.
pub(crate) fn moment(at: Timestamp) -> SystemTime {
    let span = Duration::from_micros(at.micros().unsigned_abs());
    let moment = if at.micros() < 0 { UNIX_EPOCH.checked_sub(span) } else { UNIX_EPOCH.checked_add(span) };
    moment.unwrap_or(UNIX_EPOCH)
}

/// The operating system's generator, which ring takes for signatures too.
#[allow(clippy::disallowed_methods, reason = "this is the SDK's one door to randomness")]
pub(crate) fn random() -> SystemRandom {
    SystemRandom::new()
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Trouble> {
    random().fill(bytes).map_err(|_| Trouble::RandomnessFailed)
}

/// A time-ordered id (RFC 9562, version 7). A clock before 1970 counts as 1970.
pub(crate) fn new_id(clock: &dyn Clock) -> Result<Uuid, Trouble> {
    let mut bytes = [0; 10];
    fill(&mut bytes)?;
    let millis = u64::try_from(clock.now().micros().div_euclid(1_000)).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

/// The threads that all phones of this process share. A phone has one as a rule.
pub(crate) fn runtime() -> Result<&'static Runtime, Trouble> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread().worker_threads(2).thread_name("bankhub-sdk").enable_all().build().ok()
    });
    made.as_ref().ok_or(Trouble::ThreadsFailed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Stopped(i64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp::from_secs(self.0)
        }
    }

    #[test]
    fn s1_ids_are_made_whatever_the_clock_says() {
        for seconds in [i64::MIN / 1_000_000, -1, 0, 1, 2_147_483_648, 4_102_444_800] {
            let id = new_id(&Stopped(seconds)).unwrap();
            assert_eq!(id.get_version_num(), 7, "{seconds}");
            assert!(domain::ReminderId::parse(&id.to_string()).is_ok(), "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_the_same_on_both_sides(at in -4_000_000_000_000_000_i64..4_000_000_000_000_000) {
            prop_assert_eq!(micros(moment(Timestamp::from_micros(at))).micros(), at);
        }
    }
}
