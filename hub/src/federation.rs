//! What banks call: about a leg that they hold (DESIGN §2, rule 1), which card numbers are theirs, what their customers have
//! bought elsewhere, and what they are billed; about whom they ask; and what they offer.

use domain::payment::Verdict;
use domain::{BankId, LegId, PaymentId, Reason};
use proto::federation as pb;
use proto::federation::federation_service_server::FederationService;
use proto::status;
use server_kit::identity::Role;
use server_kit::store::StoreError;
use tonic::{Request, Response, Status};

use crate::bills::{self, Bills};
use crate::caller::caller;
use crate::credit_history::CreditHistory;
use crate::offers::Offers;
use crate::payment::Desk;
use crate::records::Records;
use crate::repayment::Repayments;
use crate::safety_code::SafetyCodes;
use crate::store_status::store_status;

/// The federation service of the hub.
#[derive(Clone, Debug)]
pub struct FederationApi {
    desk: Desk,
    records: Records,
    bills: Bills,
    credit_history: CreditHistory,
    offers: Offers,
    repayments: Repayments,
    /// Not there in a test of payments alone.
    safety_codes: Option<SafetyCodes>,
}

impl FederationApi {
    pub fn new(
        desk: Desk,
        records: Records,
        bills: Bills,
        credit_history: CreditHistory,
        (offers, repayments): (Offers, Repayments),
    ) -> Self {
        Self { desk, records, bills, credit_history, offers, repayments, safety_codes: None }
    }

    /// Has banks allow safety codes, too.
    #[must_use]
    pub fn allowing(self, safety_codes: SafetyCodes) -> Self {
        Self { safety_codes: Some(safety_codes), ..self }
    }

    /// What a bank is told of a leg that it holds. Ids of payments and of repayments are made by others, so that one may stand for both:
    /// the leg says of which it is.
    async fn verdict(&self, bank: &BankId, id: PaymentId, leg: LegId) -> Result<Result<Verdict, Reason>, StoreError> {
        let of_payment = self.desk.verdict(bank, id, leg).await?;
        if !matches!(of_payment, Ok(Verdict::Void) | Err(Reason::NotYours)) {
            return Ok(of_payment);
        }
        Ok(match self.repayments.verdict(bank, id, leg).await? {
            Ok(Some(verdict)) => Ok(verdict),
            Ok(None) => of_payment,
            Err(reason) => Err(reason),
        })
    }
}

#[tonic::async_trait]
impl FederationService for FederationApi {
    async fn resolve_leg(
        &self,
        request: Request<pb::ResolveLegRequest>,
    ) -> Result<Response<pb::ResolveLegResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let message = request.into_inner();
        let leg = LegId::parse(&message.leg_id).map_err(status)?;
        let id = PaymentId::parse(&message.payment_id).map_err(status)?;
        let verdict = self.verdict(&bank, id, leg).await;
        let verdict = match verdict.map_err(|error| store_status(&error))?.map_err(status)? {
            Verdict::Wait => pb::LegVerdict::Wait,
            Verdict::Post => pb::LegVerdict::Post,
            Verdict::Void => pb::LegVerdict::Void,
        };
        Ok(Response::new(pb::ResolveLegResponse { verdict: verdict.into() }))
    }

    async fn register_bin_ranges(
        &self,
        request: Request<pb::RegisterBinRangesRequest>,
    ) -> Result<Response<pb::RegisterBinRangesResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let done = self.desk.directory().register_bin_ranges(bank, request.get_ref()).await;
        let ranges = done.map_err(|error| store_status(&error))?.map_err(status)?;
        Ok(Response::new(pb::RegisterBinRangesResponse { ranges: ranges.iter().map(proto::to_bin_range).collect() }))
    }

    async fn report_purchases(
        &self,
        request: Request<pb::ReportPurchasesRequest>,
    ) -> Result<Response<pb::ReportPurchasesResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let taken_in = self.records.report(bank, request.get_ref(), self.desk.clock().now()).await;
        let taken_in = taken_in.map_err(|error| store_status(&error))?.map_err(status)?;
        let refused =
            |&(sequence, reason): &(i64, Reason)| pb::RefusedReport { sequence, refusal: Some(proto::refusal(reason)) };
        Ok(Response::new(pb::ReportPurchasesResponse {
            through_sequence: taken_in.through_sequence,
            refused: taken_in.refused.iter().map(refused).collect(),
        }))
    }

    async fn inquire_credit_history(
        &self,
        request: Request<pb::InquireCreditHistoryRequest>,
    ) -> Result<Response<pb::InquireCreditHistoryResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.credit_history.inquire(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn report_bills(
        &self,
        request: Request<pb::ReportBillsRequest>,
    ) -> Result<Response<pb::ReportBillsResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let taken = self.bills.report(bank, request.get_ref()).await;
        let taken = taken.map_err(|error| store_status(&error))?.map_err(status)?;
        Ok(Response::new(bills::wire::taken(&taken)))
    }
    async fn inquire_habits(
        &self,
        request: Request<pb::InquireHabitsRequest>,
    ) -> Result<Response<pb::InquireHabitsResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.credit_history.inquire_habits(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn file_offer(
        &self,
        request: Request<pb::FileOfferRequest>,
    ) -> Result<Response<pb::FileOfferResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.offers.file(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn withdraw_offer(
        &self,
        request: Request<pb::WithdrawOfferRequest>,
    ) -> Result<Response<pb::WithdrawOfferResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.offers.withdraw(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn list_offers(
        &self,
        request: Request<pb::ListOffersRequest>,
    ) -> Result<Response<pb::ListOffersResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.offers.list(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn get_offer(&self, request: Request<pb::GetOfferRequest>) -> Result<Response<pb::GetOfferResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let answer = self.offers.get(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }

    async fn allow_safety_code(
        &self,
        request: Request<pb::AllowSafetyCodeRequest>,
    ) -> Result<Response<pb::AllowSafetyCodeResponse>, Status> {
        let bank = caller(&request, Role::Bank).and_then(|id| BankId::parse(&id)).map_err(status)?;
        let safety_codes = self.safety_codes.as_ref().ok_or_else(|| status(Reason::Fault))?;
        let answer = safety_codes.allow_for_bank(bank, request.get_ref()).await;
        answer.map_err(|error| store_status(&error))?.map(Response::new).map_err(status)
    }
}
