//! How days are closed: once, in order, when they are over, whatever the clocks do.

use std::sync::Arc;

use domain::credit::{AutoRepay, Terms};
use domain::ledger::{Agreement, Nature};
use domain::{AccountId, Reason, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::date;
use server_kit::clock::ManualClock;
use server_kit::store::Dialect;
use server_kit::store::testing::TestDatabase;

use super::super::bank::{calendar, teller};
use super::world::{World, at, terms};
use crate::credit::{Calendar, DayCloser};
use crate::ledger::LedgerError;

pub(super) async fn c7_a_day_that_is_closed_twice_is_closed_once(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.pay(Nature::Purchase, 90_000).await;
    world.noon(date(2026, 3, 7));
    let mut days = 0;
    for _ in 0..3 {
        days += world.close(date(2026, 3, 6)).await.unwrap().days;
    }
    assert_eq!(days, 60);
    let before = (world.bookings().await, world.statements().await, world.stands().await);
    let again = world.close(date(2026, 3, 6)).await.unwrap();
    assert_eq!((again.days, again.bookings, again.statements), (0, 0, 0));
    assert_eq!((world.bookings().await, world.statements().await, world.stands().await), before);
    world.end().await;
}

pub(super) async fn a_day_that_is_not_over_is_not_closed(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    for day in [6, 7, 20] {
        assert_eq!(world.close(date(2026, 1, day)).await, Err(Reason::DayNotOver), "{day}");
    }
    assert_eq!(world.close(date(2026, 1, 5)).await.unwrap().days, 0, "before the account was there");
    // One microsecond before midnight in China, and at it.
    let midnight = at(&jiff::tz::TimeZone::fixed(jiff::tz::offset(8)), date(2026, 1, 7).at(0, 0, 0, 0));
    world.now = Timestamp::from_micros(midnight.micros() - 1);
    assert_eq!(world.close(date(2026, 1, 6)).await, Err(Reason::DayNotOver));
    world.now = midnight;
    assert_eq!(world.close(date(2026, 1, 6)).await.unwrap().days, 1);
    world.end().await;
}

/// Every ten minutes over each change of clocks a unit is paid in, and whatever is over is closed right away.
pub(super) async fn no_entry_is_lost_or_doubled_where_clocks_are_put_forward_or_back_over_midnight(db: TestDatabase) {
    let zones = [
        ("America/Sao_Paulo", date(2018, 11, 3)),
        ("America/Sao_Paulo", date(2018, 2, 17)),
        ("Africa/Cairo", date(2024, 4, 25)),
        ("Africa/Cairo", date(2024, 10, 31)),
        ("America/St_Johns", date(2010, 11, 6)),
        ("Pacific/Apia", date(2011, 12, 29)),
    ];
    let mut first = Some(db);
    for (zone, eve) in zones {
        // One of them on PostgreSQL, and all on SQLite, is enough: the days are not the engine's.
        let db = first.take().unwrap_or_else(TestDatabase::sqlite);
        let bank_calendar = Calendar::new(zone.parse().unwrap(), "00:10".parse().unwrap());
        let terms = Terms { auto_repay: AutoRepay::Off, ..Terms::usual(28) };
        let mut world = World::open_in(db, zone, bank_calendar, eve, terms).await;
        let mut paid = 0;
        for _ in 0..240 {
            world.now = Timestamp::from_micros(world.now.micros() + 600_000_000);
            let balance = world.deposit(world.credit, 1).await.unwrap().balance_minor();
            paid += 1;
            assert_eq!(balance, paid, "{zone}");
            let over = world.today().saturating_sub(1.day());
            assert!(world.close(over).await.unwrap().failed.is_empty(), "{zone}");
        }
        world.noon(eve.saturating_add(40.days()));
        while world.close(world.today().saturating_sub(1.day())).await.unwrap().days > 0 {}
        let statements = world.statements().await;
        assert!(!statements.is_empty() && statements.len() < 3, "{zone}");
        let repaid: i64 = statements.iter().map(|(statement, _)| statement.repayments_minor).sum();
        assert_eq!(repaid, paid, "{zone} {eve}");
        world.end().await;
    }
}

pub(super) async fn what_comes_while_the_clock_is_wrong_counts_to_a_day_that_is_open(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.live_until(date(2026, 1, 20)).await;
    // Corrected backwards, by the machine or by whoever looks after it.
    world.noon(date(2026, 1, 12));
    world.deposit(world.credit, 700).await.unwrap();
    assert_eq!(world.close(date(2026, 1, 19)).await.unwrap().days, 0);
    let sql = "SELECT day FROM credit_entries ORDER BY day";
    let days = world.bank.store.fetch(sql, Vec::new()).await.unwrap();
    assert_eq!(days.iter().map(|row| row.text(0).unwrap()).collect::<Vec<_>>(), ["2026-01-20"]);
    world.live_until(date(2026, 1, 12)).await;
    world.noon(date(2026, 2, 6));
    world.close(date(2026, 2, 5)).await.unwrap();
    assert_eq!(world.statements().await[0].0.repayments_minor, 700);
    world.end().await;
}

pub(super) async fn a_credit_account_is_opened_once_with_its_terms(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    let agreed = Agreement { terms: terms(), repay_from: Some(world.debit) };
    let first = world.read(world.credit).await;
    world.noon(date(2026, 1, 9));
    let again = world.open_credit(world.credit, agreed).await.unwrap();
    assert_eq!((again.number, again.opened_at), (first.number, first.opened_at));
    let other = Agreement { terms: Terms { close_day: 6, ..terms() }, ..agreed };
    assert_eq!(world.open_credit(world.credit, other).await, Err(Reason::IdTaken));
    let nobody = Agreement { repay_from: None, ..agreed };
    assert_eq!(world.open_credit(world.credit, nobody).await, Err(Reason::IdTaken));
    let fresh = AccountId::from_uuid(world.bank.ids.uuid().unwrap());
    let itself = Agreement { repay_from: Some(world.credit), ..agreed };
    assert_eq!(world.open_credit(fresh, itself).await, Err(Reason::AccountUnknown));
    assert_eq!(world.open_credit(world.debit, agreed).await, Err(Reason::IdTaken));
    assert_eq!(world.bank.ledger.agreement(world.credit).await.unwrap(), agreed);
    let unknown = world.bank.ledger.agreement(fresh).await;
    assert!(matches!(unknown, Err(LedgerError::Refused(Reason::AccountUnknown))), "{unknown:?}");
    world.end().await;
}

/// More accounts than one step closes, opened on 6 January.
async fn many_accounts(world: &mut World, count: usize) -> Vec<AccountId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = AccountId::from_uuid(world.bank.ids.uuid().unwrap());
        let agreement = Agreement { terms: terms(), repay_from: Some(world.debit) };
        world.open_credit(id, agreement).await.unwrap();
        ids.push(id);
    }
    ids
}

pub(super) async fn c7_the_schedule_and_the_counter_may_close_the_same_days_at_once(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.pay(Nature::Purchase, 90_000).await;
    let accounts = many_accounts(&mut world, 150).await.len() as i64 + 1;
    // The live writer takes its time from the database, for which these days are long over.
    let clock = Arc::new(ManualClock::new(at(&jiff::tz::TimeZone::UTC, date(2026, 3, 6).at(12, 0, 0, 0))));
    let closer = DayCloser::new(world.bank.ledger.clone(), calendar(), clock);
    assert_eq!(closer.yesterday(), date(2026, 3, 5));
    let (one, two) = (teller(), teller());
    let (first, second) = tokio::join!(closer.close(date(2026, 3, 5), &one), closer.close(date(2026, 3, 5), &two));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.days + second.days, accounts * 59);
    assert_eq!(first.statements + second.statements, accounts * 2);
    assert_eq!(first.bookings + second.bookings, 3 - 1, "a repayment and interest, once each");
    assert_eq!((first.through, first.failed), (date(2026, 3, 5), 0));
    let third = closer.close(date(2026, 3, 5), &one).await.unwrap();
    assert_eq!((third.accounts, third.days), (0, 0));
    let refused = closer.close(date(2026, 3, 6), &one).await;
    assert!(matches!(refused, Err(LedgerError::Refused(Reason::DayNotOver))), "{refused:?}");
    drop(closer);
    world.end().await;
}

pub(super) async fn an_account_that_cannot_be_closed_does_not_keep_the_others_from_it(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    many_accounts(&mut world, 3).await;
    let [one, two] = match world.bank.store.dialect() {
        Dialect::Sqlite => [
            "UPDATE credit_accounts SET position = 'x' WHERE opened_on = '2026-01-06' AND account_id = \
                             (SELECT MIN(account_id) FROM credit_accounts)",
            "UPDATE credit_accounts SET terms = 'x' \
                             WHERE account_id = (SELECT MAX(account_id) FROM credit_accounts)",
        ],
        // It has no MIN of a UUID.
        Dialect::Postgres => [
            "UPDATE credit_accounts SET position = 'x' WHERE account_id = \
                               (SELECT account_id FROM credit_accounts ORDER BY account_id LIMIT 1)",
            "UPDATE credit_accounts SET terms = 'x' WHERE account_id = \
                               (SELECT account_id FROM credit_accounts ORDER BY account_id DESC LIMIT 1)",
        ],
    };
    world.tamper(one).await;
    world.tamper(two).await;
    let clock = Arc::new(ManualClock::new(at(&jiff::tz::TimeZone::UTC, date(2026, 1, 10).at(12, 0, 0, 0))));
    let closer = DayCloser::new(world.bank.ledger.clone(), calendar(), clock);
    let closed = closer.close(date(2026, 1, 9), &teller()).await.unwrap();
    assert_eq!((closed.days, closed.failed), (2 * 4, 2));
    assert_eq!(closed.through, date(2026, 1, 5), "the last day that is closed of all");
    assert_eq!(world.faults().await.len(), 2);
    drop(closer);
    world.close_bank().await;
}

pub(super) async fn the_check_of_the_books_runs_the_days_again(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.pay(Nature::Purchase, 90_000).await;
    world.live_until(date(2026, 3, 10)).await;
    world.deposit(world.credit, 500).await.unwrap();
    assert_eq!(world.faults().await, [""; 0]);
    for (sql, back, finds) in [
        (
            "UPDATE credit_accounts SET position = REPLACE(position, 'paid_minor=0', 'paid_minor=1')",
            "UPDATE credit_accounts SET position = REPLACE(position, 'paid_minor=1', 'paid_minor=0')",
            "and not to position.v1",
        ),
        (
            "UPDATE credit_accounts SET terms = REPLACE(terms, 'daily_rate=0.0005', 'daily_rate=0.0006')",
            "UPDATE credit_accounts SET terms = REPLACE(terms, 'daily_rate=0.0006', 'daily_rate=0.0005')",
            "its entries come to",
        ),
        (
            "UPDATE accounts SET cash_owed_minor = 5 WHERE kind = 'CUSTOMER_CREDIT'",
            "UPDATE accounts SET cash_owed_minor = 0 WHERE kind = 'CUSTOMER_CREDIT'",
            "counts against its limit on cash",
        ),
        (
            "UPDATE credit_accounts SET opened_on = '2026-01-07'",
            "UPDATE credit_accounts SET opened_on = '2026-01-06'",
            "an entry is older than the account",
        ),
        (
            "UPDATE legs SET splits = REPLACE(splits, ':credit', ':cash')",
            "UPDATE legs SET splits = REPLACE(splits, ':cash', ':credit')",
            "is not what its transfer was",
        ),
    ] {
        world.tamper(sql).await;
        let faults = world.faults().await;
        assert!(faults.iter().any(|fault| fault.contains(finds)), "{sql}: {faults:#?}");
        world.tamper(back).await;
    }
    // What is only added to is not taken back either.
    for (sql, finds) in [
        (
            "INSERT INTO statement_verdicts SELECT account_id, number, '2026-03-09', due_on, 1, 1 FROM statements \
             WHERE number = 2",
            "other verdicts",
        ),
        (
            "INSERT INTO credit_entries SELECT account_id, '2026-03-11', source_id, seq, made_at, 9, kind, amount_minor \
             FROM credit_entries WHERE kind = 'PURCHASE'",
            "moved 90000 at credit account",
        ),
        (
            "INSERT INTO bookings SELECT account_id, account_id, kind, booked_on, other_account_id, currency, amount_minor, \
             made_at FROM bookings WHERE kind = 'AUTO_REPAYMENT'",
            "and its transfer differ",
        ),
    ] {
        world.tamper(sql).await;
        let faults = world.faults().await;
        assert!(faults.iter().any(|fault| fault.contains(finds)), "{sql}: {faults:#?}");
    }
    world.close_bank().await;
}

pub(super) async fn what_days_have_made_cannot_be_changed(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), terms()).await;
    world.pay(Nature::Purchase, 90_000).await;
    world.live_until(date(2026, 2, 27)).await;
    for sql in [
        "UPDATE bookings SET amount_minor = 1",
        "DELETE FROM bookings",
        "UPDATE credit_entries SET amount_minor = 1",
        "DELETE FROM credit_entries",
        "UPDATE statements SET statement = ''",
        "DELETE FROM statements",
        "UPDATE statement_verdicts SET missing_minor = 1",
        "DELETE FROM statement_verdicts",
    ] {
        let mut tx = world.bank.store.begin().await.unwrap();
        let refused = tx.execute(sql, Vec::new()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    world.end().await;
}
