//! InquireCreditHistory: what a bank asks, and what it is told.

use domain::credit_history::{Asker, Fields, Inquiry, Question};
use domain::text::Line;
use domain::{BankId, ConsentId, InquiryId, PhoneNumber, Reason};
use proto::federation as pb;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::StoreError;

use super::inquire::{About, Inquire};
use super::steps::Done;
use super::told::Told;
use super::{CreditHistory, unusable, wire};
use crate::directory::phone_hashes;

/// More names of parts than there are parts is nothing that a bank asks for.
const MOST_FIELDS: usize = 4;

impl CreditHistory {
    /// Answers a bank's inquiry.
    pub async fn inquire(
        &self,
        bank_id: BankId,
        request: &pb::InquireCreditHistoryRequest,
    ) -> Result<Result<pb::InquireCreditHistoryResponse, Reason>, StoreError> {
        if let Err(reason) = self.may_ask(&Asker::Bank(bank_id.clone())) {
            return Ok(Err(reason));
        }
        let inquire = match Asked::read(bank_id.clone(), request) {
            Ok(asked) => asked.sealed(&*self.parts.keys)?,
            Err(reason) => return Ok(Err(reason)),
        };
        let outcome = match self.paid_inquiry(&bank_id, inquire).await? {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(match outcome.done {
            Ok(Done::Answered(answered)) => match answered.told {
                Ok(Told::History(report)) => Ok(pb::InquireCreditHistoryResponse {
                    report: Some(report),
                    answered_at: Some(proto::to_timestamp(answered.at)),
                }),
                Ok(_) => Err(Reason::Fault),
                Err(reason) => Err(reason),
            },
            Ok(_) => Err(Reason::Fault),
            Err(reason) => Err(reason),
        })
    }
}

/// What a bank asks, as it was read.
pub(super) struct Asked {
    id: InquiryId,
    asked: Inquiry,
    phone: PhoneNumber,
    consent_id: ConsentId,
}

impl Asked {
    pub(super) fn read(bank_id: BankId, request: &pb::InquireCreditHistoryRequest) -> Result<Self, Reason> {
        if request.fields.len() > MOST_FIELDS {
            return Err(Reason::TooManyItems);
        }
        let fields = request.fields.iter().map(|field| wire::field(*field)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            id: InquiryId::parse(&request.inquiry_id)?,
            asked: Inquiry {
                question: Question {
                    asker: Asker::Bank(bank_id),
                    purpose: wire::purpose(request.purpose)?,
                    fields: Fields::new(fields)?,
                },
                name: Line::parse(&request.name)?,
            },
            phone: PhoneNumber::parse(&request.phone_number)?,
            consent_id: ConsentId::parse(&request.consent_id)?,
        })
    }

    /// With the number by its keyed hash, and what else the step needs of the keys.
    pub(super) fn sealed(self, keys: &dyn KeyStore) -> Result<Inquire, StoreError> {
        let Self { id, asked, phone, consent_id } = self;
        let (fields, consent) = (asked.question.fields.to_string(), consent_id.uuid());
        let parts: [&[u8]; 6] = [
            b"InquireCreditHistory",
            asked.name.as_str().as_bytes(),
            phone.as_e164().as_bytes(),
            asked.question.purpose.as_str().as_bytes(),
            fields.as_bytes(),
            consent.as_bytes(),
        ];
        Ok(Inquire {
            id,
            consent_id,
            fingerprint: keys.mac(KeyName::RequestFingerprint, &parts).map_err(unusable)?,
            about: About::Holder {
                phone_hashes: phone_hashes(keys, &phone).map_err(unusable)?,
                name_sealed: Inquire::seal_for_nobody(keys, &asked.name)?,
                name: asked.name,
            },
            question: asked.question,
        })
    }
}
