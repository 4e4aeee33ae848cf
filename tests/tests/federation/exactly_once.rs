//! Servers are killed at every durable point (DESIGN §2) while people pay.

use federation_tests::databases::Engine;
use federation_tests::till::fen;
use federation_tests::world::Setup;
use futures_util::future::join_all;
use proto::terminal::PaymentState;

use crate::reason;

const PAYERS: usize = 4;
const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

/// Four people pay at once; `server` kills itself at `point` with SIGKILL, and is started again. Everybody gets an answer that
/// stands, and what was answered is what the bank did.
async fn killed_at(engine: Engine, server: &str, point: &str) {
    if !engine.is_there() {
        return;
    }
    // Long enough for a process to come back, on a slow machine too.
    let mut world = Setup::on(engine).with("payments.decide_within", "10s").start().await;
    let mut payers = Vec::new();
    for _ in 0..PAYERS {
        payers.push(world.payer("bank-a", BALANCE).await);
    }
    world.arm(server, point, 1).await;
    let till = world.till("till-1");
    let paying = join_all(payers.iter().map(|payer| till.pay(payer, fen(PRICE))));
    let (mut paid, ()) = tokio::join!(paying, world.rise_again(server));
    // The server that has come back takes payments as before.
    paid.extend(join_all(payers.iter().map(|payer| till.pay(payer, fen(PRICE)))).await);
    for payment in &paid {
        let in_time = payment.state() == PaymentState::Approved;
        assert!(in_time || reason(payment) == "DECISION_TIMED_OUT", "{point}: {payment:?}");
    }
    let approved = paid.iter().filter(|payment| payment.state() == PaymentState::Approved).count();
    assert!(approved >= PAYERS, "{point}: of {} payments {approved} were approved", paid.len());
    let ledgers = world.settled().await;
    assert_eq!(ledgers.payments.len(), 2 * PAYERS);
    assert_eq!(ledgers.charged_minor(), PRICE * i64::try_from(approved).unwrap());
}

kill! {
    m6_a_hub_killed_before_it_takes_a_payment_in_charges_once: "hub-1" at "D1.before";
    m6_a_hub_killed_after_it_has_taken_a_payment_in_charges_once: "hub-1" at "D1.after";
    m6_a_hub_killed_before_the_code_is_spent_charges_once: "hub-1" at "D2.before";
    m6_a_hub_killed_after_the_code_is_spent_charges_once: "hub-1" at "D2.after";
    m6_a_hub_killed_before_it_asks_the_bank_charges_once: "hub-1" at "hold.before";
    m6_a_hub_killed_after_the_bank_has_answered_charges_once: "hub-1" at "hold.after";
    m6_a_hub_killed_before_its_commit_point_charges_once: "hub-1" at "D4.before";
    m6_a_hub_killed_after_its_commit_point_charges_once: "hub-1" at "D4.after";
    m6_a_hub_killed_before_it_notes_the_posting_charges_once: "hub-1" at "D6.before";
    m6_a_hub_killed_after_it_has_noted_the_posting_charges_once: "hub-1" at "D6.after";
    m6_a_bank_killed_before_it_holds_charges_once: "bank-a" at "D3.before";
    m6_a_bank_killed_after_it_holds_charges_once: "bank-a" at "D3.after";
    m6_a_bank_killed_before_it_posts_charges_once: "bank-a" at "D5.before";
    m6_a_bank_killed_after_it_has_posted_charges_once: "bank-a" at "D5.after";
}
