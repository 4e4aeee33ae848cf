//! The listener for those who operate the server: `/livez`, `/readyz` and `/metrics` over plain HTTP.
//!
//! It is a listener of its own, so that it can stay on the loopback or on a management network.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the listener is unless the configuration says otherwise: out of reach from other machines.
pub const DEFAULT_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9090);

/// How often histograms are folded together, so that they do not grow while nobody reads them.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Tells whoever started this process where it listens, as JSON: `{"grpc": "127.0.0.1:7443", "ops": "127.0.0.1:7490"}`, with a name more for
/// each of `others`, such as `"web"` where pages are served. Nobody finds the file half written.
pub fn write_ports(path: &Path, grpc: SocketAddr, ops: SocketAddr, others: &[(&str, SocketAddr)]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let fresh = PathBuf::from(name);
    let others: String = others.iter().map(|(name, addr)| format!(",\"{name}\":\"{addr}\"")).collect();
    std::fs::write(&fresh, format!("{{\"grpc\":\"{grpc}\",\"ops\":\"{ops}\"{others}}}"))?;
    std::fs::rename(&fresh, path)
}

/// Named checks that must all be true before a server is given work. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    checks: Arc<RwLock<BTreeMap<String, bool>>>,
}

impl Readiness {
    /// A server that is not ready before each of `names` has been set to true.
    pub fn waiting_for(names: &[&str]) -> Self {
        let checks = names.iter().map(|name| ((*name).to_owned(), false)).collect();
        Self { checks: Arc::new(RwLock::new(checks)) }
    }

    /// Says how a check stands.
    pub fn set(&self, name: &str, is_ready: bool) {
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        if checks.get(name) != Some(&is_ready) {
            tracing::info!(check = name, is_ready, "readiness changed");
            checks.insert(name.to_owned(), is_ready);
        }
    }

    /// The checks that fail, by name; none when the server is ready.
    pub fn failing(&self) -> Vec<String> {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner);
        checks.iter().filter(|(_, is_ready)| !**is_ready).map(|(name, _)| name.clone()).collect()
    }
}

/// The operators' listener.
#[derive(Debug)]
pub struct OpsServer {
    listener: TcpListener,
    router: axum::Router,
    metrics: PrometheusHandle,
}

#[derive(Debug, Clone)]
struct Ops {
    metrics: PrometheusHandle,
    readiness: Readiness,
    draining: CancellationToken,
}

impl OpsServer {
    /// Binds the listener. The server is not ready once `draining` is cancelled.
    pub async fn bind(
        addr: SocketAddr,
        metrics: PrometheusHandle,
        readiness: Readiness,
        draining: CancellationToken,
    ) -> io::Result<Self> {
        let router = axum::Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .with_state(Ops { metrics: metrics.clone(), readiness, draining });
        Ok(Self { listener: TcpListener::bind(addr).await?, router, metrics })
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop`, which comes after the drain, so that an operator can watch the drain.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let metrics = self.metrics;
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP_INTERVAL).await;
                metrics.run_upkeep();
            }
        };
        tokio::select! {
            served = async { axum::serve(self.listener, self.router).await } => served,
            () = upkeep => Ok(()),
            () = stop.cancelled() => Ok(()),
        }
    }
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    let mut failing = ops.readiness.failing();
    if ops.draining.is_cancelled() {
        failing.push("draining".to_owned());
    }
    if failing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, failing.join("\n") + "\n")
    }
}

async fn render(State(ops): State<Ops>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], ops.metrics.render())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::telemetry;

    async fn ask(addr: SocketAddr, path: &str) -> String {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_server_is_ready_when_every_check_is_and_it_does_not_drain() {
        let (readiness, draining, stop) =
            (Readiness::waiting_for(&["database", "keys"]), CancellationToken::new(), CancellationToken::new());
        let metrics = telemetry::detached_metrics().unwrap();
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = OpsServer::bind(loopback, metrics, readiness.clone(), draining.clone()).await.unwrap();
        let addr = server.local_addr().unwrap();
        let running = tokio::spawn(server.run(stop.clone()));

        assert!(ask(addr, "/livez").await.starts_with("HTTP/1.1 200"));
        readiness.set("keys", true);
        let answer = ask(addr, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\ndatabase\n"), "{answer}");
        readiness.set("database", true);
        assert!(ask(addr, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(addr, "/metrics").await.contains("text/plain; version=0.0.4"));
        draining.cancel();
        assert!(ask(addr, "/readyz").await.ends_with("\r\n\r\ndraining\n"));
        assert!(ask(addr, "/livez").await.starts_with("HTTP/1.1 200"));

        stop.cancel();
        running.await.unwrap().unwrap();
    }
}
