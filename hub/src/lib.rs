//! The hub: takes payments from terminals, has the payer's bank charge its own ledger, keeps each person's record and tells
//! each person's phone.
//!
//! Invariant: the hub and the bank adapter never import each other; they meet in `proto`.

pub mod bank;
pub mod bills;
mod caller;
pub mod cardholder;
mod check;
pub mod clearing;
mod config;
pub mod console;
pub mod credit_history;
pub mod directory;
mod errand;
pub mod federation;
pub mod feed;
pub mod fees;
pub mod follow;
pub mod freeze;
pub mod habits;
mod hex;
mod keys;
pub mod limits;
pub mod lookups;
pub mod network;
pub mod notify;
pub mod offers;
pub mod operators;
mod pages;
pub mod payment;
pub mod people;
pub mod prices;
pub mod records;
pub mod reminders;
pub mod repayment;
mod run;
pub mod safety_code;
pub mod sign_in;
pub mod sign_up;
mod signed;
pub mod standing;
mod store_status;
mod sweep;
#[cfg(test)]
mod testing;
mod transaction_password;
pub mod voice;
pub mod web;
mod xml;
mod zone;

pub use check::{BooksReport, check_books};
pub use config::Config;
pub use run::{RunError, migrations, run};
