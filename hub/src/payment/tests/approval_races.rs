//! The phone and the terminal answer at once, at one hub and at two: one wins, and money moves once or not at all (S2).

use std::collections::BTreeSet;

use domain::Reason;
use domain::payment::State;
use futures_util::future::join_all;
use proto::cardholder::ApprovalState;
use proto::terminal::PaymentState;
use tonic::Status;

use super::asked::{Customer, PASSWORD, policy, shop};
use super::shop::Shop;
use crate::testing::{on_each_engine, on_postgres};

/// What came of one of those who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Charged,
    Ended,
    TooLate,
}

fn came(answer: Result<bool, Status>) -> Came {
    match answer {
        Ok(true) => Came::Charged,
        Ok(false) => Came::Ended,
        Err(status) => {
            let reason = proto::reason_of(&status).unwrap_or(Reason::Fault);
            let late = [Reason::NotAwaitingCode, Reason::NotCancellable, Reason::TooBusy, Reason::StorageAway];
            assert!(late.contains(&reason), "{reason:?}");
            Came::TooLate
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Approve,
    Type,
    Decline,
    Cancel,
}

/// Before a no or a cancellation `looks` readings: a yes needs some before it comes to the writer, and would never be the first.
async fn act(shop: &Shop, customer: &Customer, id: &str, act: Act, looks: usize) -> Came {
    if let Act::Decline | Act::Cancel = act {
        for _ in 0..looks {
            shop.stored(id).await;
        }
    }
    let is_charged = |state: ApprovalState| matches!(state, ApprovalState::Approved | ApprovalState::Pending);
    came(match act {
        Act::Approve => shop.approve(customer, id, PASSWORD).await.map(|(state, _)| is_charged(state)),
        Act::Decline => shop.decline(customer, id).await.map(|(state, _)| is_charged(state)),
        Act::Type => {
            let code = shop.code(id).await;
            let typed = shop.type_in(id, &code, PASSWORD).await;
            typed.map(|payment| matches!(payment.state(), PaymentState::Approved | PaymentState::Pending))
        }
        Act::Cancel => shop.cancel(id).await.map(|payment| payment.state() == PaymentState::Approved),
    })
}

/// Everything at once, in another order each time; the first in the order is not always the one that wins.
async fn race(shops: &[&Shop], customer: &Customer, rounds: usize) -> (usize, usize) {
    let all = [Act::Approve, Act::Type, Act::Decline, Act::Cancel, Act::Approve, Act::Type];
    let (mut charged, first) = (0, shops[0]);
    for round in 0..rounds {
        let (id, moved) = (first.begin(customer, 100).await, first.bank.moved());
        let turn = |n: usize| act(shops[n % shops.len()], customer, &id, all[(n + round) % all.len()], round % 8);
        let acts = (0..all.len()).map(turn);
        let outcomes = join_all(acts.collect::<Vec<_>>()).await;
        let is_paid = outcomes.contains(&Came::Charged);
        assert!(!(is_paid && outcomes.contains(&Came::Ended)), "{outcomes:?}");
        assert!(is_paid || outcomes.contains(&Came::Ended), "somebody wins: {outcomes:?}");
        if is_paid {
            first.until(&id, State::Posted).await;
            charged += 1;
        }
        assert_eq!(first.bank.moved() - moved, if is_paid { 100 } else { 0 }, "{outcomes:?}");
    }
    // A sweeper may ask once more, for the same leg.
    let legs: BTreeSet<String> = first.bank.holds().into_iter().map(|hold| hold.leg_id).collect();
    assert_eq!((legs.len(), first.bank.held()), (charged, 0), "one leg for each");
    (charged, rounds - charged)
}

#[tokio::test]
async fn s2_of_a_yes_a_code_a_no_and_a_cancellation_at_once_one_wins() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let (charged, ended) = race(&[&shop], &customer, 24).await;
        assert!(charged > 0 && ended > 0, "{}: {charged} charged, {ended} ended", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_of_a_yes_at_one_hub_and_a_code_at_another_one_wins() {
    on_postgres(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let other = Shop::replica(&hub, &shop.bank, "hub-2", policy()).await;
        other.sweep();
        race(&[&shop, &other], &customer, 24).await;
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_the_same_yes_a_hundred_times_at_once_is_one_leg_and_charged_once() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        let id = shop.begin(&customer, 1_250).await;
        let request = customer.sign(&shop.text(&id).await, PASSWORD);
        let answers = join_all((0..100).map(|_| shop.send(&customer, request.clone()))).await;
        for answer in answers {
            let (state, _) = answer.unwrap();
            assert!(matches!(state, ApprovalState::Approved | ApprovalState::Pending), "{state:?}");
        }
        shop.until(&id, State::Posted).await;
        assert_eq!((shop.bank.moved(), shop.bank.holds().len()), (1_250, 1), "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn s2_a_yes_that_races_the_end_of_its_code_is_charged_or_expired_and_never_both() {
    on_each_engine(async |hub| {
        let (shop, customer) = shop(&hub).await;
        shop.sweep();
        let mut ended = 0;
        for _ in 0..20 {
            let (id, moved) = (shop.begin(&customer, 100).await, shop.bank.moved());
            let text = shop.text(&id).await;
            let sql = "UPDATE payments SET code_expires_at = created_at, due_at = created_at, version = version + 1 \
                       WHERE state = 'CHALLENGED'";
            let (answer, ()) =
                tokio::join!(shop.send(&customer, customer.sign(&text, PASSWORD)), shop.change(sql, Vec::new()));
            let is_paid = came(answer.map(|(state, _)| state != ApprovalState::Declined)) == Came::Charged;
            let state = if is_paid { State::Posted } else { State::Expired };
            shop.until(&id, state).await;
            ended += i64::from(!is_paid);
            assert_eq!(shop.bank.moved() - moved, if is_paid { 100 } else { 0 });
        }
        assert_eq!(shop.count_in("EXPIRED").await, ended, "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}
