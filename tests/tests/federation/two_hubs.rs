//! Two replicas of the hub on one PostgreSQL: any of them continues any payment.

use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::terminal::PaymentState;

const BALANCE: i64 = 1_000_000;
const PRICE: i64 = 700;

#[tokio::test]
async fn m6_one_payment_sent_a_hundred_times_at_once_to_two_hubs_is_one_payment_with_a_hundred_equal_answers() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let world = Setup::on(Engine::Postgres).with_hubs(2).start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let tills = [world.till_at("till-1", "hub-1"), world.till_at("till-1", "hub-2")];
    let id = tills[0].new_id();
    let create = |n: usize| tills[n % 2].insist(async |till| till.create(&id, &payer, fen(PRICE)).await);
    let created = join_all((0..100).map(create)).await;
    assert_eq!(created[0].state(), PaymentState::AwaitingCode);
    assert!(created.iter().all(|answer| *answer == created[0]), "{created:?}");

    let (code, attempt) = (payer.code(&id).await, tills[0].new_id());
    let hand_in =
        |n: usize| tills[n % 2].insist(async |till| till.authorize(&id, &attempt, &code, payer.password()).await);
    let answers = join_all((0..100).map(hand_in)).await;
    let fine = |state| matches!(state, PaymentState::Pending | PaymentState::Approved);
    assert!(answers.iter().all(|answer| fine(answer.state())), "{answers:?}");
    let outcomes = join_all((0..100).map(|n: usize| tills[n % 2].outcome(&id))).await;
    assert_eq!(outcomes[0].state(), PaymentState::Approved);
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");

    assert_eq!(world.available(&payer).await, BALANCE - PRICE);
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.legs.len(), ledgers.charged_minor()), (1, 1, PRICE));
}

#[tokio::test]
async fn m6_another_hub_carries_on_what_a_killed_one_has_left() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let setup = Setup::on(Engine::Postgres).with_hubs(2).with("payments.decide_within", "10s");
    for point in ["D2.after", "D4.after"] {
        let mut world = setup.clone().start().await;
        let payer = world.payer("bank-a", BALANCE).await;
        world.arm("hub-1", point, 1).await;
        let (dying, living) = (world.till_at("till-1", "hub-1"), world.till_at("till-1", "hub-2"));
        let (id, code) = living.begin(&payer, fen(PRICE)).await;
        dying.authorize(&id, &dying.new_id(), &code, payer.password()).await.expect_err("the hub is dead");
        assert_eq!(living.outcome(&id).await.state(), PaymentState::Approved, "{point}");
        world.rise_again("hub-1").await;
        assert_eq!(dying.outcome(&id).await.state(), PaymentState::Approved);
        assert_eq!(world.settled().await.charged_minor(), PRICE);
    }
}

#[tokio::test]
async fn m6_two_hubs_share_what_is_due() {
    if !Engine::Postgres.is_there() {
        return;
    }
    const PAYMENTS: usize = 40;
    let setup = Setup::on(Engine::Postgres).with_hubs(2).with("payments.decide_within", "60s");
    let mut world = setup.with("banks.tries", "1").start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let tills = [world.till_at("till-1", "hub-1"), world.till_at("till-1", "hub-2")];
    let mut waiting = Vec::new();
    for n in 0..PAYMENTS {
        waiting.push(tills[n % 2].begin(&payer, fen(PRICE)).await);
    }
    // Everything is handed in while the bank is away, so that the sweepers have to see it through.
    world.server("bank-a").kill().await.unwrap();
    let hand_in = |(n, (id, code)): (usize, &(String, String))| {
        let (till, id, code) = (&tills[n % 2], id.clone(), code.clone());
        let (attempt, payer) = (till.new_id(), &payer);
        async move { till.insist(async |till| till.authorize(&id, &attempt, &code, payer.password()).await).await }
    };
    join_all(waiting.iter().enumerate().map(hand_in)).await;
    // Each hub has asked once for what was handed in to it; more tries than that are its sweeper's.
    let tried = |hub: &str| {
        let log = std::fs::read_to_string(world.federation.server(hub).unwrap().log()).unwrap();
        log.lines().filter(|line| line.contains("a hold got no answer")).count()
    };
    let both = async || (tried("hub-1") > PAYMENTS / 2 && tried("hub-2") > PAYMENTS / 2).then_some(());
    until("both sweepers to have had their part", World::HEALING, both).await;
    world.server("bank-a").start().await.unwrap();
    for outcome in join_all(waiting.iter().map(|(id, _)| tills[0].outcome(id))).await {
        assert_eq!(outcome.state(), PaymentState::Approved, "{outcome:?}");
    }
    let ledgers = world.settled().await;
    assert_eq!((ledgers.legs.len(), ledgers.charged_minor()), (PAYMENTS, PRICE * i64::try_from(PAYMENTS).unwrap()));
}
