//! `bankhub audit`: the hash-chained log of a server, checked, exported and searched where it is stored.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use domain::Timestamp;
use serde_json::{Value, json};
use server_kit::audit::find::{Filter, Line, find};
use server_kit::audit::{self, ChainReport};
use server_kit::clock::Stopwatch;
use server_kit::store::Store;
use uuid::Uuid;

use crate::doctor::{DoctorError, Files, ServerKind};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

const ABOUT: &str = "\
On SQLite the server must be stopped: one process owns the file. An operator with the role for it reads a running hub's log by
`bankhub operator log`.

Examples:
  bankhub audit hub --config hub.toml verify
  bankhub audit hub --config hub.toml find --subject 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
  bankhub audit hub --config hub.toml export > log.jsonl";

/// Lines that are read at once.
const PAGE: usize = 1_000;

#[derive(Clone, Debug, Args)]
#[command(after_help = ABOUT)]
pub struct AuditArgs {
    /// Whose log it is.
    #[arg(value_enum)]
    pub server: ServerKind,
    /// The server's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// One setting over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = typed::setting)]
    pub settings: Vec<(String, String)>,
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum AuditCommand {
    /// Compute every chain anew and check every signed head: what was changed, removed, added or swapped is found.
    Verify,
    /// Write the lines that are asked for as JSON, a line each, newest first.
    Export(AskedFor),
    /// Show the lines that are asked for, newest first.
    Find(AskedFor),
}

#[derive(Clone, Debug, Args)]
pub struct AskedFor {
    /// What they are about: the id of a payment, a person, a proposal.
    #[arg(long, value_name = "ID")]
    pub subject: Option<Uuid>,
    /// Who did it.
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// What sort they are, as TERMINAL_SUSPENDED.
    #[arg(long)]
    pub kind: Option<String>,
    /// Not before, as 2026-01-31T14:30:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<jiff::Timestamp>,
    /// Before.
    #[arg(long, value_name = "TIME")]
    pub until: Option<jiff::Timestamp>,
    /// At most this many; all when not given.
    #[arg(long)]
    pub most: Option<usize>,
}

impl AskedFor {
    fn filter(&self) -> Filter {
        let time = |at: Option<jiff::Timestamp>| at.map(|at| Timestamp::from_micros(at.as_microsecond()));
        let (subject, by, kind) = (self.subject, self.by.clone(), self.kind.clone());
        Filter { subject, by, kind, from: time(self.from), until: time(self.until) }
    }
}

pub async fn run(args: &AuditArgs, out: &Output) -> Result<(), CliError> {
    let files = Files::load(args.server, &args.config, &args.settings).map_err(DoctorError::from)?;
    let store = files.open_store(args.server).await?;
    match &args.command {
        AuditCommand::Verify => verify(&files, &store, out).await,
        AuditCommand::Export(asked) => {
            each(&store, asked, |line| out.raw(&format!("{}\n", value(line)))).await.map_err(CliError::from)
        }
        AuditCommand::Find(asked) => {
            let mut found = Vec::new();
            each(&store, asked, |line| found.push(line.clone())).await?;
            print(&found, out);
            Ok(())
        }
    }
}

async fn verify(files: &Files, store: &Store, out: &Output) -> Result<(), CliError> {
    let keys = files.open_keys().map_err(CliError::CheckFailed)?;
    let watch = Stopwatch::start();
    let reports = audit::verify(store, &keys).await.map_err(DoctorError::from)?;
    let took = watch.elapsed();
    let row = |report: &ChainReport| {
        let verdict = report.faults.first().map_or("whole", String::as_str).to_owned();
        vec![report.chain.clone(), report.entries.to_string(), report.signed_heads.to_string(), verdict]
    };
    let rows: Vec<_> = reports.iter().map(row).collect();
    let value = reports.iter().map(
        |it| json!({ "chain": it.chain, "entries": it.entries, "signed_heads": it.signed_heads, "faults": it.faults }),
    );
    out.table(&["chain", "entries", "signed heads", ""], &rows, &value.collect::<Value>());
    let entries: i64 = reports.iter().map(|report| report.entries).sum();
    out.line(&format!("{entries} entries in {:.1} s, {:.0} a second", took.as_secs_f64(), rate(entries, took)));
    let faults: usize = reports.iter().map(|report| report.faults.len()).sum();
    match faults {
        0 => Ok(()),
        faults => Err(CliError::CheckFailed(format!("the log is not whole: {faults} faults were found"))),
    }
}

/// So many in a second.
pub(crate) fn rate(count: i64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// Every line that is asked for, newest first, without ever holding more than a page of them.
async fn each(store: &Store, asked: &AskedFor, mut take: impl FnMut(&Line)) -> Result<(), DoctorError> {
    let (filter, mut left, mut place) = (asked.filter(), asked.most.unwrap_or(usize::MAX), None);
    loop {
        let found = find(store, &filter, place, left.min(PAGE)).await?;
        found.lines.iter().for_each(&mut take);
        left = left.saturating_sub(found.lines.len());
        place = found.next;
        if place.is_none() || left == 0 {
            return Ok(());
        }
    }
}

fn at(line: &Line) -> String {
    let at = jiff::Timestamp::from_microsecond(line.logged.occurred_at.micros());
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn value(line: &Line) -> Value {
    json!({
        "chain": line.chain,
        "sequence": line.seq,
        "occurred_at": at(line),
        "kind": line.logged.kind,
        "subject_id": line.logged.subject.to_string(),
        "content": line.logged.content,
    })
}

fn print(lines: &[Line], out: &Output) {
    let row = |it: &Line| {
        vec![at(it), it.logged.kind.clone(), it.logged.subject.to_string(), it.logged.content.clone(), it.chain.clone()]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    out.table(&["when", "what", "about", "", "chain"], &rows, &lines.iter().map(value).collect::<Value>());
}
