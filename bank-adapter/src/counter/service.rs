//! The gRPC service of the bank's counter.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use domain::ledger::Account;
use domain::{AccountId, CardId, LegId, Reason, Timestamp};
use proto::counter;
use server_kit::clock::SharedClock;
use server_kit::identity::{Principal, Role};
use server_kit::rotation::Rotation;
use tonic::{Request, Response, Status};

use super::identity::IdentityDesk;
use super::inquiry::InquiryDesk;
use super::offers::HubDesk;
use super::wire;
use crate::call::{CallError, Calls};
use crate::card::Cards;
use crate::credit::{self, DayCloser};
use crate::credit_system::PinState;
use crate::ledger::card_steps::CardChange;
use crate::ledger::{CreditSystem, HubClient, Ledger, PageAsked};
use crate::network::NetworkDesk;
use crate::report;

const CALLS: Calls = Calls { service: "counter", role: Role::Operator };

/// `bankhub.counter.v1.CounterService`.
#[derive(Clone, Debug)]
pub struct CounterService {
    ledger: Ledger,
    /// A bank may have none.
    cards: Option<Cards>,
    /// None where an existing credit system keeps the credit accounts.
    closer: Option<DayCloser>,
    credit: Arc<dyn CreditSystem>,
    network: NetworkDesk,
    inquiries: InquiryDesk,
    hub: HubDesk,
    identities: IdentityDesk,
    rotation: Rotation,
    /// The operators who may serve the counter. An operator of the hub is not yet one of this bank.
    operators: Arc<BTreeSet<String>>,
}

impl CounterService {
    pub(crate) fn new(
        ledger: Ledger,
        cards: Option<Cards>,
        (closer, credit): (Option<DayCloser>, Arc<dyn CreditSystem>),
        (clock, hub): (SharedClock, HubClient),
        rotation: Rotation,
        operators: impl IntoIterator<Item = String>,
    ) -> Self {
        let network = NetworkDesk::new(ledger.clone(), credit.clone(), clock);
        let identities = IdentityDesk::new(ledger.clone(), hub.clone());
        let (inquiries, hub) = (InquiryDesk::new(ledger.clone(), hub.clone()), HubDesk::at(hub));
        let operators = Arc::new(operators.into_iter().collect());
        Self { ledger, cards, closer, credit, network, inquiries, hub, identities, rotation, operators }
    }

    fn cards(&self) -> Result<&Cards, Reason> {
        self.cards.as_ref().ok_or(Reason::CardsNotServed)
    }

    /// The card afterwards, for an answer.
    async fn card(&self, id: CardId) -> Result<counter::Card, CallError> {
        let cards = self.cards()?;
        let (card, has_pin) = cards.card(id).await?;
        Ok(wire::to_card(&card, has_pin, cards.now()))
    }

    /// Takes a card through one of its transitions; gives the card afterwards, and when that was stored.
    async fn change(
        &self,
        card_id: &str,
        change: CardChange,
        by: Principal,
    ) -> Result<(counter::Card, Timestamp), CallError> {
        let id = CardId::parse(card_id)?;
        let (_, at) = self.cards()?.change(id, change, by).await?;
        Ok((self.card(id).await?, at))
    }

    /// The service as the server takes it, with its limit on the size of messages.
    pub fn into_server(self) -> counter::counter_service_server::CounterServiceServer<Self> {
        counter::counter_service_server::CounterServiceServer::new(self)
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }

    /// The account, and of a credit account what was agreed on.
    async fn told(&self, account: &Account) -> Result<counter::Account, CallError> {
        let credit_line = match account.credit {
            Some(line) => Some(credit::to_credit_line(line, &self.ledger.agreement(account.id).await?)),
            None => None,
        };
        Ok(counter::Account { credit_line, ..wire::to_account(account) })
    }

    async fn answer<T, R, F>(
        &self,
        call: &'static str,
        request: Request<T>,
        run: impl FnOnce(T, Principal) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, CallError>>,
    {
        let admit = |caller: &Principal| match self.operators.contains(&caller.id) {
            true => Ok(()),
            false => Err(Reason::RoleNotAllowed),
        };
        CALLS.answer(call, request, admit, run).await
    }
}

#[tonic::async_trait]
impl counter::counter_service_server::CounterService for CounterService {
    async fn open_account(
        &self,
        request: Request<counter::OpenAccountRequest>,
    ) -> Result<Response<counter::OpenAccountResponse>, Status> {
        self.answer("OpenAccount", request, async |request, caller| {
            let opening = wire::opening(&request)?;
            let account = match request.kind() {
                counter::AccountKind::Deposit => self.ledger.open_account(opening, caller).await?,
                counter::AccountKind::Savings => self.ledger.open_savings_account(opening, caller).await?,
                counter::AccountKind::Credit => {
                    let (new, agreement) = credit::agreement(request.credit_line.as_ref())?;
                    self.ledger.open_credit_account(opening, new, agreement, caller).await?
                }
                counter::AccountKind::Unspecified => return Err(Reason::FieldUnknown.into()),
            };
            Ok(counter::OpenAccountResponse { account: Some(self.told(&account).await?) })
        })
        .await
    }

    async fn get_account(
        &self,
        request: Request<counter::GetAccountRequest>,
    ) -> Result<Response<counter::GetAccountResponse>, Status> {
        self.answer("GetAccount", request, async |request, _| {
            let account = self.ledger.account(AccountId::parse(&request.account_id)?).await?;
            Ok(counter::GetAccountResponse { account: Some(self.told(&account).await?) })
        })
        .await
    }

    async fn deposit_cash(
        &self,
        request: Request<counter::DepositCashRequest>,
    ) -> Result<Response<counter::DepositCashResponse>, Status> {
        self.answer("DepositCash", request, async |request, caller| {
            let account = self.ledger.deposit_cash(wire::deposit(&request)?, caller).await?;
            Ok(counter::DepositCashResponse { account: Some(self.told(&account).await?) })
        })
        .await
    }

    async fn set_account_frozen(
        &self,
        request: Request<counter::SetAccountFrozenRequest>,
    ) -> Result<Response<counter::SetAccountFrozenResponse>, Status> {
        self.answer("SetAccountFrozen", request, async |request, caller| {
            let account = self.ledger.set_frozen(wire::freeze_order(&request)?, caller).await?;
            Ok(counter::SetAccountFrozenResponse { account: Some(self.told(&account).await?) })
        })
        .await
    }

    async fn issue_card(
        &self,
        request: Request<counter::IssueCardRequest>,
    ) -> Result<Response<counter::IssueCardResponse>, Status> {
        self.answer("IssueCard", request, async |request, caller| {
            let (card, face) = self.cards()?.issue(wire::issuing(&request)?, caller).await?;
            let card = self.card(card.id).await?;
            Ok(counter::IssueCardResponse { card: Some(card), face: Some(wire::to_face(&face)) })
        })
        .await
    }

    async fn get_card(
        &self,
        request: Request<counter::GetCardRequest>,
    ) -> Result<Response<counter::GetCardResponse>, Status> {
        self.answer("GetCard", request, async |request, _| {
            Ok(counter::GetCardResponse { card: Some(self.card(CardId::parse(&request.card_id)?).await?) })
        })
        .await
    }

    async fn activate_card(
        &self,
        request: Request<counter::ActivateCardRequest>,
    ) -> Result<Response<counter::ActivateCardResponse>, Status> {
        self.answer("ActivateCard", request, async |request, caller| {
            let (card, _) = self.change(&request.card_id, CardChange::Activate, caller).await?;
            Ok(counter::ActivateCardResponse { card: Some(card) })
        })
        .await
    }

    async fn set_card_frozen(
        &self,
        request: Request<counter::SetCardFrozenRequest>,
    ) -> Result<Response<counter::SetCardFrozenResponse>, Status> {
        self.answer("SetCardFrozen", request, async |request, caller| {
            let (card, at) = self.change(&request.card_id, CardChange::Freeze(request.frozen), caller).await?;
            let effective_at = Some(proto::to_timestamp(at));
            Ok(counter::SetCardFrozenResponse { card: Some(card), effective_at })
        })
        .await
    }

    async fn report_card_lost(
        &self,
        request: Request<counter::ReportCardLostRequest>,
    ) -> Result<Response<counter::ReportCardLostResponse>, Status> {
        self.answer("ReportCardLost", request, async |request, caller| {
            let (card, _) = self.change(&request.card_id, CardChange::ReportLost, caller).await?;
            Ok(counter::ReportCardLostResponse { card: Some(card) })
        })
        .await
    }

    async fn replace_card(
        &self,
        request: Request<counter::ReplaceCardRequest>,
    ) -> Result<Response<counter::ReplaceCardResponse>, Status> {
        self.answer("ReplaceCard", request, async |request, caller| {
            let (old, new) = (CardId::parse(&request.card_id)?, CardId::parse(&request.new_card_id)?);
            let (card, face) = self.cards()?.replace(old, new, caller).await?;
            let card = self.card(card.id).await?;
            Ok(counter::ReplaceCardResponse { card: Some(card), face: Some(wire::to_face(&face)) })
        })
        .await
    }

    async fn close_card(
        &self,
        request: Request<counter::CloseCardRequest>,
    ) -> Result<Response<counter::CloseCardResponse>, Status> {
        self.answer("CloseCard", request, async |request, caller| {
            let (card, _) = self.change(&request.card_id, CardChange::Close, caller).await?;
            Ok(counter::CloseCardResponse { card: Some(card) })
        })
        .await
    }

    async fn set_pin(
        &self,
        request: Request<counter::SetPinRequest>,
    ) -> Result<Response<counter::SetPinResponse>, Status> {
        self.answer("SetPin", request, async |request, caller| {
            let setting = wire::pin_setting(&request)?;
            let card_id = setting.ids.0;
            let change = match self.credit.set_pin(self.cards()?, setting, caller).await? {
                PinState::Done => counter::PinChange::Done,
                PinState::Asking => counter::PinChange::Pending,
                PinState::Refused(_) => counter::PinChange::Refused,
            };
            let card = self.card(card_id).await?;
            Ok(counter::SetPinResponse { change: change.into(), card: Some(card) })
        })
        .await
    }

    async fn close_days(
        &self,
        request: Request<counter::CloseDaysRequest>,
    ) -> Result<Response<counter::CloseDaysResponse>, Status> {
        self.answer("CloseDays", request, async |request, caller| {
            let closer = self.closer.as_ref().ok_or(Reason::NatureUnsupported)?;
            let through = credit::read_day(&request.through)?.unwrap_or_else(|| closer.yesterday());
            Ok(credit::to_closed(&closer.close(through, &caller).await?))
        })
        .await
    }

    async fn list_statements(
        &self,
        request: Request<counter::ListStatementsRequest>,
    ) -> Result<Response<counter::ListStatementsResponse>, Status> {
        self.answer("ListStatements", request, async |request, _| {
            let statements = self.ledger.statements(credit::list_request(&request)?).await?;
            Ok(counter::ListStatementsResponse { statements: statements.iter().map(credit::to_statement).collect() })
        })
        .await
    }

    async fn explain_leg(
        &self,
        request: Request<counter::ExplainLegRequest>,
    ) -> Result<Response<counter::ExplainLegResponse>, Status> {
        self.answer("ExplainLeg", request, async |request, _| {
            Ok(wire::explanation(&self.ledger.leg(LegId::parse(&request.leg_id)?).await?))
        })
        .await
    }

    async fn hold_network_charge(
        &self,
        request: Request<counter::HoldNetworkChargeRequest>,
    ) -> Result<Response<counter::HoldNetworkChargeResponse>, Status> {
        self.answer("HoldNetworkCharge", request, async |request, _| self.network.hold(&request).await).await
    }

    async fn post_network_charge(
        &self,
        request: Request<counter::PostNetworkChargeRequest>,
    ) -> Result<Response<counter::PostNetworkChargeResponse>, Status> {
        self.answer("PostNetworkCharge", request, async |request, _| self.network.post(&request).await).await
    }

    async fn post_offline_network_charge(
        &self,
        request: Request<counter::PostOfflineNetworkChargeRequest>,
    ) -> Result<Response<counter::PostOfflineNetworkChargeResponse>, Status> {
        self.answer("PostOfflineNetworkCharge", request, async |request, _| self.network.post_offline(&request).await)
            .await
    }

    async fn void_network_charge(
        &self,
        request: Request<counter::VoidNetworkChargeRequest>,
    ) -> Result<Response<counter::VoidNetworkChargeResponse>, Status> {
        self.answer("VoidNetworkCharge", request, async |request, _| self.network.void(&request).await).await
    }

    async fn refund_network_charge(
        &self,
        request: Request<counter::RefundNetworkChargeRequest>,
    ) -> Result<Response<counter::RefundNetworkChargeResponse>, Status> {
        self.answer("RefundNetworkCharge", request, async |request, _| self.network.refund(&request).await).await
    }

    async fn get_reporting(
        &self,
        request: Request<counter::GetReportingRequest>,
    ) -> Result<Response<counter::GetReportingResponse>, Status> {
        self.answer("GetReporting", request, async |_, _| Ok(report::progress(self.ledger.store()).await?)).await
    }

    async fn inquire_credit_history(
        &self,
        request: Request<counter::InquireCreditHistoryRequest>,
    ) -> Result<Response<counter::InquireCreditHistoryResponse>, Status> {
        self.answer("InquireCreditHistory", request, async |request, by| self.inquiries.inquire(request, by).await)
            .await
    }

    async fn list_stuck_advices(
        &self,
        request: Request<counter::ListStuckAdvicesRequest>,
    ) -> Result<Response<counter::ListStuckAdvicesResponse>, Status> {
        self.answer("ListStuckAdvices", request, async |request, _| {
            let asked = PageAsked::read(request.page_size, request.page_token)?;
            let (stuck, next_page_token) = self.credit.stuck(asked).await?;
            let advices = stuck.iter().map(wire::to_stuck).collect();
            Ok(counter::ListStuckAdvicesResponse { advices, next_page_token })
        })
        .await
    }

    async fn retell_advice(
        &self,
        request: Request<counter::RetellAdviceRequest>,
    ) -> Result<Response<counter::RetellAdviceResponse>, Status> {
        self.answer("RetellAdvice", request, async |request, caller| {
            Ok(wire::to_retold(self.credit.retell(wire::advice_key(&request)?, caller).await?))
        })
        .await
    }
    async fn file_offer(
        &self,
        request: Request<counter::FileOfferRequest>,
    ) -> Result<Response<counter::FileOfferResponse>, Status> {
        self.answer("FileOffer", request, async |request, caller| Ok(self.hub.file(request, &caller).await?)).await
    }

    async fn withdraw_offer(
        &self,
        request: Request<counter::WithdrawOfferRequest>,
    ) -> Result<Response<counter::WithdrawOfferResponse>, Status> {
        self.answer("WithdrawOffer", request, async |request, caller| Ok(self.hub.withdraw(request, &caller).await?))
            .await
    }

    async fn list_offers(
        &self,
        request: Request<counter::ListOffersRequest>,
    ) -> Result<Response<counter::ListOffersResponse>, Status> {
        self.answer("ListOffers", request, async |request, _| Ok(self.hub.list(request).await?)).await
    }

    async fn get_offer(
        &self,
        request: Request<counter::GetOfferRequest>,
    ) -> Result<Response<counter::GetOfferResponse>, Status> {
        self.answer("GetOffer", request, async |request, _| Ok(self.hub.get(request).await?)).await
    }

    async fn inquire_habits(
        &self,
        request: Request<counter::InquireHabitsRequest>,
    ) -> Result<Response<counter::InquireHabitsResponse>, Status> {
        self.answer("InquireHabits", request, async |request, caller| {
            Ok(self.hub.inquire_habits(request, &caller).await?)
        })
        .await
    }

    async fn allow_safety_code(
        &self,
        request: Request<counter::AllowSafetyCodeRequest>,
    ) -> Result<Response<counter::AllowSafetyCodeResponse>, Status> {
        self.answer("AllowSafetyCode", request, async |request, caller| self.identities.checked(request, caller).await)
            .await
    }

    async fn list_keys(
        &self,
        request: Request<counter::ListKeysRequest>,
    ) -> Result<Response<counter::ListKeysResponse>, Status> {
        self.answer("ListKeys", request, async |_, _| {
            let domain::key_rotation::Status { keys, columns } = self.rotation.status().await?;
            Ok(counter::ListKeysResponse {
                keys: keys.into_iter().map(Into::into).collect(),
                columns: columns.into_iter().map(Into::into).collect(),
            })
        })
        .await
    }

    async fn retire_key_version(
        &self,
        request: Request<counter::RetireKeyVersionRequest>,
    ) -> Result<Response<counter::RetireKeyVersionResponse>, Status> {
        self.answer("RetireKeyVersion", request, async |request, caller| {
            self.rotation.retire(&request.key, request.version, &caller.id).await??;
            Ok(counter::RetireKeyVersionResponse {})
        })
        .await
    }
}
