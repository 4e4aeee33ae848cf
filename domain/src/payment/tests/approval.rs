//! A yes and a no on the payer's phone (S2).

use super::*;

/// What the payer sees of the payment of these tests.
fn form(payment: &Payment, shown_at: Timestamp) -> ApprovalForm {
    ApprovalForm::of(payment, shown_at).unwrap()
}

fn yes(payment: &Payment, n: u8, password_matches: bool, second: i64) -> Approval {
    Approval {
        id: AttemptId::from_uuid(id(150 + n)),
        form: form(payment, at(second)),
        password_matches,
        leg_id: LegId::from_uuid(id(51)),
    }
}

const STATES_PAST_WAITING: [State; 10] = [
    State::Holding,
    State::Committed,
    State::Posted,
    State::Declined,
    State::Expired,
    State::Cancelled,
    State::Aborting,
    State::Aborted,
    State::Reversing,
    State::Reversed,
];

#[test]
fn s2_what_is_signed_names_payment_person_amount_payee_and_account_and_is_read_again() {
    let Case { payment, .. } = in_state(State::Challenged);
    let wanted = form(&payment, at(7).plus(std::time::Duration::from_micros(999_999)));
    let text = wanted.to_string();
    assert_eq!(
        text,
        "bankhub approval v1\npayment: 01020304-0506-7000-8000-000000000003\n\
         person: 01020304-0506-7000-8000-000000000001\namount: 12.50 CNY\npayee: Noodles\nterminal: till-1\n\
         from: bank-a ****4821\nshown: 2026-09-21T14:13:27Z\n"
    );
    assert_eq!(ApprovalForm::parse(&text), Ok(wanted));
    for (written, otherwise) in [
        ("bankhub approval v1", "bankhub approval v2"),
        ("bankhub approval v1\n", ""),
        ("payment: 0102", "payment: 0102 "),
        ("payment: 01020304", "payment: {01020304"),
        ("payment", "Payment"),
        ("12.50 CNY", "12.5 CNY"),
        ("12.50 CNY", "012.50 CNY"),
        ("12.50 CNY", "12.50 cny"),
        ("12.50 CNY", "-12.50 CNY"),
        ("12.50 CNY", "0.00 CNY"),
        ("12.50 CNY", "99999999999999999999.00 CNY"),
        ("12.50 CNY", "12.50"),
        ("Noodles", " Noodles"),
        ("Noodles", ""),
        ("Noodles", "Noo\u{202e}dles"),
        ("till-1", "Till 1"),
        ("bank-a ****4821", "bank-a"),
        ("bank-a ****4821", "bank-a  ****4821"),
        ("****4821\n", "****4821\r\n"),
        (":27Z", ":27.5Z"),
        (":27Z", ":27+00:00"),
        ("2026-09-21T14:13:27Z", "soon"),
        (":27Z\n", ":27Z"),
        (":27Z\n", ":27Z\n\n"),
        (":27Z\n", ":27Z\namount: 0.01 CNY\n"),
    ] {
        let spoiled = text.replacen(written, otherwise, 1);
        assert_ne!(spoiled, text, "{written}");
        assert_eq!(ApprovalForm::parse(&spoiled), Err(Reason::ApprovalMalformed), "{otherwise:?}");
    }
    for garbage in ["", "\n", "\0", "bankhub approval v1", &"payment: ".repeat(100_000)] {
        assert_eq!(ApprovalForm::parse(garbage), Err(Reason::ApprovalMalformed));
    }
}

#[test]
fn s2_there_is_nothing_to_agree_to_where_nobody_could_pay() {
    let refused = Payment::create(request(None), None, at(0), &Policy::default());
    assert_eq!(ApprovalForm::of(&refused, at(0)), None);
    let Case { mut payment, .. } = in_state(State::Challenged);
    payment.charge.as_mut().unwrap().masked = "****4821\npayee: Somebody else".to_owned();
    assert_eq!(ApprovalForm::of(&payment, at(0)), None, "no line of it could say more than it is for");
}

#[test]
fn s2_a_yes_takes_the_payment_where_code_and_password_would() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    let (mut typed, mut of_typed) = (payment.clone(), guard.clone());
    (guard.failures, of_typed.failures) = (3, 3);
    let yes = Approval { leg_id: LegId::from_uuid(id(50)), ..yes(&payment, 1, true, 5) };
    payment.approve(person(), &yes, &mut guard, at(9), &policy).unwrap();
    typed.authorize(&attempt(1, true, true), &mut of_typed, at(9), &policy).unwrap();
    typed.attempts.clone_from(&payment.attempts);
    assert_eq!((payment, guard), (typed, of_typed));
}

#[test]
fn s2_a_wrong_password_on_the_phone_counts_with_those_at_the_terminal() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    payment.authorize(&attempt(1, true, false), &mut guard, at(1), &policy).unwrap();
    let wrong = yes(&payment, 2, false, 1);
    payment.approve(person(), &wrong, &mut guard, at(2), &policy).unwrap();
    let stands = |payment: &Payment| (payment.seen(), payment.refusal);
    assert_eq!(stands(&payment), (Seen::AwaitingCode, Some(Reason::VerificationFailed)));
    payment.approve(person(), &wrong, &mut guard, at(2), &policy).unwrap();
    assert_eq!((payment.challenge.as_ref().unwrap().attempts_left, guard.failures), (1, 2), "the same try counts once");
    let third = yes(&payment, 3, false, 1);
    payment.approve(person(), &third, &mut guard, at(2), &policy).unwrap();
    assert_eq!(stands(&payment), (Seen::Declined, Some(Reason::AttemptsExhausted)));
    let late = yes(&payment, 4, true, 2);
    assert_eq!(payment.approve(person(), &late, &mut guard, at(2), &policy), Err(Reason::NotAwaitingCode));
    payment.approve(person(), &third, &mut guard, at(900), &policy).unwrap();
    assert_eq!((stands(&payment).1, guard.failures), (Some(Reason::AttemptsExhausted), 3), "as it stands");

    let Case { mut payment, policy, .. } = in_state(State::Challenged);
    let mut guard = PayerGuard { failures: 4, ..PayerGuard::new(person()) };
    let fifth = yes(&payment, 1, false, 1);
    payment.approve(person(), &fifth, &mut guard, at(1), &policy).unwrap();
    assert_eq!(stands(&payment), (Seen::Declined, Some(Reason::AttemptsExhausted)));
    assert!(guard.is_blocked(at(1800)), "and no terminal takes a payment of this number");
}

#[test]
fn s2_the_outcomes_of_a_yes_come_in_the_order_of_those_at_the_terminal() {
    let frozen = || {
        let instrument = Instrument::Account(AccountId::from_uuid(id(2)));
        vec![FrozenInstrument { bank_id: BankId::parse("bank-a").unwrap(), instrument }]
    };
    for (second, blocked, freezes, right, state, refusal) in [
        (180, true, true, false, State::Expired, Reason::CodeExpired),
        (180, false, false, true, State::Expired, Reason::CodeExpired),
        (179, true, true, false, State::Declined, Reason::AttemptsExhausted),
        (179, true, false, true, State::Declined, Reason::AttemptsExhausted),
        (179, false, true, false, State::Challenged, Reason::VerificationFailed),
        (179, false, true, true, State::Declined, Reason::AccountFrozen),
    ] {
        let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
        guard.blocked_until = blocked.then(|| at(1000));
        guard.frozen = if freezes { frozen() } else { Vec::new() };
        let (mut typed, mut of_typed) = (payment.clone(), guard.clone());
        let yes = yes(&payment, 1, right, 0);
        payment.approve(person(), &yes, &mut guard, at(second), &policy).unwrap();
        assert_eq!((payment.state, payment.refusal), (state, Some(refusal)), "{second} {blocked} {freezes} {right}");
        assert_eq!(payment.charge.as_ref().unwrap().leg_id, None, "the bank never hears of it");
        typed.authorize(&attempt(1, true, right), &mut of_typed, at(second), &policy).unwrap();
        typed.attempts.clone_from(&payment.attempts);
        assert_eq!((payment, guard), (typed, of_typed));
    }
}

#[test]
fn s2_a_yes_to_something_else_changes_nothing() {
    let Case { payment, guard, policy } = in_state(State::Challenged);
    let other = PersonId::from_uuid(id(99));
    let of = |change: fn(&mut ApprovalForm)| {
        let mut yes = yes(&payment, 1, true, 0);
        change(&mut yes.form);
        yes
    };
    for (by, yes, reason) in [
        (other, of(|_| {}), Reason::PaymentUnknown),
        (other, of(|it| it.person_id = PersonId::from_uuid(id(99))), Reason::PaymentUnknown),
        (person(), of(|it| it.person_id = PersonId::from_uuid(id(99))), Reason::ApprovalMismatch),
        (person(), of(|it| it.payment_id = PaymentId::from_uuid(id(4))), Reason::ApprovalMismatch),
        (person(), of(|it| it.amount = cny(125)), Reason::ApprovalMismatch),
        (person(), of(|it| it.amount = Money::new(Currency::parse("EUR").unwrap(), 1250)), Reason::ApprovalMismatch),
        (person(), of(|it| it.payee = Line::parse("Noodle").unwrap()), Reason::ApprovalMismatch),
        (person(), of(|it| it.terminal_id = TerminalId::parse("till-2").unwrap()), Reason::ApprovalMismatch),
        (person(), of(|it| it.bank_id = BankId::parse("bank-b").unwrap()), Reason::ApprovalMismatch),
        (person(), of(|it| it.masked = Line::parse("****4822").unwrap()), Reason::ApprovalMismatch),
        (person(), of(|it| it.shown_at = at(-300)), Reason::ApprovalOutdated),
        (person(), of(|it| it.shown_at = at(302)), Reason::ApprovalOutdated),
    ] {
        let (mut after, mut guard_after) = (payment.clone(), guard.clone());
        assert_eq!(after.approve(by, &yes, &mut guard_after, at(1), &policy), Err(reason), "{:?}", yes.form);
        assert_eq!((&after, &guard_after), (&payment, &guard));
    }
    for (second, fine) in [(-299, true), (301, true)] {
        let (mut payment, mut guard) = (payment.clone(), guard.clone());
        let yes = yes(&payment, 1, true, second);
        assert_eq!(payment.approve(person(), &yes, &mut guard, at(1), &policy).is_ok(), fine, "{second}");
    }
}

#[test]
fn s2_a_payment_that_waits_no_more_is_neither_approved_nor_declined() {
    for state in STATES_PAST_WAITING {
        let Case { mut payment, mut guard, policy } = in_state(state);
        let (before, of_before) = (payment.clone(), guard.clone());
        let yes = yes(&payment, 1, true, 0);
        let late = payment.approve(person(), &yes, &mut guard, at(1), &policy);
        assert_eq!(late, Err(Reason::NotAwaitingCode), "{state:?}");
        assert_eq!(payment.decline_by_payer(person(), at(1)), Err(Reason::NotAwaitingCode), "{state:?}");
        assert_eq!((payment, guard), (before, of_before));
    }
}

#[test]
fn s2_the_same_yes_again_has_the_same_answer_whatever_has_come_of_it_and_however_late() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    let yes = yes(&payment, 1, true, 0);
    payment.approve(person(), &yes, &mut guard, at(1), &policy).unwrap();
    let again = Approval { leg_id: LegId::from_uuid(id(52)), ..yes };
    for second in [1, 10_000] {
        let before = payment.clone();
        payment.approve(person(), &again, &mut guard, at(second), &policy).unwrap();
        assert_eq!(payment, before, "and no second leg");
    }
    assert_eq!(payment.commit(Held::default(), None, at(2), &policy), Settled::Moved);
    payment.approve(person(), &again, &mut guard, at(3), &policy).unwrap();
    assert_eq!(payment.seen(), Seen::Approved);
    assert_eq!(
        payment.approve(PersonId::from_uuid(id(99)), &again, &mut guard, at(3), &policy),
        Err(Reason::PaymentUnknown)
    );
}

#[test]
fn s2_after_a_no_the_code_is_of_no_use_and_the_terminal_hears_why() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    let other = PersonId::from_uuid(id(99));
    assert_eq!(payment.decline_by_payer(other, at(1)), Err(Reason::PaymentUnknown));
    assert_eq!(payment.state, State::Challenged);
    payment.decline_by_payer(person(), at(1)).unwrap();
    assert_eq!((payment.seen(), payment.refusal), (Seen::Declined, Some(Reason::PayerDeclined)));
    assert_eq!((payment.decided_at, payment.due_at, &payment.challenge), (Some(at(1)), None, &None));
    let before = payment.clone();
    payment.decline_by_payer(person(), at(2)).unwrap();
    payment.cancel(&till(), at(2)).unwrap();
    assert!(!payment.expire(at(200)));
    assert_eq!(payment, before, "and stays so");
    let typed = payment.authorize(&attempt(1, true, true), &mut guard, at(2), &policy);
    assert_eq!(typed, Err(Reason::NotAwaitingCode));
    let resent = Resend { id: AttemptId::from_uuid(id(5)), terminal_id: till(), code_mac: [5; 32], epoch: 0 };
    assert_eq!(payment.resend(&resent, &mut guard, at(70), &policy), Err(Reason::NotAwaitingCode));
}
