//! The OperatorService: who is asking, what they ask, how it stands afterwards.

mod within;

use std::sync::Arc;

use domain::{PaymentId, PersonId, Reason};
use futures_util::stream::BoxStream;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService;
use server_kit::rng::digits;
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
use crate::notify::{Notices, wire};
use crate::offers::Offers;
use crate::operators::{self, Operators};
use crate::safety_code::SafetyCodes;
use crate::sign_up::SignUps;
use crate::store_status::{fault, store_status};

/// What operators call. Cheap to clone.
#[derive(Clone)]
pub struct OperatorApi {
    directory: Directory,
    pub(super) instruments: Arc<dyn BankInstruments>,
    notices: Notices,
    /// What is not there in a test of the directory alone.
    served: Option<(Offers, CreditHistory)>,
    /// The same.
    lost: Option<(Freezes, SafetyCodes)>,
    /// The same.
    sign_ups: Option<SignUps>,
    /// The same; whether a call may be made at all is found out before it comes here.
    operators: Option<Operators>,
    /// The same.
    limits: Option<PaymentLimits>,
    /// The same.
    clearing: Option<Clearing>,
    /// The same.
    fees: Option<Fees>,
}

#[tonic::async_trait]
impl OperatorService for OperatorApi {
    async fn register_bank(
        &self,
        request: Request<pb::RegisterBankRequest>,
    ) -> Result<Response<pb::RegisterBankResponse>, Status> {
        let operator = operator(&request)?;
        let change = RegisterBank::read(request.into_inner()).map_err(proto::status)?;
        match self.change(operator, Change::Bank(change)).await? {
            Done::Bank(bank) => Ok(Response::new(pb::RegisterBankResponse { bank: Some(banks::to_pb(&bank)) })),
            other => Err(mismatch(&other)),
        }
    }

    async fn list_banks(
        &self,
        request: Request<pb::ListBanksRequest>,
    ) -> Result<Response<pb::ListBanksResponse>, Status> {
        operator(&request)?;
        let banks = self.directory.banks().await.map_err(|error| store_status(&error))?;
        Ok(Response::new(pb::ListBanksResponse { banks: banks.iter().map(banks::to_pb).collect() }))
    }

    async fn register_merchant(
        &self,
        request: Request<pb::RegisterMerchantRequest>,
    ) -> Result<Response<pb::RegisterMerchantResponse>, Status> {
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
    ) -> Result<Response<pb::RegisterTerminalResponse>, Status> {
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
    ) -> Result<Response<pb::SetTerminalSuspendedResponse>, Status> {
        let operator = operator(&request)?;
        let change = SuspendTerminal::read(request.get_ref()).map_err(proto::status)?;
        match self.change(operator, Change::Suspension(change)).await? {
            Done::Terminal(terminal) => {
                Ok(Response::new(pb::SetTerminalSuspendedResponse { terminal: Some(terminals::to_pb(&terminal)) }))
            }
            other => Err(mismatch(&other)),
        }
    }

    async fn set_pin_pad_key(
        &self,
        request: Request<pb::SetPinPadKeyRequest>,
    ) -> Result<Response<pb::SetPinPadKeyResponse>, Status> {
        self.set_pad_key(operator(&request)?, request.into_inner()).await.map(Response::new)
    }

    async fn register_person(
        &self,
        request: Request<pb::RegisterPersonRequest>,
    ) -> Result<Response<pb::RegisterPersonResponse>, Status> {
        let operator = operator(&request)?;
        let change = RegisterPerson::read(request.get_ref()).map_err(proto::status)?;
        let person_id = change.person_id;
        match self.change(operator, Change::Person(change)).await? {
            Done::Person => Ok(Response::new(pb::RegisterPersonResponse { person_id: person_id.to_string() })),
            other => Err(mismatch(&other)),
        }
    }

    async fn bind_card(&self, request: Request<pb::BindCardRequest>) -> Result<Response<pb::BindCardResponse>, Status> {
        let operator = operator(&request)?;
        let asked = Asked::card(request.get_ref()).map_err(proto::status)?;
        self.keep_number(&asked, Zeroizing::new(request.into_inner().card_number)).await?;
        let card_masked = self.bind(operator, asked).await?;
        Ok(Response::new(pb::BindCardResponse { card_masked }))
    }

    async fn bind_account(
        &self,
        request: Request<pb::BindAccountRequest>,
    ) -> Result<Response<pb::BindAccountResponse>, Status> {
        let operator = operator(&request)?;
        let asked = Asked::account(request.get_ref()).map_err(proto::status)?;
        let account_masked = self.bind(operator, asked).await?;
        Ok(Response::new(pb::BindAccountResponse { account_masked }))
    }

    async fn issue_enrolment_code(
        &self,
        request: Request<pb::IssueEnrolmentCodeRequest>,
    ) -> Result<Response<pb::IssueEnrolmentCodeResponse>, Status> {
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
    ) -> Result<Response<pb::InspectPaymentResponse>, Status> {
        operator(&request)?;
        let id = PaymentId::parse(&request.get_ref().payment_id).map_err(proto::status)?;
        let found = inspect::inspect(&self.directory.parts.store, id).await.map_err(|error| store_status(&error))?;
        found.map(Response::new).ok_or_else(|| proto::status(Reason::PaymentUnknown))
    }

    async fn get_overview(
        &self,
        request: Request<pb::GetOverviewRequest>,
    ) -> Result<Response<pb::GetOverviewResponse>, Status> {
        operator(&request)?;
        let parts = &self.directory.parts;
        let overview = inspect::overview(&parts.store, parts.clock.now()).await;
        overview.map(Response::new).map_err(|error| store_status(&error))
    }

    async fn list_dead_letters(
        &self,
        request: Request<pb::ListDeadLettersRequest>,
    ) -> Result<Response<pb::ListDeadLettersResponse>, Status> {
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
    ) -> Result<Response<pb::RetryDeadLetterResponse>, Status> {
        let operator = operator(&request)?;
        let notice = wire::notice_id_of(&request.get_ref().notice_id).map_err(proto::status)?;
        let retried = self.notices.retry(notice, &operator).await.map_err(|error| store_status(&error))?;
        retried.map(|()| Response::new(pb::RetryDeadLetterResponse {})).map_err(proto::status)
    }
    async fn start_offer(
        &self,
        request: Request<pb::StartOfferRequest>,
    ) -> Result<Response<pb::StartOfferResponse>, Status> {
        let operator = operator(&request)?;
        let started = self.offers()?.start_one(operator, request.get_ref()).await;
        started.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn withdraw_offer(
        &self,
        request: Request<pb::WithdrawOfferRequest>,
    ) -> Result<Response<pb::WithdrawOfferResponse>, Status> {
        let operator = operator(&request)?;
        let taken_out = self.offers()?.take_out(&operator, request.get_ref()).await;
        taken_out.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn list_offers(
        &self,
        request: Request<pb::ListOffersRequest>,
    ) -> Result<Response<pb::ListOffersResponse>, Status> {
        operator(&request)?;
        let listed = self.offers()?.list_all(request.get_ref()).await;
        listed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn list_person_payments(
        &self,
        request: Request<pb::ListPersonPaymentsRequest>,
    ) -> Result<Response<pb::ListPersonPaymentsResponse>, Status> {
        let operator = operator_id(&request)?;
        self.inquiries()?.person_payments(operator, request.get_ref()).await.map(Response::new)
    }

    async fn allow_safety_code(
        &self,
        request: Request<pb::AllowSafetyCodeRequest>,
    ) -> Result<Response<pb::AllowSafetyCodeResponse>, Status> {
        let operator = operator(&request)?;
        let allowed = self.lost()?.1.allow_for_operator(&operator, request.get_ref()).await;
        allowed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn freeze_instruments(
        &self,
        request: Request<pb::FreezeInstrumentsRequest>,
    ) -> Result<Response<pb::FreezeInstrumentsResponse>, Status> {
        let operator = operator(&request)?;
        self.lost()?.0.freeze_lost(&operator, request.get_ref()).await.map(Response::new)
    }

    async fn register_carrier(
        &self,
        request: Request<pb::RegisterCarrierRequest>,
    ) -> Result<Response<pb::RegisterCarrierResponse>, Status> {
        let operator = operator(&request)?;
        self.sign_ups()?.register_carrier(operator, request.into_inner()).await.map(Response::new)
    }

    async fn list_carriers(
        &self,
        request: Request<pb::ListCarriersRequest>,
    ) -> Result<Response<pb::ListCarriersResponse>, Status> {
        operator(&request)?;
        self.sign_ups()?.list_carriers().await.map(Response::new)
    }

    async fn inspect_sign_up(
        &self,
        request: Request<pb::InspectSignUpRequest>,
    ) -> Result<Response<pb::InspectSignUpResponse>, Status> {
        operator(&request)?;
        self.sign_ups()?.inspect(request.get_ref()).await.map(Response::new)
    }

    async fn retry_all_dead_letters(
        &self,
        request: Request<pb::RetryAllDeadLettersRequest>,
    ) -> Result<Response<pb::RetryAllDeadLettersResponse>, Status> {
        let operator = operator(&request)?;
        let retried = self.notices.retry_all(&operator).await.map_err(|error| store_status(&error))?;
        Ok(Response::new(pb::RetryAllDeadLettersResponse { retried: i32::try_from(retried).unwrap_or(i32::MAX) }))
    }

    async fn set_operator(
        &self,
        request: Request<pb::SetOperatorRequest>,
    ) -> Result<Response<pb::SetOperatorResponse>, Status> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.set_operator(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn set_console_sign_in(
        &self,
        request: Request<pb::SetConsoleSignInRequest>,
    ) -> Result<Response<pb::SetConsoleSignInResponse>, Status> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.set_console_sign_in(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn propose_act(
        &self,
        request: Request<pb::ProposeActRequest>,
    ) -> Result<Response<pb::ProposeActResponse>, Status> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.propose_act(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn refuse_proposal(
        &self,
        request: Request<pb::RefuseProposalRequest>,
    ) -> Result<Response<pb::RefuseProposalResponse>, Status> {
        let operator = operator_id(&request)?;
        let done = self.operators()?.refuse_proposal(operator, request.get_ref()).await;
        done.map(Response::new).map_err(proto::status)
    }

    async fn approve_proposal(
        &self,
        request: Request<pb::ApproveProposalRequest>,
    ) -> Result<Response<pb::ApproveProposalResponse>, Status> {
        let operator = operator_id(&request)?;
        let id = operators::proposal_id(&request.get_ref().proposal_id).map_err(proto::status)?;
        let approved = self.approve(self.operators()?, operator, id).await.map_err(proto::status)?;
        Ok(Response::new(pb::ApproveProposalResponse { proposal: Some(operators::proposal(&approved)) }))
    }

    async fn list_operators(
        &self,
        request: Request<pb::ListOperatorsRequest>,
    ) -> Result<Response<pb::ListOperatorsResponse>, Status> {
        operator(&request)?;
        self.operators()?.list_operators().await.map(Response::new).map_err(proto::status)
    }

    async fn list_proposals(
        &self,
        request: Request<pb::ListProposalsRequest>,
    ) -> Result<Response<pb::ListProposalsResponse>, Status> {
        operator(&request)?;
        self.operators()?.list_proposals(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_lookup_budgets(
        &self,
        request: Request<pb::ListLookupBudgetsRequest>,
    ) -> Result<Response<pb::ListLookupBudgetsResponse>, Status> {
        operator(&request)?;
        let listed = self.directory.lookups().list_page(request.get_ref()).await;
        listed.map_err(|error| store_status(&error))?.map(Response::new).map_err(proto::status)
    }

    async fn fill_lookup_budget(
        &self,
        request: Request<pb::FillLookupBudgetRequest>,
    ) -> Result<Response<pb::FillLookupBudgetResponse>, Status> {
        let operator = operator(&request)?;
        let asked = request.get_ref();
        self.fill_lookups(&asked.scope, &asked.id, &operator).await.map_err(proto::status)?;
        Ok(Response::new(pb::FillLookupBudgetResponse {}))
    }

    async fn list_limits(
        &self,
        request: Request<pb::ListLimitsRequest>,
    ) -> Result<Response<pb::ListLimitsResponse>, Status> {
        operator(&request)?;
        self.limits()?.list_all().await.map(Response::new).map_err(proto::status)
    }

    async fn lower_limit(
        &self,
        request: Request<pb::LowerLimitRequest>,
    ) -> Result<Response<pb::LowerLimitResponse>, Status> {
        let operator = operator_id(&request)?;
        self.limits()?.lower(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn raise_limit(
        &self,
        request: Request<pb::RaiseLimitRequest>,
    ) -> Result<Response<pb::RaiseLimitResponse>, Status> {
        let operator = operator_id(&request)?;
        self.limits()?.raise(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_bin_ranges(
        &self,
        request: Request<pb::ListBinRangesRequest>,
    ) -> Result<Response<pb::ListBinRangesResponse>, Status> {
        operator(&request)?;
        self.bin_ranges().await.map(Response::new).map_err(|error| store_status(&error))
    }

    async fn set_bin_suspended(
        &self,
        request: Request<pb::SetBinSuspendedRequest>,
    ) -> Result<Response<pb::SetBinSuspendedResponse>, Status> {
        let operator = operator(&request)?;
        let change = SuspendBins::read(request.get_ref()).map_err(proto::status)?;
        match self.change(operator, Change::Bins(change)).await? {
            Done::Bins => Ok(Response::new(pb::SetBinSuspendedResponse {})),
            other => Err(mismatch(&other)),
        }
    }

    async fn find_log_lines(
        &self,
        request: Request<pb::FindLogLinesRequest>,
    ) -> Result<Response<pb::FindLogLinesResponse>, Status> {
        operator(&request)?;
        self.operators()?.find_log_lines(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_bank_debts(
        &self,
        request: Request<pb::ListBankDebtsRequest>,
    ) -> Result<Response<pb::ListBankDebtsResponse>, Status> {
        operator(&request)?;
        self.clearing()?.list_debts(request.get_ref()).await.map(Response::new)
    }

    type ExportClearingFileStream = BoxStream<'static, Result<pb::ExportClearingFileResponse, Status>>;

    async fn export_clearing_file(
        &self,
        request: Request<pb::ExportClearingFileRequest>,
    ) -> Result<Response<Self::ExportClearingFileStream>, Status> {
        let operator = operator(&request)?;
        self.clearing()?.export_file(request.get_ref(), &operator).await.map(Response::new)
    }

    type CheckClearingFileStream = BoxStream<'static, Result<pb::CheckClearingFileResponse, Status>>;

    async fn check_clearing_file(
        &self,
        request: Request<Streaming<pb::CheckClearingFileRequest>>,
    ) -> Result<Response<Self::CheckClearingFileStream>, Status> {
        let operator = operator(&request)?;
        self.clearing()?.check_file(request.into_inner(), &operator).await.map(Response::new)
    }

    async fn list_fee_schedules(
        &self,
        request: Request<pb::ListFeeSchedulesRequest>,
    ) -> Result<Response<pb::ListFeeSchedulesResponse>, Status> {
        operator(&request)?;
        self.fees()?.list_schedules(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn set_fee_schedule(
        &self,
        request: Request<pb::SetFeeScheduleRequest>,
    ) -> Result<Response<pb::SetFeeScheduleResponse>, Status> {
        let operator = operator_id(&request)?;
        self.fees()?.set_schedule(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn withdraw_fee_schedule(
        &self,
        request: Request<pb::WithdrawFeeScheduleRequest>,
    ) -> Result<Response<pb::WithdrawFeeScheduleResponse>, Status> {
        let operator = operator_id(&request)?;
        self.fees()?.withdraw_schedule(operator, request.get_ref()).await.map(Response::new).map_err(proto::status)
    }

    async fn list_settlements(
        &self,
        request: Request<pb::ListSettlementsRequest>,
    ) -> Result<Response<pb::ListSettlementsResponse>, Status> {
        operator(&request)?;
        self.fees()?.list_settlements(request.get_ref()).await.map(Response::new).map_err(proto::status)
    }
}
