//! Habits follow the record, on both engines.

use domain::habit::{Facet, Observation, Row};
use domain::record::PurchaseFilter;

use super::*;
use crate::records::testing::{HELD, POSTED, REVERSED, World, purchase};
use crate::testing::{TestHub, on_each_engine};

async fn habits(hub: &TestHub) -> Habits {
    let owner = Arc::new(Owner::take(&hub.store, "hub-9", hub.id()).await.unwrap());
    Habits::start(hub.store.clone(), owner, TimeZone::UTC).0
}

async fn rows(habits: &Habits, world: &World, person: PersonId) -> (Vec<Row>, Date) {
    let on = habits.of(person, world.hub.clock().now()).await.unwrap().unwrap();
    (on.habits.rows().cloned().collect(), on.today)
}

/// The habits of the record as it stands, without what was counted before.
async fn reckoned(world: &World, person: PersonId, today: Date) -> Vec<Row> {
    let mut all = PersonsHabits::default();
    for purchase in world.record(person).await {
        if let Some(seen) = Observation::of(&purchase, &TimeZone::UTC).unwrap() {
            all.add(&seen, today).unwrap();
        }
    }
    all.rows().cloned().collect()
}

#[tokio::test]
async fn r4_habits_are_counted_purchase_by_purchase_and_taken_back_with_it() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let habits = habits(&hub).await;
        let (person, account) = world.person("bank-a").await;
        assert_eq!(rows(&habits, &world, person).await.0, []);
        let id = hub.id();
        let of_shop = |rows: &[Row]| {
            let shop = rows.iter().find(|row| row.key.facet() == Facet::Merchant);
            shop.map(|row| (row.key.to_string(), row.total.count, row.total.sum_minor))
        };
        for (version, state, back, wanted) in [
            (1, HELD, 0, Some(("ext-tea-7".to_owned(), 1, 10_000))),
            (2, POSTED, 0, Some(("ext-tea-7".to_owned(), 1, 10_000))),
            (3, POSTED, 2_500, Some(("ext-tea-7".to_owned(), 1, 7_500))),
            (4, REVERSED, 2_500, None),
        ] {
            world.send("bank-a", &[purchase(account, id, version, state, 10_000, back)]).await.unwrap();
            let (rows, today) = rows(&habits, &world, person).await;
            assert_eq!(of_shop(&rows), wanted, "{} {version}", hub.engine);
            assert_eq!(rows, reckoned(&world, person, today).await);
        }
    })
    .await;
}

#[tokio::test]
async fn r4_habits_equal_those_reckoned_from_the_whole_record_whenever_they_are_asked_for() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let habits = habits(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let ids: Vec<_> = (0..40).map(|_| hub.id()).collect();
        for round in 0..30_usize {
            world.past.happen(&[person], 1 + round % 5).await;
            let report = |n: usize, version: i64, state, back| {
                purchase(account, ids[(round + n) % 40], version, state, 1_000 + n as i64, back)
            };
            let version = 1 + i64::try_from(round / 10).unwrap() * 2;
            let told = [report(0, version, POSTED, 0), report(3, version + 1, POSTED, 30), report(7, 9, REVERSED, 0)];
            world.send("bank-a", &told).await.unwrap();
            if round % 7 == 0 {
                let (rows, today) = rows(&habits, &world, person).await;
                assert_eq!(rows, reckoned(&world, person, today).await, "{} {round}", hub.engine);
            }
        }
        let (rows, today) = rows(&habits, &world, person).await;
        assert_eq!(rows, reckoned(&world, person, today).await, "{}", hub.engine);
        assert!(rows.len() >= 6, "{rows:?}");
    })
    .await;
}

#[tokio::test]
async fn r4_a_long_record_is_counted_in_steps_and_by_two_replicas_at_once() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let one = habits(&hub).await;
        let owner = Arc::new(Owner::take(&hub.store, "hub-8", hub.id()).await.unwrap());
        let other = Habits::start(hub.store.clone(), owner, TimeZone::UTC).0;
        let (person, account) = world.person("bank-a").await;
        for _ in 0..8 {
            let some: Vec<_> = (0..150).map(|n| purchase(account, hub.id(), 1, POSTED, 100 + n, 0)).collect();
            world.send("bank-a", &some).await.unwrap();
        }
        let (first, second) = tokio::join!(one.catch_up(person), other.catch_up(person));
        assert_eq!((first.unwrap(), second.unwrap()), (Ok(()), Ok(())), "{}", hub.engine);
        let (rows, today) = rows(&one, &world, person).await;
        assert_eq!(rows, reckoned(&world, person, today).await, "{}", hub.engine);
        assert_eq!(world.record_of(person, &PurchaseFilter::default()).await.len(), 1_200);
    })
    .await;
}
