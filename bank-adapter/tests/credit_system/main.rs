//! The connector to an existing credit system, against an issuer whose codec and cryptography are somebody else's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails loudly"
)]

mod advices;
mod cards;
mod connection;
mod front;
mod issuer;
mod keys;
#[cfg(feature = "fault-points")]
mod killed;
mod pins;
mod world;
