//! Months of a credit account, as its holder would read them.

use domain::Reason;
use domain::credit::{AutoRepay, Terms};
use domain::ledger::LegState::{Posted, Refused};
use domain::ledger::Nature::{CashWithdrawal, Purchase};
use jiff::civil::date;
use server_kit::store::testing::TestDatabase;

use super::world::{World, terms};

pub(super) async fn c7_on_the_due_day_as_much_is_repaid_as_is_there_and_the_rest_when_it_comes(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.live_until(date(2026, 1, 10)).await;
    assert_eq!(world.pay(Purchase, 90_000).await.state, Posted);
    world.live_until(date(2026, 2, 25)).await;
    assert_eq!(world.stands().await, (50_000, 90_000), "nothing moves before the due day is over");
    world.live_until(date(2026, 2, 26)).await;
    assert_eq!(world.stands().await, (0, 40_000));
    world.deposit(world.debit, 15_000).await.unwrap();
    world.live_until(date(2026, 3, 10)).await;
    // 46 days on 900.00 to 24 February, one on 400.00, eight on 250.00: 4,380,000 at 0.05 % are 21.90.
    assert_eq!(world.stands().await, (0, 25_000 + 2_190));
    world.deposit(world.debit, 100_000).await.unwrap();
    world.live_until(date(2026, 3, 26)).await;
    assert_eq!(world.stands().await, (100_000 - 27_190, 0), "and no more than was billed");
    assert_eq!(
        world.bookings().await,
        [
            "2026-02-25 AUTO_REPAYMENT 50000",
            "2026-02-26 AUTO_REPAYMENT 15000",
            "2026-03-05 INTEREST_ON_PURCHASES 2190",
            "2026-03-25 AUTO_REPAYMENT 27190"
        ]
    );
    let statements = world.statements().await;
    let lines: Vec<_> = statements
        .iter()
        .map(|(it, missed)| (it.closed_on, it.due_on, it.closing_minor, it.minimum_due_minor, *missed))
        .collect();
    assert_eq!(
        lines,
        [
            (date(2026, 2, 5), date(2026, 2, 25), 90_000, 9_000, Some(0)),
            (date(2026, 3, 5), date(2026, 3, 25), 27_190, 2_190 + 2_500 + 310, Some(0)),
        ]
    );
    world.end().await;
}

pub(super) async fn c7_r9_a_minimum_that_is_missed_costs_a_late_fee_and_is_told_with_its_statement(db: TestDatabase) {
    let terms = Terms { auto_repay: AutoRepay::Off, grace_days: 3, ..terms() };
    let mut world = World::open(db, date(2026, 1, 6), terms).await;
    assert_eq!(world.pay(Purchase, 100_000).await.state, Posted);
    world.live_until(date(2026, 2, 28)).await;
    assert_eq!(world.statements().await[0].1, None, "there is time through the last day of grace");
    world.deposit(world.credit, 4_000).await.unwrap();
    world.live_until(date(2026, 3, 1)).await;
    assert_eq!(world.statements().await[0].1, Some(6_000));
    assert_eq!(world.bookings().await, ["2026-02-28 LATE_FEE 1000"], "5 % of 60.00 is below the least fee");
    assert_eq!(world.stands().await, (50_000, 97_000));
    // The limit is passed by a fee and by nothing else.
    let refused = world.pay(CashWithdrawal, 60_000).await;
    assert_eq!(refused.state, Refused(Reason::InsufficientFunds));
    world.live_until(date(2026, 4, 6)).await;
    world.end().await;
}

pub(super) async fn c6_c7_cash_bears_interest_from_its_day_and_an_advance_that_is_reversed_none(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.live_until(date(2026, 1, 10)).await;
    // 500.00 from the debit side, the rest as advances.
    let first = world.pay(CashWithdrawal, 60_000).await;
    let second = world.pay(CashWithdrawal, 20_000).await;
    assert_eq!((first.state, second.state), (Posted, Posted));
    assert_eq!(world.refund(second.id, 20_000).await, Posted);
    let line = world.read(world.credit).await.credit.unwrap();
    assert_eq!(line.cash_owed_minor, 10_000);
    world.live_until(date(2026, 2, 6)).await;
    let (statement, _) = world.statements().await[0];
    assert_eq!((statement.cash_advances_minor, statement.refunds_minor), (30_000, 20_000));
    // 27 days on 100.00, 10 January to 5 February: 135 at 0.05 %.
    assert_eq!((statement.interest_on_cash_minor, statement.closing_minor), (135, 10_135));
    // A repayment frees the limit on cash when its day is closed.
    world.deposit(world.credit, 10_135).await.unwrap();
    world.live_until(date(2026, 2, 7)).await;
    assert_eq!(world.read(world.credit).await.credit.unwrap().cash_owed_minor, 0);
    assert_eq!(world.stands().await, (0, 0));
    world.end().await;
}

pub(super) async fn c7_cash_paid_into_a_credit_account_repays_it(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    let bought = world.pay(Purchase, 120_000).await;
    assert_eq!(world.stands().await, (30_000, 100_000), "C6: credit first, the rest from debit");
    // The debit side, which was drawn last, gets its money back first.
    assert_eq!(world.refund(bought.id, 30_000).await, Posted);
    assert_eq!(world.stands().await, (50_000, 90_000));
    world.deposit(world.credit, 95_000).await.unwrap();
    world.live_until(date(2026, 2, 26)).await;
    let (statement, missed) = world.statements().await[0];
    assert_eq!((statement.purchases_minor, statement.refunds_minor), (100_000, 10_000));
    assert_eq!((statement.repayments_minor, statement.closing_minor), (95_000, -5_000));
    assert_eq!((world.stands().await, missed), ((50_000, -5_000), Some(0)), "too much stays in the holder's favour");
    assert_eq!(world.bookings().await, [""; 0]);
    world.end().await;
}

pub(super) async fn c7_days_that_are_caught_up_come_to_what_days_in_turn_come_to(db: TestDatabase) {
    let plan = async |world: &mut World, daily: bool| {
        for (on, minor) in [(date(2026, 1, 10), 60_000), (date(2026, 1, 31), 20_000), (date(2026, 2, 6), 5_000)] {
            if daily {
                world.live_until(on).await;
            }
            world.noon(on);
            assert_eq!(world.pay(Purchase, minor).await.state, Posted);
        }
        if daily {
            world.live_until(date(2026, 4, 7)).await;
        }
        world.noon(date(2026, 4, 7));
        let mut days = Vec::new();
        loop {
            match world.close(date(2026, 4, 6)).await.unwrap().days {
                0 => break,
                closed => days.push(closed),
            }
        }
        days
    };
    let mut daily = World::open(TestDatabase::sqlite(), date(2026, 1, 6), terms()).await;
    let mut late = World::open(db, date(2026, 1, 6), terms()).await;
    assert_eq!(plan(&mut daily, true).await, [0; 0]);
    assert_eq!(plan(&mut late, false).await, [31, 31, 29], "one step closes a month at most");
    assert_eq!(daily.bookings().await, late.bookings().await);
    assert_eq!(daily.stands().await, late.stands().await);
    let lines = async |world: &World| {
        let statements = world.statements().await.into_iter();
        let text = |(it, missed)| format!("{it} {missed:?}").replace(&world.credit.to_string(), "");
        statements.map(text).collect::<Vec<_>>()
    };
    assert_eq!(lines(&daily).await, lines(&late).await);
    assert_eq!(lines(&late).await.len(), 3);
    daily.end().await;
    late.end().await;
}
