//! What happens to the person's money, as it happens.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use futures_util::FutureExt as _;
use proto::{cardholder as pb, common};
use zeroize::Zeroizing;

use crate::error::{SdkError, Trouble};
use crate::feed::{Phase, Queue, reader};
use crate::log::LogLevel;
use crate::mirror::mirror;
use crate::phone::{Inner, Phone, on_threads};
use crate::platform;
use crate::preferences::Language;
use crate::purchase::{Merchant, Money, Nature, Purchase, merchant_of, money_of, purchase_of, time_of};

mirror! {
    /// What news is about.
    Topic = pb::Topic {
        /// A bank has asked for the person's credit history.
        Inquiry,
        /// What is due, on the day that the person has set.
        Reminder,
        /// A bill has come, or has changed.
        Bill,
        /// A bank's offer.
        Offer,
        /// What shops nearby ask for the same goods.
        Prices,
        /// A card or an account was frozen or set free, a device bound, a consent given.
        Security,
    }
}

/// The six digits of one payment. They are in no `toString`, log or copy of an event; ask for them when they are shown.
#[derive(uniffi::Object)]
pub struct OneTimeCode {
    digits: Zeroizing<String>,
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeCode").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl OneTimeCode {
    pub fn reveal(&self) -> String {
        self.digits.to_string()
    }
}

/// Something that happened.
#[derive(Clone, Debug, uniffi::Record)]
pub struct Event {
    /// Counts up by one for each person; each who listens hears each number once, in order.
    pub sequence: i64,
    /// When it happened, by the hub's clock.
    pub occurred_at: SystemTime,
    pub kind: EventKind,
}

/// What somebody has done at a terminal besides paying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ErrandKind {
    /// What was opened for the number pays from then on.
    Activate,
    SetPassword,
    ChangePassword,
    ResetPassword,
    /// Something that this version does not know.
    Unknown,
}

impl ErrandKind {
    fn read(kind: common::ErrandKind) -> Self {
        match kind {
            common::ErrandKind::Activate => Self::Activate,
            common::ErrandKind::SetPassword => Self::SetPassword,
            common::ErrandKind::ChangePassword => Self::ChangePassword,
            common::ErrandKind::ResetPassword => Self::ResetPassword,
            common::ErrandKind::Unspecified => Self::Unknown,
        }
    }

    const fn purpose(self, language: Language) -> &'static str {
        let (english, chinese) = match self {
            Self::Activate => ("activate your number", "激活号码"),
            Self::SetPassword => ("set your transaction password", "设置交易密码"),
            Self::ChangePassword => ("change your transaction password", "修改交易密码"),
            Self::ResetPassword => ("reset your transaction password", "重置交易密码"),
            Self::Unknown => ("do something that this app does not know", "办理本应用尚不支持的业务"),
        };
        match language {
            Language::English => english,
            Language::Chinese | Language::Unknown => chinese,
        }
    }
}

#[derive(Clone, Debug, uniffi::Enum)]
pub enum EventKind {
    /// A terminal asks for a payment. There is no code once it has ended.
    PaymentCode {
        payment_id: String,
        code: Option<Arc<OneTimeCode>>,
        amount: Money,
        merchant: Merchant,
        expires_at: SystemTime,
    },
    /// Somebody signs in by web page. There is no code once it has ended.
    SignInCode { sign_in_id: String, code: Option<Arc<OneTimeCode>>, expires_at: SystemTime },
    /// An errand at a terminal asks, such as to set the transaction password. There is no code once it has ended.
    ErrandCode {
        errand_id: String,
        errand: ErrandKind,
        /// What the code is for, in the language of the builder: "set your transaction password".
        purpose: String,
        code: Option<Arc<OneTimeCode>>,
        merchant: Merchant,
        expires_at: SystemTime,
    },
    /// Money was charged.
    Charge { purchase: Purchase },
    /// Money came back: the whole payment by a reversal, or a part by a refund.
    GiveBack { payment_id: String, amount: Money, is_reversal: bool, merchant: Merchant },
    /// Money came in: notes paid in, a top-up, a transfer, a repayment.
    PaidIn {
        payment_id: String,
        nature: Nature,
        amount: Money,
        bank_id: String,
        card_masked: String,
        merchant: Merchant,
    },
    /// A purchase in the record stands differently than it did.
    PurchaseUpdate { purchase: Purchase, amount_before: Money },
    /// Something that is no payment, in the language of the builder.
    News { topic: Topic, subject_id: String, text: String },
    /// Something that this version does not know; a newer app shows it.
    Unknown,
}

impl Event {
    pub(crate) fn read(event: pb::Event, language: Language) -> Self {
        use pb::event::Kind;
        let kind = match event.kind {
            Some(Kind::PaymentCode(it)) => EventKind::PaymentCode {
                payment_id: it.payment_id,
                code: (!it.code.is_empty()).then(|| Arc::new(OneTimeCode { digits: Zeroizing::new(it.code) })),
                amount: money_of(it.amount),
                merchant: merchant_of(it.merchant),
                expires_at: time_of(it.expires_at.as_ref()),
            },
            Some(Kind::SignInCode(it)) => EventKind::SignInCode {
                sign_in_id: it.sign_in_id,
                code: (!it.code.is_empty()).then(|| Arc::new(OneTimeCode { digits: Zeroizing::new(it.code) })),
                expires_at: time_of(it.expires_at.as_ref()),
            },
            Some(Kind::ErrandCode(it)) => EventKind::ErrandCode {
                errand: ErrandKind::read(it.kind()),
                purpose: ErrandKind::read(it.kind()).purpose(language).to_owned(),
                errand_id: it.errand_id,
                code: (!it.code.is_empty()).then(|| Arc::new(OneTimeCode { digits: Zeroizing::new(it.code) })),
                merchant: merchant_of(it.merchant),
                expires_at: time_of(it.expires_at.as_ref()),
            },
            Some(Kind::Charge(it)) => EventKind::Charge { purchase: purchase_of(it.purchase.unwrap_or_default()) },
            Some(Kind::GiveBack(it)) => EventKind::GiveBack {
                payment_id: it.payment_id,
                amount: money_of(it.amount),
                is_reversal: it.reversal,
                merchant: merchant_of(it.merchant),
            },
            Some(Kind::PaidIn(it)) => EventKind::PaidIn {
                nature: Nature::read(it.nature),
                payment_id: it.payment_id,
                amount: money_of(it.amount),
                bank_id: it.bank_id,
                card_masked: it.card_masked,
                merchant: merchant_of(it.merchant),
            },
            Some(Kind::PurchaseUpdate(it)) => EventKind::PurchaseUpdate {
                purchase: purchase_of(it.purchase.unwrap_or_default()),
                amount_before: money_of(it.amount_before),
            },
            Some(Kind::News(it)) => EventKind::News {
                topic: Topic::read(it.topic),
                subject_id: it.subject_id,
                text: if language == Language::English { it.text_en } else { it.text_zh },
            },
            None => EventKind::Unknown,
        };
        Self { sequence: event.sequence, occurred_at: time_of(event.occurred_at.as_ref()), kind }
    }
}

/// A listener threw. The event counts as heard; see [`Subscription::failures`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum ListenerError {
    #[error("the listener failed")]
    Failed,
}

#[cfg(feature = "bindings")]
impl From<uniffi::UnexpectedUniFFICallbackError> for ListenerError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Hears events, one at a time and in order: the next comes when this one has returned.
#[uniffi::export(foreign)]
#[async_trait::async_trait]
pub trait EventListener: Send + Sync + fmt::Debug {
    async fn on_event(&self, event: Event) -> Result<(), ListenerError>;

    /// The stream does not go on by itself: the key was not released, or the phone has to be bound again. [`Phone::resume`] tries again.
    async fn on_stopped(&self, error: SdkError) -> Result<(), ListenerError>;
}

/// That somebody listens. It goes on until it is cancelled or the phone is closed, whether or not this object is kept.
#[derive(Debug, uniffi::Object)]
pub struct Subscription {
    inner: Arc<Inner>,
    queue: Arc<Queue>,
    failures: Arc<AtomicU64>,
}

#[uniffi::export]
impl Subscription {
    /// Ends it. An event that the listener is busy with is finished, and no other comes. Cancelling again is fine.
    pub fn cancel(&self) {
        self.inner.feed.remove(&self.queue);
    }

    pub fn is_cancelled(&self) -> bool {
        self.queue.is_cancelled()
    }

    /// How many times the listener has thrown.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

/// Events that are asked for one after the other, each until it is said to be handled.
#[derive(Debug, uniffi::Object)]
pub struct EventFeed {
    pub(crate) inner: Arc<Inner>,
    pub(crate) queue: Arc<Queue>,
}

#[uniffi::export]
impl EventFeed {
    /// Waits for the next event. `Closed` once it was cancelled; other errors when the stream does not go on by itself, and asking
    /// again tries again.
    pub async fn next_event(&self) -> Result<Event, SdkError> {
        let queue = self.queue.clone();
        self.try_again_if_stopped();
        let language = self.inner.language;
        on_threads(&self.inner, |_| async move { Ok(Event::read(queue.next().await?, language)) }).await
    }

    /// Says that all events up to this one are handled: they are not told again, whatever happens. What was taken and not handled comes
    /// again after the app was killed.
    pub fn event_handled(&self, sequence: i64) -> Result<(), SdkError> {
        if self.inner.closing.is_cancelled() {
            return Err(self.inner.words(Trouble::PhoneClosed));
        }
        self.inner.feed.note_handled(&self.queue, sequence).map_err(|trouble| self.inner.words(trouble))
    }

    /// Ends it.
    pub fn cancel(&self) {
        self.inner.feed.remove(&self.queue);
    }
}

impl EventFeed {
    /// Asking again is what tries again, once what has come was taken.
    pub(crate) fn try_again_if_stopped(&self) {
        if matches!(self.inner.feed.phase(), Phase::Stopped(_)) && !self.queue.has_news() {
            self.inner.feed.resume();
        }
    }
}

impl Phone {
    fn listen(&self, after_sequence: Option<i64>) -> Result<Arc<Queue>, SdkError> {
        let inner = &self.inner;
        if inner.closing.is_cancelled() {
            return Err(inner.words(Trouble::PhoneClosed));
        }
        inner.bound().map_err(|trouble| inner.words(trouble))?;
        reader::listen(inner, after_sequence).map_err(|trouble| inner.words(trouble))
    }
}

#[uniffi::export]
impl Phone {
    /// Has a listener hear all events after `after_sequence`, or, with none, after the cursor that the SDK has stored: what was handled by
    /// all who listened before. A listener that notes the sequence together with what it does about an event, and says it here, hears
    /// each event once also when the app is killed at any moment; with the stored cursor the last few may come again then.
    pub fn add_listener(
        &self,
        listener: Arc<dyn EventListener>,
        after_sequence: Option<i64>,
    ) -> Result<Arc<Subscription>, SdkError> {
        let queue = self.listen(after_sequence)?;
        let failures = Arc::new(AtomicU64::new(0));
        let telling = Telling { inner: self.inner.clone(), queue: queue.clone(), failures: failures.clone(), listener };
        let runtime = platform::runtime().map_err(|trouble| self.inner.words(trouble))?;
        runtime.spawn(telling.tell());
        Ok(Arc::new(Subscription { inner: self.inner.clone(), queue, failures }))
    }

    /// The same for an app that asks for events itself.
    pub fn events(&self, after_sequence: Option<i64>) -> Result<Arc<EventFeed>, SdkError> {
        let queue = self.listen(after_sequence)?;
        Ok(Arc::new(EventFeed { inner: self.inner.clone(), queue }))
    }

    /// Opens the stream of events now, if it waits or has stopped: the network is back, or the key is unlocked.
    pub fn resume(&self) {
        self.inner.feed.resume();
    }
}

/// Tells one listener.
struct Telling {
    inner: Arc<Inner>,
    queue: Arc<Queue>,
    failures: Arc<AtomicU64>,
    listener: Arc<dyn EventListener>,
}

impl Telling {
    async fn tell(self) {
        loop {
            let closing = self.inner.closing.clone();
            match closing.run_until_cancelled(self.queue.next()).await {
                None => return,
                Some(Ok(event)) => {
                    let sequence = event.sequence;
                    let event = Event::read(event, self.inner.language);
                    self.heard(self.listener.on_event(event)).await;
                    if self.inner.feed.note_handled(&self.queue, sequence).is_err() {
                        return;
                    }
                }
                Some(Err(_)) if self.queue.is_cancelled() => return,
                Some(Err(failure)) => {
                    let error = self.inner.words(failure);
                    self.heard(self.listener.on_stopped(error)).await;
                }
            }
        }
    }

    /// Whatever the listener does, the next one is told.
    async fn heard(&self, hearing: impl Future<Output = Result<(), ListenerError>>) {
        if !matches!(AssertUnwindSafe(hearing).catch_unwind().await, Ok(Ok(()))) {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.inner.log.say(LogLevel::Error, || "a listener has thrown".to_owned());
        }
    }
}
