//! What a log may see of a message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use iso8583::{Message, MessageBuilder, Mti, dialect};

const NUMBER: &str = "6225880123456782";
const TRACK: &str = "6225880123456782=29122011000012300000";

fn purchase(dialect: &'static iso8583::Dialect) -> Vec<u8> {
    let mut builder = MessageBuilder::new(dialect, Mti::from_text("0201").unwrap()).unwrap();
    builder.text(2, NUMBER).unwrap().number(3, 0).unwrap().number(4, 1_250).unwrap().number(11, 7).unwrap();
    builder.number(14, 2_912).unwrap().text(35, TRACK).unwrap().text(41, "TILL 1  ").unwrap();
    builder.text(45, "B6225880123456782^LI/LEI^2912201").unwrap();
    builder.value(52, &[0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6, 0x07, 0x18]).unwrap();
    builder.text(102, NUMBER).unwrap().text(103, "5882").unwrap();
    builder.value(128, &[0x91; 8]).unwrap();
    let mut out = Vec::new();
    builder.write(&mut out).unwrap();
    out
}

#[test]
fn a_dump_has_a_line_for_each_field_and_shows_no_more_than_it_may() {
    let frame = purchase(&dialect::ISO_1987_ASCII);
    let message = Message::read(&dialect::ISO_1987_ASCII, &frame).unwrap();
    let wanted = "\
0201 Financial Request Acquirer Repeat
  2 primary account number                        622588******6782
  3 processing code                               000000
  4 amount, transaction                           000000001250
 11 systems trace audit number                    000007
 14 date, expiration                              [4 hidden]
 35 track 2 data                                  [37 hidden]
 41 card acceptor terminal identification         \"TILL 1  \"
 45 track 1 data                                  [32 hidden]
 52 personal identification number data           [8 hidden]
102 account identification 1                      ************6782
103 account identification 2                      ****
128 message authentication code                   [8 hidden]";
    assert_eq!(message.dump().to_string(), wanted);
    assert_eq!(format!("{message:?}"), wanted);
    assert_eq!(format!("{:?}", message.field(52).unwrap()), wanted.lines().nth(9).unwrap());
}

#[test]
fn nothing_that_prints_gives_a_card_away() {
    for dialect in dialect::ALL {
        let frame = purchase(dialect);
        let message = Message::read(dialect, &frame).unwrap();
        let sample = iso8583::samples::Sample::of(&message);
        let builder = MessageBuilder::copy_of(&message, dialect).unwrap();
        let fields: String = message.fields().map(|field| format!("{field:?}")).collect();
        let mut printed = format!("{message:?} {:?} {sample:?} {builder:?} {fields}", message.dump());
        printed += &format!("{:?}", message.sealed().unwrap());
        for cut in 0..frame.len() {
            let error = Message::read(dialect, &frame[..cut]).unwrap_err();
            printed += &format!("{error} {error:?}");
        }
        for secret in [NUMBER, "23456782", "29122011", "2912", "A1B2C3D4", "a1b2c3d4", "161, 178", "9191", "LEI"] {
            assert!(!printed.contains(secret), "{}: {secret} in {printed}", dialect.name);
        }
    }
}
