//! Credit history (R9): what banks report of a person's bills, and who may be told of it.
//!
//! An [`Entry`] is one bill as its bank reports it, version after version. A [`Consent`] is what the person has signed for one
//! bank, one purpose and one inquiry. [`decide`] answers a lender, who asks by name and phone number: only a consent that
//! [`use_consent`] has used up gives a [`Grant`], and only a grant makes a [`Report`]. The person finds every inquiry in a
//! log, an [`InquiryRecord`] each, and can verify that none is missing in between.
//!
//! What is said here of Chinese law is quoted from memory and has to be checked by somebody who knows it before it is relied on.

mod consent;
mod entry;
mod form;
mod inquiry;
mod log;
mod report;
mod retention;

pub use consent::{Consent, ConsentState, Grant, use_consent};
pub use entry::{AgeBucket, AmountBucket, Entry, EntryKey, Standing, Taken, take};
pub use form::{ConsentForm, Field, Fields, Purpose};
pub use inquiry::{Decision, Holder, Inquiry, decide, is_same_name};
pub use log::{Answer, Digest, InquiryRecord, NOTHING_BEFORE, check_chain};
pub use report::{ArrearsCount, ArrearsPart, GoodRecord, OpenBills, Report, Summary};
pub use retention::YEARS_KEPT;
