//! Signing people up through mobile carriers (M1, M2): who they are, what becomes of a sign-up, and to whom a number belongs.
//!
//! ```text
//! ASKED → OPENING → BOUND → TOLD        the way through
//!   └───────┴──→ REFUSED                by a reason; the number is free again
//! ```
//!
//! ASKED is taken in: the number is nobody else's to sign up any more. OPENING has its bank and the id of its account, before the bank
//! hears of it. BOUND has the person, the number and the account in one transaction. TOLD is what carrier, person and bank know of.

mod choice;
mod citizen;
mod joining;
mod life;
mod name;
mod number;

pub use choice::choose_bank;
pub use citizen::CitizenNumber;
pub use joining::{Joining, Known, Numbered, join};
pub use life::{NewSignUp, Seen, SignUp, State, Work, ends_sign_up};
pub use name::PersonName;
pub use number::{Number, NumberChange};
