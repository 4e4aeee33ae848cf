//! Charges that another network carried, beside the hub's: the same rules, an account of their own on the other side, and neither
//! reaches the other's legs.

use super::*;
use crate::TerminalId;

/// One step that the bank's switch asks for.
#[derive(Clone, Copy, Debug)]
enum Told {
    Hold { leg: u8, nature: Nature, minor: i64 },
    Post { leg: u8, minor: i64 },
    Void { leg: u8 },
    Refund { leg: u8, original: u8, minor: i64 },
}

fn sale() -> Sale {
    Sale {
        occurred_at: NOW,
        terminal_id: TerminalId::parse("ext-00000042").unwrap(),
        place: Some(Line::parse("West Gate").unwrap()),
        location: None,
        items: Vec::new(),
    }
}

fn charge(leg: u8, nature: Nature, minor: i64) -> HoldOrder {
    let (payer, amount) = (Party::Card(card_id()), cny(minor));
    let sale = Some(Box::new(sale()));
    let charge = Charge { payer, nature, amount, merchant: merchant(), savings: None, sale };
    let (leg_id, payment_id) = (LegId::from_uuid(id(leg)), PaymentId::from_uuid(id(leg)));
    HoldOrder { leg_id, payment_id, order: LegOrder::Charge(charge), proof: Proof::Given }
}

fn run(world: &mut World, step: Told) -> Result<LegState, Reason> {
    let (origin, books) = (Origin::Network, &world.books);
    let named = |leg| (LegId::from_uuid(id(leg)), PaymentId::from_uuid(id(leg)));
    let decided = match step {
        Told::Hold { leg, nature, minor } => hold(books, &charge(leg, nature, minor), NOW),
        Told::Post { leg, minor } => {
            let (leg_id, payment_id) = named(leg);
            complete(books, CompletionOrder { origin, leg_id, payment_id, amount: cny(minor) }, NOW)
        }
        Told::Void { leg } => {
            let (leg_id, payment_id) = named(leg);
            void(books, VoidOrder { origin, leg_id, payment_id }, NOW)
        }
        Told::Refund { leg, original, minor } => {
            refund(books, &RefundOrder { origin, ..refund_order(leg, original, cny(minor)) }, NOW)
        }
    }?;
    world.books.apply(decided.change);
    Ok(decided.answer.state)
}

fn leg(world: &World, leg: u8) -> Leg {
    world.books.leg(LegId::from_uuid(id(leg))).unwrap().clone()
}

/// What the bank owes by its settlement account for one origin.
fn owed(world: &World, origin: Origin) -> i64 {
    world.books.account(origin.settlement(Currency::CNY)).map_or(0, Account::balance_minor)
}

#[test]
fn c2_a_charge_of_another_network_is_split_posted_with_less_and_given_back_as_one_of_the_hub() {
    let mut world = World::new();
    let hold = |nature, minor| Told::Hold { leg: 10, nature, minor };
    assert_eq!(run(&mut world, hold(Nature::Purchase, 1_200)), Ok(LegState::Held));
    assert_eq!(world.left(), [300, 0, 0, 0], "credit first, the rest from debit");
    assert_eq!(run(&mut world, Told::Refund { leg: 11, original: 10, minor: 1 }), Ok(refused(Reason::LegNotPosted)));
    assert_eq!(run(&mut world, Told::Post { leg: 10, minor: 1_201 }), Err(Reason::CompletionTooLarge));
    assert_eq!(run(&mut world, Told::Post { leg: 10, minor: 1_050 }), Ok(LegState::Posted));
    assert_eq!(run(&mut world, Told::Post { leg: 10, minor: 1_050 }), Ok(LegState::Posted), "the same again");
    assert_eq!(run(&mut world, Told::Post { leg: 10, minor: 1_049 }), Err(Reason::LegPosted));
    assert_eq!(world.left(), [450, 0, 0, 0]);
    assert_eq!((owed(&world, Origin::Network), owed(&world, Origin::Hub)), (1_050, 0));
    assert_eq!(run(&mut world, Told::Refund { leg: 12, original: 10, minor: 100 }), Ok(LegState::Posted));
    assert_eq!(world.left(), [500, 50, 50, 0], "what was drawn last comes back first");
    assert_eq!(run(&mut world, Told::Refund { leg: 13, original: 10, minor: 950 }), Ok(LegState::Posted));
    assert_eq!(run(&mut world, Told::Refund { leg: 14, original: 10, minor: 1 }), Ok(refused(Reason::RefundTooLarge)));
    assert_eq!((world.left(), owed(&world, Origin::Network)), ([500, 1_000, 300, 0], 0));
    world.check();
}

#[test]
fn f4_a_frozen_card_refuses_a_charge_of_another_network_and_posts_what_it_held() {
    let mut world = World::new();
    run(&mut world, Told::Hold { leg: 10, nature: Nature::Purchase, minor: 100 }).unwrap();
    world.run(Step::Freeze(true)).unwrap();
    let hold = Told::Hold { leg: 11, nature: Nature::Purchase, minor: 1 };
    assert_eq!(run(&mut world, hold), Ok(refused(Reason::CardFrozen)));
    assert_eq!(run(&mut world, Told::Post { leg: 10, minor: 100 }), Ok(LegState::Posted));
    assert_eq!(run(&mut world, Told::Void { leg: 10 }), Err(Reason::LegPosted));
    world.check();
}

#[test]
fn a_leg_is_unknown_to_whoever_did_not_ask_for_it() {
    let mut world = World::new();
    world.run(hold_of(10, Nature::PreAuthorisation, 100)).unwrap();
    run(&mut world, Told::Hold { leg: 11, nature: Nature::PreAuthorisation, minor: 100 }).unwrap();
    world.run(Step::Void { leg: 12 }).unwrap();
    run(&mut world, Told::Void { leg: 13 }).unwrap();
    let before = world.left();
    let of_network = [
        (Told::Hold { leg: 10, nature: Nature::PreAuthorisation, minor: 100 }, Err(Reason::LegIdTaken)),
        (Told::Post { leg: 10, minor: 100 }, Err(Reason::LegUnknown)),
        (Told::Void { leg: 10 }, Err(Reason::LegUnknown)),
        (Told::Refund { leg: 14, original: 10, minor: 1 }, Ok(refused(Reason::OriginalUnknown))),
        (Told::Refund { leg: 10, original: 11, minor: 1 }, Err(Reason::LegIdTaken)),
        (Told::Hold { leg: 12, nature: Nature::Purchase, minor: 1 }, Err(Reason::LegIdTaken)),
        (Told::Hold { leg: 13, nature: Nature::Purchase, minor: 1 }, Ok(LegState::Voided)),
    ];
    for (step, wanted) in of_network {
        assert_eq!(run(&mut world, step), wanted, "{step:?}");
    }
    let of_hub = [
        (hold_of(11, Nature::PreAuthorisation, 100), Err(Reason::LegIdTaken)),
        (Step::Post { leg: 11 }, Err(Reason::LegUnknown)),
        (Step::Complete { leg: 11, minor: 100 }, Err(Reason::LegUnknown)),
        (Step::Void { leg: 11 }, Err(Reason::LegUnknown)),
        (Step::Refund { leg: 15, original: 11, minor: 1 }, Ok(Some(refused(Reason::OriginalUnknown)))),
        (hold_of(13, Nature::Purchase, 1), Err(Reason::LegIdTaken)),
        (Step::Void { leg: 13 }, Err(Reason::LegUnknown)),
    ];
    for (step, wanted) in of_hub {
        assert_eq!(world.run(step), wanted, "{step:?}");
    }
    assert_eq!(world.left(), before);
    assert_eq!((leg(&world, 10).state, leg(&world, 11).state), (LegState::Held, LegState::Held));
}

#[test]
fn the_same_purchase_told_otherwise_is_another_one() {
    let mut world = World::new();
    let order = charge(10, Nature::Purchase, 100);
    let change = hold(&world.books, &order, NOW).unwrap().change;
    world.books.apply(change);
    assert!(hold(&world.books, &order, NOW).unwrap().change.is_empty());
    let later = Sale { occurred_at: Timestamp::from_secs(1), ..sale() };
    let elsewhere = Sale { terminal_id: TerminalId::parse("ext-1").unwrap(), ..sale() };
    let nowhere = Sale { place: None, ..sale() };
    for other in [Some(later), Some(elsewhere), Some(nowhere), None] {
        let LegOrder::Charge(charge) = order.order.clone() else { unreachable!() };
        let told = LegOrder::Charge(Charge { sale: other.clone().map(Box::new), ..charge });
        let taken = hold(&world.books, &HoldOrder { order: told, ..order.clone() }, NOW);
        assert_eq!(taken, Err(Reason::LegIdTaken), "{other:?}");
    }
}

const fn refused(reason: Reason) -> LegState {
    LegState::Refused(reason)
}

fn any_told() -> impl Strategy<Value = Told> {
    let leg = 10_u8..20;
    let out = prop::sample::select(vec![Nature::Purchase, Nature::CashWithdrawal, Nature::TransferOut]);
    prop_oneof![
        4 => (leg.clone(), out, -1_i64..700).prop_map(|(leg, nature, minor)| Told::Hold { leg, nature, minor }),
        1 => (leg.clone(), any_nature(), 1_i64..700).prop_map(|(leg, nature, minor)| Told::Hold { leg, nature, minor }),
        4 => (leg.clone(), 0_i64..700).prop_map(|(leg, minor)| Told::Post { leg, minor }),
        1 => leg.clone().prop_map(|leg| Told::Void { leg }),
        3 => (leg.clone(), leg, 1_i64..500).prop_map(|(leg, original, minor)| Told::Refund { leg, original, minor }),
    ]
}

/// What the legs of one origin say that the bank owes for them.
fn owed_by_legs(world: &World, origin: Origin) -> i64 {
    let posted = world.books.legs().filter(|leg| leg.origin == origin && leg.state == LegState::Posted);
    posted
        .map(|leg| match &leg.order {
            LegOrder::Charge(charge) if charge.savings.is_none() => leg.kept_minor() - leg.refunded_minor,
            LegOrder::Receipt(receipt) if receipt.savings.is_none() => leg.refunded_minor - leg.kept_minor(),
            _ => 0,
        })
        .sum()
}

proptest! {
    #[test]
    fn c6_after_any_mix_of_the_hubs_and_other_networks_charges_the_books_balance_and_each_is_owed_its_own(
        steps in prop::collection::vec((any_card_step(), any_told(), any::<bool>()), 0..120)
    ) {
        let mut world = World::new();
        for (of_hub, of_network, is_of_network) in steps {
            let origins: Vec<_> = world.books.legs().map(|leg| (leg.id, leg.origin)).collect();
            if is_of_network {
                let first = run(&mut world, of_network);
                let moved = world.books.new_transfers().len();
                prop_assert_eq!(run(&mut world, of_network), first);
                prop_assert_eq!(world.books.new_transfers().len(), moved, "told twice it counts once");
            } else {
                let _ = world.run(of_hub);
            }
            world.check();
            for (id, origin) in origins {
                prop_assert_eq!(world.books.leg(id).unwrap().origin, origin);
            }
            for origin in [Origin::Hub, Origin::Network] {
                prop_assert_eq!(owed(&world, origin), owed_by_legs(&world, origin), "{:?}", origin);
            }
        }
    }
}
