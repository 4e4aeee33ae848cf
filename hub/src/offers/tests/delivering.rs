//! Who gets an offer, when, and what its bank learns.

use super::*;

#[tokio::test]
async fn r5_an_offer_comes_to_who_agreed_and_buys_so_and_its_bank_hears_of_nobody_until_the_person_accepts() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, stranger) = (world.person().await, world.person().await);
        world.agrees(&person, 3).await;
        world.buys(&person, 2).await;
        world.buys(&stranger, 5).await;
        let id = world.runs(world.filing(3, 100)).await;
        world.sweep().await;
        assert!(world.got(&person).await.is_empty(), "{}: two are too few", hub.engine);

        world.buys(&person, 1).await;
        world.buys(&stranger, 1).await;
        assert_eq!(world.count("SELECT count(*) FROM offer_looks").await, 1, "{}: of who agreed", hub.engine);
        world.sweep().await;
        assert_eq!(world.count("SELECT count(*) FROM offer_looks").await, 0, "{}", hub.engine);
        for _ in 0..3 {
            world.offers.look(person.id).await.unwrap();
            world.offers.look(stranger.id).await.unwrap();
        }
        let got = world.got(&person).await;
        assert_eq!(got.len(), 1, "{}", hub.engine);
        assert_eq!(got[0].because_en, "Fast food, last 28 days: 3 purchases");
        assert!(got[0].because_zh.contains("消费3次"), "{}", got[0].because_zh);
        let news = world.news(&person).await;
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].subject, id.uuid());
        assert!(news[0].english.starts_with("The bank-a offers you: 5 % back on tea."), "{}", news[0].english);
        assert!(world.got(&stranger).await.is_empty() && world.news(&stranger).await.is_empty());
        let (offer, acceptances) = world.told(id).await;
        assert_eq!((offer.delivered_at_least, offer.accepted_count, acceptances.len()), (0, 0, 0));

        let accepted = world.send_acceptance(&person, &got[0].accept_as_customer).await.unwrap();
        assert_eq!(accepted.answer(), phone_pb::OfferAnswer::Accepted);
        world.send_acceptance(&person, &got[0].accept_as_customer).await.unwrap();
        let (offer, acceptances) = world.told(id).await;
        let shown = common::OfferAcceptance {
            account_ids: vec![person.account.to_string()],
            ..common::OfferAcceptance::default()
        };
        assert_eq!((offer.accepted_count, acceptances), (1, vec![shown]));
        assert_eq!(reason(world.declines(&person, id).await), Reason::OfferAccepted);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_who_is_no_customer_is_shown_by_name_and_number_and_only_as_he_chose() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = world.person().await;
        world.send_agreement(&person, &world.agreement(&person, "bank-a,bank-b", 3)).await.unwrap();
        world.buys(&person, 3).await;
        let filing = world.filing(3, 10);
        let id = OfferId::parse(&filing.offer_id).unwrap();
        world.file_as("bank-b", filing).await.unwrap();
        world.start(id).await.unwrap();
        world.sweep().await;
        let got = world.got(&person).await;
        assert_eq!(got[0].accept_as_customer, "", "{}: the account is at bank-a", hub.engine);
        let as_customer = got[0].accept_as_contact.replace("CONTACT", "CUSTOMER");
        assert_eq!(reason(world.send_acceptance(&person, &as_customer).await), Reason::NothingToShow);
        world.send_acceptance(&person, &got[0].accept_as_contact).await.unwrap();
        let request = pb::GetOfferRequest { offer_id: id.to_string(), ..pb::GetOfferRequest::default() };
        let told = world.offers.get(bank("bank-b"), &request).await.unwrap().unwrap();
        let shown = &told.acceptances[0];
        assert_eq!((shown.name.as_str(), shown.phone_number.as_str()), ("王小明", NUMBER));
        assert!(shown.account_ids.is_empty());
        let other = world.offers.get(bank("bank-a"), &request).await.unwrap();
        assert_eq!(other.err(), Some(Reason::OfferUnknown), "another bank's offer");
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_nobody_gets_more_a_week_than_wanted_and_the_next_one_when_there_is_room() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = world.person().await;
        world.agrees(&person, 2).await;
        world.buys(&person, 1).await;
        for _ in 0..4 {
            world.runs(world.filing(1, 100)).await;
        }
        world.sweep().await;
        world.offers.look(person.id).await.unwrap();
        assert_eq!(world.got(&person).await.len(), 2, "{}", hub.engine);
        assert_eq!(world.count("SELECT count(*) FROM offer_agreements WHERE look_at IS NOT NULL").await, 1);
        // The week is over: what was put off is due.
        let sql = "UPDATE offer_deliveries SET delivered_at = delivered_at - 7 * 86400000000";
        world.change(sql, Vec::new()).await;
        world.change("UPDATE offer_agreements SET look_at = 0, version = version + 1", Vec::new()).await;
        world.sweep().await;
        assert_eq!(world.got(&person).await.len(), 4, "{}", hub.engine);
        assert_eq!(world.news(&person).await.len(), 4);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_what_is_declined_is_never_seen_again_and_its_bank_hears_nothing_of_it() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = world.person().await;
        world.agrees(&person, 5).await;
        world.buys(&person, 1).await;
        let id = world.runs(world.filing(1, 100)).await;
        world.sweep().await;
        let form = world.got(&person).await[0].accept_as_contact.clone();
        world.declines(&person, id).await.unwrap();
        world.declines(&person, id).await.unwrap();
        world.buys(&person, 3).await;
        world.offers.look(person.id).await.unwrap();
        world.sweep().await;
        assert!(world.got(&person).await.is_empty(), "{}", hub.engine);
        assert_eq!(world.news(&person).await.len(), 1);
        assert_eq!(reason(world.send_acceptance(&person, &form).await), Reason::OfferDeclined);
        let (offer, acceptances) = world.told(id).await;
        assert_eq!((offer.delivered_at_least, offer.accepted_count, acceptances.len()), (0, 0, 0));
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r4_a_purchase_that_was_reversed_counts_for_no_offer() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let person = world.person().await;
        world.agrees(&person, 5).await;
        let ids = world.buys(&person, 3).await;
        let back = world.at_once(purchase(person.account, ids[0], 2, REVERSED, 1_000, 1_000));
        world.records.send("bank-a", &[back]).await.unwrap();
        world.runs(world.filing(3, 100)).await;
        world.sweep().await;
        assert!(world.got(&person).await.is_empty(), "{}", hub.engine);
        world.buys(&person, 1).await;
        world.offers.look(person.id).await.unwrap();
        assert_eq!(world.got(&person).await.len(), 1, "{}", hub.engine);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_who_stops_gets_nothing_more_at_once_and_what_was_withdrawn_between_match_and_delivery_does_not_come() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (one, other) = (world.person().await, world.person().await);
        for person in [&one, &other] {
            world.agrees(person, 5).await;
            world.buys(person, 1).await;
        }
        let id = world.runs(world.filing(1, 100)).await;
        // Both match; then one stops, and the offer is taken back before the other is told.
        let (seen_one, offers) = world.offers.found(one.id).await.unwrap().unwrap();
        assert_eq!(offers, [id]);
        world.stops(&one).await;
        let step = Deliver { person_id: one.id, offers: offers.clone(), seen: Some(seen_one), claimed: None };
        world.offers.step(Step::Deliver(step)).await.unwrap().unwrap();
        assert!(world.got(&one).await.is_empty(), "{}", hub.engine);
        let (seen_other, _) = world.offers.found(other.id).await.unwrap().unwrap();
        assert_eq!(world.withdraw(id).await.unwrap().state(), common::OfferState::Withdrawn);
        let step = Deliver { person_id: other.id, offers, seen: Some(seen_other), claimed: None };
        world.offers.step(Step::Deliver(step)).await.unwrap().unwrap();
        assert!(world.got(&other).await.is_empty(), "{}", hub.engine);
        assert_eq!(world.told(id).await.0.delivered_at_least, 0);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r5_a_bank_never_sees_a_number_below_the_floor_nor_finds_one_as_a_difference() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let id = world.runs(world.filing(1, 100)).await;
        let few = world.runs(world.filing(1, 3)).await;
        let mut seen = Vec::new();
        for _ in 0..11 {
            let person = world.person().await;
            world.agrees(&person, 5).await;
            world.buys(&person, 1).await;
            world.offers.look(person.id).await.unwrap();
            seen.push(world.told(id).await.0.delivered_at_least);
        }
        assert_eq!(seen, [0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10], "{}: whole floors, whenever it is asked", hub.engine);
        let (offer, _) = world.told(few).await;
        // Its budget is spent, which would say to how many it went.
        assert_eq!((offer.state(), offer.delivered_at_least), (common::OfferState::Running, 0));
        assert_eq!(world.count("SELECT delivered FROM offers WHERE state = 'USED_UP'").await, 3);
        world.check().await;
    })
    .await;
}
