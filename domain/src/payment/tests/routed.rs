//! Payments that a card network charges by itself.

use super::*;
use crate::payment::{Routed, RoutedOutcome};

/// A payment whose card was named at second 10.
fn named() -> Case {
    let policy = Policy::default();
    let mut guard = PayerGuard::new(person());
    let asked = NewPayment { routed: true, ..request(Some(payer())) };
    let mut payment = Payment::create(asked, Some(&mut guard), Timestamp::from_secs(0), &policy);
    let good = Attempt { route: Some(Ok(())), ..attempt(1, true, true) };
    assert_eq!(payment.authorize(&good, &mut guard, Timestamp::from_secs(10), &policy), Ok(()));
    Case { payment, guard, policy }
}

fn told(outcome: RoutedOutcome) -> Routed {
    Routed { payment_id: PaymentId::from_uuid(id(3)), terminal_id: till(), amount: cny(1250), outcome }
}

const YES: RoutedOutcome = RoutedOutcome::Approved;
const NO: RoutedOutcome = RoutedOutcome::Declined(Reason::InsufficientFunds);

#[test]
fn m6_the_right_code_names_the_card_once_and_counts_as_paid() {
    let case = named();
    let (payment, at) = (&case.payment, Timestamp::from_secs(10));
    assert_eq!((payment.state, payment.seen()), (State::Authorised, Seen::Authorised));
    assert_eq!((payment.counted(), payment.decided_at), (Some(1250), Some(at)));
    assert_eq!(payment.charge.as_ref().unwrap().leg_id, None, "no bank is asked");
    assert!(payment.is_named(at) && !payment.is_named(at.plus(case.policy.routed_for)));
    assert_eq!(payment.work(at), Work::Nothing);
    assert_eq!(payment.work(at.plus(case.policy.routed_for)), Work::Lapse);
    // Another try, good or not, names nothing.
    let mut again = named();
    let second = Attempt { id: AttemptId::from_uuid(id(102)), route: Some(Ok(())), ..attempt(1, true, true) };
    let refused = again.payment.authorize(&second, &mut again.guard, at, &again.policy);
    assert_eq!(refused, Err(Reason::NotAwaitingCode));
}

#[test]
fn m6_what_may_not_be_named_is_told_only_to_who_has_proved_to_be_the_payer() {
    let policy = Policy::default();
    for (good, route, state, refusal) in [
        (true, Err(Reason::InstrumentNotRoutable), State::Declined, Some(Reason::InstrumentNotRoutable)),
        (true, Err(Reason::SpendingLimitReached), State::Declined, Some(Reason::SpendingLimitReached)),
        (false, Err(Reason::InstrumentNotRoutable), State::Challenged, Some(Reason::VerificationFailed)),
        (false, Ok(()), State::Challenged, Some(Reason::VerificationFailed)),
        (true, Ok(()), State::Authorised, None),
    ] {
        let mut guard = PayerGuard::new(person());
        let asked = NewPayment { routed: true, ..request(Some(payer())) };
        let mut payment = Payment::create(asked, Some(&mut guard), Timestamp::from_secs(0), &policy);
        let tried = Attempt { route: Some(route), ..attempt(1, good, true) };
        assert_eq!(payment.authorize(&tried, &mut guard, Timestamp::from_secs(10), &policy), Ok(()));
        assert_eq!((payment.state, payment.refusal), (state, refusal), "{good} {route:?}");
    }
    // Over no link nothing is named, and no try is counted.
    let mut guard = PayerGuard::new(person());
    let asked = NewPayment { routed: true, ..request(Some(payer())) };
    let mut payment = Payment::create(asked, Some(&mut guard), Timestamp::from_secs(0), &policy);
    let before = payment.clone();
    let astray = payment.authorize(&attempt(1, false, true), &mut guard, Timestamp::from_secs(10), &policy);
    assert_eq!((astray, payment), (Err(Reason::NotAwaitingCode), before));
    // A payment that the hub charges is charged, whatever its link may do meanwhile.
    let mut guard = PayerGuard::new(person());
    let mut payment = Payment::create(request(Some(payer())), Some(&mut guard), Timestamp::from_secs(0), &policy);
    let tried = Attempt { route: Some(Err(Reason::InstrumentNotRoutable)), ..attempt(1, true, true) };
    assert_eq!(payment.authorize(&tried, &mut guard, Timestamp::from_secs(10), &policy), Ok(()));
    assert_eq!(payment.state, State::Holding);
}

#[test]
fn m6_what_a_network_tells_is_final_once_and_what_nobody_tells_has_not_been_charged() {
    type Step = fn(&mut Case, Timestamp) -> Result<bool, Reason>;
    let yes: Step = |case, at| case.payment.told_by_network(&told(YES), Some(&mut case.guard), at);
    let no: Step = |case, at| case.payment.told_by_network(&told(NO), Some(&mut case.guard), at);
    let back: Step = |case, at| case.payment.reverse(&reversal(1250), at).map(|()| true);
    let lapse: Step = |case, at| Ok(case.payment.lapse(at));
    let (soon, late) = (20, 10 + 120);
    let unfunded = Some(Reason::InsufficientFunds);
    let taken_back = Some(Reason::ReversedBeforeApproval);
    for (steps, state, refusal, last) in [
        (vec![(yes, soon)], State::Posted, None, Ok(true)),
        (vec![(yes, soon), (yes, late)], State::Posted, None, Ok(false)),
        (vec![(yes, soon), (no, soon)], State::Posted, None, Err(Reason::NotReversible)),
        (vec![(yes, soon), (back, late)], State::Reversed, None, Ok(true)),
        (vec![(yes, soon), (back, late), (yes, late)], State::Reversed, None, Ok(false)),
        (vec![(no, soon)], State::Declined, unfunded, Ok(true)),
        (vec![(no, soon), (yes, soon)], State::Declined, unfunded, Ok(false)),
        (vec![(no, late)], State::Declined, unfunded, Ok(true)),
        (vec![(back, soon)], State::Aborted, taken_back, Ok(true)),
        (vec![(back, soon), (yes, soon)], State::Aborted, taken_back, Ok(false)),
        (vec![(yes, late)], State::Aborted, Some(Reason::RoutingLapsed), Ok(true)),
        (vec![(lapse, soon)], State::Authorised, None, Ok(false)),
        (vec![(lapse, late)], State::Aborted, Some(Reason::RoutingLapsed), Ok(true)),
        (vec![(lapse, late), (yes, late)], State::Aborted, Some(Reason::RoutingLapsed), Ok(false)),
        (vec![(lapse, late), (no, late)], State::Aborted, Some(Reason::RoutingLapsed), Ok(false)),
    ] {
        let mut case = named();
        let mut came = Ok(false);
        for (step, second) in steps {
            came = step(&mut case, Timestamp::from_secs(second));
        }
        let payment = &case.payment;
        assert_eq!((payment.state, payment.refusal, came), (state, refusal, last));
        assert_eq!(payment.due_at.is_some(), state == State::Authorised);
        // In the person's record it stands once, as of when it was paid, if and only if it was charged.
        let recorded = payment.purchase().map(|it| (it.occurred_at, it.amount));
        let charged = matches!(state, State::Posted | State::Reversed);
        assert_eq!(recorded, charged.then_some((Timestamp::from_secs(10), cny(1250))));
        assert_eq!(payment.charge_sequence.is_some(), charged);
    }
}

#[test]
fn m6_what_a_network_tells_is_about_its_own_payment_and_amount() {
    let mut case = named();
    let at = Timestamp::from_secs(20);
    let before = case.payment.clone();
    let other = TerminalId::parse("till-2").unwrap();
    let strange = Routed { terminal_id: other, ..told(YES) };
    assert_eq!(case.payment.told_by_network(&strange, None, at), Err(Reason::PaymentUnknown));
    let dearer = Routed { amount: cny(1251), ..told(YES) };
    assert_eq!(case.payment.told_by_network(&dearer, None, at), Err(Reason::ReversalAmountMismatch));
    assert_eq!(case.payment, before);
    // What the hub charges is nobody else's to tell of, and what was charged elsewhere is not the hub's to give back.
    let mut held = in_state(State::Holding).payment;
    assert_eq!(held.told_by_network(&told(YES), None, at), Err(Reason::NotRouted));
    assert_eq!(case.payment.told_by_network(&told(YES), Some(&mut case.guard), at), Ok(true));
    assert_eq!(case.payment.refund(refund(70, 50), at), Err(Reason::NotRefundable));
}
