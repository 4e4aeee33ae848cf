//! What a merchant pays for being paid (M9): the merchant service charge, by schedules that operators set, and what a day comes to.
//!
//! A schedule says what is charged for one [`Scope`] from a moment on, until the next one of that scope. Which one holds for a payment is a matter of the moment at which
//! it commits, and of nothing else: what was charged then stands in the payment as its [`Fee`], and everything that is given back later follows from that.
//!
//! Only what is bought bears a charge: purchases, and pre-authorisations when they are completed. Cash, transfers, top-ups and repayments bear none.

mod charged;
mod entry;
mod scope;
mod set;
mod terms;
#[cfg(test)]
mod tests;

pub use charged::{Fee, Parts};
pub use entry::{Entry, EntryKind, Totals};
pub use scope::{Scope, Sold, Way};
pub use set::{HEARD_WITHIN, MOST_SCHEDULES, Schedule, Schedules};
pub use terms::{PPM, Returns, Terms, parse_percent};
