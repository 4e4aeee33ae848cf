//! What a bill lists, against the person's own records.

use std::collections::BTreeSet;

use domain::bill::{Difference, Record, StatementLine, compare};
use domain::{BillId, PersonId, Reason};
use jiff::ToSpan as _;
use server_kit::store::StoreError;

use super::Bills;
use super::records::{self, Sort, Wanted};
use super::sql::{self, Kept};

/// A bank may post a purchase so many days after it was made: it may stand on the bill after the one whose days it falls into.
const LATE_DAYS: i64 = 3;
/// A payment that a line names is found when it is at most so many days older than the cycle.
const NAMED_DAYS: i64 = 62;

/// A bill with all that is to be said of it.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) kept: Kept,
    pub(crate) lines: Vec<StatementLine>,
    pub(crate) agreed: usize,
    /// Each with whether it may stand on the next bill.
    pub(crate) differences: Vec<(Difference, bool)>,
}

impl Bills {
    /// A bill of this person with its lines and with what they and the records differ by. `Err(BillUnknown)`.
    pub(crate) async fn compare(
        &self,
        person_id: PersonId,
        bill_id: BillId,
    ) -> Result<Result<Compared, Reason>, StoreError> {
        let Some((kept, lines)) = sql::with_lines(&self.store, person_id, bill_id).await? else {
            return Ok(Err(Reason::BillUnknown));
        };
        let (from, until) = (kept.bill.from.saturating_sub(NAMED_DAYS.days()), kept.bill.closed_on);
        let wanted = Wanted { person_id, kept: &kept, from, until };
        let found = match records::read(&self.store, &wanted, &self.zone).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let named: BTreeSet<_> = lines.iter().filter_map(|line| line.payment_id).collect();
        let first = kept.bill.from.saturating_sub(LATE_DAYS.days());
        let counts = |it: &records::OfAccount| {
            let usual = matches!(it.sort, Sort::Posted | Sort::Repaid) && it.record.on >= first;
            usual || named.contains(&it.record.payment_id)
        };
        let found: Vec<Record> = found.into_iter().filter(counts).map(|it| it.record).collect();
        let compared = compare(&lines, &found);
        Ok(compared.map(|comparison| {
            let told = |difference: Difference| {
                let on = match &difference {
                    Difference::OnlyInRecords(record) => record.on,
                    _ => return Some((difference, false)),
                };
                let may_follow = on > kept.bill.closed_on.saturating_sub(LATE_DAYS.days());
                // What was bought before the cycle stands on the bill before this one.
                (on >= kept.bill.from).then_some((difference, may_follow))
            };
            let differences = comparison.differences.into_iter().filter_map(told).collect();
            Compared { agreed: comparison.agreed.len(), differences, lines, kept }
        }))
    }
}
