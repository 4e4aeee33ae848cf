//! What a person's phone asks for: to set the safety code, and how it stands.

use domain::safety_code::SetForm;
use domain::{DeviceId, PersonId, Reason, TransactionPassword};
use proto::cardholder as pb;
use tonic::Status;
use zeroize::Zeroize as _;

use super::set::AppSetting;
use super::steps::{Done, Step};
use super::{SafetyCodes, sql};
use crate::signed::SignedText;
use crate::store_status::store_status;

/// What is signed is shorter by far.
const LONGEST_TEXT_BYTES: usize = 512;

impl SafetyCodes {
    pub(crate) async fn set_by_app(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::SetSafetyCodeRequest,
    ) -> Result<pb::SetSafetyCodeResponse, Status> {
        let setting = self.read(person_id, device_id, request).map_err(proto::status)?;
        match self.step(Step::SetByApp(setting)).await.map_err(|error| store_status(&error))? {
            Ok(Done::Set(at)) => Ok(pb::SetSafetyCodeResponse { set_at: Some(proto::to_timestamp(at)) }),
            Ok(_) => Err(proto::status(Reason::Fault)),
            Err(reason) => Err(proto::status(reason)),
        }
    }

    /// `Err` with `TextMalformed`, `PasswordMalformed`, the reasons of [`SetForm::parse`], or `SafetyCodeGuessable`.
    fn read(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        mut request: pb::SetSafetyCodeRequest,
    ) -> Result<AppSetting, Reason> {
        let password = TransactionPassword::parse(&request.transaction_password);
        request.transaction_password.zeroize();
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(Reason::TextMalformed);
        }
        let form = SetForm::parse(&request.text, self.clock.now())?;
        form.code.may_be_chosen()?;
        let signed = SignedText { person_id, device_id, text: request.text, signature: request.signature };
        Ok(AppSetting { person_id, device_id, signed, form, password: password? })
    }

    pub(crate) async fn standing(&self, person_id: PersonId) -> Result<pb::GetSafetyCodeResponse, Status> {
        let kept = sql::read(&self.store, person_id).await.map_err(|error| store_status(&error))?;
        let now = self.clock.now();
        let ahead = |until: Option<domain::Timestamp>| until.filter(|until| now < *until).map(proto::to_timestamp);
        Ok(pb::GetSafetyCodeResponse {
            set_at: kept.code.map(|code| proto::to_timestamp(code.at)),
            open_until: ahead(kept.open_until),
            blocked_until: ahead(kept.guard.blocked_until),
        })
    }
}
