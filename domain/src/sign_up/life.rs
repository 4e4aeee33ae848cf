//! What becomes of a sign-up.

use std::time::Duration;

use crate::reason::Class;
use crate::{AccountId, BankId, CarrierId, PersonId, Reason, SignUpId, Timestamp};

/// The pause after the first try that got no answer; it doubles with each, up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where a sign-up stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Asked,
    Opening,
    Bound,
    Told,
    Refused,
}

impl State {
    pub const ALL: [Self; 5] = [Self::Asked, Self::Opening, Self::Bound, Self::Told, Self::Refused];

    /// The word that is stored and logged.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Asked => "ASKED",
            Self::Opening => "OPENING",
            Self::Bound => "BOUND",
            Self::Told => "TOLD",
            Self::Refused => "REFUSED",
        }
    }

    /// `Err(FieldUnknown)` for another word.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.name() == text).ok_or(Reason::FieldUnknown)
    }
}

/// What its carrier sees of it. A final one never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Pending,
    SignedUp,
    Refused,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Nothing,
    /// To choose the bank.
    Choose,
    /// To have the bank open the account.
    Open,
    /// To have the bank follow the account, and then to tell of it.
    Tell,
}

/// A sign-up as a carrier asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSignUp {
    pub id: SignUpId,
    pub carrier_id: CarrierId,
    pub asked_bank: Option<BankId>,
}

/// A sign-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignUp {
    pub id: SignUpId,
    pub carrier_id: CarrierId,
    pub state: State,
    /// The bank that the person has chosen, if any.
    pub asked_bank: Option<BankId>,
    /// The bank, and the id of the account there; from OPENING on.
    pub account: Option<(BankId, AccountId)>,
    /// Whose it is and the account's number as others may see it; from BOUND on.
    pub bound: Option<(PersonId, String)>,
    pub refusal: Option<Reason>,
    /// Its place among the answers to its carrier, once it is decided.
    pub answer_sequence: Option<i64>,
    pub asked_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    /// When the sweeper looks at it next; none when there is nothing left to do.
    pub due_at: Option<Timestamp>,
    /// How often what is due was tried since the last step.
    pub tries: u32,
}

impl SignUp {
    /// Takes one in. Whoever has taken it in goes on with it at once; the sweeper looks at it if that comes to nothing.
    pub fn ask(new: NewSignUp, now: Timestamp) -> Self {
        let NewSignUp { id, carrier_id, asked_bank } = new;
        Self {
            id,
            carrier_id,
            state: State::Asked,
            asked_bank,
            account: None,
            bound: None,
            refusal: None,
            answer_sequence: None,
            asked_at: now,
            decided_at: None,
            due_at: Some(now.plus(FIRST_PAUSE)),
            tries: 0,
        }
    }

    pub const fn seen(&self) -> Seen {
        match self.state {
            State::Asked | State::Opening | State::Bound => Seen::Pending,
            State::Told => Seen::SignedUp,
            State::Refused => Seen::Refused,
        }
    }

    pub const fn work(&self) -> Work {
        match self.state {
            State::Asked => Work::Choose,
            State::Opening => Work::Open,
            State::Bound => Work::Tell,
            State::Told | State::Refused => Work::Nothing,
        }
    }

    /// Its bank is chosen. Each of these says whether it moved: what was done before is not done again.
    pub fn open(&mut self, bank: BankId, account: AccountId, now: Timestamp) -> bool {
        let moves = self.state == State::Asked;
        if moves {
            self.account = Some((bank, account));
            self.proceed(State::Opening, Some(now.plus(FIRST_PAUSE)));
        }
        moves
    }

    /// The bank has opened the account, and person, number and account are bound.
    pub fn bind(&mut self, person_id: PersonId, masked: String, now: Timestamp) -> bool {
        let moves = self.state == State::Opening;
        if moves {
            self.bound = Some((person_id, masked));
            self.proceed(State::Bound, Some(now.plus(FIRST_PAUSE)));
        }
        moves
    }

    /// The bank follows the account; person and carrier are told with this very step.
    pub fn tell(&mut self, answer_sequence: i64, now: Timestamp) -> bool {
        let moves = self.state == State::Bound;
        if moves {
            self.answer_sequence = Some(answer_sequence);
            self.decided_at = Some(now);
            self.proceed(State::Told, None);
        }
        moves
    }

    /// It comes to nothing. What is bound is not refused any more.
    pub fn refuse(&mut self, reason: Reason, answer_sequence: i64, now: Timestamp) -> bool {
        let moves = matches!(self.state, State::Asked | State::Opening);
        if moves {
            self.refusal = Some(reason);
            self.answer_sequence = Some(answer_sequence);
            self.decided_at = Some(now);
            self.proceed(State::Refused, None);
        }
        moves
    }

    /// Whoever takes what is due puts it off, so that nobody else takes it meanwhile, and so that it comes back if nothing becomes of it.
    pub fn defer(&mut self, now: Timestamp) {
        let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(self.tries.min(16)).unwrap_or(u32::MAX));
        self.due_at = Some(now.plus(doubled.min(LONGEST_PAUSE)));
        self.tries = self.tries.saturating_add(1);
    }

    const fn proceed(&mut self, state: State, due_at: Option<Timestamp>) {
        self.state = state;
        self.due_at = due_at;
        self.tries = 0;
    }
}

/// Whether a bank that gives this reason will never open the account. After any other the same is asked again: the bank may have done it.
pub const fn ends_sign_up(reason: Reason) -> bool {
    matches!(reason.class(), Class::Invalid | Class::NotFound | Class::Exists | Class::State)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn asked() -> SignUp {
        let new = NewSignUp {
            id: SignUpId::from_uuid(Uuid::from_u128(1)),
            carrier_id: CarrierId::parse("east").unwrap(),
            asked_bank: None,
        };
        SignUp::ask(new, NOW)
    }

    /// What can happen to a sign-up, by number.
    fn happens(sign_up: &mut SignUp, what: u8) -> bool {
        match what {
            0 => sign_up.open(BankId::parse("bank-a").unwrap(), AccountId::from_uuid(Uuid::from_u128(2)), NOW),
            1 => sign_up.bind(PersonId::from_uuid(Uuid::from_u128(3)), "****4821".to_owned(), NOW),
            2 => sign_up.tell(7, NOW),
            3 => sign_up.refuse(Reason::IdentityMismatch, 7, NOW),
            _ => {
                sign_up.defer(NOW);
                false
            }
        }
    }

    #[test]
    fn m1_a_sign_up_goes_through_its_states_in_order_and_only_once() {
        use State::{Asked, Bound, Opening, Refused, Told};
        let moves =
            [(Asked, 0, Opening), (Asked, 3, Refused), (Opening, 1, Bound), (Opening, 3, Refused), (Bound, 2, Told)];
        for from in State::ALL {
            for what in 0..4 {
                let mut sign_up = SignUp { state: from, ..asked() };
                let wanted = moves.iter().find(|(state, step, _)| (*state, *step) == (from, what));
                let before = sign_up.clone();
                assert_eq!(happens(&mut sign_up, what), wanted.is_some(), "{from:?} {what}");
                match wanted {
                    Some((_, _, to)) => assert_eq!(sign_up.state, *to),
                    None => assert_eq!(sign_up, before),
                }
            }
        }
    }

    #[test]
    fn m1_what_is_decided_has_its_answer_and_nothing_left_to_do() {
        for (steps, seen) in [(&[0, 1, 2][..], Seen::SignedUp), (&[3], Seen::Refused), (&[0, 3], Seen::Refused)] {
            let mut sign_up = asked();
            for step in steps {
                assert_eq!(sign_up.seen(), Seen::Pending);
                assert!(sign_up.due_at.is_some() && sign_up.answer_sequence.is_none());
                happens(&mut sign_up, *step);
            }
            assert_eq!((sign_up.seen(), sign_up.work(), sign_up.due_at), (seen, Work::Nothing, None));
            assert_eq!(sign_up.answer_sequence, Some(7));
        }
    }

    #[test]
    fn m1_pauses_double_up_to_a_minute() {
        let mut sign_up = asked();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            sign_up.defer(NOW);
            pauses.push(sign_up.due_at.unwrap().since(NOW).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn m2_only_a_no_that_stays_one_ends_a_sign_up() {
        for (reason, ends) in [
            (Reason::IdentityMismatch, true),
            (Reason::CitizenUnknown, true),
            (Reason::AccountsNotOpened, true),
            (Reason::IdTaken, true),
            (Reason::IdentityAway, false),
            (Reason::BankAway, false),
            (Reason::TooBusy, false),
            (Reason::Fault, false),
            (Reason::RoleNotAllowed, false),
        ] {
            assert_eq!(ends_sign_up(reason), ends, "{reason:?}");
        }
    }

    proptest! {
        #[test]
        fn m1_whatever_comes_in_whatever_order_a_final_answer_never_changes(steps in prop::collection::vec(0_u8..5, 0..40)) {
            let mut sign_up = asked();
            let mut answered = None;
            for step in steps {
                if answered.is_some() && step == 4 {
                    continue;
                }
                happens(&mut sign_up, step);
                match (&answered, sign_up.seen()) {
                    (None, Seen::Pending) => {}
                    (None, _) => answered = Some(sign_up.clone()),
                    (Some(first), _) => prop_assert_eq!(&sign_up, first),
                }
            }
            if sign_up.state == State::Told {
                prop_assert!(sign_up.account.is_some() && sign_up.bound.is_some() && sign_up.refusal.is_none());
            }
        }
    }
}
