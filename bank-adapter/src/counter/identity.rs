//! The counter has checked who somebody is, and the hub lets that person set a safety code (F1).

use domain::payment::Instrument;
use domain::safety_code::how_checked;
use domain::{AccountId, CardId, InquiryId, Reason};
use proto::{counter, federation};
use server_kit::identity::Principal;

use crate::call::CallError;
use crate::ledger::{HubClient, Ledger};
use crate::report::IdentityChecked;

/// Who tells the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct IdentityDesk {
    ledger: Ledger,
    hub: HubClient,
}

impl IdentityDesk {
    pub(super) const fn new(ledger: Ledger, hub: HubClient) -> Self {
        Self { ledger, hub }
    }

    /// Tells the hub when it stands in the bank's own log who has checked, and how.
    pub(super) async fn checked(
        &self,
        request: counter::AllowSafetyCodeRequest,
        by: Principal,
    ) -> Result<counter::AllowSafetyCodeResponse, CallError> {
        use counter::allow_safety_code_request::Instrument as Named;
        use federation::allow_safety_code_request::Instrument as Told;
        let (instrument, told) = match request.instrument.ok_or(Reason::FieldMissing)? {
            Named::AccountId(id) => (Instrument::Account(AccountId::parse(&id)?), Told::AccountId(id)),
            Named::CardId(id) => (Instrument::Card(CardId::parse(&id)?), Told::CardId(id)),
        };
        let (check_id, how) = (InquiryId::parse(&request.check_id)?, how_checked(&request.checked_how)?);
        let checked_by = format!("{}/{}", by.role, by.id);
        self.ledger.identity_checked(IdentityChecked { check_id, instrument, how, by }).await?;
        let message = federation::AllowSafetyCodeRequest {
            check_id: request.check_id,
            instrument: Some(told),
            checked_by,
            checked_how: request.checked_how,
            holds_number: request.holds_number,
        };
        let call = self.hub.ask(message, |mut hub, request| async move { hub.allow_safety_code(request).await });
        Ok(counter::AllowSafetyCodeResponse { open_until: call.await?.open_until })
    }
}
