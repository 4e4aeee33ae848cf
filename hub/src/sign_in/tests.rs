//! Signing in on both engines.

use std::sync::Arc;

use domain::sign_in::{AccountPassword, SetForm};
use domain::{OneTimeCode, OrderId, PhoneNumber, Reason};
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;

use super::testing::{ACCOUNT_PASSWORD, Holder, change, other, sign_in_parts};
use super::*;
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::testing::{TestHub, on_each_engine, on_postgres};

type Request = proto::cardholder::SetAccountPasswordRequest;

const PHONE: &str = "+8613800138078";

struct World {
    feed: Feed,
    sign_ins: SignIns,
}

impl World {
    async fn replica(hub: &TestHub, name: &str) -> Self {
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: hub.id(),
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
        let (sign_ins, _) = SignIns::start(sign_in_parts(hub, &feed, owner));
        Self { feed, sign_ins }
    }

    async fn open(hub: &TestHub) -> (Self, Holder) {
        let world = Self::replica(hub, "hub-1").await;
        let ann = Holder::new(hub, PHONE).await;
        ann.set(&world.sign_ins, ACCOUNT_PASSWORD).await.unwrap();
        (world, ann)
    }

    /// Begins, and hears the code at the phone.
    async fn begin(&self, ann: &Holder) -> (WebToken, OneTimeCode) {
        ann.forget_codes().await;
        let before = ann.last_sequence().await;
        let token = self.sign_ins.begin(&ann.phone).await.unwrap();
        (token, ann.code_after(&self.feed, before).await)
    }

    async fn finish(&self, token: &WebToken, code: &OneTimeCode, password: &str) -> Result<WebToken, Reason> {
        let password = AccountPassword::parse(password).ok();
        self.sign_ins.finish(Some(token), Some(code.clone()), password).await.map(|(token, _)| token)
    }

    async fn is_open(&self, token: &WebToken) -> bool {
        self.sign_ins.recognise(token).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn f3_an_account_password_is_set_by_the_phone_once_for_each_order() {
    on_each_engine(async |hub| {
        let world = World::replica(&hub, "hub-1").await;
        let ann = Holder::new(&hub, PHONE).await;
        let form = ann.form(ACCOUNT_PASSWORD);
        let set = async |request| world.sign_ins.set_password(ann.id, ann.device_id, request).await;
        for (spoil, reason) in [
            (Box::new(|it: &mut Request| it.signature[7] ^= 1) as Box<dyn Fn(&mut Request)>, Reason::SignatureRefused),
            (Box::new(|it: &mut Request| it.text = it.text.replace("battery", "butter!")), Reason::SignatureRefused),
            (Box::new(|it: &mut Request| it.text = "x".repeat(1_000_000)), Reason::AccountPasswordMalformed),
            (Box::new(|it: &mut Request| it.text.clear()), Reason::FieldMissing),
            (Box::new(|it: &mut Request| it.transaction_password = "314159".to_owned()), Reason::VerificationFailed),
            (Box::new(|it: &mut Request| it.transaction_password = "31415".to_owned()), Reason::PasswordMalformed),
        ] {
            let mut request = ann.sign(&form);
            spoil(&mut request);
            assert_eq!(set(request).await, Err(reason), "{}", hub.engine);
        }
        assert_eq!(ann.set(&world.sign_ins, "password-1234").await, Err(Reason::AccountPasswordGuessable));
        assert_eq!(ann.set(&world.sign_ins, "my 138-0013-8078").await, Err(Reason::AccountPasswordGuessable));
        assert!(sql::read_kept(&hub.store, ann.id).await.unwrap().is_none(), "what is refused stores nothing");
        set(ann.sign(&form)).await.unwrap();
        set(ann.sign(&form)).await.unwrap();
        assert_eq!(ann.news().await.len(), 1, "the same order again changes nothing");
        let password = AccountPassword::parse("another horse battery").unwrap();
        let same_id = SetForm { password: password.clone(), ..form.clone() };
        assert_eq!(set(ann.sign(&same_id)).await, Err(Reason::IdTaken));
        let earlier = SetForm { order_id: OrderId::from_uuid(hub.id()), password, ..form };
        assert_eq!(set(ann.sign(&earlier)).await, Err(Reason::TimeOutOfRange), "no later than the one before");
        let kept = sql::read_kept(&hub.store, ann.id).await.unwrap().unwrap();
        assert!(kept.hash.starts_with("$argon2id$") && kept.version == 1);
    })
    .await;
}

#[tokio::test]
async fn f3_whoever_has_number_code_and_password_signs_in_with_a_new_token_and_is_told() {
    on_each_engine(async |hub| {
        let (world, ann) = World::open(&hub).await;
        let (token, code) = world.begin(&ann).await;
        assert!(!world.is_open(&token).await, "a sign-in is no session");
        let session = world.finish(&token, &code, ACCOUNT_PASSWORD).await.unwrap();
        assert_ne!(session.reveal(), token.reveal());
        assert!(world.is_open(&session).await);
        assert!(ann.news().await[1].contains("signed in by web page"));
        assert_eq!(world.finish(&token, &code, ACCOUNT_PASSWORD).await.err(), Some(Reason::SignInRefused), "once");
        assert!(world.is_open(&session).await);
        // A new sign-in ends the session before it, and so does another password.
        let (token, code) = world.begin(&ann).await;
        let second = world.finish(&token, &code, ACCOUNT_PASSWORD).await.unwrap();
        assert!(!world.is_open(&session).await && world.is_open(&second).await);
        ann.set(&world.sign_ins, "another horse battery").await.unwrap();
        assert!(!world.is_open(&second).await);
        let (token, code) = world.begin(&ann).await;
        let third = world.finish(&token, &code, "another horse battery").await.unwrap();
        let found = world.sign_ins.recognise(&third).await.unwrap().unwrap();
        world.sign_ins.sign_out(found).await.unwrap();
        assert!(!world.is_open(&third).await);
    })
    .await;
}

#[tokio::test]
async fn f3_whatever_is_wrong_is_one_refusal_and_three_tries_end_a_sign_in() {
    on_each_engine(async |hub| {
        let (world, ann) = World::open(&hub).await;
        let (token, code) = world.begin(&ann).await;
        let refused = Some(Reason::SignInRefused);
        assert_eq!(world.finish(&token, &other(&code), ACCOUNT_PASSWORD).await.err(), refused);
        assert_eq!(world.finish(&token, &code, "correct horse butter").await.err(), refused);
        assert_eq!(world.finish(&token, &code, "short").await.err(), refused);
        assert_eq!(world.finish(&token, &code, ACCOUNT_PASSWORD).await.err(), refused, "three tries");
        let stranger = WebToken::make(&*hub.rng).unwrap();
        assert_eq!(world.finish(&stranger, &code, ACCOUNT_PASSWORD).await.err(), refused);
        // The code of one sign-in is none of another.
        let (first, first_code) = world.begin(&ann).await;
        let (second, second_code) = world.begin(&ann).await;
        if first_code != second_code {
            assert_eq!(world.finish(&second, &first_code, ACCOUNT_PASSWORD).await.err(), refused);
        }
        change(&hub, "UPDATE sign_ins SET expires_at = 1", Vec::new()).await;
        assert_eq!(world.finish(&first, &first_code, ACCOUNT_PASSWORD).await.err(), refused, "it has ended");
        // Nobody's number begins as everybody's does.
        let nobody = PhoneNumber::parse("+8613999999999").unwrap();
        let token = world.sign_ins.begin(&nobody).await.unwrap();
        for _ in 0..4 {
            assert_eq!(world.finish(&token, &code, ACCOUNT_PASSWORD).await.err(), refused);
        }
    })
    .await;
}

#[tokio::test]
async fn f3_five_wrong_tries_in_a_row_block_signing_in_and_the_person_is_told() {
    on_each_engine(async |hub| {
        let (world, ann) = World::open(&hub).await;
        for _ in 0..2 {
            let (token, code) = world.begin(&ann).await;
            for _ in 0..3 {
                assert!(world.finish(&token, &code, "wrong horse battery").await.is_err());
            }
        }
        let news = ann.news().await;
        assert_eq!(news.iter().filter(|text| text.contains("blocked for a while")).count(), 1, "{news:?}");
        ann.forget_codes().await;
        let sent = ann.codes().await;
        let token = world.sign_ins.begin(&ann.phone).await.unwrap();
        // The writer takes steps in order, so that the code would have been sent before this is answered.
        world.finish(&token, &OneTimeCode::parse("000000").unwrap(), ACCOUNT_PASSWORD).await.unwrap_err();
        assert_eq!(ann.codes().await, sent, "no code while it is blocked");
        change(&hub, "UPDATE account_passwords SET blocked_until = 1", Vec::new()).await;
        let (token, code) = world.begin(&ann).await;
        world.finish(&token, &code, ACCOUNT_PASSWORD).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn f3_tries_count_over_two_replicas_and_a_code_is_good_once() {
    on_postgres(async |hub| {
        let (one, ann) = World::open(&hub).await;
        let two = World::replica(&hub, "hub-2").await;
        let (token, code) = one.begin(&ann).await;
        let both =
            tokio::join!(one.finish(&token, &code, ACCOUNT_PASSWORD), two.finish(&token, &code, ACCOUNT_PASSWORD));
        assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1, "{both:?}");
        for round in 0..2 {
            let (token, code) = two.begin(&ann).await;
            for number in 0..3 {
                let replica = if (round + number) % 2 == 0 { &one } else { &two };
                assert!(replica.finish(&token, &other(&code), ACCOUNT_PASSWORD).await.is_err());
            }
        }
        let kept = sql::read_kept(&hub.store, ann.id).await.unwrap().unwrap();
        assert!(kept.guard.blocked_until.is_some());
    })
    .await;
}

#[tokio::test]
async fn f3_a_session_ends_when_it_is_idle_and_after_an_hour() {
    on_each_engine(async |hub| {
        let (world, ann) = World::open(&hub).await;
        let (token, code) = world.begin(&ann).await;
        let session = world.finish(&token, &code, ACCOUNT_PASSWORD).await.unwrap();
        for column in ["UPDATE web_sessions SET expires_at = 1", "UPDATE web_sessions SET ends_at = 1"] {
            assert!(world.is_open(&session).await);
            change(&hub, column, Vec::new()).await;
            assert!(!world.is_open(&session).await, "{column}");
            let later = "UPDATE web_sessions SET expires_at = 9000000000000000, ends_at = 9000000000000000";
            change(&hub, later, Vec::new()).await;
        }
    })
    .await;
}

#[tokio::test]
async fn m8_no_code_password_or_token_is_stored_as_itself() {
    on_each_engine(async |hub| {
        let (world, ann) = World::open(&hub).await;
        let (token, code) = world.begin(&ann).await;
        let _ = world.finish(&token, &other(&code), ACCOUNT_PASSWORD).await;
        for shown in [format!("{token:?}"), format!("{code:?}")] {
            assert!(shown.contains("***"), "{shown}");
        }
        let row = hub.store.fetch_one("SELECT code_mac, token_hash FROM sign_ins", Vec::new()).await.unwrap().unwrap();
        for column in 0..2 {
            let stored = row.bytes(column).unwrap();
            assert!(!stored.windows(6).any(|part| part == code.reveal().as_bytes()));
        }
    })
    .await;
}
