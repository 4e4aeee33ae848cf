//! Money that comes back: refunds in parts, and reversals, which a terminal stores and forwards.

use std::time::Duration;

use bankhub::terminal::{Order, PaymentState as Told, Proof, TerminalError};
use domain::{Currency, Money, PaymentId, Reason};
use federation_tests::databases::Engine;
use federation_tests::interposed::{Call, Moment};
use federation_tests::payer::another_code;
use federation_tests::till::fen;
use federation_tests::world::Setup;
use futures_util::future::join_all;
use proto::terminal::PaymentState;

use crate::{reason, refused};

const BALANCE: i64 = 50_000;

#[tokio::test]
async fn r3_refunds_are_several_and_together_at_most_the_payment() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let world = Setup::on(engine).start().await;
        let (till, payer) = (world.till("till-1"), world.payer("bank-a", BALANCE).await);
        let payment = till.sell(&payer, fen(10_000)).await;
        for (part, left) in [(2_500, 7_500), (1, 7_499), (499, 7_000)] {
            let refund = till.give_back(&payment, fen(part)).await;
            assert_eq!(refund.state(), PaymentState::Approved);
            assert_eq!(refund.refund_of_payment_id, payment);
            assert_eq!(till.get(&payment).await.unwrap().refunded_minor, 10_000 - left);
        }
        assert_eq!(refused(till.refund(&till.new_id(), &payment, fen(7_001)).await), Reason::RefundTooLarge);
        assert_eq!(refused(till.reverse(&payment, fen(10_000)).await), Reason::NotReversible);
        // Ten terminals' worth of haste for what is left once.
        let last: Vec<String> = (0..10).map(|_| till.new_id()).collect();
        let asked = join_all(last.iter().map(|id| till.refund(id, &payment, fen(7_000)))).await;
        let (good, bad): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
        assert_eq!((good.len(), bad.len()), (1, 9));
        assert!(bad.into_iter().all(|answer| refused(answer) == Reason::RefundTooLarge));
        assert_eq!(
            till.outcome(&good.into_iter().next().unwrap().unwrap().payment_id).await.state(),
            PaymentState::Approved
        );
        assert_eq!(world.available(&payer).await, BALANCE);
        assert_eq!(world.settled().await.charged_minor(), 0);
    }
}

#[tokio::test]
async fn a_refund_of_what_was_never_paid_is_refused() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let payer = world.payer("bank-a", BALANCE).await;
    let (waiting, code) = till.begin(&payer, fen(100)).await;
    let paid = till.sell(&payer, fen(100)).await;
    let refund = till.refund(&till.new_id(), &paid, fen(40)).await.unwrap().payment_id;
    for (payment, amount, by, expected) in [
        (till.new_id(), fen(1), &till, Reason::PaymentUnknown),
        (waiting.clone(), fen(1), &till, Reason::NotRefundable),
        (refund, fen(1), &till, Reason::NotRefundable),
        (paid.clone(), fen(1), &other, Reason::PaymentUnknown),
        (paid.clone(), fen(0), &till, Reason::AmountNotPositive),
        (paid.clone(), fen(i64::MIN), &till, Reason::AmountNotPositive),
        (paid.clone(), fen(i64::MAX), &till, Reason::AmountTooLarge),
        (
            paid.clone(),
            proto::common::Money { currency_code: "USD".into(), minor_units: 1 },
            &till,
            Reason::CurrencyMismatch,
        ),
    ] {
        let answer = by.refund(&by.new_id(), &payment, amount.clone()).await;
        assert_eq!(refused(answer), expected, "{amount:?} of {payment}");
    }
    assert_eq!(refused(till.refund(&paid, &paid, fen(1)).await), Reason::PaymentIdTaken);
    till.authorize(&waiting, &till.new_id(), &another_code(&code), payer.password()).await.unwrap();
    till.cancel(&waiting).await.unwrap();
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (3, 60));
}

#[tokio::test]
async fn a_reversal_is_refused_above_the_amount_and_from_another_terminal_and_gives_back_once() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let payer = world.payer("bank-a", BALANCE).await;
    let payment = till.sell(&payer, fen(9_900)).await;
    for (amount, by, expected) in [
        (fen(9_901), &till, Reason::ReversalAmountMismatch),
        (fen(9_899), &till, Reason::ReversalAmountMismatch),
        (fen(0), &till, Reason::AmountNotPositive),
        (
            proto::common::Money { currency_code: "USD".into(), minor_units: 9_900 },
            &till,
            Reason::ReversalAmountMismatch,
        ),
        (fen(9_900), &other, Reason::PaymentUnknown),
    ] {
        assert_eq!(refused(by.reverse(&payment, amount.clone()).await), expected, "{amount:?}");
    }
    let twice = join_all((0..2).map(|_| till.reverse(&payment, fen(9_900)))).await;
    assert!(twice.into_iter().all(|answer| answer.unwrap().state() == PaymentState::Reversed));
    assert_eq!(till.reverse(&payment, fen(9_900)).await.unwrap().state(), PaymentState::Reversed);
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn a_reversal_of_an_unknown_payment_is_remembered_and_the_payment_is_refused_when_it_comes() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, other) = (world.till("till-1"), world.till("till-2"));
    let payer = world.payer("bank-a", BALANCE).await;
    let id = till.new_id();
    assert_eq!(till.take_back(&id, fen(500)).await.state(), PaymentState::Reversed);
    let late = till.create(&id, &payer, fen(500)).await.unwrap();
    assert_eq!((late.state(), reason(&late)), (PaymentState::Reversed, "REVERSED_BEFORE_APPROVAL"));
    assert_eq!(refused(other.create(&id, &payer, fen(500)).await), Reason::PaymentIdTaken);
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.legs.len()), (1, 0));
}

#[tokio::test]
async fn m6_a_terminal_that_gives_up_stores_its_reversal_and_forwards_it_when_the_hub_is_back() {
    let mut world = Setup::on(Engine::Sqlite).interposed().with("payments.decide_within", "20s").start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let hasty = |world: &federation_tests::world::World| {
        let short = |options| bankhub::terminal::TerminalOptions {
            call_timeout: Duration::from_secs(1),
            patience: Duration::from_secs(2),
            ..options
        };
        world.federation.terminal_with("till-1", short).unwrap()
    };
    let terminal = hasty(&world);
    let order = Order::new(payer.person.phone.clone(), Money::new(Currency::CNY, 3_300));
    let begun = terminal.begin(&order).await.unwrap();
    let proof = Proof::new(&payer.code(&begun.id.to_string()).await, payer.password());
    // The bank does not answer, and before the terminal has given up the hub is gone as well.
    world.relay("bank-a").hold_back();
    let (outcome, killed) = tokio::join!(terminal.authorize(begun.id, &proof), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.server("hub-1").kill().await
    });
    killed.unwrap();
    assert!(matches!(outcome, Err(TerminalError::Unknown { payment_id }) if payment_id == begun.id), "{outcome:?}");
    drop(terminal);
    world.relay("bank-a").let_pass();
    world.server("hub-1").start().await.unwrap();
    let terminal = hasty(&world);
    assert!(terminal.open_payments().iter().any(|(id, open)| *id == begun.id && open.reversal_owed));
    assert_eq!(terminal.flush().await.unwrap().settled, [begun.id]);
    assert!(terminal.open_payments().is_empty());
    let told: Told = world_outcome(&world, begun.id).await;
    assert!(matches!(told, Told::Declined | Told::Reversed), "{told}");
    assert_eq!(world.settled().await.charged_minor(), 0);
}

async fn world_outcome(world: &federation_tests::world::World, id: PaymentId) -> Told {
    match world.till("till-1").outcome(&id.to_string()).await.state() {
        PaymentState::Declined => Told::Declined,
        PaymentState::Reversed => Told::Reversed,
        _ => Told::Approved,
    }
}

#[tokio::test]
async fn m6_an_answer_that_is_lost_is_asked_for_again_and_nobody_pays_twice() {
    let world = Setup::on(Engine::Sqlite).interposed().with("banks.tries", "1").start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let terminal = world.federation.terminal("till-1").unwrap();
    let order = Order::new(payer.person.phone.clone(), Money::new(Currency::CNY, 1_200));
    world.scissors("bank-a").cut_at(Call::Hold, Moment::After);
    let ask = async |payment: &bankhub::terminal::Payment| {
        Some(Proof::new(&payer.code(&payment.id.to_string()).await, payer.password()))
    };
    let paid = terminal.pay(&order, ask).await.unwrap();
    assert_eq!(paid.state, Told::Approved);
    assert!(terminal.open_payments().is_empty());
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (1, 1_200));
}
