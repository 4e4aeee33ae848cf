//! The links to the banks' adapters: one channel per bank, calls with a deadline and a few tries, posts gathered into sets.

mod account;
mod card;
mod card_proof;
mod freeze;
mod hold;
mod network;
mod post;
mod queue;
mod repayment;

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::card::Pan;
use domain::payment::{Instrument, Payment};
use domain::{AccountId, BankId, CardId, LegId, Money, PaymentId, Reason};
use proto::bank as pb;
use proto::bank::bank_service_client::BankServiceClient;
use server_kit::clock::Stopwatch;
use server_kit::identity::Principal;
use server_kit::store::StoreError;
use server_kit::tls::{ChannelOptions, ClientTls, ServerIdentity, TlsError};
use server_kit::trace::{self, Kind, Span};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::directory::Directory;
use crate::network::issuer::Issuers;
use crate::standing::Standings;

pub(crate) use account::OpenAnswer;
pub(crate) use card::{LinkCard, PresentedCard};
pub(crate) use card_proof::TypedPin;
pub(crate) use hold::HoldAnswer;
pub(crate) use post::{PostQueue, Posts};

use hold::HoldQueue;

/// How long and how often a bank is asked.
#[derive(Clone, Copy, Debug)]
pub struct LinkOptions {
    /// One call. A hold may wait as long again for its call.
    pub timeout: Duration,
    /// Tries of a hold, all with the same leg id.
    pub tries: u32,
}

/// What a bank says to money given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GiveBackAnswer {
    Posted,
    Refused(Reason),
    Unknown,
}

/// Why a bank could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the bank {0} is not known")]
    Unknown(BankId),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the identity of the bank {0} cannot be made")]
    Identity(BankId),
}

/// All links of this replica.
#[derive(Clone, Debug)]
pub struct Banks {
    links: Arc<Links>,
    holds: Arc<HoldQueue>,
    /// The way to banks without an adapter.
    issuers: Option<Issuers>,
}

#[derive(Debug)]
struct Links {
    directory: Directory,
    road: Road,
    options: LinkOptions,
    standings: Standings,
    /// The channel to each bank with the endpoint that it was made for.
    channels: Mutex<HashMap<BankId, (String, Channel)>>,
}

/// How a bank is reached.
#[derive(Debug)]
enum Road {
    Tls(ClientTls),
    /// Without TLS, for banks that a test plays itself.
    #[cfg(test)]
    Plain,
}

impl Road {
    fn channel(&self, bank: &BankId, endpoint: &str) -> Result<Channel, LinkError> {
        match self {
            Self::Tls(tls) => {
                let principal =
                    Principal::bank(tls.federation(), bank.as_str()).map_err(|_| LinkError::Identity(bank.clone()))?;
                Ok(tls.channel(endpoint, ServerIdentity::Spiffe(principal), &ChannelOptions::default())?)
            }
            #[cfg(test)]
            Self::Plain => Ok(crate::testing::bank::road_to(endpoint)),
        }
    }
}

type Client = BankServiceClient<Channel>;

impl Banks {
    pub fn new(directory: Directory, tls: ClientTls, options: LinkOptions) -> Self {
        Self::over(Road::Tls(tls), directory, options)
    }

    /// The same for banks that are played on this machine.
    #[cfg(test)]
    pub(crate) fn played(directory: Directory, options: LinkOptions) -> Self {
        Self::over(Road::Plain, directory, options)
    }

    fn over(road: Road, directory: Directory, options: LinkOptions) -> Self {
        let (standings, channels) = (Standings::default(), Mutex::default());
        let links = Arc::new(Links { directory, road, options, standings, channels });
        Self { holds: Arc::new(HoldQueue::new(links.clone())), links, issuers: None }
    }

    /// Reaches banks without an adapter, too.
    #[must_use]
    pub fn over_networks(self, issuers: Option<Issuers>) -> Self {
        Self { issuers, ..self }
    }
}

impl Banks {
    /// Who answers, of those around the hub.
    pub fn standings(&self) -> &Standings {
        &self.links.standings
    }
}

impl Links {
    async fn client(&self, bank: &BankId) -> Result<Client, LinkError> {
        let entry = self.directory.bank(bank).await?.ok_or_else(|| LinkError::Unknown(bank.clone()))?;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let known = channels.get(bank).filter(|(endpoint, _)| *endpoint == entry.endpoint);
        let channel = match known {
            Some((_, channel)) => channel.clone(),
            None => {
                let channel = self.road.channel(bank, &entry.endpoint)?;
                channels.insert(bank.clone(), (entry.endpoint.clone(), channel.clone()));
                channel
            }
        };
        Ok(BankServiceClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE_BYTES))
    }

    /// One call with the deadline of this link, on the wire and here, counted under its name.
    async fn call<Q, A, F>(
        &self,
        (bank, name): (&BankId, &'static str),
        message: Q,
        call: impl FnOnce(Client, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let watch = Stopwatch::start();
        let span = Span::begin(name, Kind::Client);
        span.note("rpc.system", || "grpc".to_owned());
        span.note("rpc.service", || proto::bank::bank_service_server::SERVICE_NAME.to_owned());
        span.note("bankhub.bank", || bank.to_string());
        let answer = span.run(self.ask(bank, message, call)).await;
        // What a bank refuses by a reason is an answer; what carries none says that it is away or does not understand.
        let result = match &answer {
            Ok(_) => "answered",
            Err(status) if proto::reason_of(status).is_some() => "refused",
            Err(_) => "failed",
        };
        self.standings.bank(bank.as_str(), result != "failed");
        span.note("bankhub.outcome", || result.to_owned());
        if result == "failed" {
            span.fail();
        }
        let bank = bank.to_string();
        metrics::histogram!("bankhub_bank_request_seconds", "bank" => bank.clone(), "call" => name)
            .record(watch.elapsed());
        metrics::counter!("bankhub_bank_requests_total", "bank" => bank, "call" => name, "result" => result)
            .increment(1);
        answer
    }

    async fn ask<Q, A, F>(
        &self,
        bank: &BankId,
        message: Q,
        call: impl FnOnce(Client, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        self.call_within(self.options.timeout, bank, message, call).await
    }

    /// One call with a deadline of its own.
    async fn call_within<Q, A, F>(
        &self,
        timeout: Duration,
        bank: &BankId,
        message: Q,
        call: impl FnOnce(Client, Request<Q>) -> F,
    ) -> Result<A, Status>
    where
        F: Future<Output = Result<tonic::Response<A>, Status>>,
    {
        let client = self.client(bank).await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        trace::inject(request.metadata_mut());
        // In a box: the future of a call is 2 KiB, and each future above would carry and copy it along.
        match tokio::time::timeout(timeout, Box::pin(call(client, request))).await {
            Ok(answer) => answer.map(tonic::Response::into_inner),
            Err(_) => Err(Status::deadline_exceeded("the bank did not answer in time")),
        }
    }
}

impl Banks {
    /// Asks for a hold a few times, always for the same leg, until the bank answers.
    pub(crate) async fn hold(&self, payment: &Payment, card: Option<Arc<PresentedCard>>) -> HoldAnswer {
        if let Some(charge) = &payment.charge
            && let Some(line) = self.line(&charge.bank_id).await
        {
            return line.issuers.hold(line.name(), payment, card).await;
        }
        // Without its PIN a card would be another one to its bank.
        if card.as_ref().is_some_and(|card| card.has_pin() && !card.has_pin_block()) {
            return HoldAnswer::Impossible(Reason::PinKeyUnknown);
        }
        self.holds.hold(payment, card).await
    }

    /// Ends a pre-authorisation with what was really used. `true` when the bank has said so.
    pub(crate) async fn complete(&self, bank: &BankId, leg: LegId, payment: PaymentId, amount: Money) -> bool {
        if let Some(line) = self.line(bank).await {
            return line.issuers.complete(line.name(), bank, (leg, payment), amount).await;
        }
        let request = pb::CompleteLegRequest {
            leg_id: leg.to_string(),
            payment_id: payment.to_string(),
            amount: Some(proto::to_money(amount)),
        };
        let answer =
            self.links
                .call((bank, "complete_leg"), request, |mut client, request| async move {
                    client.complete_leg(request).await
                })
                .await;
        match answer {
            Ok(answer) => answer.leg.is_some_and(|leg| leg.state() == pb::LegState::Posted),
            Err(status) => {
                // Forward only: the hub has told the terminal that it is charged, so if the bank means it somebody has to look.
                let reason = proto::reason_of(&status).map_or("", Reason::code);
                tracing::warn!(%bank, %leg, code = ?status.code(), reason, "a completion was not taken");
                false
            }
        }
    }

    /// Asks what a card may spend, once: a wrong PIN counts as a try.
    pub(crate) async fn inquire(
        &self,
        bank: &BankId,
        card: &PresentedCard,
    ) -> Result<pb::InquireBalanceResponse, Reason> {
        if self.line(bank).await.is_some() {
            return Err(Reason::NatureUnsupported);
        }
        let request = pb::InquireBalanceRequest { card: Some(card.at_terminal()) };
        let answer = self
            .links
            .call((bank, "inquire_balance"), request, |mut client, request| async move {
                client.inquire_balance(request).await
            })
            .await;
        answer.map_err(|status| {
            tracing::debug!(%bank, code = ?status.code(), "an inquiry was not answered");
            proto::reason_of(&status).map_or(Reason::BankAway, hold::to_terminal)
        })
    }

    /// Releases a hold. `true` when the bank has said so: the leg is void for ever.
    pub(crate) async fn void(&self, bank: &BankId, leg: LegId, payment: PaymentId) -> bool {
        if let Some(line) = self.line(bank).await {
            return line.issuers.void(line.name(), bank, leg, payment).await;
        }
        let request = pb::VoidLegRequest { leg_id: leg.to_string(), payment_id: payment.to_string() };
        let answer = self
            .links
            .call((bank, "void_leg"), request, |mut client, request| async move { client.void_leg(request).await })
            .await;
        match answer {
            Ok(answer) => {
                answer.leg.is_some_and(|leg| matches!(leg.state(), pb::LegState::Voided | pb::LegState::Refused))
            }
            Err(status) => {
                tracing::warn!(%bank, %leg, code = ?status.code(), "a void got no answer");
                false
            }
        }
    }

    /// Has the bank give money back from a posted leg.
    pub(crate) async fn give_back(
        &self,
        bank: &BankId,
        leg: LegId,
        payment: PaymentId,
        original: LegId,
        amount: Money,
    ) -> GiveBackAnswer {
        if let Some(line) = self.line(bank).await {
            return line.issuers.give_back(line.name(), bank, (leg, payment), (original, amount)).await;
        }
        let request = pb::RefundLegRequest {
            leg_id: leg.to_string(),
            payment_id: payment.to_string(),
            original_leg_id: original.to_string(),
            amount: Some(proto::to_money(amount)),
        };
        let answer = self
            .links
            .call((bank, "refund_leg"), request, |mut client, request| async move { client.refund_leg(request).await })
            .await;
        match answer.map(|answer| answer.leg) {
            Ok(Some(leg)) => match leg.state() {
                pb::LegState::Posted => GiveBackAnswer::Posted,
                pb::LegState::Refused => GiveBackAnswer::Refused(refusal_of(&leg)),
                _ => GiveBackAnswer::Unknown,
            },
            Ok(None) => GiveBackAnswer::Unknown,
            Err(status) => {
                tracing::warn!(%bank, %leg, code = ?status.code(), "a refund got no answer");
                GiveBackAnswer::Unknown
            }
        }
    }

    /// Posts legs in one call; gives those that the bank says are posted.
    pub(crate) async fn post(&self, bank: &BankId, legs: &[LegId]) -> Vec<LegId> {
        if let Some(line) = self.line(bank).await {
            return line.issuers.post(legs).await;
        }
        let request = pb::PostLegsRequest { leg_ids: legs.iter().map(LegId::to_string).collect() };
        let answer = self
            .links
            .call((bank, "post_legs"), request, |mut client, request| async move { client.post_legs(request).await })
            .await;
        let results = match answer {
            Ok(answer) => answer.results,
            Err(status) => {
                tracing::warn!(%bank, legs = legs.len(), code = ?status.code(), "a post got no answer");
                return Vec::new();
            }
        };
        let mut posted = Vec::with_capacity(results.len());
        for (result, leg) in results.iter().zip(legs) {
            if result.state() == pb::LegState::Posted && result.leg_id == leg.to_string() {
                posted.push(*leg);
            } else {
                // The hub has committed what the bank says it cannot post: somebody has to look.
                metrics::counter!("bankhub_posts_refused_total", "bank" => bank.to_string()).increment(1);
                let reason = result.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
                tracing::error!(%bank, %leg, reason, "the bank refuses to post a committed leg");
            }
        }
        posted
    }

    /// Reads how a card may be shown, which is also the proof that it exists.
    async fn card(&self, bank: &BankId, card: CardId) -> Result<String, Reason> {
        if let Some(line) = self.line(bank).await {
            return line.issuers.masked(bank, card).await;
        }
        let request = pb::GetCardRequest { card_id: card.to_string() };
        let answer = self
            .links
            .call((bank, "get_card"), request, |mut client, request| async move { client.get_card(request).await })
            .await;
        match answer {
            Ok(answer) => Ok(answer.card_masked),
            Err(status) => Err(match proto::reason_of(&status) {
                Some(Reason::CardUnknown) => Reason::CardUnknown,
                _ => Reason::BankAway,
            }),
        }
    }

    /// Reads how an account may be shown, which is also the proof that it exists.
    async fn account(&self, bank: &BankId, account: AccountId) -> Result<String, Reason> {
        if self.line(bank).await.is_some() {
            return Err(Reason::AccountUnknown);
        }
        let request = pb::GetAccountRequest { account_id: account.to_string() };
        let answer = self
            .links
            .call(
                (bank, "get_account"),
                request,
                |mut client, request| async move { client.get_account(request).await },
            )
            .await;
        match answer {
            Ok(answer) => answer.account.map(|account| account.account_masked).ok_or(Reason::AccountUnknown),
            Err(status) => Err(match proto::reason_of(&status) {
                Some(Reason::AccountUnknown) => Reason::AccountUnknown,
                _ => Reason::BankAway,
            }),
        }
    }
}

impl Banks {
    /// Asks a bank to report what is paid with an account or a card elsewhere.
    async fn followed(&self, bank: &BankId, instrument: Instrument) -> Result<(), Reason> {
        use pb::follow_instrument_request::Instrument as Named;
        // Over a card network nobody reports anything.
        if self.line(bank).await.is_some() {
            return Ok(());
        }
        let named = match instrument {
            Instrument::Account(id) => Named::AccountId(id.to_string()),
            Instrument::Card(id) => Named::CardId(id.to_string()),
        };
        let request = pb::FollowInstrumentRequest { instrument: Some(named) };
        let asked = |mut client: Client, request| async move { client.follow_instrument(request).await };
        match self.links.call((bank, "follow_instrument"), request, asked).await {
            Ok(_) => Ok(()),
            Err(status) => Err(match proto::reason_of(&status) {
                Some(reason @ (Reason::AccountUnknown | Reason::CardUnknown)) => reason,
                _ => Reason::BankAway,
            }),
        }
    }
}

impl crate::directory::BankInstruments for Banks {
    fn register_card(
        &self,
        bank: &BankId,
        card: CardId,
        pan: &Pan,
    ) -> futures_util::future::BoxFuture<'_, Result<(), Reason>> {
        let (bank, pan) = (bank.clone(), pan.clone());
        Box::pin(async move {
            match self.line(&bank).await {
                Some(line) => line.issuers.register_card(&bank, card, &pan).await.map(|_| ()),
                None => Err(Reason::NatureUnsupported),
            }
        })
    }

    fn follow(&self, bank: &BankId, instrument: Instrument) -> futures_util::future::BoxFuture<'_, Result<(), Reason>> {
        let bank = bank.clone();
        Box::pin(async move { self.followed(&bank, instrument).await })
    }

    fn masked(
        &self,
        bank: &BankId,
        instrument: Instrument,
    ) -> futures_util::future::BoxFuture<'_, Result<String, Reason>> {
        let bank = bank.clone();
        Box::pin(async move {
            match instrument {
                Instrument::Account(id) => self.account(&bank, id).await,
                Instrument::Card(id) => self.card(&bank, id).await,
            }
        })
    }
}

/// The bank's reason; one that this version does not know is told as a refusal all the same.
fn refusal_of(leg: &pb::Leg) -> Reason {
    let code = leg.refusal.as_ref().map_or("", |refusal| refusal.reason.as_str());
    Reason::from_code(code).unwrap_or(Reason::BankRefused)
}
