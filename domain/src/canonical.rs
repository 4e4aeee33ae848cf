//! Texts that are signed or hashed: a line that names the form, then one line `key: value` for each field, in a fixed order,
//! each ended by a line feed. A text that is read is written again, and is refused unless it comes out the same to the byte:
//! what is signed has exactly one spelling.

use std::fmt;
use std::str::Split;

use crate::{Reason, Timestamp};

/// Reads the lines of one form.
pub(crate) struct Lines<'t>(Split<'t, char>);

impl<'t> Lines<'t> {
    /// The lines after the first one, which names the form.
    pub(crate) fn after(form: &str, text: &'t str) -> Result<Self, Reason> {
        let mut lines = text.split('\n');
        if lines.next() == Some(form) { Ok(Self(lines)) } else { Err(Reason::FieldUnknown) }
    }

    /// The value of the next line, which has this key.
    pub(crate) fn value(&mut self, key: &str) -> Result<&'t str, Reason> {
        let line = self.0.next().ok_or(Reason::FieldMissing)?;
        line.strip_prefix(key).and_then(|rest| rest.strip_prefix(": ")).ok_or(Reason::FieldUnknown)
    }

    pub(crate) fn time(&mut self, key: &str) -> Result<Timestamp, Reason> {
        let instant: jiff::Timestamp = self.value(key)?.parse().map_err(|_| Reason::FieldUnknown)?;
        Ok(Timestamp::from_micros(instant.as_microsecond()))
    }
}

/// What was read, if it is written as the text that it was read from.
pub(crate) fn same_again<T: fmt::Display>(read: T, text: &str) -> Result<T, Reason> {
    if read.to_string() == text { Ok(read) } else { Err(Reason::FieldUnknown) }
}

/// A point in time as people read it, in UTC: RFC 3339. Outside of the years that a calendar has it is a number that cannot
/// be read again.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| format!("{at:?}"), |instant| instant.to_string())
}
