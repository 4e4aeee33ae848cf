//! Limits and look-up budgets at the console.

use domain::lookup::Scope;

use super::*;
use crate::lookups::Budget;

const SUM: [(&str, &str); 5] =
    [("subject", "PERSON"), ("of", "*"), ("currency", "CNY"), ("measure", "SUM"), ("window", "86400")];

async fn set(browser: &mut Browser<'_>, most: &str) -> Told {
    browser.get("/limits").await;
    let fields: Vec<(&str, &str)> = SUM.into_iter().chain([("most", most), ("why", "many reports")]).collect();
    browser.post("/limits/set", &fields).await
}

async fn most(browser: &mut Browser<'_>) -> Option<i64> {
    let json: serde_json::Value = serde_json::from_str(&browser.get("/limits?format=json").await.body).unwrap();
    json["rows"][0]["most"].as_i64()
}

#[tokio::test]
async fn m9_a_limit_is_lowered_at_once_and_raised_or_removed_by_two_persons() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.signed_in("ann").await;
        assert_eq!(set(&mut ann, "1000").await.location, "/limits?done=1", "{}", hub.engine);
        assert_eq!(set(&mut ann, "2000").await.location, "/limits?done=waits");
        assert_eq!(most(&mut ann).await, Some(1_000), "nothing is done before it is approved");
        let mut bob = world.signed_in("bob").await;
        for (before, after) in [(Some(1_000), Some(2_000)), (Some(2_000), None)] {
            assert_eq!(most(&mut bob).await, before);
            let shown = bob.get("/approvals").await.body;
            assert!(shown.contains("each person, payments in CNY within 86400 s"), "{shown}");
            let path = shown.split_once("action=\"/approvals/").unwrap().1.split('"').next().unwrap().to_owned();
            assert_eq!(bob.post(&format!("/approvals/{path}"), &[]).await.location, "/approvals?all=1");
            assert_eq!(most(&mut bob).await, after, "{}", hub.engine);
            ann.get("/limits").await;
            let removed = ann.post("/limits/remove", &[("key", "PERSON * CNY SUM 86400")]).await;
            assert_eq!(removed.location, "/limits?done=waits", "{}", removed.body);
        }
        for (most, status) in [("x", StatusCode::UNPROCESSABLE_ENTITY), ("-1", StatusCode::UNPROCESSABLE_ENTITY)] {
            assert_eq!(set(&mut ann, most).await.status, status, "{most}");
        }
        let bad = ann.post("/limits/remove", &[("key", "PERSON * CNY SUM 1")]).await;
        assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

#[tokio::test]
async fn m9_a_link_routes_when_two_persons_let_it_and_one_ends_it() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let (mut ann, mut bob) = (world.signed_in("ann").await, world.signed_in("bob").await);
        let routes = async |browser: &mut Browser<'_>| {
            let json: serde_json::Value = serde_json::from_str(&browser.get("/links?format=json").await.body).unwrap();
            (
                json["rows"][0]["routes"].as_str().unwrap().to_owned(),
                json["rows"][1]["routes"].as_str().unwrap().to_owned(),
            )
        };
        let no = ("no".to_owned(), "no".to_owned());
        assert_eq!(routes(&mut ann).await, no, "{}", hub.engine);
        ann.get("/links").await;
        assert_eq!(ann.post("/links/allow", &[("link", "acq")]).await.location, "/links?done=waits");
        assert_eq!(routes(&mut ann).await, no, "nothing is done before it is approved");
        let shown = bob.get("/approvals").await.body;
        assert!(shown.contains("let the link acq route payments by itself"), "{shown}");
        let path = shown.split_once("action=\"/approvals/").unwrap().1.split('"').next().unwrap().to_owned();
        assert_eq!(bob.post(&format!("/approvals/{path}"), &[]).await.location, "/approvals?all=1");
        assert_eq!(routes(&mut bob).await, ("yes".to_owned(), "no".to_owned()), "{}", hub.engine);
        bob.get("/links").await;
        assert_eq!(bob.post("/links/suspend", &[("link", "acq")]).await.location, "/links?done=1");
        assert_eq!(routes(&mut ann).await, no);
        ann.get("/links").await;
        let strange = ann.post("/links/allow", &[("link", "../acq")]).await;
        assert_eq!(strange.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", strange.body);
    })
    .await;
}

#[tokio::test]
async fn m9_who_has_asked_of_too_many_numbers_is_seen_and_may_go_on() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let budget = || vec![Budget::new(Scope::Terminal, "till-1")];
        while let Ok(look_up) = world.directory.lookups().pay(budget()).await.unwrap() {
            look_up.miss();
        }
        let mut ann = world.signed_in("ann").await;
        let row = async |browser: &mut Browser<'_>, query: &str| -> serde_json::Value {
            let body = browser.get(&format!("/lookups?format=json{query}")).await.body;
            serde_json::from_str::<serde_json::Value>(&body).unwrap()["rows"][0].clone()
        };
        let dry = row(&mut ann, "&dry=1").await;
        assert_eq!((dry["id"].as_str(), dry["dry_times"].as_i64()), (Some("till-1"), Some(1)), "{}", hub.engine);
        ann.get("/lookups").await;
        let told = ann.post("/lookups/fill", &[("scope", "TERMINAL"), ("id", "till-1")]).await;
        assert_eq!(told.location, "/lookups?done=1", "{}", told.body);
        assert_eq!(row(&mut ann, "&dry=1").await, serde_json::Value::Null);
        assert_eq!(row(&mut ann, "").await["left"].as_i64(), Some(1_000));
        world.directory.lookups().pay(budget()).await.unwrap().unwrap().miss();
        let unknown = ann.post("/lookups/fill", &[("scope", "TERMINAL"), ("id", "till-9")]).await;
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.body);
        assert_eq!(ann.get("/lookups?page=till-1").await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let log = ann.get("/log?kind=LOOKUPS_FILLED").await.body;
        assert!(log.contains("scope=TERMINAL id=till-1 by=ann"), "{log}");
    })
    .await;
}

#[tokio::test]
async fn m9_card_numbers_are_suspended_by_two_persons() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut ann = world.signed_in("ann").await;
        let mut bob = world.signed_in("bob").await;
        let rows = async |browser: &mut Browser<'_>| {
            let json: serde_json::Value = serde_json::from_str(&browser.get("/bins?format=json").await.body).unwrap();
            json["rows"].as_array().unwrap().len()
        };
        for (flag, before, after) in [("1", 0, 1), ("0", 1, 0)] {
            ann.get("/bins").await;
            ann.get("/limits").await;
            let fields = [("first", "622848"), ("last", "622849"), ("suspended", flag)];
            assert_eq!(ann.post("/bins/suspend", &fields).await.location, "/bins?done=waits", "{}", hub.engine);
            assert_eq!(rows(&mut bob).await, before, "nothing is done before it is approved");
            let shown = bob.get("/approvals").await.body;
            assert!(shown.contains("card numbers 622848-622849"), "{shown}");
            let path = shown.split_once("action=\"/approvals/").unwrap().1.split('"').next().unwrap().to_owned();
            assert_eq!(bob.post(&format!("/approvals/{path}"), &[]).await.location, "/approvals?all=1");
            assert_eq!(rows(&mut bob).await, after, "{}", hub.engine);
        }
        let bad = [("first", "62284"), ("last", "622849"), ("suspended", "1")];
        assert_eq!(ann.post("/bins/suspend", &bad).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}
