//! What was given up, for an operator to see and to have tried again.

use domain::notice::{ChannelKind, NoticeKind};
use domain::{PersonId, Reason, Timestamp};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::steps::Step;
use super::{Notices, sql};

/// The most that is read at once: a page, and one more that says whether there is another.
const MOST_OF_A_PAGE: i64 = 201;

/// A notice that was given up: what it is and why, never what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    pub notice_id: Uuid,
    pub person_id: PersonId,
    pub kind: NoticeKind,
    pub channel: ChannelKind,
    /// Why, as a word and the other side's code.
    pub error: String,
    /// What the other side said of its arrival, such as `UNDELIV`.
    pub receipt: Option<String>,
    pub tries: i64,
    pub created_at: Timestamp,
    pub died_at: Timestamp,
    /// When it is of no use any more; past that it is not tried again.
    pub expires_at: Option<Timestamp>,
}

impl Notices {
    /// A page of dead letters, newest first, before this one.
    pub async fn dead_letters(&self, before: Option<Uuid>, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = i64::from(limit).clamp(1, MOST_OF_A_PAGE);
        sql::read_dead(&self.inner.parts.store, before, limit).await
    }

    /// Has a dead letter tried again under its own id, on behalf of an operator. Refused when there is none, or when it has nothing to
    /// say any more, as a code that has ended.
    pub async fn retry(&self, notice: Uuid, by: &str) -> Result<Result<(), Reason>, StoreError> {
        let outcome = self.write(Step::Requeue { notice, by: by.to_owned() }).await?;
        self.wake();
        Ok(outcome.map(|_| ()))
    }

    /// Has every dead letter tried again that has something to say still, on behalf of an operator; how many those are. One that is given
    /// up meanwhile is left as it is.
    pub async fn retry_all(&self, by: &str) -> Result<usize, StoreError> {
        let (mut before, mut retried) = (None, 0_usize);
        loop {
            let page = self.dead_letters(before, 200).await?;
            let Some(last) = page.last() else { return Ok(retried) };
            before = Some(last.notice_id);
            for letter in &page {
                if self.retry(letter.notice_id, by).await?.is_ok() {
                    retried = retried.saturating_add(1);
                }
            }
        }
    }
}
