//! The book of the business: what a payment, an account and a refusal are, and every rule about them.
//!
//! Invariant: pure. No I/O, no clock, no randomness, no tokio, sqlx, tonic or serde; time is passed in.

pub mod card;
pub mod credit;
pub mod feed;
pub mod id;
pub mod ledger;
pub mod money;
pub mod notice;
pub mod payment;
pub mod phone;
pub mod purchase;
pub mod reason;
pub mod secret;
pub mod text;
pub mod time;
mod words;

pub use id::{AccountId, AttemptId, BankId, CardId, DeviceId, LegId, MerchantId, PaymentId, PersonId, TerminalId};
pub use money::{Currency, Money};
pub use phone::PhoneNumber;
pub use reason::Reason;
pub use secret::{OneTimeCode, TransactionPassword};
pub use time::Timestamp;
