//! Tables over top-ups, and the sums that bound them.

use proptest::prelude::*;

use super::*;

fn payee() -> Payee {
    let Payer { person_id, instrument, .. } = payer();
    Payee { person_id, instrument, number_epoch: 0 }
}

fn new_top_up(n: u8, minor: i64) -> NewTopUp {
    NewTopUp {
        id: PaymentId::from_uuid(id(n)),
        terminal: terminal("till-1"),
        fingerprint: [7; 32],
        amount: cny(minor),
        reference: None,
        payee: Some(payee()),
        leg_id: LegId::from_uuid(id(50)),
    }
}

fn limits(once_minor: i64, person_day_minor: i64, terminal_day_minor: i64) -> Policy {
    Policy { top_ups: TopUpLimits { once_minor, person_day_minor, terminal_day_minor }, ..Policy::default() }
}

fn topped_up(minor: i64) -> Payment {
    let mut counters = CashCounters::default();
    let guard = PayerGuard::new(person());
    Payment::create_top_up(new_top_up(3, minor), Some(&guard), &mut counters, at(0), &Policy::default())
}

#[test]
fn m3_who_can_be_paid_cash_and_who_not_by_this_table() {
    type Change = fn(&mut NewTopUp, &mut PayerGuard);
    let table: [(&str, Change, bool); 10] = [
        ("somebody with an account", |_, _| {}, true),
        ("somebody who has frozen it", |_, it| it.frozen = frozen_account(), true),
        ("somebody who is blocked", |_, it| it.blocked_until = Some(at(60)), true),
        ("nobody", |it, _| it.payee = None, false),
        ("somebody with nothing bound", |it, _| it.payee.as_mut().unwrap().instrument = None, false),
        (
            "a bank that is suspended",
            |it, _| it.payee.as_mut().unwrap().instrument.as_mut().unwrap().usable = false,
            false,
        ),
        ("a number that has changed since it was looked up", |_, it| it.number_epoch = 1, false),
        ("a number whose owner is in doubt", |_, it| it.number_closed = true, false),
        ("an amount above what is taken at once", |it, _| it.amount = cny(500_001), false),
        (
            "an amount above what is taken at once, and nobody",
            |it, _| (it.amount, it.payee) = (cny(500_001), None),
            false,
        ),
    ];
    for (what, change, taken) in table {
        let (mut new, mut guard) = (new_top_up(3, 10_000), PayerGuard::new(person()));
        change(&mut new, &mut guard);
        let mut counters = CashCounters::default();
        let payment = Payment::create_top_up(new, Some(&guard), &mut counters, at(0), &Policy::default());
        assert_eq!(payment.seen(), if taken { Seen::Pending } else { Seen::Declined }, "{what}");
        assert_eq!(counters.person.taken_minor, if taken { 10_000 } else { 0 }, "{what}");
        let refusal = match what {
            _ if taken => None,
            _ if what.starts_with("an amount above") => Some(Reason::TopUpTooLarge),
            _ => Some(Reason::NumberNotServed),
        };
        assert_eq!((payment.refusal, payment.charge.is_some()), (refusal, taken), "{what}");
    }
}

fn frozen_account() -> Vec<FrozenInstrument> {
    let paying = payer().instrument.unwrap();
    vec![FrozenInstrument { bank_id: paying.bank_id, instrument: paying.instrument }]
}

#[test]
fn m3_so_much_cash_in_a_day_and_the_next_day_again() {
    let policy = limits(100, 250, 300);
    let guard = PayerGuard::new(person());
    let mut counters = CashCounters::default();
    let day = 86_400 - 1_790_000_000_i64.rem_euclid(86_400);
    for (second, minor, expected) in [
        (0, 101, Some(Reason::TopUpTooLarge)),
        (1, 100, None),
        (2, 100, None),
        (3, 51, Some(Reason::TopUpsExhausted)),
        (4, 50, None),
        (5, 1, Some(Reason::TopUpsExhausted)),
        (day - 1, 1, Some(Reason::TopUpsExhausted)),
        (day, 100, None),
    ] {
        let payment = Payment::create_top_up(new_top_up(3, minor), Some(&guard), &mut counters, at(second), &policy);
        assert_eq!(payment.refusal, expected, "{minor} at {second}");
    }
    assert_eq!(counters.person.taken_minor, 100);
    // Another person at the same terminal finds what is left there.
    let mut others =
        CashCounters { person: CashTaken::default(), terminal: CashTaken { taken_minor: 250, ..counters.terminal } };
    let refused = Payment::create_top_up(new_top_up(3, 51), Some(&guard), &mut others, at(day), &policy);
    assert_eq!((refused.refusal, others.person.taken_minor), (Some(Reason::TopUpsExhausted), 0));
    let most = CashTaken { day: CashTaken::day_of(at(0)), taken_minor: i64::MAX };
    let mut full = CashCounters { person: most, terminal: most };
    let refused =
        Payment::create_top_up(new_top_up(3, 1), Some(&guard), &mut full, at(0), &limits(1, i64::MAX, i64::MAX));
    assert_eq!(refused.refusal, Some(Reason::TopUpsExhausted));
}

#[test]
fn m3_a_top_up_is_carried_on_by_anybody_told_as_money_that_came_in_and_is_no_purchase() {
    let mut payment = topped_up(10_000);
    assert_eq!((payment.state, payment.kind.nature()), (State::Holding, Some(Nature::TopUp)));
    assert_eq!(
        (payment.work(at(9)), payment.work(at(10)), payment.work(at(30))),
        (Work::Nothing, Work::Hold, Work::Abort)
    );
    let mut guard = PayerGuard { frozen: frozen_account(), ..PayerGuard::new(person()) };
    assert_eq!(payment.commit(Held::default(), Some(&mut guard), at(1), &Policy::default()), Settled::Moved, "frozen");
    assert_eq!((payment.seen(), payment.outstanding(at(1)), payment.purchase()), (Seen::Approved, Work::Post, None));
    let told = payment.paid_in().unwrap();
    assert_eq!((told.nature, told.amount, told.masked.as_str()), (Nature::TopUp, cny(10_000), "****4821"));
    assert_eq!(payment.posted(at(2)), Settled::Moved);
}

#[test]
fn m3_a_top_up_is_reversed_until_it_is_approved_and_never_refunded() {
    let reversal = |minor| Reversal {
        payment_id: PaymentId::from_uuid(id(3)),
        terminal_id: till(),
        amount: cny(minor),
        leg_id: LegId::from_uuid(id(51)),
    };
    let mut waiting = topped_up(10_000);
    assert_eq!(waiting.reverse(&reversal(9_999), at(1)), Err(Reason::ReversalAmountMismatch));
    assert!(waiting.takes_cash());
    assert_eq!(waiting.reverse(&reversal(10_000), at(1)), Ok(()));
    assert_eq!((waiting.seen(), waiting.outstanding(at(1))), (Seen::Declined, Work::Void));
    assert!(!waiting.takes_cash());
    assert_eq!(waiting.commit(Held::default(), None, at(2), &Policy::default()), Settled::TooLate);

    let mut approved = topped_up(10_000);
    approved.commit(Held::default(), None, at(1), &Policy::default());
    assert_eq!(approved.reverse(&reversal(10_000), at(2)), Err(Reason::NotReversible));
    assert_eq!((approved.seen(), approved.takes_cash()), (Seen::Approved, true));
    let refund = NewRefund {
        id: PaymentId::from_uuid(id(4)),
        original: approved.id,
        terminal_id: till(),
        fingerprint: [8; 32],
        amount: cny(1),
        leg_id: LegId::from_uuid(id(52)),
    };
    assert_eq!(approved.refund(refund, at(2)).err(), Some(Reason::NotRefundable));
}

proptest! {
    /// Whatever becomes of top-ups, what is counted is what they came to, and never more than a day may have.
    #[test]
    fn m3_what_is_counted_is_what_came_to_something(acts in prop::collection::vec((0_u8..4, 1_i64..120), 1..40)) {
        let policy = limits(100, 400, 500);
        let guard = PayerGuard::new(person());
        let (mut counters, mut payments) = (CashCounters::default(), Vec::<Payment>::new());
        for (second, (act, minor)) in (0_i64..).zip(acts) {
            let now = at(second);
            if act == 0 || payments.is_empty() {
                let n = u8::try_from(payments.len()).unwrap();
                payments.push(Payment::create_top_up(new_top_up(n, minor), Some(&guard), &mut counters, now, &policy));
            } else {
                let n = usize::try_from(minor).unwrap() % payments.len();
                let payment = &mut payments[n];
                let took = payment.takes_cash();
                match act {
                    1 => drop(payment.commit(Held::default(), None, now, &policy)),
                    2 => drop(payment.refuse(Reason::AccountClosed, now)),
                    _ => drop(payment.abort(Reason::DecisionTimedOut, now)),
                }
                if took && !payment.takes_cash() {
                    counters.person.release(payment);
                    counters.terminal.release(payment);
                }
            }
            let taken: i64 = payments.iter().filter(|it| it.takes_cash()).map(|it| it.amount.minor).sum();
            prop_assert_eq!((counters.person.taken_minor, counters.terminal.taken_minor), (taken, taken));
            prop_assert!(taken <= 400);
        }
    }
}
