//! What a payer has frozen at the hub (F4).

use super::*;
use crate::CardId;
use crate::ledger::Nature;

fn bank() -> BankId {
    BankId::parse("bank-a").unwrap()
}

fn guard_that_freezes(instrument: Instrument) -> PayerGuard {
    PayerGuard { frozen: vec![FrozenInstrument { bank_id: bank(), instrument }], ..PayerGuard::new(person()) }
}

fn account() -> Instrument {
    Instrument::Account(AccountId::from_uuid(id(2)))
}

fn card() -> Instrument {
    Instrument::Card(CardId::from_uuid(id(40)))
}

#[test]
fn f4_from_a_frozen_account_no_payment_begins_and_its_phone_gets_no_code() {
    let mut guard = guard_that_freezes(account());
    let payment = Payment::create(request(Some(payer())), Some(&mut guard), at(0), &Policy::default());
    assert_eq!((payment.state, payment.refusal), (State::Declined, Some(Reason::PayerUnavailable)));
    assert!(guard.codes_sent.is_empty());
    let others = [
        guard_that_freezes(card()),
        guard_that_freezes(Instrument::Account(AccountId::from_uuid(id(77)))),
        PayerGuard {
            frozen: vec![FrozenInstrument { bank_id: BankId::parse("bank-b").unwrap(), instrument: account() }],
            ..PayerGuard::new(person())
        },
    ];
    for mut guard in others {
        let payment = Payment::create(request(Some(payer())), Some(&mut guard), at(0), &Policy::default());
        assert_eq!(payment.state, State::Challenged, "frozen is something else: {guard:?}");
    }
}

#[test]
fn f4_what_is_frozen_between_the_code_and_the_hold_is_declined_and_the_try_was_a_right_one() {
    let Case { mut payment, policy, .. } = in_state(State::Challenged);
    let mut guard = PayerGuard { failures: 3, ..guard_that_freezes(account()) };
    payment.authorize(&attempt(1, true, true), &mut guard, at(1), &policy).unwrap();
    assert_eq!((payment.state, payment.refusal), (State::Declined, Some(Reason::AccountFrozen)));
    assert_eq!((guard.failures, payment.charge.unwrap().leg_id), (0, None), "the bank never hears of it");

    let Case { mut payment, policy, .. } = in_state(State::Challenged);
    payment.authorize(&attempt(1, true, false), &mut guard, at(1), &policy).unwrap();
    assert_eq!(payment.refusal, Some(Reason::VerificationFailed), "who has not proved who he is learns nothing");
}

#[test]
fn f4_what_is_frozen_between_the_hold_and_the_commit_is_aborted_and_money_that_comes_in_is_not() {
    let Case { mut payment, policy, .. } = in_state(State::Holding);
    let mut guard = guard_that_freezes(account());
    assert_eq!(payment.commit(Held::default(), Some(&mut guard), at(1), &policy), Settled::TooLate);
    assert_eq!((payment.state, payment.refusal), (State::Aborting, Some(Reason::AccountFrozen)));
    assert_eq!(guard.last_sequence, 0, "nothing stands in the feed");

    let held = Held { card_id: Some(CardId::from_uuid(id(40))), person_id: Some(person()), credit_minor: Some(0) };
    let mut guard = guard_that_freezes(card());
    for (nature, wanted) in [
        (Nature::Purchase, State::Aborting),
        (Nature::CashWithdrawal, State::Aborting),
        (Nature::PreAuthorisation, State::Aborting),
        (Nature::Deposit, State::Committed),
        (Nature::Repayment, State::Committed),
    ] {
        let mut payment = cards::with_card(nature);
        payment.commit(held, Some(&mut guard), at(1), &policy);
        assert_eq!(payment.state, wanted, "{nature:?}");
        let mut nobodys = cards::with_card(nature);
        nobodys.commit(Held { person_id: None, ..held }, None, at(1), &policy);
        assert_ne!(nobodys.state, State::Aborting, "of whom nothing is known here: {nature:?}");
    }
}

#[test]
fn f4_what_was_authorised_before_is_completed_and_what_was_paid_comes_back() {
    let mut payment = cards::authorised();
    let mut guard = guard_that_freezes(card());
    let completed = payment.complete(&cards::completion(700), Some(&mut guard), at(2), &Policy::default());
    assert_eq!((completed, payment.state), (Ok(true), State::Committed));
    assert!(payment.refund(refund(70, 1), at(3)).is_ok());
}

#[test]
fn what_is_frozen_is_read_as_it_was_written_and_nothing_else() {
    for instrument in [account(), card()] {
        let frozen = FrozenInstrument { bank_id: bank(), instrument };
        assert_eq!(FrozenInstrument::parse(&frozen.words()), Ok(frozen));
    }
    for text in ["", "bank-a", "bank-a CARD", "bank-a CARD x", "bank-a PURSE 0192f0c1-7a6b-7000-8000-000000000001"] {
        assert!(FrozenInstrument::parse(text).is_err(), "{text}");
    }
}
