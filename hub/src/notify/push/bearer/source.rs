//! The four ways to a token.

use std::path::PathBuf;
use std::time::Duration;

use domain::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use server_kit::config::SecretRef;
use zeroize::Zeroizing;

use super::super::http::Http;
use super::exchange::{self, Denied, Granted};
use super::jwt::{Algorithm, Key};
use super::{ChannelError, TokenSource};
use crate::notify::tls::Tls;

/// How long a token is believed that somebody else renews.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How long a grant that we sign is good; Google takes an hour at most.
const GRANT_FOR: Duration = Duration::from_secs(3600);
/// Apple refuses provider tokens that are older than an hour, and more than one in 20 minutes.
const PROVIDER_TOKEN_FOR: Duration = Duration::from_secs(50 * 60);
const PROVIDER_TOKEN_LEAST: Duration = Duration::from_secs(20 * 60);
const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

pub(super) enum Source {
    Kept(SecretRef),
    ServiceAccount { key: SecretRef, http: Http, within: Duration },
    ClientCredentials { endpoint: String, client_id: String, secret: SecretRef, http: Http, within: Duration },
    ProviderKey { key: SecretRef, key_id: String, team_id: String },
}

/// A service account's key file, as far as it is used.
#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key_id: String,
    private_key: String,
    token_uri: String,
}

impl Account {
    /// The account and its key; none when the file is no such thing.
    fn read(key: &SecretRef) -> Result<Option<(Self, Key)>, ChannelError> {
        let text = key.read()?;
        let account: Option<Self> = serde_json::from_str(text.expose_secret()).ok();
        Ok(account.and_then(|mut account| {
            let pem = Zeroizing::new(std::mem::take(&mut account.private_key));
            Key::read(&pem, Algorithm::Rs256).map(|key| (account, key))
        }))
    }
}

impl Source {
    pub(super) fn open(source: &TokenSource, ca: Option<PathBuf>, within: Duration) -> Result<Self, ChannelError> {
        let http = |endpoint: &str| {
            let tls = Tls::new(ca.as_deref(), &[b"h2", b"http/1.1"])?;
            Http::new(endpoint, tls, within)
        };
        Ok(match source.clone() {
            TokenSource::Kept(token) => {
                token.read()?;
                Self::Kept(token)
            }
            TokenSource::ServiceAccount { key } => {
                let (account, _) = Account::read(&key)?.ok_or(ChannelError::Key { what: "service account" })?;
                Self::ServiceAccount { key, http: http(&account.token_uri)?, within }
            }
            TokenSource::ClientCredentials { endpoint, client_id, secret } => {
                secret.read()?;
                let http = http(&endpoint)?;
                Self::ClientCredentials { endpoint, client_id, secret, http, within }
            }
            TokenSource::ProviderKey { key, key_id, team_id } => {
                let pem = key.read()?;
                Key::read(pem.expose_secret(), Algorithm::Es256).ok_or(ChannelError::Key { what: "provider's key" })?;
                Self::ProviderKey { key, key_id, team_id }
            }
        })
    }

    /// How old a token has to be at least before another one may be made.
    pub(super) fn least_age(&self) -> Duration {
        match self {
            Self::ProviderKey { .. } => PROVIDER_TOKEN_LEAST,
            _ => Duration::ZERO,
        }
    }

    /// A new token. Keys and secrets are read anew, so that one that was exchanged is used from then on.
    pub(super) async fn get(&self, now: Timestamp) -> Result<Granted, Denied> {
        let issued_at = now.micros().div_euclid(1_000_000);
        match self {
            Self::Kept(token) => {
                let token = token.read().map_err(|_| Denied::Away)?;
                if !exchange::stands_in_a_header(&token) {
                    return Err(Denied::Unreadable);
                }
                Ok(Granted { token, good_for: KEPT_FOR })
            }
            Self::ServiceAccount { key, http, within } => {
                let (account, key) = Account::read(key).ok().flatten().ok_or(Denied::Refused)?;
                let Account { client_email, private_key_id, token_uri, .. } = account;
                let until = issued_at.saturating_add(i64::try_from(GRANT_FOR.as_secs()).unwrap_or(0));
                let claims =
                    json!({ "iss": client_email, "scope": SCOPE, "aud": token_uri, "iat": issued_at, "exp": until });
                let assertion = key.sign(&private_key_id, &claims).ok_or(Denied::Refused)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                let form = exchange::form(&[("grant_type", grant), ("assertion", &assertion)]);
                exchange::ask(http, &token_uri, &form, *within).await
            }
            Self::ClientCredentials { endpoint, client_id, secret, http, within } => {
                let secret = secret.read().map_err(|_| Denied::Refused)?;
                let form = exchange::form(&[
                    ("grant_type", "client_credentials"),
                    ("client_id", client_id),
                    ("client_secret", secret.expose_secret()),
                ]);
                exchange::ask(http, endpoint, &form, *within).await
            }
            Self::ProviderKey { key, key_id, team_id } => {
                let pem = key.read().map_err(|_| Denied::Refused)?;
                let key = Key::read(pem.expose_secret(), Algorithm::Es256).ok_or(Denied::Refused)?;
                let claims = json!({ "iss": team_id, "iat": issued_at });
                let token = key.sign(key_id, &claims).ok_or(Denied::Refused)?;
                Ok(Granted { token: SecretString::from(token), good_for: PROVIDER_TOKEN_FOR })
            }
        }
    }
}
