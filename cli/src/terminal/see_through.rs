//! Seeing a request through to an answer: send, ask when no answer comes, and give up only with a stored reversal.

use std::time::Duration;

use domain::{Money, PaymentId, Reason};
use proto::terminal as pb;
use server_kit::clock::Stopwatch;

use super::call::{Failure, Request};
use super::{Payment, PaymentState, Record, Terminal, TerminalError};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Where the terminal learned how the payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the answer to the request itself.
    Sent,
    /// From a question about the payment, since no answer came.
    Asked,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Done,
    Ask,
    Send,
}

/// Pauses that grow, up to a point.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Pauses {
    pub(super) const fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.next).await;
        self.next = self.next.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

impl Request {
    /// Whether this answer is one, or what to do to get one.
    fn next(&self, source: Source, payment: &Payment) -> Next {
        match (self, payment.state) {
            (Self::Create(_) | Self::Authorize(_) | Self::Refund(_) | Self::TopUp(_), PaymentState::Pending) => {
                Next::Ask
            }
            // Whether the hub has seen the request cannot be told from the state: the same request again tells it, and
            // counts once.
            // The hub keeps nothing of a card: one that was started anew can go on only when it is told the card again.
            (Self::Card(_), PaymentState::Pending) if source == Source::Asked => Next::Send,
            (Self::Card(_), PaymentState::Pending) => Next::Ask,
            (Self::Authorize(_) | Self::Resend(_) | Self::Cancel(_), PaymentState::AwaitingCode)
                if source == Source::Asked =>
            {
                Next::Send
            }
            _ => Next::Done,
        }
    }
}

impl Terminal {
    /// Sends until there is an answer. The request is the same each time, so that it counts once. `is_first` says that no
    /// request about this payment was made before.
    pub(super) async fn see_through(
        &self,
        id: PaymentId,
        request: Request,
        is_first: bool,
    ) -> Result<Payment, TerminalError> {
        let (watch, mut pauses) = (Stopwatch::start(), Pauses::new());
        let mut source = Source::Sent;
        // Whether a request may have reached the hub.
        let mut is_out = !is_first;
        loop {
            let call = self.call();
            let said = if source == Source::Sent { call.send(&request).await } else { call.get(id).await };
            match said {
                Ok(payment) => match request.next(source, &payment) {
                    Next::Done => {
                        self.note_final(&payment).await?;
                        return Ok(payment);
                    }
                    Next::Ask => source = Source::Asked,
                    Next::Send => source = Source::Sent,
                },
                // The hub does not know the payment: the request was lost on its way, and is sent again.
                Err(Failure::Refused(refused))
                    if source == Source::Asked && refused.reason == Some(Reason::PaymentUnknown) =>
                {
                    source = Source::Sent;
                }
                Err(Failure::Refused(refused)) => {
                    if is_first && is_out {
                        // What was sent before may still be on its way, and nobody would ask about it any more.
                        tracing::warn!(payment = %id, %refused, "refused after a send that got no answer");
                        return self.give_up(id).await;
                    }
                    if is_first {
                        let outcome = refused.reason.map_or("REFUSED", Reason::code);
                        self.write(Record::settled(id, outcome)).await?;
                    }
                    return Err(refused.into());
                }
                Err(Failure::Unreadable(unreadable)) => return Err(unreadable.into()),
                Err(Failure::Unreached(why)) => {
                    tracing::warn!(payment = %id, why, "the hub cannot be reached; trying again");
                    if watch.elapsed() >= self.options.patience && !is_out {
                        self.write(Record::settled(id, "NEVER_SENT")).await?;
                        return Err(TerminalError::Unreached(why));
                    }
                }
                Err(Failure::Unknown(why)) => {
                    tracing::warn!(payment = %id, why, "no answer; asking");
                    is_out = true;
                    source = Source::Asked;
                }
            }
            if watch.elapsed() >= self.options.patience {
                return self.give_up(id).await;
            }
            pauses.pause().await;
        }
    }

    /// The outcome is not known and will not be waited for. A payment is reversed; a refund stays in the journal and is
    /// sent again later, for giving back late is better than not giving back. Cash that has come in meanwhile stays: then that is the outcome.
    async fn give_up(&self, id: PaymentId) -> Result<Payment, TerminalError> {
        let Some(open) = self.open_payment(id).filter(|open| open.refund_of.is_none()) else {
            return Err(TerminalError::Unknown { payment_id: id });
        };
        tracing::warn!(payment = %id, "no outcome in time; storing a reversal");
        self.write(Record::reversal_owed(id, open.amount)).await?;
        match self.send_reversal(id, open.amount, Duration::ZERO).await {
            Ok(payment) => Err(TerminalError::GivenUp { payment_id: id, payment: Box::new(payment) }),
            Err(TerminalError::Refused(refused)) => self.came_in_after_all(id, refused).await,
            Err(_) => Err(TerminalError::Unknown { payment_id: id }),
        }
    }

    /// Forwards a reversal that is stored, for as long as `patience`; at least once.
    pub(super) async fn send_reversal(
        &self,
        id: PaymentId,
        amount: Money,
        patience: Duration,
    ) -> Result<Payment, TerminalError> {
        let amount = Some(proto::to_money(amount));
        self.send_owed(id, Request::Reverse(pb::ReversePaymentRequest { payment_id: id.to_string(), amount }), patience)
            .await
    }

    /// Forwards a completion that is stored, for as long as `patience`; at least once.
    pub(super) async fn send_completion(
        &self,
        id: PaymentId,
        amount: Money,
        patience: Duration,
    ) -> Result<Payment, TerminalError> {
        let amount = Some(proto::to_money(amount));
        self.send_owed(
            id,
            Request::Complete(pb::CompletePaymentRequest { payment_id: id.to_string(), amount }),
            patience,
        )
        .await
    }

    async fn send_owed(&self, id: PaymentId, request: Request, patience: Duration) -> Result<Payment, TerminalError> {
        let (watch, mut pauses) = (Stopwatch::start(), Pauses::new());
        loop {
            match self.call().send(&request).await {
                Ok(payment) => {
                    self.write(Record::settled(id, payment.state.name())).await?;
                    return Ok(payment);
                }
                Err(Failure::Refused(refused)) => {
                    // The hub will never do it; to send it for ever would change nothing.
                    let outcome = refused.reason.map_or("REFUSED", Reason::code);
                    self.write(Record::settled(id, outcome)).await?;
                    return Err(refused.into());
                }
                Err(Failure::Unreadable(unreadable)) => return Err(unreadable.into()),
                Err(Failure::Unreached(why) | Failure::Unknown(why)) => {
                    tracing::warn!(payment = %id, why, "what is owed is not acknowledged; sending it again");
                }
            }
            if watch.elapsed() >= patience {
                return Err(TerminalError::Unknown { payment_id: id });
            }
            pauses.pause().await;
        }
    }
}
