//! SIGTERM: what is under way is finished, streams end, the process leaves with success, and nobody has to wait for it.

use std::time::Duration;

use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use proto::terminal::{PaymentState, WatchPaymentRequest};
use rustix::process::{Pid, Signal, kill_process};
use server_kit::clock::Stopwatch;

#[tokio::test]
async fn a_hub_that_is_told_to_stop_answers_what_it_has_begun_and_leaves_with_success() {
    let mut world = Setup::on(Engine::Sqlite).interposed().with("banks.timeout", "3s").start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (id, code) = till.begin(&payer, fen(1_000)).await;
    // A phone and a terminal have streams open, and one payment is at its bank, which is slow.
    let (watched, _) = till.begin(&payer, fen(1)).await;
    let watching = WatchPaymentRequest { payment_id: watched };
    let mut stream = till.client.clone().watch_payment(watching).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    let relay = world.relay("bank-a").clone();
    relay.hold_back();
    let attempt = till.new_id();
    let paying = till.authorize(&id, &attempt, &code, payer.password());
    let stopping = async {
        let reached = async || world.states().await.contains_key("HOLDING").then_some(());
        federation_tests::wait::until("the bank to be asked", World::HEALING, reached).await;
        let stopping = async { world.server("hub-1").stop().await.unwrap() };
        let healing = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            relay.let_pass();
        };
        tokio::join!(stopping, healing);
    };
    let (answer, ()) = bounded("the drain", World::HEALING, Box::pin(async { tokio::join!(paying, stopping) })).await;
    assert_eq!(answer.unwrap().state(), PaymentState::Approved);
    let ended = bounded("the end of the stream", World::HEALING, stream.message()).await;
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
    world.server("hub-1").start().await.unwrap();
    assert_eq!(world.settled().await.charged_minor(), 1_000);
}

#[tokio::test]
async fn a_hub_that_is_told_twice_stops_at_once() {
    let mut world = Setup::on(Engine::Sqlite).interposed().with("banks.timeout", "20s").start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (id, code) = till.begin(&payer, fen(1_000)).await;
    world.relay("bank-a").hold_back();
    let attempt = till.new_id();
    let paying = till.authorize(&id, &attempt, &code, payer.password());
    let stopping = async {
        let reached = async || world.states().await.contains_key("HOLDING").then_some(());
        federation_tests::wait::until("the bank to be asked", World::HEALING, reached).await;
        let hub = world.server("hub-1");
        let process = i32::try_from(hub.process_id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
        let time = Stopwatch::start();
        kill_process(process, Signal::TERM).unwrap();
        // Two signals of one kind that come together are one.
        tokio::time::sleep(Duration::from_millis(200)).await;
        kill_process(process, Signal::TERM).unwrap();
        hub.wait_gone().await.unwrap();
        assert!(time.elapsed() < Duration::from_secs(3), "it took {:?}", time.elapsed());
    };
    let (answer, ()) = tokio::join!(paying, stopping);
    assert!(answer.is_err(), "{answer:?}");
    world.relay("bank-a").let_pass();
    world.server("hub-1").start().await.unwrap();
    till.outcome(&id).await;
    world.settled().await;
}

#[tokio::test]
async fn a_bank_that_is_told_to_stop_keeps_what_it_holds_and_goes_on_with_it() {
    let mut world = Setup::on(Engine::Sqlite).with("payments.decide_within", "10s").start().await;
    let payer = world.payer("bank-a", 10_000).await;
    let till = world.till("till-1");
    let paying = async {
        let mut paid = 0;
        for _ in 0..8 {
            let payment = till.pay(&payer, fen(500)).await;
            paid += i64::from(payment.state() == PaymentState::Approved) * 500;
        }
        paid
    };
    let restarting = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let bank = world.server("bank-a");
            bank.stop().await.unwrap();
            bank.start().await.unwrap();
        }
    };
    let (paid, ()) = tokio::join!(paying, restarting);
    assert!(paid > 0);
    assert_eq!(world.settled().await.charged_minor(), paid);
}
