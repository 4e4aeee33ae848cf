//! A phone in software: a device key, a session, and the person's feed from a cursor, over plain server TLS as a real phone
//! has it. The demo, the tests and the bench use it; the SDK does the same on real phones.

mod account_password;
mod approvals;
mod calls;
pub mod command;
mod feed;
mod filter;
mod folder;
pub mod freezing;
mod habits;
mod history;
mod key;
mod offers;
mod owing;
mod record;
mod repay;
mod repayment;
mod safety_code;
mod show;
mod telling;
mod templates;

use std::sync::Arc;
use std::time::Duration;

use domain::reason::Class;
use domain::{BillId, DeviceId, PersonId, PhoneNumber, Reason, ReminderId};
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

pub use feed::{Feed, FeedOptions};
pub use folder::PhoneFolder;
pub use history::{Agreed, InquiryLog};
pub use key::DeviceKey;
pub use repayment::{OpenRepayments, SignedRepayment};

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the next piece of a file may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why the phone could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    #[error("{}: {message}", reason.map_or("REFUSED", Reason::code))]
    Refused { reason: Option<Reason>, message: String, code: Code },
    #[error("no answer within {} s", CALL_TIMEOUT.as_secs())]
    NoAnswer,
    #[error("the hub's answer cannot be read: {0}")]
    Unreadable(&'static str),
    #[error("the device key cannot be used: {0}")]
    Key(&'static str),
    #[error("{path} cannot be used: {message}")]
    File { path: String, message: String },
    #[error("the code did not come within {} s", .0.as_secs())]
    NoCode(Duration),
    #[error("the feed has ended")]
    FeedEnded,
    #[error(transparent)]
    Rng(#[from] server_kit::rng::RngError),
}

impl PhoneError {
    fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), message: error.to_string() }
    }

    pub fn reason(&self) -> Option<Reason> {
        if let Self::Refused { reason, .. } = self { *reason } else { None }
    }

    /// Whether the same thing again may pass: the hub was away, or the session had ended.
    fn passes_later(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Refused { reason: Some(reason), .. } => {
                let is_passing = matches!(reason.class(), Class::Exhausted | Class::Away | Class::Fault);
                is_passing || *reason == Reason::SessionInvalid
            }
            Self::Refused { reason: None, code, .. } => {
                matches!(
                    code,
                    Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled | Code::DeadlineExceeded
                )
            }
            _ => false,
        }
    }
}

impl From<Status> for PhoneError {
    fn from(status: Status) -> Self {
        let reason = proto::reason_of(&status);
        let message = reason.map_or_else(|| status.message().to_owned(), |reason| reason.english().to_owned());
        Self::Refused { reason, message, code: status.code() }
    }
}

/// What binds a phone to a person.
#[derive(Clone, Debug)]
pub struct Enrolment {
    pub phone: PhoneNumber,
    /// Eight digits, from the bank or the operator.
    pub code: SecretString,
    /// Six digits that the person chooses; none to keep the one that is set.
    pub transaction_password: Option<SecretString>,
}

/// A phone that is bound. Clones are the same phone with the same session.
#[derive(Clone, Debug)]
pub struct Phone {
    hub: CardholderServiceClient<Channel>,
    device_id: DeviceId,
    /// Not known of a phone that was enrolled at a hub that did not say it.
    person_id: Option<PersonId>,
    key: Arc<DeviceKey>,
    session: Arc<Mutex<Option<Session>>>,
}

#[derive(Clone, Debug)]
struct Session {
    bearer: MetadataValue<Ascii>,
}

async fn answer<R>(call: impl Future<Output = Result<Response<R>, Status>>) -> Result<R, PhoneError> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(PhoneError::NoAnswer),
    }
}

impl Phone {
    /// Binds a new device key to the person. `channel` needs no client certificate; phones may share it.
    pub async fn enrol(channel: Channel, key: DeviceKey, enrolment: &Enrolment) -> Result<Self, PhoneError> {
        let number = enrolment.phone.as_e164();
        let code = enrolment.code.expose_secret();
        let message = format!("bankhub.v1.enrol\n{number}\n{code}");
        let request = pb::EnrolDeviceRequest {
            phone_number: number.to_owned(),
            enrolment_code: code.to_owned(),
            device_public_key: key.public(),
            signature: key.sign(message.as_bytes())?,
            transaction_password: enrolment
                .transaction_password
                .as_ref()
                .map(|password| password.expose_secret().to_owned())
                .unwrap_or_default(),
        };
        let mut hub = CardholderServiceClient::new(channel.clone());
        let enrolled = answer(hub.enrol_device(request)).await?;
        let device_id = DeviceId::parse(&enrolled.device_id).map_err(|_| PhoneError::Unreadable("the device id"))?;
        let person_id = match enrolled.person_id.as_str() {
            "" => None,
            id => Some(PersonId::parse(id).map_err(|_| PhoneError::Unreadable("whose phone it is"))?),
        };
        Ok(Self::open(channel, (device_id, person_id), key))
    }

    /// A phone that was bound before.
    pub fn open(channel: Channel, (device_id, person_id): (DeviceId, Option<PersonId>), key: DeviceKey) -> Self {
        let hub = CardholderServiceClient::new(channel);
        Self { hub, device_id, person_id, key: Arc::new(key), session: Arc::default() }
    }

    /// The same phone over another connection, with a session of its own.
    #[must_use]
    pub fn over(&self, channel: Channel) -> Self {
        let hub = CardholderServiceClient::new(channel);
        Self { hub, key: self.key.clone(), session: Arc::default(), ..self.clone() }
    }

    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// Whose phone it is, by the hub's id.
    pub fn person_id(&self) -> Option<PersonId> {
        self.person_id
    }

    pub fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// The session's token, from a new session if there is none.
    async fn bearer(&self) -> Result<MetadataValue<Ascii>, PhoneError> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session {
            return Ok(session.bearer.clone());
        }
        let device_id = self.device_id.to_string();
        let mut hub = self.hub.clone();
        let begun = answer(hub.begin_session(pb::BeginSessionRequest { device_id: device_id.clone() })).await?;
        let mut message = format!("bankhub.v1.session\n{device_id}\n").into_bytes();
        message.extend_from_slice(&begun.nonce);
        let signature = self.key.sign(&message)?;
        let opened =
            answer(hub.open_session(pb::OpenSessionRequest { device_id, nonce: begun.nonce, signature })).await?;
        let mut bearer: MetadataValue<Ascii> =
            format!("Bearer {}", opened.token).parse().map_err(|_| PhoneError::Unreadable("the session's token"))?;
        bearer.set_sensitive(true);
        *session = Some(Session { bearer: bearer.clone() });
        Ok(bearer)
    }

    async fn signed_in<T>(&self, message: T) -> Result<Request<T>, PhoneError> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer().await?);
        Ok(request)
    }

    /// Forgets the session, so that the next call opens a new one.
    async fn sign_out(&self) {
        *self.session.lock().await = None;
    }

    /// Opens the stream of events after a sequence. It ends when the session or the hub does; [`Feed`] opens it again.
    pub async fn events(&self, after_sequence: i64) -> Result<tonic::Streaming<pb::WatchEventsResponse>, PhoneError> {
        let request = self.signed_in(pb::WatchEventsRequest { after_sequence }).await?;
        Ok(self.hub.clone().watch_events(request).await?.into_inner())
    }

    /// Makes a call in the session, and once more in a new one if the session had ended.
    async fn in_session<T, R, C, F>(&self, message: T, call: C) -> Result<R, PhoneError>
    where
        T: Clone,
        C: Fn(CardholderServiceClient<Channel>, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let first = answer(call(self.hub.clone(), self.signed_in(message.clone()).await?)).await;
        match first {
            Err(error) if error.reason() == Some(Reason::SessionInvalid) => {
                self.sign_out().await;
                answer(call(self.hub.clone(), self.signed_in(message).await?)).await
            }
            other => other,
        }
    }

    /// Says that all events up to a sequence are handled.
    pub async fn acknowledge(&self, through_sequence: i64) -> Result<i64, PhoneError> {
        let request = pb::AcknowledgeEventsRequest { through_sequence };
        let call = self.in_session(request, |mut hub, request| async move { hub.acknowledge_events(request).await });
        Ok(call.await?.acknowledged_sequence)
    }

    /// One page of the person's purchases over all banks, newest first.
    pub async fn payments(&self, page_size: i32, page_token: &str) -> Result<pb::ListPaymentsResponse, PhoneError> {
        self.page(pb::ListPaymentsRequest { page_size, page_token: page_token.to_owned(), filter: None }).await
    }

    /// One page of those purchases that are asked for.
    pub async fn page(&self, request: pb::ListPaymentsRequest) -> Result<pb::ListPaymentsResponse, PhoneError> {
        self.in_session(request, |mut hub, request| async move { hub.list_payments(request).await }).await
    }

    /// Sums of the purchases that are asked for.
    pub async fn sums(&self, request: pb::SumPaymentsRequest) -> Result<Vec<pb::PurchaseSum>, PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.sum_payments(request).await });
        Ok(call.await?.sums)
    }

    /// The purchases that are asked for as a file, whose pieces are handed to `take` as they come. It is not whole when this
    /// fails.
    pub async fn export(
        &self,
        request: pb::ExportPaymentsRequest,
        mut take: impl FnMut(&[u8]) -> Result<(), PhoneError>,
    ) -> Result<(), PhoneError> {
        let call = self.in_session(request, |mut hub, request| async move { hub.export_payments(request).await });
        let mut pieces = call.await?;
        loop {
            // The first piece of a statement comes when the whole record was read.
            let piece =
                tokio::time::timeout(PIECE_TIMEOUT, pieces.message()).await.map_err(|_| PhoneError::NoAnswer)??;
            match piece {
                Some(piece) => take(&piece.chunk)?,
                None => return Ok(()),
            }
        }
    }

    /// The bills of the person's accounts, and what has come since.
    pub async fn bills(&self, asked: pb::ListBillsRequest) -> Result<pb::ListBillsResponse, PhoneError> {
        self.in_session(asked, |mut hub, request| async move { hub.list_bills(request).await }).await
    }

    /// A bill with what it lists, and where it and the record differ.
    pub async fn bill(&self, bill_id: BillId) -> Result<pb::GetBillResponse, PhoneError> {
        let request = pb::GetBillRequest { bill_id: bill_id.to_string() };
        self.in_session(request, |mut hub, request| async move { hub.get_bill(request).await }).await
    }

    /// What is to be paid over all banks.
    pub async fn total_bill(&self) -> Result<pb::GetTotalBillResponse, PhoneError> {
        self.in_session(pb::GetTotalBillRequest {}, |mut hub, request| async move { hub.get_total_bill(request).await })
            .await
    }

    /// Sets a reminder, or changes it.
    pub async fn set_reminder(&self, reminder: pb::Reminder) -> Result<(), PhoneError> {
        let request = pb::SetReminderRequest { reminder: Some(reminder) };
        self.in_session(request, |mut hub, request| async move { hub.set_reminder(request).await }).await.map(|_| ())
    }

    /// The person's reminders, each with when it comes next.
    pub async fn reminders(&self) -> Result<Vec<pb::Reminder>, PhoneError> {
        let call = self.in_session(pb::ListRemindersRequest {}, |mut hub, request| async move {
            hub.list_reminders(request).await
        });
        Ok(call.await?.reminders)
    }

    /// Takes a reminder away, if there is one.
    pub async fn delete_reminder(&self, reminder_id: ReminderId) -> Result<(), PhoneError> {
        let request = pb::DeleteReminderRequest { reminder_id: reminder_id.to_string() };
        self.in_session(request, |mut hub, request| async move { hub.delete_reminder(request).await }).await.map(|_| ())
    }
}
