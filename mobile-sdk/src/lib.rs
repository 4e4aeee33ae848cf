//! The phone's side of bankhub, for Kotlin, Swift and Rust: a person's payments, bills, habits, reminders, consents and events.
//!
//! A [`PhoneBuilder`] gives a [`Phone`]; every call on it is asynchronous, answers with records of plain data, and fails with an
//! [`SdkError`] that says which sort of failure it is. Events come by [`Phone::add_listener`] or [`Phone::events`]. A program in Rust that
//! speaks the contract's own messages makes its calls by [`Phone::ask`], in the same sessions and under the same key.
//!
//! Invariants: nothing but the client of cardholders is known of the contract; whatever happens in here, no panic reaches the app; no
//! secret is in any `Debug`; every queue is bounded.

#[cfg(feature = "bindings")]
uniffi::setup_scaffolding!();

#[cfg(not(feature = "bindings"))]
extern crate no_bindings as uniffi;

mod approvals;
mod bills;
mod builder;
mod cache;
mod consents;
mod credit_history;
mod device_key;
mod direct;
mod enrolment;
mod error;
mod events;
mod feed;
mod habits;
mod instruments;
mod known_elsewhere;
mod log;
mod mirror;
mod offers;
mod orders;
mod payments;
mod phone;
mod platform;
mod preferences;
mod purchase;
mod push;
mod reminders;
mod repayments;
mod secure_store;
mod session;
mod sync;
mod templates;
mod transport;
mod vault;

pub use approvals::{Approval, ApprovalOutcome, ApprovalState};
pub use bills::{
    AccountBills, Bill, BillDetail, BillDifference, BillLine, BillList, BillRecord, BillState, RunningBill, TotalBill,
    TotalBills,
};
pub use builder::PhoneBuilder;
pub use cache::Freshness;
pub use consents::{Consent, ConsentField, ConsentPage, ConsentProposal, ConsentPurpose, ConsentState};
pub use credit_history::{AmountLeft, HistoryEntry, HistoryPage, HistoryStanding, Inquiry};
pub use device_key::{DeviceKey, KeyError, SoftwareDeviceKey};
pub use enrolment::Enrolled;
pub use error::SdkError;
pub use events::{
    ErrandKind, Event, EventFeed, EventKind, EventListener, ListenerError, OneTimeCode, Subscription, Topic,
};
pub use habits::{Facet, Habit, HabitList, Rhythm};
pub use instruments::{BankFreeze, FreezeState, Instrument, InstrumentId, InstrumentList, InstrumentName};
pub use known_elsewhere::SafetyCodeStanding;
pub use log::{LogError, LogLevel, LogSink};
pub use offers::{Offer, OfferAgreement, OfferAnswer, OfferPage, OfferPreferences, OfferShownAs};
pub use payments::{Export, ExportFormat, GroupBy, PurchaseFilter, PurchasePage, PurchaseSum, PurchaseSums};
pub use phone::Phone;
pub use platform::{Clock, SystemClock};
pub use preferences::{
    Language, MailAddressAwaited, NoticeChannel, NoticeChoice, NoticeKind, Preferences, PreferencesStanding, PriceNews,
    QuietHours,
};
pub use purchase::{Carrier, LineItem, Location, Merchant, Money, Nature, Purchase, PurchaseState};
pub use push::{PushOutcome, PushVendor};
pub use reminders::{Reminder, ReminderDay};
pub use repayments::{
    OpenRepayment, Refusal, Repayment, RepaymentPage, RepaymentParty, RepaymentProposal, RepaymentSide, RepaymentState,
};
pub use secure_store::{MemorySecureStore, SecureStore, StoreError};
pub use sync::{FeedState, PhoneStatus, SyncReport};
pub use templates::Template;
