//! Repaying, message by message, as tests and measurements do it. What a phone on disk keeps until the answer is final is the SDK's (D0).

use domain::PaymentId;
use domain::repayment::Form;
use proto::cardholder as pb;

use super::{Phone, PhoneError};

/// A repayment as a phone has signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRepayment {
    request: pb::CreateRepaymentRequest,
}

impl Phone {
    /// Signs a repayment. Nothing is sent.
    pub fn sign_repayment(&self, form: &Form) -> Result<SignedRepayment, PhoneError> {
        let (text, device_id) = (form.to_string(), self.device_id().to_string());
        let signature = self.key().sign(format!("bankhub.v1.repayment\n{device_id}\n{text}").as_bytes())?;
        Ok(SignedRepayment { request: pb::CreateRepaymentRequest { text, device_id, signature } })
    }

    /// Sends a repayment; the same one again gives the same answer.
    pub async fn create_repayment(&self, signed: &SignedRepayment) -> Result<pb::Repayment, PhoneError> {
        let request = signed.request.clone();
        let call = self.in_session(request, |mut hub, request| async move { hub.create_repayment(request).await });
        call.await?.repayment.ok_or(PhoneError::Unreadable("a repayment"))
    }

    /// Reads one repayment.
    pub async fn repayment(&self, id: PaymentId) -> Result<pb::Repayment, PhoneError> {
        let request = pb::GetRepaymentRequest { repayment_id: id.to_string() };
        let call = self.in_session(request, |mut hub, request| async move { hub.get_repayment(request).await });
        call.await?.repayment.ok_or(PhoneError::Unreadable("a repayment"))
    }

    /// One page of the person's repayments, the last one first.
    pub async fn repayments(&self, page_size: i32, page_token: &str) -> Result<pb::ListRepaymentsResponse, PhoneError> {
        let request = pb::ListRepaymentsRequest { page_size, page_token: page_token.to_owned() };
        self.in_session(request, |mut hub, request| async move { hub.list_repayments(request).await }).await
    }
}
