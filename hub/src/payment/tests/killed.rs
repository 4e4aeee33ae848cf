//! Card payments whose hub, whose answers or whose bank went away at the worst moment: charged once or not at all.

use std::time::Duration;

use domain::feed::EventKind;
use domain::payment::{NewCardPayment, Policy, State};
use domain::{BankId, LegId, Reason};
use proto::common::Nature;
use proto::federation::LegVerdict;
use proto::terminal as pb;

use super::shop::{Shop, at_once, refusal};
use crate::bank::PresentedCard;
use crate::payment::request::ReadCreateCard;
use crate::payment::steps::Step;
use crate::testing::bank::Play;
use crate::testing::{on_each_engine, on_postgres, reason};

/// Nothing is left of the time to decide as soon as the payment is taken in.
fn no_time() -> Policy {
    Policy { decide_within: Duration::ZERO, ..at_once() }
}

/// D2 alone: the payment is taken in, and its hub dies before it asks the bank.
async fn taken_in(shop: &Shop, request: &pb::CreateCardPaymentRequest) {
    let till = domain::TerminalId::parse("till-1").unwrap();
    let terminal = shop.desk.directory().terminal(&till).await.unwrap().unwrap();
    let read = ReadCreateCard::read(request.clone(), &till).unwrap();
    let fingerprint = read.fingerprint(shop.hub.keys.as_ref()).unwrap();
    let new = NewCardPayment {
        id: read.id,
        terminal,
        fingerprint,
        nature: read.nature,
        amount: read.amount,
        items: read.items,
        reference: None,
        bank_id: BankId::parse("bank-a").unwrap(),
        bank_suspended: false,
        masked: PresentedCard::read(request.card.clone().unwrap(), &till).unwrap().pan().masked(),
        leg_id: LegId::from_uuid(shop.hub.id()),
    };
    let outcome = shop.desk.write(Step::CreateCard(Box::new(new))).await.unwrap();
    assert!(outcome.payment.is_ok());
}

#[tokio::test]
async fn m6_killed_after_d2_the_terminal_brings_the_card_again_and_it_is_charged_once() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        let request = shop.request(Nature::Purchase, 1250);
        taken_in(&shop, &request).await;
        let first_leg = shop.stored(&request.payment_id).await.charge.unwrap().leg_id;
        let shop = shop.killed(at_once()).await;
        shop.sweep();
        let paid = shop.ask(&request).await.unwrap();
        assert_eq!(paid.state(), pb::PaymentState::Approved, "{}", hub.engine);
        let posted = shop.until(&request.payment_id, State::Posted).await;
        assert_eq!(posted.charge.unwrap().leg_id, first_leg, "the leg that was durable before the bank heard of it");
        assert_eq!((shop.bank.moved(), shop.told(&person).await), (1250, vec!["CHARGE".to_owned()]));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m6_killed_after_d2_and_never_asked_again_it_is_void_for_ever() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, no_time()).await;
        let request = shop.request(Nature::Purchase, 1250);
        taken_in(&shop, &request).await;
        let shop = shop.killed(at_once()).await;
        shop.sweep();
        let aborted = shop.until(&request.payment_id, State::Aborted).await;
        assert_eq!(aborted.refusal, Some(Reason::DecisionTimedOut));
        assert_eq!(shop.bank.calls(), ["void"], "{}: a tombstone", hub.engine);
        let late = shop.ask(&request).await.unwrap();
        assert_eq!((late.state(), refusal(&late)), (pb::PaymentState::Declined, Reason::DecisionTimedOut));
        assert_eq!((shop.bank.moved(), shop.bank.held(), shop.bank.holds().len()), (0, 0, 0));
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m6_killed_between_the_banks_hold_and_d4_the_same_leg_is_asked_for_again() {
    on_each_engine(async |hub| {
        for lost in [Play::LoseAnswer, Play::LoseCall] {
            let shop = Shop::open(&hub, at_once()).await;
            shop.bank.play(&[lost]);
            let request = shop.request(Nature::CashWithdrawal, 1250);
            assert_eq!(shop.ask(&request).await.unwrap().state(), pb::PaymentState::Pending);
            let shop = shop.killed(at_once()).await;
            shop.sweep();
            assert_eq!(shop.ask(&request).await.unwrap().state(), pb::PaymentState::Approved, "{lost:?}");
            shop.until(&request.payment_id, State::Posted).await;
            assert_eq!((shop.bank.moved(), shop.bank.held()), (1250, 0), "{}: {lost:?}", hub.engine);
            shop.all_is_well().await;
        }
    })
    .await;
}

#[tokio::test]
async fn m6_killed_between_the_banks_hold_and_d4_and_never_asked_again_the_hold_is_released() {
    on_each_engine(async |hub| {
        for lost in [Play::LoseAnswer, Play::LoseCall] {
            let shop = Shop::open(&hub, at_once()).await;
            shop.bank.play(&[lost]);
            let request = shop.request(Nature::Purchase, 1250);
            assert_eq!(shop.ask(&request).await.unwrap().state(), pb::PaymentState::Pending);
            shop.age(&request.payment_id).await;
            let shop = shop.killed(at_once()).await;
            shop.sweep();
            shop.until(&request.payment_id, State::Aborted).await;
            assert_eq!((shop.bank.moved(), shop.bank.held()), (0, 0), "{}: {lost:?}", hub.engine);
            shop.all_is_well().await;
        }
    })
    .await;
}

#[tokio::test]
async fn m6_killed_after_d4_what_is_committed_is_posted_by_whoever_comes_next() {
    on_each_engine(async |hub| {
        for lost in [Play::LoseAnswer, Play::LoseCall] {
            let shop = Shop::open(&hub, at_once()).await;
            let request = shop.request(Nature::Deposit, 1250);
            shop.bank.play(&[Play::LoseAnswer]);
            shop.ask(&request).await.unwrap();
            // The hold that is asked for again is well; the post that follows it is lost.
            shop.bank.play(&[lost]);
            shop.bank.play_next_hold_well();
            assert_eq!(shop.ask(&request).await.unwrap().state(), pb::PaymentState::Approved);
            let shop = shop.killed(at_once()).await;
            shop.sweep();
            shop.until(&request.payment_id, State::Posted).await;
            assert_eq!((shop.bank.moved(), shop.bank.held()), (1250, 0), "{}: {lost:?}", hub.engine);
            shop.all_is_well().await;
        }
    })
    .await;
}

#[tokio::test]
async fn c2_a_pre_authorisation_is_reserved_completed_with_less_and_told_to_the_bank_until_it_has_it() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        let reserved = shop.pay(Nature::PreAuthorisation, 1250).await;
        assert_eq!(reserved.state(), pb::PaymentState::Authorised);
        assert_eq!((reserved.account_masked.as_str(), reserved.decided_at), ("622848******0015", None));
        let id = reserved.payment_id.as_str();
        assert_eq!((shop.bank.held(), shop.bank.moved(), shop.told(&person).await.len()), (1250, 0, 0));
        assert_eq!(shop.verdict(id).await, LegVerdict::Wait);
        let unsettled = shop.oldest_unsettled_seconds().await;
        assert_eq!(unsettled, 0, "it waits for its terminal, and concerns no bank");

        assert_eq!(reason(shop.complete(id, 1251).await), Reason::CompletionTooLarge);
        shop.bank.play(&[Play::LoseCall]);
        let completed = shop.complete(id, 900).await.unwrap();
        assert_eq!(completed.state(), pb::PaymentState::Approved, "said before the bank has heard of it");
        assert_eq!(completed.completed_amount.as_ref().unwrap().minor_units, 900);
        assert_eq!(shop.complete(id, 900).await.unwrap().state(), pb::PaymentState::Approved);
        assert_eq!(reason(shop.complete(id, 901).await), Reason::CompletionMismatch);
        let shop = shop.killed(at_once()).await;
        shop.bank.play(&[Play::LoseAnswer]);
        shop.sweep();
        shop.until(id, State::Posted).await;
        assert_eq!((shop.bank.moved(), shop.bank.held()), (900, 0), "{}", hub.engine);
        assert!(!shop.bank.calls().contains(&"post".to_owned()), "which would charge the whole amount");
        assert_eq!(shop.told(&person).await, ["CHARGE"]);
        assert_eq!(shop.count("SELECT amount_minor FROM purchases").await, 900);
        let events = shop.feed(&person, 1).await;
        let EventKind::Charge(record) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((record.amount.minor, record.credit_minor), (900, None), "as the record has it");
        assert_eq!(shop.verdict(id).await, LegVerdict::Post);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn c2_money_goes_back_from_a_completion_only_after_the_bank_has_taken_it() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let person = shop.holder().await;
        for whole in [true, false] {
            let (moved, id) = (shop.bank.moved(), shop.pay(Nature::PreAuthorisation, 1250).await.payment_id);
            shop.bank.play(&[Play::LoseCall]);
            shop.complete(&id, 900).await.unwrap();
            if whole {
                let back = shop.reverse(&id, 1250).await.unwrap();
                assert_eq!(back.state(), pb::PaymentState::Reversed);
            } else {
                assert_eq!(reason(shop.refund(&id, 901).await), Reason::RefundTooLarge);
                let _ = shop.refund(&id, 900).await.unwrap();
            }
            shop.sweep();
            shop.until(&id, if whole { State::Reversed } else { State::Posted }).await;
            shop.until_bank(|bank| bank.moved() == moved && bank.held() == 0).await;
        }
        shop.until_told(&person, &["CHARGE", "REVERSAL", "CHARGE", "REFUND"]).await;
        let calls = shop.bank.calls();
        let place = |call: &str| calls.iter().position(|known| known == call).unwrap();
        assert!(place("complete 900") < place("refund 900"), "{}: {calls:?}", hub.engine);
        assert_eq!(shop.count("SELECT count(*) FROM purchases WHERE given_back_minor = 900").await, 2);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn c2_what_is_reserved_ends_by_a_reversal_or_by_itself() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let reversed = shop.pay(Nature::PreAuthorisation, 1250).await.payment_id;
        let answer = shop.reverse(&reversed, 1250).await.unwrap();
        assert_eq!((answer.state(), refusal(&answer)), (pb::PaymentState::Declined, Reason::ReversedBeforeApproval));
        shop.until(&reversed, State::Aborted).await;
        assert_eq!(reason(shop.complete(&reversed, 1).await), Reason::NotAuthorised);

        let forgotten = shop.pay(Nature::PreAuthorisation, 1250).await.payment_id;
        shop.age(&forgotten).await;
        let shop = shop.killed(at_once()).await;
        assert_eq!(reason(shop.complete(&forgotten, 1).await), Reason::NotAuthorised, "a moment too late");
        shop.sweep();
        let lapsed = shop.until(&forgotten, State::Aborted).await;
        assert_eq!(lapsed.refusal, Some(Reason::AuthorisationLapsed), "{}", hub.engine);
        assert_eq!((shop.bank.moved(), shop.bank.held()), (0, 0));
        assert_eq!(shop.verdict(&forgotten).await, LegVerdict::Void);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn m6_a_card_payment_that_was_reversed_before_it_came_is_refused_when_it_comes() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, at_once()).await;
        let request = shop.request(Nature::Purchase, 1250);
        shop.reverse(&request.payment_id, 1250).await.unwrap();
        let late = shop.ask(&request).await.unwrap();
        assert_eq!((late.state(), refusal(&late)), (pb::PaymentState::Reversed, Reason::ReversedBeforeApproval));
        // One that the bank holds is released.
        shop.bank.play(&[Play::LoseAnswer]);
        let held = shop.pay(Nature::Purchase, 500).await;
        let answer = shop.reverse(&held.payment_id, 500).await.unwrap();
        assert_eq!(answer.state(), pb::PaymentState::Declined);
        shop.until(&held.payment_id, State::Aborted).await;
        assert_eq!((shop.bank.moved(), shop.bank.held()), (0, 0), "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn the_same_card_payment_a_hundred_times_at_once_is_charged_once() {
    on_each_engine(async |hub| {
        let shop = Shop::open(&hub, Policy::default()).await;
        let person = shop.holder().await;
        let request = shop.request(Nature::Purchase, 1250);
        let answers = futures_util::future::join_all((0..100).map(|_| shop.ask(&request))).await;
        for answer in answers {
            let state = answer.unwrap().state();
            assert!(matches!(state, pb::PaymentState::Approved | pb::PaymentState::Pending), "{state:?}");
        }
        shop.until(&request.payment_id, State::Posted).await;
        assert_eq!((shop.bank.moved(), shop.told(&person).await.len()), (1250, 1), "{}", hub.engine);
        shop.all_is_well().await;
    })
    .await;
}

#[tokio::test]
async fn the_same_card_payment_at_two_hubs_at_once_is_one_leg_and_charged_once() {
    on_postgres(async |hub| {
        let first = Shop::open(&hub, Policy::default()).await;
        let person = first.holder().await;
        let second = Shop::replica(&hub, &first.bank, "hub-2", Policy::default()).await;
        for round in 1..=10 {
            let request = first.request(Nature::Purchase, 100);
            let answers = futures_util::future::join_all([&first, &second].map(|shop| shop.ask(&request))).await;
            for answer in answers {
                assert_eq!(answer.unwrap().state(), pb::PaymentState::Approved);
            }
            first.until_bank(|bank| bank.moved() == 100 * round).await;
            assert_eq!(first.told(&person).await.len() as i64, round);
        }
        // The same for a completion, of which one may be told to the bank twice.
        let reserved = first.pay(Nature::PreAuthorisation, 1250).await.payment_id;
        let (one, other) = futures_util::join!(first.complete(&reserved, 900), second.complete(&reserved, 900));
        assert_eq!(
            (one.unwrap().state(), other.unwrap().state()),
            (pb::PaymentState::Approved, pb::PaymentState::Approved)
        );
        first.until_bank(|bank| bank.moved() == 1900 && bank.held() == 0).await;
        first.all_is_well().await;
    })
    .await;
}
