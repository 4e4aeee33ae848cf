//! Somebody without the phone at hand calls the hub over the exchange's wire, and what is bound pays no more until the next call (F2, F4).

use federation_tests::databases::Engine;
use federation_tests::world::{Setup, World};
use proto::terminal::PaymentState;
use tokio::process::Command;

use super::safety_code::{buy, check, set_by_app};

/// A port that was free a moment ago.
async fn port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// What a caller hears who presses these keys.
async fn call(at: &str, caller: &str, keys: &str) -> String {
    let mut command = Command::new(federation_tests::bankhub());
    command.args(["voice", "call", caller, "--at", at, "--keys", keys]);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn by_call(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world: World = Setup::on(engine).with_cards().start().await;
    let at = format!("127.0.0.1:{}", port().await);
    world.set_for_hubs("voice.agi_listen", &at);
    world.restart("hub-1").await;
    let holder = world.holder(0, "bank-a", 100_000, 100_000).await;
    let (till, caller) = (world.till("till-1"), holder.phone.as_e164().to_owned());
    check(&world, &holder).await;
    assert_eq!(set_by_app(&holder, "314159").await, None);
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);

    let heard = call(&at, &caller, "2,1,271828#").await;
    assert!(heard.contains("That was not accepted"), "a wrong code: {heard}");
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);
    let heard = call(&at, &caller, "2,1,314159#").await;
    assert!(heard.contains("Everything is frozen"), "{heard}");
    assert_eq!(buy(&till, &world, &holder).await, (PaymentState::Declined, "CARD_FROZEN".to_owned()));

    let heard = call(&at, "+8613912345678", "2,2,314159#,1").await;
    assert!(heard.contains("That was not accepted"), "another number with the right code: {heard}");
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Declined);
    let heard = call(&at, &caller, "1,2,314159#,1,3").await;
    assert!(heard.contains("已全部解冻"), "{heard}");
    assert_eq!(buy(&till, &world, &holder).await.0, PaymentState::Approved);
    world.settled().await;
}

#[tokio::test]
async fn f2_f4_a_caller_with_the_safety_code_stops_the_money_and_sets_it_free_by_another_call() {
    by_call(Engine::Sqlite).await;
    by_call(Engine::Postgres).await;
}
