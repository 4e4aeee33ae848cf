//! Answers, each with the headers that keep a page to itself.

use std::sync::LazyLock;

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use maud::Markup;
use ring::digest::{SHA256, digest};

use super::language::Language;
use crate::hex;
use crate::sign_in::WebToken;

pub(super) type Answer = Response<Full<Bytes>>;

/// Nothing runs in a page and nothing comes from elsewhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = include_str!("style.css");
/// A year: what is served under the name never changes.
const STYLE_CACHED: &str = "public, max-age=31536000, immutable";

/// Where the stylesheet is, with the hash of it in the name.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = hex::encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    format!("/style-{}.css", hash.get(..16).unwrap_or_default())
});

/// What the browser keeps.
pub(super) enum Keep {
    /// What it holds from now on.
    Token(WebToken),
    /// Nothing any more.
    Nothing,
    Language(Language),
}

/// What a page comes to.
pub(super) enum Outcome {
    Page(StatusCode, Markup),
    /// A file of the person's, which the browser stores under this name.
    File(&'static str, Vec<u8>),
    /// Another page is asked for instead.
    Go(String),
}

/// The name of the cookie with the token.
pub(super) const fn token_cookie(is_secure: bool) -> &'static str {
    if is_secure { "__Host-bankhub" } else { "bankhub" }
}

pub(super) const LANGUAGE_COOKIE: &str = "bankhub-lang";

fn cookie(keep: &Keep, is_secure: bool) -> String {
    let (name, secure) = (token_cookie(is_secure), if is_secure { "; Secure" } else { "" });
    match keep {
        Keep::Token(token) => format!("{name}={}; Path=/; HttpOnly; SameSite=Strict{secure}", token.reveal()),
        Keep::Nothing => format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
        Keep::Language(language) => {
            format!("{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}", language.tag())
        }
    }
}

/// An answer with what the browser is to keep.
pub(super) fn answer(outcome: Outcome, keep: &[Keep], is_secure: bool) -> Answer {
    let (status, content_type, body) = match &outcome {
        Outcome::Page(status, markup) => (*status, "text/html; charset=utf-8", Bytes::from(markup.0.clone())),
        Outcome::File(_, content) => (StatusCode::OK, "text/csv; charset=utf-8", Bytes::from(content.clone())),
        Outcome::Go(_) => (StatusCode::SEE_OTHER, "text/plain; charset=utf-8", Bytes::new()),
    };
    let mut answer = base(status, content_type, body, is_secure);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Outcome::Go(to) = &outcome
        && let Ok(to) = HeaderValue::try_from(to.as_str())
    {
        headers.insert(header::LOCATION, to);
    }
    if let Outcome::File(name, _) = &outcome
        && let Ok(stored) = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
    {
        headers.insert(header::CONTENT_DISPOSITION, stored);
    }
    for keep in keep {
        if let Ok(mut value) = HeaderValue::try_from(cookie(keep, is_secure)) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }
    answer
}

/// The stylesheet.
pub(super) fn style(is_secure: bool) -> Answer {
    let mut answer = base(StatusCode::OK, "text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes()), is_secure);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(STYLE_CACHED));
    answer
}

fn base(status: StatusCode, content_type: &'static str, body: Bytes, is_secure: bool) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    answer
}
