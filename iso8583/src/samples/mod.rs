//! Messages to measure and to test with: the usual ones of a day, and any that a table allows. The cards in them do not exist.

mod any;
mod day;

use std::fmt;

use crate::build::MessageBuilder;
use crate::error::BuildError;
use crate::message::Message;
use crate::mti::Mti;

pub use any::AnyMessage;
pub use day::day;

/// A message as the values of its fields.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    pub mti: Mti,
    pub header: Vec<u8>,
    /// Numbers, in order, and values as [`crate::Field::value`] gives them.
    pub fields: Vec<(u8, Vec<u8>)>,
}

impl Sample {
    pub fn of(message: &Message<'_>) -> Self {
        let fields = message.fields().map(|field| (field.number(), field.value().into_owned())).collect();
        Self { mti: message.mti(), header: message.header().to_owned(), fields }
    }

    /// Puts the sample into a builder, in place of what that holds.
    ///
    /// # Errors
    ///
    /// If the builder's dialect has no place for it.
    pub fn put(&self, builder: &mut MessageBuilder<'_>) -> Result<(), BuildError> {
        builder.restart(self.mti)?.header(&self.header)?;
        for (field, value) in &self.fields {
            builder.value(*field, value)?;
        }
        Ok(())
    }
}

/// The type and the numbers of the fields.
impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<u8> = self.fields.iter().map(|(field, _)| *field).collect();
        f.debug_struct("Sample").field("mti", &self.mti).field("fields", &fields).finish_non_exhaustive()
    }
}
