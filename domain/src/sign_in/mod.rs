//! Signing in without the app, by web page (F3, R7): a phone number, a one-time code that goes to the phone, and an account password.
//!
//! Wrong tries are counted apart from those of payments and of safety codes: a stranger who guesses here must not be able to stop somebody
//! from paying, nor from freezing.

mod form;
mod guard;
mod password;

pub use crate::tries::Tried;
pub use form::SetForm;
pub use guard::{Policy, SignInGuard};
pub use password::AccountPassword;
