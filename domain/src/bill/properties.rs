//! What must hold for any statement and any records.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use uuid::Uuid;

use super::cycle::tests::record;
use super::*;
use crate::PaymentId;
use crate::text::Line;

fn any_day() -> impl Strategy<Value = Date> {
    (0_i64..31).prop_map(|days| date(2026, 2, 6).saturating_add(days.days()))
}

/// Few amounts, so that many are the same, and now and then an extreme one.
fn any_amount() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -2_i64..4, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn any_line() -> impl Strategy<Value = StatementLine> {
    (any_day(), any_amount(), prop::option::of(0_u128..12), "[ab]").prop_map(|(on, amount_minor, id, text)| {
        let payment_id = id.map(|id| PaymentId::from_uuid(Uuid::from_u128(id)));
        StatementLine { on, amount_minor, text: Line::parse(&text).unwrap(), payment_id }
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    (any_day(), any_amount(), 0_u128..12, "[ab]").prop_map(|(on, amount, id, name)| record(id, on, amount, &name))
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

proptest! {
    #[test]
    fn r8_the_differences_are_all_that_the_two_lists_differ_by(
        lines in prop::collection::vec(any_line(), 0..25), records in prop::collection::vec(any_record(), 0..25)
    ) {
        let Comparison { agreed, differences } = compare(&lines, &records).unwrap();
        let in_lines: i128 = lines.iter().map(|line| i128::from(line.amount_minor)).sum();
        let in_records: i128 = records.iter().map(|record| i128::from(record.amount_minor)).sum();
        let listed: i128 = differences.iter().map(Difference::delta_minor).sum();
        prop_assert_eq!(in_lines - in_records, listed);
        prop_assert!(agreed.iter().all(|(line, record)| line.amount_minor == record.amount_minor));

        let (mut seen_lines, mut seen_records): (Vec<_>, Vec<_>) = agreed.into_iter().unzip();
        for difference in differences {
            match difference {
                Difference::OnlyInStatement(line) => seen_lines.push(line),
                Difference::OnlyInRecords(record) => seen_records.push(record),
                Difference::Amount { line, record } => {
                    prop_assert_eq!(line.payment_id, Some(record.payment_id));
                    prop_assert_ne!(line.amount_minor, record.amount_minor);
                    seen_lines.push(line);
                    seen_records.push(record);
                }
            }
        }
        prop_assert_eq!(sorted(seen_lines), sorted(lines), "every line once");
        prop_assert_eq!(sorted(seen_records), sorted(records), "every record once");
    }

    #[test]
    fn r8_the_order_in_which_they_come_makes_no_difference(
        (lines, shuffled_lines) in prop::collection::vec(any_line(), 0..15)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        (records, shuffled_records) in prop::collection::vec(any_record(), 0..15)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(compare(&lines, &records), compare(&shuffled_lines, &shuffled_records));
    }
}
