//! Holds and what follows them, across whatever breaks.

use bank_adapter::credit_system::{self, Advice, CreditHold, Kind, OrderKey, Retold, State, StuckKey, StuckPlace};
use domain::Reason;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::config::HumanDuration;
use server_kit::store::testing::{TestDatabase, databases};

use crate::front::cny;
use crate::world::{CASH, LIMIT, World};

async fn holds_and_refunds(mut world: World) {
    world.up().await;
    let (leg, refund) = (world.leg(), world.leg());
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved), "asked for once");
    assert_eq!(world.books().await, (300, 0));
    world.post(leg, 250).await;
    assert_eq!(world.queue(Advice::Refund { leg_id: refund, original_leg_id: leg, amount: cny(50) }).await, Ok(true));
    let repayment = world.leg();
    let repaid = Advice::Repayment { leg_id: repayment, card_id: world.card, amount: cny(20) };
    assert_eq!(world.queue(repaid).await, Ok(true));
    world.acknowledged(leg, Kind::Post).await;
    world.acknowledged(refund, Kind::Refund).await;
    world.acknowledged(repayment, Kind::Repayment).await;
    assert_eq!(world.books().await, (0, 180));
    let (other, cash) = (world.leg(), world.leg());
    assert_eq!(world.hold(other, LIMIT).await, Ok(State::Refused(Reason::InsufficientFunds)));
    let too_much = CreditHold { is_cash: true, ..world.hold_of(cash, CASH + 1) };
    assert_eq!(world.hold_as(too_much).await, Ok(State::Refused(Reason::LimitExceeded)));
    world.end().await;
}

#[tokio::test]
async fn c8_a_hold_is_asked_for_posted_and_refunded_at_the_existing_credit_system() {
    let Some(world) = World::new().await else { return };
    holds_and_refunds(world).await;
}

#[tokio::test]
async fn c8_the_same_with_the_books_in_postgresql() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let Some(world) = World::on(database, "ascii", |_| {}).await else { return };
    holds_and_refunds(world).await;
}

#[tokio::test]
async fn c8_the_numbers_of_messages_wrap_after_999999() {
    let Some(world) = World::new().await else { return };
    world.up().await;
    let mut numbers = Vec::new();
    for _ in 0..4 {
        let leg = world.leg();
        assert_eq!(world.hold(leg, 10).await, Ok(State::Approved));
        numbers.push(world.order(leg, Kind::Hold).await.unwrap().trace.unwrap().stan.number());
    }
    // The sign-on had 999998.
    assert_eq!(numbers, [999_999, 1, 2, 3]);
    world.end().await;
}

/// What a peer does when it breaks; those that begin with `die` kill it.
const BREAKS: [&str; 6] = ["die-before", "die-after", "die-answered", "drop-before", "drop-after", "mute"];

const QUICK: HumanDuration = HumanDuration::from_millis(500);

#[tokio::test]
async fn c8_a_credit_system_that_breaks_in_the_middle_of_a_hold_holds_nothing_that_is_not_used() {
    for how in BREAKS {
        let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
        world.up().await;
        world.issuer.fault("hold", how).await;
        let leg = world.leg();
        let state = world.hold(leg, 300).await.unwrap();
        if how.starts_with("die") {
            world.issuer.is_dead().await;
            world = world.restart_issuer().await;
        }
        if state == State::Approved {
            assert_eq!(how, "die-answered");
            world.post(leg, 300).await;
            world.acknowledged(leg, Kind::Post).await;
            assert_eq!(world.books().await, (0, 300), "{how}");
        } else {
            assert_eq!(state, State::Unanswered, "{how}");
            world.acknowledged(leg, Kind::Void).await;
            assert_eq!(world.books().await, (0, 0), "{how}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn c8_a_credit_system_that_breaks_in_the_middle_of_a_post_or_a_void_does_it_once() {
    for (what, kind, left) in [("post", Kind::Post, (0, 300)), ("void", Kind::Void, (0, 0))] {
        for how in BREAKS {
            let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
            world.up().await;
            let leg = world.leg();
            assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
            world.issuer.fault(what, how).await;
            if kind == Kind::Post {
                world.post(leg, 300).await
            } else {
                world.void(leg).await
            }
            if how.starts_with("die") {
                world.issuer.is_dead().await;
                world = world.restart_issuer().await;
            }
            let order = world.acknowledged(leg, kind).await;
            assert!(order.tries > 1 || how == "die-answered", "{what} {how}: {order:?}");
            assert_eq!(world.books().await, left, "{what} {how}");
            assert_eq!(world.issuer.state().await["effects"][what], 1, "{what} {how}");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn c8_a_hold_that_a_crash_of_the_front_interrupted_is_voided_after_it() {
    for how in ["pass", "park", "drop-before", "die-after"] {
        for database in databases().await {
            let Some(mut world) = World::on(database, "ascii", |config| config.answer_timeout = QUICK).await else {
                return;
            };
            world.up().await;
            world.issuer.fault("hold", how).await;
            let leg = world.leg();
            let _ = world.ask_and_forget(leg, 300).await;
            if how == "die-after" {
                world = world.restart_issuer().await;
            }
            assert_eq!(credit_system::asking(world.store(), SystemClock.now(), 10).await.unwrap().len(), 1);
            let mut world = world.crash().await;
            assert!(credit_system::asking(world.store(), SystemClock.now(), 10).await.unwrap().is_empty());
            world.acknowledged(leg, Kind::Void).await;
            assert_eq!(world.books().await, (0, 0), "{how}");
            world.end().await;
        }
    }
}

#[tokio::test]
async fn c8_what_was_decided_while_the_credit_system_was_away_is_told_after_a_crash_of_the_front() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        let (posted, voided) = (world.leg(), world.leg());
        assert_eq!(world.hold(posted, 300).await, Ok(State::Approved));
        assert_eq!(world.hold(voided, 200).await, Ok(State::Approved));
        for what in ["post", "void"] {
            world.issuer.fault(what, "mute").await;
        }
        world.post(posted, 300).await;
        world.void(voided).await;
        world.issuer.sees("post", 1).await;
        world.issuer.sees("void", 1).await;
        let mut world = world.crash().await;
        let post = world.acknowledged(posted, Kind::Post).await;
        world.acknowledged(voided, Kind::Void).await;
        assert!(post.tries > 1);
        assert_eq!(world.books().await, (0, 300));
        // Told again under the same type and numbers, and marked as told before.
        assert!(world.issuer.seen("0221").await > 0 && world.issuer.seen("0421").await > 0);
        world.end().await;
    }
}

#[tokio::test]
async fn c8_fifty_repeats_of_a_void_release_once() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = HumanDuration::from_millis(50)).await
    else {
        return;
    };
    world.up().await;
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
    // The credit system does it each time, or finds it done, and its answers are lost.
    for _ in 0..51 {
        world.issuer.fault("void", "park").await;
    }
    world.void(leg).await;
    world.acknowledged(leg, Kind::Void).await;
    assert!(world.issuer.seen("0421").await >= 50);
    let state = world.issuer.state().await;
    assert_eq!((&state["effects"]["void"], world.books().await), (&1.into(), (0, 0)));
    world.end().await;
}

#[tokio::test]
async fn c8_a_void_that_comes_before_its_hold_keeps_it_from_holding() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
    world.up().await;
    world.issuer.fault("hold", "mute").await;
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Unanswered));
    let void = world.acknowledged(leg, Kind::Void).await;
    let state = world.issuer.state().await;
    assert_eq!(state["holds"][void.reference.as_str()]["state"], "tombstone");
    world.end().await;
}

#[tokio::test]
async fn c8_a_void_that_the_credit_system_cannot_place_is_told_three_times() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    world.issuer.fault("hold", "drop-before").await;
    for _ in 0..3 {
        world.issuer.fault("void", "refuse 25").await;
    }
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Unanswered));
    assert_eq!(world.acknowledged(leg, Kind::Void).await.tries, 3);
    world.end().await;
}

#[tokio::test]
async fn c8_an_advice_that_is_refused_waits_for_an_operator_and_keeps_what_follows_it() {
    for database in databases().await {
        let Some(mut world) = World::on(database, "ascii", |_| {}).await else { return };
        world.up().await;
        let (leg, refund, voided) = (world.leg(), world.leg(), world.leg());
        assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
        assert_eq!(world.hold(voided, 100).await, Ok(State::Approved));
        // A reversal with another amount than the hold's is none.
        world.set_amount(voided, 99).await;
        world.issuer.fault("post", "refuse 14").await;
        world.void(voided).await;
        world.post(leg, 300).await;
        world.queue(Advice::Refund { leg_id: refund, original_leg_id: leg, amount: cny(300) }).await.unwrap();
        world.reaches(leg, Kind::Post, State::Stuck(Reason::CardUnknown)).await;
        world.reaches(voided, Kind::Void, State::Stuck(Reason::ReversalAmountMismatch)).await;
        let stuck = credit_system::stuck(world.store(), None, 10).await.unwrap();
        assert_eq!(stuck.len(), 2);
        let after = StuckPlace::from_bytes(&StuckPlace::of(&stuck[0]).to_bytes());
        assert_eq!(credit_system::stuck(world.store(), after, 10).await.unwrap(), &stuck[1..], "the next page");
        // Others go on meanwhile.
        let other = world.leg();
        assert_eq!(world.hold(other, 10).await, Ok(State::Approved));
        world.post(other, 10).await;
        world.acknowledged(other, Kind::Post).await;
        assert_eq!(world.issuer.seen("refund").await, 0, "a refund is not told before its charge");
        assert_eq!(world.books().await, (400, 10), "nothing has changed of what was refused");
        world.set_amount(voided, 100).await;
        for advice in stuck {
            let refusal = Some(advice.refusal);
            let StuckKey::Leg(key) = advice.key() else { panic!("{advice:?}") };
            assert_eq!(world.retell(key).await, Ok(Retold { state: State::Waiting, refusal }));
        }
        world.acknowledged(refund, Kind::Refund).await;
        world.acknowledged(voided, Kind::Void).await;
        assert_eq!(world.books().await, (0, 10));
        let nobody = OrderKey { leg_id: world.leg(), kind: Kind::Post };
        assert_eq!(world.retell(nobody).await, Err(Reason::AdviceUnknown));
        world.end().await;
    }
}

#[tokio::test]
async fn c8_an_answer_that_the_system_cannot_decide_now_is_asked_for_again() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    let (leg, away) = (world.leg(), world.leg());
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
    for code in ["91", "96", "68"] {
        world.issuer.fault("post", &format!("refuse {code}")).await;
    }
    world.post(leg, 300).await;
    assert_eq!(world.acknowledged(leg, Kind::Post).await.tries, 4);
    world.issuer.fault("hold", "refuse 96").await;
    assert_eq!(world.hold(away, 300).await, Ok(State::Unanswered));
    world.acknowledged(away, Kind::Void).await;
    assert_eq!(world.books().await, (0, 300));
    world.end().await;
}

#[tokio::test]
async fn c8_many_holds_at_once_over_a_line_that_breaks_now_and_then_leave_both_books_equal() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = QUICK).await else { return };
    world.up().await;
    for (what, how) in [
        ("hold", "pass"),
        ("hold", "drop-after"),
        ("hold", "twice"),
        ("post", "drop-after"),
        ("post", "twice"),
        ("hold", "bad-mac"),
        ("void", "drop-after"),
        ("post", "pass"),
        ("post", "drop-before"),
        ("void", "twice"),
    ] {
        world.issuer.fault(what, how).await;
    }
    let mut posted = 0;
    for round in 0..6 {
        world.up().await;
        let legs: Vec<_> = (0..8).map(|_| world.leg()).collect();
        let holds = legs.iter().map(|leg| world.hold(*leg, 10));
        let states = join_all(holds).await;
        for (at, (leg, state)) in legs.iter().zip(states).enumerate() {
            match state.unwrap() {
                State::Approved if (round + at) % 2 == 0 => {
                    world.post(*leg, 10).await;
                    posted += 10;
                }
                State::Approved => world.void(*leg).await,
                _ => {}
            }
        }
    }
    world.all_told().await;
    assert!(posted > 0);
    assert_eq!(world.books().await, (0, posted));
    world.end().await;
}

/// All of them at once, in order.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut waiting {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if waiting.iter().all(|(_, output)| output.is_some()) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}
