//! Building a message.

use std::fmt;

use zeroize::Zeroizing;

use crate::bitmap::{Bitmap, LAST_FIELD};
use crate::dialect::Dialect;
use crate::error::BuildError;
use crate::field::{Digits, FieldSpec, Form, Length};
use crate::message::{Field, MOST_OCTETS, Message};
use crate::mti::Mti;

/// Room for a usual message, so that its values are not left behind in memory that growing gave back.
const USUAL_OCTETS: usize = 1_024;
/// The most digits of a number of 64 bits.
const MOST_DIGITS: usize = 20;

/// Where a field's octets, prefix included, stand among those that have been set.
#[derive(Clone, Copy, Default)]
struct Slot {
    begin: u32,
    end: u32,
}

/// The fields of a message to be, in any order, each held against the dialect's table as it is set. It can be used again for
/// the next message; its memory is overwritten when it is dropped, since it has held what is on cards.
pub struct MessageBuilder<'d> {
    dialect: &'d Dialect,
    mti: Mti,
    header: Vec<u8>,
    bitmap: Bitmap,
    slots: [Slot; LAST_FIELD as usize + 1],
    /// What the fields are written as, in the order in which they were set.
    octets: Zeroizing<Vec<u8>>,
    /// That order is the message's, and every octet is part of it.
    is_in_order: bool,
}

impl<'d> MessageBuilder<'d> {
    /// A message without fields. The header, where the dialect has one, is all zero until it is set.
    ///
    /// # Errors
    ///
    /// [`BuildError::MtiVersion`] if the type is one of another version than the dialect's.
    pub fn new(dialect: &'d Dialect, mti: Mti) -> Result<Self, BuildError> {
        let mut builder = Self {
            dialect,
            mti,
            header: Vec::new(),
            bitmap: Bitmap::default(),
            slots: [Slot::default(); LAST_FIELD as usize + 1],
            octets: Zeroizing::new(Vec::with_capacity(USUAL_OCTETS)),
            is_in_order: true,
        };
        builder.restart(mti)?;
        Ok(builder)
    }

    /// The same type, header and fields as `message`, taken by value and not by octets. The dialect may be another one, if it
    /// has all that the message has; the header is taken if it has the same length.
    ///
    /// # Errors
    ///
    /// A field that the dialect does not have, or in which the value has no place.
    pub fn copy_of(message: &Message<'_>, dialect: &'d Dialect) -> Result<Self, BuildError> {
        let mut builder = Self::new(dialect, message.mti())?;
        if message.header().len() == builder.header.len() {
            builder.header(message.header())?;
        }
        if message.bitmap().has_secondary() {
            builder.secondary_bitmap();
        }
        for field in message.fields() {
            builder.field(&field)?;
        }
        Ok(builder)
    }

    /// Forgets everything, for the next message.
    ///
    /// # Errors
    ///
    /// [`BuildError::MtiVersion`], as [`MessageBuilder::new`].
    pub fn restart(&mut self, mti: Mti) -> Result<&mut Self, BuildError> {
        if mti.version() != self.dialect.version {
            return Err(BuildError::MtiVersion);
        }
        self.mti = mti;
        self.header.clear();
        self.header.resize(usize::from(self.dialect.header_octets), 0);
        self.bitmap = Bitmap::default();
        self.octets.clear();
        self.is_in_order = true;
        Ok(self)
    }

    /// Sets the octets before the message type.
    ///
    /// # Errors
    ///
    /// [`BuildError::WrongHeader`] if they are not as many as the dialect says.
    pub fn header(&mut self, header: &[u8]) -> Result<&mut Self, BuildError> {
        let wanted = self.dialect.header_octets;
        if header.len() != usize::from(wanted) {
            return Err(BuildError::WrongHeader { given: header.len(), wanted });
        }
        self.header.clear();
        self.header.extend_from_slice(header);
        Ok(self)
    }

    /// Sends the secondary bitmap even if no field above 64 is set, as some networks do.
    pub fn secondary_bitmap(&mut self) -> &mut Self {
        self.bitmap.insert_secondary();
        self
    }

    /// Sets a field to characters: digits, text, the digits and `=` of a track, or the hexadecimal of a binary field.
    ///
    /// # Errors
    ///
    /// A field that the dialect does not have, a length that is not the field's, or a character that is not of its class.
    pub fn text(&mut self, field: u8, text: &str) -> Result<&mut Self, BuildError> {
        self.characters(field, text.as_bytes())
    }

    /// Sets a text field of fixed length, with blanks behind the text.
    ///
    /// # Errors
    ///
    /// As [`MessageBuilder::text`]; a text that is too long is not cut.
    pub fn padded(&mut self, field: u8, text: &str) -> Result<&mut Self, BuildError> {
        let spec = self.spec(field)?;
        let length = usize::from(spec.length.most());
        if !matches!(spec.length, Length::Fixed(_)) || text.len() >= length {
            return self.characters(field, text.as_bytes());
        }
        let mut padded = Zeroizing::new(Vec::with_capacity(length));
        padded.extend_from_slice(text.as_bytes());
        padded.resize(length, b' ');
        self.characters(field, &padded)
    }

    /// Sets an `n` field to a number, with zeros before it where the length is fixed.
    ///
    /// # Errors
    ///
    /// [`BuildError::NotANumber`] for a field of another class, or a number with more digits than the field has.
    pub fn number(&mut self, field: u8, number: u64) -> Result<&mut Self, BuildError> {
        let spec = self.spec(field)?;
        if !matches!(spec.form, Form::Digits(_)) {
            return Err(BuildError::NotANumber { field });
        }
        let mut digits = [b'0'; MOST_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let needed = MOST_DIGITS - digits.iter().take_while(|digit| **digit == b'0').count().min(MOST_DIGITS - 1);
        let wanted = match spec.length {
            Length::Fixed(length) => usize::from(length).max(needed),
            Length::Variable { .. } => needed,
        };
        match digits.get(MOST_DIGITS.saturating_sub(wanted)..) {
            Some(digits) if digits.len() == wanted => self.characters(field, digits),
            // The field is longer than any number.
            _ => {
                let mut long = vec![b'0'; wanted - MOST_DIGITS];
                long.extend_from_slice(&digits);
                self.characters(field, &long)
            }
        }
    }

    /// Sets a field to what [`Field::value`] gives: the octets of a binary field, otherwise characters, which may be those of
    /// the national set.
    ///
    /// # Errors
    ///
    /// As [`MessageBuilder::text`].
    pub fn value(&mut self, field: u8, value: &[u8]) -> Result<&mut Self, BuildError> {
        let spec = *self.spec(field)?;
        match spec.form {
            Form::Octets(_) => self.set(&spec, value.len(), |out| {
                spec.form.append_binary(value, out);
                Ok(())
            }),
            _ => self.characters(field, value),
        }
    }

    /// Sets a field to the value that it has in another message, which may be one of another dialect.
    ///
    /// # Errors
    ///
    /// As [`MessageBuilder::text`].
    pub fn field(&mut self, field: &Field<'_>) -> Result<&mut Self, BuildError> {
        let number = field.number();
        let spec = *self.spec(number)?;
        match (field.spec().form, spec.form) {
            (Form::Octets(_), Form::Octets(_)) => self.value(number, &field.value()),
            _ => {
                let mut text = Zeroizing::new(Vec::with_capacity(field.units() * 2));
                field.append_text(&mut text);
                self.characters(number, &text)
            }
        }
    }

    /// Takes a field out again.
    pub fn remove(&mut self, field: u8) -> &mut Self {
        self.bitmap.remove(field);
        self.is_in_order = false;
        self
    }

    pub fn has(&self, field: u8) -> bool {
        self.bitmap.has(field)
    }

    pub fn dialect(&self) -> &'d Dialect {
        self.dialect
    }

    /// The fields that are set.
    pub fn bitmap(&self) -> Bitmap {
        self.bitmap
    }

    /// Appends the message to `out`, without a length header.
    ///
    /// # Errors
    ///
    /// [`BuildError::TooLong`]; `out` is as it was then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), BuildError> {
        let begin = out.len();
        out.extend_from_slice(&self.header);
        self.write_mti(out);
        self.bitmap.write(self.dialect.bitmap, out);
        if self.is_in_order {
            out.extend_from_slice(&self.octets);
        }
        for field in self.bitmap.fields().filter(|_| !self.is_in_order) {
            if let Some(slot) = self.slots.get(usize::from(field)) {
                out.extend_from_slice(self.octets.get(slot.begin as usize..slot.end as usize).unwrap_or_default());
            }
        }
        let octets = out.len() - begin;
        if octets > MOST_OCTETS {
            out.truncate(begin);
            return Err(BuildError::TooLong { octets });
        }
        Ok(())
    }

    pub(crate) fn insert_mac(&mut self, mac: [u8; 8]) -> Result<u8, BuildError> {
        let fields = self.dialect.mac;
        let field =
            if self.bitmap.has_secondary() { fields.with_secondary_bitmap } else { fields.without_secondary_bitmap };
        if let Some(last) = self.bitmap.last().filter(|last| *last > field) {
            return Err(BuildError::BehindTheMac { field: last });
        }
        self.value(field, &mac)?;
        Ok(field)
    }

    fn write_mti(&self, out: &mut Vec<u8>) {
        let [a, b, c, d] = self.mti.digits();
        match self.dialect.mti {
            Digits::Characters(alphabet) => out.extend_from_slice(&[a, b, c, d].map(|digit| alphabet.zero() + digit)),
            Digits::Packed(_) => out.extend_from_slice(&[a << 4 | b, c << 4 | d]),
        }
    }

    fn spec(&self, field: u8) -> Result<&'d FieldSpec, BuildError> {
        self.dialect.field(field).ok_or(BuildError::UnknownField { field })
    }

    fn characters(&mut self, field: u8, text: &[u8]) -> Result<&mut Self, BuildError> {
        let spec = *self.spec(field)?;
        self.set(&spec, spec.form.units(text), |out| spec.form.append_octets(text, out))
    }

    fn set(
        &mut self,
        spec: &FieldSpec,
        units: usize,
        append: impl FnOnce(&mut Vec<u8>) -> Result<(), usize>,
    ) -> Result<&mut Self, BuildError> {
        let field = spec.number;
        let begin = self.octets.len();
        match spec.length {
            Length::Fixed(length) if units != usize::from(length) => {
                return Err(BuildError::WrongLength { field, given: units, wanted: length });
            }
            Length::Variable { most, .. } if units == 0 || units > usize::from(most) => {
                return Err(BuildError::LengthOutOfRange { field, given: units, most });
            }
            Length::Variable { prefix, .. } => prefix.write(units, &mut self.octets),
            Length::Fixed(_) => {}
        }
        if let Err(place) = append(&mut self.octets) {
            self.octets.truncate(begin);
            return Err(BuildError::WrongCharacter { field, place });
        }
        let end = self.octets.len();
        // Every field could be set to its longest value some thousand times before this number is too small.
        if let (Ok(begin), Ok(end), Some(slot)) =
            (u32::try_from(begin), u32::try_from(end), self.slots.get_mut(usize::from(field)))
        {
            *slot = Slot { begin, end };
            self.is_in_order &= self.bitmap.last().is_none_or(|last| last < field);
            self.bitmap.insert(field);
        }
        Ok(self)
    }
}

/// The type and the numbers of the fields.
impl fmt::Debug for MessageBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<u8> = self.bitmap.fields().collect();
        f.debug_struct("MessageBuilder").field("mti", &self.mti).field("fields", &fields).finish_non_exhaustive()
    }
}
