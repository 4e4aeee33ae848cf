//! Systems trace audit numbers: how a request and its answer find each other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Timestamp;
use iso8583::element::{Stan, TransmissionTime};

/// Fields 11 and 7 of a message: with them an answer names its request (ISO 8583:1987, 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    pub stan: Stan,
    /// In UTC, to the second.
    pub time: TransmissionTime,
}

impl Trace {
    /// From the two fields as numbers; none if one of them is none.
    pub fn from_numbers(stan: u64, time: u64) -> Option<Self> {
        Some(Self { stan: Stan::from_number(stan)?, time: TransmissionTime::from_number(time)? })
    }
}

/// The numbers that are taken, and the one that is next. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub struct Stans(Arc<Mutex<Numbers>>);

#[derive(Debug)]
struct Numbers {
    next: Stan,
    taken: BTreeSet<Stan>,
}

/// A number that nobody else gets before this is dropped.
#[derive(Debug)]
pub struct Reserved {
    trace: Trace,
    stans: Stans,
}

impl Stans {
    /// Numbers that go on from `first`.
    pub fn starting_at(first: Stan) -> Self {
        Self(Arc::new(Mutex::new(Numbers { next: first, taken: BTreeSet::new() })))
    }

    /// The next number that is free; after 999999 comes 000001. None when all are taken.
    pub fn reserve(&self, now: Timestamp) -> Option<Reserved> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if u64::try_from(numbers.taken.len()).is_ok_and(|taken| taken >= Stan::LAST.number()) {
            return None;
        }
        while numbers.taken.contains(&numbers.next) {
            numbers.next = numbers.next.next();
        }
        let stan = numbers.next;
        numbers.taken.insert(stan);
        numbers.next = stan.next();
        let seconds = u64::try_from(now.micros() / 1_000_000).unwrap_or(0);
        Some(Reserved {
            trace: Trace { stan, time: TransmissionTime::from_unix_seconds(seconds) },
            stans: self.clone(),
        })
    }

    /// A number that was given before, for what is sent again; none while something else has it.
    pub fn claim(&self, trace: Trace) -> Option<Reserved> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.taken.insert(trace.stan).then(|| Reserved { trace, stans: self.clone() })
    }
}

impl Reserved {
    pub const fn trace(&self) -> Trace {
        self.trace
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.stans.0.lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.trace.stan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(951_868_799);

    fn stan(number: u64) -> Stan {
        Stan::from_number(number).unwrap()
    }

    #[test]
    fn numbers_wrap_after_999999_and_pass_over_those_that_are_out() {
        let stans = Stans::starting_at(stan(999_998));
        let next = || stans.reserve(NOW).unwrap();
        let out: Vec<Reserved> = (0..3).map(|_| next()).collect();
        let numbers: Vec<u64> = out.iter().map(|reserved| reserved.trace().stan.number()).collect();
        assert_eq!(numbers, [999_998, 999_999, 1]);
        assert_eq!(out[0].trace().time.to_string(), "0229235959");
        // Once round: the three that are out are not given again.
        for expected in 2..999_998 {
            assert_eq!(next().trace().stan.number(), expected);
        }
        assert_eq!(next().trace().stan.number(), 2);
        drop(out);
        assert_eq!(stans.claim(Trace { stan: stan(1), time: next().trace().time }).unwrap().trace().stan, stan(1));
    }

    #[test]
    fn a_number_that_is_out_can_neither_be_claimed_nor_run_out_unnoticed() {
        let stans = Stans::starting_at(Stan::FIRST);
        let all: Vec<Reserved> = std::iter::from_fn(|| stans.reserve(NOW)).collect();
        assert_eq!(all.len(), 999_999);
        assert!(stans.claim(all[5].trace()).is_none());
        let free = all[5].trace();
        let rest: Vec<Reserved> = all.into_iter().filter(|reserved| reserved.trace() != free).collect();
        assert_eq!(stans.reserve(NOW).map(|reserved| reserved.trace().stan), Some(free.stan));
        drop(rest);
    }
}
