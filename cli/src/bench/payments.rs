//! Whole payments, over and over. With a phone: create, the code from the payer's own stream, authorize, and the charge on the stream.
//! With a card: one call with track 2 and the PIN block, and the charge on the stream of the holder's phone.

use std::time::Duration;

use domain::{Reason, Timestamp};
use proto::cardholder as phone;
use proto::common::Money;
use proto::terminal as pb;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use server_kit::clock::{Clock as _, Stopwatch, SystemClock};
use server_kit::rng::IdMaker;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::cards::{CardsError, Wallet};
use super::latency::Latencies;
use super::past::Holder;
use crate::acquirer::AcquirerError;
use crate::phone::{Phone, PhoneError};

/// How long a payer waits for an event before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// One person who pays all the time, at one terminal.
#[derive(Debug)]
pub struct Payer {
    pub terminal: Channel,
    pub phone: Phone,
    pub holder: Holder,
    pub password: String,
    /// The last event that the person's phone has seen.
    pub cursor: i64,
    /// The card over the same account, where cards are measured too.
    pub card: Option<Wallet>,
}

/// What people pay with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Phone,
    Card,
}

/// How people pay.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub means: Means,
    pub span: Duration,
    /// How long from one payment of a person to the next; none for one right after the other.
    pub every: Option<Duration>,
}

/// What the payers saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// From the first request to APPROVED.
    pub approved: Latencies,
    /// From APPROVED to the charge on the payer's stream.
    pub told: Latencies,
    /// From the point in time that the hub's transaction gave the purchase, which is before its commit, to the charge on the payer's
    /// stream. It takes the database's clock and this one for the same, as on one machine they are.
    pub fed: Latencies,
    /// Payments that did not end APPROVED.
    pub failed: u64,
}

impl Seen {
    pub fn merge(&mut self, other: &Self) {
        self.approved.merge(&other.approved);
        self.told.merge(&other.told);
        self.fed.merge(&other.fed);
        self.failed += other.failed;
    }

    /// Approved payments a second.
    pub fn per_second(&self, elapsed: Duration) -> f64 {
        self.approved.count() as f64 / elapsed.as_secs_f64()
    }
}

/// Why a payer had to stop.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    #[error("{}: {}", .0.code(), .0.message())]
    Call(#[from] Box<Status>),
    #[error("the payer's stream ended")]
    StreamEnded,
    #[error("the payer's stream told nothing for {} s", PATIENCE.as_secs())]
    NothingHeard,
    #[error("no id could be made")]
    NoId,
    #[error("a card: {0}")]
    Card(#[source] Box<CardsError>),
    #[error("a link: {0}")]
    Link(#[source] Box<AcquirerError>),
    #[error(transparent)]
    Phone(#[from] PhoneError),
}

impl From<Status> for PayError {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

impl From<AcquirerError> for PayError {
    fn from(error: AcquirerError) -> Self {
        Self::Link(Box::new(error))
    }
}

impl From<CardsError> for PayError {
    fn from(error: CardsError) -> Self {
        Self::Card(Box::new(error))
    }
}

/// Pays with every payer at once until the time is over.
pub async fn run(payers: &mut Vec<Payer>, load: Load, ids: &IdMaker) -> Result<Seen, PayError> {
    let watch = Stopwatch::start();
    let count = u32::try_from(payers.len()).unwrap_or(u32::MAX).max(1);
    let tasks: Vec<_> = (0..)
        .zip(std::mem::take(payers))
        .map(|(n, payer)| {
            // They do not all begin at once, but evenly within the time between two payments.
            let begins_at = load.every.unwrap_or_default() / count * n;
            tokio::spawn(pay_until(payer, load, ids.clone(), watch, begins_at))
        })
        .collect();
    let mut all = Seen::default();
    for task in tasks {
        let (payer, seen) = task.await.map_err(|_| PayError::StreamEnded)??;
        payers.push(payer);
        all.merge(&seen);
    }
    Ok(all)
}

async fn pay_until(
    mut payer: Payer,
    Load { means, span, every }: Load,
    ids: IdMaker,
    watch: Stopwatch,
    begins_at: Duration,
) -> Result<(Payer, Seen), PayError> {
    let mut seen = Seen::default();
    let mut terminal = TerminalServiceClient::new(payer.terminal.clone());
    let mut events = payer.phone.events(payer.cursor).await?;
    let mut next_at = begins_at;
    while watch.elapsed() < span {
        if let Some(every) = every {
            tokio::time::sleep(next_at.saturating_sub(watch.elapsed())).await;
            next_at += every;
        }
        let payment_id = ids.uuid().map_err(|_| PayError::NoId)?.to_string();
        let begun = watch.elapsed();
        let answer = match means {
            Means::Phone => by_phone(&mut payer, &mut terminal, &mut events, &payment_id, &ids).await?,
            Means::Card => {
                let wallet = payer.card.as_ref().ok_or(CardsError::NoCard)?;
                terminal.create_card_payment(wallet.purchase(&payment_id, yuan())?).await?.into_inner().payment
            }
        };
        if answer.unwrap_or_default().state() != pb::PaymentState::Approved {
            seen.failed += 1;
            continue;
        }
        let approved = watch.elapsed();
        seen.approved.record(approved.saturating_sub(begun));
        let committed_at = wait_for_charge(&mut events, &payment_id, &mut payer.cursor).await?;
        seen.told.record(watch.elapsed().saturating_sub(approved));
        seen.fed.record(SystemClock.now().since(committed_at));
    }
    Ok((payer, seen))
}

/// Both calls of a phone payment, with the code between them; gives the payment as it was answered last.
async fn by_phone(
    payer: &mut Payer,
    terminal: &mut TerminalServiceClient<Channel>,
    events: &mut Streaming<phone::WatchEventsResponse>,
    payment_id: &str,
    ids: &IdMaker,
) -> Result<Option<pb::Payment>, PayError> {
    let created = terminal.create_payment(create(payment_id, payer.holder.phone.as_e164())).await?.into_inner().payment;
    if created.as_ref().is_none_or(|payment| payment.state() != pb::PaymentState::AwaitingCode) {
        return Ok(created);
    }
    let code = next_code(events, payment_id, &mut payer.cursor).await?;
    let authorize = pb::AuthorizePaymentRequest {
        payment_id: payment_id.to_owned(),
        attempt_id: ids.uuid().map_err(|_| PayError::NoId)?.to_string(),
        code,
        transaction_password: payer.password.clone(),
    };
    Ok(terminal.authorize_payment(authorize).await?.into_inner().payment)
}

fn yuan() -> Money {
    Money { currency_code: "CNY".to_owned(), minor_units: 100 }
}

fn create(payment_id: &str, phone_number: &str) -> pb::CreatePaymentRequest {
    pb::CreatePaymentRequest {
        payment_id: payment_id.to_owned(),
        payer: Some(pb::create_payment_request::Payer::PhoneNumber(phone_number.to_owned())),
        amount: Some(yuan()),
        items: Vec::new(),
        merchant_reference: String::new(),
    }
}

pub(super) async fn next_event(
    events: &mut Streaming<phone::WatchEventsResponse>,
    cursor: &mut i64,
) -> Result<phone::event::Kind, PayError> {
    loop {
        let message = tokio::time::timeout(PATIENCE, events.message()).await.map_err(|_| PayError::NothingHeard)?;
        let event = message?.ok_or(PayError::StreamEnded)?.event.unwrap_or_default();
        // At least once: what was seen before is passed over.
        if event.sequence > *cursor {
            *cursor = event.sequence;
            return event.kind.ok_or_else(|| proto::status(Reason::FieldMissing).into());
        }
    }
}

async fn next_code(
    events: &mut Streaming<phone::WatchEventsResponse>,
    payment_id: &str,
    cursor: &mut i64,
) -> Result<String, PayError> {
    loop {
        if let phone::event::Kind::PaymentCode(code) = next_event(events, cursor).await?
            && code.payment_id == payment_id
        {
            return Ok(code.code);
        }
    }
}

/// Gives the point in time that the hub's transaction gave the purchase.
async fn wait_for_charge(
    events: &mut Streaming<phone::WatchEventsResponse>,
    payment_id: &str,
    cursor: &mut i64,
) -> Result<Timestamp, PayError> {
    loop {
        if let phone::event::Kind::Charge(charge) = next_event(events, cursor).await?
            && let Some(purchase) = charge.purchase.filter(|purchase| purchase.payment_id == payment_id)
        {
            let at = purchase.occurred_at.as_ref().map(proto::from_timestamp);
            return at.ok_or_else(|| proto::status(Reason::FieldMissing).into());
        }
    }
}
