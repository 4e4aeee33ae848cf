//! Tables over the payment's rules. Times are in seconds from the moment that the payment comes.

mod approval;
mod cards;
mod fees;
mod frozen;
mod limited;
mod routed;
mod top_up;
mod verdict;

use super::*;
use crate::purchase::{CategoryCode, Merchant};
use crate::{Currency, MerchantId};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_790_000_000 + second)
}

fn id(n: u8) -> uuid::Uuid {
    uuid::Uuid::from_bytes([1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n])
}

pub(crate) fn person() -> PersonId {
    PersonId::from_uuid(id(1))
}

fn terminal(name: &str) -> Arc<Terminal> {
    Arc::new(Terminal {
        id: TerminalId::parse(name).unwrap(),
        merchant: Merchant {
            id: MerchantId::parse("noodles").unwrap(),
            name: Line::parse("Noodles").unwrap(),
            category: CategoryCode::parse("5812").unwrap(),
        },
        place: None,
        location: None,
        suspended: false,
    })
}

fn till() -> TerminalId {
    TerminalId::parse("till-1").unwrap()
}

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

fn payer() -> Payer {
    let account = PayingInstrument {
        bank_id: BankId::parse("bank-a").unwrap(),
        instrument: Instrument::Account(AccountId::from_uuid(id(2))),
        masked: "****4821".to_owned(),
        usable: true,
    };
    Payer { person_id: person(), has_password: true, instrument: Some(account), number_epoch: 0 }
}

fn request(payer: Option<Payer>) -> NewPayment {
    NewPayment {
        id: PaymentId::from_uuid(id(3)),
        terminal: terminal("till-1"),
        fingerprint: [7; 32],
        amount: cny(1250),
        items: Vec::new(),
        reference: None,
        payer,
        code_mac: [9; 32],
        routed: false,
    }
}

fn attempt(n: u8, code_matches: bool, password_matches: bool) -> Attempt {
    Attempt {
        id: AttemptId::from_uuid(id(100 + n)),
        terminal_id: till(),
        proof: Proof { code_matches, password_matches },
        leg_id: LegId::from_uuid(id(50)),
        route: None,
    }
}

fn reversal(minor: i64) -> Reversal {
    Reversal {
        payment_id: PaymentId::from_uuid(id(3)),
        terminal_id: till(),
        amount: cny(minor),
        leg_id: LegId::from_uuid(id(60)),
    }
}

fn refund(n: u8, minor: i64) -> NewRefund {
    NewRefund {
        id: PaymentId::from_uuid(id(n)),
        original: PaymentId::from_uuid(id(3)),
        terminal_id: till(),
        fingerprint: [8; 32],
        amount: cny(minor),
        leg_id: LegId::from_uuid(id(n + 1)),
    }
}

struct Case {
    payment: Payment,
    guard: PayerGuard,
    policy: Policy,
}

/// A payment that has come as far as `state` by its own rules, everything at second 0.
fn in_state(state: State) -> Case {
    let policy = Policy::default();
    let mut guard = PayerGuard::new(person());
    if state == State::Authorised {
        return Case { payment: cards::authorised(), guard, policy };
    }
    let mut payment = Payment::create(request(Some(payer())), Some(&mut guard), at(0), &policy);
    let good = attempt(1, true, true);
    let held = |payment: &mut Payment, guard: &mut PayerGuard| {
        payment.authorize(&good, guard, at(0), &policy).unwrap();
    };
    let mut to = |states: &mut dyn FnMut(&mut Payment)| {
        held(&mut payment, &mut guard);
        states(&mut payment);
    };
    match state {
        State::Challenged | State::Authorised => {}
        State::Holding => to(&mut |_| {}),
        State::Committed => to(&mut |p| assert_eq!(p.commit(Held::default(), None, at(0), &policy), Settled::Moved)),
        State::Posted => to(&mut |p| {
            p.commit(Held::default(), None, at(0), &policy);
            assert_eq!(p.posted(at(0)), Settled::Moved);
        }),
        State::Declined => to(&mut |p| assert_eq!(p.refuse(Reason::InsufficientFunds, at(0)), Settled::Moved)),
        State::Aborting => to(&mut |p| assert_eq!(p.abort(Reason::DecisionTimedOut, at(0)), Settled::Moved)),
        State::Aborted => to(&mut |p| {
            p.abort(Reason::DecisionTimedOut, at(0));
            assert_eq!(p.aborted(), Settled::Moved);
        }),
        State::Reversing | State::Reversed => to(&mut |p| {
            p.commit(Held::default(), None, at(0), &policy);
            p.reverse(&reversal(1250), at(0)).unwrap();
            if state == State::Reversed {
                assert!(p.reversed());
            }
        }),
        State::Expired => assert!(payment.expire(at(180))),
        State::Cancelled => payment.cancel(&till(), at(0)).unwrap(),
    }
    assert_eq!(payment.state, state);
    Case { payment, guard, policy }
}

#[test]
fn m4_a_number_that_cannot_pay_is_refused_in_the_same_words_whatever_the_cause() {
    let policy = Policy::default();
    let unusable = |change: fn(&mut Payer)| {
        let mut payer = payer();
        change(&mut payer);
        Some(payer)
    };
    let mut blocked = PayerGuard::new(person());
    blocked.blocked_until = Some(at(10));
    for (payer, mut guard) in [
        (None, None),
        (unusable(|p| p.instrument = None), Some(PayerGuard::new(person()))),
        (unusable(|p| p.has_password = false), Some(PayerGuard::new(person()))),
        (unusable(|p| p.instrument.as_mut().unwrap().usable = false), Some(PayerGuard::new(person()))),
        (Some(payer()), None),
        (Some(payer()), Some(blocked)),
    ] {
        let payment = Payment::create(request(payer), guard.as_mut(), at(0), &policy);
        assert_eq!((payment.state, payment.refusal), (State::Declined, Some(Reason::PayerUnavailable)));
        assert_eq!((payment.seen(), payment.due_at, payment.challenge), (Seen::Declined, None, None));
    }
}

#[test]
fn m5_a_code_is_evaluated_three_times_and_never_says_what_was_wrong() {
    for (code, password) in [(false, true), (true, false), (false, false)] {
        let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
        for (n, left) in [(1, 2), (2, 1)] {
            payment.authorize(&attempt(n, code, password), &mut guard, at(1), &policy).unwrap();
            assert_eq!((payment.seen(), payment.refusal), (Seen::AwaitingCode, Some(Reason::VerificationFailed)));
            assert_eq!(payment.challenge.as_ref().unwrap().attempts_left, left);
        }
        payment.authorize(&attempt(3, code, password), &mut guard, at(1), &policy).unwrap();
        assert_eq!((payment.seen(), payment.refusal), (Seen::Declined, Some(Reason::AttemptsExhausted)));
        let late = payment.authorize(&attempt(4, true, true), &mut guard, at(1), &policy);
        assert_eq!(late, Err(Reason::NotAwaitingCode), "a good code comes too late");
    }
}

#[test]
fn m5_the_same_try_sent_twice_counts_once() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    for _ in 0..10 {
        // Whatever order the network makes of them.
        payment.authorize(&attempt(1, false, false), &mut guard, at(1), &policy).unwrap();
        payment.authorize(&attempt(2, true, false), &mut guard, at(1), &policy).unwrap();
    }
    assert_eq!(payment.challenge.unwrap().attempts_left, 1);
    assert_eq!(guard.failures, 2);
}

#[test]
fn m5_a_code_ends_to_the_microsecond() {
    for (micros_before_end, state) in [(1, State::Holding), (0, State::Expired)] {
        let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
        let now = at(180).minus(std::time::Duration::from_micros(micros_before_end));
        payment.authorize(&attempt(1, true, true), &mut guard, now, &policy).unwrap();
        assert_eq!(payment.state, state);
    }
}

#[test]
fn m5_a_new_code_gives_no_new_tries() {
    let Case { mut payment, mut guard, policy } = in_state(State::Challenged);
    payment.authorize(&attempt(1, false, true), &mut guard, at(1), &policy).unwrap();
    let resend = |n| Resend { id: AttemptId::from_uuid(id(n)), terminal_id: till(), code_mac: [n; 32], epoch: 0 };
    assert_eq!(payment.resend(&resend(5), &mut guard, at(2), &policy), Err(Reason::CodesExhausted));
    assert_eq!(payment.resend(&resend(5), &mut guard, at(61), &policy), Ok(true));
    assert_eq!(payment.resend(&resend(5), &mut guard, at(62), &policy), Ok(false), "the same request again");
    payment.authorize(&attempt(1, false, true), &mut guard, at(63), &policy).unwrap();
    let challenge = payment.challenge.unwrap();
    assert_eq!((challenge.attempts_left, challenge.code_mac, challenge.expires_at), (2, [5; 32], at(241)));
}

#[test]
fn a_terminal_sees_nothing_of_another_ones_payment() {
    let other = TerminalId::parse("till-2").unwrap();
    for state in State::ALL {
        let Case { mut payment, mut guard, policy } = in_state(state);
        let before = payment.clone();
        let theirs = Attempt { terminal_id: other.clone(), ..attempt(9, true, true) };
        assert_eq!(payment.authorize(&theirs, &mut guard, at(1), &policy), Err(Reason::PaymentUnknown));
        assert_eq!(payment.cancel(&other, at(1)), Err(Reason::PaymentUnknown));
        let theirs = Reversal { terminal_id: other.clone(), ..reversal(1250) };
        assert_eq!(payment.reverse(&theirs, at(1)), Err(Reason::PaymentUnknown));
        let theirs = NewRefund { terminal_id: other.clone(), ..refund(70, 1) };
        assert_eq!(payment.refund(theirs, at(1)), Err(Reason::PaymentUnknown));
        assert_eq!(payment.same_request(&other, &[7; 32]), Err(Reason::PaymentIdTaken));
        assert_eq!(payment, before);
    }
}

#[test]
fn m6_commit_and_abort_are_both_ways_out_of_holding_and_one_wins() {
    use Settled::{Already, Moved, TooLate};
    for (state, commit, abort, refuse) in [
        (State::Challenged, TooLate, TooLate, Already),
        (State::Holding, Moved, Moved, Moved),
        (State::Authorised, Already, TooLate, Already),
        (State::Committed, Already, TooLate, Already),
        (State::Posted, Already, TooLate, Already),
        (State::Declined, TooLate, TooLate, Already),
        (State::Expired, TooLate, TooLate, Already),
        (State::Cancelled, TooLate, TooLate, Already),
        (State::Aborting, TooLate, Already, Moved),
        (State::Aborted, TooLate, Already, Already),
        (State::Reversing, Already, TooLate, Already),
        (State::Reversed, Already, TooLate, Already),
    ] {
        let Case { payment, policy, .. } = in_state(state);
        assert_eq!(payment.clone().commit(Held::default(), None, at(1), &policy), commit, "commit in {state:?}");
        assert_eq!(payment.clone().abort(Reason::DecisionTimedOut, at(1)), abort, "abort in {state:?}");
        assert_eq!(payment.clone().refuse(Reason::AccountFrozen, at(1)), refuse, "refuse in {state:?}");
    }
}

#[test]
fn m6_a_hold_that_answers_after_the_deadline_is_released() {
    let Case { mut payment, policy, .. } = in_state(State::Holding);
    assert_eq!(payment.commit(Held::default(), None, at(30), &policy), Settled::TooLate);
    assert_eq!((payment.state, payment.seen()), (State::Aborting, Seen::Declined));
    assert_eq!(payment.work(at(30)), Work::Void);
    assert_eq!(payment.aborted(), Settled::Moved);
    assert_eq!((payment.seen(), payment.refusal), (Seen::Declined, Some(Reason::DecisionTimedOut)));
}

#[test]
fn an_answer_that_was_final_never_flips_except_into_reversed() {
    for state in State::ALL {
        let before = in_state(state).payment;
        if !before.seen().is_final() {
            continue;
        }
        let policy = Policy::default();
        let mut guard = PayerGuard::new(person());
        let changes: [&mut dyn FnMut(&mut Payment); 11] = [
            &mut |p| {
                let _ = p.authorize(&attempt(9, true, true), &mut guard, at(9), &policy);
            },
            &mut |p| {
                let _ = p.cancel(&till(), at(9));
            },
            &mut |p| {
                let _ = p.expire(at(999));
            },
            &mut |p| {
                let _ = p.commit(Held::default(), None, at(9), &policy);
            },
            &mut |p| {
                let _ = p.refuse(Reason::AccountClosed, at(9));
            },
            &mut |p| {
                let _ = p.abort(Reason::DecisionTimedOut, at(9));
            },
            &mut |p| {
                let _ = p.aborted();
            },
            &mut |p| {
                let _ = p.posted(at(9));
            },
            &mut |p| {
                let _ = p.reversed();
            },
            &mut |p| {
                let _ = p.complete(&cards::completion(1), None, at(9), &policy);
            },
            &mut |p| {
                let _ = p.lapse(at(999));
            },
        ];
        for change in changes {
            let mut payment = before.clone();
            change(&mut payment);
            assert_eq!(payment.seen(), before.seen(), "{state:?}");
            assert_eq!(payment.refusal, before.refusal, "{state:?}");
        }
        let mut payment = before.clone();
        payment.reverse(&reversal(1250), at(9)).unwrap();
        let expected = if before.seen() == Seen::Declined { Seen::Declined } else { Seen::Reversed };
        assert_eq!(payment.seen(), expected, "{state:?}");
    }
}

#[test]
fn a_reversal_is_seen_through_from_every_state() {
    for (state, becomes) in [
        (State::Challenged, State::Cancelled),
        (State::Holding, State::Aborting),
        (State::Authorised, State::Aborting),
        (State::Committed, State::Reversing),
        (State::Posted, State::Reversing),
        (State::Declined, State::Declined),
        (State::Expired, State::Expired),
        (State::Cancelled, State::Cancelled),
        (State::Aborting, State::Aborting),
        (State::Aborted, State::Aborted),
        (State::Reversing, State::Reversing),
        (State::Reversed, State::Reversed),
    ] {
        let mut payment = in_state(state).payment;
        for other_amount in [1249, 1251] {
            let refused = payment.clone().reverse(&reversal(other_amount), at(1));
            assert_eq!(refused, Err(Reason::ReversalAmountMismatch), "{state:?}");
        }
        payment.reverse(&reversal(1250), at(1)).unwrap();
        assert_eq!(payment.state, becomes, "{state:?}");
        payment.reverse(&reversal(1250), at(2)).unwrap();
        assert_eq!(payment.state, becomes, "twice, {state:?}");
    }
}

#[test]
fn a_payment_that_was_reversed_before_it_came_is_refused_when_it_comes() {
    let tombstone = Payment::tombstone(&reversal(1250), at(0));
    assert_eq!((tombstone.seen(), tombstone.due_at), (Seen::Reversed, None));
    assert_eq!(tombstone.same_request(&till(), &[7; 32]), Ok(()));
}

#[test]
fn refunds_are_several_and_together_at_most_the_payment() {
    let mut payment = in_state(State::Posted).payment;
    let mut first = payment.refund(refund(70, 1000), at(1)).unwrap();
    assert_eq!((first.seen(), first.work(at(1))), (Seen::Pending, Work::Refund));
    assert_eq!(payment.refund(refund(72, 251), at(1)), Err(Reason::RefundTooLarge));
    let mut second = payment.refund(refund(74, 250), at(1)).unwrap();
    assert_eq!(first.posted(at(2)), Settled::Moved);
    assert_eq!((first.seen(), first.decided_at), (Seen::Approved, Some(at(2))));
    assert_eq!(payment.clone().reverse(&reversal(1250), at(3)), Err(Reason::NotReversible));
    assert!(second.refund_refused(&mut payment, Reason::AccountClosed, at(3)));
    assert_eq!((second.seen(), payment.refunded_minor), (Seen::Declined, 1000));
    assert!(!second.refund_refused(&mut payment, Reason::AccountClosed, at(3)), "only once");
    assert_eq!(first.refund(refund(76, 1), at(4)), Err(Reason::NotRefundable));
}

#[test]
fn only_a_committed_payment_in_the_same_currency_can_be_refunded() {
    for state in State::ALL {
        let mut payment = in_state(state).payment;
        let fine = matches!(state, State::Committed | State::Posted);
        let expected = if fine { Ok(()) } else { Err(Reason::NotRefundable) };
        assert_eq!(payment.clone().refund(refund(70, 1), at(1)).map(|_| ()), expected, "{state:?}");
        let yen = NewRefund { amount: Money::new(Currency::parse("JPY").unwrap(), 1), ..refund(70, 1) };
        if fine {
            assert_eq!(payment.refund(yen, at(1)), Err(Reason::CurrencyMismatch));
        }
    }
}

#[test]
fn what_is_due_is_what_the_state_still_needs() {
    for (state, second, work) in [
        (State::Challenged, 179, Work::Nothing),
        (State::Challenged, 180, Work::Expire),
        (State::Holding, 9, Work::Nothing),
        (State::Holding, 10, Work::Hold),
        (State::Holding, 30, Work::Abort),
        (State::Authorised, 30 * 86_400 - 1, Work::Nothing),
        (State::Authorised, 30 * 86_400, Work::Lapse),
        (State::Committed, 9, Work::Nothing),
        (State::Committed, 10, Work::Post),
        (State::Aborting, 0, Work::Void),
        (State::Reversing, 0, Work::Reverse),
        (State::Posted, 9999, Work::Nothing),
        (State::Declined, 9999, Work::Nothing),
        (State::Expired, 9999, Work::Nothing),
        (State::Cancelled, 9999, Work::Nothing),
        (State::Aborted, 9999, Work::Nothing),
        (State::Reversed, 9999, Work::Nothing),
    ] {
        assert_eq!(in_state(state).payment.work(at(second)), work, "{state:?} at {second}");
    }
}

#[test]
fn work_that_fails_comes_back_later_each_time_but_never_past_the_decision() {
    let Case { mut payment, policy, .. } = in_state(State::Committed);
    let mut now = at(10);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        payment.defer(now, 0, &policy);
        pauses.push(payment.due_at.unwrap().since(now).as_secs());
        now = payment.due_at.unwrap();
    }
    assert_eq!(pauses, [1, 2, 4, 8, 15, 15, 15, 15]);
    let Case { payment: mut holding, .. } = in_state(State::Holding);
    holding.tries = 9;
    holding.defer(at(20), 1000, &policy);
    assert_eq!(holding.due_at, Some(at(30)));
}
