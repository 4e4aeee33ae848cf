//! Secrets stay out of the configuration; it only says where they are.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::ConfigError;
use crate::private_file;

/// More than any key or password needs, so that a wrong path does not read a disk into memory.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Where a secret is: `env:NAME` or `file:/absolute/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// In a variable of the environment.
    Env(String),
    /// In a file that only its owner can read.
    File(PathBuf),
}

impl SecretRef {
    /// Reads the secret. One newline at its end is not part of it.
    pub fn read(&self) -> Result<SecretString, ConfigError> {
        match self {
            Self::Env(name) => match std::env::var(name) {
                Ok(text) if !text.is_empty() => Ok(SecretString::from(text)),
                _ => Err(ConfigError::SecretUnset { name: name.clone() }),
            },
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<SecretString, ConfigError> {
    let unreadable = |message: String| ConfigError::SecretUnreadable { path: path.to_owned(), message };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    // Asked of the open file, so that it cannot be exchanged between the look and the reading.
    if let Some(mode) = private_file::exposed_mode(&file).map_err(|error| unreadable(error.to_string()))? {
        return Err(ConfigError::SecretExposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_SECRET_BYTES {
        return Err(unreadable("it is longer than 64 KiB".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8 text".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(unreadable("it is empty".to_owned()));
    }
    Ok(SecretString::from(text))
}

impl std::str::FromStr for SecretRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name =
            |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match text.split_once(':') {
            Some(("env", name)) if is_name(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if Path::new(path).is_absolute() => Ok(Self::File(PathBuf::from(path))),
            // What was written may be the secret itself, so it is not repeated.
            _ => Err("a secret is given as env:NAME or file:/absolute/path, never as itself"),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretString::from(String::deserialize(deserializer)?);
        secrecy::ExposeSecret::expose_secret(&text).parse().map_err(serde::de::Error::custom)
    }
}
