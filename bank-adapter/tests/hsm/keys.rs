//! The life of keys.

use bank_adapter::hsm::{
    Algorithm, Check, ClearKey, HsmError, Kcv, KeyId, KeyName, KeyState, Made, PinBlock, PinBlockFormat, PinTarget,
    Side, WrappedKey,
};
use domain::Reason;
use server_kit::rng::SystemRng;

use crate::world::{AES, DES, FIRST_DAY, SIDES, World, clear, face, name, pan, random_digits, typed};

pub fn c5_each_side_has_a_key_of_its_own(world: &World) {
    world.generate_own_keys();
    // One in a thousand CVVs is the same under another key, so it takes a few cards to see that the keys differ.
    let mut same = 0;
    for _ in 0..8 {
        let number = pan(&random_digits(16));
        let card = face(&number, "3012", "201");
        let made = SIDES.map(|side| world.hsm.make_cvv(side, &card, None).unwrap());
        for (side, made) in SIDES.into_iter().zip(&made) {
            assert_eq!(world.hsm.verify_cvv(side, &card, made).unwrap(), Check::Matches);
        }
        same += usize::from(made[0] == made[1]);
    }
    assert!(same < 4, "{same} of 8 CVVs are the same under both keys");
}

pub fn rotation(world: &World) {
    world.generate_own_keys();
    let number = pan("6222020000000008");
    let card = face(&number, "3012", "201");
    let before = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
    for expected in 2..=12 {
        assert_eq!(world.hsm.generate(&name("cvk-credit")).unwrap().version, expected);
        assert_eq!(world.hsm.make_cvv(Side::Credit, &card, None).unwrap().version, expected);
    }
    assert_eq!(world.hsm.verify_cvv(Side::Credit, &card, &before).unwrap(), Check::Matches);
    let unknown = Made { version: 13, ..before };
    let refused = world.hsm.verify_cvv(Side::Credit, &card, &unknown).unwrap_err();
    assert!(matches!(refused, HsmError::UnknownVersion { version: 13, .. }));

    let old = world.hsm.mac(&name("mac:a"), b"0800");
    assert!(matches!(old, Err(HsmError::NoCurrentKey { .. })));
    let keys = [Algorithm::TripleDes, Algorithm::Aes128].map(|algorithm| {
        world.random("mac:a", algorithm);
        world.hsm.mac(&name("mac:a"), b"0800").unwrap()
    });
    for made in keys {
        let claimed = (Some(made.version), &made.value);
        assert_eq!(world.hsm.verify_mac(&name("mac:a"), claimed.0, b"0800", claimed.1).unwrap(), Check::Matches);
    }
    assert_eq!(world.hsm.verify_mac(&name("mac:a"), None, b"0800", &keys[0].value).unwrap(), Check::Differs);
}

pub fn retirement(world: &World) {
    world.generate_own_keys();
    let number = pan("6222020000000008");
    let card = face(&number, "3012", "201");
    let first = world.hsm.make_cvv(Side::Debit, &card, None).unwrap();
    world.hsm.generate(&name("cvk-debit")).unwrap();
    world.hsm.retire(&name("cvk-debit"), 2).unwrap();
    assert!(matches!(world.hsm.make_cvv(Side::Debit, &card, None), Err(HsmError::NoCurrentKey { .. })));
    assert_eq!(world.hsm.verify_cvv(Side::Debit, &card, &first).unwrap(), Check::Matches);
    world.hsm.retire(&name("cvk-debit"), 1).unwrap();
    let refused = world.hsm.verify_cvv(Side::Debit, &card, &first).unwrap_err();
    assert!(matches!(refused, HsmError::Retired { version: 1, .. }));
    // The numbers of retired keys are not used again.
    assert_eq!(world.hsm.generate(&name("cvk-debit")).unwrap().version, 3);
    assert!(matches!(world.hsm.retire(&name("cvk-debit"), 4), Err(HsmError::UnknownVersion { .. })));
}

pub fn wrong_uses(world: &World) {
    world.generate_own_keys();
    let pad = world.terminal("terminal-pin:t1", Algorithm::TripleDes);
    world.random("mac:a", Algorithm::TripleDes);
    let number = pan("6222020000000008");
    let block = typed(&pad, PinBlockFormat::Iso0, &number, "123456");
    for key in ["mac:a", "cvk-credit", "pin-verification", "pvv", "key-transport:office"] {
        let refused = world.hsm.set_pin(&PinBlock { key: name(key), ..block.clone() }, &number).unwrap_err();
        assert!(matches!(refused, HsmError::WrongUse { .. }), "{key}: {refused}");
        let to = PinTarget { zone: KeyId::parse("a").unwrap(), format: PinBlockFormat::Iso0 };
        let refused = world.hsm.translate_pin(&block, &number, &to).unwrap_err();
        assert!(matches!(refused, HsmError::NoCurrentKey { .. }), "{key}: {refused}");
    }
    for key in ["terminal-pin:t1", "cvk-credit", "pin-verification", "key-transport:office"] {
        let made = world.hsm.mac(&name(key), b"0800").unwrap_err();
        let verified = world.hsm.verify_mac(&name(key), None, b"0800", &[0; 8]).unwrap_err();
        assert!(matches!((made, verified), (HsmError::WrongUse { .. }, HsmError::WrongUse { .. })), "{key}");
    }
    for key in ["terminal-pin:t1", "zone-pin:a", "mac:a", "key-transport:office"] {
        let refused = world.hsm.generate(&name(key)).unwrap_err();
        assert!(matches!(refused, HsmError::SharedKey { .. }), "{key}: {refused}");
        assert_eq!(refused.reason(), Reason::KeyRefused);
    }
    let kek =
        [clear(Algorithm::Aes256, crate::world::KEK), ClearKey::random(Algorithm::Aes256, &SystemRng::new()).unwrap()];
    assert!(matches!(world.hsm.load(&name("cvk-credit"), &kek), Err(HsmError::WrongUse { .. })));
    assert!(matches!(world.hsm.load(&name("key-transport:b"), &kek[..1]), Err(HsmError::Components)));
}

pub fn bad_imports(world: &World) {
    let (mac, pin) = (name("mac:a"), name("zone-pin:a"));
    let refused = |key: &WrappedKey, to: &KeyName, under: &str| {
        let before = world.hsm.keys().unwrap();
        let refused = world.hsm.import(to, &name(under), key).unwrap_err();
        assert_eq!(world.hsm.keys().unwrap(), before, "{refused}");
        refused
    };
    let office = "key-transport:office";
    let des = clear(Algorithm::TripleDes, DES);
    let good = des.wrap(&mac, &world.kek).unwrap();

    let other_kek = ClearKey::random(Algorithm::Aes256, &SystemRng::new()).unwrap();
    let closed = refused(&des.wrap(&mac, &other_kek).unwrap(), &mac, office);
    assert!(matches!(closed, HsmError::DoesNotUnwrap { .. }), "{closed}");
    assert_eq!(closed.reason(), Reason::KeyRefused);
    let mut changed = good.clone();
    changed.whole.bytes[9] ^= 1;
    assert!(matches!(refused(&changed, &mac, office), HsmError::DoesNotUnwrap { .. }));
    let mut changed = good.clone();
    changed.left.as_mut().unwrap().bytes[9] ^= 1;
    assert!(matches!(refused(&changed, &mac, office), HsmError::DoesNotUnwrap { .. }));

    let mut told_otherwise = good.clone();
    told_otherwise.whole.kcv = Kcv([0; 3]);
    assert!(matches!(refused(&told_otherwise, &mac, office), HsmError::OtherCheckValue));
    let mut cut = good.clone();
    cut.whole.bytes.truncate(24);
    assert!(matches!(refused(&cut, &mac, office), HsmError::KeyLength { .. }));
    let without_left = WrappedKey { left: None, ..good.clone() };
    assert!(matches!(refused(&without_left, &mac, office), HsmError::LeftHalf { needed: true, .. }));
    assert!(matches!(refused(&good, &pin, office), HsmError::LeftHalf { needed: false, .. }));
    // Whose left half is the whole: single DES.
    let single = WrappedKey { left: Some(good.whole.clone()), ..good.clone() };
    let single = refused(&single, &mac, office);
    assert!(matches!(single, HsmError::NotDoubleLength), "{single}");

    let aes = clear(Algorithm::Aes128, AES).wrap(&pin, &world.kek).unwrap();
    assert!(matches!(refused(&aes, &name("cvk-credit"), office), HsmError::WrongAlgorithm { .. }));
    assert!(matches!(refused(&aes, &name("key-transport:b"), office), HsmError::WrongUse { .. }));
    assert!(matches!(refused(&aes, &pin, "zone-pin:b"), HsmError::WrongUse { .. }));
    assert!(matches!(refused(&aes, &pin, "key-transport:b"), HsmError::NoCurrentKey { .. }));
    assert_eq!(world.hsm.import(&mac, &name(office), &good).unwrap().version, 1);
}

pub fn listing(world: &World) {
    world.generate_own_keys();
    world.hsm.generate(&name("cvk-credit")).unwrap();
    world.hsm.generate(&name("cvk-credit")).unwrap();
    world.hsm.retire(&name("cvk-credit"), 2).unwrap();
    world.random("zone-pin:network", Algorithm::Aes128);
    let keys = world.hsm.keys().unwrap();
    let told: Vec<_> = keys.iter().map(|key| (key.name.to_string(), key.version, key.state)).collect();
    let expected = [
        ("cvk-credit", 1, KeyState::Earlier),
        ("cvk-credit", 2, KeyState::Retired),
        ("cvk-credit", 3, KeyState::Current),
        ("cvk-debit", 1, KeyState::Current),
        ("pin-verification", 1, KeyState::Current),
        ("pvv", 1, KeyState::Current),
        ("zone-pin:network", 1, KeyState::Current),
        ("key-transport:office", 1, KeyState::Current),
    ];
    assert_eq!(told, expected.map(|(name, version, state)| (name.to_owned(), version, state)));
    assert!(keys.iter().all(|key| key.created == FIRST_DAY));
    // The store tells the same after it was asked to look again.
    world.hsm.reload().unwrap();
    assert_eq!(world.hsm.keys().unwrap(), keys);
    for key in &keys {
        assert_eq!(name(&key.name.to_string()), key.name);
    }
}
