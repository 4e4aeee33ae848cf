//! The bank's ledger: double entry, append-only, decided by pure functions.
//!
//! An account carries what was debited and credited, posted and pending apart. Money moves only by a [`Transfer`], from the
//! account that is debited to the one that is credited, so that per currency the debits are always the credits
//! ([`trial_balance`]). A leg is what the hub knows of: one movement at this bank for one payment, `HELD → POSTED | VOIDED`, or
//! `REFUSED`, or a tombstone when it was voided before it came. A charge that another network carried is a leg by the same rules,
//! of another [`Origin`], which the hub does not know. While an existing credit system is asked for its part it is `ASKING`.
//!
//! Which account of a card bears how much is decided by the front ([`route`]) and stored with the leg.
//!
//! Every decision ([`hold`], [`ask`], [`settle`], [`post`], [`complete`], [`void`], [`refund`], [`inquire`], [`open_account`], [`deposit_cash`],
//! [`set_frozen`], [`follow_holder`], [`issue_card`], [`replace_card`], [`change_card`], [`close_day`]) looks at [`Books`], changes nothing, and gives what is to
//! be stored. `Err` is an error of the call that stores nothing; a hold that is refused is stored, since the same hold has
//! to get the same answer for ever.

mod account;
mod agreement;
mod booking;
mod books;
mod counter;
mod front;
mod leg;
mod movement;
mod order;
#[cfg(test)]
mod properties;
mod transfer;

pub use account::{Account, AccountKind, AccountStatus, CreditLine, Totals, is_balanced, trial_balance};
pub use agreement::{Agreement, open_credit_account};
pub use booking::{Booking, BookingId, Cause, DayOrder, close_day, credit_entry};
pub use books::{Books, Change, Decided};
pub use counter::{
    Deposit, DepositId, FreezeOrder, NewAccount, OpeningOrder, change_card, change_pin, deposit_cash, follow_holder,
    issue_card, open_account, replace_card, set_frozen,
};
pub use front::{
    AccountFacts, Available, CardFacts, CreditFacts, CreditLeft, DebitFacts, Facts, Flow, Nature, Part, Party,
    PartyFacts, ReturnFacts, Split, available, decide_again, give_back, is_debit_alone, keep, read_splits, route,
    write_splits,
};
pub use leg::{Charge, GiveBack, Leg, LegOrder, LegState, Origin, Receipt, Sale, digest_line};
pub use movement::{
    ask, card_facts, complete, hold, hold_elsewhere, hold_without_asking, inquire, post, refund, refund_elsewhere,
    settle, void,
};
pub use order::{CompletionOrder, HoldOrder, RefundOrder, VoidOrder};
pub use transfer::{Balances, Transfer, TransferKind, replay};
