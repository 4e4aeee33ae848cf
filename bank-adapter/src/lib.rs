//! The bank's node: it owns one bank's ledger and answers the hub.
//!
//! Invariant: what a payment is, only the hub knows; here there are accounts, transfers and legs.

mod call;
mod card;
pub mod config;
mod counter;
pub mod credit;
pub mod credit_system;
mod freeze;
pub mod hsm;
mod identity;
mod keys;
pub mod ledger;
mod network;
#[cfg(test)]
mod over_the_wire;
mod report;
mod run;

pub use config::Config;
pub use ledger::{BooksReport, check_books};
pub use run::{Adapter, RunError, Running, run};

use server_kit::store::Migrations;

/// The schema of a bank's database, for both engines.
pub fn migrations() -> Migrations {
    Migrations { sqlite: sqlx::migrate!("migrations/sqlite"), postgres: sqlx::migrate!("migrations/postgres") }
}
