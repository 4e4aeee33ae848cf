//! Carries a repayment from one durable step to the next: asks both banks, commits, and has both post; or has both void.

use std::sync::{Arc, PoisonError};

use domain::PaymentId;
use domain::payment::Seen;
use domain::repayment::{Repayment, Side, State, Work};
use futures_util::future::join_all;
use server_kit::fault;
use server_kit::store::StoreError;

use super::steps::{Outcome, Step};
use super::{Inner, Repayments, sql};
use crate::bank::HoldAnswer;

impl Repayments {
    pub(super) async fn write(&self, step: Step) -> Result<Outcome, StoreError> {
        self.inner.writer.write(step).await
    }

    async fn settle(&self, step: Step) -> Result<Option<Repayment>, StoreError> {
        Ok(self.write(step).await?.repayment.ok())
    }

    /// Carries a new repayment on in a task of its own, which a caller that hangs up does not end, and waits for it a while. Gives the
    /// repayment as it then stands.
    pub(super) async fn carry_and_wait(&self, repayment: Repayment) -> Result<Repayment, StoreError> {
        let (id, this) = (repayment.id, self.clone());
        let task = tokio::spawn(async move { this.carry(repayment).await });
        match tokio::time::timeout(self.inner.answer_within, task).await {
            Ok(Ok(Some(repayment))) if repayment.seen() != Seen::Pending => Ok(repayment),
            _ => sql::find(&self.inner.store, id).await?.ok_or(StoreError::Stopped),
        }
    }

    /// Does what a repayment needs, as far as it goes by now. Gives it as it was decided, or as it is after what could be done.
    pub(super) async fn carry(&self, repayment: Repayment) -> Option<Repayment> {
        let _busy = Busy::take(&self.inner, repayment.id)?;
        let done = match repayment.outstanding(self.inner.clock.now()) {
            Work::Nothing => Ok(None),
            Work::Hold => self.hold(repayment).await,
            Work::Abort => {
                let timed_out = self.settle(Step::TimeOut { id: repayment.id }).await;
                self.then_void(timed_out).await
            }
            Work::Post => self.post(repayment).await,
            Work::Void => self.void(repayment).await,
        };
        done.unwrap_or_else(|error| {
            tracing::warn!(%error, "a repayment could not be carried on yet");
            None
        })
    }

    /// Asks the banks that are not known to hold, both at once.
    async fn hold(&self, repayment: Repayment) -> Result<Option<Repayment>, StoreError> {
        fault::point("repayment.hold.before");
        let ask = |side| {
            let repayment = &repayment;
            async move { (side, self.inner.banks.hold_side(repayment, side).await) }
        };
        let answers = join_all(repayment.awaited().map(ask)).await;
        fault::point("repayment.hold.after");
        let id = repayment.id;
        let refused = answers.iter().find_map(|(side, answer)| match answer {
            HoldAnswer::Refused(reason) | HoldAnswer::Impossible(reason) => Some((*side, *reason)),
            HoldAnswer::Held { .. } | HoldAnswer::Unknown => None,
        });
        if let Some((by, reason)) = refused {
            // The other bank may hold, and a hold that was asked for before may still be on its way: voids settle it.
            let refused = self.settle(Step::Refused { id, reason, by }).await;
            return self.then_void(refused).await;
        }
        let held = |(side, answer): (Side, HoldAnswer)| matches!(answer, HoldAnswer::Held { .. }).then_some(side);
        let sides: Vec<Side> = answers.into_iter().filter_map(held).collect();
        if sides.is_empty() {
            return Ok(None);
        }
        match self.settle(Step::Held { id, sides }).await? {
            Some(committed) if committed.state == State::Committed => {
                // The person is answered now; posting is retried until it is done, here first and by the sweeper after.
                let (this, posting) = (self.clone(), committed.clone());
                tokio::spawn(async move { this.post_and_note(posting).await });
                Ok(Some(committed))
            }
            Some(aborting) if aborting.state == State::Aborting => self.void(aborting).await,
            other => Ok(other),
        }
    }

    /// Releases what a decision against it has left behind.
    async fn then_void(&self, decided: Result<Option<Repayment>, StoreError>) -> Result<Option<Repayment>, StoreError> {
        match decided? {
            Some(aborting) if aborting.state == State::Aborting => {
                // The person is answered now; what cannot be released yet is the sweeper's.
                let (this, voiding) = (self.clone(), aborting.clone());
                tokio::spawn(async move {
                    if let Err(error) = this.void(voiding).await {
                        tracing::warn!(%error, "the holds of a repayment could not be released yet");
                    }
                });
                Ok(Some(aborting))
            }
            other => Ok(other),
        }
    }

    async fn post_and_note(&self, repayment: Repayment) {
        if let Err(error) = self.post(repayment).await {
            tracing::warn!(%error, "the post of a repayment could not be noted yet");
        }
    }

    async fn post(&self, repayment: Repayment) -> Result<Option<Repayment>, StoreError> {
        let post = |side| {
            let leg = repayment.leg(side);
            async move {
                let posted = self.inner.banks.post(&leg.party.bank_id, &[leg.id]).await;
                posted.contains(&leg.id).then_some(side)
            }
        };
        let sides: Vec<Side> = join_all(repayment.undone().map(post)).await.into_iter().flatten().collect();
        if sides.is_empty() { Ok(None) } else { self.settle(Step::Posted { id: repayment.id, sides }).await }
    }

    async fn void(&self, repayment: Repayment) -> Result<Option<Repayment>, StoreError> {
        let void = |side| {
            let (leg, id) = (repayment.leg(side), repayment.id);
            async move { self.inner.banks.void(&leg.party.bank_id, leg.id, id).await.then_some(side) }
        };
        let sides: Vec<Side> = join_all(repayment.undone().map(void)).await.into_iter().flatten().collect();
        if sides.is_empty() { Ok(Some(repayment)) } else { self.settle(Step::Voided { id: repayment.id, sides }).await }
    }
}

/// Marks a repayment as being carried by this replica.
struct Busy {
    inner: Arc<Inner>,
    id: PaymentId,
}

impl Busy {
    fn take(inner: &Arc<Inner>, id: PaymentId) -> Option<Self> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(id).then(|| Self { inner: inner.clone(), id })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
