//! The durable steps of a person's yes and no.

use domain::payment::{Approval, ApprovalForm};
use domain::{AttemptId, DeviceId, LegId, PaymentId, PersonId, Reason, Timestamp, TransactionPassword};
use server_kit::store::StoreError;

use crate::hex;
use crate::payment::books::Books;
use crate::payment::steps::{Outcome, PaymentSteps, found};

/// A yes whose signature is verified, with the password as it was typed.
pub(in crate::payment) struct Approve {
    pub(super) attempt: AttemptId,
    pub(in crate::payment) person_id: PersonId,
    pub(in crate::payment) device_id: DeviceId,
    pub(in crate::payment) form: ApprovalForm,
    pub(super) signature: Vec<u8>,
    pub(super) password: TransactionPassword,
    pub(super) leg_id: LegId,
}

impl std::fmt::Debug for Approve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Approve").field("payment", &self.form.payment_id).finish_non_exhaustive()
    }
}

/// A no.
#[derive(Debug)]
pub(in crate::payment) struct Decline {
    pub(in crate::payment) payment: PaymentId,
    pub(in crate::payment) person_id: PersonId,
    pub(in crate::payment) device_id: DeviceId,
}

impl PaymentSteps {
    pub(in crate::payment) fn approve(
        &self,
        books: &mut Books,
        asked: &Approve,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        if !books.is_bound(asked.device_id, asked.person_id) {
            return Ok(Outcome::of(Err(Reason::DeviceRefused)));
        }
        let approval = Approval {
            id: asked.attempt,
            form: asked.form.clone(),
            password_matches: self.password_matches(books, asked.person_id, &asked.password)?,
            leg_id: asked.leg_id,
        };
        let id = asked.form.payment_id;
        let signed = format!(
            " device={} shown={} signature={}",
            asked.device_id,
            asked.form.shown_at.micros(),
            hex::encode(&asked.signature)
        );
        let done = books.change_as(id, &signed, |payment, guard| match guard {
            Some(guard) => payment.approve(asked.person_id, &approval, guard, now, &self.policy),
            None => payment.paid_by(asked.person_id).map(|_| ()).and(Err(Reason::NotAwaitingCode)),
        });
        let after = done.flatten().and_then(|()| found(books, id));
        Ok(Outcome::of_try(after, asked.leg_id))
    }

    pub(in crate::payment) fn decline(&self, books: &mut Books, asked: &Decline, now: Timestamp) -> Outcome {
        if !books.is_bound(asked.device_id, asked.person_id) {
            return Outcome::of(Err(Reason::DeviceRefused));
        }
        let by = format!(" device={}", asked.device_id);
        let done = books.change_as(asked.payment, &by, |payment, _| payment.decline_by_payer(asked.person_id, now));
        Outcome::of(done.flatten().and_then(|()| found(books, asked.payment)))
    }
}
