//! What banks report, on both engines.

mod bad;
mod files;
mod stream;

use domain::Reason;
use domain::feed::EventKind;
use domain::purchase::{Carrier, PurchaseState};
use futures_util::StreamExt as _;
use proto::common;

use super::testing::{HELD, POSTED, REVERSED, World, purchase};
use super::*;
use crate::testing::on_each_engine;

#[tokio::test]
async fn r1_a_purchase_made_elsewhere_is_one_record_however_its_bank_tells_of_it() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let id = hub.id();
        let report = |version, state, amount, back| purchase(account, id, version, state, amount, back);
        let told = [report(1, HELD, 10_000, 0), report(2, POSTED, 9_500, 0), report(3, POSTED, 9_500, 500)];
        assert_eq!(world.send("bank-a", &told).await.unwrap(), TakenIn { through_sequence: 3, refused: vec![] });
        let record = world.record(person).await;
        assert_eq!(record.len(), 1, "{}", hub.engine);
        assert_eq!((record[0].amount.minor, record[0].given_back_minor), (9_500, 500));
        assert_eq!((record[0].state, record[0].carrier), (PurchaseState::Posted, Carrier::Bank));
        assert_eq!(record[0].merchant.id.as_str(), "ext-tea-7");
        assert_eq!(record[0].items.len(), 1);

        world.send("bank-a", &[report(4, REVERSED, 9_500, 500)]).await.unwrap();
        let events: Vec<_> = world.feed.watch(person, 0).unwrap().take(4).map(|event| event.unwrap()).collect().await;
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence), "{events:?}");
        let EventKind::Charge(now) = &events[0].kind else { panic!("{events:?}") };
        // A phone that hears of it late hears how it stands by now.
        assert_eq!((now.state, now.net_minor()), (PurchaseState::Reversed, 0));
        let EventKind::Update { before, .. } = &events[1].kind else { panic!("{events:?}") };
        assert_eq!(before.minor, 10_000);
        let backs: Vec<(i64, bool)> = events[2..]
            .iter()
            .map(|event| match &event.kind {
                EventKind::GiveBack { amount, reversal, .. } => (amount.minor, *reversal),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(backs, [(500, false), (9_000, true)]);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r1_a_phone_that_watches_hears_of_a_purchase_made_elsewhere_as_it_is_reported() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let mut watch = world.feed.watch(person, 0).unwrap();
        let id = hub.id();
        world.send("bank-a", &[purchase(account, id, 1, HELD, 700, 0)]).await.unwrap();
        let live = watch.next().await.unwrap().unwrap();
        let EventKind::Charge(bought) = &live.kind else { panic!("{live:?}") };
        assert_eq!((bought.state, bought.amount.minor), (PurchaseState::Held, 700));
        world.send("bank-a", &[purchase(account, id, 2, POSTED, 650, 0)]).await.unwrap();
        let live = watch.next().await.unwrap().unwrap();
        // What is heard live and what is read later say the same.
        let read = world.feed.watch(person, 1).unwrap().next().await.unwrap().unwrap();
        assert_eq!(live, read, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r1_payments_through_the_hub_and_reports_share_one_feed_without_gap_or_double() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        for round in 0..4 {
            world.past.happen(&[person], 3).await;
            let told: Vec<_> =
                (0..3).map(|n| purchase(account, hub.id(), 1, POSTED, 100 + round * 10 + n, 0)).collect();
            world.send("bank-a", &told).await.unwrap();
        }
        let events: Vec<_> = world.feed.watch(person, 0).unwrap().take(24).map(|event| event.unwrap()).collect().await;
        assert!(events.iter().zip(1..).all(|(event, sequence)| event.sequence == sequence), "{events:?}");
        let charges = events.iter().filter(|event| matches!(event.kind, EventKind::Charge(_))).count();
        let reported = world.count("SELECT count(*) FROM purchases WHERE carrier = 'BANK'").await;
        assert_eq!((reported, world.record(person).await.len()), (12, charges), "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r1_a_report_of_nobody_who_is_known_is_passed_over_and_not_kept() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let stranger = purchase(hub.id(), hub.id(), 1, POSTED, 100, 0);
        assert_eq!(world.send("bank-a", &[stranger]).await.unwrap(), TakenIn { through_sequence: 1, refused: vec![] });
        assert_eq!(world.count("SELECT count(*) FROM purchases").await, 0, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM reported_purchases").await, 0);
    })
    .await;
}

#[tokio::test]
async fn r1_a_purchase_stays_with_whom_it_was_recorded_for() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (first, account) = world.person("bank-a").await;
        let id = hub.id();
        world.send("bank-a", &[purchase(account, id, 1, POSTED, 900, 0)]).await.unwrap();
        let (second, _) = world.person("bank-a").await;
        world.rebind(account, second).await;
        world.send("bank-a", &[purchase(account, id, 2, POSTED, 900, 300)]).await.unwrap();
        assert_eq!(world.record(first).await[0].given_back_minor, 300, "{}", hub.engine);
        assert_eq!(world.record(second).await, []);
        assert_eq!(
            world.send("bank-a", &[purchase(account, hub.id(), 1, POSTED, 5, 0)]).await,
            Ok(TakenIn { through_sequence: 3, refused: vec![] })
        );
        assert_eq!(world.record(second).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn r1_two_banks_may_use_one_id_for_purchases_of_their_own() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, at_a) = world.person("bank-a").await;
        let at_b = hub.id();
        world.bind("bank-b", at_b, person).await;
        let id = hub.id();
        world.send("bank-a", &[purchase(at_a, id, 1, POSTED, 100, 0)]).await.unwrap();
        world.send("bank-b", &[purchase(at_b, id, 1, POSTED, 200, 0)]).await.unwrap();
        let mut amounts: Vec<i64> = world.record(person).await.iter().map(|it| it.amount.minor).collect();
        amounts.sort_unstable();
        assert_eq!(amounts, [100, 200], "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r1_the_same_reports_again_get_the_same_answer_and_change_nothing() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let id = hub.id();
        let told = [
            purchase(account, id, 1, POSTED, 900, 0),
            purchase(account, id, 2, HELD, 900, 0),
            purchase(account, hub.id(), 1, POSTED, 0, 0),
        ];
        let first = world.send("bank-a", &told).await.unwrap();
        let refused = vec![(2, Reason::RecordGoesBack), (3, Reason::AmountNotPositive)];
        assert_eq!(first, TakenIn { through_sequence: 3, refused }, "{}", hub.engine);
        let before = world.tables().await;
        assert_eq!(world.send_from("bank-a", 1, &told).await.unwrap(), first);
        // What comes with it and is new is taken in.
        let more: Vec<_> = told.iter().cloned().chain([purchase(account, hub.id(), 1, POSTED, 50, 0)]).collect();
        assert_eq!(world.tables().await, before);
        assert_eq!(world.send_from("bank-a", 1, &more).await.unwrap().through_sequence, 4);
        assert_eq!(world.record(person).await.len(), 2);
    })
    .await;
}
