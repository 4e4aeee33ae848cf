//! The two steps of an errand.

use std::sync::Arc;

use super::{Errand, ErrandKind, State};
use crate::payment::{Challenge, PayerGuard, Policy};
use crate::purchase::Terminal;
use crate::{AttemptId, ErrandId, PersonId, Reason, TerminalId, Timestamp};

/// A request for an errand, as a terminal made it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewErrand {
    pub id: ErrandId,
    pub kind: ErrandKind,
    pub terminal: Arc<Terminal>,
    pub fingerprint: [u8; 32],
    /// Whose number it is; nobody's if the number is unknown.
    pub person_id: Option<PersonId>,
    /// The epoch of the person's number for which the code is made.
    pub number_epoch: i64,
    /// The keyed hash of the code that will be sent.
    pub code_mac: [u8; 32],
}

/// What the hub knows of the person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether an account or a card is bound, active or not.
    pub has_instrument: bool,
    /// Whether something that is bound waits to be activated.
    pub waits: bool,
    pub has_password: bool,
}

/// Whether what was brought is right. The comparison is the shell's: it holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub code_matches: bool,
    /// The password that holds, of a change; the safety code, of a reset; true of anything else.
    pub known_matches: bool,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub terminal_id: TerminalId,
    pub proof: Proof,
}

impl Errand {
    /// Takes a request in. Whatever keeps a number from being served is one refusal, in the same words (ADR 6, ADR 32).
    pub fn create(
        new: NewErrand,
        guard: Option<&mut PayerGuard>,
        known: Known,
        now: Timestamp,
        policy: &Policy,
    ) -> Self {
        let mut errand = Self {
            id: new.id,
            kind: new.kind,
            state: State::Waiting,
            terminal_id: new.terminal.id.clone(),
            seller: new.terminal,
            fingerprint: new.fingerprint,
            person_id: new.person_id,
            challenge: None,
            attempts: Vec::new(),
            refusal: None,
            created_at: now,
            decided_at: None,
        };
        let served = guard
            .filter(|_| known.has_instrument)
            .is_some_and(|guard| may_be_served(guard, new.number_epoch, now) && guard.send_code(now, &policy.sends));
        if !served {
            errand.refuse(Reason::NumberNotServed, now);
            return errand;
        }
        errand.challenge = Some(Challenge {
            code_mac: new.code_mac,
            epoch: new.number_epoch,
            expires_at: now.plus(policy.code_ttl),
            attempts_left: policy.attempts,
        });
        errand
    }

    /// The errand if it is this terminal's; to others it does not exist.
    pub fn owned_by(&self, terminal: &TerminalId) -> Result<&Self, Reason> {
        if self.terminal_id == *terminal { Ok(self) } else { Err(Reason::ErrandUnknown) }
    }

    /// The answer to a request whose id is taken: the first answer if it is the same request. `Err(IdTaken)`.
    pub fn same_request(&self, terminal: &TerminalId, fingerprint: &[u8; 32]) -> Result<(), Reason> {
        let same = self.terminal_id == *terminal && self.fingerprint == *fingerprint;
        if same { Ok(()) } else { Err(Reason::IdTaken) }
    }

    /// Evaluates a try, and says whether what the errand is for is to be done now. `Err` with `ErrandUnknown` or `ErrandDecided` changes
    /// nothing.
    pub fn prove(
        &mut self,
        attempt: &Attempt,
        guard: &mut PayerGuard,
        known: Known,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<bool, Reason> {
        self.owned_by(&attempt.terminal_id)?;
        if self.attempts.contains(&attempt.id) {
            return Ok(false);
        }
        let Some(challenge) = self.challenge.as_mut().filter(|_| self.state == State::Waiting) else {
            return Err(Reason::ErrandDecided);
        };
        self.attempts.push(attempt.id);
        if let Some(reason) = not_looked_at(challenge, guard, now) {
            self.refuse(reason, now);
            return Ok(false);
        }
        if !(attempt.proof.code_matches & attempt.proof.known_matches) {
            challenge.attempts_left = challenge.attempts_left.saturating_sub(1);
            let spent = challenge.attempts_left == 0;
            guard.failed(now, policy);
            if spent || guard.is_blocked(now) {
                self.refuse(Reason::AttemptsExhausted, now);
            } else {
                self.refusal = Some(Reason::VerificationFailed);
            }
            return Ok(false);
        }
        if let Some(reason) = self.kind.not_needed(known) {
            self.refuse(reason, now);
            return Ok(false);
        }
        if self.kind.takes_known() {
            // A code alone must not clear what was counted of guesses at the password.
            guard.succeeded();
        }
        self.state = State::Done;
        self.refusal = None;
        self.challenge = None;
        self.decided_at = Some(now);
        Ok(true)
    }

    /// Whether the code has ended without a good try. It stands so for whoever asks, before anybody writes it down.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.state == State::Waiting && self.challenge.as_ref().is_none_or(|challenge| now >= challenge.expires_at)
    }

    fn refuse(&mut self, reason: Reason, now: Timestamp) {
        self.state = State::Refused;
        self.refusal = Some(reason);
        self.challenge = None;
        self.decided_at = Some(now);
    }
}

/// Whether somebody gets a code for an errand. Who has frozen something has lost it: then nobody sets a password with the phone.
fn may_be_served(guard: &PayerGuard, epoch: i64, now: Timestamp) -> bool {
    !guard.is_blocked(now) && guard.frozen.is_empty() && !guard.number_closed && guard.number_epoch == epoch
}

/// Why a try ends the errand whatever was brought.
fn not_looked_at(challenge: &Challenge, guard: &PayerGuard, now: Timestamp) -> Option<Reason> {
    if now >= challenge.expires_at {
        return Some(Reason::CodeExpired);
    }
    if guard.is_blocked(now) {
        return Some(Reason::AttemptsExhausted);
    }
    (!may_be_served(guard, challenge.epoch, now)).then_some(Reason::NumberNotServed)
}

impl ErrandKind {
    /// Why there is nothing to do for the person.
    const fn not_needed(self, known: Known) -> Option<Reason> {
        match self {
            Self::Activate if !known.waits => Some(Reason::AlreadyActive),
            Self::SetPassword if known.has_password => Some(Reason::PasswordIsSet),
            Self::ChangePassword | Self::ResetPassword if !known.has_password => Some(Reason::PasswordNotSet),
            _ => None,
        }
    }
}
