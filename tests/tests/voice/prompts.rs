//! The recordings, made by the script that operators run.

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::process::Command;

use super::asterisk::{heard, play};
use super::front::{TestFront, config};

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("voice/make-prompts")
}

async fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().await.is_ok()
}

#[tokio::test]
async fn f2_the_script_makes_every_recording_that_calls_in_both_languages_play() {
    if !is_there("espeak-ng").await || !is_there("sox").await {
        assert!(std::env::var_os("BANKHUB_TEST_ESPEAK").is_none(), "no espeak-ng or sox");
        println!("skipped: no espeak-ng or sox; tests/run sets them up");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let make = async || {
        let made = Command::new(script()).arg(folder.path()).arg(federation_tests::bankhub()).output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap()
    };
    // A voice that was recorded stays, and what is missing is made.
    let recorded = folder.path().join("en/menu.wav");
    std::fs::create_dir(folder.path().join("en")).unwrap();
    std::fs::write(&recorded, "a voice").unwrap();
    assert!(make().await.contains(", 1 kept as they were"));
    assert_eq!(std::fs::read_to_string(&recorded).unwrap(), "a voice");
    std::fs::remove_file(&recorded).unwrap();
    assert!(make().await.starts_with("1 recordings made"));

    let front = TestFront::start(&config()).await;
    for language in ["1", "2"] {
        let press = [language, "1", "271828#", "3", "2", "1", "9", "9", "9"];
        let scenario = json!({ "caller": "13800138000", "press": press, "sounds": folder.path() });
        let Some(events) = play(front.agi(), scenario).await else { return };
        let missing: Vec<_> = events.iter().filter(|event| event["missing"].is_string()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(heard(&events).last().unwrap(), "hung up by the hub");
    }
    front.stop().await;
}
