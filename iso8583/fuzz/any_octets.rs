//! What holds for any octets, for the fuzzer and for the test that replays its corpus.

use iso8583::frame::{Deframer, LengthHeader};
use iso8583::samples::Sample;
use iso8583::{Message, MessageBuilder, dialect};

/// The first octet chooses what is done with the others.
///
/// # Panics
///
/// If something does not hold.
pub fn hold(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    match dialect::ALL.get(choice % 8) {
        Some(dialect) => message(dialect, rest),
        None => {
            stream(if choice.is_multiple_of(2) { LengthHeader::Binary2 } else { LengthHeader::Ascii4 }, choice, rest)
        }
    }
}

/// Whatever is read is written again as the same octets, from the values of its fields, and prints.
fn message(dialect: &iso8583::Dialect, frame: &[u8]) {
    let message = match Message::read(dialect, frame) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut builder = MessageBuilder::copy_of(&message, dialect).expect("what was read can be built");
    let mut built = Vec::new();
    builder.write(&mut built).expect("what was read is not too long");
    assert_eq!(built, frame, "another way to write the same message has been read");
    let sample = Sample::of(&message);
    sample.put(&mut builder).expect("the values can be set again");
    if message.bitmap().has_secondary() {
        builder.secondary_bitmap();
    }
    built.clear();
    builder.write(&mut built).expect("what was read is not too long");
    assert_eq!(built, frame);
    let lines = message.dump().to_string().lines().count();
    assert_eq!(lines, 1 + sample.fields.len(), "a value broke a line of the dump");
    let _ = message.sealed().map(|sealed| sealed.covered().len());
    for field in message.fields() {
        let _ = (field.text(), field.as_number());
    }
}

/// A stream in pieces is the same stream, and no more than a message is kept.
fn stream(header: LengthHeader, seed: usize, stream: &[u8]) {
    let most = 300;
    let (mut whole, mut cut) = (Deframer::new(header, most), Deframer::new(header, most));
    let mut wanted = Vec::new();
    let mut rest = stream;
    let wanted_end = loop {
        match whole.next(&mut rest) {
            Ok(Some(message)) => wanted.push(message.to_owned()),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let (mut found, mut found_end) = (Vec::new(), None);
    'pieces: for mut piece in stream.chunks(seed % 23 + 1) {
        loop {
            match cut.next(&mut piece) {
                Ok(Some(message)) => found.push(message.to_owned()),
                Ok(None) => break,
                Err(error) => {
                    found_end = Some(error);
                    break 'pieces;
                }
            }
        }
        assert!(piece.is_empty() && cut.held_octets() <= most + header.octets());
    }
    assert_eq!((found, found_end), (wanted, wanted_end));
    assert_eq!(whole.is_within(), cut.is_within());
}
