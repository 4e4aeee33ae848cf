//! Phones at the hub, on both engines: enrolment, sessions, the feed and the record.

use std::sync::Arc;
use std::time::Duration;

use domain::{PersonId, PhoneNumber, Reason};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_server::CardholderService as _;
use proto::operator as operator_pb;
use proto::operator::operator_service_server::OperatorService as _;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use server_kit::audit;
use server_kit::identity::Role;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::{CardholderApi, CardholderOptions, CardholderParts, StrangerLimits};
use crate::directory::{BankAccounts, Directory, DirectoryOptions, DirectoryParts, OperatorApi, password_matches};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::testing::past::{CODE, Past};
use crate::testing::{TestHub, from_member, from_stranger, on_each_engine, reason};

/// Long enough for the slowest machine; only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const PHONE: &str = "+8613800138000";
const PASSWORD: &str = "314159";

struct NoBank;

impl BankAccounts for NoBank {
    fn account_masked(
        &self,
        _: &domain::BankId,
        _: domain::AccountId,
    ) -> futures_util::future::BoxFuture<'_, Result<String, Reason>> {
        Box::pin(async { Err(Reason::BankAway) })
    }
}

struct World {
    hub: TestHub,
    directory: Directory,
    operator: OperatorApi,
    api: CardholderApi,
    past: Past,
    draining: CancellationToken,
}

fn open(hub: &TestHub, options: CardholderOptions) -> World {
    open_with(hub, options, DirectoryOptions::default())
}

fn open_with(hub: &TestHub, options: CardholderOptions, of_directory: DirectoryOptions) -> World {
    let draining = CancellationToken::new();
    let parts = DirectoryParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        replica: "hub-1".to_owned(),
    };
    // What is cached never ends by itself here, so that a test sees when it is forgotten.
    let of_directory = DirectoryOptions { cache_ttl: Duration::from_secs(3_600), ..of_directory };
    let (directory, _) = Directory::start(parts, of_directory);
    let parts = FeedParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        replica: hub.id(),
        draining: draining.clone(),
    };
    let feed = Feed::new(parts, FeedOptions::default());
    let parts = CardholderParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        rng: hub.rng.clone(),
        ids: hub.ids.clone(),
        directory: directory.clone(),
        feed: feed.clone(),
        replica: "hub-1".to_owned(),
    };
    let (api, _) = CardholderApi::start(parts, options);
    let operator = OperatorApi::new(directory.clone(), Arc::new(NoBank));
    let past = Past::new(hub, &feed);
    World { hub: hub.clone(), directory, operator, api, past, draining }
}

/// A phone with its key.
struct Phone {
    key: EcdsaKeyPair,
}

impl Phone {
    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn new() -> Self {
        let rng = ring::rand::SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        Self { key }
    }

    #[allow(clippy::disallowed_methods, reason = "a phone has a source of randomness of its own")]
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(&ring::rand::SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn enrolment(&self, phone: &str, code: &str, password: &str) -> pb::EnrolDeviceRequest {
        pb::EnrolDeviceRequest {
            phone_number: phone.to_owned(),
            enrolment_code: code.to_owned(),
            device_public_key: self.key.public_key().as_ref().to_vec(),
            signature: self.sign(format!("bankhub.v1.enrol\n{phone}\n{code}").as_bytes()),
            transaction_password: password.to_owned(),
        }
    }

    fn opening(&self, device_id: &str, nonce: Vec<u8>) -> pb::OpenSessionRequest {
        let message = [format!("bankhub.v1.session\n{device_id}\n").as_bytes(), &nonce].concat();
        pb::OpenSessionRequest { device_id: device_id.to_owned(), signature: self.sign(&message), nonce }
    }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = from_stranger(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

impl World {
    async fn register(&self, phone: &str) -> String {
        let person = operator_pb::RegisterPersonRequest {
            person_id: self.hub.id().to_string(),
            phone_number: phone.to_owned(),
            name: "王小明".to_owned(),
        };
        let request = from_member(Role::Operator, "anna", person);
        self.operator.register_person(request).await.unwrap().into_inner().person_id
    }

    async fn code(&self, person_id: &str) -> String {
        let message = operator_pb::IssueEnrolmentCodeRequest { person_id: person_id.to_owned() };
        let request = from_member(Role::Operator, "anna", message);
        self.operator.issue_enrolment_code(request).await.unwrap().into_inner().enrolment_code
    }

    async fn enrol(&self, request: pb::EnrolDeviceRequest) -> Result<String, Status> {
        self.api.enrol_device(from_stranger(request)).await.map(|answer| answer.into_inner().device_id)
    }

    async fn nonce(&self, device_id: &str) -> Vec<u8> {
        let request = pb::BeginSessionRequest { device_id: device_id.to_owned() };
        self.api.begin_session(from_stranger(request)).await.unwrap().into_inner().nonce
    }

    async fn open_session(&self, request: pb::OpenSessionRequest) -> Result<String, Status> {
        self.api.open_session(from_stranger(request)).await.map(|answer| answer.into_inner().token)
    }

    /// A person with a phone that has a session open.
    async fn phone_in_session(&self, phone: &str) -> InSession {
        let person_id = self.register(phone).await;
        let code = self.code(&person_id).await;
        let device = Phone::new();
        let device_id = self.enrol(device.enrolment(phone, &code, PASSWORD)).await.unwrap();
        let nonce = self.nonce(&device_id).await;
        let token = self.open_session(device.opening(&device_id, nonce)).await.unwrap();
        InSession { person_id: PersonId::parse(&person_id).unwrap(), device, device_id, token }
    }

    async fn list(&self, token: &str, page_size: i32, page_token: &str) -> Result<pb::ListPaymentsResponse, Status> {
        let request = pb::ListPaymentsRequest { page_size, page_token: page_token.to_owned() };
        self.api.list_payments(with_token(token, request)).await.map(tonic::Response::into_inner)
    }

    async fn acknowledge(&self, token: &str, through_sequence: i64) -> Result<i64, Status> {
        let request = pb::AcknowledgeEventsRequest { through_sequence };
        let answer = self.api.acknowledge_events(with_token(token, request)).await;
        answer.map(|answer| answer.into_inner().acknowledged_sequence)
    }

    async fn change(&self, sql: &'static str) {
        let mut tx = self.hub.store.begin().await.unwrap();
        assert!(tx.execute(sql, Vec::new()).await.unwrap() >= 1);
        tx.commit().await.unwrap();
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }
}

struct InSession {
    person_id: PersonId,
    device: Phone,
    device_id: String,
    token: String,
}

#[tokio::test]
async fn s1_a_phone_is_bound_by_its_code_and_the_password_that_was_chosen_pays_at_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
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
    })
    .await;
}

#[tokio::test]
async fn m8_every_wrong_enrolment_is_refused_in_the_same_words() {
    on_each_engine(async |hub| {
        let at_once = DirectoryOptions { enrolment_code_ttl: Duration::ZERO, ..DirectoryOptions::default() };
        let world = open(&hub, CardholderOptions::default());
        let late = open_with(&hub, CardholderOptions::default(), at_once);
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
        assert_eq!(world.count("SELECT count(*) FROM audit_log WHERE kind = 'ENROLMENT_REFUSED'").await, 5);
    })
    .await;
}

#[tokio::test]
async fn m5_of_a_hundred_guesses_at_once_at_most_five_are_evaluated() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let replica = open(&hub, CardholderOptions::default());
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
        let world = open(&hub, CardholderOptions::default());
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
        let world = open(&hub, CardholderOptions::default());
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

#[tokio::test]
async fn s1_a_session_is_opened_with_the_phones_own_key_and_a_nonce_serves_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        let unknown = hub.id().to_string();
        assert_eq!(world.nonce(&unknown).await.len(), world.nonce(&phone.device_id).await.len());

        let nonce = world.nonce(&phone.device_id).await;
        let opening = phone.device.opening(&phone.device_id, nonce.clone());
        let calls = (0..20).map(|_| world.open_session(opening.clone()));
        let opened = join_all(calls).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(opened, 1, "{}", hub.engine);

        let fresh = world.nonce(&phone.device_id).await;
        let of_unknown = world.nonce(&unknown).await;
        let refusals = [
            opening,
            Phone::new().opening(&phone.device_id, fresh.clone()),
            phone.device.opening(&unknown, of_unknown),
            phone.device.opening(&phone.device_id, world.nonce(&unknown).await),
            phone.device.opening(&phone.device_id, vec![7; 32]),
            phone.device.opening(&phone.device_id, Vec::new()),
            pb::OpenSessionRequest { signature: Vec::new(), ..phone.device.opening(&phone.device_id, fresh.clone()) },
        ];
        let mut words = Vec::new();
        for request in refusals {
            let status = world.open_session(request).await.unwrap_err();
            assert_eq!(proto::reason_of(&status), Some(Reason::DeviceRefused));
            words.push((status.code(), status.message().to_owned(), status.details().to_vec()));
        }
        assert!(words.windows(2).all(|pair| pair[0] == pair[1]));
        // None of them has used the fresh nonce up.
        world.open_session(phone.device.opening(&phone.device_id, fresh.clone())).await.unwrap();
        let late = phone.device.opening(&phone.device_id, world.nonce(&phone.device_id).await);
        hub.clock.advance(Duration::from_secs(100));
        assert_eq!(reason(world.open_session(late).await), Reason::DeviceRefused);

        for bad in ["", "1", "4111111111111111"] {
            let begin = pb::BeginSessionRequest { device_id: bad.to_owned() };
            assert_eq!(reason(world.api.begin_session(from_stranger(begin)).await), Reason::IdMalformed);
            assert_eq!(reason(world.open_session(phone.device.opening(bad, fresh.clone())).await), Reason::IdMalformed);
        }
        assert_eq!(world.count("SELECT count(*) FROM sessions").await, 3);
    })
    .await;
}

#[tokio::test]
async fn s1_a_session_lives_as_long_as_it_is_used_and_ends_after_five_idle_minutes() {
    on_each_engine(async |hub| {
        // Nothing is cached, so that every call sees what is stored.
        let options = CardholderOptions { session_cache_entries: 0, ..CardholderOptions::default() };
        let world = open(&hub, options);
        let phone = world.phone_in_session(PHONE).await;
        for _ in 0..4 {
            hub.clock.advance(Duration::from_secs(240));
            world.list(&phone.token, 0, "").await.unwrap();
            // That the session goes on is stored with the acknowledgement that follows it.
            world.acknowledge(&phone.token, 0).await.unwrap();
        }
        hub.clock.advance(Duration::from_secs(301));
        assert_eq!(reason(world.list(&phone.token, 0, "").await), Reason::SessionInvalid, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn s1_a_call_without_a_session_is_refused_whatever_it_asks() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        let other = "0".repeat(64);
        for token in ["", "x", &other, &phone.token[1..], &phone.token.to_uppercase()] {
            assert_eq!(reason(world.list(token, 0, "").await), Reason::SessionInvalid, "{}", hub.engine);
            assert_eq!(reason(world.acknowledge(token, 0).await), Reason::SessionInvalid);
            let watch = with_token(token, pb::WatchEventsRequest { after_sequence: 0 });
            assert_eq!(
                world.api.watch_events(watch).await.err().map(|s| proto::reason_of(&s)),
                Some(Some(Reason::SessionInvalid))
            );
        }
        let bare = from_stranger(pb::ListPaymentsRequest::default());
        assert_eq!(reason(world.api.list_payments(bare).await), Reason::SessionInvalid);
        // What is stored is not what opens the door.
        let stored = hub.store.fetch_one("SELECT token_hash FROM sessions", Vec::new()).await.unwrap().unwrap();
        let stored: String = stored.bytes(0).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_ne!(stored, phone.token);
        assert_eq!(reason(world.list(&stored, 0, "").await), Reason::SessionInvalid);
    })
    .await;
}

#[tokio::test]
async fn s1_a_revoked_phone_is_refused() {
    on_each_engine(async |hub| {
        let options = CardholderOptions { session_cache_entries: 0, ..CardholderOptions::default() };
        let world = open(&hub, options);
        let phone = world.phone_in_session(PHONE).await;
        world.list(&phone.token, 0, "").await.unwrap();
        world.change("UPDATE devices SET revoked = 1, version = version + 1").await;
        assert_eq!(reason(world.list(&phone.token, 0, "").await), Reason::SessionInvalid, "{}", hub.engine);
        let nonce = world.nonce(&phone.device_id).await;
        let opening = phone.device.opening(&phone.device_id, nonce);
        assert_eq!(reason(world.open_session(opening).await), Reason::DeviceRefused);
    })
    .await;
}

#[tokio::test]
async fn s1_the_phone_gets_what_happened_and_what_happens_until_the_server_goes() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        let stored = world.past.happen(&[phone.person_id], 3).await;
        let request = with_token(&phone.token, pb::WatchEventsRequest { after_sequence: 0 });
        let mut stream = world.api.watch_events(request).await.unwrap().into_inner();
        let mut next = async || timeout(PATIENCE, stream.next()).await.expect("in time");
        let mut events = Vec::new();
        for _ in 0..3 {
            events.push(next().await.unwrap().unwrap().event.unwrap());
        }
        world.past.happen(&[phone.person_id], 1).await;
        events.push(next().await.unwrap().unwrap().event.unwrap());
        assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3, 4], "{}", hub.engine);
        let Some(pb::event::Kind::PaymentCode(code)) = &events[0].kind else { panic!("{:?}", events[0]) };
        assert_eq!((code.code.as_str(), code.amount.as_ref().unwrap().minor_units), (CODE, 100));
        let Some(pb::event::Kind::Charge(charge)) = &events[1].kind else { panic!("{:?}", events[1]) };
        let purchase = charge.purchase.as_ref().unwrap();
        assert_eq!((purchase.place.as_str(), purchase.items.len()), ("West Gate", 2));
        let domain::feed::EventKind::GiveBack { payment_id, .. } = &stored[2].kind else { panic!("{:?}", stored[2]) };
        let Some(pb::event::Kind::GiveBack(back)) = &events[2].kind else { panic!("{:?}", events[2]) };
        assert_eq!((back.payment_id.clone(), back.reversal), (payment_id.to_string(), false));
        let Some(pb::event::Kind::GiveBack(back)) = &events[3].kind else { panic!("{:?}", events[3]) };
        assert!(back.reversal);
        world.draining.cancel();
        assert!(next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn s1_nobody_sees_the_events_or_the_record_of_somebody_else() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let one = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613800138001").await;
        world.past.happen(&[one.person_id], 4).await;
        world.past.happen(&[other.person_id], 1).await;
        let request = with_token(&other.token, pb::WatchEventsRequest { after_sequence: 0 });
        let mut stream = world.api.watch_events(request).await.unwrap().into_inner();
        let event = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap().event.unwrap();
        assert_eq!(event.sequence, 1);
        world.past.happen(&[one.person_id], 1).await;
        world.past.happen(&[other.person_id], 1).await;
        let event = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap().event.unwrap();
        assert_eq!(event.sequence, 2, "{}", hub.engine);
        assert_eq!(world.list(&one.token, 0, "").await.unwrap().purchases.len(), 1);
        assert_eq!(world.list(&other.token, 0, "").await.unwrap().purchases.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn s1_a_place_that_is_not_in_the_feed_is_refused_by_reason() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        world.past.happen(&[phone.person_id], 2).await;
        let below = with_token(&phone.token, pb::WatchEventsRequest { after_sequence: -1 });
        let refused = world.api.watch_events(below).await.err().and_then(|status| proto::reason_of(&status));
        assert_eq!(refused, Some(Reason::SequenceOutOfRange), "{}", hub.engine);
        let beyond = with_token(&phone.token, pb::WatchEventsRequest { after_sequence: 3 });
        let mut stream = world.api.watch_events(beyond).await.unwrap().into_inner();
        let refused = timeout(PATIENCE, stream.next()).await.unwrap().unwrap();
        assert_eq!(reason(refused), Reason::SequenceOutOfRange);
        assert!(stream.next().await.is_none());
        for bad in [-1, i64::MIN, 3, i64::MAX] {
            assert_eq!(reason(world.acknowledge(&phone.token, bad).await), Reason::SequenceOutOfRange, "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn s1_acknowledgements_only_go_up_and_each_phone_has_its_own() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let one = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613800138001").await;
        world.past.happen(&[one.person_id, other.person_id], 20).await;
        for (through, stored) in [(3, 3), (2, 3), (0, 3), (4, 4)] {
            assert_eq!(world.acknowledge(&one.token, through).await.unwrap(), stored, "{}", hub.engine);
        }
        let all = (1..=20).flat_map(|through| [&one, &other].map(|phone| world.acknowledge(&phone.token, through)));
        for (i, answer) in join_all(all).await.into_iter().enumerate() {
            assert!(answer.unwrap() > i as i64 / 2);
        }
        assert_eq!(world.count("SELECT min(acknowledged_sequence) FROM devices").await, 20);
    })
    .await;
}

#[tokio::test]
async fn r7_the_record_comes_in_pages_newest_first_with_nothing_left_out() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        // Ten sets of 24 events are 60 purchases; the six of one set have the same time.
        for _ in 0..10 {
            world.past.happen(&[phone.person_id], 24).await;
        }
        for (size, pages) in [(1, 60), (7, 9), (60, 1), (200, 1), (0, 2)] {
            let (mut purchases, mut token, mut count) = (Vec::new(), String::new(), 0);
            loop {
                let page = world.list(&phone.token, size, &token).await.unwrap();
                purchases.extend(page.purchases);
                count += 1;
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((purchases.len(), count), (60, pages), "{} {size}", hub.engine);
            let keys: Vec<_> = purchases
                .iter()
                .map(|purchase| {
                    let at = proto::from_timestamp(purchase.occurred_at.as_ref().unwrap());
                    (at, purchase.payment_id.clone())
                })
                .collect();
            assert!(keys.windows(2).all(|pair| pair[0] > pair[1]));
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_page_token_is_good_for_its_own_person_and_cannot_be_made_up() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let one = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613800138001").await;
        world.past.happen(&[one.person_id, other.person_id], 8).await;
        let token = world.list(&one.token, 1, "").await.unwrap().next_page_token;
        world.list(&one.token, 1, &token).await.unwrap();
        let foreign = world.list(&other.token, 1, "").await.unwrap().next_page_token;
        let mut changed = token.clone();
        changed.replace_range(14..16, if &token[14..16] == "00" { "01" } else { "00" });
        for bad in ["x", "00", &foreign, &changed, &token[2..], &format!("{token}00"), &token.to_uppercase()] {
            assert_eq!(
                reason(world.list(&one.token, 1, bad).await),
                Reason::PageTokenMalformed,
                "{} {bad}",
                hub.engine
            );
        }
        for bad in [-1, i32::MIN, 201, i32::MAX] {
            assert_eq!(reason(world.list(&one.token, bad, "").await), Reason::PageSizeOutOfRange, "{bad}");
        }
    })
    .await;
}

#[tokio::test]
async fn strangers_who_ask_too_much_are_told_to_come_later_and_sessions_go_on() {
    on_each_engine(async |hub| {
        let strangers = StrangerLimits { per_address: 1, per_address_burst: 10, ..StrangerLimits::default() };
        let world = open(&hub, CardholderOptions { strangers, ..CardholderOptions::default() });
        let phone = world.phone_in_session(PHONE).await;
        let begin = || from_stranger(pb::BeginSessionRequest { device_id: phone.device_id.clone() });
        let mut refused = 0;
        for _ in 0..50 {
            if let Err(status) = world.api.begin_session(begin()).await {
                assert_eq!(proto::reason_of(&status), Some(Reason::TooBusy));
                refused += 1;
            }
        }
        assert!(refused >= 30, "{refused} {}", hub.engine);
        let opening = phone.device.opening(&phone.device_id, vec![0; 32]);
        assert_eq!(reason(world.open_session(opening).await), Reason::TooBusy);
        let enrolment = phone.device.enrolment(PHONE, "12345678", "");
        assert_eq!(reason(world.enrol(enrolment).await), Reason::TooBusy);
        for _ in 0..100 {
            world.list(&phone.token, 1, "").await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn m8_what_phones_do_stands_in_the_log_and_no_secret_does() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default());
        let phone = world.phone_in_session(PHONE).await;
        let unknown = Phone::new().enrolment("+8613800138009", "12345678", PASSWORD);
        assert_eq!(reason(world.enrol(unknown).await), Reason::EnrolmentRefused);
        let sql = "SELECT kind, content, subject FROM audit_log WHERE chain = 'hub-1/cardholder' ORDER BY seq";
        let rows = hub.store.fetch(sql, Vec::new()).await.unwrap();
        let kinds: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        assert_eq!(kinds, ["DEVICE_ENROLLED", "SESSION_OPENED", "ENROLMENT_REFUSED"], "{}", hub.engine);
        assert_eq!(rows[1].id(2).unwrap(), phone.person_id.uuid());
        for row in &rows {
            let content = row.text(1).unwrap();
            let secrets = [PHONE, "+8613800138009", PASSWORD, "12345678", &phone.token];
            assert!(!secrets.iter().any(|secret| content.contains(secret)), "{content}");
        }
        let reports = audit::verify(&hub.store, &*hub.keys).await.unwrap();
        assert!(reports.iter().all(|report| report.faults.is_empty()), "{reports:?}");
    })
    .await;
}
