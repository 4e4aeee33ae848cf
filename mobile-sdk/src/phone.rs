//! The phone as the app holds it, and what all of its calls share.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cache::Cache;
use crate::credit_history::INQUIRIES_FILE;
use crate::device_key::Signer;
use crate::enrolment::BINDING_FILE;
use crate::error::{Failure, SdkError, Trouble};
use crate::feed::{CURSOR_FILE, Feed};
use crate::log::Log;
use crate::orders::ORDERS_FILE;
use crate::platform::{self, SharedClock};
use crate::preferences::Language;
use crate::push::Pushes;
use crate::repayments::REPAYMENT_FILE;
use crate::secure_store::SecureStore;
use crate::session::{Bearer, Bound, Hub};
use crate::vault::Vault;

/// What is stored of whom the phone is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binding {
    Nobody,
    Bound(Bound),
    /// It was written under another key, or is damaged.
    Unreadable,
}

/// What all calls and tasks of a phone share.
pub(crate) struct Inner {
    pub(crate) hub: Hub,
    pub(crate) signer: Signer,
    pub(crate) store: Arc<dyn SecureStore>,
    pub(crate) vault: Vault,
    pub(crate) cache: Cache,
    pub(crate) feed: Feed,
    pub(crate) pushes: Pushes,
    pub(crate) clock: SharedClock,
    pub(crate) language: Language,
    pub(crate) log: Log,
    pub(crate) session: Mutex<Option<Bearer>>,
    pub(crate) closing: CancellationToken,
    /// How long a lost stream of events waits at most.
    pub(crate) longest_pause: Duration,
    /// Held while orders are kept and forgotten.
    pub(crate) ordering: std::sync::Mutex<()>,
    /// Held while a repayment is signed and sent.
    pub(crate) repaying: Mutex<()>,
    binding: RwLock<Binding>,
}

/// What a builder has put together.
pub(crate) struct Parts {
    pub(crate) hub: Hub,
    pub(crate) signer: Signer,
    pub(crate) store: Arc<dyn SecureStore>,
    pub(crate) vault: Vault,
    pub(crate) clock: SharedClock,
    pub(crate) language: Language,
    pub(crate) log: Log,
    pub(crate) longest_pause: Duration,
}

impl Inner {
    pub(crate) fn new(parts: Parts) -> Result<Self, Failure> {
        let Parts { hub, signer, store, vault, clock, language, log, longest_pause } = parts;
        let (binding, kept) = match (vault.read(BINDING_FILE), vault.read(CURSOR_FILE)) {
            (Ok(None), Ok(_)) => (Binding::Nobody, 0),
            (Ok(Some(bytes)), Ok(cursor)) => {
                let binding = Bound::decode(&bytes).map_or(Binding::Unreadable, Binding::Bound);
                // A phone that has read nothing begins at the start of what the hub keeps.
                let cursor = cursor.and_then(|bytes| Some(i64::from_be_bytes(bytes.as_slice().try_into().ok()?)));
                (binding, cursor.unwrap_or(0))
            }
            (Err(Trouble::DiskFailed), _) | (_, Err(Trouble::DiskFailed)) => return Err(Trouble::DiskFailed.into()),
            _ => (Binding::Unreadable, 0),
        };
        Ok(Self {
            hub,
            signer,
            store,
            cache: Cache::new(vault.clone()),
            vault,
            feed: Feed::new(kept),
            pushes: Pushes::default(),
            clock,
            language,
            log,
            session: Mutex::new(None),
            closing: CancellationToken::new(),
            longest_pause,
            ordering: std::sync::Mutex::default(),
            repaying: Mutex::default(),
            binding: RwLock::new(binding),
        })
    }

    pub(crate) fn binding(&self) -> Binding {
        *self.binding.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bind(&self, binding: Binding) {
        *self.binding.write().unwrap_or_else(PoisonError::into_inner) = binding;
    }

    pub(crate) fn bound(&self) -> Result<Bound, Trouble> {
        match self.binding() {
            Binding::Bound(bound) => Ok(bound),
            Binding::Nobody => Err(Trouble::NotEnrolled),
            Binding::Unreadable => Err(Trouble::DataUnreadable),
        }
    }

    pub(crate) fn words(&self, failure: impl Into<Failure>) -> SdkError {
        failure.into().in_words(self.language)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("vault", &self.vault).finish_non_exhaustive()
    }
}

/// A phone of one person. One object serves the whole app; its calls may be made from anywhere and at once, each works on threads of
/// the SDK's. After [`Phone::shut_down`] every call is `Closed`.
/// (Kotlin's own `close()` of every object gives its memory back; the object is not to be used after it.)
#[derive(Debug, uniffi::Object)]
pub struct Phone {
    pub(crate) inner: Arc<Inner>,
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.inner.closing.cancel();
    }
}

impl Phone {
    /// Does the work of a call on the SDK's threads. It ends early when the phone is closed or nobody waits for it any more.
    pub(crate) async fn run<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, SdkError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        on_threads(&self.inner, work).await
    }
}

/// [`Phone::run`] for whoever has the inner part only.
pub(crate) async fn on_threads<T, F>(inner: &Arc<Inner>, work: impl FnOnce(Arc<Inner>) -> F) -> Result<T, SdkError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    if inner.closing.is_cancelled() {
        return Err(inner.words(Trouble::PhoneClosed));
    }
    let runtime = platform::runtime().map_err(|trouble| inner.words(trouble))?;
    let task = AbortOnDropHandle::new(runtime.spawn(work(inner.clone())));
    tokio::select! {
        biased;
        done = task => done.unwrap_or_else(|_| Err(Trouble::Panicked.into())).map_err(|failure| inner.words(failure)),
        () = inner.closing.cancelled() => Err(inner.words(Trouble::PhoneClosed)),
    }
}

#[uniffi::export]
impl Phone {
    /// Ends everything: listeners hear no more, calls under way and to come are `Closed`. What was handled is stored before this
    /// returns. Shutting down again is fine.
    pub async fn shut_down(&self) -> Result<(), SdkError> {
        if self.inner.closing.is_cancelled() {
            return Ok(());
        }
        let done = self.run(|inner| async move { inner.keep_cursor().await.map_err(Failure::from) }).await;
        self.inner.closing.cancel();
        self.inner.feed.cancel_all();
        done
    }

    /// Closes the phone and removes what it has stored here, for a phone that is given away or has to be bound again. The hub is not told.
    pub async fn wipe(&self) -> Result<(), SdkError> {
        self.inner.closing.cancel();
        self.inner.feed.cancel_all();
        let inner = self.inner.clone();
        let wiping = async move {
            Vault::forget_key(&*inner.store).await?;
            inner.cache.clear()?;
            for file in [BINDING_FILE, CURSOR_FILE, INQUIRIES_FILE, ORDERS_FILE, REPAYMENT_FILE] {
                inner.vault.remove(file)?;
            }
            Ok::<_, Failure>(())
        };
        let runtime = platform::runtime().map_err(|trouble| self.inner.words(trouble))?;
        let done = runtime.spawn(wiping).await.unwrap_or_else(|_| Err(Trouble::Panicked.into()));
        done.map_err(|failure| self.inner.words(failure))
    }
}
