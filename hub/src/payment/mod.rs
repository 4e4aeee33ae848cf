//! Payments: from the terminal's request to the bank's ledger, exactly once (R1, R2, M4–M6, M8).
//!
//! `service` speaks to terminals (about cards in `card`, about cash in `top_up`), `till` has what they ask, through this front and that of a card network; `desk` carries a payment from step to step; `steps` are the durable ones,
//! decided by `domain::payment` and written in sets; `sweep` carries on whatever a lost answer or a killed process left behind;
//! `standing` counts what is open, for alarms; `approval` is the payer's own answer, on the phone.

mod approval;
mod books;
mod card;
mod cash;
mod code;
mod desk;
pub mod fill;
mod money_back;
mod noted;
mod recent;
mod request;
mod rules;
mod service;
pub(crate) mod sql;
mod standing;
mod steps;
mod sweep;
mod taking;
#[cfg(test)]
mod tests;
mod till;
mod top_up;
mod traced;
mod tries;
mod watch;

pub use approval::Approvals;
pub use desk::{Desk, DeskOptions};
pub(crate) use request::{ReadCreate, ReadCreateCard, read_reference};
pub use service::{TerminalApi, TerminalLimits};
pub use standing::keep_standing;
pub use sweep::sweep;
pub(crate) use till::{Typed, WantedRefund};
