//! Dialects: how one network writes ISO 8583.

mod iso_1987;
mod layout;
mod union_pay;

use std::fmt;

use crate::alphabet::Alphabet;
use crate::bitmap::LAST_FIELD;
use crate::field::{Digits, FieldSpec, Form, Length};
use crate::mti::Version;

pub use iso_1987::{ISO_1987_ASCII, ISO_1987_ASCII_BINARY, ISO_1987_BCD, ISO_1987_EBCDIC};
pub use union_pay::UNION_PAY;

/// Every dialect of this crate.
pub static ALL: [&Dialect; 5] = [&ISO_1987_ASCII, &ISO_1987_ASCII_BINARY, &ISO_1987_EBCDIC, &ISO_1987_BCD, &UNION_PAY];

/// How one network writes its messages: the parts before the fields, and a table of the fields.
///
/// A bank whose host differs from a dialect of this crate in a few fields starts from it and calls [`Dialect::with`].
#[derive(Clone, PartialEq, Eq)]
pub struct Dialect {
    /// For people and logs.
    pub name: &'static str,
    /// Octets before the message type that belong to the message and not to its framing, such as a TPDU; kept as they are.
    pub header_octets: u16,
    /// The edition that the first digit of every message type names.
    pub version: Version,
    pub mti: Digits,
    pub bitmap: BitmapCoding,
    /// The fields that hold a message authentication code, of 64 bits each.
    pub mac: MacFields,
    fields: [Option<FieldSpec>; LAST_FIELD as usize + 1],
}

/// How a bitmap of 64 bits is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitmapCoding {
    /// Eight octets.
    Binary,
    /// Sixteen digits of hexadecimal.
    Hex(Alphabet),
}

/// Where the message authentication code stands: in the last field that the bitmaps can name (ISO 8583:1987, fields 64 and
/// 128).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacFields {
    pub without_secondary_bitmap: u8,
    pub with_secondary_bitmap: u8,
}

/// What makes a table one that no message can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableFault {
    #[error("field {0} is in the place of another field")]
    Number(u8),
    #[error("field {0} has no length, or a longer one than its prefix can tell")]
    Length(u8),
    #[error("field {0} is signed and has no room for a digit")]
    Sign(u8),
    #[error("field {0} is to hold the message authentication code, and is not eight fixed octets")]
    Mac(u8),
}

impl Dialect {
    /// What the table says about a field; none if messages of this dialect do not have it.
    #[inline]
    pub fn field(&self, number: u8) -> Option<&FieldSpec> {
        self.fields.get(usize::from(number))?.as_ref()
    }

    /// Every field of the table, in order.
    pub fn fields(&self) -> impl Iterator<Item = &FieldSpec> {
        self.fields.iter().flatten()
    }

    /// The same dialect with one field as `spec` says. A number outside 2 to 128 changes nothing.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "guarded, and a constant function has no other way")]
    pub const fn with(mut self, spec: FieldSpec) -> Self {
        if spec.number >= 2 && spec.number <= LAST_FIELD {
            self.fields[spec.number as usize] = Some(spec);
        }
        self
    }

    /// The same dialect without a field: a message that names it is refused.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "guarded, and a constant function has no other way")]
    pub const fn without(mut self, number: u8) -> Self {
        if number <= LAST_FIELD {
            self.fields[number as usize] = None;
        }
        self
    }

    /// Whether messages can follow the table. Those of this crate are held to it by a test; a bank checks its own at start.
    pub fn check(&self) -> Result<(), TableFault> {
        for (place, spec) in self.fields.iter().enumerate() {
            let Some(spec) = spec else { continue };
            if usize::from(spec.number) != place {
                return Err(TableFault::Number(spec.number));
            }
            let is_told = match spec.length {
                Length::Fixed(_) => true,
                Length::Variable { most, prefix } => {
                    let has_digits = (1..=4).contains(&prefix.digits);
                    has_digits && u32::from(most) <= prefix.reach()
                }
            };
            if spec.length.most() == 0 || !is_told {
                return Err(TableFault::Length(spec.number));
            }
            if matches!(spec.form, Form::Signed(..))
                && (spec.length.most() < 2 || spec.length != Length::Fixed(spec.length.most()))
            {
                return Err(TableFault::Sign(spec.number));
            }
        }
        for number in [self.mac.without_secondary_bitmap, self.mac.with_secondary_bitmap] {
            let is_eight_octets =
                |spec: &FieldSpec| matches!(spec.form, Form::Octets(_)) && spec.length == Length::Fixed(8);
            if !self.field(number).is_some_and(is_eight_octets) {
                return Err(TableFault::Mac(number));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialect").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Binary, Masking, Prefix, PrefixCoding};

    #[test]
    fn every_dialect_has_a_table_that_messages_can_follow() {
        for dialect in ALL {
            assert_eq!(dialect.check(), Ok(()), "{}", dialect.name);
            assert!(dialect.fields().count() > 120, "{}", dialect.name);
            // Field 65 announces a third bitmap, which no network of this crate has.
            assert!(dialect.field(0).is_none() && dialect.field(1).is_none() && dialect.field(65).is_none());
        }
    }

    #[test]
    fn what_could_give_a_card_away_is_never_shown() {
        for dialect in ALL {
            for number in [35, 36, 45, 46, 47, 48, 52, 55, 62, 64, 96, 128] {
                let masking = dialect.field(number).map(|spec| spec.masking);
                assert_eq!(masking, Some(Masking::Hidden), "{} field {number}", dialect.name);
            }
            assert_eq!(dialect.field(2).map(|spec| spec.masking), Some(Masking::AccountNumber));
        }
    }

    #[test]
    fn a_table_that_no_message_can_follow_is_refused() {
        let prefix = Prefix { digits: 2, coding: PrefixCoding::Packed };
        let mut spec = *ISO_1987_BCD.field(48).unwrap();
        spec.length = Length::Variable { most: 100, prefix };
        assert_eq!(ISO_1987_BCD.clone().with(spec).check(), Err(TableFault::Length(48)));
        spec.length = Length::Fixed(0);
        assert_eq!(ISO_1987_BCD.clone().with(spec).check(), Err(TableFault::Length(48)));
        let mut spec = *ISO_1987_BCD.field(28).unwrap();
        spec.length = Length::Fixed(1);
        assert_eq!(ISO_1987_BCD.clone().with(spec).check(), Err(TableFault::Sign(28)));
        let mut spec = *ISO_1987_BCD.field(64).unwrap();
        spec.length = Length::Fixed(4);
        assert_eq!(ISO_1987_BCD.clone().with(spec).check(), Err(TableFault::Mac(64)));
        assert_eq!(ISO_1987_BCD.clone().without(128).check(), Err(TableFault::Mac(128)));
    }

    #[test]
    fn a_bank_can_change_a_field_of_a_dialect() {
        let mut spec = *ISO_1987_ASCII.field(48).unwrap();
        spec.form = Form::Octets(Binary::Raw);
        let changed = ISO_1987_ASCII.clone().with(spec).without(104);
        assert_eq!(changed.field(48), Some(&spec));
        assert_eq!(changed.field(104), None);
        assert_eq!(changed.field(47), ISO_1987_ASCII.field(47));
        assert_eq!(changed.check(), Ok(()));
    }
}
