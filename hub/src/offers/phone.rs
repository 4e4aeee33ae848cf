//! What a person's phone asks for: whose offers the person gets, what has come, and what is said to it.

use std::collections::BTreeSet;

use domain::offer::AcceptanceForm;
use domain::{BankId, DeviceId, OfferId, PersonId, Reason};
use proto::cardholder as pb;
use tonic::Status;

use super::agreeing::{Agree, Stop};
use super::answering::{Accept, Decline};
use super::federation::{cut, page_size};
use super::steps::{Done, Step};
use super::{Offers, is_seen, sql, wire};
use crate::records::page::{open_place, seal_place};
use crate::signed::SignedText;
use crate::store_status::{fault, store_status};

/// Which list a page token belongs to.
const LIST: &[u8] = b"ListOffers";
/// What is signed is shorter by far.
const LONGEST_TEXT_BYTES: usize = 4096;
/// More banks than an agreement may name.
const MOST_BANKS: usize = 200;

impl Offers {
    pub(crate) async fn preferences(&self, person_id: PersonId) -> Result<pb::GetOfferPreferencesResponse, Status> {
        let agreed = sql::read_agreement(&self.parts.store, person_id).await.map_err(|error| store_status(&error))?;
        let preferences = wire::preferences(person_id, agreed.as_ref().map(|agreed| &agreed.agreement));
        Ok(pb::GetOfferPreferencesResponse { preferences: Some(preferences) })
    }

    pub(crate) async fn agree(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::SetOfferPreferencesRequest,
    ) -> Result<pb::SetOfferPreferencesResponse, Status> {
        let pb::SetOfferPreferencesRequest { text, device_id: named, signature } = request;
        if text.len() > LONGEST_TEXT_BYTES {
            return Err(proto::status(Reason::OfferAgreementMalformed));
        }
        let signed = SignedText::read(person_id, device_id, (&named, text, signature)).map_err(proto::status)?;
        let preferences = Some(self.agreed(person_id, Step::Agree(Agree(signed))).await?);
        Ok(pb::SetOfferPreferencesResponse { preferences })
    }

    pub(crate) async fn stop(
        &self,
        person_id: PersonId,
        request: &pb::StopOffersRequest,
    ) -> Result<pb::StopOffersResponse, Status> {
        if request.bank_ids.len() > MOST_BANKS {
            return Err(proto::status(Reason::TooManyItems));
        }
        let banks: Result<BTreeSet<BankId>, Reason> = request.bank_ids.iter().map(|id| BankId::parse(id)).collect();
        let stop = Stop { person_id, banks: banks.map_err(proto::status)? };
        Ok(pb::StopOffersResponse { preferences: Some(self.agreed(person_id, Step::Stop(stop)).await?) })
    }

    async fn agreed(&self, person_id: PersonId, step: Step) -> Result<pb::OfferPreferences, Status> {
        match self.step(step).await.map_err(|error| store_status(&error))?.map_err(proto::status)? {
            Done::Agreed(agreement) => Ok(wire::preferences(person_id, Some(&agreement))),
            other => Err(fault(&format!("an agreement was answered with {other:?}"))),
        }
    }

    pub(crate) async fn list_got(
        &self,
        person_id: PersonId,
        request: &pb::ListOffersRequest,
    ) -> Result<pb::ListOffersResponse, Status> {
        let (parts, keys) = (&self.parts, &*self.parts.keys);
        let size = page_size(request.page_size).map_err(proto::status)?;
        let before = match request.page_token.as_str() {
            "" => i64::MAX,
            token => {
                let place = open_place(keys, LIST, person_id.uuid(), token).map_err(|error| fault(&error))?;
                place.ok_or_else(|| proto::status(Reason::PageTokenMalformed))?
            }
        };
        let found = sql::read_got(&parts.store, person_id, before, size + 1).await;
        let mut found = found.map_err(|error| store_status(&error))?;
        let is_more = cut(&mut found, size);
        let next = found.last().filter(|_| is_more);
        let next = next.map(|last| seal_place(keys, LIST, person_id.uuid(), last.sequence)).transpose();
        let customer_of = sql::read_banks_of(&parts.store, person_id).await.map_err(|error| store_status(&error))?;
        let now = parts.clock.now();
        let shown = |got: &sql::Got| wire::got(got, customer_of.contains(&got.offer.filing.bank_id), now);
        Ok(pb::ListOffersResponse {
            offers: found.iter().map(shown).collect(),
            next_page_token: next.map_err(|error| fault(&error))?.unwrap_or_default(),
        })
    }

    pub(crate) async fn accept(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::AcceptOfferRequest,
    ) -> Result<pb::AcceptOfferResponse, Status> {
        let pb::AcceptOfferRequest { text, device_id: named, signature } = request;
        if text.len() > LONGEST_TEXT_BYTES {
            return Err(proto::status(Reason::AcceptanceMalformed));
        }
        let signed = SignedText::read(person_id, device_id, (&named, text, signature)).map_err(proto::status)?;
        let form = AcceptanceForm::parse(&signed.text).map_err(proto::status)?;
        let offer_id = form.offer_id;
        self.answered(Step::Accept(Accept { signed, form })).await?;
        let got = sql::read_one_got(&self.parts.store, person_id, offer_id).await;
        let got = got.map_err(|error| store_status(&error))?.filter(|got| is_seen(got.delivery.answer));
        let got = got.ok_or_else(|| proto::status(Reason::OfferUnknown))?;
        // What has been accepted is not to be signed again, by whomever.
        Ok(pb::AcceptOfferResponse { offer: Some(wire::got(&got, false, self.parts.clock.now())) })
    }

    pub(crate) async fn decline(
        &self,
        person_id: PersonId,
        request: &pb::DeclineOfferRequest,
    ) -> Result<pb::DeclineOfferResponse, Status> {
        let offer_id = OfferId::parse(&request.offer_id).map_err(proto::status)?;
        self.answered(Step::Decline(Decline { person_id, offer_id })).await?;
        Ok(pb::DeclineOfferResponse {})
    }

    async fn answered(&self, step: Step) -> Result<(), Status> {
        self.step(step).await.map_err(|error| store_status(&error))?.map(|_| ()).map_err(proto::status)
    }
}
