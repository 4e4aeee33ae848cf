//! The harness of the end-to-end tests: a federation of real processes, terminals and phones that call it, somebody on the
//! wire who cuts links, and the check of all books at the end.
//!
//! Invariant: a test waits for what it needs with a deadline, binds to the loopback only, and leaves no process behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a harness fails loudly"
)]

pub mod answers;
pub mod browser;
pub mod callers;
pub mod cards;
pub mod databases;
pub mod interposed;
pub mod links;
pub mod network_bank;
pub mod payer;
pub mod peers;
pub mod relay;
pub mod repaying;
pub mod session;
pub mod settled;
pub mod statements;
pub mod till;
pub mod wait;
pub mod world;

use std::path::PathBuf;

/// The program under test, built with fault points beside the tests.
pub fn bankhub() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(|deps| deps.parent()).unwrap();
    let program = folder.join("bankhub");
    let build = "cargo build --workspace --all-targets --features bankhub/fault-points";
    assert!(program.exists(), "{} is not built; run `{build}`", program.display());
    program
}
