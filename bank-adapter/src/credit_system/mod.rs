//! A bank's existing credit system (C8), over ISO 8583 on one long-lived connection.
//!
//! The node sees it behind `ledger::CreditSystem`, whose other implementation is the ledger itself. [`ExistingCreditSystem`]
//! asks the peer. Only holds can be refused. Everything else has been decided when it is told: it is
//! an [`Advice`], a row that the ledger's own transaction writes ([`Orders`]) and that the `forward` tells until it is
//! acknowledged. ADR 13 says why, and what a peer has to do for its part.
//!
//! | file | |
//! |---|---|
//! | `message`, `answer`, `response` | what goes out and comes back, field by field |
//! | `trace`, `matching` | which answer belongs to which request |
//! | `session`, `link`, `seal` | the connection |
//! | `order`, `orders`, `card`, `pin` | what is told and asked of legs, cards and PINs, as rules; `sql`, `steps`: as rows |
//! | `forward` | store and forward |
//! | `stuck` | what the peer refuses to take note of, for an operator |
//!
//! # A hold with a part at an existing credit system
//!
//! 1. [`ExistingCreditSystem::left`] says what the credit line has left; the front decides the split from it.
//! 2. [`ExistingCreditSystem::reserve`] gives the numbers of the message. In one transaction the ledger holds the debit part and
//!    [`Orders::ask`] notes that the credit part is asked for. A crash from here on leaves a row in [`asking`].
//! 3. [`ExistingCreditSystem::hold`] asks.
//! 4. In one transaction [`Orders::settle`] notes the answer and the ledger holds or refuses the leg. Without a clear answer
//!    the same call queues the void.
//!
//! Legs that [`asking`] gives when the node starts are settled as unclear before anything else is done; later it gives those
//! whose caller went away between 2 and 4, which are settled in the same way once the time for an answer is long over.
//!
//! Invariant: no message goes out whose consequences are not durable before it.

mod answer;
mod card;
pub mod config;
mod existing;
mod forward;
mod link;
mod matching;
mod message;
mod order;
mod orders;
mod pin;
mod reference;
mod response;
mod seal;
mod session;
mod sql;
mod start;
mod steps;
mod stuck;
#[cfg(test)]
mod tests;
mod trace;

pub use card::{CardAdvice, CardAdvices, CardKey, CardStatus, of_card};
pub use config::{CreditSystemConfig, CreditSystemError};
pub use existing::{Answered, Bell, CardNumbers, ExistingCreditSystem, ExistingParts};
pub use forward::{ForwardOptions, PinBook};
pub use link::{LateApproval, Link, LinkError, LinkOptions, LinkParts, Started};
pub(crate) use order::pause as pause_after;
pub use order::{Advice, AdviceKey, CreditHold, HoldAnswer, Kind, Order, OrderKey, State};
pub use orders::{Orders, Retold};
pub use pin::{ChangeId, NewPin, PinChange, PinChanges, PinState, change};
pub use reference::Reference;
pub use response::{Verdict, code, verdict};
pub use sql::{asking, of_leg};
pub use start::{Connector, Surroundings};
pub use stuck::{About, Stuck, StuckKey, StuckPlace, stuck};
pub use trace::Trace;

use trace::Reserved;

/// The numbers of a hold that is asked for; nobody else gets them before this is gone.
#[derive(Debug)]
pub struct Asked(Reserved);

impl Asked {
    /// What [`Orders::ask`] stores.
    pub const fn trace(&self) -> Trace {
        self.0.trace()
    }
}
