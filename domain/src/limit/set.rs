//! All limits together: which ones hold for a payment, and what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Limit, LimitKey, Measure, Subject, TallyKey};
use crate::{Currency, Money, PersonId, Reason, TerminalId, Timestamp};

/// The limits that stand, by what they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    limits: BTreeMap<LimitKey, Limit>,
}

/// Is no person's id, and so has the limits of everybody.
const NOBODY: &str = "";

/// Who pays where.
#[derive(Clone, Copy, Debug)]
pub struct Paying<'p> {
    /// Nobody for a card that is bound to nobody.
    pub person: Option<PersonId>,
    pub terminal: &'p TerminalId,
}

impl Paying<'_> {
    fn subjects(&self) -> impl Iterator<Item = (Subject, String)> {
        let person = self.person.map(|person| (Subject::Person, person.to_string()));
        person.into_iter().chain([(Subject::Terminal, self.terminal.to_string())])
    }
}

impl FromIterator<Limit> for Limits {
    fn from_iter<T: IntoIterator<Item = Limit>>(limits: T) -> Self {
        Self { limits: limits.into_iter().map(|limit| (limit.key.clone(), limit)).collect() }
    }
}

impl Limits {
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty()
    }

    pub fn len(&self) -> usize {
        self.limits.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Limit> {
        self.limits.values()
    }

    pub fn get(&self, key: &LimitKey) -> Option<&Limit> {
        self.limits.get(key)
    }

    /// What holds for a key: the limit of the one who is named, or else that of everybody. One that a single person has set holds nobody above
    /// that of everybody, whichever of the two was there first.
    fn holding(&self, key: &LimitKey) -> Option<&Limit> {
        let general = self.get(&key.general());
        let holds = |named: &&Limit| named.may_exceed || general.is_none_or(|general| named.most <= general.most);
        self.get(key).filter(holds).or(general)
    }

    /// Whether a limit would allow more than is allowed now. For somebody who has none of their own, that of everybody holds now.
    pub fn would_rise(&self, key: &LimitKey, most: i64) -> bool {
        self.holding(key).is_some_and(|now| most > now.most)
    }

    /// The limits that hold for one subject, in the order in which they are looked at: each payment, sums, numbers; the shortest window first.
    fn of(&self, subject: Subject, id: &str, currency: Currency) -> Vec<&Limit> {
        let about = |limit: &&Limit| limit.key.subject == subject && limit.key.currency == currency;
        let mut kinds: BTreeSet<(Measure, Duration)> = BTreeSet::new();
        kinds.extend(self.iter().filter(about).map(|limit| (limit.key.measure, limit.key.window)));
        let key = |(measure, window)| LimitKey { subject, of: Some(id.to_owned()), currency, measure, window };
        kinds.into_iter().filter_map(|kind| self.holding(&key(kind))).collect()
    }

    /// Why a payment of this amount may not be at this terminal, whoever pays: said before anybody is looked up, and so only where nobody's own limit
    /// would let it pass.
    pub fn refuses_all(&self, terminal: &TerminalId, amount: Money) -> Option<Reason> {
        let each = |limit: &&&Limit| limit.key.measure == Measure::Each;
        let persons = self.of(Subject::Person, NOBODY, amount.currency);
        let terminals = self.of(Subject::Terminal, terminal.as_str(), amount.currency);
        let may_pass = |general: &Limit| {
            let of_its_kind = |limit: &&Limit| limit.key.general() == general.key.general();
            self.iter()
                .filter(of_its_kind)
                .filter_map(|limit| self.holding(&limit.key))
                .any(|it| amount.minor <= it.most)
        };
        let too_much = terminals.iter().filter(each).any(|limit| amount.minor > limit.most)
            || persons.iter().filter(each).any(|general| !may_pass(general));
        too_much.then_some(Reason::PaymentAboveLimit)
    }

    /// The tallies that limits for this payment look at.
    pub fn tallies(&self, paying: Paying<'_>, currency: Currency) -> BTreeSet<TallyKey> {
        if self.is_empty() {
            return BTreeSet::new();
        }
        let keys = paying.subjects().flat_map(|(subject, id)| {
            let windows: Vec<Duration> = self.of(subject, &id, currency).iter().map(|limit| limit.key.window).collect();
            windows.into_iter().map(move |window| TallyKey { subject, id: id.clone(), currency, window })
        });
        keys.filter(|key| !key.window.is_zero()).collect()
    }

    /// Why this payment would be too much, if it would. `within` says how much and how often was paid in the window of a tally.
    pub fn refuses(
        &self,
        paying: Paying<'_>,
        amount: Money,
        within: impl Fn(&TallyKey) -> (i64, i64),
    ) -> Option<Reason> {
        for (subject, id) in paying.subjects() {
            for limit in self.of(subject, &id, amount.currency) {
                let LimitKey { measure, window, currency, .. } = limit.key;
                let key = TallyKey { subject, id: id.clone(), currency, window };
                let after = match measure {
                    Measure::Each => amount.minor,
                    Measure::Sum => within(&key).0.saturating_add(amount.minor),
                    Measure::Count => within(&key).1.saturating_add(1),
                };
                if after > limit.most {
                    return Some(measure.refusal());
                }
            }
        }
        None
    }

    /// Whether what was counted then may be taken back from a tally: only if it was counted for sure.
    pub fn has_counted(&self, tally: &TallyKey, at: Timestamp) -> bool {
        let limits = self.of(tally.subject, &tally.id, tally.currency);
        let over = |limit: &&Limit| limit.key.window == tally.window;
        limits.into_iter().filter(over).any(|limit| limit.has_counted(at))
    }
}
