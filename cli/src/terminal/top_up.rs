//! Cash that the merchant has taken, paid in to what a number pays with.

use domain::{Money, PaymentId, PhoneNumber, Reason};
use proto::terminal as pb;

use super::call::{Refused, Request};
use super::{Payment, PaymentState, Record, Terminal, TerminalError};

/// Whose account is credited, and how much.
#[derive(Clone, Debug)]
pub struct TopUp {
    pub phone: PhoneNumber,
    pub amount: Money,
    /// The merchant's own reference; may be empty.
    pub reference: String,
}

impl Terminal {
    /// Pays cash in, under a new id.
    pub async fn top_up(&self, order: &TopUp) -> Result<Payment, TerminalError> {
        self.top_up_as(self.new_id()?, order).await
    }

    /// The same under this id; the same id with the same order gives the first answer again.
    pub async fn top_up_as(&self, id: PaymentId, order: &TopUp) -> Result<Payment, TerminalError> {
        let is_first = self.open_payment(id).is_none();
        if is_first {
            self.write(Record::begun(id, order.amount, None)).await?;
        }
        let request = Request::TopUp(pb::CreateTopUpRequest {
            payment_id: id.to_string(),
            phone_number: order.phone.as_e164().to_owned(),
            amount: Some(proto::to_money(order.amount)),
            merchant_reference: order.reference.clone(),
        });
        self.see_through(id, request, is_first).await
    }

    /// A reversal was refused since the payment cannot be taken back: money that has come in stays, and the payment is what the hub says
    /// that it is. Anything else is the refusal.
    pub(super) async fn came_in_after_all(&self, id: PaymentId, refused: Refused) -> Result<Payment, TerminalError> {
        if refused.reason == Some(Reason::NotReversible)
            && let Ok(payment) = self.call().get(id).await
            && payment.comes_in
            && payment.state == PaymentState::Approved
        {
            return Ok(payment);
        }
        Err(refused.into())
    }
}
