//! Payments by phone number that the link's network charges by itself: the card is named to it once its holder has proved to be there, and it
//! tells what became of it (M6; ADR 38).

use domain::network::{Response, response_of};
use domain::payment::{Kind as PaymentKind, Payment, Routed, RoutedOutcome, State};
use domain::{AttemptId, PaymentId, Reason};

use super::carry::{Asked, Carrier, fault, reason_of, tried};
use super::reply::Reply;
use super::sent::text;
use super::sql::Kind;

impl Carrier {
    /// Whether the link's network charges by itself at this moment.
    pub(super) async fn routes(&self, asked: &Asked<'_>) -> Result<bool, Reason> {
        self.routing.is_allowed(&asked.link.id).await.map_err(|error| fault(&error))
    }

    /// Whether what pays may be named if the code is right; none for a payment that the hub itself charges. `Err(RoutingSuspended)` when the
    /// link may not any more: then nothing is tried, and no try is counted.
    pub(super) async fn route_of(
        &self,
        asked: &Asked<'_>,
        payment: &Payment,
    ) -> Result<Option<Result<(), Reason>>, Reason> {
        if payment.kind != PaymentKind::Routed {
            return Ok(None);
        }
        if !self.routes(asked).await? {
            return Err(Reason::RoutingSuspended);
        }
        let number = self.till.card_number(payment).await.map_err(|status| reason_of(&status))?;
        Ok(Some(number.map(drop).ok_or(Reason::InstrumentNotRoutable)))
    }

    /// What whoever tried is told. A repeat of the message that was right is told the card again, as long as it may still be charged.
    pub(super) async fn tried_over(&self, asked: &Asked<'_>, payment: &Payment) -> Result<Reply, Reason> {
        if payment.kind != PaymentKind::Routed || payment.state != State::Authorised {
            return self.told(asked, payment, tried(payment));
        }
        // Only the try that was right is told; what is pushed last is what was tried last, and nothing is tried after it.
        if payment.attempts.last() != Some(&AttemptId::from_uuid(asked.id)) {
            return self.told(asked, payment, Response::Refused(Reason::VerificationFailed));
        }
        // Looked at again behind the step, which may have waited in its set meanwhile.
        if !self.routes(asked).await? {
            return Err(Reason::RoutingSuspended);
        }
        if !payment.is_named(self.clock.now()) {
            return Err(Reason::RoutingLapsed);
        }
        let number = self.till.card_number(payment).await.map_err(|status| reason_of(&status))?;
        let number = number.ok_or(Reason::InstrumentNotRoutable)?;
        metrics::counter!("bankhub_network_cards_named_total", "link" => asked.link.id.clone()).increment(1);
        Ok(self.told(asked, payment, Response::Route)?.naming(number))
    }

    /// The network tells by an advice what became of a payment: 00 in field 39, or none, that it was charged, anything else that it was not.
    pub(super) async fn told_by_network(&self, asked: &Asked<'_>, payment_id: PaymentId) -> Result<Reply, Reason> {
        let amount = asked.amount()?;
        let outcome = match text(asked.message, 39).as_deref().map_or(Response::Approved, response_of) {
            Response::Approved => RoutedOutcome::Approved,
            Response::Refused(reason) => RoutedOutcome::Declined(reason),
            Response::CodeSent | Response::InProgress | Response::Route => return Err(Reason::FieldUnknown),
        };
        let _turn = self.turns.take(asked.id).await;
        self.note(asked, Kind::Advice, payment_id, amount).await?;
        let told = Routed { payment_id, terminal_id: asked.terminal.id.clone(), amount, outcome };
        let done = self.till.told_by_network(told).await.map_err(|status| reason_of(&status))?;
        let response = match (outcome, tried(&done)) {
            // It has been taken note of that nothing was charged.
            (RoutedOutcome::Declined(_), Response::Refused(_)) => Response::Approved,
            (_, response) => response,
        };
        if let (RoutedOutcome::Approved, Response::Refused(reason)) = (outcome, response) {
            // The network is told no, and has to take back what it has charged.
            let link = asked.link.id.clone();
            metrics::counter!("bankhub_network_routed_too_late_total", "link" => link.clone()).increment(1);
            tracing::warn!(link, payment = %payment_id, reason = reason.code(), "a network has charged what does not count any more");
        }
        self.told(asked, &done, response)
    }
}
