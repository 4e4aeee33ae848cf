//! Cards: a number, a track and a password over a debit account, a credit account, or both (C1).
//!
//! What is on the card ([`Pan`], [`Expiry`], [`Track2`], [`Cvv`]), what the bank knows of it ([`Card`], its states and its
//! transitions, [`PinTries`], [`CvvTries`]), and by which digits a card's bank is found ([`BinTable`]). Which account pays is decided by
//! [`crate::ledger::route`] from a card's [`Standing`].

mod bin;
mod cvv;
mod cvv_tries;
mod expiry;
mod life;
mod pan;
mod pin;
pub mod pin_block;
mod proof;
mod track;

pub use bin::{Bin, BinRange, BinSpan, BinTable, CvvKey, Product};
pub use cvv::Cvv;
pub use cvv_tries::CvvTries;
pub use expiry::Expiry;
pub use life::{Card, CardState, Sides, Standing};
pub use pan::Pan;
pub use pin::{PinCheck, PinTries};
pub use pin_block::Pin;
pub use proof::{CardCheck, Proof, Shown, must_show};
pub use track::{ServiceCode, Track2};
