//! A small federation in one process: an authority, a bank's node as configured from a file, and a hub that answers
//! what a test tells it to.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proto::bank::bank_service_client::BankServiceClient;
use proto::counter::counter_service_client::CounterServiceClient;
use proto::federation;
use proto::federation::federation_service_server::{FederationService, FederationServiceServer};
use proto::federation::{
    InquireCreditHistoryRequest, InquireCreditHistoryResponse, LegVerdict, RegisterBinRangesRequest,
    RegisterBinRangesResponse, ReportBillsRequest, ReportBillsResponse, ReportPurchasesRequest,
    ReportPurchasesResponse, ResolveLegRequest, ResolveLegResponse,
};
use server_kit::certificate::{CertificateShape, TrialAuthority};
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::identity::{Principal, Role};
use server_kit::rng::{IdMaker, SystemRng};
use server_kit::serve::GrpcServer;
use server_kit::shutdown::Shutdown;
use server_kit::store::StoreError;
use server_kit::telemetry::detached_metrics;
use server_kit::tls::{ChannelOptions, ClientTls, ClientTlsConfig, ServerIdentity, ServerTls, ServerTlsConfig, peer};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::NEVER;
use super::report_desk::ReportDesk;
use crate::{Adapter, Config, RunError, Running};

pub(super) const FEDERATION: &str = "trial.example";

/// What a caller shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Hub,
    /// An operator of this bank's counter.
    Operator,
    /// An operator of the federation who has nothing to do with this bank.
    OtherOperator,
    Terminal,
    OtherBank,
    /// No certificate at all.
    Nobody,
    /// A genuine certificate that names nobody: it says `hub` in its common name only.
    CommonNameOnly,
}

pub(super) struct Federation {
    folder: TempDir,
    authority: TrialAuthority,
    pub(super) ids: IdMaker,
    /// Where bank A keeps its ledger.
    pub(super) database_url: String,
}

impl Federation {
    pub(super) fn new() -> Self {
        let mut federation = Self::on("");
        federation.database_url = format!("sqlite:{}", federation.path("bank.db").display());
        federation
    }

    /// A federation whose bank A keeps its ledger in a database of the test's own.
    pub(super) fn on(database_url: &str) -> Self {
        let authority = TrialAuthority::create("trial", &SystemClock).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), &authority.pem().certificate).unwrap();
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        let federation = Self { folder, authority, ids, database_url: database_url.to_owned() };
        federation.certify("hub", Principal::hub(FEDERATION).unwrap());
        federation.certify("bank-a", Principal::bank(FEDERATION, "bank-a").unwrap());
        federation.certify("bank-b", Principal::bank(FEDERATION, "bank-b").unwrap());
        federation.certify("operator", Principal::member(FEDERATION, Role::Operator, "op-1").unwrap());
        federation.certify("other-operator", Principal::member(FEDERATION, Role::Operator, "op-2").unwrap());
        federation.certify("terminal", Principal::member(FEDERATION, Role::Terminal, "t-1").unwrap());
        let shape = CertificateShape { common_name: Some("hub".to_owned()), ..CertificateShape::bare(&SystemClock) };
        federation.save("common-name", &shape);
        let mut options = std::fs::OpenOptions::new();
        let master = options.write(true).create_new(true).mode(0o600).open(federation.path("master")).unwrap();
        // 32 bytes of zero, in base64.
        write!(&master, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
        federation
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn certify(&self, name: &str, principal: Principal) {
        self.save(name, &CertificateShape::of(&principal, &SystemClock));
    }

    fn save(&self, name: &str, shape: &CertificateShape) {
        let pem = self.authority.issue(shape).unwrap();
        pem.save(&self.path(&format!("{name}.crt")), &self.path(&format!("{name}.key"))).unwrap();
    }

    /// The configuration of bank A, read as an operator writes it; `more` is appended.
    pub(super) fn config(&self, hub: SocketAddr, more: &str) -> Config {
        let (folder, database) = (self.folder.path().display(), &self.database_url);
        let text = format!(
            r#"
            federation = "{FEDERATION}"
            bank_id = "bank-a"
            listen = "127.0.0.1:0"
            ports_file = "{folder}/ports.json"

            [tls]
            certificate = "{folder}/bank-a.crt"
            key = "file:{folder}/bank-a.key"
            client_ca = "{folder}/ca.crt"

            [database]
            url = "{database}"

            [keys]
            file = "{folder}/bank.keys"
            master = "file:{folder}/master"

            [hub]
            endpoint = "https://{hub}"

            [ops]
            listen = "127.0.0.1:0"

            [counter]
            operators = ["op-1"]
            {more}"#
        );
        let file = self.path("bank.toml");
        std::fs::write(&file, text).unwrap();
        server_kit::config::load(Some(&file), "BANKHUB_TEST_WIRE_", &[]).unwrap()
    }

    /// Starts bank A.
    pub(super) async fn bank(&self, hub: SocketAddr, more: &str) -> Node {
        self.start(self.config(hub, more)).await
    }

    /// Starts a node with this configuration.
    pub(super) async fn start(&self, config: Config) -> Node {
        self.try_start(config).await.unwrap()
    }

    pub(super) async fn try_start(&self, config: Config) -> Result<Node, RunError> {
        let shutdown = Shutdown::manual();
        let adapter = Adapter::build(config, detached_metrics().unwrap(), &shutdown).await?;
        let running = adapter.running();
        let served = tokio::spawn(adapter.serve(shutdown.clone()));
        Ok(Node { running, shutdown, served })
    }

    /// Starts bank A again, by the configuration that it had last, once whoever had its ledger has let go of it.
    pub(super) async fn start_again(&self) -> Node {
        once_free(async || self.try_start(load(&self.path("bank.toml"))).await).await
    }

    /// Bank A's service for the hub, called as somebody.
    pub(super) fn call(&self, node: &Node, caller: Caller) -> BankServiceClient<Channel> {
        BankServiceClient::new(self.channel(node, caller))
    }

    /// Bank A's counter, called as somebody.
    pub(super) fn counter(&self, node: &Node, caller: Caller) -> CounterServiceClient<Channel> {
        CounterServiceClient::new(self.channel(node, caller))
    }

    fn channel(&self, node: &Node, caller: Caller) -> Channel {
        let name = match caller {
            Caller::Hub => Some("hub"),
            Caller::Operator => Some("operator"),
            Caller::OtherOperator => Some("other-operator"),
            Caller::Terminal => Some("terminal"),
            Caller::OtherBank => Some("bank-b"),
            Caller::CommonNameOnly => Some("common-name"),
            Caller::Nobody => None,
        };
        let files = ClientTlsConfig {
            server_ca: self.path("ca.crt"),
            certificate: name.map(|name| self.path(&format!("{name}.crt"))),
            key: name.map(|name| SecretRef::File(self.path(&format!("{name}.key")))),
        };
        let tls = ClientTls::load(&files, FEDERATION).unwrap();
        let expected = ServerIdentity::Spiffe(Principal::bank(FEDERATION, "bank-a").unwrap());
        let endpoint = format!("https://{}", node.running.grpc_addr);
        tls.channel(&endpoint, expected, &ChannelOptions::default()).unwrap()
    }

    /// Starts a hub that answers from `verdicts`, and that a leg is unknown otherwise.
    pub(super) async fn hub(&self, verdicts: Verdicts) -> SocketAddr {
        self.hub_with(verdicts, Arc::default()).await
    }

    /// Starts a hub that takes in reports at this desk.
    pub(super) async fn hub_with(&self, verdicts: Verdicts, desk: Arc<ReportDesk>) -> SocketAddr {
        let files = ServerTlsConfig {
            certificate: self.path("hub.crt"),
            key: SecretRef::File(self.path("hub.key")),
            client_ca: self.path("ca.crt"),
            revocation: None,
        };
        let tls = ServerTls::load(&files, FEDERATION).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let routes = Routes::new(FederationServiceServer::new(TrialHub { verdicts, desk }));
        tokio::spawn(GrpcServer::new(listener, tls, routes, Shutdown::manual().draining()).run());
        addr
    }
}

/// Opens a ledger again. Whoever had it before has ended and may not have let go of it yet.
pub(super) async fn once_free<T, E: Into<RunError>>(open: impl AsyncFn() -> Result<T, E>) -> T {
    let opening = async {
        loop {
            match open().await.map_err(Into::into) {
                Ok(opened) => return opened,
                Err(RunError::Store(StoreError::InUse { .. })) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(NEVER, opening).await.expect("the ledger is free")
}

pub(super) fn load(config: &Path) -> Config {
    server_kit::config::load(Some(config), "BANKHUB_TEST_WIRE_", &[]).unwrap()
}

/// A bank's node that runs in a task.
pub(super) struct Node {
    pub(super) running: Running,
    pub(super) shutdown: Shutdown,
    served: JoinHandle<Result<(), RunError>>,
}

impl Node {
    /// One that another process runs.
    #[cfg(feature = "fault-points")]
    pub(super) fn of_another_process(running: Running) -> Self {
        Self { running, shutdown: Shutdown::manual(), served: tokio::spawn(async { Ok(()) }) }
    }

    /// Drains the node and waits for its end.
    pub(super) async fn stop(self) -> Result<(), RunError> {
        self.shutdown.drain();
        self.ended().await
    }

    /// Waits for the node to end by itself.
    pub(super) async fn ended(self) -> Result<(), RunError> {
        tokio::time::timeout(Duration::from_secs(20), self.served).await.expect("it ends").unwrap()
    }
}

pub(super) type Verdicts = Arc<Mutex<BTreeMap<String, LegVerdict>>>;

struct TrialHub {
    verdicts: Verdicts,
    desk: Arc<ReportDesk>,
}

#[tonic::async_trait]
impl FederationService for TrialHub {
    async fn register_bin_ranges(
        &self,
        _: Request<RegisterBinRangesRequest>,
    ) -> Result<Response<RegisterBinRangesResponse>, Status> {
        Ok(Response::new(RegisterBinRangesResponse { ranges: Vec::new() }))
    }

    async fn report_purchases(
        &self,
        request: Request<ReportPurchasesRequest>,
    ) -> Result<Response<ReportPurchasesResponse>, Status> {
        self.desk.take(request.into_inner()).map(Response::new)
    }

    async fn inquire_credit_history(
        &self,
        _: Request<InquireCreditHistoryRequest>,
    ) -> Result<Response<InquireCreditHistoryResponse>, Status> {
        Ok(Response::new(InquireCreditHistoryResponse::default()))
    }

    async fn report_bills(
        &self,
        request: Request<ReportBillsRequest>,
    ) -> Result<Response<ReportBillsResponse>, Status> {
        self.desk.bills.take(request.into_inner()).map(Response::new)
    }

    async fn inquire_habits(
        &self,
        _: Request<federation::InquireHabitsRequest>,
    ) -> Result<Response<federation::InquireHabitsResponse>, Status> {
        Ok(Response::new(federation::InquireHabitsResponse::default()))
    }

    async fn file_offer(
        &self,
        _: Request<federation::FileOfferRequest>,
    ) -> Result<Response<federation::FileOfferResponse>, Status> {
        Ok(Response::new(federation::FileOfferResponse::default()))
    }

    async fn withdraw_offer(
        &self,
        _: Request<federation::WithdrawOfferRequest>,
    ) -> Result<Response<federation::WithdrawOfferResponse>, Status> {
        Ok(Response::new(federation::WithdrawOfferResponse::default()))
    }

    async fn list_offers(
        &self,
        _: Request<federation::ListOffersRequest>,
    ) -> Result<Response<federation::ListOffersResponse>, Status> {
        Ok(Response::new(federation::ListOffersResponse::default()))
    }

    async fn get_offer(
        &self,
        _: Request<federation::GetOfferRequest>,
    ) -> Result<Response<federation::GetOfferResponse>, Status> {
        Ok(Response::new(federation::GetOfferResponse::default()))
    }

    async fn allow_safety_code(
        &self,
        request: Request<federation::AllowSafetyCodeRequest>,
    ) -> Result<Response<federation::AllowSafetyCodeResponse>, Status> {
        let message = request.into_inner();
        let wanted = ("operator/op-1", "ID card and photo");
        assert_eq!(
            (message.checked_by.as_str(), message.checked_how.as_str()),
            wanted,
            "the hub hears who has checked"
        );
        let open_until = Some(proto::to_timestamp(domain::Timestamp::from_secs(1_790_000_000)));
        Ok(Response::new(federation::AllowSafetyCodeResponse { open_until }))
    }

    async fn resolve_leg(&self, request: Request<ResolveLegRequest>) -> Result<Response<ResolveLegResponse>, Status> {
        let principal = peer(&request).and_then(|peer| peer.principal.clone());
        assert_eq!(principal, Some(Principal::bank(FEDERATION, "bank-a").unwrap()), "the bank says who it is");
        let verdicts = self.verdicts.lock().unwrap();
        let verdict = verdicts.get(&request.into_inner().leg_id).copied().unwrap_or(LegVerdict::Wait);
        Ok(Response::new(ResolveLegResponse { verdict: verdict.into() }))
    }
}
