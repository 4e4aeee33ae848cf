//! Asking a token endpoint for an access token: OAuth 2.0 client credentials (RFC 6749, section 4.4) and JWT bearer grants (RFC 7523).

use std::time::Duration;

use http::{Method, Request};
use hyper::body::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::super::http::{Answer, Body, Http};

/// How long a token is believed whose endpoint does not say.
const USUAL: Duration = Duration::from_secs(5 * 60);
/// No token is believed for longer, whatever its endpoint says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// More than any token needs that is to stand in a header.
const MOST_TOKEN_BYTES: usize = 8 * 1024;

/// A token, and for how long it is good.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: SecretString,
    pub(super) good_for: Duration,
}

/// Why there is no token. What the endpoint says in words is not told: it may repeat what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It does not take our key or secret: somebody has to act.
    Refused,
    /// Too often; for how long it wants to be left alone.
    Busy { pause: Option<Duration> },
    /// It is not there, or broken.
    Away,
    /// Its answer is no token.
    Unreadable,
}

/// Fields of a form (application/x-www-form-urlencoded), wiped after use.
pub(super) fn form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut form = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(name);
        form.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => form.push(char::from(byte)),
                _ => form.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    form
}

/// Asks once.
pub(super) async fn ask(http: &Http, uri: &str, form: &str, within: Duration) -> Result<Granted, Denied> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(http::header::ACCEPT, "application/json")
        .body(Body::new(Bytes::copy_from_slice(form.as_bytes())))
        .map_err(|_| Denied::Away)?;
    let asking = async {
        let connection = http.connection().await?;
        http.ask(connection, request).await
    };
    match timeout(within, asking).await {
        Ok(Ok(answer)) => granted(&answer),
        Ok(Err(_)) | Err(_) => Err(Denied::Away),
    }
}

#[derive(Deserialize)]
struct Said {
    access_token: String,
    token_type: Option<String>,
    expires_in: Option<u64>,
}

/// What an answer grants (RFC 6749, section 5).
pub(super) fn granted(answer: &Answer) -> Result<Granted, Denied> {
    match answer.status {
        200 => {}
        429 => return Err(Denied::Busy { pause: answer.retry_after }),
        400..=403 => return Err(Denied::Refused),
        503 if answer.retry_after.is_some() => return Err(Denied::Busy { pause: answer.retry_after }),
        _ => return Err(Denied::Away),
    }
    let said: Said = serde_json::from_slice(&answer.body).map_err(|_| Denied::Unreadable)?;
    let good_for = said.expires_in.map_or(USUAL, Duration::from_secs).min(LONGEST);
    let token = SecretString::from(said.access_token);
    let is_bearer = said.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    if !is_bearer || good_for.is_zero() || !stands_in_a_header(&token) {
        return Err(Denied::Unreadable);
    }
    Ok(Granted { token, good_for })
}

/// Whether it is the token of an `Authorization: Bearer` (RFC 6750, section 2.1), and nothing that breaks the request.
pub(super) fn stands_in_a_header(token: &SecretString) -> bool {
    let token = secrecy::ExposeSecret::expose_secret(token);
    (1..=MOST_TOKEN_BYTES).contains(&token.len())
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'='))
}
