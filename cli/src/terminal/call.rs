//! One call with its deadline, and what a failure of it means.

use std::time::Duration;

use domain::reason::Class;
use domain::{PaymentId, Reason};
use proto::common;
use proto::terminal as pb;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use server_kit::trace::{self, Kind, Span};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use super::{Payment, TerminalError};

/// The hub says no to the call itself.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: {message}", reason.map_or("REFUSED", Reason::code))]
pub struct Refused {
    /// The reason of the catalogue, if there is one.
    pub reason: Option<Reason>,
    pub message: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The same call would be refused again.
    Refused(Refused),
    /// No connection came about: the hub knows nothing of the call.
    Unreached(String),
    /// The hub may have acted or not.
    Unknown(String),
    Unreadable(super::UnreadablePayment),
}

impl Failure {
    const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unreached(_) => "unreached",
            Self::Unknown(_) => "unknown",
            Self::Unreadable(_) => "unreadable",
        }
    }

    pub(super) fn of(status: &Status) -> Self {
        let reason = proto::reason_of(status);
        let message = reason.map_or_else(|| status.message().to_owned(), |reason| reason.english().to_owned());
        match reason {
            Some(reason) if may_pass(reason) => Self::Unknown(message),
            Some(_) => Self::Refused(Refused { reason, message }),
            None if is_final(status.code()) => Self::Refused(Refused { reason, message }),
            None if never_connected(status) => Self::Unreached(causes(status)),
            None => Self::Unknown(causes(status)),
        }
    }

    /// The failure of a call that is made once.
    pub(super) fn once(self) -> TerminalError {
        match self {
            Self::Refused(refused) => refused.into(),
            Self::Unreached(message) => TerminalError::Unreached(message),
            Self::Unknown(message) => Refused { reason: None, message }.into(),
            Self::Unreadable(unreadable) => unreadable.into(),
        }
    }
}

pub(super) fn once(status: Status) -> TerminalError {
    Failure::of(&status).once()
}

/// Whether the hub may do later what it does not do now. A number that was sent too many codes stays so for longer than a
/// terminal waits, as everything does of which there is only so much.
fn may_pass(reason: Reason) -> bool {
    matches!(reason.class(), Class::Away | Class::Fault) || reason == Reason::TooBusy
}

/// Codes that say that the request itself is wrong, whoever sends it and however often. With OUT_OF_RANGE, as with
/// INTERNAL, tonic says that it cannot read the hub's answer.
const fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Unimplemented
            | Code::Unauthenticated
    )
}

fn never_connected(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What went wrong and why, down to the system's own words.
fn causes(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// What a terminal asks for, ready to be sent as often as it takes. It holds codes, passwords and cards, so it is not shown.
pub(super) enum Request {
    Create(pb::CreatePaymentRequest),
    Authorize(pb::AuthorizePaymentRequest),
    Resend(pb::ResendCodeRequest),
    Cancel(pb::CancelPaymentRequest),
    Reverse(pb::ReversePaymentRequest),
    Refund(pb::RefundPaymentRequest),
    Card(pb::CreateCardPaymentRequest),
    Complete(pb::CompletePaymentRequest),
    TopUp(pb::CreateTopUpRequest),
}

impl Request {
    /// The call's name in the contract.
    const fn call(&self) -> &'static str {
        match self {
            Self::Create(_) => "CreatePayment",
            Self::Authorize(_) => "AuthorizePayment",
            Self::Resend(_) => "ResendCode",
            Self::Cancel(_) => "CancelPayment",
            Self::Reverse(_) => "ReversePayment",
            Self::Refund(_) => "RefundPayment",
            Self::Card(_) => "CreateCardPayment",
            Self::Complete(_) => "CompletePayment",
            Self::TopUp(_) => "CreateTopUp",
        }
    }
}

/// The hub's terminal service with a deadline on every call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) client: TerminalServiceClient<Channel>,
    pub(super) timeout: Duration,
}

impl Call {
    pub(super) async fn send(&self, request: &Request) -> Result<Payment, Failure> {
        traced(request.call(), self.send_in_trace(request)).await
    }

    async fn send_in_trace(&self, request: &Request) -> Result<Payment, Failure> {
        let mut client = self.client.clone();
        match request {
            Request::Create(request) => {
                self.answer(client.create_payment(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Authorize(request) => {
                self.answer(client.authorize_payment(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Resend(request) => {
                self.answer(client.resend_code(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Cancel(request) => {
                self.answer(client.cancel_payment(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Reverse(request) => {
                self.answer(client.reverse_payment(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Refund(request) => {
                self.answer(client.refund_payment(self.bounded(request.clone())), |r| r.refund).await
            }
            Request::Card(request) => {
                self.answer(client.create_card_payment(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::TopUp(request) => {
                self.answer(client.create_top_up(self.bounded(request.clone())), |r| r.payment).await
            }
            Request::Complete(request) => {
                self.answer(client.complete_payment(self.bounded(request.clone())), |r| r.payment).await
            }
        }
    }

    pub(super) async fn get(&self, id: PaymentId) -> Result<Payment, Failure> {
        let request = pb::GetPaymentRequest { payment_id: id.to_string() };
        let mut client = self.client.clone();
        traced("GetPayment", async { self.answer(client.get_payment(self.bounded(request)), |r| r.payment).await })
            .await
    }

    pub(super) async fn balance(&self, card: common::PresentedCard) -> Result<pb::InquireBalanceResponse, Failure> {
        let mut client = self.client.clone();
        let call = client.inquire_balance(self.bounded(pb::InquireBalanceRequest { card: Some(card) }));
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of(&status)),
            Err(_) => Err(Failure::Unknown(format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }

    /// The hub learns the deadline too, and stops working for nobody.
    fn bounded<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        request
    }

    async fn answer<R>(
        &self,
        answer: impl Future<Output = Result<Response<R>, Status>>,
        payment: impl FnOnce(R) -> Option<pb::Payment>,
    ) -> Result<Payment, Failure> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(response)) => Payment::read(payment(response.into_inner())).map_err(Failure::Unreadable),
            Ok(Err(status)) => Err(Failure::of(&status)),
            Err(_) => Err(Failure::Unknown(format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }
}

/// Makes a call in a span of its own, and says in the log how it ended.
async fn traced(
    call: &'static str,
    answer: impl Future<Output = Result<Payment, Failure>>,
) -> Result<Payment, Failure> {
    let span = Span::begin(call, Kind::Client);
    span.note("rpc.system", || "grpc".to_owned());
    span.note("rpc.service", || proto::terminal::terminal_service_server::SERVICE_NAME.to_owned());
    span.note("rpc.method", || call.to_owned());
    let answer = Box::pin(span.run(answer)).await;
    match &answer {
        Ok(payment) => {
            span.note("bankhub.payment.id", || payment.id.to_string());
            span.note("bankhub.payment.state", || payment.state.name().to_owned());
            span.run_now(
                || tracing::debug!(call, payment = %payment.id, state = payment.state.name(), "the hub has answered"),
            );
        }
        Err(failure) => {
            span.note("bankhub.outcome", || failure.name().to_owned());
            span.fail();
            span.run_now(|| tracing::debug!(call, outcome = failure.name(), "the hub has not answered"));
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_no_that_stays_a_no_is_taken_for_one() {
        for reason in Reason::ALL {
            let failure = Failure::of(&proto::status(*reason));
            let may_pass = matches!(
                reason.code(),
                "TOO_BUSY"
                    | "SHUTTING_DOWN"
                    | "BANK_AWAY"
                    | "HUB_AWAY"
                    | "IDENTITY_AWAY"
                    | "STORAGE_AWAY"
                    | "HSM_AWAY"
                    | "FAULT"
            );
            assert_eq!(matches!(failure, Failure::Unknown(_)), may_pass, "{reason:?}");
        }
        // A deadline that passed, a lost connection, or an answer that cannot be read or is too large, is not a no.
        for code in [
            Code::DeadlineExceeded,
            Code::Cancelled,
            Code::Unavailable,
            Code::Unknown,
            Code::Internal,
            Code::OutOfRange,
        ] {
            assert!(matches!(Failure::of(&Status::new(code, "")), Failure::Unknown(_)), "{code:?}");
        }
        assert!(matches!(Failure::of(&Status::invalid_argument("")), Failure::Refused(_)));
    }
}
