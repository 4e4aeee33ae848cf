//! What happens to a person's money reaches the phone, in order, over connections that are cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bankhub::phone::{DeviceKey, Enrolment, Phone};
use bankhub::profile::Link;
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::relay::Relay;
use federation_tests::till::fen;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use proto::cardholder::event::Kind;
use proto::cardholder::{self as pb, Event};
use proto::terminal::PaymentState;
use secrecy::SecretString;

const PAYMENTS: usize = 12;

/// A second phone of the same person, which reaches the hub over a relay.
async fn phone_over(relay: &Relay, world: &World, payer: &Payer) -> Phone {
    let issued = world.federation.operator().unwrap().enrolment_code(payer.person.id).await.unwrap();
    let channel = Link::new(world.federation.name(), &world.stranger()).unwrap().host(&relay.endpoint()).unwrap();
    let enrolment = Enrolment {
        phone: payer.person.phone.clone(),
        code: SecretString::from(issued.enrolment_code),
        transaction_password: None,
    };
    Phone::enrol(channel, DeviceKey::generate().unwrap(), &enrolment).await.unwrap()
}

fn what(event: &Event) -> (&'static str, String, i64) {
    match event.kind.as_ref().unwrap() {
        Kind::PaymentCode(code) => ("CODE", code.payment_id.clone(), code.amount.as_ref().unwrap().minor_units),
        Kind::Charge(charge) => {
            let purchase = charge.purchase.as_ref().unwrap();
            ("CHARGE", purchase.payment_id.clone(), purchase.amount.as_ref().unwrap().minor_units)
        }
        Kind::PurchaseUpdate(update) => {
            let purchase = update.purchase.as_ref().unwrap();
            ("UPDATE", purchase.payment_id.clone(), purchase.amount.as_ref().unwrap().minor_units)
        }
        Kind::News(news) => ("NEWS", news.subject_id.clone(), 0),
        Kind::GiveBack(back) => ("BACK", back.payment_id.clone(), back.amount.as_ref().unwrap().minor_units),
        Kind::SignInCode(code) => ("SIGN_IN_CODE", code.sign_in_id.clone(), 0),
        Kind::ErrandCode(code) => ("ERRAND_CODE", code.errand_id.clone(), 0),
        Kind::PaidIn(paid_in) => ("PAID_IN", paid_in.payment_id.clone(), paid_in.amount.as_ref().unwrap().minor_units),
    }
}

#[tokio::test]
async fn s1_events_reach_the_phone_once_and_in_order_over_connections_that_are_cut() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let world = Setup::on(engine).start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", 1_000_000).await);
        let hub = world.federation.server("hub-1").unwrap().address().unwrap();
        let relay = Relay::start(Some(hub)).await;
        let mut feed = phone_over(&relay, &world, &payer).await.follow(0);
        // The phone's link breaks again and again while payments are made.
        let (relay, over) = (relay.clone(), Arc::new(AtomicBool::new(false)));
        let cutter = tokio::spawn({
            let over = over.clone();
            async move {
                while !over.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    relay.cut();
                }
            }
        });
        let mut expected = Vec::new();
        for n in 0..PAYMENTS {
            let minor = 100 + i64::try_from(n).unwrap();
            let id = till.sell(&payer, fen(minor)).await;
            expected.extend([("CODE", id.clone(), minor), ("CHARGE", id.clone(), minor)]);
            if n % 4 == 0 {
                assert_eq!(till.take_back(&id, fen(minor)).await.state(), PaymentState::Reversed);
                federation_tests::wait::until("the money to be back", World::HEALING, async || {
                    (!world.states().await.contains_key("REVERSING")).then_some(())
                })
                .await;
                expected.push(("BACK", id, minor));
            }
        }
        over.store(true, Ordering::Relaxed);
        cutter.await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < expected.len() {
            let event = bounded("the next event", World::HEALING, feed.next()).await.unwrap();
            assert_eq!(event.sequence, i64::try_from(seen.len()).unwrap() + 1, "no gap, and nothing twice");
            seen.push(what(&event));
        }
        assert_eq!(seen, expected);
        drop(feed);
        world.settled().await;
    }
}

#[tokio::test]
async fn r1_r7_a_charge_at_any_bank_stands_in_the_persons_one_record_and_is_found_there() {
    let world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let operator = world.federation.operator().unwrap();
    let bank_b = domain::BankId::parse("bank-b").unwrap();
    let counter = operator.counter(&bank_b).await.unwrap();
    let opened = counter.open_account("Wang Xiaoming", domain::Currency::CNY, 0).await.unwrap();
    let account = domain::AccountId::parse(&opened.account_id).unwrap();
    counter.deposit(account, domain::Money::new(domain::Currency::CNY, 10_000)).await.unwrap();
    let first = till.sell(&payer, fen(1_111)).await;
    operator.bind_account(payer.person.id, &bank_b, account, true).await.unwrap();
    let second = till.sell(&payer, fen(2_222)).await;
    let page = payer.person.device.payments(10, "").await.unwrap();
    let record: Vec<_> = page
        .purchases
        .iter()
        .map(|purchase| {
            let merchant = purchase.merchant.as_ref().unwrap();
            let amount = purchase.amount.as_ref().unwrap().minor_units;
            assert_eq!((merchant.display_name.as_str(), merchant.category_code.as_str()), ("Noodle House", "5812"));
            assert_eq!((purchase.terminal_id.as_str(), purchase.place.is_empty()), ("till-1", false));
            (purchase.payment_id.clone(), purchase.bank_id.clone(), amount)
        })
        .collect();
    assert_eq!(record, [(second.clone(), "bank-b".to_owned(), 2_222), (first.clone(), "bank-a".to_owned(), 1_111)]);
    found_in_the_record(&payer.person.device, &first, &second).await;
    world.settled().await;
}

/// What a phone asks for the second of two payments by its bank, and for both as sums and as a file.
async fn found_in_the_record(device: &Phone, first: &str, second: &str) {
    let filter = pb::PurchaseFilter { bank_ids: vec!["bank-b".to_owned()], ..Default::default() };
    let request = pb::ListPaymentsRequest { filter: Some(filter), ..Default::default() };
    let found = device.page(request).await.unwrap().purchases;
    assert_eq!(found.iter().map(|purchase| purchase.payment_id.as_str()).collect::<Vec<_>>(), [second]);
    let by_bank = pb::SumPaymentsRequest { group_by: pb::GroupBy::Bank.into(), ..Default::default() };
    let sums = device.sums(by_bank).await.unwrap();
    let sums: Vec<_> =
        sums.iter().map(|sum| (sum.key.as_str(), sum.amount.as_ref().unwrap().minor_units, sum.count)).collect();
    assert_eq!(sums, [("bank-b", 2_222, 1), ("bank-a", 1_111, 1)]);
    let request = pb::ExportPaymentsRequest { filter: None, format: pb::ExportFormat::Ofx.into() };
    let mut file = Vec::new();
    let export = device.export(request, |piece| {
        file.extend_from_slice(piece);
        Ok(())
    });
    export.await.unwrap();
    let file = String::from_utf8(file).unwrap();
    for part in ["<BALAMT>-22.22</BALAMT>", "<BALAMT>-11.11</BALAMT>", first, second] {
        assert_eq!(file.matches(part).count(), 1, "{part}: {file}");
    }
}

/// The first places that somebody hears who begins to listen before everything.
async fn first_heard(phone: &Phone, count: usize) -> Vec<i64> {
    let mut feed = phone.follow(0);
    let mut heard = Vec::new();
    bounded("what was told before", Duration::from_secs(30), async {
        while heard.len() < count {
            heard.push(feed.next().await.unwrap().sequence);
        }
    })
    .await;
    heard
}

#[tokio::test]
async fn s1_whoever_begins_to_listen_while_events_come_hears_everything_from_where_it_says() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let world = Setup::on(engine).start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", 1_000_000).await);
        let phone = &payer.person.device;
        // The stream of this one is open all the time, so whoever comes finds it at the newest event.
        let _listening = phone.follow(0);
        for paid in 0..PAYMENTS {
            let before = 2 * paid;
            let (_, heard) = tokio::join!(till.sell(&payer, fen(100)), first_heard(phone, before));
            let all: Vec<i64> = (1..).take(before).collect();
            assert_eq!(heard, all);
        }
    }
}
