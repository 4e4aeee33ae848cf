//! What a person's phone asks for: consents, the log of inquiries, the person's own history.

use domain::{ConsentId, DeviceId, PersonId, Reason};
use proto::cardholder as pb;
use tonic::Status;
use uuid::Uuid;

use super::bills::Place;
use super::consent::{Give, Revoke};
use super::sql::StoredConsent;
use super::steps::{Done, Step};
use super::{CreditHistory, bills, sql, wire};
use crate::signed::SignedText;
use crate::store_status::store_status;

const USUAL_SIZE: i64 = 50;
const LARGEST_SIZE: i32 = 200;
/// Consents and records of inquiries are texts of several hundred bytes.
const MOST_TEXTS: i64 = 100;
/// A consent is shorter by far.
const LONGEST_TEXT_BYTES: usize = 1024;

fn page_size(asked: i32) -> Result<i64, Status> {
    match asked {
        0 => Ok(USUAL_SIZE),
        1..=LARGEST_SIZE => Ok(asked.into()),
        _ => Err(proto::status(Reason::PageSizeOutOfRange)),
    }
}

impl CreditHistory {
    pub(crate) async fn give_consent(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::GiveConsentRequest,
    ) -> Result<pb::GiveConsentResponse, Status> {
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(proto::status(Reason::ConsentMalformed));
        }
        let pb::GiveConsentRequest { text, device_id: named, signature } = request;
        let signed = SignedText::read(person_id, device_id, (&named, text, signature)).map_err(proto::status)?;
        Ok(pb::GiveConsentResponse { consent: Some(self.consent_step(Step::Give(Give(signed))).await?) })
    }

    pub(crate) async fn revoke_consent(
        &self,
        person_id: PersonId,
        request: &pb::RevokeConsentRequest,
    ) -> Result<pb::RevokeConsentResponse, Status> {
        let consent_id = ConsentId::parse(&request.consent_id).map_err(proto::status)?;
        let consent = self.consent_step(Step::Revoke(Revoke { person_id, consent_id })).await?;
        Ok(pb::RevokeConsentResponse { consent: Some(consent) })
    }

    async fn consent_step(&self, step: Step) -> Result<pb::Consent, Status> {
        let outcome = self.writer.write(step).await.map_err(|error| store_status(&error))?;
        match outcome.done.map_err(proto::status)? {
            Done::Consent(stored) => Ok(self.shown(&stored)),
            Done::Answered(_) | Done::Swept(_) => Err(proto::status(Reason::Fault)),
        }
    }

    fn shown(&self, stored: &StoredConsent) -> pb::Consent {
        wire::consent(stored, self.parts.clock.now())
    }

    pub(crate) async fn list_consents(
        &self,
        person_id: PersonId,
        request: &pb::ListConsentsRequest,
    ) -> Result<pb::ListConsentsResponse, Status> {
        let most = page_size(request.page_size)?.min(MOST_TEXTS);
        let below = match request.page_token.as_str() {
            "" => Uuid::max(),
            token => ConsentId::parse(token).map_err(|_| proto::status(Reason::PageTokenMalformed))?.uuid(),
        };
        let found = sql::read_consents(&self.parts.store, &*self.parts.keys, person_id, below, most + 1).await;
        let mut found = found.map_err(|error| store_status(&error))?;
        let is_more = found.len() > usize::try_from(most).unwrap_or(usize::MAX);
        if is_more {
            found.pop();
        }
        let next = found.last().filter(|_| is_more).map(|last| last.consent.form().id.to_string());
        let consents = found.iter().map(|stored| self.shown(stored)).collect();
        Ok(pb::ListConsentsResponse { consents, next_page_token: next.unwrap_or_default() })
    }

    pub(crate) async fn list_inquiries(
        &self,
        person_id: PersonId,
        request: &pb::ListInquiriesRequest,
    ) -> Result<pb::ListInquiriesResponse, Status> {
        let most = page_size(request.page_size)?.min(MOST_TEXTS);
        if request.after_number < 0 {
            return Err(proto::status(Reason::SequenceOutOfRange));
        }
        // The end first: what is added meanwhile comes after it and is seen the next time.
        let head = sql::read_head(&self.parts.store, person_id).await.map_err(|error| store_status(&error))?;
        let found = sql::read_log(&self.parts.store, person_id, request.after_number, most).await;
        let inquiries = found.map_err(|error| store_status(&error))?.into_iter().map(wire::inquiry).collect();
        Ok(pb::ListInquiriesResponse { inquiries, last_number: head.last_number, last_hash: head.last_hash.to_vec() })
    }

    pub(crate) async fn get_credit_history(
        &self,
        person_id: PersonId,
        request: &pb::GetCreditHistoryRequest,
    ) -> Result<pb::GetCreditHistoryResponse, Status> {
        let most = page_size(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => Place::first(),
            token => Place::read(token).map_err(proto::status)?,
        };
        let today = crate::zone::day_of(self.parts.clock.now(), &self.parts.zone).map_err(proto::status)?;
        let found = bills::page(&self.parts.store, person_id, &after, most + 1).await;
        let mut found = found.map_err(|error| store_status(&error))?;
        let is_more = found.len() > usize::try_from(most).unwrap_or(usize::MAX);
        if is_more {
            found.pop();
        }
        let next = found.last().filter(|_| is_more).map(|last| Place::after(&last.entry).token());
        // What may be kept no longer is not told of, even where it is not removed yet.
        found.retain(|billed| billed.is_kept(today));
        let entries = found.iter().map(wire::entry).collect();
        Ok(pb::GetCreditHistoryResponse { entries, next_page_token: next.unwrap_or_default() })
    }
}
