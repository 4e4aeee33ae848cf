//! pacs.008.001.08, FIToFICustomerCreditTransferV08: what one bank owes another for a day. Elements stand in the order of its schema.

use domain::clearing::{Agent, Claim, ControlSum, Name, Reference, Transfer, Uetr, amount_of, control_sum, total};
use domain::{Currency, Money, Reason, Timestamp};
use jiff::civil::Date;

use super::parts::{AgentDraft, PartyDraft, day_of, once, time_of, write_account, write_agent, write_name};
use crate::xml::{Document, Fault, NamedAt, Piece, Xml, written_time};

/// Which message it is, in `OrgnlMsgNmId`.
pub(super) const NAME: &str = "pacs.008.001.08";
pub(super) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08";
/// `SttlmInf/ClrSys`: the federation's own clearing, which no external code names.
const CLEARING: &str = "bankhub";
/// Transfers of one file; a day with more has several.
pub(super) const MOST_TRANSFERS: usize = 10_000;
/// `RmtInf/Ustrd` that are read of a transfer. The schema sets no end to them.
const MOST_LINES: usize = 100;
const HEAD: &str = "FIToFICstmrCdtTrf/GrpHdr/";
const ONE: &str = "FIToFICstmrCdtTrf/CdtTrfTxInf";

/// A file of transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferFile {
    /// `MsgId`.
    pub message: Reference,
    pub created_at: Timestamp,
    /// `InstgAgt`: the bank that owes.
    pub instructing: Option<Agent>,
    /// `InstdAgt`: the bank that is owed.
    pub instructed: Option<Agent>,
    pub transfers: Vec<Transfer>,
}

/// Writes a file of transfers that are all of one currency and day. `Err(CurrencyMismatch)` if they are not, `Err(FieldMissing)` if there
/// are none: the schema knows no such message.
pub(super) fn write(file: &TransferFile) -> Result<Vec<u8>, Reason> {
    let first = file.transfers.first().ok_or(Reason::FieldMissing)?;
    let (number, sum) = (file.transfers.len(), control_sum(&file.transfers)?);
    let total = total(first.amount.currency, &file.transfers)?;
    let mut xml = Xml::new();
    xml.open_with("Document", ("xmlns", NAMESPACE));
    xml.open("FIToFICstmrCdtTrf");
    xml.within("GrpHdr", |xml| {
        xml.text("MsgId", file.message.as_str());
        xml.text("CreDtTm", &written_time(file.created_at));
        xml.text("NbOfTxs", &number.to_string());
        xml.text("CtrlSum", &sum.to_string());
        xml.text_with("TtlIntrBkSttlmAmt", ("Ccy", total.currency.code()), &total.to_major());
        xml.text("IntrBkSttlmDt", &first.day.to_string());
        xml.within("SttlmInf", |xml| {
            xml.text("SttlmMtd", "CLRG");
            xml.within("ClrSys", |xml| xml.text("Prtry", CLEARING));
        });
        for (name, agent) in [("InstgAgt", &file.instructing), ("InstdAgt", &file.instructed)] {
            if let Some(agent) = agent {
                write_agent(xml, name, agent);
            }
        }
    });
    for transfer in &file.transfers {
        xml.within("CdtTrfTxInf", |xml| write_transfer(xml, transfer));
    }
    xml.close("FIToFICstmrCdtTrf");
    xml.close("Document");
    Ok(xml.take())
}

/// CreditTransferTransaction39.
fn write_transfer(xml: &mut Xml, transfer: &Transfer) {
    xml.within("PmtId", |xml| {
        let optional = |xml: &mut Xml, name, reference: &Option<Reference>| {
            if let Some(reference) = reference {
                xml.text(name, reference.as_str());
            }
        };
        optional(xml, "InstrId", &transfer.instruction);
        xml.text("EndToEndId", transfer.end_to_end.as_str());
        optional(xml, "TxId", &transfer.transaction);
        if let Some(uetr) = transfer.uetr {
            xml.text("UETR", &uetr.to_string());
        }
        optional(xml, "ClrSysRef", &transfer.clearing);
    });
    let amount = transfer.amount;
    xml.text_with("IntrBkSttlmAmt", ("Ccy", amount.currency.code()), &amount.to_major());
    xml.text("IntrBkSttlmDt", &transfer.day.to_string());
    if let Some(at) = transfer.accepted_at {
        xml.text("AccptncDtTm", &written_time(at));
    }
    // The hub takes nothing from either side.
    xml.text("ChrgBr", "SHAR");
    write_name(xml, "Dbtr", &transfer.debtor);
    write_account(xml, "DbtrAcct", &transfer.debtor);
    write_agent(xml, "DbtrAgt", &transfer.debtor_agent);
    write_agent(xml, "CdtrAgt", &transfer.creditor_agent);
    write_name(xml, "Cdtr", &transfer.creditor);
    write_account(xml, "CdtrAcct", &transfer.creditor);
    if !transfer.remittance.is_empty() {
        xml.within("RmtInf", |xml| transfer.remittance.iter().for_each(|line| xml.text("Ustrd", line.as_str())));
    }
}

/// Reads a file whose root is open. Elements that are not looked at are passed over. The order of elements is not looked at.
pub(super) fn read(document: &mut Document<'_>) -> Result<TransferFile, Fault> {
    let (mut head, mut draft) = (Head::default(), Draft::default());
    let (mut transfers, mut places): (Vec<Transfer>, Vec<NamedAt>) = (Vec::new(), Vec::new());
    while let Some(piece) = document.next()? {
        let taken = match piece {
            Piece::Open => Ok(()),
            Piece::Leaf { text, currency } => match document.path() {
                path if path.starts_with(HEAD) => head.take(path, &text, currency.as_deref()),
                path => match path.strip_prefix(ONE).and_then(|rest| rest.strip_prefix('/')) {
                    Some(path) => draft.take(path, &text, currency.as_deref()),
                    None if document.path() == ONE => Err(Reason::FieldMissing),
                    None => Ok(()),
                },
            },
            Piece::Close if document.path() == ONE => {
                if transfers.len() >= MOST_TRANSFERS {
                    return Err(document.fault(Reason::TooManyItems));
                }
                places.push(document.place());
                std::mem::take(&mut draft).finish(head.day).map(|transfer| transfers.push(transfer))
            }
            Piece::Close => {
                if document.path() == HEAD.trim_end_matches('/') {
                    head.line = document.place().line;
                }
                Ok(())
            }
        };
        taken.map_err(|reason| document.fault(reason))?;
    }
    let repeated = Claim::repeated(&transfers).and_then(|at| places.get(at));
    if let Some(at) = repeated {
        return Err(Fault { reason: Reason::TransferRepeated, at: at.clone() });
    }
    let at_head =
        |reason| Fault { reason, at: NamedAt { line: head.line, element: HEAD.trim_end_matches('/').to_owned() } };
    head.claim.holds_for(&transfers).map_err(at_head)?;
    let (Some(message), Some(created_at)) = (head.message, head.created_at) else {
        return Err(Fault { reason: Reason::FieldMissing, at: document.place() });
    };
    let (instructing, instructed) = (head.instructing.finish_optional(), head.instructed.finish_optional());
    Ok(TransferFile { message, created_at, instructing, instructed, transfers })
}

/// The group header as it is read.
#[derive(Debug, Default)]
struct Head {
    line: u32,
    message: Option<Reference>,
    created_at: Option<Timestamp>,
    claim: Claim,
    day: Option<Date>,
    instructing: AgentDraft,
    instructed: AgentDraft,
}

impl Head {
    fn take(&mut self, path: &str, text: &str, currency: Option<&str>) -> Result<(), Reason> {
        let path = path.strip_prefix(HEAD).unwrap_or_default();
        if let Some(path) = path.strip_prefix("InstgAgt/") {
            return self.instructing.take(path, text);
        }
        if let Some(path) = path.strip_prefix("InstdAgt/") {
            return self.instructed.take(path, text);
        }
        match path {
            "MsgId" => once(&mut self.message, Reference::parse(text)?),
            "CreDtTm" => once(&mut self.created_at, time_of(text)?),
            "NbOfTxs" => {
                let fine = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
                let number = text.parse().ok().filter(|_| fine).ok_or(Reason::AmountMalformed)?;
                once(&mut self.claim.number, number)
            }
            "CtrlSum" => once(&mut self.claim.control_sum, ControlSum::parse(text.trim())?),
            "TtlIntrBkSttlmAmt" => once(&mut self.claim.total, sum_of(text, currency)?),
            "IntrBkSttlmDt" => once(&mut self.day, day_of(text)?),
            _ => Ok(()),
        }
    }
}

/// An amount that is a sum, and may be more than a payment may have.
fn sum_of(text: &str, currency: Option<&str>) -> Result<Money, Reason> {
    let currency = Currency::parse(currency.ok_or(Reason::FieldMissing)?)?;
    Money::parse_major(currency, text.trim())
}

/// A transfer as it is read.
#[derive(Debug, Default)]
struct Draft {
    instruction: Option<Reference>,
    end_to_end: Option<Reference>,
    transaction: Option<Reference>,
    uetr: Option<Uetr>,
    clearing: Option<Reference>,
    amount: Option<Money>,
    day: Option<Date>,
    accepted_at: Option<Timestamp>,
    debtor: PartyDraft,
    debtor_agent: AgentDraft,
    creditor_agent: AgentDraft,
    creditor: PartyDraft,
    remittance: Vec<Name>,
}

impl Draft {
    fn take(&mut self, path: &str, text: &str, currency: Option<&str>) -> Result<(), Reason> {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match (first, rest) {
            ("PmtId", "InstrId") => once(&mut self.instruction, Reference::parse(text)?),
            ("PmtId", "EndToEndId") => once(&mut self.end_to_end, Reference::parse(text)?),
            ("PmtId", "TxId") => once(&mut self.transaction, Reference::parse(text)?),
            ("PmtId", "UETR") => once(&mut self.uetr, Uetr::parse(text)?),
            ("PmtId", "ClrSysRef") => once(&mut self.clearing, Reference::parse(text)?),
            ("IntrBkSttlmAmt", "") => {
                let currency = Currency::parse(currency.ok_or(Reason::FieldMissing)?)?;
                once(&mut self.amount, amount_of(currency, text.trim())?)
            }
            ("IntrBkSttlmDt", "") => once(&mut self.day, day_of(text)?),
            ("AccptncDtTm", "") => once(&mut self.accepted_at, time_of(text)?),
            ("Dbtr", rest) => self.debtor.take_name(rest, text),
            ("DbtrAcct", rest) => self.debtor.take_account(rest, text),
            ("DbtrAgt", rest) => self.debtor_agent.take(rest, text),
            ("CdtrAgt", rest) => self.creditor_agent.take(rest, text),
            ("Cdtr", rest) => self.creditor.take_name(rest, text),
            ("CdtrAcct", rest) => self.creditor.take_account(rest, text),
            ("RmtInf", "Ustrd") if self.remittance.len() < MOST_LINES => {
                self.remittance.push(Name::parse(text)?);
                Ok(())
            }
            ("RmtInf", "Ustrd") => Err(Reason::TooManyItems),
            _ => Ok(()),
        }
    }

    /// The day of the group holds for transfers that say none.
    fn finish(self, day: Option<Date>) -> Result<Transfer, Reason> {
        Ok(Transfer {
            instruction: self.instruction,
            end_to_end: self.end_to_end.ok_or(Reason::FieldMissing)?,
            transaction: self.transaction,
            uetr: self.uetr,
            clearing: self.clearing,
            amount: self.amount.ok_or(Reason::FieldMissing)?,
            day: self.day.or(day).ok_or(Reason::FieldMissing)?,
            accepted_at: self.accepted_at,
            debtor: self.debtor.finish(),
            debtor_agent: self.debtor_agent.finish()?,
            creditor_agent: self.creditor_agent.finish()?,
            creditor: self.creditor.finish(),
            remittance: self.remittance,
        })
    }
}
