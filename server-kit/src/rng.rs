//! The one door to randomness, and what is made of it: time-ordered ids and one-time codes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest;
use ring::rand::SecureRandom;
use uuid::Uuid;

use crate::clock::{Clock, SharedClock};

/// The source of randomness failed; nothing secret may be made without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's source of randomness failed")]
pub struct RngError;

/// Gives random bytes.
pub trait Rng: Send + Sync + fmt::Debug {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RngError>;
}

/// A source of randomness that many parts of a server share.
pub type SharedRng = Arc<dyn Rng>;

/// The operating system's cryptographically secure generator.
#[derive(Debug, Clone)]
pub struct SystemRng {
    inner: ring::rand::SystemRandom,
}

impl SystemRng {
    /// The operating system's generator.
    #[allow(clippy::disallowed_methods, reason = "this is the door that the others are sent to")]
    pub fn new() -> Self {
        Self { inner: ring::rand::SystemRandom::new() }
    }

    /// The operating system's generator, ready to be shared.
    pub fn shared() -> SharedRng {
        Arc::new(Self::new())
    }
}

impl Default for SystemRng {
    fn default() -> Self {
        Self::new()
    }
}

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RngError> {
        self.inner.fill(bytes).map_err(|_| RngError)
    }
}

/// Gives the same bytes again for the same seed: SHA-256(seed ‖ counter), block by block. Only for tests and the
/// simulator: whoever knows the seed knows every key and code made with it.
#[derive(Debug)]
pub struct SeededRng {
    seed: u64,
    blocks: AtomicU64,
}

impl SeededRng {
    /// A generator whose whole output follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, blocks: AtomicU64::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RngError> {
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            let block = self.blocks.fetch_add(1, Ordering::Relaxed);
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(&self.seed.to_be_bytes());
            context.update(&block.to_be_bytes());
            for (to, from) in chunk.iter_mut().zip(context.finish().as_ref()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

/// A time-ordered UUID (RFC 9562, version 7) with all its 74 free bits random. Ids of one millisecond have no order
/// among themselves: where that matters use [`IdMaker`].
pub fn uuid_v7(clock: &dyn Clock, rng: &dyn Rng) -> Result<Uuid, RngError> {
    let mut random = [0; 10];
    rng.fill(&mut random)?;
    Ok(uuid::Builder::from_unix_timestamp_millis(unix_millis(clock), &random).into_uuid())
}

/// Makes ids that grow strictly within this process, whatever the clock does.
///
/// The 12 bits of `rand_a` are a counter as RFC 9562, section 6.2, method 1 describes it. Milliseconds and counter are
/// one number, so that a counter that is full carries over into the next millisecond.
#[derive(Debug, Clone)]
pub struct IdMaker {
    clock: SharedClock,
    rng: SharedRng,
    last: Arc<AtomicU64>,
}

impl IdMaker {
    /// Makes ids from this clock and this randomness. Clones share the counter.
    pub fn new(clock: SharedClock, rng: SharedRng) -> Self {
        Self { clock, rng, last: Arc::new(AtomicU64::new(0)) }
    }

    /// The next id, greater than every id before it.
    pub fn uuid(&self) -> Result<Uuid, RngError> {
        let mut random = [0; 10];
        self.rng.fill(&mut random)?;
        let [high, low, tail @ ..] = random;
        // The counter of a new millisecond starts in its lower half, so that it seldom has to carry, and at a random
        // place, so that it tells nobody how many ids were made.
        let start = u64::from(u16::from_be_bytes([high, low]) & 0x07FF);
        let fresh = unix_millis(&*self.clock) << 12 | start;
        let next = |last: u64| fresh.max(last.saturating_add(1));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)))
            .unwrap_or_else(|last| last);
        let stamp = next(last);
        let [_, _, _, _, _, _, counter_high, counter_low] = (stamp & 0x0FFF).to_be_bytes();
        let [a, b, c, d, e, f, g, h] = tail;
        let bytes = [counter_high, counter_low, a, b, c, d, e, f, g, h];
        Ok(uuid::Builder::from_unix_timestamp_millis(stamp >> 12, &bytes).into_uuid())
    }
}

fn unix_millis(clock: &dyn Clock) -> u64 {
    // Bounded to the 48 bits that a version 7 id has room for.
    u64::try_from(clock.now().micros() / 1000).unwrap_or(0).min((1 << 48) - 1)
}

/// `count` decimal digits, each as likely as any other: a one-time code.
///
/// A byte of 250 or more is thrown away, since 256 is no multiple of ten and the low digits would come up more often.
pub fn digits(rng: &dyn Rng, count: usize) -> Result<String, RngError> {
    let mut code = String::with_capacity(count);
    let mut random = zeroize::Zeroizing::new([0_u8; 16]);
    while code.len() < count {
        rng.fill(random.as_mut())?;
        let fair = random.iter().filter(|byte| **byte < 250).map(|byte| char::from(b'0' + byte % 10));
        let missing = count - code.len();
        code.extend(fair.take(missing));
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use domain::Timestamp;

    use super::*;
    use crate::clock::ManualClock;

    fn maker(clock: &Arc<ManualClock>) -> IdMaker {
        IdMaker::new(clock.clone(), Arc::new(SeededRng::new(1)))
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let bytes = |seed| {
            let mut bytes = [0; 100];
            SeededRng::new(seed).fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(bytes(1), bytes(1));
        assert_ne!(bytes(1), bytes(2));
        assert_ne!(bytes(1)[..32], bytes(1)[32..64]);
    }

    #[test]
    fn ids_are_version_7_and_carry_the_time() {
        let clock = ManualClock::new(Timestamp::from_secs(1_700_000_000));
        let id = uuid_v7(&clock, &SystemRng::new()).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_timestamp().unwrap().to_unix().0, 1_700_000_000);
    }

    #[test]
    fn ids_grow_within_a_millisecond_beyond_what_the_counter_holds() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let ids = maker(&clock);
        let made: Vec<_> = (0..10_000).map(|_| ids.uuid().unwrap()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(made.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn ids_grow_when_the_clock_steps_back() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let ids = maker(&clock);
        let before = ids.uuid().unwrap();
        clock.set(Timestamp::from_secs(1_600_000_000));
        assert!(ids.uuid().unwrap() > before);
        clock.set(Timestamp::from_secs(1_700_000_000));
        clock.advance(Duration::from_secs(1));
        assert_eq!(ids.uuid().unwrap().get_timestamp().unwrap().to_unix().0, 1_700_000_001);
    }

    #[test]
    fn ids_of_many_threads_are_all_different() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_700_000_000)));
        let ids = maker(&clock);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let ids = ids.clone();
                std::thread::spawn(move || (0..2_000).map(|_| ids.uuid().unwrap().as_u128() >> 64).collect::<Vec<_>>())
            })
            .collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 8_000);
    }

    #[test]
    fn a_code_has_the_digits_asked_for() {
        for count in [0, 1, 6, 40] {
            let code = digits(&SystemRng::new(), count).unwrap();
            assert_eq!(code.len(), count);
            assert!(code.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }

    #[test]
    fn every_digit_is_equally_likely() {
        let mut seen = BTreeMap::<char, i64>::new();
        for digit in digits(&SeededRng::new(3), 100_000).unwrap().chars() {
            *seen.entry(digit).or_default() += 1;
        }
        // Chi-square with nine degrees of freedom stays below 27.9 in 999 of 1,000 draws; the seed makes it repeatable.
        let chi: f64 = seen.values().map(|count| ((count - 10_000) as f64).powi(2) / 10_000.0).sum();
        assert!(seen.len() == 10 && chi < 27.9, "{chi}");
    }
}
