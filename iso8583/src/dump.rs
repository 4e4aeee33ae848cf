//! A message as a log may have it.

use std::fmt::{self, Write as _};

use crate::field::Masking;
use crate::message::{Field, Message};

/// The longest name of a field, so that values stand under each other.
const NAME_WIDTH: usize = 45;
/// A shorter account number would be all but readable with its first six and last four digits.
const SHORTEST_SHOWN_NUMBER: usize = 13;

/// Prints a message: its type, then a line for each field with number, name and value. Account numbers show their first six
/// and last four digits; what the table hides shows its length alone.
#[derive(Clone, Copy)]
pub struct Dump<'a> {
    message: &'a Message<'a>,
}

impl<'a> Dump<'a> {
    pub(crate) fn of(message: &'a Message<'_>) -> Self {
        Self { message }
    }
}

impl fmt::Display for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mti = self.message.mti();
        write!(f, "{mti} {:?} {:?} {:?}", mti.class(), mti.function(), mti.origin())?;
        if mti.is_repeat() {
            f.write_str(" Repeat")?;
        }
        for field in self.message.fields() {
            f.write_char('\n')?;
            write_field(&field, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) fn write_field(field: &Field<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let spec = field.spec();
    write!(f, "{:>3} {:<NAME_WIDTH$} ", spec.number, spec.name)?;
    let (first, last) = match spec.masking {
        Masking::Shown => return write_shown(&field.text(), f),
        Masking::Hidden => return write!(f, "[{} hidden]", field.units()),
        Masking::AccountNumber if field.units() >= SHORTEST_SHOWN_NUMBER => (6, 4),
        Masking::LastFour if field.units() >= SHORTEST_SHOWN_NUMBER => (0, 4),
        Masking::AccountNumber | Masking::LastFour => (0, 0),
    };
    let text = field.text();
    for (at, character) in text.chars().enumerate() {
        let is_shown = at < first || at + last >= field.units();
        f.write_char(if is_shown && character.is_ascii_graphic() { character } else { '*' })?;
    }
    Ok(())
}

/// A value can have no control characters, and what is not ASCII has become U+FFFD; blanks at the end are kept visible.
fn write_shown(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if text.ends_with(' ') || text.starts_with(' ') { write!(f, "\"{text}\"") } else { f.write_str(text) }
}
