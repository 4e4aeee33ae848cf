//! The bank's ledger: double entry, append-only, decided by pure functions.
//!
//! An account carries what was debited and credited, posted and pending apart. Money moves only by a [`Transfer`], from the
//! account that is debited to the one that is credited, so that per currency the debits are always the credits
//! ([`trial_balance`]). A leg is what the hub knows of: one movement at this bank for one payment, `HELD → POSTED | VOIDED`, or
//! `REFUSED`, or a tombstone when it was voided before it came.
//!
//! Every decision ([`hold`], [`post`], [`void`], [`refund`], [`open_account`], [`deposit_cash`], [`set_frozen`]) looks at [`Books`],
//! changes nothing, and gives what is to be stored. `Err` is an error of the call that stores nothing; a hold that is
//! refused is stored, since the same hold has to get the same answer for ever.

mod account;
mod books;
mod counter;
mod front;
mod leg;
mod movement;
#[cfg(test)]
mod properties;
mod transfer;

pub use account::{Account, AccountKind, AccountStatus, Totals, is_balanced, trial_balance};
pub use books::{Books, Change, Decided};
pub use counter::{Deposit, DepositId, FreezeOrder, OpeningOrder, deposit_cash, open_account, set_frozen};
pub use front::{AccountFacts, Facts, Nature, Split, give_back, read_splits, route, write_splits};
pub use leg::{Charge, GiveBack, Leg, LegOrder, LegState, digest_line};
pub use movement::{HoldOrder, RefundOrder, VoidOrder, hold, post, refund, void};
pub use transfer::{Balances, Transfer, TransferKind, replay};
