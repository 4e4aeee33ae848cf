//! Chromium at the pages: by mouse, by keyboard alone, and without JavaScript. What it does is in `tests/peers/browser`.
//!
//! It is skipped, loudly, where `BANKHUB_TEST_CHROMIUM` (the program) or `BANKHUB_TEST_BROWSER_MODULES` (a folder with puppeteer-core and
//! axe-core) is not set. `BANKHUB_TEST_SCREENSHOTS` names a folder for screenshots.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::*;

async fn visit(way: &str) {
    let asked = |name| std::env::var(name).ok();
    let (Some(chromium), Some(modules)) = (asked("BANKHUB_TEST_CHROMIUM"), asked("BANKHUB_TEST_BROWSER_MODULES"))
    else {
        #[allow(clippy::print_stderr, reason = "a test that leaves something out says so")]
        {
            eprintln!("skipped: BANKHUB_TEST_CHROMIUM or BANKHUB_TEST_BROWSER_MODULES is not set");
        }
        return;
    };
    let database = server_kit::store::testing::TestDatabase::sqlite();
    crate::testing::on(&database, &async |hub: TestHub| {
        let config = WebConfig { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..WebConfig::default() };
        let world = World::with(&hub, config.clone()).await;
        world.bind(world.ann.id).await;
        world.has_code().await;
        world.past.happen(&[world.ann.id], 120).await;
        let listening = Listening::bind(config.place()).await.unwrap().unwrap();
        let address = format!("http://{}", listening.local_addr().unwrap());
        let draining = CancellationToken::new();
        let serving = tokio::spawn(listening.run(world.web.clone(), draining.clone()));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/browser/visit.js");
        let shots = asked("BANKHUB_TEST_SCREENSHOTS").unwrap_or_else(|| "-".to_owned());
        let before = world.ann.last_sequence().await;
        let mut node = tokio::process::Command::new("node")
            .arg(script)
            .args([&address, &chromium, &modules, &shots, way])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut typed, said) = (node.stdin.take().unwrap(), node.stdout.take().unwrap());
        let mut said = BufReader::new(said).lines();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("CODE?"));
        let code = world.ann.code_after(&world.feed, before).await;
        typed.write_all(format!("{}\n", code.reveal()).as_bytes()).await.unwrap();
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("DONE"));
        assert!(node.wait().await.unwrap().success());
        assert_eq!(world.frozen().await, (1, 1), "everything was frozen once");
        draining.cancel();
        serving.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_chromium_goes_through_the_pages_by_mouse() {
    visit("mouse").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_chromium_goes_through_the_pages_by_keyboard_alone() {
    visit("keyboard").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_chromium_goes_through_the_pages_without_javascript() {
    visit("no-javascript").await;
}
