//! Codes that enrol phones by SMS: who gets one, how often, and what it is good for.

use super::*;
use crate::notify::tests::{Told, eventually};

const OTHER: &str = "+8613800138001";

/// SMS that a channel was given, and what they say.
struct Sms(Arc<Told>);

impl Sms {
    /// The eight digits of the newest, once there are so many.
    async fn code(&self, count: usize) -> String {
        eventually("the code is sent", async || self.0.texts().len() == count).await;
        let text = self.0.texts().pop().unwrap();
        let digits: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|run| run.len() == 8).collect();
        let [code] = digits[..] else { panic!("one code in {text}") };
        code.to_owned()
    }
}

impl World {
    fn sms(&self) -> Sms {
        Sms(self.work(ChannelKind::Sms))
    }

    async fn ask(&self, phone: &str) -> Result<i32, Status> {
        let request = pb::AskEnrolmentCodeRequest { phone_number: phone.to_owned() };
        self.api.ask_enrolment_code(from_stranger(request)).await.map(|answer| answer.into_inner().good_for_seconds)
    }

    /// Asks as if nothing had been sent yet.
    async fn ask_anew(&self) {
        let mut tx = self.hub.store.begin().await.unwrap();
        let sql = "UPDATE enrolment_messages SET codes_sent = $1, version = version + 1";
        tx.execute(sql, vec![Vec::<u8>::new().into()]).await.unwrap();
        tx.commit().await.unwrap();
        self.ask(PHONE).await.unwrap();
    }

    /// All that was asked for here before is decided: requests are taken one after the other, and this one is of a new person.
    async fn all_decided(&self, new: &str) {
        let decided = self.count("SELECT count(*) FROM enrolment_messages").await;
        self.register(new).await;
        self.ask(new).await.unwrap();
        let more = async || self.count("SELECT count(*) FROM enrolment_messages").await > decided;
        eventually("the last request is decided", more).await;
    }
}

#[tokio::test]
async fn s1_a_code_comes_by_sms_and_binds_a_first_phone_with_a_password_of_choice() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        let person_id = world.register(PHONE).await;
        assert_eq!(world.ask(PHONE).await.unwrap(), 600);
        let code = sms.code(1).await;
        let phone = Phone::new();
        let device_id = world.enrol(phone.enrolment(PHONE, &code, PASSWORD)).await.unwrap();
        let number = PhoneNumber::parse(PHONE).unwrap();
        let payer = world.directory.payer_by_phone(&number).await.unwrap().unwrap();
        let stored = payer.password_mac.clone().unwrap();
        let person = PersonId::parse(&person_id).unwrap();
        assert!(password_matches(&*hub.keys, &person, PASSWORD, &stored).unwrap(), "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM events WHERE topic = 'SECURITY'").await, 1, "the person is told");
        // It was used; another phone needs another one.
        let again = world.enrol(Phone::new().enrolment(PHONE, &code, PASSWORD)).await;
        assert_eq!(reason(again), Reason::EnrolmentRefused);
        let nonce = world.nonce(&device_id).await;
        world.open_session(phone.opening(&device_id, nonce)).await.unwrap();
        let log = audit::read_chain(&hub.store, "hub-1/cardholder").await.unwrap();
        let kinds: Vec<_> = log.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds[..3], ["ENROLMENT_CODE_SENT", "DEVICE_ENROLLED", "ENROLMENT_REFUSED"]);
        assert!(log.iter().all(|entry| !entry.content.contains(&code)), "no code stands in the log");
    })
    .await;
}

#[tokio::test]
async fn m8_an_unknown_number_is_answered_as_a_known_one_and_gets_nothing() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        world.register(PHONE).await;
        assert_eq!(world.ask("+8613900139000").await.unwrap(), world.ask(PHONE).await.unwrap(), "{}", hub.engine);
        sms.code(1).await;
        assert_eq!(reason(world.ask("13800138000").await), Reason::PhoneNumberMalformed);
        assert_eq!(world.count("SELECT count(*) FROM enrolment_messages").await, 1);
        assert_eq!(world.count("SELECT count(*) FROM notices").await, 1, "by SMS and no other way");
    })
    .await;
}

#[tokio::test]
async fn m5_one_number_gets_one_code_a_minute_however_often_and_at_whichever_replica_it_is_asked_for() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let replica = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        world.register(PHONE).await;
        for _ in 0..10 {
            world.ask(PHONE).await.unwrap();
            replica.ask(PHONE).await.unwrap();
        }
        sms.code(1).await;
        world.all_decided(OTHER).await;
        replica.all_decided("+8613800138002").await;
        assert_eq!(world.count("SELECT count(*) FROM notices").await, 3, "one for each number: {}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m5_one_address_asks_for_so_many_codes_and_no_more() {
    on_each_engine(async |hub| {
        let strangers = StrangerLimits { codes_per_address: 3, ..StrangerLimits::default() };
        let world = open(&hub, CardholderOptions { strangers, ..CardholderOptions::default() }).await;
        let asked: Vec<_> = join_all((0..5).map(|n| world.ask(["+8613900139000", PHONE][n % 2]))).await;
        let refused: Vec<_> = asked.into_iter().filter(Result::is_err).map(reason).collect();
        assert_eq!(refused, [Reason::TooBusy; 2], "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m5_a_code_by_sms_replaces_no_transaction_password_and_wrong_ones_count() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        world.phone_in_session(PHONE).await;
        world.ask(PHONE).await.unwrap();
        let code = sms.code(1).await;
        let thief = Phone::new();
        for (password, failures) in [("271828", 1), ("", 1), ("271829", 2)] {
            let refused = world.enrol(thief.enrolment(PHONE, &code, password)).await;
            assert_eq!(reason(refused), Reason::EnrolmentRefused, "{password}");
            assert_eq!(world.count("SELECT failures FROM payers").await, failures, "{}", hub.engine);
        }
        // Who does not have the code finds out nothing about the password and blocks nobody.
        let guessed = if code == "00000000" { "00000001" } else { "00000000" };
        let refused = world.enrol(thief.enrolment(PHONE, guessed, "999999")).await;
        assert_eq!(reason(refused), Reason::EnrolmentRefused);
        assert_eq!(world.count("SELECT failures FROM payers").await, 2);
        assert_eq!(world.count("SELECT attempts_left FROM enrolment_messages").await, 1);
        world.enrol(Phone::new().enrolment(PHONE, &code, PASSWORD)).await.unwrap();
        assert_eq!(world.count("SELECT failures FROM payers").await, 0);
        assert_eq!(world.count("SELECT count(*) FROM devices").await, 2);
    })
    .await;
}

#[tokio::test]
async fn m5_a_sim_change_ends_a_code_that_is_out_and_none_goes_to_a_number_in_doubt() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        world.register(PHONE).await;
        world.ask(PHONE).await.unwrap();
        let code = sms.code(1).await;
        let phone = Phone::new();
        world.change("UPDATE payers SET number_epoch = 1, number_closed = 'UNPROVED', version = version + 1").await;
        assert_eq!(reason(world.enrol(phone.enrolment(PHONE, &code, "")).await), Reason::EnrolmentRefused);
        // Proved again, for the new SIM card: the code went to the old one.
        world.change("UPDATE payers SET number_closed = NULL, version = version + 1").await;
        assert_eq!(reason(world.enrol(phone.enrolment(PHONE, &code, "")).await), Reason::EnrolmentRefused);
        world.change("UPDATE payers SET number_closed = 'UNPROVED', version = version + 1").await;
        world.ask_anew().await;
        world.all_decided(OTHER).await;
        sms.code(2).await;
        assert_eq!(world.count("SELECT count(*) FROM notices").await, 2, "the other person's alone: {}", hub.engine);
        world.change("UPDATE payers SET number_closed = NULL, version = version + 1").await;
        world.ask_anew().await;
        let code = sms.code(3).await;
        world.enrol(phone.enrolment(PHONE, &code, "")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn m8_a_code_by_sms_spoils_no_code_of_an_operator_and_five_wrong_tries_end_both() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let sms = world.sms();
        let person_id = world.register(PHONE).await;
        let handed_out = world.code(&person_id).await;
        world.ask(PHONE).await.unwrap();
        let by_sms = sms.code(1).await;
        world.enrol(Phone::new().enrolment(PHONE, &handed_out, "")).await.unwrap();
        world.enrol(Phone::new().enrolment(PHONE, &by_sms, "")).await.unwrap();
        let handed_out = world.code(&person_id).await;
        world.ask_anew().await;
        let by_sms = sms.code(2).await;
        let wrong = (0..).map(|n| format!("{n:08}")).filter(|it| *it != handed_out && *it != by_sms);
        for guess in wrong.take(5) {
            let refused = world.enrol(Phone::new().enrolment(PHONE, &guess, "")).await;
            assert_eq!(reason(refused), Reason::EnrolmentRefused);
        }
        for code in [handed_out, by_sms] {
            let late = world.enrol(Phone::new().enrolment(PHONE, &code, "")).await;
            assert_eq!(reason(late), Reason::EnrolmentRefused, "{}", hub.engine);
        }
    })
    .await;
}
