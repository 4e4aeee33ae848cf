//! What can be wrong with a message. No error carries a value of a field, so that every one of them may be logged.

/// Why octets are no message of a dialect. An `offset` counts octets from the beginning of the message, header included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("a message of {octets} octets is longer than any can be")]
    TooLong { octets: usize },
    #[error("the message ends within its header")]
    HeaderCut,
    #[error("the message ends within its type, which begins at {offset}")]
    MtiCut { offset: usize },
    #[error("the message type at {offset} is malformed or reserved")]
    MtiMalformed { offset: usize },
    #[error("the message type at {offset} is of another version of the standard than the dialect")]
    MtiVersion { offset: usize },
    #[error("the message ends within its bitmaps, which begin at {offset}")]
    BitmapCut { offset: usize },
    #[error("the bitmap has no digit of hexadecimal at {offset}")]
    BitmapMalformed { offset: usize },
    #[error("the bitmap names field {field}, which the dialect does not have; it would begin at {offset}")]
    UnknownField { field: u8, offset: usize },
    #[error("field {field}: the length at {offset} is no number")]
    LengthMalformed { field: u8, offset: usize },
    #[error("field {field}: the length at {offset} is zero")]
    LengthZero { field: u8, offset: usize },
    #[error("field {field}: the length at {offset} is above {most}")]
    LengthAboveMost { field: u8, offset: usize, most: u16 },
    #[error("field {field}, which begins at {offset}, goes past the end of the message")]
    PastTheEnd { field: u8, offset: usize },
    #[error("field {field}: a character at {offset} is not of the field's class")]
    WrongCharacter { field: u8, offset: usize },
    #[error("field {field}: the octet at {offset} does not hold two digits")]
    WrongDigit { field: u8, offset: usize },
    #[error("field {field}: the octet at {offset} is padded with something else than the dialect's padding")]
    WrongPadding { field: u8, offset: usize },
    #[error("field {field}: the sign at {offset} is neither C nor D")]
    WrongSign { field: u8, offset: usize },
    #[error("the last field ends at {offset} and the message does not")]
    TrailingOctets { offset: usize },
}

impl ReadError {
    /// The field that is wrong, if it is one.
    pub const fn field(&self) -> Option<u8> {
        match *self {
            Self::UnknownField { field, .. }
            | Self::LengthMalformed { field, .. }
            | Self::LengthZero { field, .. }
            | Self::LengthAboveMost { field, .. }
            | Self::PastTheEnd { field, .. }
            | Self::WrongCharacter { field, .. }
            | Self::WrongDigit { field, .. }
            | Self::WrongPadding { field, .. }
            | Self::WrongSign { field, .. } => Some(field),
            _ => None,
        }
    }
}

/// Why a value cannot be put into a message of a dialect. Nothing has been changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("the dialect does not have field {field}")]
    UnknownField { field: u8 },
    #[error("field {field} is {wanted} units long and not {given}")]
    WrongLength { field: u8, given: usize, wanted: u16 },
    #[error("field {field} is from 1 to {most} units long and not {given}")]
    LengthOutOfRange { field: u8, given: usize, most: u16 },
    #[error("field {field}: the character at {place} of the value is not of the field's class")]
    WrongCharacter { field: u8, place: usize },
    #[error("field {field} holds no number")]
    NotANumber { field: u8 },
    #[error("the message type is of another version of the standard than the dialect")]
    MtiVersion,
    #[error("the header has {given} octets and not {wanted}")]
    WrongHeader { given: usize, wanted: u16 },
    #[error("field {field} would stand behind the message authentication code")]
    BehindTheMac { field: u8 },
    #[error("the message would be {octets} octets long, longer than any can be")]
    TooLong { octets: usize },
}
