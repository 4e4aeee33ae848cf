//! EnrolDevice: who gets a phone bound, and what all others hear.

use super::*;

#[tokio::test]
async fn s1_a_phone_is_bound_by_its_code_and_the_password_that_was_chosen_pays_at_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let person_id = world.register(PHONE).await;
        let number = PhoneNumber::parse(PHONE).unwrap();
        let password = async || {
            let payer = world.directory.payer_by_phone(&number).await.unwrap().unwrap();
            payer.password_mac.clone()
        };
        assert_eq!(password().await, None, "{}", hub.engine);
        let code = world.code(&person_id).await;
        world.enrol(Phone::new().enrolment(PHONE, &code, PASSWORD)).await.unwrap();
        let stored = password().await.unwrap();
        let person = PersonId::parse(&person_id).unwrap();
        assert!(password_matches(&*hub.keys, &person, PASSWORD, &stored).unwrap());
        // A second phone that says nothing of a password keeps it.
        let code = world.code(&person_id).await;
        world.enrol(Phone::new().enrolment(PHONE, &code, "")).await.unwrap();
        assert_eq!(password().await, Some(stored));
        assert_eq!(world.count("SELECT count(*) FROM devices").await, 2);
        let told = "SELECT count(*) FROM events WHERE topic = 'SECURITY'";
        assert_eq!(world.count(told).await, 0);
        // A third one replaces it, which the phones that are there hear of.
        let code = world.code(&person_id).await;
        world.enrol(Phone::new().enrolment(PHONE, &code, "271828")).await.unwrap();
        let stored = password().await.unwrap();
        assert!(password_matches(&*hub.keys, &person, "271828", &stored).unwrap());
        assert_eq!(world.count(told).await, 1, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m8_every_wrong_enrolment_is_refused_in_the_same_words() {
    on_each_engine(async |hub| {
        let at_once = DirectoryOptions { enrolment_code_ttl: Duration::ZERO, ..DirectoryOptions::default() };
        let world = open(&hub, CardholderOptions::default()).await;
        let late = open_with(&hub, CardholderOptions::default(), at_once).await;
        let phone = Phone::new();
        let person_id = world.register(PHONE).await;
        let refused = async |number: &str, code: &str| {
            let status = world.enrol(phone.enrolment(number, code, PASSWORD)).await.unwrap_err();
            assert_eq!(proto::reason_of(&status), Some(Reason::EnrolmentRefused), "{}", hub.engine);
            (status.code(), status.message().to_owned(), status.details().to_vec())
        };
        let no_code = refused(PHONE, "12345678").await;
        let unknown_number = refused("+8613800138001", "12345678").await;
        let ended = late.code(&person_id).await;
        let ended = refused(PHONE, &ended).await;
        let code = world.code(&person_id).await;
        let wrong_code = refused(PHONE, if code == "00000000" { "00000001" } else { "00000000" }).await;
        let malformed = refused(PHONE, "1234567").await;
        world.enrol(phone.enrolment(PHONE, &code, PASSWORD)).await.unwrap();
        let used = refused(PHONE, &code).await;
        for other in [unknown_number, ended, wrong_code, malformed, used] {
            assert_eq!(other, no_code);
        }
        assert_eq!(world.count("SELECT count(*) FROM devices").await, 1);
        let log = server_kit::audit::read_chain(&hub.store, "hub-1/cardholder").await.unwrap();
        assert_eq!(log.iter().filter(|entry| entry.kind == "ENROLMENT_REFUSED").count(), 5);
    })
    .await;
}

#[tokio::test]
async fn m5_of_a_hundred_guesses_at_once_at_most_five_are_evaluated() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let replica = open(&hub, CardholderOptions::default()).await;
        let person_id = world.register(PHONE).await;
        let code = world.code(&person_id).await;
        let phone = Phone::new();
        let wrong: Vec<String> = (0..100).map(|n| format!("{n:08}")).filter(|guess| *guess != code).collect();
        let guesses = wrong.iter().map(|guess| world.enrol(phone.enrolment(PHONE, guess, PASSWORD)));
        for answer in join_all(guesses).await {
            assert_eq!(reason(answer), Reason::EnrolmentRefused, "{}", hub.engine);
        }
        assert_eq!(world.count("SELECT attempts_left FROM enrolment_codes").await, 0);
        // The right one comes too late, at this replica and at another.
        for world in [&world, &replica] {
            let late = world.enrol(phone.enrolment(PHONE, &code, PASSWORD)).await;
            assert_eq!(reason(late), Reason::EnrolmentRefused);
        }
        let code = world.code(&person_id).await;
        world.enrol(phone.enrolment(PHONE, &code, PASSWORD)).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn m5_one_code_binds_one_phone_however_many_come_at_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let person_id = world.register(PHONE).await;
        let code = world.code(&person_id).await;
        let phones: Vec<Phone> = (0..20).map(|_| Phone::new()).collect();
        let calls = phones.iter().map(|phone| world.enrol(phone.enrolment(PHONE, &code, PASSWORD)));
        let bound = join_all(calls).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(bound, 1, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM devices").await, 1);
    })
    .await;
}

#[tokio::test]
async fn bad_input_of_an_enrolment_is_refused_by_reason_and_costs_no_try() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let person_id = world.register(PHONE).await;
        let code = world.code(&person_id).await;
        let phone = Phone::new();
        let good = phone.enrolment(PHONE, &code, PASSWORD);
        type Spoil = fn(&mut pb::EnrolDeviceRequest);
        let spoils: [(Spoil, Reason); 12] = [
            (|r| r.phone_number.clear(), Reason::PhoneNumberMalformed),
            (|r| r.phone_number = "+8６13800138000".into(), Reason::PhoneNumberMalformed),
            (|r| r.phone_number.push('\u{200f}'), Reason::PhoneNumberMalformed),
            (|r| r.device_public_key.clear(), Reason::DeviceKeyMalformed),
            (|r| r.device_public_key.truncate(64), Reason::DeviceKeyMalformed),
            (|r| r.device_public_key[0] = 2, Reason::DeviceKeyMalformed),
            // Not on the curve: nothing can be signed with it.
            (|r| r.device_public_key[64] ^= 1, Reason::DeviceRefused),
            (|r| r.signature.clear(), Reason::DeviceRefused),
            (|r| r.signature[10] ^= 1, Reason::DeviceRefused),
            (|r| r.signature.push(0), Reason::DeviceRefused),
            (|r| r.transaction_password = "12345".into(), Reason::PasswordMalformed),
            (|r| r.transaction_password = "１２３４５６".into(), Reason::PasswordMalformed),
        ];
        for (i, (spoil, expected)) in spoils.into_iter().enumerate() {
            let mut request = good.clone();
            spoil(&mut request);
            assert_eq!(reason(world.enrol(request).await), expected, "{i}");
        }
        assert_eq!(world.count("SELECT attempts_left FROM enrolment_codes").await, 5, "{}", hub.engine);
        world.enrol(good).await.unwrap();
    })
    .await;
}
