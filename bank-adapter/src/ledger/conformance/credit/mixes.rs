//! Any mix of what a holder, a teller and the calendar do.

use domain::LegId;
use domain::credit::{AutoRepay, Due, Terms};
use domain::ledger::{FreezeOrder, Nature};
use jiff::ToSpan as _;
use jiff::civil::date;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use server_kit::store::Dialect;
use server_kit::store::testing::TestDatabase;

use super::super::bank::teller;
use super::world::World;
use crate::ledger::steps::Step;

#[derive(Clone, Copy, Debug)]
enum Act {
    Pay(Nature, i64),
    Refund(usize, i64),
    Repay(i64),
    Deposit(i64),
    Freeze(bool),
    /// So many days pass, and so many of them are not closed.
    Days(i64, i64),
}

fn any_act() -> impl Strategy<Value = Act> {
    let nature = prop::sample::select(vec![Nature::Purchase, Nature::CashWithdrawal, Nature::TransferOut]);
    prop_oneof![
        4 => (nature, 1_i64..60_000).prop_map(|(nature, minor)| Act::Pay(nature, minor)),
        2 => (0_usize..8, 1_i64..30_000).prop_map(|(leg, minor)| Act::Refund(leg, minor)),
        2 => (1_i64..50_000).prop_map(Act::Repay),
        2 => (1_i64..40_000).prop_map(Act::Deposit),
        1 => any::<bool>().prop_map(Act::Freeze),
        6 => (0_i64..25, 0_i64..6).prop_map(|(days, open)| Act::Days(days, open)),
    ]
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let auto = prop::sample::select(vec![AutoRepay::Off, AutoRepay::Minimum, AutoRepay::Full]);
    (1_u8..32, 1_u8..28, 0_u8..8, auto).prop_map(|(close_day, due, grace_days, auto_repay)| Terms {
        due: Due::DaysAfterClose(due),
        grace_days,
        auto_repay,
        ..Terms::usual(close_day)
    })
}

async fn act(world: &mut World, legs: &mut Vec<LegId>, act: Act) {
    match act {
        Act::Pay(nature, minor) => legs.push(world.pay(nature, minor).await.id),
        Act::Refund(leg, minor) => {
            if let Some(leg) = legs.get(leg) {
                world.refund(*leg, minor).await;
            }
        }
        Act::Repay(minor) => drop(world.deposit(world.credit, minor).await.unwrap()),
        Act::Deposit(minor) => drop(world.deposit(world.debit, minor).await.unwrap()),
        Act::Freeze(frozen) => {
            let order = FreezeOrder { account_id: world.debit, frozen };
            world.account(Step::Freeze(order, teller())).await.unwrap();
        }
        Act::Days(days, open) => {
            world.noon(world.today().saturating_add(days.days()));
            let through = world.today().saturating_sub((open + 1).days());
            assert!(world.close(through).await.unwrap().failed.is_empty());
        }
    }
}

pub(super) async fn any_mix_of_steps_and_days_keeps_the_books_right(db: TestDatabase) {
    let mut runner = TestRunner::deterministic();
    let cases = match db.dialect() {
        Dialect::Sqlite => 12,
        Dialect::Postgres => 3,
    };
    for _ in 0..cases {
        let database = match db.dialect() {
            Dialect::Sqlite => TestDatabase::sqlite(),
            Dialect::Postgres => TestDatabase::postgres().await.unwrap(),
        };
        let (terms, acts) =
            (any_terms(), prop::collection::vec(any_act(), 10..60)).new_tree(&mut runner).unwrap().current();
        let mut world = World::open(database, date(2026, 1, 6), terms).await;
        let mut legs = Vec::new();
        for one in &acts {
            act(&mut world, &mut legs, *one).await;
        }
        let faults = world.faults().await;
        assert!(faults.is_empty(), "{terms:?} {acts:?}: {faults:#?}");
        world.end().await;
    }
}
