//! What nobody's browser sends.

use super::*;

#[tokio::test]
async fn m9_a_merchants_name_is_shown_as_text_and_runs_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut browser = world.signed_in("ann").await;
        let told = browser.get("/terminals").await;
        assert!(told.body.contains("&lt;script&gt;alert(1)"), "{}", told.body);
        assert!(!told.body.contains("<script") && !told.body.contains("<img"));
        let policy = told.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        for path in ["/log?by=%3Cscript%3E", "/payments?terminal=%22%3E%3Cscript%3E", "/?lang=%3Cscript%3E"] {
            let body = browser.get(path).await.body.replace("<script src=\"/live-", "");
            assert!(!body.contains("<script"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn m9_a_form_of_another_site_or_of_another_browser_does_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let notice = world.dead_letter().await.to_string();
        let mut ann = world.signed_in("ann").await;
        ann.get("/dead-letters").await;
        let mark = ann.mark();
        let fields = [("notice", notice.as_str())];
        assert_eq!(ann.post_marked("/dead-letters/retry", "", &fields).await.status, StatusCode::FORBIDDEN);
        assert_eq!(
            ann.post_marked("/dead-letters/retry", &"0".repeat(64), &fields).await.status,
            StatusCode::FORBIDDEN
        );
        for header in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            ann.headers.push(header);
            let told = ann.post_marked("/dead-letters/retry", &mark, &fields).await;
            assert_eq!(told.status, StatusCode::FORBIDDEN, "{header:?}");
            ann.headers.pop();
        }
        let mut bob = world.signed_in("bob").await;
        bob.get("/dead-letters").await;
        assert_eq!(bob.post_marked("/dead-letters/retry", &mark, &fields).await.status, StatusCode::FORBIDDEN);
        // To look does nothing, whatever is in the address.
        let told = ann.get(&format!("/dead-letters/retry?notice={notice}&form={mark}")).await;
        assert_eq!(told.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(world.state_of(Uuid::try_parse(&notice).unwrap()).await, "DEAD", "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_a_token_that_was_planted_before_signing_in_is_nobodys_session_afterwards() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.browser();
        let planted = "ab".repeat(32);
        ann.cookies.insert("bankhub-console".to_owned(), planted.clone());
        ann.get("/sign-in").await;
        let told = ann.sign_in("ann", PASSWORD, &world.ann.code(0)).await;
        assert_eq!(told.status, StatusCode::SEE_OTHER, "{}", told.body);
        assert_ne!(ann.cookies["bankhub-console"], planted);
        let mut thief = world.browser();
        thief.cookies.insert("bankhub-console".to_owned(), planted);
        assert_eq!(thief.get("/").await.location, "/sign-in");
        // Nor is one of the self-service pages, nor one that was signed out.
        let token = ann.cookies["bankhub-console"].clone();
        ann.get("/").await;
        assert_eq!(ann.post("/sign-out", &[]).await.location, "/sign-in?out=1");
        thief.cookies.insert("bankhub-console".to_owned(), token);
        assert_eq!(thief.get("/").await.location, "/sign-in", "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_wrong_passwords_wrong_codes_and_codes_used_before_are_one_answer() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut browser = world.browser();
        let code = world.ann.code(0);
        browser.get("/sign-in").await;
        let mut said = Vec::new();
        for (name, password, code) in [
            ("ann", "wrong horse battery", code.as_str()),
            ("ann", PASSWORD, "000000"),
            ("ann", PASSWORD, ""),
            ("nobody", PASSWORD, code.as_str()),
            ("<script>", PASSWORD, code.as_str()),
        ] {
            let told = browser.sign_in(name, password, code).await;
            assert_eq!(told.status, StatusCode::FORBIDDEN, "{name}");
            let shown = told.body.split_once("sign-in-error\"").unwrap().1.split("</p>").next().unwrap().to_owned();
            said.push(shown);
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(browser.sign_in("ann", PASSWORD, &code).await.status, StatusCode::SEE_OTHER);
        let mut second = world.browser();
        second.get("/sign-in").await;
        assert_eq!(second.sign_in("ann", PASSWORD, &code).await.status, StatusCode::FORBIDDEN, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_what_is_no_page_no_form_or_no_filter_gets_a_clear_no() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.signed_in("ann").await;
        for (path, wanted) in [
            ("/nothing", StatusCode::NOT_FOUND),
            ("/payments/../../etc/passwd", StatusCode::NOT_FOUND),
            ("/payments/%2e%2e%2flog", StatusCode::NOT_FOUND),
            ("/payments/0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f", StatusCode::NOT_FOUND),
            ("/payments?page=x", StatusCode::UNPROCESSABLE_ENTITY),
            ("/payments?terminal=Till%201", StatusCode::UNPROCESSABLE_ENTITY),
            ("/payments?state=1%20OR%201", StatusCode::UNPROCESSABLE_ENTITY),
            ("/payments?from=yesterday", StatusCode::UNPROCESSABLE_ENTITY),
            ("/log?subject=1", StatusCode::UNPROCESSABLE_ENTITY),
            ("/log?kind=a%20b", StatusCode::UNPROCESSABLE_ENTITY),
            ("/log?page=1.2.3", StatusCode::UNPROCESSABLE_ENTITY),
            ("/terminals?page=%27", StatusCode::UNPROCESSABLE_ENTITY),
            ("/inquiries?page=x", StatusCode::UNPROCESSABLE_ENTITY),
        ] {
            assert_eq!(ann.get(path).await.status, wanted, "{path}");
        }
        ann.get("/terminals").await;
        for fields in [
            vec![("terminal", "Till 1"), ("suspended", "1"), ("why", "x")],
            vec![("terminal", "till-1"), ("suspended", "2"), ("why", "x")],
            vec![("terminal", "till-1"), ("suspended", "1"), ("why", "")],
            vec![("terminal", "till-1"), ("suspended", "1"), ("why", "a\nb")],
            vec![],
        ] {
            let told = ann.post("/terminals/suspend", &fields).await;
            assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        }
        let long = "x".repeat(20_000);
        assert_eq!(ann.post("/terminals/suspend", &[("why", &long)]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(ann.get("/approvals").await.body.contains("There is nothing."), "nothing was stored, {}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m9_a_viewer_looks_and_does_nothing() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let notice = world.dead_letter().await;
        let mut ann = world.signed_in("ann").await;
        change(&hub, "UPDATE operators SET role = 'VIEWER', version = version + 1 WHERE operator_id = 'ann'", vec![])
            .await;
        for (path, wanted) in [
            ("/", StatusCode::OK),
            ("/payments", StatusCode::OK),
            ("/log", StatusCode::FORBIDDEN),
            ("/approvals", StatusCode::FORBIDDEN),
            ("/operators", StatusCode::FORBIDDEN),
        ] {
            assert_eq!(ann.get(path).await.status, wanted, "{path}");
        }
        let shown = ann.get("/dead-letters").await.body;
        assert!(!shown.contains("/dead-letters/retry"));
        let told = ann.post("/dead-letters/retry", &[("notice", &notice.to_string())]).await;
        assert_eq!(told.status, StatusCode::FORBIDDEN);
        assert_eq!(world.state_of(notice).await, "DEAD");
        assert_eq!(id("ann").as_str(), "ann");
    })
    .await;
}
