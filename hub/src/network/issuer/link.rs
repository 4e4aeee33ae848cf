//! A line to a card network as it is configured, checked once at the start.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::BankId;
use iso8583::Dialect;
use iso8583::frame::LengthHeader;
use proto::federation as pb;
use server_kit::config::SecretRef;
use server_kit::tls::{ClientTls, ClientTlsConfig};

use super::config::{IssuerConfig, is_institution};
use crate::hex;
use crate::network::NetworkError;
use crate::network::working_key::WorkingKey;

/// The keys of a connection.
#[derive(Clone, Debug)]
pub(super) struct LineKeys {
    pub(super) mac: Option<WorkingKey>,
    pub(super) pin: Option<WorkingKey>,
}

/// How one network wants its messages, apart from their content.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) dialect: &'static Dialect,
    pub(super) header: Option<Vec<u8>>,
    pub(super) institution: String,
    pub(super) forwarder: Option<String>,
}

/// A bank behind the line.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Field 100.
    pub(super) institution: Option<String>,
    pub(super) ranges: pb::RegisterBinRangesRequest,
}

/// One line.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) address: String,
    pub(super) tls: Option<(ClientTls, String)>,
    pub(super) manner: Manner,
    pub(super) framing: LengthHeader,
    pub(super) longest_message: usize,
    /// With which every connection begins.
    pub(super) keys: LineKeys,
    pub(super) exchange_key: Option<WorkingKey>,
    pub(super) connect_within: Duration,
    pub(super) answer_within: Duration,
    pub(super) rest_within: Duration,
    pub(super) echo_every: Duration,
    pub(super) pause: Duration,
    pub(super) pause_at_most: Duration,
    pub(super) window: usize,
    /// How long a day rests before its totals are told; none where they are not.
    pub(super) totals_after: Option<Duration>,
    pub(super) banks: BTreeMap<BankId, Member>,
}

impl Link {
    pub(super) fn read(id: &str, config: &IssuerConfig, federation: &str) -> Result<Self, NetworkError> {
        let refuse = |name, what| NetworkError::Issuer { link: id.to_owned(), name, what };
        let is_slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=32).contains(&id.len()) || !id.bytes().all(is_slug) {
            return Err(refuse("", "the id of a line has 1 to 32 of a-z, 0-9 and '-'"));
        }
        let times = [config.connect_timeout, config.answer_timeout, config.message_timeout, config.echo_every];
        if times.iter().chain([&config.reconnect_pause, &config.totals_after]).any(|time| time.get().is_zero()) {
            return Err(refuse(
                "answer_timeout",
                "no timeout, and none of `echo_every`, `reconnect_pause` and `totals_after`, is zero",
            ));
        }
        if !(1..=10_000).contains(&config.window) {
            return Err(refuse("window", "it is 1 to 10000"));
        }
        let key = |name, secret: &Option<SecretRef>| {
            let Some(secret) = secret else { return Ok(None) };
            let read = WorkingKey::read(&secret.read()?);
            read.map(Some).ok_or_else(|| refuse(name, "a key has 32 hexadecimal digits, and its halves differ"))
        };
        Ok(Self {
            id: id.to_owned(),
            address: config.address.clone(),
            tls: tls(config, federation)?,
            manner: manner(id, config)?,
            framing: config.framing.header(),
            longest_message: config.longest_message,
            keys: LineKeys { mac: key("mac_key", &config.mac_key)?, pin: key("pin_key", &config.pin_key)? },
            exchange_key: key("exchange_key", &config.exchange_key)?,
            connect_within: config.connect_timeout.get(),
            answer_within: config.answer_timeout.get(),
            rest_within: config.message_timeout.get(),
            echo_every: config.echo_every.get(),
            pause: config.reconnect_pause.get(),
            pause_at_most: config.reconnect_pause_at_most.get().max(config.reconnect_pause.get()),
            window: config.window,
            totals_after: config.totals.then(|| config.totals_after.get()),
            banks: banks(id, config)?,
        })
    }
}

fn manner(id: &str, config: &IssuerConfig) -> Result<Manner, NetworkError> {
    let refuse = |name, what| NetworkError::Issuer { link: id.to_owned(), name, what };
    let dialect = config.dialect.dialect();
    if !is_institution(&config.institution) {
        return Err(refuse("institution", "it has 1 to 11 digits"));
    }
    if config.forwarder.as_deref().is_some_and(|forwarder| !is_institution(forwarder)) {
        return Err(refuse("forwarder", "it has 1 to 11 digits"));
    }
    let read = |text: &String| {
        let header = hex::decode(&text.to_ascii_lowercase());
        let header = header.filter(|header| header.len() == usize::from(dialect.header_octets));
        header.ok_or_else(|| refuse("header", "it has two hexadecimal digits for each octet of the dialect's header"))
    };
    Ok(Manner {
        dialect,
        header: config.header.as_ref().map(read).transpose()?,
        institution: config.institution.clone(),
        forwarder: config.forwarder.clone(),
    })
}

fn banks(id: &str, config: &IssuerConfig) -> Result<BTreeMap<BankId, Member>, NetworkError> {
    let refuse = |what| NetworkError::Issuer { link: id.to_owned(), name: "banks", what };
    let read = |(name, bank): (&String, &super::config::IssuerBank)| {
        let bank_id = BankId::parse(name).map_err(|_| refuse("the name of a bank has 1 to 64 of a-z, 0-9 and '-'"))?;
        if bank.institution.as_deref().is_some_and(|institution| !is_institution(institution)) {
            return Err(refuse("the institution of a bank has 1 to 11 digits"));
        }
        let ranges = bank.request(id, &bank_id)?;
        Ok((bank_id, Member { institution: bank.institution.clone(), ranges }))
    };
    config.banks.iter().map(read).collect()
}

fn tls(config: &IssuerConfig, federation: &str) -> Result<Option<(ClientTls, String)>, NetworkError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let files = ClientTlsConfig {
        server_ca: tls.server_ca.clone(),
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
    };
    let host = config.address.rsplit_once(':').map_or(config.address.as_str(), |(host, _)| host);
    let name = tls.server_name.as_deref().unwrap_or(host).trim_matches(['[', ']']).to_owned();
    Ok(Some((ClientTls::load(&files, federation)?, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(more: &str) -> Result<Link, String> {
        let text = format!(r#"{{"address": "127.0.0.1:1", "institution": "66280000"{more}}}"#);
        let config: IssuerConfig = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Link::read("cup", &config, "test").map_err(|error| error.to_string())
    }

    #[test]
    fn m6_a_line_has_its_banks_and_their_numbers() {
        let link = link(r#", "banks": {"bank-n": {"institution": "66281000", "ranges": ["62284900-62284999/16"]}}"#);
        let link = link.unwrap();
        let member = &link.banks[&BankId::parse("bank-n").unwrap()];
        assert_eq!(member.institution.as_deref(), Some("66281000"));
        assert_eq!((member.ranges.ranges[0].first.as_str(), member.ranges.ranges[0].digits), ("62284900", 16));
        assert_eq!((link.manner.dialect.name, link.window), ("UnionPay", 256));
    }

    #[test]
    fn m6_what_no_line_can_have_is_refused_with_its_key_and_without_its_value() {
        for (more, key) in [
            (r#", "institution": "1""#, "duplicate field"),
            (r#", "forwarder": "66280000000x""#, "forwarder"),
            (r#", "header": "60""#, "header"),
            (r#", "header": "600003000060220000000g""#, "header"),
            (r#", "window": 0"#, "window"),
            (r#", "echo_every": "0s""#, "answer_timeout"),
            (r#", "pin_key": "env:PATH""#, "pin_key"),
            (r#", "mac_key": "env:PATH""#, "mac_key"),
            (r#", "exchange_key": "env:PATH""#, "exchange_key"),
            (r#", "banks": {"Bank N": {}}"#, "banks"),
            (r#", "banks": {"bank-n": {"institution": "x"}}"#, "banks"),
            (r#", "banks": {"bank-n": {"ranges": ["622849"]}}"#, "banks"),
            (r#", "banks": {"bank-n": {"ranges": ["622849-622848/16"]}}"#, "banks"),
            (r#", "dialect": "iso-2003""#, "unknown variant"),
            (r#", "adress": "a""#, "unknown field"),
        ] {
            let refused = link(more).err().unwrap_or_else(|| panic!("{more} is taken"));
            assert!(refused.contains(key) && !refused.contains("/bin"), "{more}: {refused}");
        }
    }
}
