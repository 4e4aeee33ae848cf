//! Answers, each with the headers that keep a page to itself.

use std::convert::Infallible;
use std::sync::LazyLock;

use futures_util::stream::BoxStream;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use maud::Markup;
use ring::digest::{SHA256, digest};

use super::language::Language;
use crate::hex;
use crate::sign_in::WebToken;

/// What is told piece by piece.
pub(crate) type Events = BoxStream<'static, Result<Frame<Bytes>, Infallible>>;
pub(crate) type PageBody = Either<Full<Bytes>, StreamBody<Events>>;
pub(crate) type Answer = Response<PageBody>;

/// Nothing runs in a page and nothing comes from elsewhere.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = include_str!("style.css");
/// A year: what is served under the name never changes.
const CACHED: &str = "public, max-age=31536000, immutable";

/// Where the stylesheet is, with the hash of it in the name.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path_of("style", STYLE, "css"));

/// A path for a text, with the hash of it in the name.
pub(crate) fn path_of(name: &str, text: &str, extension: &str) -> String {
    let hash = hex::encode(digest(&SHA256, text.as_bytes()).as_ref());
    format!("/{name}-{}.{extension}", hash.get(..16).unwrap_or_default())
}

/// Whose pages they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// The name of its cookie, which stands behind a prefix where browsers come over TLS.
    pub(crate) cookie: &'static str,
    /// What may run and be loaded in a page (Content Security Policy, level 3).
    pub(crate) policy: &'static str,
    /// Whether browsers come over TLS.
    pub(crate) is_secure: bool,
}

impl Site {
    /// The name of the cookie with the token.
    pub(crate) fn token_cookie(&self) -> String {
        if self.is_secure { format!("__Host-{}", self.cookie) } else { self.cookie.to_owned() }
    }
}

/// What the browser keeps.
pub(crate) enum Keep {
    /// What it holds from now on.
    Token(WebToken),
    /// Nothing any more.
    Nothing,
    Language(Language),
}

/// What a page comes to.
pub(crate) enum Outcome {
    Page(StatusCode, Markup),
    /// Another page is asked for instead.
    Go(String),
    /// A file to keep: its type, its name, and what is in it.
    File(&'static str, String, Vec<u8>),
    /// Server-sent events, for as long as they come (HTML, section 9.2).
    Events(Events),
}

pub(crate) const LANGUAGE_COOKIE: &str = "bankhub-lang";

fn cookie(keep: &Keep, site: Site) -> String {
    let (name, secure) = (site.token_cookie(), if site.is_secure { "; Secure" } else { "" });
    match keep {
        Keep::Token(token) => format!("{name}={}; Path=/; HttpOnly; SameSite=Strict{secure}", token.reveal()),
        Keep::Nothing => format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}"),
        Keep::Language(language) => {
            format!("{LANGUAGE_COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000{secure}", language.tag())
        }
    }
}

/// An answer with what the browser is to keep.
pub(crate) fn answer(outcome: Outcome, keep: &[Keep], site: Site) -> Answer {
    let whole = |bytes: Bytes| Either::Left(Full::new(bytes));
    let (status, content_type, body, more) = match outcome {
        Outcome::Page(status, markup) => (status, "text/html; charset=utf-8", whole(Bytes::from(markup.0)), None),
        Outcome::Go(to) => {
            let more = Some((header::LOCATION, to));
            (StatusCode::SEE_OTHER, "text/plain; charset=utf-8", whole(Bytes::new()), more)
        }
        Outcome::File(content_type, name, content) => {
            let more = Some((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
            (StatusCode::OK, content_type, whole(Bytes::from(content)), more)
        }
        Outcome::Events(events) => {
            (StatusCode::OK, "text/event-stream; charset=utf-8", Either::Right(StreamBody::new(events)), None)
        }
    };
    let mut answer = base(status, content_type, body, site);
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some((name, value)) = more
        && let Ok(value) = HeaderValue::try_from(value)
    {
        headers.insert(name, value);
    }
    for keep in keep {
        if let Ok(mut value) = HeaderValue::try_from(cookie(keep, site)) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }
    answer
}

/// The stylesheet.
pub(crate) fn style(site: Site) -> Answer {
    fixed("text/css; charset=utf-8", STYLE, site)
}

/// What is the same for everybody and, under its name, for ever.
pub(crate) fn fixed(content_type: &'static str, text: &'static str, site: Site) -> Answer {
    let body = Either::Left(Full::new(Bytes::from_static(text.as_bytes())));
    let mut answer = base(StatusCode::OK, content_type, body, site);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    answer
}

fn base(status: StatusCode, content_type: &'static str, body: PageBody, site: Site) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, site.policy),
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
    if site.is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    answer
}
