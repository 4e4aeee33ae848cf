//! What a request says: from which browser, in which language, and whether one of our own pages has sent it.

use std::net::IpAddr;

use domain::Reason;
use http::header;
use http::request::Parts;
use server_kit::keystore::KeyStore;

use super::form::Fields;
use super::language::Language;
use super::response::{LANGUAGE_COOKIE, Site};
use crate::sign_in::WebToken;

/// The field of a form that says to which browser it was shown.
pub(crate) const MARK: &str = "form";

/// A request, read.
pub(crate) struct Visit {
    /// A subscriber's address, as far as limits tell addresses apart.
    pub(crate) from: IpAddr,
    pub(crate) language: Language,
    /// Whether the language was chosen with this request.
    pub(crate) chose: bool,
    /// What the browser holds.
    pub(crate) token: Option<WebToken>,
    pub(crate) path: String,
    pub(crate) query: Fields,
}

impl Visit {
    pub(crate) fn read(parts: &Parts, from: IpAddr, site: Site) -> Result<Self, Reason> {
        let query = Fields::read(parts.uri.query().unwrap_or_default().as_bytes())?;
        let chosen = Language::parse(query.get("lang"));
        let kept = || cookie(parts, LANGUAGE_COOKIE).and_then(|tag| Language::parse(&tag));
        let accepted = || Language::accepted(text(parts, &header::ACCEPT_LANGUAGE).unwrap_or_default());
        Ok(Self {
            from,
            language: chosen.or_else(kept).unwrap_or_else(accepted),
            chose: chosen.is_some(),
            token: cookie(parts, &site.token_cookie()).and_then(|token| WebToken::parse(&token)),
            path: parts.uri.path().to_owned(),
            query,
        })
    }

    /// Whether the form was shown to this browser.
    pub(crate) fn is_ours(&self, form: &Fields, keys: &dyn KeyStore) -> Result<bool, Reason> {
        self.token.as_ref().map_or(Ok(false), |token| token.has_shown(keys, form.get(MARK)))
    }
}

/// Whether the browser says that one of our own pages has sent this (Fetch Metadata; RFC 6454). A browser that says neither is old, and
/// then the mark of the form alone decides.
pub(crate) fn comes_from_here(parts: &Parts, is_secure: bool) -> bool {
    let site = parts.headers.get("sec-fetch-site").map(|value| value.as_bytes() == b"same-origin");
    let origin = parts.headers.get(header::ORIGIN).map(|origin| {
        let scheme = if is_secure { "https" } else { "http" };
        let host = text(parts, &header::HOST).unwrap_or_default();
        // A page that gives no referrer gives no origin either (Fetch, "append a request Origin header"); then the site decides.
        let is_hidden = origin.as_bytes() == b"null" && site == Some(true);
        is_hidden || origin.as_bytes() == format!("{scheme}://{host}").as_bytes()
    });
    site.unwrap_or(true) && origin.unwrap_or(true)
}

/// Whether the body is a form.
pub(crate) fn is_form(parts: &Parts) -> bool {
    let content_type = text(parts, &header::CONTENT_TYPE).unwrap_or_default();
    content_type.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// The last address that the proxy before us has added.
pub(crate) fn forwarded_for(parts: &Parts) -> Option<IpAddr> {
    let last = parts.headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

fn text<'p>(parts: &'p Parts, name: &header::HeaderName) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok()
}

/// A cookie that is there once; two of one name are none, since it is not known which of them is ours.
fn cookie(parts: &Parts, name: &str) -> Option<String> {
    let all = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = all.flat_map(|value| value.split(';')).filter_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name).then(|| value.to_owned())
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}
