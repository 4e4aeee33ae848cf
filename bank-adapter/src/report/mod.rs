//! What the bank tells the hub of purchases that the hub did not carry (ADR 16).
//!
//! `outbox` numbers a report in the ledger's own transaction, so that there is one for each change that is durable and for no
//! other, and only of accounts and cards that somebody has bound at the hub. `sender` tells the hub, until it has taken them in.

mod outbox;
mod sender;
mod sql;

pub(crate) use outbox::{Answer, Outbox, ReportStep};
pub(crate) use sender::{Sender, SenderOptions};
pub(crate) use sql::{check, read_progress, read_refused};
