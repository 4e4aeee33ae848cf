//! The door: every request comes through here, is bounded, read, and told apart from what other sites send.

use std::fmt::Display;
use std::net::IpAddr;

use domain::Reason;
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::{Body, Bytes, Incoming};

use super::page::Frame;
use super::{Web, bills, consents, freezing, overview, purchases, sign_in};
use crate::pages::Pages;
use crate::pages::door::{self, status_of, subscriber};
use crate::pages::form::Fields;
use crate::pages::language::Language;
use crate::pages::response::{self, Answer, Keep, Outcome, POLICY, STYLE_PATH, Site};
use crate::pages::visit::{self, Visit};
use crate::sign_in::{WebSession, WebToken};

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

impl Pages for Web {
    fn answer(&self, request: Request<Incoming>, from: IpAddr) -> impl Future<Output = Answer> + Send {
        self.answer_one(request, from)
    }
}

impl Web {
    fn site(&self) -> Site {
        Site { cookie: "bankhub", policy: POLICY, is_secure: self.inner.config.is_secure() }
    }

    /// Answers one request that came from this address.
    pub(super) async fn answer_one<B>(&self, request: Request<B>, from: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Display + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let config = &self.inner.config;
        let site = self.site();
        let from = match visit::forwarded_for(&parts).filter(|_| config.trust_forwarded_for) {
            Some(forwarded) => subscriber(forwarded),
            None => subscriber(from),
        };
        let whole = async {
            match Visit::read(&parts, from, site) {
                Ok(visit) => self.told(&parts, body, &visit).await,
                Err(_) => bare(StatusCode::BAD_REQUEST, site),
            }
        };
        let within = tokio::time::timeout(config.answer_within.get(), whole);
        let mut answer = within.await.unwrap_or_else(|_| bare(StatusCode::REQUEST_TIMEOUT, site));
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
        let site = self.site();
        let frame = Frame { language: visit.language, path: &visit.path, mark: String::new(), is_signed_in: false };
        let refusal = |status: StatusCode, english: &'static str, chinese: &'static str| {
            response::answer(frame.refusal(status, frame.say(english, chinese)), &[], site)
        };
        if let Err(reason) = self.inner.limits.request(visit.from) {
            return refusal(StatusCode::TOO_MANY_REQUESTS, reason.english(), reason.chinese());
        }
        let Some((_, shows, takes)) = methods(&visit.path) else {
            return refusal(StatusCode::NOT_FOUND, "There is nothing at this address.", "此地址没有内容。");
        };
        let form = match door::form(parts, body, (shows, takes), site.is_secure).await {
            Ok(form) => form,
            Err((status, english, chinese)) => return refusal(status, english, chinese),
        };
        if visit.path == STYLE_PATH.as_str() {
            return response::style(site);
        }
        match self.page(visit, form).await {
            Ok(mut told) => {
                if visit.chose {
                    told.keep.push(Keep::Language(visit.language));
                }
                response::answer(told.outcome, &told.keep, site)
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
fn bare(status: StatusCode, site: Site) -> Answer {
    let frame = Frame { language: Language::Chinese, path: "/", mark: String::new(), is_signed_in: false };
    response::answer(frame.refusal(status, "请求无法处理。 / The request cannot be handled."), &[], site)
}
