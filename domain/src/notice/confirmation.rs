//! Proving an e-mail address: a code goes to it and has to come back, so that a typo does not tell a stranger.

use std::time::Duration;

use crate::{Reason, Timestamp};

/// How far the proof of an address is; of none at all, that it cannot be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailConfirmation {
    pub tries_left: i64,
    pub expires_at: Timestamp,
}

impl MailConfirmation {
    pub const TRIES: i64 = 5;
    /// Mail is slow where it is held back to see whether it is wanted.
    pub const GOOD_FOR: Duration = Duration::from_secs(30 * 60);

    /// For a code that is sent now.
    pub fn begin(now: Timestamp) -> Self {
        Self { tries_left: Self::TRIES, expires_at: now.plus(Self::GOOD_FOR) }
    }

    /// Whether a code may still be tried.
    pub fn check_alive(&self, now: Timestamp) -> Result<(), Reason> {
        if self.tries_left <= 0 {
            return Err(Reason::AttemptsExhausted);
        }
        if self.expires_at <= now {
            return Err(Reason::CodeExpired);
        }
        Ok(())
    }

    /// What a code says that came back: that the address is the person's, or why it is not and what is left then.
    pub fn answer(self, matches: bool, now: Timestamp) -> Result<(), (Self, Reason)> {
        self.check_alive(now).map_err(|reason| (self, reason))?;
        if matches {
            return Ok(());
        }
        Err((Self { tries_left: self.tries_left.saturating_sub(1), ..self }, Reason::VerificationFailed))
    }
}

/// How many codes a person had sent to addresses of late. It bounds what strangers can be bothered with, and how often a code can be
/// guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodesSent {
    /// The first that counts.
    pub since: Timestamp,
    pub count: i64,
}

impl CodesSent {
    pub const MOST: i64 = 5;
    pub const SPAN: Duration = Duration::from_secs(24 * 60 * 60);

    /// The same with one more, unless there were too many.
    pub fn one_more(self, now: Timestamp) -> Result<Self, Reason> {
        if self.count == 0 || self.since.plus(Self::SPAN) <= now {
            return Ok(Self { since: now, count: 1 });
        }
        if self.count >= Self::MOST {
            return Err(Reason::MailCodesExhausted);
        }
        Ok(Self { count: self.count.saturating_add(1), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn r6_an_address_is_proved_by_its_code_within_half_an_hour() {
        let begun = MailConfirmation::begin(START);
        for (matches, seconds, wanted) in [
            (true, 0, Ok(())),
            (true, 1_799, Ok(())),
            (true, 1_800, Err(Reason::CodeExpired)),
            (false, 1_800, Err(Reason::CodeExpired)),
            (false, 1_799, Err(Reason::VerificationFailed)),
        ] {
            let answer = begun.answer(matches, after(seconds)).map_err(|(_, reason)| reason);
            assert_eq!(answer, wanted, "{matches} after {seconds} s");
        }
        let (late, _) = begun.answer(false, after(1_800)).unwrap_err();
        assert_eq!(late, begun, "what has ended counts no tries");
    }

    #[test]
    fn r6_a_code_for_an_address_is_guessed_five_times_at_most() {
        let mut confirmation = MailConfirmation::begin(START);
        for left in (0..MailConfirmation::TRIES).rev() {
            let (next, reason) = confirmation.answer(false, START).unwrap_err();
            assert_eq!((next.tries_left, reason), (left, Reason::VerificationFailed));
            confirmation = next;
        }
        for matches in [true, false] {
            assert_eq!(confirmation.answer(matches, START), Err((confirmation, Reason::AttemptsExhausted)));
        }
    }

    #[test]
    fn r6_five_codes_a_day_go_to_addresses() {
        let mut sent = CodesSent::default();
        for n in 1..=5 {
            sent = sent.one_more(after(n * 60)).unwrap();
            assert_eq!(sent, CodesSent { since: after(60), count: i64::try_from(n).unwrap() });
        }
        assert_eq!(sent.one_more(after(86_459)), Err(Reason::MailCodesExhausted));
        assert_eq!(sent.one_more(after(86_460)), Ok(CodesSent { since: after(86_460), count: 1 }));
    }
}
