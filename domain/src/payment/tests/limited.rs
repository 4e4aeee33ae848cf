//! What limits see of a payment, and what they do to it.

use super::*;

#[test]
fn m9_a_payment_counts_while_it_is_reserved_or_charged_and_its_refunds_take_nothing_off() {
    for (state, counted) in [
        (State::Challenged, None),
        (State::Holding, None),
        (State::Authorised, Some(1250)),
        (State::Committed, Some(1250)),
        (State::Posted, Some(1250)),
        (State::Declined, None),
        (State::Expired, None),
        (State::Cancelled, None),
        (State::Aborting, None),
        (State::Aborted, None),
        (State::Reversing, None),
        (State::Reversed, None),
    ] {
        assert_eq!(in_state(state).payment.counted(), counted, "{state:?}");
    }
    let mut paid = in_state(State::Posted).payment;
    let refunded = paid.refund(refund(70, 1000), at(1)).unwrap();
    assert_eq!((paid.counted(), refunded.counted()), (Some(1250), None));
    let mut reserved = in_state(State::Authorised).payment;
    reserved.complete(&cards::completion(300), None, at(1), &Policy::default()).unwrap();
    assert_eq!(reserved.counted(), Some(300));
    let mut paid_in = cards::with_card(Nature::Deposit);
    paid_in.commit(Held::default(), None, at(0), &Policy::default());
    assert_eq!((paid_in.state, paid_in.counted()), (State::Committed, None));
}

#[test]
fn m9_what_is_held_above_a_limit_is_released_and_nothing_that_is_decided_is_touched() {
    let held = Held { person_id: Some(person()), ..Held::default() };
    for (state, settled, after) in [
        (State::Holding, Settled::TooLate, State::Aborting),
        (State::Aborting, Settled::Already, State::Aborting),
        (State::Committed, Settled::TooLate, State::Committed),
        (State::Posted, Settled::TooLate, State::Posted),
        (State::Declined, Settled::TooLate, State::Declined),
    ] {
        let mut payment = in_state(state).payment;
        let refusal = payment.refusal;
        assert_eq!(payment.over_limit(held, Reason::SpendingLimitReached, at(1)), settled, "{state:?}");
        let wanted = if state == State::Holding { Some(Reason::SpendingLimitReached) } else { refusal };
        assert_eq!((payment.state, payment.refusal), (after, wanted), "{state:?}");
    }
}

#[test]
fn m9_a_request_that_nobody_may_make_is_refused_without_a_payer_or_a_leg() {
    let refused = Payment::refuse_request(request(Some(payer())), Reason::PaymentAboveLimit, at(0));
    assert_eq!((refused.state, refused.refusal), (State::Declined, Some(Reason::PaymentAboveLimit)));
    assert_eq!((refused.person_id, refused.charge, refused.challenge, refused.due_at), (None, None, None, None));
    assert_eq!(refused.fingerprint, [7; 32], "the same request again gets this answer");
}
