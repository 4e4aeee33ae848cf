//! The gRPC service that the hub calls.

use std::sync::Arc;

use domain::card::Proof;
use domain::ledger::{HoldOrder, LegState, Origin, Party};
use domain::{AccountId, CardId, LegId, Reason};
use futures_util::future::join_all;
use proto::bank;
use server_kit::identity::Role;
use tonic::{Request, Response, Status};

use super::page::{self, Span};
use super::traced::HoldSpan;
use super::{CreditSystem, Ledger, Place, wire};
use crate::call::{CallError, Calls};
use crate::card::{Cards, Typed};
use crate::freeze;
use crate::identity::Desk;

/// `bankhub.bank.v1.BankService`.
#[derive(Clone, Debug)]
pub struct BankService {
    ledger: Ledger,
    /// A bank may have none.
    cards: Option<Cards>,
    credit: Arc<dyn CreditSystem>,
    /// Where the hub asks for accounts.
    desk: Desk,
}

impl BankService {
    pub(crate) fn new(ledger: Ledger, cards: Option<Cards>, credit: Arc<dyn CreditSystem>, desk: Desk) -> Self {
        Self { ledger, cards, credit, desk }
    }

    /// The order of a hold, with what was proved of the card in it.
    async fn order(&self, hold: &bank::Hold) -> Result<HoldOrder, Reason> {
        let reading = wire::hold(hold)?;
        let shows_as = reading.shows_as();
        let (party, proof) = match reading.payer {
            wire::Payer::Named(party) => (party, Proof::Given),
            wire::Payer::Presented(card) => match &self.cards {
                None => (Party::UnknownCard, Proof::Given),
                Some(cards) => {
                    let proved = cards.prove(*card, shows_as, reading.amount).await;
                    proved.map_err(|error| error.reason("HoldLegs"))?
                }
            },
        };
        Ok(reading.rest.order(party, proof))
    }

    /// The service as the server takes it, with its limit on the size of messages.
    pub fn into_server(self) -> bank::bank_service_server::BankServiceServer<Self> {
        bank::bank_service_server::BankServiceServer::new(self).max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
    }

    async fn list(&self, request: &bank::ListLegsRequest) -> Result<bank::ListLegsResponse, CallError> {
        let at = |at: &Option<_>| at.as_ref().map(proto::from_timestamp).ok_or(Reason::FieldMissing);
        let span = Span { from: at(&request.changed_from)?, before: at(&request.changed_before)? };
        let size = page::size(request.page_size)?;
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

const CALLS: Calls = Calls { service: "bank", role: Role::Hub };

#[tonic::async_trait]
impl bank::bank_service_server::BankService for BankService {
    async fn hold_legs(
        &self,
        request: Request<bank::HoldLegsRequest>,
    ) -> Result<Response<bank::HoldLegsResponse>, Status> {
        CALLS
            .answer(
                "HoldLegs",
                request,
                |_| Ok(()),
                async |request, _| {
                    wire::may_hold(&request)?;
                    let spans: Vec<_> = request.holds.iter().map(HoldSpan::begin).collect();
                    let read = request.holds.iter().zip(&spans).map(|(hold, span)| span.run(self.order(hold)));
                    let orders = join_all(read).await;
                    let readable = orders.iter().filter_map(|order| order.as_ref().ok()).cloned().collect();
                    let mut held = self.credit.hold_all(readable).await?.into_iter();
                    let results =
                        orders.into_iter().map(|order| order.and_then(|_| held.next().ok_or(Reason::Fault)?));
                    let answer = |((hold, span), result): ((_, HoldSpan), _)| {
                        span.end(&result);
                        wire::to_hold_result(hold, result)
                    };
                    let results = request.holds.iter().zip(spans).zip(results).map(answer).collect();
                    Ok(bank::HoldLegsResponse { results })
                },
            )
            .await
    }

    async fn post_legs(
        &self,
        request: Request<bank::PostLegsRequest>,
    ) -> Result<Response<bank::PostLegsResponse>, Status> {
        CALLS
            .answer(
                "PostLegs",
                request,
                |_| Ok(()),
                async |request, _| {
                    let results = self.ledger.post(wire::legs_to_post(&request)?).await?;
                    Ok(bank::PostLegsResponse { results: results.iter().map(wire::to_post_result).collect() })
                },
            )
            .await
    }

    async fn void_leg(
        &self,
        request: Request<bank::VoidLegRequest>,
    ) -> Result<Response<bank::VoidLegResponse>, Status> {
        CALLS
            .answer(
                "VoidLeg",
                request,
                |_| Ok(()),
                async |request, _| {
                    let leg = self.ledger.void(wire::void_order(&request)?).await?;
                    Ok(bank::VoidLegResponse { leg: Some(wire::to_leg(&leg)) })
                },
            )
            .await
    }

    async fn refund_leg(
        &self,
        request: Request<bank::RefundLegRequest>,
    ) -> Result<Response<bank::RefundLegResponse>, Status> {
        CALLS
            .answer(
                "RefundLeg",
                request,
                |_| Ok(()),
                async |request, _| {
                    let leg = self.ledger.refund(wire::refund_order(&request)?).await?;
                    Ok(bank::RefundLegResponse { leg: Some(wire::to_answer(&leg)) })
                },
            )
            .await
    }

    async fn get_leg(&self, request: Request<bank::GetLegRequest>) -> Result<Response<bank::GetLegResponse>, Status> {
        CALLS
            .answer(
                "GetLeg",
                request,
                |_| Ok(()),
                async |request, _| {
                    let leg = self.ledger.leg(LegId::parse(&request.leg_id)?).await?;
                    if leg.origin != Origin::Hub {
                        return Err(Reason::LegUnknown.into());
                    }
                    if leg.state == LegState::Asking {
                        return Err(Reason::BankAway.into());
                    }
                    Ok(bank::GetLegResponse { leg: Some(wire::to_leg(&leg)) })
                },
            )
            .await
    }

    async fn list_legs(
        &self,
        request: Request<bank::ListLegsRequest>,
    ) -> Result<Response<bank::ListLegsResponse>, Status> {
        CALLS.answer("ListLegs", request, |_| Ok(()), async |request, _| self.list(&request).await).await
    }

    async fn get_account(
        &self,
        request: Request<bank::GetAccountRequest>,
    ) -> Result<Response<bank::GetAccountResponse>, Status> {
        CALLS
            .answer(
                "GetAccount",
                request,
                |_| Ok(()),
                async |request, _| {
                    let account = self.ledger.account(AccountId::parse(&request.account_id)?).await?;
                    Ok(bank::GetAccountResponse { account: Some(wire::to_account(&account)) })
                },
            )
            .await
    }

    async fn complete_leg(
        &self,
        request: Request<bank::CompleteLegRequest>,
    ) -> Result<Response<bank::CompleteLegResponse>, Status> {
        CALLS
            .answer(
                "CompleteLeg",
                request,
                |_| Ok(()),
                async |request, _| {
                    let leg = self.ledger.complete(wire::completion(&request)?).await?;
                    Ok(bank::CompleteLegResponse { leg: Some(wire::to_leg(&leg)) })
                },
            )
            .await
    }

    async fn inquire_balance(
        &self,
        request: Request<bank::InquireBalanceRequest>,
    ) -> Result<Response<bank::InquireBalanceResponse>, Status> {
        CALLS
            .answer(
                "InquireBalance",
                request,
                |_| Ok(()),
                async |request, _| {
                    let card = wire::presented(request.card.as_ref())?;
                    let cards = self.cards.as_ref().ok_or(Reason::CardNotVerified)?;
                    let (id, available, masked) = cards.balance(card).await?;
                    let available = self.credit.available(id, available).await?;
                    Ok(wire::to_balance(available, masked))
                },
            )
            .await
    }

    async fn prove_card(
        &self,
        request: Request<bank::ProveCardRequest>,
    ) -> Result<Response<bank::ProveCardResponse>, Status> {
        CALLS
            .answer(
                "ProveCard",
                request,
                |_| Ok(()),
                async |request, _| {
                    let typed = Typed::read(&request)?;
                    let card_id = self.cards.as_ref().ok_or(Reason::CardNotVerified)?.prove_typed(typed).await?;
                    Ok(bank::ProveCardResponse { card_id: card_id.to_string() })
                },
            )
            .await
    }

    async fn get_card(
        &self,
        request: Request<bank::GetCardRequest>,
    ) -> Result<Response<bank::GetCardResponse>, Status> {
        CALLS
            .answer(
                "GetCard",
                request,
                |_| Ok(()),
                async |request, _| {
                    let id = CardId::parse(&request.card_id)?;
                    let (card, _) = self.cards.as_ref().ok_or(Reason::CardUnknown)?.card(id).await?;
                    Ok(bank::GetCardResponse { card_id: card.id.to_string(), card_masked: card.masked })
                },
            )
            .await
    }

    async fn follow_orders(
        &self,
        request: Request<bank::FollowOrdersRequest>,
    ) -> Result<Response<bank::FollowOrdersResponse>, Status> {
        CALLS
            .answer(
                "FollowOrders",
                request,
                |_| Ok(()),
                async |request, _| {
                    let orders = freeze::orders(&request)?;
                    let followed = self.ledger.follow_holders(orders.clone()).await?;
                    let followed: Vec<_> = orders.into_iter().zip(followed).collect();
                    let confirmed = freeze::confirmations(&*self.ledger.keys, &self.ledger.bank_id, &followed);
                    Ok(confirmed.map_err(|error| {
                        tracing::error!(%error, "a confirmation cannot be signed");
                        Reason::Fault
                    })?)
                },
            )
            .await
    }

    async fn follow_instrument(
        &self,
        request: Request<bank::FollowInstrumentRequest>,
    ) -> Result<Response<bank::FollowInstrumentResponse>, Status> {
        CALLS
            .answer(
                "FollowInstrument",
                request,
                |_| Ok(()),
                async |request, _| {
                    self.ledger.follow(wire::instrument(&request)?).await?;
                    Ok(bank::FollowInstrumentResponse {})
                },
            )
            .await
    }

    async fn open_account(
        &self,
        request: Request<bank::OpenAccountRequest>,
    ) -> Result<Response<bank::OpenAccountResponse>, Status> {
        CALLS.answer("OpenAccount", request, |_| Ok(()), async |request, _| self.desk.open(&request).await).await
    }
}
