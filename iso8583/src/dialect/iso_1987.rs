//! ISO 8583:1987, and the ways in which networks write it.

use super::layout::Content::{self, B, N, Xn, Z};
use super::layout::Extent::{self, Fixed, Ll, Lll};
use super::layout::{Coding, EMPTY, Element, Table};
use super::{BitmapCoding, Dialect, MacFields};
use crate::alphabet::{Alphabet, Class};
use crate::field::Masking::{self, AccountNumber, Hidden, LastFour, Shown};
use crate::field::{Binary, Digits, PrefixCoding};
use crate::mti::Version;
use crate::packed::Pad;

/// Characters of ASCII throughout, also for bitmaps and binary fields, which are written in hexadecimal.
pub static ISO_1987_ASCII: Dialect =
    iso_1987("ISO 8583:1987 ASCII", ASCII_DIGITS, BitmapCoding::Hex(Alphabet::Ascii), ASCII.lay(EMPTY, &ELEMENTS));

/// Characters of ASCII, with bitmaps and binary fields as octets; field 55 holds the octets of a chip.
pub static ISO_1987_ASCII_BINARY: Dialect = iso_1987(
    "ISO 8583:1987 ASCII with binary bitmaps",
    ASCII_DIGITS,
    BitmapCoding::Binary,
    ASCII_BINARY.lay(ASCII_BINARY.lay(EMPTY, &ELEMENTS), &[CHIP]),
);

/// Characters of EBCDIC, with bitmaps and binary fields as octets; field 55 holds the octets of a chip.
pub static ISO_1987_EBCDIC: Dialect = iso_1987(
    "ISO 8583:1987 EBCDIC",
    EBCDIC.fixed_digits,
    BitmapCoding::Binary,
    EBCDIC.lay(EBCDIC.lay(EMPTY, &ELEMENTS), &[CHIP]),
);

/// Packed digits, which stand on the right in fields of fixed length and on the left in others; text in ASCII; bitmaps and
/// binary fields as octets.
pub static ISO_1987_BCD: Dialect =
    iso_1987("ISO 8583:1987 BCD", PACKED.fixed_digits, BitmapCoding::Binary, PACKED.lay(EMPTY, &ELEMENTS));

const ASCII_DIGITS: Digits = Digits::Characters(Alphabet::Ascii);

const ASCII: Coding = Coding {
    fixed_digits: ASCII_DIGITS,
    variable_digits: ASCII_DIGITS,
    text: Alphabet::Ascii,
    binary: Binary::Hex(Alphabet::Ascii),
    prefix: PrefixCoding::Characters(Alphabet::Ascii),
};

const ASCII_BINARY: Coding = Coding { binary: Binary::Raw, ..ASCII };

const EBCDIC: Coding = Coding {
    fixed_digits: Digits::Characters(Alphabet::Ebcdic),
    variable_digits: Digits::Characters(Alphabet::Ebcdic),
    text: Alphabet::Ebcdic,
    binary: Binary::Raw,
    prefix: PrefixCoding::Characters(Alphabet::Ebcdic),
};

pub(super) const PACKED: Coding = Coding {
    fixed_digits: Digits::Packed(Pad::LeftZero),
    variable_digits: Digits::Packed(Pad::RightZero),
    text: Alphabet::Ascii,
    binary: Binary::Raw,
    prefix: PrefixCoding::Packed,
};

const fn iso_1987(name: &'static str, mti: Digits, bitmap: BitmapCoding, fields: Table) -> Dialect {
    let mac = MacFields { without_secondary_bitmap: 64, with_secondary_bitmap: 128 };
    Dialect { name, header_octets: 0, version: Version::Iso1987, mti, bitmap, mac, fields }
}

const fn row(number: u8, name: &'static str, content: Content, extent: Extent, masking: Masking) -> Element {
    Element { number, name, content, extent, masking }
}

const NS: Content = Content::Chars(Class::NumericSpecial);
const AN: Content = Content::Chars(Class::Alphanumeric);
const ANS: Content = Content::Chars(Class::Printable);

/// Where binary fields are octets, field 55 is what EMV Book 4 puts into it: `b...255`.
const CHIP: Element = row(55, "chip data", B, Lll(255), Hidden);

/// ISO 8583:1987, table 5, less field 65, which announces a third bitmap. What a network keeps private is hidden, since a
/// card's verification value may stand there; so are amounts of accounts (54).
#[rustfmt::skip]
pub(super) const ELEMENTS: [Element; 126] = [
    row(2, "primary account number", N, Ll(19), AccountNumber),
    row(3, "processing code", N, Fixed(6), Shown),
    row(4, "amount, transaction", N, Fixed(12), Shown),
    row(5, "amount, settlement", N, Fixed(12), Shown),
    row(6, "amount, cardholder billing", N, Fixed(12), Shown),
    row(7, "transmission date and time", N, Fixed(10), Shown),
    row(8, "amount, cardholder billing fee", N, Fixed(8), Shown),
    row(9, "conversion rate, settlement", N, Fixed(8), Shown),
    row(10, "conversion rate, cardholder billing", N, Fixed(8), Shown),
    row(11, "systems trace audit number", N, Fixed(6), Shown),
    row(12, "time, local transaction", N, Fixed(6), Shown),
    row(13, "date, local transaction", N, Fixed(4), Shown),
    row(14, "date, expiration", N, Fixed(4), Hidden),
    row(15, "date, settlement", N, Fixed(4), Shown),
    row(16, "date, conversion", N, Fixed(4), Shown),
    row(17, "date, capture", N, Fixed(4), Shown),
    row(18, "merchant's type", N, Fixed(4), Shown),
    row(19, "acquiring institution country code", N, Fixed(3), Shown),
    row(20, "primary account number extended, country code", N, Fixed(3), Shown),
    row(21, "forwarding institution country code", N, Fixed(3), Shown),
    row(22, "point of service entry mode", N, Fixed(3), Shown),
    row(23, "card sequence number", N, Fixed(3), Shown),
    row(24, "network international identifier", N, Fixed(3), Shown),
    row(25, "point of service condition code", N, Fixed(2), Shown),
    row(26, "point of service PIN capture code", N, Fixed(2), Shown),
    row(27, "authorization identification response length", N, Fixed(1), Shown),
    row(28, "amount, transaction fee", Xn, Fixed(9), Shown),
    row(29, "amount, settlement fee", Xn, Fixed(9), Shown),
    row(30, "amount, transaction processing fee", Xn, Fixed(9), Shown),
    row(31, "amount, settlement processing fee", Xn, Fixed(9), Shown),
    row(32, "acquiring institution identification code", N, Ll(11), Shown),
    row(33, "forwarding institution identification code", N, Ll(11), Shown),
    row(34, "primary account number, extended", NS, Ll(28), LastFour),
    row(35, "track 2 data", Z, Ll(37), Hidden),
    row(36, "track 3 data", Z, Lll(104), Hidden),
    row(37, "retrieval reference number", AN, Fixed(12), Shown),
    row(38, "authorization identification response", AN, Fixed(6), Shown),
    row(39, "response code", AN, Fixed(2), Shown),
    row(40, "service restriction code", AN, Fixed(3), Shown),
    row(41, "card acceptor terminal identification", ANS, Fixed(8), Shown),
    row(42, "card acceptor identification code", ANS, Fixed(15), Shown),
    row(43, "card acceptor name/location", ANS, Fixed(40), Shown),
    row(44, "additional response data", ANS, Ll(25), Shown),
    row(45, "track 1 data", ANS, Ll(76), Hidden),
    row(46, "additional data, ISO", ANS, Lll(999), Hidden),
    row(47, "additional data, national", ANS, Lll(999), Hidden),
    row(48, "additional data, private", ANS, Lll(999), Hidden),
    row(49, "currency code, transaction", AN, Fixed(3), Shown),
    row(50, "currency code, settlement", AN, Fixed(3), Shown),
    row(51, "currency code, cardholder billing", AN, Fixed(3), Shown),
    row(52, "personal identification number data", B, Fixed(8), Hidden),
    row(53, "security related control information", N, Fixed(16), Shown),
    row(54, "additional amounts", AN, Lll(120), Hidden),
    row(55, "reserved ISO (chip data)", ANS, Lll(999), Hidden),
    row(56, "reserved ISO", ANS, Lll(999), Hidden),
    row(57, "reserved national", ANS, Lll(999), Hidden),
    row(58, "reserved national", ANS, Lll(999), Hidden),
    row(59, "reserved national", ANS, Lll(999), Hidden),
    row(60, "reserved private", ANS, Lll(999), Hidden),
    row(61, "reserved private", ANS, Lll(999), Hidden),
    row(62, "reserved private", ANS, Lll(999), Hidden),
    row(63, "reserved private", ANS, Lll(999), Hidden),
    row(64, "message authentication code", B, Fixed(8), Hidden),
    row(66, "settlement code", N, Fixed(1), Shown),
    row(67, "extended payment code", N, Fixed(2), Shown),
    row(68, "receiving institution country code", N, Fixed(3), Shown),
    row(69, "settlement institution country code", N, Fixed(3), Shown),
    row(70, "network management information code", N, Fixed(3), Shown),
    row(71, "message number", N, Fixed(4), Shown),
    row(72, "message number, last", N, Fixed(4), Shown),
    row(73, "date, action", N, Fixed(6), Shown),
    row(74, "credits, number", N, Fixed(10), Shown),
    row(75, "credits, reversal number", N, Fixed(10), Shown),
    row(76, "debits, number", N, Fixed(10), Shown),
    row(77, "debits, reversal number", N, Fixed(10), Shown),
    row(78, "transfer, number", N, Fixed(10), Shown),
    row(79, "transfer, reversal number", N, Fixed(10), Shown),
    row(80, "inquiries, number", N, Fixed(10), Shown),
    row(81, "authorizations, number", N, Fixed(10), Shown),
    row(82, "credits, processing fee amount", N, Fixed(12), Shown),
    row(83, "credits, transaction fee amount", N, Fixed(12), Shown),
    row(84, "debits, processing fee amount", N, Fixed(12), Shown),
    row(85, "debits, transaction fee amount", N, Fixed(12), Shown),
    row(86, "credits, amount", N, Fixed(16), Shown),
    row(87, "credits, reversal amount", N, Fixed(16), Shown),
    row(88, "debits, amount", N, Fixed(16), Shown),
    row(89, "debits, reversal amount", N, Fixed(16), Shown),
    row(90, "original data elements", N, Fixed(42), Shown),
    row(91, "file update code", AN, Fixed(1), Shown),
    row(92, "file security code", AN, Fixed(2), Shown),
    row(93, "response indicator", AN, Fixed(5), Shown),
    row(94, "service indicator", AN, Fixed(7), Shown),
    row(95, "replacement amounts", AN, Fixed(42), Shown),
    row(96, "message security code", B, Fixed(8), Hidden),
    row(97, "amount, net settlement", Xn, Fixed(17), Shown),
    row(98, "payee", ANS, Fixed(25), Shown),
    row(99, "settlement institution identification code", N, Ll(11), Shown),
    row(100, "receiving institution identification code", N, Ll(11), Shown),
    row(101, "file name", ANS, Ll(17), Shown),
    row(102, "account identification 1", ANS, Ll(28), LastFour),
    row(103, "account identification 2", ANS, Ll(28), LastFour),
    row(104, "transaction description", ANS, Lll(100), Hidden),
    row(105, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(106, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(107, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(108, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(109, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(110, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(111, "reserved for ISO use", ANS, Lll(999), Hidden),
    row(112, "reserved for national use", ANS, Lll(999), Hidden),
    row(113, "reserved for national use", ANS, Lll(999), Hidden),
    row(114, "reserved for national use", ANS, Lll(999), Hidden),
    row(115, "reserved for national use", ANS, Lll(999), Hidden),
    row(116, "reserved for national use", ANS, Lll(999), Hidden),
    row(117, "reserved for national use", ANS, Lll(999), Hidden),
    row(118, "reserved for national use", ANS, Lll(999), Hidden),
    row(119, "reserved for national use", ANS, Lll(999), Hidden),
    row(120, "reserved for private use", ANS, Lll(999), Hidden),
    row(121, "reserved for private use", ANS, Lll(999), Hidden),
    row(122, "reserved for private use", ANS, Lll(999), Hidden),
    row(123, "reserved for private use", ANS, Lll(999), Hidden),
    row(124, "reserved for private use", ANS, Lll(999), Hidden),
    row(125, "reserved for private use", ANS, Lll(999), Hidden),
    row(126, "reserved for private use", ANS, Lll(999), Hidden),
    row(127, "reserved for private use", ANS, Lll(999), Hidden),
    row(128, "message authentication code", B, Fixed(8), Hidden),
];
