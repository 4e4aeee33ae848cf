//! Somebody on the wire between hub and bank who knows which call passes, and cuts the link just before the bank gets it, or
//! after the bank has acted and before the hub hears of it, or makes the answer one that this version does not know.
//!
//! The hub speaks to a relay, the relay to this server under the bank's name, and this server to the bank under the hub's.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bankhub::init::Authority;
use bankhub::profile::Link;
use bankhub::trial::Federation;
use domain::BankId;
use proto::bank::bank_service_client::BankServiceClient;
use proto::bank::bank_service_server::{BankService, BankServiceServer};
use proto::bank::*;
use proto::counter;
use proto::counter::counter_service_client::CounterServiceClient;
use proto::counter::counter_service_server::{CounterService, CounterServiceServer};
use server_kit::config::SecretRef;
use server_kit::identity::Role;
use server_kit::serve::GrpcServer;
use server_kit::tls::{ServerTls, ServerTlsConfig};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::relay::Relay;

/// A call of the hub at a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Hold,
    Post,
    Void,
    GiveBack,
}

/// Where the link is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The bank never hears of the call.
    Before,
    /// The bank has acted; the hub never hears of it.
    After,
    /// The bank has acted, and the hub hears of a state that no version knows yet.
    Garbled,
}

/// A state that no version knows yet.
const NO_SUCH_STATE: i32 = 99;

/// An answer whose legs can be made to stand nowhere that is known.
trait Garble {
    fn garble(&mut self);
}

impl Garble for HoldLegsResponse {
    fn garble(&mut self) {
        self.results.iter_mut().filter_map(|result| result.leg.as_mut()).for_each(|leg| leg.state = NO_SUCH_STATE);
    }
}

impl Garble for PostLegsResponse {
    fn garble(&mut self) {
        self.results.iter_mut().for_each(|result| result.state = NO_SUCH_STATE);
    }
}

impl Garble for VoidLegResponse {
    fn garble(&mut self) {
        self.leg.iter_mut().for_each(|leg| leg.state = NO_SUCH_STATE);
    }
}

impl Garble for RefundLegResponse {
    fn garble(&mut self) {
        self.leg.iter_mut().for_each(|leg| leg.state = NO_SUCH_STATE);
    }
}

/// The cuts that are to come, and the relay that makes them.
#[derive(Clone, Debug)]
pub struct Scissors {
    planned: Arc<Mutex<Vec<(Call, Moment)>>>,
    relay: Relay,
}

impl Scissors {
    /// Cuts the link at the next such call.
    pub fn cut_at(&self, call: Call, moment: Moment) {
        self.planned().push((call, moment));
    }

    /// Whether all cuts have been made.
    pub fn are_done(&self) -> bool {
        self.planned().is_empty()
    }

    fn planned(&self) -> std::sync::MutexGuard<'_, Vec<(Call, Moment)>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something is planned for this place; it is done once.
    fn is_due(&self, call: Call, moment: Moment) -> bool {
        let mut planned = self.planned();
        let due = planned.iter().position(|plan| *plan == (call, moment));
        due.map(|at| planned.remove(at)).is_some()
    }

    /// Cuts if this is the place. A call that was cut is never answered.
    async fn pass(&self, call: Call, moment: Moment) {
        if self.is_due(call, moment) {
            self.relay.cut();
            std::future::pending::<()>().await;
        }
    }

    fn garble<M: Garble>(&self, call: Call, mut answer: Response<M>) -> Response<M> {
        if self.is_due(call, Moment::Garbled) {
            answer.get_mut().garble();
        }
        answer
    }
}

/// The server in the middle.
#[derive(Debug)]
pub struct Interposed {
    pub scissors: Scissors,
    _serving: DropGuard,
}

impl Interposed {
    /// Puts itself between `relay` and the bank at `bank_endpoint`, with certificates of both in `folder`.
    pub async fn start(
        authority: &Authority,
        bank: &BankId,
        bank_endpoint: &str,
        relay: &Relay,
        folder: &Path,
    ) -> Self {
        let client = |role, id: &str, name: &str| {
            let member = authority.member(role, id, &folder.join(name), &["127.0.0.1"]).unwrap();
            let channel = Link::new(authority.federation(), &Federation::client_tls(&member)).unwrap();
            channel.bank(bank, bank_endpoint).unwrap()
        };
        let service = Middle {
            bank: BankServiceClient::new(client(Role::Hub, "", "as-hub")),
            counter: CounterServiceClient::new(client(Role::Operator, "founder", "as-operator")),
            scissors: Scissors { planned: Arc::default(), relay: relay.clone() },
        };
        let itself = authority.member(Role::Bank, bank.as_str(), &folder.join("as-bank"), &["127.0.0.1"]).unwrap();
        let files = ServerTlsConfig {
            certificate: itself.certificate(),
            key: SecretRef::File(itself.key()),
            client_ca: itself.authority(),
            revocation: None,
        };
        let tls = ServerTls::load(&files, authority.federation()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr: SocketAddr = listener.local_addr().unwrap();
        let scissors = service.scissors.clone();
        let stop = CancellationToken::new();
        let routes = Routes::new(BankServiceServer::new(service.clone()));
        let routes = routes.add_service(CounterServiceServer::new(service));
        let server = GrpcServer::new(listener, tls, routes, stop.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(server.run()));
        relay.point_to(Some(addr));
        Self { scissors, _serving: stop.drop_guard() }
    }
}

#[derive(Clone, Debug)]
struct Middle {
    bank: BankServiceClient<Channel>,
    /// For what is done at the bank's counter, which the hub may not do.
    counter: CounterServiceClient<Channel>,
    scissors: Scissors,
}

macro_rules! middle {
    ($service:ident: $($client:ident.$name:ident($request:ty) -> $response:ty $(, $call:expr)?;)*) => {
        #[tonic::async_trait]
        impl $service for Middle {
            $(async fn $name(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                $(self.scissors.pass($call, Moment::Before).await;)?
                let answer = self.$client.clone().$name(request.into_inner()).await;
                $(self.scissors.pass($call, Moment::After).await;
                let answer = answer.map(|answer| self.scissors.garble($call, answer));)?
                answer
            })*
        }
    };
}

middle! {
    BankService:
    bank.hold_legs(HoldLegsRequest) -> HoldLegsResponse, Call::Hold;
    bank.post_legs(PostLegsRequest) -> PostLegsResponse, Call::Post;
    bank.void_leg(VoidLegRequest) -> VoidLegResponse, Call::Void;
    bank.refund_leg(RefundLegRequest) -> RefundLegResponse, Call::GiveBack;
    bank.complete_leg(CompleteLegRequest) -> CompleteLegResponse;
    bank.inquire_balance(InquireBalanceRequest) -> InquireBalanceResponse;
    bank.get_leg(GetLegRequest) -> GetLegResponse;
    bank.list_legs(ListLegsRequest) -> ListLegsResponse;
    bank.get_account(GetAccountRequest) -> GetAccountResponse;
    bank.get_card(GetCardRequest) -> GetCardResponse;
    bank.follow_instrument(FollowInstrumentRequest) -> FollowInstrumentResponse;
    bank.follow_orders(FollowOrdersRequest) -> FollowOrdersResponse;
    bank.prove_card(ProveCardRequest) -> ProveCardResponse;
    bank.open_account(OpenAccountRequest) -> OpenAccountResponse;
}

middle! {
    CounterService:
    counter.open_account(counter::OpenAccountRequest) -> counter::OpenAccountResponse;
    counter.get_account(counter::GetAccountRequest) -> counter::GetAccountResponse;
    counter.deposit_cash(counter::DepositCashRequest) -> counter::DepositCashResponse;
    counter.set_account_frozen(counter::SetAccountFrozenRequest) -> counter::SetAccountFrozenResponse;
    counter.issue_card(counter::IssueCardRequest) -> counter::IssueCardResponse;
    counter.get_card(counter::GetCardRequest) -> counter::GetCardResponse;
    counter.activate_card(counter::ActivateCardRequest) -> counter::ActivateCardResponse;
    counter.set_card_frozen(counter::SetCardFrozenRequest) -> counter::SetCardFrozenResponse;
    counter.report_card_lost(counter::ReportCardLostRequest) -> counter::ReportCardLostResponse;
    counter.replace_card(counter::ReplaceCardRequest) -> counter::ReplaceCardResponse;
    counter.close_card(counter::CloseCardRequest) -> counter::CloseCardResponse;
    counter.set_pin(counter::SetPinRequest) -> counter::SetPinResponse;
    counter.close_days(counter::CloseDaysRequest) -> counter::CloseDaysResponse;
    counter.list_statements(counter::ListStatementsRequest) -> counter::ListStatementsResponse;
    counter.explain_leg(counter::ExplainLegRequest) -> counter::ExplainLegResponse;
    counter.list_stuck_advices(counter::ListStuckAdvicesRequest) -> counter::ListStuckAdvicesResponse;
    counter.retell_advice(counter::RetellAdviceRequest) -> counter::RetellAdviceResponse;
    counter.hold_network_charge(counter::HoldNetworkChargeRequest) -> counter::HoldNetworkChargeResponse;
    counter.post_network_charge(counter::PostNetworkChargeRequest) -> counter::PostNetworkChargeResponse;
    counter.post_offline_network_charge(counter::PostOfflineNetworkChargeRequest)
        -> counter::PostOfflineNetworkChargeResponse;
    counter.void_network_charge(counter::VoidNetworkChargeRequest) -> counter::VoidNetworkChargeResponse;
    counter.refund_network_charge(counter::RefundNetworkChargeRequest) -> counter::RefundNetworkChargeResponse;
    counter.get_reporting(counter::GetReportingRequest) -> counter::GetReportingResponse;
    counter.inquire_credit_history(counter::InquireCreditHistoryRequest) -> counter::InquireCreditHistoryResponse;
    counter.file_offer(counter::FileOfferRequest) -> counter::FileOfferResponse;
    counter.withdraw_offer(counter::WithdrawOfferRequest) -> counter::WithdrawOfferResponse;
    counter.list_offers(counter::ListOffersRequest) -> counter::ListOffersResponse;
    counter.get_offer(counter::GetOfferRequest) -> counter::GetOfferResponse;
    counter.inquire_habits(counter::InquireHabitsRequest) -> counter::InquireHabitsResponse;
    counter.allow_safety_code(counter::AllowSafetyCodeRequest) -> counter::AllowSafetyCodeResponse;
    counter.list_keys(counter::ListKeysRequest) -> counter::ListKeysResponse;
    counter.retire_key_version(counter::RetireKeyVersionRequest) -> counter::RetireKeyVersionResponse;
}
