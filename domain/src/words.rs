//! Words `key=value` in a fixed order: the form in which facts are stored so that people can read them too.

use std::str::{FromStr, Split};

use crate::Reason;

/// Reads one line of words.
#[derive(Debug)]
pub(crate) struct Words<'t> {
    rest: Split<'t, char>,
    ahead: Option<&'t str>,
}

impl<'t> Words<'t> {
    /// The words after the first one, which names the form.
    pub(crate) fn after(form: &str, line: &'t str) -> Result<Self, Reason> {
        let (first, rest) = line.split_once(' ').ok_or(Reason::FieldUnknown)?;
        if first == form { Ok(Self { rest: rest.split(' '), ahead: None }) } else { Err(Reason::FieldUnknown) }
    }

    fn next(&mut self) -> Option<&'t str> {
        self.ahead.take().or_else(|| self.rest.next())
    }

    /// The value of the next word if it has this key.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'t str> {
        let word = self.next()?;
        let value = word.strip_prefix(key).and_then(|rest| rest.strip_prefix('='));
        if value.is_none() {
            self.ahead = Some(word);
        }
        value
    }

    pub(crate) fn read<T>(&mut self, key: &str, parse: impl FnOnce(&'t str) -> Result<T, Reason>) -> Result<T, Reason> {
        parse(self.take(key).ok_or(Reason::FieldMissing)?)
    }

    /// A value that its type reads by itself, such as a number, a flag or a date.
    pub(crate) fn value<T: FromStr>(&mut self, key: &str) -> Result<T, Reason> {
        self.read(key, |text| text.parse().map_err(|_| Reason::FieldUnknown))
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<i64, Reason> {
        self.read(key, |text| text.parse().map_err(|_| Reason::AmountMalformed))
    }

    /// A value, or nothing for `-`.
    pub(crate) fn maybe<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, Reason> {
        self.read(key, |text| match text {
            "-" => Ok(None),
            text => text.parse().map(Some).map_err(|_| Reason::FieldUnknown),
        })
    }

    /// That there are no more words.
    pub(crate) fn end(mut self) -> Result<(), Reason> {
        if self.next().is_none() { Ok(()) } else { Err(Reason::FieldUnknown) }
    }
}
