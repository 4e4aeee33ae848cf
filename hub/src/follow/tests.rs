//! What is done about events, on both engines.

use domain::feed::Topic;
use domain::notice::{ChannelKind, Choices, NoticeKind};
use futures_util::StreamExt as _;
use proto::{common, terminal};

use super::*;
use crate::directory::DirectoryOptions;
use crate::notify::{NoticesOptions, NoticesParts, Preferences};
use crate::records::testing::{HELD, POSTED, World, purchase};
use crate::testing::{TestHub, on_each_engine};

/// A replica in which events are followed.
struct Followed {
    world: World,
    prices: Prices,
    notices: Notices,
    draining: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Followed {
    async fn open(hub: &TestHub, name: &str) -> Self {
        let followers = Followers::new(true, true);
        let world = World::followed(hub, name, &followers).await;
        let (directory, _) = Directory::start(hub.directory_parts(name), DirectoryOptions::default());
        let parts = NoticesParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            rng: hub.rng.clone(),
            ids: hub.ids.clone(),
            replica: name.to_owned(),
        };
        let (notices, _) = Notices::start(parts, NoticesOptions::default(), vec![ChannelKind::Sms]);
        let owner = Arc::new(Owner::take(&hub.store, &format!("{name}-follow"), hub.id()).await.unwrap());
        let (prices, _) = Prices::start(hub.store.clone(), owner.clone());
        let parts = FollowParts {
            store: hub.store.clone(),
            owner,
            clock: hub.clock(),
            directory,
            feed: world.feed.clone(),
            notices: notices.clone(),
            prices: prices.clone(),
        };
        let draining = CancellationToken::new();
        let tasks = start(parts, &followers, draining.clone());
        Self { world, prices, notices, draining, tasks }
    }

    /// Waits until nothing is left to be done.
    async fn done(&self) {
        let waiting = async {
            while self.world.count("SELECT count(*) FROM followed_events").await > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("it is all done");
    }

    async fn stop(self) {
        self.draining.cancel();
        for task in self.tasks.into_iter().skip(1) {
            task.await.unwrap();
        }
    }

    /// A tea house 500 m north of where reports say that people buy.
    async fn publish_tea(&self, minor_units: i64) {
        let terminal = domain::purchase::Terminal {
            location: Some(domain::purchase::Location { latitude: 30.5045, longitude: 114.25 }),
            merchant: domain::purchase::Merchant {
                category: domain::purchase::CategoryCode::parse("5814").unwrap(),
                ..crate::testing::past::terminal().merchant
            },
            ..crate::testing::past::terminal()
        };
        let price = Some(common::Money { currency_code: "CNY".to_owned(), minor_units });
        let tea = terminal::Price { name: "Tea".to_owned(), price, ..terminal::Price::default() };
        let request = terminal::PublishPricesRequest { prices: vec![tea] };
        assert_eq!(self.prices.publish(Arc::new(terminal), &request).await.unwrap(), Ok(1));
    }
}

/// A report of something that is bought now.
fn now(hub: &TestHub, report: proto::federation::PurchaseReport) -> proto::federation::PurchaseReport {
    let at = Some(proto::to_timestamp(hub.clock().now()));
    proto::federation::PurchaseReport { occurred_at: at, ..report }
}

#[tokio::test]
async fn p1_p2_p3_after_a_purchase_its_buyer_hears_once_what_a_shop_nearby_asks() {
    on_each_engine(async |hub| {
        let mut followed = Followed::open(&hub, "hub-1").await;
        followed.publish_tea(800).await;
        let (person, account) = followed.world.person("bank-a").await;
        let id = hub.id();
        followed.world.send("bank-a", &[now(&hub, purchase(account, id, 1, HELD, 1_000, 0))]).await.unwrap();
        followed.done().await;
        followed.world.send("bank-a", &[now(&hub, purchase(account, id, 2, POSTED, 1_000, 0))]).await.unwrap();
        followed.done().await;
        let events: Vec<_> =
            followed.world.feed.watch(person, 0).unwrap().take(3).map(|event| event.unwrap()).collect().await;
        let EventKind::News(news) = &events[1].kind else { panic!("{events:?}") };
        assert_eq!((news.topic, news.subject), (Topic::Prices, id), "{}", hub.engine);
        assert!(news.english.contains("8.00") && news.chinese.contains("8.00"), "{news:?}");
        assert_eq!(followed.world.count("SELECT count(*) FROM events WHERE kind = 'NEWS'").await, 1);
        // The charge went out by SMS, too; the posting of the same amount did not, and a comparison does not unless it is wanted.
        assert_eq!(followed.world.count("SELECT count(*) FROM notices WHERE kind = 'CHARGE'").await, 1);
        assert_eq!(followed.world.count("SELECT count(*) FROM notices").await, 1);
        followed.world.check().await;
        followed.stop().await;
    })
    .await;
}

#[tokio::test]
async fn p3_a_comparison_rides_in_the_charge_or_comes_by_itself_or_not_at_all_as_the_person_chose() {
    on_each_engine(async |hub| {
        let mut followed = Followed::open(&hub, "hub-1").await;
        followed.publish_tea(800).await;
        for (prices, news) in [(PriceNews::Off, 0), (PriceNews::WithCharge, 1), (PriceNews::Separate, 1)] {
            let (person, account) = followed.world.person("bank-a").await;
            let mut choices = Choices::default();
            choices.choose(NoticeKind::Personal, ChannelKind::Sms, true).unwrap();
            let wanted = Preferences { prices, choices, ..Preferences::default() };
            followed.notices.set_preferences(person, wanted).await.unwrap();
            followed
                .world
                .send("bank-a", &[now(&hub, purchase(account, hub.id(), 1, POSTED, 1_000, 0))])
                .await
                .unwrap();
            followed.done().await;
            let told = followed.world.feed.event(person, 2).await.unwrap();
            assert_eq!(told.iter().len(), news, "{} {prices:?}", hub.engine);
            let sql = "SELECT count(*) FROM notices WHERE person_id = $1 AND kind = $2";
            for (kind, wanted) in [("CHARGE", 1), ("PERSONAL", i64::from(prices == PriceNews::Separate))] {
                let row = hub.store.fetch_one(sql, vec![person.uuid().into(), kind.into()]).await.unwrap();
                assert_eq!(row.unwrap().int(0).unwrap(), wanted, "{} {prices:?} {kind}", hub.engine);
            }
        }
        followed.stop().await;
    })
    .await;
}

#[tokio::test]
async fn r6_every_event_is_told_once_by_two_replicas_that_follow_at_the_same_time() {
    on_each_engine(async |hub| {
        let (mut one, other) = (Followed::open(&hub, "hub-1").await, Followed::open(&hub, "hub-2").await);
        let (_, account) = one.world.person("bank-a").await;
        for _ in 0..20 {
            let some: Vec<_> = (0..10).map(|n| now(&hub, purchase(account, hub.id(), 1, POSTED, 100 + n, 0))).collect();
            one.world.send("bank-a", &some).await.unwrap();
        }
        one.done().await;
        assert_eq!(one.world.count("SELECT count(*) FROM notices WHERE kind = 'CHARGE'").await, 200, "{}", hub.engine);
        one.stop().await;
        other.stop().await;
    })
    .await;
}

#[tokio::test]
async fn r6_what_was_noted_before_a_replica_died_is_done_by_the_next_one() {
    on_each_engine(async |hub| {
        // Nobody works here: what is to be done is noted with the events, and no more.
        let mut world = World::followed(&hub, "hub-1", &Followers::new(true, true)).await;
        let (_, account) = world.person("bank-a").await;
        let told =
            [now(&hub, purchase(account, hub.id(), 1, POSTED, 100, 0)), purchase(account, hub.id(), 1, POSTED, 100, 0)];
        world.send("bank-a", &told).await.unwrap();
        // The other one was bought years ago, and nothing is noted of it.
        assert_eq!(world.count("SELECT count(*) FROM followed_events").await, 2, "{}", hub.engine);
        let next = Followed::open(&hub, "hub-2").await;
        next.done().await;
        assert_eq!(world.count("SELECT count(*) FROM notices").await, 1, "{}", hub.engine);
        next.stop().await;
    })
    .await;
}
