//! What the hub is to be told of statements: of followed accounts alone, as they are paid or are not.

use domain::credit::{AutoRepay, Terms};
use domain::ledger::Nature;
use domain::payment::Instrument;
use domain::{PaymentId, Reason};
use jiff::civil::date;
use proto::Message as _;
use proto::federation::{BillReport, BillStanding};
use server_kit::store::testing::TestDatabase;

use super::world::{World, terms};
use crate::ledger::card_steps::CardChange;
use crate::ledger::steps::{Outcome, Step};
use crate::report::{BillTold, ReportStep};

/// A bill as it is to be told: the statement's number, its version, how much is paid, what became of it and when.
type Said = (i64, i64, i64, BillStanding, String);

impl World {
    async fn follow(&mut self) {
        let step = Step::Report(ReportStep::Follow(Instrument::Account(self.credit)));
        let outcome = self.run(vec![step]).await.remove(0);
        assert!(matches!(outcome, Outcome::Reported(Ok(()))), "{outcome:?}");
    }

    async fn reports(&self) -> Vec<(i64, BillReport)> {
        let rows = self.bank.store.fetch("SELECT number, content FROM bill_reports ORDER BY number", Vec::new());
        let read = |row: &server_kit::store::Row| {
            (row.int(0).unwrap(), BillReport::decode(row.bytes(1).unwrap().as_slice()).unwrap())
        };
        rows.await.unwrap().iter().map(read).collect()
    }

    async fn bills(&self) -> Vec<Said> {
        let said = |(number, it): (i64, BillReport)| {
            (number, it.version, it.paid_minor, it.standing(), it.standing_on[..].to_owned())
        };
        self.reports().await.into_iter().map(said).collect()
    }
}

fn said(number: i64, version: i64, paid: i64, standing: BillStanding, on: &str) -> Said {
    (number, version, paid, standing, on.to_owned())
}

fn by_hand() -> Terms {
    Terms { auto_repay: AutoRepay::Off, ..terms() }
}

pub(super) async fn r8_a_statement_of_a_followed_account_is_told_with_its_lines_and_as_it_is_paid(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
    world.follow().await;
    let bought = world.pay(Nature::Purchase, 60_000).await;
    world.noon(date(2026, 1, 10));
    world.refund(bought.id, 1_000).await;
    world.pay(Nature::CashWithdrawal, 60_000).await;
    world.live_until(date(2026, 2, 6)).await;
    let [(1, report)] = <[_; 1]>::try_from(world.reports().await).unwrap() else { panic!() };
    let statement = world.statements().await.remove(0).0;
    assert_eq!((report.opened_on.as_str(), report.closed_on.as_str()), ("2026-01-06", "2026-02-05"));
    assert_eq!((report.due_on.as_str(), report.closing_minor), ("2026-02-25", statement.closing_minor));
    assert_eq!((report.minimum_minor, report.paid_minor), (statement.minimum_due_minor, 0));
    assert_eq!((report.version, report.standing(), report.standing_on.as_str()), (1, BillStanding::Due, ""));
    assert!(report.masked.starts_with("****") && report.card_id.is_empty(), "{report:?}");
    let payment = PaymentId::from_uuid(bought.id.uuid()).to_string();
    let lines =
        report.lines.iter().map(|it| (&it.posted_on[5..], it.amount_minor, it.text.as_str(), it.payment_id.as_str()));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines[..2], [("01-06", 60_000, "Tea House", &*payment), ("01-10", -1_000, "Tea House", &*payment)]);
    assert_eq!((lines.len(), lines[2].1, lines[3].2), (4, 10_000, "Interest on cash advances"));
    assert_eq!(report.lines.iter().map(|line| line.amount_minor).sum::<i64>(), statement.closing_minor);

    world.deposit(world.credit, 20_000).await.unwrap();
    let due = |version, paid| said(1, version, paid, BillStanding::Due, "");
    assert_eq!(world.bills().await, [due(2, 20_000)], "at once, before the day is over");
    world.noon(date(2026, 2, 20));
    world.close(date(2026, 2, 19)).await.unwrap();
    assert_eq!(world.bills().await, [due(2, 20_000)], "nothing new is no news");
    world.deposit(world.credit, statement.closing_minor - 20_000 + 500).await.unwrap();
    let paid = said(1, 3, statement.closing_minor, BillStanding::PaidInTime, "2026-02-20");
    assert_eq!(world.bills().await, std::slice::from_ref(&paid));
    world.live_until(date(2026, 3, 6)).await;
    // What is too much stands in the next one, of which there is nothing to pay.
    let next = said(2, 1, 0, BillStanding::PaidInTime, "2026-03-05");
    assert_eq!(world.bills().await, [paid, next]);
    assert_eq!(world.reports().await[1].1.closing_minor, -500);
    world.live_until(date(2026, 4, 6)).await;
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.end().await;
}

pub(super) async fn r9_a_bill_that_is_not_paid_falls_into_arrears_ages_and_is_settled(db: TestDatabase) {
    use BillStanding::{Arrears, Due, Settled};
    let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
    world.follow().await;
    world.pay(Nature::Purchase, 50_000).await;
    world.live_until(date(2026, 2, 26)).await;
    assert_eq!(world.bills().await, [said(1, 2, 0, Arrears, "2026-02-26")]);
    // Before the day is over.
    world.deposit(world.credit, 1_000).await.unwrap();
    assert_eq!(world.bills().await, [said(1, 3, 1_000, Arrears, "2026-02-27")]);
    world.live_until(date(2026, 3, 28)).await;
    let aged = said(1, 4, 1_000, Arrears, "2026-03-28");
    let bills = world.bills().await;
    assert_eq!(
        (&bills[0], &bills[1]),
        (&aged, &said(2, 2, 0, Arrears, "2026-03-26")),
        "the next one was not paid either"
    );
    world.noon(date(2026, 3, 29));
    let owed = world.stands().await.1;
    world.deposit(world.credit, owed).await.unwrap();
    // The day before is open still, and what comes after its end is not counted before that.
    let bills = world.bills().await;
    assert_eq!(bills[0], said(1, 5, 50_000, Settled, "2026-03-29"));
    assert_eq!((bills[1].3, &*bills[1].4), (Settled, "2026-03-29"));
    world.live_until(date(2026, 4, 27)).await;
    let bills = world.bills().await;
    assert_eq!(bills[0], said(1, 5, 50_000, Settled, "2026-03-29"));
    assert!(bills.len() < 3 || bills[2].3 != Due, "{bills:?}");
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.end().await;
}

pub(super) async fn r9_days_that_are_caught_up_tell_what_days_in_turn_tell(db: TestDatabase) {
    let mut first = Some(db);
    let mut told = Vec::new();
    for in_turn in [true, false] {
        let db = first.take().unwrap_or_else(TestDatabase::sqlite);
        let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
        world.follow().await;
        world.pay(Nature::Purchase, 50_000).await;
        let pass = async |world: &mut World, on| {
            if in_turn { world.live_until(on).await } else { world.noon(on) }
        };
        pass(&mut world, date(2026, 2, 20)).await;
        world.deposit(world.credit, 2_000).await.unwrap();
        pass(&mut world, date(2026, 3, 1)).await;
        world.deposit(world.credit, 60_000).await.unwrap();
        world.noon(date(2026, 4, 7));
        while world.close(date(2026, 4, 6)).await.unwrap().days > 0 {}
        let reports = world.reports().await.into_iter();
        told.push(reports.map(|(_, it)| BillReport {
            version: 0,
            account_id: String::new(),
            masked: String::new(),
            ..it
        }));
        assert_eq!(world.faults().await, [] as [&str; 0]);
        world.end().await;
    }
    let [mut caught_up, mut in_turn] = [told.pop().unwrap().collect::<Vec<_>>(), told.pop().unwrap().collect()];
    assert_eq!((in_turn[0].standing(), in_turn[0].standing_on.as_str()), (BillStanding::Settled, "2026-03-01"));
    // Nobody had been told of the arrears before they were paid.
    assert_eq!(caught_up[0].standing(), BillStanding::PaidLate);
    let ids = |lines: &mut Vec<BillReport>| {
        for report in lines {
            report.lines.iter_mut().for_each(|line| line.payment_id.clear());
            report.standing = if report.standing() == BillStanding::PaidLate {
                BillStanding::Settled.into()
            } else {
                report.standing
            };
        }
    };
    ids(&mut caught_up);
    ids(&mut in_turn);
    assert_eq!(caught_up, in_turn);
}

pub(super) async fn r8_what_nobody_follows_is_told_of_from_when_somebody_does(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
    world.pay(Nature::Purchase, 50_000).await;
    world.live_until(date(2026, 3, 7)).await;
    world.deposit(world.credit, 5_000).await.unwrap();
    assert_eq!(world.bills().await, [], "not yet");
    world.follow().await;
    // The statement that is open, and what was paid of it today.
    assert_eq!(world.bills().await, [said(2, 1, 5_000, BillStanding::Due, "")]);
    world.follow().await;
    world.deposit(world.credit, 100).await.unwrap();
    assert_eq!(world.bills().await, [said(2, 2, 5_100, BillStanding::Due, "")]);
    world.live_until(date(2026, 4, 6)).await;
    assert_eq!(world.bills().await.iter().map(|it| it.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.end().await;

    let mut world = World::open(TestDatabase::sqlite(), date(2026, 1, 6), by_hand()).await;
    world.follow().await;
    world.live_until(date(2026, 3, 7)).await;
    assert_eq!(world.bills().await, [], "nobody is sent a bill of nothing");
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.end().await;
}

pub(super) async fn what_the_hub_has_taken_in_of_bills_is_kept_and_the_check_sees_what_was_changed(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
    world.follow().await;
    world.pay(Nature::Purchase, 50_000).await;
    world.live_until(date(2026, 2, 6)).await;
    let told = |version, refusal| BillTold { account_id: world.credit, number: 1, version, refusal };
    let answers = [
        // The version; what comes of it: what is told, and the refusal.
        (told(2, None), (0, None)),
        (told(1, Some(Reason::NotYours)), (1, Some("NOT_YOURS".to_owned()))),
        (told(1, None), (1, Some("NOT_YOURS".to_owned()))),
    ];
    for (answer, wanted) in answers {
        world.run(vec![Step::Report(ReportStep::BillsTold(vec![answer.clone()]))]).await;
        let rows = world.bank.store.fetch("SELECT told_version, refusal FROM bill_reports", Vec::new()).await.unwrap();
        assert_eq!((rows[0].int(0).unwrap(), rows[0].maybe_text(1).unwrap()), wanted, "{answer:?}");
    }
    // An answer and a change that makes it the one before, in one set.
    let steps = vec![
        Step::Report(ReportStep::BillsTold(vec![BillTold {
            account_id: world.credit,
            number: 1,
            version: 1,
            refusal: None,
        }])),
        Step::CloseDays(
            crate::credit::CloseOrder { accounts: vec![world.credit], through: date(2026, 2, 25) },
            super::super::bank::teller(),
        ),
    ];
    world.noon(date(2026, 2, 26));
    world.run(steps).await;
    assert_eq!(world.bills().await, [said(1, 2, 0, BillStanding::Arrears, "2026-02-26")]);
    let rows = world.bank.store.fetch("SELECT told_version, refusal FROM bill_reports", Vec::new()).await.unwrap();
    assert_eq!((rows[0].int(0).unwrap(), rows[0].maybe_text(1).unwrap()), (1, None));
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.tamper("UPDATE bill_reports SET is_open = 0").await;
    assert_eq!(world.faults().await.len(), 1);
    world.tamper("UPDATE bill_reports SET number = 7, is_open = 1").await;
    assert_eq!(world.faults().await.len(), 1, "there is no such statement");
    world.live_until(date(2026, 3, 6)).await;
    world.tamper("UPDATE bill_reports SET number = 1 WHERE number = 7").await;
    world.tamper("UPDATE bill_reports SET number = 9 WHERE number = 2").await;
    assert_eq!(world.faults().await.len(), 2, "a statement is not told of, and one that is not there is");
    world.tamper("UPDATE bill_reports SET number = 2 WHERE number = 9").await;
    world.end().await;
}

pub(super) async fn r9_a_relation_ends_when_the_card_is_closed_and_nothing_is_owed(db: TestDatabase) {
    let mut world = World::open(db, date(2026, 1, 6), by_hand()).await;
    let card_id = world.issue().await;
    // Followed by the card alone.
    let step = Step::Report(ReportStep::Follow(Instrument::Card(card_id)));
    assert!(matches!(world.run(vec![step]).await.remove(0), Outcome::Reported(Ok(()))));
    world.pay(Nature::Purchase, 50_000).await;
    world.live_until(date(2026, 2, 6)).await;
    let ended = async |world: &World| {
        let reports = world.reports().await;
        reports.into_iter().map(|(_, it)| (it.version, it.relation_ended_on)).collect::<Vec<_>>()
    };
    let report = world.reports().await.remove(0).1;
    assert_eq!((report.card_id, report.masked.as_str()), (card_id.to_string(), "622848******0015"));
    let close = Step::Change(card_id, CardChange::Close, super::super::bank::teller());
    let outcome = world.run(vec![close]).await.remove(0);
    assert!(matches!(outcome, Outcome::Card(Ok(_), _)), "{outcome:?}");
    world.live_until(date(2026, 2, 10)).await;
    assert_eq!(ended(&world).await, [(1, String::new())], "something is owed yet");
    world.deposit(world.credit, 50_000).await.unwrap();
    assert_eq!(ended(&world).await, [(2, String::new())], "the day is not over");
    world.live_until(date(2026, 2, 13)).await;
    assert_eq!(ended(&world).await, [(3, "2026-02-10".to_owned())]);
    world.live_until(date(2026, 3, 7)).await;
    // The statement of the cycle in which it was paid is the last one.
    assert_eq!(ended(&world).await, [(3, "2026-02-10".to_owned()), (1, "2026-03-05".to_owned())]);
    world.live_until(date(2026, 5, 7)).await;
    assert_eq!(ended(&world).await.len(), 2);
    assert_eq!(world.faults().await, [] as [&str; 0]);
    world.end().await;
}
