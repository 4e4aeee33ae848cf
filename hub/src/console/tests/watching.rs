//! Pages that are kept up to date: what they are told, and when that ends.

use super::*;

#[tokio::test]
async fn m9_an_overview_that_is_open_follows_the_hub_without_being_read_again() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let mut browser = world.signed_in("ann").await;
        let page = browser.get("/").await;
        assert!(
            page.body.contains("data-live=\"overview\"") && page.body.contains("data-figure=\"dead\">0<"),
            "{}",
            page.body
        );
        let (mut first, mut second) = (browser.watch().await.unwrap(), browser.watch().await.unwrap());
        let before = first.becomes(|_| true).await;
        assert_eq!(before["figures"]["dead"], "0");
        world.dead_letter().await;
        world.payments(3).await;
        world.console.inner.parts.standings.bank("bank-a", false);
        let _link = world.console.inner.parts.standings.signed_on("acq");
        let is_so = |state: &serde_json::Value| {
            state["figures"]["dead"] == "1"
                && state["figures"]["link-acq"].as_str().is_some_and(|it| it.starts_with("UP"))
        };
        let after = first.becomes(is_so).await;
        assert_ne!(after["marks"]["letters"], before["marks"]["letters"]);
        assert_ne!(after["marks"]["overview"], before["marks"]["overview"], "there is one line more");
        assert_eq!(second.becomes(is_so).await["figures"]["dead"], "1");
        // What is told is what the page shows.
        let page = browser.get("/").await;
        for name in ["dead", "doubt", "queued", "banks"] {
            let shown = format!("data-figure=\"{name}\">{}<", after["figures"][name].as_str().unwrap());
            assert!(page.body.contains(&shown), "{shown}: {}", page.body);
        }
    })
    .await;
}

#[tokio::test]
async fn m9_there_is_one_producer_for_all_and_none_for_nobody() {
    let database = server_kit::store::testing::TestDatabase::sqlite();
    crate::testing::on(&database, &async |hub: TestHub| {
        let world = World::open(&hub, ConsoleConfig { streams: 2, ..ConsoleConfig::default() }).await;
        let browser = world.signed_in("ann").await;
        let (mut first, second) = (browser.watch().await.unwrap(), browser.watch().await.unwrap());
        assert!(world.console.inner.live.is_produced());
        assert_eq!(browser.watch().await.err(), Some(StatusCode::TOO_MANY_REQUESTS), "there are no more than two");
        first.becomes(|_| true).await;
        drop(second);
        let mut third = browser.watch().await.unwrap();
        third.becomes(|_| true).await;
        drop((first, third));
        for _ in 0..200 {
            if !world.console.inner.live.is_produced() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("somebody still looks for nobody");
    })
    .await;
}

#[tokio::test]
async fn m9_a_stream_ends_with_the_session_with_the_role_and_with_the_hub() {
    on_each_engine(async |hub| {
        let world = World::open(&hub, ConsoleConfig::default()).await;
        let stranger = world.browser();
        assert_eq!(stranger.watch().await.err(), Some(StatusCode::SEE_OTHER), "to the page of signing in");
        let mut ann = world.signed_in("ann").await;
        let mut events = ann.watch().await.unwrap();
        events.becomes(|_| true).await;
        ann.get("/").await;
        ann.post("/sign-out", &[]).await;
        assert_eq!(ended(&mut events).await, "ended");

        let ann = world.signed_in("ann").await;
        let mut events = ann.watch().await.unwrap();
        events.becomes(|_| true).await;
        let sql = "UPDATE operators SET role = 'VIEWER', version = version + 1 WHERE operator_id = 'ann'";
        change(&world.hub, sql, Vec::new()).await;
        assert_eq!(ended(&mut events).await, "ended");

        let bob = world.signed_in("bob").await;
        let mut events = bob.watch().await.unwrap();
        events.becomes(|_| true).await;
        world.console.inner.parts.draining.cancel();
        while let Some((name, _)) = events.next().await {
            assert_eq!(name, "state");
        }
    })
    .await;
}

/// What the stream says last.
async fn ended(events: &mut Events) -> String {
    let mut last = String::new();
    while let Some((name, _)) = events.next().await {
        last = name;
    }
    last
}
