//! What holds of the sealed file alone.

use std::fs;
use std::sync::Arc;

use bank_adapter::hsm::{self, Check, Hsm, HsmConfig, HsmError, Side};
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::keystore::KeyFileError;
use server_kit::rng::SystemRng;
use server_kit::shown::holds;

use crate::world::{World, face, name, pan, write_private};

fn open(config: &HsmConfig) -> Result<Arc<dyn Hsm>, HsmError> {
    hsm::open(config, SystemClock::shared(), SystemRng::shared())
}

#[test]
fn c5_the_keys_are_there_again_when_the_file_is_opened_again() {
    let world = World::in_sealed_file();
    world.generate_own_keys();
    world.hsm.generate(&name("cvk-credit")).unwrap();
    world.hsm.retire(&name("pvv"), 1).unwrap();
    let number = pan("6222020000000008");
    let card = face(&number, "3012", "201");
    let made = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
    let again = open(&world.config).unwrap();
    assert_eq!(again.keys().unwrap(), world.hsm.keys().unwrap());
    assert_eq!(again.verify_cvv(Side::Credit, &card, &made).unwrap(), Check::Matches);
}

#[test]
fn another_master_key_opens_nothing() {
    let mut world = World::in_sealed_file();
    let file = world.config.sealed_file.as_mut().unwrap();
    let other = file.file.with_file_name("other");
    write_private(&other, "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=");
    file.master = SecretRef::File(other);
    let refused = open(&world.config).unwrap_err();
    assert!(matches!(refused, HsmError::File(KeyFileError::WrongMasterKey { .. })), "{refused}");
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let world = World::in_sealed_file();
    world.generate_own_keys();
    let path = &world.config.sealed_file.as_ref().unwrap().file;
    let good = fs::read(path).unwrap();
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1;
        fs::write(path, changed).unwrap();
        assert!(matches!(open(&world.config), Err(HsmError::File(_))), "byte {at}");
        // One that is running goes on with the keys that it has, and changes nothing.
        assert!(matches!(world.hsm.generate(&name("pvv")), Err(HsmError::File(_))), "byte {at}");
    }
    fs::write(path, good).unwrap();
    assert_eq!(world.hsm.generate(&name("pvv")).unwrap().version, 2);
}

#[test]
fn no_key_stands_in_the_file_in_clear() {
    let world = World::in_sealed_file();
    world.import_des("cvk-credit", crate::world::DES);
    let bytes = fs::read(&world.config.sealed_file.as_ref().unwrap().file).unwrap();
    let key = crate::world::hex(crate::world::DES);
    assert!(!bytes.windows(8).any(|window| window == &key[..8] || window == &key[8..]));
    assert!(!bytes.windows(3).any(|window| window == b"cvk"));
}

#[test]
fn two_processes_that_change_the_file_lose_nothing_of_each_other() {
    let world = World::in_sealed_file();
    let stores: Vec<_> = (0..4).map(|_| open(&world.config).unwrap()).collect();
    std::thread::scope(|scope| {
        for store in &stores {
            scope.spawn(|| (0..5).for_each(|_| drop(store.generate(&name("cvk-credit")).unwrap())));
        }
    });
    for store in stores {
        store.reload().unwrap();
        let versions: Vec<u32> =
            store.keys().unwrap().iter().filter(|key| key.name == name("cvk-credit")).map(|key| key.version).collect();
        assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    }
}

#[test]
fn a_configuration_names_one_store() {
    let world = World::in_sealed_file();
    let neither = HsmConfig { sealed_file: None, pkcs11: None };
    assert!(open(&neither).unwrap_err().to_string().contains("either `sealed_file` or `pkcs11`"));
    let text = r#"{"sealed_file": {"file": "/var/lib/bank/hsm.keys", "master": "env:HSM_MASTER"}}"#;
    assert!(serde_json::from_str::<HsmConfig>(text).unwrap().pkcs11.is_none());
    let text = r#"{"pkcs11": {"library": "/usr/lib/softhsm/libsofthsm2.so", "token": "bank-a", "pin": "1234"}}"#;
    let refused = serde_json::from_str::<HsmConfig>(text).unwrap_err().to_string();
    assert!(refused.contains("env:NAME or file:/absolute/path"), "{refused}");
    let token = serde_json::from_str::<HsmConfig>(&text.replace("1234", "env:PIN")).unwrap().pkcs11.unwrap();
    assert_eq!((token.sessions, token.wait.to_string()), (8, "1s".to_owned()));
    drop(world);
}

#[test]
fn nothing_secret_shows_in_debug_output() {
    let world = World::in_sealed_file();
    world.generate_own_keys();
    let pad = world.terminal("terminal-pin:t1", bank_adapter::hsm::Algorithm::TripleDes);
    let number = pan("6222020000000008");
    let block = crate::world::typed(&pad, bank_adapter::hsm::PinBlockFormat::Iso0, &number, "975310");
    let stored = world.hsm.set_pin(&block, &number).unwrap();
    let made = world.hsm.make_cvv(Side::Debit, &face(&number, "3012", "201"), None).unwrap();
    let text = format!("{:?} {pad:?} {number:?} {block:?} {stored:?} {made:?}", world.hsm);
    for secret in ["975310", "0000000008", made.value.reveal(), "BwcH"] {
        assert!(!holds(&text, secret), "{text}");
    }
    let bytes = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!text.contains(&bytes(&block.bytes)) && !text.contains(&bytes(&stored.to_bytes()[5..])), "{text}");
}
