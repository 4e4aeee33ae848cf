//! A person freezes what the phone pays with, whoever is away or dies meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use bankhub::phone::Phone;
use bankhub::phone::freezing::name_of;
use domain::freeze::Unfreeze;
use domain::{BankId, Currency, Money, OrderId};
use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::till::{PATIENCE, fen};
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::cardholder::event::Kind;
use proto::cardholder::{FreezeState, Instrument, ListPaymentsRequest, PurchaseFilter};
use proto::common::Nature;
use proto::terminal::{Payment, PaymentState};
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::{IdMaker, SystemRng};

fn order_id() -> OrderId {
    OrderId::from_uuid(IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid().unwrap())
}

fn states(instruments: &[Instrument]) -> Vec<FreezeState> {
    instruments.iter().map(Instrument::freeze_state).collect()
}

/// Waits until everything that the phone pays with is so.
async fn all_are(phone: &Phone, state: FreezeState) {
    let listed = async || {
        let listed = phone.instruments().await.ok()?;
        listed.iter().all(|it| it.freeze_state() == state).then_some(())
    };
    until(&format!("{state:?}"), World::HEALING, listed).await;
}

/// Freezes everything, again and again under one id until it is answered.
async fn freeze(phone: &Phone) -> Vec<Instrument> {
    let order = order_id();
    until("the freeze to be answered", World::HEALING, async || phone.freeze(order, Vec::new()).await.ok()).await
}

async fn unfreeze(payer: &Payer) -> Vec<Instrument> {
    let phone = &payer.person.device;
    let instruments = phone.instruments().await.unwrap().iter().filter_map(name_of).collect();
    let unfreeze = Unfreeze { order_id: order_id(), signed_at: SystemClock.now(), instruments };
    phone.unfreeze(&unfreeze, &payer.person.password).await.unwrap()
}

/// The news of a feed up to now, each with how often it is there.
async fn news(phone: &Phone, wanted: usize) -> BTreeMap<String, usize> {
    let mut feed = phone.follow(0);
    let mut told = BTreeMap::new();
    bounded("the news", PATIENCE, async {
        while told.values().sum::<usize>() < wanted {
            if let Kind::News(news) = feed.next().await.unwrap().kind.unwrap() {
                *told.entry(news.text_en).or_default() += 1;
            }
        }
    })
    .await;
    told
}

async fn away_and_back(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let (payer, till) = (world.payer("bank-a", 100_000).await, world.till("till-1"));
    till.sell(&payer, fen(1_000)).await;

    world.server("bank-a").kill().await.unwrap();
    let frozen = freeze(&payer.person.device).await;
    assert_eq!(states(&frozen), [FreezeState::Freezing], "the bank is away");
    let refused = till.create(&till.new_id(), &payer, fen(1_000)).await.unwrap();
    let reason = refused.refusal.as_ref().map(|refusal| refusal.reason.as_str());
    assert_eq!((refused.state(), reason), (PaymentState::Declined, Some("PAYER_UNAVAILABLE")));

    world.server("bank-a").start().await.unwrap();
    all_are(&payer.person.device, FreezeState::Frozen).await;
    let counter = world.federation.operator().unwrap().counter(&BankId::parse("bank-a").unwrap()).await.unwrap();
    let account = counter.account(payer.person.account).await.unwrap();
    assert!(account.frozen, "at the bank as well");
    counter.deposit(payer.person.account, Money::new(Currency::CNY, 500)).await.unwrap();
    assert_eq!(states(&unfreeze(&payer).await), [FreezeState::Free]);
    // The code before it was sent within the same minute.
    let told = news(&payer.person.device, 4).await;
    assert!(told.values().all(|count| *count == 1) && told.len() == 4, "{told:?}");
    assert_eq!(world.available(&payer).await, 100_000 - 1_000 + 500);
    world.settled().await;
}

#[tokio::test]
async fn f3_f4_a_freeze_holds_at_the_hub_while_the_bank_is_away_and_there_when_it_is_back() {
    away_and_back(Engine::Sqlite).await;
    away_and_back(Engine::Postgres).await;
}

/// Whoever dies, everything is frozen in the end, and the person is told once.
async fn killed_at(engine: Engine, server: &str, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    world.arm(server, point, 1).await;
    let phone = payer.person.device.clone();
    tokio::join!(freeze(&phone), world.rise_again(server));
    all_are(&payer.person.device, FreezeState::Frozen).await;
    let told = news(&payer.person.device, 2).await;
    assert_eq!((told.len(), told.values().sum::<usize>()), (2, 2), "{point}: {told:?}");
    let counter = world.federation.operator().unwrap().counter(&BankId::parse("bank-a").unwrap()).await.unwrap();
    assert!(counter.account(payer.person.account).await.unwrap().frozen, "{point}");
    world.settled().await;
}

kill! {
    f4_a_hub_killed_before_an_order_is_durable_freezes_when_it_is_asked_again: "hub-1" at "F1.before";
    f4_a_hub_killed_after_an_order_is_durable_tells_the_bank: "hub-1" at "F1.after";
    f4_a_hub_killed_before_a_confirmation_is_durable_asks_again: "hub-1" at "F2.before";
    f4_a_hub_killed_after_a_confirmation_is_durable_tells_it_once: "hub-1" at "F2.after";
    f4_a_bank_killed_before_a_freeze_is_durable_is_told_again: "bank-a" at "freeze.before";
    f4_a_bank_killed_after_a_freeze_is_durable_confirms_when_it_is_told_again: "bank-a" at "freeze.after";
}

/// A thousand payments and a freeze at once: what was approved was approved before.
async fn racing(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let setup = Setup::on(engine).with_cards().with("payments.writes_per_terminal_per_second", "2000");
    let world = setup.with("payments.refused_cards_per_terminal_per_minute", "2000").start().await;
    let holder = world.holder(0, "bank-a", 1_000_000, 1_000_000).await;
    let (till, card) = (world.till("till-1"), holder.read(&world.pad("till-1"), Some(PIN)));
    let first = till.with_card(&card, Nature::Purchase, 100).await;
    assert_eq!(first.state(), PaymentState::Approved);
    let payments = (0..1_000).map(|_| {
        let (till, card) = (&till, card.clone());
        async move {
            let id = till.new_id();
            till.insist(async |till| till.card(&id, &card, Nature::Purchase, 100).await).await;
            till.outcome(&id).await
        }
    });
    let freezing = async {
        let under_way = async || {
            let record = holder.device.payments(50, "").await.ok()?;
            (record.purchases.len() >= 40).then_some(())
        };
        until("payments to be under way", World::HEALING, under_way).await;
        holder.device.freeze(order_id(), Vec::new()).await.unwrap()
    };
    let (payments, frozen) = tokio::join!(join_all(payments), freezing);
    all_are(&holder.device, FreezeState::Frozen).await;
    let since = holder.device.instruments().await.unwrap()[0].frozen_since.unwrap();
    assert_eq!(frozen.len(), 1);
    let approved = payments.iter().filter(|payment| payment.state() == PaymentState::Approved).count();
    let declined: Vec<&Payment> = payments.iter().filter(|payment| payment.state() != PaymentState::Approved).collect();
    let why = |payment: &&Payment| payment.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str()).to_owned();
    let reasons: BTreeSet<String> = declined.iter().map(why).collect();
    assert!(declined.iter().all(|payment| payment.state() == PaymentState::Declined), "{declined:?}");
    // A thousand at once may keep a small machine busy for longer than a decision may take.
    assert!(reasons.iter().all(|reason| reason == "CARD_FROZEN" || reason == "DECISION_TIMED_OUT"), "{reasons:?}");
    assert!(reasons.contains("CARD_FROZEN"), "the freeze came after all of them");
    let filter = Some(PurchaseFilter { from_time: Some(since), ..PurchaseFilter::default() });
    let page = ListPaymentsRequest { page_size: 50, filter, ..ListPaymentsRequest::default() };
    assert_eq!(holder.device.page(page).await.unwrap().purchases, [], "approved after {since:?}");
    println!("{engine:?}: {approved} approved, {} declined", declined.len());
    let ledgers = world.settled().await;
    assert_eq!(ledgers.charged_minor(), 100 * (1 + i64::try_from(approved).unwrap()));
}

#[tokio::test]
async fn f4_of_a_thousand_payments_that_race_a_freeze_none_is_approved_after_the_confirmed_time() {
    racing(Engine::Sqlite).await;
    racing(Engine::Postgres).await;
}
