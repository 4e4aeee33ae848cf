//! A bank's offer finds its person through the hub, once, although the hub is killed between match and delivery; and what a bank and an
//! operator are told under consents.

use std::collections::BTreeSet;
use std::time::Duration;

use bankhub::operator::Counter;
use bankhub::operator::ask::{HabitsArgs, HabitsPurposeWord, PaymentsArgs, RecordFieldWord, RecordsPurposeWord};
use bankhub::phone::Agreed;
use domain::credit_history::{Asker, Field, Fields, Purpose};
use domain::{BankId, Currency, Money, OfferId, OperatorId, PaymentId, Reason, Timestamp};
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use proto::cardholder::Topic;
use proto::cardholder::event::Kind;
use proto::{common, counter};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

const DAY_MICROS: i64 = 86_400_000_000;

fn new_id() -> uuid::Uuid {
    IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap()
}

/// A consent for a day.
fn agreed(asker: Asker, purpose: Purpose, fields: Fields) -> Agreed {
    Agreed { asker, purpose, fields, lasts: Duration::from_hours(24) }
}

fn bank() -> BankId {
    BankId::parse("bank-a").unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    Timestamp::from_micros(SystemClock.now().micros() - days * DAY_MICROS)
}

/// Tea for 30.00, so many days ago, which another network carried.
async fn buys(counter: &Counter, payer: &Payer, days: i64) {
    let tea =
        common::LineItem { name: "Tea".to_owned(), code: String::new(), quantity_milli: 1_000, amount_minor: 3_000 };
    let charge = counter::NetworkCharge {
        purchase_id: PaymentId::from_uuid(new_id()).to_string(),
        payer: Some(counter::network_charge::Payer::AccountId(payer.person.account.to_string())),
        nature: common::Nature::Purchase.into(),
        amount: Some(proto::to_money(Money::new(Currency::CNY, 3_000))),
        occurred_at: Some(proto::to_timestamp(days_ago(days))),
        seller: Some(counter::NetworkSeller {
            merchant_code: "tea-7".to_owned(),
            display_name: "Tea House".to_owned(),
            category_code: "5814".to_owned(),
            terminal_code: "pos-1".to_owned(),
            place: "Shanghai, Huaihai Road 3".to_owned(),
            location: None,
        }),
        items: vec![tea],
    };
    counter.post_offline_charge(charge).await.unwrap();
}

/// To whoever has bought twice at such shops in four weeks.
fn filing() -> common::OfferFiling {
    let words = |en: &str, zh: &str| Some(common::Wording { text_en: en.to_owned(), text_zh: zh.to_owned() });
    common::OfferFiling {
        offer_id: OfferId::from_uuid(new_id()).to_string(),
        title: words("5 % back on tea", "茶饮返现5%"),
        text: words("Pay with our card this month.", "本月刷卡消费。"),
        rule: Some(common::OfferRule {
            target: "code:5814".to_owned(),
            within_days: 28,
            least_count: Some(2),
            ..common::OfferRule::default()
        }),
        valid_from: Some(proto::to_timestamp(days_ago(0))),
        valid_until: Some(proto::to_timestamp(days_ago(-7))),
        budget: 10,
    }
}

/// Waits for the charges and gives how many offers were told of by then.
async fn heard(payer: &Payer, charges: usize, offers: usize) -> usize {
    let mut feed = payer.person.device.follow(0);
    let (mut charged, mut offered) = (0, 0);
    bounded("charges and offers", World::HEALING, async {
        while charged < charges || offered < offers {
            match feed.next().await.unwrap().kind.unwrap() {
                Kind::Charge(_) => charged += 1,
                Kind::News(news) if news.topic() == Topic::Offer => offered += 1,
                _ => {}
            }
        }
    })
    .await;
    offered
}

async fn killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("offers.look_every", "200ms").start().await;
    let payer = world.payer("bank-a", 100_000).await;
    payer.person.device.agree_to_offers(BTreeSet::from([bank()]), 5).await.unwrap();
    // The counter is found through the hub, which will be away.
    let counter = world.counter("bank-a").await;
    let filed = counter.file_offer(filing()).await.unwrap();
    let offer = OfferId::parse(&filed.filing.unwrap().offer_id).unwrap();
    world.federation.operator().unwrap().start_offer(offer).await.unwrap();
    world.arm("hub-1", point, 1).await;
    for _ in 0..3 {
        buys(&counter, &payer, 0).await;
    }
    world.rise_again("hub-1").await;
    assert_eq!(heard(&payer, 3, 1).await, 1, "{point}");
    // One more purchase is one more look.
    buys(&counter, &payer, 0).await;
    assert_eq!(heard(&payer, 4, 1).await, 1, "{point}");
    let got = payer.person.device.offers().await.unwrap();
    assert_eq!(got.len(), 1, "{point}");
    assert!(got[0].because_en.ends_with("purchases"), "{}", got[0].because_en);
    let (told, accepted) = world.counter("bank-a").await.offer(offer).await.unwrap();
    assert_eq!((told.delivered_at_least, accepted.len()), (0, 0), "{point}: the bank hears of nobody");

    payer.person.device.accept_offer(&got[0].accept_as_customer).await.unwrap();
    let (told, accepted) = world.counter("bank-a").await.offer(offer).await.unwrap();
    assert_eq!(told.accepted_count, 1, "{point}");
    assert_eq!(accepted[0].account_ids, [payer.person.account.to_string()], "{point}");
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let store = world.open("hub-1").await;
    assert_eq!(hub::check_books(&store).await.unwrap().faults, Vec::<String>::new(), "{point}");
    store.close().await;
    world.forget().await;
}

kill! {
    r5_a_hub_killed_between_match_and_delivery_delivers_once: "offer.matched";
    r5_a_hub_killed_before_a_delivery_is_durable_delivers_once: "offer.before";
    r5_a_hub_killed_after_a_delivery_is_durable_delivers_once: "offer.after";
}

#[tokio::test]
async fn r5_m9_a_bank_is_given_totals_and_an_operator_purchases_under_consents_and_the_person_hears_of_each() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    for _ in 0..6 {
        buys(&world.counter("bank-a").await, &payer, 14).await;
    }
    heard(&payer, 6, 0).await;
    let operator = world.federation.operator().unwrap();
    let phone = &payer.person.device;

    let habits = Fields::new([Field::Habits]).unwrap();
    let consent = phone.allow(agreed(Asker::Bank(bank()), Purpose::Offers, habits)).await.unwrap();
    let asked = HabitsArgs {
        bank: bank(),
        phone: domain::PhoneNumber::parse(payer.number()).unwrap(),
        name: "Wang Xiaoming".to_owned(),
        consent,
        purpose: HabitsPurposeWord::Offers,
        id: None,
    };
    let counter = world.counter("bank-a").await;
    let told = counter.habits(&asked).await.unwrap().habits.unwrap();
    let groups: Vec<_> = told.totals.iter().filter(|total| total.slice.starts_with("group:")).collect();
    assert_eq!(groups.iter().map(|total| total.count_at_least).collect::<Vec<_>>(), [5], "{told:?}");
    let wrong = HabitsArgs { name: "Wang Daming".to_owned(), ..asked };
    assert_eq!(counter.habits(&wrong).await.unwrap_err().reason(), Some(Reason::InquiryUnanswered));

    let fields = Fields::new([Field::Amounts]).unwrap();
    let me = OperatorId::parse(bankhub::trial::OPERATOR).unwrap();
    let consent = phone.allow(agreed(Asker::Operator(me), Purpose::Dispute, fields)).await.unwrap();
    let mut asked = PaymentsArgs {
        person: payer.person.id,
        consent,
        purpose: RecordsPurposeWord::Dispute,
        fields: vec![RecordFieldWord::Amounts],
        most: 4,
        id: None,
    };
    let found = operator.person_payments(&asked).await.unwrap();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|it| it.merchant.is_none() && it.amount.as_ref().unwrap().minor_units == 3_000));
    asked.consent = domain::ConsentId::from_uuid(new_id());
    let refused = operator.person_payments(&asked).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::ConsentRequired));

    // The consents, and the inquiries that were about this person.
    let mut feed = phone.follow(0);
    let mut inquiries = 0;
    until("what the person is told", World::HEALING, async || {
        if let Kind::News(news) = feed.next().await.unwrap().kind.unwrap() {
            inquiries += usize::from(news.topic() == Topic::Inquiry);
        }
        (inquiries == 3).then_some(())
    })
    .await;
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let store = world.open("hub-1").await;
    assert_eq!(hub::check_books(&store).await.unwrap().faults, Vec::<String>::new());
    store.close().await;
    world.forget().await;
}
