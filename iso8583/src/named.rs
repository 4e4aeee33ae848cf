//! What a configuration calls a dialect and a framing.

use serde::Deserialize;

use crate::dialect::{self, Dialect};
use crate::frame::LengthHeader;

/// The dialects of this crate by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum DialectName {
    /// Characters of ASCII throughout.
    #[serde(rename = "iso-1987-ascii")]
    Ascii,
    /// Characters of ASCII, binary bitmaps and fields.
    #[serde(rename = "iso-1987-ascii-binary")]
    AsciiBinary,
    #[serde(rename = "iso-1987-ebcdic")]
    Ebcdic,
    #[serde(rename = "iso-1987-bcd")]
    Bcd,
    #[serde(rename = "union-pay")]
    UnionPay,
}

impl DialectName {
    pub fn dialect(self) -> &'static Dialect {
        match self {
            Self::Ascii => &dialect::ISO_1987_ASCII,
            Self::AsciiBinary => &dialect::ISO_1987_ASCII_BINARY,
            Self::Ebcdic => &dialect::ISO_1987_EBCDIC,
            Self::Bcd => &dialect::ISO_1987_BCD,
            Self::UnionPay => &dialect::UNION_PAY,
        }
    }
}

/// How a message tells its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Framing {
    #[default]
    #[serde(rename = "binary-2")]
    Binary2,
    #[serde(rename = "ascii-4")]
    Ascii4,
}

impl Framing {
    pub const fn header(self) -> LengthHeader {
        match self {
            Self::Binary2 => LengthHeader::Binary2,
            Self::Ascii4 => LengthHeader::Ascii4,
        }
    }
}
