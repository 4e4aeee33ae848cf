//! The life of a credit account, told by its days.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use uuid::Uuid;

use super::EntryKind::{CashAdvance, CashReturned, Fee, Purchase, Refund, Repayment};
use super::*;
use crate::{AccountId, Reason};

fn account_id() -> AccountId {
    AccountId::parse("0192f0c1-7a6b-7c3d-8e4f-0000000000c1").unwrap()
}

/// Closed on the 5th, due 20 days later, no days of grace; 0.05 % a day; the debit account repays nothing.
fn terms() -> Terms {
    Terms { grace_days: 0, auto_repay: AutoRepay::Off, ..Terms::usual(5) }
}

/// An account and what its days came to.
struct Story {
    terms: Terms,
    position: Position,
    /// What happens on which days.
    plan: Vec<(Date, EntryKind, i64)>,
    /// What the debit account has, from which day on.
    debit: Vec<(Date, i64)>,
    statements: Vec<Statement>,
    postings: Vec<Posting>,
    verdicts: Vec<Verdict>,
}

impl Story {
    /// From 6 January 2026 on.
    fn new(terms: Terms, plan: &[(Date, EntryKind, i64)]) -> Self {
        Self {
            terms,
            position: Position::opened(account_id(), date(2026, 1, 6)),
            plan: plan.to_vec(),
            debit: Vec::new(),
            statements: Vec::new(),
            postings: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Closes all days through this one.
    fn until(mut self, last: Date) -> Self {
        while self.position.closed_through() < last {
            let on = self.position.next_day();
            let today = self.plan.iter().filter(|(date, ..)| *date == on);
            let entry = |(_, kind, amount_minor): &(Date, EntryKind, i64)| Entry {
                source: Uuid::nil(),
                kind: *kind,
                amount_minor: *amount_minor,
            };
            let entries = today.map(entry).collect();
            let debit = self.debit.iter().rev().find(|(from, _)| *from <= on);
            let day = Day { on, entries, debit_available_minor: debit.map_or(0, |(_, minor)| *minor) };
            let end = end_of_day(&self.position, &self.terms, &day).unwrap();
            self.position = end.position;
            self.statements.extend(end.statement);
            self.postings.extend(end.postings);
            self.verdicts.extend(end.verdict);
        }
        self
    }

    fn booked(&self, kind: PostingKind) -> Vec<(Date, i64)> {
        let of_kind = self.postings.iter().filter(|posting| posting.kind == kind);
        of_kind.map(|posting| (posting.on, posting.amount_minor)).collect()
    }
}

#[test]
fn r8_a_statement_that_is_paid_in_full_by_its_due_date_costs_nothing() {
    let story = Story::new(
        terms(),
        &[
            (date(2026, 1, 10), Purchase, 100_000),
            (date(2026, 2, 5), Purchase, 50_000),
            (date(2026, 2, 6), Purchase, 7_000),
            (date(2026, 2, 10), Repayment, 100_000),
            (date(2026, 2, 25), Repayment, 50_000),
        ],
    )
    .until(date(2026, 3, 5));
    assert_eq!(
        story.statements[0].to_string(),
        "statement.v1 account=0192f0c1-7a6b-7c3d-8e4f-0000000000c1 number=1 from=2026-01-06 closed_on=2026-02-05 \
         due_on=2026-02-25 opening_minor=0 purchases_minor=150000 cash_advances_minor=0 fees_minor=0 \
         interest_on_purchases_minor=0 interest_on_cash_minor=0 repayments_minor=0 refunds_minor=0 \
         closing_minor=150000 minimum_due_minor=15000"
    );
    assert_eq!(
        story.statements[1].to_string(),
        "statement.v1 account=0192f0c1-7a6b-7c3d-8e4f-0000000000c1 number=2 from=2026-02-06 closed_on=2026-03-05 \
         due_on=2026-03-25 opening_minor=150000 purchases_minor=7000 cash_advances_minor=0 fees_minor=0 \
         interest_on_purchases_minor=0 interest_on_cash_minor=0 repayments_minor=150000 refunds_minor=0 \
         closing_minor=7000 minimum_due_minor=5000"
    );
    assert_eq!(story.postings, []);
    assert_eq!(story.verdicts, [Verdict { number: 1, due_on: date(2026, 2, 25), open_minor: 0, missing_minor: 0 }]);
}

#[test]
fn r8_one_cent_short_and_every_purchase_bears_interest_from_its_day() {
    let story = Story::new(
        terms(),
        &[
            (date(2026, 1, 10), Purchase, 100_000),
            (date(2026, 2, 5), Purchase, 50_000),
            (date(2026, 2, 6), Purchase, 7_000),
            (date(2026, 2, 20), Repayment, 149_999),
        ],
    )
    .until(date(2026, 3, 5));
    // 10 January to 20 February: 41 days on 100,000. 5 to 20 February: 15 days on 50,000. 20 February to 5 March, that day
    // included: 14 days on one cent. The purchase of 6 February waits for its own statement.
    let minor_days = 41 * 100_000 + 15 * 50_000 + 14;
    assert_eq!(minor_days * 5, 24_250_070);
    assert_eq!(story.booked(PostingKind::InterestOnPurchases), [(date(2026, 3, 5), 2_425)]);
    assert_eq!(story.booked(PostingKind::LateFee), [], "the minimum was paid");
    assert_eq!(story.verdicts[0].open_minor, 1);
    assert_eq!(story.statements[1].closing_minor, 1 + 7_000 + 2_425);
    // All interest, a tenth of the purchases, and not less than the floor.
    assert_eq!(story.statements[1].minimum_due_minor, 5_000);
}

#[test]
fn r8_an_advance_of_cash_bears_interest_from_its_day_to_the_day_before_it_is_repaid() {
    let table = [
        ("repaid after ten days", Some(date(2026, 1, 20)), 10),
        ("repaid on the next day", Some(date(2026, 1, 11)), 1),
        ("repaid on the same day", Some(date(2026, 1, 10)), 0),
        ("not repaid: through the close", None, 27),
    ];
    for (name, repaid_on, days) in table {
        let mut plan = vec![(date(2026, 1, 10), CashAdvance, 100_000)];
        plan.extend(repaid_on.map(|on| (on, Repayment, 100_000)));
        let story = Story::new(terms(), &plan).until(date(2026, 2, 5));
        assert_eq!(story.statements[0].interest_on_cash_minor, days * 50, "{name}");
        assert_eq!(story.statements[0].interest_on_purchases_minor, 0, "{name}");
    }
}

#[test]
fn r8_interest_and_fees_bear_no_interest() {
    let story = Story::new(terms(), &[(date(2026, 1, 6), CashAdvance, 100_000), (date(2026, 1, 6), Fee, 50_000)])
        .until(date(2026, 4, 5));
    // 31, 28 and 31 days of 50 each, whatever was added in between; and two late fees of 5 % of a minimum that is all of the
    // debt.
    let interest: Vec<i64> = story.statements.iter().map(|statement| statement.interest_on_cash_minor).collect();
    assert_eq!(interest, [31 * 50, 28 * 50, 31 * 50]);
    let first = story.statements[0];
    assert_eq!((first.closing_minor, first.minimum_due_minor), (151_550, 151_550));
    let fees = story.booked(PostingKind::LateFee);
    assert_eq!(fees[0], (date(2026, 2, 25), 7_578), "5 % of 1,515.50 is 75.775, half up");
}

#[test]
fn r9_a_missed_minimum_is_late_and_a_payment_within_the_days_of_grace_is_not() {
    let graceful = Terms { grace_days: 3, ..terms() };
    let bought = (date(2026, 1, 10), Purchase, 100_000);
    let table = [
        ("nothing paid", graceful, None, 100_000, 10_000, 1_000),
        ("a minor unit less than the minimum", graceful, Some((date(2026, 2, 25), 9_999)), 90_001, 1, 1_000),
        ("the minimum on the last day of grace", graceful, Some((date(2026, 2, 28), 10_000)), 90_000, 0, 0),
        ("the minimum a day later", graceful, Some((date(2026, 3, 1), 10_000)), 100_000, 10_000, 1_000),
        ("all of it on the last day of grace", graceful, Some((date(2026, 2, 28), 100_000)), 0, 0, 0),
        ("the minimum without grace, a day late", terms(), Some((date(2026, 2, 26), 10_000)), 100_000, 10_000, 1_000),
    ];
    for (name, terms, paid, open_minor, missing_minor, fee) in table {
        let mut plan = vec![bought];
        plan.extend(paid.map(|(on, minor)| (on, Repayment, minor)));
        let story = Story::new(terms, &plan).until(date(2026, 3, 4));
        let verdict = Verdict { number: 1, due_on: date(2026, 2, 25), open_minor, missing_minor };
        assert_eq!(story.verdicts, [verdict], "{name}");
        let fees: i64 = story.booked(PostingKind::LateFee).iter().map(|(_, minor)| minor).sum();
        assert_eq!(fees, fee, "{name}");
        let overdue = (missing_minor > 0).then_some(date(2026, 2, 25));
        assert_eq!(story.position.overdue_since(), overdue, "{name}");
    }
}

#[test]
fn c7_the_debit_account_repays_on_the_due_day_and_is_asked_again_until_it_is_enough() {
    let bought = [(date(2026, 1, 10), Purchase, 100_000)];
    let repaid = |auto_repay, debit: &[(Date, i64)]| {
        let terms = Terms { auto_repay, grace_days: 3, ..terms() };
        let story = Story { debit: debit.to_vec(), ..Story::new(terms, &bought) }.until(date(2026, 3, 4));
        (
            story.booked(PostingKind::AutoRepayment),
            story.booked(PostingKind::LateFee).len(),
            story.verdicts[0].open_minor,
        )
    };
    let (early, due, next, later) = (date(2026, 1, 6), date(2026, 2, 25), date(2026, 2, 26), date(2026, 3, 2));
    let table = [
        ("enough", AutoRepay::Full, vec![(early, 500_000)], vec![(due, 100_000)], 0, 0),
        ("the minimum only", AutoRepay::Minimum, vec![(early, 500_000)], vec![(due, 10_000)], 0, 90_000),
        ("none", AutoRepay::Off, vec![(early, 500_000)], vec![], 1, 100_000),
        (
            "a part, the rest when it is there",
            AutoRepay::Full,
            vec![(due, 30_000), (next, 0), (date(2026, 2, 28), 90_000)],
            vec![(due, 30_000), (date(2026, 2, 28), 70_000)],
            0,
            0,
        ),
        (
            "too late for the grace",
            AutoRepay::Full,
            vec![(due, 4_000), (next, 0), (later, 900_000)],
            vec![(due, 4_000), (later, 96_000)],
            1,
            96_000,
        ),
        ("nothing", AutoRepay::Full, vec![], vec![], 1, 100_000),
    ];
    for (name, auto_repay, debit, wanted, fees, open_minor) in table {
        assert_eq!(repaid(auto_repay, &debit), (wanted, fees, open_minor), "{name}");
    }
}

#[test]
fn c7_what_was_repaid_from_elsewhere_before_is_not_taken_again() {
    let plan = [
        (date(2026, 1, 10), Purchase, 100_000),
        (date(2026, 2, 10), Repayment, 40_000),
        (date(2026, 2, 11), Refund, 10_000),
        (date(2026, 2, 12), Purchase, 25_000),
    ];
    let terms = Terms { auto_repay: AutoRepay::Full, ..terms() };
    let story = Story { debit: vec![(date(2026, 1, 6), 900_000)], ..Story::new(terms, &plan) }.until(date(2026, 3, 5));
    assert_eq!(
        story.booked(PostingKind::AutoRepayment),
        [(date(2026, 2, 25), 50_000)],
        "and not what is not billed yet"
    );
    assert_eq!(story.statements[1].closing_minor, 25_000);
}

#[test]
fn c7_too_much_repaid_stays_in_the_customers_favour_and_pays_what_comes() {
    let plan = [
        (date(2026, 1, 10), Purchase, 30_000),
        (date(2026, 1, 11), Repayment, 50_000),
        (date(2026, 1, 20), CashAdvance, 5_000),
        (date(2026, 2, 10), Purchase, 20_000),
    ];
    let story = Story::new(terms(), &plan).until(date(2026, 3, 5));
    let [first, second] = [story.statements[0], story.statements[1]];
    assert_eq!((first.closing_minor, first.minimum_due_minor, first.interest_on_cash_minor), (-15_000, 0, 0));
    assert_eq!((second.closing_minor, second.minimum_due_minor), (5_000, 5_000));
    assert_eq!(story.verdicts[0].open_minor, 0);
}

#[test]
fn c6_an_advance_that_is_reversed_on_its_day_bears_nothing_and_pays_no_purchase() {
    let plan = [
        (date(2026, 1, 10), Purchase, 30_000),
        (date(2026, 1, 12), CashAdvance, 20_000),
        (date(2026, 1, 12), CashReturned, 20_000),
    ];
    let story = Story::new(terms(), &plan).until(date(2026, 2, 5));
    assert_eq!(story.postings, []);
    let statement = story.statements[0];
    assert_eq!(
        (statement.cash_advances_minor, statement.refunds_minor, statement.closing_minor),
        (20_000, 20_000, 30_000)
    );
    assert_eq!(story.position.owed_of(Portion::Purchase), 30_000);
}

#[test]
fn r9_after_ninety_days_in_arrears_money_pays_principal_before_costs() {
    let bought = [(date(2026, 1, 6), CashAdvance, 100_000)];
    let table = [
        ("90 days after the due date", date(2026, 5, 26), 4_000, true),
        ("a day later", date(2026, 5, 27), 4_000, false),
    ];
    for (name, on, minor, costs_first) in table {
        let before = Story::new(terms(), &bought).until(on.saturating_sub(1.day()));
        assert_eq!(before.position.overdue_since(), Some(date(2026, 2, 25)));
        let costs = |position: &Position| position.owed_of(Portion::Fee) + position.owed_of(Portion::Interest);
        let (had, cash) = (costs(&before.position), before.position.owed_of(Portion::CashAdvance));
        let plan = vec![(on, Repayment, minor)];
        let after = Story { plan, ..before }.until(on);
        let paid = (had - costs(&after.position), cash - after.position.owed_of(Portion::CashAdvance));
        // The oldest statement is paid first; its costs are the interest of its 31 days.
        let wanted = if costs_first { (31 * 50, minor - 31 * 50) } else { (0, minor) };
        assert_eq!(paid, wanted, "{name}");
    }
}

#[test]
fn r8_a_cycle_over_february_and_a_leap_day_counts_actual_days() {
    let terms = Terms { close_day: 31, ..terms() };
    let mut story = Story::new(terms, &[(date(2028, 1, 31), CashAdvance, 100_000)]);
    story.position = Position::opened(account_id(), date(2028, 1, 15));
    let story = story.until(date(2028, 4, 30));
    let lines: Vec<(Date, i64)> =
        story.statements.iter().map(|statement| (statement.closed_on, statement.interest_on_cash_minor / 50)).collect();
    assert_eq!(
        lines,
        [(date(2028, 1, 31), 1), (date(2028, 2, 29), 29), (date(2028, 3, 31), 31), (date(2028, 4, 30), 30)]
    );
}

#[test]
fn terms_out_of_range_are_refused() {
    use rust_decimal::Decimal;
    let usual = terms();
    assert_eq!(usual.check(), Ok(()));
    let bad = [
        Terms { close_day: 0, ..usual },
        Terms { close_day: 32, ..usual },
        Terms { due: Due::Day(0), ..usual },
        Terms { due: Due::Day(32), ..usual },
        Terms { due: Due::DaysAfterClose(0), ..usual },
        Terms { due: Due::DaysAfterClose(28), ..usual },
        Terms { grace_days: 8, ..usual },
        Terms { daily_rate: Decimal::new(-1, 4), ..usual },
        Terms { daily_rate: Decimal::new(2, 2), ..usual },
        Terms { minimum: Minimum { purchase_share: Decimal::new(101, 2), ..usual.minimum }, ..usual },
        Terms { minimum: Minimum { floor_minor: -1, ..usual.minimum }, ..usual },
        Terms { minimum: Minimum { floor_minor: i64::MAX, ..usual.minimum }, ..usual },
        Terms { late_fee: LateFee { floor_minor: 60_000, ..usual.late_fee }, ..usual },
        Terms { late_fee: LateFee { cap_minor: i64::MAX, ..usual.late_fee }, ..usual },
        Terms { daily_rate: Decimal::new(1, 11), ..usual },
    ];
    let position = Position::opened(account_id(), date(2026, 1, 6));
    let day = Day { on: date(2026, 1, 6), entries: Vec::new(), debit_available_minor: 0 };
    for terms in bad {
        assert_eq!(end_of_day(&position, &terms, &day), Err(Reason::TermsMalformed), "{terms:?}");
    }
}

#[test]
fn kinds_of_entries_are_read_back_as_they_are_stored() {
    use EntryKind::Booked;
    let table = [
        (Purchase, "PURCHASE"),
        (CashAdvance, "CASH_ADVANCE"),
        (Fee, "FEE"),
        (Repayment, "REPAYMENT"),
        (Refund, "REFUND"),
        (CashReturned, "CASH_RETURNED"),
        (Booked(PostingKind::AutoRepayment), "AUTO_REPAYMENT"),
        (Booked(PostingKind::LateFee), "LATE_FEE"),
        (Booked(PostingKind::InterestOnCash), "INTEREST_ON_CASH"),
        (Booked(PostingKind::InterestOnPurchases), "INTEREST_ON_PURCHASES"),
    ];
    for (kind, word) in table {
        assert_eq!((kind.as_str(), EntryKind::parse(word)), (word, Ok(kind)));
    }
    assert_eq!(EntryKind::parse("purchase"), Err(Reason::FieldUnknown));
}

#[test]
fn the_id_of_a_posting_is_made_of_account_day_and_kind() {
    let on = date(2026, 2, 25);
    let id = |account, on, kind| Posting { kind, on, amount_minor: 1 }.id(account);
    let first = id(account_id(), on, PostingKind::LateFee);
    assert_eq!(first, id(account_id(), on, PostingKind::LateFee));
    let other = AccountId::parse("0192f0c1-7a6b-7c3d-8e4f-0000000000c2").unwrap();
    for different in [
        id(other, on, PostingKind::LateFee),
        id(account_id(), on.tomorrow().unwrap(), PostingKind::LateFee),
        id(account_id(), on, PostingKind::AutoRepayment),
    ] {
        assert_ne!(first, different);
    }
    // As `uuid5` of Python makes it.
    assert_eq!(first.to_string(), "3f3a41df-0671-5bd1-ac2a-afab4ce3813b");
    assert_eq!(AccountId::parse(&first.to_string()), Err(Reason::IdMalformed), "no caller can name it");
}
