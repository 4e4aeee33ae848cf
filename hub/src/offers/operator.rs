//! What operators call: they look at what banks have filed, let it run, and take it out.

use domain::{OfferId, Reason};
use proto::operator as pb;
use server_kit::store::StoreError;

use super::federation::{below, cut, page_size};
use super::filing::{Start, Withdraw};
use super::steps::Step;
use super::{Offers, sql, wire};

/// What is asked of the hub: the store may be away, or it is refused.
type Answer<T> = Result<Result<T, Reason>, StoreError>;

impl Offers {
    pub(crate) async fn start_one(
        &self,
        by: String,
        request: &pb::StartOfferRequest,
    ) -> Answer<pb::StartOfferResponse> {
        let offer = match OfferId::parse(&request.offer_id) {
            Ok(offer_id) => self.changed(Step::Start(Start { offer_id, by })).await?,
            Err(reason) => Err(reason),
        };
        Ok(offer.map(|offer| pb::StartOfferResponse { offer: Some(offer) }))
    }

    pub(crate) async fn take_out(
        &self,
        by: &str,
        request: &pb::WithdrawOfferRequest,
    ) -> Answer<pb::WithdrawOfferResponse> {
        let by = format!("operator/{by}");
        let offer = match OfferId::parse(&request.offer_id) {
            Ok(offer_id) => self.changed(Step::Withdraw(Withdraw { offer_id, of: None, by })).await?,
            Err(reason) => Err(reason),
        };
        Ok(offer.map(|offer| pb::WithdrawOfferResponse { offer: Some(offer) }))
    }

    pub(crate) async fn list_all(&self, request: &pb::ListOffersRequest) -> Answer<pb::ListOffersResponse> {
        let asked = || Ok((wire::state(request.state)?, page_size(request.page_size)?, below(&request.page_token)?));
        let (state, size, below) = match asked() {
            Ok(asked) => asked,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut found = sql::read_all(&self.parts.store, state, below, size + 1).await?;
        let is_more = cut(&mut found, size);
        let next = found.last().filter(|_| is_more).map(|(last, _)| last.offer.filing.id.to_string());
        let offers = found.iter().map(|counted| wire::offer(counted, self.parts.floor)).collect();
        Ok(Ok(pb::ListOffersResponse { offers, next_page_token: next.unwrap_or_default() }))
    }
}
