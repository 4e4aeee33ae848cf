//! A link as it is configured, checked once at the start.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::purchase::Terminal;
use domain::{Reason, TerminalId};
use iso8583::Dialect;
use iso8583::frame::LengthHeader;
use server_kit::config::SecretRef;
use tokio::sync::Semaphore;

use super::NetworkError;
use super::config::LinkConfig;
use super::working_key::{WorkingKey, WorkingKeys};

/// One acquirer's, or one network's, side.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: String,
    pub(super) from: Vec<IpAddr>,
    pub(super) dialect: &'static Dialect,
    pub(super) framing: LengthHeader,
    acquirers: Vec<String>,
    terminal_prefix: String,
    merchant_prefix: Option<String>,
    /// With which every connection begins.
    pub(super) keys: WorkingKeys,
    pub(super) exchange_key: Option<WorkingKey>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) window: usize,
    pub(super) longest_message: usize,
    pub(super) message_timeout: Duration,
    pub(super) sign_on_timeout: Duration,
    pub(super) idle_timeout: Duration,
}

fn key(id: &str, name: &'static str, secret: &SecretRef) -> Result<WorkingKey, NetworkError> {
    let read = secret.read()?;
    WorkingKey::read(&read).ok_or_else(|| NetworkError::Key { link: id.to_owned(), name })
}

impl Link {
    pub(super) fn read(id: &str, config: &LinkConfig) -> Result<Self, NetworkError> {
        let refuse = |name, what| NetworkError::Value { link: id.to_owned(), name, what };
        let is_slug = |text: &str| {
            text.len() <= 32 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if id.is_empty() || !is_slug(id) {
            return Err(refuse("", "the id of a link has 1 to 32 of a-z, 0-9 and '-'"));
        }
        let is_institution = |text: &String| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            (1..=11).contains(&text.len()) && digits && text.bytes().any(|byte| byte != b'0')
        };
        if config.acquirers.is_empty() || !config.acquirers.iter().all(is_institution) {
            return Err(refuse("acquirers", "there is one at least, each of 1 to 11 digits that are not all zero"));
        }
        if [&config.terminal_prefix, &config.merchant_prefix].into_iter().flatten().any(|text| !is_slug(text)) {
            return Err(refuse("terminal_prefix", "prefixes have a-z, 0-9 and '-'"));
        }
        if !(1..=1_000).contains(&config.connections) || !(1..=10_000).contains(&config.window) {
            return Err(refuse("connections", "it is 1 to 1000, and `window` 1 to 10000"));
        }
        let times = [config.message_timeout, config.sign_on_timeout, config.idle_timeout];
        if times.iter().any(|time| time.get().is_zero()) {
            return Err(refuse("message_timeout", "neither it nor `sign_on_timeout` and `idle_timeout` is zero"));
        }
        let mac = config.mac_key.as_ref().map(|secret| key(id, "mac_key", secret)).transpose()?;
        let keys = WorkingKeys { mac, pin: key(id, "pin_key", &config.pin_key)? };
        let exchange_key = config.exchange_key.as_ref().map(|secret| key(id, "exchange_key", secret)).transpose()?;
        Ok(Self {
            id: id.to_owned(),
            from: config.from.clone(),
            dialect: config.dialect.dialect(),
            framing: config.framing.header(),
            acquirers: config.acquirers.iter().map(|digits| digits.trim_start_matches('0').to_owned()).collect(),
            terminal_prefix: config.terminal_prefix.clone().unwrap_or_else(|| format!("{id}-")),
            merchant_prefix: config.merchant_prefix.clone(),
            keys,
            exchange_key,
            connections: Arc::new(Semaphore::new(config.connections)),
            window: config.window,
            longest_message: config.longest_message,
            message_timeout: config.message_timeout.get(),
            sign_on_timeout: config.sign_on_timeout.get(),
            idle_timeout: config.idle_timeout.get(),
        })
    }

    pub(super) fn acquirers(&self) -> &[String] {
        &self.acquirers
    }

    /// The terminal that field 41 names. `Err(NotYours)` for an acquirer that this link does not speak for, `Err(TerminalUnknown)` for
    /// what cannot be the name of one.
    pub(super) fn terminal(&self, acquirer: &str, code: &str) -> Result<TerminalId, Reason> {
        if !self.acquirers.iter().any(|known| known == acquirer) {
            return Err(Reason::NotYours);
        }
        let name = format!("{}{}", self.terminal_prefix, code.to_ascii_lowercase());
        TerminalId::parse(&name).map_err(|_| Reason::TerminalUnknown)
    }

    /// Whether field 42 names the terminal's merchant; `Err(NotYours)` otherwise.
    pub(super) fn check_merchant(&self, terminal: &Terminal, code: Option<&str>) -> Result<(), Reason> {
        let Some(prefix) = &self.merchant_prefix else { return Ok(()) };
        let code = code.ok_or(Reason::FieldMissing)?;
        let is_it = terminal.merchant.id.as_str() == format!("{prefix}{}", code.to_ascii_lowercase());
        if is_it { Ok(()) } else { Err(Reason::NotYours) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(more: &str) -> Result<Link, String> {
        // A variable that every process has; it holds no key.
        let text = format!(r#"{{"listen": "127.0.0.1:0", "acquirers": ["066280000"], "pin_key": "env:PATH"{more}}}"#);
        let config: LinkConfig = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Link::read("acq", &config).map_err(|error| error.to_string())
    }

    #[test]
    fn m7_what_no_link_can_have_is_refused_with_its_key_and_without_its_value() {
        for (more, key) in [
            ("", "pin_key"),
            (r#", "mac_key": "env:PATH""#, "mac_key"),
            (r#", "terminal_prefix": "Upper""#, "terminal_prefix"),
            (r#", "merchant_prefix": "a/b""#, "terminal_prefix"),
            (r#", "connections": 0"#, "connections"),
            (r#", "window": 10001"#, "connections"),
            (r#", "idle_timeout": "0s""#, "message_timeout"),
            (r#", "dialect": "iso-2003""#, "unknown variant"),
            (r#", "windows": 1"#, "unknown field"),
        ] {
            let refused = link(more).unwrap_err();
            assert!(refused.contains(key), "{more}: {refused}");
            assert!(!refused.contains("/bin"), "{refused}");
        }
        for acquirers in ["[]", r#"["0"]"#, r#"["123456789012"]"#, r#"["12a"]"#] {
            let text = format!(r#"{{"listen": "127.0.0.1:0", "acquirers": {acquirers}, "pin_key": "env:PATH"}}"#);
            let config: LinkConfig = serde_json::from_str(&text).unwrap();
            assert!(Link::read("acq", &config).unwrap_err().to_string().contains("acquirers"), "{acquirers}");
        }
    }

    #[test]
    fn m7_a_link_speaks_for_its_own_acquirers_and_terminals_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("pin.hex");
        std::fs::write(&key, "0123456789ABCDEFFEDCBA9876543210").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let key = format!(r#", "pin_key": "file:{}""#, key.display());
        let link = |more: &str| {
            let text = format!(r#"{{"listen": "127.0.0.1:0", "acquirers": ["066280000"]{key}{more}}}"#);
            Link::read("acq", &serde_json::from_str(&text).unwrap()).unwrap()
        };
        let terminal = |link: &Link, acquirer: &str, code: &str| link.terminal(acquirer, code).map(|id| id.to_string());
        let own = link("");
        assert_eq!(terminal(&own, "66280000", "TILL-1"), Ok("acq-till-1".to_owned()));
        assert_eq!(terminal(&own, "66280001", "TILL-1"), Err(Reason::NotYours));
        assert_eq!(terminal(&own, "66280000", "../TILL"), Err(Reason::TerminalUnknown));
        let all = link(r#", "terminal_prefix": """#);
        assert_eq!(terminal(&all, "66280000", "TILL-1"), Ok("till-1".to_owned()));
        assert!(!format!("{all:?}").contains("0123456789"), "a key is shown");
    }
}
