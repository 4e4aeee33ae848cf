//! How the person is told outside of the app.

use std::time::SystemTime;

use proto::{cardholder as pb, common};

use crate::bills::some;
use crate::error::{SdkError, Trouble};
use crate::mirror::mirror;
use crate::phone::Phone;
use crate::purchase::time_of;
use crate::session::Hub;

mirror! {
    /// A language that people are told things in.
    Language = common::NoticeLanguage {
        /// zh-CN
        Chinese,
        English,
    }
}

mirror! {
    /// What a notice is about.
    NoticeKind = common::NoticeKind {
        Code, Security, Charge, GiveBack, PaidIn, Bill, Reminder, Offer, Inquiry, Personal, Address, Enrolment,
    }
}

mirror! {
    /// A way to a person beside the app.
    NoticeChannel = common::NoticeChannel { Sms, Mail, Push, }
}

mirror! {
    /// How the prices of shops nearby are told.
    PriceNews = pb::PriceNews {
        Off,
        /// In the notice of the charge.
        WithCharge,
        /// As an event and a notice of their own.
        Separate,
    }
}

/// A part of each day, in minutes after midnight, 0 to 1439; it may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct QuietHours {
    pub from_minute: u32,
    pub until_minute: u32,
}

/// Whether notices of a kind go out by a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct NoticeChoice {
    pub kind: NoticeKind,
    pub channel: NoticeChannel,
    pub is_wanted: bool,
}

/// How a person wants to be told.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Preferences {
    pub language: Language,
    /// By its IANA name.
    pub time_zone: String,
    /// When nothing is sent that can wait.
    pub quiet_hours: Option<QuietHours>,
    /// What is not named is as the hub has it for everybody. An answer names all pairs; those of a newer hub that this version does not know
    /// are not sent back.
    pub choices: Vec<NoticeChoice>,
    /// Where e-mail goes. Another address than the confirmed one is sent a code first.
    pub mail_address: Option<String>,
    pub prices: PriceNews,
}

/// An e-mail address that waits for its code.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct MailAddressAwaited {
    pub mail_address: String,
    pub expires_at: SystemTime,
    /// How many more times a code may be tried.
    pub tries_left: i32,
}

/// How the person is told, and what is not settled yet.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PreferencesStanding {
    pub preferences: Preferences,
    /// An address that is not confirmed.
    pub awaited: Option<MailAddressAwaited>,
    /// The channels that the hub has; empty in the answer of a call that changes something.
    pub channels: Vec<NoticeChannel>,
}

impl Preferences {
    fn message(self) -> Result<pb::Preferences, Trouble> {
        let minutes = |number: u32| i32::try_from(number).map_err(|_| Trouble::NumberMalformed);
        let quiet = |it: QuietHours| {
            Ok(pb::QuietHours { from_minute: minutes(it.from_minute)?, until_minute: minutes(it.until_minute)? })
        };
        let is_known = |it: &NoticeChoice| it.kind != NoticeKind::Unknown && it.channel != NoticeChannel::Unknown;
        let choice = |it: NoticeChoice| pb::NoticeChoice {
            kind: it.kind.number(),
            channel: it.channel.number(),
            wanted: it.is_wanted,
        };
        Ok(pb::Preferences {
            language: self.language.number(),
            time_zone: self.time_zone,
            quiet_hours: self.quiet_hours.map(quiet).transpose()?,
            choices: self.choices.into_iter().filter(is_known).map(choice).collect(),
            mail_address: self.mail_address.unwrap_or_default(),
            prices: self.prices.number(),
        })
    }

    fn read(it: pb::Preferences) -> Self {
        let minutes = |number: i32| u32::try_from(number).unwrap_or(0);
        let quiet = |it: pb::QuietHours| QuietHours {
            from_minute: minutes(it.from_minute),
            until_minute: minutes(it.until_minute),
        };
        let choice = |it: pb::NoticeChoice| NoticeChoice {
            kind: NoticeKind::read(it.kind),
            channel: NoticeChannel::read(it.channel),
            is_wanted: it.wanted,
        };
        Self {
            language: Language::read(it.language),
            time_zone: it.time_zone,
            quiet_hours: it.quiet_hours.map(quiet),
            choices: it.choices.into_iter().map(choice).collect(),
            mail_address: some(it.mail_address),
            prices: PriceNews::read(it.prices),
        }
    }
}

fn awaited_of(it: pb::MailAddressAwaited) -> MailAddressAwaited {
    let expires_at = time_of(it.expires_at.as_ref());
    MailAddressAwaited { mail_address: it.mail_address, expires_at, tries_left: it.tries_left }
}

fn standing(
    preferences: Option<pb::Preferences>,
    awaited: Option<pb::MailAddressAwaited>,
    channels: &[i32],
) -> Result<PreferencesStanding, Trouble> {
    Ok(PreferencesStanding {
        preferences: Preferences::read(preferences.ok_or(Trouble::AnswerUnreadable)?),
        awaited: awaited.map(awaited_of),
        channels: channels.iter().map(|channel| NoticeChannel::read(*channel)).collect(),
    })
}

#[uniffi::export]
impl Phone {
    /// How the person is told; what the hub said last when it cannot be reached.
    pub async fn preferences(&self) -> Result<PreferencesStanding, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.get_preferences(request).await };
            let (answer, _) = inner.read("preferences", pb::GetPreferencesRequest {}, call).await?;
            Ok(standing(answer.preferences, answer.awaited, &answer.channels)?)
        })
        .await
    }

    /// Says how the person wants to be told: all of it, in the place of what was said before.
    pub async fn set_preferences(&self, preferences: Preferences) -> Result<PreferencesStanding, SdkError> {
        self.run(|inner| async move {
            let request = pb::SetPreferencesRequest { preferences: Some(preferences.message()?) };
            let call = |mut hub: Hub, request| async move { hub.set_preferences(request).await };
            let answer = inner.in_session(request, call).await?;
            Ok(standing(answer.preferences, answer.awaited, &[])?)
        })
        .await
    }

    /// Confirms the e-mail address that waits, with the six digits that came to it.
    pub async fn confirm_mail_address(&self, code: String) -> Result<PreferencesStanding, SdkError> {
        self.run(|inner| async move {
            let call = |mut hub: Hub, request| async move { hub.confirm_mail_address(request).await };
            let answer = inner.in_session(pb::ConfirmMailAddressRequest { code }, call).await?;
            Ok(standing(answer.preferences, None, &[])?)
        })
        .await
    }
}
