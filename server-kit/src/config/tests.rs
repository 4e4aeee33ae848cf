use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tempfile::TempDir;

use super::*;

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(deny_unknown_fields, default)]
struct Server {
    listen: String,
    workers: u16,
    ratio: f64,
    verbose: bool,
    patience: HumanDuration,
    mode: Mode,
    hosts: Vec<String>,
    ports: Vec<u16>,
    limit: Option<u8>,
    key: Option<SecretRef>,
    tls: Option<Tls>,
    banks: Vec<Bank>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Tls {
    certificate: PathBuf,
    #[serde(default)]
    federation: String,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Bank {
    id: String,
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Plain,
    Careful,
}

struct Given {
    directory: TempDir,
    file: PathBuf,
}

fn file(text: &str) -> Given {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hub.toml");
    fs::write(&file, text).unwrap();
    Given { directory, file }
}

impl Given {
    fn with(&self, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Server, ConfigError> {
        let environment = environment.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let flags: Vec<_> = flags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        load_from(Some(&self.file), "BANKHUB_", environment, &flags)
    }

    fn refused(&self) -> String {
        let text = self.with(&[], &[]).unwrap_err().to_string();
        text.replace(&format!("{}/", self.directory.path().display()), "")
    }
}

fn refused(error: Result<Server, ConfigError>) -> String {
    error.unwrap_err().to_string()
}

#[test]
fn nothing_at_all_gives_the_defaults() {
    let found: Server = load_from(None, "BANKHUB_", std::iter::empty(), &[]).unwrap();
    assert_eq!(found, Server::default());
}

#[test]
fn a_file_is_read_with_every_type() {
    let given = file(concat!(
        "listen = '[::]:7000'\nworkers = 0x10\nratio = 0.5\nverbose = true\npatience = '180s'\nmode = 'careful'\n",
        "hosts = ['a', 'b']\nports = [1, 2]\nlimit = 7\nkey = 'env:HUB_KEY'\n",
        "[tls]\ncertificate = '/etc/hub.crt'\n[[banks]]\nid = 'a'\n[[banks]]\nid = 'b'\n",
    ));
    let expected = Server {
        listen: "[::]:7000".to_owned(),
        workers: 16,
        ratio: 0.5,
        verbose: true,
        patience: HumanDuration::from_secs(180),
        mode: Mode::Careful,
        hosts: vec!["a".to_owned(), "b".to_owned()],
        ports: vec![1, 2],
        limit: Some(7),
        key: Some(SecretRef::Env("HUB_KEY".to_owned())),
        tls: Some(Tls { certificate: "/etc/hub.crt".into(), federation: String::new() }),
        banks: vec![Bank { id: "a".to_owned() }, Bank { id: "b".to_owned() }],
    };
    assert_eq!(given.with(&[], &[]).unwrap(), expected);
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let given = file("listen = 'file'\nworkers = 1\n[tls]\ncertificate = 'file'\nfederation = 'file'\n");
    let environment =
        [("BANKHUB_WORKERS", "2"), ("BANKHUB_TLS__CERTIFICATE", "env"), ("BANKHUB_VERBOSE", "true"), ("OTHER", "x")];
    let found = given.with(&environment, &[("tls.certificate", "flag"), ("ratio", "2")]).unwrap();
    assert_eq!((found.listen.as_str(), found.workers, found.verbose, found.ratio), ("file", 2, true, 2.0));
    let tls = found.tls.unwrap();
    assert_eq!((tls.certificate.to_str().unwrap(), tls.federation.as_str()), ("flag", "file"));
}

#[test]
fn text_becomes_what_the_key_needs() {
    let environment =
        [("BANKHUB_HOSTS", "a, b"), ("BANKHUB_PORTS", "[1, 2]"), ("BANKHUB_LISTEN", "8"), ("BANKHUB_LIMIT", "9")];
    let found = file("").with(&environment, &[("mode", "careful"), ("patience", "250ms")]).unwrap();
    assert_eq!((found.hosts, found.ports), (vec!["a".to_owned(), "b".to_owned()], vec![1, 2]));
    assert_eq!((found.listen.as_str(), found.limit, found.mode), ("8", Some(9), Mode::Careful));
    assert_eq!(found.patience.get(), Duration::from_millis(250));
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_key_that_was_meant() {
    assert_eq!(file("# hub\n\nlitsen = 'x'\n").refused(), "hub.toml:3: unknown key `litsen`; did you mean `listen`?");
    let nested = file("[tls]\ncertificate = 'x'\n\nfedaration = 'y'\n").refused();
    assert_eq!(nested, "hub.toml:4: unknown key `tls.fedaration`; did you mean `federation`?");
    assert_eq!(file("nonsense = 1\n").refused(), "hub.toml:1: unknown key `nonsense`");
    assert_eq!(file("workers = 1\n[nonsense]\nx = 1\n").refused(), "hub.toml:2: unknown key `nonsense`");
}

#[test]
fn a_wrong_type_is_told_with_its_line_and_without_the_value() {
    let text = file("listen = 'x'\nworkers = 'hunter2'\n").refused();
    assert_eq!(text, "hub.toml:2: `workers`: expected u16, found text");
    assert_eq!(file("workers = 70000\n").refused(), "hub.toml:1: `workers`: expected u16, found another whole number");
    assert_eq!(file("ports = [1,\n'x']\n").refused(), "hub.toml:2: `ports`: expected u16, found text");
    assert_eq!(file("tls = 3\n").refused(), "hub.toml:1: `tls`: expected struct Tls, found whole number");
    assert_eq!(
        file("mode = 'carefull'\n").refused(),
        "hub.toml:1: `mode`: expected one of plain, careful; did you mean `careful`?"
    );
    let patience = file("patience = 3\n").refused();
    assert_eq!(patience, "hub.toml:1: `patience`: expected a string, found whole number");
}

#[test]
fn a_missing_key_is_told_with_its_section() {
    assert_eq!(file("\n[tls]\nfederation = 'x'\n").refused(), "hub.toml:2: `tls.certificate` is missing");
}

#[test]
fn what_is_not_toml_is_told_with_its_line_and_without_the_text() {
    let text = file("listen = 'x'\nkey = hunter2\n").refused();
    assert!(text.starts_with("hub.toml:2: ") && !text.contains("hunter2"), "{text}");
}

#[test]
fn unknown_variables_and_flags_are_refused_by_name() {
    let given = file("");
    let text = refused(given.with(&[("BANKHUB_WORKRES", "2")], &[]));
    assert_eq!(text, "environment variable BANKHUB_WORKRES: unknown key `workres`; did you mean `workers`?");
    assert_eq!(refused(given.with(&[], &[("tls.x", "1")])), "flag tls.x: unknown key `tls.x`");
    let text = refused(given.with(&[("BANKHUB_WORKERS", "many")], &[]));
    assert_eq!(text, "environment variable BANKHUB_WORKERS: `workers`: expected u16, found text");
}

#[test]
fn a_key_under_a_plain_value_and_a_value_for_a_section_are_refused() {
    let given = file("workers = 1\n[tls]\ncertificate = 'x'\n");
    let text = refused(given.with(&[("BANKHUB_WORKERS__MAX", "2")], &[]));
    assert_eq!(text, "environment variable BANKHUB_WORKERS__MAX: `workers` is a value, not a section");
    assert_eq!(refused(given.with(&[], &[("tls", "x")])), "flag tls: `tls`: a section is set key by key");
    let text = refused(given.with(&[], &[("workers.max", "x")]));
    assert_eq!(text, "flag workers.max: `workers` is a value, not a section");
}

#[test]
fn fault_points_and_the_variables_of_secrets_are_no_keys() {
    let given = file("key = 'env:BANKHUB_SECRET'\n");
    let found = given.with(&[("BANKHUB_SECRET", "s3cret"), ("BANKHUB_FAULT", "hub.commit")], &[]).unwrap();
    assert_eq!(found.key, Some(SecretRef::Env("BANKHUB_SECRET".to_owned())));
    let by_variable = [("BANKHUB_KEY", "env:BANKHUB_OTHER"), ("BANKHUB_OTHER", "s3cret")];
    assert!(file("").with(&by_variable, &[]).is_ok());
}

#[test]
fn a_secret_written_into_the_configuration_is_refused_and_not_repeated() {
    for secret in ["'hunter2'", "'env:'", "'file:relative'", "'env:hunter2 x'", "'vault:hunter2'", "72727272"] {
        let text = file(&format!("key = {secret}\n")).refused();
        assert!(text.starts_with("hub.toml:1: `key`: "), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("7272"), "{text}");
    }
}

#[test]
fn a_secret_is_read_from_a_private_file_without_its_newline() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    fs::write(&path, "s3cret \n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = SecretRef::File(path.clone());
    assert_eq!(secret.read().unwrap().expose_secret(), "s3cret ");

    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(secret.read(), Err(ConfigError::SecretExposed { mode: found, .. }) if found == mode));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "\n").unwrap();
    assert!(matches!(secret.read(), Err(ConfigError::SecretUnreadable { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(secret.read(), Err(ConfigError::SecretUnreadable { .. })));
}

#[test]
fn a_variable_that_is_not_set_holds_no_secret() {
    let missing = SecretRef::Env("BANKHUB_TEST_NO_SUCH_VARIABLE".to_owned());
    assert!(matches!(missing.read(), Err(ConfigError::SecretUnset { .. })));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing: Result<Server, _> = load_from(Some(Path::new("/no/such/hub.toml")), "X_", std::iter::empty(), &[]);
    assert_eq!(refused(missing), "/no/such/hub.toml cannot be read");
}

#[test]
fn durations_are_read_and_written_for_people() {
    for (text, millis) in
        [("250ms", 250), ("3s", 3_000), ("180s", 180_000), ("30m", 1_800_000), ("0s", 0), ("12h", 43_200_000)]
    {
        assert_eq!(text.parse::<HumanDuration>().unwrap().get(), Duration::from_millis(millis));
    }
    for text in ["", "3", "s", "3 s", "-3s", "1.5s", "3d", "99999999999999999999s", "18446744073709551615h"] {
        assert!(text.parse::<HumanDuration>().is_err(), "{text}");
    }
    assert_eq!(HumanDuration::from_secs(180).to_string(), "3m");
    assert_eq!(format!("{:?}", HumanDuration::from_millis(1_500)), "1500ms");
}
