use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::payment::{Policy, Settled, Verdict};
use crate::purchase::CategoryCode;
use crate::text::Line;
use crate::{AccountId, CardId, Currency, MerchantId};

pub(super) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A UUID of version 7 that ends so.
fn v7(n: u128) -> Uuid {
    Uuid::from_u128(0x0192_f0c1_7a6b_7c3d_8e4f_0000_0000_0000 + n)
}

fn party(bank: &str, instrument: Instrument) -> Party {
    let named = Merchant {
        id: MerchantId::parse(bank).unwrap(),
        name: Line::parse(&format!("{bank} ****1")).unwrap(),
        category: CategoryCode::parse("6012").unwrap(),
    };
    Party { bank_id: BankId::parse(bank).unwrap(), instrument, masked: "****1".to_owned(), named }
}

pub(super) fn account() -> Instrument {
    Instrument::Account(AccountId::from_uuid(v7(10)))
}

pub(super) fn card() -> Instrument {
    Instrument::Card(CardId::from_uuid(v7(11)))
}

pub(super) fn leg(side: Side) -> LegId {
    match side {
        Side::Paying => LegId::from_uuid(v7(20)),
        Side::Receiving => LegId::from_uuid(v7(21)),
    }
}

pub(super) fn form() -> Form {
    Form {
        id: PaymentId::from_uuid(v7(1)),
        from: End { bank_id: BankId::parse("bank-a").unwrap(), instrument: account() },
        to: End { bank_id: BankId::parse("bank-b").unwrap(), instrument: card() },
        amount: Money::new(Currency::CNY, 125_000),
        signed_at: NOW,
    }
}

pub(super) fn begun() -> Repayment {
    let who = (PersonId::from_uuid(v7(2)), DeviceId::from_uuid(v7(3)));
    let parties = Parties { paying: party("bank-a", account()), receiving: party("bank-b", card()) };
    let legs = Legs { paying: leg(Side::Paying), receiving: leg(Side::Receiving) };
    Repayment::begin(&form(), who, parties, legs, NOW, &Policy::default())
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn r8_what_is_signed_has_one_spelling_and_says_amount_payer_and_payee() {
    let text = "bankhub repayment v1\n\
                repayment: 0192f0c1-7a6b-7c3d-8e4f-000000000001\n\
                from: bank-a account 0192f0c1-7a6b-7c3d-8e4f-00000000000a\n\
                to: bank-b card 0192f0c1-7a6b-7c3d-8e4f-00000000000b\n\
                amount: 1250.00 CNY\n\
                signed: 2027-01-15T08:00:00Z\n";
    assert_eq!(form().to_string(), text);
    assert_eq!(Form::parse(text), Ok(form()));
    assert_eq!(begun().form(), form());
    for bad in [
        String::new(),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        format!("{text}more: 1\n"),
        text.replace("v1", "v2"),
        text.replace("1250.00", "1250.0"),
        text.replace("1250.00", "1250"),
        text.replace("1250.00", "01250.00"),
        text.replace(" account ", " savings "),
        text.replace("bank-a", "Bank-A"),
        text.replace(":00Z", ":00.5Z"),
        text.replace("8e4f-000000000001", "8E4F-000000000001"),
        text.replace('\n', "\r\n"),
    ] {
        assert_eq!(Form::parse(&bad), Err(Reason::RepaymentMalformed), "{bad:?}");
    }
    for (amount, reason) in [
        ("0.00 CNY", Reason::AmountNotPositive),
        ("-1250.00 CNY", Reason::AmountNotPositive),
        ("1000000000.01 CNY", Reason::AmountTooLarge),
        ("99999999999999999999.00 CNY", Reason::AmountTooLarge),
        ("1250.001 CNY", Reason::AmountMalformed),
        ("1e3 CNY", Reason::AmountMalformed),
        ("1250.00", Reason::AmountMalformed),
        ("1250.00 cny", Reason::CurrencyUnknown),
        ("1250.00 XXX", Reason::CurrencyUnknown),
    ] {
        assert_eq!(Form::parse(&text.replace("1250.00 CNY", amount)), Err(reason), "{amount}");
    }
}

#[test]
fn r8_a_repayment_is_taken_in_soon_after_it_was_signed_and_not_between_an_account_and_itself() {
    assert_eq!(form().check(NOW), Ok(()));
    assert_eq!(form().check(NOW.plus(TAKEN_WITHIN).minus(Duration::from_micros(1))), Ok(()));
    assert_eq!(form().check(NOW.plus(TAKEN_WITHIN)), Err(Reason::RepaymentOutdated));
    assert_eq!(form().check(NOW.minus(Duration::from_secs(300))), Ok(()));
    assert_eq!(form().check(NOW.minus(Duration::from_secs(301))), Err(Reason::RepaymentOutdated));
    let to = |end: &End| Form { to: end.clone(), from: end.clone(), ..form() };
    assert_eq!(to(&form().from).check(NOW), Err(Reason::RepaymentSameAccount));
    assert_eq!(to(&form().to).check(NOW), Ok(()), "a card has two sides");
}

#[test]
fn r8_the_same_again_is_the_same_person_and_the_same_words() {
    let known = begun();
    assert_eq!(known.same_request(known.person_id, &form()), Ok(()));
    let taken = Err(Reason::PaymentIdTaken);
    assert_eq!(known.same_request(PersonId::from_uuid(v7(99)), &form()), taken);
    let other = |change: &dyn Fn(&mut Form)| {
        let mut form = form();
        change(&mut form);
        known.same_request(known.person_id, &form)
    };
    assert_eq!(other(&|form| form.amount.minor += 1), taken);
    assert_eq!(other(&|form| form.to.bank_id = form.from.bank_id.clone()), taken);
    assert_eq!(other(&|form| form.from.instrument = card()), taken);
    assert_eq!(other(&|form| form.signed_at = after(1)), taken);
}

#[test]
fn r8_it_is_committed_when_both_banks_hold_and_at_no_other_moment() {
    let policy = Policy::default();
    let mut repayment = begun();
    assert_eq!((repayment.seen(), repayment.outstanding(NOW)), (Seen::Pending, Work::Hold));
    assert_eq!(repayment.held(&[Side::Receiving], after(1), &policy), Settled::Already);
    assert_eq!((repayment.state, repayment.awaited().collect::<Vec<_>>()), (State::Holding, vec![Side::Paying]));
    assert_eq!(repayment.paid_in(), None);
    assert_eq!(repayment.held(&[Side::Paying], after(2), &policy), Settled::Moved);
    assert_eq!((repayment.state, repayment.decided_at), (State::Committed, Some(after(2))));
    assert_eq!((repayment.seen(), repayment.outstanding(after(2))), (Seen::Approved, Work::Post));
    let told = repayment.paid_in().unwrap();
    assert_eq!((told.nature, told.bank_id.as_str()), (Nature::Repayment, "bank-b"));
    assert_eq!(told.merchant.name.as_str(), "bank-a ****1");
    assert_eq!(repayment.abort(Reason::BankRefused, None, after(3)), Settled::TooLate);
    assert_eq!(repayment.posted(&[Side::Receiving]), Settled::Already);
    assert_eq!(repayment.voided(&Side::BOTH), Settled::Already);
    assert_eq!((repayment.state, repayment.undone().collect::<Vec<_>>()), (State::Committed, vec![Side::Paying]));
    assert_eq!(repayment.posted(&[Side::Paying]), Settled::Moved);
    assert_eq!((repayment.state, repayment.due_at), (State::Posted, None));
    assert_eq!(repayment.held(&Side::BOTH, after(99), &policy), Settled::Already);
}

#[test]
fn r8_what_is_not_held_by_both_in_time_is_given_up_and_it_is_said_who_was_silent() {
    let policy = Policy::default();
    let late = NOW.plus(policy.decide_within);
    let table =
        [(vec![], None), (vec![Side::Paying], Some(Side::Receiving)), (vec![Side::Receiving], Some(Side::Paying))];
    for (held, silent) in table {
        let mut repayment = begun();
        repayment.held(&held, NOW, &policy);
        assert_eq!(repayment.time_out(late.minus(Duration::from_micros(1))), Settled::Already);
        assert_eq!(repayment.outstanding(late), Work::Abort);
        assert_eq!(repayment.held(&Side::BOTH, late, &policy), Settled::TooLate, "{held:?}");
        assert_eq!((repayment.state, repayment.refusal), (State::Aborting, Some(Reason::DecisionTimedOut)));
        assert_eq!((repayment.refused_by, repayment.seen()), (silent, Seen::Declined), "{held:?}");
        assert_eq!(repayment.posted(&Side::BOTH), Settled::Already);
        assert_eq!(repayment.voided(&[Side::Paying]), Settled::Already);
        assert_eq!(repayment.outstanding(late), Work::Void);
        assert_eq!(repayment.voided(&[Side::Receiving]), Settled::Moved);
        assert_eq!((repayment.state, repayment.due_at), (State::Aborted, None));
        assert_eq!(repayment.held(&Side::BOTH, late, &policy), Settled::TooLate);
        assert_eq!(repayment.paid_in(), None);
    }
    let mut refused = begun();
    assert_eq!(refused.abort(Reason::InsufficientFunds, Some(Side::Paying), NOW), Settled::Moved);
    assert_eq!(refused.abort(Reason::CardClosed, Some(Side::Receiving), NOW), Settled::Already);
    assert_eq!((refused.refusal, refused.refused_by), (Some(Reason::InsufficientFunds), Some(Side::Paying)));
}

#[test]
fn r8_a_bank_is_told_of_its_own_leg_what_was_decided() {
    let policy = Policy::default();
    let (a, b) = (BankId::parse("bank-a").unwrap(), BankId::parse("bank-b").unwrap());
    let holding = begun();
    let mut committed = begun();
    committed.held(&Side::BOTH, NOW, &policy);
    let mut posted = committed.clone();
    posted.posted(&Side::BOTH);
    let mut aborting = begun();
    aborting.abort(Reason::BankRefused, None, NOW);
    let mut aborted = aborting.clone();
    aborted.voided(&Side::BOTH);
    let table = [
        (holding, Verdict::Wait),
        (committed, Verdict::Post),
        (posted, Verdict::Post),
        (aborting, Verdict::Void),
        (aborted, Verdict::Void),
    ];
    for (repayment, verdict) in table {
        assert_eq!(repayment.verdict_on(&a, leg(Side::Paying)), Ok(Some(verdict)));
        assert_eq!(repayment.verdict_on(&b, leg(Side::Receiving)), Ok(Some(verdict)));
        assert_eq!(repayment.verdict_on(&b, leg(Side::Paying)), Err(Reason::NotYours));
        assert_eq!(repayment.verdict_on(&a, LegId::from_uuid(v7(77))), Ok(None));
    }
}

#[test]
fn what_is_due_is_put_off_longer_each_time_and_never_past_the_decision() {
    let policy = Policy::default();
    let mut repayment = begun();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        repayment.defer(NOW, 0, &policy);
        pauses.push(repayment.due_at.unwrap().since(NOW).as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 15, 15]);
    repayment.defer(after(29), 1_000, &policy);
    assert_eq!(repayment.due_at, Some(repayment.decide_before));
    repayment.held(&Side::BOTH, NOW, &policy);
    repayment.defer(NOW, 1_000, &policy);
    assert_eq!(repayment.due_at, Some(NOW.plus(Duration::from_millis(1_250))));
    repayment.posted(&Side::BOTH);
    repayment.defer(NOW, 0, &policy);
    assert_eq!(repayment.due_at, None);
}

#[test]
fn words_that_are_stored_are_read_back() {
    for state in State::ALL {
        assert_eq!(State::parse(state.name()), Ok(state));
    }
    for side in Side::BOTH {
        assert_eq!(Side::parse(side.as_str()), Ok(side));
        assert_eq!(side.other().other(), side);
    }
    for progress in Progress::ALL {
        assert_eq!(Progress::parse(progress.as_str()), Ok(progress));
    }
    assert!(State::parse("DECLINED").is_err() && Side::parse("").is_err() && Progress::parse("held").is_err());
}
