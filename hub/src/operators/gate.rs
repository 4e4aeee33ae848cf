//! The gate before the operators' calls: no call is even read before it is known that the caller's role allows it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use domain::{OperatorId, Reason};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use server_kit::identity;
use server_kit::tls::Peer;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tonic::server::NamedService;

use super::Operators;
use super::calls::act_of;

/// The operators' service behind the gate.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    operators: Operators,
}

impl<S> Guarded<S> {
    pub fn new(inner: S, operators: Operators) -> Self {
        Self { inner, operators }
    }
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready goes with the call; its clone waits for the next.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let operators = self.operators.clone();
        async move {
            let call = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            let peer = request.extensions().get::<Arc<Peer>>().cloned();
            match operators.lets_pass(peer.as_deref(), &call).await {
                Ok(()) => inner.call(request).await,
                Err(reason) => Ok(proto::status(reason).into_http()),
            }
        }
        .boxed()
    }
}

impl Operators {
    /// Whether this caller may make this call. A refusal of somebody with an operator's certificate is logged.
    pub(super) async fn lets_pass(&self, peer: Option<&Peer>, call: &str) -> Result<(), Reason> {
        let peer = peer.ok_or(Reason::CertificateMissing)?;
        let principal = match (&peer.principal, &peer.refused) {
            (Some(principal), _) => principal,
            (None, Some(_)) => return Err(Reason::CertificateRefused),
            (None, None) => return Err(Reason::CertificateMissing),
        };
        if principal.role != identity::Role::Operator {
            return Err(Reason::RoleNotAllowed);
        }
        let Some((call, act)) = act_of(call) else {
            return Err(Reason::OperatorRoleLacking);
        };
        let passed = match OperatorId::parse(&principal.id) {
            Ok(operator) => self.allowed(&operator, act).await.map(|_| ()),
            Err(reason) => Err(reason),
        };
        let passed = match passed {
            Ok(()) if act.needs_second(self.second_person()) => Err(Reason::SecondPersonNeeded),
            other => other,
        };
        // Who only has to propose it has done nothing wrong.
        if let Err(reason) = passed
            && reason != Reason::SecondPersonNeeded
        {
            self.note_refused(&principal.id, call, reason).await;
        }
        passed
    }
}
