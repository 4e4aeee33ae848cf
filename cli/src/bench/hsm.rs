//! The key store of a bank's cards apart: what a card payment asks of it, from one caller, of the sealed file and of a module behind
//! PKCS#11 in turn.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bank_adapter::hsm::{
    Algorithm, CardFace, Check, ClearKey, CvvKind, ExpiryDigits, Hsm, HsmConfig, HsmError, KeyId, KeyName, Made,
    PanDigits, PinBlock, PinBlockFormat, PinPad, PinVerificationValue, Pkcs11Config, Side,
};
use clap::Args;
use domain::Reason;
use domain::card::{Cvv, ServiceCode};
use serde_json::json;
use server_kit::clock::Stopwatch;
use server_kit::config::{HumanDuration, SecretRef};
use server_kit::rng::SystemRng;
use tempfile::TempDir;

use super::contest::{Contest, ROUNDS};
use crate::hsm::{make_own_keys, open, pad_key, pair};
use crate::init::{InitError, Member, write_private};
use crate::output::Output;

const MEASURES: [&str; 3] = ["CVVs verified", "PINs verified (format 4)", "cards with CVV and PIN verified"];
/// The token and its PINs that are made in a SoftHSM of the bench's own.
const TOKEN: &str = "bench";
const TOKEN_PIN: &str = "token-user";
/// Asked between two looks at the clock.
const BATCH: u32 = 10;

/// Which key stores are measured beside the sealed file.
#[derive(Clone, Debug, Args)]
pub struct HsmBenchArgs {
    /// How long each measurement takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// A PKCS#11 library, as /usr/lib/softhsm/libsofthsm2.so; without it only the sealed file is measured.
    #[arg(long, env = "BANKHUB_BENCH_PKCS11", value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// A token of it that is there for this: keys are made in it. Without it the library is taken for SoftHSM's, and a token is made
    /// in a temporary folder.
    #[arg(long, requires_all = ["library", "pin"], value_name = "LABEL")]
    pub token: Option<String>,
    /// The file with the PIN of the token's user.
    #[arg(long, requires = "token", value_name = "FILE")]
    pub pin: Option<PathBuf>,
}

/// Why the key stores could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum HsmBenchError {
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error("the temporary folder: {0}")]
    Folder(#[from] io::Error),
    #[error("the sample card: {0:?}")]
    Card(Reason),
    #[error("the key store says that a right CVV or PIN is wrong")]
    Wrong,
    #[error("this program, run again beside SoftHSM, ended with {0}")]
    Again(ExitStatus),
}

/// Measures and prints. Blocks: nothing else is to run meanwhile.
pub fn run(args: &HsmBenchArgs, out: &Output) -> Result<(), HsmBenchError> {
    let folder = TempDir::new()?;
    let mut left_out = None;
    let token = match (&args.library, &args.token, &args.pin) {
        (None, ..) => {
            left_out = Some("PKCS#11: --library names one, such as SoftHSM's".to_owned());
            None
        }
        (Some(library), Some(token), Some(pin)) => Some(Pkcs11Config {
            library: library.clone(),
            token: token.clone(),
            pin: SecretRef::File(std::path::absolute(pin)?),
            sessions: 4,
            wait: HumanDuration::from_secs(5),
        }),
        (Some(library), ..) => match SoftHsm::prepare(folder.path(), library) {
            Ok(made) => return made.run_again(args, library, out),
            Err(missing) => {
                left_out = Some(missing);
                None
            }
        },
    };
    let member = Member { folder: folder.path().to_owned(), federation: String::new(), id: String::new() };
    let mut stores = vec![("sealed file", Prepared::new(member.make_card_keys()?, &member.pin_key())?)];
    if let Some(token) = token {
        let module = open(&HsmConfig { sealed_file: None, pkcs11: Some(token) })?;
        make_own_keys(&*module)?;
        stores.push(("PKCS#11", Prepared::new(module, &member.pin_key())?));
    }
    let contest = measure(&stores, Duration::from_secs(args.seconds.max(1)) / ROUNDS, out)?;
    print(&contest, left_out.as_deref(), out);
    Ok(())
}

fn measure(stores: &[(&'static str, Prepared)], span: Duration, out: &Output) -> Result<Contest, HsmBenchError> {
    let mut contest = Contest::new("one caller", &MEASURES);
    out.note("The key stores …");
    for _ in 0..ROUNDS {
        for (name, store) in stores {
            let cvv = per_second(span, || store.verify_cvv())?;
            let pin = per_second(span, || store.verify_pin())?;
            let both = per_second(span, || store.verify_cvv().and_then(|()| store.verify_pin()))?;
            contest.add(name, vec![cvv, pin, both]);
        }
    }
    Ok(contest)
}

fn per_second(span: Duration, operation: impl Fn() -> Result<(), HsmBenchError>) -> Result<f64, HsmBenchError> {
    let (watch, mut count) = (Stopwatch::start(), 0_u32);
    loop {
        for _ in 0..BATCH {
            operation()?;
        }
        count += BATCH;
        let elapsed = watch.elapsed();
        if elapsed >= span {
            return Ok(f64::from(count) / elapsed.as_secs_f64());
        }
    }
}

fn print(contest: &Contest, left_out: Option<&str>, out: &Output) {
    let mut rows = contest.rows();
    rows.extend(left_out.map(|why| vec!["left out".to_owned(), why.to_owned(), String::new()]));
    let value = json!({ "key_stores": contest.json(), "left_out": left_out });
    out.table(&["of", "what", "value"], &rows, &value);
}

/// A key store, a card of it, and what its holder types.
struct Prepared {
    hsm: Arc<dyn Hsm>,
    pan: PanDigits,
    expiry: ExpiryDigits,
    service: ServiceCode,
    cvv: Made<Cvv>,
    block: PinBlock,
    stored: PinVerificationValue,
}

impl Prepared {
    /// The key of the pad is in this file, or is made there.
    fn new(hsm: Arc<dyn Hsm>, pad: &Path) -> Result<Self, HsmBenchError> {
        let (pan, expiry) = (PanDigits::parse("6222020000000008")?, ExpiryDigits::parse("3012")?);
        let service = ServiceCode::parse("201").map_err(HsmBenchError::Card)?;
        let key = pad_key(pad)?;
        pair(&*hsm, "till-1", &key)?;
        let name = KeyName::TerminalPin(KeyId::parse("till-1")?);
        let pad = PinPad::new(name, None, &ClearKey::from_hex(Algorithm::Aes128, &key)?)?;
        let block = pad.encrypt(PinBlockFormat::Iso4, &pan, "246810", &SystemRng::new())?;
        let face = CardFace { pan: &pan, expiry, kind: CvvKind::Track(service) };
        let (cvv, stored) = (hsm.make_cvv(Side::Debit, &face, None)?, hsm.set_pin(&block, &pan)?);
        Ok(Self { hsm, pan, expiry, service, cvv, block, stored })
    }

    fn verify_cvv(&self) -> Result<(), HsmBenchError> {
        let face = CardFace { pan: &self.pan, expiry: self.expiry, kind: CvvKind::Track(self.service) };
        matches(self.hsm.verify_cvv(Side::Debit, &face, &self.cvv)?)
    }

    fn verify_pin(&self) -> Result<(), HsmBenchError> {
        matches(self.hsm.verify_pin(&self.block, &self.pan, &self.stored)?)
    }
}

fn matches(check: Check) -> Result<(), HsmBenchError> {
    if check == Check::Matches { Ok(()) } else { Err(HsmBenchError::Wrong) }
}

/// A SoftHSM with one token in a folder of its own.
struct SoftHsm {
    config: PathBuf,
    pin: PathBuf,
}

impl SoftHsm {
    /// Makes the token with SoftHSM's own tool; says what is missing when that cannot be done.
    fn prepare(folder: &Path, library: &Path) -> Result<Self, String> {
        let made = Self { config: folder.join("softhsm2.conf"), pin: folder.join("token.pin") };
        let tokens = folder.join("tokens");
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
        let written = std::fs::create_dir(&tokens).and_then(|()| std::fs::write(&made.config, text));
        written.map_err(|error| format!("SoftHSM: {error}"))?;
        write_private(&made.pin, TOKEN_PIN.as_bytes()).map_err(|error| format!("SoftHSM: {error}"))?;
        let mut tool = Command::new("softhsm2-util");
        tool.args(["--init-token", "--free", "--label", TOKEN, "--so-pin", "token-officer", "--pin", TOKEN_PIN]);
        tool.arg("--module").arg(library).env("SOFTHSM2_CONF", &made.config).stdin(Stdio::null());
        let done = tool.output().map_err(|error| format!("SoftHSM: softhsm2-util cannot be run: {error}"))?;
        if !done.status.success() {
            let why = String::from_utf8_lossy(&done.stderr);
            let why = why.lines().next().unwrap_or("it said nothing");
            return Err(format!("SoftHSM: softhsm2-util made no token: {why}"));
        }
        Ok(made)
    }

    /// SoftHSM finds its tokens by a variable of the environment, which a process is started with.
    fn run_again(&self, args: &HsmBenchArgs, library: &Path, out: &Output) -> Result<(), HsmBenchError> {
        let mut again = Command::new(std::env::current_exe()?);
        again.args(["--output", if out.is_json() { "json" } else { "table" }, "bench", "hsm", "--seconds"]);
        again.arg(args.seconds.to_string()).arg("--library").arg(library).args(["--token", TOKEN]);
        again.arg("--pin").arg(&self.pin).env("SOFTHSM2_CONF", &self.config);
        let status = again.status()?;
        if status.success() { Ok(()) } else { Err(HsmBenchError::Again(status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_is_measured_by_every_measure() {
        let folder = tempfile::tempdir().unwrap();
        let member = Member { folder: folder.path().to_owned(), federation: String::new(), id: String::new() };
        let store = Prepared::new(member.make_card_keys().unwrap(), &member.pin_key()).unwrap();
        let out = Output::captured(crate::output::Format::Json, |_| {});
        let contest = measure(&[("sealed file", store)], Duration::from_millis(1), &out).unwrap();
        assert_eq!(contest.rows().len(), MEASURES.len());
        assert!(contest.rows().iter().all(|row| row[2].parse::<f64>().unwrap() > 0.0), "{:?}", contest.rows());
    }

    #[test]
    fn a_library_that_is_none_is_left_out_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let missing = SoftHsm::prepare(folder.path(), Path::new("/no/such/library.so")).err().unwrap();
        assert!(missing.starts_with("SoftHSM: softhsm2-util"), "{missing}");
    }

    #[test]
    fn a_wrong_answer_is_no_figure() {
        assert!(matches!(matches(Check::Differs), Err(HsmBenchError::Wrong)));
    }
}
