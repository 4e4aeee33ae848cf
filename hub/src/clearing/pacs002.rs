//! pacs.002.001.12, FIToFIPaymentStatusReportV12: what is said of each transfer of a file, or of those that were refused on a day.

use domain::clearing::{Note, Outcome, Reference, Status, StatusCode};
use domain::{Reason, Timestamp};

use super::pacs008::{self, MOST_TRANSFERS};
use super::parts::{once, time_of};
use crate::xml::{Document, Fault, Piece, Xml, written_time};

pub(super) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pacs.002.001.12";
const HEAD: &str = "FIToFIPmtStsRpt/GrpHdr/";
const GROUP: &str = "FIToFIPmtStsRpt/OrgnlGrpInfAndSts/";
const ONE: &str = "FIToFIPmtStsRpt/TxInfAndSts";

/// A file of statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusFile {
    /// `MsgId`.
    pub message: Reference,
    pub created_at: Timestamp,
    /// `OrgnlMsgId`: the file of transfers that is answered.
    pub original: Option<Reference>,
    pub statuses: Vec<Status>,
}

pub(super) fn write(file: &StatusFile) -> Vec<u8> {
    let mut xml = Xml::new();
    xml.open_with("Document", ("xmlns", NAMESPACE));
    xml.open("FIToFIPmtStsRpt");
    xml.within("GrpHdr", |xml| {
        xml.text("MsgId", file.message.as_str());
        xml.text("CreDtTm", &written_time(file.created_at));
    });
    if let Some(original) = &file.original {
        xml.within("OrgnlGrpInfAndSts", |xml| {
            xml.text("OrgnlMsgId", original.as_str());
            xml.text("OrgnlMsgNmId", pacs008::NAME);
        });
    }
    for status in &file.statuses {
        xml.within("TxInfAndSts", |xml| write_status(xml, status));
    }
    xml.close("FIToFIPmtStsRpt");
    xml.close("Document");
    xml.take()
}

/// PaymentTransaction130.
fn write_status(xml: &mut Xml, status: &Status) {
    for (name, reference) in [("OrgnlEndToEndId", &status.end_to_end), ("OrgnlTxId", &status.transaction)] {
        if let Some(reference) = reference {
            xml.text(name, reference.as_str());
        }
    }
    xml.text("TxSts", status.outcome.code());
    let Outcome::Refused { code, words } = &status.outcome else { return };
    xml.within("StsRsnInf", |xml| {
        if let Some(code) = code {
            xml.within("Rsn", |xml| xml.text("Cd", code.as_str()));
        }
        if let Some(words) = words {
            xml.text("AddtlInf", words.as_str());
        }
    });
}

/// Reads a file whose root is open. Of several reasons of a refusal the first counts.
pub(super) fn read(document: &mut Document<'_>) -> Result<StatusFile, Fault> {
    let (mut message, mut created_at, mut original) = (None, None, None);
    let (mut statuses, mut draft) = (Vec::new(), Draft::default());
    while let Some(piece) = document.next()? {
        let path = document.path();
        let taken = match piece {
            Piece::Leaf { text, .. } => match (path.strip_prefix(HEAD), path.strip_prefix(GROUP)) {
                (Some("MsgId"), _) => Reference::parse(&text).and_then(|it| once(&mut message, it)),
                (Some("CreDtTm"), _) => time_of(&text).and_then(|it| once(&mut created_at, it)),
                (_, Some("OrgnlMsgId")) => Reference::parse(&text).and_then(|it| once(&mut original, it)),
                _ => match path.strip_prefix(ONE).and_then(|rest| rest.strip_prefix('/')) {
                    Some(path) => draft.take(path, &text),
                    None if path == ONE => Err(Reason::FieldMissing),
                    None => Ok(()),
                },
            },
            Piece::Close if path == ONE && statuses.len() >= MOST_TRANSFERS => Err(Reason::TooManyItems),
            Piece::Close if path == ONE => std::mem::take(&mut draft).finish().map(|status| statuses.push(status)),
            Piece::Open | Piece::Close => Ok(()),
        };
        taken.map_err(|reason| document.fault(reason))?;
    }
    let (Some(message), Some(created_at)) = (message, created_at) else {
        return Err(document.fault(Reason::FieldMissing));
    };
    Ok(StatusFile { message, created_at, original, statuses })
}

/// A status as it is read.
#[derive(Debug, Default)]
struct Draft {
    end_to_end: Option<Reference>,
    transaction: Option<Reference>,
    status: Option<StatusCode>,
    code: Option<StatusCode>,
    words: Option<Note>,
}

impl Draft {
    fn take(&mut self, path: &str, text: &str) -> Result<(), Reason> {
        match path {
            "OrgnlEndToEndId" => once(&mut self.end_to_end, Reference::parse(text)?),
            "OrgnlTxId" => once(&mut self.transaction, Reference::parse(text)?),
            "TxSts" => once(&mut self.status, StatusCode::parse(text)?),
            "StsRsnInf/Rsn/Cd" => {
                let code = StatusCode::parse(text)?;
                self.code.get_or_insert(code);
                Ok(())
            }
            "StsRsnInf/AddtlInf" => {
                let words = Note::parse(text)?;
                self.words.get_or_insert(words);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<Status, Reason> {
        let status = self.status.ok_or(Reason::FieldMissing)?;
        if self.end_to_end.is_none() && self.transaction.is_none() {
            return Err(Reason::FieldMissing);
        }
        let outcome = match status.as_str() {
            "ACSC" => Outcome::Settled,
            "RJCT" => Outcome::Refused { code: self.code, words: self.words },
            _ => Outcome::Other(status),
        };
        Ok(Status { end_to_end: self.end_to_end, transaction: self.transaction, outcome })
    }
}
