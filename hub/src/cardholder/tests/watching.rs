//! WatchEvents and AcknowledgeEvents.

use super::*;

#[tokio::test]
async fn s1_an_open_stream_keeps_its_session_and_ends_when_the_phone_is_revoked() {
    on_each_engine(async |hub| {
        let options =
            CardholderOptions { check_streams_every: Duration::from_millis(5), ..CardholderOptions::default() };
        let world = open(&hub, options).await;
        let phone = world.phone_in_session(PHONE).await;
        let request = with_token(&phone.token, pb::WatchEventsRequest { after_sequence: 0 });
        let mut stream = world.api.watch_events(request).await.unwrap().into_inner();
        let watching = tokio::spawn(async move { stream.next().await });
        let end = "SELECT expires_at FROM sessions";
        let before = world.count(end).await;
        hub.clock.advance(Duration::from_secs(240));
        let goes_on = async {
            while world.count(end).await == before {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, goes_on).await.expect("the session is moved on");
        world.change("UPDATE devices SET revoked = 1, version = version + 1").await;
        let ended = timeout(PATIENCE, watching).await.expect("the stream ends").unwrap().unwrap();
        assert_eq!(reason(ended), Reason::SessionInvalid, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn s1_the_phone_gets_what_happened_and_what_happens_until_the_server_goes() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
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
        let world = open(&hub, CardholderOptions::default()).await;
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
        let world = open(&hub, CardholderOptions::default()).await;
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
        let world = open(&hub, CardholderOptions::default()).await;
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
async fn what_has_queued_is_written_and_the_tasks_end_when_the_hub_goes() {
    on_each_engine(async |hub| {
        let mut world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        world.past.happen(&[phone.person_id], 3).await;
        let tasks = std::mem::take(&mut world.tasks);
        let api = world.api.clone();
        let token = phone.token.clone();
        let last = tokio::spawn(async move {
            let request = pb::AcknowledgeEventsRequest { through_sequence: 3 };
            api.acknowledge_events(with_token(&token, request)).await
        });
        drop(world);
        let answer = timeout(PATIENCE, last).await.expect("an answer").unwrap().unwrap();
        assert_eq!(answer.into_inner().acknowledged_sequence, 3, "{}", hub.engine);
        for ended in timeout(PATIENCE, join_all(tasks)).await.expect("all tasks end") {
            ended.unwrap();
        }
    })
    .await;
}
