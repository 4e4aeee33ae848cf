//! The CardholderService: who is asking, what they ask, what they get.

use domain::{BillId, Reason, ReminderId};
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_server::CardholderService;
use server_kit::store::StoreError;
use tonic::{Request, Response, Status};

use super::live::{Live, watch_status};
use super::marks::Acknowledged;
use super::session::Session;
use super::steps::{Done, Step};
use super::{CardholderApi, Inner, sql, telling, wire};
use crate::bills;
use crate::bills::query::ListAsked;
use crate::habits;
use crate::records::export::Export;
use crate::records::page::{self, PageAsked};
use crate::records::query::{self, SumAsked, filter_of};
use crate::reminders;
use crate::store_status::{fault, store_status};

impl Inner {
    async fn recognise<T>(&self, request: &Request<T>) -> Result<Session, Status> {
        self.sessions.recognise(request, &self.limits).await
    }

    pub(super) async fn step(&self, step: Step) -> Result<Done, Status> {
        self.writer.write(step).await.map_err(|error| store_status(&error))?.map_err(proto::status)
    }
}

#[tonic::async_trait]
impl CardholderService for CardholderApi {
    async fn enrol_device(
        &self,
        request: Request<pb::EnrolDeviceRequest>,
    ) -> Result<Response<pb::EnrolDeviceResponse>, Status> {
        self.inner.enrol(request).await.map(Response::new)
    }

    async fn ask_enrolment_code(
        &self,
        request: Request<pb::AskEnrolmentCodeRequest>,
    ) -> Result<Response<pb::AskEnrolmentCodeResponse>, Status> {
        self.inner.ask_enrolment_code(&request).map(Response::new)
    }

    async fn begin_session(
        &self,
        request: Request<pb::BeginSessionRequest>,
    ) -> Result<Response<pb::BeginSessionResponse>, Status> {
        self.inner.begin_session(&request).map(Response::new)
    }

    async fn open_session(
        &self,
        request: Request<pb::OpenSessionRequest>,
    ) -> Result<Response<pb::OpenSessionResponse>, Status> {
        self.inner.open_session(request).await.map(Response::new)
    }

    type WatchEventsStream = BoxStream<'static, Result<pb::WatchEventsResponse, Status>>;

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let session = self.inner.recognise(&request).await?;
        let watch = self.inner.parts.feed.watch(session.person_id, request.get_ref().after_sequence);
        let watch = watch.map_err(|error| watch_status(&error))?;
        Ok(Response::new(Live::new(self.inner.clone(), session, watch).stream()))
    }

    async fn acknowledge_events(
        &self,
        request: Request<pb::AcknowledgeEventsRequest>,
    ) -> Result<Response<pb::AcknowledgeEventsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let through = request.get_ref().through_sequence;
        if through < 0 {
            return Err(proto::status(Reason::SequenceOutOfRange));
        }
        let acknowledged = Acknowledged { device_id: session.device_id, person_id: session.person_id, through };
        let stored = self.inner.marks.acknowledge(acknowledged).await.map_err(|error| store_status(&error))?;
        let acknowledged_sequence = stored.map_err(proto::status)?;
        Ok(Response::new(pb::AcknowledgeEventsResponse { acknowledged_sequence }))
    }

    async fn list_payments(
        &self,
        request: Request<pb::ListPaymentsRequest>,
    ) -> Result<Response<pb::ListPaymentsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let parts = &self.inner.parts;
        let asked = PageAsked::read(&*parts.keys, session.person_id, request.get_ref());
        let asked = asked.map_err(|error| fault(&error))?.map_err(proto::status)?;
        let filter = filter_of(request.get_ref().filter.as_ref()).map_err(proto::status)?;
        let page = page::read_page(&parts.store, session.person_id, &filter, asked).await;
        let page = page.map_err(|error| store_status(&error))?;
        let token = page.next.map(|next| page::make_token(&*parts.keys, session.person_id, next)).transpose();
        Ok(Response::new(pb::ListPaymentsResponse {
            purchases: page.purchases.iter().map(wire::purchase).collect(),
            next_page_token: token.map_err(|error| fault(&error))?.unwrap_or_default(),
        }))
    }

    async fn sum_payments(
        &self,
        request: Request<pb::SumPaymentsRequest>,
    ) -> Result<Response<pb::SumPaymentsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let asked = SumAsked::read(request.get_ref()).map_err(proto::status)?;
        let sums = query::sum(&self.inner.parts.store, session.person_id, asked).await;
        let sums = sums.map_err(|error| store_status(&error))?.map_err(proto::status)?;
        Ok(Response::new(pb::SumPaymentsResponse { sums: sums.iter().map(query::to_sum).collect() }))
    }

    async fn list_habits(
        &self,
        request: Request<pb::ListHabitsRequest>,
    ) -> Result<Response<pb::ListHabitsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let parts = &self.inner.parts;
        let habits = parts.habits.of(session.person_id, parts.clock.now()).await;
        let habits = habits.map_err(|error| store_status(&error))?.map_err(proto::status)?;
        habits::wire::answer(request.get_ref(), &habits).map(Response::new).map_err(proto::status)
    }

    type ExportPaymentsStream = BoxStream<'static, Result<pb::ExportPaymentsResponse, Status>>;

    async fn export_payments(
        &self,
        request: Request<pb::ExportPaymentsRequest>,
    ) -> Result<Response<Self::ExportPaymentsStream>, Status> {
        let session = self.inner.recognise(&request).await?;
        let parts = &self.inner.parts;
        let export = Export::read(&parts.store, session.person_id, request.get_ref(), parts.clock.now());
        let export = export.map_err(proto::status)?;
        let stream = unfold(Some(export), |export| async move {
            let mut export = export?;
            match export.next().await {
                Ok(Ok(Some(chunk))) => Some((Ok(pb::ExportPaymentsResponse { chunk }), Some(export))),
                Ok(Ok(None)) => None,
                Ok(Err(reason)) => Some((Err(proto::status(reason)), None)),
                Err(error) => Some((Err(store_status(&error)), None)),
            }
        });
        Ok(Response::new(stream.boxed()))
    }

    async fn list_bills(
        &self,
        request: Request<pb::ListBillsRequest>,
    ) -> Result<Response<pb::ListBillsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let bills = &self.inner.parts.bills;
        let asked = ListAsked::read(request.get_ref()).map_err(proto::status)?;
        let today = bills.today().map_err(proto::status)?;
        let found = answered(bills.list(session.person_id, &asked, today).await)?;
        Ok(Response::new(bills::wire::list(&found, today)))
    }

    async fn get_bill(&self, request: Request<pb::GetBillRequest>) -> Result<Response<pb::GetBillResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let bills = &self.inner.parts.bills;
        let today = bills.today().map_err(proto::status)?;
        let bill_id = BillId::parse(&request.get_ref().bill_id).map_err(proto::status)?;
        let compared = answered(bills.compare(session.person_id, bill_id).await)?;
        Ok(Response::new(bills::wire::compared(&compared, today)))
    }

    async fn get_total_bill(
        &self,
        request: Request<pb::GetTotalBillRequest>,
    ) -> Result<Response<pb::GetTotalBillResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let bills = &self.inner.parts.bills;
        let today = bills.today().map_err(proto::status)?;
        let totals = answered(bills.total(session.person_id, today).await)?;
        Ok(Response::new(bills::wire::total(&totals, today)))
    }

    async fn create_repayment(
        &self,
        request: Request<pb::CreateRepaymentRequest>,
    ) -> Result<Response<pb::CreateRepaymentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let repayments = &self.inner.parts.repayments;
        repayments.create(session.person_id, session.device_id, request.into_inner()).await.map(Response::new)
    }

    async fn get_repayment(
        &self,
        request: Request<pb::GetRepaymentRequest>,
    ) -> Result<Response<pb::GetRepaymentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.repayments.get(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn list_repayments(
        &self,
        request: Request<pb::ListRepaymentsRequest>,
    ) -> Result<Response<pb::ListRepaymentsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.repayments.list(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn set_reminder(
        &self,
        request: Request<pb::SetReminderRequest>,
    ) -> Result<Response<pb::SetReminderResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        answered(self.inner.parts.reminders.set(session.person_id, request.get_ref()).await)?;
        Ok(Response::new(pb::SetReminderResponse {}))
    }

    async fn list_reminders(
        &self,
        request: Request<pb::ListRemindersRequest>,
    ) -> Result<Response<pb::ListRemindersResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let found = self.inner.parts.reminders.list(session.person_id).await.map_err(|error| store_status(&error))?;
        Ok(Response::new(reminders::wire::list(&found)))
    }

    async fn delete_reminder(
        &self,
        request: Request<pb::DeleteReminderRequest>,
    ) -> Result<Response<pb::DeleteReminderResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let reminder_id = ReminderId::parse(&request.get_ref().reminder_id).map_err(proto::status)?;
        answered(self.inner.parts.reminders.delete(session.person_id, reminder_id).await)?;
        Ok(Response::new(pb::DeleteReminderResponse {}))
    }

    async fn give_consent(
        &self,
        request: Request<pb::GiveConsentRequest>,
    ) -> Result<Response<pb::GiveConsentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let history = &self.inner.parts.credit_history;
        history.give_consent(session.person_id, session.device_id, request.into_inner()).await.map(Response::new)
    }

    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let history = &self.inner.parts.credit_history;
        history.list_consents(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn revoke_consent(
        &self,
        request: Request<pb::RevokeConsentRequest>,
    ) -> Result<Response<pb::RevokeConsentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let history = &self.inner.parts.credit_history;
        history.revoke_consent(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn list_inquiries(
        &self,
        request: Request<pb::ListInquiriesRequest>,
    ) -> Result<Response<pb::ListInquiriesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let history = &self.inner.parts.credit_history;
        history.list_inquiries(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn get_credit_history(
        &self,
        request: Request<pb::GetCreditHistoryRequest>,
    ) -> Result<Response<pb::GetCreditHistoryResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let history = &self.inner.parts.credit_history;
        history.get_credit_history(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn get_preferences(
        &self,
        request: Request<pb::GetPreferencesRequest>,
    ) -> Result<Response<pb::GetPreferencesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.get_preferences(&session).await.map(Response::new)
    }

    async fn set_preferences(
        &self,
        request: Request<pb::SetPreferencesRequest>,
    ) -> Result<Response<pb::SetPreferencesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.set_preferences(&session, request.get_ref()).await.map(Response::new)
    }

    async fn confirm_mail_address(
        &self,
        request: Request<pb::ConfirmMailAddressRequest>,
    ) -> Result<Response<pb::ConfirmMailAddressResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.confirm_mail_address(&session, request.get_ref()).await.map(Response::new)
    }

    async fn preview_template(
        &self,
        request: Request<pb::PreviewTemplateRequest>,
    ) -> Result<Response<pb::PreviewTemplateResponse>, Status> {
        self.inner.recognise(&request).await?;
        telling::preview(request.get_ref()).map(Response::new).map_err(proto::status)
    }

    async fn save_template(
        &self,
        request: Request<pb::SaveTemplateRequest>,
    ) -> Result<Response<pb::SaveTemplateResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.save_template(&session, request.get_ref()).await.map(Response::new)
    }

    async fn list_templates(
        &self,
        request: Request<pb::ListTemplatesRequest>,
    ) -> Result<Response<pb::ListTemplatesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.list_templates(&session, request.get_ref()).await.map(Response::new)
    }

    async fn forget_template(
        &self,
        request: Request<pb::ForgetTemplateRequest>,
    ) -> Result<Response<pb::ForgetTemplateResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.forget_template(&session, request.get_ref()).await.map(Response::new)
    }

    async fn register_push(
        &self,
        request: Request<pb::RegisterPushRequest>,
    ) -> Result<Response<pb::RegisterPushResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.register_push(&session, request.into_inner()).await.map(Response::new)
    }

    async fn list_approvals(
        &self,
        request: Request<pb::ListApprovalsRequest>,
    ) -> Result<Response<pb::ListApprovalsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.approvals.list(session.person_id).await.map(Response::new)
    }

    async fn approve_payment(
        &self,
        request: Request<pb::ApprovePaymentRequest>,
    ) -> Result<Response<pb::ApprovePaymentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let approvals = &self.inner.parts.approvals;
        approvals.approve(session.person_id, session.device_id, request.into_inner()).await.map(Response::new)
    }

    async fn decline_payment(
        &self,
        request: Request<pb::DeclinePaymentRequest>,
    ) -> Result<Response<pb::DeclinePaymentResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let approvals = &self.inner.parts.approvals;
        approvals.decline(session.person_id, session.device_id, request.get_ref()).await.map(Response::new)
    }

    async fn list_instruments(
        &self,
        request: Request<pb::ListInstrumentsRequest>,
    ) -> Result<Response<pb::ListInstrumentsResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.freezes.list_instruments(session.person_id).await.map(Response::new)
    }

    async fn freeze_instruments(
        &self,
        request: Request<pb::FreezeInstrumentsRequest>,
    ) -> Result<Response<pb::FreezeInstrumentsResponse>, Status> {
        let Session { person_id, device_id, .. } = self.inner.recognise(&request).await?;
        let frozen = self.inner.parts.freezes.freeze_instruments(person_id, device_id, request.get_ref()).await;
        frozen.map(Response::new)
    }

    async fn unfreeze_instruments(
        &self,
        request: Request<pb::UnfreezeInstrumentsRequest>,
    ) -> Result<Response<pb::UnfreezeInstrumentsResponse>, Status> {
        let Session { person_id, device_id, .. } = self.inner.recognise(&request).await?;
        let device =
            sql::read_device(&self.inner.parts.store, device_id).await.map_err(|error| store_status(&error))?;
        let key = device.filter(|device| device.person_id == person_id && !device.revoked).map(|it| it.public_key);
        let freed = self.inner.parts.freezes.unfreeze_instruments(person_id, (device_id, key), request.get_ref()).await;
        freed.map(Response::new)
    }

    async fn set_safety_code(
        &self,
        request: Request<pb::SetSafetyCodeRequest>,
    ) -> Result<Response<pb::SetSafetyCodeResponse>, Status> {
        let Session { person_id, device_id, .. } = self.inner.recognise(&request).await?;
        let set = self.inner.parts.safety_codes.set_by_app(person_id, device_id, request.into_inner()).await;
        set.map(Response::new)
    }

    async fn get_safety_code(
        &self,
        request: Request<pb::GetSafetyCodeRequest>,
    ) -> Result<Response<pb::GetSafetyCodeResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.safety_codes.standing(session.person_id).await.map(Response::new)
    }

    async fn forget_push(
        &self,
        request: Request<pb::ForgetPushRequest>,
    ) -> Result<Response<pb::ForgetPushResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.forget_push(&session).await.map(Response::new)
    }

    async fn set_account_password(
        &self,
        request: Request<pb::SetAccountPasswordRequest>,
    ) -> Result<Response<pb::SetAccountPasswordResponse>, Status> {
        let Session { person_id, device_id, .. } = self.inner.recognise(&request).await?;
        let set = self.inner.parts.sign_ins.set_password(person_id, device_id, request.into_inner()).await;
        set.map_err(proto::status)?;
        Ok(Response::new(pb::SetAccountPasswordResponse {}))
    }

    async fn get_offer_preferences(
        &self,
        request: Request<pb::GetOfferPreferencesRequest>,
    ) -> Result<Response<pb::GetOfferPreferencesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.offers.preferences(session.person_id).await.map(Response::new)
    }

    async fn set_offer_preferences(
        &self,
        request: Request<pb::SetOfferPreferencesRequest>,
    ) -> Result<Response<pb::SetOfferPreferencesResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let offers = &self.inner.parts.offers;
        offers.agree(session.person_id, session.device_id, request.into_inner()).await.map(Response::new)
    }

    async fn stop_offers(
        &self,
        request: Request<pb::StopOffersRequest>,
    ) -> Result<Response<pb::StopOffersResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.offers.stop(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn list_offers(
        &self,
        request: Request<pb::ListOffersRequest>,
    ) -> Result<Response<pb::ListOffersResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.offers.list_got(session.person_id, request.get_ref()).await.map(Response::new)
    }

    async fn accept_offer(
        &self,
        request: Request<pb::AcceptOfferRequest>,
    ) -> Result<Response<pb::AcceptOfferResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        let offers = &self.inner.parts.offers;
        offers.accept(session.person_id, session.device_id, request.into_inner()).await.map(Response::new)
    }

    async fn decline_offer(
        &self,
        request: Request<pb::DeclineOfferRequest>,
    ) -> Result<Response<pb::DeclineOfferResponse>, Status> {
        let session = self.inner.recognise(&request).await?;
        self.inner.parts.offers.decline(session.person_id, request.get_ref()).await.map(Response::new)
    }
}

fn answered<T>(answer: Result<Result<T, Reason>, StoreError>) -> Result<T, Status> {
    answer.map_err(|error| store_status(&error))?.map_err(proto::status)
}
