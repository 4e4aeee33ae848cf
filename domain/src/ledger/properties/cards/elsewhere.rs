//! A card whose credit account an existing credit system keeps: what it is asked, and what its answer does to the leg.

use super::*;
use crate::card::{CardCheck, PinCheck};

const LEFT: CreditLeft = CreditLeft { credit_minor: 5_000, cash_minor: 200 };

fn order(leg: u8, nature: Nature, minor: i64) -> HoldOrder {
    let (payer, amount) = (Party::Card(card_id()), cny(minor));
    let charge = Charge { payer, nature, amount, merchant: merchant(), savings: None, sale: None };
    HoldOrder {
        leg_id: LegId::from_uuid(id(leg)),
        payment_id: PaymentId::from_uuid(id(leg)),
        order: LegOrder::Charge(charge),
        proof: Proof::Given,
    }
}

fn asked(world: &mut World, leg: u8, nature: Nature, minor: i64) -> Leg {
    let decided = ask(&world.books, &order(leg, nature, minor), LEFT, NOW).unwrap();
    world.books.apply(decided.change);
    decided.answer
}

fn settled(world: &mut World, leg: u8, answer: Result<(), Reason>) -> Leg {
    let decided = settle(&world.books, LegId::from_uuid(id(leg)), answer, NOW).unwrap();
    world.books.apply(decided.change);
    decided.answer
}

/// What is free on the debit side and on the ledger's copy of the credit side.
fn free(world: &World) -> (i64, i64) {
    let free = |n| world.books.account(account_id(n)).unwrap().available_minor();
    (free(DEBIT), free(CREDIT))
}

#[test]
fn c8_what_an_existing_credit_system_has_left_is_what_counts() {
    let refused = LegState::Refused;
    let table = [
        // (nature, amount, state, debit part, credit part)
        (Nature::Purchase, 700, LegState::Asking, 0, 700),
        // More than the ledger's own limit of 1,000: the other system has the say.
        (Nature::Purchase, 5_000, LegState::Asking, 0, 5_000),
        (Nature::Purchase, 5_500, LegState::Asking, 500, 5_000),
        (Nature::Purchase, 5_501, refused(Reason::InsufficientFunds), 0, 0),
        (Nature::CashWithdrawal, 500, LegState::Held, 500, 0),
        (Nature::CashWithdrawal, 700, LegState::Asking, 500, 200),
        (Nature::CashWithdrawal, 701, refused(Reason::CashAdvanceLimitExceeded), 0, 0),
        (Nature::TransferOut, 500, LegState::Held, 500, 0),
    ];
    for (nature, minor, state, debit, credit) in table {
        let leg = asked(&mut World::new(), 10, nature, minor);
        let of_debit: i64 = leg.kept_splits().iter().filter(|s| s.part == Part::Debit).map(|s| s.amount_minor).sum();
        assert_eq!((leg.state, of_debit, leg.credit_minor()), (state, debit, credit), "{nature:?} {minor}");
        let again = decide_again(&leg.decision).unwrap().map(|splits| splits.len());
        assert_eq!(again, state.refusal().map_or(Ok(leg.kept_splits().len()), Err), "{nature:?} {minor} decided again");
    }
}

#[test]
fn c8_the_answer_of_the_credit_system_holds_a_leg_or_releases_all_of_it() {
    let mut world = World::new();
    let before = free(&world);
    assert_eq!(asked(&mut world, 10, Nature::CashWithdrawal, 700).state, LegState::Asking);
    assert_eq!(free(&world), (before.0 - 500, before.1 - 200), "both parts wait together");
    let leg_id = LegId::from_uuid(id(10));
    assert_eq!(post(&world.books, leg_id, NOW).unwrap_err(), Reason::BankAway, "nobody has said yes yet");
    assert_eq!(asked(&mut world, 10, Nature::CashWithdrawal, 700).state, LegState::Asking, "asked twice is once");
    let refused = LegState::Refused(Reason::CashAdvanceLimitExceeded);
    assert_eq!(settled(&mut world, 10, Err(Reason::CashAdvanceLimitExceeded)).state, refused);
    assert_eq!(free(&world), before);
    assert_eq!(settled(&mut world, 10, Ok(())).state, refused, "what comes later changes nothing");

    asked(&mut world, 11, Nature::Purchase, 700);
    assert_eq!(settled(&mut world, 11, Ok(())).state, LegState::Held);
    assert_eq!(settled(&mut world, 11, Err(Reason::BankAway)).state, LegState::Held);
    assert_eq!(world.run(Step::Post { leg: 11 }), Ok(Some(LegState::Posted)));

    asked(&mut world, 12, Nature::Purchase, 100);
    assert_eq!(world.run(Step::Void { leg: 12 }), Ok(Some(LegState::Voided)), "the hub need not wait for the answer");
    assert_eq!(settled(&mut world, 12, Ok(())).state, LegState::Voided);
    let unknown = settle(&world.books, LegId::from_uuid(id(99)), Ok(()), NOW);
    assert_eq!(unknown.map(|_| ()), Err(Reason::LegUnknown));
    for (currency, totals) in trial_balance(world.books.accounts()) {
        assert!(totals.is_balanced(), "{currency}: {totals:?}");
    }
}

#[test]
fn c8_what_the_debit_side_bears_in_any_case_is_held_without_asking_and_counts_its_proof_once() {
    let mut world = World::new();
    let alone = |world: &mut World, order: &HoldOrder| {
        let decided = hold_without_asking(&world.books, order, NOW).unwrap()?;
        world.books.apply(decided.change);
        Some(decided.answer.state)
    };
    let (cash, more) = (order(10, Nature::CashWithdrawal, 400), order(11, Nature::CashWithdrawal, 101));
    let before = free(&world);
    assert_eq!(alone(&mut world, &cash), Some(LegState::Held));
    assert_eq!(alone(&mut world, &cash), Some(LegState::Held), "the same again is as it was");
    assert_eq!(free(&world), (before.0 - 400, before.1));
    assert_eq!(alone(&mut world, &more), None, "what is left decides");
    assert_eq!(alone(&mut world, &order(12, Nature::Purchase, 1)), None);
    assert_eq!(world.books.leg(more.leg_id), None, "nothing is stored of what has to be asked");
    let proof = Proof::Checked { card: CardCheck::Right, pin: Some(PinCheck::Wrong) };
    let wrong = HoldOrder { proof, ..order(13, Nature::CashWithdrawal, 1) };
    for _ in 0..2 {
        assert_eq!(alone(&mut world, &wrong), Some(LegState::Refused(Reason::CardNotVerified)));
    }
    assert_eq!(world.books.card(card_id()).unwrap().tries.wrong(), 1);
}

#[test]
fn c8_a_repayment_is_taken_back_whatever_the_ledgers_own_limit_says() {
    let mut world = World::new();
    asked(&mut world, 10, Nature::Purchase, 1_000);
    settled(&mut world, 10, Ok(()));
    world.run(Step::Post { leg: 10 }).unwrap();
    world.run(Step::Receive { leg: 11, nature: Nature::Repayment, minor: 300 }).unwrap();
    asked(&mut world, 12, Nature::Purchase, 400);
    settled(&mut world, 12, Ok(()));
    let (leg_id, payment_id) = (LegId::from_uuid(id(13)), PaymentId::from_uuid(id(13)));
    let give_back = GiveBack { original_leg_id: LegId::from_uuid(id(11)), amount: cny(300) };
    let order = RefundOrder { origin: Origin::Hub, leg_id, payment_id, give_back };
    let here = refund(&world.books, &order, NOW).unwrap().answer;
    assert_eq!(here.state, LegState::Refused(Reason::InsufficientFunds), "where the ledger keeps the limit");
    let decided = refund_elsewhere(&world.books, &order, NOW).unwrap();
    assert_eq!((decided.answer.state, decided.answer.credit_minor()), (LegState::Posted, 300));
    world.books.apply(decided.change);
    assert_eq!(free(&world).1, 1_000 - 1_000 - 400);
    for (currency, totals) in trial_balance(world.books.accounts()) {
        assert!(totals.is_balanced(), "{currency}: {totals:?}");
    }
}

#[test]
fn r8_what_is_paid_back_may_leave_the_limit_to_the_holders_credit_and_elsewhere_whatever_it_comes_to() {
    let receipt = |leg: u8, minor| HoldOrder {
        order: LegOrder::Receipt(Receipt {
            payee: Party::Card(card_id()),
            nature: Nature::Repayment,
            amount: cny(minor),
            merchant: merchant(),
            savings: None,
        }),
        ..order(leg, Nature::Purchase, 1)
    };
    let mut world = World::new();
    let mut held = |leg, minor| {
        let decided = hold(&world.books, &receipt(leg, minor), NOW).unwrap();
        world.books.apply(decided.change);
        decided.answer.state
    };
    // Nothing is owed, the limit is 1,000; what is on its way counts.
    assert_eq!(held(10, 1_001), LegState::Refused(Reason::RepaymentTooLarge));
    assert_eq!(held(11, 600), LegState::Held);
    assert_eq!(held(12, 401), LegState::Refused(Reason::RepaymentTooLarge));
    assert_eq!(held(13, 400), LegState::Held);
    assert_eq!(held(10, 1_001), LegState::Refused(Reason::RepaymentTooLarge), "the same again");
    world.run(Step::Hold { leg: 14, nature: Nature::Purchase, minor: 300 }).unwrap();
    world.run(Step::Post { leg: 14 }).unwrap();
    let owed = hold(&world.books, &receipt(15, 300), NOW).unwrap();
    assert_eq!(owed.answer.state, LegState::Held, "what is owed may be paid back");
    let elsewhere = hold_elsewhere(&world.books, &receipt(16, 1_000_000), NOW).unwrap();
    assert_eq!(elsewhere.answer.state, LegState::Held);
}
