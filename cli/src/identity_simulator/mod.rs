//! A citizen-identity service for trials: it answers by rules, and nothing of what it says is true.

pub mod command;
mod rules;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::Reason;
use proto::identity as pb;
use proto::identity::citizen_identity_service_server::{CitizenIdentityService, CitizenIdentityServiceServer};
use serde::Deserialize;
use server_kit::config::ConfigError;
use server_kit::identity::Role;
use server_kit::serve::GrpcServer;
use server_kit::tls::{self, ServerTls, ServerTlsConfig, TlsError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

pub use rules::{Rule, Rules, SimulatedAnswer};

/// Why the simulator does not run.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot listen on {addr}: {source}")]
    Listen { addr: SocketAddr, source: std::io::Error },
    #[error("the simulator of the identity service has ended")]
    Ended,
}

/// `identity.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatorConfig {
    /// The federation in every certificate.
    pub federation: String,
    /// Where banks call.
    pub listen: SocketAddr,
    pub tls: ServerTlsConfig,
    /// What is said of whom no rule speaks.
    #[serde(default)]
    pub otherwise: SimulatedAnswer,
    /// The first rule that speaks of somebody counts.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

impl SimulatorConfig {
    pub fn load(file: &std::path::Path) -> Result<Self, ConfigError> {
        server_kit::config::load(Some(file), "BANKHUB_IDENTITY_", &[])
    }
}

/// A simulator that runs; dropping it ends it.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    asked: Arc<AtomicU64>,
    task: JoinHandle<()>,
    _stop: DropGuard,
}

impl Simulator {
    /// Listens, and answers in a task of its own.
    pub async fn start(config: &SimulatorConfig) -> Result<Self, SimulatorError> {
        let tls = ServerTls::load(&config.tls, &config.federation)?;
        let failed = |source| SimulatorError::Listen { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let asked = Arc::new(AtomicU64::new(0));
        let rules = Rules { rules: config.rules.clone(), otherwise: config.otherwise };
        let service = CitizenIdentityServiceServer::new(Service { rules, asked: asked.clone() })
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
        let stop = CancellationToken::new();
        let server = GrpcServer::new(listener, tls, Routes::new(service), stop.clone());
        let server = server.with_refusals(proto::unread);
        let ends = stop.clone();
        let task = tokio::spawn(async move {
            // A question that is never answered must not keep the simulator from ending.
            if let Some(Err(error)) = ends.run_until_cancelled(server.run()).await {
                tracing::error!(%error, "the simulator of the identity service failed");
            }
        });
        Ok(Self { addr, asked, task, _stop: stop.drop_guard() })
    }

    /// Where it listens, `https://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("https://{}", self.addr)
    }

    /// How many questions have come.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until it has failed.
    pub async fn ended(&mut self) {
        let _ = (&mut self.task).await;
    }
}

#[derive(Debug)]
struct Service {
    rules: Rules,
    asked: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl CitizenIdentityService for Service {
    async fn verify_citizen(
        &self,
        request: Request<pb::VerifyCitizenRequest>,
    ) -> Result<Response<pb::VerifyCitizenResponse>, Status> {
        tls::caller(&request, &[Role::Bank]).map_err(proto::status)?;
        let asked = request.get_ref();
        if asked.query_id.is_empty() || asked.purpose() == pb::VerificationPurpose::Unspecified {
            return Err(proto::status(Reason::FieldMissing));
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let found = match self.rules.answer(&asked.name, &asked.citizen_number) {
            SimulatedAnswer::Match => pb::CitizenMatch::Match,
            SimulatedAnswer::Mismatch => pb::CitizenMatch::Mismatch,
            SimulatedAnswer::Unknown => pb::CitizenMatch::Unknown,
            SimulatedAnswer::Away => return Err(proto::status(Reason::IdentityAway)),
            SimulatedAnswer::Timeout => std::future::pending().await,
        };
        Ok(Response::new(pb::VerifyCitizenResponse { r#match: found.into() }))
    }
}
