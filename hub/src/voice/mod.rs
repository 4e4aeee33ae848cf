//! Telephone calls: somebody without the phone at hand freezes what is lost, by caller's number and safety code (F2).
//!
//! A front speaks with the caller; what it wants done it asks of a [`Desk`], which knows no prompts and no keys.

pub mod desk;

pub use desk::{AtBank, BoxFuture, Desk, InstrumentStanding, SpokenPurchase};
