//! Looks at people: those who have bought something, those who agreed to a bank of which an offer begins to run, those who have just agreed,
//! and those who had enough offers for a week.
//!
//! What is due is leased by its row, so that any replica does it and one that dies holds nothing up for longer than that. Purchases are
//! not: a look may happen twice, and what was noted is struck out after it.

use std::time::Duration;

use domain::{OfferId, PersonId, Timestamp};
use futures_util::future::join_all;
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

use super::Offers;
use super::sql::{self, StoredOffer};
use super::steps::{Done, Step, Work};

/// How long what was taken is left to whoever took it.
pub(super) const LEASE: Duration = Duration::from_secs(15);
/// People who are looked at together.
pub(super) const MOST_PERSONS: i64 = 50;
/// Purchases after which people are looked at together.
const MOST_PURCHASES: i64 = 200;

/// Looks for what is due every `every`, until the server drains.
pub async fn sweep(offers: Offers, every: Duration, draining: CancellationToken) {
    crate::sweep::sweep("offers", every, draining, || offers.sweep_some()).await;
}

impl Offers {
    /// Does some of what is due, and says whether there may be more.
    pub(super) async fn sweep_some(&self) -> Result<bool, StoreError> {
        let persons = match self.step(Step::ClaimPersons).await? {
            Ok(Done::ClaimedPersons(persons)) => persons,
            other => return Err(StoreError::Refused(format!("a sweep was answered with {other:?}"))),
        };
        let looks = persons.iter().map(|(person_id, until)| self.look_as_claimed(*person_id, Some(*until)));
        join_all(looks).await.into_iter().collect::<Result<(), _>>()?;
        let is_full = i64::try_from(persons.len()).is_ok_and(|len| len >= MOST_PERSONS) | self.look_at_buyers().await?;
        let claimed = match self.step(Step::ClaimOffer).await? {
            Ok(Done::ClaimedOffer(claimed)) => claimed,
            other => return Err(StoreError::Refused(format!("a sweep was answered with {other:?}"))),
        };
        match claimed {
            Some(offer) => self.go_through(&offer).await.map(|()| true),
            None => Ok(is_full),
        }
    }

    /// Looks at some of those who have bought something, and says whether there may be more.
    async fn look_at_buyers(&self) -> Result<bool, StoreError> {
        let buyers = sql::read_looks(&self.parts.store, MOST_PURCHASES).await?;
        let looks = buyers.iter().map(|(person_id, through)| async move {
            self.look(*person_id).await?;
            self.step(Step::Looked { person_id: *person_id, through: *through }).await.map(|_| ())
        });
        join_all(looks).await.into_iter().collect::<Result<(), _>>()?;
        Ok(!buyers.is_empty())
    }

    /// Looks at some of those who agreed to the bank of an offer.
    async fn go_through(&self, claimed: &StoredOffer) -> Result<(), StoreError> {
        let StoredOffer { offer, sweep_at, sweep_after, .. } = claimed;
        let (store, bank) = (&self.parts.store, &offer.filing.bank_id);
        let persons = sql::read_recipients(store, bank, *sweep_after, MOST_PERSONS).await?;
        join_all(persons.iter().map(|person_id| self.look(*person_id))).await.into_iter().collect::<Result<(), _>>()?;
        let is_last = i64::try_from(persons.len()).is_ok_and(|len| len < MOST_PERSONS);
        let after = persons.last().copied().unwrap_or(*sweep_after);
        let swept = Swept { offer_id: offer.filing.id, claimed: *sweep_at, after, is_last };
        self.step(Step::Swept(swept)).await.map(|_| ())
    }
}

/// Some people were looked at for an offer.
#[derive(Debug)]
pub(super) struct Swept {
    pub(super) offer_id: OfferId,
    /// Until when it was taken: whoever took it since goes on by itself.
    claimed: Option<Timestamp>,
    after: PersonId,
    is_last: bool,
}

impl Swept {
    pub(super) fn apply(&self, work: &mut Work<'_>) {
        let now = work.tx.now();
        let Some(stored) = work.offer(self.offer_id).cloned().filter(|stored| stored.sweep_at == self.claimed) else {
            return;
        };
        let sweep_at = (!self.is_last).then_some(now);
        work.put_offer(StoredOffer { sweep_at, sweep_after: self.after, ..stored });
    }
}
