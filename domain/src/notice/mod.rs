//! What a person is told outside of the app: the kinds of notices, the ways there are, what each notice says, and the rules of when and
//! how often it is tried (R6).
//!
//! The app's feed is no channel of these rules: what stands in it is durable with the commit that it reports and waits for the phone.

// Before the modules, which use it too.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name under which it is stored.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Reads the stored name.
            pub fn parse(text: &str) -> Result<Self, Reason> {
                match text { $($text => Ok(Self::$variant),)* _ => Err(Reason::FieldUnknown) }
            }
        }
    };
}

mod address;
mod confirmation;
mod preferences;
mod quiet;
mod retry;
mod template;
mod variables;

pub use address::MailAddress;
pub use confirmation::{CodesSent, MailConfirmation};
pub use preferences::{Choices, goes_by};
pub use quiet::QuietHours;
pub use retry::{Failure, Next, RetryPolicy, Tried};
pub use template::{MOST_TEMPLATE_CHARS, check_template};
pub use variables::{Field, FieldValue, Variables};

use crate::Reason;

names! {
    /// What a notice is about.
    NoticeKind {
        /// A one-time code, for the few minutes that it is good for.
        Code "CODE",
        /// Something that a thief would rather keep quiet: a new phone, another password, a freeze that was lifted.
        Security "SECURITY",
        /// Money was charged.
        Charge "CHARGE",
        /// Money came back by a refund or a reversal.
        GiveBack "GIVE_BACK",
        /// Money came in.
        PaidIn "PAID_IN",
        /// A statement was made.
        Bill "BILL",
        /// The day that the person set has come, with what is due (R10).
        Reminder "REMINDER",
        /// A bank's offer (R5).
        Offer "OFFER",
        /// Somebody asked for the person's credit history (R9).
        Inquiry "INQUIRY",
        /// The message made for a purchase, where it does not ride in the notice of the charge (P3).
        Personal "PERSONAL",
        /// The code that proves an e-mail address. It goes to that address alone, whose owner may be a stranger, and says nothing of
        /// the person.
        Address "ADDRESS",
        /// The code that enrols a phone. It proves that somebody has the number, so it goes to it by SMS and nowhere else.
        Enrolment "ENROLMENT",
    }
}

names! {
    /// A way to a person beside the app's feed.
    ChannelKind {
        /// SMS to the person's phone number.
        Sms "SMS",
        /// E-mail to the address that the person gave.
        Mail "MAIL",
        /// A vendor's push service, which is told nothing but an id.
        Push "PUSH",
    }
}

names! {
    /// A language that notices are written in.
    Language {
        Chinese "zh-CN",
        English "en",
    }
}

names! {
    /// How a person is told what shops nearby ask for the goods of a purchase (P3).
    #[derive(Default)]
    PriceNews {
        /// Not at all.
        Off "OFF",
        /// In the notice of the charge, which has room for it.
        WithCharge "WITH_CHARGE",
        /// By itself.
        #[default]
        Separate "SEPARATE",
    }
}

impl NoticeKind {
    /// How it is queued among others: what has a smaller number goes first.
    pub const fn urgency(self) -> i64 {
        match self {
            Self::Code | Self::Address | Self::Enrolment => 0,
            Self::Security => 1,
            Self::Charge | Self::GiveBack | Self::PaidIn | Self::Inquiry => 2,
            Self::Bill | Self::Reminder | Self::Personal | Self::Offer => 3,
        }
    }

    /// Whether it can neither be turned off nor held back: it is of no use later, or must not be missed.
    pub const fn is_fixed(self) -> bool {
        matches!(self, Self::Code | Self::Security | Self::Address | Self::Enrolment)
    }

    /// Whether it carries a code: then it ends with the code, and nothing of it is kept after it was sent.
    pub const fn has_code(self) -> bool {
        matches!(self, Self::Code | Self::Address | Self::Enrolment)
    }
}
