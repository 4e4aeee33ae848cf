//! The part of the hub's configuration that says how people are reached.

use std::path::PathBuf;
use std::time::Duration;

use domain::notice::MailAddress;
use serde::{Deserialize, Deserializer};
use server_kit::config::{HumanDuration, SecretRef};

use super::{MailOptions, MailTls, NoticesOptions, SmsOptions};

mod push;

pub use push::PushConfig;

/// Nothing is sent within less.
const SHORTEST_TRY: Duration = Duration::from_secs(1);

/// Channels beside the app's feed; none unless it is configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotifyConfig {
    /// How long one try of a notice may take. What a process that died had taken up is tried again after twice that.
    pub send_within: HumanDuration,
    pub sms: Option<SmsConfig>,
    pub mail: Option<MailConfig>,
    pub push: PushConfig,
}

impl Default for NotifyConfig {
    fn default() -> Self {
        let send_within = HumanDuration::from_secs(30);
        Self { send_within, sms: None, mail: None, push: PushConfig::default() }
    }
}

impl NotifyConfig {
    /// Bounds of the outbox.
    pub(crate) fn options(&self) -> NoticesOptions {
        let send_within = self.send_within.get().max(SHORTEST_TRY);
        NoticesOptions { send_within, lease_for: send_within.saturating_mul(2), ..NoticesOptions::default() }
    }

    /// Whether there is any channel.
    pub(crate) fn is_any(&self) -> bool {
        self.sms.is_some() || self.mail.is_some() || !self.push.services().is_empty()
    }
}

/// An SMSC that is spoken to in SMPP 3.4.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    pub host: String,
    #[serde(default = "default_smpp_port")]
    pub port: u16,
    /// Whether the line is under TLS. Without it codes and numbers go in the clear: then only inside a private network.
    #[serde(default = "yes")]
    pub tls: bool,
    /// The authorities of the SMSC's certificate, in PEM form; without it those of the public web.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    pub system_id: String,
    /// Its password, `file:` or `env:`; read again at each connection.
    pub password: SecretRef,
    #[serde(default)]
    pub system_type: String,
    /// Who messages are from: a number, or a name of up to 11 letters and digits.
    pub source: String,
    /// Messages without an answer.
    #[serde(default = "default_window")]
    pub window: usize,
    /// Messages a second, as the contract with the carrier has it.
    #[serde(default = "default_rate")]
    pub per_second: u32,
    #[serde(default = "default_answer")]
    pub answer_within: HumanDuration,
    /// Silence after which the SMSC is asked whether it is there.
    #[serde(default = "default_enquire")]
    pub enquire_every: HumanDuration,
}

/// A mail server that takes mail for everybody.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    pub host: String,
    /// 465, or 587 with `tls = "starttls"`.
    #[serde(default)]
    pub port: Option<u16>,
    /// `implicit` or `starttls`; nothing is sent without TLS.
    #[serde(default = "default_mail_tls")]
    pub tls: MailTls,
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The account at the server, if it wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// Its password, `file:` or `env:`.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Who mail is from.
    #[serde(deserialize_with = "mail_address")]
    pub from: MailAddress,
    #[serde(default = "default_connections")]
    pub connections: usize,
    #[serde(default = "default_answer")]
    pub answer_within: HumanDuration,
}

const fn default_smpp_port() -> u16 {
    3550
}

const fn yes() -> bool {
    true
}

const fn default_window() -> usize {
    16
}

const fn default_rate() -> u32 {
    50
}

const fn default_connections() -> usize {
    4
}

const fn default_mail_tls() -> MailTls {
    MailTls::Implicit
}

const fn default_answer() -> HumanDuration {
    HumanDuration::from_secs(10)
}

const fn default_enquire() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn mail_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MailAddress, D::Error> {
    let text = String::deserialize(deserializer)?;
    MailAddress::parse(&text).map_err(|reason| serde::de::Error::custom(reason.english()))
}

impl SmsConfig {
    pub(super) fn options(&self) -> SmsOptions {
        let Self { host, port, tls, ca, system_id, password, system_type, source, window, per_second, .. } =
            self.clone();
        SmsOptions {
            host,
            port,
            tls,
            ca,
            system_id,
            password,
            system_type,
            source,
            window,
            per_second,
            answer_within: self.answer_within.get(),
            enquire_every: self.enquire_every.get(),
        }
    }
}

impl MailConfig {
    pub(super) fn options(&self) -> MailOptions {
        let usual = match self.tls {
            MailTls::Implicit => 465,
            MailTls::StartTls => 587,
        };
        MailOptions {
            host: self.host.clone(),
            port: self.port.unwrap_or(usual),
            tls: self.tls,
            ca: self.ca.clone(),
            login: self.user.clone().zip(self.password.clone()),
            from: self.from.clone(),
            connections: self.connections,
            answer_within: self.answer_within.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Vendor;
    use super::*;

    #[test]
    fn r6_only_names_and_files_have_to_be_configured() {
        let config: NotifyConfig = serde_json::from_value(json!({
            "sms": { "host": "smsc.example", "system_id": "hub", "password": "env:SMSC", "source": "bankhub" },
            "mail": { "host": "mail.example", "from": "notices@bankhub.example", "tls": "starttls" },
            "push": { "apns": { "endpoint": "https://api.push.apple.com", "app": "cn.bankhub", "token": "file:/t" } },
        }))
        .unwrap();
        let (sms, mail) = (config.sms.unwrap().options(), config.mail.unwrap().options());
        assert!(sms.tls && (sms.port, sms.window) == (3550, 16));
        assert_eq!((mail.port, mail.tls, mail.login.is_none()), (587, MailTls::StartTls, true));
        let push = config.push.services();
        assert_eq!((push.len(), push[0].vendor), (1, Vendor::Apns));
        let none: NotifyConfig = serde_json::from_value(json!({})).unwrap();
        assert_eq!(none.options().lease_for, NoticesOptions::default().lease_for);
        let hasty: NotifyConfig = serde_json::from_value(json!({ "send_within": "0s" })).unwrap();
        assert_eq!((hasty.options().send_within, hasty.options().lease_for), (SHORTEST_TRY, 2 * SHORTEST_TRY));
        assert!(none.sms.is_none() && none.mail.is_none() && none.push.services().is_empty());
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            json!({ "fax": {} }),
            json!({ "sms": { "host": "h", "system_id": "s", "password": "secret", "source": "b" } }),
            json!({ "mail": { "host": "h", "from": "a@b.cn\r\nBcc: c@d.cn" } }),
            json!({ "mail": { "host": "h", "from": "a@b.cn", "tls": "none" } }),
        ] {
            assert!(serde_json::from_value::<NotifyConfig>(bad.clone()).is_err(), "{bad}");
        }
    }
}
