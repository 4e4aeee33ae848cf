//! Which answer belongs to which request. Without I/O and without a clock: the time is the time since the connection was
//! made, and is passed in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use iso8583::Mti;

use super::trace::{Reserved, Trace};

/// Requests that were answered or given up, so many of which are remembered.
const REMEMBERED: usize = 4_096;

/// The requests that wait for an answer, at most so many.
#[derive(Debug)]
pub struct Window<W> {
    most: usize,
    waiting: BTreeMap<Trace, Waiting<W>>,
    /// The latest at the back.
    past: VecDeque<(Trace, bool)>,
}

#[derive(Debug)]
struct Waiting<W> {
    answer: Mti,
    deadline: Duration,
    waiter: W,
    /// Keeps the number from being given to anybody else.
    _reserved: Reserved,
}

/// What an answer turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Matched<W> {
    /// The answer that this one waits for.
    Answer(W),
    /// The request has had its answer.
    Duplicate,
    /// Nobody waits for it any more, or ever did here.
    Late,
}

impl<W> Window<W> {
    pub const fn new(most: usize) -> Self {
        Self { most, waiting: BTreeMap::new(), past: VecDeque::new() }
    }

    /// How many more requests may go out.
    pub fn room(&self) -> usize {
        self.most.saturating_sub(self.waiting.len())
    }

    /// Waits until `deadline` for `answer` to what goes out under the reserved number. Room is the caller's to keep: what
    /// manages the connection goes out in any case.
    pub fn open(&mut self, reserved: Reserved, answer: Mti, deadline: Duration, waiter: W) {
        self.waiting.insert(reserved.trace(), Waiting { answer, deadline, waiter, _reserved: reserved });
    }

    /// Finds whose answer it is.
    pub fn take(&mut self, trace: Trace, mti: Mti) -> Matched<W> {
        if self.waiting.get(&trace).is_some_and(|waiting| waiting.answer == mti)
            && let Some(waiting) = self.waiting.remove(&trace)
        {
            self.remember(trace, true);
            return Matched::Answer(waiting.waiter);
        }
        if self.past.iter().any(|past| *past == (trace, true)) { Matched::Duplicate } else { Matched::Late }
    }

    /// Those whose time is over.
    pub fn expire(&mut self, now: Duration) -> Vec<W> {
        let over: Vec<Trace> =
            self.waiting.iter().filter(|(_, waiting)| waiting.deadline <= now).map(|(trace, _)| *trace).collect();
        let mut waiters = Vec::new();
        for trace in over {
            if let Some(waiting) = self.waiting.remove(&trace) {
                self.remember(trace, false);
                waiters.push(waiting.waiter);
            }
        }
        waiters
    }

    /// When the first of them is over.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.waiting.values().map(|waiting| waiting.deadline).min()
    }

    /// All that wait, when the connection has ended.
    pub fn into_waiters(self) -> Vec<W> {
        self.waiting.into_values().map(|waiting| waiting.waiter).collect()
    }

    fn remember(&mut self, trace: Trace, is_answered: bool) {
        if self.past.len() >= REMEMBERED {
            self.past.pop_front();
        }
        self.past.push_back((trace, is_answered));
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use iso8583::element::{Stan, TransmissionTime};

    use super::*;
    use crate::credit_system::trace::Stans;

    const SECOND: Duration = Duration::from_secs(1);

    fn mti(text: &str) -> Mti {
        Mti::from_text(text).unwrap()
    }

    fn opened(most: usize, requests: u32) -> (Window<u32>, Vec<Trace>, Stans) {
        let stans = Stans::starting_at(Stan::from_number(999_999).unwrap());
        let (mut window, mut traces) = (Window::new(most), Vec::new());
        for n in 0..requests {
            let reserved = stans.reserve(Timestamp::from_secs(1_800_000_000)).unwrap();
            traces.push(reserved.trace());
            window.open(reserved, mti("0110"), SECOND * (n + 1), n);
        }
        (window, traces, stans)
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let (mut window, traces, _) = opened(3, 3);
        assert_eq!(window.room(), 0);
        for n in [2, 0, 1] {
            assert_eq!(window.take(traces[n], mti("0110")), Matched::Answer(u32::try_from(n).unwrap()));
            assert_eq!(window.take(traces[n], mti("0110")), Matched::Duplicate);
        }
        assert_eq!(window.room(), 3);
    }

    #[test]
    fn an_answer_with_another_type_time_or_number_is_nobodys() {
        let (mut window, traces, _) = opened(1, 1);
        let other_time = Trace { time: TransmissionTime::from_number(101_000_000).unwrap(), ..traces[0] };
        let other_number = Trace { stan: Stan::from_number(17).unwrap(), ..traces[0] };
        for (trace, answer) in [(traces[0], "0230"), (traces[0], "0810"), (other_time, "0110"), (other_number, "0110")]
        {
            assert_eq!(window.take(trace, mti(answer)), Matched::Late, "{answer}");
        }
        assert_eq!(window.take(traces[0], mti("0110")), Matched::Answer(0));
    }

    #[test]
    fn what_is_given_up_is_late_when_it_is_answered_and_its_number_is_free() {
        let (mut window, traces, stans) = opened(2, 2);
        assert_eq!(window.next_deadline(), Some(SECOND));
        assert!(window.expire(SECOND - Duration::from_nanos(1)).is_empty());
        assert!(stans.claim(traces[0]).is_none(), "a number is not used again while its request is out");
        assert_eq!(window.expire(SECOND), [0]);
        assert!(stans.claim(traces[0]).is_some());
        assert_eq!(window.take(traces[0], mti("0110")), Matched::Late);
        assert_eq!(window.next_deadline(), Some(SECOND * 2));
        assert_eq!(window.into_waiters(), [1]);
    }
}
