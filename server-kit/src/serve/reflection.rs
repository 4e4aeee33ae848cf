//! `grpc.reflection.v1`: a server describes its own services, so that tools call them without the contract at hand.

use axum::body::Body;
use domain::Reason;
use futures_util::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Status};
use tonic_reflection::server::{Builder, Error};

use crate::tls;

/// The full name of the service.
const SERVICE: &str = "grpc.reflection.v1.ServerReflection";
/// A question is a name of a file or of something in it.
const MAX_QUESTION_BYTES: usize = 4 * 1024;

/// What a server can be asked to describe.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// An encoded `google.protobuf.FileDescriptorSet` with everything that the services need, imports too.
    pub descriptors: &'static [u8],
    /// The full names of the services that this server has, as `bankhub.terminal.v1.TerminalService`.
    pub services: &'static [&'static str],
    /// How a caller who is not let in is told.
    pub refuse: fn(Reason) -> Status,
    /// The reason that a caller was told.
    pub reason_of: fn(&Status) -> Option<Reason>,
}

/// The service, for members of the federation alone.
pub(super) fn router(contract: Contract, has_health: bool, draining: CancellationToken) -> Result<axum::Router, Error> {
    let mut builder = Builder::configure()
        .register_encoded_file_descriptor_set(contract.descriptors)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
    let health = has_health.then_some(tonic_health::pb::health_server::SERVICE_NAME);
    for name in contract.services.iter().copied().chain(health).chain([SERVICE]) {
        builder = builder.with_service_name(name);
    }
    let service = builder.build_v1()?.max_decoding_message_size(MAX_QUESTION_BYTES);
    let members_only = move |request: Request<()>| match tls::member(&request) {
        Ok(_) => Ok(request),
        Err(reason) => Err((contract.refuse)(reason)),
    };
    let router = Routes::new(InterceptedService::new(service, members_only)).into_axum_router().reset_fallback();
    // The service answers until no more is asked, and a tool may leave its stream open; so nothing more is asked once the
    // server drains.
    let until_drained = move |request: axum::extract::Request| {
        let drained = draining.clone().cancelled_owned();
        async move { request.map(|body| Body::from_stream(body.into_data_stream().take_until(drained))) }
    };
    Ok(router.layer(axum::middleware::map_request(until_drained)))
}
