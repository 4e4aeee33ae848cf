//! From the request to the bank: challenge, code and password, and giving up.

use std::sync::Arc;

use super::{Challenge, Charge, Instrument, Kind, PayerGuard, Payment, Policy, State};
use crate::purchase::{LineItem, Terminal};
use crate::text::Line;
use crate::{AttemptId, BankId, LegId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp};

/// Tries and resends that one payment remembers; wrong tries end it long before.
const MOST_ATTEMPTS: usize = 32;

/// A request to pay, as a terminal made it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPayment {
    pub id: PaymentId,
    pub terminal: Arc<Terminal>,
    pub fingerprint: [u8; 32],
    pub amount: Money,
    pub items: Vec<LineItem>,
    pub reference: Option<Line>,
    /// Whose number it is; nobody's if the number is unknown.
    pub payer: Option<Payer>,
    /// The keyed hash of the code that will be sent.
    pub code_mac: [u8; 32],
    /// Whether the network of the link over which it came charges it by itself.
    pub routed: bool,
}

impl NewPayment {
    const fn kind(&self) -> Kind {
        if self.routed { Kind::Routed } else { Kind::Purchase }
    }
}

/// Who pays, as the directory knows the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    pub person_id: PersonId,
    /// Whether a transaction password is set; without one nobody pays.
    pub has_password: bool,
    pub instrument: Option<PayingInstrument>,
    /// That of the person's number, for which the code is made.
    pub number_epoch: i64,
}

/// What a number pays with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayingInstrument {
    pub bank_id: BankId,
    pub instrument: Instrument,
    pub masked: String,
    /// Whether the binding is active and the bank takes part.
    pub usable: bool,
}

/// Whether what the payer typed is right. The comparison is the shell's: it holds the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    pub code_matches: bool,
    pub password_matches: bool,
}

/// One try at authorising.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub terminal_id: TerminalId,
    pub proof: Proof,
    /// The leg to use if the try is good.
    pub leg_id: LegId,
    /// Whether what pays may be named to the network that is to charge it, if the try is good; none where the hub itself charges.
    pub route: Option<Result<(), Reason>>,
}

/// A try of whichever sort: typed at the terminal, or signed on the payer's phone.
pub(super) struct Try {
    pub(super) id: AttemptId,
    pub(super) proof: Proof,
    pub(super) leg_id: LegId,
    /// Whether it goes by a code, and not by the key of the payer's phone.
    pub(super) by_code: bool,
    pub(super) route: Option<Result<(), Reason>>,
}

/// A request for a new code.
#[derive(Clone, Debug)]
pub struct Resend {
    pub id: AttemptId,
    pub terminal_id: TerminalId,
    pub code_mac: [u8; 32],
    /// For which the new code is made.
    pub epoch: i64,
}

impl Payment {
    /// Takes a request in. An unknown number, an inactive or frozen account and a blocked payer are refused in the same words (M4).
    pub fn create(new: NewPayment, guard: Option<&mut PayerGuard>, now: Timestamp, policy: &Policy) -> Self {
        let begun = Self::begin(new.id, new.kind(), (State::Challenged, now), new.terminal.id.clone(), new.amount);
        let mut payment = Self {
            fingerprint: new.fingerprint,
            seller: Some(new.terminal),
            person_id: new.payer.as_ref().map(|payer| payer.person_id),
            items: new.items,
            reference: new.reference,
            ..begun
        };
        let epoch = new.payer.as_ref().map_or(0, |payer| payer.number_epoch);
        let paying = new.payer.filter(|payer| payer.has_password).and_then(|payer| payer.instrument);
        let (Some(paying), Some(guard)) = (paying.filter(|paying| paying.usable), guard) else {
            payment.decline(State::Declined, Reason::PayerUnavailable, now);
            return payment;
        };
        if guard.is_blocked(now) || guard.freezes(&paying.bank_id, paying.instrument).is_some() {
            payment.decline(State::Declined, Reason::PayerUnavailable, now);
            return payment;
        }
        // Whoever looked the number up looked too early: the next request is made for the number as it is.
        if guard.number_epoch != epoch || !guard.send_code(now, &policy.sends) {
            // In the same words: how often a number was asked of is nobody's business.
            payment.decline(State::Declined, Reason::PayerUnavailable, now);
            return payment;
        }
        let expires_at = now.plus(policy.code_ttl);
        payment.charge = Some(Charge {
            bank_id: paying.bank_id,
            instrument: Some(paying.instrument),
            masked: paying.masked,
            credit_minor: None,
            leg_id: None,
            reversal_leg_id: None,
        });
        payment.challenge =
            Some(Challenge { code_mac: new.code_mac, epoch, expires_at, attempts_left: policy.attempts });
        payment.due_at = Some(expires_at);
        payment
    }

    /// Takes a request in that is refused whoever pays. Nobody's number is in it, since nobody was looked at.
    pub fn refuse_request(new: NewPayment, reason: Reason, now: Timestamp) -> Self {
        let begun = Self::begin(new.id, new.kind(), (State::Challenged, now), new.terminal.id.clone(), new.amount);
        let mut payment = Self {
            fingerprint: new.fingerprint,
            seller: Some(new.terminal),
            items: new.items,
            reference: new.reference,
            ..begun
        };
        payment.decline(State::Declined, reason, now);
        payment
    }

    /// The answer to a request whose id is taken: the first answer if it is the same request.
    pub fn same_request(&self, terminal: &TerminalId, fingerprint: &[u8; 32]) -> Result<(), Reason> {
        if self.terminal_id != *terminal {
            return Err(Reason::PaymentIdTaken);
        }
        // The tombstone of a reversal answers for its payment, whatever that was to be.
        if self.kind == Kind::Tombstone || self.fingerprint == *fingerprint {
            return Ok(());
        }
        Err(Reason::PaymentIdTaken)
    }

    /// Evaluates a try. `Ok` is an answer, good or bad; an error changes nothing.
    pub fn authorize(
        &mut self,
        attempt: &Attempt,
        guard: &mut PayerGuard,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<(), Reason> {
        self.owned_by(&attempt.terminal_id)?;
        let &Attempt { id, proof, leg_id, route, .. } = attempt;
        self.evaluate(&Try { id, proof, leg_id, by_code: true, route }, guard, now, policy)
    }

    /// The outcomes of a try, in the order of precedence.
    pub(super) fn evaluate(
        &mut self,
        attempt: &Try,
        guard: &mut PayerGuard,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<(), Reason> {
        if self.attempts.contains(&attempt.id) {
            return Ok(());
        }
        // A routed payment goes by its link alone: whoever says yes elsewhere could name nothing to its network.
        let is_astray = self.kind == Kind::Routed && attempt.route.is_none();
        let Some(challenge) = self.challenge.as_mut().filter(|_| self.state == State::Challenged && !is_astray) else {
            return Err(Reason::NotAwaitingCode);
        };
        self.attempts.push(attempt.id);
        if now >= challenge.expires_at {
            self.decline(State::Expired, Reason::CodeExpired, now);
            return Ok(());
        }
        if guard.is_blocked(now) {
            self.decline(State::Declined, Reason::AttemptsExhausted, now);
            return Ok(());
        }
        if attempt.by_code && challenge.epoch != guard.number_epoch {
            // Whoever has the number now need not be who had it when the code was sent.
            self.decline(State::Declined, Reason::NumberChanged, now);
            return Ok(());
        }
        if attempt.by_code && guard.number_closed {
            // It tells nothing of the code, so no try is counted; the app may still approve.
            self.refusal = Some(Reason::NumberNotProved);
            return Ok(());
        }
        if !(attempt.proof.code_matches & attempt.proof.password_matches) {
            challenge.attempts_left = challenge.attempts_left.saturating_sub(1);
            let spent = challenge.attempts_left == 0;
            guard.failed(now, policy);
            if spent || guard.is_blocked(now) {
                self.decline(State::Declined, Reason::AttemptsExhausted, now);
            } else {
                self.refusal = Some(Reason::VerificationFailed);
            }
            return Ok(());
        }
        guard.succeeded();
        if let Some(reason) = guard.freezes_charge(self.charge.as_ref()) {
            self.decline(State::Declined, reason, now);
            return Ok(());
        }
        if let Some(route) = attempt.route.filter(|_| self.kind == Kind::Routed) {
            self.name_to_network(route, now, policy);
            return Ok(());
        }
        if let Some(charge) = &mut self.charge {
            charge.leg_id = Some(attempt.leg_id);
        }
        self.challenge = None;
        self.refusal = None;
        self.decide_before = Some(now.plus(policy.decide_within));
        self.proceed(State::Holding, now.plus(policy.head_start.min(policy.decide_within)));
        Ok(())
    }

    /// Replaces the code. Tries that were used stay used.
    pub fn resend(
        &mut self,
        resend: &Resend,
        guard: &mut PayerGuard,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<bool, Reason> {
        self.owned_by(&resend.terminal_id)?;
        if self.attempts.contains(&resend.id) {
            return Ok(false);
        }
        let Some(challenge) = self.challenge.as_mut().filter(|_| self.state == State::Challenged) else {
            return Err(Reason::NotAwaitingCode);
        };
        if now >= challenge.expires_at {
            self.decline(State::Expired, Reason::CodeExpired, now);
            return Ok(false);
        }
        if guard.is_blocked(now) {
            return Err(Reason::PayerUnavailable);
        }
        if self.attempts.len() >= MOST_ATTEMPTS || !guard.send_code(now, &policy.sends) {
            return Err(Reason::CodesExhausted);
        }
        challenge.code_mac = resend.code_mac;
        challenge.epoch = resend.epoch;
        challenge.expires_at = now.plus(policy.code_ttl);
        self.due_at = Some(challenge.expires_at);
        self.attempts.push(resend.id);
        Ok(true)
    }

    /// Gives up a payment that waits for its code.
    pub fn cancel(&mut self, terminal: &TerminalId, now: Timestamp) -> Result<(), Reason> {
        self.owned_by(terminal)?;
        match self.state {
            State::Challenged => self.decline(State::Cancelled, Reason::Cancelled, now),
            State::Cancelled => {}
            State::Declined | State::Expired | State::Aborted => {}
            _ => return Err(Reason::NotCancellable),
        }
        Ok(())
    }

    /// Ends a payment whose code was never handed in. Says whether it did.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let ended = self.state == State::Challenged && self.challenge.as_ref().is_some_and(|c| now >= c.expires_at);
        if ended {
            self.decline(State::Expired, Reason::CodeExpired, now);
        }
        ended
    }
}
