//! What banks call: they have checked who somebody is.

use domain::payment::Instrument;
use domain::safety_code::how_checked;
use domain::text::Line;
use domain::{AccountId, BankId, CardId, InquiryId, Reason};
use proto::federation as pb;
use server_kit::store::StoreError;

use super::SafetyCodes;
use super::allow::{Allow, Checked};
use super::steps::{Done, Step};

impl SafetyCodes {
    pub(crate) async fn allow_for_bank(
        &self,
        bank_id: BankId,
        request: &pb::AllowSafetyCodeRequest,
    ) -> Result<Result<pb::AllowSafetyCodeResponse, Reason>, StoreError> {
        let allow = match read(bank_id, request) {
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

/// `Err` with `FieldMissing`, `IdMalformed` or `TextMalformed`.
fn read(bank_id: BankId, request: &pb::AllowSafetyCodeRequest) -> Result<Allow, Reason> {
    use pb::allow_safety_code_request::Instrument as Named;
    let instrument = match request.instrument.as_ref().ok_or(Reason::FieldMissing)? {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
        Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
    };
    Ok(Allow {
        // A check has the form of an inquiry's id.
        check_id: InquiryId::parse(&request.check_id)?.uuid(),
        checked: Checked::AtBank { bank_id, instrument },
        by: Line::parse(&request.checked_by)?,
        how: how_checked(&request.checked_how)?,
        holds_number: request.holds_number,
    })
}
