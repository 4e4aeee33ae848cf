//! How the phone is, and having everything at hand that is read offline.

use proto::cardholder as pb;

use crate::cache::Freshness;
use crate::enrolment::Enrolled;
use crate::error::{Failure, SdkError, Trouble};
use crate::feed::Phase;
use crate::phone::{Inner, Phone};

/// How the stream of events is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum FeedState {
    /// Nobody listens.
    Off,
    Connecting,
    Live,
    /// It was lost, and is opened again after a pause.
    Waiting {
        error: SdkError,
    },
    /// It does not go on by itself.
    Stopped {
        error: SdkError,
    },
    /// The phone was closed.
    Closed,
}

/// How the phone is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PhoneStatus {
    pub enrolled: Option<Enrolled>,
    pub feed: FeedState,
    /// How many listen.
    pub listening: u32,
    /// The last event that all who listen have handled, as it is stored here.
    pub handled_sequence: i64,
    /// The last one of which the hub knows that.
    pub acknowledged_sequence: i64,
    /// How many answers are stored for offline reads.
    pub cached_answers: u32,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// How many kinds of answers were fetched anew.
    pub fetched: u32,
    /// Why the first that failed did; none when all went well.
    pub error: Option<SdkError>,
}

impl Inner {
    fn status(&self) -> PhoneStatus {
        let (handled_sequence, acknowledged_sequence) = self.feed.cursor();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let feed = match self.feed.phase() {
            _ if self.closing.is_cancelled() => FeedState::Closed,
            Phase::Off => FeedState::Off,
            Phase::Connecting => FeedState::Connecting,
            Phase::Live => FeedState::Live,
            Phase::Waiting(failure) => FeedState::Waiting { error: self.words(failure) },
            Phase::Stopped(failure) => FeedState::Stopped { error: self.words(failure) },
        };
        PhoneStatus {
            enrolled: self.bound().ok().as_ref().map(Enrolled::from),
            feed,
            listening: count(self.feed.listening()),
            handled_sequence,
            acknowledged_sequence,
            cached_answers: count(self.cache.count()),
        }
    }

    async fn sync(&self) -> Result<SyncReport, Failure> {
        self.bound()?;
        self.feed.resume();
        let (mut fetched, mut first) = (0_u32, None);
        let mut note = |done: Result<Freshness, Failure>| match done {
            Ok(Freshness { is_cached: false, .. }) => fetched = fetched.saturating_add(1),
            Ok(_) => first = first.take().or(Some(Trouble::HubUnreachable.into())),
            Err(failure) => first = first.take().or(Some(failure)),
        };
        note(self.payments(None, 0, None).await.map(|page| page.freshness));
        note(self.bills(pb::ListBillsRequest::default()).await.map(|bills| bills.freshness));
        note(self.total_bill().await.map(|total| total.freshness));
        note(self.habits(None).await.map(|habits| habits.freshness));
        note(self.reminders().await.map(|(_, freshness)| freshness));
        note(self.instruments().await.map(|list| list.freshness));
        note(self.offers(0, None).await.map(|page| page.freshness));
        note(self.consents(0, None).await.map(|(_, freshness)| freshness));
        Ok(SyncReport { fetched, error: first.map(|failure| self.words(failure)) })
    }
}

#[uniffi::export]
impl Phone {
    /// How the phone is. It answers also when the phone was closed.
    pub fn status(&self) -> PhoneStatus {
        self.inner.status()
    }

    /// Fetches what is read offline as a rule: the newest purchases, bills, habits, accounts and cards, offers, reminders and
    /// consents; and opens the stream of events if it waits.
    pub async fn sync(&self) -> Result<SyncReport, SdkError> {
        self.run(|inner| async move { inner.sync().await }).await
    }
}
