//! What a person's phone calls about payments that wait for an answer.

use domain::payment::{ApprovalForm, Payment, State};
use domain::{AttemptId, DeviceId, LegId, PaymentId, PersonId, Reason, TransactionPassword};
use proto::cardholder as pb;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::trace;
use tonic::Status;
use uuid::Builder;

use super::{Approvals, Approve, Decline, sql, wire};
use crate::payment::steps::Step;
use crate::signed::{SignedAs, SignedText};
use crate::store_status::{fault, store_status};

/// Payments that are told of at once. Codes are sent to nobody so often.
const MOST_APPROVALS: usize = 16;
/// What is signed is shorter by far, also with names of 100 letters of four bytes each.
const LONGEST_TEXT_BYTES: usize = 2048;

impl Approvals {
    pub(crate) async fn list(&self, person_id: PersonId) -> Result<pb::ListApprovalsResponse, Status> {
        let now = self.desk.clock().now();
        let asked = sql::asked_of(self.desk.store(), person_id, now).await.map_err(|error| store_status(&error))?;
        let mut approvals = Vec::new();
        for id in asked.into_iter().take(MOST_APPROVALS) {
            let Some(payment) = self.desk.find(id).await.map_err(|error| store_status(&error))? else { continue };
            let ends = payment.challenge.as_ref().map(|challenge| challenge.expires_at);
            let waits = payment.state == State::Challenged && ends.is_some_and(|end| now < end);
            let form = ApprovalForm::of(&payment, now).filter(|form| waits && form.person_id == person_id);
            let Some(form) = form else { continue };
            let bank = self.desk.directory().bank(&form.bank_id).await.map_err(|error| store_status(&error))?;
            let bank_name = bank.map(|bank| bank.display_name.to_string()).unwrap_or_default();
            approvals.extend(wire::approval(&payment, bank_name, &form));
        }
        Ok(pb::ListApprovalsResponse { approvals })
    }

    pub(crate) async fn approve(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::ApprovePaymentRequest,
    ) -> Result<pb::ApprovePaymentResponse, Status> {
        let password = TransactionPassword::parse(&request.transaction_password).map_err(proto::status)?;
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(proto::status(Reason::ApprovalMalformed));
        }
        let signed = (request.device_id.as_str(), request.text, request.signature);
        let signed = SignedText::read(person_id, device_id, signed).map_err(proto::status)?;
        let form = ApprovalForm::parse(&signed.text).map_err(proto::status)?;
        let verified = signed.verify_read(self.desk.store(), SignedAs::Approval).await;
        verified.map_err(|error| store_status(&error))?.map_err(proto::status)?;
        let keys = self.desk.keys().as_ref();
        let attempt = attempt_of(keys, &signed, &password).map_err(|error| fault(&error))?;
        let mut payment = self.find(form.payment_id).await?;
        let awaits = payment.awaits_approval(person_id, (attempt, &form), self.desk.clock().now());
        if awaits.map_err(proto::status)? {
            self.check_terminal(&payment).await?;
            let leg_id = LegId::from_uuid(self.desk.ids().uuid().map_err(|error| fault(&error))?);
            let signature = signed.signature;
            let approve = Approve { attempt, person_id, device_id, form, signature, password, leg_id };
            payment = self.answer(Step::Approve(Box::new(approve))).await?;
        }
        let (state, refusal) = wire::outcome(&payment);
        Ok(pb::ApprovePaymentResponse { state: state.into(), refusal })
    }

    pub(crate) async fn decline(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: &pb::DeclinePaymentRequest,
    ) -> Result<pb::DeclinePaymentResponse, Status> {
        let id = PaymentId::parse(&request.payment_id).map_err(proto::status)?;
        let mut payment = self.find(id).await?;
        if payment.awaits_decline(person_id).map_err(proto::status)? {
            payment = self.answer(Step::Decline(Decline { payment: id, person_id, device_id })).await?;
        }
        let (state, refusal) = wire::outcome(&payment);
        Ok(pb::DeclinePaymentResponse { state: state.into(), refusal })
    }

    /// The payment as it stands. What can be answered from it never comes to the writer, on which all payments wait.
    async fn find(&self, id: PaymentId) -> Result<Payment, Status> {
        let payment = self.desk.find(id).await.map_err(|error| store_status(&error))?;
        payment.ok_or_else(|| proto::status(Reason::PaymentUnknown))
    }

    /// A suspended terminal takes no money, whoever hands in the answer.
    async fn check_terminal(&self, payment: &Payment) -> Result<(), Status> {
        let terminal = self.desk.directory().terminal(&payment.terminal_id).await;
        let terminal = terminal.map_err(|error| store_status(&error))?;
        let is_active = terminal.is_some_and(|terminal| !terminal.suspended);
        if is_active { Ok(()) } else { Err(proto::status(Reason::TerminalSuspended)) }
    }

    /// Has an answer taken in, and a payment that it approves carried through its bank.
    async fn answer(&self, step: Step) -> Result<Payment, Status> {
        let desk = self.desk.clone();
        // In a task of its own, which a phone that hangs up does not end between the two.
        let task = tokio::spawn(trace::carried(async move { desk.answer(step).await }));
        let done = task.await.map_err(|error| fault(&error))?;
        done.map_err(|error| store_status(&error))?.map_err(proto::status)
    }
}

/// The id of a try. It is made of what was signed and typed, so that the same request sent twice counts once and another password is
/// another try; under a key, since it is stored and a password has six digits.
fn attempt_of(keys: &dyn KeyStore, signed: &SignedText, password: &TransactionPassword) -> Result<AttemptId, KeyError> {
    let device = signed.device_id.uuid();
    let parts: [&[u8]; 4] = [b"approve", device.as_bytes(), signed.text.as_bytes(), password.reveal().as_bytes()];
    let mac = keys.mac(KeyName::RequestFingerprint, &parts)?;
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(mac).for_each(|(byte, of_mac)| *byte = of_mac);
    Ok(AttemptId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid()))
}
