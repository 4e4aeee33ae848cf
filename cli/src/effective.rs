//! `bankhub config check`: whether a configuration can be used, and what it comes to.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::doctor::{Check, Files, ServerKind, Verdict, command};
use crate::error::{CliError, in_full};
use crate::output::Output;
use crate::{serve, typed};

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reads a configuration as the server would, checks the files and secrets that it names, and prints every value.
    ///
    /// An unknown key, a value of the wrong kind or a missing one is told with its line. Secrets are never printed: they
    /// stand in the configuration only as file: or env:.
    Check(CheckArgs),
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Whose configuration it is.
    #[arg(value_enum)]
    pub server: ServerKind,
    /// The configuration.
    pub file: PathBuf,
    /// One setting over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
}

pub fn check(args: &CheckArgs, out: &Output) -> Result<(), CliError> {
    let (effective, trace) = match args.server {
        ServerKind::Hub => {
            let config = serve::hub_config(&args.file, &args.settings)?;
            (format!("{config:#?}"), config.trace)
        }
        ServerKind::Adapter => {
            let config = serve::adapter_config(&args.file, &args.settings)?;
            (format!("{config:#?}"), config.trace)
        }
    };
    let files = Files::load(args.server, &args.file, &args.settings)?;
    let (values, mut checks) = (flatten(&effective), checks(&files));
    checks.extend(trace.check().err().map(|error| Check::new("trace", Verdict::Bad, error.to_string())));
    if out.is_json() {
        let map: Map<String, Value> = values.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        let failed: Vec<Value> = checks
            .iter()
            .filter(|check| check.verdict == Verdict::Bad)
            .map(|check| Value::from(format!("{}: {}", check.name, check.detail)))
            .collect();
        out.table(&[], &[], &serde_json::json!({ "configuration": map, "failed": failed }));
    } else {
        let rows: Vec<Vec<String>> = values.into_iter().map(|(key, value)| vec![key, value]).collect();
        out.table(&["key", "value"], &rows, &Value::Null);
        command::print(&checks, out);
    }
    if checks.iter().any(|check| check.verdict == Verdict::Bad) {
        return Err(CliError::CheckFailed(format!("{} cannot be used as it is", args.file.display())));
    }
    Ok(())
}

fn checks(files: &Files) -> Vec<Check> {
    let mut checks = vec![
        readable("tls.certificate", &files.tls.certificate),
        readable("tls.client_ca", &files.tls.client_ca),
        secret("tls.key", &files.tls.key),
        secret("keys.master", &files.keys.master),
        database("database.url", &files.database.url),
    ];
    checks.extend(files.tls.revocation.as_ref().map(|path| readable("tls.revocation", path)));
    checks.extend(files.database.password.as_ref().map(|password| secret("database.password", password)));
    checks
}

fn readable(key: &str, path: &Path) -> Check {
    match std::fs::File::open(path) {
        Ok(_) => Check::new(key, Verdict::Good, "the file can be read"),
        Err(error) => Check::new(key, Verdict::Bad, format!("{}: {error}", path.display())),
    }
}

fn secret(key: &str, secret: &server_kit::config::SecretRef) -> Check {
    match secret.read() {
        Ok(_) => Check::new(key, Verdict::Good, "the secret can be read, and by nobody else"),
        Err(error) => Check::new(key, Verdict::Bad, in_full(&error)),
    }
}

/// Whether the URL is one that the store takes, and holds no password.
fn database(key: &str, url: &str) -> Check {
    let fine = |detail: &str| Check::new(key, Verdict::Good, detail);
    let bad = |detail: &str| Check::new(key, Verdict::Bad, detail);
    if let Some(file) = url.strip_prefix("sqlite:") {
        let folder = Path::new(file).parent().filter(|folder| !folder.as_os_str().is_empty());
        return match folder {
            _ if file.is_empty() || file.starts_with(":memory:") => bad("SQLite needs a file, sqlite:<file>"),
            Some(folder) if !folder.is_dir() => bad(&format!("the folder {} is not there", folder.display())),
            _ => fine("SQLite in a file"),
        };
    }
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    match rest {
        None => bad("it is neither sqlite:<file> nor postgres://user@host/database"),
        Some(_) if has_password(url) => bad("it holds a password; give it as database.password = \"file:…\""),
        Some(_) => fine("PostgreSQL"),
    }
}

fn userinfo(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    authority.rsplit_once('@').map(|(userinfo, _)| userinfo)
}

fn has_password(url: &str) -> bool {
    userinfo(url).is_some_and(|userinfo| userinfo.contains(':')) || url.contains("password=")
}

/// A value as it may be shown: a password in a URL is hidden, even though it should not be there.
fn masked(value: &str) -> String {
    let value = match userinfo(value).and_then(|userinfo| userinfo.split_once(':')) {
        Some((user, password)) => value.replacen(&format!("{user}:{password}@"), &format!("{user}:****@"), 1),
        None => value.to_owned(),
    };
    match value.split_once("password=") {
        Some((before, after)) => {
            let rest = after.find('&').and_then(|end| after.get(end..)).unwrap_or_default();
            format!("{before}password=****{rest}")
        }
        None => value,
    }
}

/// The fields of a value from its `{:#?}` form, as dotted keys: the one view of a configuration that has its defaults too.
pub(crate) fn flatten(debug: &str) -> Vec<(String, String)> {
    let mut path: Vec<Option<&str>> = Vec::new();
    let mut wrapper = "";
    let mut values: Vec<(String, String)> = Vec::new();
    for line in debug.lines().map(|line| line.trim().trim_end_matches(',')) {
        let (key, text) = match line.split_once(": ") {
            Some((key, text)) if key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') => (Some(key), text),
            _ => (None, line),
        };
        if text.ends_with('{') || text.ends_with('(') || text.ends_with('[') {
            path.push(key);
            wrapper = text.trim_end_matches(['(', '[', ' ']);
        } else if matches!(text, "}" | ")" | "]") {
            path.pop();
        } else {
            let dotted: Vec<&str> = path.iter().copied().chain([key]).flatten().collect();
            // `File("/a")` and `Env("A")` are written as a person writes them.
            let prefix = match (key, wrapper) {
                (None, "File") => "file:",
                (None, "Env") => "env:",
                _ => "",
            };
            let text = text.trim_matches('"');
            let text = if text == "None" { "(not set)".to_owned() } else { masked(text) };
            values.push((dotted.join("."), format!("{prefix}{text}")));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use server_kit::config::SecretRef;

    use super::*;
    use crate::init::{Authority, ServerSettings, hub_toml};

    fn written(folder: &Path) -> PathBuf {
        let authority = Authority::open_or_create(&folder.join("authority"), None).unwrap();
        let member =
            authority.member(server_kit::identity::Role::Hub, "", &folder.join("hub"), &["localhost"]).unwrap();
        member.make_keys().unwrap();
        let settings = ServerSettings {
            listen: "127.0.0.1:0".parse().unwrap(),
            ops_listen: "127.0.0.1:0".parse().unwrap(),
            database_url: format!("sqlite:{}", folder.join("hub").join("books.db").display()),
            database_password: None,
            web_listen: None,
            console_listen: None,
            admins: Vec::new(),
            second_person: true,
            ports_file: None,
            cards: Vec::new(),
            counter: Vec::new(),
        };
        member.write("hub.toml", &hub_toml(&member, "hub-1", &settings)).unwrap()
    }

    fn outcome(file: &Path, settings: &[(&str, &str)]) -> Result<(), CliError> {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let args = CheckArgs { server: ServerKind::Hub, file: file.to_owned(), settings };
        check(&args, &Output::captured(crate::output::Format::Table, |_| {}))
    }

    #[test]
    fn what_init_writes_passes_and_an_unknown_key_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path());
        outcome(&file, &[]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("[tls]", "[tls]\ncertifcate = \"x\"")).unwrap();
        let error = outcome(&file, &[]).unwrap_err().to_string();
        let line = std::fs::read_to_string(&file).unwrap().lines().position(|line| line.starts_with("certifcate"));
        assert!(error.contains(&format!(":{}: unknown key `tls.certifcate`", line.unwrap() + 1)), "{error}");
        assert!(error.contains("did you mean `certificate`"), "{error}");
    }

    #[test]
    fn files_that_are_not_there_and_databases_that_cannot_be_used_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path());
        for (key, value) in [
            ("tls.certificate", "/nowhere/certificate.pem"),
            ("keys.master", "file:/nowhere/master.key"),
            ("keys.master", "env:BANKHUB_NO_SUCH_VARIABLE"),
            ("database.url", "mysql://localhost/x"),
            ("database.url", "postgres://hub:secret@localhost/hub"),
            ("database.url", "sqlite:/nowhere/at/all.db"),
            ("database.url", "sqlite::memory:"),
        ] {
            let failed = outcome(&file, &[(key, value)]).unwrap_err();
            assert!(matches!(failed, CliError::CheckFailed(_)), "{key}={value}: {failed}");
        }
    }

    #[test]
    fn every_value_is_shown_and_no_password_is() {
        #[derive(Debug)]
        #[allow(dead_code, reason = "read through Debug only")]
        struct Inner {
            key: SecretRef,
            url: String,
            password: Option<SecretRef>,
            list: Option<u8>,
        }
        #[derive(Debug)]
        #[allow(dead_code, reason = "read through Debug only")]
        struct Outer {
            name: String,
            tls: Inner,
        }
        let value = Outer {
            name: "a: b".to_owned(),
            tls: Inner {
                key: SecretRef::File("/k".into()),
                url: "postgres://u:pw@h/d?password=x&a=b".to_owned(),
                password: Some(SecretRef::Env("PW".to_owned())),
                list: None,
            },
        };
        let expected = [
            ("name", "a: b"),
            ("tls.key", "file:/k"),
            ("tls.url", "postgres://u:****@h/d?password=****&a=b"),
            ("tls.password", "env:PW"),
            ("tls.list", "(not set)"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(flatten(&format!("{value:#?}")), expected);
    }
}
