//! The trace that each call belongs to: the one that a member of the federation names, or a new one. Phones and browsers, which come
//! without a certificate, always begin one: whoever may choose the id of a trace chooses what an operator finds under it.

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::response::Response;
use domain::Reason;
use http::Request;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};
use tower_service::Service;

use super::Contract;
use super::measured::name_of;
use crate::tls::Peer;
use crate::trace::{self, Kind, Span};

/// The calls that have spans, as `bankhub.terminal.v1.TerminalService/CreatePayment`. Callers choose what they ask for, and a span is not
/// named by them.
#[derive(Clone)]
pub(super) struct Traces {
    calls: Arc<HashSet<String>>,
    reason_of: fn(&Status) -> Option<Reason>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("calls", &self.calls.len()).finish()
    }
}

impl Traces {
    /// No call has a span.
    pub(super) fn none() -> Self {
        Self { calls: Arc::default(), reason_of: |_| None }
    }

    /// Each call of the contract's services has one.
    pub(super) fn of(contract: Contract) -> Result<Self, prost::DecodeError> {
        let files = FileDescriptorSet::decode(contract.descriptors)?;
        let mut calls = HashSet::new();
        for file in &files.file {
            for service in &file.service {
                let full = format!("{}.{}", file.package(), service.name());
                if contract.services.contains(&full.as_str()) {
                    calls.extend(service.method.iter().map(|method| format!("{full}/{}", method.name())));
                }
            }
        }
        Ok(Self { calls: Arc::new(calls), reason_of: contract.reason_of })
    }

    fn begin<B>(&self, request: &Request<B>) -> Option<Span> {
        let call = self.calls.get(request.uri().path().strip_prefix('/')?)?;
        let is_member = |peer: &Arc<Peer>| peer.principal.is_some();
        let came = request.extensions().get::<Arc<Peer>>().is_some_and(is_member);
        let parent = trace::extract(request.headers()).filter(|_| came);
        let span = Span::below(parent, call, Kind::Server);
        span.note("rpc.system", || "grpc".to_owned());
        span.note("rpc.service", || call.split('/').next().unwrap_or_default().to_owned());
        span.note("rpc.method", || call.split('/').nth(1).unwrap_or_default().to_owned());
        Some(span)
    }

    fn end(&self, span: &Span, answer: &Response) {
        // What a service refuses has its status in the headers; what it answers tells it after the message.
        let status = Status::from_header_map(answer.headers());
        let code = status.as_ref().map_or(Code::Ok, Status::code);
        span.note("rpc.grpc.status_code", || i32::from(code).to_string());
        if let Some(reason) = status.as_ref().and_then(|status| (self.reason_of)(status)) {
            span.note("bankhub.reason", || reason.code().to_owned());
        }
        // Of what a server answers, a refusal is no failure of it (OpenTelemetry's conventions for gRPC).
        if is_failure(code) {
            span.note("error.type", || name_of(code).to_owned());
            span.fail();
        }
    }
}

fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// Has `inner` answer each call for its trace.
#[derive(Clone)]
pub(super) struct Traced<S> {
    pub(super) inner: S,
    pub(super) traces: Traces,
}

impl<S, B> Service<Request<B>> for Traced<S>
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
        let span = self.traces.begin(&request);
        let answer = self.inner.call(request);
        let Some(span) = span else { return Box::pin(answer) };
        let traces = self.traces.clone();
        Box::pin(async move {
            let answer = span.run(answer).await?;
            traces.end(&span, &answer);
            Ok(answer)
        })
    }
}
