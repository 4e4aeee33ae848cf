//! The payer answers on the phone, and the terminal learns of it.

use domain::{PaymentId, Reason};
use server_kit::clock::Stopwatch;

use super::see_through::Pauses;
use super::{Payment, PaymentState, Refused, Terminal, TerminalError};

impl Terminal {
    /// Follows a payment to its end, over connections that break: until the payer has answered in the app and the bank has, or the code has
    /// ended. `Unknown` when the hub cannot be asked for longer than the terminal's patience; the payment stays in the journal.
    pub async fn outcome(&self, id: PaymentId) -> Result<Payment, TerminalError> {
        let (mut silence, mut pauses) = (Stopwatch::start(), Pauses::new());
        loop {
            let mut last = None;
            let followed = self.watch(id, |payment| last = Some(payment.clone())).await;
            match &last {
                Some(payment) if payment.state.is_final() => return Ok(payment.clone()),
                Some(_) => (silence, pauses) = (Stopwatch::start(), Pauses::new()),
                None if silence.elapsed() >= self.options.patience => {
                    return Err(TerminalError::Unknown { payment_id: id });
                }
                None => {}
            }
            match followed {
                // The hub says no to the question, and would again.
                Err(TerminalError::Refused(refused)) if refused.reason.is_some() && last.is_none() => {
                    return Err(refused.into());
                }
                Err(TerminalError::Journal(error)) => return Err(error.into()),
                _ => pauses.pause().await,
            }
        }
    }

    /// A code was handed in for a payment that waits for none any more. If that is so because the payer has answered on the phone, then what
    /// has come of it is the answer.
    pub(super) async fn answered_on_phone(&self, id: PaymentId, refused: Refused) -> Result<Payment, TerminalError> {
        let payment = self.get(id).await?;
        match payment.state {
            PaymentState::Pending => self.outcome(id).await,
            PaymentState::Approved => Ok(payment),
            PaymentState::Declined if payment.reason() == Some(Reason::PayerDeclined) => Ok(payment),
            _ => Err(refused.into()),
        }
    }
}
