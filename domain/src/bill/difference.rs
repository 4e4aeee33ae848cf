//! The bank's list against the person's records.

use std::collections::{BTreeMap, VecDeque};

use jiff::civil::Date;

use super::Record;
use super::pairing::pair;
use crate::text::Line;
use crate::{PaymentId, Reason};

/// A statement's line and a record of the same amount belong together when they are at most so many days apart: a purchase
/// is often posted days after it was made.
const WINDOW_DAYS: i64 = 3;
/// The most lines, and the most records, that are compared: setting them against each other costs the one times the other.
const MOST: usize = 1_000;
/// An ordinary day from which days are counted; which one it is does not matter.
const EPOCH: Date = Date::constant(2000, 1, 1);

/// A line of a bank's statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatementLine {
    /// The day on which the bank posted it.
    pub on: Date,
    /// Minor units; a charge is above zero, a repayment or what came back is below.
    pub amount_minor: i64,
    /// The merchant as the bank writes it.
    pub text: Line,
    /// The payment that it is of, where the bank knows it.
    pub payment_id: Option<PaymentId>,
}

/// Where statement and records do not say the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// The person has no record of it.
    OnlyInStatement(StatementLine),
    /// The bank did not bill it.
    OnlyInRecords(Record),
    /// The same payment with another amount.
    Amount {
        /// What the bank bills.
        line: StatementLine,
        /// What the person's record says.
        record: Record,
    },
}

impl Difference {
    /// How much more the statement says than the records do, in minor units.
    pub fn delta_minor(&self) -> i128 {
        match self {
            Self::OnlyInStatement(line) => i128::from(line.amount_minor),
            Self::OnlyInRecords(record) => -i128::from(record.amount_minor),
            Self::Amount { line, record } => i128::from(line.amount_minor) - i128::from(record.amount_minor),
        }
    }
}

/// Every line and every record once: in a pair that agrees, or in a difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In the order of the statement's days.
    pub agreed: Vec<(StatementLine, Record)>,
    /// Lines that only the statement has, records that it lacks, and amounts that differ; each sort in the order of its days.
    pub differences: Vec<Difference>,
}

/// Sets a statement's lines against the records of the same account, period and currency.
///
/// A line with a payment's id belongs to the record of that payment and to no other, whatever the days and the amounts say.
/// What is left pairs by equal amount within three days, as many as there can be and then as close as
/// they can be. What pairs with nothing is listed: nothing is left out, and the differences sum to what the two lists differ by.
/// The order in which they are handed in makes no difference. `Err(TooManyItems)` for more than 1,000 of either.
pub fn compare(lines: &[StatementLine], records: &[Record]) -> Result<Comparison, Reason> {
    if lines.len() > MOST || records.len() > MOST {
        return Err(Reason::TooManyItems);
    }
    let mut comparison = Comparison::default();
    let (lines, records) = by_id(sorted(lines), sorted(records), &mut comparison);
    by_amount(lines, records, &mut comparison);
    comparison.agreed.sort_unstable();
    comparison.differences.sort_unstable();
    Ok(comparison)
}

fn sorted<T: Clone + Ord>(all: &[T]) -> Vec<T> {
    let mut all = all.to_vec();
    all.sort_unstable();
    all
}

/// Pairs what names the same payment, and gives the lines that name none and the records that no line names. A payment that
/// is billed twice takes its record once, for the line with the right amount if there is one.
fn by_id(lines: Vec<StatementLine>, records: Vec<Record>, into: &mut Comparison) -> (Vec<StatementLine>, Vec<Record>) {
    let mut named: BTreeMap<PaymentId, Vec<Record>> = BTreeMap::new();
    for record in records {
        named.entry(record.payment_id).or_default().push(record);
    }
    let (mut nameless, mut wrong) = (Vec::new(), Vec::new());
    for line in lines {
        let Some(id) = line.payment_id else {
            nameless.push(line);
            continue;
        };
        let same = named.get_mut(&id).and_then(|records| {
            let place = records.iter().position(|record| record.amount_minor == line.amount_minor)?;
            Some(records.remove(place))
        });
        match same {
            Some(record) => into.agreed.push((line, record)),
            None => wrong.push((id, line)),
        }
    }
    for (id, line) in wrong {
        let record = named.get_mut(&id).filter(|records| !records.is_empty()).map(|records| records.remove(0));
        into.differences.push(match record {
            Some(record) => Difference::Amount { line, record },
            None => Difference::OnlyInStatement(line),
        });
    }
    (nameless, named.into_values().flatten().collect())
}

/// Pairs what has the same amount at about the same time.
fn by_amount(lines: Vec<StatementLine>, records: Vec<Record>, into: &mut Comparison) {
    let mut amounts: BTreeMap<i64, (Vec<StatementLine>, Vec<Record>)> = BTreeMap::new();
    for line in lines {
        amounts.entry(line.amount_minor).or_default().0.push(line);
    }
    for record in records {
        amounts.entry(record.amount_minor).or_default().1.push(record);
    }
    for (lines, mut records) in amounts.into_values() {
        // They come by payment here, and pair by day.
        records.sort_unstable();
        let pairs = {
            let line_days: Vec<i64> = lines.iter().map(|line| day(line.on)).collect();
            let record_days: Vec<i64> = records.iter().map(|record| day(record.on)).collect();
            pair(&line_days, &record_days, WINDOW_DAYS)
        };
        let mut lines: VecDeque<_> = lines.into_iter().enumerate().collect();
        let mut records: VecDeque<_> = records.into_iter().enumerate().collect();
        // Beyond the last pair, everything is left over.
        for (i, j) in pairs.into_iter().chain([(usize::MAX, usize::MAX)]) {
            while let Some((_, line)) = lines.pop_front_if(|(place, _)| *place < i) {
                into.differences.push(Difference::OnlyInStatement(line));
            }
            while let Some((_, record)) = records.pop_front_if(|(place, _)| *place < j) {
                into.differences.push(Difference::OnlyInRecords(record));
            }
            if let (Some((_, line)), Some((_, record))) = (lines.pop_front(), records.pop_front()) {
                into.agreed.push((line, record));
            }
        }
    }
}

fn day(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span| i64::from(span.get_days()))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::super::cycle::tests::record;
    use super::*;

    fn line(day: i8, amount_minor: i64, id: u128) -> StatementLine {
        let payment_id = (id > 0).then(|| PaymentId::from_uuid(Uuid::from_u128(id)));
        StatementLine { on: date(2026, 2, day), amount_minor, text: Line::parse("BAKERY 0042").unwrap(), payment_id }
    }

    fn kept(n: u128, day: i8, amount_minor: i64) -> Record {
        record(n, date(2026, 2, day), amount_minor, "Bakery")
    }

    /// What is set against each other, how many pairs agree, and what differs.
    type Row = (&'static str, Vec<StatementLine>, Vec<Record>, usize, Vec<Difference>);

    fn check<const N: usize>(table: [Row; N]) {
        for (name, lines, records, agreed, differences) in table {
            let comparison = compare(&lines, &records).unwrap();
            assert_eq!((comparison.agreed.len(), comparison.differences), (agreed, differences), "{name}");
        }
    }

    #[test]
    fn r8_lines_without_an_id_pair_by_amount_and_day() {
        use Difference::{OnlyInRecords, OnlyInStatement};
        check([
            ("nothing", vec![], vec![], 0, vec![]),
            ("by amount and day", vec![line(9, 500, 0)], vec![kept(1, 6, 500)], 1, vec![]),
            (
                "a day too late",
                vec![line(10, 500, 0)],
                vec![kept(1, 6, 500)],
                0,
                vec![OnlyInStatement(line(10, 500, 0)), OnlyInRecords(kept(1, 6, 500))],
            ),
            (
                "another amount and no id is two differences, not a guess",
                vec![line(6, 550, 0)],
                vec![kept(1, 6, 500)],
                0,
                vec![OnlyInStatement(line(6, 550, 0)), OnlyInRecords(kept(1, 6, 500))],
            ),
            (
                "the same price every day, posted a day late",
                vec![line(7, 500, 0), line(8, 500, 0), line(9, 500, 0), line(10, 500, 0)],
                vec![kept(1, 6, 500), kept(2, 7, 500), kept(3, 8, 500), kept(4, 9, 500)],
                4,
                vec![],
            ),
            (
                "ids that do not follow the days",
                vec![line(6, 500, 0), line(12, 500, 0)],
                vec![kept(2, 6, 500), kept(1, 12, 500)],
                2,
                vec![],
            ),
            (
                "a repayment, which is no purchase",
                vec![line(6, -500, 0), line(7, 500, 0)],
                vec![kept(1, 6, 500)],
                1,
                vec![OnlyInStatement(line(6, -500, 0))],
            ),
            ("money that came back", vec![line(6, -500, 0)], vec![kept(1, 6, -500)], 1, vec![]),
        ]);
    }

    #[test]
    fn r8_lines_with_an_id_belong_to_the_record_of_that_payment() {
        use Difference::{Amount, OnlyInRecords, OnlyInStatement};
        check([
            ("weeks apart", vec![line(20, 500, 1)], vec![kept(1, 6, 500)], 1, vec![]),
            (
                "another amount",
                vec![line(7, 550, 1)],
                vec![kept(1, 6, 500)],
                0,
                vec![Amount { line: line(7, 550, 1), record: kept(1, 6, 500) }],
            ),
            (
                "an id that no record has does not take a record of another payment",
                vec![line(6, 500, 2)],
                vec![kept(1, 6, 500)],
                0,
                vec![OnlyInStatement(line(6, 500, 2)), OnlyInRecords(kept(1, 6, 500))],
            ),
            (
                "billed twice",
                vec![line(6, 500, 1), line(7, 500, 1)],
                vec![kept(1, 6, 500)],
                1,
                vec![OnlyInStatement(line(7, 500, 1))],
            ),
            (
                "billed twice, first with a wrong amount",
                vec![line(6, 400, 1), line(7, 500, 1)],
                vec![kept(1, 6, 500)],
                1,
                vec![OnlyInStatement(line(6, 400, 1))],
            ),
            (
                "the id goes first, and what has none takes what is left",
                vec![line(6, 500, 0), line(6, 500, 1)],
                vec![kept(1, 6, 500), kept(2, 8, 500)],
                2,
                vec![],
            ),
        ]);
    }

    #[test]
    fn r8_more_than_can_be_compared_is_refused_and_not_cut() {
        let lines = vec![line(6, 500, 0); MOST + 1];
        assert_eq!(compare(&lines, &[]), Err(Reason::TooManyItems));
        let records = vec![kept(1, 6, 500); MOST + 1];
        assert_eq!(compare(&[], &records), Err(Reason::TooManyItems));
        let all = compare(&lines[1..], &records[1..]).unwrap();
        assert_eq!((all.agreed.len(), all.differences.len()), (MOST, 0));
    }
}
