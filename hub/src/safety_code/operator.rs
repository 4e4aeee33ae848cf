//! What operators of the hub call: they have checked who somebody is.

use domain::safety_code::how_checked;
use domain::text::Line;
use domain::{InquiryId, PersonId, Reason};
use proto::operator as pb;
use server_kit::store::StoreError;

use super::SafetyCodes;
use super::allow::{Allow, Checked};
use super::steps::{Done, Step};

impl SafetyCodes {
    pub(crate) async fn allow_for_operator(
        &self,
        operator: &str,
        request: &pb::AllowSafetyCodeRequest,
    ) -> Result<Result<pb::AllowSafetyCodeResponse, Reason>, StoreError> {
        let read = || {
            Ok(Allow {
                check_id: InquiryId::parse(&request.check_id)?.uuid(),
                checked: Checked::ByOperator(PersonId::parse(&request.person_id)?),
                by: Line::parse(&format!("operator/{operator}"))?,
                how: how_checked(&request.checked_how)?,
                holds_number: request.holds_number,
            })
        };
        let allow = match read() {
            Ok(allow) => allow,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(match self.step(Step::Allow(allow)).await? {
            Ok(Done::Allowed(until)) => {
                Ok(pb::AllowSafetyCodeResponse { open_until: Some(proto::to_timestamp(until)) })
            }
            Ok(_) => Err(Reason::Fault),
            Err(reason) => Err(reason),
        })
    }
}
