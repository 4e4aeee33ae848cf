//! How people are told, as phones and operators say it and hear it.

use domain::notice::{ChannelKind, Choices, Language, MailAddress, NoticeKind, QuietHours};
use domain::{PaymentId, Reason, Timestamp};
use proto::{cardholder as pb, operator};
use uuid::Uuid;

use super::{DeadLetter, Preferences, PushTarget, Standing, Vendor, Worded};
use crate::zone::Zone;

/// More than there are pairs of kinds and channels.
const MOST_CHOICES: usize = 64;
const USUAL_PAGE: u32 = 50;
const LARGEST_PAGE: i32 = 200;

/// What a person wants, or what of it cannot be meant.
pub(crate) fn preferences_of(message: Option<&pb::Preferences>) -> Result<Preferences, Reason> {
    let message = message.ok_or(Reason::FieldMissing)?;
    let quiet = message.quiet_hours.as_ref().map(|quiet| (quiet.from_minute.into(), quiet.until_minute.into()));
    let mail = Some(message.mail_address.as_str()).filter(|mail| !mail.is_empty());
    if message.choices.len() > MOST_CHOICES {
        return Err(Reason::TooManyItems);
    }
    let mut choices = Choices::default();
    for choice in &message.choices {
        let (kind, channel) = (proto::from_notice_kind(choice.kind)?, proto::from_notice_channel(choice.channel)?);
        choices.choose(kind, channel, choice.wanted)?;
    }
    Ok(Preferences {
        language: proto::from_notice_language(message.language)?,
        zone: Zone::parse(&message.time_zone)?,
        quiet: quiet.map(|(from, until)| QuietHours::from_minutes(from, until)).transpose()?,
        choices,
        mail: mail.map(MailAddress::parse).transpose()?,
        prices: proto::from_price_news(message.prices)?,
    })
}

pub(crate) fn preferences(preferences: &Preferences) -> pb::Preferences {
    let minute = |minutes| i32::try_from(minutes).unwrap_or_default();
    let quiet_hours = preferences.quiet.map(|quiet| {
        let (from, until) = quiet.minutes();
        pb::QuietHours { from_minute: minute(from), until_minute: minute(until) }
    });
    let pairs = NoticeKind::ALL.iter().flat_map(|kind| ChannelKind::ALL.iter().map(|channel| (*kind, *channel)));
    let choices = pairs.map(|(kind, channel)| pb::NoticeChoice {
        kind: proto::to_notice_kind(kind).into(),
        channel: proto::to_notice_channel(channel).into(),
        wanted: preferences.choices.wants(kind, channel),
    });
    pb::Preferences {
        language: proto::to_notice_language(preferences.language).into(),
        time_zone: preferences.zone.name().to_owned(),
        quiet_hours,
        choices: choices.collect(),
        mail_address: preferences.mail.as_ref().map(|mail| mail.as_str().to_owned()).unwrap_or_default(),
        prices: proto::to_price_news(preferences.prices).into(),
    }
}

pub(crate) fn awaited(standing: &Standing) -> Option<pb::MailAddressAwaited> {
    standing.awaited.as_ref().map(|(mail, confirmation)| pb::MailAddressAwaited {
        mail_address: mail.as_str().to_owned(),
        expires_at: Some(proto::to_timestamp(confirmation.expires_at)),
        tries_left: i32::try_from(confirmation.tries_left).unwrap_or_default(),
    })
}

/// Of which words a request speaks.
pub(crate) fn place_of(kind: i32, language: i32, channel: i32) -> Result<(NoticeKind, Language, ChannelKind), Reason> {
    Ok((proto::from_notice_kind(kind)?, proto::from_notice_language(language)?, proto::from_notice_channel(channel)?))
}

/// Those of the words that are asked for.
pub(crate) fn templates(asked: &pb::ListTemplatesRequest, worded: &[Worded]) -> Result<Vec<pb::Template>, Reason> {
    let kind = Some(asked.kind).filter(|kind| *kind != 0).map(proto::from_notice_kind).transpose()?;
    let language = Some(asked.language).filter(|it| *it != 0).map(proto::from_notice_language).transpose()?;
    let is_asked = |worded: &&Worded| {
        kind.is_none_or(|kind| worded.kind == kind) && language.is_none_or(|language| worded.language == language)
    };
    Ok(worded.iter().filter(is_asked).map(template).collect())
}

fn template(worded: &Worded) -> pb::Template {
    pb::Template {
        kind: proto::to_notice_kind(worded.kind).into(),
        language: proto::to_notice_language(worded.language).into(),
        channel: proto::to_notice_channel(worded.channel).into(),
        text: worded.text.clone(),
        own: worded.is_own,
        fields: worded.kind.fields().iter().map(|field| field.name().to_owned()).collect(),
    }
}

/// Where push reaches a phone. Whether the token can be one is for the outbox to say.
pub(crate) fn target_of(request: pb::RegisterPushRequest) -> Result<PushTarget, Reason> {
    let vendor = match request.vendor() {
        pb::PushVendor::Unspecified => return Err(Reason::FieldUnknown),
        pb::PushVendor::Fcm => Vendor::Fcm,
        pb::PushVendor::Apns => Vendor::Apns,
        pb::PushVendor::Hms => Vendor::Hms,
    };
    Ok(PushTarget { vendor, token: request.token })
}

/// Ids of notices have the form of all others.
pub(crate) fn notice_id_of(text: &str) -> Result<Uuid, Reason> {
    PaymentId::parse(text).map(PaymentId::uuid)
}

/// Which page of dead letters: before which notice, and how many.
pub(crate) fn page_of(request: &operator::ListDeadLettersRequest) -> Result<(Option<Uuid>, u32), Reason> {
    let size = match request.page_size {
        0 => USUAL_PAGE,
        size @ 1..=LARGEST_PAGE => u32::try_from(size).unwrap_or(USUAL_PAGE),
        _ => return Err(Reason::PageSizeOutOfRange),
    };
    // An operator sees the ids anyway, so a place is no secret.
    let before = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
    let before = before.map(notice_id_of).transpose();
    Ok((before.map_err(|_| Reason::PageTokenMalformed)?, size))
}

/// A page of dead letters, of which one more was read than it has.
pub(crate) fn dead_letters(mut dead: Vec<DeadLetter>, size: u32) -> operator::ListDeadLettersResponse {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let is_last = dead.len() <= size;
    dead.truncate(size);
    let next = dead.last().filter(|_| !is_last).map(|last| last.notice_id.to_string());
    operator::ListDeadLettersResponse {
        dead_letters: dead.iter().map(dead_letter).collect(),
        next_page_token: next.unwrap_or_default(),
    }
}

fn dead_letter(dead: &DeadLetter) -> operator::DeadLetter {
    let at = |at: Timestamp| Some(proto::to_timestamp(at));
    operator::DeadLetter {
        notice_id: dead.notice_id.to_string(),
        person_id: dead.person_id.to_string(),
        kind: proto::to_notice_kind(dead.kind).into(),
        channel: proto::to_notice_channel(dead.channel).into(),
        error: dead.error.clone(),
        receipt: dead.receipt.clone().unwrap_or_default(),
        tries: i32::try_from(dead.tries).unwrap_or(i32::MAX),
        created_at: at(dead.created_at),
        died_at: at(dead.died_at),
        expires_at: dead.expires_at.and_then(at),
    }
}

/// The channels that there are, as a phone hears of them.
pub(crate) fn channels(channels: &[ChannelKind]) -> Vec<i32> {
    channels.iter().map(|channel| proto::to_notice_channel(*channel).into()).collect()
}
