//! What a browser holds, and how it is stored: as a keyed hash.

use std::fmt;

use domain::Reason;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::rng::Rng;
use zeroize::Zeroize as _;

use super::fault;
use crate::hex;

const TOKEN_BYTES: usize = 32;

/// 256 random bits that a browser brings with each request. Before somebody has signed in they stand for nothing but the forms that
/// were shown with them.
#[derive(Clone)]
pub struct WebToken([u8; TOKEN_BYTES]);

impl WebToken {
    pub(crate) fn make(rng: &dyn Rng) -> Result<Self, Reason> {
        let mut bytes = [0; TOKEN_BYTES];
        rng.fill(&mut bytes).map_err(|error| fault(&error))?;
        Ok(Self(bytes))
    }

    /// 64 lower-case hex digits; none for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != TOKEN_BYTES * 2 {
            return None;
        }
        Some(Self(hex::decode(text)?.try_into().ok()?))
    }

    /// As it stands in a cookie; never for a log.
    pub(crate) fn reveal(&self) -> String {
        hex::encode(&self.0)
    }

    /// What is stored of it.
    pub(super) fn hash(&self, keys: &dyn KeyStore) -> Result<[u8; 32], Reason> {
        keys.mac(KeyName::SessionToken, &[b"web", &self.0]).map_err(|error| fault(&error))
    }

    /// What is stored of it at the operators' console, where no token of the self-service pages is good.
    pub(crate) fn console_hash(&self, keys: &dyn KeyStore) -> Result<[u8; 32], Reason> {
        keys.mac(KeyName::SessionToken, &[b"console", &self.0]).map_err(|error| fault(&error))
    }

    /// What a form has in it that was shown to this browser.
    pub(crate) fn form_mark(&self, keys: &dyn KeyStore) -> Result<String, Reason> {
        let mac = keys.mac(KeyName::SessionToken, &[b"form", &self.0]).map_err(|error| fault(&error))?;
        Ok(hex::encode(&mac))
    }

    /// Whether a form was shown to this browser; in constant time.
    pub(crate) fn has_shown(&self, keys: &dyn KeyStore, mark: &str) -> Result<bool, Reason> {
        let Some(mark) = hex::decode(mark) else { return Ok(false) };
        keys.mac_matches(KeyName::SessionToken, &[b"form", &self.0], &mark).map_err(|error| fault(&error))
    }
}

impl Drop for WebToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for WebToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebToken(***)")
    }
}
