//! Credit history (R9): what banks report of people's bills, who may be told of it, and who asked. Inquiries about habits (R5) and
//! purchases (R7) are the same machinery.
//!
//! The history is read from `bills`, which another capability writes. What this one writes are consents and inquiries: an inquiry is
//! decided by `domain::credit_history`, and in one transaction the consent is used up, the record is added to the person's log, the
//! person is told, and the answer is stored, so that it is the same however often it is asked for (ADR 18).

mod bills;
pub(crate) mod check;
mod consent;
mod federation;
mod habits;
mod inquire;
mod phone;
mod records;
mod sql;
mod steps;
mod sweep;
#[cfg(test)]
mod tests;
mod told;
mod wire;
mod words;

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::credit_history::{Asker, Digest};
use domain::lookup::Scope;
use domain::{BankId, Reason};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use jiff::tz::TimeZone;
use ring::digest::{SHA256, digest};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::keystore::{KeyError, SharedKeyStore};
use server_kit::store::{GroupWriter, Owner, Store, StoreError, WriterOptions};
use tokio::task::JoinHandle;

use crate::feed::Feed;
use crate::habits::Habits;
use crate::lookups::{Budget, Lookups};
use inquire::Inquire;
use steps::{Done, HistorySteps, Outcome, Step};

pub use sweep::sweep;

/// What credit history works with.
#[derive(Clone, Debug)]
pub struct CreditHistoryParts {
    pub store: Store,
    /// Seals consents and reports.
    pub keys: SharedKeyStore,
    pub clock: SharedClock,
    /// What people are told by.
    pub feed: Feed,
    pub owner: Arc<Owner>,
    /// In which it is today.
    pub zone: TimeZone,
    /// What people buy …
    pub habits: Habits,
    /// … and the fewest purchases of which a bank is given a total.
    pub habits_floor: i64,
    /// How often one bank or operator may ask this replica.
    pub inquiries_per_bank_per_minute: NonZeroU32,
    /// How much a bank may find out about whose a number is.
    pub lookups: Lookups,
}

/// Credit history. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CreditHistory {
    parts: Arc<CreditHistoryParts>,
    writer: GroupWriter<HistorySteps>,
    /// Who asks is a member of the federation, so that there are no more than those.
    inquiries: Arc<DefaultKeyedRateLimiter<Asker>>,
}

impl CreditHistory {
    /// The task is the writer's; it ends when the last clone is gone.
    pub fn start(parts: CreditHistoryParts) -> (Self, JoinHandle<()>) {
        let steps = HistorySteps {
            chain: HeldChain::from(Chain::new(&format!("{}/credit-history", parts.owner.name()), parts.keys.clone())),
            keys: parts.keys.clone(),
            owner: parts.owner.clone(),
            feed: parts.feed.clone(),
            zone: parts.zone.clone(),
            habits_floor: parts.habits_floor,
        };
        let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        let inquiries = Arc::new(RateLimiter::keyed(Quota::per_minute(parts.inquiries_per_bank_per_minute)));
        (Self { parts: Arc::new(parts), writer, inquiries }, task)
    }

    /// Nobody asks too often. `Err(InquiriesTooMany)`.
    fn may_ask(&self, asker: &Asker) -> Result<(), Reason> {
        self.inquiries.check_key(asker).map_err(|_| {
            tracing::warn!(%asker, "somebody asks about people too often");
            Reason::InquiriesTooMany
        })
    }

    /// A bank's inquiry, which is paid for: a bank has a budget for names and numbers of which there is nothing to tell. `Err` inside with `LookupsExhausted`.
    async fn paid_inquiry(&self, bank: &BankId, inquire: Inquire) -> Result<Result<Outcome, Reason>, StoreError> {
        let look_up = match self.parts.lookups.pay(vec![Budget::new(Scope::Bank, bank.as_str())]).await? {
            Ok(look_up) => look_up,
            Err(reason) => return Ok(Err(reason)),
        };
        let outcome = self.writer.write(Step::Inquire(inquire)).await;
        let told = match outcome.as_ref().map(|outcome| &outcome.done) {
            Ok(Ok(Done::Answered(answered))) => answered.told.as_ref().err().copied(),
            Ok(Err(reason)) => Some(*reason),
            Ok(Ok(_)) | Err(_) => Some(Reason::Fault),
        };
        match told {
            None => look_up.hit(),
            Some(Reason::InquiryUnanswered) => look_up.miss(),
            Some(_) => look_up.told_nothing(),
        }
        outcome.map(Ok)
    }
}

/// The hash of the log of inquiries.
fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// A key that cannot be used, where only the store's errors can be said.
fn unusable(error: KeyError) -> StoreError {
    StoreError::Refused(format!("a key cannot be used: {error}"))
}
