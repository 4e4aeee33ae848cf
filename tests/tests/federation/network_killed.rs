//! The hub is killed between the messages of a payment over a link, and at its durable points: one debit, one answer.

use domain::network::Response;
use federation_tests::databases::Engine;
use federation_tests::links::{Stubborn, cny, options};
use federation_tests::world::Setup;
use hub::network::config::DialectName;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

async fn killed_at(engine: Engine, point: &str) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("payments.decide_within", "20s").start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    world.arm("hub-1", point, 1).await;
    let mut stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    let ((first, second, response), ()) =
        tokio::join!(async { stubborn.pay(&payer, cny(PRICE)).await }, world.rise_again("hub-1"));
    assert_eq!(response, Response::Approved, "{point}");
    let fields = stubborn.acquirer().first(&payer.person.phone, cny(PRICE));
    assert_eq!(stubborn.ask(first, &fields).await.response(), Response::CodeSent, "{point}");
    let reversal = stubborn.acquirer().reversal(second, cny(PRICE));
    let named = stubborn.acquirer().name("0420").unwrap();
    assert_eq!(stubborn.ask(named, &reversal).await.response(), Response::Approved, "{point}");
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (1, 0), "{point}");
    let charges = ledgers.legs.iter().filter(|leg| leg.kind == "CHARGE" && leg.state == "POSTED").count();
    assert_eq!(charges, 1, "{point}");
}

/// Between the two messages there is nothing that runs, so the hub is simply killed and started again.
async fn killed_between(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let payer = world.payer("bank-a", BALANCE).await;
    let mut stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    let first = stubborn.acquirer().name("0200").unwrap();
    let fields = stubborn.acquirer().first(&payer.person.phone, cny(PRICE));
    assert_eq!(stubborn.ask(first, &fields).await.response(), Response::CodeSent);
    world.server("hub-1").kill().await.unwrap();
    world.server("hub-1").start().await.unwrap();
    let (_, code) = payer.next_code().await;
    let second = stubborn.acquirer().name("0200").unwrap();
    let fields = stubborn.second(first, &payer, cny(PRICE), &code);
    for _ in 0..3 {
        assert_eq!(stubborn.ask(second, &fields).await.response(), Response::Approved);
    }
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (1, PRICE));
}

macro_rules! kill {
    ($($name:ident: $point:literal;)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Sqlite, $point).await;
            })*
            #[tokio::test]
            async fn m7_a_hub_killed_between_two_messages_charges_once() {
                killed_between(Engine::Sqlite).await;
            }
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                killed_at(Engine::Postgres, $point).await;
            })*
            #[tokio::test]
            async fn m7_a_hub_killed_between_two_messages_charges_once() {
                killed_between(Engine::Postgres).await;
            }
        }
    };
}

kill! {
    m7_a_hub_killed_before_it_has_noted_a_message_charges_once: "D1.before";
    m7_a_hub_killed_after_it_has_noted_a_message_charges_once: "D1.after";
    m7_a_hub_killed_after_a_code_over_a_link_is_spent_charges_once: "D2.after";
    m7_a_hub_killed_after_the_commit_point_of_a_link_s_payment_charges_once: "D4.after";
}
