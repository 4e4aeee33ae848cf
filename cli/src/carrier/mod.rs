//! A mobile carrier's back end: signs people up at the hub, says what has happened to numbers, and hears what became of it.

pub mod command;

use std::time::Duration;

use domain::sign_up::{CitizenNumber, PersonName};
use domain::{BankId, CarrierId, PhoneNumber, Reason, SignUpId, Timestamp};
use proto::carrier as pb;
use proto::carrier::carrier_service_client::CarrierServiceClient;
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, RngError, SystemRng};
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use crate::profile::{CarrierProfile, Link, ProfileError};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    #[error("{}: {message}", reason.map_or("REFUSED", Reason::code))]
    Refused { reason: Option<Reason>, message: String },
    #[error("no answer within {} s; the same call again is safe", CALL_TIMEOUT.as_secs())]
    NoAnswer,
    #[error("the answer lacks {0}")]
    Incomplete(&'static str),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Random(#[from] RngError),
}

impl CarrierError {
    pub fn reason(&self) -> Option<Reason> {
        if let Self::Refused { reason, .. } = self { *reason } else { None }
    }
}

impl From<Status> for CarrierError {
    fn from(status: Status) -> Self {
        let reason = proto::reason_of(&status);
        let message = reason.map_or_else(|| status.message().to_owned(), |reason| reason.english().to_owned());
        Self::Refused { reason, message }
    }
}

async fn answer<R>(call: impl Future<Output = Result<tonic::Response<R>, Status>>) -> Result<R, CarrierError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(CarrierError::NoAnswer),
    }
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

/// When an id was made, which a UUID of version 7 says: so the same id is the same request, whenever it is sent.
fn made_at(id: Uuid) -> prost_types::Timestamp {
    let (seconds, nanos) = id.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let micros =
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000).saturating_add((nanos / 1_000).into());
    proto::to_timestamp(Timestamp::from_micros(micros))
}

/// Somebody who wants an account.
#[derive(Clone, Debug)]
pub struct Applicant {
    pub phone: PhoneNumber,
    pub name: PersonName,
    pub citizen: CitizenNumber,
    /// None for a bank in turn.
    pub bank: Option<BankId>,
    /// The version of the terms that the person has agreed to.
    pub terms: String,
    /// Where and how.
    pub how: String,
}

impl Applicant {
    /// The request of a sign-up of which the consent was given when its id was made.
    pub fn request(&self, id: SignUpId) -> pb::SignUpRequest {
        pb::SignUpRequest {
            sign_up_id: id.to_string(),
            phone_number: self.phone.as_e164().to_owned(),
            name: self.name.as_str().to_owned(),
            citizen_number: self.citizen.reveal().to_owned(),
            bank_id: self.bank.as_ref().map(BankId::to_string).unwrap_or_default(),
            consent: Some(pb::SignUpConsent {
                terms_version: self.terms.clone(),
                given_how: self.how.clone(),
                given_at: Some(made_at(id.uuid())),
            }),
        }
    }
}

/// The back end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Carrier {
    hub: CarrierServiceClient<Channel>,
    ids: IdMaker,
}

impl Carrier {
    pub fn connect(profile: &CarrierProfile) -> Result<Self, ProfileError> {
        Ok(Self::over(Link::new(&profile.federation, &profile.tls)?.hub(&profile.hub)?))
    }

    /// A back end over a channel to the hub that is there already.
    pub fn over(hub: Channel) -> Self {
        let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
        Self { hub: CarrierServiceClient::new(hub), ids }
    }

    /// The calls as they are, for tests that speak out of turn.
    pub fn client(&self) -> CarrierServiceClient<Channel> {
        self.hub.clone()
    }

    /// An id for a sign-up or a report.
    pub fn new_id(&self) -> Result<Uuid, CarrierError> {
        Ok(self.ids.uuid()?)
    }

    /// Asks for an account; the same request again is the same sign-up.
    pub async fn sign_up(&self, request: pb::SignUpRequest) -> Result<pb::SignUp, CarrierError> {
        let answer = answer(self.hub.clone().sign_up(bounded(request))).await?;
        answer.sign_up.ok_or(CarrierError::Incomplete("the sign-up"))
    }

    pub async fn get(&self, id: SignUpId) -> Result<pb::SignUp, CarrierError> {
        let request = bounded(pb::GetSignUpRequest { sign_up_id: id.to_string() });
        answer(self.hub.clone().get_sign_up(request)).await?.sign_up.ok_or(CarrierError::Incomplete("the sign-up"))
    }

    /// What was decided after this one.
    pub async fn answers(&self, after_sequence: i64) -> Result<Vec<pb::Answer>, CarrierError> {
        let request = bounded(pb::ListAnswersRequest { after_sequence, page_size: 0 });
        Ok(answer(self.hub.clone().list_answers(request)).await?.answers)
    }

    /// The same as it is decided.
    pub async fn watch(&self, after_sequence: i64) -> Result<Streaming<pb::WatchAnswersResponse>, CarrierError> {
        answer(self.hub.clone().watch_answers(Request::new(pb::WatchAnswersRequest { after_sequence }))).await
    }

    /// Says what has happened to a number; gives how often it has changed.
    pub async fn report(
        &self,
        report_id: Uuid,
        phone: &PhoneNumber,
        change: pb::NumberChange,
        to: Option<&CarrierId>,
    ) -> Result<i64, CarrierError> {
        let request = pb::ReportNumberChangeRequest {
            report_id: report_id.to_string(),
            phone_number: phone.as_e164().to_owned(),
            change: change.into(),
            to_carrier_id: to.map(CarrierId::to_string).unwrap_or_default(),
            happened_at: Some(made_at(report_id)),
        };
        Ok(answer(self.hub.clone().report_number_change(bounded(request))).await?.number_epoch)
    }
}
