//! What operators call: carriers are registered, and a sign-up is looked at.

use domain::{Reason, SignUpId};
use proto::operator as pb;
use tonic::Status;

use super::carriers::{Register, to_pb};
use super::steps::{Done, Step};
use super::{SignUps, sql};
use crate::store_status::store_status;

/// The carrier that is to be registered, if it can be. `Err` as [`Register::read`] says.
pub(crate) fn check_carrier(request: &pb::RegisterCarrierRequest) -> Result<&pb::Carrier, Reason> {
    Register::read(String::new(), request.clone())?;
    request.carrier.as_ref().ok_or(Reason::FieldMissing)
}

impl SignUps {
    pub(crate) async fn register_carrier(
        &self,
        operator: String,
        request: pb::RegisterCarrierRequest,
    ) -> Result<pb::RegisterCarrierResponse, Status> {
        let register = Register::read(operator, request).map_err(proto::status)?;
        let done = self.step(Step::Register(register)).await.map_err(|error| store_status(&error))?;
        match done.map_err(proto::status)? {
            Done::Carrier(carrier) => Ok(pb::RegisterCarrierResponse { carrier: Some(to_pb(&carrier)) }),
            _ => Err(proto::status(Reason::Fault)),
        }
    }

    pub(crate) async fn list_carriers(&self) -> Result<pb::ListCarriersResponse, Status> {
        let carriers = sql::read_carriers(&self.inner.store).await.map_err(|error| store_status(&error))?;
        Ok(pb::ListCarriersResponse { carriers: carriers.iter().map(to_pb).collect() })
    }

    pub(crate) async fn inspect(
        &self,
        request: &pb::InspectSignUpRequest,
    ) -> Result<pb::InspectSignUpResponse, Status> {
        let id = SignUpId::parse(&request.sign_up_id).map_err(proto::status)?;
        let found = sql::find(&self.inner.store, id).await.map_err(|error| store_status(&error))?;
        let sign_up = found.ok_or_else(|| proto::status(Reason::SignUpUnknown))?.sign_up;
        let account = sign_up.account.as_ref();
        Ok(pb::InspectSignUpResponse {
            carrier_id: sign_up.carrier_id.to_string(),
            state: sign_up.state.name().to_owned(),
            bank_id: account.map(|(bank, _)| bank.to_string()).unwrap_or_default(),
            account_id: account.map(|(_, account)| account.to_string()).unwrap_or_default(),
            person_id: sign_up.bound.as_ref().map(|(person, _)| person.to_string()).unwrap_or_default(),
            reason: sign_up.refusal.map(|reason| reason.code().to_owned()).unwrap_or_default(),
            asked_at: Some(proto::to_timestamp(sign_up.asked_at)),
            tries: sign_up.tries.into(),
        })
    }
}
