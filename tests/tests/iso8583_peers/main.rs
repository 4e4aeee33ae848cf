//! The codec of card messages against codecs of other people: jPOS and pyiso8583. Each side builds the same messages from the
//! same values, and reads what the other has built.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails loudly"
)]

mod peer;

use iso8583::field::FieldSpec;
use iso8583::samples::{AnyMessage, Sample, day};
use iso8583::{Dialect, Message, MessageBuilder, Mti, dialect};
use peer::{Peer, PeerKind};

/// Generated messages for each dialect and peer.
const MESSAGES: usize = 2_000;
/// The name under which the peers know each dialect.
const DIALECTS: [(&str, &Dialect); 5] = [
    ("ascii", &dialect::ISO_1987_ASCII),
    ("ascii-binary", &dialect::ISO_1987_ASCII_BINARY),
    ("ebcdic", &dialect::ISO_1987_EBCDIC),
    ("bcd", &dialect::ISO_1987_BCD),
    ("union-pay", &dialect::UNION_PAY),
];

#[test]
fn c8_jpos_and_we_build_the_same_messages_and_read_each_others() {
    compare(PeerKind::Jpos);
}

#[test]
fn c8_pyiso8583_and_we_build_the_same_messages_and_read_each_others() {
    compare(PeerKind::Pyiso8583);
}

fn compare(kind: PeerKind) {
    let Some(mut peer) = Peer::start(kind) else { return };
    for (name, dialect) in DIALECTS {
        let mut samples = generated(kind, dialect);
        samples
            .extend(day(dialect, 100).unwrap().iter().map(|frame| Sample::of(&Message::read(dialect, frame).unwrap())));
        let frames: Vec<Vec<u8>> = samples.iter().map(|sample| built(dialect, sample)).collect();
        let asked = samples.iter().zip(&frames).flat_map(|(sample, frame)| [write(name, sample), read(name, frame)]);
        let answers = peer.answers(asked.collect());
        for ((sample, frame), answers) in samples.iter().zip(&frames).zip(answers.chunks(2)) {
            let [theirs, told] = answers else { panic!("an answer is missing") };
            let theirs = unhex(theirs.strip_prefix("ok ").unwrap_or_else(|| panic!("{name} {sample:?}: {theirs}")));
            assert_eq!(hex(&theirs), hex(frame), "{name} {sample:?}: built differently");
            assert_eq!(told, &format!("ok {}", described(sample)), "{name}: they read something else than we wrote");
            // The same octets need not be read as the same values.
            let message = Message::read(dialect, &theirs).unwrap_or_else(|error| panic!("{name} {sample:?}: {error}"));
            assert!(Sample::of(&message) == *sample, "{name} {sample:?}: we read something else than they wrote");
            let mut again = Vec::new();
            MessageBuilder::copy_of(&message, dialect).unwrap().write(&mut again).unwrap();
            assert_eq!(again, theirs, "{name} {sample:?}: built again differently");
        }
        println!("{kind:?} {name}: {} messages, no difference", samples.len());
    }
}

/// Messages with at least one field, of what the peer can express.
fn generated(kind: PeerKind, dialect: &Dialect) -> Vec<Sample> {
    let mut any = AnyMessage::new(8_583);
    let messages = std::iter::repeat_with(|| any.message(dialect, |_| true));
    messages
        .map(|sample| expressible(kind, dialect, sample))
        .filter(|sample| !sample.fields.is_empty())
        .take(MESSAGES)
        .collect()
}

/// jPOS writes EBCDIC as code page 1047, which has three characters of ASCII in other places than 037.
fn expressible(kind: PeerKind, dialect: &Dialect, mut sample: Sample) -> Sample {
    if kind == PeerKind::Jpos && *dialect == dialect::ISO_1987_EBCDIC {
        let is_text = |spec: &FieldSpec| matches!(spec.form, iso8583::field::Form::Text(..));
        for (field, value) in &mut sample.fields {
            if dialect.field(*field).is_some_and(is_text) {
                value.iter_mut().filter(|character| b"[]^".contains(character)).for_each(|character| *character = b'.');
            }
        }
    }
    sample
}

fn built(dialect: &Dialect, sample: &Sample) -> Vec<u8> {
    let mut builder = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
    sample.put(&mut builder).unwrap();
    let mut frame = Vec::new();
    builder.write(&mut frame).unwrap();
    frame
}

fn read(name: &str, frame: &[u8]) -> String {
    format!("read {name} {}", hex(frame))
}

fn write(name: &str, sample: &Sample) -> String {
    format!("write {name} {}", described(sample))
}

/// Type, header and fields, as the peers take and tell them.
fn described(sample: &Sample) -> String {
    let header = if sample.header.is_empty() { "-".to_owned() } else { hex(&sample.header) };
    let fields: String = sample.fields.iter().map(|(field, value)| format!(" {field}={}", hex(value))).collect();
    format!("{} {header}{fields}", sample.mti)
}

fn hex(octets: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)]).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}
