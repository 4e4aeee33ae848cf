//! From the bank's answer to the end: the commit point, posting, and aborting.

use super::{Instrument, Kind, PayerGuard, Payment, Policy, State};
use crate::ledger::Nature;
use crate::reason::Class;
use crate::{CardId, LegId, PersonId, Reason, Timestamp};

/// What came of telling a payment about its bank's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The payment went on because of this.
    Moved,
    /// It had gone on already; this changes nothing.
    Already,
    /// It had gone the other way: the hold is to be released.
    TooLate,
}

/// What the bank says of the money that it has reserved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The card, if it is one that pays.
    pub card_id: Option<CardId>,
    /// Whose card it is, if it is bound to anybody.
    pub person_id: Option<PersonId>,
    /// How much its credit side bears, in minor units.
    pub credit_minor: Option<i64>,
}

/// Whether a bank that has refused a hold and stored nothing will never take it. Otherwise the next try may find it well again,
/// or the leg may be there after all: the outcome is not known.
pub const fn ends_hold(refusal: Reason) -> bool {
    !matches!(refusal.class(), Class::Away | Class::Exhausted | Class::Fault | Class::Exists)
}

/// What a bank is told when it asks about a leg that it holds (DESIGN §2, rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is decided, or the hub itself will tell the bank with how much the leg is completed.
    Wait,
    /// Post it.
    Post,
    /// Release it.
    Void,
}

impl Payment {
    /// What a bank is told of a leg. One that is not this payment's is durable nowhere, and so void.
    pub fn verdict_on(&self, leg: LegId) -> Verdict {
        if self.charge.as_ref().and_then(|charge| charge.leg_id) != Some(leg) {
            return Verdict::Void;
        }
        match self.state {
            State::Holding | State::Authorised => Verdict::Wait,
            // To post would be to charge the whole amount.
            State::Committed | State::Reversing if self.completed_minor.is_some() => Verdict::Wait,
            State::Committed | State::Posted | State::Reversing | State::Reversed => Verdict::Post,
            State::Challenged | State::Declined | State::Expired | State::Cancelled => Verdict::Void,
            State::Aborting | State::Aborted => Verdict::Void,
        }
    }
}

/// What a payment needs done, when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing, or not yet.
    Nothing,
    /// The code has ended.
    Expire,
    /// Ask the bank (again) for the hold, and commit.
    Hold,
    /// The decision deadline has passed: abort.
    Abort,
    /// What was authorised was not completed in time: give it up.
    Lapse,
    /// Tell the bank to post.
    Post,
    /// Tell the bank with how much the leg is completed.
    Complete,
    /// Tell the bank to release the hold.
    Void,
    /// Tell the bank to give money back: a refund.
    Refund,
    /// Tell the bank to give the whole payment back.
    Reverse,
}

impl Payment {
    /// The bank has reserved the money: the commit point, if it is not too late. APPROVED is said only after this is durable. A
    /// pre-authorisation is authorised by it, and committed by its completion. What the payer has frozen meanwhile is not charged.
    pub fn commit(&mut self, held: Held, payer: Option<&mut PayerGuard>, now: Timestamp, policy: &Policy) -> Settled {
        match self.state {
            State::Holding if self.may_be_decided(now) => {
                self.person_id = self.person_id.or(held.person_id);
                if let Some(charge) = &mut self.charge {
                    charge.instrument = charge.instrument.or(held.card_id.map(Instrument::Card));
                    let by_card = matches!(charge.instrument, Some(Instrument::Card(_)));
                    charge.credit_minor = held.credit_minor.filter(|_| by_card);
                }
                let frozen = payer.as_deref().and_then(|payer| payer.freezes_charge(self.charge.as_ref()));
                if let Some(reason) = frozen.filter(|_| self.kind.is_recorded()) {
                    self.abort(reason, now);
                    return Settled::TooLate;
                }
                if self.kind.nature() == Some(Nature::PreAuthorisation) {
                    let until = now.plus(policy.authorised_for);
                    self.decide_before = Some(until);
                    self.proceed(State::Authorised, until);
                    return Settled::Moved;
                }
                self.decided_at = Some(now);
                if self.kind.is_recorded() {
                    self.charge_sequence = payer.map(PayerGuard::next_sequence);
                }
                // The replica that took the last step is taking the next one. While it still has half of its start, the time
                // stays as it is, which spares the database an index entry for each payment.
                let due_at = self.due_at.filter(|due| *due >= now.plus(policy.head_start / 2));
                self.proceed(State::Committed, due_at.unwrap_or(now.plus(policy.head_start)));
                Settled::Moved
            }
            State::Holding => {
                self.abort(Reason::DecisionTimedOut, now);
                Settled::TooLate
            }
            State::Authorised | State::Committed | State::Posted | State::Reversing | State::Reversed => {
                Settled::Already
            }
            _ => Settled::TooLate,
        }
    }

    /// The bank has reserved the money, and a limit does not let it be charged: the hold is released.
    pub fn over_limit(&mut self, held: Held, reason: Reason, now: Timestamp) -> Settled {
        match self.abort(reason, now) {
            Settled::Moved => {
                // Whose card it is says who hears of it, and is not known before.
                self.person_id = self.person_id.or(held.person_id);
                Settled::TooLate
            }
            other => other,
        }
    }

    /// The bank has refused the hold.
    pub fn refuse(&mut self, reason: Reason, now: Timestamp) -> Settled {
        match self.state {
            State::Holding => {
                self.decline(State::Declined, reason, now);
                Settled::Moved
            }
            // The void found nothing to release.
            State::Aborting => self.aborted(),
            _ => Settled::Already,
        }
    }

    /// Decides that the payment is not to be. Durable before the hold is released; a swap out of HOLDING like the commit, so
    /// that one of the two wins.
    pub fn abort(&mut self, reason: Reason, now: Timestamp) -> Settled {
        match self.state {
            State::Holding => {
                self.give_up(reason, now);
                Settled::Moved
            }
            State::Aborting | State::Aborted => Settled::Already,
            _ => Settled::TooLate,
        }
    }

    /// From here on the hold is only released.
    pub(super) fn give_up(&mut self, reason: Reason, now: Timestamp) {
        self.refusal = Some(reason);
        self.decided_at = Some(now);
        self.proceed(State::Aborting, now);
    }

    /// The bank has released the hold, or never had it.
    pub fn aborted(&mut self) -> Settled {
        match self.state {
            State::Aborting => {
                self.state = State::Aborted;
                self.due_at = None;
                self.tries = 0;
                Settled::Moved
            }
            _ => Settled::Already,
        }
    }

    /// The bank has posted the leg.
    pub fn posted(&mut self, now: Timestamp) -> Settled {
        match (self.state, self.kind) {
            (State::Committed, kind) => {
                self.state = State::Posted;
                self.due_at = None;
                self.tries = 0;
                if let Kind::Refund { .. } = kind {
                    self.decided_at = Some(now);
                }
                Settled::Moved
            }
            _ => Settled::Already,
        }
    }

    pub(super) fn may_be_decided(&self, now: Timestamp) -> bool {
        self.decide_before.is_some_and(|until| now < until)
    }

    /// What the payment needs done at this moment.
    pub fn work(&self, now: Timestamp) -> Work {
        if self.due_at.is_none_or(|due| now < due) { Work::Nothing } else { self.outstanding(now) }
    }

    /// What is still to be done for the payment, whether or not it is due already.
    pub fn outstanding(&self, now: Timestamp) -> Work {
        match (self.state, self.kind) {
            (State::Challenged, _) => Work::Expire,
            // What was read from a card is nowhere but at the terminal.
            (State::Holding, Kind::Card { .. }) if self.may_be_decided(now) => Work::Nothing,
            (State::Holding, _) if self.may_be_decided(now) => Work::Hold,
            (State::Holding, _) => Work::Abort,
            (State::Authorised, _) if self.may_be_decided(now) => Work::Nothing,
            (State::Authorised, _) => Work::Lapse,
            (State::Committed, Kind::Refund { .. }) => Work::Refund,
            (State::Committed, _) if self.completed_minor.is_some() => Work::Complete,
            (State::Committed, _) => Work::Post,
            (State::Aborting, _) => Work::Void,
            (State::Reversing, _) => Work::Reverse,
            _ => Work::Nothing,
        }
    }

    /// Puts what is due off while it is being tried: twice as long each time, at most the longest pause, and never past the
    /// moment at which a hold has to be decided. `spread` in 0..1000 keeps many payments from coming back at once.
    pub fn defer(&mut self, now: Timestamp, spread: u16, policy: &Policy) {
        if self.due_at.is_none() {
            return;
        }
        let next = now.plus(policy.pause(self.tries, spread));
        self.due_at = match (self.state, self.decide_before) {
            (State::Holding, Some(until)) if now < until => Some(next.min(until)),
            _ => Some(next),
        };
        self.tries = self.tries.saturating_add(1);
    }
}
