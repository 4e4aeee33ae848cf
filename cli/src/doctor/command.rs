//! `bankhub doctor`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Check, Files, ServerKind, Verdict, examine};
use crate::error::CliError;
use crate::output::{BAD, GOOD, Output};
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// Whose configuration it is.
    #[arg(value_enum)]
    pub server: ServerKind,
    /// The server's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One setting over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
}

pub async fn run(args: &DoctorArgs, out: &Output) -> Result<(), CliError> {
    let files = Files::load(args.server, &args.config, &args.settings)?;
    let checks = examine(args.server, &files).await;
    print(&checks, out);
    let failed = checks.iter().filter(|check| check.verdict != Verdict::Good).count();
    match failed {
        0 => Ok(()),
        1 => Err(CliError::CheckFailed("one check did not pass".to_owned())),
        failed => Err(CliError::CheckFailed(format!("{failed} checks did not pass"))),
    }
}

/// A table with a mark for each check.
pub(crate) fn print(checks: &[Check], out: &Output) {
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let mark = match check.verdict {
                Verdict::Good => GOOD,
                Verdict::Bad => BAD,
                Verdict::Skipped => "–",
            };
            vec![mark.to_owned(), check.name.clone(), check.detail.clone()]
        })
        .collect();
    let value = checks
        .iter()
        .map(|check| {
            let verdict = match check.verdict {
                Verdict::Good => "good",
                Verdict::Bad => "bad",
                Verdict::Skipped => "skipped",
            };
            json!({ "check": check.name, "verdict": verdict, "detail": check.detail })
        })
        .collect();
    out.table(&["", "check", "what was found"], &rows, &value);
}
