//! What holds for every input.

use bank_adapter::hsm::{
    Algorithm, CardFace, Check, ClearKey, CvvKind, ExpiryDigits, HsmError, KeyId, Made, PanDigits, PinBlock,
    PinBlockFormat, PinPad, PinTarget, PinVerificationValue, PvvKeyIndex, WrappedKey, WrappedPart,
};
use domain::card::{Cvv, ServiceCode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use server_kit::rng::SeededRng;

use crate::world::{SIDES, World, name};

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

fn formats() -> impl Strategy<Value = PinBlockFormat> {
    prop_oneof![Just(PinBlockFormat::Iso0), Just(PinBlockFormat::Iso4)]
}

fn key_names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&[
        "terminal-pin:t0",
        "terminal-pin:t4",
        "zone-pin:a",
        "zone-pin:stranger",
        "mac:a",
        "mac:b",
        "cvk-credit",
        "pin-verification",
        "key-transport:office",
    ])
}

/// Whatever comes in, there is an answer or an error; and bytes that nobody encrypted are, but for one in some
/// millions, no wrong PIN either.
pub fn no_input_panics(world: &World) {
    world.generate_own_keys();
    world.terminal("terminal-pin:t0", Algorithm::TripleDes);
    world.terminal("terminal-pin:t4", Algorithm::Aes128);
    world.random("zone-pin:a", Algorithm::Aes256);
    world.random("mac:a", Algorithm::TripleDes);
    world.random("mac:b", Algorithm::Aes128);
    let hsm = &world.hsm;
    let block = (key_names(), prop::option::of(0_u32..3), formats(), prop::collection::vec(any::<u8>(), 0..33));
    let inputs = (block, "[0-9]{12,19}", prop::collection::vec(any::<u8>(), 0..200), any::<[u8; 32]>(), "\\PC{0,20}");
    let run = runner(400).run(&inputs, |((key, version, format, bytes), number, message, value, text)| {
        let number = PanDigits::parse(&number).unwrap();
        let block = PinBlock { key: name(key), version, format, bytes: bytes.clone() };
        let stored = PinVerificationValue::from_bytes(&[&[1, 0, 0, 0, 1][..], &value].concat()).unwrap();
        let index = PvvKeyIndex::new(1).unwrap();
        prop_assert!(hsm.verify_pin(&block, &number, &stored).is_err());
        prop_assert!(hsm.set_pin(&block, &number).is_err());
        prop_assert!(hsm.make_pvv(&block, &number, index).is_err());
        for zone in ["a", "stranger"] {
            let to = PinTarget { zone: KeyId::parse(zone).unwrap(), format };
            prop_assert!(hsm.translate_pin(&block, &number, &to).is_err());
        }
        let _ = hsm.mac(&name(key), &message);
        let claimed = value.first_chunk().unwrap();
        prop_assert!(!matches!(hsm.verify_mac(&name(key), version, &message, claimed), Ok(Check::Matches)));
        let part = WrappedPart { bytes: message.clone(), kcv: bank_adapter::hsm::Kcv([value[0], value[1], value[2]]) };
        for algorithm in [Algorithm::TripleDes, Algorithm::Aes128, Algorithm::HmacSha256] {
            let left = bytes.first().is_some_and(|byte| byte & 1 == 1).then(|| part.clone());
            let wrapped = WrappedKey { algorithm, whole: part.clone(), left };
            prop_assert!(hsm.import(&name(key), &name("key-transport:office"), &wrapped).is_err());
        }
        // What is read from outside as text.
        let _ = (PanDigits::parse(&text), Cvv::parse(&text), ExpiryDigits::parse(&text), ServiceCode::parse(&text));
        let _ = (KeyId::parse(&text), text.parse::<bank_adapter::hsm::KeyName>());
        let _ = (PinVerificationValue::from_bytes(&bytes), ClearKey::new(Algorithm::TripleDes, &bytes));
        Ok(())
    });
    run.unwrap();
}

/// With the same keys both stores make the same, and each verifies what the other made.
pub fn both_answer_alike(one: &World, two: &World) {
    let seeds = any::<u64>();
    runner(12).run(&seeds, |seed| with_keys(one, two, &SeededRng::new(seed))).unwrap();
}

fn with_keys(one: &World, two: &World, rng: &SeededRng) -> Result<(), TestCaseError> {
    let mut pads = Vec::new();
    for (key, algorithm) in [
        ("cvk-credit", Algorithm::TripleDes),
        ("cvk-debit", Algorithm::TripleDes),
        ("pvv", Algorithm::TripleDes),
        ("pin-verification", Algorithm::HmacSha256),
        ("terminal-pin:t0", Algorithm::TripleDes),
        ("terminal-pin:t4", Algorithm::Aes128),
        ("terminal-pin:t5", Algorithm::Aes256),
        ("zone-pin:a", Algorithm::TripleDes),
        ("mac:a", Algorithm::TripleDes),
        ("mac:b", Algorithm::Aes128),
        ("mac:c", Algorithm::Aes256),
    ] {
        let clear = ClearKey::random(algorithm, rng).unwrap();
        let infos = [one, two].map(|world| world.import(key, &clear));
        prop_assert_eq!(&infos[0], &infos[1]);
        if key.starts_with("terminal-pin") {
            pads.push(PinPad::new(name(key), Some(infos[0].version), &clear).unwrap());
        }
    }
    let (number, pin) = ("[0-9]{12,19}", "[0-9]{4,12}");
    let inputs = (number, "[0-9]{4}", "[0-9]{3}", pin, pin, prop::collection::vec(any::<u8>(), 0..300));
    let run = runner(10).run(&inputs, |(number, expiry, service_code, pin, other_pin, message)| {
        let number = PanDigits::parse(&number).unwrap();
        let hsms = [&one.hsm, &two.hsm];
        let service_code = ServiceCode::parse(&service_code).unwrap();
        for kind in [CvvKind::Track(service_code), CvvKind::Printed, CvvKind::Chip] {
            let card = CardFace { pan: &number, expiry: ExpiryDigits::parse(&expiry).unwrap(), kind };
            for side in SIDES {
                let made = hsms.map(|hsm| hsm.make_cvv(side, &card, None).unwrap());
                prop_assert_eq!(&made[0], &made[1]);
                prop_assert_eq!(hsms.map(|hsm| hsm.verify_cvv(side, &card, &made[0]).unwrap()), [Check::Matches; 2]);
            }
        }
        for mac in ["mac:a", "mac:b", "mac:c"].map(name) {
            let made = hsms.map(|hsm| hsm.mac(&mac, &message).unwrap());
            prop_assert_eq!(made[0], made[1]);
        }
        pins(one, two, &pads, (&number, &pin, &other_pin), rng)
    });
    run.map_err(|error| TestCaseError::fail(error.to_string()))
}

fn pins(
    one: &World,
    two: &World,
    pads: &[PinPad],
    (number, pin, other_pin): (&PanDigits, &str, &str),
    rng: &SeededRng,
) -> Result<(), TestCaseError> {
    let hsms = [&one.hsm, &two.hsm];
    let index = PvvKeyIndex::new(6).unwrap();
    for (pad, format) in pads.iter().zip([PinBlockFormat::Iso0, PinBlockFormat::Iso4, PinBlockFormat::Iso4]) {
        let block = |pin: &str| pad.encrypt(format, number, pin, rng).unwrap();
        let stored = hsms.map(|hsm| hsm.set_pin(&block(pin), number).unwrap());
        prop_assert_eq!(&stored[0], &stored[1]);
        let answers = hsms.map(|hsm| hsm.verify_pin(&block(other_pin), number, &stored[0]).unwrap());
        let expected = if pin == other_pin { Check::Matches } else { Check::Differs };
        prop_assert_eq!(answers, [expected; 2]);
        let pvvs: [Made<_>; 2] = hsms.map(|hsm| hsm.make_pvv(&block(pin), number, index).unwrap());
        prop_assert_eq!(&pvvs[0], &pvvs[1]);
        let to = PinTarget { zone: KeyId::parse("a").unwrap(), format: PinBlockFormat::Iso0 };
        let gone_on = hsms.map(|hsm| hsm.translate_pin(&block(pin), number, &to).unwrap());
        prop_assert_eq!(&gone_on[0], &gone_on[1]);
        prop_assert_eq!(hsms.map(|hsm| hsm.verify_pin(&gone_on[0], number, &stored[1]).unwrap()), [Check::Matches; 2]);
        // A block that was changed on the way is refused alike.
        let mut changed = block(pin);
        let last = changed.bytes.len() - 1;
        changed.bytes[last] ^= 1;
        let refused = hsms.map(|hsm| match hsm.verify_pin(&changed, number, &stored[0]) {
            Err(HsmError::PinBlock(fault)) => Err(fault),
            Ok(check) => Ok(check),
            Err(other) => panic!("{other}"),
        });
        prop_assert_eq!(refused[0], refused[1]);
    }
    Ok(())
}
