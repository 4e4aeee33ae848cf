//! The console as browsers ask for it, on both engines.

mod browser;
mod fees;
mod hostile;
mod limits;
mod people;
mod watching;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::time::Duration;

use domain::operator::PersonLookupPolicy;
use domain::payment::Instrument;
use domain::{BankId, PersonId, Reason, TerminalId};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use proto::operator as pb;
use proto::operator::operator_service_server::OperatorService as _;
use server_kit::identity::Role;
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use crate::directory::{BankInstruments, Directory, DirectoryOptions};
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::fees::Fees;
use crate::limits::PaymentLimits;
use crate::network::Routing;
use crate::network::config::NetworkConfig;
use crate::notify::{Notices, NoticesOptions, tests as notify_tests};
use crate::operators::testing::{App, PASSWORD, forget_step, id, replica};
use crate::pages::response::PageBody;
use crate::sign_in::testing::change;
use crate::testing::past::{Past, register};
use crate::testing::{TestHub, from_member, on_each_engine};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
/// What a merchant must not be able to do to whoever looks.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

struct NoBank;

impl BankInstruments for NoBank {
    fn masked(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<String, Reason>> {
        async { Err(Reason::BankAway) }.boxed()
    }

    fn follow(&self, _: &BankId, _: Instrument) -> BoxFuture<'_, Result<(), Reason>> {
        async { Err(Reason::BankAway) }.boxed()
    }
}

struct World {
    hub: TestHub,
    console: Console,
    directory: Directory,
    ann: App,
    bob: App,
    past: Past,
}

fn feed_parts(hub: &TestHub) -> FeedParts {
    FeedParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        replica: hub.id(),
        followers: Vec::new(),
        draining: CancellationToken::new(),
    }
}

/// A link with TLS, and one without.
fn links() -> NetworkConfig {
    let link = r#""listen": "127.0.0.1:0", "acquirers": ["1"], "pin_key": "env:PATH""#;
    let tls = r#", "tls": {"certificate": "c", "key": "env:PATH", "client_ca": "a"}"#;
    let text = format!(r#"{{"links": {{"acq": {{{link}{tls}}}, "plain": {{{link}}}}}}}"#);
    serde_json::from_str(&text).unwrap()
}

impl World {
    async fn open(hub: &TestHub, config: ConsoleConfig) -> Self {
        let operators = replica(hub, "hub-1", true).await;
        let parts = hub.directory_parts("hub-1");
        let (directory, _) = Directory::start(parts, DirectoryOptions::default());
        let (notices, _) = Notices::start(notify_tests::parts(hub), NoticesOptions::default(), Vec::new());
        let owner = Arc::new(Owner::take(&hub.store, "hub-1-limits", hub.id()).await.unwrap());
        let (limits, _) = PaymentLimits::start(hub.store.clone(), hub.keys.clone(), owner.clone()).await.unwrap();
        let (fees, _) = Fees::start(hub.fee_parts(owner)).await.unwrap();
        let api = OperatorApi::new(directory.clone(), Arc::new(NoBank), notices);
        let people = crate::people::tests::people(hub, "hub-1-people", PersonLookupPolicy::default()).await;
        let api = api.run_by(operators.clone()).limiting(limits).charging(fees).finding(people);
        let feed = Feed::new(feed_parts(hub), FeedOptions::default());
        let (freezes, safety_codes) = people::lost(hub, &directory, &feed).await;
        let owner = Arc::new(Owner::take(&hub.store, "hub-1-routing", hub.id()).await.unwrap());
        let (routing, _) = Routing::start(&links(), hub.store.clone(), hub.keys.clone(), owner);
        let api = api.helping(freezes, safety_codes).routing(routing);
        let by = |message| from_member(Role::Operator, "ann", message);
        let merchant = proto::common::Merchant {
            merchant_id: "noodles".to_owned(),
            display_name: HOSTILE.to_owned(),
            category_code: "5812".to_owned(),
        };
        api.register_merchant(by(pb::RegisterMerchantRequest { merchant: Some(merchant) })).await.unwrap();
        let terminal = pb::Terminal {
            terminal_id: "till-1".to_owned(),
            merchant_id: "noodles".to_owned(),
            ..pb::Terminal::default()
        };
        let by = |message| from_member(Role::Operator, "ann", message);
        api.register_terminal(by(pb::RegisterTerminalRequest { terminal: Some(terminal) })).await.unwrap();
        let past = Past::new(hub, &feed);
        let (ann, bob) = (App::new(hub, &operators, "ann").await, App::new(hub, &operators, "bob").await);
        let parts = ConsoleParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            rng: hub.rng.clone(),
            ids: hub.ids.clone(),
            operators,
            api,
            zone: TimeZone::UTC,
            standings: Standings::default(),
            draining: CancellationToken::new(),
        };
        Self { hub: hub.clone(), console: Console::new(parts, config), directory, ann, bob, past }
    }

    /// Somebody pays, so many times.
    async fn payments(&self, count: usize) {
        let person = PersonId::from_uuid(self.hub.id());
        register(&self.hub, person).await;
        self.past.happen(&[person], count).await;
    }

    /// A notice that was given up just now: one that ended long ago is swept away before a slow browser has seen it.
    async fn dead_letter(&self) -> Uuid {
        let (notice, person, now) = (self.hub.id(), self.hub.id(), self.hub.clock().now().micros());
        let sql = "INSERT INTO notices (notice_id, key, person_id, kind, channel, urgency, state, payload_sealed, occurred_at, \
                   created_at, due_at, tries, leased_until, error, done_at) \
                   VALUES ($1, $2, $3, 'CHARGE', 'SMS', 1, 'DEAD', $4, $5, $5, $5, 9, 0, 'REFUSED SMPP_58', $5)";
        let args = vec![notice.into(), notice.to_string().into(), person.into(), vec![1_u8].into(), now.into()];
        change(&self.hub, sql, args).await;
        notice
    }

    async fn state_of(&self, notice: Uuid) -> String {
        let sql = "SELECT state FROM notices WHERE notice_id = $1";
        self.hub.store.fetch_one(sql, vec![notice.into()]).await.unwrap().unwrap().text(0).unwrap()
    }

    async fn is_suspended(&self) -> bool {
        let till = TerminalId::parse("till-1").unwrap();
        self.directory.terminal(&till).await.unwrap().unwrap().suspended
    }

    fn browser(&self) -> Browser<'_> {
        Browser { world: self, cookies: BTreeMap::new(), headers: vec![("accept-language", "en")], page: String::new() }
    }

    async fn signed_in(&self, name: &str) -> Browser<'_> {
        let app = if name == "ann" { &self.ann } else { &self.bob };
        let mut browser = self.browser();
        browser.get("/sign-in").await;
        forget_step(&self.hub, name).await;
        let told = browser.sign_in(name, PASSWORD, &app.code(0)).await;
        assert_eq!((told.status, told.location.as_str()), (StatusCode::SEE_OTHER, "/"), "{}", told.body);
        browser
    }
}

/// A browser of a test: it keeps cookies, and forms have the mark of the page that was shown last.
struct Browser<'w> {
    world: &'w World,
    cookies: BTreeMap<String, String>,
    headers: Vec<(&'static str, &'static str)>,
    page: String,
}

#[derive(Debug)]
struct Told {
    status: StatusCode,
    location: String,
    body: String,
    headers: http::HeaderMap,
}

impl Browser<'_> {
    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let mut builder = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            builder = builder.header(header::COOKIE, cookies.join("; "));
        }
        for (name, value) in &self.headers {
            builder = builder.header(*name, *value);
        }
        builder
    }

    /// A stream of events, if there is room for it.
    async fn watch(&self) -> Result<Events, StatusCode> {
        let request = self.request(Method::GET, "/live").body(Full::default()).unwrap();
        let (parts, body) = self.world.console.answer_one(request, HERE).await.into_parts();
        if parts.status != StatusCode::OK {
            return Err(parts.status);
        }
        assert_eq!(parts.headers[header::CONTENT_TYPE], "text/event-stream; charset=utf-8");
        assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
        Ok(Events { body: Box::pin(body) })
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Told {
        let answer = self.world.console.answer_one(request, HERE).await;
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let location = parts.headers.get(header::LOCATION).map(|it| it.to_str().unwrap().to_owned());
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        if body.contains("name=\"form\"") {
            self.page.clone_from(&body);
        }
        Told { status: parts.status, location: location.unwrap_or_default(), body, headers: parts.headers }
    }

    async fn get(&mut self, path: &str) -> Told {
        let request = self.request(Method::GET, path).body(Full::default()).unwrap();
        self.send(request).await
    }

    fn mark(&self) -> String {
        let rest = self.page.split_once("name=\"form\" value=\"").map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Told {
        let mark = self.mark();
        self.post_marked(path, &mark, fields).await
    }

    async fn post_marked(&mut self, path: &str, mark: &str, fields: &[(&str, &str)]) -> Told {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("form", mark).extend_pairs(fields);
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Full::from(text.finish())).unwrap();
        self.send(request).await
    }

    async fn sign_in(&mut self, name: &str, password: &str, code: &str) -> Told {
        self.post("/sign-in", &[("operator", name), ("password", password), ("code", code)]).await
    }
}

/// What a browser is told while it watches.
struct Events {
    body: Pin<Box<PageBody>>,
}

impl Events {
    /// The next event and what it says; nothing at the end of the stream.
    async fn next(&mut self) -> Option<(String, serde_json::Value)> {
        loop {
            let mut body = self.body.as_mut();
            let within = tokio::time::timeout(Duration::from_secs(30), body.frame());
            let frame = within.await.expect("an event in time")?;
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            if text.starts_with(':') {
                continue;
            }
            let (name, data) = text.trim_end().split_once('\n').unwrap();
            let data = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            return Some((name.strip_prefix("event: ").unwrap().to_owned(), data));
        }
    }

    /// The next state that is so.
    async fn becomes(&mut self, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for _ in 0..20 {
            match self.next().await {
                Some((name, state)) if name == "state" && is_so(&state) => return state,
                Some((name, _)) if name == "state" => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("it did not become so in twenty looks")
    }
}

const PAGES: &[&str] = &[
    "/",
    "/payments",
    "/doubt",
    "/banks",
    "/terminals",
    "/bins",
    "/limits",
    "/fees",
    "/settlements",
    "/lookups",
    "/links",
    "/links/totals",
    "/freezes",
    "/dead-letters",
    "/inquiries",
    "/approvals",
    "/log",
    "/operators",
    "/dictionaries",
    "/dictionaries/reasons",
    "/dictionaries/currencies",
];

#[tokio::test]
async fn m9_whoever_signs_in_sees_how_everything_stands_and_nobody_else_does() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        world.payments(8).await;
        let notice = world.dead_letter().await;
        for path in PAGES {
            let told = world.browser().get(path).await;
            assert_eq!((told.status, told.location.as_str()), (StatusCode::SEE_OTHER, "/sign-in"), "{path}");
        }
        let mut browser = world.signed_in("ann").await;
        for path in PAGES {
            let told = browser.get(path).await;
            assert_eq!(told.status, StatusCode::OK, "{path} on {}: {}", hub.engine, told.body);
            assert_eq!(told.body.matches("<h1").count(), 1, "{path}");
            assert!(told.body.contains("<code>bankhub "), "{path} shows its command");
            // One script of our own, by its address, on the pages that are kept up to date; none on the others.
            let scripts = (told.body.matches("<script").count(), told.body.matches("<script src=\"/live-").count());
            let wanted = usize::from(live::topic(path).is_some());
            assert!(scripts == (wanted, wanted) && !told.body.contains("<img"), "{path}: {scripts:?}");
            assert_eq!(told.body.contains("<noscript><meta http-equiv=\"refresh\""), wanted == 1, "{path}");
            let csv = browser.get(&format!("{path}?format=csv")).await;
            assert!(csv.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/csv"), "{path}");
            let json = browser.get(&format!("{path}?format=json")).await;
            let json: serde_json::Value = serde_json::from_str(&json.body).unwrap();
            let rows = json["rows"].as_array().unwrap();
            assert_eq!(csv.body.lines().count(), rows.len() + 1, "{path}");
            assert_eq!(browser.get(&format!("{path}?format=exe")).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        assert!(browser.get("/dead-letters").await.body.contains(&notice.to_string()));
        let listed = browser.get("/payments?terminal=till-1&format=json").await.body;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let payment = listed["rows"][0]["payment_id"].as_str().unwrap();
        let one = browser.get(&format!("/payments/{payment}")).await;
        assert!(one.status == StatusCode::OK && one.body.contains(payment), "{}", one.body);
        let found = browser.get(&format!("/payments?payment={payment}")).await;
        assert_eq!(found.location, format!("/payments/{payment}"));
        assert!(browser.get("/payments?terminal=till-2").await.body.contains("There is nothing."));
        assert!(browser.get("/payments?until=2020-01-01").await.body.contains("There is nothing."));
    })
    .await;
}

#[tokio::test]
async fn m9_a_dead_letter_is_tried_again_and_all_of_them_with_a_second_person() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let (one, other) = (world.dead_letter().await, world.dead_letter().await);
        let mut ann = world.signed_in("ann").await;
        ann.get("/dead-letters").await;
        let told = ann.post("/dead-letters/retry", &[("notice", &one.to_string())]).await;
        assert_eq!(told.location, "/dead-letters?done=1", "{}", told.body);
        assert_eq!((world.state_of(one).await, world.state_of(other).await), ("QUEUED".to_owned(), "DEAD".to_owned()));
        ann.get("/dead-letters").await;
        assert_eq!(ann.post("/dead-letters/retry-all", &[]).await.location, "/dead-letters?done=waits");
        assert_eq!(world.state_of(other).await, "DEAD", "nothing is done before it is approved");
        let mut bob = world.signed_in("bob").await;
        let shown = bob.get("/approvals").await.body;
        let path = shown.split_once("action=\"/approvals/").unwrap().1.split('"').next().unwrap().to_owned();
        assert!(path.ends_with("/approve"), "{path}");
        assert_eq!(bob.post(&format!("/approvals/{path}"), &[]).await.location, "/approvals?all=1");
        assert_eq!(world.state_of(other).await, "QUEUED", "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_a_terminal_is_suspended_by_two_persons_and_never_by_one_alone() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.signed_in("ann").await;
        ann.get("/terminals").await;
        let fields = [("terminal", "till-1"), ("suspended", "1"), ("why", "it was stolen")];
        assert_eq!(ann.post("/terminals/suspend", &fields).await.location, "/terminals?waits=1");
        let shown = ann.get("/approvals").await.body;
        assert!(
            shown.contains("suspend terminal till-1") && !shown.contains("/approve\""),
            "ann may only take it back"
        );
        let id = shown.split_once("/approvals/").and_then(|(_, rest)| rest.get(..36));
        let id = id.filter(|id| Uuid::try_parse(id).is_ok()).map(str::to_owned);
        let id = id.unwrap_or_else(|| shown.split("action=\"/approvals/").nth(1).unwrap()[..36].to_owned());
        let told = ann.post(&format!("/approvals/{id}/approve"), &[]).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN, "{}", told.body);
        assert!(!world.is_suspended().await);
        let mut bob = world.signed_in("bob").await;
        bob.get("/approvals").await;
        assert_eq!(bob.post(&format!("/approvals/{id}/approve"), &[]).await.status, StatusCode::SEE_OTHER);
        assert!(world.is_suspended().await, "{}", hub.engine);
        let log = bob.get(&format!("/log?subject={id}")).await.body;
        for kind in ["ACT_PROPOSED", "ACT_APPROVED", "ACT_DONE"] {
            assert!(log.contains(kind), "{kind}");
        }
    })
    .await;
}
