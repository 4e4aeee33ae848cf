//! An errand: what somebody has done at a terminal besides paying (M3). What was opened for a number is activated, and the transaction
//! password is set, changed or reset.
//!
//! ```text
//! WAITING → DONE          the code was right, and what else the errand takes
//!     └───→ REFUSED       a number that cannot be served, a wrong try too often, no code in time
//! ```
//!
//! The code is good for one errand, at one terminal, for one epoch of the number. A wrong try counts in the counters of payments: whoever
//! guesses at errands has guessed at payments, too. What is not needed is found out only after the code was right, so that a terminal learns
//! nothing of a number whose owner does not stand in front of it.

mod life;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::payment::Challenge;
use crate::purchase::Terminal;
use crate::{AttemptId, ErrandId, PersonId, Reason, TerminalId, Timestamp};

pub use life::{Attempt, Known, NewErrand, Proof};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrandKind {
    /// What was opened for the number pays from now on.
    Activate,
    /// The transaction password is set for the first time.
    SetPassword,
    /// Another one takes the place of one that is known.
    ChangePassword,
    /// Another one takes the place of one that was forgotten.
    ResetPassword,
}

impl ErrandKind {
    pub const ALL: [Self; 4] = [Self::Activate, Self::SetPassword, Self::ChangePassword, Self::ResetPassword];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activate => "ACTIVATE",
            Self::SetPassword => "SET_PASSWORD",
            Self::ChangePassword => "CHANGE_PASSWORD",
            Self::ResetPassword => "RESET_PASSWORD",
        }
    }

    /// Reads what [`ErrandKind::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// Whether it takes a new password.
    pub const fn takes_password(self) -> bool {
        !matches!(self, Self::Activate)
    }

    /// Whether it takes something that the person knows beside the code: the password that holds, or the safety code.
    pub const fn takes_known(self) -> bool {
        matches!(self, Self::ChangePassword | Self::ResetPassword)
    }
}

/// Where an errand stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Done,
    Refused,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Done, Self::Refused];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "WAITING",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
        }
    }

    /// Reads what [`State::as_str`] gives. `Err(FieldUnknown)`.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// An errand.
#[derive(Clone, Debug, PartialEq)]
pub struct Errand {
    pub id: ErrandId,
    pub kind: ErrandKind,
    pub state: State,
    pub terminal_id: TerminalId,
    /// The terminal as it was when the errand came.
    pub seller: Arc<Terminal>,
    /// The request, hashed: the same id with other content is another request.
    pub fingerprint: [u8; 32],
    /// Nobody for an unknown number.
    pub person_id: Option<PersonId>,
    /// The code that is awaited; none of a decided errand.
    pub challenge: Option<Challenge>,
    /// The tries that were taken in, so that the same one sent twice counts once.
    pub attempts: Vec<AttemptId>,
    pub refusal: Option<Reason>,
    pub created_at: Timestamp,
    pub decided_at: Option<Timestamp>,
}

/// What stands in a PIN block of an errand in the place of a card number: the end of the errand's id as sixteen digits. So a block opens in
/// its own errand and in no other one.
pub fn block_number(id: ErrandId) -> String {
    let end = id.uuid().as_u64_pair().1;
    format!("{:016}", end % 10_000_000_000_000_000)
}
