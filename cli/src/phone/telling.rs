//! How the person is told outside of the app: `phone preferences`.

use clap::{Args, Subcommand, ValueEnum};
use domain::Timestamp;
use domain::notice::{ChannelKind, NoticeKind};
use jiff::civil::Time;
use proto::cardholder as pb;
use proto::common;
use serde_json::{Value, json};
use server_kit::clock::{Clock as _, SystemClock};

use super::PhoneFolder;
use super::show::time;
use crate::error::CliError;
use crate::output::Output;

#[derive(Clone, Debug, Subcommand)]
pub enum PreferencesCommand {
    /// Show how the person is told by SMS, e-mail and push.
    Show,
    /// Change some of it; the rest stays as it is.
    Set(Box<SetArgs>),
    /// Confirm the e-mail address that waits, with the six digits that came to it.
    Confirm {
        #[arg(value_name = "CODE", value_parser = six_digits)]
        code: String,
    },
}

#[derive(Clone, Debug, Args)]
#[group(id = "changes", required = true, multiple = true)]
pub struct SetArgs {
    /// The language of notices.
    #[arg(long, value_enum, group = "changes")]
    language: Option<LanguageWord>,
    /// The clocks by which times are shown and quiet hours are kept, such as Asia/Shanghai.
    #[arg(long, value_name = "ZONE", group = "changes")]
    time_zone: Option<String>,
    /// When nothing is sent that can wait, such as 22:00-07:00; or none.
    #[arg(long, value_name = "FROM-UNTIL", value_parser = quiet, group = "changes")]
    quiet: Option<Quiet>,
    /// Wants a kind of notice by a channel, such as charge/mail. May be given several times.
    #[arg(long = "tell", value_name = "KIND/CHANNEL", value_parser = pair, group = "changes")]
    tell: Vec<(NoticeKind, ChannelKind)>,
    /// Wants a kind of notice by a channel no more. May be given several times.
    #[arg(long = "mute", value_name = "KIND/CHANNEL", value_parser = pair, group = "changes")]
    mute: Vec<(NoticeKind, ChannelKind)>,
    /// Where e-mail goes; it is sent a code first. Or none.
    #[arg(long, value_name = "ADDRESS", group = "changes")]
    mail: Option<String>,
    /// How the prices of shops nearby are told after a purchase.
    #[arg(long, value_enum, group = "changes")]
    prices: Option<PricesWord>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LanguageWord {
    Zh,
    En,
}

impl LanguageWord {
    pub(super) const fn message(self) -> common::NoticeLanguage {
        match self {
            Self::Zh => common::NoticeLanguage::Chinese,
            Self::En => common::NoticeLanguage::English,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PricesWord {
    /// Not at all.
    Off,
    /// In the notice of the charge.
    WithCharge,
    /// By themselves.
    Separate,
}

impl PricesWord {
    const fn message(self) -> pb::PriceNews {
        match self {
            Self::Off => pb::PriceNews::Off,
            Self::WithCharge => pb::PriceNews::WithCharge,
            Self::Separate => pb::PriceNews::Separate,
        }
    }
}

/// Quiet hours, or that there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quiet(Option<pb::QuietHours>);

fn quiet(text: &str) -> Result<Quiet, String> {
    const FORM: &str = "quiet hours are two different times such as 22:00-07:00, or none";
    if text == "none" {
        return Ok(Quiet(None));
    }
    let minute = |text: &str| {
        let time = Time::strptime("%H:%M", text).map_err(|_| FORM.to_owned())?;
        Ok::<i32, String>(i32::from(time.hour()) * 60 + i32::from(time.minute()))
    };
    let (from, until) = text.split_once('-').ok_or(FORM)?;
    let (from_minute, until_minute) = (minute(from)?, minute(until)?);
    if from_minute == until_minute {
        return Err(FORM.to_owned());
    }
    Ok(Quiet(Some(pb::QuietHours { from_minute, until_minute })))
}

fn pair(text: &str) -> Result<(NoticeKind, ChannelKind), String> {
    let (kind, channel) = text.split_once('/').ok_or("a choice is KIND/CHANNEL, such as charge/mail")?;
    Ok((kind_word(kind)?, channel_word(channel)?))
}

/// A kind of notice, as `give-back`.
pub(super) fn kind_word(text: &str) -> Result<NoticeKind, String> {
    let all = || NoticeKind::ALL.iter().copied();
    all().find(|kind| word(kind.name()) == text).ok_or_else(|| {
        let known: Vec<_> = all().map(|kind| word(kind.name())).collect();
        format!("the kinds of notices are {}", known.join(", "))
    })
}

/// A channel, as `sms`.
pub(super) fn channel_word(text: &str) -> Result<ChannelKind, String> {
    let known = ChannelKind::ALL.iter().copied().find(|channel| word(channel.name()) == text);
    known.ok_or_else(|| "the channels are sms, mail and push".to_owned())
}

fn word(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn six_digits(text: &str) -> Result<String, String> {
    let fine = text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
    if fine { Ok(text.to_owned()) } else { Err(domain::Reason::CodeMalformed.english().to_owned()) }
}

impl SetArgs {
    /// What is stored, with what was typed in its place.
    fn over(&self, stored: pb::GetPreferencesResponse, now: Timestamp) -> pb::Preferences {
        let mut wanted = stored.preferences.unwrap_or_default();
        // An address that waits goes on waiting; one that has ended is sent another code only when it is typed again.
        let awaited = stored.awaited.filter(|it| {
            it.tries_left > 0 && it.expires_at.as_ref().is_some_and(|end| proto::from_timestamp(end) > now)
        });
        if let Some(awaited) = awaited {
            wanted.mail_address = awaited.mail_address;
        }
        if let Some(mail) = &self.mail {
            wanted.mail_address = if mail == "none" { String::new() } else { mail.clone() };
        }
        if let Some(language) = self.language {
            wanted.set_language(language.message());
        }
        if let Some(zone) = &self.time_zone {
            wanted.time_zone.clone_from(zone);
        }
        if let Some(Quiet(quiet)) = self.quiet {
            wanted.quiet_hours = quiet;
        }
        if let Some(prices) = self.prices {
            wanted.set_prices(prices.message());
        }
        let choices = self.tell.iter().map(|pair| (pair, true)).chain(self.mute.iter().map(|pair| (pair, false)));
        for ((kind, channel), is_wanted) in choices {
            let kind: i32 = proto::to_notice_kind(*kind).into();
            let channel: i32 = proto::to_notice_channel(*channel).into();
            // The answer names every pair that there is.
            for choice in wanted.choices.iter_mut().filter(|it| it.kind == kind && it.channel == channel) {
                choice.wanted = is_wanted;
            }
        }
        wanted
    }
}

pub(super) async fn preferences(
    folder: &PhoneFolder,
    command: &PreferencesCommand,
    out: &Output,
) -> Result<(), CliError> {
    let phone = folder.open().await?;
    let (preferences, awaited) = match command {
        PreferencesCommand::Show => {
            let standing = phone.preferences().await?;
            (standing.preferences, standing.awaited)
        }
        PreferencesCommand::Set(args) => {
            let wanted = args.over(phone.preferences().await?, SystemClock.now());
            let set = phone.set_preferences(wanted).await?;
            (set.preferences, set.awaited)
        }
        PreferencesCommand::Confirm { code } => (phone.confirm_mail(code).await?, None),
    };
    print(&preferences.unwrap_or_default(), awaited.as_ref(), out);
    Ok(())
}

fn print(preferences: &pb::Preferences, awaited: Option<&pb::MailAddressAwaited>, out: &Output) {
    let quiet = preferences.quiet_hours.as_ref().map_or_else(|| "none".to_owned(), quiet_words);
    let waits = awaited.map(|it| {
        let until = time(it.expires_at.as_ref());
        format!("{} waits for its code until {until}; {} tries left", it.mail_address, it.tries_left)
    });
    let by = |channel: ChannelKind| {
        let number: i32 = proto::to_notice_channel(channel).into();
        let wanted = preferences.choices.iter().filter(|choice| choice.wanted && choice.channel == number);
        let kinds = wanted.filter_map(|choice| proto::from_notice_kind(choice.kind).ok());
        kinds
            .filter(|kind| !matches!(kind, NoticeKind::Address | NoticeKind::Enrolment))
            .map(|kind| word(kind.name()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let prices = preferences.prices().as_str_name().trim_start_matches("PRICE_NEWS_");
    let fields = [
        ("language", language_words(preferences.language()).to_owned()),
        ("time zone", preferences.time_zone.clone()),
        ("quiet hours", quiet),
        ("by SMS", by(ChannelKind::Sms)),
        ("by e-mail", by(ChannelKind::Mail)),
        ("by push", by(ChannelKind::Push)),
        ("e-mail", preferences.mail_address.clone()),
        ("to confirm", waits.unwrap_or_default()),
        ("prices nearby", word(prices)),
    ];
    out.record(&fields, &value(preferences, awaited));
}

pub(super) const fn language_words(language: common::NoticeLanguage) -> &'static str {
    match language {
        common::NoticeLanguage::Chinese => "zh",
        common::NoticeLanguage::English => "en",
        common::NoticeLanguage::Unspecified => "",
    }
}

fn quiet_words(quiet: &pb::QuietHours) -> String {
    let clock = |minutes: i32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    format!("{}-{}", clock(quiet.from_minute), clock(quiet.until_minute))
}

fn value(preferences: &pb::Preferences, awaited: Option<&pb::MailAddressAwaited>) -> Value {
    let choice = |it: &pb::NoticeChoice| json!({ "kind": it.kind().as_str_name(), "channel": it.channel().as_str_name(), "wanted": it.wanted });
    json!({
        "language": preferences.language().as_str_name(),
        "time_zone": preferences.time_zone,
        "quiet_hours": preferences.quiet_hours.as_ref().map(|quiet| json!({
            "from_minute": quiet.from_minute,
            "until_minute": quiet.until_minute,
        })),
        "choices": preferences.choices.iter().map(choice).collect::<Vec<_>>(),
        "mail_address": preferences.mail_address,
        "prices": preferences.prices().as_str_name(),
        "awaited": awaited.map(|it| json!({
            "mail_address": it.mail_address,
            "expires_at": time(it.expires_at.as_ref()),
            "tries_left": it.tries_left,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> pb::GetPreferencesResponse {
        let choice = |kind: NoticeKind, channel: ChannelKind| pb::NoticeChoice {
            kind: proto::to_notice_kind(kind).into(),
            channel: proto::to_notice_channel(channel).into(),
            wanted: channel != ChannelKind::Mail,
        };
        let pairs = NoticeKind::ALL.iter().flat_map(|kind| ChannelKind::ALL.iter().map(move |it| (*kind, *it)));
        let preferences = pb::Preferences {
            time_zone: "Asia/Shanghai".to_owned(),
            mail_address: "old@example.com".to_owned(),
            choices: pairs.map(|(kind, channel)| choice(kind, channel)).collect(),
            ..Default::default()
        };
        let awaited = pb::MailAddressAwaited {
            mail_address: "new@example.com".to_owned(),
            expires_at: Some(proto::to_timestamp(Timestamp::from_secs(1_000))),
            tries_left: 5,
        };
        pb::GetPreferencesResponse { preferences: Some(preferences), awaited: Some(awaited), channels: Vec::new() }
    }

    fn nothing() -> SetArgs {
        SetArgs {
            language: None,
            time_zone: None,
            quiet: None,
            tell: Vec::new(),
            mute: Vec::new(),
            mail: None,
            prices: None,
        }
    }

    #[test]
    fn r6_what_was_not_typed_stays_as_it_is_and_an_address_goes_on_waiting() {
        let before = stored().preferences.unwrap();
        let set = nothing().over(stored(), Timestamp::from_secs(999));
        assert_eq!(set, pb::Preferences { mail_address: "new@example.com".to_owned(), ..before.clone() });
        assert_eq!(nothing().over(stored(), Timestamp::from_secs(1_000)), before, "its code has ended");
        let without = SetArgs { mail: Some("none".to_owned()), ..nothing() };
        assert_eq!(without.over(stored(), Timestamp::from_secs(0)).mail_address, "");
    }

    #[test]
    fn r6_what_was_typed_takes_the_place_of_what_is_stored() {
        let args = SetArgs {
            language: Some(LanguageWord::En),
            time_zone: Some("Europe/Berlin".to_owned()),
            quiet: quiet("22:00-07:30").ok(),
            tell: vec![pair("charge/mail").unwrap()],
            mute: vec![pair("give-back/sms").unwrap()],
            mail: Some("third@example.com".to_owned()),
            prices: Some(PricesWord::WithCharge),
        };
        let set = args.over(stored(), Timestamp::from_secs(0));
        assert_eq!((set.language(), set.prices()), (common::NoticeLanguage::English, pb::PriceNews::WithCharge));
        assert_eq!((set.time_zone.as_str(), set.mail_address.as_str()), ("Europe/Berlin", "third@example.com"));
        assert_eq!(set.quiet_hours, Some(pb::QuietHours { from_minute: 1_320, until_minute: 450 }));
        let before = stored().preferences.unwrap().choices;
        let changed: Vec<_> = set.choices.iter().filter(|choice| !before.contains(choice)).collect();
        let words: Vec<_> = changed.iter().map(|it| (it.kind(), it.channel(), it.wanted)).collect();
        assert_eq!(
            words,
            [
                (common::NoticeKind::Charge, common::NoticeChannel::Mail, true),
                (common::NoticeKind::GiveBack, common::NoticeChannel::Sms, false),
            ]
        );
    }

    #[test]
    fn r6_quiet_hours_are_two_times_of_day() {
        assert_eq!(quiet("none"), Ok(Quiet(None)));
        for bad in ["", "22:00", "22:00-22:00", "24:00-07:00", "22-7", "22:00-07:00-08:00", "-"] {
            assert!(quiet(bad).is_err(), "{bad}");
        }
    }
}
