//! What a trace says of a payment's steps: which, of which payment, and what came of it. The span of a step is the time of one payment,
//! from the queue to the answer, whatever else was in its set.

use domain::PaymentId;
use server_kit::store::StoreError;
use server_kit::trace::{Kind, Span};

use super::steps::{Outcome, Step};

impl Step {
    /// Its name, and the payment that it is of; of what is given back, the refund.
    fn title(&self) -> (&'static str, PaymentId) {
        match self {
            Self::Create(create) => ("create", create.new.id),
            Self::CreateCard(new) => ("create card", new.id),
            Self::CreateTopUp(new) => ("create top-up", new.id),
            Self::Complete(completion) => ("complete", completion.payment_id),
            Self::Lapse { payment } => ("lapse", *payment),
            Self::ToldByNetwork(told) => ("told by network", told.payment_id),
            Self::Authorize(authorize) => ("authorize", authorize.payment),
            Self::Approve(approve) => ("approve", approve.form.payment_id),
            Self::Decline(decline) => ("decline", decline.payment),
            Self::Resend(resend) => ("resend code", resend.payment),
            Self::Cancel { payment, .. } => ("cancel", *payment),
            Self::Reverse(reversal) => ("reverse", reversal.payment_id),
            Self::Refund(refund) => ("refund", refund.id),
            Self::Held { payment, .. } => ("commit", *payment),
            Self::HoldRefused { payment, .. } => ("hold refused", *payment),
            Self::Abort { payment, .. } => ("abort", *payment),
            Self::Voided { payment } => ("voided", *payment),
            Self::Posted { payment } => ("posted", *payment),
            Self::RefundPosted { refund, .. } => ("refund posted", *refund),
            Self::RefundRefused { refund, .. } => ("refund refused", *refund),
            Self::ReversalPosted { payment } => ("reversal posted", *payment),
            Self::Expire { payment } => ("expire", *payment),
        }
    }

    /// The span of this step.
    pub(super) fn span(&self) -> StepSpan {
        let (step, payment) = self.title();
        let span = Span::begin("payment step", Kind::Internal);
        span.note("bankhub.step", || step.to_owned());
        span.note("bankhub.payment.id", || payment.to_string());
        StepSpan { span, step, payment }
    }
}

pub(super) struct StepSpan {
    pub(super) span: Span,
    step: &'static str,
    payment: PaymentId,
}

impl StepSpan {
    pub(super) fn end(self, done: &Result<Outcome, StoreError>) {
        let Self { span, step, payment } = &self;
        match done.as_ref().map(|outcome| &outcome.payment) {
            Ok(Ok(after)) => {
                span.note("bankhub.payment.state", || format!("{:?}", after.state));
                span.run_now(|| tracing::debug!(%payment, step, state = ?after.state, "a step is durable"));
            }
            Ok(Err(reason)) => {
                span.note("bankhub.reason", || reason.code().to_owned());
                span.run_now(|| tracing::debug!(%payment, step, reason = reason.code(), "a step changes nothing"));
            }
            Err(error) => {
                span.fail();
                span.run_now(|| tracing::debug!(%payment, step, %error, "a step is not known to be durable"));
            }
        }
    }
}
