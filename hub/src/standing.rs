//! Who of those around the hub answers, as far as this replica has seen: banks by the calls that it makes to them, links by the connections
//! that acquirers hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use server_kit::clock::Stopwatch;

/// What stands around a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Neighbour {
    Bank,
    /// A link to acquirers or a card network.
    Link,
}

/// How one of them stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub neighbour: Neighbour,
    pub id: String,
    pub up: bool,
    /// For how long it has been so.
    pub lasting: Duration,
}

#[derive(Debug)]
struct Seen {
    /// Connections that are open; of a bank one, which answers, or none.
    open: usize,
    since: Stopwatch,
}

/// What was seen of all of them. Clones are the same. There are as many as an operator has registered and configured, and no more.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    seen: Arc<Mutex<BTreeMap<(Neighbour, String), Seen>>>,
}

impl Standings {
    /// A bank has answered, or has not.
    pub(crate) fn bank(&self, id: &str, answers: bool) {
        self.change((Neighbour::Bank, id), |_| usize::from(answers));
    }

    /// A link that is configured; down until somebody signs on.
    pub(crate) fn link(&self, id: &str) {
        self.change((Neighbour::Link, id), |open| open);
    }

    /// Somebody has signed on over a link; it is so until what this gives is dropped.
    pub(crate) fn signed_on(&self, id: &str) -> SignedOn {
        self.change((Neighbour::Link, id), |open| open.saturating_add(1));
        SignedOn { standings: self.clone(), id: id.to_owned() }
    }

    /// All that are known, banks first.
    pub fn all(&self) -> Vec<Standing> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = |((neighbour, id), it): (&(Neighbour, String), &Seen)| Standing {
            neighbour: *neighbour,
            id: id.clone(),
            up: it.open > 0,
            lasting: it.since.elapsed(),
        };
        seen.iter().map(standing).collect()
    }

    fn change(&self, (neighbour, id): (Neighbour, &str), open: impl FnOnce(usize) -> usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (neighbour, id.to_owned());
        let Some(it) = seen.get_mut(&key) else {
            seen.insert(key, Seen { open: open(0), since: Stopwatch::start() });
            return;
        };
        let after = open(it.open);
        if (after > 0) != (it.open > 0) {
            it.since = Stopwatch::start();
        }
        it.open = after;
    }
}

/// A connection of a link over which somebody has signed on.
#[derive(Debug)]
pub(crate) struct SignedOn {
    standings: Standings,
    id: String,
}

impl Drop for SignedOn {
    fn drop(&mut self) {
        self.standings.change((Neighbour::Link, &self.id), |open| open.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(standings: &Standings) -> Vec<(Neighbour, String, bool)> {
        standings.all().into_iter().map(|it| (it.neighbour, it.id, it.up)).collect()
    }

    #[test]
    fn m9_a_bank_is_up_while_it_answers_and_a_link_while_anybody_is_signed_on() {
        let standings = Standings::default();
        assert!(states(&standings).is_empty(), "nothing is said of whom nobody has asked");
        standings.link("acq");
        standings.bank("bank-a", true);
        let (bank, link) = ((Neighbour::Bank, "bank-a".to_owned()), (Neighbour::Link, "acq".to_owned()));
        let stand = |bank_up, link_up| vec![(bank.0, bank.1.clone(), bank_up), (link.0, link.1.clone(), link_up)];
        assert_eq!(states(&standings), stand(true, false));
        let (first, second) = (standings.signed_on("acq"), standings.signed_on("acq"));
        standings.bank("bank-a", false);
        assert_eq!(states(&standings), stand(false, true));
        drop(first);
        assert_eq!(states(&standings), stand(false, true), "one of two connections is enough");
        drop(second);
        assert_eq!(states(&standings), stand(false, false));
    }

    #[test]
    fn m9_the_time_is_that_of_the_last_change_and_not_of_the_last_call() {
        let standings = Standings::default();
        let lasting = || standings.all()[0].lasting;
        standings.bank("bank-a", true);
        while lasting() < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
        standings.bank("bank-a", true);
        let before = lasting();
        assert!(before >= Duration::from_millis(2), "{before:?}");
        standings.bank("bank-a", false);
        assert!(lasting() < before, "it begins anew");
    }
}
