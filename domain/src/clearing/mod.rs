//! What banks owe each other after a business day, as transfers that a file tells of, and what is answered about each of them.
//!
//! The nouns are those of ISO 20022: a transfer is a `CdtTrfTxInf` of pacs.008 (FIToFICustomerCreditTransfer), a status a `TxInfAndSts` of
//! pacs.002 (FIToFIPaymentStatusReport). A file moves no money: what it tells of has been posted at both banks when it is written, and what is
//! read is held against that.

mod bounded;
mod claim;
mod compare;
mod status;
#[cfg(test)]
mod tests;
mod transfer;

pub use bounded::{Account, Bic, Bounded, Name, Note, Reference, Uetr, amount_of};
pub use claim::{Claim, ControlSum, control_sum, total};
pub use compare::{Compared, Difference, Verdict, compare};
pub use status::{Outcome, Status, StatusCode, code_of};
pub use transfer::{Agent, Debt, Party, Transfer};
