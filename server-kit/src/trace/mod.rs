//! Traces: what one payment has to do with, in every process that it goes through, under one id.
//!
//! Each call that a server answers belongs to a trace: to the caller's, if it is a member of the federation and names one in a
//! valid `traceparent`, and to a new one otherwise. Every log line that is written on its way has the id. What is measured on the way,
//! [`Span`]s, goes to a collector over OTLP when one is configured, and then for the part of the traces that is to be sampled.
//!
//! A span is the time of one payment, also where many are worked on in one set: it begins when the payment is queued and ends when it
//! is answered. The call that a set makes has a span of its own, in the trace of the first and linked with the others.
//!
//! Attributes are ids, names of calls and banks, outcomes and reasons. Nothing of what a person is, has or typed belongs there.

mod config;
mod context;
mod export;
mod span;

use std::future::Future;
use std::sync::OnceLock;

use http::HeaderMap;

use crate::clock::SharedClock;
use crate::rng::SharedRng;

pub use config::{TraceConfig, TraceError};
pub use context::{TRACEPARENT, TraceContext, TraceId};
pub use export::{Exporting, Service};
pub use span::{Kind, Span};

use export::Queue;

/// What makes the traces of this process. There is one, as there is one log.
static TRACER: OnceLock<Tracer> = OnceLock::new();

#[derive(Debug)]
struct Tracer {
    clock: SharedClock,
    rng: SharedRng,
    sample: Sample,
    /// None where no collector is configured.
    queue: Option<Queue>,
}

/// Which of the traces that begin here are kept, by their ids, so that all who begin at the same id say the same.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Of 2⁶³.
    below: u64,
}

impl Sample {
    const ALL: u64 = 1 << 63;

    fn of(ratio: f64) -> Self {
        // Of one that is no number, nothing; the bounds have been checked before.
        Self { below: (ratio * Self::ALL as f64) as u64 }
    }

    fn takes(self, trace: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g, h] = trace.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1 < self.below
    }
}

impl Tracer {
    /// A new trace; none if there is no randomness, for nothing may fail for want of a trace.
    fn begin(&self) -> Option<TraceContext> {
        let mut trace = [0; 16];
        self.rng.fill(&mut trace).ok()?;
        let trace = TraceId(trace);
        let sampled = self.queue.is_some() && self.sample.takes(trace);
        // Without a span that has the id, it says only that there is none above.
        Some(TraceContext { trace, span: [0, 0, 0, 0, 0, 0, 0, 1], sampled })
    }
}

/// Makes traces in this process from here on, and sends their spans to the collector if one is configured. What it gives sends what is
/// left at the end. In a process that makes traces already, they stay as they are.
pub fn start(
    config: &TraceConfig,
    service: &Service,
    clock: SharedClock,
    rng: SharedRng,
) -> Result<Exporting, TraceError> {
    let sample = Sample::of(config.checked_ratio()?);
    let (queue, exporting) = match export::start(config, service)? {
        Some((queue, exporting)) => (Some(queue), exporting),
        None => (None, Exporting::nothing()),
    };
    // Dropped, the queue ends the task that was to empty it.
    let _ = TRACER.set(Tracer { clock, rng, sample, queue });
    Ok(exporting)
}

/// The trace that is being worked for, if there is one.
pub fn current() -> Option<TraceContext> {
    span::current().map(|current| current.context())
}

/// Runs `work` for whatever trace is being worked for here. A task of its own does not know that by itself.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    span::within(span::current(), work)
}

/// Puts the trace along with a call.
pub fn inject(metadata: &mut tonic::metadata::MetadataMap) {
    if let Some(value) = current().and_then(|context| context.to_string().parse().ok()) {
        metadata.insert(TRACEPARENT, value);
    }
}

/// Adds to the span that is being worked for, if it is kept.
pub fn note(name: &'static str, value: impl FnOnce() -> String) {
    if let Some(current) = span::current() {
        current.note(name, value);
    }
}

/// The context that came along, if it came once and in its form.
pub(crate) fn extract(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (first, second) = (values.next()?, values.next());
    if second.is_some() {
        return None;
    }
    TraceContext::parse(first.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_traces_is_sampled_and_always_the_same() {
        let rng = crate::rng::SeededRng::new(7);
        for (ratio, least, most) in [(0.0, 0, 0), (0.25, 2200, 2800), (1.0, 10_000, 10_000)] {
            let sample = Sample::of(ratio);
            let taken = (0..10_000).filter(|_| {
                let mut trace = [0; 16];
                crate::rng::Rng::fill(&rng, &mut trace).unwrap();
                sample.takes(TraceId(trace))
            });
            let taken = taken.count();
            assert!((least..=most).contains(&taken), "{ratio}: {taken}");
        }
        let one = TraceId([0x5a; 16]);
        assert_eq!(Sample::of(0.5).takes(one), Sample::of(0.5).takes(one));
    }

    #[test]
    fn a_context_that_comes_twice_is_not_believed() {
        let value = http::HeaderValue::from_static("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let mut headers = HeaderMap::new();
        assert_eq!(extract(&headers), None);
        headers.append(TRACEPARENT, value.clone());
        assert!(extract(&headers).is_some());
        headers.append(TRACEPARENT, value);
        assert_eq!(extract(&headers), None);
    }
}
