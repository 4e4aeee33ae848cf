//! What must hold after any mix of steps, and the life of a leg as a table.

mod cards;

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::card::Proof;
use crate::purchase::{CategoryCode, Merchant};
use crate::text::Line;
use crate::{AccountId, Currency, LegId, MerchantId, Money, PaymentId, Reason, Timestamp};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn id(n: u8) -> Uuid {
    Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0000 | u128::from(n))
}

fn account_id(n: u8) -> AccountId {
    AccountId::from_uuid(id(n))
}

fn merchant() -> Merchant {
    Merchant {
        id: MerchantId::parse("tea-house").unwrap(),
        name: Line::parse("Tea House").unwrap(),
        category: CategoryCode::parse("5812").unwrap(),
    }
}

fn cny(minor: i64) -> Money {
    Money::new(Currency::CNY, minor)
}

fn hold_order(leg: u8, account: u8, amount: Money) -> HoldOrder {
    HoldOrder {
        leg_id: LegId::from_uuid(id(leg)),
        payment_id: PaymentId::from_uuid(id(leg)),
        order: LegOrder::Charge(Charge::purchase(account_id(account), amount, merchant())),
        proof: Proof::Given,
    }
}

fn void_order(leg: u8) -> VoidOrder {
    VoidOrder { origin: Origin::Hub, leg_id: LegId::from_uuid(id(leg)), payment_id: PaymentId::from_uuid(id(leg)) }
}

fn refund_order(leg: u8, original: u8, amount: Money) -> RefundOrder {
    RefundOrder {
        origin: Origin::Hub,
        leg_id: LegId::from_uuid(id(leg)),
        payment_id: PaymentId::from_uuid(id(leg)),
        give_back: GiveBack { original_leg_id: LegId::from_uuid(id(original)), amount },
    }
}

#[test]
fn a_mistake_of_this_program_refuses_no_leg_for_ever() {
    let mut books = Books::default();
    run(&mut books, &Step::Open { account: 1, limit: 0 }).unwrap();
    run(&mut books, &Step::Deposit { deposit: 2, account: 1, amount: cny(1_000) }).unwrap();
    // The house account of one currency under the id of another's.
    let yen = Currency::parse("JPY").unwrap();
    let settlement = AccountKind::HubSettlement.house_id(Currency::CNY);
    let wrong = Account { currency: yen, ..Account::house(settlement, NOW).unwrap() };
    books.apply(Change { accounts: vec![wrong], ..Change::default() });
    assert_eq!(hold(&books, &hold_order(7, 1, cny(300)), NOW).unwrap_err(), Reason::Fault);
}

/// One step at the bank.
#[derive(Clone, Debug)]
enum Step {
    Open { account: u8, limit: i64 },
    Deposit { deposit: u8, account: u8, amount: Money },
    Freeze { account: u8, frozen: bool },
    Hold { leg: u8, account: u8, amount: Money },
    Post { leg: u8 },
    Void { leg: u8 },
    Refund { leg: u8, original: u8, amount: Money },
}

/// Runs a step; the state of the leg afterwards, or the reason.
fn run(books: &mut Books, step: &Step) -> Result<Option<LegState>, Reason> {
    let leg = |decided: Result<Decided<Leg>, Reason>| decided.map(|d| (Some(d.answer.state), d.change));
    let account = |decided: Result<Decided<Account>, Reason>| decided.map(|d| (None, d.change));
    let (state, change) = match step.clone() {
        Step::Open { account: n, limit } => account(open_account(
            books,
            &OpeningOrder {
                account_id: account_id(n),
                new: NewAccount::Deposit,
                currency: if n == 3 { Currency::parse("JPY").unwrap() } else { Currency::CNY },
                holder: Line::parse("王小明").unwrap(),
                payment_limit_minor: limit,
                number: "622200004821".into(),
            },
            NOW,
        )),
        Step::Deposit { deposit, account: n, amount } => account(deposit_cash(
            books,
            Deposit { id: DepositId::from_uuid(id(deposit)), account_id: account_id(n), amount },
            NOW,
        )),
        Step::Freeze { account: n, frozen } => {
            account(set_frozen(books, FreezeOrder { account_id: account_id(n), frozen }))
        }
        Step::Hold { leg: n, account, amount } => leg(hold(books, &hold_order(n, account, amount), NOW)),
        Step::Post { leg: n } => leg(post(books, LegId::from_uuid(id(n)), NOW)),
        Step::Void { leg: n } => leg(void(books, void_order(n), NOW)),
        Step::Refund { leg: n, original, amount } => leg(refund(books, &refund_order(n, original, amount), NOW)),
    }?;
    books.apply(change);
    Ok(state)
}

fn bank_with(balance_minor: i64) -> Books {
    let mut books = Books::default();
    run(&mut books, &Step::Open { account: 1, limit: 0 }).unwrap();
    run(&mut books, &Step::Deposit { deposit: 90, account: 1, amount: cny(balance_minor) }).unwrap();
    books
}

fn available(books: &Books) -> i64 {
    books.account(account_id(1)).unwrap().available_minor()
}

fn check(books: &Books) {
    for (currency, totals) in trial_balance(books.accounts()) {
        assert!(totals.is_balanced(), "{currency}: {totals:?}");
    }
    for account in books.accounts() {
        // Only what the bank itself books for credit may pass its limit.
        let costs = books.new_bookings().filter(|booking| booking.account_id == account.id);
        let costs: i64 = costs.map(|booking| booking.amount.minor).sum();
        let costs = if account.kind == AccountKind::CustomerCredit { costs } else { 0 };
        assert!(account.available_minor() >= -costs, "{account:?}");
        let sums = account.balances;
        let sums = [sums.debits_posted, sums.credits_posted, sums.debits_pending, sums.credits_pending];
        assert!(sums.into_iter().all(|sum| sum >= 0), "{account:?}");
    }
    let replayed = replay(books.new_transfers()).unwrap();
    for account in books.accounts() {
        assert_eq!(replayed.get(&account.id).copied().unwrap_or_default(), account.balances, "{account:?}");
    }
    let mut refunds: BTreeMap<LegId, i64> = BTreeMap::new();
    for leg in books.legs().filter(|leg| leg.state == LegState::Posted) {
        if let Some(original) = leg.original_leg_id() {
            *refunds.entry(original).or_default() += leg.amount().unwrap().minor;
        }
    }
    for leg in books.legs() {
        assert_eq!(refunds.get(&leg.id).copied().unwrap_or(0), leg.refunded_minor);
        let amount = leg.kept_minor();
        let drawn: i64 = leg.kept_splits().iter().map(|split| split.amount_minor).sum();
        match leg.state {
            LegState::Refused(_) => assert_eq!(drawn, 0),
            LegState::Asking | LegState::Held | LegState::Posted => assert_eq!(drawn, amount),
            LegState::Voided => {}
        }
        assert!(leg.refunded_minor == 0 || leg.refunded_minor <= amount, "{leg:?}");
        if !leg.decision.is_empty() {
            match (decide_again(&leg.decision).unwrap(), leg.state.refusal()) {
                // What the other account of a movement forbids is not the front's to say.
                (Ok(_), Some(reason)) => assert!(leg.nature() != Some(Nature::Purchase), "{reason:?}"),
                (Ok(splits), None) => assert_eq!(splits, leg.splits, "the stored facts decide the same"),
                (Err(reason), refusal) => assert_eq!(Some(reason), refusal, "the stored facts decide the same"),
            }
        }
    }
}

fn any_amount() -> impl Strategy<Value = Money> {
    let yen = Currency::parse("JPY").unwrap();
    (-1_i64..400, prop::bool::weighted(0.1))
        .prop_map(move |(minor, other)| if other { Money::new(yen, minor) } else { cny(minor) })
}

fn any_step() -> impl Strategy<Value = Step> {
    // Small ranges, so that ids meet: legs 10 to 17 serve as holds, refunds, tombstones and originals alike.
    let (account, leg) = (1_u8..5, 10_u8..18);
    prop_oneof![
        1 => (account.clone(), prop_oneof![Just(0_i64), Just(250)])
            .prop_map(|(account, limit)| Step::Open { account, limit }),
        2 => (90_u8..96, account.clone(), any_amount())
            .prop_map(|(deposit, account, amount)| Step::Deposit { deposit, account, amount }),
        1 => (account.clone(), any::<bool>()).prop_map(|(account, frozen)| Step::Freeze { account, frozen }),
        5 => (leg.clone(), account, any_amount())
            .prop_map(|(leg, account, amount)| Step::Hold { leg, account, amount }),
        3 => leg.clone().prop_map(|leg| Step::Post { leg }),
        2 => leg.clone().prop_map(|leg| Step::Void { leg }),
        3 => (leg.clone(), leg, any_amount())
            .prop_map(|(leg, original, amount)| Step::Refund { leg, original, amount }),
    ]
}

proptest! {
    #[test]
    fn after_any_mix_of_steps_the_books_balance_and_nobody_is_overdrawn(
        steps in prop::collection::vec(any_step(), 0..60)
    ) {
        let mut books = Books::default();
        for account in [1, 2] {
            run(&mut books, &Step::Open { account, limit: 0 }).unwrap();
            run(&mut books, &Step::Deposit { deposit: 80 + account, account, amount: cny(500) }).unwrap();
        }
        for step in &steps {
            let _ = run(&mut books, step);
            check(&books);
        }
    }

    #[test]
    fn a_step_that_is_repeated_at_once_changes_nothing(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut books = bank_with(500);
        for step in &steps {
            let first = run(&mut books, step);
            let moved = books.new_transfers().len();
            prop_assert_eq!(run(&mut books, step), first);
            prop_assert_eq!(books.new_transfers().len(), moved);
        }
    }
}

#[test]
fn a_leg_lives_by_this_table_whatever_comes_in_which_order() {
    use LegState::{Held, Posted, Refused, Voided};
    let hold = Step::Hold { leg: 10, account: 1, amount: cny(300) };
    let poor = Step::Hold { leg: 10, account: 1, amount: cny(501) };
    let (post, void) = (Step::Post { leg: 10 }, Step::Void { leg: 10 });
    type Row<'a> = (&'a str, Vec<&'a Step>, Result<LegState, Reason>, i64);
    let table: Vec<Row<'_>> = vec![
        ("a hold reserves", vec![&hold], Ok(Held), 200),
        ("the same hold twice reserves once", vec![&hold, &hold], Ok(Held), 200),
        ("a post after a hold moves", vec![&hold, &post], Ok(Posted), 200),
        ("a second post is fine", vec![&hold, &post, &post], Ok(Posted), 200),
        ("a hold after the post says posted", vec![&hold, &post, &hold], Ok(Posted), 200),
        ("a void releases", vec![&hold, &void], Ok(Voided), 500),
        ("a second void is fine", vec![&hold, &void, &void], Ok(Voided), 500),
        ("a void after the post is too late", vec![&hold, &post, &void], Err(Reason::LegPosted), 200),
        ("a post after the void is refused", vec![&hold, &void, &post], Err(Reason::LegVoided), 500),
        ("a post of an unknown leg is refused", vec![&post], Err(Reason::LegUnknown), 500),
        ("a void of an unknown leg leaves a tombstone", vec![&void], Ok(Voided), 500),
        ("a hold after the tombstone reserves nothing", vec![&void, &hold], Ok(Voided), 500),
        ("a post after the tombstone is refused", vec![&void, &post], Err(Reason::LegVoided), 500),
        ("a refused hold can be voided", vec![&poor, &void], Ok(Refused(Reason::InsufficientFunds)), 500),
        ("a refused hold cannot be posted", vec![&poor, &post], Err(Reason::LegRefused), 500),
        ("another amount under the id is refused", vec![&hold, &poor], Err(Reason::LegIdTaken), 200),
    ];
    for (name, steps, wanted, left) in table {
        let mut books = bank_with(500);
        let results: Vec<_> = steps.into_iter().map(|step| run(&mut books, step)).collect();
        assert_eq!(results.last().cloned().unwrap(), wanted.map(Some), "{name}");
        assert_eq!(available(&books), left, "{name}");
        check(&books);
    }
}

#[test]
fn m4_a_refused_hold_stays_refused_when_money_comes_later() {
    let mut books = bank_with(100);
    let hold = Step::Hold { leg: 10, account: 1, amount: cny(200) };
    let refused = Ok(Some(LegState::Refused(Reason::InsufficientFunds)));
    assert_eq!(run(&mut books, &hold), refused);
    run(&mut books, &Step::Deposit { deposit: 91, account: 1, amount: cny(500) }).unwrap();
    assert_eq!(run(&mut books, &hold), refused);
    assert_eq!(available(&books), 600);
}

#[test]
fn m6_what_was_held_is_posted_although_the_account_was_frozen_since_and_money_comes_back_into_it() {
    let mut books = bank_with(500);
    run(&mut books, &Step::Hold { leg: 10, account: 1, amount: cny(300) }).unwrap();
    run(&mut books, &Step::Freeze { account: 1, frozen: true }).unwrap();
    assert_eq!(
        run(&mut books, &Step::Hold { leg: 11, account: 1, amount: cny(1) }),
        Ok(Some(LegState::Refused(Reason::AccountFrozen)))
    );
    assert_eq!(run(&mut books, &Step::Post { leg: 10 }), Ok(Some(LegState::Posted)));
    assert_eq!(run(&mut books, &Step::Refund { leg: 12, original: 10, amount: cny(300) }), Ok(Some(LegState::Posted)));
    assert!(run(&mut books, &Step::Deposit { deposit: 91, account: 1, amount: cny(1) }).is_ok());
    assert_eq!(available(&books), 501);
    check(&books);
}

#[test]
fn refunds_are_partial_and_together_at_most_the_amount() {
    let mut books = bank_with(500);
    run(&mut books, &Step::Hold { leg: 10, account: 1, amount: cny(300) }).unwrap();
    let refund = |leg, original, minor| Step::Refund { leg, original, amount: cny(minor) };
    let table = [
        ("a held original is posted first", refund(11, 10, 100), LegState::Posted, 300),
        ("the rest but one", refund(12, 10, 199), LegState::Posted, 499),
        ("one too many", refund(13, 10, 2), LegState::Refused(Reason::RefundTooLarge), 499),
        ("the last one", refund(14, 10, 1), LegState::Posted, 500),
        ("nothing is left", refund(15, 10, 1), LegState::Refused(Reason::RefundTooLarge), 500),
        ("of a refund", refund(16, 11, 1), LegState::Refused(Reason::OriginalUnknown), 500),
        ("of nothing", refund(17, 99, 1), LegState::Refused(Reason::OriginalUnknown), 500),
    ];
    for (name, step, state, left) in table {
        assert_eq!(run(&mut books, &step), Ok(Some(state)), "{name}");
        assert_eq!(available(&books), left, "{name}");
        check(&books);
    }
    assert_eq!(books.leg(LegId::from_uuid(id(10))).unwrap().state, LegState::Posted);
    assert_eq!(run(&mut books, &Step::Void { leg: 11 }), Err(Reason::LegPosted));
    let yen = Money::new(Currency::parse("JPY").unwrap(), 1);
    let other = Step::Refund { leg: 18, original: 10, amount: yen };
    assert_eq!(run(&mut books, &other), Ok(Some(LegState::Refused(Reason::CurrencyMismatch))));
}

#[test]
fn an_id_belongs_to_one_payment_and_one_order() {
    let mut books = bank_with(500);
    run(&mut books, &Step::Hold { leg: 10, account: 1, amount: cny(300) }).unwrap();
    let other_payment = PaymentId::from_uuid(id(77));
    let mut order = hold_order(10, 1, cny(300));
    order.payment_id = other_payment;
    assert_eq!(hold(&books, &order, NOW), Err(Reason::LegIdTaken));
    let foreign = VoidOrder { payment_id: other_payment, ..void_order(10) };
    assert_eq!(void(&books, foreign, NOW), Err(Reason::LegIdTaken));
    assert_eq!(refund(&books, &refund_order(10, 10, cny(1)), NOW), Err(Reason::LegIdTaken));
    let again = Step::Deposit { deposit: 90, account: 1, amount: cny(501) };
    assert_eq!(run(&mut books, &again), Err(Reason::IdTaken));
    assert_eq!(run(&mut books, &Step::Open { account: 1, limit: 5 }), Err(Reason::IdTaken));
}

#[test]
fn the_counter_refuses_by_reason_and_stores_nothing() {
    let mut books = bank_with(500);
    run(&mut books, &Step::Open { account: 3, limit: 0 }).unwrap();
    let deposit = |account, amount| Step::Deposit { deposit: 91, account, amount };
    let table = [
        (deposit(9, cny(1)), Reason::AccountUnknown),
        (deposit(3, cny(1)), Reason::CurrencyMismatch),
        (deposit(1, cny(0)), Reason::AmountNotPositive),
        (deposit(1, cny(i64::MAX)), Reason::AmountTooLarge),
        (Step::Freeze { account: 9, frozen: true }, Reason::AccountUnknown),
        (Step::Open { account: 4, limit: -1 }, Reason::AmountMalformed),
    ];
    for (step, reason) in table {
        assert_eq!(run(&mut books, &step), Err(reason), "{step:?}");
    }
    let house = AccountKind::Cash.house_id(Currency::CNY);
    assert_eq!(set_frozen(&books, FreezeOrder { account_id: house, frozen: true }), Err(Reason::AccountUnknown));
    assert!(run(&mut books, &deposit(1, cny(1))).is_ok(), "the id was not used up");
    check(&books);
}
