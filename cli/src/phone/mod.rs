//! A phone in the terminal. All that a phone has to get right is the SDK's: its key, sessions, the feed, what it has signed and not got an
//! answer to. What is here is a person who types, and a platform: a folder in the place of a key store.
//!
//! The calls of [`Phone`] give the contract's own messages, for commands to show, and for the demo, the tests and the bench, which drive
//! thousands of phones in one process.

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

use bankhub_mobile::{Language, PhoneBuilder, SdkError};
use domain::{BillId, DeviceId, PersonId, PhoneNumber, Reason, ReminderId};
use proto::Message;
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

pub use feed::Feed;
pub use folder::PhoneFolder;
pub use history::{Agreed, InquiryLog};
pub use key::DeviceKey;
pub use repayment::SignedRepayment;

/// How long the next piece of a file may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// A terminal has power, and somebody looks at it.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why the phone could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// The hub has refused it, or the SDK has failed or refused it: by its reason and in words.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    #[error("no answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("the hub's answer cannot be read: {0}")]
    Unreadable(&'static str),
    #[error("the device key cannot be used: {0}")]
    Key(&'static str),
    #[error("{path} cannot be used: {message}")]
    File { path: String, message: String },
    #[error("the code did not come within {} s", .0.as_secs())]
    NoCode(Duration),
    #[error(transparent)]
    Rng(#[from] server_kit::rng::RngError),
}

impl PhoneError {
    fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File { path: path.display().to_string(), message: error.to_string() }
    }

    /// Of the catalogue, when the hub or a rule of the domain has refused it.
    pub fn reason(&self) -> Option<Reason> {
        if let Self::Sdk(SdkError::Refused { reason, .. }) = self { Reason::from_code(reason) } else { None }
    }
}

/// What binds a phone to a person.
#[derive(Clone, Debug)]
pub struct Enrolment {
    pub phone: PhoneNumber,
    /// Eight digits, by SMS, from the bank or from the operator.
    pub code: SecretString,
    /// Six digits that the person chooses; none to keep the one that is set.
    pub transaction_password: Option<SecretString>,
}

/// A phone that is bound. Clones are the same phone with the same session.
#[derive(Clone, Debug)]
pub struct Phone {
    sdk: Arc<bankhub_mobile::Phone>,
    key: Arc<DeviceKey>,
    device_id: DeviceId,
    person_id: PersonId,
}

fn builder(key: &DeviceKey) -> Arc<PhoneBuilder> {
    PhoneBuilder::new().language(Language::English).device_key(key.as_device_key()).longest_pause(LONGEST_PAUSE)
}

/// A secret as the SDK takes it.
fn bare(secret: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(secret.expose_secret().to_owned())
}

async fn bind(sdk: &bankhub_mobile::Phone, enrolment: &Enrolment) -> Result<(), PhoneError> {
    let code = enrolment.code.expose_secret().to_owned();
    let password = enrolment.transaction_password.as_ref().map(|password| password.expose_secret().to_owned());
    sdk.enrol(enrolment.phone.as_e164().to_owned(), code, password).await?;
    Ok(())
}

impl Phone {
    /// Binds a new device key to the person, for as long as the process lives. `channel` needs no client certificate; phones may share it.
    pub async fn enrol(channel: Channel, key: DeviceKey, enrolment: &Enrolment) -> Result<Self, PhoneError> {
        let sdk = builder(&key).over(channel).in_memory().build().await?;
        bind(&sdk, enrolment).await?;
        Self::of(sdk, Arc::new(key))
    }

    /// Has an enrolment code sent by SMS to this number, if a person has it; how long it is good for.
    pub async fn ask_enrolment_code(channel: Channel, phone: &PhoneNumber) -> Result<Duration, PhoneError> {
        let sdk = builder(&DeviceKey::generate()?).over(channel).in_memory().build().await?;
        Ok(sdk.ask_enrolment_code(phone.as_e164().to_owned()).await?)
    }

    fn of(sdk: Arc<bankhub_mobile::Phone>, key: Arc<DeviceKey>) -> Result<Self, PhoneError> {
        let (device_id, person_id) = sdk.bound_as().ok_or(PhoneError::Unreadable("whose phone it is"))?;
        Ok(Self { sdk, key, device_id, person_id })
    }

    /// The same phone over another connection, with a session of its own.
    pub fn over(&self, channel: Channel) -> Result<Self, PhoneError> {
        Ok(Self { sdk: self.sdk.over(channel)?, ..self.clone() })
    }

    /// The phone as the SDK has it.
    pub fn sdk(&self) -> &Arc<bankhub_mobile::Phone> {
        &self.sdk
    }

    pub fn device_id(&self) -> DeviceId {
        self.device_id
    }

    /// Whose phone it is, by the hub's id.
    pub fn person_id(&self) -> PersonId {
        self.person_id
    }

    pub fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// Opens a stream of events of its own after a sequence, for measurements. It ends when the session or the hub does; a [`Feed`] goes on.
    pub async fn events(&self, after_sequence: i64) -> Result<tonic::Streaming<pb::WatchEventsResponse>, PhoneError> {
        Ok(self.sdk.watch(after_sequence).await?)
    }

    /// Makes a call in the session.
    async fn in_session<T, R, C, F>(&self, message: T, call: C) -> Result<R, PhoneError>
    where
        T: Message + Clone,
        C: Fn(CardholderServiceClient<Channel>, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        Ok(self.sdk.ask(message, call).await?)
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
            let piece = tokio::time::timeout(PIECE_TIMEOUT, pieces.message()).await;
            let piece = piece.map_err(|_| PhoneError::NoAnswer(PIECE_TIMEOUT))?;
            match piece.map_err(|status| self.sdk.told(status))? {
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
