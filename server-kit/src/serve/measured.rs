//! Rate, errors and duration of every call that a server answers.
//!
//! `bankhub_calls_total{service, call, result}` counts answers; `result` is the status code of gRPC in capitals, `OK` among them, and
//! `CANCELLED` also for whoever hung up before the answer. `bankhub_call_seconds{service, call}` is the time to the answer, of a stream
//! to its beginning. What no service of the contract has is counted nowhere: callers choose the paths that they try, and each would be a
//! time series for ever.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use http::Request;
use metrics::{Counter, Histogram};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use tower_service::Service;

use crate::clock::Stopwatch;

/// The calls of a contract by their paths, as `/bankhub.terminal.v1.TerminalService/CreatePayment`.
#[derive(Clone)]
pub(super) struct Measures {
    calls: Arc<HashMap<String, Arc<Call>>>,
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measures").field("calls", &self.calls.len()).finish()
    }
}

struct Call {
    service: String,
    name: String,
    /// Nearly all answers, ready to be counted.
    ok: Counter,
    seconds: Histogram,
}

impl Measures {
    /// None: nothing is measured.
    pub(super) fn none() -> Self {
        Self { calls: Arc::default() }
    }

    /// All calls of the services with these full names that `descriptors`, an encoded `FileDescriptorSet`, describes.
    pub(super) fn of(descriptors: &[u8], services: &[&str]) -> Result<Self, prost::DecodeError> {
        let files = FileDescriptorSet::decode(descriptors)?;
        let mut calls = HashMap::new();
        for file in &files.file {
            for service in &file.service {
                let full = format!("{}.{}", file.package(), service.name());
                if !services.contains(&full.as_str()) {
                    continue;
                }
                for method in &service.method {
                    let call = Call::new(service.name(), method.name());
                    calls.insert(format!("/{full}/{}", method.name()), Arc::new(call));
                }
            }
        }
        Ok(Self { calls: Arc::new(calls) })
    }

    fn begin(&self, path: &str) -> Option<Pending> {
        let call = self.calls.get(path)?.clone();
        Some(Pending { call, watch: Stopwatch::start(), answered: false })
    }
}

impl Call {
    fn new(service: &str, name: &str) -> Self {
        let (service, name) = (service.to_owned(), name.to_owned());
        let ok = metrics::counter!(
            "bankhub_calls_total", "service" => service.clone(), "call" => name.clone(), "result" => "OK"
        );
        let seconds = metrics::histogram!("bankhub_call_seconds", "service" => service.clone(), "call" => name.clone());
        Self { service, name, ok, seconds }
    }

    fn count(&self, code: Code) {
        if code == Code::Ok {
            return self.ok.increment(1);
        }
        let (service, call) = (self.service.clone(), self.name.clone());
        metrics::counter!("bankhub_calls_total", "service" => service, "call" => call, "result" => name_of(code))
            .increment(1);
    }
}

/// A call that has no answer yet; dropped without one, its caller has gone.
struct Pending {
    call: Arc<Call>,
    watch: Stopwatch,
    answered: bool,
}

impl Pending {
    fn answer(mut self, response: &Response) {
        // What a service refuses has its status in the headers; what it answers tells it after the message.
        let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
        self.answered = true;
        self.call.count(code);
        self.call.seconds.record(self.watch.elapsed());
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            self.call.count(Code::Cancelled);
        }
    }
}

/// Measures the calls of `inner`.
#[derive(Clone)]
pub(super) struct Measured<S> {
    pub(super) inner: S,
    pub(super) measures: Measures,
}

impl<S, B> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let pending = self.measures.begin(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            if let Some(pending) = pending {
                pending.answer(&response);
            }
            Ok(response)
        })
    }
}

/// The name of the code in gRPC's own spelling ("Status codes and their use in gRPC").
pub(super) fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use prost_types::{FileDescriptorProto, MethodDescriptorProto, ServiceDescriptorProto};

    use super::*;

    const PATH: &str = "/bankhub.till.v1.TillService/Ring";

    fn contract() -> Vec<u8> {
        let method = MethodDescriptorProto { name: Some("Ring".to_owned()), ..Default::default() };
        let service =
            ServiceDescriptorProto { name: Some("TillService".to_owned()), method: vec![method], ..Default::default() };
        let file = FileDescriptorProto {
            package: Some("bankhub.till.v1".to_owned()),
            service: vec![service],
            ..Default::default()
        };
        FileDescriptorSet { file: vec![file] }.encode_to_vec()
    }

    fn request(path: &str) -> Request<()> {
        Request::builder().uri(path).body(()).unwrap()
    }

    #[test]
    fn answers_refusals_and_callers_who_hang_up_are_counted_apart_and_unknown_paths_not_at_all() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        metrics::with_local_recorder(&recorder, || {
            let measures = Measures::of(&contract(), &["bankhub.till.v1.TillService"]).unwrap();
            let answers = tower::service_fn(async |request: Request<()>| {
                Ok::<_, Infallible>(match request.headers().contains_key("refused") {
                    true => Status::not_found("no such thing").into_http(),
                    false => Response::default(),
                })
            });
            let mut measured = Measured { inner: answers, measures: measures.clone() };
            runtime.block_on(measured.call(request(PATH))).unwrap();
            runtime.block_on(measured.call(request("/bankhub.till.v1.TillService/Guess"))).unwrap();
            let mut refused = request(PATH);
            refused.headers_mut().insert("refused", http::HeaderValue::from_static("1"));
            runtime.block_on(measured.call(refused)).unwrap();
            let never = tower::service_fn(|_: Request<()>| std::future::pending::<Result<Response, Infallible>>());
            drop(Measured { inner: never, measures }.call(request(PATH)));
        });
        let text = recorder.handle().render();
        for (result, times) in [("OK", 1), ("NOT_FOUND", 1), ("CANCELLED", 1)] {
            let line =
                format!("bankhub_calls_total{{service=\"TillService\",call=\"Ring\",result=\"{result}\"}} {times}");
            assert!(text.contains(&line), "{text}");
        }
        assert!(!text.contains("Guess"), "{text}");
        assert!(text.contains("bankhub_call_seconds_count{service=\"TillService\",call=\"Ring\"} 2"), "{text}");
    }

    #[test]
    fn what_cannot_be_decoded_is_an_error() {
        assert!(Measures::of(b"\xff\xff\xff", &[]).is_err());
    }
}
