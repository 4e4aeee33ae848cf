//! Chromium at the console: two operators, one after the other. What they do is in `tests/peers/browser/console.js`.
//!
//! It is skipped, loudly, where `BANKHUB_TEST_CHROMIUM` (the program) or `BANKHUB_TEST_BROWSER_MODULES` (a folder with puppeteer-core and
//! axe-core) is not set. `BANKHUB_TEST_SCREENSHOTS` names a folder for screenshots.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::*;
use crate::pages::Listening;

#[tokio::test(flavor = "multi_thread")]
async fn m9_chromium_finds_a_payment_retries_a_dead_letter_and_approves_with_a_second_person() {
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
        let config = ConsoleConfig { listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..ConsoleConfig::default() };
        let world = World::open(&hub, config.clone()).await;
        world.payments(120).await;
        let notice = world.dead_letter().await;
        let listening = Listening::bind(config.place()).await.unwrap().unwrap();
        let address = format!("http://{}", listening.local_addr().unwrap());
        let draining = CancellationToken::new();
        let serving = tokio::spawn(listening.run(world.console.clone(), draining.clone()));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/peers/browser/console.js");
        let shots = asked("BANKHUB_TEST_SCREENSHOTS").unwrap_or_else(|| "-".to_owned());
        let mut node = tokio::process::Command::new("node")
            .arg(script)
            .args([&address, &chromium, &modules, &shots])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (mut typed, said) = (node.stdin.take().unwrap(), node.stdout.take().unwrap());
        let mut said = BufReader::new(said).lines();
        let mut apps = [&world.ann, &world.bob].into_iter();
        for wanted in ["CODE?", "DIE", "DIE", "CODE?"] {
            assert_eq!(said.next_line().await.unwrap().as_deref(), Some(wanted));
            if wanted == "DIE" {
                world.dead_letter().await;
                continue;
            }
            let app = apps.next().unwrap();
            typed.write_all(format!("{}\n", app.code(0)).as_bytes()).await.unwrap();
        }
        assert_eq!(said.next_line().await.unwrap().as_deref(), Some("DONE"));
        assert!(node.wait().await.unwrap().success());
        assert_eq!(world.state_of(notice).await, "QUEUED");
        assert!(world.is_suspended().await);
        draining.cancel();
        serving.await.unwrap();
    })
    .await;
}
