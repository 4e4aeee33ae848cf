//! The part of the hub's configuration that says who may bring telephone calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;

use domain::voice::Language;
use serde::{Deserialize, Deserializer, de};
use server_kit::config::{HumanDuration, SecretRef};

use super::CountryCode;

/// Telephone calls; none are taken unless a front listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VoiceConfig {
    /// Where Asterisk connects, speaking FastAGI.
    pub agi_listen: Option<SocketAddr>,
    /// Where a voice gateway gets VoiceXML documents, over HTTP.
    pub vxml_listen: Option<SocketAddr>,
    /// Who may connect to either.
    pub from: Vec<IpAddr>,
    /// What a voice gateway shows with each request, `file:` or `env:`; needed with `vxml_listen`.
    pub gateway_secret: Option<SecretRef>,
    /// The folder of the recordings as Asterisk names it; `zh` and `en` are in it.
    pub prompts: String,
    /// The language that greets first, `zh` or `en`.
    #[serde(deserialize_with = "language")]
    pub first_language: Language,
    /// The country whose numbers come without a country code.
    #[serde(deserialize_with = "country_code")]
    pub country_code: CountryCode,
    /// Calls that each front carries at once.
    pub calls_at_once: usize,
    /// Calls that one number may begin.
    pub calls_per_caller_per_minute: NonZeroU32,
    /// How long a call may last.
    pub call_at_most: HumanDuration,
}

impl Default for VoiceConfig {
    fn default() -> Self {
        Self {
            agi_listen: None,
            vxml_listen: None,
            from: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            gateway_secret: None,
            prompts: "bankhub".to_owned(),
            first_language: Language::Mandarin,
            country_code: CountryCode::CHINA,
            calls_at_once: 200,
            calls_per_caller_per_minute: NonZeroU32::MIN.saturating_add(5),
            call_at_most: HumanDuration::from_secs(10 * 60),
        }
    }
}

fn language<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Language, D::Error> {
    let code = String::deserialize(deserializer)?;
    Language::from_code(&code).ok_or_else(|| de::Error::custom("a language is zh or en"))
}

fn country_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CountryCode, D::Error> {
    let digits = String::deserialize(deserializer)?;
    CountryCode::parse(&digits).ok_or_else(|| de::Error::custom("a country code has one to three digits, such as 86"))
}
