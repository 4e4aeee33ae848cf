//! The gRPC service that the hub calls, and the bank's own operators for what happens at the counter.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use domain::{AccountId, LegId, Reason};
use proto::bank;
use server_kit::clock::Stopwatch;
use server_kit::identity::{Principal, Role};
use server_kit::store::StoreError;
use server_kit::tls::caller;
use tonic::{Request, Response, Status};

use super::page::{self, Span};
use super::{Ledger, LedgerError, Place, wire};

/// The most legs on one page. A leg is some 160 bytes, and a message has at most 64 KiB.
const MOST_LEGS: i32 = 200;

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// The hub, which moves money for payments.
    Hub,
    /// The operators of this bank's counter.
    Counter,
    /// Both of them.
    Either,
}

/// `bankhub.bank.v1.BankService`.
#[derive(Clone, Debug)]
pub struct BankService {
    ledger: Ledger,
    /// The operators who may serve the counter. An operator of the hub is not yet one of this bank.
    counter: Arc<BTreeSet<String>>,
}

impl BankService {
    pub fn new(ledger: Ledger, counter: impl IntoIterator<Item = String>) -> Self {
        Self { ledger, counter: Arc::new(counter.into_iter().collect()) }
    }

    /// The service as the server takes it, with its limit on the size of messages.
    pub fn into_server(self) -> bank::bank_service_server::BankServiceServer<Self> {
        bank::bank_service_server::BankServiceServer::new(self).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }

    async fn list(&self, request: &bank::ListLegsRequest) -> Result<bank::ListLegsResponse, CallError> {
        let at = |at: &Option<_>| at.as_ref().map(proto::from_timestamp).ok_or(Reason::FieldMissing);
        let span = Span { from: at(&request.changed_from)?, before: at(&request.changed_before)? };
        let size = page_size(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => Place::before(span.from),
            token => page::read(&*self.ledger.keys, span, token).map_err(|error| error.reason())?,
        };
        // One more than asked for says whether there is a next page.
        let mut legs = self.ledger.legs_changed(after, span.before, size.saturating_add(1)).await?;
        let more = legs.len() > usize::try_from(size).unwrap_or(usize::MAX);
        if more {
            legs.pop();
        }
        let next_page_token = match legs.last().filter(|_| more) {
            Some(last) => page::write(&*self.ledger.keys, span, Place::of(last)).map_err(|error| {
                tracing::error!(%error, "a page token cannot be made");
                Reason::Fault
            })?,
            None => String::new(),
        };
        let digest_sha256 = wire::digest(&legs);
        Ok(bank::ListLegsResponse { legs: legs.iter().map(wire::to_leg).collect(), next_page_token, digest_sha256 })
    }
}

fn page_size(asked: i32) -> Result<i64, Reason> {
    match asked {
        0 => Ok(100),
        1..=MOST_LEGS => Ok(i64::from(asked)),
        _ => Err(Reason::PageSizeOutOfRange),
    }
}

/// Why a call fails.
#[derive(Debug)]
enum CallError {
    Reason(Reason),
    Store(StoreError),
}

impl From<Reason> for CallError {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

impl From<LedgerError> for CallError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(reason) => Self::Reason(reason),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}

impl CallError {
    /// What the caller is told. The particulars of a storage that fails are for the log only.
    fn reason(&self, call: &'static str) -> Reason {
        let error = match self {
            Self::Reason(reason) => return *reason,
            Self::Store(error) => error,
        };
        let reason = error.reason();
        if reason == Reason::Fault {
            tracing::error!(call, %error, "a call failed");
        } else {
            tracing::warn!(call, %error, reason = reason.code(), "the storage failed a call");
        }
        reason
    }
}

impl BankService {
    /// Who calls, if they may make this call.
    fn admit<T>(&self, access: Access, request: &Request<T>) -> Result<Principal, Reason> {
        let roles: &[Role] = match access {
            Access::Hub => &[Role::Hub],
            Access::Counter => &[Role::Operator],
            Access::Either => &[Role::Hub, Role::Operator],
        };
        let caller = caller(request, roles)?;
        if caller.role == Role::Operator && !self.counter.contains(&caller.id) {
            return Err(Reason::RoleNotAllowed);
        }
        Ok(caller)
    }

    /// Checks who calls, runs the call, measures it.
    async fn answer<T, R, F>(
        &self,
        call: &'static str,
        access: Access,
        request: Request<T>,
        run: impl FnOnce(T, Principal) -> F,
    ) -> Result<Response<R>, Status>
    where
        F: Future<Output = Result<R, CallError>>,
    {
        let watch = Stopwatch::start();
        let result = match self.admit(access, &request) {
            Ok(caller) => run(request.into_inner(), caller).await,
            Err(reason) => Err(reason.into()),
        };
        let result = result.map_err(|error| error.reason(call));
        let code = result.as_ref().err().map_or("OK", |reason| reason.code());
        metrics::histogram!("bankhub_bank_call_seconds", "call" => call).record(watch.elapsed());
        metrics::counter!("bankhub_bank_calls_total", "call" => call, "result" => code).increment(1);
        result.map(Response::new).map_err(proto::status)
    }
}

#[tonic::async_trait]
impl bank::bank_service_server::BankService for BankService {
    async fn hold_legs(
        &self,
        request: Request<bank::HoldLegsRequest>,
    ) -> Result<Response<bank::HoldLegsResponse>, Status> {
        self.answer("HoldLegs", Access::Hub, request, async |request, _| {
            let orders = wire::hold_orders(&request)?;
            let readable = orders.iter().filter_map(|order| order.as_ref().ok()).cloned().collect();
            let mut held = self.ledger.hold_all(readable).await?.into_iter();
            let results = orders.into_iter().map(|order| order.and_then(|_| held.next().ok_or(Reason::Fault)?));
            let results = request.holds.iter().zip(results);
            Ok(bank::HoldLegsResponse { results: results.map(|(hold, it)| wire::to_hold_result(hold, it)).collect() })
        })
        .await
    }

    async fn post_legs(
        &self,
        request: Request<bank::PostLegsRequest>,
    ) -> Result<Response<bank::PostLegsResponse>, Status> {
        self.answer("PostLegs", Access::Hub, request, async |request, _| {
            let results = self.ledger.post(wire::legs_to_post(&request)?).await?;
            Ok(bank::PostLegsResponse { results: results.iter().map(wire::to_post_result).collect() })
        })
        .await
    }

    async fn void_leg(
        &self,
        request: Request<bank::VoidLegRequest>,
    ) -> Result<Response<bank::VoidLegResponse>, Status> {
        self.answer("VoidLeg", Access::Hub, request, async |request, _| {
            let leg = self.ledger.void(wire::void_order(&request)?).await?;
            Ok(bank::VoidLegResponse { leg: Some(wire::to_leg(&leg)) })
        })
        .await
    }

    async fn refund_leg(
        &self,
        request: Request<bank::RefundLegRequest>,
    ) -> Result<Response<bank::RefundLegResponse>, Status> {
        self.answer("RefundLeg", Access::Hub, request, async |request, _| {
            let leg = self.ledger.refund(wire::refund_order(&request)?).await?;
            Ok(bank::RefundLegResponse { leg: Some(wire::to_answer(&leg)) })
        })
        .await
    }

    async fn get_leg(&self, request: Request<bank::GetLegRequest>) -> Result<Response<bank::GetLegResponse>, Status> {
        self.answer("GetLeg", Access::Hub, request, async |request, _| {
            let leg = self.ledger.leg(LegId::parse(&request.leg_id)?).await?;
            Ok(bank::GetLegResponse { leg: Some(wire::to_leg(&leg)) })
        })
        .await
    }

    async fn list_legs(
        &self,
        request: Request<bank::ListLegsRequest>,
    ) -> Result<Response<bank::ListLegsResponse>, Status> {
        self.answer("ListLegs", Access::Hub, request, async |request, _| self.list(&request).await).await
    }

    async fn open_account(
        &self,
        request: Request<bank::OpenAccountRequest>,
    ) -> Result<Response<bank::OpenAccountResponse>, Status> {
        self.answer("OpenAccount", Access::Counter, request, async |request, caller| {
            let account = self.ledger.open_account(wire::opening(&request)?, caller).await?;
            Ok(bank::OpenAccountResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn get_account(
        &self,
        request: Request<bank::GetAccountRequest>,
    ) -> Result<Response<bank::GetAccountResponse>, Status> {
        self.answer("GetAccount", Access::Either, request, async |request, _| {
            let account = self.ledger.account(AccountId::parse(&request.account_id)?).await?;
            Ok(bank::GetAccountResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn deposit_cash(
        &self,
        request: Request<bank::DepositCashRequest>,
    ) -> Result<Response<bank::DepositCashResponse>, Status> {
        self.answer("DepositCash", Access::Counter, request, async |request, caller| {
            let account = self.ledger.deposit_cash(wire::deposit(&request)?, caller).await?;
            Ok(bank::DepositCashResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn set_account_frozen(
        &self,
        request: Request<bank::SetAccountFrozenRequest>,
    ) -> Result<Response<bank::SetAccountFrozenResponse>, Status> {
        self.answer("SetAccountFrozen", Access::Counter, request, async |request, caller| {
            let account = self.ledger.set_frozen(wire::freeze_order(&request)?, caller).await?;
            Ok(bank::SetAccountFrozenResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }
}
