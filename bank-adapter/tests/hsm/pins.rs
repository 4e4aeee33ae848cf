//! PINs from a terminal to what is stored of them.

use bank_adapter::hsm::{Algorithm, Check, HsmError, KeyId, PinBlockFormat, PinPad, PinTarget, PinVerificationValue};
use domain::Reason;

use crate::world::{World, name, pan, random_digits, typed};

const FORMATS: [(PinBlockFormat, Algorithm, &str); 3] = [
    (PinBlockFormat::Iso0, Algorithm::TripleDes, "terminal-pin:t0"),
    (PinBlockFormat::Iso4, Algorithm::Aes128, "terminal-pin:t4"),
    (PinBlockFormat::Iso4, Algorithm::Aes256, "terminal-pin:t5"),
];

pub fn right_and_wrong(world: &World) {
    world.generate_own_keys();
    let pads = FORMATS.map(|(format, algorithm, key)| (format, world.terminal(key, algorithm)));
    for (digits, pin, wrong) in [
        (12, "0000", "0001"),
        (13, "123456", "123457"),
        (16, "123456", "12345"),
        (19, "000000", "00000000"),
        (19, "123456789012", "123456789013"),
    ] {
        let number = pan(&random_digits(digits));
        let stored = world.hsm.set_pin(&typed(&pads[0].1, pads[0].0, &number, pin), &number).unwrap();
        for (format, pad) in &pads {
            let block = typed(pad, *format, &number, pin);
            assert_eq!(world.hsm.verify_pin(&block, &number, &stored).unwrap(), Check::Matches);
            assert_eq!(world.hsm.set_pin(&block, &number).unwrap(), stored);
            let block = typed(pad, *format, &number, wrong);
            assert_eq!(world.hsm.verify_pin(&block, &number, &stored).unwrap(), Check::Differs);
        }
        // What is read from the database is the same.
        let read = PinVerificationValue::from_bytes(&stored.to_bytes()).unwrap();
        assert_eq!(read, stored);
    }
}

pub fn other_cards(world: &World) {
    world.generate_own_keys();
    let pads = FORMATS.map(|(format, algorithm, key)| (format, world.terminal(key, algorithm)));
    let [one, two] = ["6222020000000008", "6222020000000016"].map(pan);
    for (format, pad) in &pads {
        let [first, second] =
            [&one, &two].map(|card| world.hsm.set_pin(&typed(pad, *format, card, "123456"), card).unwrap());
        assert_ne!(first, second);
        // The value of one card does not serve another.
        let block = typed(pad, *format, &one, "123456");
        assert_eq!(world.hsm.verify_pin(&block, &one, &second).unwrap(), Check::Differs);
        // Nor does a block that was made for one card.
        let refused = world.hsm.verify_pin(&block, &two, &second).unwrap_err();
        assert!(matches!(refused, HsmError::PinBlock(_)), "{refused}");
        assert_eq!(refused.reason(), Reason::PinBlockUnreadable);
    }
}

pub fn translation(world: &World) {
    world.generate_own_keys();
    let number = pan("6222020000000008");
    for (from, algorithm, key) in FORMATS {
        let pad = world.terminal(key, algorithm);
        let block = typed(&pad, from, &number, "123456");
        let stored = world.hsm.set_pin(&block, &number).unwrap();
        for (to, algorithm, _) in FORMATS {
            world.random("zone-pin:network", algorithm);
            let zone = KeyId::parse("network").unwrap();
            let target = PinTarget { zone, format: to };
            let gone_on = world.hsm.translate_pin(&block, &number, &target).unwrap();
            assert_eq!((gone_on.format, gone_on.key.to_string()), (to, "zone-pin:network".to_owned()));
            // The peer is another holder of the zone's key; here it is the store itself.
            assert_eq!(world.hsm.verify_pin(&gone_on, &number, &stored).unwrap(), Check::Matches);
            let again = world.hsm.translate_pin(&block, &number, &target).unwrap();
            assert_eq!(again.bytes == gone_on.bytes, to == PinBlockFormat::Iso0);
            let other = match to {
                PinBlockFormat::Iso0 => PinBlockFormat::Iso4,
                PinBlockFormat::Iso4 => PinBlockFormat::Iso0,
            };
            let refused = world.hsm.translate_pin(&block, &number, &PinTarget { format: other, ..target });
            assert_eq!(refused.unwrap_err().reason(), Reason::PinBlockMalformed);
        }
    }
}

pub fn rotation(world: &World) {
    world.generate_own_keys();
    let key = world.random("terminal-pin:t1", Algorithm::Aes128);
    let number = pan("6222020000000008");
    let old = PinPad::new(name("terminal-pin:t1"), Some(1), &key).unwrap();
    let block = typed(&old, PinBlockFormat::Iso4, &number, "123456");
    let stored = world.hsm.set_pin(&block, &number).unwrap();

    world.hsm.generate(&name("pin-verification")).unwrap();
    world.random("terminal-pin:t1", Algorithm::TripleDes);
    assert_eq!(world.hsm.verify_pin(&block, &number, &stored).unwrap(), Check::Matches);
    let set_again = world.hsm.set_pin(&block, &number).unwrap();
    assert_eq!((stored.version(), set_again.version()), (1, 2));
    assert_ne!(stored, set_again);

    world.hsm.retire(&name("pin-verification"), 1).unwrap();
    let refused = world.hsm.verify_pin(&block, &number, &stored).unwrap_err();
    assert!(matches!(refused, HsmError::Retired { version: 1, .. }), "{refused}");
    assert_eq!(world.hsm.verify_pin(&block, &number, &set_again).unwrap(), Check::Matches);
}
