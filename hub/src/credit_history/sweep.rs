//! Removes what may be kept no longer: bills that speak against a person five years after they were paid, and what banks were told.

use std::time::Duration;

use domain::Reason;
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

use super::steps::{Done, Step, Work};
use super::{CreditHistory, bills, habits, sql};

/// For so long the same inquiry gets the same answer. The report is not needed after that, and tells too much to be kept.
const ANSWERS_KEPT: Duration = Duration::from_hours(30 * 24);
/// Rows of each sort that one step removes, so that nobody waits long behind it.
const MOST_AT_ONCE: i64 = 200;

/// Looks for what is to be removed every `every`, until the server drains.
pub async fn sweep(history: CreditHistory, every: Duration, draining: CancellationToken) {
    crate::sweep::sweep("credit histories", every, draining, || history.sweep_some()).await;
}

impl CreditHistory {
    /// Removes some, and says whether there may be more.
    pub(super) async fn sweep_some(&self) -> Result<bool, StoreError> {
        match self.writer.write(Step::Sweep).await?.done {
            Ok(Done::Swept(more)) => Ok(more),
            other => Err(StoreError::Refused(format!("a sweep ended with {other:?}"))),
        }
    }
}

pub(super) async fn sweep_once(work: &mut Work<'_>) -> Result<Result<bool, Reason>, StoreError> {
    let now = work.tx.now();
    let today = match crate::zone::day_of(now, work.zone) {
        Ok(today) => today,
        Err(reason) => return Ok(Err(reason)),
    };
    let answers = sql::delete_answers(work.tx, now.minus(ANSWERS_KEPT), MOST_AT_ONCE).await?;
    let given = habits::delete_given(work.tx, now.minus(habits::KEPT), MOST_AT_ONCE).await?;
    let outlived = bills::outlived(work.tx, today, MOST_AT_ONCE).await?;
    for billed in &outlived {
        bills::remove(work.tx, billed).await?;
        let key = &billed.entry.key;
        let content =
            format!("bank={} account={} closed={}", key.account.bank_id, billed.account_masked, key.closed_on);
        work.log.push(Entry { kind: "history.removed", subject: billed.entry.person_id.uuid(), content });
    }
    let full = |count: i64| count >= MOST_AT_ONCE;
    Ok(Ok(full(answers) || full(given) || full(i64::try_from(outlived.len()).unwrap_or(0))))
}
