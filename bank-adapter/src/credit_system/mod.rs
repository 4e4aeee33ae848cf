//! The bank's credit system (C8): embedded in the ledger, or an existing one over ISO 8583 on one long-lived connection.
//!
//! [`CreditSystem`] is what the front asks. [`Embedded`] answers at once, since the ledger holds the credit account itself;
//! [`ExistingCreditSystem`] asks the peer. Only holds can be refused. Everything else has been decided when it is told: it is
//! an [`Advice`], a row that the ledger's own transaction writes ([`Orders`]) and that the [`Forwarder`] tells until it is
//! acknowledged. ADR 13 says why, and what a peer has to do for its part.
//!
//! | file | |
//! |---|---|
//! | `message`, `answer`, `response` | what goes out and comes back, field by field |
//! | `trace`, `matching` | which answer belongs to which request |
//! | `session`, `link`, `seal` | the connection |
//! | `order`, `orders`, `pin` | what is told and asked, as rules; `sql`, `steps`: as rows |
//! | `forward` | store and forward |
//!
//! # A hold with a part at an existing credit system
//!
//! 1. [`CreditSystem::left`] says what the credit line has left; the front decides the split from it.
//! 2. [`CreditSystem::reserve`] gives the numbers of the message. In one transaction the ledger holds the debit part and
//!    [`Orders::ask`] notes that the credit part is asked for. A crash from here on leaves a row in [`asking`].
//! 3. [`CreditSystem::hold`] asks.
//! 4. In one transaction [`Orders::settle`] notes the answer and the ledger holds or refuses the leg. Without a clear answer
//!    the same call queues the void.
//!
//! Legs that [`asking`] gives when the node starts are settled as unclear before anything else is done; later it gives those
//! whose caller went away between 2 and 4, which are settled in the same way once the time for an answer is long over.
//!
//! Invariant: no message goes out whose consequences are not durable before it.

mod answer;
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
#[cfg(test)]
mod tests;
mod trace;

use std::fmt;

use domain::purchase::CategoryCode;
use domain::{CardId, Currency, Reason};

pub use answer::Left;
pub use config::{CreditSystemConfig, CreditSystemError};
pub use existing::{Answered, Bell, CardNumbers, ExistingCreditSystem, ExistingParts};
pub use forward::{ForwardOptions, ForwardParts, Forwarder, PinBook};
pub use link::{LateApproval, Link, LinkError, LinkOptions, LinkParts, Started};
pub use order::{Advice, CreditHold, HoldAnswer, Kind, Order, OrderKey, State};
pub use orders::Orders;
pub use pin::{ChangeId, NewPin, PinChange, PinChanges, PinState, change};
pub use reference::Reference;
pub use response::{Verdict, code, verdict};
pub use sql::{asking, of_leg, stuck};
pub use start::{Connector, Surroundings};
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

/// Where the credit accounts of a bank's cards are, as the front sees it.
pub trait CreditSystem: Send + Sync + fmt::Debug {
    /// Whether the ledger of this node holds the credit accounts: then a credit part is held, posted and voided in it as
    /// every other part, and there is nothing to ask and to tell.
    fn is_embedded(&self) -> bool;

    /// What the credit line of the card has left; none when the ledger knows it itself. `Err` with the refusal of the credit
    /// system, or with `BankAway` or `TooBusy` when it cannot be known now.
    fn left(&self, card_id: CardId, currency: Currency) -> Answered<'_, Result<Option<Left>, Reason>>;

    /// The numbers under which a hold will be asked for, to be stored before it is; none where nothing is asked. `Err` with
    /// `TooBusy`.
    fn reserve(&self) -> Result<Option<Asked>, Reason>;

    /// Asks for the credit part of a leg. An unclear verdict says that the hold may stand or not.
    fn hold(&self, hold: CreditHold, category: Option<CategoryCode>, asked: Option<Asked>) -> Answered<'_, HoldAnswer>;

    /// Says that advices or changes of PINs were queued and committed, so that nobody waits until they are looked for.
    fn wake(&self);
}

/// The ledger is the credit system: it is asked nothing that it does not decide itself, in the transaction of the leg.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embedded;

impl CreditSystem for Embedded {
    fn is_embedded(&self) -> bool {
        true
    }

    fn left(&self, _: CardId, _: Currency) -> Answered<'_, Result<Option<Left>, Reason>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn reserve(&self) -> Result<Option<Asked>, Reason> {
        Ok(None)
    }

    fn hold(&self, _: CreditHold, _: Option<CategoryCode>, _: Option<Asked>) -> Answered<'_, HoldAnswer> {
        Box::pin(std::future::ready(HoldAnswer { verdict: Verdict::Approved, approval_code: None }))
    }

    fn wake(&self) {}
}
