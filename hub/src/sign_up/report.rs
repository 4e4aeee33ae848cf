//! What a carrier says of a number (M5).

use std::fmt;

use domain::sign_up::NumberChange;
use domain::{CarrierId, PhoneNumber, Reason};
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::ask::active;
use super::number_sql::{self, StoredNumber};
use super::steps::{Done, Work};
use super::{sql, words};
use crate::directory::join as people;
use crate::directory::pinned_phone_hashes;
use crate::feed::Feeds;

/// The number is on another SIM card, or somewhere else: who has it is to be proved.
pub(crate) const UNPROVED: &str = "UNPROVED";
/// The person has no number.
pub(crate) const ENDED: &str = "ENDED";

/// A carrier's report.
pub(super) struct Report {
    pub(super) id: Uuid,
    pub(super) carrier_id: CarrierId,
    pub(super) phone: PhoneNumber,
    pub(super) change: NumberChange,
    pub(super) content_mac: [u8; 32],
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("id", &self.id).field("change", &self.change).finish_non_exhaustive()
    }
}

impl Report {
    /// `Err` inside with `CarrierUnknown`, `CarrierSuspended`, `IdTaken`, `SignUpUnderWay` or `NumberNotYours`.
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if let Err(reason) = active(work, &self.carrier_id).await? {
            return Ok(Err(reason));
        }
        if let Some((carrier_id, mac, epoch)) = number_sql::report(work.tx, self.id).await? {
            let same = carrier_id == self.carrier_id && mac.as_slice() == self.content_mac;
            return Ok(if same { Ok(Done::Reported(epoch)) } else { Err(Reason::IdTaken) });
        }
        let hashes = pinned_phone_hashes(work.tx, work.keys, &self.phone).await?;
        let Some(mut stored) = number_sql::load(work.tx, &hashes).await? else {
            // Of its own number it is told to wait; of any other that it has none.
            let ours = sql::under_way(work.tx, &hashes).await?.is_some_and(|carrier| carrier == self.carrier_id);
            return Ok(Err(if ours { Reason::SignUpUnderWay } else { Reason::NumberNotYours }));
        };
        let before = stored.number.clone();
        if let Err(reason) = stored.number.report(&self.carrier_id, &self.change) {
            return Ok(Err(reason));
        }
        if let NumberChange::PortedOut { to } = &self.change {
            // To itself nothing is ported, and nobody speaks of a number that an unknown carrier has.
            let there = sql::load_carrier(work.tx, to).await?.is_some_and(|carrier| !carrier.suspended);
            if *to == before.carrier_id || !there {
                return Ok(Err(Reason::CarrierUnknown));
            }
        }
        self.write(work, &stored, &hashes).await?;
        let epoch = stored.number.epoch;
        number_sql::insert_report(work.tx, self.id, &self.carrier_id, &self.content_mac, (epoch, work.now)).await?;
        Ok(Ok(Done::Reported(epoch)))
    }

    async fn write(
        &self,
        work: &mut Work<'_>,
        stored: &StoredNumber,
        hashes: &[[u8; 32]; 2],
    ) -> Result<(), StoreError> {
        let person_id = stored.person_id;
        let mut closed = UNPROVED;
        if self.change.ends() {
            number_sql::end(work.tx, &stored.phone_hash).await?;
            let left = number_sql::first_of(work.tx, person_id).await?;
            if left.is_none() {
                closed = ENDED;
            }
            if people::holder(work.tx, hashes).await? == Some(person_id) {
                people::put_first_number(work.tx, work.keys, person_id, left).await?;
            }
        } else {
            number_sql::put(work.tx, stored).await?;
        }
        number_sql::close(work.tx, person_id, Some(closed)).await?;
        let mut feeds = Feeds::load(work.tx, [person_id].into()).await?;
        let news = words::changed(self.id, &self.change, &self.phone.masked());
        work.events.extend(feeds.tell_news(person_id, news, work.now));
        feeds.write(work.tx).await?;
        let (change, epoch, by) = (self.change.name(), stored.number.epoch, &self.carrier_id);
        let phone = self.phone.masked();
        let content =
            format!("number={phone} change={change} epoch={epoch} by=carrier/{by} with={}", stored.number.carrier_id);
        work.log.push(Entry { kind: "number.changed", subject: person_id.uuid(), content });
        work.changed.persons.push(person_id);
        work.changed.phones.push(*hashes);
        Ok(())
    }
}
