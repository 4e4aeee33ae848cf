//! From a request to a page: who asks, whether their role allows it, and what comes of it.

use std::fmt::Display;
use std::net::IpAddr;

use domain::operator::Act;
use domain::{PaymentId, Reason};
use http::request::Parts;
use http::{Request, StatusCode};
use hyper::body::{Body, Bytes, Incoming};
use uuid::Uuid;

use super::frame::Frame;
use super::{
    Console, approvals, banks, bins, dictionary, doubt, fees, letters, limits, links, live, log, lookups, overview,
    payments, people, shown, sign_in, terminals,
};
use crate::operators::ConsoleSession;
use crate::pages::Pages;
use crate::pages::door::{self, status_of, subscriber};
use crate::pages::form::Fields;
use crate::pages::language::Language;
use crate::pages::response::{self, Answer, Keep, Outcome, STYLE_PATH, Site};
use crate::pages::visit::Visit;
use crate::sign_in::WebToken;

/// One script of our own runs, which reads from us alone; there is none in the text of a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A request of an operator who has signed in.
pub(super) struct Asked<'c> {
    pub(super) console: &'c Console,
    pub(super) visit: &'c Visit,
    pub(super) frame: Frame<'c>,
    pub(super) form: Fields,
    pub(super) session: ConsoleSession,
}

impl Asked<'_> {
    /// The value of a field of the query.
    pub(super) fn query(&self, name: &str) -> &str {
        self.visit.query.get(name)
    }

    /// `Err(OperatorRoleLacking)`.
    pub(super) fn may(&self, act: Act) -> Result<(), Reason> {
        act.allowed_to(self.session.role)
    }
}

/// A page of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Style,
    Script,
    Live,
    SignIn,
    SignOut,
    Overview,
    Payments,
    Payment(PaymentId),
    Doubt,
    People,
    FreezePerson,
    Categories,
    Reasons,
    Currencies,
    Banks,
    Terminals,
    Suspend,
    Freezes,
    Letters,
    Retry,
    RetryAll,
    Inquiries,
    Log,
    Lookups,
    FillLookups,
    Bins,
    SuspendBins,
    Links,
    AllowRouting,
    SuspendRouting,
    DayTotals,
    Limits,
    SetLimit,
    RemoveLimit,
    Fees,
    SetFees,
    WithdrawFees,
    Settlements,
    Approvals,
    Approve(Uuid),
    Refuse(Uuid),
    Operators,
}

impl Route {
    /// The page at a path; none for any other path.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            path if path == STYLE_PATH.as_str() => Self::Style,
            path if path == live::SCRIPT_PATH.as_str() => Self::Script,
            "/live" => Self::Live,
            "/sign-in" => Self::SignIn,
            "/sign-out" => Self::SignOut,
            "/" => Self::Overview,
            "/payments" => Self::Payments,
            "/doubt" => Self::Doubt,
            "/people" => Self::People,
            "/people/freeze" => Self::FreezePerson,
            "/dictionaries" => Self::Categories,
            "/dictionaries/reasons" => Self::Reasons,
            "/dictionaries/currencies" => Self::Currencies,
            "/banks" => Self::Banks,
            "/terminals" => Self::Terminals,
            "/terminals/suspend" => Self::Suspend,
            "/freezes" => Self::Freezes,
            "/dead-letters" => Self::Letters,
            "/dead-letters/retry" => Self::Retry,
            "/dead-letters/retry-all" => Self::RetryAll,
            "/inquiries" => Self::Inquiries,
            "/log" => Self::Log,
            "/bins" => Self::Bins,
            "/bins/suspend" => Self::SuspendBins,
            "/links" => Self::Links,
            "/links/allow" => Self::AllowRouting,
            "/links/suspend" => Self::SuspendRouting,
            "/settlements" => Self::Settlements,
            "/limits" => Self::Limits,
            "/limits/set" => Self::SetLimit,
            "/limits/remove" => Self::RemoveLimit,
            "/fees" => Self::Fees,
            "/fees/set" => Self::SetFees,
            "/fees/withdraw" => Self::WithdrawFees,
            "/links/totals" => Self::DayTotals,
            "/lookups" => Self::Lookups,
            "/lookups/fill" => Self::FillLookups,
            "/approvals" => Self::Approvals,
            "/operators" => Self::Operators,
            _ => return Self::with_id(path),
        })
    }

    fn with_id(path: &str) -> Option<Self> {
        let id = |text: &str| PaymentId::parse(text).ok();
        if let Some(rest) = path.strip_prefix("/payments/") {
            return id(rest).map(Self::Payment);
        }
        let (proposal, verb) = path.strip_prefix("/approvals/")?.split_once('/')?;
        match verb {
            "approve" => id(proposal).map(|it| Self::Approve(it.uuid())),
            "refuse" => id(proposal).map(|it| Self::Refuse(it.uuid())),
            _ => None,
        }
    }

    /// Whether it shows something, and whether it takes forms.
    const fn methods(self) -> (bool, bool) {
        match self {
            Self::SignIn | Self::People => (true, true),
            Self::SignOut | Self::Suspend | Self::Retry | Self::RetryAll | Self::FillLookups => (false, true),
            Self::SuspendBins | Self::SetLimit | Self::RemoveLimit | Self::SetFees => (false, true),
            Self::WithdrawFees | Self::FreezePerson | Self::Approve(_) | Self::Refuse(_) => (false, true),
            Self::AllowRouting | Self::SuspendRouting => (false, true),
            _ => (true, false),
        }
    }

    /// Whose page it is.
    const fn act(self) -> Act {
        match self {
            Self::Log => Act::ReadLog,
            Self::Operators => Act::LookAtOperators,
            Self::Approvals => Act::LookAtProposals,
            Self::Approve(_) | Self::Refuse(_) => Act::Propose,
            Self::People => Act::FindPerson,
            Self::FreezePerson => Act::FreezeLost,
            Self::Retry => Act::RetryNotice,
            Self::RetryAll => Act::RetryAllNotices,
            Self::Suspend => Act::SuspendTerminal,
            Self::FillLookups => Act::FillLookups,
            Self::SuspendBins => Act::SuspendBins,
            Self::AllowRouting => Act::AllowRouting,
            Self::SuspendRouting => Act::SuspendRouting,
            Self::SetLimit => Act::LowerLimit,
            Self::RemoveLimit => Act::RaiseLimit,
            Self::SetFees => Act::SetFees,
            Self::WithdrawFees => Act::WithdrawFees,
            _ => Act::Look,
        }
    }
}

impl Pages for Console {
    fn answer(&self, request: Request<Incoming>, from: IpAddr) -> impl Future<Output = Answer> + Send {
        self.answer_one(request, from)
    }
}

/// What a page comes to, with what the browser is to keep.
pub(super) type Told = (Outcome, Vec<Keep>);

impl Console {
    fn site(&self) -> Site {
        Site { cookie: "bankhub-console", policy: POLICY, is_secure: self.inner.config.is_secure() }
    }

    /// Answers one request that came from this address.
    pub(super) async fn answer_one<B>(&self, request: Request<B>, from: IpAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Display + Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = request.into_parts();
        let site = self.site();
        let whole = async {
            match Visit::read(&parts, subscriber(from), site) {
                Ok(visit) => self.told(&parts, body, &visit).await,
                Err(_) => bare(StatusCode::BAD_REQUEST, site),
            }
        };
        let within = tokio::time::timeout(self.inner.config.answer_within.get(), whole);
        let answer = within.await.unwrap_or_else(|_| bare(StatusCode::REQUEST_TIMEOUT, site));
        metrics::counter!("bankhub_console_requests", "status" => answer.status().as_str().to_owned()).increment(1);
        answer
    }

    async fn told<B>(&self, parts: &Parts, body: B, visit: &Visit) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let site = self.site();
        let frame = Frame::outside(visit, String::new());
        let refusal = |status: StatusCode, english: &'static str, chinese: &'static str| {
            response::answer(frame.refusal(status, frame.say(english, chinese)), &[], site)
        };
        if self.inner.asks_too_much(&visit.from) {
            let reason = Reason::TooBusy;
            return refusal(StatusCode::TOO_MANY_REQUESTS, reason.english(), reason.chinese());
        }
        let Some(route) = Route::of(&visit.path) else {
            return refusal(StatusCode::NOT_FOUND, "There is nothing at this address.", "此地址没有内容。");
        };
        let form = match door::form(parts, body, route.methods(), site.is_secure).await {
            Ok(form) => form,
            Err((status, english, chinese)) => return refusal(status, english, chinese),
        };
        match route {
            Route::Style => return response::style(site),
            Route::Script => return live::script(site),
            _ => {}
        }
        match self.page(route, visit, form).await {
            Ok((outcome, mut keep)) => {
                if visit.chose {
                    keep.push(Keep::Language(visit.language));
                }
                response::answer(outcome, &keep, site)
            }
            Err(reason) => refusal(status_of(reason), reason.english(), reason.chinese()),
        }
    }

    /// The page that was asked for, or that of signing in.
    async fn page(&self, route: Route, visit: &Visit, form: Option<Fields>) -> Result<Told, Reason> {
        let parts = &self.inner.parts;
        let session = match &visit.token {
            Some(token) => parts.operators.recognise(token).await?,
            None => None,
        };
        // A browser that has nothing gets something to tie the first form to.
        let fresh = if visit.token.is_none() { Some(WebToken::make(&*parts.rng)?) } else { None };
        let mark = match visit.token.as_ref().or(fresh.as_ref()) {
            Some(token) => token.form_mark(&*parts.keys)?,
            None => String::new(),
        };
        let is_ours = match &form {
            Some(form) => visit.is_ours(form, &*parts.keys)?,
            None => true,
        };
        let (mut told, outside) = match (session, route) {
            _ if !is_ours => (not_ours(&Frame::outside(visit, mark)), true),
            (Some(_), Route::SignIn) if form.is_none() => ((Outcome::Go("/".to_owned()), Vec::new()), false),
            (_, Route::SignIn) => (sign_in::page(self, visit, &Frame::outside(visit, mark), form).await?, true),
            (Some(session), route) => {
                let frame = Frame::of(visit, mark, &session);
                let asked = Asked { console: self, visit, frame, form: form.unwrap_or_default(), session };
                (signed_in(&asked, route).await?, false)
            }
            (None, _) => ((Outcome::Go("/sign-in".to_owned()), Vec::new()), true),
        };
        if let Some(fresh) = fresh.filter(|_| outside) {
            told.1.insert(0, Keep::Token(fresh));
        }
        Ok(told)
    }
}

fn not_ours(frame: &Frame<'_>) -> Told {
    let reason = frame.say(
        "This form has ended, or was not shown in this browser. Open the page again.",
        "该表单已失效，或并非在此浏览器中打开，请重新打开页面。",
    );
    (frame.refusal(StatusCode::FORBIDDEN, reason), Vec::new())
}

async fn signed_in(asked: &Asked<'_>, route: Route) -> Result<Told, Reason> {
    asked.may(route.act())?;
    let outcome = match route {
        Route::Overview => overview::page(asked).await?,
        Route::Payments => payments::list(asked).await?,
        Route::Payment(id) => payments::one(asked, id).await?,
        Route::Doubt => doubt::page(asked).await?,
        Route::People if asked.form.get("person").is_empty() => people::page(asked),
        Route::People => people::find(asked).await?,
        Route::FreezePerson => people::freeze(asked).await?,
        Route::Categories => dictionary::categories(asked)?,
        Route::Reasons => dictionary::reasons(asked)?,
        Route::Currencies => dictionary::currencies(asked)?,
        Route::Banks => banks::page(asked).await?,
        Route::Terminals => terminals::page(asked).await?,
        Route::Suspend => terminals::suspend(asked).await?,
        Route::Freezes => shown::freezes(asked).await?,
        Route::Inquiries => shown::inquiries(asked).await?,
        Route::Operators => shown::operators(asked).await?,
        Route::Letters => letters::page(asked).await?,
        Route::Retry => letters::retry(asked).await?,
        Route::RetryAll => letters::retry_all(asked).await?,
        Route::Log => log::page(asked).await?,
        Route::Lookups => lookups::page(asked).await?,
        Route::FillLookups => lookups::fill(asked).await?,
        Route::Bins => bins::page(asked).await?,
        Route::SuspendBins => bins::suspend(asked).await?,
        Route::Links => links::page(asked).await?,
        Route::AllowRouting => links::allow(asked).await?,
        Route::SuspendRouting => links::suspend(asked).await?,
        Route::DayTotals => links::day_totals(asked).await?,
        Route::Limits => limits::page(asked).await?,
        Route::SetLimit => limits::set(asked).await?,
        Route::RemoveLimit => limits::remove(asked).await?,
        Route::Fees => fees::page(asked).await?,
        Route::SetFees => fees::set(asked).await?,
        Route::WithdrawFees => fees::withdraw(asked).await?,
        Route::Settlements => fees::settlements(asked).await?,
        Route::Approvals => approvals::page(asked).await?,
        Route::Approve(id) => approvals::approve(asked, id).await?,
        Route::Refuse(id) => approvals::refuse(asked, id).await?,
        Route::SignOut => {
            asked.console.inner.parts.operators.sign_out(asked.session.clone()).await?;
            return Ok((Outcome::Go("/sign-in?out=1".to_owned()), vec![Keep::Nothing]));
        }
        Route::Live => asked.console.watch(asked.session.clone())?,
        Route::Style | Route::Script | Route::SignIn => Outcome::Go("/".to_owned()),
    };
    Ok((outcome, Vec::new()))
}

/// An answer for a request of which nothing is known.
fn bare(status: StatusCode, site: Site) -> Answer {
    let frame = Frame { language: Language::English, path: "/", mark: String::new(), operator: None };
    response::answer(frame.refusal(status, "The request cannot be handled. / 请求无法处理。"), &[], site)
}

#[cfg(test)]
mod route_tests {
    use super::*;

    #[test]
    fn m9_a_path_is_one_of_the_pages_or_nothing() {
        let id = "0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f";
        for good in
            ["/", "/payments", "/log", "/approvals", &format!("/payments/{id}"), &format!("/approvals/{id}/refuse")]
        {
            assert!(Route::of(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "//",
            "/payments/",
            "/payments/..%2f",
            "/payments/../log",
            "/./log",
            "/log/",
            "/LOG",
            "/approvals/1/approve",
            &format!("/approvals/{id}/approve/x"),
            &format!("/approvals/{id}"),
            &format!("/payments/{}", id.to_uppercase()),
            &"/".repeat(10_000),
        ] {
            assert_eq!(Route::of(bad), None, "{bad}");
        }
    }
}
