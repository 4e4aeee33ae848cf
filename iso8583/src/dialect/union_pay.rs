//! The packed dialect of terminals and acquirers of China UnionPay.

use super::iso_1987::{ELEMENTS, PACKED};
use super::layout::Content::{self, B, N, Z};
use super::layout::Extent::{self, Fixed, Ll, Lll};
use super::layout::{Coding, EMPTY, Element};
use super::{BitmapCoding, Dialect, MacFields};
use crate::alphabet::Class;
use crate::field::Digits;
use crate::field::Masking::{self, Hidden, Shown};
use crate::mti::Version;
use crate::packed::Pad;

/// As China UnionPay's specification of POS terminals (Q/CUP 009) writes ISO 8583:1987: digits packed, text in ASCII and
/// GBK, octets as they are, behind a TPDU of five octets and a header of six. Fields 65 to 128, which terminals do not use,
/// are those of the standard in the same coding, so that a host can speak it too.
pub static UNION_PAY: Dialect = Dialect {
    name: "UnionPay",
    header_octets: 11,
    version: Version::Iso1987,
    mti: Digits::Packed(Pad::LeftZero),
    bitmap: BitmapCoding::Binary,
    mac: MacFields { without_secondary_bitmap: 64, with_secondary_bitmap: 128 },
    fields: ON_THE_LEFT.lay(PACKED.lay(PACKED.lay(EMPTY, &ELEMENTS), &UNLIKE_THE_STANDARD), &[ENTRY_MODE]),
};

/// Fixed digits stand on the right, except where the specification says otherwise.
const ON_THE_LEFT: Coding = Coding { fixed_digits: Digits::Packed(Pad::RightZero), ..PACKED };

const ENTRY_MODE: Element = row(22, "point of service entry mode", N, Fixed(3), Shown);

const AN: Content = Content::Chars(Class::Alphanumeric);
const NATIONAL: Content = Content::Chars(Class::National);

const fn row(number: u8, name: &'static str, content: Content, extent: Extent, masking: Masking) -> Element {
    Element { number, name, content, extent, masking }
}

/// The fields in which UnionPay departs from the standard. Field 62 carries keys at sign-on, so it is octets.
#[rustfmt::skip]
const UNLIKE_THE_STANDARD: [Element; 12] = [
    row(36, "track 3 data", Z, Lll(104), Hidden),
    row(43, "card acceptor name/location", NATIONAL, Fixed(40), Shown),
    row(44, "additional response data", AN, Ll(25), Shown),
    row(48, "additional data, private", N, Lll(322), Hidden),
    row(54, "additional amounts", AN, Lll(20), Hidden),
    row(55, "chip data", B, Lll(255), Hidden),
    row(57, "additional data of the transaction", NATIONAL, Lll(100), Hidden),
    row(58, "electronic purse", NATIONAL, Lll(100), Hidden),
    row(60, "batch and network management", N, Lll(17), Shown),
    row(61, "original message", N, Lll(29), Shown),
    row(62, "terminal data and keys", B, Lll(512), Hidden),
    row(63, "operator and messages", NATIONAL, Lll(163), Hidden),
];
