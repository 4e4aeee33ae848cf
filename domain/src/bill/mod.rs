//! Bills (R8): what is due on each account, when, and how much of it at least; and whether the bank's list and the person's
//! records say the same.
//!
//! A [`Bill`] is what the bank has closed. A [`RunningBill`] is what the person's records come to since. [`total`] puts
//! the bills of all banks together, one sum per currency, and [`compare`] sets the lines of a statement against the
//! records of the same account. All of it is about one person's accounts; days are those of the bank's time zone.

mod billed;
mod borne;
mod cycle;
mod difference;
mod follow_up;
mod pairing;
#[cfg(test)]
mod properties;
mod total;
mod words;

pub use billed::{Bill, BillState, Cover};
pub use borne::{borne, borne_back};
pub use cycle::{Cycle, Period, Record, RunningBill};
pub use difference::{Comparison, Difference, StatementLine, compare};
pub use follow_up::FollowUp;
pub use total::{Total, stands_in_total, total};

use crate::{AccountId, BankId};

/// An account among those of all banks. Each bank makes the ids of its accounts by itself, so that only both together name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Which bank.
    pub bank_id: BankId,
    /// Which of its accounts.
    pub account_id: AccountId,
}
