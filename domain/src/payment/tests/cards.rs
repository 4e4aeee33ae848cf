//! Tables over payments with a card, and a machine that does anything with one in any order.

use proptest::prelude::*;

use super::*;
use crate::CardId;
use crate::reason::Class;

const DAY: i64 = 86_400;

fn new_card(nature: Nature) -> NewCardPayment {
    NewCardPayment {
        id: PaymentId::from_uuid(id(3)),
        terminal: terminal("till-1"),
        fingerprint: [7; 32],
        nature,
        amount: cny(1250),
        items: Vec::new(),
        reference: None,
        bank_id: BankId::parse("bank-a").unwrap(),
        bank_suspended: false,
        masked: "622848******0015".to_owned(),
        leg_id: LegId::from_uuid(id(50)),
    }
}

pub(super) fn with_card(nature: Nature) -> Payment {
    Payment::create_with_card(new_card(nature), None, at(0), &Policy::default())
}

fn held_for_somebody() -> Held {
    Held { card_id: Some(CardId::from_uuid(id(40))), person_id: Some(person()), credit_minor: Some(700) }
}

pub(super) fn authorised() -> Payment {
    let mut payment = with_card(Nature::PreAuthorisation);
    assert_eq!(payment.commit(held_for_somebody(), None, at(0), &Policy::default()), Settled::Moved);
    assert_eq!(payment.state, State::Authorised);
    payment
}

pub(super) fn completion(minor: i64) -> Completion {
    Completion { payment_id: PaymentId::from_uuid(id(3)), terminal_id: till(), amount: cny(minor) }
}

fn complete(payment: &mut Payment, minor: i64, second: i64) -> Result<bool, Reason> {
    let mut guard = PayerGuard::new(person());
    payment.complete(&completion(minor), Some(&mut guard), at(second), &Policy::default())
}

#[test]
fn r2_a_payment_with_a_card_begins_at_holding_and_waits_for_nobody_but_its_terminal() {
    let payment = with_card(Nature::Purchase);
    assert_eq!((payment.seen(), payment.person_id), (Seen::Pending, None));
    for (second, awaits, work) in
        [(0, true, Work::Nothing), (29, true, Work::Nothing), (30, false, Work::Abort), (99, false, Work::Abort)]
    {
        assert_eq!((payment.awaits_card(at(second)), payment.outstanding(at(second))), (awaits, work), "{second}");
        assert_eq!(payment.work(at(second)), work, "due at {second}");
    }
    for state in State::ALL {
        assert!(!in_state(state).payment.awaits_card(at(0)), "{state:?}: by phone number, or past it");
    }
}

#[test]
fn r2_whose_card_it_is_is_known_when_the_bank_has_said_which_card_it_is() {
    let mut guard = PayerGuard::new(person());
    let mut payment = with_card(Nature::Purchase);
    let policy = Policy::default();
    assert_eq!(payment.commit(held_for_somebody(), Some(&mut guard), at(1), &policy), Settled::Moved);
    assert_eq!((payment.state, payment.work(at(11))), (State::Committed, Work::Post));
    let record = payment.purchase().unwrap();
    assert_eq!((record.nature, record.amount, record.credit_minor), (Nature::Purchase, cny(1250), Some(700)));
    assert_eq!((record.person_id, record.account_masked.as_str()), (person(), "622848******0015"));
    assert_eq!(payment.charge.unwrap().instrument, Some(Instrument::Card(CardId::from_uuid(id(40)))));

    let mut by_phone = in_state(State::Holding).payment;
    by_phone.commit(Held { card_id: None, ..held_for_somebody() }, None, at(1), &policy);
    assert_eq!(by_phone.charge.unwrap().credit_minor, None, "an account by itself has no sides");

    let mut nobodys = with_card(Nature::Purchase);
    let held = Held { person_id: None, ..held_for_somebody() };
    assert_eq!(nobodys.commit(held, None, at(1), &policy), Settled::Moved);
    assert_eq!((nobodys.seen(), nobodys.purchase(), nobodys.charge_sequence), (Seen::Approved, None, None));
}

#[test]
fn c2_what_a_terminal_may_ask_for_and_what_stands_in_the_record_of_it() {
    use Nature::*;
    for (nature, allowed, recorded, told, refundable) in [
        (Purchase, true, true, false, true),
        (CashWithdrawal, true, true, false, false),
        (TransferOut, true, true, false, false),
        (Deposit, true, false, true, false),
        (TopUp, true, false, true, false),
        (TransferIn, true, false, true, false),
        (Repayment, true, false, true, false),
        (Savings, false, true, false, false),
        (Completion, false, false, false, false),
        (Refund, false, false, false, false),
        (BalanceInquiry, false, false, false, false),
    ] {
        let expected = if allowed { Ok(()) } else { Err(Reason::NatureUnsupported) };
        assert_eq!(NewCardPayment::allows(nature), expected, "{nature:?}");
        let mut guard = PayerGuard::new(person());
        let mut payment = with_card(nature);
        payment.commit(held_for_somebody(), Some(&mut guard), at(1), &Policy::default());
        assert_eq!(payment.purchase().is_some(), recorded, "{nature:?}");
        assert_eq!(payment.charge_sequence.is_some(), recorded, "{nature:?}");
        assert_eq!(payment.paid_in().is_some(), told, "{nature:?}");
        let expected = if refundable { Ok(()) } else { Err(Reason::NotRefundable) };
        assert_eq!(payment.clone().refund(refund(70, 1), at(2)).map(|_| ()), expected, "{nature:?}");
        // What has come in may be spent by now, so that it stays in.
        let expected = if told { Err(Reason::NotReversible) } else { Ok(()) };
        assert_eq!(payment.reverse(&reversal(1250), at(2)), expected, "{nature:?}");
        let expected = if told { (Seen::Approved, Work::Post) } else { (Seen::Reversed, Work::Reverse) };
        assert_eq!((payment.seen(), payment.outstanding(at(2))), expected, "{nature:?}");
    }
}

#[test]
fn m9_a_suspended_banks_card_is_declined_before_the_bank_hears_of_it() {
    let new = NewCardPayment { bank_suspended: true, ..new_card(Nature::Purchase) };
    let payment = Payment::create_with_card(new, None, at(0), &Policy::default());
    assert_eq!((payment.seen(), payment.refusal), (Seen::Declined, Some(Reason::BankSuspended)));
    assert_eq!((payment.due_at, payment.charge.unwrap().leg_id), (None, None));
}

#[test]
fn c2_a_pre_authorisation_is_completed_once_with_at_most_what_is_reserved() {
    for (minor, answer) in [(1250, Ok(true)), (1249, Ok(true)), (1, Ok(true)), (1251, Err(Reason::CompletionTooLarge))]
    {
        let mut payment = authorised();
        assert_eq!((payment.seen(), payment.decided_at), (Seen::Authorised, None));
        assert_eq!(payment.purchase(), None, "nothing is charged yet");
        assert_eq!(complete(&mut payment, minor, DAY), answer, "{minor}");
        if answer.is_err() {
            assert_eq!(payment, authorised(), "a refusal changes nothing");
            continue;
        }
        assert_eq!((payment.state, payment.seen(), payment.charged()), (State::Committed, Seen::Approved, cny(minor)));
        assert_eq!((payment.work(at(DAY + 10)), payment.decided_at), (Work::Complete, Some(at(DAY))));
        let record = payment.purchase().unwrap();
        assert_eq!((record.amount, record.nature), (cny(minor), Nature::PreAuthorisation));
        assert_eq!(record.credit_minor, (minor == 1250).then_some(700), "which side is released is the bank's to say");
        let before = payment.clone();
        assert_eq!(complete(&mut payment, minor, DAY + 1), Ok(false), "the same again");
        assert_eq!(complete(&mut payment, 2, DAY + 1), Err(Reason::CompletionMismatch));
        assert_eq!(payment, before);
        payment.posted(at(DAY + 2));
        assert_eq!(complete(&mut payment, minor, 60 * DAY), Ok(false), "and long after");
    }
}

#[test]
fn c2_only_what_is_authorised_can_be_completed() {
    let mut gone = authorised();
    assert!(!gone.lapse(at(30 * DAY - 1)));
    assert_eq!(complete(&mut gone.clone(), 1, 30 * DAY), Err(Reason::NotAuthorised), "a moment too late");
    assert!(gone.lapse(at(30 * DAY)));
    assert_eq!((gone.seen(), gone.refusal), (Seen::Declined, Some(Reason::AuthorisationLapsed)));
    assert_eq!(gone.work(at(30 * DAY)), Work::Void);
    assert!(!gone.lapse(at(31 * DAY)), "once");
    let mut reversed = authorised();
    reversed.reverse(&reversal(1250), at(1)).unwrap();
    assert_eq!((reversed.seen(), reversed.refusal), (Seen::Declined, Some(Reason::ReversedBeforeApproval)));
    let yen = Completion { amount: Money::new(Currency::parse("JPY").unwrap(), 1), ..completion(1) };
    let theirs = Completion { terminal_id: TerminalId::parse("till-2").unwrap(), ..completion(1) };
    for (what, payment, asked, reason) in [
        ("lapsed", &gone, completion(1), Reason::NotAuthorised),
        ("reversed", &reversed, completion(1), Reason::NotAuthorised),
        ("not held yet", &with_card(Nature::PreAuthorisation), completion(1), Reason::NotAuthorised),
        ("a purchase", &with_card(Nature::Purchase), completion(1), Reason::NotPreAuthorised),
        ("by phone number", &in_state(State::Posted).payment, completion(1), Reason::NotPreAuthorised),
        ("another currency", &authorised(), yen, Reason::CurrencyMismatch),
        ("another terminal's", &authorised(), theirs, Reason::PaymentUnknown),
    ] {
        let mut payment = payment.clone();
        let answer = payment.complete(&asked, None, at(1), &Policy::default());
        assert_eq!(answer, Err(reason), "{what}");
    }
}

#[test]
fn c2_money_goes_back_from_a_completion_up_to_what_was_completed() {
    let mut payment = authorised();
    assert_eq!(payment.clone().refund(refund(70, 1), at(1)).map(|_| ()), Err(Reason::NotRefundable));
    complete(&mut payment, 900, 1).unwrap();
    assert_eq!(payment.clone().refund(refund(70, 901), at(2)).map(|_| ()), Err(Reason::RefundTooLarge));
    let mut whole = payment.clone();
    assert!(whole.refund(refund(70, 900), at(2)).is_ok());
    assert_eq!(whole.reverse(&reversal(1250), at(2)), Err(Reason::NotReversible));
    assert_eq!(payment.clone().reverse(&reversal(900), at(2)), Err(Reason::ReversalAmountMismatch));
    payment.reverse(&reversal(1250), at(2)).unwrap();
    assert_eq!((payment.seen(), payment.charged()), (Seen::Reversed, cny(900)));
}

#[test]
fn m6_a_bank_that_stored_nothing_ends_the_hold_unless_the_next_try_may_be_taken() {
    for reason in Reason::ALL {
        let maybe = [Class::Away, Class::Exhausted, Class::Fault, Class::Exists].contains(&reason.class());
        assert_eq!(ends_hold(*reason), !maybe, "{reason:?}");
    }
}

/// What may happen to a payment, in any order and at any time.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Held,
    Refused,
    TimedOut,
    Voided,
    Completed(i64),
    Lapsed,
    Posted,
    Reversed,
    GivenBack,
    Refunded(i64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        3 => Just(Happens::Held),
        1 => Just(Happens::Refused),
        1 => Just(Happens::TimedOut),
        1 => Just(Happens::Voided),
        3 => (1_i64..1400).prop_map(Happens::Completed),
        1 => Just(Happens::Lapsed),
        2 => Just(Happens::Posted),
        1 => Just(Happens::Reversed),
        1 => Just(Happens::GivenBack),
        2 => (1_i64..1400).prop_map(Happens::Refunded),
    ]
}

fn let_happen(payment: &mut Payment, guard: &mut PayerGuard, what: Happens, now: Timestamp) {
    let policy = Policy::default();
    match what {
        Happens::Held => drop(payment.commit(held_for_somebody(), Some(guard), now, &policy)),
        Happens::Refused => drop(payment.refuse(Reason::InsufficientFunds, now)),
        Happens::TimedOut => drop(payment.abort(Reason::DecisionTimedOut, now)),
        Happens::Voided => drop(payment.aborted()),
        Happens::Completed(minor) => drop(payment.complete(&completion(minor), Some(guard), now, &policy)),
        Happens::Lapsed => drop(payment.lapse(now)),
        Happens::Posted => drop(payment.posted(now)),
        Happens::Reversed => drop(payment.reverse(&reversal(1250), now)),
        Happens::GivenBack => drop(payment.reversed()),
        Happens::Refunded(minor) => drop(payment.refund(refund(70, minor), now)),
    }
}

proptest! {
    #[test]
    fn a_payment_with_a_card_is_charged_once_or_not_at_all_whatever_happens(
        nature in 0_usize..8,
        story in prop::collection::vec((happens(), 0_i64..20 * DAY), 1..24)
    ) {
        let natures = Nature::ALL.into_iter().filter(|nature| NewCardPayment::allows(*nature).is_ok());
        let nature = natures.collect::<Vec<_>>()[nature];
        let (mut payment, mut guard) = (with_card(nature), PayerGuard::new(person()));
        let (mut second, mut charged) = (0, None);
        for (what, later) in story {
            let before = payment.clone();
            // Half of what happens comes at once.
            second += if later % 2 == 0 { 0 } else { later };
            let_happen(&mut payment, &mut guard, what, at(second));
            // What was final stays so.
            if before.seen().is_final() && before.seen() != payment.seen() {
                prop_assert_eq!((before.seen(), payment.seen()), (Seen::Approved, Seen::Reversed));
            }
            // Charged once, and never another amount.
            if payment.seen() == Seen::Approved {
                prop_assert_eq!(*charged.get_or_insert(payment.charged()), payment.charged());
                prop_assert!(before.state != State::Aborting && before.state != State::Aborted);
            }
            prop_assert!(guard.last_sequence <= 1, "recorded once");
            prop_assert!(payment.charged().minor <= 1250 && payment.refunded_minor <= payment.charged().minor);
            prop_assert_eq!(payment.completed_minor.is_some() && nature != Nature::PreAuthorisation, false);
            // Whatever is not at its end is looked at again.
            let long_after = at(second + 1000 * DAY);
            prop_assert_eq!(payment.due_at.is_some(), payment.outstanding(long_after) != Work::Nothing);
        }
    }
}
