//! A message that has been read: its fields are slices of the frame that it came in.

use std::borrow::Cow;
use std::fmt;

use crate::bitmap::{Bitmap, BitmapFault, LAST_FIELD};
use crate::coding::{self, Fault};
use crate::dialect::Dialect;
use crate::dump::Dump;
use crate::error::ReadError;
use crate::field::{Binary, Digits, FieldSpec, Form, Length};
use crate::mti::Mti;
use crate::packed;

/// The longest message: the most that a length header of two octets can tell.
pub const MOST_OCTETS: usize = 65_535;

/// Where a field stands in the frame.
#[derive(Clone, Copy, Default)]
struct Span {
    /// The first octet behind the length prefix.
    begin: u16,
    end: u16,
    units: u16,
}

/// A message of a dialect, every field of which is as the dialect's table says. Building it again from the values of its
/// fields gives the same octets.
#[derive(Clone)]
pub struct Message<'a> {
    dialect: &'a Dialect,
    frame: &'a [u8],
    mti: Mti,
    bitmap: Bitmap,
    /// By number of the field.
    spans: [Span; LAST_FIELD as usize + 1],
}

impl<'a> Message<'a> {
    /// Reads a whole message, without its length header. Nothing is copied.
    ///
    /// # Errors
    ///
    /// Whatever is not exactly as the dialect's table says, with its place and never with its value.
    pub fn read(dialect: &'a Dialect, frame: &'a [u8]) -> Result<Self, ReadError> {
        if frame.len() > MOST_OCTETS {
            return Err(ReadError::TooLong { octets: frame.len() });
        }
        let mut at = usize::from(dialect.header_octets);
        if frame.len() < at {
            return Err(ReadError::HeaderCut);
        }
        let (mti, octets) = read_mti(dialect, frame, at)?;
        at += octets;
        let rest = frame.get(at..).unwrap_or_default();
        let (bitmap, octets) = Bitmap::read(dialect.bitmap, rest).map_err(|fault| match fault {
            BitmapFault::Cut => ReadError::BitmapCut { offset: at },
            BitmapFault::NotHex(place) => ReadError::BitmapMalformed { offset: at + place },
        })?;
        at += octets;
        let mut spans = [Span::default(); LAST_FIELD as usize + 1];
        for field in bitmap.fields() {
            let spec = dialect.field(field).ok_or(ReadError::UnknownField { field, offset: at })?;
            let (begin, units, end) = read_field(spec, frame, at)?;
            if let Some(span) = spans.get_mut(usize::from(field)) {
                // None is above MOST_OCTETS.
                *span = Span { begin: begin as u16, end: end as u16, units: units as u16 };
            }
            at = end;
        }
        if at != frame.len() {
            return Err(ReadError::TrailingOctets { offset: at });
        }
        Ok(Self { dialect, frame, mti, bitmap, spans })
    }

    pub fn dialect(&self) -> &'a Dialect {
        self.dialect
    }

    pub fn mti(&self) -> Mti {
        self.mti
    }

    /// The octets before the message type, such as a TPDU; empty in dialects that have none.
    pub fn header(&self) -> &'a [u8] {
        self.frame.get(..usize::from(self.dialect.header_octets)).unwrap_or_default()
    }

    pub fn bitmap(&self) -> Bitmap {
        self.bitmap
    }

    /// The octets that it was read from.
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    pub fn field(&self, number: u8) -> Option<Field<'a>> {
        if self.bitmap.has(number) { self.present(number) } else { None }
    }

    /// The fields that are there, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> {
        self.bitmap.fields().filter_map(|number| self.present(number))
    }

    #[inline]
    fn present(&self, number: u8) -> Option<Field<'a>> {
        let spec = self.dialect.field(number)?;
        let span = self.spans.get(usize::from(number))?;
        let offset = usize::from(span.begin);
        let octets = self.frame.get(offset..usize::from(span.end))?;
        Some(Field { spec, octets, units: usize::from(span.units), offset })
    }

    /// The message for a log: a line for each field, with everything masked that the table says.
    pub fn dump(&self) -> Dump<'_> {
        Dump::of(self)
    }
}

/// As [`Message::dump`], so that a message in another `Debug` gives nothing away.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.dump(), f)
    }
}

fn read_mti(dialect: &Dialect, frame: &[u8], at: usize) -> Result<(Mti, usize), ReadError> {
    let length = match dialect.mti {
        Digits::Characters(_) => 4,
        Digits::Packed(_) => 2,
    };
    let octets = frame.get(at..at + length).ok_or(ReadError::MtiCut { offset: at })?;
    let digits = match (dialect.mti, octets) {
        (Digits::Characters(alphabet), [a, b, c, d]) => {
            [*a, *b, *c, *d].map(|octet| octet.wrapping_sub(alphabet.zero()))
        }
        (Digits::Packed(_), [high, low]) => [high >> 4, high & 0x0F, low >> 4, low & 0x0F],
        _ => return Err(ReadError::MtiCut { offset: at }),
    };
    let mti = Mti::from_digits(digits).ok_or(ReadError::MtiMalformed { offset: at })?;
    if mti.version() != dialect.version {
        return Err(ReadError::MtiVersion { offset: at });
    }
    Ok((mti, length))
}

/// Where the field's octets begin, how many units they are, and where the next field begins.
fn read_field(spec: &FieldSpec, frame: &[u8], at: usize) -> Result<(usize, usize, usize), ReadError> {
    let field = spec.number;
    let (begin, units) = match spec.length {
        Length::Fixed(length) => (at, usize::from(length)),
        Length::Variable { most, prefix } => {
            let begin = at + prefix.octets();
            let octets = frame.get(at..begin).ok_or(ReadError::PastTheEnd { field, offset: at })?;
            let units = prefix.read(octets).ok_or(ReadError::LengthMalformed { field, offset: at })?;
            if units == 0 {
                return Err(ReadError::LengthZero { field, offset: at });
            }
            if units > usize::from(most) {
                return Err(ReadError::LengthAboveMost { field, offset: at, most });
            }
            (begin, units)
        }
    };
    let end = begin + spec.form.octets(units);
    let octets = frame.get(begin..end).ok_or(ReadError::PastTheEnd { field, offset: at })?;
    spec.form.check(octets, units).map_err(|fault| match fault {
        Fault::Character(place) => ReadError::WrongCharacter { field, offset: begin + place },
        Fault::Nibble(place) => ReadError::WrongDigit { field, offset: begin + place },
        Fault::Pad(place) => ReadError::WrongPadding { field, offset: begin + place },
        Fault::Sign => ReadError::WrongSign { field, offset: begin },
    })?;
    Ok((begin, units, end))
}

/// A field of a message.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    spec: &'a FieldSpec,
    octets: &'a [u8],
    units: usize,
    offset: usize,
}

impl<'a> Field<'a> {
    pub fn number(&self) -> u8 {
        self.spec.number
    }

    pub fn spec(&self) -> &'a FieldSpec {
        self.spec
    }

    /// The octets as they stand in the frame, without a length prefix.
    pub fn raw(&self) -> &'a [u8] {
        self.octets
    }

    /// Where [`Field::raw`] begins in the frame.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Its length in units: digits, characters or octets.
    pub fn units(&self) -> usize {
        self.units
    }

    /// The value as text: digits, characters, or hexadecimal of a binary field. What is not ASCII, the national characters of
    /// some networks, becomes U+FFFD; [`Field::value`] has it.
    pub fn text(&self) -> Cow<'a, str> {
        if self.spec.form.is_ascii() {
            return String::from_utf8_lossy(self.octets);
        }
        let mut text = Vec::with_capacity(self.units * 2);
        self.append_text(&mut text);
        Cow::Owned(
            String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        )
    }

    /// Appends [`Field::text`] to a buffer that is used again; national characters are appended as they are.
    #[inline]
    pub fn append_text(&self, out: &mut Vec<u8>) {
        self.spec.form.append_text(self.octets, self.units, out);
    }

    /// The number that the digits of an `n` field make; none if it is no such field or has more than 19 digits.
    pub fn as_number(&self) -> Option<u64> {
        let add = |number: u64, digit: u8| number.checked_mul(10)?.checked_add(u64::from(digit));
        match self.spec.form {
            Form::Digits(Digits::Characters(alphabet)) => {
                self.octets.iter().try_fold(0, |number, octet| add(number, octet.wrapping_sub(alphabet.zero())))
            }
            Form::Digits(Digits::Packed(pad)) => packed::nibbles(self.octets, self.units, pad).try_fold(0, add),
            _ => None,
        }
    }

    /// The octets of a binary field, or the characters of any other in ASCII and the national set.
    pub fn value(&self) -> Cow<'a, [u8]> {
        match self.spec.form {
            Form::Octets(Binary::Raw) => Cow::Borrowed(self.octets),
            Form::Octets(Binary::Hex(alphabet)) => {
                let mut value = Vec::with_capacity(self.units);
                // Reading has seen that these are digits of hexadecimal.
                let _ = coding::append_unhexed(alphabet, self.octets, &mut value);
                Cow::Owned(value)
            }
            form if form.is_ascii() => Cow::Borrowed(self.octets),
            _ => {
                let mut value = Vec::with_capacity(self.units);
                self.append_text(&mut value);
                Cow::Owned(value)
            }
        }
    }
}

/// As the dump shows it.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::dump::write_field(self, f)
    }
}
