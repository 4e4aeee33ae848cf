//! What the counter passes on to the hub: the bank's offers, and its inquiries about habits. The hub decides, and keeps everything.

use domain::Reason;
use proto::{counter, federation};
use server_kit::identity::Principal;

use crate::ledger::HubClient;

/// The hub as the counter reaches it.
#[derive(Clone, Debug)]
pub(super) struct HubDesk(HubClient);

impl HubDesk {
    pub(super) const fn at(hub: HubClient) -> Self {
        Self(hub)
    }

    pub(super) async fn file(
        &self,
        request: counter::FileOfferRequest,
        by: &Principal,
    ) -> Result<counter::FileOfferResponse, Reason> {
        let offer_id = request.filing.as_ref().map(|filing| filing.offer_id.clone()).unwrap_or_default();
        let message = federation::FileOfferRequest { filing: request.filing };
        let call = self.0.ask(message, |mut hub, request| async move { hub.file_offer(request).await });
        let offer = call.await?.offer;
        tracing::info!(operator = by.id, offer_id, "an offer was filed at the hub");
        Ok(counter::FileOfferResponse { offer })
    }

    pub(super) async fn withdraw(
        &self,
        request: counter::WithdrawOfferRequest,
        by: &Principal,
    ) -> Result<counter::WithdrawOfferResponse, Reason> {
        let offer_id = request.offer_id.clone();
        let message = federation::WithdrawOfferRequest { offer_id: request.offer_id };
        let call = self.0.ask(message, |mut hub, request| async move { hub.withdraw_offer(request).await });
        let offer = call.await?.offer;
        tracing::info!(operator = by.id, offer_id, "an offer was taken back at the hub");
        Ok(counter::WithdrawOfferResponse { offer })
    }

    pub(super) async fn list(
        &self,
        request: counter::ListOffersRequest,
    ) -> Result<counter::ListOffersResponse, Reason> {
        let message = federation::ListOffersRequest { page_size: request.page_size, page_token: request.page_token };
        let call = self.0.ask(message, |mut hub, request| async move { hub.list_offers(request).await });
        let federation::ListOffersResponse { offers, next_page_token } = call.await?;
        Ok(counter::ListOffersResponse { offers, next_page_token })
    }

    pub(super) async fn get(&self, request: counter::GetOfferRequest) -> Result<counter::GetOfferResponse, Reason> {
        let counter::GetOfferRequest { offer_id, page_size, page_token } = request;
        let message = federation::GetOfferRequest { offer_id, page_size, page_token };
        let call = self.0.ask(message, |mut hub, request| async move { hub.get_offer(request).await });
        let federation::GetOfferResponse { offer, acceptances, next_page_token } = call.await?;
        Ok(counter::GetOfferResponse { offer, acceptances, next_page_token })
    }

    pub(super) async fn inquire_habits(
        &self,
        request: counter::InquireHabitsRequest,
        by: &Principal,
    ) -> Result<counter::InquireHabitsResponse, Reason> {
        let purpose = purpose(request.purpose())?;
        let counter::InquireHabitsRequest { inquiry_id, name, phone_number, consent_id, .. } = request;
        tracing::info!(operator = by.id, inquiry_id, "the hub is asked about somebody's habits");
        let purpose = purpose.into();
        let message = federation::InquireHabitsRequest { inquiry_id, name, phone_number, purpose, consent_id };
        let call = self.0.ask(message, |mut hub, request| async move { hub.inquire_habits(request).await });
        let federation::InquireHabitsResponse { habits, answered_at } = call.await?;
        Ok(counter::InquireHabitsResponse { habits, answered_at })
    }
}

const fn purpose(purpose: counter::HabitsPurpose) -> Result<federation::InquiryPurpose, Reason> {
    use counter::HabitsPurpose as P;
    Ok(match purpose {
        P::Unspecified => return Err(Reason::FieldUnknown),
        P::CardApplication => federation::InquiryPurpose::CardApplication,
        P::LoanApplication => federation::InquiryPurpose::LoanApplication,
        P::LimitChange => federation::InquiryPurpose::LimitChange,
        P::Review => federation::InquiryPurpose::Review,
        P::Offers => federation::InquiryPurpose::Offers,
    })
}
