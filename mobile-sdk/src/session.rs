//! Calls in a session: opened by a signed nonce when there is none, and opened again when the hub has ended it.

use std::time::Duration;

use domain::{DeviceId, PersonId, Reason};
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use proto::{MAX_MESSAGE_BYTES, Message};
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::device_key::PUBLIC_KEY_BYTES;
use crate::error::{Failure, Trouble};
use crate::phone::Inner;

/// How long one call may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) type Hub = CardholderServiceClient<Channel>;
/// What says who calls; its `Debug` hides it.
pub(crate) type Bearer = MetadataValue<Ascii>;

/// Whom this phone is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) device_id: DeviceId,
    pub(crate) person_id: PersonId,
    /// The key that the hub knows.
    pub(crate) public_key: [u8; PUBLIC_KEY_BYTES],
}

pub(crate) async fn answer<R>(call: impl Future<Output = Result<Response<R>, Status>>) -> Result<R, Failure> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Trouble::NoAnswer.into()),
    }
}

/// What the hub would not read is not sent.
pub(crate) fn check_size(message: &impl Message) -> Result<(), Failure> {
    if message.encoded_len() > MAX_MESSAGE_BYTES { Err(Trouble::MessageTooLarge.into()) } else { Ok(()) }
}

impl Inner {
    /// The session's token, from a new session if there is none.
    async fn bearer(&self) -> Result<Bearer, Failure> {
        let mut session = self.session.lock().await;
        if let Some(bearer) = &*session {
            return Ok(bearer.clone());
        }
        let bound = self.bound()?;
        // Data that were copied to a phone with another key would only be refused, in words that help nobody.
        if self.signer.public_key().await? != bound.public_key {
            return Err(Trouble::KeyChanged.into());
        }
        let device_id = bound.device_id.to_string();
        let mut hub = self.hub.clone();
        let begun = answer(hub.begin_session(pb::BeginSessionRequest { device_id: device_id.clone() })).await?;
        let message = [b"bankhub.v1.session\n", device_id.as_bytes(), b"\n", &begun.nonce].concat();
        let signature = self.signer.sign(&message, &bound.public_key).await?;
        let opened =
            answer(hub.open_session(pb::OpenSessionRequest { device_id, nonce: begun.nonce, signature })).await?;
        let mut bearer: Bearer = format!("Bearer {}", opened.token).parse().map_err(|_| Trouble::AnswerUnreadable)?;
        bearer.set_sensitive(true);
        *session = Some(bearer.clone());
        Ok(bearer)
    }

    pub(crate) async fn signed_in<T>(&self, message: T) -> Result<Request<T>, Failure> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer().await?);
        Ok(request)
    }

    /// Forgets the session, so that the next call opens a new one.
    pub(crate) async fn sign_out(&self) {
        *self.session.lock().await = None;
    }

    /// Makes a call in the session, and once more in a new one if the session had ended.
    pub(crate) async fn in_session<T, R, C, F>(&self, message: T, call: C) -> Result<R, Failure>
    where
        T: Message + Clone,
        C: Fn(Hub, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        check_size(&message)?;
        let first = answer(call(self.hub.clone(), self.signed_in(message.clone()).await?)).await;
        match first {
            Err(failure) if failure.is(Reason::SessionInvalid) => {
                self.sign_out().await;
                answer(call(self.hub.clone(), self.signed_in(message).await?)).await
            }
            other => other,
        }
    }

    /// The same for what may be asked twice: the first call after a connection was lost may be the one that finds it out, and is made
    /// again.
    pub(crate) async fn insist<T, R, C, F>(&self, message: T, call: C) -> Result<R, Failure>
    where
        T: Message + Clone,
        C: Fn(Hub, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let first = self.in_session(message.clone(), &call).await;
        if first.as_ref().is_err_and(|failure| *failure == Trouble::HubUnreachable.into()) {
            return self.in_session(message, &call).await;
        }
        first
    }
}
