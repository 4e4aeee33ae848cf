//! The door: every request comes through here, is bounded, read, and told apart from what other sites send.

use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};

use domain::Reason;
use domain::reason::Class;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Bytes};

use super::form::Fields;
use super::page::Frame;
use super::response::{self, Answer, Keep, Outcome, STYLE_PATH};
use super::visit::{self, Visit};
use super::{Web, bills, consents, freezing, overview, purchases, sign_in};
use crate::sign_in::{WebSession, WebToken};

/// No form here is longer.
const MOST_BODY_BYTES: usize = 16 * 1024;

/// A request with what is known of whoever has sent it.
pub(super) struct Asked<'w> {
    pub(super) web: &'w Web,
    pub(super) visit: &'w Visit,
    pub(super) frame: Frame<'w>,
    pub(super) form: Fields,
}

/// What comes of it.
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) keep: Vec<Keep>,
}

impl From<Outcome> for Told {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, keep: Vec::new() }
    }
}

impl Told {
    pub(super) fn go(to: &str) -> Self {
        Outcome::Go(to.to_owned()).into()
    }
}

impl Asked<'_> {
    pub(super) fn page(&self, title: &str, main: &maud::Markup) -> Told {
        Outcome::Page(StatusCode::OK, self.frame.page(title, main)).into()
    }

    pub(super) fn refused(&self, reason: Reason) -> Told {
        self.frame.refusal(status_of(reason), self.frame.language.reason(reason)).into()
    }
}

/// The status under which a reason is told.
pub(super) const fn status_of(reason: Reason) -> StatusCode {
    match reason.class() {
        Class::Invalid | Class::State | Class::Exists => StatusCode::UNPROCESSABLE_ENTITY,
        Class::NotFound => StatusCode::NOT_FOUND,
        Class::Denied | Class::Stranger => StatusCode::FORBIDDEN,
        Class::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        Class::Away => StatusCode::SERVICE_UNAVAILABLE,
        Class::Fault => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether a path is one of ours, and whether it takes forms and shows pages.
fn methods(path: &str) -> Option<(&'static str, bool, bool)> {
    match path {
        "/sign-in" | "/sign-in/code" | "/freeze" => Some(("GET, HEAD, POST", true, true)),
        "/" | "/purchases" | purchases::FILE_PATH | "/bills" | "/consents" => Some(("GET, HEAD", true, false)),
        "/unfreeze" | "/sign-out" | "/consents/take-back" => Some(("POST", false, true)),
        _ if path == STYLE_PATH.as_str() || purchases::id_of(path).is_some() => Some(("GET, HEAD", true, false)),
        _ => None,
    }
}

impl Web {
    /// Answers one request that came from this address.
    pub(super) async fn answer<B>(&self, request: Request<B>, from: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Display + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let config = &self.inner.config;
        let is_secure = config.is_secure();
        let from = match visit::forwarded_for(&parts).filter(|_| config.trust_forwarded_for) {
            Some(forwarded) => subscriber(forwarded),
            None => subscriber(from),
        };
        let whole = async {
            match Visit::read(&parts, from, is_secure) {
                Ok(visit) => self.told(&parts, body, &visit).await,
                Err(_) => bare(StatusCode::BAD_REQUEST, is_secure),
            }
        };
        let within = tokio::time::timeout(config.answer_within.get(), whole);
        let mut answer = within.await.unwrap_or_else(|_| bare(StatusCode::REQUEST_TIMEOUT, is_secure));
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some((allowed, ..)) = methods(parts.uri.path())
        {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        metrics::counter!("bankhub_web_requests_total", "status" => answer.status().as_str().to_owned()).increment(1);
        answer
    }

    async fn told<B>(&self, parts: &Parts, body: B, visit: &Visit) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_secure = self.inner.config.is_secure();
        let frame = Frame { language: visit.language, path: &visit.path, mark: String::new(), is_signed_in: false };
        let refusal = |status: StatusCode, english: &'static str, chinese: &'static str| {
            response::answer(frame.refusal(status, frame.say(english, chinese)), &[], is_secure)
        };
        if let Err(reason) = self.inner.limits.request(visit.from) {
            return refusal(StatusCode::TOO_MANY_REQUESTS, reason.english(), reason.chinese());
        }
        let Some((_, shows, takes)) = methods(&visit.path) else {
            return refusal(StatusCode::NOT_FOUND, "There is nothing at this address.", "此地址没有内容。");
        };
        let form = match parts.method {
            Method::GET | Method::HEAD if shows => None,
            Method::POST if takes => {
                if !visit::is_form(parts) {
                    return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "This is no form.", "提交的不是表单。");
                }
                if !visit::comes_from_here(parts, is_secure) {
                    return refusal(
                        StatusCode::FORBIDDEN,
                        "This form was sent by another site.",
                        "该表单来自其他网站。",
                    );
                }
                match Limited::new(body, MOST_BODY_BYTES).collect().await {
                    Ok(bytes) => match Fields::read(&bytes.to_bytes()) {
                        Ok(fields) => Some(fields),
                        Err(reason) => return refusal(status_of(reason), reason.english(), reason.chinese()),
                    },
                    Err(_) => {
                        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "This form is too long.", "表单过长。");
                    }
                }
            }
            _ => {
                return refusal(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "This address does not do that.",
                    "此地址不支持该操作。",
                );
            }
        };
        if visit.path == STYLE_PATH.as_str() {
            return response::style(is_secure);
        }
        match self.page(visit, form).await {
            Ok(mut told) => {
                if visit.chose {
                    told.keep.push(Keep::Language(visit.language));
                }
                response::answer(told.outcome, &told.keep, is_secure)
            }
            Err(reason) => refusal(status_of(reason), reason.english(), reason.chinese()),
        }
    }

    /// The page that was asked for, or that of signing in.
    async fn page(&self, visit: &Visit, form: Option<Fields>) -> Result<Told, Reason> {
        let parts = &self.inner.parts;
        let session = match &visit.token {
            Some(token) => parts.sign_ins.recognise(token).await?,
            None => None,
        };
        // A browser that has nothing gets something to tie the first form to.
        let fresh = if visit.token.is_none() { Some(WebToken::make(&*parts.rng)?) } else { None };
        let mark = match visit.token.as_ref().or(fresh.as_ref()) {
            Some(token) => token.form_mark(&*parts.keys)?,
            None => String::new(),
        };
        let frame = Frame { language: visit.language, path: &visit.path, mark, is_signed_in: session.is_some() };
        let is_form = form.is_some();
        let asked = Asked { web: self, visit, frame, form: form.unwrap_or_default() };
        let is_signing_in = visit.path.starts_with("/sign-in");
        let mut told = if is_form && !visit.is_ours(&asked.form, &*parts.keys)? {
            let reason = asked.frame.say(
                "This form has ended, or was not shown in this browser. Open the page again.",
                "该表单已失效，或并非在此浏览器中打开，请重新打开页面。",
            );
            asked.frame.refusal(StatusCode::FORBIDDEN, reason).into()
        } else {
            match session {
                Some(_) if is_signing_in && !is_form => Told::go("/"),
                _ if is_signing_in => sign_in::page(&asked, is_form).await?,
                Some(session) => signed_in(&asked, session).await?,
                None => Told::go("/sign-in"),
            }
        };
        if let Some(fresh) = fresh {
            told.keep.insert(0, Keep::Token(fresh));
        }
        Ok(told)
    }
}

async fn signed_in(asked: &Asked<'_>, session: WebSession) -> Result<Told, Reason> {
    let person_id = session.person_id;
    match asked.visit.path.as_str() {
        "/" => overview::page(asked, person_id).await,
        "/purchases" => purchases::list(asked, person_id).await,
        purchases::FILE_PATH => purchases::file(asked, person_id).await,
        "/bills" => bills::page(asked, person_id).await,
        "/freeze" | "/unfreeze" => freezing::page(asked, person_id).await,
        "/consents" => consents::page(asked, person_id).await,
        "/consents/take-back" => consents::take_back(asked, person_id).await,
        "/sign-out" => {
            asked.web.inner.parts.sign_ins.sign_out(session).await?;
            Ok(Told { outcome: Outcome::Go("/sign-in?out=1".to_owned()), keep: vec![Keep::Nothing] })
        }
        path => match purchases::id_of(path) {
            Some(payment_id) => purchases::one(asked, person_id, payment_id).await,
            None => Ok(Told::go("/")),
        },
    }
}

/// An answer for a request of which nothing is known.
fn bare(status: StatusCode, is_secure: bool) -> Answer {
    let frame =
        Frame { language: super::language::Language::Chinese, path: "/", mark: String::new(), is_signed_in: false };
    response::answer(frame.refusal(status, "请求无法处理。 / The request cannot be handled."), &[], is_secure)
}

/// An address, as far as limits tell addresses apart: a subscriber has a /64 of IPv6 at least, and can change the rest at will.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
