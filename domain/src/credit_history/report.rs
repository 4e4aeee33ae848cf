//! What a lender is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{AgeBucket, AmountBucket, Entry, Field, Grant, Standing};
use crate::bill::AccountKey;
use crate::{Money, Reason};

/// How many accounts at how many banks, and since when. It does not say how many bills there are: whoever is told of the good
/// ones could count the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Accounts with a bill on record.
    pub accounts: usize,
    /// Banks of these accounts.
    pub banks: usize,
    /// When the oldest bill on record was closed.
    pub since: Option<Date>,
}

/// What is billed in one currency and still in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBills {
    /// How many.
    pub bills: usize,
    /// What they come to.
    pub billed: Money,
    /// When the first of them is due.
    pub earliest_due_on: Date,
}

/// How many bills are in arrears by so much and for so long, as their banks last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArrearsCount {
    /// For how long.
    pub age: AgeBucket,
    /// How much of each.
    pub left: AmountBucket,
    /// How many.
    pub bills: usize,
}

/// What is not paid in time, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArrearsPart {
    /// What is in arrears; the youngest and least first.
    pub open: Vec<ArrearsCount>,
    /// Bills that were paid late, after arrears or without, and are still on record.
    pub paid_late: usize,
    /// The longest that any of all these was late.
    pub worst: Option<AgeBucket>,
}

/// What was paid in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GoodRecord {
    /// Bills that were paid in full and in time.
    pub in_time: usize,
    /// When the first of those was closed that were paid in time after the last one that was not; nothing if there is none.
    pub in_time_since: Option<Date>,
}

/// What was asked for and nothing else: sums and counts, without accounts, banks or merchants by name. Absent is what was not
/// asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// See [`Field::Summary`].
    pub summary: Option<Summary>,
    /// By currency, in the order of their codes.
    pub open_bills: Option<Vec<OpenBills>>,
    /// See [`Field::Arrears`].
    pub arrears: Option<ArrearsPart>,
    /// See [`Field::GoodRecord`].
    pub good_record: Option<GoodRecord>,
}

impl Report {
    /// Out of entries of which each bill has one, on a day. Those of other people, and those that are kept no longer, play no
    /// part. `Err(AmountTooLarge)`.
    pub fn make(
        grant: &Grant,
        entries: &[Entry],
        relation_ended_on: impl Fn(&AccountKey) -> Option<Date>,
        on: Date,
    ) -> Result<Self, Reason> {
        let is_told = |entry: &&Entry| {
            entry.person_id == grant.person_id() && entry.is_kept(on, relation_ended_on(&entry.key.account))
        };
        let entries: Vec<&Entry> = entries.iter().filter(is_told).collect();
        let asked = |field| grant.fields().contains(field);
        Ok(Self {
            summary: asked(Field::Summary).then(|| summary(&entries)),
            open_bills: if asked(Field::OpenBills) { Some(open_bills(&entries)?) } else { None },
            arrears: asked(Field::Arrears).then(|| arrears(&entries)),
            good_record: asked(Field::GoodRecord).then(|| good_record(&entries)),
        })
    }
}

fn summary(entries: &[&Entry]) -> Summary {
    let accounts: BTreeSet<&AccountKey> = entries.iter().map(|entry| &entry.key.account).collect();
    let banks: BTreeSet<_> = accounts.iter().map(|account| &account.bank_id).collect();
    let since = entries.iter().map(|entry| entry.key.closed_on).min();
    Summary { accounts: accounts.len(), banks: banks.len(), since }
}

fn open_bills(entries: &[&Entry]) -> Result<Vec<OpenBills>, Reason> {
    let mut open: BTreeMap<&str, OpenBills> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.standing == Standing::Due) {
        let (currency, billed) = (entry.key.currency, Money::new(entry.key.currency, entry.billed_minor));
        let sum = match open.get(currency.code()) {
            None => OpenBills { bills: 1, billed, earliest_due_on: entry.due_on },
            Some(sum) => OpenBills {
                bills: sum.bills + 1,
                billed: sum.billed.plus(billed)?,
                earliest_due_on: sum.earliest_due_on.min(entry.due_on),
            },
        };
        open.insert(currency.code(), sum);
    }
    Ok(open.into_values().collect())
}

fn arrears(entries: &[&Entry]) -> ArrearsPart {
    let mut open: BTreeMap<(AgeBucket, AmountBucket), usize> = BTreeMap::new();
    let (mut paid_late, mut worst) = (0, None);
    for entry in entries {
        let Some(age) = entry.age() else { continue };
        worst = worst.max(Some(age));
        match entry.standing {
            Standing::Arrears { left, .. } => *open.entry((age, left)).or_default() += 1,
            _ => paid_late += 1,
        }
    }
    let open = open.into_iter().map(|((age, left), bills)| ArrearsCount { age, left, bills }).collect();
    ArrearsPart { open, paid_late, worst }
}

fn good_record(entries: &[&Entry]) -> GoodRecord {
    let last_late = entries.iter().filter(|entry| entry.is_negative()).map(|entry| entry.key.closed_on).max();
    let in_time = entries.iter().filter(|entry| matches!(entry.standing, Standing::PaidInTime { .. }));
    let closed = in_time.map(|entry| entry.key.closed_on);
    let in_time_since = closed.clone().filter(|closed_on| Some(*closed_on) > last_late).min();
    GoodRecord { in_time: closed.count(), in_time_since }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::consent::tests::grant;
    use super::super::entry::tests::{entry, person};
    use super::super::{EntryKey, Fields};
    use super::*;
    use crate::{AccountId, BankId, Currency};

    const ON: Date = date(2026, 6, 1);

    fn of(bank: &str, account: u128, closed_on: Date, standing: Standing) -> Entry {
        let account = AccountKey {
            bank_id: BankId::parse(bank).unwrap(),
            account_id: AccountId::from_uuid(Uuid::from_u128(account)),
        };
        let key = EntryKey { account, closed_on, currency: Currency::CNY };
        Entry { key, due_on: closed_on.saturating_add(20.days()), ..entry(standing) }
    }

    /// Three accounts at two banks: paid in time in January, late for February, in time since, with one in arrears by the end
    /// and three to pay, one of them in dollars.
    fn entries() -> Vec<Entry> {
        let in_time = |day| Standing::PaidInTime { on: day };
        let usd = of("bank-b", 1, date(2026, 5, 20), Standing::Due);
        let owed = Standing::Arrears { as_of: date(2026, 5, 31), left: AmountBucket::UpTo10000 };
        vec![
            of("bank-a", 1, date(2026, 1, 5), in_time(date(2026, 1, 20))),
            of("bank-a", 1, date(2026, 2, 5), Standing::PaidLate { on: date(2026, 3, 1) }),
            of("bank-b", 1, date(2026, 2, 5), in_time(date(2026, 2, 20))),
            of("bank-a", 2, date(2026, 1, 9), Standing::Settled { on: date(2026, 4, 1) }),
            of("bank-a", 1, date(2026, 3, 5), in_time(date(2026, 3, 20))),
            of("bank-a", 1, date(2026, 4, 5), in_time(date(2026, 4, 20))),
            of("bank-a", 1, date(2026, 5, 15), Standing::Due),
            of("bank-b", 1, date(2026, 5, 14), Standing::Due),
            Entry { key: EntryKey { currency: Currency::parse("USD").unwrap(), ..usd.key.clone() }, ..usd },
            // What is not told: somebody else's, and what was settled more than five years ago.
            Entry { person_id: person(2), ..of("bank-c", 7, date(2020, 1, 5), owed) },
            of("bank-d", 8, date(2021, 3, 5), Standing::Settled { on: date(2021, 5, 31) }),
        ]
    }

    #[test]
    fn r9_a_report_tells_what_was_asked_for_in_sums_and_counts() {
        let wanted = Report {
            summary: Some(Summary { accounts: 3, banks: 2, since: Some(date(2026, 1, 5)) }),
            open_bills: Some(vec![
                OpenBills { bills: 2, billed: Money::new(Currency::CNY, 300_000), earliest_due_on: date(2026, 6, 3) },
                OpenBills {
                    bills: 1,
                    billed: Money::new(Currency::parse("USD").unwrap(), 150_000),
                    earliest_due_on: date(2026, 6, 9),
                },
            ]),
            arrears: Some(ArrearsPart { open: vec![], paid_late: 2, worst: Some(AgeBucket::Days61To90) }),
            good_record: Some(GoodRecord { in_time: 4, in_time_since: Some(date(2026, 3, 5)) }),
        };
        let made = |fields: &[Field]| Report::make(&grant(fields), &entries(), |_| None, ON).unwrap();
        assert_eq!(made(&Field::OF_HISTORY), wanted);
        let nothing = Report::default();
        assert_eq!(made(&[Field::Summary]), Report { summary: wanted.summary, ..nothing.clone() });
        assert_eq!(made(&[Field::OpenBills]), Report { open_bills: wanted.open_bills, ..nothing.clone() });
        assert_eq!(made(&[Field::Arrears]), Report { arrears: wanted.arrears, ..nothing.clone() });
        assert_eq!(made(&[Field::GoodRecord]), Report { good_record: wanted.good_record, ..nothing });
    }

    #[test]
    fn r9_arrears_are_counted_by_age_and_amount() {
        let owed = |as_of, left| Standing::Arrears { as_of, left };
        let entries = [
            of("bank-a", 1, date(2026, 4, 5), owed(date(2026, 5, 1), AmountBucket::UpTo1000)),
            of("bank-a", 2, date(2026, 4, 5), owed(date(2026, 5, 20), AmountBucket::UpTo1000)),
            of("bank-b", 1, date(2026, 4, 5), owed(date(2026, 4, 30), AmountBucket::Over50000)),
            of("bank-b", 2, date(2026, 4, 5), owed(date(2026, 9, 1), AmountBucket::UpTo1000)),
        ];
        let report = Report::make(&grant(&Field::OF_HISTORY), &entries, |_| None, ON).unwrap();
        let count = |age, left, bills| ArrearsCount { age, left, bills };
        let open = vec![
            count(AgeBucket::Days1To30, AmountBucket::UpTo1000, 2),
            count(AgeBucket::Days1To30, AmountBucket::Over50000, 1),
            count(AgeBucket::Over90Days, AmountBucket::UpTo1000, 1),
        ];
        let worst = Some(AgeBucket::Over90Days);
        assert_eq!(report.arrears, Some(ArrearsPart { open, paid_late: 0, worst }));
        assert_eq!(report.good_record, Some(GoodRecord::default()));
        assert_eq!(report.open_bills, Some(vec![]));
    }

    #[test]
    fn r9_a_report_of_nothing_and_of_what_is_no_longer_kept() {
        let in_time = of("bank-a", 1, date(2026, 1, 5), Standing::PaidInTime { on: date(2026, 1, 20) });
        let ended = |_: &AccountKey| Some(date(2026, 2, 1));
        let on_last =
            Report::make(&grant(&Field::OF_HISTORY), std::slice::from_ref(&in_time), ended, date(2031, 2, 1)).unwrap();
        assert_eq!(on_last.good_record.map(|record| record.in_time), Some(1));
        let after = Report::make(&grant(&Field::OF_HISTORY), &[in_time], ended, date(2031, 2, 2)).unwrap();
        assert_eq!(after, Report::make(&grant(&Field::OF_HISTORY), &[], ended, ON).unwrap());
        assert_eq!(after.summary, Some(Summary { accounts: 0, banks: 0, since: None }));
        let huge = Entry { billed_minor: i64::MAX, ..of("bank-a", 1, date(2026, 5, 15), Standing::Due) };
        let two = [huge.clone(), Entry { version: 2, ..huge }];
        assert_eq!(Report::make(&grant(&Field::OF_HISTORY), &two, |_| None, ON), Err(Reason::AmountTooLarge));
    }

    fn any_standing() -> impl Strategy<Value = Standing> {
        let on = || (0_i64..400).prop_map(|days| date(2027, 2, 1).saturating_add(days.days()));
        prop_oneof![
            Just(Standing::Due),
            on().prop_map(|on| Standing::PaidInTime { on }),
            on().prop_map(|on| Standing::PaidLate { on }),
            on().prop_map(|as_of| Standing::Arrears { as_of, left: AmountBucket::UpTo1000 }),
            on().prop_map(|on| Standing::Settled { on }),
        ]
    }

    proptest! {
        #[test]
        fn r9_nothing_of_other_people_and_no_field_that_was_not_asked_for(
            mine in prop::collection::vec((1_u128..4, 0_i64..300, any_standing()), 0..12),
            others in prop::collection::vec((1_u128..4, 0_i64..300, any_standing()), 0..12),
            asked in prop::sample::subsequence(Field::OF_HISTORY.to_vec(), 1..=4)
        ) {
            let made = |(account, days, standing): (u128, i64, Standing)| {
                of("bank-a", account, date(2026, 1, 5).saturating_add(days.days()), standing)
            };
            let mine: Vec<Entry> = mine.into_iter().map(made).collect();
            let others = others.into_iter().map(made).map(|entry| Entry { person_id: person(2), ..entry });
            let all: Vec<Entry> = others.chain(mine.clone()).collect();
            let report = Report::make(&grant(&asked), &all, |_| None, date(2027, 6, 1)).unwrap();
            prop_assert_eq!(&report, &Report::make(&grant(&asked), &mine, |_| None, date(2027, 6, 1)).unwrap());
            let asked = Fields::new(asked).unwrap();
            prop_assert_eq!(report.summary.is_some(), asked.contains(Field::Summary));
            prop_assert_eq!(report.open_bills.is_some(), asked.contains(Field::OpenBills));
            prop_assert_eq!(report.arrears.is_some(), asked.contains(Field::Arrears));
            prop_assert_eq!(report.good_record.is_some(), asked.contains(Field::GoodRecord));
        }
    }
}
