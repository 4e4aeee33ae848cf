//! A person's record of purchases: what banks report to it of those that the hub did not carry, how it is searched, and what is
//! summed up from it (R1, R3, R7).
//!
//! A purchase is one record, however many versions its bank tells of it: held, posted, refunded, reversed.

mod filter;
mod report;
#[cfg(test)]
pub(crate) mod testing;
mod totals;

pub use filter::PurchaseFilter;
pub use report::{Admission, Cursor, Report, Standing, Taken, Told};
pub use totals::{Group, GroupBy, Totals};
