//! A server that could not be trusted with money does not start, and says why.

use std::path::Path;
use std::time::Duration;

use federation_tests::databases::{Database, Engine};
use federation_tests::wait::bounded;
use federation_tests::world::{Setup, World};
use server_kit::store::Store;

/// Starts `hub-1` once more beside the federation, expects it to fail, and gives what it said.
async fn refuses(world: &World, config: &Path, settings: &[(&str, &str)]) -> String {
    let mut command = tokio::process::Command::new(federation_tests::bankhub());
    command.arg("hub").arg("--config").arg(config);
    for (key, value) in [("listen", "127.0.0.1:0"), ("ops.listen", "127.0.0.1:0")].iter().chain(settings) {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command.stdin(std::process::Stdio::null()).kill_on_drop(true).current_dir(world.federation.folder());
    let output = bounded("the refusal", Duration::from_secs(20), command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it started: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn config(world: &World) -> std::path::PathBuf {
    world.federation.server("hub-1").unwrap().config().to_owned()
}

/// The configuration with `line` after the line that begins with `after`; gives the file and the number of the new line.
fn with_line(world: &World, after: &str, line: &str) -> (std::path::PathBuf, usize) {
    let text = std::fs::read_to_string(config(world)).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with(after)).unwrap() + 1;
    lines.insert(at, line);
    let file = world.federation.folder().join("changed.toml");
    std::fs::write(&file, lines.join("\n")).unwrap();
    (file, at + 1)
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_its_line_and_a_secret_in_the_clear_without_its_text() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (file, line) = with_line(&world, "[payments]", "code_tll = \"3m\"");
    let said = refuses(&world, &file, &[]).await;
    assert!(said.contains(&format!("changed.toml:{line}")), "{said}");
    assert!(said.contains("payments.code_tll") && said.contains("code_ttl"), "{said}");

    let (file, line) = with_line(&world, "[database]", "password = \"hunter2-in-the-clear\"");
    let said = refuses(&world, &file, &[]).await;
    assert!(said.contains(&format!("changed.toml:{line}")) && said.contains("database.password"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    let said = refuses(&world, &config(&world), &[("payments.decide_within", "soon")]).await;
    assert!(said.contains("payments.decide_within"), "{said}");
    for (key, value) in [("trace.endpoint", "http://10.0.0.7:4317"), ("trace.sample_ratio", "1.5")] {
        let said = refuses(&world, &config(&world), &[(key, value)]).await;
        assert!(said.contains(key), "{said}");
    }
    let said = refuses(&world, &config(&world), &[("database.url", "mysql://root:hunter2@db/x")]).await;
    assert!(said.contains("sqlite:<file>") && !said.contains("hunter2"), "{said}");
    world.settled().await;
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = Setup::on(Engine::Sqlite).start().await;
    let master = world.federation.server("hub-1").unwrap().member().master();
    std::fs::set_permissions(&master, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = refuses(&world, &config(&world), &[]).await;
    assert!(said.contains("644") && said.contains("chmod 600"), "{said}");
    std::fs::set_permissions(&master, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.settled().await;
}

#[tokio::test]
async fn a_second_process_on_one_sqlite_file_is_refused() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let said = refuses(&world, &config(&world), &[]).await;
    assert!(said.contains("in use by another process"), "{said}");
    world.settled().await;
}

#[tokio::test]
async fn a_second_process_under_one_replicas_name_is_refused() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let world = Setup::on(Engine::Postgres).start().await;
    let said = refuses(&world, &config(&world), &[]).await;
    assert!(said.contains("owned by another process"), "{said}");
    world.settled().await;
}

#[tokio::test]
async fn a_postgresql_that_would_forget_what_was_committed_is_refused() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let world = Setup::on(Engine::Sqlite).start().await;
    for value in ["off", "local"] {
        let database = Database::create(Engine::Postgres, "weak").await;
        database.set_parameter("synchronous_commit", value).await;
        let url = database.url().unwrap();
        let said = refuses(&world, &config(&world), &[("database.url", &url)]).await;
        assert!(said.contains("synchronous_commit") && said.contains(value), "{said}");
        database.remove().await;
    }
    world.settled().await;
}

#[tokio::test]
async fn a_database_that_is_newer_than_the_program_is_refused_and_left_alone() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        if !engine.is_there() {
            continue;
        }
        let mut world = Setup::on(engine).start().await;
        world.federation.stop().await.unwrap();
        let store = world.open("hub-1").await;
        migrated_by(store, "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                             SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1")
            .await;
        for _ in 0..2 {
            let said = refuses(&world, &config(&world), &[]).await;
            assert!(said.contains("9999") && said.contains("newer"), "{said}");
        }
        world.forget().await;
    }
}

/// Changes the table of migrations by hand, as a newer program would have.
async fn migrated_by(store: Store, sql: &'static str) {
    let mut tx = store.begin().await.unwrap();
    tx.execute(sql, Vec::new()).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
}
