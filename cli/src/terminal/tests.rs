//! The terminal against a hub that answers, keeps silent and refuses as it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Currency, Money, PaymentId, PhoneNumber, Reason, TerminalId};
use proto::terminal::terminal_service_server::{TerminalService, TerminalServiceServer};
use proto::{common, terminal as pb};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use super::*;

/// What the hub does with one call.
#[derive(Clone, Copy, Debug)]
enum Act {
    Say(pb::PaymentState),
    /// The call arrives and is never answered.
    Silence,
    Refuse(Reason),
}

use pb::PaymentState::{Approved, AwaitingCode, Declined, Pending, Reversed};

/// The calls that arrived, as `name id`, and what is done with the next ones of each name.
#[derive(Clone, Default)]
struct FakeHub {
    arrived: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<Vec<(&'static str, Act)>>>,
}

impl FakeHub {
    /// The first line of the script for this call is used up; the last one stays.
    fn act(&self, call: &'static str) -> Act {
        let mut script = self.script.lock().unwrap();
        let at = script.iter().position(|(name, _)| *name == call);
        let Some(at) = at else { return Act::Silence };
        let is_last = script.iter().filter(|(name, _)| *name == call).count() == 1;
        if is_last { script[at].1 } else { script.remove(at).1 }
    }

    async fn answer(&self, call: &'static str, id: &str, note: &str) -> Result<Option<pb::Payment>, Status> {
        self.arrived.lock().unwrap().push(format!("{call} {note}").trim().to_owned());
        match self.act(call) {
            Act::Say(state) => Ok(Some(pb::Payment {
                payment_id: id.to_owned(),
                state: state.into(),
                amount: Some(common::Money { currency_code: "CNY".to_owned(), minor_units: 1250 }),
                ..pb::Payment::default()
            })),
            Act::Silence => std::future::pending().await,
            Act::Refuse(reason) => Err(proto::status(reason)),
        }
    }

    fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }

    fn does(&self, script: &[(&'static str, Act)]) {
        *self.script.lock().unwrap() = script.to_vec();
        self.arrived.lock().unwrap().clear();
    }

    async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder().add_service(TerminalServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        address
    }
}

macro_rules! answers {
    ($($method:ident $name:literal $request:ident $response:ident $id:ident $field:ident $note:expr;)*) => {
        #[tonic::async_trait]
        impl TerminalService for FakeHub {
            type WatchPaymentStream = tonic::codegen::BoxStream<pb::WatchPaymentResponse>;

            async fn watch_payment(
                &self,
                _: Request<pb::WatchPaymentRequest>,
            ) -> Result<Response<Self::WatchPaymentStream>, Status> {
                Err(proto::status(Reason::PaymentUnknown))
            }

            async fn publish_prices(
                &self,
                _: Request<pb::PublishPricesRequest>,
            ) -> Result<Response<pb::PublishPricesResponse>, Status> {
                Err(proto::status(Reason::LocationMalformed))
            }

            async fn inquire_balance(
                &self,
                _: Request<pb::InquireBalanceRequest>,
            ) -> Result<Response<pb::InquireBalanceResponse>, Status> {
                Err(proto::status(Reason::BinUnknown))
            }

            async fn create_errand(
                &self,
                _: Request<pb::CreateErrandRequest>,
            ) -> Result<Response<pb::CreateErrandResponse>, Status> {
                Err(proto::status(Reason::NumberNotServed))
            }

            async fn prove_errand(
                &self,
                _: Request<pb::ProveErrandRequest>,
            ) -> Result<Response<pb::ProveErrandResponse>, Status> {
                Err(proto::status(Reason::ErrandUnknown))
            }

            async fn get_errand(
                &self,
                _: Request<pb::GetErrandRequest>,
            ) -> Result<Response<pb::GetErrandResponse>, Status> {
                Err(proto::status(Reason::ErrandUnknown))
            }

            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                let request = request.into_inner();
                let note: fn(&pb::$request) -> String = $note;
                let answered = self.answer($name, &request.$id, &note(&request)).await?;
                Ok(Response::new(pb::$response { $field: answered }))
            })*
        }
    };
}

answers! {
    create_payment "create" CreatePaymentRequest CreatePaymentResponse payment_id payment |_| String::new();
    authorize_payment "authorize" AuthorizePaymentRequest AuthorizePaymentResponse payment_id payment
        |request| request.attempt_id.clone();
    resend_code "resend" ResendCodeRequest ResendCodeResponse payment_id payment |_| String::new();
    get_payment "get" GetPaymentRequest GetPaymentResponse payment_id payment |_| String::new();
    cancel_payment "cancel" CancelPaymentRequest CancelPaymentResponse payment_id payment |_| String::new();
    reverse_payment "reverse" ReversePaymentRequest ReversePaymentResponse payment_id payment |_| String::new();
    refund_payment "refund" RefundPaymentRequest RefundPaymentResponse refund_id refund |_| String::new();
    create_card_payment "card" CreateCardPaymentRequest CreateCardPaymentResponse payment_id payment
        |_| String::new();
    create_top_up "top-up" CreateTopUpRequest CreateTopUpResponse payment_id payment |_| String::new();
    complete_payment "complete" CompletePaymentRequest CompletePaymentResponse payment_id payment |_| String::new();
}

struct Bench {
    hub: FakeHub,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let hub = FakeHub::default();
        let address = hub.listen().await;
        Self { hub, address, folder: tempfile::tempdir().unwrap() }
    }

    fn terminal(&self) -> Terminal {
        self.terminal_at(self.address)
    }

    fn terminal_at(&self, hub: SocketAddr) -> Terminal {
        let options = TerminalOptions {
            call_timeout: Duration::from_millis(100),
            patience: Duration::from_millis(700),
            ..TerminalOptions::new(TerminalId::parse("till-1").unwrap(), self.folder.path().join("journal"))
        };
        Terminal::open(options, channel(hub)).unwrap()
    }

    fn journal(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("journal")).unwrap()).into_owned()
    }
}

fn channel(hub: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{hub}")).unwrap().connect_lazy()
}

fn order() -> Order {
    Order::new(PhoneNumber::parse("+8613800138000").unwrap(), Money::new(Currency::CNY, 1250))
}

fn proof() -> Proof {
    Proof::new("123456", "654321")
}

const AWAITING: [(&str, Act); 1] = [("create", Act::Say(AwaitingCode))];

#[tokio::test]
async fn a_payment_that_goes_well_leaves_nothing_open_and_no_secret_in_the_journal() {
    let bench = Bench::new().await;
    bench.hub.does(&[AWAITING[0], ("authorize", Act::Say(Approved))]);
    let terminal = bench.terminal();
    let paid = terminal.pay(&order(), async |_| Some(proof())).await.unwrap();
    assert_eq!(paid.state, PaymentState::Approved);
    assert!(terminal.open_payments().is_empty());
    drop(terminal);
    let journal = bench.journal();
    assert!(journal.contains(&paid.id.to_string()) && journal.contains("settled"));
    for secret in ["13800138000", "123456\"", "654321"] {
        assert!(!journal.contains(secret), "{journal}");
    }
}

#[tokio::test]
async fn a_lost_answer_to_the_request_is_asked_for_and_a_lost_request_is_sent_again() {
    let bench = Bench::new().await;
    let script = [("create", Act::Silence), AWAITING[0], ("get", Act::Refuse(Reason::PaymentUnknown))];
    bench.hub.does(&script);
    let begun = bench.terminal().begin(&order()).await.unwrap();
    assert_eq!(
        (begun.state, bench.hub.arrived()),
        (PaymentState::AwaitingCode, vec!["create".into(), "get".into(), "create".into()])
    );
    bench.hub.does(&[("create", Act::Silence), ("get", Act::Say(AwaitingCode))]);
    bench.terminal().begin(&order()).await.unwrap();
    assert_eq!(bench.hub.arrived(), ["create", "get"]);
}

#[tokio::test]
async fn a_try_without_an_answer_is_sent_again_as_the_same_try_even_after_a_restart() {
    let bench = Bench::new().await;
    bench.hub.does(&[AWAITING[0], ("authorize", Act::Silence)]);
    let terminal = bench.terminal();
    let id = terminal.begin(&order()).await.unwrap().id;
    // The terminal dies while it waits for the answer.
    let died = tokio::time::timeout(Duration::from_millis(60), terminal.authorize(id, &proof())).await;
    assert!(died.is_err());
    drop(terminal);
    let first = bench.hub.arrived().pop().unwrap();
    let script = [
        ("authorize", Act::Silence),
        ("authorize", Act::Say(AwaitingCode)),
        ("authorize", Act::Say(Approved)),
        ("get", Act::Say(AwaitingCode)),
    ];
    bench.hub.does(&script);
    let terminal = bench.terminal();
    let wrong = terminal.authorize(id, &proof()).await.unwrap();
    assert_eq!(wrong.state, PaymentState::AwaitingCode);
    let paid = terminal.authorize(id, &proof()).await.unwrap();
    assert_eq!(paid.state, PaymentState::Approved);
    let arrived = bench.hub.arrived();
    assert_eq!(arrived[..3], [first.clone(), "get".to_owned(), first.clone()]);
    assert!(
        arrived[3].starts_with("authorize ") && arrived[3] != first,
        "an answered try is not made again: {arrived:?}"
    );
}

#[tokio::test]
async fn a_terminal_that_gives_up_stores_the_reversal_and_sends_it_when_it_starts_again() {
    let bench = Bench::new().await;
    bench.hub.does(&[AWAITING[0], ("authorize", Act::Say(Pending)), ("get", Act::Say(Pending))]);
    let terminal = bench.terminal();
    let id = terminal.begin(&order()).await.unwrap().id;
    let gave_up = terminal.authorize(id, &proof()).await.unwrap_err();
    assert!(matches!(gave_up, TerminalError::Unknown { payment_id } if payment_id == id), "{gave_up}");
    assert_eq!(bench.hub.arrived().last().unwrap(), "reverse");
    drop(terminal);
    let terminal = bench.terminal();
    assert!(terminal.open_payments()[0].1.reversal_owed);
    // Still nobody answers: it is still owed.
    assert_eq!(terminal.flush().await.unwrap().left, [id]);
    bench.hub.does(&[("reverse", Act::Say(Reversed))]);
    assert_eq!(terminal.flush().await.unwrap().settled, [id]);
    assert!(terminal.open_payments().is_empty());
    drop(terminal);
    assert!(bench.terminal().open_payments().is_empty());
}

#[tokio::test]
async fn a_hub_that_takes_the_reversal_at_once_makes_the_outcome_known() {
    let bench = Bench::new().await;
    let script = [AWAITING[0], ("authorize", Act::Silence), ("get", Act::Silence), ("reverse", Act::Say(Declined))];
    bench.hub.does(&script);
    let terminal = bench.terminal();
    let id = terminal.begin(&order()).await.unwrap().id;
    let gave_up = terminal.authorize(id, &proof()).await.unwrap_err();
    assert!(matches!(&gave_up, TerminalError::GivenUp { payment, .. } if payment.state == PaymentState::Declined));
    assert!(terminal.open_payments().is_empty());
}

#[tokio::test]
async fn a_hub_that_cannot_be_reached_is_owed_nothing() {
    let bench = Bench::new().await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let terminal = bench.terminal_at(nobody);
    let error = terminal.begin(&order()).await.unwrap_err();
    assert!(matches!(error, TerminalError::Unreached(_)), "{error}");
    assert!(terminal.open_payments().is_empty());
}

#[tokio::test]
async fn what_the_hub_refuses_outright_is_told_by_reason_and_is_not_open() {
    let bench = Bench::new().await;
    bench.hub.does(&[("create", Act::Refuse(Reason::TerminalSuspended))]);
    let terminal = bench.terminal();
    let refused = terminal.begin(&order()).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::TerminalSuspended));
    assert!(terminal.open_payments().is_empty());
}

#[tokio::test]
async fn a_payment_that_was_begun_and_never_answered_is_asked_for_at_the_next_start() {
    let bench = Bench::new().await;
    bench.hub.does(&[("create", Act::Silence)]);
    let id = {
        let terminal = bench.terminal();
        let died = tokio::time::timeout(Duration::from_millis(60), terminal.begin(&order())).await;
        assert!(died.is_err());
        terminal.open_payments()[0].0
    };
    // The hub never saw it, and it may still be on its way: a reversal makes sure that it stays undone.
    bench.hub.does(&[("get", Act::Refuse(Reason::PaymentUnknown)), ("reverse", Act::Say(Reversed))]);
    let terminal = bench.terminal();
    assert_eq!(terminal.flush().await.unwrap().settled, [id]);
    assert_eq!(bench.hub.arrived(), ["get", "reverse"]);
}

#[tokio::test]
async fn a_refund_that_was_not_answered_is_sent_again_and_never_reversed() {
    let bench = Bench::new().await;
    bench.hub.does(&[("refund", Act::Silence), ("get", Act::Silence)]);
    let terminal = bench.terminal();
    let original = terminal.new_id().unwrap();
    let unknown = terminal.refund(original, Money::new(Currency::CNY, 1250)).await.unwrap_err();
    let TerminalError::Unknown { payment_id } = unknown else { panic!("{unknown}") };
    assert!(!bench.hub.arrived().contains(&"reverse".to_owned()));
    bench.hub.does(&[("refund", Act::Say(Approved))]);
    assert_eq!(terminal.flush().await.unwrap().settled, [payment_id]);
}

#[tokio::test]
async fn a_reversal_that_the_hub_will_never_take_is_told_and_not_sent_for_ever() {
    let bench = Bench::new().await;
    bench.hub.does(&[("reverse", Act::Refuse(Reason::NotReversible))]);
    let terminal = bench.terminal();
    let id = terminal.new_id().unwrap();
    let refused = terminal.reverse(id, Money::new(Currency::CNY, 1250)).await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::NotReversible));
    assert!(terminal.open_payments().is_empty());
}

/// Tests and the bench run many payments at once, so that every call must be able to move between threads.
#[tokio::test]
async fn every_call_can_be_spawned() {
    fn can_move<T: Send>(future: T) -> T {
        future
    }
    let bench = Bench::new().await;
    let terminal = Arc::new(bench.terminal());
    let (order, proof, id) = (order(), proof(), PaymentId::parse("0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f").unwrap());
    drop(can_move(terminal.begin(&order)));
    drop(can_move(terminal.authorize(id, &proof)));
    drop(can_move(terminal.reverse(id, order.amount)));
    drop(can_move(terminal.refund(id, order.amount)));
    drop(can_move(terminal.flush()));
    drop(can_move(terminal.watch(id, |_| {})));
}
