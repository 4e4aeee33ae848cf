//! Files between banks (ISO 20022): `network file`. What banks owe each other for a day is taken out, and somebody else's files are read.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use domain::{BankId, Currency};
use futures_util::stream::iter;
use hub::clearing::{self, File};
use proto::operator as pb;
use proto::operator::check_clearing_file_response::Told;
use serde_json::{Value, json};

use super::{Operator, OperatorError, answer, at_leisure, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// Octets of a piece of a file, below what a call takes.
const PIECE: usize = 48 * 1024;
/// The largest file that is read, as the hub has it.
const MOST_OCTETS: u64 = 16 * 1024 * 1024;

#[derive(Clone, Debug, Subcommand)]
pub enum FileCommand {
    /// Say what banks owe each other for a day.
    List {
        /// YYYY-MM-DD, in the hub's time zone.
        day: String,
    },
    /// Take a file of a day that is over out of the hub.
    Export(ExportArgs),
    /// Hold somebody else's file of credit transfers (pacs.008) against the hub's books, and get the answer (pacs.002). No money moves.
    Import {
        file: PathBuf,
        /// Where to write the answer.
        #[arg(long, value_name = "FILE")]
        answer: Option<PathBuf>,
    },
    /// Read a file without asking the hub, and say what it holds: pacs.008, pacs.002, or camt.054 of a link.
    Check { file: PathBuf },
}

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileKind {
    /// pacs.008: what one bank owes another.
    Pacs008,
    /// pacs.002: what came to nothing between them, and why.
    Pacs002,
    /// camt.053: what a bank owes all others, and is owed.
    Camt053,
    /// camt.054: the messages of a link of a card network.
    Camt054,
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    #[arg(value_enum)]
    pub kind: FileKind,
    /// YYYY-MM-DD, in the hub's time zone; of a link the link's own business day.
    pub day: String,
    /// The bank that owes, or whose statement it is.
    #[arg(long, value_parser = typed::bank_id, required_unless_present = "link")]
    pub from: Option<BankId>,
    /// The bank that is owed.
    #[arg(long, value_parser = typed::bank_id, conflicts_with = "link")]
    pub to: Option<BankId>,
    #[arg(long, default_value = "CNY")]
    pub currency: String,
    /// The link whose messages are wanted.
    #[arg(long, conflicts_with = "from")]
    pub link: Option<String>,
    /// A file has 10,000 transfers at most: which of several, from 0.
    #[arg(long, default_value_t = 0)]
    pub part: i32,
    /// Where to write it; to standard output when it is not given.
    #[arg(long = "out", value_name = "FILE")]
    pub path: Option<PathBuf>,
}

impl ExportArgs {
    fn request(&self) -> Result<pb::ExportClearingFileRequest, CliError> {
        let kind = match self.kind {
            FileKind::Pacs008 => pb::ClearingFileKind::CreditTransfers,
            FileKind::Pacs002 => pb::ClearingFileKind::Refusals,
            FileKind::Camt053 => pb::ClearingFileKind::Statement,
            FileKind::Camt054 => pb::ClearingFileKind::LinkMessages,
        };
        let currency = Currency::parse(&self.currency).map_err(|reason| CliError::Usage(reason.to_string()))?;
        let name = |bank: &Option<BankId>| bank.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(pb::ExportClearingFileRequest {
            day: self.day.clone(),
            kind: kind.into(),
            debtor_bank_id: name(&self.from),
            creditor_bank_id: name(&self.to),
            currency_code: currency.code().to_owned(),
            link: self.link.clone().unwrap_or_default(),
            part: self.part,
        })
    }
}

/// What the hub says of a file.
#[derive(Clone, Debug)]
pub struct CheckedFile {
    pub summary: pb::ClearingSummary,
    /// pacs.002.
    pub answer: Vec<u8>,
}

impl Operator {
    /// What banks owe each other for a day.
    pub async fn bank_debts(&self, day: &str) -> Result<pb::ListBankDebtsResponse, OperatorError> {
        let request = bounded(pb::ListBankDebtsRequest { day: day.to_owned() });
        answer(self.hub.clone().list_bank_debts(request)).await
    }

    /// A whole file of a day.
    pub async fn clearing_file(&self, request: pb::ExportClearingFileRequest) -> Result<Vec<u8>, OperatorError> {
        let mut pieces = self.hub.clone().export_clearing_file(at_leisure(request)).await?.into_inner();
        let mut file = Vec::new();
        while let Some(piece) = pieces.message().await? {
            file.extend_from_slice(&piece.chunk);
        }
        Ok(file)
    }

    /// Holds a file against the hub's books; `Err` inside with why it cannot be taken.
    pub async fn check_clearing_file(
        &self,
        file: &[u8],
    ) -> Result<Result<CheckedFile, pb::ClearingFileFault>, OperatorError> {
        let pieces: Vec<_> =
            file.chunks(PIECE).map(|chunk| pb::CheckClearingFileRequest { chunk: chunk.to_vec() }).collect();
        let mut told = self.hub.clone().check_clearing_file(at_leisure(iter(pieces))).await?.into_inner();
        let (mut summary, mut whole) = (None, Vec::new());
        while let Some(piece) = told.message().await? {
            match piece.told {
                Some(Told::Fault(fault)) => return Ok(Err(fault)),
                Some(Told::Summary(told)) => summary = Some(told),
                Some(Told::Chunk(chunk)) => whole.extend_from_slice(&chunk),
                None => return Err(OperatorError::Incomplete("what was found of the file")),
            }
        }
        let summary = summary.ok_or(OperatorError::Incomplete("the summary"))?;
        Ok(Ok(CheckedFile { summary, answer: whole }))
    }
}

fn system(path: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    move |source| CliError::System { what: path.display().to_string(), source }
}

/// Reads a file, unless it is larger than is taken.
fn load(path: &Path) -> Result<Vec<u8>, CliError> {
    let size = std::fs::metadata(path).map_err(system(path))?.len();
    if size > MOST_OCTETS {
        return Err(CliError::CheckFailed(domain::Reason::FileTooLarge.to_string()));
    }
    std::fs::read(path).map_err(system(path))
}

/// Writes a file beside its place and puts it there when it is whole.
fn store(path: &Path, file: &[u8]) -> Result<(), CliError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let written = std::fs::write(&partial, file).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(system(path))
}

pub(super) async fn file(
    connect: impl Fn() -> Result<Operator, CliError>,
    command: &FileCommand,
    out: &Output,
) -> Result<(), CliError> {
    match command {
        FileCommand::List { day } => list(&connect()?.bank_debts(day).await?, out),
        FileCommand::Export(args) => {
            let file = connect()?.clearing_file(args.request()?).await?;
            match &args.path {
                Some(path) => {
                    store(path, &file)?;
                    let fields = [("file", path.display().to_string()), ("bytes", file.len().to_string())];
                    out.record(&fields, &json!({ "file": path, "bytes": file.len() }));
                }
                None => out.raw(&String::from_utf8_lossy(&file)),
            }
        }
        FileCommand::Import { file, answer } => return import(&connect()?, file, answer.as_deref(), out).await,
        FileCommand::Check { file } => return check(file, out),
    }
    Ok(())
}

fn list(told: &pb::ListBankDebtsResponse, out: &Output) {
    let amount = |debt: &pb::BankDebt| {
        let amount = debt.amount.as_ref();
        amount.and_then(|it| Some(domain::Money::new(Currency::parse(&it.currency_code).ok()?, it.minor_units)))
    };
    let row = |debt: &pb::BankDebt| {
        let amount = amount(debt).map(|amount| amount.to_string()).unwrap_or_default();
        vec![debt.debtor_bank_id.clone(), debt.creditor_bank_id.clone(), debt.number.to_string(), amount]
    };
    let value = |debt: &pb::BankDebt| {
        json!({
            "debtor_bank_id": debt.debtor_bank_id,
            "creditor_bank_id": debt.creditor_bank_id,
            "number": debt.number,
            "currency_code": debt.amount.as_ref().map(|it| it.currency_code.as_str()),
            "amount_minor": debt.amount.as_ref().map(|it| it.minor_units),
        })
    };
    let rows: Vec<_> = told.debts.iter().map(row).collect();
    let value = json!({ "closed": told.closed, "debts": told.debts.iter().map(value).collect::<Value>() });
    if !told.closed {
        out.line("The day is not over, or something of it is not decided: there are no files of it yet.");
    }
    out.table(&["bank", "owes", "repayments", "amount"], &rows, &value);
}

async fn import(operator: &Operator, path: &Path, answer: Option<&Path>, out: &Output) -> Result<(), CliError> {
    let checked = match operator.check_clearing_file(&load(path)?).await? {
        Ok(checked) => checked,
        Err(fault) => {
            let words = format!("{}, line {}, {}: {}", fault.reason, fault.line, fault.element, fault.message_en);
            return Err(CliError::CheckFailed(words));
        }
    };
    if let Some(path) = answer {
        store(path, &checked.answer)?;
    }
    let told = &checked.summary;
    let fields = [
        ("message", told.message_id.clone()),
        ("transfers", told.transfers.to_string()),
        ("as in the books", told.settled.to_string()),
        ("otherwise", told.differing.to_string()),
        ("not in the file", told.untold.to_string()),
    ];
    let value = json!({
        "message_id": told.message_id,
        "transfers": told.transfers,
        "settled": told.settled,
        "differing": told.differing,
        "untold": told.untold,
        "untold_ids": told.untold_ids,
    });
    out.record(&fields, &value);
    if told.differing > 0 || told.untold > 0 {
        return Err(CliError::CheckFailed("the file and the books differ".to_owned()));
    }
    Ok(())
}

fn check(path: &Path, out: &Output) -> Result<(), CliError> {
    let read = clearing::read(&load(path)?);
    let file = read.map_err(|fault| CliError::CheckFailed(format!("{}, {fault}", fault.reason.code())))?;
    let (kind, id, number) = match &file {
        File::Transfers(file) => ("pacs.008", file.message.to_string(), file.transfers.len()),
        File::Statuses(file) => ("pacs.002", file.message.to_string(), file.statuses.len()),
        File::Messages(entries) => ("camt.054", String::new(), entries.len()),
    };
    let fields = [("kind", kind.to_owned()), ("message", id.clone()), ("entries", number.to_string())];
    out.record(&fields, &json!({ "kind": kind, "message_id": id, "entries": number }));
    Ok(())
}
