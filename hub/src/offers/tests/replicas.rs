//! Two replicas at once, and one that dies.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn r5_two_replicas_never_deliver_more_than_the_budget_nor_one_person_twice() {
    on_each_engine(async |hub| {
        let mut one = World::open(&hub).await;
        let other = World::replica(&hub, "hub-2").await;
        let mut people = Vec::new();
        for _ in 0..12 {
            let person = one.person().await;
            one.agrees(&person, 1).await;
            one.buys(&person, 1).await;
            people.push(person);
        }
        let first = one.runs(one.filing(1, 7)).await;
        one.runs(one.filing(1, 2)).await;
        let looks = people.iter().flat_map(|person| [one.offers.look(person.id), other.offers.look(person.id)]);
        for done in join_all(looks).await {
            done.unwrap();
        }
        // Nobody has two, since nobody wants more than one a week; both offers are used up by nine people of twelve.
        assert_eq!(one.count("SELECT count(*) FROM offer_deliveries").await, 9, "{}", hub.engine);
        assert_eq!(one.count("SELECT count(DISTINCT person_id) FROM offer_deliveries").await, 9);
        assert_eq!(one.count("SELECT count(*) FROM offers WHERE delivered = budget AND state = 'USED_UP'").await, 2);
        assert_eq!(one.count("SELECT count(*) FROM events WHERE topic = 'OFFER'").await, 9);
        assert_eq!(one.told(first).await.0.delivered_at_least, 5);
        one.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_two_replicas_go_through_those_who_agreed_and_each_gets_a_new_offer_once() {
    on_each_engine(async |hub| {
        let mut one = World::open(&hub).await;
        let other = World::replica(&hub, "hub-2").await;
        for _ in 0..60 {
            let person = one.person().await;
            one.agrees(&person, 1).await;
            one.buys(&person, 1).await;
        }
        one.runs(one.filing(1, 100)).await;
        tokio::join!(one.sweep(), other.sweep());
        one.sweep().await;
        assert_eq!(one.count("SELECT count(*) FROM offer_deliveries").await, 60, "{}", hub.engine);
        assert_eq!(one.count("SELECT count(*) FROM offers WHERE sweep_at IS NOT NULL").await, 0);
        one.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_what_a_replica_had_taken_when_it_died_is_done_by_another_one_after_the_lease() {
    on_each_engine(async |hub| {
        let mut one = World::open(&hub).await;
        let person = one.person().await;
        one.agrees(&person, 1).await;
        one.buys(&person, 1).await;
        one.runs(one.filing(1, 10)).await;
        // A purchase is not taken: whoever comes first looks.
        one.change("DELETE FROM offer_looks", Vec::new()).await;
        // Both are taken, and nothing comes of it.
        assert!(matches!(one.offers.step(Step::ClaimPersons).await, Ok(Ok(Done::ClaimedPersons(it))) if it.len() == 1));
        assert!(matches!(one.offers.step(Step::ClaimOffer).await, Ok(Ok(Done::ClaimedOffer(Some(_))))));
        let other = World::replica(&hub, "hub-2").await;
        other.sweep().await;
        assert!(one.got(&person).await.is_empty(), "{}: it is still taken", hub.engine);
        let lease = "UPDATE offer_agreements SET look_at = look_at - 15000000, version = version + 1";
        one.change(lease, Vec::new()).await;
        one.change("UPDATE offers SET sweep_at = sweep_at - 15000000, version = version + 1", Vec::new()).await;
        other.sweep().await;
        assert_eq!(one.got(&person).await.len(), 1, "{}", hub.engine);
        one.check().await;
    })
    .await;
}
