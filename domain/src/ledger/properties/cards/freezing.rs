//! What its holder and its bank freeze of a card and its accounts.

use super::*;
use crate::freeze::{HolderFreeze, HolderOrder};
use crate::payment::Instrument;

const CARD: fn() -> Instrument = || Instrument::Card(card_id());

fn follow(world: &mut World, instrument: Instrument, known: Option<HolderFreeze>, order: (i64, bool)) -> HolderFreeze {
    let order = HolderOrder { number: order.0, frozen: order.1 };
    let decided = follow_holder(&world.books, instrument, known, order, NOW).unwrap();
    world.books.apply(decided.change);
    decided.answer
}

#[test]
fn f4_money_goes_out_of_a_card_when_neither_its_holder_nor_its_bank_has_frozen_it() {
    let table = [(false, false), (true, false), (false, true), (true, true)];
    for (by_bank, by_holder) in table {
        let mut world = World::new();
        world.run(Step::Freeze(by_bank)).unwrap();
        follow(&mut world, CARD(), None, (1, by_holder));
        let held = world.run(hold_of(10, Nature::Purchase, 1)).unwrap();
        let by_phone = hold(&world.books, &hold_order(11, DEBIT, cny(1)), NOW).unwrap().answer.state;
        let into = world.run(Step::Receive { leg: 12, nature: Nature::Deposit, minor: 50 });
        let free = !by_bank && !by_holder;
        let wanted = if free { LegState::Held } else { LegState::Refused(Reason::CardFrozen) };
        assert_eq!(held, Some(wanted), "{by_bank} {by_holder}");
        let wanted = if free { LegState::Held } else { LegState::Refused(Reason::AccountFrozen) };
        assert_eq!(by_phone, wanted, "by the phone number: {by_bank} {by_holder}");
        assert_eq!(into, Ok(Some(LegState::Posted)), "money comes in: {by_bank} {by_holder}");
        world.check();
    }
}

#[test]
fn f4_what_a_bank_has_frozen_its_holder_does_not_set_free_nor_the_other_way_round() {
    let mut world = World::new();
    world.run(Step::Freeze(true)).unwrap();
    let left = follow(&mut world, CARD(), None, (1, true));
    let left = follow(&mut world, CARD(), Some(left), (2, false));
    assert!(world.books.card(card_id()).unwrap().is_frozen(), "by the bank");
    follow(&mut world, CARD(), Some(left), (3, true));
    world.run(Step::Freeze(false)).unwrap();
    assert!(world.books.card(card_id()).unwrap().is_frozen(), "by the holder");
    let taken_over = world.books.card(card_id()).unwrap().successor(
        CardId::from_uuid(id(8)),
        Expiry::parse_yymm("3112").unwrap(),
        String::new(),
    );
    assert!(taken_over.frozen && !taken_over.frozen_by_holder, "the orders were about the card before");
}

#[test]
fn f4_an_account_that_its_holder_has_frozen_gives_nothing_and_the_cards_other_side_still_pays() {
    let mut world = World::new();
    let account = Instrument::Account(account_id(DEBIT));
    let left = follow(&mut world, account, None, (1, true));
    let by_phone = hold(&world.books, &hold_order(10, DEBIT, cny(1)), NOW).unwrap().answer.state;
    assert_eq!(by_phone, LegState::Refused(Reason::AccountFrozen));
    assert_eq!(world.run(hold_of(11, Nature::Purchase, 900)), Ok(Some(LegState::Held)), "of credit");
    let refused = Ok(Some(LegState::Refused(Reason::AccountFrozen)));
    assert_eq!(world.run(hold_of(12, Nature::Purchase, 200)), refused, "the rest would be debit");
    follow(&mut world, account, Some(left), (2, false));
    let by_phone = hold(&world.books, &hold_order(13, DEBIT, cny(1)), NOW).unwrap().answer.state;
    assert_eq!(by_phone, LegState::Held);
    world.check();
}

#[test]
fn orders_about_what_is_not_there_or_has_ended_are_refused_by_this_table() {
    let mut world = World::new();
    world.books.apply(change_card(&world.books, card_id(), Card::close).unwrap().change);
    let (unknown_account, unknown_card) = (account_id(99), CardId::from_uuid(id(98)));
    let house = AccountKind::Cash.house_id(Currency::CNY);
    let table = [
        (Instrument::Account(unknown_account), 1, Reason::AccountUnknown),
        (Instrument::Account(house), 1, Reason::AccountUnknown),
        (Instrument::Card(unknown_card), 1, Reason::CardUnknown),
        (CARD(), 1, Reason::CardClosed),
        (Instrument::Account(account_id(DEBIT)), 0, Reason::SequenceOutOfRange),
    ];
    for (instrument, number, reason) in table {
        let order = HolderOrder { number, frozen: true };
        assert_eq!(follow_holder(&world.books, instrument, None, order, NOW).map(|_| ()), Err(reason), "{reason:?}");
    }
}
