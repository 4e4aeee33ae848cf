//! What every way of telling people looks like to the worker that uses it.

use std::fmt;
use std::time::Duration;

use domain::notice::{ChannelKind, Failure, MailAddress, NoticeKind};
use domain::{PhoneNumber, Timestamp};
use futures_util::future::BoxFuture;
use uuid::Uuid;

/// A way to a person: SMS, e-mail, push.
pub trait Channel: Send + Sync + fmt::Debug {
    /// Which one it is.
    fn kind(&self) -> ChannelKind;

    /// Sends a letter. The same letter may come again, with the same id, when it was not known whether it had been sent; a channel
    /// makes of the id what lets the other side, or itself, see that.
    fn send<'a>(&'a self, letter: &'a Letter) -> BoxFuture<'a, Result<Sent, SendError>>;
}

/// Something to be sent to one address.
#[derive(Clone)]
pub struct Letter {
    /// The same for every try.
    pub notice_id: Uuid,
    pub kind: NoticeKind,
    pub to: Address,
    /// One line; empty where the channel has none.
    pub subject: String,
    pub text: String,
    pub html: Option<String>,
    /// After this it is of no use any more.
    pub expires_at: Option<Timestamp>,
}

/// Neither the address nor the words.
impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter").field("notice_id", &self.notice_id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Where a letter goes.
#[derive(Clone, Debug)]
pub enum Address {
    Phone(PhoneNumber),
    Mail(MailAddress),
    Push(PushTarget),
}

/// A phone as a vendor's push service knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct PushTarget {
    pub vendor: Vendor,
    pub token: String,
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushTarget").field("vendor", &self.vendor).finish_non_exhaustive()
    }
}

/// Whose push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// Firebase Cloud Messaging, HTTP v1.
    Fcm,
    /// Apple Push Notification service.
    Apns,
    /// Huawei Push Kit.
    Hms,
}

impl Vendor {
    /// The name under which it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fcm => "FCM",
            Self::Apns => "APNS",
            Self::Hms => "HMS",
        }
    }

    /// Reads the stored name.
    pub fn parse(text: &str) -> Result<Self, domain::Reason> {
        [Self::Fcm, Self::Apns, Self::Hms]
            .into_iter()
            .find(|vendor| vendor.name() == text)
            .ok_or(domain::Reason::FieldUnknown)
    }
}

/// The other side has taken the letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What the other side calls it, where it tells of its arrival later.
    pub provider_id: Option<String>,
}

/// What the other side said later about a letter that it had taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub provider_id: String,
    /// The state as the other side names it, such as `DELIVRD`.
    pub status: String,
    /// Whether it says that the letter will never arrive.
    pub is_lost: bool,
}

/// Why a letter was not sent, or not known to be. `code` is a short word of ours or the other side's number, never its text, in which
/// an address could stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("refused: {code}")]
    Refused { code: String },
    /// There is nobody at the address any more.
    #[error("the address is gone: {code}")]
    Gone { code: String },
    /// Not taken now.
    #[error("not now: {code}")]
    Later { code: String, pause: Duration },
    /// It may have been taken.
    #[error("whether it was sent is not known: {code}")]
    Unknown { code: String },
    /// Nothing was sent: the other side is not there.
    #[error("not connected: {code}")]
    Away { code: String },
}

impl SendError {
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code }
            | Self::Gone { code }
            | Self::Later { code, .. }
            | Self::Unknown { code }
            | Self::Away { code } => code,
        }
    }

    /// What it is to the rules of trying again.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::Refused { .. } | Self::Gone { .. } => Failure::Refused,
            Self::Later { pause, .. } => Failure::Later { pause: *pause },
            Self::Unknown { .. } => Failure::Later { pause: Duration::ZERO },
            Self::Away { .. } => Failure::Away,
        }
    }
}
