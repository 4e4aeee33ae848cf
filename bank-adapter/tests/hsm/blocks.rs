//! PIN blocks and MACs as nobody should send them.

use aes::Aes128;
use bank_adapter::hsm::{
    Algorithm, Check, HsmError, PanDigits, PinBlock, PinBlockFault, PinBlockFormat, PinPad, PinVerificationValue,
};
use cipher::{BlockCipherEncrypt as _, KeyInit as _};
use des::TdesEde2;
use domain::Reason;

use crate::world::{AES, DES, World, clear, hex, name, pan, typed};

const NUMBER: &str = "6222020000000008";

/// A store with the keys of two terminals that are known here, and what it stores of the PIN 123456.
fn prepared(world: &World) -> (PanDigits, PinVerificationValue) {
    world.generate_own_keys();
    world.import_des("terminal-pin:t0", DES);
    world.import("terminal-pin:t4", &clear(Algorithm::Aes128, AES));
    let number = pan(NUMBER);
    let pad = PinPad::new(name("terminal-pin:t0"), None, &clear(Algorithm::TripleDes, DES)).unwrap();
    let stored = world.hsm.set_pin(&typed(&pad, PinBlockFormat::Iso0, &number, "123456"), &number).unwrap();
    (number, stored)
}

fn block(format: PinBlockFormat, bytes: Vec<u8>) -> PinBlock {
    let key = name(if format == PinBlockFormat::Iso0 { "terminal-pin:t0" } else { "terminal-pin:t4" });
    PinBlock { key, version: None, format, bytes }
}

fn under_des(clear: &[u8]) -> Vec<u8> {
    let mut block = clear.to_vec();
    TdesEde2::new_from_slice(&hex(DES)).unwrap().encrypt_block(block.as_mut_slice().try_into().unwrap());
    block
}

fn under_aes(clear: &[u8]) -> Vec<u8> {
    let mut block = clear.to_vec();
    Aes128::new_from_slice(&hex(AES)).unwrap().encrypt_block(block.as_mut_slice().try_into().unwrap());
    block
}

fn xor(one: &[u8], two: &[u8]) -> Vec<u8> {
    one.iter().zip(two).map(|(one, two)| one ^ two).collect()
}

/// A PIN field of 16 nibbles for the card, encrypted.
fn iso0(pin_field: &str) -> PinBlock {
    block(PinBlockFormat::Iso0, under_des(&xor(&hex(pin_field), &hex("0000202000000000"))))
}

fn iso4(pin_field: &str) -> PinBlock {
    let field = [hex(pin_field), hex("0123456789ABCDEF")].concat();
    block(PinBlockFormat::Iso4, under_aes(&xor(&under_aes(&field), &hex("46222020000000008000000000000000"))))
}

/// Whatever a block is good for, it is refused by this fault, and says no more to whoever sent it.
fn must_be_refused(world: &World, block: &PinBlock, expected: PinBlockFault) {
    let (number, hsm) = (pan(NUMBER), &world.hsm);
    let stored = PinVerificationValue::from_bytes(&[&[1, 0, 0, 0, 1][..], &[0; 32]].concat()).unwrap();
    for refused in [hsm.verify_pin(block, &number, &stored).unwrap_err(), hsm.set_pin(block, &number).unwrap_err()] {
        let HsmError::PinBlock(fault) = refused else { panic!("{refused}") };
        assert_eq!(fault, expected);
        let is_seen_from_outside = matches!(
            fault,
            PinBlockFault::Length { .. } | PinBlockFault::AllZero | PinBlockFault::FormatOfOtherAlgorithm { .. }
        );
        let reason = if is_seen_from_outside { Reason::PinBlockMalformed } else { Reason::PinBlockUnreadable };
        assert_eq!(refused.reason(), reason);
    }
}

pub fn format_0(world: &World) {
    let (number, stored) = prepared(world);
    assert_eq!(world.hsm.verify_pin(&iso0("06123456FFFFFFFF"), &number, &stored).unwrap(), Check::Matches);
    for (pin_field, fault) in [
        ("16123456FFFFFFFF", PinBlockFault::Control),
        ("36123456FFFFFFFF", PinBlockFault::Control),
        ("46123456FFFFFFFF", PinBlockFault::Control),
        ("00FFFFFFFFFFFFFF", PinBlockFault::PinLength),
        ("03123FFFFFFFFFFF", PinBlockFault::PinLength),
        ("0D1234567890123F", PinBlockFault::PinLength),
        ("0F12345678901234", PinBlockFault::PinLength),
        ("06A23456FFFFFFFF", PinBlockFault::Digit),
        ("0612345FFFFFFFFF", PinBlockFault::Digit),
        ("06123456FFFFFFF0", PinBlockFault::Filler),
        ("06123456AAAAAAAA", PinBlockFault::Filler),
        ("04123456FFFFFFFF", PinBlockFault::Filler),
    ] {
        must_be_refused(world, &iso0(pin_field), fault);
    }
    // Zeros in clear are a PIN of no digits.
    must_be_refused(world, &block(PinBlockFormat::Iso0, under_des(&[0; 8])), PinBlockFault::PinLength);
    must_be_refused(world, &block(PinBlockFormat::Iso0, vec![0; 8]), PinBlockFault::AllZero);
    lengths(world, PinBlockFormat::Iso0);
    let PinBlock { bytes, version, .. } = iso0("06123456FFFFFFFF");
    let other = PinBlock { key: name("terminal-pin:t4"), version, format: PinBlockFormat::Iso0, bytes };
    let (format, algorithm) = (PinBlockFormat::Iso0, Algorithm::Aes128);
    must_be_refused(world, &other, PinBlockFault::FormatOfOtherAlgorithm { format, algorithm });
}

pub fn format_4(world: &World) {
    let (number, stored) = prepared(world);
    assert_eq!(world.hsm.verify_pin(&iso4("46123456AAAAAAAA"), &number, &stored).unwrap(), Check::Matches);
    for (pin_field, fault) in [
        ("06123456AAAAAAAA", PinBlockFault::Control),
        ("40AAAAAAAAAAAAAA", PinBlockFault::PinLength),
        ("43123AAAAAAAAAAA", PinBlockFault::PinLength),
        ("4D1234567890123A", PinBlockFault::PinLength),
        ("46F23456AAAAAAAA", PinBlockFault::Digit),
        ("46123456FFFFFFFF", PinBlockFault::Filler),
        ("46123456AAAAAAA0", PinBlockFault::Filler),
    ] {
        must_be_refused(world, &iso4(pin_field), fault);
    }
    must_be_refused(world, &block(PinBlockFormat::Iso4, vec![0; 16]), PinBlockFault::AllZero);
    lengths(world, PinBlockFormat::Iso4);
    let PinBlock { bytes, version, .. } = iso4("46123456AAAAAAAA");
    let other = PinBlock { key: name("terminal-pin:t0"), version, format: PinBlockFormat::Iso4, bytes };
    let (format, algorithm) = (PinBlockFormat::Iso4, Algorithm::TripleDes);
    must_be_refused(world, &other, PinBlockFault::FormatOfOtherAlgorithm { format, algorithm });
}

fn lengths(world: &World, format: PinBlockFormat) {
    let expected = format.block_len();
    for found in (0..40).filter(|length| *length != expected) {
        must_be_refused(world, &block(format, vec![7; found]), PinBlockFault::Length { expected, found });
    }
}

pub fn of_another_key(world: &World) {
    let (number, stored) = prepared(world);
    for (key, algorithm, block) in [
        ("terminal-pin:t0", Algorithm::TripleDes, iso0("06123456FFFFFFFF")),
        ("terminal-pin:t4", Algorithm::Aes128, iso4("46123456AAAAAAAA")),
    ] {
        world.random(key, algorithm);
        let refused = world.hsm.verify_pin(&block, &number, &stored).unwrap_err();
        assert!(matches!(refused, HsmError::PinBlock(_)), "{refused}");
        let of_first = PinBlock { version: Some(1), ..block.clone() };
        assert_eq!(world.hsm.verify_pin(&of_first, &number, &stored).unwrap(), Check::Matches);
        for version in [0, 3, u32::MAX] {
            let of_unknown = PinBlock { version: Some(version), ..block.clone() };
            let refused = world.hsm.verify_pin(&of_unknown, &number, &stored).unwrap_err();
            assert!(matches!(refused, HsmError::UnknownVersion { .. }), "{refused}");
            assert_eq!(refused.reason(), Reason::PinKeyUnknown);
        }
        let stranger = PinBlock { key: name("terminal-pin:stranger"), ..block };
        let refused = world.hsm.verify_pin(&stranger, &number, &stored).unwrap_err();
        assert_eq!(refused.reason(), Reason::PinKeyUnknown);
    }
}

pub fn macs_differ(world: &World) {
    for (key, algorithm) in [("mac:a", Algorithm::TripleDes), ("mac:b", Algorithm::Aes256)] {
        world.random(key, algorithm);
        let key = name(key);
        for length in [0, 1, 7, 8, 9, 64, 1000] {
            let mut message = vec![1; length];
            let made = world.hsm.mac(&key, &message).unwrap();
            assert_eq!(world.hsm.verify_mac(&key, Some(1), &message, &made.value).unwrap(), Check::Matches);
            message.push(1);
            assert_eq!(world.hsm.verify_mac(&key, None, &message, &made.value).unwrap(), Check::Differs);
        }
        assert!(matches!(world.hsm.mac(&key, &vec![0; 64 * 1024 + 1]), Err(HsmError::TooLong)));
    }
}
