//! Somebody else's file: read, and held against the books.

use std::collections::BTreeSet;

use domain::Reason;
use domain::clearing::{Compared, Outcome, Reference, Status, Transfer, Verdict, compare};
use jiff::civil::Date;
use server_kit::store::StoreError;

use super::pacs002::StatusFile;
use super::pacs008::TransferFile;
use super::{Clearing, Fault, books, pacs002, pacs008, short_hash};
use crate::network::notification::{self, Entry};
use crate::xml::{Document, MOST_OCTETS};

/// Transfers of a day that are held against a file; a day with more takes an offline check.
const MOST_OF_A_DAY: usize = 100_000;
/// Days of which a file may tell.
const MOST_DAYS: usize = 31;
/// Transfers that are named of those that a file has not.
const MOST_NAMED: usize = 100;

/// A file of one of the messages that are read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// pacs.008.001.08.
    Transfers(TransferFile),
    /// pacs.002.001.12.
    Statuses(StatusFile),
    /// camt.054.001.08, as this hub writes it.
    Messages(Vec<Entry>),
}

/// Reads a file, whichever it is. `Err` with the reason, the line and the element.
pub fn read(octets: &[u8]) -> Result<File, Fault> {
    let mut document = Document::open(octets)?;
    match document.namespace() {
        pacs008::NAMESPACE => pacs008::read(&mut document).map(File::Transfers),
        pacs002::NAMESPACE => pacs002::read(&mut document).map(File::Statuses),
        notification::NAMESPACE => notification::read(&mut document).map(File::Messages),
        _ => Err(document.fault(Reason::FileKindUnknown)),
    }
}

/// A file as it comes in, piece by piece.
#[derive(Default)]
pub(crate) struct Incoming {
    octets: Vec<u8>,
}

impl Incoming {
    /// `Err(FileTooLarge)`, and nothing of the piece is kept.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), Reason> {
        if self.octets.len().saturating_add(piece.len()) > MOST_OCTETS {
            return Err(Reason::FileTooLarge);
        }
        self.octets.extend_from_slice(piece);
        Ok(())
    }
}

/// What comes of a file that could be read.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) message: Reference,
    pub(crate) transfers: usize,
    pub(crate) settled: usize,
    pub(crate) untold: usize,
    pub(crate) untold_ids: Vec<Reference>,
    /// pacs.002.001.12.
    pub(crate) answer: Vec<u8>,
}

impl Clearing {
    /// Holds a file of transfers against the books of its days. The log has it before it is answered.
    pub(crate) async fn check(&self, file: Incoming, by: &str) -> Result<Result<Checked, Fault>, StoreError> {
        let read = tokio::task::spawn_blocking(move || read_transfers(&file.octets)).await;
        let read = read.map_err(|error| StoreError::Refused(format!("a file could not be read: {error}")))?;
        let told = match read {
            Ok(told) => told,
            Err(fault) => {
                self.note("CLEARING_FILE_REFUSED", format!("reason={} by={by}", fault.reason.code())).await?;
                return Ok(Err(fault));
            }
        };
        let books = match self.books_of(&told).await? {
            Ok(books) => books,
            Err(fault) => return Ok(Err(fault)),
        };
        let compared = compare(&books, &told.transfers);
        let checked = self.answered(&told, &books, &compared);
        let content = format!(
            "message={} transfers={} settled={} untold={} by={by}",
            // Of its maker's words the log has a hash.
            short_hash(told.message.as_str()),
            checked.transfers,
            checked.settled,
            checked.untold,
        );
        self.note("CLEARING_FILE_CHECKED", content).await?;
        Ok(Ok(checked))
    }

    async fn books_of(&self, told: &TransferFile) -> Result<Result<Vec<Transfer>, Fault>, StoreError> {
        let days: BTreeSet<Date> = told.transfers.iter().map(|transfer| transfer.day).collect();
        let fault = |reason| {
            let element = "FIToFICstmrCdtTrf/CdtTrfTxInf/IntrBkSttlmDt".to_owned();
            Fault { reason, at: super::NamedAt { line: 1, element } }
        };
        if days.len() > MOST_DAYS {
            return Ok(Err(fault(Reason::TooManyItems)));
        }
        let mut books = Vec::new();
        for date in days {
            let day = match self.day(date) {
                Ok(day) => day,
                Err(reason) => return Ok(Err(fault(reason))),
            };
            if !self.is_past(day) || !books::is_decided(&self.parts.store, day).await? {
                return Ok(Err(fault(Reason::ClearingDayOpen)));
            }
            let room = MOST_OF_A_DAY.saturating_sub(books.len());
            let of_day = books::of_day(&self.parts.store, day, room.saturating_add(1)).await?;
            if of_day.len() > room {
                return Ok(Err(fault(Reason::TooManyItems)));
            }
            books.extend(self.with_bics(of_day));
        }
        Ok(Ok(books))
    }

    fn answered(&self, told: &TransferFile, books: &[Transfer], compared: &Compared) -> Checked {
        let status = |(transfer, verdict): (&Transfer, &Verdict)| Status {
            end_to_end: Some(transfer.end_to_end.clone()),
            transaction: transfer.transaction.clone(),
            outcome: Outcome::of(*verdict),
        };
        // What is between other banks, or in another currency, is for another file.
        let is_of_it = |ours: &&Transfer| {
            told.transfers.iter().take(1).any(|first| {
                let same = ours.debtor_agent.is(&first.debtor_agent) && ours.creditor_agent.is(&first.creditor_agent);
                same && ours.amount.currency == first.amount.currency
            })
        };
        let untold = compared.untold.iter().filter_map(|at| books.get(*at)).filter(is_of_it);
        let untold: Vec<&Reference> = untold.map(Transfer::key).collect();
        let now = self.parts.clock.now();
        let named = format!("PS{}{:x}", short_hash(told.message.as_str()), now.micros());
        let answer = pacs002::write(&StatusFile {
            message: Reference::clipped(&named).unwrap_or_else(|| told.message.clone()),
            created_at: now,
            original: Some(told.message.clone()),
            statuses: told.transfers.iter().zip(&compared.verdicts).map(status).collect(),
        });
        Checked {
            message: told.message.clone(),
            transfers: told.transfers.len(),
            settled: compared.verdicts.iter().filter(|verdict| **verdict == Verdict::Settled).count(),
            untold: untold.len(),
            untold_ids: untold.into_iter().take(MOST_NAMED).cloned().collect(),
            answer,
        }
    }
}

fn read_transfers(octets: &[u8]) -> Result<TransferFile, Fault> {
    match read(octets)? {
        File::Transfers(file) => Ok(file),
        File::Statuses(_) | File::Messages(_) => {
            let at = super::NamedAt { line: 1, element: "Document".to_owned() };
            Err(Fault { reason: Reason::FileKindUnknown, at })
        }
    }
}
