//! The spending habits of one person (R4), and what of them a bank is given with the person's consent (R5).
//!
//! Every record counts under one [`Key`] of each [`Facet`]: merchant, category, hour, weekday, place, size. Per key and currency
//! there is one [`Row`]: how many purchases, what they cost, and the same for each of the last [`Days::KEPT`] days. That is
//! enough to take a record back exactly, to see the weeks and months in which somebody buys ([`patterns`]), and to answer what
//! was bought in the last weeks, without reading records again. [`Habits`] are kept record by record; each change gives the few
//! rows that a shell has to write.
//!
//! The rows are the person's own. A bank sees none of them: [`consented_totals`] is all that it is given.

mod calendar;
mod cell;
mod consent;
mod days;
mod habits;
mod key;
mod observation;
mod pattern;
#[cfg(test)]
mod properties;
mod size;
#[cfg(test)]
mod tests;

pub use calendar::{HourBand, Weekday};
pub use cell::Cell;
pub use consent::{Consented, FLOOR, Slice, consented_totals, weeks_given};
pub use days::{Bought, Days};
pub use habits::{Habits, Row};
pub use key::{Facet, Key};
pub use observation::Observation;
pub use pattern::{Habit, Pattern, Rhythm, Thresholds, patterns};
pub use size::Size;
