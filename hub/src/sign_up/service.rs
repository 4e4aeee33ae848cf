//! What carriers call.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::lookup::Scope;
use domain::sign_up::SignUp;
use domain::{CarrierId, Reason, SignUpId};
use futures_util::Stream;
use proto::carrier as pb;
use proto::carrier::carrier_service_server::CarrierService;
use proto::status;
use server_kit::identity::Role;
use server_kit::store::StoreError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::steps::{Done, Step};
use super::wire::{self, Asked};
use super::{SignUps, sql};
use crate::caller::caller;
use crate::lookups::{Budget, LookUp};
use crate::store_status::{fault, store_status};

/// Streams of answers that a replica has open at once. Carriers are few.
const MOST_WATCHES: usize = 64;
/// How often it is looked for answers that another replica has decided.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Answers that are read at once.
const PAGE: i64 = 100;

/// `bankhub.carrier.v1.CarrierService`.
#[derive(Clone, Debug)]
pub(crate) struct CarrierApi {
    sign_ups: SignUps,
    watches: Arc<Semaphore>,
    draining: CancellationToken,
}

impl CarrierApi {
    pub(crate) fn new(sign_ups: SignUps, draining: CancellationToken) -> Self {
        Self { sign_ups, watches: Arc::new(Semaphore::new(MOST_WATCHES)), draining }
    }

    /// The carrier that reads; registered and not suspended.
    async fn reader<T>(&self, request: &Request<T>) -> Result<CarrierId, Status> {
        let id = carrier(request)?;
        let known = sql::read_carrier(&self.sign_ups.inner.store, &id).await.map_err(|error| store_status(&error))?;
        match known {
            None => Err(status(Reason::CarrierUnknown)),
            Some(carrier) if carrier.suspended => Err(status(Reason::CarrierSuspended)),
            Some(_) => Ok(id),
        }
    }
}

/// The carrier that calls, by certificate.
fn carrier<T>(request: &Request<T>) -> Result<CarrierId, Status> {
    caller(request, Role::Carrier).and_then(|id| CarrierId::parse(&id)).map_err(status)
}

impl SignUps {
    async fn ask(&self, carrier_id: CarrierId, request: &pb::SignUpRequest) -> Result<SignUp, Status> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let instant = jiff::Timestamp::from_microsecond(now.micros()).map_err(|error| fault(&error))?;
        let today = instant.to_zoned(inner.zone.rules().clone()).date();
        let asked = Asked::read(carrier_id, request, (now, today)).map_err(status)?;
        let ask = asked.hashed(&*inner.keys).map_err(|error| fault(&error))?;
        let look_up = self.pay(&ask.new.carrier_id).await?;
        let done = told_of(look_up, self.step(Step::Ask(Box::new(ask))).await)?;
        match done.map_err(status)? {
            Done::SignUp(sign_up) => {
                self.begin((*sign_up).clone());
                Ok(*sign_up)
            }
            _ => Err(status(Reason::Fault)),
        }
    }

    /// A carrier has a budget for numbers and people that are not its own.
    async fn pay(&self, carrier: &CarrierId) -> Result<LookUp, Status> {
        let paid = self.inner.lookups.pay(vec![Budget::new(Scope::Carrier, carrier.as_str())]).await;
        paid.map_err(|error| store_status(&error))?.map_err(status)
    }

    async fn report(&self, carrier_id: CarrierId, request: &pb::ReportNumberChangeRequest) -> Result<i64, Status> {
        let inner = &self.inner;
        let report = wire::report(&*inner.keys, carrier_id, request, inner.clock.now());
        let report = report.map_err(|error| fault(&error))?.map_err(status)?;
        let look_up = self.pay(&report.carrier_id).await?;
        let done = told_of(look_up, self.step(Step::Report(Box::new(report))).await)?;
        match done.map_err(status)? {
            Done::Reported(epoch) => Ok(epoch),
            _ => Err(status(Reason::Fault)),
        }
    }
}

/// What a carrier was told of a number or a person: only that something is another's tells it what it did not know.
fn told_of(look_up: LookUp, done: Result<Result<Done, Reason>, StoreError>) -> Result<Result<Done, Reason>, Status> {
    use Reason::{AlreadySignedUp, IdentityMismatch, NumberNotYours, PhoneNumberTaken, SignUpUnderWay};
    match &done {
        Ok(Ok(_)) => look_up.hit(),
        Ok(Err(AlreadySignedUp | IdentityMismatch | NumberNotYours | PhoneNumberTaken | SignUpUnderWay)) => {
            look_up.miss()
        }
        Ok(Err(_)) | Err(_) => look_up.told_nothing(),
    }
    done.map_err(|error| store_status(&error))
}

#[tonic::async_trait]
impl CarrierService for CarrierApi {
    async fn sign_up(&self, request: Request<pb::SignUpRequest>) -> Result<Response<pb::SignUpResponse>, Status> {
        let carrier_id = carrier(&request)?;
        let sign_up = self.sign_ups.ask(carrier_id, request.get_ref()).await?;
        Ok(Response::new(pb::SignUpResponse { sign_up: Some(wire::sign_up(&sign_up)) }))
    }

    async fn get_sign_up(
        &self,
        request: Request<pb::GetSignUpRequest>,
    ) -> Result<Response<pb::GetSignUpResponse>, Status> {
        let carrier_id = self.reader(&request).await?;
        let id = SignUpId::parse(&request.get_ref().sign_up_id).map_err(status)?;
        let found = sql::find(&self.sign_ups.inner.store, id).await.map_err(|error| store_status(&error))?;
        let found = found.map(|stored| stored.sign_up).filter(|sign_up| sign_up.carrier_id == carrier_id);
        let sign_up = found.ok_or_else(|| status(Reason::SignUpUnknown))?;
        Ok(Response::new(pb::GetSignUpResponse { sign_up: Some(wire::sign_up(&sign_up)) }))
    }

    async fn list_answers(
        &self,
        request: Request<pb::ListAnswersRequest>,
    ) -> Result<Response<pb::ListAnswersResponse>, Status> {
        let carrier_id = self.reader(&request).await?;
        let most = wire::size(request.get_ref().page_size).map_err(status)?;
        let after = after(request.get_ref().after_sequence)?;
        let found = sql::answers(&self.sign_ups.inner.store, &carrier_id, after, most).await;
        let answers = found.map_err(|error| store_status(&error))?.iter().map(wire::answer).collect();
        Ok(Response::new(pb::ListAnswersResponse { answers }))
    }

    type WatchAnswersStream = Pin<Box<dyn Stream<Item = Result<pb::WatchAnswersResponse, Status>> + Send>>;

    async fn watch_answers(
        &self,
        request: Request<pb::WatchAnswersRequest>,
    ) -> Result<Response<Self::WatchAnswersStream>, Status> {
        let carrier_id = self.reader(&request).await?;
        let after = after(request.get_ref().after_sequence)?;
        let place = self.watches.clone().try_acquire_owned().map_err(|_| status(Reason::TooBusy))?;
        let watching = Watching {
            sign_ups: self.sign_ups.clone(),
            carrier_id,
            after,
            read: VecDeque::new(),
            draining: self.draining.clone(),
            _place: place,
        };
        let stream = futures_util::stream::unfold(Some(watching), |watching| async move {
            let mut watching = watching?;
            match watching.next().await? {
                Ok(answer) => Some((Ok(pb::WatchAnswersResponse { answer: Some(answer) }), Some(watching))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn report_number_change(
        &self,
        request: Request<pb::ReportNumberChangeRequest>,
    ) -> Result<Response<pb::ReportNumberChangeResponse>, Status> {
        let carrier_id = carrier(&request)?;
        let number_epoch = self.sign_ups.report(carrier_id, request.get_ref()).await?;
        Ok(Response::new(pb::ReportNumberChangeResponse { number_epoch }))
    }
}

/// Answers count from 1. `Err(SequenceOutOfRange)`.
fn after(sequence: i64) -> Result<i64, Status> {
    if sequence < 0 { Err(status(Reason::SequenceOutOfRange)) } else { Ok(sequence) }
}

/// A carrier that waits for answers.
struct Watching {
    sign_ups: SignUps,
    carrier_id: CarrierId,
    /// The sequence of the last answer that was read.
    after: i64,
    read: VecDeque<SignUp>,
    draining: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    /// The next answer; none when the server drains. A carrier that was suspended meanwhile gets no more.
    async fn next(&mut self) -> Option<Result<pb::Answer, Status>> {
        loop {
            if let Some(decided) = self.read.pop_front() {
                return Some(Ok(wire::answer(&decided)));
            }
            // First the registration, then the look: what is decided in between is not missed.
            let decided = self.sign_ups.inner.decided.clone();
            let news = decided.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            match self.look().await {
                Ok(()) if self.read.is_empty() => {}
                Ok(()) => continue,
                Err(error) => return Some(Err(error)),
            }
            tokio::select! {
                () = self.draining.cancelled() => return None,
                () = news => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Status> {
        let store = &self.sign_ups.inner.store;
        let known = sql::read_carrier(store, &self.carrier_id).await.map_err(|error| store_status(&error))?;
        if known.is_none_or(|carrier| carrier.suspended) {
            return Err(status(Reason::CarrierSuspended));
        }
        let found = sql::answers(store, &self.carrier_id, self.after, PAGE).await;
        self.read = found.map_err(|error| store_status(&error))?.into();
        self.after = self.read.back().and_then(|last| last.answer_sequence).unwrap_or(self.after);
        Ok(())
    }
}
