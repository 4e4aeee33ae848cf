//! Money goes out of cards and comes in.

use domain::Reason;
use domain::ledger::{Available, CompletionOrder, LegState, Nature, Origin, Part, decide_again, write_splits};
use domain::{Currency, Money, PaymentId};

use super::trial::{PIN, Trial, parts};
use crate::ledger::conformance::bank::cny;

pub(super) async fn c6_a_purchase_with_a_card_overflows_from_credit_into_debit_and_can_be_explained(trial: Trial) {
    let holder = trial.holder().await;
    let leg_id = trial.bank.leg_id();
    let card = trial.read(&holder.face, Some(PIN));
    let leg = trial.hold(leg_id, &card, Nature::Purchase, 1_200).await.unwrap();
    assert_eq!(leg.state, LegState::Held);
    assert_eq!(parts(&leg), [(Part::Credit, 1_000), (Part::Debit, 200)]);
    assert_eq!(leg.account_masked, holder.face.pan.masked());
    let again = trial.hold(leg_id, &card, Nature::Purchase, 1_200).await.unwrap();
    assert_eq!(again.splits, leg.splits, "the same hold again is the same hold");
    assert_eq!(trial.hold(leg_id, &card, Nature::Purchase, 1_201).await, Err(Reason::LegIdTaken));
    assert_eq!(trial.bank.available(holder.debit).await, 300);
    assert_eq!(trial.bank.available(holder.credit).await, 0);
    assert_eq!(trial.bank.post(leg_id).await, Ok(LegState::Posted));
    // Whoever asks later why it was split so gets the same answer from what was known.
    let stored = trial.bank.ledger.leg(leg_id).await.unwrap();
    assert_eq!(decide_again(&stored.decision), Ok(Ok(stored.splits.clone())), "{}", write_splits(&stored.splits));
    let too_much = trial.pay(&holder, Some(PIN), 301).await;
    assert_eq!(too_much, Ok(LegState::Refused(Reason::InsufficientFunds)));
    let back = trial.bank.leg_id();
    assert_eq!(trial.bank.refund(back, leg_id, 250).await, Ok(LegState::Posted));
    assert_eq!(trial.bank.available(holder.debit).await, 500, "what was drawn last comes back first");
    assert_eq!(trial.bank.available(holder.credit).await, 50);
    trial.end().await;
}

pub(super) async fn c6_cash_overflows_from_debit_into_an_advance(trial: Trial) {
    let holder = trial.holder().await;
    let card = trial.read(&holder.face, Some(PIN));
    let leg = trial.hold(trial.bank.leg_id(), &card, Nature::CashWithdrawal, 600).await.unwrap();
    assert_eq!(parts(&leg), [(Part::Debit, 500), (Part::CashAdvance, 100)]);
    let more = trial.hold(trial.bank.leg_id(), &card, Nature::CashWithdrawal, 201).await.unwrap();
    assert_eq!(more.state, LegState::Refused(Reason::CashAdvanceLimitExceeded));
    let without_pin = trial.read(&holder.face, None);
    let refused = trial.hold(trial.bank.leg_id(), &without_pin, Nature::CashWithdrawal, 1).await;
    assert_eq!(refused, Err(Reason::PinRequired));
    trial.end().await;
}

pub(super) async fn c2_a_pre_authorisation_is_completed_with_less_and_money_comes_in_by_the_number_alone(trial: Trial) {
    let holder = trial.holder().await;
    let card = trial.read(&holder.face, Some(PIN));
    let leg_id = trial.bank.leg_id();
    let held = trial.hold(leg_id, &card, Nature::PreAuthorisation, 1_200).await.unwrap();
    assert_eq!(held.state, LegState::Held);
    let payment_id = PaymentId::from_uuid(leg_id.uuid());
    let order = |minor| CompletionOrder { origin: Origin::Hub, leg_id, payment_id, amount: cny(minor) };
    assert!(trial.bank.ledger.complete(order(1_201)).await.is_err());
    let done = trial.bank.ledger.complete(order(700)).await.unwrap();
    assert_eq!((done.state, done.released_minor), (LegState::Posted, 500));
    let again = trial.bank.ledger.complete(order(700)).await.unwrap();
    assert_eq!((again.state, again.released_minor), (LegState::Posted, 500));
    assert!(trial.bank.ledger.complete(order(600)).await.is_err());
    assert_eq!((trial.bank.available(holder.debit).await, trial.bank.available(holder.credit).await), (500, 300));

    let mut number = trial.read(&holder.face, None);
    number.track2.clear();
    number.expiry.clear();
    let paid_in = trial.hold(trial.bank.leg_id(), &number, Nature::Repayment, 100).await.unwrap();
    assert_eq!(paid_in.state, LegState::Held);
    assert_eq!(trial.bank.available(holder.credit).await, 300, "it can be spent when it is posted");
    trial.bank.post(paid_in.id).await.unwrap();
    assert_eq!(trial.bank.available(holder.credit).await, 400);
    let top_up = trial.hold(trial.bank.leg_id(), &number, Nature::TopUp, 100).await.unwrap();
    assert_eq!(trial.bank.void(top_up.id).await, Ok(LegState::Voided));
    assert_eq!(trial.bank.available(holder.debit).await, 500);
    let out = trial.hold(trial.bank.leg_id(), &number, Nature::Purchase, 1).await;
    assert_eq!(out, Err(Reason::CardProofMissing), "a number alone pays nothing");
    trial.end().await;
}

pub(super) async fn c2_a_balance_takes_the_pin_and_says_what_each_side_may_spend(trial: Trial) {
    let holder = trial.holder().await;
    let money = |minor| Some(Money::new(Currency::CNY, minor));
    let all = Available { debit: money(500), credit: money(1_000), cash_advance: money(300) };
    let with = |pin| trial.read(&holder.face, pin);
    assert_eq!(trial.balance(&with(Some(PIN))).await, Ok(all));
    assert_eq!(trial.balance(&with(None)).await, Err(Reason::PinRequired));
    assert_eq!(trial.balance(&with(Some("000000"))).await, Err(Reason::CardNotVerified));
    assert_eq!(trial.wrong_pins(&holder).await, 1);
    assert_eq!(trial.balance(&with(Some(PIN))).await, Ok(all));
    assert_eq!(trial.wrong_pins(&holder).await, 0, "a right one forgets them");
    let mut nobodys = with(Some(PIN));
    nobodys.track2.clear();
    nobodys.cvv2 = "123".to_owned();
    nobodys.pan = "6228480099999994".to_owned();
    assert_eq!(trial.balance(&nobodys).await, Err(Reason::CardNotVerified));
    trial.end().await;
}
