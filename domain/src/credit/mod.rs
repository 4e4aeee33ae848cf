//! The credit account: what it costs, when it is due, and what the end of each day does to it.
//!
//! [`Terms`] say the rules of one account. A [`Position`] is what is owed, item by item; [`end_of_day`] takes it through one
//! day's entries of the ledger and says what the bank has to book: a repayment from the debit account (C7), a late fee,
//! interest, and on the closing day a [`Statement`]. Days are those of the bank's time zone and are closed one after the
//! other, each once: a day that was closed is closed, and what is booked has an id made of account, day and kind, so that a
//! second run finds it there. The position, and so every statement, is a function of the entries alone: whoever runs them
//! again gets the same to the cent.
//!
//! The rules, and where they are from:
//! - Interest is simple, at a daily rate (in China usually 万分之五, 0.05 % a day: 银行卡业务管理办法, 1999, article 23, an upper bound
//!   until 2021) on what is owed of purchases and cash advances at the end of each day: actual days, the day of posting
//!   counts and the day of repayment does not. Fees and interest bear none (银发〔2016〕111号 forbids it for fees). Each line of
//!   a statement is rounded once, half up, to the minor unit.
//! - Purchases are free of interest when the statement that bills them is paid in full by its due date; otherwise each bears
//!   it from the day on which it was posted, on what was owed of it each day. Cash advances bear it from their day.
//! - Money in pays what is billed before what is not, the oldest statement first, and within it fees, interest, cash
//!   advances, purchases. After 90 days in arrears what is billed is paid principal first (商业银行信用卡业务监督管理办法, 2011, article
//!   57). What is too much stays in the customer's favour and pays the next purchases.

mod allocation;
mod cycle;
mod day;
mod interest;
mod minimum;
mod position;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod slow;
mod statement;
mod terms;
#[cfg(test)]
mod tests;
mod text;

pub use allocation::Portion;
pub use day::{Day, DayEnd, Entry, EntryKind, Posting, PostingKind, Verdict, catch_up, end_of_day};
pub use position::Position;
pub use statement::Statement;
pub use terms::{AutoRepay, Due, LateFee, Minimum, Terms};
