//! Credit accounts as they are kept: what was agreed on, where they stand, and the end of each day, which books interest, fees and
//! repayments and makes statements. The rules are those of [`domain::credit`].
//!
//! Everything is written by the ledger's one writer: `books` is what its steps look at and change, `sql` its rows. A day is closed
//! in one transaction with all that it books, so that a crash leaves it open or closed; the day of every entry is stored with it
//! and is never one that is closed (`calendar`). [`DayCloser`] finds the open days and has them closed, by schedule and when it is
//! asked to.

mod audit;
mod books;
mod calendar;
mod closer;
mod sql;
mod standing;
mod wire;

pub(crate) use audit::check;
pub(crate) use books::{CloseOrder, Closed, CreditBooks, DayEnded, in_words};
pub(crate) use calendar::Today;
pub use calendar::{Calendar, TimeOfDay, ZoneName};
pub use closer::{DayCloser, DaysClosed, Schedule};
pub(crate) use sql::{OpenDay, Page, read_agreement, read_open, read_statements, save_posted};
pub(crate) use standing::{load_standing, load_standings};
pub(crate) use wire::{agreement, list_request, read_day, to_closed, to_credit_line, to_statement};
