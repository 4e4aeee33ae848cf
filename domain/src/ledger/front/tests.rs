//! The front as tables that a bank's product manager can read.

use proptest::prelude::*;

use super::*;
use crate::CardId;
use crate::card::{CardState, Standing};
use crate::ledger::CreditLine;

const ACCOUNT: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
const DEBIT: &str = "0192f0c1-7a6b-7c3d-8e4f-0000000000d1";
const CREDIT: &str = "0192f0c1-7a6b-7c3d-8e4f-0000000000c1";
const CARD: &str = "0192f0c1-7a6b-7c3d-8e4f-0000000000ca";

fn id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn yen() -> Currency {
    Currency::parse("JPY").unwrap()
}

fn account() -> AccountFacts {
    AccountFacts {
        kind: AccountKind::CustomerDeposit,
        currency: Currency::CNY,
        status: AccountStatus::Active,
        frozen: false,
        payment_limit_minor: 0,
        available_minor: 1_000,
    }
}

/// A payment of 1,000 from an account of 1,000.
fn by_account(change: impl FnOnce(&mut Facts, &mut AccountFacts)) -> Facts {
    let mut known = account();
    let (nature, amount) = (Nature::Purchase, Money::new(Currency::CNY, 1_000));
    let mut facts = Facts { nature, amount, party: PartyFacts::Account(id(ACCOUNT), None) };
    change(&mut facts, &mut known);
    facts.party = PartyFacts::Account(id(ACCOUNT), Some(known));
    facts
}

/// A card with 500 on its debit side and a limit of 1,000 on its credit side, 300 of which may be cash; nothing is owed.
fn card() -> CardFacts {
    let debit = DebitFacts { account_id: id(DEBIT), account: AccountFacts { available_minor: 500, ..account() } };
    let credit = CreditFacts {
        account_id: id(CREDIT),
        currency: Currency::CNY,
        status: AccountStatus::Active,
        frozen: false,
        payment_limit_minor: 0,
        line: CreditLine { limit_minor: 1_000, cash_limit_minor: 300, cash_owed_minor: 0, cash_held_minor: 0 },
        owed_minor: 0,
        held_minor: 0,
    };
    let standing = Standing { state: CardState::Active, expired: false, locked: false, frozen: false };
    CardFacts { standing, debit: Some(debit), credit: Some(credit) }
}

fn by_card(nature: Nature, minor: i64, card: Option<CardFacts>) -> Facts {
    let party = PartyFacts::Card(CardId::parse(CARD).unwrap(), card);
    Facts { nature, amount: Money::new(Currency::CNY, minor), party }
}

/// Splits as people say them: `credit 600 + debit 400`.
fn said(result: Result<Vec<Split>, Reason>) -> String {
    let say = |split: &Split| {
        let (name, account) = match split.part {
            Part::Debit => ("debit", DEBIT),
            Part::Credit => ("credit", CREDIT),
            Part::CashAdvance => ("cash advance", CREDIT),
        };
        assert_eq!(split.account_id, id(account));
        format!("{name} {}", split.amount_minor)
    };
    match result {
        Ok(splits) => splits.iter().map(say).collect::<Vec<_>>().join(" + "),
        Err(reason) => reason.code().to_owned(),
    }
}

#[test]
fn m4_each_rule_of_the_front_refuses_by_its_own_reason_and_the_first_one_wins() {
    type Change = fn(&mut Facts, &mut AccountFacts);
    let facts = |change: Change| by_account(change);
    let table: [(&str, Facts, Result<i64, Reason>); 13] = [
        ("all that is there", facts(|_, _| ()), Ok(1_000)),
        ("one less", facts(|f, _| f.amount.minor = 999), Ok(999)),
        ("one more", facts(|f, _| f.amount.minor = 1_001), Err(Reason::InsufficientFunds)),
        ("nothing", facts(|f, _| f.amount.minor = 0), Err(Reason::AmountNotPositive)),
        ("at the limit", facts(|_, a| a.payment_limit_minor = 1_000), Ok(1_000)),
        ("above the limit", facts(|_, a| a.payment_limit_minor = 999), Err(Reason::LimitExceeded)),
        ("other currency", facts(|_, a| a.currency = yen()), Err(Reason::CurrencyMismatch)),
        ("frozen", facts(|_, a| a.frozen = true), Err(Reason::AccountFrozen)),
        ("inactive", facts(|_, a| a.status = AccountStatus::Inactive), Err(Reason::AccountInactive)),
        ("closed", facts(|_, a| a.status = AccountStatus::Closed), Err(Reason::AccountClosed)),
        ("the bank's own", facts(|_, a| a.kind = AccountKind::Cash), Err(Reason::AccountUnknown)),
        ("frozen before poor", facts(|_, a| (a.frozen, a.available_minor) = (true, 0)), Err(Reason::AccountFrozen)),
        (
            "the limit before the balance",
            facts(|_, a| (a.payment_limit_minor, a.available_minor) = (500, 100)),
            Err(Reason::LimitExceeded),
        ),
    ];
    for (name, facts, wanted) in table {
        let splits =
            wanted.map(|amount_minor| vec![Split { account_id: id(ACCOUNT), part: Part::Debit, amount_minor }]);
        assert_eq!(route(&facts), splits, "{name}");
    }
    let unknown = Facts { party: PartyFacts::Account(id(ACCOUNT), None), ..facts(|_, _| ()) };
    assert_eq!(route(&unknown), Err(Reason::AccountUnknown));
}

#[test]
fn c2_c6_the_nature_decides_which_side_bears_how_much() {
    use Nature::{
        BalanceInquiry, CashWithdrawal, Deposit, PreAuthorisation, Purchase, Repayment, Savings, TopUp, TransferIn,
        TransferOut,
    };
    // Debit 500; credit 1,000, of it 300 as cash. The same on a card of debit only, and of credit only.
    let table = [
        (Purchase, 400, "credit 400", "debit 400", "credit 400"),
        (Purchase, 1_000, "credit 1000", "INSUFFICIENT_FUNDS", "credit 1000"),
        (Purchase, 1_001, "credit 1000 + debit 1", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (Purchase, 1_500, "credit 1000 + debit 500", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (Purchase, 1_501, "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (PreAuthorisation, 1_200, "credit 1000 + debit 200", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (CashWithdrawal, 300, "debit 300", "debit 300", "cash advance 300"),
        (CashWithdrawal, 500, "debit 500", "debit 500", "CASH_ADVANCE_LIMIT_EXCEEDED"),
        (CashWithdrawal, 501, "debit 500 + cash advance 1", "INSUFFICIENT_FUNDS", "CASH_ADVANCE_LIMIT_EXCEEDED"),
        (CashWithdrawal, 800, "debit 500 + cash advance 300", "INSUFFICIENT_FUNDS", "CASH_ADVANCE_LIMIT_EXCEEDED"),
        (CashWithdrawal, 801, "CASH_ADVANCE_LIMIT_EXCEEDED", "INSUFFICIENT_FUNDS", "CASH_ADVANCE_LIMIT_EXCEEDED"),
        (CashWithdrawal, 1_501, "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS"),
        (TransferOut, 500, "debit 500", "debit 500", "NATURE_UNSUPPORTED"),
        (TransferOut, 501, "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", "NATURE_UNSUPPORTED"),
        (Savings, 500, "debit 500", "debit 500", "NATURE_UNSUPPORTED"),
        (Savings, 501, "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS", "NATURE_UNSUPPORTED"),
        (Deposit, 9_000, "debit 9000", "debit 9000", "credit 9000"),
        (TopUp, 9_000, "debit 9000", "debit 9000", "credit 9000"),
        (TransferIn, 9_000, "debit 9000", "debit 9000", "credit 9000"),
        (Repayment, 9_000, "credit 9000", "NATURE_UNSUPPORTED", "credit 9000"),
        (BalanceInquiry, 0, "", "", ""),
        (Nature::Refund, 100, "ORIGINAL_UNKNOWN", "ORIGINAL_UNKNOWN", "ORIGINAL_UNKNOWN"),
        (Nature::Completion, 100, "ORIGINAL_UNKNOWN", "ORIGINAL_UNKNOWN", "ORIGINAL_UNKNOWN"),
        (Deposit, 0, "AMOUNT_NOT_POSITIVE", "AMOUNT_NOT_POSITIVE", "AMOUNT_NOT_POSITIVE"),
    ];
    for (nature, minor, both, debit_only, credit_only) in table {
        let cards = [card(), CardFacts { credit: None, ..card() }, CardFacts { debit: None, ..card() }];
        let got = cards.map(|card| said(route(&by_card(nature, minor, Some(card)))));
        assert_eq!(got, [both, debit_only, credit_only], "{nature:?} of {minor}");
    }
    assert_eq!(said(route(&by_card(Purchase, 1, None))), "CARD_UNKNOWN");
}

#[test]
fn c6_what_is_owed_held_and_advanced_narrows_what_is_left() {
    use Nature::{CashWithdrawal, Purchase};
    let with = |owed, held, cash_owed, cash_held| {
        let mut card = card();
        let credit = card.credit.as_mut().unwrap();
        (credit.owed_minor, credit.held_minor) = (owed, held);
        (credit.line.cash_owed_minor, credit.line.cash_held_minor) = (cash_owed, cash_held);
        card
    };
    let table = [
        ("600 owed, 100 held", with(600, 100, 0, 0), Purchase, 400, "credit 300 + debit 100"),
        ("all owed", with(1_000, 0, 0, 0), Purchase, 400, "debit 400"),
        ("fees passed the limit", with(1_050, 0, 0, 0), Purchase, 400, "debit 400"),
        ("fees passed the limit, cash", with(1_050, 0, 0, 0), CashWithdrawal, 501, "INSUFFICIENT_FUNDS"),
        ("200 too much was repaid", with(-200, 0, 0, 0), Purchase, 1_700, "credit 1200 + debit 500"),
        ("100 of cash owed, 50 held", with(100, 50, 100, 50), CashWithdrawal, 650, "debit 500 + cash advance 150"),
        ("and one more", with(100, 50, 100, 50), CashWithdrawal, 651, "CASH_ADVANCE_LIMIT_EXCEEDED"),
        ("less credit than cash", with(900, 0, 0, 0), CashWithdrawal, 600, "debit 500 + cash advance 100"),
        ("and one more", with(900, 0, 0, 0), CashWithdrawal, 601, "INSUFFICIENT_FUNDS"),
        ("a reversal counted before its day", with(0, 0, -50, 0), CashWithdrawal, 801, "CASH_ADVANCE_LIMIT_EXCEEDED"),
    ];
    for (name, card, nature, minor, wanted) in table {
        assert_eq!(said(route(&by_card(nature, minor, Some(card)))), wanted, "{name}");
    }
}

#[test]
fn f4_c9_frozen_or_not_active_money_comes_in_and_none_goes_out() {
    let frozen = CardFacts { standing: Standing { frozen: true, ..card().standing }, ..card() };
    let issued = CardFacts { standing: Standing { state: CardState::Issued, ..card().standing }, ..card() };
    for (card, reason) in [(frozen, "CARD_FROZEN"), (issued, "CARD_INACTIVE")] {
        for nature in Nature::ALL {
            let wanted = match nature {
                Nature::Repayment => "credit 10",
                Nature::Deposit | Nature::TopUp | Nature::TransferIn => "debit 10",
                Nature::Refund | Nature::Completion => "ORIGINAL_UNKNOWN",
                Nature::BalanceInquiry if reason == "CARD_FROZEN" => "",
                _ => reason,
            };
            assert_eq!(said(route(&by_card(nature, 10, Some(card)))), wanted, "{nature:?} {reason}");
        }
    }
}

#[test]
fn c6_a_side_that_cannot_pay_is_passed_over_and_is_the_reason_if_the_other_has_too_little() {
    use Nature::{CashWithdrawal, Deposit, Purchase, Repayment};
    let credit = |change: fn(&mut CreditFacts)| {
        let mut card = card();
        change(card.credit.as_mut().unwrap());
        card
    };
    let debit = |change: fn(&mut AccountFacts)| {
        let mut card = card();
        change(&mut card.debit.as_mut().unwrap().account);
        card
    };
    let table = [
        ("credit frozen", credit(|c| c.frozen = true), Purchase, 500, "debit 500"),
        ("credit frozen, too much", credit(|c| c.frozen = true), Purchase, 501, "ACCOUNT_FROZEN"),
        ("credit closed", credit(|c| c.status = AccountStatus::Closed), Purchase, 501, "ACCOUNT_CLOSED"),
        ("debit inactive", debit(|d| d.status = AccountStatus::Inactive), Purchase, 1_000, "credit 1000"),
        (
            "debit inactive, too much",
            debit(|d| d.status = AccountStatus::Inactive),
            Purchase,
            1_001,
            "ACCOUNT_INACTIVE",
        ),
        ("debit frozen, cash", debit(|d| d.frozen = true), CashWithdrawal, 300, "cash advance 300"),
        ("debit frozen, more cash", debit(|d| d.frozen = true), CashWithdrawal, 301, "ACCOUNT_FROZEN"),
        ("credit in yen", credit(|c| c.currency = yen()), Purchase, 500, "debit 500"),
        ("debit in yen", debit(|d| d.currency = yen()), Deposit, 1, "CURRENCY_MISMATCH"),
        ("debit frozen, money in", debit(|d| d.frozen = true), Deposit, 1, "debit 1"),
        ("debit closed, money in", debit(|d| d.status = AccountStatus::Closed), Deposit, 1, "ACCOUNT_CLOSED"),
        ("credit frozen, a repayment", credit(|c| c.frozen = true), Repayment, 1, "credit 1"),
        ("credit part at its limit", credit(|c| c.payment_limit_minor = 400), Purchase, 400, "credit 400"),
        ("credit part above its limit", credit(|c| c.payment_limit_minor = 400), Purchase, 401, "LIMIT_EXCEEDED"),
        ("debit part at its limit", debit(|d| d.payment_limit_minor = 100), Purchase, 1_100, "credit 1000 + debit 100"),
        ("debit part above its limit", debit(|d| d.payment_limit_minor = 100), Purchase, 1_101, "LIMIT_EXCEEDED"),
    ];
    for (name, card, nature, minor, wanted) in table {
        assert_eq!(said(route(&by_card(nature, minor, Some(card)))), wanted, "{name}");
    }
}

#[test]
fn c8_what_the_debit_side_pays_whatever_credit_is_left_needs_no_answer_of_a_credit_system() {
    use Nature::{
        BalanceInquiry, CashWithdrawal, Deposit, PreAuthorisation, Purchase, Repayment, Savings, TransferOut,
    };
    let credit_frozen = CardFacts { credit: card().credit.map(|it| CreditFacts { frozen: true, ..it }), ..card() };
    let debit_of = |change: fn(&mut AccountFacts)| {
        let mut card = card();
        change(&mut card.debit.as_mut().unwrap().account);
        card
    };
    let frozen = CardFacts { standing: Standing { frozen: true, ..card().standing }, ..card() };
    // Debit 500.
    let table = [
        ("cash", card(), CashWithdrawal, 500, true),
        ("one more", card(), CashWithdrawal, 501, false),
        ("cash, no credit side", CardFacts { credit: None, ..card() }, CashWithdrawal, 500, true),
        ("cash, no debit side", CardFacts { debit: None, ..card() }, CashWithdrawal, 1, false),
        ("above the debit limit", debit_of(|debit| debit.payment_limit_minor = 100), CashWithdrawal, 101, false),
        ("debit frozen", debit_of(|debit| debit.frozen = true), CashWithdrawal, 1, false),
        ("transfer", card(), TransferOut, 500, true),
        ("savings", card(), Savings, 500, true),
        ("a transfer of too much", card(), TransferOut, 501, false),
        ("purchase", card(), Purchase, 1, false),
        ("pre-authorisation", card(), PreAuthorisation, 1, false),
        ("purchase, credit frozen", credit_frozen, Purchase, 500, true),
        ("purchase, credit frozen, too much", credit_frozen, Purchase, 501, false),
        ("frozen card", frozen, CashWithdrawal, 1, false),
        ("deposit", card(), Deposit, 1, true),
        ("repayment", card(), Repayment, 1, false),
        ("inquiry", card(), BalanceInquiry, 0, false),
    ];
    for (name, card, nature, minor, wanted) in table {
        let facts = by_card(nature, minor, Some(card));
        assert_eq!(is_debit_alone(&facts), wanted, "{name}");
        if !wanted {
            continue;
        }
        // The same for whatever is left, and what is stored says so.
        for left in [0, 1, 499, 500, 1_000_000] {
            let facts = facts.kept_elsewhere(CreditLeft { credit_minor: left, cash_minor: left });
            assert_eq!(said(route(&facts)), format!("debit {minor}"), "{name} with {left}");
            assert_eq!(decide_again(&facts.to_string()), Ok(route(&facts)), "{name} with {left}");
        }
    }
    assert!(!is_debit_alone(&by_card(CashWithdrawal, 1, None)));
}

#[test]
fn c1_a_balance_inquiry_tells_what_each_side_may_spend() {
    let money = |minor| Some(Money::new(Currency::CNY, minor));
    let all = Available { debit: money(500), credit: money(1_000), cash_advance: money(300) };
    assert_eq!(available(&card()), all);
    assert_eq!(available(&CardFacts { credit: None, ..card() }), Available { credit: None, cash_advance: None, ..all });
    assert_eq!(available(&CardFacts { debit: None, ..card() }), Available { debit: None, ..all });
    let mut over = card();
    over.credit.as_mut().unwrap().owed_minor = 1_010;
    assert_eq!(available(&over), Available { credit: money(0), cash_advance: money(0), ..all });
}

/// Facts as the first form had them.
const STORED_V1: &str = "front.v1 nature=PURCHASE amount_minor=1000 currency=CNY \
    account=0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f kind=CUSTOMER_DEPOSIT account_currency=CNY status=ACTIVE frozen=false \
    payment_limit_minor=7 available_minor=1000";

#[test]
fn m6_facts_of_a_payment_by_phone_number_keep_their_form() {
    let facts = by_account(|_, a| a.payment_limit_minor = 7);
    assert_eq!(facts.to_string(), STORED_V1);
    assert_eq!(Facts::parse(STORED_V1), Ok(facts));
    assert_eq!(route(&facts), Err(Reason::LimitExceeded));
    let unknown = Facts { party: PartyFacts::Account(id(ACCOUNT), None), ..facts };
    assert_eq!(unknown.to_string(), STORED_V1.split(" kind").next().unwrap());
    assert_eq!(Facts::parse(&unknown.to_string()), Ok(unknown));
    for bad in [
        "",
        "front.v2 nature=PURCHASE",
        "front.v3 nature=PURCHASE amount_minor=1 currency=CNY",
        "front.v1 nature=GIFT",
        "front.v1 nature=PURCHASE amount_minor=x",
        &format!("{STORED_V1} more=1"),
    ] {
        assert!(Facts::parse(bad).is_err(), "{bad:?}");
    }
}

fn any_side() -> impl Strategy<Value = (AccountStatus, bool, Currency, i64)> {
    let status = prop_oneof![
        8 => Just(AccountStatus::Active), 1 => Just(AccountStatus::Inactive), 1 => Just(AccountStatus::Closed)
    ];
    let currency = prop_oneof![9 => Just(Currency::CNY), 1 => Just(yen())];
    (status, prop::bool::weighted(0.1), currency, prop_oneof![3 => Just(0_i64), 1 => 1_i64..500])
}

fn any_card() -> impl Strategy<Value = CardFacts> {
    let standing = (prop::sample::select(vec![CardState::Active; 8]), prop::bool::weighted(0.1))
        .prop_map(|(state, frozen)| Standing { state, frozen, expired: false, locked: false });
    let debit = (any_side(), 0_i64..1_000).prop_map(|((status, frozen, currency, payment_limit_minor), minor)| {
        let kind = AccountKind::CustomerDeposit;
        let account = AccountFacts { kind, currency, status, frozen, payment_limit_minor, available_minor: minor };
        DebitFacts { account_id: id(DEBIT), account }
    });
    let numbers = (0_i64..1_000, 0_i64..600, -300_i64..1_100, 0_i64..300, -50_i64..300, 0_i64..100);
    let credit = (any_side(), numbers).prop_map(|((status, frozen, currency, payment_limit_minor), n)| {
        let (limit_minor, cash_limit_minor, owed_minor, held_minor, cash_owed_minor, cash_held_minor) = n;
        let line = CreditLine { limit_minor, cash_limit_minor, cash_owed_minor, cash_held_minor };
        let account_id = id(CREDIT);
        CreditFacts { account_id, currency, status, frozen, payment_limit_minor, line, owed_minor, held_minor }
    });
    (standing, prop::option::weighted(0.8, debit), prop::option::weighted(0.8, credit))
        .prop_map(|(standing, debit, credit)| CardFacts { standing, debit, credit })
}

proptest! {
    #[test]
    fn c8_what_needs_no_answer_of_a_credit_system_is_the_same_whatever_it_would_have_said(
        card in any_card(), nature in prop::sample::select(Nature::ALL.to_vec()), minor in -1_i64..2_000,
        credit_minor in -500_i64..2_000, cash_minor in -500_i64..2_000
    ) {
        let facts = by_card(nature, minor, Some(card));
        let with = |left| route(&facts.kept_elsewhere(left));
        if is_debit_alone(&facts) {
            prop_assert_eq!(with(CreditLeft { credit_minor, cash_minor }), with(CreditLeft::NOTHING));
        }
    }

    #[test]
    fn c6_splits_sum_to_the_amount_pass_no_limit_and_are_the_same_when_replayed(
        card in any_card(), nature in prop::sample::select(Nature::ALL.to_vec()), minor in -1_i64..2_000
    ) {
        let facts = by_card(nature, minor, Some(card));
        let routed = route(&facts);
        let stored = facts.to_string();
        prop_assert_eq!(Facts::parse(&stored), Ok(facts));
        prop_assert_eq!(route(&Facts::parse(&stored).unwrap()), routed.clone());
        let Ok(splits) = routed else { return Ok(()) };
        if nature.flow() == Flow::Look {
            prop_assert!(splits.is_empty());
            return Ok(());
        }
        prop_assert_eq!(splits.iter().map(|split| split.amount_minor).sum::<i64>(), minor);
        prop_assert!(splits.iter().all(|split| split.amount_minor > 0));
        prop_assert_eq!(read_splits(&write_splits(&splits)), Ok(splits.clone()));
        if nature.flow() == Flow::Out {
            prop_assert!(!card.standing.frozen);
            for split in &splits {
                let (most, limit) = match split.part {
                    Part::Debit => (card.debit.unwrap().account.available_minor, card.debit.unwrap().account.payment_limit_minor),
                    Part::Credit => (card.credit.unwrap().available_minor(), card.credit.unwrap().payment_limit_minor),
                    Part::CashAdvance => (card.credit.unwrap().cash_available_minor(), card.credit.unwrap().payment_limit_minor),
                };
                prop_assert!(split.amount_minor <= most && (limit == 0 || split.amount_minor <= limit));
            }
            // The second part begins only where the first side has nothing left.
            if let [first, _] = splits.as_slice() {
                let most = match first.part {
                    Part::Debit => card.debit.unwrap().account.available_minor,
                    Part::Credit | Part::CashAdvance => card.credit.unwrap().available_minor(),
                };
                prop_assert_eq!(first.amount_minor, most);
            }
        }
    }

    #[test]
    fn c6_refunds_come_back_in_reverse_and_never_exceed(
        drawn in prop::collection::vec(1_i64..100, 1..4), refunds in prop::collection::vec(1_i64..80, 0..8)
    ) {
        let parts = [Part::Credit, Part::Debit, Part::CashAdvance];
        let splits: Vec<Split> = drawn.iter().zip(parts)
            .map(|(minor, part)| Split { account_id: id(ACCOUNT), part, amount_minor: *minor }).collect();
        let whole: i64 = splits.iter().map(|split| split.amount_minor).sum();
        // The other way to say it: a stack of single units, of which each refund takes from the top.
        let mut stack: Vec<Part> = splits.iter()
            .flat_map(|split| std::iter::repeat_n(split.part, usize::try_from(split.amount_minor).unwrap())).collect();
        let mut before = 0;
        for refund in refunds {
            let refund = refund.min(whole - before);
            let back = give_back(&splits, before, refund);
            let taken = stack.split_off(stack.len() - usize::try_from(refund).unwrap());
            for part in parts {
                let units = i64::try_from(taken.iter().filter(|unit| **unit == part).count()).unwrap();
                let got: i64 = back.iter().filter(|split| split.part == part).map(|split| split.amount_minor).sum();
                prop_assert_eq!(got, units);
            }
            before += refund;
            let kept: i64 = keep(&splits, before).iter().map(|split| split.amount_minor).sum();
            prop_assert_eq!(kept, whole - before);
        }
    }
}
