//! Messages that others have published, field by field.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use iso8583::field::{Digits, Form};
use iso8583::frame::{Deframer, LengthHeader};
use iso8583::{Dialect, Message, MessageBuilder, Mti, Pad, dialect};

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|character| character.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// Reads the message, holds every field against what is expected, and builds it again.
fn read_and_rebuild(dialect: &Dialect, frame: &[u8], mti: &str, fields: &[(u8, &str)]) {
    let message = Message::read(dialect, frame).unwrap();
    assert_eq!(message.mti().to_string(), mti);
    let found: Vec<(u8, String)> = message.fields().map(|field| (field.number(), field.text().into_owned())).collect();
    let wanted: Vec<(u8, String)> = fields.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    assert_eq!(found, wanted);
    let mut builder = MessageBuilder::new(dialect, Mti::from_text(mti).unwrap()).unwrap();
    builder.header(message.header()).unwrap();
    for (number, text) in fields {
        builder.text(*number, text).unwrap();
    }
    let mut built = Vec::new();
    builder.write(&mut built).unwrap();
    assert_eq!(built, frame);
}

#[test]
fn the_example_of_pyiso8583_in_ascii() {
    // pyiso8583 4, documentation of `iso8583.encode`.
    let frame = b"0210200000000200000011111105";
    read_and_rebuild(&dialect::ISO_1987_ASCII, frame, "0210", &[(3, "111111"), (39, "05")]);
}

#[test]
fn the_exercise_of_eftlab_in_ascii_with_binary_bitmaps() {
    // EFTlab, Payments Academy, "ISO8583 Human parser", without the zeros behind the message. Its length counts itself.
    let published = octets(
        "00A1 30313130 7238008102E08100 3136 34363531323334353630333038383838 303030303030 303030303030303030313030
         30333130313833333036 303030333335 303830333130 31313034 3030 3036 343134323433 3030 3830303030303031
         383131323334353637383930313031 4C6F6E646F6E20202020202020202020202020202020202020202020202020202020202020202020
         383236 303034 31353130",
    );
    assert_eq!(published.len(), 0x00A1);
    let name = format!("{:<40}", "London");
    let fields = [
        (2, "4651234560308888"),
        (3, "000000"),
        (4, "000000000100"),
        (7, "0310183306"),
        (11, "000335"),
        (12, "080310"),
        (13, "1104"),
        (25, "00"),
        (32, "414243"),
        (39, "00"),
        (41, "80000001"),
        (42, "811234567890101"),
        (43, &name),
        (49, "826"),
        (56, "1510"),
    ];
    read_and_rebuild(&dialect::ISO_1987_ASCII_BINARY, &published[2..], "0110", &fields);
}

#[test]
fn the_sign_on_of_a_tutorial_in_packed_digits() {
    // Code Project, "Introduction to ISO 8583", as quoted on Stack Overflow, question 21282257.
    let frame = octets("0800 2020000000800000 000000 000001 3239313130303031");
    let fields = [(3, "000000"), (11, "000001"), (41, "29110001")];
    read_and_rebuild(&dialect::ISO_1987_BCD, &frame, "0800", &fields);
}

#[test]
fn a_sign_on_with_packed_digits_and_text_in_ebcdic_is_a_matter_of_the_table() {
    // Stack Overflow, question 11421574: field 39 in EBCDIC.
    let mut response_code = *dialect::ISO_1987_EBCDIC.field(39).unwrap();
    response_code.number = 39;
    let mixed = dialect::ISO_1987_BCD.clone().with(response_code);
    let frame = octets("0810 8220000002000000 0400000000000000 0501130427 000005 F0F0 0001");
    let fields = [(7, "0501130427"), (11, "000005"), (39, "00"), (70, "001")];
    read_and_rebuild(&mixed, &frame, "0810", &fields);
}

#[test]
fn a_purchase_of_a_union_pay_terminal() {
    // "POS调试8583报文-消费" (MaxWoods, 2019), with its length, and with the one digit of field 42 that the page has lost: the
    // length tells that there was one.
    let stream = octets(
        "01AA 6000060000 603100311003 0200 702406C020C19A31 16 6224242900000113 000000 000000000001 000403 2806 0710 0000 00
         12 34 6224242900000113D2806201394903101 3 3130303030303139 38353031303038323431303030 30 32 0001 00 313536
         D1EEF419D0AE2609 2600000000000000 0139 9F260895BBE372271DDA7C9F2701809F101307010103A0000001 0A010000000000ED538FE4
         9F37047F9F349E9F36020157950500000000009A031908309C01009F02060000000000015F2A02015682027C009F1A02015 69F03060000
         000000009F3303E0E1C89F3501229F1E0831303030303031398408A0000003330101029F0902008C9F410400000403
         0153 313232 303839383630363137303830303032353833393933313331314846543137303830333031313431343230313930383330
         303933343335313530323030313732324244333 02E3632313535352C3131342E333631393534413236303031303230323032313630303030
         323930323130303135373038303330363030303131333034303830343234373239323035303848373036323830 31
         0014 22000024000600 3846363531423236",
    );
    let mut deframer = Deframer::new(LengthHeader::Binary2, 4_096);
    let mut piece = stream.as_slice();
    let frame = deframer.next(&mut piece).unwrap().unwrap();
    let message = Message::read(&dialect::UNION_PAY, frame).unwrap();
    assert_eq!(message.header(), octets("6000060000 603100311003"));
    // The page prints field 22 with its padding.
    let wanted = [
        (2, "6224242900000113"),
        (3, "000000"),
        (4, "000000000001"),
        (11, "000403"),
        (14, "2806"),
        (22, "071"),
        (23, "000"),
        (25, "00"),
        (26, "12"),
        (35, "6224242900000113=2806201394903101"),
        (41, "10000019"),
        (48, "0"),
        (49, "156"),
        (53, "2600000000000000"),
        (60, "22000024000600"),
    ];
    for (number, text) in wanted {
        let found = message.field(number).unwrap().text();
        let found = if number == 35 { &found[..text.len()] } else { &found };
        assert_eq!(found, text, "field {number}");
    }
    assert_eq!(message.field(64).unwrap().value(), &b"8F651B26"[..]);
    assert_eq!(message.field(55).unwrap().units(), 139);
    let Some(Form::Digits(Digits::Packed(Pad::RightZero))) = message.field(22).map(|field| field.spec().form) else {
        panic!("the entry mode of UnionPay stands on the left");
    };
    let mut built = Vec::new();
    MessageBuilder::copy_of(&message, &dialect::UNION_PAY).unwrap().write(&mut built).unwrap();
    assert_eq!(built, frame);
}
