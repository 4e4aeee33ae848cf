//! Telephone calls: somebody without the phone at hand freezes what is lost, by caller's number and safety code (F2).
//!
//! A front speaks with the caller; what it wants done it asks of a [`Desk`], which knows no prompts and no keys. [`HubDesk`] is the one
//! over the hub itself.

mod at_hub;
pub mod desk;
mod limits;
mod pin_pad;
#[cfg(test)]
mod tests;

pub use at_hub::{HubDesk, HubDeskParts};
pub use desk::{AtBank, BoxFuture, Desk, InstrumentStanding, SpokenPurchase};
pub use pin_pad::{PinPadError, VoicePinPad};
