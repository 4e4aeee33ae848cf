//! What guards a payer: wrong tries in a row, and codes sent lately (M5).

use std::time::Duration;

use super::{Charge, Instrument, Policy};
use crate::{BankId, CardId, PersonId, Reason, Timestamp};

/// At most so many codes within so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendLimit {
    pub most: usize,
    pub within: Duration,
}

/// Takes note of one more code, or says that there were too many. No more times are kept than the limits look back on.
pub(crate) fn note_sent(codes_sent: &mut Vec<Timestamp>, now: Timestamp, limits: &[SendLimit]) -> bool {
    let within = |limit: &SendLimit| codes_sent.iter().filter(|at| now.since(**at) < limit.within).count();
    if limits.iter().any(|limit| within(limit) >= limit.most) {
        return false;
    }
    let kept = limits.iter().map(|limit| limit.most).max().unwrap_or(0);
    codes_sent.push(now);
    let surplus = codes_sent.len().saturating_sub(kept);
    codes_sent.drain(..surplus);
    true
}

/// The counters of one payer, kept in the database, and the end of the payer's feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayerGuard {
    pub person_id: PersonId,
    /// Wrong tries in a row, over all payments.
    pub failures: u32,
    pub blocked_until: Option<Timestamp>,
    /// When codes were sent, oldest first; no more than the limits look back on.
    pub codes_sent: Vec<Timestamp>,
    /// The sequence of the last event in the person's feed.
    pub last_sequence: i64,
    /// The accounts and cards from which the person lets no money go out (F4).
    pub frozen: Vec<FrozenInstrument>,
    /// Whether it is looked after a purchase which offers are for the person by now (R5).
    pub gets_offers: bool,
    /// How often a number of the person has changed its SIM card or its owner: a code counts for the epoch for which it was made.
    pub number_epoch: i64,
    /// Whether the person has yet to prove who it is since then: until then no code counts, and the app alone approves.
    pub number_closed: bool,
}

/// An account or a card that is frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenInstrument {
    pub bank_id: BankId,
    pub instrument: Instrument,
}

impl FrozenInstrument {
    /// As it is stored: the bank, `ACCOUNT` or `CARD`, and the id, with spaces between them.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.bank_id, self.instrument.kind(), self.instrument.uuid().hyphenated())
    }

    /// Reads what [`words`](Self::words) wrote. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut words = text.split(' ');
        let (Some(bank), Some(kind), Some(id), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(Reason::FieldUnknown);
        };
        // An account's id and a card's have the same form.
        let instrument = Instrument::of(kind, CardId::parse(id)?.uuid())?;
        Ok(Self { bank_id: BankId::parse(bank)?, instrument })
    }
}

impl PayerGuard {
    pub const fn new(person_id: PersonId) -> Self {
        Self {
            person_id,
            failures: 0,
            blocked_until: None,
            codes_sent: Vec::new(),
            last_sequence: 0,
            frozen: Vec::new(),
            gets_offers: false,
            number_epoch: 0,
            number_closed: false,
        }
    }

    /// Why no money may go out of this, if it is frozen.
    pub fn freezes(&self, bank_id: &BankId, instrument: Instrument) -> Option<Reason> {
        let is_it = |frozen: &FrozenInstrument| frozen.instrument == instrument && frozen.bank_id == *bank_id;
        self.frozen.iter().any(is_it).then_some(match instrument {
            Instrument::Account(_) => Reason::AccountFrozen,
            Instrument::Card(_) => Reason::CardFrozen,
        })
    }

    /// The same of a charge, as far as it is known what pays.
    pub(super) fn freezes_charge(&self, charge: Option<&Charge>) -> Option<Reason> {
        let charge = charge?;
        self.freezes(&charge.bank_id, charge.instrument?)
    }

    pub fn is_blocked(&self, now: Timestamp) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }

    /// Counts a wrong try; enough of them in a row block the payer.
    pub fn failed(&mut self, now: Timestamp, policy: &Policy) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= policy.failures_to_block {
            self.blocked_until = Some(now.plus(policy.block_for));
            self.failures = 0;
        }
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Takes note of a code that is about to be sent, or says that there were too many.
    pub fn send_code(&mut self, now: Timestamp, limits: &[SendLimit]) -> bool {
        note_sent(&mut self.codes_sent, now, limits)
    }

    /// The sequence of the next event in the person's feed.
    pub fn next_sequence(&mut self) -> i64 {
        self.last_sequence = self.last_sequence.saturating_add(1);
        self.last_sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::tests::{at, person};

    #[test]
    fn m5_codes_are_sent_once_a_minute_thrice_in_ten_and_ten_a_day() {
        let limits = Policy::default().sends;
        let mut guard = PayerGuard::new(person());
        let mut allowed = Vec::new();
        for second in (0..3600 * 6).step_by(20) {
            if guard.send_code(at(second), &limits) {
                allowed.push(second);
            }
        }
        assert_eq!(allowed, [0, 60, 120, 600, 660, 720, 1200, 1260, 1320, 1800]);
        assert_eq!(guard.codes_sent.len(), 10);
        assert!(guard.send_code(at(24 * 3600), &limits), "the day is over for the first one");
    }

    #[test]
    fn m5_five_wrong_tries_in_a_row_block_for_half_an_hour() {
        let policy = Policy::default();
        let mut guard = PayerGuard::new(person());
        for _ in 0..4 {
            guard.failed(at(0), &policy);
        }
        guard.succeeded();
        for _ in 0..4 {
            guard.failed(at(0), &policy);
        }
        assert!(!guard.is_blocked(at(0)), "a right try in between starts the count again");
        guard.failed(at(0), &policy);
        assert!(guard.is_blocked(at(1799)));
        assert!(!guard.is_blocked(at(1800)));
    }
}
