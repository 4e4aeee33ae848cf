//! What a merchant bears for a payment.

use super::*;
use crate::fee::{EntryKind, Parts, Returns, Schedule, Schedules, Scope, Terms, Way};
use crate::{Currency, FeeScheduleId};

/// One per cent of everything, from the beginning of time.
fn one_per_cent() -> Schedules {
    let terms = Terms {
        rate_ppm: 10_000,
        fixed_minor: 0,
        floor_minor: 0,
        cap_minor: None,
        issuer_ppm: 0,
        hub_ppm: 0,
        returns: Returns::Proportional,
    };
    let id = FeeScheduleId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap();
    let scope = Scope::read("", "", "", Currency::CNY.code()).unwrap();
    [Schedule { id, scope, terms: Some(terms), valid_from: Timestamp::from_secs(0) }].into_iter().collect()
}

#[test]
fn m9_a_fee_is_fixed_once_with_the_commit_and_in_no_other_state() {
    let schedules = one_per_cent();
    for state in State::ALL {
        let mut payment = in_state(state).payment;
        let sale = payment.charge_fee(&schedules, Way::Phone, at(1));
        assert_eq!(sale.is_some(), state == State::Committed, "{state:?}");
        assert_eq!(payment.fee.map(|fee| fee.parts.minor), (state == State::Committed).then_some(12), "{state:?}");
        assert_eq!(payment.charge_fee(&schedules, Way::Phone, at(2)), None, "{state:?}: once");
        assert_eq!(payment.amount.minor, 1250, "the payer pays the same");
    }
    for nature in [Nature::Deposit, Nature::CashWithdrawal, Nature::TransferOut, Nature::Repayment, Nature::TopUp] {
        let mut payment = cards::with_card(nature);
        payment.commit(Held::default(), None, at(0), &Policy::default());
        assert_eq!((payment.charge_fee(&schedules, Way::CardOther, at(1)), payment.fee), (None, None), "{nature:?}");
    }
}

#[test]
fn m9_how_it_was_paid_is_what_bore_more_of_it() {
    for (credit_minor, way) in [
        (None, Way::CardOther),
        (Some(0), Way::CardDebit),
        (Some(625), Way::CardDebit),
        (Some(626), Way::CardCredit),
        (Some(1250), Way::CardCredit),
    ] {
        let mut payment = cards::with_card(Nature::Purchase);
        let card_id = Some(CardId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap());
        payment.commit(Held { card_id, person_id: None, credit_minor }, None, at(0), &Policy::default());
        assert_eq!(payment.way(), way, "{credit_minor:?}");
    }
    assert_eq!(in_state(State::Committed).payment.way(), Way::Phone);
}

#[test]
fn m9_what_comes_back_has_an_entry_of_its_own_and_together_they_are_nothing() {
    let mut paid = in_state(State::Committed).payment;
    let sale = paid.charge_fee(&one_per_cent(), Way::Phone, at(1)).unwrap();
    assert_eq!((sale.kind, sale.amount.minor, sale.fee.minor, sale.way), (EntryKind::Sale, 1250, 12, Some(Way::Phone)));
    assert_eq!(paid.reversal_entry(), None, "it is not taken back");
    let mut refunded = paid.refund(refund(70, 1000), at(2)).unwrap();
    let entry = refunded.refund_entry().unwrap();
    // 12 × 1000 / 1250 is 9.6.
    assert_eq!(
        (entry.payment_id, entry.kind, entry.amount.minor, entry.fee.minor),
        (refunded.id, EntryKind::Refund, -1000, -10)
    );
    assert!(refunded.refund_refused(&mut paid, Reason::AccountClosed, at(3)));
    let refused = refunded.refusal_entry(&paid).unwrap();
    assert_eq!((refused.kind, refused.amount.minor, refused.fee.minor), (EntryKind::RefundRefused, 1000, 10));
    paid.reverse(&reversal(1250), at(4)).unwrap();
    let back = paid.reversal_entry().unwrap();
    assert_eq!((back.kind, back.amount.minor, back.fee), (EntryKind::Reversal, -1250, sale.fee.negated()));
}

#[test]
fn m9_what_was_sold_before_there_were_fees_has_none_to_give_back() {
    let mut paid = in_state(State::Committed).payment;
    let refunded = paid.refund(refund(70, 1000), at(2)).unwrap();
    assert_eq!(refunded.fee.map(|fee| fee.parts), Some(Parts::default()));
    assert_eq!(refunded.refund_entry().map(|entry| (entry.amount.minor, entry.fee)), Some((-1000, Parts::default())));
    let mut before = refunded;
    before.fee = None;
    assert!(before.refund_refused(&mut paid, Reason::AccountClosed, at(3)));
    assert_eq!(before.refusal_entry(&paid), None, "a refund without an entry is not taken back by one");
}
