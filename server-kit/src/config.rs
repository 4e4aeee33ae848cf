//! Configuration in three layers: a TOML file, over it the environment, over it flags.
//!
//! Every mistake is told with its place: the line of the file, the variable or the flag, and the key. No error repeats
//! a value, since a value in the wrong place may be a secret.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

mod read;
mod secret;
mod tree;

pub use secret::SecretRef;

use tree::Tree;

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file, at a line counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// In a variable of the environment.
    Environment {
        /// The variable.
        name: String,
    },
    /// In a flag of the form `key=value`.
    Flag {
        /// The dotted key.
        key: String,
    },
    /// Nowhere.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { key } => write!(f, "flag {key}"),
            Self::Unset => f.write_str("configuration"),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Nothing has this name.
    #[error("{origin}: unknown key `{key}`{}", did_you_mean(.suggestion.as_deref()))]
    UnknownKey {
        /// Where it is set.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// The known key that looks most like it.
        suggestion: Option<String>,
    },
    /// The value has the wrong type, or is refused.
    #[error("{origin}: `{key}`: {message}{}", did_you_mean(.suggestion.as_deref()))]
    Value {
        /// Where it is set.
        origin: Origin,
        /// The dotted key.
        key: String,
        /// What is wrong with it.
        message: String,
        /// The known value that looks most like it.
        suggestion: Option<String>,
    },
    /// Something must be set and is not.
    #[error("{origin}: `{key}` is missing")]
    Missing {
        /// Where the section is set that needs it.
        origin: Origin,
        /// The dotted key.
        key: String,
    },
    /// A key goes into a section that is a plain value in a layer below.
    #[error("{origin}: `{key}` is a value, not a section")]
    NotASection {
        /// Where the longer key is set.
        origin: Origin,
        /// The dotted key of the plain value.
        key: String,
    },
    /// The variable that a secret is in is not set, or is empty.
    #[error("the environment variable {name}, which holds a secret, is not set")]
    SecretUnset {
        /// The variable.
        name: String,
    },
    /// The file that a secret is in cannot be read, or is no text, or is empty.
    #[error("the secret in {path} cannot be read: {message}")]
    SecretUnreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Others than its owner may read or write the file that a secret is in.
    #[error("{path} holds a secret and has mode {mode:03o}: others may read it; chmod 600 it")]
    SecretExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|suggestion| format!("; did you mean `{suggestion}`?")).unwrap_or_default()
}

/// Reads `file`, then the environment variables that begin with `env_prefix`, then `overrides` of the form
/// (`dotted.key`, value); a later layer wins key by key.
///
/// A variable `BANKHUB_HUB_TLS__KEY` sets `tls.key` under the prefix `BANKHUB_HUB_`. Text from the environment and from
/// flags is read as what the key needs: `8` as a number, `true` as a truth value, `a,b` or `["a", "b"]` as a list. The
/// variable of the fault points, and variables to which a secret refers as `env:NAME`, are no keys.
///
/// A prefix belongs to one server (`BANKHUB_HUB_`): every other variable that begins with it is refused as unknown.
///
/// `T` should refuse unknown fields (`#[serde(deny_unknown_fields)]`) and neither flatten nor tag: both lose the place.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    overrides: &[(String, String)],
) -> Result<T, ConfigError> {
    load_from(file, env_prefix, std::env::vars_os(), overrides)
}

fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    environment: impl Iterator<Item = (OsString, OsString)>,
    overrides: &[(String, String)],
) -> Result<T, ConfigError> {
    let mut tree = Tree::empty();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        tree = Tree::parse(path, &text)?;
    }
    let mut flags = Tree::empty();
    for (key, value) in overrides {
        flags.set(key.split('.'), value, &Origin::Flag { key: key.clone() })?;
    }
    let mut holds_secret = tree.secret_variables();
    holds_secret.extend(flags.secret_variables());
    // Sorted, so that of two mistakes the same one is told every time.
    let mut variables: Vec<_> = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(env_prefix) && name != crate::fault::ENVIRONMENT)
        .collect();
    variables.sort();
    // A secret's variable may be named by another variable, so these are looked through as well.
    holds_secret.extend(variables.iter().filter_map(|(_, value)| value.strip_prefix("env:").map(str::to_owned)));
    for (name, value) in variables {
        if holds_secret.contains(&name) {
            continue;
        }
        let key = name.strip_prefix(env_prefix).unwrap_or(&name).to_lowercase();
        tree.set(key.split("__"), &value, &Origin::Environment { name: name.clone() })?;
    }
    tree.overlay(flags)?;
    T::deserialize(read::Reader::root(&tree)).map_err(read::ReadError::into_config_error)
}

/// A span of time written for people: `250ms`, `3s`, `30m`, `12h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// The span as the standard library has it.
    pub const fn get(self) -> Duration {
        self.0
    }

    /// A span of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl From<HumanDuration> for Duration {
    fn from(human: HumanDuration) -> Self {
        human.0
    }
}

impl std::str::FromStr for HumanDuration {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a duration is a whole number with ms, s, m or h, as in 250ms, 3s or 30m";
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or(FORM)?;
        let (number, unit) = text.split_at(unit_at);
        let number: u64 = number.parse().map_err(|_| FORM)?;
        let millis_each = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(FORM),
        };
        number.checked_mul(millis_each).map(Self::from_millis).ok_or("the duration is too long")
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            0 => f.write_str("0s"),
            millis if millis % 3_600_000 == 0 => write!(f, "{}h", millis / 3_600_000),
            millis if millis % 60_000 == 0 => write!(f, "{}m", millis / 60_000),
            millis if millis % 1_000 == 0 => write!(f, "{}s", millis / 1_000),
            millis => write!(f, "{millis}ms"),
        }
    }
}

impl fmt::Debug for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
