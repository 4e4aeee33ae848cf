//! What the bank's operators ask the hub: a person's credit history, under a consent to this bank.

use domain::Reason;
use domain::{ConsentId, InquiryId};
use proto::{counter, federation};
use server_kit::identity::Principal;
use tonic::Status;

use crate::call::CallError;
use crate::ledger::{HubClient, Ledger};
use crate::report::AskedHub;

/// Who asks the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct InquiryDesk {
    ledger: Ledger,
    hub: HubClient,
}

impl InquiryDesk {
    pub(crate) const fn new(ledger: Ledger, hub: HubClient) -> Self {
        Self { ledger, hub }
    }

    /// Hands the question on when it stands in the bank's own log who has asked, and then the answer.
    pub(crate) async fn inquire(
        &self,
        request: counter::InquireCreditHistoryRequest,
        by: Principal,
    ) -> Result<counter::InquireCreditHistoryResponse, CallError> {
        let asked = AskedHub {
            inquiry_id: InquiryId::parse(&request.inquiry_id)?,
            consent_id: ConsentId::parse(&request.consent_id)?,
            purpose: request.purpose().as_str_name(),
            by,
        };
        self.ledger.asked_hub(asked).await?;
        let counter::InquireCreditHistoryRequest { inquiry_id, name, phone_number, purpose, fields, consent_id } =
            request;
        let message =
            federation::InquireCreditHistoryRequest { inquiry_id, name, phone_number, purpose, fields, consent_id };
        let answer = self.hub.inquire_credit_history(message).await.map_err(|status| refusal(&status))?;
        let federation::InquireCreditHistoryResponse { report, answered_at } = answer;
        Ok(counter::InquireCreditHistoryResponse { report, answered_at })
    }
}

/// The hub's reason; one that this version does not know, or none, is a hub that gives no answer to rely on.
fn refusal(status: &Status) -> Reason {
    proto::reason_of(status).unwrap_or_else(|| {
        tracing::warn!(code = %status.code(), "the hub gives no answer to an inquiry");
        Reason::HubAway
    })
}
