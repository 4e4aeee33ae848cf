use iso8583::dialect::ALL;
use iso8583::samples::{self, AnyMessage};
use proptest::prelude::*;

use super::super::reply::kept;
use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_795_400_000_000_000);

fn octets(message: &MessageBuilder<'_>) -> Vec<u8> {
    let mut octets = Vec::new();
    message.write(&mut octets).unwrap();
    octets
}

fn file(entries: &[Entry]) -> Vec<u8> {
    to_xml(("day-1", "acquirer-1"), entries, NOW).unwrap()
}

/// Through the file and back, octet by octet: what is kept of a message with a link, and nothing else.
fn comes_back(dialect: &'static Dialect, frame: &[u8]) {
    let message = Message::read(dialect, frame).unwrap();
    let entry = Entry::of(&message);
    let read = from_xml(&file(std::slice::from_ref(&entry))).unwrap();
    assert_eq!(read, [entry]);
    let mut again = read[0].message(dialect).unwrap();
    let kept = kept(&message).unwrap();
    let kept = Message::read(dialect, &kept).unwrap();
    if kept.bitmap().has_secondary() {
        again.secondary_bitmap();
    }
    assert_eq!(octets(&again), kept.frame(), "{}", dialect.name);
    // Nothing but what proves a card or a payer is left out.
    for field in message.fields().filter(|field| !NEVER.contains(&field.number()) && field.number() != PRIVATE) {
        let found = kept.field(field.number()).map(|field| field.value().into_owned());
        assert_eq!(found.as_deref(), Some(&*field.value()), "{} {}", dialect.name, field.number());
    }
}

#[test]
fn m7_a_days_messages_go_through_a_file_without_loss_in_every_dialect() {
    for dialect in ALL {
        for frame in samples::day(dialect, 200).unwrap() {
            comes_back(dialect, &frame);
        }
    }
}

#[test]
fn m7_any_message_of_any_dialect_goes_through_a_file_without_loss() {
    for dialect in ALL {
        let mut any = AnyMessage::new(20_022);
        for _ in 0..200 {
            // What a link keeps has no keys; field 1 is no field.
            let sample = any.message(dialect, |spec| spec.number != PRIVATE);
            let mut message = MessageBuilder::new(dialect, sample.mti).unwrap();
            sample.put(&mut message).unwrap();
            comes_back(dialect, &octets(&message));
        }
    }
}

#[test]
fn m7_each_row_of_the_table_stands_at_its_place_in_the_file() {
    let dialect = &iso8583::dialect::ISO_1987_ASCII_BINARY;
    let mut message = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
    message.number(4, 1_250).unwrap().text(49, "156").unwrap().number(11, 123_456).unwrap();
    let original = format!("0200{}", "1".repeat(38));
    message.text(37, "ABC123456789").unwrap().text(90, &original).unwrap();
    let octets = octets(&message);
    let entry = Entry::of(&Message::read(dialect, &octets).unwrap());
    assert!(entry.others.contains_key(&90), "42 digits have no room in a reference, and are not cut");
    let file = file(&[entry]);
    let (mut document, mut found) = (Document::open(&file).unwrap(), BTreeMap::new());
    while let Some(piece) = document.next().unwrap() {
        let Some(path) = document.path().strip_prefix(ONE).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if let Piece::Leaf { text, currency } = piece {
            found.extend(currency.map(|currency| (format!("{path}/@Ccy"), currency)));
            found.insert(path.to_owned(), text);
        }
    }
    for (field, value) in [(4, "12.50"), (49, "CNY"), (11, "123456"), (37, "ABC123456789")] {
        let place = PLACES.iter().find(|place| place.field == field).unwrap();
        assert_eq!(found.get(place.entry).map(String::as_str), Some(value), "{place:?}");
    }
}

#[test]
fn m8_no_card_code_or_pin_block_is_in_a_file_whatever_a_message_has() {
    const PAN: &str = "6228480000000015";
    for dialect in ALL {
        let mut message = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
        message.header(&vec![7; usize::from(dialect.header_octets)]).unwrap();
        message.text(2, PAN).unwrap().text(14, "2703").unwrap().number(11, 7).unwrap();
        message.text(35, &format!("{PAN}=2703201100000179")).unwrap();
        message.value(52, b"\xDE\xAD\xBE\xEF\xDE\xAD\xBE\xEF").unwrap();
        let private =
            PrivateData::default().with(Tag::Code, "918273").with(Tag::Cvv2, "017").with(Tag::Reference, "R-1");
        message.text(PRIVATE, &private.to_text().unwrap()).unwrap();
        let octets = octets(&message);
        let entry = Entry::of(&Message::read(dialect, &octets).unwrap());
        let shown = format!("{entry:?}");
        let file = String::from_utf8(file(&[entry])).unwrap();
        for secret in [PAN, "0000000015", "2703", "=27", "DEADBEEF", "deadbeef", "918273", "05003017"] {
            assert!(!file.contains(secret) && !shown.contains(secret), "{} {secret}: {file}", dialect.name);
        }
        assert!(file.contains("02003R-1"), "{file}");
        // Nor under the guise of octets.
        for secret in [PAN, "918273", "05003017"] {
            assert!(!file.contains(&crate::hex::encode(secret.as_bytes())), "{}", dialect.name);
        }
    }
    // What is no list of entries may be anything.
    assert!(kept_private("918273").is_none());
}

#[test]
fn m7_a_file_that_is_none_is_refused_where_it_is_wrong() {
    let entry = |inner: &str| {
        format!(
            "<Document xmlns=\"{NAMESPACE}\"><BkToCstmrDbtCdtNtfctn><Ntfctn>\n<Ntry>{inner}</Ntry></Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
        )
    };
    let field = |inner: &str| {
        entry(&format!(
            "<NtryDtls><TxDtls><SplmtryData><Envlp><Iso8583>{inner}</Iso8583></Envlp></SplmtryData></TxDtls></NtryDtls>"
        ))
    };
    for (bad, reason) in [
        (entry(""), Reason::FieldMissing),
        (entry("<Amt>12</Amt>"), Reason::FieldMissing),
        (entry("<Amt Ccy=\"xyz\">12</Amt>"), Reason::CurrencyUnknown),
        (entry("<Amt Ccy=\"CNY\">12.345</Amt>"), Reason::AmountMalformed),
        (entry("<BkTxCd><Prtry><Cd>9999</Cd></Prtry></BkTxCd>"), Reason::MessageMalformed),
        (entry("<NtryDtls><TxDtls><Refs><Other>1</Other></Refs></TxDtls></NtryDtls>"), Reason::MessageMalformed),
        (field("<Field><Octets>00</Octets></Field>"), Reason::MessageMalformed),
        (field("<Field><Nb>400</Nb></Field>"), Reason::MessageMalformed),
        (field("<Field><Nb>48</Nb><Octets>0</Octets></Field>"), Reason::MessageMalformed),
        (
            field("<Field><Nb>48</Nb><Text>1</Text></Field><Field><Nb>48</Nb><Text>2</Text></Field>"),
            Reason::MessageMalformed,
        ),
        ("<Document xmlns=\"urn:other\"/>".to_owned(), Reason::FileKindUnknown),
        ("<Ntry>".to_owned(), Reason::FileKindUnknown),
    ] {
        let fault = from_xml(bad.as_bytes()).unwrap_err();
        assert_eq!(fault.reason, reason, "{bad}");
        assert!(reason == Reason::FileKindUnknown || fault.at.line == 2, "{bad}: {fault}");
    }
    assert_eq!(to_xml(("d", &"l".repeat(35)), &[], NOW), Err(Reason::ClearingNameTooLong));
}

proptest! {
    #[test]
    fn m7_private_and_unknown_fields_survive_the_round_trip(
        minor in 0_u64..1_000_000_000_000,
        code in prop::sample::select(vec!["156", "392", "414", "999", "CNY", "abc"]),
        private in "[ -~]{1,200}",
        octets_of_keys in prop::collection::vec(any::<u8>(), 1..200),
        national in "[ -~]{0,7}[A-Za-z<&\"']",
        tag in 20_u8..99,
    ) {
        let dialect = &iso8583::dialect::ISO_1987_ASCII_BINARY;
        let mut message = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
        message.number(4, minor).unwrap().text(49, code).unwrap().number(11, 7).unwrap();
        message.text(48, &private).unwrap().padded(41, &national).unwrap();
        for number in 121..=127 {
            message.text(number, &private).unwrap();
        }
        message.text(PRIVATE, &format!("{tag:02}{:03}{private}", private.len())).unwrap();
        message.text(37, "ABC123456789").unwrap();
        comes_back(dialect, &octets(&message));
        let mut other = MessageBuilder::new(&iso8583::dialect::UNION_PAY, Mti::FINANCIAL_REQUEST).unwrap();
        other.header(&[7; 11]).unwrap().number(11, 7).unwrap().value(62, &octets_of_keys).unwrap();
        comes_back(&iso8583::dialect::UNION_PAY, &octets(&other));
    }

    #[test]
    fn m7_any_text_is_a_file_or_refused(text in ".{0,300}") {
        let _ = from_xml(text.as_bytes());
        let within = format!("<Document xmlns=\"{NAMESPACE}\"><A>{text}</A></Document>");
        let _ = from_xml(within.as_bytes());
    }
}
