//! From what was signed to the end: both holds, the commit point, posting or voiding both legs.

use super::{Form, Leg, Party, Progress, Repayment, Side, State};
use crate::payment::{Policy, Settled, Verdict};
use crate::{BankId, DeviceId, LegId, PersonId, Reason, Timestamp};

/// What pays and what is repaid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parties {
    pub paying: Party,
    pub receiving: Party,
}

/// The ids of the two movements, made by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Legs {
    pub paying: LegId,
    pub receiving: LegId,
}

/// What a repayment needs done, when it is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Nothing, or not yet.
    Nothing,
    /// Ask the banks (again) that are not known to hold, and commit.
    Hold,
    /// The decision deadline has passed: abort.
    Abort,
    /// Tell the banks to post.
    Post,
    /// Tell the banks to release their holds.
    Void,
}

impl Repayment {
    /// Takes a repayment in. Its legs are durable before the banks hear of them.
    pub fn begin(
        form: &Form,
        (person_id, device_id): (PersonId, DeviceId),
        parties: Parties,
        legs: Legs,
        now: Timestamp,
        policy: &Policy,
    ) -> Self {
        let leg = |id, party| Leg { id, party, progress: Progress::Asked };
        Self {
            id: form.id,
            person_id,
            device_id,
            signed_at: form.signed_at,
            amount: form.amount,
            paying: leg(legs.paying, parties.paying),
            receiving: leg(legs.receiving, parties.receiving),
            state: State::Holding,
            created_at: now,
            decided_at: None,
            refusal: None,
            refused_by: None,
            decide_before: now.plus(policy.decide_within),
            due_at: Some(now.plus(policy.head_start.min(policy.decide_within))),
            tries: 0,
        }
    }

    /// The answer to a request whose id is taken: as it stands, if it is the same request of the same person.
    pub fn same_request(&self, person_id: PersonId, form: &Form) -> Result<(), Reason> {
        if self.person_id == person_id && self.form() == *form { Ok(()) } else { Err(Reason::PaymentIdTaken) }
    }

    /// These banks hold. When the other one is known to hold, too, this is the commit point, if it is not too late. APPROVED is said only
    /// after it is durable.
    pub fn held(&mut self, sides: &[Side], now: Timestamp, policy: &Policy) -> Settled {
        match self.state {
            State::Holding if now < self.decide_before => {
                for side in sides {
                    self.leg_mut(*side).progress = Progress::Held;
                }
                if self.awaited().next().is_some() {
                    return Settled::Already;
                }
                self.decided_at = Some(now);
                self.proceed(State::Committed, now.plus(policy.head_start));
                Settled::Moved
            }
            State::Holding => {
                self.time_out(now);
                Settled::TooLate
            }
            State::Committed | State::Posted => Settled::Already,
            State::Aborting | State::Aborted => Settled::TooLate,
        }
    }

    /// Decides that it is not to be. Durable before a hold is released; a swap out of HOLDING like the commit, so that one of the two
    /// wins.
    pub fn abort(&mut self, reason: Reason, refused_by: Option<Side>, now: Timestamp) -> Settled {
        match self.state {
            State::Holding => {
                self.refusal = Some(reason);
                self.refused_by = refused_by;
                self.decided_at = Some(now);
                self.proceed(State::Aborting, now);
                Settled::Moved
            }
            State::Aborting | State::Aborted => Settled::Already,
            State::Committed | State::Posted => Settled::TooLate,
        }
    }

    /// The decision deadline has passed: whoever is not known to hold has not answered.
    pub fn time_out(&mut self, now: Timestamp) -> Settled {
        if now < self.decide_before {
            return Settled::Already;
        }
        let silent: Vec<Side> = self.awaited().collect();
        let by = match *silent.as_slice() {
            [side] => Some(side),
            _ => None,
        };
        self.abort(Reason::DecisionTimedOut, by, now)
    }

    /// These banks have posted.
    pub fn posted(&mut self, sides: &[Side]) -> Settled {
        self.done(sides, State::Committed, State::Posted)
    }

    /// These banks have released their holds, or never had one and never will.
    pub fn voided(&mut self, sides: &[Side]) -> Settled {
        self.done(sides, State::Aborting, State::Aborted)
    }

    fn done(&mut self, sides: &[Side], during: State, end: State) -> Settled {
        if self.state != during {
            return Settled::Already;
        }
        for side in sides {
            self.leg_mut(*side).progress = Progress::Done;
        }
        if self.undone().next().is_some() {
            return Settled::Already;
        }
        self.state = end;
        self.due_at = None;
        self.tries = 0;
        Settled::Moved
    }

    /// The banks that are not known to hold.
    pub fn awaited(&self) -> impl Iterator<Item = Side> + use<'_> {
        Side::BOTH.into_iter().filter(|side| self.leg(*side).progress == Progress::Asked)
    }

    /// The banks that have yet to post or to void.
    pub fn undone(&self) -> impl Iterator<Item = Side> + use<'_> {
        Side::BOTH.into_iter().filter(|side| self.leg(*side).progress != Progress::Done)
    }

    /// What a bank is told of a leg that it holds; nothing when the leg is not of this repayment. `Err(NotYours)` for a leg that is the
    /// other bank's.
    pub fn verdict_on(&self, bank: &BankId, leg: LegId) -> Result<Option<Verdict>, Reason> {
        let named = Side::BOTH.into_iter().map(|side| self.leg(side)).find(|known| known.id == leg);
        let Some(known) = named else { return Ok(None) };
        if known.party.bank_id != *bank {
            return Err(Reason::NotYours);
        }
        Ok(Some(match self.state {
            State::Holding => Verdict::Wait,
            State::Committed | State::Posted => Verdict::Post,
            State::Aborting | State::Aborted => Verdict::Void,
        }))
    }

    /// What it needs done, whether or not it is due already.
    pub fn outstanding(&self, now: Timestamp) -> Work {
        match self.state {
            State::Holding if now < self.decide_before => Work::Hold,
            State::Holding => Work::Abort,
            State::Committed => Work::Post,
            State::Aborting => Work::Void,
            State::Posted | State::Aborted => Work::Nothing,
        }
    }

    /// Puts what is due off while it is being tried, never past the moment at which it has to be decided. `spread` in 0..1000 keeps many
    /// from coming back at once.
    pub fn defer(&mut self, now: Timestamp, spread: u16, policy: &Policy) {
        if self.due_at.is_none() {
            return;
        }
        let next = now.plus(policy.pause(self.tries, spread));
        let is_open = self.state == State::Holding && now < self.decide_before;
        self.due_at = Some(if is_open { next.min(self.decide_before) } else { next });
        self.tries = self.tries.saturating_add(1);
    }

    fn proceed(&mut self, state: State, due_at: Timestamp) {
        self.state = state;
        self.due_at = Some(due_at);
        self.tries = 0;
    }
}
