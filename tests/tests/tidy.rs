//! The rules of the house that no compiler checks: what may be linked, who may know whom, and how the sources look.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails loudly")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};

/// A longer file is usually two ideas.
const MOST_LINES_OF_A_FILE: usize = 500;
/// Lines of code, without blank lines and comments, as clippy's `too_many_lines` counts them.
const MOST_LINES_OF_A_FUNCTION: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).exec().unwrap()
}

fn deny_toml() -> toml::Table {
    fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

/// The resolved graph of the workspace.
struct Graph {
    packages: HashMap<PackageId, Package>,
    nodes: HashMap<PackageId, Node>,
}

impl Graph {
    fn load() -> Self {
        let metadata = metadata();
        let nodes = metadata.resolve.unwrap().nodes;
        Self {
            packages: metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect(),
            nodes: nodes.into_iter().map(|node| (node.id.clone(), node)).collect(),
        }
    }

    fn member(&self, name: &str) -> &PackageId {
        let found = self.packages.values().find(|package| package.name == name && package.source.is_none());
        &found.unwrap_or_else(|| panic!("no crate {name} in the workspace")).id
    }

    /// Everything that the crate is built from: its dependencies and theirs, without those of tests, and, if asked,
    /// without those of build scripts.
    fn behind(&self, name: &str, with_build_scripts: bool) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![self.member(name)];
        while let Some(id) = waiting.pop() {
            for dependency in &self.nodes[id].deps {
                let counts = dependency.dep_kinds.iter().any(|kind| match kind.kind {
                    DependencyKind::Normal => true,
                    DependencyKind::Build => with_build_scripts,
                    _ => false,
                });
                if counts && seen.insert(&dependency.pkg) {
                    waiting.push(&dependency.pkg);
                }
            }
        }
        seen.into_iter().map(|id| self.packages[id].name.as_str()).collect()
    }
}

/// Whether the SPDX expression can be met with allowed licences alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let met = any_of(&mut rest, allowed);
    met && rest.is_empty()
}

fn any_of(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = all_of(tokens, allowed);
    while let Some((&"OR", rest)) = tokens.split_first() {
        *tokens = rest;
        met |= all_of(tokens, allowed);
    }
    met
}

fn all_of(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one_of(tokens, allowed);
    while let Some((&"AND", rest)) = tokens.split_first() {
        *tokens = rest;
        met &= one_of(tokens, allowed);
    }
    met
}

fn one_of(tokens: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return false };
    *tokens = rest;
    if *first == "(" {
        let met = any_of(tokens, allowed);
        *tokens = tokens.get(1..).unwrap_or_default();
        return met;
    }
    let mut licence = (*first).to_owned();
    if let [with, exception, rest @ ..] = tokens
        && *with == "WITH"
    {
        licence = format!("{licence} WITH {exception}");
        *tokens = rest;
    }
    allowed.contains(&licence)
}

fn allowed_licences() -> BTreeSet<String> {
    let deny = deny_toml();
    let allow = deny["licenses"]["allow"].as_array().unwrap();
    allow.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_licence_is_read_as_spdx_means_it() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for good in ["MIT", "MIT/GPL-3.0", "GPL-2.0 OR (MIT AND Apache-2.0)", "Apache-2.0 WITH LLVM-exception OR GPL-2.0"] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in
        ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-2.0) AND AGPL-3.0", "MIT WITH Strings-attached", "MIT MIT"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn everything_that_is_linked_has_a_licence_that_lets_anyone_use_it() {
    let allowed = allowed_licences();
    let copyleft: Vec<_> = allowed.iter().filter(|name| name.contains("GPL") || name.starts_with("MPL")).collect();
    assert!(copyleft.is_empty(), "deny.toml allows {copyleft:?}");
    let graph = Graph::load();
    // The servers and the terminal link the SDK without its bindings, which a build of the whole workspace has.
    let program = built_alone("bankhub");
    let library = graph.behind("mobile-sdk", true).into_iter().map(str::to_owned).collect();
    for (shipped, linked, excepted) in
        [("bankhub", program, BTreeMap::new()), ("mobile-sdk", library, licence_exceptions())]
    {
        assert!(linked.len() > 100, "the graph of {shipped} has {} crates only", linked.len());
        let refused: Vec<_> = graph
            .packages
            .values()
            .filter(|package| linked.contains(package.name.as_str()))
            .filter(|package| {
                let more = excepted.get(package.name.as_str()).unwrap_or(&allowed);
                !package.license.as_ref().is_some_and(|it| is_allowed(it, &allowed) || is_allowed(it, more))
            })
            .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
            .collect();
        assert!(refused.is_empty(), "{shipped}: {refused:#?}");
    }
}

/// What one crate is built from when it is built alone: with the features that it asks for itself.
fn built_alone(package: &str) -> BTreeSet<String> {
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", package, "--edges", "normal,build", "--prefix", "none"]);
    let output = tree.args(["--format", "{p}"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let known = String::from_utf8(output.stdout).unwrap();
    known.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The licences that single crates may have, and none of the servers' is among them: UniFFI's.
fn licence_exceptions() -> BTreeMap<String, BTreeSet<String>> {
    let deny = deny_toml();
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let allowed = |exception: &toml::Value| {
        exception["allow"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    exceptions.iter().map(|it| (it["crate"].as_str().unwrap().to_owned(), allowed(it))).collect()
}

#[test]
fn ring_is_the_one_cryptography_and_rustls_the_one_tls() {
    let deny = deny_toml();
    let banned: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().map(|ban| ban["crate"].as_str().unwrap()).collect();
    for wanted in ["openssl", "openssl-sys", "native-tls", "aws-lc-rs", "aws-lc-sys", "boring", "boring-sys"] {
        assert!(banned.contains(wanted), "deny.toml does not ban {wanted}");
    }
    let graph = Graph::load();
    let found: Vec<&str> = graph
        .packages
        .values()
        .map(|package| package.name.as_str())
        .filter(|name| banned.contains(name) || name.starts_with("boring") || name.starts_with("aws-lc"))
        .collect();
    assert!(found.is_empty(), "banned crates are in the lock file: {found:?}");
    let rustls: Vec<_> = graph.nodes.values().filter(|node| graph.packages[&node.id].name == "rustls").collect();
    assert!(!rustls.is_empty());
    for node in rustls {
        let features: Vec<String> = node.features.iter().map(ToString::to_string).collect();
        assert!(features.iter().any(|feature| feature == "ring"), "rustls without ring: {features:?}");
        assert!(!features.iter().any(|feature| feature.contains("aws")), "rustls with aws-lc: {features:?}");
    }
}

#[test]
fn every_crate_knows_only_whom_it_may_know() {
    let graph = Graph::load();
    for (name, strangers) in [
        ("proto", &["server-kit", "hub", "bank-adapter", "bankhub", "sqlx"][..]),
        ("server-kit", &["proto", "hub", "bank-adapter", "bankhub"]),
        ("hub", &["bank-adapter", "bankhub"]),
        ("bank-adapter", &["hub", "bankhub"]),
        ("iso8583", &["domain", "proto", "server-kit", "hub", "bank-adapter", "bankhub"]),
        ("bankhub", &["federation-tests"]),
        // A phone compiles the client of cardholders; what serves, stores or issues has no place on it.
        ("mobile-sdk", &["server-kit", "hub", "bank-adapter", "bankhub", "iso8583", "sqlx"]),
    ] {
        let behind = graph.behind(name, false);
        let known: Vec<_> = strangers.iter().filter(|stranger| behind.contains(*stranger)).collect();
        assert!(known.is_empty(), "{name} knows {known:?}");
    }
}

#[test]
fn the_domain_is_pure() {
    // With the features that it asks for itself: in a build of the whole workspace others may ask for more.
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args([
        "tree",
        "--offline",
        "--package",
        "domain",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{lib}",
    ]);
    let output = tree.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let known = String::from_utf8(output.stdout).unwrap();
    let known: BTreeSet<&str> = known.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(known.contains("uuid"), "the tree of domain cannot be read: {known:?}");
    for stranger in ["tokio", "sqlx", "sqlx_core", "tonic", "serde", "serde_core", "prost", "ring", "rustls", "rand"] {
        assert!(!known.contains(stranger), "domain knows {stranger}");
    }
}

/// The files that are ours, by path from the root; what is generated or fetched is not.
fn sources(extensions: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "venv" | ".git" | "__pycache__" | ".build") {
                    waiting.push(path);
                }
            } else if extensions.iter().any(|extension| name.ends_with(extension)) {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().display().to_string(), text);
            }
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    let long: Vec<_> = sources(&[".rs", ".proto", ".py", ".sql"])
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES_OF_A_FILE)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

/// The functions of a file that rustfmt has formatted, each with its lines of code. A function ends at the closing brace
/// that stands under its first word.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let words = words.trim_start_matches("pub(super) ").trim_start_matches("const ").trim_start_matches("async ");
        let Some(name) = words.strip_prefix("fn ") else { continue };
        let end = format!("{}}}", " ".repeat(indent));
        let body = lines[start..].iter().take_while(|line| **line != end);
        let code = body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
        // A declaration without a body, or a body on one line, ends where it begins. A macro's function ends as the macro does.
        if !line.ends_with(';') && !line.ends_with('}') && !name.starts_with('$') {
            found.push((name.split(['(', '<']).next().unwrap_or_default().to_owned(), code));
        }
    }
    found
}

#[test]
fn no_function_is_longer_than_seventy_lines() {
    let long: Vec<_> = sources(&[".rs"])
        .iter()
        .flat_map(|(path, text)| functions(text).into_iter().map(move |(name, lines)| (path.clone(), name, lines)))
        .filter(|(_, _, lines)| *lines > MOST_LINES_OF_A_FUNCTION + 2)
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_for_later_in_the_sources() {
    // Put together here, so that this file does not find itself.
    let join = |parts: [&str; 2]| parts.concat();
    let calls = [["todo", "!("], ["unimplemented", "!("], ["dbg", "!("]].map(join);
    let notes = [["FIX", "ME"], ["X", "XX"], ["TO", "DO"]].map(join);
    let is_left = |line: &str| {
        let comment = ["//", "# ", "--"].iter().filter_map(|mark| line.find(mark)).min().map_or("", |at| &line[at..]);
        calls.iter().any(|call| line.contains(call)) || notes.iter().any(|note| comment.contains(note))
    };
    let left: Vec<_> = sources(&[".rs", ".proto", ".py", ".sql", ".toml", "tests/run"])
        .iter()
        .flat_map(|(path, text)| text.lines().enumerate().map(move |(n, line)| (path, n + 1, line)))
        .filter(|(_, _, line)| is_left(line))
        .map(|(path, n, line)| format!("{path}:{n}: {}", line.trim()))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn no_crate_of_ours_is_unsafe() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for member in manifest["workspace"]["members"].as_array().unwrap() {
        let path = root().join(member.as_str().unwrap()).join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        assert_eq!(inherits, Some(true), "{} does not take the workspace's lints", path.display());
    }
}

#[test]
fn migrations_are_twins() {
    for server in ["hub", "bank-adapter"] {
        let [sqlite, postgres] = ["sqlite", "postgres"].map(|engine| {
            let folder = root().join(server).join("migrations").join(engine);
            let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
            names.map(|name| name.to_string_lossy().into_owned()).collect::<BTreeSet<_>>()
        });
        assert!(!sqlite.is_empty());
        assert_eq!(sqlite, postgres, "{server} has other migrations on one engine than on the other");
    }
}

#[test]
fn the_tables_that_server_kit_works_with_are_the_same_wherever_they_are_made() {
    for engine in ["sqlite", "postgres"] {
        let read = |path: &str| fs::read_to_string(root().join(path.replace("ENGINE", engine))).unwrap();
        let hub = read("hub/migrations/ENGINE/0001_log_and_owners.sql");
        assert_eq!(hub, read("bank-adapter/migrations/ENGINE/0001_log_and_owners.sql"), "{engine}");
        assert_eq!(hub, read("server-kit/tests/migrations/ENGINE/0002_log_and_owners.sql"), "{engine}");
    }
}

/// The rows of MISSION.md: how many there are under each letter.
const ROWS: [(char, u32); 6] = [('R', 10), ('P', 3), ('M', 9), ('C', 9), ('F', 4), ('S', 3)];

/// What looks like the id of a row, such as `M5`.
fn row_ids(text: &str) -> BTreeSet<(char, u32)> {
    let mut found = BTreeSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-' && c != '#') {
        let Some(letter) = word.chars().next().filter(|c| ROWS.iter().any(|(letter, _)| letter == c)) else { continue };
        let number = &word[1..];
        if (1..=2).contains(&number.len())
            && let Ok(number) = number.parse()
        {
            found.insert((letter, number));
        }
    }
    found
}

#[test]
fn every_row_of_the_mission_that_is_named_exists() {
    let exists = |(letter, number): &(char, u32)| {
        ROWS.iter().any(|(known, last)| known == letter && (1..=*last).contains(number))
    };
    for (path, text) in sources(&[".md"]) {
        let unknown: Vec<_> = row_ids(&text).into_iter().filter(|row| !exists(row)).collect();
        assert!(unknown.is_empty(), "{path} names rows that are not there: {unknown:?}");
    }
    for (path, text) in sources(&[".rs"]) {
        for (name, _) in functions(&text) {
            let prefix = name.split('_').next().unwrap_or_default().to_uppercase();
            let unknown: Vec<_> = row_ids(&prefix).into_iter().filter(|row| !exists(row)).collect();
            assert!(unknown.is_empty(), "{path}: {name} names a row that is not there");
        }
    }
}

#[test]
fn every_row_that_the_readme_claims_is_proved_by_a_test_that_names_it() {
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    let tests: BTreeSet<String> =
        sources(&[".rs"]).values().flat_map(|text| functions(text).into_iter().map(|(name, _)| name)).collect();
    // What is planned is said after a heading of its own.
    let claimed = readme.split("\n## What comes next").next().unwrap_or_default();
    let unproved: Vec<_> = row_ids(claimed)
        .into_iter()
        .map(|(letter, number)| format!("{}{number}", letter.to_lowercase()))
        .filter(|row| !tests.iter().any(|name| name.split('_').any(|word| word == row)))
        .collect();
    assert!(unproved.is_empty(), "no test names {unproved:?}");
}
