//! The book of the business: what a payment, an account and a refusal are, and every rule about them.
//!
//! Invariant: pure. No I/O, no clock, no randomness, no tokio, sqlx, tonic or serde; time is passed in.

pub mod bill;
mod canonical;
pub mod card;
pub mod category;
pub mod clearing;
pub mod credit;
pub mod credit_history;
pub mod enrolment;
pub mod errand;
pub mod fee;
pub mod feed;
pub mod freeze;
pub mod habit;
pub mod id;
pub mod key_rotation;
pub mod ledger;
pub mod limit;
pub mod lookup;
pub mod money;
pub mod nearby;
pub mod network;
pub mod notice;
pub mod offer;
pub mod operator;
pub mod payment;
pub mod phone;
pub mod purchase;
pub mod reason;
pub mod record;
pub mod reminder;
pub mod repayment;
pub mod safety_code;
pub mod secret;
pub mod sign_in;
pub mod sign_up;
mod signed_order;
pub mod text;
pub mod time;
mod tries;
pub mod voice;
mod words;

pub use id::{
    AccountId, AttemptId, BankId, BillId, CardId, CarrierId, ConsentId, DeviceId, ErrandId, FeeScheduleId, InquiryId,
    LegId, MerchantId, OfferId, OperatorId, OrderId, PaymentId, PersonId, ReminderId, SignUpId, TerminalId,
};
pub use money::{Currency, Money};
pub use phone::PhoneNumber;
pub use reason::Reason;
pub use secret::{OneTimeCode, TransactionPassword};
pub use time::Timestamp;
