//! The terminal's calls: each checks who calls, reads the message, takes one durable step, and carries the payment on.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::payment::{Payer, PayingInstrument, Payment};
use domain::purchase::Terminal;
use domain::{AttemptId, LegId, OneTimeCode, PaymentId, Reason, TerminalId, TransactionPassword};
use futures_util::Stream;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use proto::status;
use proto::terminal as pb;
use proto::terminal::terminal_service_server::TerminalService;
use server_kit::identity::Role;
use server_kit::keystore::KeyName;
use server_kit::rng::digits;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::desk::Desk;
use super::request::{ReadCreate, seen};
use super::steps::{NewCode, ResendCode, Step};
use super::till::{Typed, WantedRefund};
use super::top_up::ReadTopUp;
use super::tries::RefusedTries;
use super::watch::{Place, Places, Watching};
use crate::caller::caller;
use crate::errand::Errands;
use crate::prices::Prices;
use crate::store_status::store_status;

/// How often one terminal may call what costs others something.
#[derive(Clone, Copy, Debug)]
pub struct TerminalLimits {
    pub codes_per_minute: NonZeroU32,
    pub reads_per_second: NonZeroU32,
    pub writes_per_second: NonZeroU32,
    /// Cards that were not verified.
    pub refused_cards_per_minute: usize,
    /// Payments that one terminal follows at once.
    pub watches: usize,
    /// How often a followed payment is read again, for changes that another replica made; never where there is none.
    pub watch_every: Option<Duration>,
}

/// The terminal service of the hub.
#[derive(Clone, Debug)]
pub struct TerminalApi {
    pub(super) desk: Desk,
    prices: Prices,
    errands: Option<Errands>,
    codes: Arc<DefaultKeyedRateLimiter<TerminalId>>,
    reads: Arc<DefaultKeyedRateLimiter<TerminalId>>,
    writes: Arc<DefaultKeyedRateLimiter<TerminalId>>,
    pub(super) tries: RefusedTries,
    places: Places,
    watch_every: Option<Duration>,
    draining: CancellationToken,
}

impl TerminalApi {
    pub fn new(desk: Desk, prices: Prices, limits: TerminalLimits, draining: CancellationToken) -> Self {
        Self {
            desk,
            prices,
            errands: None,
            codes: Arc::new(RateLimiter::keyed(Quota::per_minute(limits.codes_per_minute))),
            reads: Arc::new(RateLimiter::keyed(Quota::per_second(limits.reads_per_second))),
            writes: Arc::new(RateLimiter::keyed(Quota::per_second(limits.writes_per_second))),
            tries: RefusedTries::new(limits.refused_cards_per_minute),
            places: Places::new(limits.watches),
            watch_every: limits.watch_every,
            draining,
        }
    }

    /// With errands, which not every hub of a test has.
    #[must_use]
    pub fn running(self, errands: Errands) -> Self {
        Self { errands: Some(errands), ..self }
    }

    fn errands(&self) -> Result<&Errands, Status> {
        self.errands.as_ref().ok_or_else(|| status(Reason::Fault))
    }

    /// The terminal of the certificate, enrolled. Suspended or not it may ask about its payments and take them back: the money of
    /// its customers must not hang on it.
    async fn terminal<T>(&self, request: &Request<T>) -> Result<Arc<Terminal>, Status> {
        let id = caller(request, Role::Terminal).and_then(|id| TerminalId::parse(&id)).map_err(status)?;
        self.enrolled(&id).await
    }

    /// The terminal of the certificate, which may take money.
    pub(super) async fn active_terminal<T>(&self, request: &Request<T>) -> Result<Arc<Terminal>, Status> {
        let terminal = self.terminal(request).await?;
        self.taking_money(terminal)
    }

    pub(super) fn may_write(&self, terminal: &TerminalId) -> Result<(), Status> {
        self.writes.check_key(terminal).map_err(|_| status(Reason::TooBusy))
    }

    fn may_read(&self, terminal: &TerminalId) -> Result<(), Status> {
        self.reads.check_key(terminal).map_err(|_| status(Reason::TooBusy))
    }

    pub(super) fn may_send_code(&self, terminal: &TerminalId) -> Result<(), Status> {
        self.codes.check_key(terminal).map_err(|_| status(Reason::TooBusy))
    }

    pub(super) async fn step(&self, step: Step) -> Result<Payment, Status> {
        let outcome = self.desk.write(step).await.map_err(|error| store_status(&error))?;
        outcome.payment.map_err(status)
    }

    /// A code from the system's randomness, sealed for the payer's feed.
    pub(super) fn new_code(&self, payment: PaymentId) -> Result<NewCode, Status> {
        let fault = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a code cannot be made");
            status(Reason::Fault)
        };
        let code = digits(self.desk.rng().as_ref(), OneTimeCode::DIGITS).map_err(|error| fault(&error))?;
        let code = OneTimeCode::parse(&code).map_err(status)?;
        let keys = self.desk.keys();
        let sealed = keys.seal(KeyName::SealedPayload, payment.uuid().as_bytes(), code.reveal().as_bytes());
        Ok(NewCode { code, sealed: sealed.map_err(|error| fault(&error))? })
    }

    pub(super) fn new_leg(&self) -> Result<LegId, Status> {
        self.desk.ids().uuid().map(LegId::from_uuid).map_err(|error| {
            tracing::error!(%error, "an id cannot be made");
            status(Reason::Fault)
        })
    }

    pub(super) async fn payer(&self, read: &ReadCreate) -> Result<Option<Payer>, Status> {
        let known = self.desk.directory().payer_by_phone(&read.phone).await.map_err(|error| store_status(&error))?;
        Ok(known.map(|payer| Payer {
            person_id: payer.person_id,
            has_password: payer.password_mac.is_some(),
            number_epoch: payer.number_epoch,
            instrument: payer.instrument.as_ref().map(|paying| PayingInstrument {
                bank_id: paying.bank_id.clone(),
                instrument: paying.instrument,
                masked: paying.masked.clone(),
                usable: paying.active && !paying.bank_suspended,
            }),
        }))
    }

    async fn owned(&self, id: PaymentId, terminal: &TerminalId) -> Result<Payment, Status> {
        let payment = self.desk.find(id).await.map_err(|error| store_status(&error))?;
        let payment = payment.ok_or_else(|| status(Reason::PaymentUnknown))?;
        payment.owned_by(terminal).map_err(status)?;
        Ok(payment)
    }
}

pub(super) fn key_fault(error: &server_kit::keystore::KeyError) -> Status {
    tracing::error!(%error, "the key store does not answer");
    status(Reason::Fault)
}

#[tonic::async_trait]
impl TerminalService for TerminalApi {
    async fn create_payment(
        &self,
        request: Request<pb::CreatePaymentRequest>,
    ) -> Result<Response<pb::CreatePaymentResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let read = ReadCreate::read(request.get_ref()).map_err(status)?;
        let payment = match self.may_look_up(&terminal, None).await {
            Ok(look_up) => self.challenge(terminal, read, look_up, None).await?,
            // A request that comes again has its answer, which tells nobody anything new.
            Err(refused) => self.known(&terminal.id, read.id, |keys| read.fingerprint(keys)).await?.ok_or(refused)?,
        };
        Ok(Response::new(pb::CreatePaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn authorize_payment(
        &self,
        request: Request<pb::AuthorizePaymentRequest>,
    ) -> Result<Response<pb::AuthorizePaymentResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let message = request.into_inner();
        let typed = Typed {
            payment: PaymentId::parse(&message.payment_id).map_err(status)?,
            attempt: AttemptId::parse(&message.attempt_id).map_err(status)?,
            code: OneTimeCode::parse(&message.code).map_err(status)?,
            password: TransactionPassword::parse(&message.transaction_password).map_err(status)?,
            route: None,
            noted: None,
        };
        let payment = self.evaluate(&terminal.id, typed).await?;
        Ok(Response::new(pb::AuthorizePaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn resend_code(
        &self,
        request: Request<pb::ResendCodeRequest>,
    ) -> Result<Response<pb::ResendCodeResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let message = request.into_inner();
        let payment = PaymentId::parse(&message.payment_id).map_err(status)?;
        let attempt = AttemptId::parse(&message.attempt_id).map_err(status)?;
        self.may_send_code(&terminal.id)?;
        let code = self.new_code(payment)?;
        let resend = ResendCode { payment, attempt, terminal: terminal.id.clone(), code };
        let payment = self.step(Step::Resend(resend)).await?;
        Ok(Response::new(pb::ResendCodeResponse { payment: Some(seen(&payment)) }))
    }

    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let terminal = self.terminal(&request).await?;
        let id = PaymentId::parse(&request.get_ref().payment_id).map_err(status)?;
        self.may_read(&terminal.id)?;
        let payment = self.owned(id, &terminal.id).await?;
        Ok(Response::new(pb::GetPaymentResponse { payment: Some(seen(&payment)) }))
    }

    type WatchPaymentStream = Pin<Box<dyn Stream<Item = Result<pb::WatchPaymentResponse, Status>> + Send>>;

    async fn watch_payment(
        &self,
        request: Request<pb::WatchPaymentRequest>,
    ) -> Result<Response<Self::WatchPaymentStream>, Status> {
        let terminal = self.terminal(&request).await?;
        let id = PaymentId::parse(&request.get_ref().payment_id).map_err(status)?;
        self.may_read(&terminal.id)?;
        let place = self.places.take(&terminal.id).ok_or_else(|| status(Reason::TooBusy))?;
        // First the registration, then the look: a change in between is not missed.
        let watching = self.desk.watch(id);
        let first = self.owned(id, &terminal.id).await?;
        let following = Following {
            desk: self.desk.clone(),
            watching,
            _place: place,
            every: self.watch_every,
            draining: self.draining.clone(),
            id,
            last: None,
        };
        let stream = futures_util::stream::unfold((following, Some(first)), |(mut following, first)| async move {
            let next = following.next(first).await?;
            Some((next, (following, None)))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn cancel_payment(
        &self,
        request: Request<pb::CancelPaymentRequest>,
    ) -> Result<Response<pb::CancelPaymentResponse>, Status> {
        let terminal = self.terminal(&request).await?;
        self.may_write(&terminal.id)?;
        let payment = PaymentId::parse(&request.get_ref().payment_id).map_err(status)?;
        let payment = self.step(Step::Cancel { payment, terminal: terminal.id.clone() }).await?;
        Ok(Response::new(pb::CancelPaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn reverse_payment(
        &self,
        request: Request<pb::ReversePaymentRequest>,
    ) -> Result<Response<pb::ReversePaymentResponse>, Status> {
        let terminal = self.terminal(&request).await?;
        let message = request.into_inner();
        let payment = PaymentId::parse(&message.payment_id).map_err(status)?;
        let amount = proto::to_payable(message.amount.as_ref()).map_err(status)?;
        let payment = self.take_back(&terminal.id, payment, amount).await?;
        Ok(Response::new(pb::ReversePaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn refund_payment(
        &self,
        request: Request<pb::RefundPaymentRequest>,
    ) -> Result<Response<pb::RefundPaymentResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let message = request.into_inner();
        let wanted = WantedRefund {
            id: PaymentId::parse(&message.refund_id).map_err(status)?,
            original: PaymentId::parse(&message.payment_id).map_err(status)?,
            amount: proto::to_payable(message.amount.as_ref()).map_err(status)?,
        };
        let refund = self.give_back(&terminal.id, wanted).await?;
        Ok(Response::new(pb::RefundPaymentResponse { refund: Some(seen(&refund)) }))
    }

    async fn create_card_payment(
        &self,
        request: Request<pb::CreateCardPaymentRequest>,
    ) -> Result<Response<pb::CreateCardPaymentResponse>, Status> {
        let payment = self.pay_with_card(request).await?;
        Ok(Response::new(pb::CreateCardPaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn complete_payment(
        &self,
        request: Request<pb::CompletePaymentRequest>,
    ) -> Result<Response<pb::CompletePaymentResponse>, Status> {
        let payment = self.complete(request).await?;
        Ok(Response::new(pb::CompletePaymentResponse { payment: Some(seen(&payment)) }))
    }

    async fn create_top_up(
        &self,
        request: Request<pb::CreateTopUpRequest>,
    ) -> Result<Response<pb::CreateTopUpResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let read = ReadTopUp::read(request.get_ref()).map_err(status)?;
        let payment = match self.may_look_up(&terminal, None).await {
            Ok(look_up) => self.top_up(terminal, read, look_up).await?,
            Err(refused) => self.known(&terminal.id, read.id, |keys| read.fingerprint(keys)).await?.ok_or(refused)?,
        };
        Ok(Response::new(pb::CreateTopUpResponse { payment: Some(seen(&payment)) }))
    }

    async fn create_errand(
        &self,
        request: Request<pb::CreateErrandRequest>,
    ) -> Result<Response<pb::CreateErrandResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let errands = self.errands()?;
        let asked = errands.read(request.get_ref())?;
        let errand = match self.may_look_up(&terminal, None).await {
            Ok(look_up) => errands.create(terminal, asked, look_up).await?,
            Err(refused) => errands.known(&terminal.id, &asked).await?.ok_or(refused)?,
        };
        Ok(Response::new(pb::CreateErrandResponse { errand: Some(errand) }))
    }

    async fn prove_errand(
        &self,
        request: Request<pb::ProveErrandRequest>,
    ) -> Result<Response<pb::ProveErrandResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        self.errands()?.prove(&terminal.id, request.into_inner()).await.map(Response::new)
    }

    async fn get_errand(
        &self,
        request: Request<pb::GetErrandRequest>,
    ) -> Result<Response<pb::GetErrandResponse>, Status> {
        let terminal = self.terminal(&request).await?;
        self.may_read(&terminal.id)?;
        self.errands()?.get(&terminal.id, &request.get_ref().errand_id).await.map(Response::new)
    }

    async fn publish_prices(
        &self,
        request: Request<pb::PublishPricesRequest>,
    ) -> Result<Response<pb::PublishPricesResponse>, Status> {
        let terminal = self.active_terminal(&request).await?;
        let changed = self.prices.publish(terminal, request.get_ref()).await;
        let changed = changed.map_err(|error| store_status(&error))?.map_err(status)?;
        Ok(Response::new(pb::PublishPricesResponse { changed: i32::try_from(changed).unwrap_or(i32::MAX) }))
    }

    async fn inquire_balance(
        &self,
        request: Request<pb::InquireBalanceRequest>,
    ) -> Result<Response<pb::InquireBalanceResponse>, Status> {
        self.inquire(request).await.map(Response::new)
    }
}

/// One terminal that follows one payment.
struct Following {
    desk: Desk,
    watching: Watching,
    _place: Place,
    every: Option<Duration>,
    draining: CancellationToken,
    id: PaymentId,
    last: Option<Payment>,
}

impl Following {
    /// The payment when it has next changed; nothing after a final state or when the server drains.
    async fn next(&mut self, first: Option<Payment>) -> Option<Result<pb::WatchPaymentResponse, Status>> {
        let mut found = first;
        loop {
            if self.last.as_ref().is_some_and(|last| last.seen().is_final()) {
                return None;
            }
            if let Some(payment) = found.take()
                && self.last.as_ref().is_none_or(|last| seen(last) != seen(&payment))
            {
                let message = pb::WatchPaymentResponse { payment: Some(seen(&payment)) };
                self.last = Some(payment);
                return Some(Ok(message));
            }
            tokio::select! {
                () = self.draining.cancelled() => return Some(Err(status(Reason::ShuttingDown))),
                () = self.watching.changed() => {}
                () = pause(self.every) => {}
            }
            match self.desk.find(self.id).await {
                Ok(payment) => found = payment,
                Err(error) => return Some(Err(store_status(&error))),
            }
        }
    }
}

async fn pause(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}
