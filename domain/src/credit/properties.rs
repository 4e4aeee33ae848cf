//! What must hold for any terms and any days, beside the slow model.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::slow::Slow;
use super::*;
use crate::AccountId;

fn account_id() -> AccountId {
    AccountId::parse("0192f0c1-7a6b-7c3d-8e4f-0000000000c1").unwrap()
}

fn opened() -> Position {
    Position::opened(account_id(), date(2027, 11, 20))
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let due = prop_oneof![(1_u8..32).prop_map(Due::Day), (1_u8..28).prop_map(Due::DaysAfterClose)];
    let auto = prop::sample::select(vec![AutoRepay::Off, AutoRepay::Minimum, AutoRepay::Full]);
    let shares = (0_i64..=100, 0_i64..=100, 0_i64..=100, 0_i64..=100);
    (prop_oneof![1_u8..32, 28_u8..32], due, 0_u8..8, shares, (0_i64..60, 0_i64..20, 0_i64..60), auto).prop_map(
        |(close_day, due, grace_days, (rate, purchase, cash, late), (floor, fee, more), auto_repay)| Terms {
            close_day,
            due,
            grace_days,
            // Up to 1 % a day, so that small amounts bear interest that is worth rounding.
            daily_rate: Decimal::new(rate, 4),
            minimum: Minimum {
                purchase_share: Decimal::new(purchase, 2),
                cash_share: Decimal::new(cash, 2),
                floor_minor: floor,
            },
            late_fee: LateFee { share: Decimal::new(late, 2), floor_minor: fee, cap_minor: fee + more },
            auto_repay,
        },
    )
}

fn any_entry() -> impl Strategy<Value = (EntryKind, i64)> {
    let kind = prop_oneof![
        6 => Just(EntryKind::Purchase),
        2 => Just(EntryKind::CashAdvance),
        1 => Just(EntryKind::Fee),
        3 => Just(EntryKind::Repayment),
        1 => Just(EntryKind::Refund),
        1 => Just(EntryKind::CashReturned),
    ];
    (kind, prop_oneof![4 => 1_i64..200, 1 => 1_i64..1_500])
}

/// Days on end, most of them quiet.
fn any_days(most: usize) -> impl Strategy<Value = Vec<Day>> {
    let entries = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any_entry(), 1..4)];
    let day = (entries, prop_oneof![2 => Just(0_i64), 1 => 0_i64..400]);
    prop::collection::vec(day, 1..most).prop_map(|days| {
        let mut on = opened().next_day();
        let mut all = Vec::new();
        for (n, (entries, debit_available_minor)) in days.into_iter().enumerate() {
            let entry = |(m, (kind, amount_minor))| Entry {
                source: Uuid::from_u128(u128::try_from(n * 10 + m).unwrap()),
                kind,
                amount_minor,
            };
            let entries = entries.into_iter().enumerate().map(entry).collect();
            all.push(Day { on, entries, debit_available_minor });
            on = on.saturating_add(1.day());
        }
        all
    })
}

/// The day with what an end of it has booked.
fn with_booked<'p>(day: &Day, postings: impl IntoIterator<Item = &'p Posting>) -> Day {
    let booked = postings.into_iter().map(|posting| Entry {
        source: posting.id(account_id()).uuid(),
        kind: EntryKind::Booked(posting.kind),
        amount_minor: posting.amount_minor,
    });
    Day { entries: day.entries.iter().copied().chain(booked).collect(), ..day.clone() }
}

fn statements(ends: &[DayEnd]) -> Vec<Statement> {
    ends.iter().filter_map(|end| end.statement).collect()
}

proptest! {
    // A quarter of the usual number: the slow model is slow.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn c7_r8_interest_statements_and_bookings_are_those_of_the_slow_model(terms in any_terms(), days in any_days(220)) {
        let ends = catch_up(&opened(), &terms, &days).unwrap();
        let slow = Slow::run(account_id(), &terms, &days);
        prop_assert_eq!(statements(&ends), slow.statements.into_values().collect::<Vec<_>>());
        let postings: Vec<Posting> = ends.iter().flat_map(|end| end.postings.clone()).collect();
        prop_assert_eq!(postings, slow.postings);
    }

    #[test]
    fn r8_what_is_paid_so_far_is_never_taken_back_by_the_ends_of_the_days(
        terms in any_terms(), days in any_days(90), ahead in 1_usize..40
    ) {
        let mut position = opened();
        for first in 0..days.len() {
            let open = &days[first..days.len().min(first + ahead)];
            let entries: Vec<(Date, Entry)> =
                open.iter().flat_map(|day| day.entries.iter().map(|entry| (day.on, *entry))).collect();
            let (so_far, _) = position.so_far(&terms, &entries).unwrap();
            let ends = catch_up(&position, &terms, open).unwrap();
            let number = position.billed.map_or(0, |billed| billed.number);
            let end = &ends.last().unwrap().position;
            for number in 1..=number {
                prop_assert!(so_far.left_of(number) <= position.left_of(number));
                prop_assert!(end.left_of(number) <= so_far.left_of(number));
            }
            position = ends[0].position.clone();
            if let Some(statement) = ends[0].statement {
                prop_assert_eq!(position.left_of(statement.number), statement.closing_minor.max(0));
            }
        }
    }

    #[test]
    fn c7_catching_up_is_the_same_as_closing_every_evening_and_twice_is_once(
        terms in any_terms(), days in any_days(150), gaps in prop::collection::vec(1_usize..40, 1..20)
    ) {
        let daily = catch_up(&opened(), &terms, &days).unwrap();
        let (mut position, mut done, mut postings) = (opened(), 0, Vec::new());
        for gap in gaps {
            // Some days were closed before, and are run again with the others.
            let (from, to) = (done - done.min(3), days.len().min(done + gap));
            for end in catch_up(&position, &terms, &days[from..to]).unwrap() {
                postings.extend(end.postings);
                position = end.position;
            }
            done = to;
            // What is stored in between is all that is needed.
            let stored = position.to_string();
            prop_assert_eq!(Position::parse(&stored), Ok(position.clone()));
        }
        prop_assert_eq!(&postings, &daily[..done].iter().flat_map(|end| end.postings.clone()).collect::<Vec<_>>());
        if let Some(last) = done.checked_sub(1) {
            prop_assert_eq!(position, daily[last].position.clone());
        }
    }

    #[test]
    fn c7_after_a_crash_the_rest_is_booked_and_nothing_twice(
        terms in any_terms(), days in any_days(150), crashes in prop::collection::vec(0_usize..4, 150)
    ) {
        let mut position = opened();
        for (day, booked) in days.iter().zip(crashes) {
            let whole = end_of_day(&position, &terms, day).unwrap();
            // Booked in part, then run again with another amount on the debit account, since the repayment is gone from it.
            let booked = booked.min(whole.postings.len());
            let (before, rest) = whole.postings.split_at(booked);
            let repaid = before.iter().any(|posting| posting.kind == PostingKind::AutoRepayment);
            let debit_available_minor = if repaid { 0 } else { day.debit_available_minor };
            let again = Day { debit_available_minor, ..with_booked(day, before) };
            let again = end_of_day(&position, &terms, &again).unwrap();
            prop_assert_eq!(&again.postings, rest);
            prop_assert_eq!(&again.position, &whole.position);
            prop_assert_eq!(again.statement, whole.statement);
            position = whole.position;
        }
    }

    #[test]
    fn r8_statements_are_reproduced_from_the_ledger_to_the_cent(terms in any_terms(), days in any_days(200)) {
        let ends = catch_up(&opened(), &terms, &days).unwrap();
        let ledger: Vec<Day> = days.iter().zip(&ends).map(|(day, end)| with_booked(day, &end.postings)).collect();
        let replayed = catch_up(&opened(), &terms, &ledger).unwrap();
        prop_assert_eq!(statements(&replayed), statements(&ends));
        prop_assert!(replayed.iter().all(|end| end.postings.is_empty()));
        let mut before = 0;
        for statement in statements(&ends) {
            prop_assert!(statement.adds_up() && statement.opening_minor == before);
            prop_assert!((0..=statement.closing_minor.max(0)).contains(&statement.minimum_due_minor));
            prop_assert_eq!(Statement::parse(&statement.to_string()), Ok(statement));
            before = statement.closing_minor;
        }
        let owed: i64 = ledger.iter().flat_map(|day| &day.entries).map(|entry| match entry.kind {
            EntryKind::Repayment | EntryKind::Refund | EntryKind::CashReturned
            | EntryKind::Booked(PostingKind::AutoRepayment) => -entry.amount_minor,
            _ => entry.amount_minor,
        }).sum();
        prop_assert_eq!(ends.last().unwrap().position.owed_minor(), owed, "the position is the ledger's balance");
    }

    #[test]
    fn c6_what_counts_against_the_cash_limit_is_what_is_owed_of_cash_each_evening(
        terms in any_terms(), days in any_days(120)
    ) {
        let mut counted = 0;
        for (day, end) in days.iter().zip(catch_up(&opened(), &terms, &days).unwrap()) {
            for entry in &day.entries {
                match entry.kind {
                    EntryKind::CashAdvance => counted += entry.amount_minor,
                    EntryKind::CashReturned => counted -= entry.amount_minor,
                    _ => {}
                }
            }
            counted -= end.cash_freed_minor;
            prop_assert_eq!(counted, end.position.owed_of(Portion::CashAdvance));
        }
    }
}

#[test]
fn days_are_closed_one_after_the_other() {
    let terms = Terms::usual(5);
    let day = |on: Date| Day { on, entries: Vec::new(), debit_available_minor: 0 };
    let first = opened().next_day();
    let end = end_of_day(&opened(), &terms, &day(first)).unwrap();
    assert_eq!(end.position.closed_through(), first);
    assert_eq!(end_of_day(&opened(), &terms, &day(first.saturating_add(1.day()))), Err(crate::Reason::DayOutOfOrder));
    let again = end_of_day(&end.position, &terms, &day(first)).unwrap();
    assert_eq!((again.position, again.postings), (end.position, Vec::new()));
}

#[test]
fn what_was_booked_without_a_rule_stops_the_day() {
    let day = |kind, on: Date| {
        let posting = Posting { kind, on, amount_minor: 5 };
        let source = posting.id(account_id()).uuid();
        let entries = vec![Entry { source, kind: EntryKind::Booked(kind), amount_minor: 5 }];
        Day { on: opened().next_day(), entries, debit_available_minor: 0 }
    };
    let terms = Terms::usual(5);
    let first = opened().next_day();
    for kind in [PostingKind::LateFee, PostingKind::InterestOnCash, PostingKind::AutoRepayment] {
        assert_eq!(end_of_day(&opened(), &terms, &day(kind, first)), Err(crate::Reason::Fault), "{kind:?}");
    }
}
