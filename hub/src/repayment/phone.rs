//! What a person's phone asks for: repaying, and what became of it; and what there is to repay from and to.

use domain::repayment::{Form, Legs};
use domain::{DeviceId, LegId, PaymentId, PersonId, Reason, Timestamp};
use proto::cardholder as pb;
use tonic::Status;
use uuid::Uuid;

use super::sql::Place;
use super::steps::{Create, Step};
use super::{Repayments, sql, wire};
use crate::store_status::{fault, store_status};

const USUAL_SIZE: i64 = 50;
const LARGEST_SIZE: i32 = 200;
/// What is signed is shorter by far.
const LONGEST_TEXT_BYTES: usize = 1024;

impl Place {
    /// After everything.
    const LAST: Self = Self { created_at: Timestamp::from_micros(i64::MAX), id: Uuid::max() };

    fn read(token: &str) -> Result<Self, Reason> {
        let (at, id) = token.split_once('.').ok_or(Reason::PageTokenMalformed)?;
        let micros = at.parse().map_err(|_| Reason::PageTokenMalformed)?;
        let id = PaymentId::parse(id).map_err(|_| Reason::PageTokenMalformed)?;
        Ok(Self { created_at: Timestamp::from_micros(micros), id: id.uuid() })
    }
}

impl Repayments {
    pub(crate) async fn create(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::CreateRepaymentRequest,
    ) -> Result<pb::CreateRepaymentResponse, Status> {
        if DeviceId::parse(&request.device_id).map_err(proto::status)? != device_id {
            return Err(proto::status(Reason::NotYours));
        }
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(proto::status(Reason::RepaymentMalformed));
        }
        let form = Form::parse(&request.text).map_err(proto::status)?;
        let leg = || self.inner.ids.uuid().map(LegId::from_uuid).map_err(|error| fault(&error));
        let legs = Legs { paying: leg()?, receiving: leg()? };
        let create = Create { person_id, device_id, form, signature: request.signature, legs };
        let outcome = self.write(Step::Create(Box::new(create))).await.map_err(|error| store_status(&error))?;
        let repayment = outcome.repayment.map_err(proto::status)?;
        let repayment = match outcome.is_new {
            true => self.carry_and_wait(repayment).await.map_err(|error| store_status(&error))?,
            false => repayment,
        };
        Ok(pb::CreateRepaymentResponse { repayment: Some(wire::repayment(&repayment)) })
    }

    pub(crate) async fn get(
        &self,
        person_id: PersonId,
        request: &pb::GetRepaymentRequest,
    ) -> Result<pb::GetRepaymentResponse, Status> {
        let id = PaymentId::parse(&request.repayment_id).map_err(proto::status)?;
        let found = sql::find(&self.inner.store, id).await.map_err(|error| store_status(&error))?;
        let found = found.filter(|repayment| repayment.person_id == person_id);
        let repayment = found.ok_or_else(|| proto::status(Reason::PaymentUnknown))?;
        Ok(pb::GetRepaymentResponse { repayment: Some(wire::repayment(&repayment)) })
    }

    pub(crate) async fn list(
        &self,
        person_id: PersonId,
        request: &pb::ListRepaymentsRequest,
    ) -> Result<pb::ListRepaymentsResponse, Status> {
        let most = match request.page_size {
            0 => USUAL_SIZE,
            asked @ 1..=LARGEST_SIZE => asked.into(),
            _ => return Err(proto::status(Reason::PageSizeOutOfRange)),
        };
        let before = match request.page_token.as_str() {
            "" => Place::LAST,
            token => Place::read(token).map_err(proto::status)?,
        };
        let found = sql::of_person(&self.inner.store, person_id, before, most.saturating_add(1)).await;
        let mut found = found.map_err(|error| store_status(&error))?;
        let is_more = found.len() > usize::try_from(most).unwrap_or(usize::MAX);
        if is_more {
            found.pop();
        }
        let next = found.last().filter(|_| is_more).map(|last| format!("{}.{}", last.created_at.micros(), last.id));
        Ok(pb::ListRepaymentsResponse {
            repayments: found.iter().map(wire::repayment).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}
