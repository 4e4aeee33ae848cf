//! Delivering to one person: decided once more over what is locked.

use std::collections::BTreeMap;

use domain::offer::{Kept, Recipient, deliver as decide, room_at};
use domain::{BankId, OfferId, PersonId, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::StoreError;

use super::sql::{self, NewDelivery, StoredAgreement, StoredOffer};
use super::steps::Work;
use super::{SeenHabits, words};

/// Offers that seem to be for a person.
#[derive(Debug)]
pub(super) struct Deliver {
    pub(super) person_id: PersonId,
    pub(super) offers: Vec<OfferId>,
    /// What they were held against; there where there are any offers.
    pub(super) seen: Option<SeenHabits>,
    /// To when the sweep has put the next look off, when it was the sweep that looked.
    pub(super) claimed: Option<Timestamp>,
}

impl Deliver {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let Some(stored) = work.agreement(self.person_id).cloned() else { return Ok(()) };
        // This was the look that was due; an agreement since has another one due.
        let mut look_at = if self.claimed.is_some() && stored.look_at == self.claimed { None } else { stored.look_at };
        if let Some(seen) = &self.seen
            && let Some(room) = self.deliver_all(work, &stored, seen).await?
        {
            look_at = Some(look_at.map_or(room, |at| at.min(room)));
        }
        if look_at != stored.look_at {
            work.put_agreement(self.person_id, StoredAgreement { look_at, ..stored }, None);
        }
        Ok(())
    }

    /// Delivers what the person may get; where there were enough this week, gives from when on there may be more.
    async fn deliver_all(
        &self,
        work: &mut Work<'_>,
        stored: &StoredAgreement,
        seen: &SeenHabits,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (person_id, now) = (self.person_id, work.tx.now());
        let most_a_week = stored.agreement.most_a_week;
        let mut names: BTreeMap<BankId, Option<String>> = BTreeMap::new();
        for id in &self.offers {
            let Some(StoredOffer { offer, .. }) = work.offer(*id).cloned() else { continue };
            let delivered_at: Vec<Timestamp> =
                work.deliveries(person_id).map(|delivery| delivery.delivered_at).collect();
            let bank_id = &offer.filing.bank_id;
            let to = Recipient {
                person_id,
                agreed: stored.agreement.banks.contains(bank_id),
                most_a_week,
                delivered_at: &delivered_at,
                has_this_one: work.delivery(person_id, *id).is_some(),
                habits: &seen.habits,
                today: seen.today,
            };
            let delivered = match decide(&offer, &to, now) {
                Ok(delivered) => delivered,
                Err(Kept::EnoughThisWeek) => return Ok(Some(room_at(&delivered_at, most_a_week, now))),
                Err(_) => continue,
            };
            if !names.contains_key(bank_id) {
                let bank = sql::load_bank(work.tx, bank_id).await?;
                let name = bank.filter(|(_, suspended)| !suspended).map(|(name, _)| name);
                names.insert(bank_id.clone(), name);
            }
            let Some(Some(bank)) = names.get(bank_id) else { continue };
            let news = words::delivered(&offer.filing, bank, &delivered.because);
            // Nobody hears of it who has no feed.
            let Some(sequence) = work.tell(person_id, news) else { return Ok(None) };
            let content = format!("person={person_id} count={}", delivered.offer.delivered);
            work.log.push(Entry { kind: "offer.delivered", subject: id.uuid(), content });
            work.add_delivery(NewDelivery { delivery: delivered.delivery, sequence, because: delivered.because });
            // As it stands in the set, whatever was delivered of it by others.
            if let Some(before) = work.offer(*id).cloned() {
                work.put_offer(StoredOffer { offer: delivered.offer, ..before });
            }
        }
        Ok(None)
    }
}
