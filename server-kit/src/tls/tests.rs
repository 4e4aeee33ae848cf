//! Real connections on the loopback: who gets in, who does not, and what a server learns of them.

use std::fs;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::*;
use crate::certificate::{CertificateShape, CertifiedPem, TrialAuthority};
use crate::clock::{Clock as _, SystemClock};
use crate::config::HumanDuration;
use crate::identity::Role;
use crate::serve::{Drained, GrpcServer, ServeLimits};

const FEDERATION: &str = "demo";

/// An authority, and a directory for what it signs.
struct Trial {
    directory: TempDir,
    authority: TrialAuthority,
}

fn hub() -> Principal {
    Principal::hub(FEDERATION).unwrap()
}

fn bank(id: &str) -> Principal {
    Principal::bank(FEDERATION, id).unwrap()
}

fn terminal() -> Principal {
    Principal::member(FEDERATION, Role::Terminal, "t-1").unwrap()
}

fn shape(principal: &Principal) -> CertificateShape {
    CertificateShape::of(principal, &SystemClock)
}

fn expired(principal: &Principal) -> CertificateShape {
    let hour_ago = SystemClock.now().minus(Duration::from_secs(3600));
    CertificateShape { not_before: hour_ago, not_after: hour_ago.plus(Duration::from_secs(60)), ..shape(principal) }
}

impl Trial {
    fn new() -> Self {
        let trial = Self {
            directory: tempfile::tempdir().unwrap(),
            authority: TrialAuthority::create("trial", &SystemClock).unwrap(),
        };
        fs::write(trial.path("ca.crt"), &trial.authority.pem().certificate).unwrap();
        trial
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn save(&self, name: &str, shape: &CertificateShape) -> CertifiedPem {
        let pem = self.authority.issue(shape).unwrap();
        pem.save(&self.path(&format!("{name}.crt")), &self.path(&format!("{name}.key"))).unwrap();
        pem
    }

    fn key(&self, name: &str) -> SecretRef {
        SecretRef::File(self.path(&format!("{name}.key")))
    }

    fn server_tls(&self, shape: &CertificateShape) -> ServerTls {
        self.save("server", shape);
        let revocation = Some(self.path("ca.crl")).filter(|path| path.exists());
        let files = ServerTlsConfig {
            certificate: self.path("server.crt"),
            key: self.key("server"),
            client_ca: self.path("ca.crt"),
            revocation,
        };
        ServerTls::load(&files, FEDERATION).unwrap()
    }

    /// A client that trusts this trial and shows a certificate that `signer` signed.
    fn client_signed_by(&self, signer: &Self, shape: &CertificateShape) -> ClientTls {
        signer.save("client", shape);
        let files = ClientTlsConfig {
            server_ca: self.path("ca.crt"),
            certificate: Some(signer.path("client.crt")),
            key: Some(signer.key("client")),
        };
        ClientTls::load(&files, FEDERATION).unwrap()
    }

    fn client(&self, shape: &CertificateShape) -> ClientTls {
        self.client_signed_by(self, shape)
    }

    fn anonymous(&self) -> ClientTls {
        let files = ClientTlsConfig { server_ca: self.path("ca.crt"), certificate: None, key: None };
        ClientTls::load(&files, FEDERATION).unwrap()
    }
}

/// A server with a health service that notes who calls.
struct Running {
    addr: SocketAddr,
    callers: Arc<Mutex<Vec<Peer>>>,
    never_asked: Arc<Notify>,
    draining: CancellationToken,
    task: JoinHandle<Drained>,
}

async fn start_at(addr: SocketAddr, tls: &ServerTls, grace: Duration) -> Running {
    let listener = TcpListener::bind(addr).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let callers = Arc::new(Mutex::new(Vec::new()));
    let noted = callers.clone();
    let note = move |request: Request<()>| {
        noted.lock().unwrap().extend(peer(&request).map(|peer| (*peer).clone()));
        Ok::<_, Status>(request)
    };
    let health = HealthService::from_health_reporter(HealthReporter::new());
    let noting = tonic::service::interceptor::InterceptedService::new(HealthServer::new(health), note);
    let never_asked = Arc::new(Notify::new());
    let asked = never_asked.clone();
    let never = async move || {
        asked.notify_one();
        std::future::pending::<()>().await;
    };
    let pages = axum::Router::new()
        .route("/", axum::routing::get(async || "a page"))
        .route("/never", axum::routing::get(never));
    let draining = CancellationToken::new();
    let limits = ServeLimits {
        handshake_timeout: HumanDuration::from_millis(200),
        handshakes_in_flight: 1,
        grace: HumanDuration(grace),
        ..ServeLimits::default()
    };
    let server = GrpcServer::new(listener, tls.clone(), Routes::new(noting), draining.clone())
        .with_limits(limits)
        .with_pages(pages);
    let task = tokio::spawn(async move { server.run().await.unwrap() });
    Running { addr, callers, never_asked, draining, task }
}

async fn start(tls: &ServerTls) -> Running {
    start_at(SocketAddr::from(([127, 0, 0, 1], 0)), tls, Duration::from_millis(300)).await
}

impl Running {
    fn channel(&self, client: &ClientTls, expect: ServerIdentity) -> Channel {
        client.channel(&format!("https://{}", self.addr), expect, &ChannelOptions::default()).unwrap()
    }

    /// Calls the health service and gives who the server saw.
    async fn call(&self, client: &ClientTls, expect: ServerIdentity) -> Result<Peer, Status> {
        check(&self.channel(client, expect)).await?;
        Ok(self.callers.lock().unwrap().last().cloned().unwrap())
    }

    async fn call_hub(&self, client: &ClientTls) -> Result<Peer, Status> {
        self.call(client, ServerIdentity::Spiffe(hub())).await
    }

    async fn stop(self) -> Drained {
        self.draining.cancel();
        self.task.await.unwrap()
    }
}

async fn check(channel: &Channel) -> Result<(), Status> {
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.map(drop)
}

/// Asks for a page over HTTP/1.1, as a browser does.
async fn page(trial: &Trial, addr: SocketAddr, path: &str) -> String {
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authorities(&trial.path("ca.crt")).unwrap())
        .with_no_client_auth();
    let socket = TcpStream::connect(addr).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

fn whole_error(status: &Status) -> String {
    let mut text = status.to_string();
    let mut error: Option<&dyn std::error::Error> = std::error::Error::source(status);
    while let Some(cause) = error {
        text = format!("{text}: {cause}");
        error = cause.source();
    }
    text
}

#[tokio::test]
async fn a_server_learns_who_calls_from_the_certificate() {
    let trial = Trial::new();
    let server = start(&trial.server_tls(&shape(&hub()))).await;
    for principal in [terminal(), bank("bank-a"), hub()] {
        let caller = server.call_hub(&trial.client(&shape(&principal))).await.unwrap();
        assert_eq!((caller.principal, caller.refused), (Some(principal), None));
    }
    let nobody = server.call_hub(&trial.anonymous()).await.unwrap();
    assert_eq!((nobody.principal, nobody.refused), (None, None));
    assert_eq!(nobody.addr.ip(), server.addr.ip());
}

#[tokio::test]
async fn a_genuine_certificate_that_names_nobody_gets_in_without_a_name_and_with_the_reason() {
    let trial = Trial::new();
    let server = start(&trial.server_tls(&shape(&hub()))).await;
    let mut two = shape(&terminal());
    two.uris.push(hub().to_string());
    let caller = server.call_hub(&trial.client(&two)).await.unwrap();
    assert_eq!((caller.principal, caller.refused), (None, Some(IdentityError::SeveralUris { count: 2 })));

    let other = Principal::bank("other", "bank-a").unwrap();
    let caller = server.call_hub(&trial.client(&shape(&other))).await.unwrap();
    assert!(matches!(caller.refused, Some(IdentityError::OtherFederation { .. })) && caller.principal.is_none());
}

#[tokio::test]
async fn certificates_that_are_not_genuine_do_not_get_in() {
    let (trial, stranger) = (Trial::new(), Trial::new());
    let server = start(&trial.server_tls(&shape(&hub()))).await;
    server.call_hub(&trial.client(&expired(&terminal()))).await.unwrap_err();
    server.call_hub(&trial.client_signed_by(&stranger, &shape(&terminal()))).await.unwrap_err();
    let server_only = CertificateShape { usage: crate::certificate::Usage::Server, ..shape(&terminal()) };
    server.call_hub(&trial.client(&server_only)).await.unwrap_err();
    assert!(server.callers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_takes_only_the_server_that_it_expects() {
    let trial = Trial::new();
    let client = trial.client(&shape(&hub()));
    let expect_a = || ServerIdentity::Spiffe(bank("bank-a"));
    let right = start(&trial.server_tls(&shape(&bank("bank-a")))).await;
    right.call(&client, expect_a()).await.unwrap();

    for (wrong, reason) in [
        (shape(&bank("bank-b")), "expected spiffe://demo/bank/bank-a, found spiffe://demo/bank/bank-b"),
        (shape(&hub()), "found spiffe://demo/hub"),
        (CertificateShape::bare(&SystemClock).reachable_as(&["127.0.0.1"]), "no URI"),
        (expired(&bank("bank-a")), "xpired"),
        (CertificateShape { usage: crate::certificate::Usage::Client, ..shape(&bank("bank-a")) }, "certificate"),
    ] {
        let server = start(&trial.server_tls(&wrong)).await;
        let refused = server.call(&client, expect_a()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(whole_error(&refused).contains(reason), "{}", whole_error(&refused));
    }
    let stranger = Trial::new();
    let server = start(&stranger.server_tls(&shape(&bank("bank-a")))).await;
    let refused = server.call(&client, expect_a()).await.unwrap_err();
    assert!(whole_error(&refused).contains("BadSignature"), "{}", whole_error(&refused));
}

#[tokio::test]
async fn a_server_may_also_be_expected_by_the_name_of_its_host() {
    let trial = Trial::new();
    let reachable = start(&trial.server_tls(&shape(&hub()).reachable_as(&["localhost", "127.0.0.1"]))).await;
    reachable.call(&trial.anonymous(), ServerIdentity::Host).await.unwrap();
    let elsewhere = start(&trial.server_tls(&shape(&hub()).reachable_as(&["hub.example"]))).await;
    elsewhere.call(&trial.anonymous(), ServerIdentity::Host).await.unwrap_err();
}

#[tokio::test]
async fn a_channel_connects_again_after_its_server_was_restarted() {
    let trial = Trial::new();
    let tls = trial.server_tls(&shape(&hub()));
    let server = start(&tls).await;
    let (addr, client) = (server.addr, trial.client(&shape(&terminal())));
    let channel = server.channel(&client, ServerIdentity::Spiffe(hub()));
    check(&channel).await.unwrap();
    assert_eq!(server.stop().await, Drained::Completely);
    check(&channel).await.unwrap_err();
    let server = start_at(addr, &tls, Duration::from_millis(300)).await;
    // The call that finds the connection broken may fail; from then on the channel is whole again.
    let _ = check(&channel).await;
    check(&channel).await.unwrap();
    assert_eq!(server.callers.lock().unwrap().last().unwrap().principal, Some(terminal()));
}

#[tokio::test]
async fn a_reload_takes_new_certificates_and_revocations_and_keeps_the_old_when_they_are_broken() {
    let trial = Trial::new();
    let lost = trial.authority.issue(&shape(&terminal())).unwrap();
    let list = |revoked: &[&CertifiedPem]| {
        fs::write(trial.path("ca.crl"), trial.authority.revocation_list(revoked, &SystemClock).unwrap()).unwrap();
    };
    list(&[]);
    let tls = trial.server_tls(&shape(&hub()));
    let server = start(&tls).await;
    lost.save(&trial.path("lost.crt"), &trial.path("lost.key")).unwrap();
    let files = ClientTlsConfig {
        server_ca: trial.path("ca.crt"),
        certificate: Some(trial.path("lost.crt")),
        key: Some(trial.key("lost")),
    };
    let holder = ClientTls::load(&files, FEDERATION).unwrap();
    server.call_hub(&holder).await.unwrap();

    list(&[&lost]);
    tls.reload().unwrap();
    server.call_hub(&holder).await.unwrap_err();
    server.call_hub(&trial.client(&shape(&terminal()))).await.unwrap();

    trial.save("server", &shape(&bank("bank-a")));
    tls.reload().unwrap();
    server.call(&trial.anonymous(), ServerIdentity::Spiffe(bank("bank-a"))).await.unwrap();

    fs::write(trial.path("server.crt"), "nonsense").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Pem { wanted: "certificate", .. })));
    server.call(&trial.anonymous(), ServerIdentity::Spiffe(bank("bank-a"))).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_never_says_anything_does_not_keep_others_out() {
    let trial = Trial::new();
    let server = start(&trial.server_tls(&shape(&hub()))).await;
    // The only place for a handshake is taken until its time is over.
    let _silent = TcpStream::connect(server.addr).await.unwrap();
    server.call_hub(&trial.client(&shape(&terminal()))).await.unwrap();
}

#[tokio::test]
async fn pages_and_calls_share_a_port_and_what_is_unknown_is_answered_in_the_callers_way() {
    let trial = Trial::new();
    let server = start(&trial.server_tls(&shape(&hub()).reachable_as(&["localhost"]))).await;
    assert!(page(&trial, server.addr, "/").await.ends_with("a page"));
    assert!(page(&trial, server.addr, "/nothing").await.starts_with("HTTP/1.1 404"));

    let mut grpc = tonic::client::Grpc::new(server.channel(&trial.anonymous(), ServerIdentity::Spiffe(hub())));
    grpc.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let unknown = http::uri::PathAndQuery::from_static("/bankhub.none.v1.None/Call");
    let refused = grpc.unary(Request::new(HealthCheckRequest::default()), unknown, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end_within_the_grace_period() {
    let trial = Trial::new();
    let server = start(&trial.server_tls(&shape(&hub()).reachable_as(&["localhost"]))).await;
    let addr = server.addr;
    let asking = tokio::spawn(async move { page(&trial, addr, "/never").await });
    server.never_asked.notified().await;
    assert_eq!(server.stop().await, Drained::Cut);
    assert_eq!(asking.await.unwrap(), "");
}

#[tokio::test]
async fn those_who_watch_the_health_do_not_hold_up_a_drain() {
    let trial = Trial::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let draining = CancellationToken::new();
    let tls = trial.server_tls(&shape(&hub()));
    let (server, health) = GrpcServer::new(listener, tls, Routes::default(), draining.clone()).with_health();
    let task = tokio::spawn(async move { server.run().await.unwrap() });
    health.set("bankhub.bank.v1.BankService", true).await;

    let expect = ServerIdentity::Spiffe(hub());
    let channel = trial.anonymous().channel(&endpoint, expect, &ChannelOptions::default()).unwrap();
    let request = HealthCheckRequest { service: "bankhub.bank.v1.BankService".to_owned() };
    let mut watch = HealthClient::new(channel).watch(request).await.unwrap().into_inner();
    let mut statuses = Vec::new();
    statuses.push(watch.message().await.unwrap().unwrap().status);
    draining.cancel();
    while let Ok(Some(answer)) = watch.message().await {
        statuses.push(answer.status);
    }
    // 1 is SERVING and 2 is NOT_SERVING.
    assert_eq!(statuses, [1, 2]);
    assert_eq!(task.await.unwrap(), Drained::Completely);
}

#[test]
fn half_an_identity_and_a_key_of_another_are_refused_when_they_are_loaded() {
    let trial = Trial::new();
    trial.save("a", &shape(&terminal()));
    trial.save("b", &shape(&terminal()));
    let files = |certificate: Option<&str>, key: Option<&str>| ClientTlsConfig {
        server_ca: trial.path("ca.crt"),
        certificate: certificate.map(|name| trial.path(&format!("{name}.crt"))),
        key: key.map(|name| trial.key(name)),
    };
    let load = |files| ClientTls::load(&files, FEDERATION);
    assert!(load(files(Some("a"), Some("a"))).is_ok());
    assert!(matches!(load(files(Some("a"), None)), Err(TlsError::HalfIdentity)));
    assert!(matches!(load(files(Some("a"), Some("b"))), Err(TlsError::Rustls(_))));
    assert!(matches!(load(files(Some("none"), Some("a"))), Err(TlsError::Unreadable { .. })));
    assert!(matches!(ClientTls::load(&files(None, None), "Not A Name"), Err(TlsError::Federation { .. })));
}

#[tokio::test]
async fn sighup_has_both_sides_read_their_certificates_again() {
    let trial = Trial::new();
    let (tls, client) = (trial.server_tls(&shape(&bank("bank-b"))), trial.client(&shape(&terminal())));
    let (server, stop) = (start(&tls).await, CancellationToken::new());
    let reloading = reload_on_hangup(tls.clone(), client.clone(), stop.clone()).unwrap();
    trial.save("server", &shape(&hub()));
    trial.save("client", &shape(&bank("bank-a")));
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
    let reached = async {
        loop {
            let _ = server.call_hub(&client).await;
            if server.callers.lock().unwrap().last().is_some_and(|peer| peer.principal == Some(bank("bank-a"))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("both are reloaded");
    stop.cancel();
    reloading.await.unwrap();
}

#[test]
fn a_caller_is_admitted_by_role_and_told_why_not() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    let peer = |principal, refused| Some(Arc::new(Peer { principal, refused, addr }));
    for (peer, allowed, outcome) in [
        (peer(Some(hub()), None), &[Role::Hub, Role::Operator][..], Ok(hub())),
        (peer(Some(hub()), None), &[Role::Operator][..], Err(Reason::RoleNotAllowed)),
        (peer(Some(hub()), None), &[][..], Err(Reason::RoleNotAllowed)),
        (peer(None, Some(IdentityError::NoUri)), &[Role::Hub][..], Err(Reason::CertificateRefused)),
        (peer(None, None), &[Role::Hub][..], Err(Reason::CertificateMissing)),
        (None, &[Role::Hub][..], Err(Reason::CertificateMissing)),
    ] {
        let mut request = Request::new(());
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        assert_eq!(caller(&request, allowed), outcome);
    }
}
