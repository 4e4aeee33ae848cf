//! Tables of what a file may say, and of what is answered.

use std::collections::HashSet;

use jiff::civil::date;

use super::*;
use crate::{Currency, Money, Reason};

fn reference(text: &str) -> Reference {
    Reference::parse(text).unwrap()
}

/// `bank-a` owes `bank-b` so much for what goes by this key.
fn transfer(key: &str, minor: i64) -> Transfer {
    Transfer {
        instruction: None,
        end_to_end: reference(key),
        transaction: Some(reference(key)),
        uetr: None,
        clearing: None,
        amount: Money::new(Currency::CNY, minor),
        day: date(2026, 11, 23),
        accepted_at: None,
        debtor: Party::default(),
        debtor_agent: Agent::member("bank-a").unwrap(),
        creditor_agent: Agent::member("bank-b").unwrap(),
        creditor: Party::default(),
        remittance: Vec::new(),
    }
}

#[test]
fn m7_identifiers_have_the_forms_of_the_schema() {
    for good in ["BANKCNBJ", "BANKCNBJXXX", "B4NKCN22"] {
        assert_eq!(Bic::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "BANKCNB", "bankcnbj", "BANK1NBJ", "BANKCNBJX", "BANKCNBJXXXX", "BÄNKCNBJ"] {
        assert_eq!(Bic::parse(bad), Err(Reason::TextMalformed), "{bad}");
    }
    assert!(Uetr::parse("86d7da8e-6e41-4466-b9bb-9b41d5814d5a").is_ok());
    for bad in ["", "86D7DA8E-6E41-4466-B9BB-9B41D5814D5A", "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"] {
        assert_eq!(Uetr::parse(bad), Err(Reason::IdMalformed), "{bad}");
    }
    assert!(Reference::parse(&"好".repeat(35)).is_ok());
    for bad in ["", " a", "a ", "a\nb", "a\u{202e}b", &"a".repeat(36)] {
        assert_eq!(Reference::parse(bad), Err(Reason::TextMalformed), "{bad:?}");
    }
    assert_eq!(Note::clipped(&"x".repeat(200)).unwrap().as_str().len(), 105);
    assert_eq!(Note::clipped("\u{202e}"), None);
    assert_eq!(Agent::member(&"b".repeat(36)), Err(Reason::ClearingNameTooLong));
    assert_eq!(Agent::new(None, None), Err(Reason::FieldMissing));
}

#[test]
fn m7_an_amount_has_no_more_decimals_than_its_currency() {
    let currency = |code| Currency::parse(code).unwrap();
    for (code, text, wanted) in [
        ("CNY", "12.50", Ok(1_250)),
        ("CNY", "12.5", Ok(1_250)),
        ("CNY", "12", Ok(1_200)),
        ("JPY", "12", Ok(12)),
        ("KWD", "0.001", Ok(1)),
        ("CNY", "12.500", Err(Reason::AmountMalformed)),
        ("JPY", "12.0", Err(Reason::AmountMalformed)),
        ("JPY", "12.", Err(Reason::AmountMalformed)),
        ("CNY", "", Err(Reason::AmountMalformed)),
        ("CNY", ".5", Err(Reason::AmountMalformed)),
        ("CNY", "+1", Err(Reason::AmountMalformed)),
        ("CNY", "-1", Err(Reason::AmountMalformed)),
        ("CNY", "1e3", Err(Reason::AmountMalformed)),
        ("CNY", "1.2.3", Err(Reason::AmountMalformed)),
        ("CNY", "１", Err(Reason::AmountMalformed)),
        ("CNY", "0.00", Err(Reason::AmountNotPositive)),
        ("CNY", "1000000000.01", Err(Reason::AmountTooLarge)),
        ("CNY", "99999999999999999999", Err(Reason::AmountTooLarge)),
    ] {
        assert_eq!(amount_of(currency(code), text).map(|amount| amount.minor), wanted, "{code} {text:?}");
    }
}

#[test]
fn m7_the_head_of_a_file_says_what_is_in_it() {
    let transfers = [transfer("1", 1_250), transfer("2", 50)];
    let sum = |text| Some(ControlSum::parse(text).unwrap());
    let money = |code, minor| Some(Money::new(Currency::parse(code).unwrap(), minor));
    for (number, control_sum, total, wanted) in [
        (Some(2), None, None, Ok(())),
        (Some(2), sum("13"), money("CNY", 1_300), Ok(())),
        (Some(2), sum("13.00"), None, Ok(())),
        (None, sum("13"), None, Err(Reason::FieldMissing)),
        (Some(1), None, None, Err(Reason::FileTotalsWrong)),
        (Some(3), None, None, Err(Reason::FileTotalsWrong)),
        (Some(2), sum("13.01"), None, Err(Reason::FileTotalsWrong)),
        (Some(2), None, money("CNY", 1_299), Err(Reason::FileTotalsWrong)),
        (Some(2), None, money("USD", 1_300), Err(Reason::CurrencyMismatch)),
    ] {
        let claim = Claim { number, control_sum, total };
        assert_eq!(claim.holds_for(&transfers), wanted, "{claim:?}");
    }
    for bad in ["", "-1", "1e3", "x"] {
        assert_eq!(ControlSum::parse(bad), Err(Reason::AmountMalformed), "{bad}");
    }
    assert_eq!(Claim::repeated(&transfers), None);
    assert_eq!(Claim::repeated(&[transfer("1", 5), transfer("2", 5), transfer("1", 6)]), Some(2));
    let large = [transfer("1", i64::MAX), transfer("2", 1)];
    assert_eq!(total(Currency::CNY, &large), Err(Reason::AmountTooLarge));
}

#[test]
fn m7_a_file_is_held_against_the_books_transfer_by_transfer() {
    let books = [transfer("1", 100), transfer("2", 200), transfer("3", 300)];
    let with = |change: &dyn Fn(&mut Transfer)| {
        let mut told = transfer("2", 200);
        change(&mut told);
        told
    };
    let bic = || Some(Bic::parse("BANKCNBJ").unwrap());
    for (told, wanted) in [
        (with(&|_| ()), Verdict::Settled),
        (with(&|it| it.debtor.name = Name::clipped("Somebody")), Verdict::Settled),
        (with(&|it| it.debtor_agent.bic = bic()), Verdict::Settled),
        (with(&|it| it.transaction = None), Verdict::Settled),
        (with(&|it| it.transaction = Some(reference("9"))), Verdict::Differs(Difference::Unknown)),
        (with(&|it| it.debtor_agent = it.creditor_agent.clone()), Verdict::Differs(Difference::Agents)),
        (with(&|it| it.debtor_agent = Agent { bic: bic(), member: None }), Verdict::Differs(Difference::Agents)),
        (with(&|it| it.amount.currency = Currency::parse("USD").unwrap()), Verdict::Differs(Difference::Currency)),
        (with(&|it| it.amount.minor = 201), Verdict::Differs(Difference::Amount)),
        (with(&|it| it.day = date(2026, 11, 24)), Verdict::Differs(Difference::Day)),
    ] {
        let compared = compare(&books, std::slice::from_ref(&told));
        assert_eq!(compared.verdicts, [wanted], "{told:?}");
        let untold: &[usize] = if wanted == Verdict::Differs(Difference::Unknown) { &[0, 1, 2] } else { &[0, 2] };
        assert_eq!(compared.untold, untold);
        assert!(!compared.agrees());
    }
    assert!(compare(&books, &books).agrees());
    assert!(compare(&[], &[]).agrees());
}

#[test]
fn m7_what_is_answered_has_a_code_of_the_external_sets() {
    for reason in Reason::ALL {
        let code = code_of(*reason);
        assert!(StatusCode::parse(code.as_str()).is_ok(), "{reason:?}");
        let read = code.reason();
        assert!(code.as_str() == "NARR" || code_of(read) == code, "{reason:?} is {code:?}, which is {read:?}");
        let Outcome::Refused { words, .. } = Outcome::refused(*reason) else { panic!("{reason:?}") };
        assert!(words.is_some(), "{reason:?}");
    }
    for (reason, code) in [
        (Reason::InsufficientFunds, "AM04"),
        (Reason::AccountClosed, "AC04"),
        (Reason::AccountFrozen, "AC06"),
        (Reason::DecisionTimedOut, "AB03"),
        (Reason::BankRefused, "MS03"),
        (Reason::TextMalformed, "NARR"),
    ] {
        assert_eq!(code_of(reason).as_str(), code, "{reason:?}");
    }
    let codes: HashSet<String> = Difference::ALL.iter().map(|it| it.code().as_str().to_owned()).collect();
    assert_eq!(codes.len(), Difference::ALL.len());
    for bad in ["", "AM045", "am04", "A-4"] {
        assert_eq!(StatusCode::parse(bad), Err(Reason::FieldUnknown), "{bad}");
    }
    assert_eq!(StatusCode::parse("ZZ99").unwrap().reason(), Reason::BankRefused);
}
