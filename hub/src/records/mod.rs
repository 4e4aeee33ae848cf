//! A person's record of purchases over all banks (R1, R3, R7): what banks report to it of those that the hub did not carry, and
//! what is read from it.
//!
//! The record of a payment through the hub is written by `payment`, in the transaction that commits it. `intake` reads what banks
//! report, `steps` writes it into the same record and the same feed; both are decided by `domain::record` (ADR 16). `holder` says
//! whose an account or a card is that a bank names.

pub(crate) mod export;
pub(crate) mod give_back;
pub(crate) mod holder;
pub(crate) mod intake;
pub(crate) mod page;
pub(crate) mod query;
pub(crate) mod row;
pub(crate) mod scan;
mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use domain::{BankId, Reason, Timestamp};
use proto::federation as pb;
use server_kit::audit::{Chain, HeldChain};
use server_kit::keystore::SharedKeyStore;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use intake::Intake;
use steps::RecordSteps;

pub use steps::TakenIn;

/// What the record is kept with.
#[derive(Debug)]
pub struct RecordParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    pub writer: WriterOptions,
}

/// The record. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    writer: GroupWriter<RecordSteps>,
}

impl Records {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: RecordParts) -> (Self, JoinHandle<()>) {
        let RecordParts { store, keys, feed, owner, writer } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/records", owner.name()), keys));
        let (writer, task) = GroupWriter::start(store, Arc::new(RecordSteps { chain, owner, feed }), writer);
        (Self { writer }, task)
    }

    /// Takes in what a bank reports, as far as it follows what was taken in before.
    pub async fn report(
        &self,
        bank_id: BankId,
        request: &pb::ReportPurchasesRequest,
        now: Timestamp,
    ) -> Result<Result<TakenIn, Reason>, StoreError> {
        match Intake::read(bank_id, request, now) {
            Ok(intake) => self.writer.write(intake).await.map(|outcome| outcome.taken_in),
            Err(reason) => Ok(Err(reason)),
        }
    }
}
