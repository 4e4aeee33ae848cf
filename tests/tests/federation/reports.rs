//! The hub is killed while a bank reports what another network carried, and while something is done about it.

use std::collections::BTreeSet;

use bankhub::terminal::prices::price;
use domain::{BankId, Currency, Money, PaymentId};
use federation_tests::databases::Engine;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use proto::cardholder::event::Kind;
use proto::{common, counter};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

const CHARGES: usize = 5;

/// Tea for 30.00 a street away from the noodle house.
fn charge(id: PaymentId, account: String) -> counter::NetworkCharge {
    let tea =
        common::LineItem { name: "Tea".to_owned(), code: String::new(), quantity_milli: 1_000, amount_minor: 3_000 };
    counter::NetworkCharge {
        purchase_id: id.to_string(),
        payer: Some(counter::network_charge::Payer::AccountId(account)),
        nature: common::Nature::Purchase.into(),
        amount: Some(proto::to_money(Money::new(Currency::CNY, 3_000))),
        occurred_at: Some(proto::to_timestamp(SystemClock.now())),
        seller: Some(counter::NetworkSeller {
            merchant_code: "tea-7".to_owned(),
            display_name: "Tea House".to_owned(),
            category_code: "5812".to_owned(),
            terminal_code: "pos-1".to_owned(),
            place: "Shanghai, Huaihai Road 3".to_owned(),
            location: Some(common::Location { latitude: 31.211, longitude: 121.461 }),
        }),
        items: vec![tea],
    }
}

/// Whatever dies, each purchase is told once, and once what the noodle house asks for the same.
async fn killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    let tea = price("Tea", Money::new(Currency::CNY, 2_500));
    world.federation.terminal("till-1").unwrap().publish_prices(vec![tea]).await.unwrap();
    world.arm("hub-1", point, 1).await;
    let bank = BankId::parse("bank-a").unwrap();
    let counter = world.federation.operator().unwrap().counter(&bank).await.unwrap();
    let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
    let mut bought = BTreeSet::new();
    for _ in 0..CHARGES {
        let id = PaymentId::from_uuid(ids.uuid().unwrap());
        counter.post_offline_charge(charge(id, payer.person.account.to_string())).await.unwrap();
        bought.insert(id.to_string());
    }
    world.rise_again("hub-1").await;
    let mut feed = payer.person.device.follow(0);
    let (mut charged, mut compared) = (Vec::new(), Vec::new());
    bounded("all that is to be told", World::HEALING, async {
        for place in 1.. {
            let event = feed.next().await.unwrap();
            assert_eq!(event.sequence, place, "{point}: a gap");
            match event.kind.unwrap() {
                Kind::Charge(charge) => charged.push(charge.purchase.unwrap().payment_id),
                Kind::News(news) => compared.push(news.subject_id),
                other => panic!("{point}: {other:?}"),
            }
            if charged.len() >= CHARGES && compared.len() >= CHARGES {
                break;
            }
        }
    })
    .await;
    assert_eq!((charged.len(), compared.len()), (CHARGES, CHARGES), "{point}");
    assert_eq!(BTreeSet::from_iter(charged), bought, "{point}");
    assert_eq!(BTreeSet::from_iter(compared), bought, "{point}");
    let record = payer.person.device.payments(50, "").await.unwrap().purchases;
    assert_eq!(record.len(), CHARGES, "{point}");
    assert_eq!(world.available(&payer).await, 100_000 - 3_000 * CHARGES as i64, "{point}");
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    world.forget().await;
}

kill! {
    r1_a_hub_killed_before_it_has_taken_a_report_in_tells_it_once: "R1.before";
    r1_a_hub_killed_after_it_has_taken_a_report_in_tells_it_once: "R1.after";
    p3_a_hub_killed_before_a_comparison_is_noted_tells_it_once: "follow.before";
    p3_a_hub_killed_after_a_comparison_is_noted_tells_it_once: "follow.after";
}
