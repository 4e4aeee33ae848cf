//! Everything that can be wrong with a message has an error of its own, which names the field and the place.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use iso8583::ReadError::{self, *};
use iso8583::{BuildError, Dialect, Message, MessageBuilder, Mti, dialect};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|character| character.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn error(dialect: &Dialect, frame: &[u8]) -> ReadError {
    Message::read(dialect, frame).map(|message| message.bitmap()).unwrap_err()
}

#[test]
fn a_message_in_characters_that_is_not_as_the_table_says() {
    let table = [
        ("", MtiCut { offset: 0 }),
        ("080", MtiCut { offset: 0 }),
        ("08O0", MtiMalformed { offset: 0 }),
        ("0900", MtiMalformed { offset: 0 }),
        ("08004000000000000", BitmapCut { offset: 4 }),
        ("08008020000000000000", BitmapCut { offset: 4 }),
        ("0800002000000000000g000001", BitmapMalformed { offset: 19 }),
        ("1800002000000000000000001", MtiVersion { offset: 0 }),
        ("0800002000000000000000001", PastTheEnd { field: 11, offset: 20 }),
        ("0800002000000000000000000A", WrongCharacter { field: 11, offset: 25 }),
        ("08000020000000000000 00001", WrongCharacter { field: 11, offset: 20 }),
        ("08000020000000000000000001x", TrailingOctets { offset: 26 }),
        ("080080000000000000008000000000000000", UnknownField { field: 65, offset: 36 }),
        ("020040000000000000001", PastTheEnd { field: 2, offset: 20 }),
        ("020040000000000000001x6225880000000", LengthMalformed { field: 2, offset: 20 }),
        ("02004000000000000000006225880000000", LengthZero { field: 2, offset: 20 }),
        ("0200400000000000000020622588000000000000000", LengthAboveMost { field: 2, offset: 20, most: 19 }),
        ("020040000000000000001662258800000", PastTheEnd { field: 2, offset: 20 }),
        ("02000000001000000000C0000125", PastTheEnd { field: 28, offset: 20 }),
        ("02000000001000000000X00001250", WrongSign { field: 28, offset: 20 }),
        ("02000000001000000000C0000125C", WrongCharacter { field: 28, offset: 28 }),
        ("0200000000002000000005622=X", WrongCharacter { field: 35, offset: 26 }),
        ("021000000000020000000\u{1}", WrongCharacter { field: 39, offset: 21 }),
        ("021000000000020000000", PastTheEnd { field: 39, offset: 20 }),
        ("02100000000002000000-1", WrongCharacter { field: 39, offset: 20 }),
        ("020000000000000010000123456789abcdef", WrongCharacter { field: 52, offset: 30 }),
        ("0200000000000000100001234567", PastTheEnd { field: 52, offset: 20 }),
    ];
    for (frame, wanted) in table {
        assert_eq!(error(&dialect::ISO_1987_ASCII, frame.as_bytes()), wanted, "{frame:?}");
    }
}

#[test]
fn a_packed_message_that_is_not_as_the_table_says() {
    let table = [
        ("08", MtiCut { offset: 0 }),
        ("0A00 0020000000000000 000001", MtiMalformed { offset: 0 }),
        ("0800 00200000000000", BitmapCut { offset: 2 }),
        ("0800 8020000000000000 000000", BitmapCut { offset: 2 }),
        ("0800 0020000000000000 0000", PastTheEnd { field: 11, offset: 10 }),
        ("0800 0020000000000000 00000A", WrongDigit { field: 11, offset: 12 }),
        ("0800 0020000000000000 F00001", WrongDigit { field: 11, offset: 10 }),
        ("0800 0020000000000000 000001 00", TrailingOctets { offset: 13 }),
        ("0200 4000000000000000 1A 6225", LengthMalformed { field: 2, offset: 10 }),
        ("0200 4000000000000000 00", LengthZero { field: 2, offset: 10 }),
        ("0200 4000000000000000 99 6225", LengthAboveMost { field: 2, offset: 10, most: 19 }),
        ("0200 4000000000000000 16 6225", PastTheEnd { field: 2, offset: 10 }),
        ("0200 4000000000000000 03 6221", WrongPadding { field: 2, offset: 12 }),
        ("0200 4000000000000000 03 622F", WrongPadding { field: 2, offset: 12 }),
        ("0200 0000080000000000 1156", WrongPadding { field: 21, offset: 10 }),
        ("0200 0000001000000000 58 00001250", WrongSign { field: 28, offset: 10 }),
        ("0200 0000001000000000 43 0000125B", WrongDigit { field: 28, offset: 14 }),
        ("0200 0000000020000000 04 62E1", WrongDigit { field: 35, offset: 12 }),
        ("0200 0000000010000000 0105", LengthAboveMost { field: 36, offset: 10, most: 104 }),
        ("0200 0000000010000000 10", PastTheEnd { field: 36, offset: 10 }),
        ("0200 0000000010000000 1004", LengthMalformed { field: 36, offset: 10 }),
        ("0200 0000000000800000 3130303030303019", WrongCharacter { field: 41, offset: 17 }),
    ];
    for (frame, wanted) in table {
        assert_eq!(error(&dialect::ISO_1987_BCD, &octets(frame)), wanted, "{frame}");
    }
}

#[test]
fn headers_and_lengths_have_their_bounds() {
    assert_eq!(error(&dialect::UNION_PAY, &[0x60; 10]), HeaderCut);
    assert_eq!(error(&dialect::UNION_PAY, &[0x60; 11]), MtiCut { offset: 11 });
    let long = vec![b'0'; 65_536];
    assert_eq!(error(&dialect::ISO_1987_ASCII, &long), TooLong { octets: 65_536 });
}

#[test]
fn every_error_of_a_field_names_it() {
    let named = error(&dialect::ISO_1987_ASCII, b"08000020000000000000000A01");
    assert_eq!(named.field(), Some(11));
    assert_eq!(named.to_string(), "field 11: a character at 23 is not of the field's class");
    assert_eq!(error(&dialect::ISO_1987_ASCII, b"0800").field(), None);
}

#[test]
fn a_value_that_has_no_place_in_a_field_is_not_built() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::FINANCIAL_REQUEST).unwrap();
    builder.text(2, "6225880000000004").unwrap();
    let mut before = Vec::new();
    builder.write(&mut before).unwrap();
    let table: [(u8, &str, BuildError); 10] = [
        (1, "00", BuildError::UnknownField { field: 1 }),
        (65, "00", BuildError::UnknownField { field: 65 }),
        (129, "00", BuildError::UnknownField { field: 129 }),
        (2, "", BuildError::LengthOutOfRange { field: 2, given: 0, most: 19 }),
        (2, "62258800000000000004", BuildError::LengthOutOfRange { field: 2, given: 20, most: 19 }),
        (2, "622588000000000x", BuildError::WrongCharacter { field: 2, place: 15 }),
        (3, "00000", BuildError::WrongLength { field: 3, given: 5, wanted: 6 }),
        (28, "000001250", BuildError::WrongCharacter { field: 28, place: 0 }),
        (41, "TILL\u{7f}001", BuildError::WrongCharacter { field: 41, place: 4 }),
        (52, "0123456789ABCDE", BuildError::WrongCharacter { field: 52, place: 15 }),
    ];
    for (field, text, wanted) in table {
        assert_eq!(builder.text(field, text).map(|_| ()), Err(wanted), "{field} {text:?}");
    }
    assert_eq!(
        builder.number(4, 1_000_000_000_000).map(|_| ()),
        Err(BuildError::WrongLength { field: 4, given: 13, wanted: 12 })
    );
    assert_eq!(builder.number(41, 7).map(|_| ()), Err(BuildError::NotANumber { field: 41 }));
    assert_eq!(builder.header(&[1]).map(|_| ()), Err(BuildError::WrongHeader { given: 1, wanted: 0 }));
    let newer = Mti::from_text("1200").unwrap();
    assert_eq!(MessageBuilder::new(&dialect::ISO_1987_ASCII, newer).map(|_| ()), Err(BuildError::MtiVersion));
    let mut after = Vec::new();
    builder.write(&mut after).unwrap();
    assert_eq!(before, after);
}

#[test]
fn a_message_longer_than_any_length_header_can_tell_is_not_written() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::FINANCIAL_REQUEST).unwrap();
    let longest = "x".repeat(999);
    let fields: Vec<u8> = dialect::ISO_1987_ASCII.fields().map(|spec| spec.number).collect();
    for field in fields {
        // 43 fields of 999 characters do not reach it; a bank's table with longer ones does.
        let _ = builder.text(field, &longest);
    }
    let mut out = b"kept".to_vec();
    builder.write(&mut out).unwrap();
    assert!(out.len() < 65_535);

    let mut spec = *dialect::ISO_1987_BCD.field(48).unwrap();
    spec.length = iso8583::field::Length::Fixed(u16::MAX);
    let long = dialect::ISO_1987_BCD.clone().with(spec);
    let mut builder = MessageBuilder::new(&long, Mti::FINANCIAL_REQUEST).unwrap();
    builder.text(48, &"x".repeat(65_535)).unwrap();
    let mut out = b"kept".to_vec();
    assert_eq!(builder.write(&mut out), Err(BuildError::TooLong { octets: 65_545 }));
    assert_eq!(out, b"kept");
}

#[test]
fn numbers_fill_their_fields_from_the_right() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(2, 0).unwrap().number(4, 1_250).unwrap().number(90, u64::MAX).unwrap().number(11, 0).unwrap();
    let mut out = Vec::new();
    builder.write(&mut out).unwrap();
    let message = Message::read(&dialect::ISO_1987_ASCII, &out).unwrap();
    let text = |field| message.field(field).unwrap().text().into_owned();
    assert_eq!((text(2), text(4), text(11)), ("0".to_owned(), "000000001250".to_owned(), "000000".to_owned()));
    assert_eq!(text(90), format!("{:042}", u64::MAX));
    assert_eq!(message.field(90).unwrap().as_number(), Some(u64::MAX));
    assert_eq!(message.field(41).map(|field| field.number()), None);
}

#[test]
fn a_builder_is_used_again_and_forgets() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(4, 1).unwrap().number(11, 2).unwrap().number(11, 3).unwrap().number(70, 1).unwrap().remove(4);
    builder.padded(41, "TILL").unwrap();
    assert_eq!(builder.bitmap().fields().collect::<Vec<_>>(), [11, 41, 70]);
    let mut first = Vec::new();
    builder.write(&mut first).unwrap();
    assert_eq!(first, b"020080200000008000000400000000000000000003TILL    001");
    builder.restart(Mti::NETWORK_MANAGEMENT_REQUEST).unwrap().number(11, 4).unwrap();
    let mut second = Vec::new();
    builder.write(&mut second).unwrap();
    assert_eq!(second, b"08000020000000000000000004");
}
