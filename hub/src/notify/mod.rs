//! Telling people outside of the app: by SMS, e-mail and vendor push (R6, ADR 17).
//!
//! The table `notices` is an outbox: [`Notices::queue`] writes into it in the transaction that makes what is told of, a row for each
//! channel that the person wants. A worker for each channel leases rows that are due, makes words of them and sends them; what fails is
//! tried again with growing pauses, and what is given up stays as a dead letter that an operator can see and have tried again.
//!
//! A notice is queued once, by its key, and goes out under one id, however often it is tried.

mod channel;
mod compose;
mod config;
mod dead;
mod deliver;
mod mail;
mod open;
mod payload;
mod preferences;
mod push;
mod queue;
mod render;
mod sms;
mod sql;
mod standing;
mod steps;
mod templates;
#[cfg(test)]
pub(crate) mod tests;
mod tls;
pub(crate) mod wire;
mod words;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::notice::{ChannelKind, NoticeKind, RetryPolicy, Variables};
use domain::{PersonId, Reason, Timestamp};
use server_kit::audit::{Chain, HeldChain};
use server_kit::clock::SharedClock;
use server_kit::config::ConfigError;
use server_kit::keystore::SharedKeyStore;
use server_kit::rng::{IdMaker, SharedRng};
use server_kit::store::{GroupWriter, Store, StoreError, WriterOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use steps::{Done, NoticeSteps, Step};

pub use channel::{Address, Channel, Letter, PushTarget, Receipt, SendError, Sent, Vendor};
pub use config::NotifyConfig;
pub use dead::DeadLetter;
pub use mail::{Mail, MailOptions, MailTls};
pub use open::Telling;
pub use preferences::Preferences;
pub use push::{Push, PushOptions, TokenSource};
pub use sms::{Sms, SmsLine, SmsOptions};
pub use standing::Standing;
pub use templates::Worded;

/// Why a channel cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error(transparent)]
    Secret(#[from] ConfigError),
    #[error("{path} holds no certificates in PEM form that can be used")]
    Certificates { path: PathBuf },
    #[error("TLS cannot be set up")]
    Tls(#[source] tokio_rustls::rustls::Error),
    #[error("TLS towards the mail server cannot be set up")]
    Mail,
    #[error("{endpoint:?} is not of the form https://host or https://host:port/path")]
    Endpoint { endpoint: String },
    #[error("{app:?} is not the name of an app at a push service")]
    App { app: String },
    #[error("what is given as a {what} is none that can be used")]
    Key { what: &'static str },
    #[error("a sender of SMS is a number or a name of up to 11 letters and digits")]
    Sender,
}

/// Something that a person is to be told.
#[derive(Clone, Debug)]
pub struct Notice {
    pub person_id: PersonId,
    pub kind: NoticeKind,
    /// What happened, by a name that is the same whenever it is queued again: `charge/<payment id>`. 100 characters at most.
    pub key: String,
    pub occurred_at: Timestamp,
    pub variables: Variables,
}

/// What notices work with.
#[derive(Clone, Debug)]
pub struct NoticesParts {
    /// The hub's database.
    pub store: Store,
    /// Seals what is said and where it goes.
    pub keys: SharedKeyStore,
    /// Tells which codes have ended.
    pub clock: SharedClock,
    /// Spreads what is tried again.
    pub rng: SharedRng,
    /// Names notices and leases.
    pub ids: IdMaker,
    /// The name of this replica, which its audit chain carries.
    pub replica: String,
}

/// Bounds of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct NoticesOptions {
    /// How often a worker looks for what is due; it is woken for what its own process has queued.
    pub poll_every: Duration,
    /// Letters that one channel sends at a time.
    pub at_once: usize,
    /// How many of those are kept free for codes and security notices.
    pub kept_for_urgent: usize,
    /// How long one try may take.
    pub send_within: Duration,
    /// How long a worker has a notice; longer than a try.
    pub lease_for: Duration,
    pub retry: RetryPolicy,
    /// How long what is done stays, so that it is not queued again and its receipt finds it.
    pub keep_for: Duration,
}

impl Default for NoticesOptions {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_millis(500),
            at_once: 32,
            kept_for_urgent: 8,
            send_within: Duration::from_secs(30),
            lease_for: Duration::from_secs(60),
            retry: RetryPolicy::default(),
            keep_for: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}

/// The outbox. Cheap to clone.
#[derive(Clone)]
pub struct Notices {
    inner: Arc<Inner>,
    writer: GroupWriter<NoticeSteps>,
}

struct Inner {
    parts: NoticesParts,
    options: NoticesOptions,
    /// The channels that there are. Nothing is queued for another one.
    channels: Vec<ChannelKind>,
    queued: Notify,
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("channels", &self.inner.channels).finish_non_exhaustive()
    }
}

impl Notices {
    /// An outbox for these channels, and the task that writes its changes; the task ends when the last clone is dropped.
    pub fn start(parts: NoticesParts, options: NoticesOptions, channels: Vec<ChannelKind>) -> (Self, JoinHandle<()>) {
        let chain = HeldChain::from(Chain::new(&format!("{}/notices", parts.replica), parts.keys.clone()));
        let steps = NoticeSteps { keys: parts.keys.clone(), options, channels: channels.clone(), chain };
        let (writer, task) = GroupWriter::start(parts.store.clone(), Arc::new(steps), WriterOptions::default());
        (Self { inner: Arc::new(Inner { parts, options, channels, queued: Notify::new() }), writer }, task)
    }

    /// Has the workers of this process look at once; to be called after the commit of what was queued.
    pub fn wake(&self) {
        self.inner.queued.notify_waiters();
    }

    /// The channels that there are.
    pub fn channels(&self) -> &[ChannelKind] {
        &self.inner.channels
    }

    async fn write(&self, step: Step) -> Result<Result<Done, Reason>, StoreError> {
        self.writer.write(step).await
    }
}
