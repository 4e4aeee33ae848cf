//! What holds for every message of every dialect, and for octets that are no message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use std::path::Path;

use iso8583::frame::{Deframer, LengthHeader};
use iso8583::samples::{AnyMessage, Sample, day};
use iso8583::{Dialect, Message, MessageBuilder, Mti, dialect};
use proptest::prelude::*;

#[path = "../fuzz/any_octets.rs"]
mod any_octets;

fn any_dialect() -> impl Strategy<Value = &'static Dialect> {
    prop::sample::select(dialect::ALL.to_vec())
}

fn built(dialect: &Dialect, sample: &Sample) -> Vec<u8> {
    let mut builder = MessageBuilder::new(dialect, sample.mti).unwrap();
    sample.put(&mut builder).unwrap();
    let mut octets = Vec::new();
    builder.write(&mut octets).unwrap();
    octets
}

/// Hands the octets to what holds for any, as a message of the dialect.
fn hold(dialect: &Dialect, frame: &[u8]) {
    let choice = dialect::ALL.iter().position(|known| *known == dialect).unwrap();
    let mut data = vec![u8::try_from(choice).unwrap()];
    data.extend_from_slice(frame);
    any_octets::hold(&data);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_message_is_read_as_it_was_built_and_built_as_it_was_read(
        dialect in any_dialect(), seed: u64, fields in prop::collection::btree_set(2_u8..=128, 0..128),
    ) {
        let sample = AnyMessage::new(seed).message(dialect, |spec| fields.contains(&spec.number));
        let frame = built(dialect, &sample);
        let message = Message::read(dialect, &frame).unwrap();
        prop_assert!(Sample::of(&message) == sample);
        hold(dialect, &frame);
    }

    #[test]
    fn fields_are_in_their_order_whichever_was_set_first(dialect in any_dialect(), seed: u64, turn in 0_usize..128) {
        let sample = AnyMessage::new(seed).message(dialect, |_| true);
        let mut builder = MessageBuilder::new(dialect, sample.mti).unwrap();
        builder.header(&sample.header).unwrap();
        let turn = turn.min(sample.fields.len());
        for (field, value) in sample.fields[turn..].iter().chain(&sample.fields[..turn]) {
            builder.value(*field, value).unwrap();
        }
        let mut octets = Vec::new();
        builder.write(&mut octets).unwrap();
        prop_assert_eq!(octets, built(dialect, &sample));
    }

    #[test]
    fn text_says_what_the_value_is(dialect in any_dialect(), seed: u64) {
        let sample = AnyMessage::new(seed).message(dialect, |_| true);
        let frame = built(dialect, &sample);
        let message = Message::read(dialect, &frame).unwrap();
        let mut builder = MessageBuilder::new(dialect, sample.mti).unwrap();
        builder.header(&sample.header).unwrap();
        for field in message.fields() {
            let text = field.text();
            // National characters have no text that tells them apart.
            if text.contains('\u{FFFD}') {
                builder.value(field.number(), &field.value()).unwrap();
            } else {
                builder.text(field.number(), &text).unwrap();
            }
            let number = text.parse().ok().filter(|_| text.bytes().all(|character| character.is_ascii_digit()));
            if let Some(as_number) = field.as_number() {
                prop_assert_eq!(Some(as_number), number);
            }
        }
        let mut octets = Vec::new();
        builder.write(&mut octets).unwrap();
        prop_assert_eq!(octets, frame);
    }

    #[test]
    fn any_octets_are_refused_or_built_again_as_they_are(choice in 0_u8..8, octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut data = vec![choice];
        data.extend(octets);
        any_octets::hold(&data);
    }

    #[test]
    fn a_message_of_which_octets_have_changed_is_refused_or_built_again_as_it_is(
        dialect in any_dialect(), seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut frame = built(dialect, &AnyMessage::new(seed).message(dialect, |_| true));
        for (place, octet) in changes {
            let at = place.index(frame.len());
            frame[at] = octet;
        }
        hold(dialect, &frame);
    }

    #[test]
    fn a_message_that_was_cut_or_stretched_is_refused_or_built_again_as_it_is(
        dialect in any_dialect(), seed: u64, place: prop::sample::Index, octet: u8,
    ) {
        let frame = built(dialect, &AnyMessage::new(seed).message(dialect, |_| true));
        let at = place.index(frame.len());
        prop_assert!(Message::read(dialect, &frame[..at]).is_err());
        let mut longer = frame.clone();
        longer.insert(at, octet);
        hold(dialect, &longer);
        let mut shorter = frame;
        shorter.remove(at);
        hold(dialect, &shorter);
    }

    #[test]
    fn a_stream_in_pieces_is_the_same_stream(
        is_binary: bool, seed: u64, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let header = if is_binary { LengthHeader::Binary2 } else { LengthHeader::Ascii4 };
        let mut any = AnyMessage::new(seed);
        let sent: Vec<_> = (0..8)
            .map(|_| built(&dialect::ISO_1987_BCD, &any.message(&dialect::ISO_1987_BCD, |spec| spec.length.most() < 200)))
            .collect();
        let mut stream = Vec::new();
        for message in &sent {
            header.write(message, &mut stream).unwrap();
        }
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        places.sort_unstable();
        places.push(stream.len());
        let mut deframer = Deframer::new(header, 9_999);
        let (mut came, mut begin) = (Vec::new(), 0);
        for end in places {
            let mut piece = &stream[begin..end];
            while let Some(message) = deframer.next(&mut piece).unwrap() {
                came.push(message.to_owned());
            }
            begin = end;
        }
        prop_assert_eq!(came, sent);
        prop_assert!(!deframer.is_within());
    }
}

#[test]
fn a_message_of_one_dialect_is_carried_through_another_and_back() {
    // Only values that both have: the networks give other fields other lengths, and EBCDIC has no national characters.
    let common =
        [3, 4, 7, 11, 12, 13, 14, 18, 22, 23, 25, 28, 32, 35, 37, 38, 39, 41, 42, 49, 52, 53, 64, 70, 90, 97, 100, 128];
    let mut any = AnyMessage::new(20);
    for from in dialect::ALL {
        for through in dialect::ALL {
            for _ in 0..50 {
                let sample = any.message(from, |spec| common.contains(&spec.number));
                let sent = built(from, &Sample { header: vec![0; usize::from(from.header_octets)], ..sample });
                let message = Message::read(from, &sent).unwrap();
                let mut carried = Vec::new();
                MessageBuilder::copy_of(&message, through).unwrap().write(&mut carried).unwrap();
                let carried = Message::read(through, &carried).unwrap();
                let mut back = Vec::new();
                MessageBuilder::copy_of(&carried, from).unwrap().write(&mut back).unwrap();
                assert_eq!(back, sent, "{} through {}", from.name, through.name);
            }
        }
    }
}

#[test]
fn chip_data_is_hexadecimal_in_characters_and_octets_elsewhere() {
    let mut builder = MessageBuilder::new(&dialect::UNION_PAY, Mti::FINANCIAL_REQUEST).unwrap();
    builder.value(55, &[0x9F, 0x27, 0x01, 0x80]).unwrap();
    let mut packed = Vec::new();
    builder.write(&mut packed).unwrap();
    let message = Message::read(&dialect::UNION_PAY, &packed).unwrap();
    let mut characters = Vec::new();
    MessageBuilder::copy_of(&message, &dialect::ISO_1987_ASCII).unwrap().write(&mut characters).unwrap();
    assert_eq!(characters, b"020000000000000002000089F270180");
    let message = Message::read(&dialect::ISO_1987_ASCII, &characters).unwrap();
    let mut back = Vec::new();
    MessageBuilder::copy_of(&message, &dialect::UNION_PAY).unwrap().write(&mut back).unwrap();
    assert_eq!(back, packed);
}

#[test]
fn a_secondary_bitmap_that_names_nothing_is_kept() {
    let frame = b"080080200000000000000000000000000000000001";
    let message = Message::read(&dialect::ISO_1987_ASCII, &frame[..]).unwrap();
    assert!(message.bitmap().has_secondary());
    hold(&dialect::ISO_1987_ASCII, frame);
}

#[test]
fn the_usual_messages_of_a_day_are_built_again_as_they_are() {
    for dialect in dialect::ALL {
        for frame in day(dialect, 200).unwrap() {
            hold(dialect, &frame);
            for at in 0..frame.len() {
                assert!(Message::read(dialect, &frame[..at]).is_err());
            }
        }
    }
}

#[test]
fn the_corpus_of_the_fuzzer_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/any_octets");
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        any_octets::hold(&std::fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 20, "the corpus has {replayed} files");
}
