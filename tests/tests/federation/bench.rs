//! The bench of records runs from end to end with a past that is small, on each engine that is there, and leaves nothing behind. How
//! fast anything was is none of its business.

use std::process::Stdio;
use std::time::Duration;

use federation_tests::databases::{Engine, POSTGRES};
use federation_tests::wait::bounded;
use serde_json::Value;

async fn bench(folder: &std::path::Path, more: &[&str]) -> Value {
    let mut command = tokio::process::Command::new(federation_tests::bankhub());
    command.args(["--output", "json", "bench", "records", "--records", "2520", "--prices", "10000", "--seconds", "1"]);
    command
        .args(["--turns", "1", "--idle-feeds", "5", "--payers", "3", "--in-flight", "4"])
        .args(more)
        .arg("--folder")
        .arg(folder);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = bounded("the bench", Duration::from_secs(300), command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(engine: &Value, name: &str) {
    assert_eq!(engine["engine"], name);
    // 20 people, 10 purchases a month and 6 of the last hour; a bill a month for each of two accounts.
    assert_eq!(
        (&engine["records"], &engine["person_months"], &engine["bills"]),
        (&2520.into(), &240.into(), &480.into())
    );
    let told: u64 = engine["parts"].as_array().unwrap().iter().map(|part| part["records"].as_u64().unwrap()).sum();
    assert_eq!((told, &engine["last_hour"]["records"]), (2400, &120.into()), "each report was taken in once");
    assert_eq!(engine["questions"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&engine["prices"], &engine["feeds"]["idle"], &engine["feeds"]["open"]),
        (&10_000.into(), &5.into(), &3.into())
    );
    assert!(engine["comparisons_told"].as_u64().unwrap() > 0, "{engine}");
    assert_eq!(engine["feeds"]["not_approved"], 0);
}

#[tokio::test]
async fn r1_r4_r7_r8_records_are_measured_from_banks_to_phones_and_their_books_are_sound() {
    let folder = tempfile::tempdir().unwrap();
    let report = bench(folder.path(), &[]).await;
    check(&report["engine"], "SQLite");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what was stored is removed");
}

#[tokio::test]
async fn r1_r4_r7_r8_the_same_on_postgresql() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = std::env::var(POSTGRES).unwrap();
    let report = bench(folder.path(), &["--postgres-only", "--postgres", &server]).await;
    check(&report["engine"], "PostgreSQL");
}
