//! A bank that a test plays: it keeps legs as a bank has to, does what it is told to do with the next holds and posts, and
//! remembers what it was sent. It is reached without TLS.

mod freezing;
mod opening;
mod proving;

pub(crate) use freezing::EFFECTIVE_AT;
use std::collections::{HashMap, VecDeque};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Reason;
use proto::bank as pb;
use proto::bank::bank_service_server::{BankService, BankServiceServer};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// The road to a bank that is played on this machine.
pub(crate) fn road_to(endpoint: &str) -> Channel {
    Endpoint::from_shared(endpoint.replace("https://", "http://")).unwrap().connect_lazy()
}

/// What the bank does with a hold or a post, where it does not just what it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Play {
    /// It refuses the hold, and remembers that it has.
    Refuse(Reason),
    /// It says no and stores nothing.
    Impossible(Reason),
    /// It does what it is asked, and its answer is lost.
    LoseAnswer,
    /// It does what it is asked.
    Well,
    /// The call never reaches it.
    LoseCall,
}

/// The id of the one card that the bank has issued.
pub(crate) const CARD_ID: &str = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";

#[derive(Debug, Default)]
struct Vault {
    plays: VecDeque<Play>,
    legs: HashMap<String, pb::Leg>,
    holds: Vec<pb::Hold>,
    inquiries: Vec<pb::InquireBalanceRequest>,
    calls: Vec<String>,
    freezing: freezing::Freezing,
    proofs: proving::Proofs,
    openings: opening::Openings,
}

/// The bank. Clones are the same bank.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlayedBank {
    vault: Arc<Mutex<Vault>>,
}

impl PlayedBank {
    /// Opens on a port of its own; gives its endpoint.
    pub(crate) async fn open(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("https://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(BankServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        endpoint
    }

    /// What it does with the next holds, posts, voids and completions, in turn.
    pub(crate) fn play(&self, plays: &[Play]) {
        self.vault().plays = plays.iter().copied().collect();
    }

    /// The next hold is well, and what was to be played comes after it.
    pub(crate) fn play_next_hold_well(&self) {
        self.vault().plays.push_front(Play::Well);
    }

    /// The holds that it was sent.
    pub(crate) fn holds(&self) -> Vec<pb::Hold> {
        self.vault().holds.clone()
    }

    pub(crate) fn inquiries(&self) -> Vec<pb::InquireBalanceRequest> {
        self.vault().inquiries.clone()
    }

    /// What it was asked, in order, such as `hold 1250` and `complete 900`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.vault().calls.clone()
    }

    /// How much it has moved in all: what is posted, less what was given back. Held money is not moved.
    pub(crate) fn moved(&self) -> i64 {
        let vault = self.vault();
        let posted = vault.legs.values().filter(|leg| leg.state() == pb::LegState::Posted);
        posted.map(|leg| if leg.original_leg_id.is_empty() { amount(leg) } else { -amount(leg) }).sum()
    }

    /// How much it still holds.
    pub(crate) fn held(&self) -> i64 {
        let vault = self.vault();
        vault.legs.values().filter(|leg| leg.state() == pb::LegState::Held).map(amount).sum()
    }

    fn vault(&self) -> MutexGuard<'_, Vault> {
        self.vault.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn amount(leg: &pb::Leg) -> i64 {
    leg.amount.as_ref().map_or(0, |amount| amount.minor_units) - leg.released_minor
}

fn lost() -> Status {
    Status::unavailable("lost on the way")
}

impl Vault {
    /// The leg of a hold: as it stands already, or new.
    fn hold(&mut self, hold: &pb::Hold, state: pb::LegState, refusal: Option<Reason>) -> pb::Leg {
        let minor = hold.amount.as_ref().unwrap().minor_units;
        self.calls.push(format!("hold {minor}"));
        let account_id = match &hold.payer {
            Some(pb::hold::Payer::AccountId(id)) => id.clone(),
            _ => String::new(),
        };
        let credit = minor.min(700);
        let part = |part: pb::Part, amount_minor| pb::LegPart { part: part.into(), amount_minor };
        let parts = [part(pb::Part::Credit, credit), part(pb::Part::Debit, minor - credit)];
        let leg = pb::Leg {
            leg_id: hold.leg_id.clone(),
            payment_id: hold.payment_id.clone(),
            state: state.into(),
            card_id: if account_id.is_empty() { CARD_ID.to_owned() } else { String::new() },
            account_id,
            amount: hold.amount.clone(),
            refusal: refusal.map(proto::refusal),
            nature: hold.nature,
            parts: parts.into_iter().filter(|part| part.amount_minor > 0).collect(),
            ..pb::Leg::default()
        };
        self.legs.entry(hold.leg_id.clone()).or_insert(leg).clone()
    }

    fn post(&mut self, leg_id: &str) -> Option<&mut pb::Leg> {
        let leg =
            self.legs.get_mut(leg_id).filter(|leg| matches!(leg.state(), pb::LegState::Held | pb::LegState::Posted))?;
        leg.set_state(pb::LegState::Posted);
        Some(leg)
    }
}

#[tonic::async_trait]
impl BankService for PlayedBank {
    async fn hold_legs(&self, request: Request<pb::HoldLegsRequest>) -> Result<Response<pb::HoldLegsResponse>, Status> {
        let mut vault = self.vault();
        let mut results = Vec::new();
        for hold in request.into_inner().holds {
            let play = vault.plays.pop_front();
            let (mut leg, mut refusal) = (None, None);
            match play {
                Some(Play::LoseCall) => return Err(lost()),
                Some(Play::Impossible(reason)) => refusal = Some(proto::refusal(reason)),
                Some(Play::Refuse(reason)) => leg = Some(vault.hold(&hold, pb::LegState::Refused, Some(reason))),
                Some(Play::LoseAnswer | Play::Well) | None => leg = Some(vault.hold(&hold, pb::LegState::Held, None)),
            }
            let leg_id = hold.leg_id.clone();
            vault.holds.push(hold);
            if let Some(Play::LoseAnswer) = play {
                return Err(lost());
            }
            results.push(pb::HoldLegResult { leg_id, leg, refusal });
        }
        Ok(Response::new(pb::HoldLegsResponse { results }))
    }

    async fn post_legs(&self, request: Request<pb::PostLegsRequest>) -> Result<Response<pb::PostLegsResponse>, Status> {
        let mut vault = self.vault();
        let play = vault.plays.pop_front();
        if let Some(Play::LoseCall) = play {
            return Err(lost());
        }
        let mut results = Vec::new();
        for leg_id in request.into_inner().leg_ids {
            vault.calls.push("post".to_owned());
            let state = vault.post(&leg_id).map_or(pb::LegState::Unspecified, |leg| leg.state());
            results.push(pb::PostLegResult { leg_id, state: state.into(), refusal: None });
        }
        match play {
            Some(Play::LoseAnswer) => Err(lost()),
            _ => Ok(Response::new(pb::PostLegsResponse { results })),
        }
    }

    async fn void_leg(&self, request: Request<pb::VoidLegRequest>) -> Result<Response<pb::VoidLegResponse>, Status> {
        let message = request.into_inner();
        let mut vault = self.vault();
        vault.calls.push("void".to_owned());
        let tombstone = pb::Leg { leg_id: message.leg_id.clone(), ..pb::Leg::default() };
        let leg = vault.legs.entry(message.leg_id).or_insert(tombstone);
        if matches!(leg.state(), pb::LegState::Held | pb::LegState::Unspecified) {
            leg.set_state(pb::LegState::Voided);
        }
        Ok(Response::new(pb::VoidLegResponse { leg: Some(leg.clone()) }))
    }

    async fn refund_leg(
        &self,
        request: Request<pb::RefundLegRequest>,
    ) -> Result<Response<pb::RefundLegResponse>, Status> {
        let message = request.into_inner();
        let mut vault = self.vault();
        vault.calls.push(format!("refund {}", message.amount.as_ref().unwrap().minor_units));
        // A held one is posted first, whole.
        let original = vault.post(&message.original_leg_id).map(|leg| leg.leg_id.clone());
        let leg = pb::Leg {
            leg_id: message.leg_id.clone(),
            original_leg_id: original.ok_or_else(|| proto::status(Reason::OriginalUnknown))?,
            amount: message.amount,
            state: pb::LegState::Posted.into(),
            ..pb::Leg::default()
        };
        let leg = vault.legs.entry(message.leg_id).or_insert(leg).clone();
        Ok(Response::new(pb::RefundLegResponse { leg: Some(leg) }))
    }

    async fn complete_leg(
        &self,
        request: Request<pb::CompleteLegRequest>,
    ) -> Result<Response<pb::CompleteLegResponse>, Status> {
        let message = request.into_inner();
        let mut vault = self.vault();
        let play = vault.plays.pop_front();
        if let Some(Play::LoseCall) = play {
            return Err(lost());
        }
        let minor = message.amount.as_ref().unwrap().minor_units;
        vault.calls.push(format!("complete {minor}"));
        let leg = vault.legs.get_mut(&message.leg_id).ok_or_else(|| proto::status(Reason::LegUnknown))?;
        match leg.state() {
            pb::LegState::Held => {
                leg.released_minor = leg.amount.as_ref().unwrap().minor_units - minor;
                leg.set_state(pb::LegState::Posted);
            }
            pb::LegState::Posted if amount(leg) == minor => {}
            _ => return Err(proto::status(Reason::LegPosted)),
        }
        match play {
            Some(Play::LoseAnswer) => Err(lost()),
            _ => Ok(Response::new(pb::CompleteLegResponse { leg: Some(leg.clone()) })),
        }
    }

    async fn inquire_balance(
        &self,
        request: Request<pb::InquireBalanceRequest>,
    ) -> Result<Response<pb::InquireBalanceResponse>, Status> {
        let mut vault = self.vault();
        vault.inquiries.push(request.into_inner());
        match vault.plays.pop_front() {
            Some(Play::Refuse(reason) | Play::Impossible(reason)) => Err(proto::status(reason)),
            Some(Play::LoseAnswer | Play::LoseCall) => Err(lost()),
            Some(Play::Well) | None => Ok(Response::new(pb::InquireBalanceResponse {
                debit_available: Some(proto::common::Money { currency_code: "CNY".to_owned(), minor_units: 5000 }),
                ..pb::InquireBalanceResponse::default()
            })),
        }
    }

    async fn get_card(&self, request: Request<pb::GetCardRequest>) -> Result<Response<pb::GetCardResponse>, Status> {
        let card_id = request.into_inner().card_id;
        if card_id != CARD_ID {
            return Err(proto::status(Reason::CardUnknown));
        }
        Ok(Response::new(pb::GetCardResponse { card_id, card_masked: "622848******0015".to_owned() }))
    }

    async fn prove_card(
        &self,
        request: Request<pb::ProveCardRequest>,
    ) -> Result<Response<pb::ProveCardResponse>, Status> {
        self.vault().proofs.answer(request.into_inner()).map(Response::new)
    }

    async fn open_account(
        &self,
        request: Request<pb::OpenAccountRequest>,
    ) -> Result<Response<pb::OpenAccountResponse>, Status> {
        self.vault().openings.answer(request.get_ref()).map(Response::new)
    }

    async fn follow_orders(
        &self,
        request: Request<pb::FollowOrdersRequest>,
    ) -> Result<Response<pb::FollowOrdersResponse>, Status> {
        let mut vault = self.vault();
        let play = vault.plays.pop_front();
        if let Some(Play::LoseCall) = play {
            return Err(lost());
        }
        vault.calls.push(format!("orders {}", request.get_ref().orders.len()));
        let followed = vault.freezing.follow(request.get_ref(), play);
        if let Some(Play::LoseAnswer) = play { Err(lost()) } else { Ok(Response::new(followed)) }
    }

    async fn follow_instrument(
        &self,
        _: Request<pb::FollowInstrumentRequest>,
    ) -> Result<Response<pb::FollowInstrumentResponse>, Status> {
        Ok(Response::new(pb::FollowInstrumentResponse {}))
    }

    async fn get_leg(&self, _: Request<pb::GetLegRequest>) -> Result<Response<pb::GetLegResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_legs(&self, _: Request<pb::ListLegsRequest>) -> Result<Response<pb::ListLegsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_account(&self, _: Request<pb::GetAccountRequest>) -> Result<Response<pb::GetAccountResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
