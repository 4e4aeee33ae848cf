//! `bankhub keys`: which keys a server's sealed file holds, and those added that a newer program needs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use server_kit::config::SecretRef;
use server_kit::keystore::{KeyName, SealedFile};
use server_kit::rng::SystemRng;

use crate::doctor::{Files, ServerKind};
use crate::error::{CliError, in_full};
use crate::output::Output;
use crate::typed;

const ABOUT: &str = "\
No key is ever shown. A server reads its keys when it starts, and again on SIGHUP. After `rotate` send it one; where several replicas
have copies of one file, give each the same file first and send each one. When all of them hold the new version it is written with, and
what is stored is rewritten while they run. `bankhub operator keys` says how far that is, and retires the old version in the end.
After `complete` start the server again.

Examples:
  bankhub keys hub --config hub.toml status
  bankhub keys hub --config hub.toml complete
  bankhub keys hub --config hub.toml rotate --purpose phone-index
  bankhub keys adapter --config adapter.toml rotate --all";

#[derive(Clone, Debug, Args)]
#[command(after_help = ABOUT)]
pub struct KeysArgs {
    /// Whose keys they are.
    #[arg(value_enum)]
    pub server: ServerKind,
    /// The server's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One setting over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
    #[command(subcommand)]
    pub command: KeysCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Say which versions of each key there are. It fails when one is missing that this program needs.
    Status,
    /// Add the keys that are missing, as they are in a file that an older program has made. Those that are there stay as they are.
    Complete,
    /// Add a new version of keys under which columns are sealed, or hashed to be looked up. Those from before stay in the file.
    Rotate {
        /// A key, as `status` calls it; as often as there are keys.
        #[arg(long, value_name = "KEY", value_parser = rotating_key, required_unless_present = "all", conflicts_with = "all")]
        purpose: Vec<KeyName>,
        /// Every key that rotates.
        #[arg(long)]
        all: bool,
    },
}

fn rotating_key(text: &str) -> Result<KeyName, String> {
    let rotating = || KeyName::rotating().map(KeyName::as_str).collect::<Vec<_>>().join(", ");
    KeyName::parse(text)
        .filter(|key| key.may_rotate())
        .ok_or_else(|| format!("the keys that rotate are {}", rotating()))
}

pub fn run(args: &KeysArgs, out: &Output) -> Result<(), CliError> {
    let files = Files::load(args.server, &args.config, &args.settings)?;
    match &args.command {
        KeysCommand::Status => status(&files, out),
        KeysCommand::Complete => complete(&files, out),
        KeysCommand::Rotate { purpose, all } => {
            let keys = if *all { KeyName::rotating().collect() } else { purpose.clone() };
            rotate(&files, &keys, out)
        }
    }
}

/// The name as configurations and documents have it.
fn name_of(key: KeyName) -> String {
    key.as_str().to_owned()
}

fn status(files: &Files, out: &Output) -> Result<(), CliError> {
    let keys = files.open_keys().map_err(CliError::CheckFailed)?;
    let versions = |key: KeyName| keys.versions(key);
    let words = |key: KeyName| {
        let all: Vec<String> = versions(key).iter().map(u32::to_string).collect();
        if all.is_empty() { "missing".to_owned() } else { all.join(", ") }
    };
    let rows: Vec<Vec<String>> = KeyName::ALL.iter().map(|key| vec![name_of(*key), words(*key)]).collect();
    let object = |key: &KeyName| json!({ "key": name_of(*key), "versions": versions(*key) });
    out.table(&["key", "versions"], &rows, &Value::from(KeyName::ALL.iter().map(object).collect::<Vec<_>>()));
    let missing: Vec<String> = keys.missing().into_iter().map(name_of).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(CliError::CheckFailed(format!(
        "{} has no {}: `bankhub keys … complete` adds it",
        files.keys.file.display(),
        missing.join(", ")
    )))
}

fn complete(files: &Files, out: &Output) -> Result<(), CliError> {
    let refused = |error: &(dyn std::error::Error + 'static)| CliError::CheckFailed(in_full(error));
    let master = SecretRef::read(&files.keys.master).map_err(|error| refused(&error))?;
    let added = SealedFile::complete(&files.keys.file, &master, &SystemRng::new()).map_err(|error| refused(&error))?;
    let names: Vec<String> = added.into_iter().map(name_of).collect();
    let told = if names.is_empty() { "nothing was missing".to_owned() } else { names.join(", ") };
    out.record(&[("added", told)], &json!({ "added": names }));
    Ok(())
}

/// Adds the versions one after the other. A key that cannot have another one hinders no other key, and is said at the end.
fn rotate(files: &Files, keys: &[KeyName], out: &Output) -> Result<(), CliError> {
    let master = SecretRef::read(&files.keys.master).map_err(|error| CliError::CheckFailed(in_full(&error)))?;
    let (mut rows, mut objects, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for key in keys {
        match SealedFile::rotate(&files.keys.file, &master, *key, &SystemRng::new()) {
            Ok(version) => {
                rows.push(vec![name_of(*key), version.to_string()]);
                objects.push(json!({ "key": name_of(*key), "version": version }));
            }
            Err(error) => refused.push(in_full(&error)),
        }
    }
    out.table(&["key", "new version"], &rows, &Value::from(objects));
    if refused.is_empty() { Ok(()) } else { Err(CliError::CheckFailed(refused.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_name_that_configurations_have() {
        for (key, name) in [(KeyName::CitizenIndex, "citizen-index"), (KeyName::OneTimeCode, "one-time-code")] {
            assert_eq!(name_of(key), name);
        }
        assert_eq!(rotating_key("phone-index"), Ok(KeyName::PhoneIndex));
        assert!(rotating_key("audit-head").is_err() && rotating_key("no-such-key").is_err());
    }
}
