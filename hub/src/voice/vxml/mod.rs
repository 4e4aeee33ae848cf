//! A call by VoiceXML 2.1: a voice gateway gets a document for each step and submits what the caller pressed.
//!
//! Everything that a caller types and the token of a call come in the body of a POST and stand in no address. Each request carries the
//! gateway's secret, and each step the number that the gateway says is calling: a token that was found is of no use without both.

mod calls;
mod document;
mod form;
mod page;

use std::sync::Arc;
use std::time::Duration;

use domain::PhoneNumber;
use domain::voice::{Call, Digits, Ending, Gather, Input, Output, Prompt, Spoken, Then};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::SharedClock;
use server_kit::rng::SharedRng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::number::caller;
use super::{Ended, Ground, VoiceConfig, VoiceParts};
use calls::{Calls, OnTheLine};
use form::Form;
use page::Page;

/// The header with the gateway's secret.
const SECRET_HEADER: &str = "x-bankhub-gateway";
/// What a form may have.
const MOST_BODY: usize = 4096;
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// Connections at once; a gateway needs few.
const MOST_CONNECTIONS: usize = 512;
/// How often it is looked for calls that nobody carries on.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
const FRONT: &str = "vxml";

/// Answers a voice gateway.
#[derive(Clone)]
pub(super) struct Front {
    ground: Ground,
    secret: Arc<SecretString>,
    calls: Arc<Calls>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

/// Where calls' tokens and times come from.
pub(super) struct Sources {
    pub(super) clock: SharedClock,
    pub(super) rng: SharedRng,
}

impl Front {
    pub(super) fn new(config: &VoiceConfig, parts: &VoiceParts, secret: SecretString) -> Self {
        let sources = Sources { clock: parts.clock.clone(), rng: parts.rng.clone() };
        let ground = Ground::new(config, parts);
        let calls = Arc::new(Calls::new(sources, ground.lines.call_at_most));
        Self { ground, secret: Arc::new(secret), calls }
    }

    /// Answers until `draining`, and lets the steps under way finish.
    pub(super) async fn run(self, listener: TcpListener, draining: CancellationToken) {
        let (steps, room) = (TaskTracker::new(), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
        let mut sweep = tokio::time::interval(SWEEP_EVERY);
        loop {
            let accepted = tokio::select! {
                () = draining.cancelled() => break,
                _ = sweep.tick() => {
                    self.calls.forget_expired();
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if !self.ground.lines.knows(peer.ip()) {
                tracing::warn!(%peer, "a request from where no calls are taken from");
                continue;
            }
            let Ok(place) = room.clone().try_acquire_owned() else { continue };
            let (front, draining) = (self.clone(), draining.clone());
            steps.spawn(async move {
                front.serve(stream, draining).await;
                drop(place);
            });
        }
        drop(listener);
        steps.close();
        steps.wait().await;
        self.calls.end_all();
    }

    async fn serve(self, stream: TcpStream, draining: CancellationToken) {
        let service = service_fn(move |request: Request<Incoming>| {
            let front = self.clone();
            // A step that was begun is finished, also when the gateway does not wait for it.
            let answered = tokio::spawn(async move { front.answer(request).await });
            async move {
                let page = answered.await.unwrap_or_else(|_| Page::refused(StatusCode::INTERNAL_SERVER_ERROR));
                Ok::<Response<_>, std::convert::Infallible>(page.into_response())
            }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_headers(64).max_buf_size(16 * 1024);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = draining.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Page {
        let shown = request.headers().get(SECRET_HEADER).map(header::HeaderValue::as_bytes).unwrap_or_default();
        if !equal(shown, self.secret.expose_secret().as_bytes()) {
            return Page::refused(StatusCode::FORBIDDEN);
        }
        // Addresses are logged along the way; nothing of a call has a place in one.
        if request.uri().query().is_some() {
            return Page::refused(StatusCode::BAD_REQUEST);
        }
        match (request.method().clone(), request.uri().path()) {
            (Method::GET, "/bankhub.vxml") => Page::document(document::entry()),
            (Method::POST, "/calls") => match read(request).await {
                Ok(form) => self.begin(&form).await,
                Err(status) => Page::refused(status),
            },
            (Method::POST, "/calls/next") => match read(request).await {
                Ok(form) => self.next(&form).await,
                Err(status) => Page::refused(status),
            },
            (_, "/bankhub.vxml" | "/calls" | "/calls/next") => Page::refused(StatusCode::METHOD_NOT_ALLOWED),
            _ => Page::refused(StatusCode::NOT_FOUND),
        }
    }

    async fn begin(&self, form: &Form) -> Page {
        let Some(caller) = form.get("caller").and_then(|uri| self.caller(uri)) else {
            return self.farewell(Prompt::NumberWithheld, Ended::Withheld);
        };
        let line = self.ground.lines.take();
        let (true, Some(line)) = (self.ground.lines.may_call(&caller), line) else {
            return self.farewell(Prompt::Busy, Ended::TooMany);
        };
        if self.ground.asking.desk.identify(&caller).await.is_err() {
            return self.farewell(Prompt::Busy, Ended::TooMany);
        }
        let (call, output) = Call::begin(self.ground.first);
        let Ok((token, on_the_line)) = self.calls.take_in(caller, call, line) else {
            return self.farewell(Prompt::Busy, Ended::TooMany);
        };
        let mut on_the_line = on_the_line.lock().await;
        self.document(&mut on_the_line, &token, output).await
    }

    async fn next(&self, form: &Form) -> Page {
        let (Some(token), Some(uri), Some(step)) = (form.get("call"), form.get("caller"), form.get("step")) else {
            return Page::refused(StatusCode::BAD_REQUEST);
        };
        let (Ok(step), Some(input)) = (step.parse::<u32>(), heard(form)) else {
            return Page::refused(StatusCode::BAD_REQUEST);
        };
        let Some(on_the_line) = self.calls.find(token) else { return Page::refused(StatusCode::GONE) };
        let mut on_the_line = on_the_line.lock().await;
        if self.caller(uri).as_ref() != Some(&on_the_line.caller) {
            return Page::refused(StatusCode::FORBIDDEN);
        }
        // A gateway that lost the answer asks again; nothing is done twice.
        if step.checked_add(1) == Some(on_the_line.step) {
            return Page::document(on_the_line.last.to_string());
        }
        let (true, Some(call)) = (step == on_the_line.step, on_the_line.call.take()) else {
            return Page::refused(StatusCode::CONFLICT);
        };
        let (call, output) = call.hears(input);
        on_the_line.call = Some(call);
        self.document(&mut on_the_line, token, output).await
    }

    /// Carries the call on until keys are waited for or it ends, and has that as a document.
    async fn document(&self, on_the_line: &mut OnTheLine, token: &str, output: Output) -> Page {
        let (mut say, mut open_from) = (Vec::new(), 0);
        let mut output = output;
        let gather: Result<Gather, Ending> = loop {
            open_from = if matches!(output.then, Then::Ask(_)) { open_from } else { say.len() + output.open_from };
            say.append(&mut output.say);
            match output.then {
                Then::Gather(gather) => break Ok(gather),
                Then::HangUp(ending) => break Err(ending),
                Then::Ask(request) => {
                    let answer = self.ground.asking.answer(&on_the_line.caller, request).await;
                    let Some(call) = on_the_line.call.take() else { break Err(Ending::CallerHungUp) };
                    let (call, next) = call.hears(Input::Answer(answer));
                    (on_the_line.call, output) = (Some(call), next);
                }
            }
        };
        on_the_line.step = on_the_line.step.saturating_add(1);
        let document = match gather {
            Ok(gather) => document::question(&say, open_from, gather, token, on_the_line.step),
            Err(ending) => {
                on_the_line.end(Ended::As(ending));
                document::farewell(&say)
            }
        };
        on_the_line.last = document.clone().into();
        Page::document(document)
    }

    fn farewell(&self, prompt: Prompt, ended: Ended) -> Page {
        ended.count(FRONT);
        let first = self.ground.first;
        Page::document(document::farewell(&[first, first.other()].map(|language| Spoken { language, prompt })))
    }

    /// The number in an address as `session.connection.remote.uri` has it: `tel:` (RFC 3966), `sip:` or `sips:` (RFC 3261).
    fn caller(&self, uri: &str) -> Option<PhoneNumber> {
        let number = ["tel:", "sip:", "sips:"].into_iter().find_map(|scheme| uri.strip_prefix(scheme)).unwrap_or(uri);
        caller(number.split(['@', ';']).next()?, self.ground.country)
    }
}

/// What the caller did, as the document submits it.
fn heard(form: &Form) -> Option<Input> {
    match form.get("heard")? {
        "keys" => Some(Input::Digits(Digits::typed(form.get("keys").unwrap_or_default()))),
        "silence" => Some(Input::Silence),
        "hangup" => Some(Input::HangUp),
        _ => None,
    }
}

async fn read(request: Request<Incoming>) -> Result<Form, StatusCode> {
    use http_body_util::{BodyExt as _, Limited};
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next() != Some("application/x-www-form-urlencoded") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let body = Limited::new(request.into_body(), MOST_BODY).collect();
    match tokio::time::timeout(BODY_WITHIN, body).await {
        Ok(Ok(body)) => Form::parse(&body.to_bytes()).ok_or(StatusCode::BAD_REQUEST),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// In constant time for what is as long.
fn equal(shown: &[u8], secret: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    shown.ct_eq(secret).into()
}
