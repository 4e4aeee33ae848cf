//! What a message authentication code covers, and where it stands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails loudly"
)]

use std::convert::Infallible;

use iso8583::mac::{MacError, SealError};
use iso8583::{BuildError, Dialect, Message, MessageBuilder, Mti, dialect};

/// Not a code that anybody should use: it changes with every octet that it covers.
fn checksum(covered: &[u8]) -> Result<[u8; 8], Infallible> {
    let sum = covered
        .iter()
        .fold(0xCBF2_9CE4_8422_2325_u64, |sum, octet| (sum ^ u64::from(*octet)).wrapping_mul(0x100_0000_01B3));
    Ok(sum.to_be_bytes())
}

fn sealed(dialect: &Dialect, with_secondary: bool) -> Vec<u8> {
    let mut builder = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(4, 1_250).unwrap().number(11, 7).unwrap();
    if with_secondary {
        builder.number(70, 301).unwrap();
    }
    let mut out = b"before".to_vec();
    builder.write_sealed(&mut out, &checksum).unwrap();
    out.split_off(6)
}

#[test]
fn the_last_field_of_the_last_bitmap_covers_all_from_the_message_type_on() {
    for dialect in dialect::ALL {
        for with_secondary in [false, true] {
            let frame = sealed(dialect, with_secondary);
            let message = Message::read(dialect, &frame).unwrap();
            assert_eq!(message.bitmap().last(), Some(if with_secondary { 128 } else { 64 }));
            assert_eq!(message.verify(&checksum), Ok(()));
            let covered = message.sealed().unwrap().covered();
            let written = if message.field(64).or(message.field(128)).unwrap().raw().len() == 16 { 16 } else { 8 };
            assert_eq!(covered, &frame[usize::from(dialect.header_octets)..frame.len() - written]);
        }
    }
}

#[test]
fn any_changed_octet_behind_the_header_is_noticed() {
    for dialect in dialect::ALL {
        let frame = sealed(dialect, true);
        for at in usize::from(dialect.header_octets)..frame.len() {
            for bit in 0..8 {
                let mut changed = frame.clone();
                changed[at] ^= 1 << bit;
                let verified = Message::read(dialect, &changed).map(|message| message.verify(&checksum));
                assert!(!matches!(verified, Ok(Ok(()))), "{} octet {at} bit {bit}", dialect.name);
            }
        }
    }
}

#[test]
fn a_message_without_a_code_at_its_end_is_not_verified() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(11, 7).unwrap();
    for field in [None, Some(64)] {
        if let Some(field) = field {
            // A code in field 64 that does not cover the fields behind it is none.
            builder.value(field, &[1; 8]).unwrap().number(70, 301).unwrap();
        }
        let mut out = Vec::new();
        builder.write(&mut out).unwrap();
        let message = Message::read(&dialect::ISO_1987_ASCII, &out).unwrap();
        assert_eq!(message.verify(&checksum), Err(MacError::Missing));
    }
}

#[test]
fn a_key_store_that_fails_leaves_nothing_behind_and_verifies_nothing() {
    let broken = |_: &[u8]| Err("no key");
    let mut builder = MessageBuilder::new(&dialect::UNION_PAY, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(11, 7).unwrap();
    let mut out = b"before".to_vec();
    assert_eq!(builder.write_sealed(&mut out, &broken), Err(SealError::Mac("no key")));
    assert_eq!(out, b"before");
    let frame = sealed(&dialect::UNION_PAY, false);
    let message = Message::read(&dialect::UNION_PAY, &frame).unwrap();
    assert_eq!(message.verify(&broken), Err(MacError::Failed("no key")));
}

#[test]
fn a_code_that_is_computed_later_is_put_in_its_place() {
    let mut builder = MessageBuilder::new(&dialect::ISO_1987_EBCDIC, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(4, 1_250).unwrap().number(11, 7).unwrap();
    let mut out = b"before".to_vec();
    let unsealed = builder.write_unsealed(&mut out).unwrap();
    let code = checksum(unsealed.covered(&out)).unwrap();
    unsealed.seal(&mut out, code);
    assert_eq!(&out[6..], sealed(&dialect::ISO_1987_EBCDIC, false));
}

#[test]
fn nothing_can_stand_behind_a_code() {
    let mut mac = dialect::ISO_1987_BCD.clone();
    mac.mac.with_secondary_bitmap = 96;
    assert_eq!(mac.check(), Ok(()));
    let mut builder = MessageBuilder::new(&mac, Mti::FINANCIAL_REQUEST).unwrap();
    builder.number(100, 7).unwrap();
    let refused = builder.write_sealed(&mut Vec::new(), &checksum);
    assert_eq!(refused, Err(SealError::Build(BuildError::BehindTheMac { field: 100 })));
    // Nor is a code believed that somebody else has put before other fields.
    builder.value(96, &[1; 8]).unwrap();
    let mut out = Vec::new();
    builder.write(&mut out).unwrap();
    assert!(Message::read(&mac, &out).unwrap().sealed().is_none());
}
