//! The same tests on SoftHSM, and what holds of a token alone.
//!
//! SoftHSM finds its tokens by a variable of the environment, which is one for a whole process. So the tests of this
//! file start this program again, with the variable set to a folder of their own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use bank_adapter::hsm::{self, Check, HsmConfig, HsmError, Pkcs11Config, Side};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass};
use cryptoki::session::{Session, UserType};
use domain::Reason;
use secrecy::SecretString;
use server_kit::clock::SystemClock;
use server_kit::config::{HumanDuration, SecretRef};
use server_kit::rng::SystemRng;
use tempfile::TempDir;

use crate::world::{World, face, name, pan, write_private};

/// Names SoftHSM's library; unset, tests run on the sealed file alone.
const LIBRARY: &str = "BANKHUB_TEST_SOFTHSM";
/// Set in the processes that [`run_again`] starts.
const INSIDE: &str = "BANKHUB_TEST_SOFTHSM_INSIDE";
const PIN: &str = "token-user";

/// Runs the tests whose names contain `filter` with a SoftHSM of their own, and gives how many there were.
#[allow(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn run_again(filter: &str) -> Option<usize> {
    if std::env::var_os(LIBRARY).is_none() {
        eprintln!("skipped on SoftHSM: {LIBRARY} is not set");
        return None;
    }
    let folder = TempDir::new().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = folder.path().join("softhsm2.conf");
    std::fs::write(&config, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display())).unwrap();
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([filter, "--include-ignored", "--nocapture"]).env("SOFTHSM2_CONF", config).env(INSIDE, "1");
    let output = again.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{out}\n{err}");
    eprintln!("{out}{err}");
    let passed = out.lines().find_map(|line| line.strip_prefix("test result: ok. ")).unwrap();
    Some(passed.split(' ').next().unwrap().parse().unwrap())
}

/// Runs a measurement inside.
pub fn measured(test: &str) {
    if !is_inside() {
        run_again(test);
    }
}

fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn library() -> Pkcs11 {
    let library = Pkcs11::new(PathBuf::from(std::env::var_os(LIBRARY).unwrap())).unwrap();
    // Whoever comes second finds it initialised.
    let _ = library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
    library
}

/// A session of the world's token, in which somebody else is at work. The store has logged in for the whole process.
fn session_of(world: &World) -> Session {
    let token = world.config.pkcs11.as_ref().unwrap();
    let library = library();
    let has_label = |slot: &_| library.get_token_info(*slot).unwrap().label() == token.token;
    let slot = library.get_slots_with_token().unwrap().into_iter().find(has_label).unwrap();
    library.open_rw_session(slot).unwrap()
}

/// A store in a new token, when this process is one that [`run_again`] started.
pub fn with_token(test: impl FnOnce(World)) {
    static ONE_AFTER_THE_OTHER: Mutex<u32> = Mutex::new(0);
    if !is_inside() {
        return;
    }
    let folder = Arc::new(TempDir::new().unwrap());
    let pin = folder.path().join("pin");
    write_private(&pin, PIN);
    let mut count = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(PoisonError::into_inner);
    *count += 1;
    let token = format!("test-{count}");
    let library = library();
    let is_new = |slot: &_| !library.get_token_info(*slot).unwrap().token_initialized();
    let slot = library.get_slots_with_token().unwrap().into_iter().find(is_new).unwrap();
    let officer = SecretString::from("token-officer");
    library.init_token(slot, &officer, &token).unwrap();
    let has_label = |slot: &_| library.get_token_info(*slot).unwrap().label() == token;
    let slot = library.get_slots_with_token().unwrap().into_iter().find(has_label).unwrap();
    let session = library.open_rw_session(slot).unwrap();
    session.login(UserType::So, Some(&officer)).unwrap();
    session.init_pin(&SecretString::from(PIN)).unwrap();
    session.close().unwrap();
    drop(count);
    let token = Pkcs11Config {
        library: std::env::var_os(LIBRARY).unwrap().into(),
        token,
        pin: SecretRef::File(pin),
        sessions: 4,
        wait: HumanDuration::from_secs(5),
    };
    test(World::open(HsmConfig { sealed_file: None, pkcs11: Some(token) }, folder));
}

#[test]
fn the_same_tests_hold_on_softhsm() {
    if let (false, Some(passed)) = (is_inside(), run_again("on_softhsm::")) {
        assert!(passed >= 20, "only {passed} tests ran on SoftHSM");
    }
}

#[test]
fn c5_what_holds_of_a_token_holds_on_softhsm() {
    if let (false, Some(passed)) = (is_inside(), run_again("softhsm::token_")) {
        assert_eq!(passed, 9);
    }
}

// Each of these is alone in its process, since it takes the module away from all of it.

#[test]
fn a_module_that_goes_away_is_no_wrong_pin_on_softhsm() {
    if let (false, Some(passed)) = (is_inside(), run_again("alone_a_module_that_goes_away")) {
        assert_eq!(passed, 1);
    }
}

#[test]
fn a_tokens_pin_that_is_refused_is_tried_once_on_softhsm() {
    if let (false, Some(passed)) = (is_inside(), run_again("alone_a_pin_that_was_changed")) {
        assert_eq!(passed, 1);
    }
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_c5_keys_are_sensitive_and_cannot_be_extracted() {
    with_token(|world| {
        world.generate_own_keys();
        world.random("terminal-pin:t1", hsm::Algorithm::Aes128);
        world.random("mac:a", hsm::Algorithm::TripleDes);
        let session = session_of(&world);
        let objects = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap();
        // Two keys for CVVs and one for MACs with a left half each, and four others.
        assert_eq!(objects.len(), 2 * 3 + 4);
        let wrapping_key = session.generate_key(
            &Mechanism::AesKeyGen,
            &[Attribute::ValueLen(32.into()), Attribute::Wrap(true), Attribute::Token(false)],
        );
        let wrapping_key = wrapping_key.unwrap();
        for object in objects {
            let wanted = [AttributeType::Sensitive, AttributeType::Extractable, AttributeType::Private];
            let found = session.get_attributes(object, &wanted).unwrap();
            let expected = [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Private(true)];
            assert_eq!(found, expected);
            let value = session.get_attribute_info(object, &[AttributeType::Value]).unwrap();
            assert!(matches!(value.as_slice(), [AttributeInfo::Sensitive]), "{value:?}");
            assert!(session.wrap_key(&Mechanism::AesKeyWrap, wrapping_key, object).is_err());
            assert!(session.update_attributes(object, &[Attribute::Extractable(true)]).is_err());
            assert!(session.update_attributes(object, &[Attribute::Sensitive(false)]).is_err());
        }
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_a_key_that_may_leave_it_is_not_used() {
    with_token(|world| {
        let session = session_of(&world);
        let known: Vec<_> = session.find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)]).unwrap();
        let wanted = [AttributeType::Id];
        let id = session.get_attributes(known[0], &wanted).unwrap().remove(0);
        let template = [
            Attribute::ValueLen(16.into()),
            Attribute::Token(true),
            Attribute::Extractable(true),
            Attribute::Sensitive(false),
            Attribute::Label(b"bankhub cvk-credit".to_vec()),
            id,
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template).unwrap();
        let refused = world.hsm.reload().unwrap_err();
        assert!(refused.to_string().contains("cvk-credit may leave the token"), "{refused}");
        assert_eq!(refused.reason(), Reason::HsmAway);
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_c5_a_key_that_was_exchanged_makes_no_pin_wrong() {
    with_token(|world| {
        world.generate_own_keys();
        let pad = world.terminal("terminal-pin:t1", hsm::Algorithm::TripleDes);
        let number = pan("6222020000000008");
        let block = crate::world::typed(&pad, hsm::PinBlockFormat::Iso0, &number, "123456");
        let stored = world.hsm.set_pin(&block, &number).unwrap();
        let session = session_of(&world);
        let label = Attribute::Label(b"bankhub pin-verification".to_vec());
        let object = session.find_objects(std::slice::from_ref(&label)).unwrap()[0];
        let id = session.get_attributes(object, &[AttributeType::Id]).unwrap().remove(0);
        session.destroy_object(object).unwrap();
        let gone = world.hsm.verify_pin(&block, &number, &stored).unwrap_err();
        assert_eq!(gone.reason(), Reason::HsmAway, "{gone}");
        let missing = world.hsm.verify_pin(&block, &number, &stored).unwrap_err();
        assert!(matches!(missing, HsmError::UnknownVersion { .. }), "{missing}");

        let mut template = vec![label, id, Attribute::ValueLen(32.into()), Attribute::Token(true)];
        template.extend([Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)]);
        session.generate_key(&Mechanism::GenericSecretKeyGen, &template).unwrap();
        world.hsm.reload().unwrap();
        let refused = world.hsm.verify_pin(&block, &number, &stored).unwrap_err();
        assert!(matches!(refused, HsmError::BadAnswer { .. }), "{refused}");
        assert_eq!(refused.reason(), Reason::HsmAway);
        assert!(matches!(world.hsm.set_pin(&block, &number), Err(HsmError::BadAnswer { .. })));
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_the_keys_are_there_again_for_another_process() {
    with_token(|world| {
        world.generate_own_keys();
        let number = pan("6222020000000008");
        let card = face(&number, "3012", "201");
        let made = world.hsm.make_cvv(Side::Credit, &card, None).unwrap();
        let again = hsm::open(&world.config, SystemClock::shared(), SystemRng::shared()).unwrap();
        assert_eq!(again.keys().unwrap(), world.hsm.keys().unwrap());
        assert_eq!(again.verify_cvv(Side::Credit, &card, &made).unwrap(), Check::Matches);
        again.generate(&name("cvk-credit")).unwrap();
        world.hsm.reload().unwrap();
        assert_eq!(world.hsm.make_cvv(Side::Credit, &card, None).unwrap().version, 2);
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_an_unknown_one_is_refused() {
    with_token(|world| {
        let mut config = world.config.clone();
        config.pkcs11.as_mut().unwrap().token = "stranger".to_owned();
        let refused = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap_err();
        assert!(refused.to_string().contains("there is no token stranger"), "{refused}");
        config.pkcs11.as_mut().unwrap().library = "/nowhere/lib.so".into();
        let refused = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap_err();
        assert_eq!(refused.reason(), Reason::HsmAway);
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_many_callers_share_a_few_sessions() {
    with_token(|world| {
        world.generate_own_keys();
        let number = pan("6222020000000008");
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let card = face(&number, "3012", "201");
                        let made = world.hsm.make_cvv(Side::Debit, &card, None).unwrap();
                        assert_eq!(world.hsm.verify_cvv(Side::Debit, &card, &made).unwrap(), Check::Matches);
                    }
                });
            }
        });
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_a_caller_for_whom_there_is_no_session_is_told_so() {
    with_token(|world| {
        world.generate_own_keys();
        let mut config = world.config.clone();
        let token = config.pkcs11.as_mut().unwrap();
        (token.sessions, token.wait) = (1, HumanDuration::from_millis(1));
        let hsm = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap();
        let number = pan("6222020000000008");
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        match hsm.make_cvv(Side::Debit, &face(&number, "3012", "201"), None) {
                            Ok(_) => {}
                            Err(busy) => assert_eq!(busy.reason(), Reason::TooBusy, "{busy}"),
                        }
                    }
                });
            }
        });
        // Every session was given back.
        hsm.make_cvv(Side::Debit, &face(&number, "3012", "201"), None).unwrap();
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_what_a_crash_leaves_behind_is_no_key() {
    with_token(|world| {
        world.generate_own_keys();
        let keys = world.hsm.keys().unwrap();
        let session = session_of(&world);
        let label = [Attribute::Label(b"bankhub pvv".to_vec())];
        let object = session.find_objects(&label).unwrap()[0];
        let Attribute::Id(mut id) = session.get_attributes(object, &[AttributeType::Id]).unwrap().remove(0) else {
            panic!("no id")
        };
        // Version 2, unfinished.
        (id[4], id[7]) = (2, 0);
        session.copy_object(object, &[Attribute::Id(id), Attribute::Token(true)]).unwrap();
        assert_eq!(session.find_objects(&label).unwrap().len(), 2);
        world.hsm.reload().unwrap();
        assert_eq!(world.hsm.keys().unwrap(), keys);
        assert_eq!(world.hsm.generate(&name("pvv")).unwrap().version, 2);
        assert_eq!(session.find_objects(&label).unwrap().len(), 2);
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn token_and_sealed_file_answer_alike() {
    with_token(|world| crate::properties::both_answer_alike(&World::in_sealed_file(), &world));
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn alone_a_module_that_goes_away_is_an_error_and_then_comes_back() {
    with_token(|world| {
        world.generate_own_keys();
        let pad = world.terminal("terminal-pin:t1", hsm::Algorithm::Aes128);
        let number = pan("6222020000000008");
        let block = crate::world::typed(&pad, hsm::PinBlockFormat::Iso4, &number, "123456");
        let stored = world.hsm.set_pin(&block, &number).unwrap();
        let other = crate::world::typed(&pad, hsm::PinBlockFormat::Iso4, &number, "654321");
        for _ in 0..3 {
            library().finalize().unwrap();
            let refused = world.hsm.verify_pin(&other, &number, &stored).unwrap_err();
            assert!(matches!(refused, HsmError::Unavailable { .. }), "{refused}");
            assert_eq!(refused.reason(), Reason::HsmAway);
            assert_eq!(world.hsm.verify_pin(&block, &number, &stored).unwrap(), Check::Matches);
            assert_eq!(world.hsm.verify_pin(&other, &number, &stored).unwrap(), Check::Differs);
        }
    });
}

#[test]
#[ignore = "run by one of the tests above, in a process of its own"]
fn alone_a_pin_that_was_changed_is_tried_once() {
    with_token(|world| {
        world.generate_own_keys();
        let session = session_of(&world);
        session.set_pin(&SecretString::from(PIN), &SecretString::from("another")).unwrap();
        drop(session);
        library().finalize().unwrap();
        let refused = |_| world.hsm.keys().unwrap_err().to_string();
        let [first, second, third, fourth] = [1, 2, 3, 4].map(refused);
        // The module is found to be gone only when it is asked, which the list of the keys does by its session.
        assert!([&first, &second].iter().any(|said| said.contains("PinIncorrect")), "{first}, {second}");
        assert!(third.contains("not tried again") && fourth == third, "{third}");
    });
}
