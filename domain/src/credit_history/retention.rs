//! How long an entry is kept.

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Entry, Standing};

/// Years for which an entry is kept after what it tells of has ended. 征信业管理条例 (2013), article 16, quoted from memory: a credit
/// agency keeps negative information for five years from the end of the negative conduct or event, and deletes it then.
/// That positive entries are kept for as many years after the relation to the bank is this federation's own rule.
pub const YEARS_KEPT: i64 = 5;

impl Entry {
    /// The last day on which it is kept, and told of; nothing while no end is in sight. A negative entry ends when the bill is
    /// paid, whatever becomes of the account; any other one when the account does.
    pub fn kept_through(&self, relation_ended_on: Option<Date>) -> Option<Date> {
        let ended_on = match self.standing {
            Standing::Arrears { .. } => None,
            Standing::PaidLate { on } | Standing::Settled { on } => Some(on),
            Standing::Due | Standing::PaidInTime { .. } => relation_ended_on,
        };
        ended_on.map(|on| on.saturating_add(YEARS_KEPT.years()))
    }

    /// Whether it is still kept on this day.
    pub fn is_kept(&self, on: Date, relation_ended_on: Option<Date>) -> bool {
        self.kept_through(relation_ended_on).is_none_or(|last| on <= last)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::AmountBucket;
    use super::super::entry::tests::entry;
    use super::*;

    #[test]
    fn r9_negative_entries_are_dropped_five_years_after_they_end_and_others_five_years_after_the_account() {
        let closed = Some(date(2026, 6, 30));
        let arrears = Standing::Arrears { as_of: date(2026, 5, 1), left: AmountBucket::UpTo1000 };
        let in_time = Standing::PaidInTime { on: date(2026, 2, 20) };
        let table = [
            ("paid late", Standing::PaidLate { on: date(2026, 3, 1) }, None, Some(date(2031, 3, 1))),
            ("settled", Standing::Settled { on: date(2026, 6, 1) }, None, Some(date(2031, 6, 1))),
            ("settled, account closed", Standing::Settled { on: date(2026, 6, 1) }, closed, Some(date(2031, 6, 1))),
            ("settled on a leap day", Standing::Settled { on: date(2028, 2, 29) }, None, Some(date(2033, 2, 28))),
            ("arrears have no end", arrears, None, None),
            ("nor by closing the account", arrears, closed, None),
            ("in time", in_time, None, None),
            ("in time, account closed", in_time, closed, Some(date(2031, 6, 30))),
            ("due, account closed", Standing::Due, closed, Some(date(2031, 6, 30))),
        ];
        for (name, standing, relation_ended_on, last) in table {
            let entry = entry(standing);
            assert_eq!(entry.kept_through(relation_ended_on), last, "{name}");
            let Some(last) = last else {
                assert!(entry.is_kept(date(2126, 1, 1), relation_ended_on), "{name}");
                continue;
            };
            assert!(entry.is_kept(last, relation_ended_on), "{name}");
            assert!(!entry.is_kept(last.saturating_add(1.day()), relation_ended_on), "{name}");
        }
    }
}
