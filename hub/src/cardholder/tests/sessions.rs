//! BeginSession, OpenSession and who is recognised after that.

use super::*;

#[tokio::test]
async fn s1_a_session_is_opened_with_the_phones_own_key_and_a_nonce_serves_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
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
        let world = open(&hub, options).await;
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
        let world = open(&hub, CardholderOptions::default()).await;
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
        let world = open(&hub, options).await;
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
async fn strangers_who_ask_too_much_are_told_to_come_later_and_sessions_go_on() {
    on_each_engine(async |hub| {
        let strangers = StrangerLimits { per_address: 1, per_address_burst: 10, ..StrangerLimits::default() };
        let world = open(&hub, CardholderOptions { strangers, ..CardholderOptions::default() }).await;
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
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let unknown = Phone::new().enrolment("+8613800138009", "12345678", PASSWORD);
        assert_eq!(reason(world.enrol(unknown).await), Reason::EnrolmentRefused);
        let log = audit::read_chain(&hub.store, "hub-1/cardholder").await.unwrap();
        let kinds: Vec<&str> = log.iter().map(|entry| entry.kind.as_str()).collect();
        assert_eq!(kinds, ["DEVICE_ENROLLED", "SESSION_OPENED", "ENROLMENT_REFUSED"], "{}", hub.engine);
        assert_eq!(log[1].subject, phone.person_id.uuid());
        for entry in &log {
            let content = &entry.content;
            let secrets = [PHONE, "+8613800138009", PASSWORD, "12345678", &phone.token];
            assert!(!secrets.iter().any(|secret| content.contains(secret)), "{content}");
        }
        let reports = audit::verify(&hub.store, &*hub.keys).await.unwrap();
        assert!(reports.iter().all(|report| report.faults.is_empty()), "{reports:?}");
    })
    .await;
}
