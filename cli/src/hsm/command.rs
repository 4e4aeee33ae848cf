//! `bankhub hsm`.

use std::path::PathBuf;

use bank_adapter::hsm::{Algorithm, ClearKey, Hsm, Kcv, KeyInfo, KeyName, KeyState, WrappedKey, WrappedPart};
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::output::Output;
use crate::serve;
use crate::typed;

const ABOUT: &str = "\
The store is the one of [hsm] in the adapter's configuration: a sealed file, or a module behind PKCS#11. Keys go in and never
come out. A running adapter sees a change when it gets SIGHUP. Keys are typed or piped in, never given as arguments.

Examples:
  bankhub hsm --config adapter.toml list
  bankhub hsm --config adapter.toml make                       the bank's own keys that are missing
  bankhub hsm --config adapter.toml generate cvk-credit        the next version: how a key is rotated
  bankhub hsm --config adapter.toml load key-transport:office  two components or more, a line each
  bankhub hsm --config adapter.toml import terminal-pin:till-1 key-transport:office
  bankhub hsm --config adapter.toml pair till-1 --key terminal-till-1/pin.key";

#[derive(Clone, Debug, Args)]
#[command(after_help = ABOUT)]
pub struct HsmArgs {
    /// The adapter's configuration.
    #[arg(long, global = true, value_name = "FILE", default_value = "adapter.toml")]
    pub config: PathBuf,
    /// One setting over file and environment. May be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
    #[command(subcommand)]
    pub command: HsmCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum HsmCommand {
    /// Show every version of every key: its check value, never the key.
    List,
    /// Make the bank's own keys that are missing: cvk-credit, cvk-debit, pin-verification.
    Make,
    /// Make a key of the bank's own, or its next version.
    Generate { name: KeyName },
    /// Put a key for transport together, of components that are read from standard input, a line of hexadecimal digits each.
    Load { name: KeyName },
    /// Take in a key that comes wrapped under a key for transport. Standard input has one line: the algorithm (3des, aes128, aes256,
    /// hmac), the wrapped key (RFC 3394) and its check value in hexadecimal digits; where the key's left half is used too (cvk-…,
    /// mac:… of 3des), that half and its check value after them.
    Import { name: KeyName, under: KeyName },
    /// Let a version do nothing any more; there is no way back.
    Retire { name: KeyName, version: u32 },
    /// Share a key with the software PIN pad of a terminal, for trials.
    Pair {
        /// The terminal's name in its certificate.
        #[arg(value_parser = typed::terminal_id)]
        terminal: domain::TerminalId,
        /// The file with the pad's key, made if it is not there; `pin_key` in terminal.toml names it.
        #[arg(long)]
        key: PathBuf,
    },
}

pub fn run(args: &HsmArgs, out: &Output) -> Result<(), CliError> {
    let config = serve::adapter_config(&args.config, &args.settings)?;
    let config = config.hsm.ok_or_else(|| CliError::Usage(format!("{} has no [hsm]", args.config.display())))?;
    let hsm = super::open(&config)?;
    match &args.command {
        HsmCommand::List => print(&hsm.keys()?, out),
        HsmCommand::Make => print(&super::make_own_keys(&*hsm)?, out),
        HsmCommand::Generate { name } => print(&[hsm.generate(name)?], out),
        HsmCommand::Load { name } => print(&[hsm.load(name, &components()?)?], out),
        HsmCommand::Import { name, under } => print(&[import(&*hsm, name, under)?], out),
        HsmCommand::Retire { name, version } => {
            hsm.retire(name, *version)?;
            print(&hsm.keys()?, out);
        }
        HsmCommand::Pair { terminal, key } => {
            super::pair(&*hsm, terminal.as_str(), &super::pad_key(key)?)?;
            print(&hsm.keys()?, out);
        }
    }
    Ok(())
}

fn line() -> Result<SecretString, CliError> {
    typed::secret_from_stdin().map_err(|source| CliError::System { what: "standard input".to_owned(), source })
}

fn components() -> Result<Vec<ClearKey>, CliError> {
    let mut components = Vec::new();
    loop {
        let typed = line()?;
        let digits = typed.expose_secret().trim();
        if digits.is_empty() {
            return Ok(components);
        }
        let algorithm = if digits.len() == 32 { Algorithm::Aes128 } else { Algorithm::Aes256 };
        components.push(ClearKey::from_hex(algorithm, &SecretString::from(digits))?);
    }
}

fn import(hsm: &dyn Hsm, name: &KeyName, under: &KeyName) -> Result<KeyInfo, CliError> {
    const FORM: &str = "a wrapped key is ALGORITHM BYTES CHECK, and BYTES CHECK of its left half where that is used";
    let wrong = || CliError::Usage(FORM.to_owned());
    let typed = line()?;
    let mut words = typed.expose_secret().split_whitespace();
    let algorithm = match words.next() {
        Some("3des") => Algorithm::TripleDes,
        Some("aes128") => Algorithm::Aes128,
        Some("aes256") => Algorithm::Aes256,
        Some("hmac") => Algorithm::HmacSha256,
        _ => return Err(wrong()),
    };
    let mut part = || -> Option<Option<WrappedPart>> {
        let Some(bytes) = words.next() else { return Some(None) };
        let kcv = hex(words.next()?)?.try_into().ok()?;
        Some(Some(WrappedPart { bytes: hex(bytes)?, kcv: Kcv(kcv) }))
    };
    let whole = part().flatten().ok_or_else(wrong)?;
    let left = part().ok_or_else(wrong)?;
    Ok(hsm.import(name, under, &WrappedKey { algorithm, whole, left })?)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

const fn state(key: &KeyInfo) -> &'static str {
    match key.state {
        KeyState::Current => "current",
        KeyState::Earlier => "earlier",
        KeyState::Retired => "retired",
    }
}

fn print(keys: &[KeyInfo], out: &Output) {
    let created = |key: &KeyInfo| {
        jiff::Timestamp::from_microsecond(key.created.micros()).map(|at| at.to_string()).unwrap_or_default()
    };
    let row = |key: &KeyInfo| {
        vec![key.name.to_string(), key.version.to_string(), state(key).to_owned(), key.kcv.to_string(), created(key)]
    };
    let value = |key: &KeyInfo| {
        json!({
            "name": key.name.to_string(),
            "version": key.version,
            "state": state(key),
            "check_value": key.kcv.to_string(),
            "created_at": created(key),
        })
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    out.table(&["key", "version", "", "check value", "made"], &rows, &keys.iter().map(value).collect::<Value>());
}
