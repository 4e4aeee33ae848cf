//! The OperatorService: who is asking, what they ask, how it stands afterwards.

mod parts;
mod within;

use std::sync::Arc;

use domain::operator::Act;
use domain::{PaymentId, PersonId, Reason};
use futures_util::stream::BoxStream;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService;
use server_kit::rng::digits;
use server_kit::rotation::Rotation;
use tonic::{Request, Response, Status, Streaming};
pub(super) use within::mismatch;
use within::{operator, operator_id};
use zeroize::Zeroizing;

use super::banks::RegisterBank;
use super::bindings::Asked;
use super::bins::SuspendBins;
use super::changes::{Change, Done};
use super::merchants::RegisterMerchant;
use super::persons::{ENROLMENT_CODE_DIGITS, IssueEnrolmentCode, RegisterPerson};
use super::terminals::{RegisterTerminal, SuspendTerminal};
use super::{BankInstruments, Directory, banks, inspect, merchants, terminals};
use crate::clearing::Clearing;
use crate::credit_history::CreditHistory;
use crate::fees::Fees;
use crate::freeze::Freezes;
use crate::limits::PaymentLimits;
use crate::network::Routing;
use crate::notify::{Notices, wire};
use crate::offers::Offers;
use crate::operators::{self, Operators};
use crate::people::People;
use crate::safety_code::SafetyCodes;
use crate::sign_up::SignUps;
use crate::store_status::{fault, store_status};

/// What operators call. Cheap to clone.
#[derive(Clone)]
pub struct OperatorApi {
    directory: Directory,
    pub(super) instruments: Arc<dyn BankInstruments>,
    notices: Notices,
    /// These and all that follow: what is not there in a test of the directory alone.
    served: Option<(Offers, CreditHistory)>,
    lost: Option<(Freezes, SafetyCodes)>,
    sign_ups: Option<SignUps>,
    /// Whether a call may be made at all is found out before it comes here.
    operators: Option<Operators>,
    limits: Option<PaymentLimits>,
    clearing: Option<Clearing>,
    fees: Option<Fees>,
    people: Option<People>,
    routing: Option<Routing>,
    keys: Option<Rotation>,
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OperatorService for OperatorApi {
    async fn register_bank(&self, request: Request<pb::RegisterBankRequest>) -> Answered<pb::RegisterBankResponse> {
        let operator = operator(&request)?;
        let change = RegisterBank::read(request.into_inner()).map_err(proto::status)?;
        match self.change(operator, Change::Bank(change)).await? {
            Done::Bank(bank) => Ok(Response::new(pb::RegisterBankResponse { bank: Some(banks::to_pb(&bank)) })),
            other => Err(mismatch(&other)),
        }
    }

    async fn list_banks(&self, request: Request<pb::ListBanksRequest>) -> Answered<pb::ListBanksResponse> {
        operator(&request)?;
        let banks = self.directory.banks().await.map_err(|error| store_status(&error))?;
        Ok(Response::new(pb::ListBanksResponse { banks: banks.iter().map(banks::to_pb).collect() }))
    }

    async fn register_merchant(
        &self,
        request: Request<pb::RegisterMerchantRequest>,
    ) -> Answered<pb::RegisterMerchantResponse> {
        let operator = operator(&request)?;
        let change = RegisterMerchant::read(request.into_inner()).map_err(proto::status)?;
        match self.change(operator, Change::Merchant(change)).await? {
            Done::Merchant(merchant) => {
                Ok(Response::new(pb::RegisterMerchantResponse { merchant: Some(merchants::to_pb(&merchant)) }))
            }
            other => Err(mismatch(&other)),
        }
    }

    async fn register_terminal(
        &self,
        request: Request<pb::RegisterTerminalRequest>,
    ) -> Answered<pb::RegisterTerminalResponse> {
        let operator = operator(&request)?;
        let change = RegisterTerminal::read(request.into_inner()).map_err(proto::status)?;
        match self.change(operator, Change::Terminal(change)).await? {
            Done::Terminal(terminal) => {
                Ok(Response::new(pb::RegisterTerminalResponse { terminal: Some(terminals::to_pb(&terminal)) }))
            }
            other => Err(mismatch(&other)),
        }
    }

    async fn set_terminal_suspended(
        &self,
        request: Request<pb::SetTerminalSuspendedRequest>,
    ) -> Answered<pb::SetTerminalSuspendedResponse> {
        let operator = operator(&request)?;
        let change = SuspendTerminal::read(request.get_ref()).map_err(proto::status)?;
        match self.change(operator, Change::Suspension(change)).await? {
            Done::Terminal(terminal) => {
                Ok(Response::new(pb::SetTerminalSuspendedResponse { terminal: Some(terminals::to_pb(&terminal)) }))
            }
            other => Err(mismatch(&other)),
        }
    }

    async fn set_pin_pad_key(&self, request: Request<pb::SetPinPadKeyRequest>) -> Answered<pb::SetPinPadKeyResponse> {
        self.set_pad_key(operator(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn register_person(
        &self,
        request: Request<pb::RegisterPersonRequest>,
    ) -> Answered<pb::RegisterPersonResponse> {
        let operator = operator(&request)?;
        let change = RegisterPerson::read(request.get_ref()).map_err(proto::status)?;
        let person_id = change.person_id;
        match self.change(operator, Change::Person(change)).await? {
            Done::Person => Ok(Response::new(pb::RegisterPersonResponse { person_id: person_id.to_string() })),
            other => Err(mismatch(&other)),
        }
    }

    async fn bind_card(&self, request: Request<pb::BindCardRequest>) -> Answered<pb::BindCardResponse> {
        let operator = operator(&request)?;
        let asked = Asked::card(request.get_ref()).map_err(proto::status)?;
        self.keep_number(&asked, Zeroizing::new(request.into_inner().card_number)).await?;
        let card_masked = self.bind(operator, asked).await?;
        Ok(Response::new(pb::BindCardResponse { card_masked }))
    }

    async fn bind_account(&self, request: Request<pb::BindAccountRequest>) -> Answered<pb::BindAccountResponse> {
        let operator = operator(&request)?;
        let asked = Asked::account(request.get_ref()).map_err(proto::status)?;
        let account_masked = self.bind(operator, asked).await?;
        Ok(Response::new(pb::BindAccountResponse { account_masked }))
    }

    async fn issue_enrolment_code(
        &self,
        request: Request<pb::IssueEnrolmentCodeRequest>,
    ) -> Answered<pb::IssueEnrolmentCodeResponse> {
        let operator = operator(&request)?;
        let person_id = PersonId::parse(&request.get_ref().person_id).map_err(proto::status)?;
        let parts = &self.directory.parts;
        let code = digits(&*parts.rng, ENROLMENT_CODE_DIGITS).map_err(|error| fault(&error))?;
        let ttl = self.directory.options.enrolment_code_ttl;
        let change = IssueEnrolmentCode::new(&*parts.keys, person_id, &code, ttl).map_err(|error| fault(&error))?;
        match self.change(operator, Change::EnrolmentCode(change)).await? {
            Done::EnrolmentCode { expires_at } => Ok(Response::new(pb::IssueEnrolmentCodeResponse {
                enrolment_code: code,
                expires_at: Some(proto::to_timestamp(expires_at)),
            })),
            other => Err(mismatch(&other)),
        }
    }

    async fn inspect_payment(
        &self,
        request: Request<pb::InspectPaymentRequest>,
    ) -> Answered<pb::InspectPaymentResponse> {
        operator(&request)?;
        let id = PaymentId::parse(&request.get_ref().payment_id).map_err(proto::status)?;
        let found = inspect::inspect(&self.directory.parts.store, id).await.map_err(|error| store_status(&error))?;
        found.map(Response::new).ok_or_else(|| proto::status(Reason::PaymentUnknown))
    }

    async fn get_overview(&self, request: Request<pb::GetOverviewRequest>) -> Answered<pb::GetOverviewResponse> {
        operator(&request)?;
        let parts = &self.directory.parts;
        let overview = inspect::overview(&parts.store, parts.clock.now()).await;
        overview.map(Response::new).map_err(|error| store_status(&error))
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Answered<pb::ListDeadLettersResponse> {
        operator(&request)?;
        let (before, size) = wire::page_of(request.get_ref()).map_err(proto::status)?;
        // One more than the page has, to know whether there is another page.
        let dead = self.notices.dead_letters(before, size.saturating_add(1)).await;
        let dead = dead.map_err(|error| store_status(&error))?;
        Ok(Response::new(wire::dead_letters(dead, size)))
    }

    async fn retry_dead_letter(
        &self,
        request: Request<pb::RetryDeadLetterRequest>,
    ) -> Answered<pb::RetryDeadLetterResponse> {
        let operator = operator(&request)?;
        let notice = wire::notice_id_of(&request.get_ref().notice_id).map_err(proto::status)?;
        let retried = self.notices.retry(notice, &operator).await.map_err(|error| store_status(&error))?;
        retried.map(|()| Response::new(pb::RetryDeadLetterResponse {})).map_err(proto::status)
    }
    async fn start_offer(&self, request: Request<pb::StartOfferRequest>) -> Answered<pb::StartOfferResponse> {
        let operator = operator(&request)?;
        let started = self.offers()?.start_one(operator, request.get_ref()).await;
        started.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn withdraw_offer(&self, request: Request<pb::WithdrawOfferRequest>) -> Answered<pb::WithdrawOfferResponse> {
        let operator = operator(&request)?;
        let taken_out = self.offers()?.take_out(&operator, request.get_ref()).await;
        taken_out.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn list_offers(&self, request: Request<pb::ListOffersRequest>) -> Answered<pb::ListOffersResponse> {
        operator(&request)?;
        let listed = self.offers()?.list_all(request.get_ref()).await;
        listed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn find_person(&self, request: Request<pb::FindPersonRequest>) -> Answered<pb::FindPersonResponse> {
        let operator = operator_id(&request)?;
        let role = self.operators()?.allowed(&operator, Act::FindPerson).await.map_err(proto::status)?;
        self.people()?.find((operator, role), request.get_ref()).await.map(Response::new)
    }

    async fn list_person_payments(
        &self,
        request: Request<pb::ListPersonPaymentsRequest>,
    ) -> Answered<pb::ListPersonPaymentsResponse> {
        let operator = operator_id(&request)?;
        self.inquiries()?.person_payments(operator, request.get_ref()).await.map(Response::new)
    }

    async fn allow_safety_code(
        &self,
        request: Request<pb::AllowSafetyCodeRequest>,
    ) -> Answered<pb::AllowSafetyCodeResponse> {
        let operator = operator(&request)?;
        let allowed = self.safety_codes()?.allow_for_operator(&operator, request.get_ref()).await;
        allowed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn freeze_instruments(
        &self,
        request: Request<pb::FreezeInstrumentsRequest>,
    ) -> Answered<pb::FreezeInstrumentsResponse> {
        let operator = operator(&request)?;
        self.freezes()?.freeze_lost(&operator, request.get_ref()).await.map(Response::new)
    }

    async fn register_carrier(
        &self,
        request: Request<pb::RegisterCarrierRequest>,
    ) -> Answered<pb::RegisterCarrierResponse> {
        let operator = operator(&request)?;
        self.sign_ups()?.register_carrier(operator, request.into_inner()).await.map(Response::new)
    }

    async fn list_carriers(&self, request: Request<pb::ListCarriersRequest>) -> Answered<pb::ListCarriersResponse> {
        operator(&request)?;
        self.sign_ups()?.list_carriers().await.map(Response::new)
    }

    async fn inspect_sign_up(&self, request: Request<pb::InspectSignUpRequest>) -> Answered<pb::InspectSignUpResponse> {
        operator(&request)?;
        self.sign_ups()?.inspect(request.get_ref()).await.map(Response::new)
    }

    async fn retry_all_dead_letters(
        &self,
        request: Request<pb::RetryAllDeadLettersRequest>,
    ) -> Answered<pb::RetryAllDeadLettersResponse> {
        let operator = operator(&request)?;
        let retried = self.notices.retry_all(&operator).await.map_err(|error| store_status(&error))?;
        Ok(Response::new(pb::RetryAllDeadLettersResponse { retried: i32::try_from(retried).unwrap_or(i32::MAX) }))
    }

    async fn set_operator(&self, request: Request<pb::SetOperatorRequest>) -> Answered<pb::SetOperatorResponse> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.set_operator(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn set_console_sign_in(
        &self,
        request: Request<pb::SetConsoleSignInRequest>,
    ) -> Answered<pb::SetConsoleSignInResponse> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.set_console_sign_in(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn propose_act(&self, request: Request<pb::ProposeActRequest>) -> Answered<pb::ProposeActResponse> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.propose_act(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn refuse_proposal(
        &self,
        request: Request<pb::RefuseProposalRequest>,
    ) -> Answered<pb::RefuseProposalResponse> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.refuse_proposal(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn approve_proposal(
        &self,
        request: Request<pb::ApproveProposalRequest>,
    ) -> Answered<pb::ApproveProposalResponse> {
        let operator = operator_id(&request)?;
        let id = operators::proposal_id(&request.get_ref().proposal_id).map_err(proto::status)?;
        let approved = self.approve(self.operators()?, operator, id).await.map_err(proto::status)?;
        Ok(Response::new(pb::ApproveProposalResponse { proposal: Some(operators::proposal(&approved)) }))
    }

    async fn list_operators(&self, request: Request<pb::ListOperatorsRequest>) -> Answered<pb::ListOperatorsResponse> {
        operator(&request)?;
        self.operators()?.list_operators().await.map(Response::new).map_err(proto::status)
    }

    async fn list_proposals(&self, request: Request<pb::ListProposalsRequest>) -> Answered<pb::ListProposalsResponse> {
        operator(&request)?;
        self.operators()?.list_proposals(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_lookup_budgets(
        &self,
        request: Request<pb::ListLookupBudgetsRequest>,
    ) -> Answered<pb::ListLookupBudgetsResponse> {
        operator(&request)?;
        let listed = self.directory.lookups().list_page(request.get_ref()).await;
        listed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn fill_lookup_budget(
        &self,
        request: Request<pb::FillLookupBudgetRequest>,
    ) -> Answered<pb::FillLookupBudgetResponse> {
        let operator = operator(&request)?;
        let asked = request.get_ref();
        self.fill_lookups(&asked.scope, &asked.id, &operator).await.map_err(proto::status)?;
        Ok(Response::new(pb::FillLookupBudgetResponse {}))
    }

    async fn list_limits(&self, request: Request<pb::ListLimitsRequest>) -> Answered<pb::ListLimitsResponse> {
        operator(&request)?;
        self.limits()?.list_all().await.map(Response::new).map_err(proto::status)
    }

    async fn lower_limit(&self, request: Request<pb::LowerLimitRequest>) -> Answered<pb::LowerLimitResponse> {
        let operator = operator_id(&request)?;
        self.limits()?.lower(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn raise_limit(&self, request: Request<pb::RaiseLimitRequest>) -> Answered<pb::RaiseLimitResponse> {
        let operator = operator_id(&request)?;
        self.limits()?.raise(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_bin_ranges(&self, request: Request<pb::ListBinRangesRequest>) -> Answered<pb::ListBinRangesResponse> {
        operator(&request)?;
        self.bin_ranges().await.map(Response::new).map_err(|error| store_status(&error))
    }

    async fn set_bin_suspended(
        &self,
        request: Request<pb::SetBinSuspendedRequest>,
    ) -> Answered<pb::SetBinSuspendedResponse> {
        let operator = operator(&request)?;
        let change = SuspendBins::read(request.get_ref()).map_err(proto::status)?;
        match self.change(operator, Change::Bins(change)).await? {
            Done::Bins => Ok(Response::new(pb::SetBinSuspendedResponse {})),
            other => Err(mismatch(&other)),
        }
    }

    async fn find_log_lines(&self, request: Request<pb::FindLogLinesRequest>) -> Answered<pb::FindLogLinesResponse> {
        operator(&request)?;
        self.operators()?.find_log_lines(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_bank_debts(&self, request: Request<pb::ListBankDebtsRequest>) -> Answered<pb::ListBankDebtsResponse> {
        operator(&request)?;
        self.clearing()?.list_debts(request.get_ref()).await.map(Response::new)
    }

    type ExportClearingFileStream = BoxStream<'static, Result<pb::ExportClearingFileResponse, Status>>;

    async fn export_clearing_file(
        &self,
        request: Request<pb::ExportClearingFileRequest>,
    ) -> Answered<Self::ExportClearingFileStream> {
        let operator = operator(&request)?;
        self.clearing()?.export_file(request.get_ref(), &operator).await.map(Response::new)
    }

    type CheckClearingFileStream = BoxStream<'static, Result<pb::CheckClearingFileResponse, Status>>;

    async fn check_clearing_file(
        &self,
        request: Request<Streaming<pb::CheckClearingFileRequest>>,
    ) -> Answered<Self::CheckClearingFileStream> {
        let operator = operator(&request)?;
        self.clearing()?.check_file(request.into_inner(), &operator).await.map(Response::new)
    }

    async fn list_fee_schedules(
        &self,
        request: Request<pb::ListFeeSchedulesRequest>,
    ) -> Answered<pb::ListFeeSchedulesResponse> {
        operator(&request)?;
        self.fees()?.list_schedules(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn set_fee_schedule(
        &self,
        request: Request<pb::SetFeeScheduleRequest>,
    ) -> Answered<pb::SetFeeScheduleResponse> {
        let operator = operator_id(&request)?;
        self.fees()?.set_schedule(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn withdraw_fee_schedule(
        &self,
        request: Request<pb::WithdrawFeeScheduleRequest>,
    ) -> Answered<pb::WithdrawFeeScheduleResponse> {
        let operator = operator_id(&request)?;
        self.fees()?.withdraw_schedule(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_settlements(
        &self,
        request: Request<pb::ListSettlementsRequest>,
    ) -> Answered<pb::ListSettlementsResponse> {
        operator(&request)?;
        self.fees()?.list_settlements(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_links(&self, request: Request<pb::ListLinksRequest>) -> Answered<pb::ListLinksResponse> {
        operator(&request)?;
        self.routes()?.list().await.map(Response::new).map_err(|error| store_status(&error))
    }

    async fn allow_routing(&self, request: Request<pb::AllowRoutingRequest>) -> Answered<pb::AllowRoutingResponse> {
        let operator = operator_id(&request)?;
        self.routes()?.allow(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn suspend_routing(
        &self,
        request: Request<pb::SuspendRoutingRequest>,
    ) -> Answered<pb::SuspendRoutingResponse> {
        let operator = operator_id(&request)?;
        self.routes()?.suspend(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_day_totals(&self, request: Request<pb::ListDayTotalsRequest>) -> Answered<pb::ListDayTotalsResponse> {
        operator(&request)?;
        let page = self.routes()?.day_totals(request.get_ref()).await.map_err(|error| store_status(&error))?;
        page.map(Response::new).map_err(proto::status)
    }

    async fn list_keys(&self, request: Request<pb::ListKeysRequest>) -> Answered<pb::ListKeysResponse> {
        operator(&request)?;
        self.key_status().await.map(Response::new)
    }

    async fn retire_key_version(
        &self,
        request: Request<pb::RetireKeyVersionRequest>,
    ) -> Answered<pb::RetireKeyVersionResponse> {
        let operator = operator(&request)?;
        self.retire_key(&operator, request.get_ref()).await?;
        Ok(Response::new(pb::RetireKeyVersionResponse {}))
    }
}
