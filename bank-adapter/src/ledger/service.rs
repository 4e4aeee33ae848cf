//! The gRPC service that the hub calls, and operators for what happens at the counter.

use std::future::Future;

use domain::{AccountId, LegId, Reason};
use proto::bank;
use server_kit::clock::Stopwatch;
use server_kit::identity::Role;
use server_kit::store::StoreError;
use server_kit::tls::peer;
use tonic::{Request, Response, Status};

use super::page::{self, Span};
use super::{Ledger, LedgerError, Place, wire};

/// Who may move money.
const HUB: &[Role] = &[Role::Hub];
/// Who may do what is done at the counter.
const COUNTER: &[Role] = &[Role::Hub, Role::Operator];

/// `bankhub.bank.v1.BankService`.
#[derive(Clone, Debug)]
pub struct BankService {
    ledger: Ledger,
}

impl BankService {
    pub const fn new(ledger: Ledger) -> Self {
        Self { ledger }
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
        1..=500 => Ok(i64::from(asked)),
        ..0 => Err(Reason::FieldUnknown),
        501.. => Err(Reason::TooManyItems),
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
        match error {
            StoreError::Full => Reason::TooBusy,
            StoreError::Away(_) | StoreError::CommitUnknown(_) | StoreError::Conflict => {
                tracing::warn!(call, %error, "the storage does not answer");
                Reason::StorageAway
            }
            StoreError::Stopped => Reason::ShuttingDown,
            StoreError::Fenced { .. } | StoreError::Owned { .. } => {
                tracing::error!(call, %error, "this process may no longer write");
                Reason::ShuttingDown
            }
            _ => {
                tracing::error!(call, %error, "a call failed");
                Reason::Fault
            }
        }
    }
}

/// Whether the caller has one of these roles. The federation is the right one: others name nobody here.
fn check_role<T>(request: &Request<T>, allowed: &[Role]) -> Result<(), Reason> {
    let Some(peer) = peer(request) else {
        return Err(Reason::CertificateMissing);
    };
    let Some(principal) = &peer.principal else {
        return Err(if peer.refused.is_some() { Reason::CertificateRefused } else { Reason::CertificateMissing });
    };
    if allowed.contains(&principal.role) { Ok(()) } else { Err(Reason::RoleNotAllowed) }
}

/// Checks the role, runs the call, measures it.
async fn answer<T, R, F>(
    call: &'static str,
    allowed: &[Role],
    request: Request<T>,
    run: impl FnOnce(T) -> F,
) -> Result<Response<R>, Status>
where
    F: Future<Output = Result<R, CallError>>,
{
    let watch = Stopwatch::start();
    let result = match check_role(&request, allowed) {
        Ok(()) => run(request.into_inner()).await,
        Err(reason) => Err(reason.into()),
    };
    let result = result.map_err(|error| error.reason(call));
    let code = result.as_ref().err().map_or("OK", |reason| reason.code());
    metrics::histogram!("bankhub_bank_call_seconds", "call" => call).record(watch.elapsed());
    metrics::counter!("bankhub_bank_calls_total", "call" => call, "result" => code).increment(1);
    result.map(Response::new).map_err(proto::status)
}

#[tonic::async_trait]
impl bank::bank_service_server::BankService for BankService {
    async fn hold_leg(
        &self,
        request: Request<bank::HoldLegRequest>,
    ) -> Result<Response<bank::HoldLegResponse>, Status> {
        answer("HoldLeg", HUB, request, async |request| {
            let leg = self.ledger.hold(wire::hold_order(&request)?).await?;
            Ok(bank::HoldLegResponse { leg: Some(wire::to_answer(&leg)) })
        })
        .await
    }

    async fn post_legs(
        &self,
        request: Request<bank::PostLegsRequest>,
    ) -> Result<Response<bank::PostLegsResponse>, Status> {
        answer("PostLegs", HUB, request, async |request| {
            let results = self.ledger.post(wire::legs_to_post(&request)?).await?;
            Ok(bank::PostLegsResponse { results: results.iter().map(wire::to_post_result).collect() })
        })
        .await
    }

    async fn void_leg(
        &self,
        request: Request<bank::VoidLegRequest>,
    ) -> Result<Response<bank::VoidLegResponse>, Status> {
        answer("VoidLeg", HUB, request, async |request| {
            let leg = self.ledger.void(wire::void_order(&request)?).await?;
            Ok(bank::VoidLegResponse { leg: Some(wire::to_leg(&leg)) })
        })
        .await
    }

    async fn refund_leg(
        &self,
        request: Request<bank::RefundLegRequest>,
    ) -> Result<Response<bank::RefundLegResponse>, Status> {
        answer("RefundLeg", HUB, request, async |request| {
            let leg = self.ledger.refund(wire::refund_order(&request)?).await?;
            Ok(bank::RefundLegResponse { leg: Some(wire::to_answer(&leg)) })
        })
        .await
    }

    async fn get_leg(&self, request: Request<bank::GetLegRequest>) -> Result<Response<bank::GetLegResponse>, Status> {
        answer("GetLeg", HUB, request, async |request| {
            let leg = self.ledger.leg(LegId::parse(&request.leg_id)?).await?;
            Ok(bank::GetLegResponse { leg: Some(wire::to_leg(&leg)) })
        })
        .await
    }

    async fn list_legs(
        &self,
        request: Request<bank::ListLegsRequest>,
    ) -> Result<Response<bank::ListLegsResponse>, Status> {
        answer("ListLegs", HUB, request, async |request| self.list(&request).await).await
    }

    async fn open_account(
        &self,
        request: Request<bank::OpenAccountRequest>,
    ) -> Result<Response<bank::OpenAccountResponse>, Status> {
        answer("OpenAccount", COUNTER, request, async |request| {
            let account = self.ledger.open_account(wire::opening(&request)?).await?;
            Ok(bank::OpenAccountResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn get_account(
        &self,
        request: Request<bank::GetAccountRequest>,
    ) -> Result<Response<bank::GetAccountResponse>, Status> {
        answer("GetAccount", COUNTER, request, async |request| {
            let account = self.ledger.account(AccountId::parse(&request.account_id)?).await?;
            Ok(bank::GetAccountResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn deposit_cash(
        &self,
        request: Request<bank::DepositCashRequest>,
    ) -> Result<Response<bank::DepositCashResponse>, Status> {
        answer("DepositCash", COUNTER, request, async |request| {
            let account = self.ledger.deposit_cash(wire::deposit(&request)?).await?;
            Ok(bank::DepositCashResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }

    async fn set_account_frozen(
        &self,
        request: Request<bank::SetAccountFrozenRequest>,
    ) -> Result<Response<bank::SetAccountFrozenResponse>, Status> {
        answer("SetAccountFrozen", COUNTER, request, async |request| {
            let account = self.ledger.set_frozen(wire::freeze_order(&request)?).await?;
            Ok(bank::SetAccountFrozenResponse { account: Some(wire::to_account(&account)) })
        })
        .await
    }
}
