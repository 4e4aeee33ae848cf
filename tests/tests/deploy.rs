//! What stands in `deploy/`: every example configuration is one that the servers take, every unit one that systemd takes, and every
//! metric that an alert or a panel asks for is one that the servers tell.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails loudly, and says what it leaves out"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use federation_tests::bankhub;
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs the program and gives what it said, all of it when it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// Certificates, keys and secrets where the examples look for them, in a folder in the place of `/etc/bankhub` and `/var/lib`.
fn member(folder: &Path, kind: &[&str], name: &str) {
    run(Command::new(bankhub()).args(["init", "--dir"]).arg(folder.join("made")).args(kind)).unwrap();
    let made = folder.join("made").join(kind.join("-"));
    let etc = folder.join("etc");
    let state = folder.join("var").join(if name == "hub" { "bankhub".to_owned() } else { format!("bankhub-{name}") });
    fs::create_dir_all(&etc).unwrap();
    fs::create_dir_all(&state).unwrap();
    for (from, to) in [
        ("certificate.pem", etc.join(format!("{name}.pem"))),
        ("key.pem", etc.join(format!("{name}.key"))),
        ("ca.pem", etc.join("federation-ca.pem")),
        ("master.key", etc.join(format!("{name}-master.key"))),
        ("keys.sealed", state.join("keys.sealed")),
    ] {
        fs::copy(made.join(from), to).unwrap();
    }
}

#[test]
fn every_example_is_a_configuration_that_its_server_takes() {
    let folder = tempfile::tempdir().unwrap();
    member(folder.path(), &["hub"], "hub");
    member(folder.path(), &["bank", "bank-a"], "bank-a");
    let password = folder.path().join("etc/database.password");
    fs::copy(folder.path().join("etc/hub-master.key"), &password).unwrap();
    let examples = files(&deploy().join("examples"), "toml");
    assert!(examples.len() >= 5, "{examples:?}");
    for example in examples {
        let at = |place: &str| folder.path().join(place).display().to_string();
        let text = fs::read_to_string(&example).unwrap();
        let text = text.replace("/etc/bankhub", &at("etc")).replace("/var/lib", &at("var"));
        let copy = folder.path().join("example.toml");
        fs::write(&copy, text).unwrap();
        let name = example.file_name().unwrap().to_str().unwrap();
        let server = if name.starts_with("hub") { "hub" } else { "adapter" };
        let said = run(Command::new(bankhub()).args(["config", "check", server]).arg(&copy));
        assert!(said.is_ok(), "{}: {}", example.display(), said.unwrap_err());
    }
}

#[test]
fn the_containers_find_the_configurations_that_the_first_of_them_makes() {
    let compose = fs::read_to_string(deploy().join("compose/compose.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, script) = compose.split_once("      - |\n").unwrap();
    let script =
        script.split_once("\n\n").unwrap().0.replace("$$", "$").replace("/data", folder.path().to_str().unwrap());
    let programs = bankhub().parent().unwrap().display().to_string();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    run(Command::new("sh").args(["-ec", &script]).env("PATH", path)).unwrap();
    let named: Vec<&str> = compose.split('"').filter(|word| word.starts_with("/data/")).collect();
    assert!(named.len() >= 3, "{named:?}");
    for path in named.iter().filter(|path| !path.contains('$')) {
        let made = folder.path().join(path.trim_start_matches("/data/"));
        assert!(made.is_file(), "nothing makes {path}");
    }
}

#[test]
fn systemd_takes_every_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("left out: this machine has no systemd-analyze");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let units = files(&deploy().join("systemd"), "service");
    assert_eq!(units.len(), 2, "{units:?}");
    for unit in units {
        // A template is looked at as one of its instances.
        let name = unit.file_name().unwrap().to_str().unwrap().replace("@.", "@bank-a.");
        let text = fs::read_to_string(&unit).unwrap().replace("/usr/bin/bankhub", &bankhub().display().to_string());
        let copy = folder.path().join(name);
        fs::write(&copy, text).unwrap();
        let said = run(Command::new("systemd-analyze").args(["--man=no", "verify"]).arg(&copy));
        // It succeeds with warnings about keys that it does not know.
        let about_it = |said: &str| said.lines().any(|line| line.contains(copy.to_str().unwrap()));
        assert!(said.as_ref().is_ok_and(|said| !about_it(said)), "{}: {said:?}", unit.display());
    }
}

/// Every `bankhub_…` name in a text, without what Prometheus adds to those of histograms.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let names = text.split(|letter| !is_of_name(letter)).filter(|word| word.starts_with("bankhub_"));
    let bare =
        |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned);
    names.map(|name| bare(name).unwrap_or_else(|| name.to_owned())).collect()
}

#[test]
fn alerts_and_panels_ask_for_nothing_that_no_server_tells() {
    let root = deploy().parent().unwrap().to_owned();
    let mut told = BTreeSet::new();
    for crate_ in ["hub", "bank-adapter", "server-kit"] {
        for source in files(&root.join(crate_).join("src"), "rs") {
            told.extend(metrics_in(&fs::read_to_string(source).unwrap()));
        }
    }
    let rules = fs::read_to_string(deploy().join("prometheus/bankhub.rules.yml")).unwrap();
    let dashboard = fs::read_to_string(deploy().join("grafana/bankhub.json")).unwrap();
    for (name, text) in [("the alerts", &rules), ("the dashboard", &dashboard)] {
        let asked = metrics_in(text);
        assert!(asked.len() > 10, "{name}: {asked:?}");
        let unknown: Vec<&String> = asked.difference(&told).collect();
        assert!(unknown.is_empty(), "{name} ask for {unknown:?}");
    }
    // What rules record is asked for by the names that they give it.
    let recorded: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    for word in dashboard.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':')) {
        assert!(!word.starts_with("bankhub:") || recorded.contains(word), "nothing records {word}");
    }
}

#[test]
fn every_panel_has_a_place_of_its_own_and_a_question() {
    let dashboard = fs::read_to_string(deploy().join("grafana/bankhub.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(x < 24 && taken.insert((x, y)), "{} lies over another", panel["title"]);
            }
        }
        let asks = panel["targets"].as_array().is_some_and(|targets| !targets.is_empty());
        assert!(asks || panel["type"] == "row", "{} asks nothing", panel["title"]);
    }
}

#[test]
fn promtool_takes_the_alerts() {
    let Some(promtool) = std::env::var_os("BANKHUB_TEST_PROMTOOL") else {
        eprintln!("left out: no promtool is named");
        return;
    };
    run(Command::new(&promtool).args(["check", "config"]).arg(deploy().join("prometheus/prometheus.yml"))).unwrap();
    run(Command::new(&promtool).args(["test", "rules"]).arg(deploy().join("prometheus/bankhub.test.yml"))).unwrap();
}

#[test]
fn haproxy_takes_the_balancer_of_two_hubs() {
    if Command::new("haproxy").arg("-v").output().is_err() {
        eprintln!("left out: this machine has no haproxy");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    member(folder.path(), &["hub"], "hub");
    let etc = folder.path().join("etc");
    let pages = folder.path().join("pages.pem");
    let both = ["hub.pem", "hub.key"].map(|name| fs::read_to_string(etc.join(name)).unwrap()).concat();
    fs::write(&pages, both).unwrap();
    let text = fs::read_to_string(deploy().join("examples/two-hubs/haproxy.cfg")).unwrap();
    // Names that exist nowhere but in the example are not looked up.
    let text = text.replace("/etc/haproxy/pages.pem", pages.to_str().unwrap()).replace(".pay.internal", ".invalid");
    let text = text.replace("default-server check", "default-server init-addr none check");
    let copy = folder.path().join("haproxy.cfg");
    fs::write(&copy, text).unwrap();
    run(Command::new("haproxy").args(["-c", "-f"]).arg(&copy)).unwrap();
}
