//! Codes by SMS that enrol phones (S1): when one goes out, what it counts for, and what it cannot do.
//!
//! A code that an operator hands out says that somebody has looked at the person. One that comes by SMS says that somebody reads what is
//! sent to the number, so it counts only as long as the number is surely the person's, and never replaces the transaction password.

use std::time::Duration;

use crate::Timestamp;
use crate::payment::{PayerGuard, SendLimit, note_sent};

/// How long and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long a code is good for.
    pub code_ttl: Duration,
    /// Wrong tries of one code.
    pub attempts: u32,
    /// How many codes go to one number.
    pub sends: Vec<SendLimit>,
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            code_ttl: minutes(10),
            attempts: 5,
            sends: vec![
                SendLimit { most: 1, within: minutes(1) },
                SendLimit { most: 3, within: minutes(10) },
                SendLimit { most: 10, within: minutes(24 * 60) },
            ],
        }
    }
}

/// A code that went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentCode {
    /// The epoch of the person's number for which it was made.
    pub number_epoch: i64,
    pub expires_at: Timestamp,
    pub attempts_left: u32,
}

/// The codes of one person: the last one as long as it can be used, and when the last ones went out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodesBySms {
    pub code: Option<SentCode>,
    /// When codes were sent, oldest first; no more than the limits look back on.
    pub codes_sent: Vec<Timestamp>,
}

impl CodesBySms {
    /// Takes note of a code that is about to be sent in the place of the one before, or says that none is: it is not sure whose the number
    /// is, or there were too many.
    pub fn send(&mut self, payer: &PayerGuard, now: Timestamp, policy: &Policy) -> Option<SentCode> {
        if payer.number_closed || !note_sent(&mut self.codes_sent, now, &policy.sends) {
            return None;
        }
        let Policy { code_ttl, attempts, .. } = *policy;
        self.code = Some(SentCode {
            number_epoch: payer.number_epoch,
            expires_at: now.plus(code_ttl),
            attempts_left: attempts,
        });
        self.code
    }

    /// Whether the code counts if it is the right one: not when it has ended, was tried too often, or the number has changed its SIM card
    /// or its owner since, or is in doubt.
    pub fn counts(&self, payer: &PayerGuard, now: Timestamp) -> bool {
        self.code.is_some_and(|code| {
            code.attempts_left > 0
                && now < code.expires_at
                && !payer.number_closed
                && code.number_epoch == payer.number_epoch
        })
    }

    /// Counts a wrong try; whether there was anything left to count down.
    pub fn failed(&mut self) -> bool {
        let Some(code) = self.code.as_mut().filter(|code| code.attempts_left > 0) else { return false };
        code.attempts_left -= 1;
        true
    }

    /// Uses the code up. How many went out stays.
    pub fn spend(&mut self) {
        self.code = None;
    }
}

/// What becomes of the transaction password when a phone is enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRule {
    /// The one that is said is set; none keeps what is there.
    Choose,
    /// The one that is set has to be said.
    Prove,
}

/// Who reads the messages of a number may be a thief, so that the one that is set stays, and is the second thing that the person has to
/// know. By an operator's code a forgotten one is replaced.
pub const fn password_rule(by_sms: bool, is_set: bool) -> PasswordRule {
    if by_sms && is_set { PasswordRule::Prove } else { PasswordRule::Choose }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + second)
    }

    fn payer() -> PayerGuard {
        PayerGuard { number_epoch: 2, ..PayerGuard::new(PersonId::from_uuid(uuid::Uuid::from_u128(1))) }
    }

    #[test]
    fn s1_a_code_counts_for_ten_minutes_and_five_tries_and_one_number_by_this_table() {
        type Change = fn(&mut CodesBySms, &mut PayerGuard);
        let table: [(&str, i64, Change, bool); 10] = [
            ("at once", 0, |_, _| {}, true),
            ("in the last second", 599, |_, _| {}, true),
            ("too late", 600, |_, _| {}, false),
            ("after four wrong tries", 1, |it, _| (0..4).for_each(|_| assert!(it.failed())), true),
            ("after five", 1, |it, _| (0..5).for_each(|_| assert!(it.failed())), false),
            ("used", 1, |it, _| it.spend(), false),
            ("another SIM card", 1, |_, payer| payer.number_epoch = 3, false),
            ("in doubt", 1, |_, payer| payer.number_closed = true, false),
            ("blocked for payments", 1, |_, payer| payer.blocked_until = Some(at(9_999)), true),
            (
                "the next one has come",
                60,
                |it, payer| assert!(it.send(payer, at(60), &Policy::default()).is_some()),
                true,
            ),
        ];
        for (what, second, change, counts) in table {
            let (mut codes, mut payer) = (CodesBySms::default(), payer());
            assert_eq!(codes.send(&payer, at(0), &Policy::default()).map(|it| it.number_epoch), Some(2));
            change(&mut codes, &mut payer);
            assert_eq!(codes.counts(&payer, at(second)), counts, "{what}");
        }
    }

    #[test]
    fn s1_a_sixth_wrong_try_counts_nothing_down_and_a_new_code_forgets_no_sending() {
        let (mut codes, payer) = (CodesBySms::default(), payer());
        codes.send(&payer, at(0), &Policy::default()).unwrap();
        assert_eq!((0..9).filter(|_| codes.failed()).count(), 5);
        codes.spend();
        assert!(!codes.failed() && !codes.counts(&payer, at(1)));
        assert_eq!(codes.send(&payer, at(59), &Policy::default()), None, "one a minute");
        let sent: Vec<bool> =
            [60, 120, 180, 600].map(|second| codes.send(&payer, at(second), &Policy::default()).is_some()).into();
        assert_eq!(sent, [true, true, false, true]);
    }

    #[test]
    fn m5_no_code_goes_to_a_number_in_doubt_and_none_counts_against_its_owner() {
        let (mut codes, open) = (CodesBySms::default(), payer());
        let doubtful = PayerGuard { number_closed: true, ..payer() };
        assert_eq!(codes.send(&doubtful, at(0), &Policy::default()), None);
        assert_eq!(codes, CodesBySms::default(), "nothing is counted that was not sent");
        assert!(codes.send(&open, at(0), &Policy::default()).is_some());
    }

    #[test]
    fn m5_a_code_by_sms_never_replaces_a_transaction_password() {
        for (by_sms, is_set, rule) in [
            (false, false, PasswordRule::Choose),
            (false, true, PasswordRule::Choose),
            (true, false, PasswordRule::Choose),
            (true, true, PasswordRule::Prove),
        ] {
            assert_eq!(password_rule(by_sms, is_set), rule, "{by_sms} {is_set}");
        }
    }
}
