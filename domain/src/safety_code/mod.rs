//! The safety code: digits by which a person who has no bound phone at hand is known, to freeze what was lost (F1, F2, F3).
//!
//! A bank or an operator of the hub opens a window when somebody's identity has been checked; in it the code may be set once. What is
//! set is compared by keyed hash, and wrong tries are counted over all channels, apart from those of payments: a stranger who guesses
//! safety codes must not be able to stop somebody from paying.

mod check;
mod code;
mod form;
mod guard;
mod window;

pub use crate::tries::Tried;
pub use check::how_checked;
pub use code::SafetyCode;
pub use form::SetForm;
pub use guard::{Policy, SafetyGuard};
pub use window::{Setter, may_set};
