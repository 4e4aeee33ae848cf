//! What browsers send that are not on the person's side.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Frame;
use server_kit::config::HumanDuration;

use super::*;

#[tokio::test]
async fn f3_a_form_of_another_site_or_of_another_browser_does_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.bind(world.ann.id).await;
        world.has_code().await;
        let mut browser = world.signed_in().await;
        browser.get("/freeze").await;
        let order = browser.hidden("order");
        let fields = [("order", order.as_str()), ("which", "all"), ("code", SAFETY_CODE)];
        for mark in ["", "00", &"ab".repeat(32)] {
            assert_eq!(browser.post_marked("/freeze", mark, &fields).await.status, StatusCode::FORBIDDEN);
        }
        let mut other = world.browser();
        other.get("/sign-in").await;
        let foreign = other.hidden("form");
        assert_eq!(browser.post_marked("/freeze", &foreign, &fields).await.status, StatusCode::FORBIDDEN);
        for header in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "https://localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            browser.headers.push((header.0, header.1.to_owned()));
            assert_eq!(browser.post("/freeze", &fields).await.status, StatusCode::FORBIDDEN, "{header:?}");
            browser.headers.pop();
        }
        assert_eq!(world.frozen().await, (0, 0));
        browser.headers.push(("origin", "http://localhost".to_owned()));
        browser.headers.push(("sec-fetch-site", "same-origin".to_owned()));
        browser.get("/freeze").await;
        assert_eq!(browser.post("/freeze", &fields).await.status, StatusCode::SEE_OTHER);
    })
    .await;
}

#[tokio::test]
async fn f3_what_is_typed_or_bought_is_shown_as_text_and_breaks_no_header() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        world.past.happen(&[world.ann.id], 4).await;
        let evil = "<script>alert(1)</script>\"'&";
        let sql = "UPDATE purchases SET merchant = replace(merchant, '老王面馆', $1)";
        change(&hub, sql, vec![evil.replace('"', "\\\"").into()]).await;
        let mut browser = world.signed_in().await;
        let told = browser.get("/purchases").await;
        assert!(told.body.contains("&lt;script&gt;alert(1)") && !told.body.contains("<script"), "{}", told.body);
        for (path, status) in [
            ("/purchases?text=%3Cscript%3Ealert(1)%3C/script%3E%22", StatusCode::OK),
            ("/purchases?text=a%0d%0aset-cookie:%20x=1", StatusCode::UNPROCESSABLE_ENTITY),
            ("/purchases?from=yesterday", StatusCode::UNPROCESSABLE_ENTITY),
            ("/purchases?category=%0d%0a", StatusCode::OK),
            ("/purchases?category=58x2", StatusCode::UNPROCESSABLE_ENTITY),
            ("/purchases?bank=..%2f..%2fetc", StatusCode::UNPROCESSABLE_ENTITY),
            ("/?lang=en%0d%0aset-cookie:%20x=1", StatusCode::OK),
            ("/..%2f..%2fetc/passwd", StatusCode::NOT_FOUND),
            ("/purchases/../style", StatusCode::NOT_FOUND),
            ("//evil.example", StatusCode::NOT_FOUND),
            ("/purchases/0192f0c1-7a6b-7000-8000-000000000001", StatusCode::NOT_FOUND),
        ] {
            let told = browser.get(path).await;
            let status = if path.ends_with("0001") { StatusCode::NOT_FOUND } else { status };
            assert_eq!(told.status, status, "{path}");
            assert!(!told.body.contains("<script") && !browser.cookies.contains_key("x"), "{path}");
            assert!(told.headers.get("x").is_none());
        }
        let long = format!("/purchases?text={}", "x".repeat(10_000));
        assert_eq!(browser.get(&long).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let many = format!("/purchases?{}", "a=b&".repeat(1_000));
        assert_eq!(browser.get(&many).await.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

#[tokio::test]
async fn f3_every_answer_forbids_what_a_page_does_not_need() {
    on_each_engine(async |hub| {
        let secure = WebConfig { behind_proxy: true, ..WebConfig::default() };
        let world = World::with(&hub, secure).await;
        for path in ["/", "/sign-in", "/nothing", response::STYLE_PATH.as_str()] {
            let told = world.browser().get(path).await;
            let policy = told.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("strict-transport-security", "max-age=31536000"),
            ] {
                assert_eq!(told.headers[name], value, "{path}");
            }
            let is_style = path == response::STYLE_PATH.as_str();
            assert_eq!(told.headers[header::CACHE_CONTROL] == "no-store", !is_style, "{path}");
        }
        let told = world.browser().get("/sign-in").await;
        let cookie = told.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.starts_with("__Host-bankhub=") && cookie.ends_with("; Secure"), "{cookie}");
    })
    .await;
}

#[tokio::test]
async fn f3_methods_bodies_and_types_that_are_not_ours_are_refused() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let mut browser = world.signed_in().await;
        for (method, path, status) in [
            (Method::GET, "/sign-out", StatusCode::METHOD_NOT_ALLOWED),
            (Method::GET, "/unfreeze", StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
            (Method::PUT, "/freeze", StatusCode::METHOD_NOT_ALLOWED),
            (Method::DELETE, "/consents", StatusCode::METHOD_NOT_ALLOWED),
            (Method::TRACE, "/", StatusCode::METHOD_NOT_ALLOWED),
            (Method::POST, "/freeze", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (Method::HEAD, "/", StatusCode::OK),
        ] {
            let request = browser.request(method.clone(), path).body(Full::default()).unwrap();
            let told = browser.send(request).await;
            assert_eq!(told.status, status, "{method} {path}");
            assert_eq!(told.headers.contains_key("allow"), status == StatusCode::METHOD_NOT_ALLOWED);
        }
        browser.get("/freeze").await;
        let told = browser.post("/freeze", &[("code", &"1".repeat(17 * 1024))]).await;
        assert_eq!(told.status, StatusCode::PAYLOAD_TOO_LARGE);
        let told = browser.post("/consents/take-back", &[("consent", "0192f0c1-7a6b-7000-8000-000000000001")]).await;
        assert_eq!(told.status, StatusCode::NOT_FOUND, "somebody else's, or nobody's");
        let told = browser.post("/consents/take-back", &[("consent", "x")]).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

/// A body that never comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn f3_a_slow_body_and_too_many_requests_are_refused() {
    on_each_engine(async |hub| {
        let few = WebConfig {
            answer_within: HumanDuration(Duration::from_millis(50)),
            requests_per_address_per_minute: NonZeroU32::new(5).unwrap(),
            ..WebConfig::default()
        };
        let world = World::with(&hub, few).await;
        let slow = Request::builder().method(Method::POST).uri("/sign-in").header("host", "localhost");
        let slow = slow.header("content-type", "application/x-www-form-urlencoded").body(Never).unwrap();
        assert_eq!(world.web.answer_one(slow, HERE).await.status(), StatusCode::REQUEST_TIMEOUT);
        let mut last = StatusCode::OK;
        for _ in 0..6 {
            last = world.browser().get(response::STYLE_PATH.as_str()).await.status;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    })
    .await;
}

#[tokio::test]
async fn f3_known_and_unknown_numbers_get_the_same_answers() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let mut pages = Vec::new();
        for phone in [PHONE, "+8613999999999"] {
            let mut browser = world.browser();
            browser.get("/sign-in").await;
            let begun = browser.post("/sign-in", &[("phone", phone)]).await;
            let shown = browser.get("/sign-in/code").await.body.replace(&browser.hidden("form"), "");
            let refused =
                browser.post("/sign-in/code", &[("code", "000000"), ("password", "wrong horse battery")]).await;
            let refused = (refused.status, refused.body.replace(&browser.hidden("form"), ""));
            pages.push((begun.status, begun.location, shown, refused));
        }
        assert_eq!(pages[0], pages[1]);
        let mut browser = world.browser();
        browser.get("/sign-in").await;
        let told = browser.post("/sign-in", &[("phone", "+86138\r\nset-cookie: x=1")]).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.body.contains(Reason::PhoneNumberMalformed.english()) && told.body.contains("aria-invalid"));
        let mut last = StatusCode::OK;
        for _ in 0..8 {
            last = browser.post("/sign-in", &[("phone", "+8613999999999")]).await.status;
            browser.get("/sign-in").await;
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "six a minute of one number");
    })
    .await;
}
