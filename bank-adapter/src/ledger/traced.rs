//! What a trace says of the holds of one call: each belongs to the trace of its own payment, and the call to that of the first.

use domain::Reason;
use domain::ledger::Leg;
use proto::bank;
use server_kit::trace::{self, Kind, Span, TraceContext};

/// The span of one hold, from the call to its answer.
pub(super) struct HoldSpan {
    span: Span,
}

impl HoldSpan {
    pub(super) fn begin(hold: &bank::Hold) -> Self {
        let payment = TraceContext::parse(&hold.traceparent);
        let span = Span::below(payment.or_else(trace::current), "ledger hold", Kind::Internal);
        // It is the call's by what was done, and the payment's by what it was done for.
        span.link(trace::current().into_iter());
        Self { span }
    }

    pub(super) fn run<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.span.run(work)
    }

    /// Ids are noted as they were read, and never as they were sent.
    pub(super) fn end(self, result: &Result<Leg, Reason>) {
        match result {
            Ok(leg) => {
                self.span.note("bankhub.leg.id", || leg.id.to_string());
                self.span.note("bankhub.payment.id", || leg.payment_id.to_string());
                self.span.note("bankhub.outcome", || format!("{:?}", leg.state));
                self.span.run_now(
                    || tracing::debug!(leg = %leg.id, payment = %leg.payment_id, state = ?leg.state, "a hold is answered"),
                );
            }
            Err(reason) => {
                self.span.note("bankhub.reason", || reason.code().to_owned());
                self.span.run_now(|| tracing::debug!(reason = reason.code(), "a hold is not taken in"));
            }
        }
    }
}
