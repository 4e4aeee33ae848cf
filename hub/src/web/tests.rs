//! The pages as browsers ask for them, on both engines.

mod browser;
mod hostile;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use domain::payment::Policy;
use domain::{PersonId, Reason};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use jiff::tz::TimeZone;
use server_kit::keystore::KeyName;
use server_kit::store::Owner;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::bank::{Banks, LinkOptions};
use crate::bills::testing::bill_parts;
use crate::directory::DirectoryOptions;
use crate::feed::{Feed, FeedOptions, FeedParts};
use crate::freeze::FreezeParts;
use crate::pages::{Listening, response};
use crate::sign_in::testing::{ACCOUNT_PASSWORD, Holder, change, sign_in_parts};
use crate::testing::history::history_parts;
use crate::testing::past::Past;
use crate::testing::{TestHub, on_each_engine};

const PHONE: &str = "+8613800138078";
const SAFETY_CODE: &str = "27182818";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

struct World {
    hub: TestHub,
    web: Web,
    feed: Feed,
    past: Past,
    ann: Holder,
}

impl World {
    async fn open(hub: &TestHub) -> Self {
        Self::with(hub, WebConfig::default()).await
    }

    async fn with(hub: &TestHub, config: WebConfig) -> Self {
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: hub.id(),
            followers: Vec::new(),
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let owner = Arc::new(Owner::take(&hub.store, "hub-1", hub.id()).await.unwrap());
        let (directory, _) = Directory::start(hub.directory_parts("hub-1"), DirectoryOptions::default());
        let (sign_ins, _) = SignIns::start(sign_in_parts(hub, &feed, owner.clone()));
        let (bills, _) = Bills::start(bill_parts(hub, &feed, &owner));
        let (credit_history, _) = CreditHistory::start(history_parts(hub, &feed, owner.clone()));
        let (freezes, _) = Freezes::start(FreezeParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            banks: Banks::played(directory.clone(), LinkOptions { timeout: Duration::from_secs(3), tries: 1 }),
            feed: feed.clone(),
            owner,
            policy: Policy::default(),
            safety: domain::safety_code::Policy::default(),
        });
        let ann = Holder::new(hub, PHONE).await;
        ann.set(&sign_ins, ACCOUNT_PASSWORD).await.unwrap();
        let parts = WebParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            rng: hub.rng.clone(),
            ids: hub.ids.clone(),
            directory,
            sign_ins,
            freezes,
            bills,
            credit_history,
            zone: TimeZone::UTC,
        };
        let past = Past::new(hub, &feed);
        let world = Self { hub: hub.clone(), web: Web::new(parts, config), feed, past, ann };
        let sql = "INSERT INTO banks (bank_id, version, display_name, endpoint, suspended) VALUES ($1, 1, $2, $3, 0)";
        change(hub, sql, vec!["bank-a".into(), "Bank A".into(), "https://localhost:1".into()]).await;
        world
    }

    /// Binds an account to somebody; its name as a form has it.
    async fn bind(&self, person_id: PersonId) -> String {
        let id = self.hub.id();
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, \
                   is_default, bound_at) VALUES ($1, $2, 1, 'ACCOUNT', $3, '****4821', 1, 0, 0)";
        change(&self.hub, sql, vec!["bank-a".into(), id.into(), person_id.uuid().into()]).await;
        format!("bank-a ACCOUNT {id}")
    }

    /// Ann has set a safety code.
    async fn has_code(&self) {
        let id = self.ann.id.uuid();
        let mac = self.hub.keys.mac(KeyName::SafetyCode, &[id.as_bytes(), SAFETY_CODE.as_bytes()]).unwrap();
        let sql = "INSERT INTO safety_codes (person_id, version, code_mac, set_at, set_by, failures) \
                   VALUES ($1, 1, $2, 0, 'CARD', 0)";
        change(&self.hub, sql, vec![id.into(), mac.to_vec().into()]).await;
    }

    /// How much is frozen, and by how many orders from pages.
    async fn frozen(&self) -> (i64, i64) {
        let sql = "SELECT (SELECT count(*) FROM freezes WHERE frozen = 1 AND channel = 'WEB'), \
                   (SELECT count(*) FROM freeze_orders)";
        let row = self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap();
        (row.int(0).unwrap(), row.int(1).unwrap())
    }

    fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: BTreeMap::new(),
            headers: vec![("accept-language", "en".to_owned())],
            page: String::new(),
        }
    }

    /// A browser in which Ann has signed in.
    async fn signed_in(&self) -> Browser<'_> {
        let mut browser = self.browser();
        self.ann.forget_codes().await;
        let before = self.ann.last_sequence().await;
        browser.get("/sign-in").await;
        assert_eq!(browser.post("/sign-in", &[("phone", PHONE)]).await.status, StatusCode::SEE_OTHER);
        let code = self.ann.code_after(&self.feed, before).await;
        browser.get("/sign-in/code").await;
        let told = browser.post("/sign-in/code", &[("code", code.reveal()), ("password", ACCOUNT_PASSWORD)]).await;
        assert_eq!((told.status, told.location.as_str()), (StatusCode::SEE_OTHER, "/"), "{}", told.body);
        browser
    }
}

/// A browser of a test: it keeps cookies, and forms have the mark of the page that was shown last.
struct Browser<'w> {
    world: &'w World,
    cookies: BTreeMap<String, String>,
    headers: Vec<(&'static str, String)>,
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
            builder = builder.header(*name, value);
        }
        builder
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Told {
        let answer = self.world.web.answer_one(request, HERE).await;
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
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

    /// The value of a hidden field of the page that was shown last.
    fn hidden(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let rest = self.page.split_once(&start).map(|(_, rest)| rest).unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Told {
        let mark = self.hidden("form");
        self.post_marked(path, &mark, fields).await
    }

    async fn post_marked(&mut self, path: &str, mark: &str, fields: &[(&str, &str)]) -> Told {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.append_pair("form", mark).extend_pairs(fields);
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(Full::from(text.finish())).unwrap();
        self.send(request).await
    }
}

#[tokio::test]
async fn r7_whoever_signs_in_sees_cards_purchases_bills_and_consents_and_nothing_without() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.bind(world.ann.id).await;
        world.past.happen(&[world.ann.id], 4).await;
        for path in ["/", "/purchases", "/bills", "/freeze", "/consents"] {
            let told = world.browser().get(path).await;
            assert_eq!((told.status, told.location.as_str()), (StatusCode::SEE_OTHER, "/sign-in"), "{path}");
        }
        let mut browser = world.signed_in().await;
        for (path, wanted) in [
            ("/", "****4821"),
            ("/purchases", "老王面馆"),
            ("/purchases?text=nothing-like-it", "No purchases."),
            ("/purchases?bank=bank-a&from=2020-01-01&category=5812", "老王面馆"),
            ("/bills", "There are no bills."),
            ("/freeze", "Safety code"),
            ("/consents", "Nobody has asked about you."),
            ("/?lang=zh-CN", "总览"),
            ("/", "总览"),
            ("/?lang=en", "Overview"),
        ] {
            let told = browser.get(path).await;
            assert_eq!(told.status, StatusCode::OK, "{path}");
            assert!(told.body.contains(wanted), "{path}: {}", told.body);
            assert_eq!(told.body.matches("<h1").count(), 1, "{path}");
            assert!(told.body.contains("<html lang=\"") && told.body.contains("class=\"skip\""));
            assert!(!told.body.contains("<script") && !told.body.contains("style=\""));
        }
        let list = browser.get("/purchases").await.body;
        let path = list.split_once("href=\"/purchases/").unwrap().1.split('"').next().unwrap().to_owned();
        let one = browser.get(&format!("/purchases/{path}")).await;
        assert!(one.body.contains("牛肉面") && one.body.contains("West Gate"), "{}", one.body);
    })
    .await;
}

#[tokio::test]
async fn r7_what_fits_the_filter_is_taken_away_as_a_file_that_shows_no_more_of_a_card_than_a_receipt() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.past.happen(&[world.ann.id], 200).await;
        let without = world.browser().get("/purchases.csv").await;
        assert_eq!((without.status, without.location.as_str()), (StatusCode::SEE_OTHER, "/sign-in"));
        let mut browser = world.signed_in().await;
        let list = browser.get("/purchases?category=5812").await.body;
        let link = list.split_once("href=\"/purchases.csv?").unwrap().1.split('"').next().unwrap().to_owned();
        let file = browser.get(&format!("/purchases.csv?{}", link.replace("&amp;", "&"))).await;
        assert_eq!(file.status, StatusCode::OK);
        assert_eq!(file.headers[header::CONTENT_TYPE], "text/csv; charset=utf-8");
        assert_eq!(file.headers[header::CONTENT_DISPOSITION], "attachment; filename=\"purchases.csv\"");
        assert_eq!(file.headers[header::CACHE_CONTROL], "no-store");
        let mut table = csv::Reader::from_reader(file.body.as_bytes());
        let at = |name: &str, head: &csv::StringRecord| head.iter().position(|it| it == name).unwrap();
        let head = table.headers().unwrap().clone();
        let (category, account) = (at("category", &head), at("account", &head));
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert!(!rows.is_empty());
        for row in &rows {
            assert_eq!(&row[category], "5812");
            let digits = row[account].bytes().filter(u8::is_ascii_digit).count();
            assert!(row[account].contains('*') && digits <= 10, "{}", &row[account]);
        }
        let none = browser.get("/purchases.csv?text=nothing-like-it").await.body;
        assert_eq!(none.lines().count(), 1, "the names of the columns alone");
        let wrong = browser.get("/purchases.csv?from=yesterday").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(world.browser().post("/purchases.csv", &[]).await.status, StatusCode::METHOD_NOT_ALLOWED);
    })
    .await;
}

#[tokio::test]
async fn r7_the_record_is_paged_without_a_gap_and_somebody_elses_page_is_none() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.past.happen(&[world.ann.id], 200).await;
        let mut browser = world.signed_in().await;
        let (mut path, mut seen) = ("/purchases".to_owned(), Vec::new());
        loop {
            let body = browser.get(&path).await.body;
            let ids = body.split("href=\"/purchases/").skip(1).map(|rest| rest[..36].to_owned());
            seen.extend(ids);
            let Some((before, _)) = body.split_once("\">Earlier purchases") else { break };
            path = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((all, seen.len()), (50, 50));
        let bob = Holder::new(&hub, "+8613900139002").await;
        world.past.happen(&[bob.id], 4).await;
        let row = hub.store.fetch_one(
            "SELECT payment_id, occurred_at FROM purchases WHERE person_id = $1",
            vec![bob.id.uuid().into()],
        );
        let row = row.await.unwrap().unwrap();
        let foreign = format!("/purchases/{}?at={}", row.id(0).unwrap(), row.int(1).unwrap());
        assert_eq!(browser.get(&foreign).await.status, StatusCode::NOT_FOUND);
        assert_eq!(browser.get("/purchases?page=00ff").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

#[tokio::test]
async fn f3_freezing_takes_the_safety_code_and_names_what_was_chosen() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let account = world.bind(world.ann.id).await;
        world.has_code().await;
        let mut browser = world.signed_in().await;
        browser.get("/freeze").await;
        let order = browser.hidden("order");
        for (fields, wanted) in [
            (vec![("order", order.as_str()), ("which", "all"), ("code", "31415926")], Reason::SafetyCodeRefused),
            (vec![("order", &order), ("which", "all"), ("code", "12")], Reason::SafetyCodeMalformed),
            (vec![("order", &order), ("code", SAFETY_CODE)], Reason::FieldMissing),
            (vec![("order", "x"), ("which", "all"), ("code", SAFETY_CODE)], Reason::IdMalformed),
            (vec![("order", &order), ("which", "bank-a PURSE x"), ("code", SAFETY_CODE)], Reason::IdMalformed),
        ] {
            let told = browser.post("/freeze", &fields).await;
            assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
            assert!(told.body.contains(wanted.english()), "{fields:?}: {}", told.body);
        }
        assert_eq!(world.frozen().await, (0, 0));
        let wishes = [("/freeze", "all", 1), ("/unfreeze", account.as_str(), 0), ("/freeze", account.as_str(), 1)];
        for (orders, (path, which, frozen)) in (1..).zip(wishes) {
            browser.get("/freeze").await;
            let order = browser.hidden("order");
            let wish = [("order", order.as_str()), ("which", which), ("code", SAFETY_CODE)];
            for told in [browser.post(path, &wish).await, browser.post(path, &wish).await] {
                assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.body);
            }
            assert_eq!(world.frozen().await, (frozen, orders), "{path}, and twice is once");
        }
    })
    .await;
}

#[tokio::test]
async fn f3_signing_out_ends_the_session_and_each_sign_in_has_a_new_token() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let mut browser = world.browser();
        browser.cookies.insert("bankhub".to_owned(), "ab".repeat(32));
        browser.get("/sign-in").await;
        let before = world.ann.last_sequence().await;
        browser.post("/sign-in", &[("phone", "138 0013 8078")]).await;
        let begun = browser.cookies["bankhub"].clone();
        assert_ne!(begun, "ab".repeat(32), "what somebody else has set is good for nothing");
        let code = world.ann.code_after(&world.feed, before).await;
        browser.get("/sign-in/code").await;
        let wrong =
            browser.post("/sign-in/code", &[("code", code.reveal()), ("password", "wrong horse battery")]).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN);
        assert!(wrong.body.contains(Reason::SignInRefused.english()) && wrong.body.contains("aria-describedby"));
        browser.post("/sign-in/code", &[("code", code.reveal()), ("password", ACCOUNT_PASSWORD)]).await;
        let session = browser.cookies["bankhub"].clone();
        assert_ne!(session, begun);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
        assert_eq!(browser.get("/sign-in").await.location, "/");
        browser.get("/").await;
        assert_eq!(browser.post("/sign-out", &[]).await.location, "/sign-in?out=1");
        assert_eq!(browser.cookies["bankhub"], "");
        browser.cookies.insert("bankhub".to_owned(), session);
        assert_eq!(browser.get("/").await.location, "/sign-in", "a copy of the cookie is good for nothing");
    })
    .await;
}
