//! Bills over all banks (R8): what banks report of them, and what is asked of them.
//!
//! `intake` reads what a bank says, `steps` stores it and tells the person, by the rules of `domain::bill` and
//! `domain::credit_history`. A bill is one row, as it stood last. What is due, the sum over all banks and the differences to the
//! person's own records are reckoned when they are asked for.

pub(crate) mod compare;
mod elsewhere;
mod intake;
mod lines;
pub(crate) mod query;
mod records;
pub(crate) mod sql;
mod steps;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod wire;

use std::sync::Arc;

use domain::{BankId, BillId, Reason};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proto::federation as pb;
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::IdMaker;
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use crate::zone::day_of;
use intake::Intake;
use steps::BillSteps;

/// What bills are kept with.
#[derive(Debug)]
pub struct BillParts {
    pub store: Store,
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    pub ids: IdMaker,
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// The banks' days are those of this zone.
    pub zone: TimeZone,
}

/// The bills of all people. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bills {
    pub(crate) store: Store,
    clock: SharedClock,
    ids: IdMaker,
    zone: TimeZone,
    writer: GroupWriter<BillSteps>,
}

/// What came of the bills of a call, in its order.
pub type Taken = Vec<Result<(), Reason>>;

impl Bills {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: BillParts) -> (Self, JoinHandle<()>) {
        let BillParts { store, keys, clock, ids, feed, owner, zone } = parts;
        let chain = HeldChain::from(Chain::new(&format!("{}/bills", owner.name()), keys));
        let steps = Arc::new(BillSteps { chain, owner, feed, zone: zone.clone() });
        let (writer, task) = GroupWriter::start(store.clone(), steps, WriterOptions::default());
        (Self { store, clock, ids, zone, writer }, task)
    }

    /// Takes in what a bank reports, each bill by itself.
    pub async fn report(
        &self,
        bank_id: BankId,
        request: &pb::ReportBillsRequest,
    ) -> Result<Result<Taken, Reason>, StoreError> {
        let today = match self.today() {
            Ok(today) => today,
            Err(reason) => return Ok(Err(reason)),
        };
        let id = || self.ids.uuid().map(BillId::from_uuid).map_err(|_| Reason::Fault);
        match Intake::read(&bank_id, request, today, id) {
            Ok(intake) => self.writer.write(intake).await.map(|outcome| Ok(outcome.taken)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// The day that it is at the banks.
    pub(crate) fn today(&self) -> Result<Date, Reason> {
        day_of(self.clock.now(), &self.zone)
    }
}
