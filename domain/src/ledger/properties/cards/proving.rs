//! How a card comes to be, what it has to prove, and what a replaced or frozen one lets through.

use super::*;
use crate::card::{CardCheck, PinCheck};

#[test]
fn c3_a_card_is_replaced_by_one_over_the_same_accounts_and_once_only() {
    let mut world = World::new();
    world.run(Step::Freeze(true)).unwrap();
    let old = world.books.card(card_id()).unwrap().clone();
    let [second, third] = [8, 9].map(|n| CardId::from_uuid(id(n)));
    let new = old.successor(second, Expiry::parse_yymm("3112").unwrap(), "622848******0023".into());
    let replaced = replace_card(&world.books, card_id(), new.clone()).unwrap();
    world.books.apply(replaced.change);
    assert!(replace_card(&world.books, card_id(), new.clone()).unwrap().change.is_empty(), "twice is once");
    let another = Card { id: third, ..new };
    assert_eq!(replace_card(&world.books, card_id(), another).map(|_| ()), Err(Reason::CardReplaced));
    for account in [DEBIT, CREDIT] {
        assert_eq!(world.books.account(account_id(account)).unwrap().card, Some(second));
    }
    assert!(world.books.card(second).unwrap().frozen, "what was frozen stays frozen");
    let refused = Ok(Some(LegState::Refused(Reason::CardReplaced)));
    assert_eq!(world.run(hold_of(10, Nature::Purchase, 1)), refused);
    let unknown = replace_card(&world.books, third, world.books.card(second).unwrap().clone());
    assert_eq!(unknown.map(|_| ()), Err(Reason::CardUnknown));
}

#[test]
fn c9_f4_a_frozen_card_lets_nothing_out_of_its_debit_account_by_the_phone_number_either() {
    let mut world = World::new();
    let by_phone = |world: &World, leg| hold(&world.books, &hold_order(leg, DEBIT, cny(1)), NOW).unwrap().answer;
    assert_eq!(by_phone(&world, 10).state, LegState::Held);
    world.run(Step::Freeze(true)).unwrap();
    let refused = by_phone(&world, 11);
    assert_eq!(refused.state, LegState::Refused(Reason::AccountFrozen));
    assert_eq!(decide_again(&refused.decision), Ok(Err(Reason::AccountFrozen)));
    world.run(Step::Freeze(false)).unwrap();
    assert_eq!(by_phone(&world, 12).state, LegState::Held);
}

#[test]
fn c5_what_was_found_of_a_card_is_stored_with_the_hold_that_found_it_and_counts_once() {
    let mut world = World::new();
    let hold_with = |world: &mut World, leg, card, pin: Option<PinCheck>| {
        let charge = Charge {
            payer: Party::Card(card_id()),
            nature: Nature::Purchase,
            amount: cny(10),
            merchant: merchant(),
            savings: None,
            sale: None,
        };
        let (leg_id, payment_id) = (LegId::from_uuid(id(leg)), PaymentId::from_uuid(id(leg)));
        let proof = Proof::Checked { card, pin };
        let order = HoldOrder { leg_id, payment_id, order: LegOrder::Charge(charge), proof };
        let decided = hold(&world.books, &order, NOW)?;
        world.books.apply(decided.change);
        let wrong = world.books.card(card_id()).unwrap().tries.wrong();
        Ok::<_, Reason>((decided.answer.state.refusal(), wrong))
    };
    use CardCheck::{Right, Wrong};
    let not_verified = Some(Reason::CardNotVerified);
    let table = [
        (10, Right, Some(PinCheck::Wrong), Ok((not_verified, 1))),
        (10, Right, Some(PinCheck::Wrong), Ok((not_verified, 1))),
        (11, Right, Some(PinCheck::NotChecked), Err(Reason::HsmAway)),
        (11, Right, Some(PinCheck::Right), Ok((None, 0))),
        (12, Right, Some(PinCheck::Wrong), Ok((not_verified, 1))),
        (13, Wrong, Some(PinCheck::Wrong), Ok((not_verified, 1))),
        (14, Right, Some(PinCheck::Wrong), Ok((not_verified, 2))),
        (15, Right, Some(PinCheck::Wrong), Ok((not_verified, 3))),
        (16, Right, Some(PinCheck::Right), Ok((Some(Reason::CardLocked), 3))),
    ];
    for (leg, card, pin, wanted) in table {
        assert_eq!(hold_with(&mut world, leg, card, pin), wanted, "{leg} {card:?} {pin:?}");
        world.check();
    }
    let inquired = inquire(&world.books, card_id(), Proof::Checked { card: Right, pin: Some(PinCheck::Right) }, NOW);
    assert_eq!(inquired.unwrap().answer, Err(Reason::CardLocked));
    let unknown = inquire(&world.books, CardId::from_uuid(id(9)), Proof::Given, NOW).unwrap();
    assert_eq!(unknown.answer, Err(Reason::CardNotVerified), "as a card that exists");
}

#[test]
fn c3_a_card_is_issued_over_accounts_that_are_there_and_of_the_right_kind() {
    let mut books = bank();
    let card =
        |n, sides| Card::issue(CardId::from_uuid(id(n)), Expiry::parse_yymm("3012").unwrap(), sides, String::new());
    let (debit, credit, nobody) = (account_id(DEBIT), account_id(CREDIT), account_id(99));
    let second = issue_card(&books, card(8, Sides::Debit(debit)));
    assert_eq!(second.map(|_| ()), Err(Reason::AccountTaken), "one card leads to an account");
    let lost = change_card(&books, card_id(), Card::report_lost).unwrap();
    books.apply(lost.change);
    let table = [
        ("debit only", card(8, Sides::Debit(debit)), Ok(())),
        ("credit only", card(8, Sides::Credit(credit)), Ok(())),
        ("the sides mixed up", card(8, Sides::Both { debit: credit, credit: debit }), Err(Reason::AccountUnknown)),
        ("savings", card(8, Sides::Debit(account_id(SAVINGS))), Err(Reason::AccountUnknown)),
        ("nobody's", card(8, Sides::Both { debit, credit: nobody }), Err(Reason::AccountUnknown)),
        ("an id that is taken", card(7, Sides::Debit(debit)), Err(Reason::IdTaken)),
    ];
    for (name, card, wanted) in table {
        assert_eq!(issue_card(&books, card).map(|_| ()), wanted, "{name}");
    }
    let unknown = change_card(&books, CardId::from_uuid(id(8)), |card| card.report_lost());
    assert_eq!(unknown.map(|_| ()), Err(Reason::CardUnknown));
}
