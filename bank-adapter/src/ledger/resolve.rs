//! The worker that asks the hub about legs that have been held for long. A hold never expires by itself: the hub knows
//! whether its payment was committed.

use std::future::Future;
use std::time::Duration;

use domain::ledger::{Leg, Origin, VoidOrder};
use domain::{LegId, PaymentId, Reason};
use proto::federation::federation_service_client::FederationServiceClient;
use proto::federation::{
    InquireCreditHistoryRequest, InquireCreditHistoryResponse, LegVerdict, RegisterBinRangesRequest,
    ReportBillsRequest, ReportBillsResponse, ReportPurchasesRequest, ReportPurchasesResponse, ResolveLegRequest,
};
use server_kit::clock::SharedClock;
use server_kit::trace;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::{Ledger, LedgerError, Place};

/// What the hub decided about a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not decided: keep the hold and ask again.
    Wait,
    /// The payment is committed.
    Post,
    /// The payment is declined, or the hub does not know the leg.
    Void,
}

/// Who knows what becomes of a leg.
pub trait Verdicts: Send + Sync + 'static {
    /// Asks about one leg. An error says nothing about the leg: it stays held.
    fn verdict(&self, leg_id: LegId, payment_id: PaymentId) -> impl Future<Output = Result<Verdict, Status>> + Send;
}

/// The hub, over gRPC.
#[derive(Clone, Debug)]
pub struct HubClient {
    client: FederationServiceClient<Channel>,
    timeout: Duration,
}

impl HubClient {
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        let client = FederationServiceClient::new(channel).max_decoding_message_size(proto::MAX_MESSAGE_BYTES);
        Self { client, timeout }
    }

    /// Tells the hub which card numbers the bank issues.
    pub(crate) async fn register_bin_ranges(&self, message: RegisterBinRangesRequest) -> Result<(), Status> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(self.timeout, client.register_bin_ranges(request)).await;
        answer.map_err(|_| Status::deadline_exceeded("the hub did not answer in time"))?.map(|_| ())
    }
}

impl HubClient {
    /// Tells the hub of purchases that it did not carry.
    pub(crate) async fn report(&self, message: ReportPurchasesRequest) -> Result<ReportPurchasesResponse, Status> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(self.timeout, client.report_purchases(request)).await;
        Ok(answer.map_err(|_| Status::deadline_exceeded("the hub did not answer in time"))??.into_inner())
    }

    /// Asks for a credit history.
    pub(crate) async fn inquire_credit_history(
        &self,
        message: InquireCreditHistoryRequest,
    ) -> Result<InquireCreditHistoryResponse, Status> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(self.timeout, client.inquire_credit_history(request)).await;
        Ok(answer.map_err(|_| Status::deadline_exceeded("the hub did not answer in time"))??.into_inner())
    }

    /// Tells the hub how bills stand.
    pub(crate) async fn report_bills(&self, message: ReportBillsRequest) -> Result<ReportBillsResponse, Status> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        let mut client = self.client.clone();
        let answer = tokio::time::timeout(self.timeout, client.report_bills(request)).await;
        Ok(answer.map_err(|_| Status::deadline_exceeded("the hub did not answer in time"))??.into_inner())
    }
}

impl HubClient {
    /// Makes a call for somebody at the counter: the hub's reason where it refuses, and `Err(HubAway)` where it does not answer.
    pub(crate) async fn ask<Q, A, F>(
        &self,
        message: Q,
        call: impl FnOnce(FederationServiceClient<Channel>, Request<Q>) -> F,
    ) -> Result<A, Reason>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        match tokio::time::timeout(self.timeout, call(self.client.clone(), request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(proto::reason_of(&status).unwrap_or(Reason::HubAway)),
            Err(_) => Err(Reason::HubAway),
        }
    }
}

impl Verdicts for HubClient {
    async fn verdict(&self, leg_id: LegId, payment_id: PaymentId) -> Result<Verdict, Status> {
        let message = ResolveLegRequest { leg_id: leg_id.to_string(), payment_id: payment_id.to_string() };
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        trace::inject(request.metadata_mut());
        let mut client = self.client.clone();
        // The timeout in the request is for the hub to keep; this one is for a hub that is not there.
        let answer = tokio::time::timeout(self.timeout, client.resolve_leg(request)).await;
        let answer = answer.map_err(|_| Status::deadline_exceeded("the hub did not answer in time"))??;
        match answer.into_inner().verdict() {
            LegVerdict::Wait => Ok(Verdict::Wait),
            LegVerdict::Post => Ok(Verdict::Post),
            LegVerdict::Void => Ok(Verdict::Void),
            // Money must not move on a word that this version does not know.
            LegVerdict::Unspecified => Err(proto::status(Reason::FieldUnknown)),
        }
    }
}

/// When and how much to ask.
#[derive(Clone, Copy, Debug)]
pub struct ResolveOptions {
    /// A leg is asked about when it has been held for this long.
    pub after: Duration,
    /// The pause between rounds.
    pub every: Duration,
    /// The longest pause while the hub is away; the pause doubles up to it.
    pub pause_at_most: Duration,
    /// The most legs that one round asks about.
    pub legs_a_round: i64,
}

/// What came of one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub posted: u64,
    pub voided: u64,
    pub waiting: u64,
    /// Legs that could not be made what the hub says, or that it answered with a reason: somebody has to look.
    pub refused: u64,
    /// The hub or the storage did not answer, and the round was broken off.
    pub broken_off: bool,
    /// There may be more legs to ask about right away.
    pub full: bool,
}

/// Asks, and does what it is told.
#[derive(Debug)]
pub struct Resolver<H> {
    ledger: Ledger,
    hub: H,
    clock: SharedClock,
    options: ResolveOptions,
    /// Where the last round ended, so that legs whose payment is not decided do not keep the others from their turn.
    after: Option<Place>,
}

impl<H: Verdicts> Resolver<H> {
    pub const fn new(ledger: Ledger, hub: H, clock: SharedClock, options: ResolveOptions) -> Self {
        Self { ledger, hub, clock, options, after: None }
    }

    /// Goes round until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut pause = self.options.every;
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            let Some(round) = stop.run_until_cancelled(self.round()).await else { return };
            if round != Round::default() {
                tracing::info!(?round, "asked the hub about legs that were held for long");
            }
            pause = match round {
                Round { broken_off: true, .. } => pause.saturating_mul(2).min(self.options.pause_at_most),
                Round { full: true, .. } => Duration::ZERO,
                _ => self.options.every,
            };
            // A pause of zero would never grow.
            pause = pause.max(Duration::from_millis(10));
        }
    }

    /// Asks about the legs whose turn it is, the longest held first.
    pub async fn round(&mut self) -> Round {
        let mut round = Round::default();
        let before = self.clock.now().minus(self.options.after);
        let after = self.after.take().unwrap_or_else(|| Place::before(domain::Timestamp::from_micros(i64::MIN)));
        let legs = match self.ledger.legs_held(after, before, self.options.legs_a_round).await {
            Ok(legs) => legs,
            Err(error) => return broken_off(round, &error),
        };
        for leg in &legs {
            match self.resolve(leg).await {
                Ok(Verdict::Post) => round.posted += 1,
                Ok(Verdict::Void) => round.voided += 1,
                Ok(Verdict::Wait) => round.waiting += 1,
                // The others would fail as this one did.
                Err(error) if error.is_of_all() => return broken_off(round, &error),
                Err(error) => {
                    let (leg_id, payment_id) = (leg.id, leg.payment_id);
                    tracing::error!(%leg_id, %payment_id, %error, "a leg that was held for long cannot be resolved");
                    metrics::counter!("bankhub_ledger_resolved_total", "verdict" => "refused").increment(1);
                    round.refused += 1;
                }
            }
        }
        if i64::try_from(legs.len()).unwrap_or(i64::MAX) >= self.options.legs_a_round {
            self.after = legs.last().map(Place::of);
            round.full = true;
        }
        round
    }

    async fn resolve(&self, leg: &Leg) -> Result<Verdict, ResolveError> {
        let verdict = self.hub.verdict(leg.id, leg.payment_id).await?;
        let result = match verdict {
            Verdict::Wait => "wait",
            Verdict::Post => {
                let results = self.ledger.post(vec![leg.id]).await?;
                if let Some(refusal) = results.iter().find_map(|result| result.refusal) {
                    return Err(LedgerError::Refused(refusal).into());
                }
                "post"
            }
            Verdict::Void => {
                let order = VoidOrder { origin: Origin::Hub, leg_id: leg.id, payment_id: leg.payment_id };
                match self.ledger.void(order).await {
                    // The hub's own post came first: it has decided otherwise since, and posting is final.
                    Ok(_) | Err(LedgerError::Refused(Reason::LegPosted)) => "void",
                    Err(error) => return Err(error.into()),
                }
            }
        };
        metrics::counter!("bankhub_ledger_resolved_total", "verdict" => result).increment(1);
        Ok(verdict)
    }
}

#[derive(Debug, thiserror::Error)]
enum ResolveError {
    #[error("the hub answers {}: {}", .0.code(), .0.message())]
    Hub(#[from] Status),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl ResolveError {
    /// Whether the hub or the storage is away, rather than this one leg the matter.
    fn is_of_all(&self) -> bool {
        match self {
            Self::Ledger(LedgerError::Store(_)) => true,
            Self::Ledger(LedgerError::Refused(_)) => false,
            Self::Hub(status) => {
                matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
                    || proto::reason_of(status).is_none()
            }
        }
    }
}

fn broken_off(round: Round, error: &(dyn std::error::Error + 'static)) -> Round {
    tracing::warn!(error, "the round of asking the hub is broken off");
    Round { broken_off: true, ..round }
}
