//! For programs in Rust that speak the contract themselves: its own messages, in a phone's sessions and under its key. Kotlin and Swift see
//! none of it.

use std::sync::Arc;
use std::time::Duration;

use domain::credit_history::{Asker, Fields, Purpose};
use domain::payment::FrozenInstrument;
use domain::{DeviceId, PersonId};
use proto::Message;
use proto::cardholder as pb;
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};
use zeroize::Zeroizing;

use crate::error::{Failure, SdkError, Trouble};
use crate::events::EventFeed;
use crate::phone::{Inner, Parts, Phone};
use crate::repayments::RepaymentProposal;
use crate::session::{CALL_TIMEOUT, Hub};
use crate::vault::Vault;

impl Inner {
    fn open(&self) -> Result<(), SdkError> {
        if self.closing.is_cancelled() { Err(self.words(Trouble::PhoneClosed)) } else { Ok(()) }
    }

    async fn watch(&self, after_sequence: i64) -> Result<Streaming<pb::WatchEventsResponse>, Failure> {
        let request = self.signed_in(pb::WatchEventsRequest { after_sequence }).await?;
        let mut hub = self.hub.clone();
        let opened = timeout(CALL_TIMEOUT, hub.watch_events(request)).await.map_err(|_| Trouble::NoAnswer)?;
        Ok(opened?.into_inner())
    }
}

impl Phone {
    /// Makes a call of the contract in the phone's session, which is opened when there is none; once more in a new one if it had ended. It
    /// works on the caller's threads and ends when the caller goes away.
    pub async fn ask<T, R, C, F>(&self, message: T, call: C) -> Result<R, SdkError>
    where
        T: Message + Clone,
        C: Fn(Hub, Request<T>) -> F,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        self.inner.open()?;
        self.inner.in_session(message, call).await.map_err(|failure| self.inner.words(failure))
    }

    /// Opens a stream of events of its own, which ends when the session or the hub does: for measurements. Whoever wants every event once
    /// has [`Phone::events`].
    pub async fn watch(&self, after_sequence: i64) -> Result<Streaming<pb::WatchEventsResponse>, SdkError> {
        self.inner.open()?;
        self.inner.watch(after_sequence).await.map_err(|failure| self.inner.words(failure))
    }

    /// Has the key sign a text as its sort of text is signed, such as "bankhub.v1.consent": the signature under the sort, this phone's id and the
    /// text, a line each before the text.
    pub async fn sign(&self, signed_as: &str, text: &str) -> Result<Vec<u8>, SdkError> {
        self.inner.open()?;
        let signed = self.inner.sign_text(signed_as, text).await.map_err(|failure| self.inner.words(failure))?;
        Ok(signed.1)
    }

    /// The same phone over another connection, with a session and a stream of its own; it stores nothing.
    pub fn over(&self, channel: Channel) -> Result<Arc<Self>, SdkError> {
        let inner = &self.inner;
        let parts = Parts {
            hub: CardholderServiceClient::new(channel),
            signer: inner.signer.clone(),
            vault: Vault::in_memory(),
            store: inner.store.clone(),
            clock: inner.clock.clone(),
            language: inner.language,
            log: inner.log.clone(),
            longest_pause: inner.longest_pause,
        };
        let other = Inner::new(parts).map_err(|failure| inner.words(failure))?;
        other.bind(inner.binding());
        Ok(Arc::new(Self { inner: Arc::new(other) }))
    }

    /// Takes over a phone whose key was bound by another program. `Invalid` with `ALREADY_ENROLLED` when this one is bound.
    pub async fn adopt(&self, device_id: DeviceId, person_id: PersonId) -> Result<(), SdkError> {
        self.run(|inner| async move { inner.adopt(device_id, person_id).await }).await
    }

    /// [`Phone::freeze`], and everything where none is named, by the domain's names and in the contract's own words.
    pub async fn freeze_named(&self, names: Vec<FrozenInstrument>) -> Result<Vec<pb::Instrument>, SdkError> {
        self.run(|inner| async move { inner.freeze(names).await }).await
    }

    /// [`Phone::unfreeze`] in the same way; at least one is named.
    pub async fn unfreeze_named(
        &self,
        names: Vec<FrozenInstrument>,
        transaction_password: Zeroizing<String>,
    ) -> Result<Vec<pb::Instrument>, SdkError> {
        self.run(|inner| async move { inner.unfreeze(names, transaction_password).await }).await
    }

    /// [`Phone::approve`] of what the contract has listed.
    pub async fn approve_listed(
        &self,
        approval: pb::Approval,
        transaction_password: Zeroizing<String>,
    ) -> Result<pb::ApprovePaymentResponse, SdkError> {
        self.run(|inner| async move { inner.approve_listed(approval, transaction_password).await }).await
    }

    /// Proposes a consent and gives it, for whoever has shown what is signed.
    pub async fn give_consent_now(
        &self,
        asker: Asker,
        purpose: Purpose,
        fields: Fields,
        valid_for: Duration,
    ) -> Result<pb::Consent, SdkError> {
        self.run(|inner| async move { inner.give_now(asker, purpose, fields, valid_for).await }).await
    }

    /// Signs a repayment and writes it down; [`Phone::resend_repayment`] sends it. `Invalid` with `REPAYMENT_OPEN` while another one waits.
    pub async fn keep_repayment(&self, proposal: Arc<RepaymentProposal>) -> Result<(), SdkError> {
        self.run(|inner| async move { inner.keep_repayment(&proposal).await }).await
    }

    /// [`Phone::resume_repayment`] in the contract's own words.
    pub async fn resend_repayment(&self) -> Result<Option<pb::Repayment>, SdkError> {
        self.run(|inner| async move { inner.resume_repayment().await }).await
    }

    /// Stores how far everybody has handled events and tells the hub, before a process ends. A hub that is away hears of it later.
    pub async fn settle(&self) -> Result<(), SdkError> {
        self.run(|inner| async move { inner.settle().await.map_err(Failure::from) }).await
    }

    /// What the status of a stream means, in the words of the builder's language.
    pub fn told(&self, status: Status) -> SdkError {
        self.inner.words(status)
    }

    /// Which phone and whose it is; none before it is enrolled.
    pub fn bound_as(&self) -> Option<(DeviceId, PersonId)> {
        self.inner.bound().ok().map(|bound| (bound.device_id, bound.person_id))
    }
}

impl EventFeed {
    /// [`EventFeed::next_event`] in the contract's own words. Whoever stops waiting has taken nothing.
    pub async fn next_message(&self) -> Result<pb::Event, SdkError> {
        self.inner.open()?;
        self.try_again_if_stopped();
        let taken = self.inner.closing.run_until_cancelled(self.queue.next()).await;
        taken.unwrap_or_else(|| Err(Trouble::PhoneClosed.into())).map_err(|failure| self.inner.words(failure))
    }
}
