//! camt.053.001.08, BankToCustomerStatementV08: what a bank owes for a day and is owed, against zero, as the hub has it. Elements stand in
//! the order of its schema.

use domain::clearing::{Agent, Reference, Transfer, control_sum};
use domain::{Currency, Money, Reason, Timestamp};
use jiff::civil::Date;

use super::parts::write_agent;
use crate::xml::{Xml, written_time};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";
const EXPLANATION: &str = "What the bank and the others of the federation owe each other for repayments of this day. The balances begin at \
                           zero and are what the entries add up to.";

/// A day of one bank in one currency.
pub(super) struct Statement<'t> {
    pub(super) message: Reference,
    pub(super) created_at: Timestamp,
    pub(super) bank: Agent,
    pub(super) currency: Currency,
    pub(super) date: Date,
    pub(super) transfers: &'t [Transfer],
}

impl Statement<'_> {
    fn owes(&self, transfer: &Transfer) -> bool {
        transfer.debtor_agent == self.bank
    }

    /// What it is owed less what it owes.
    fn net(&self) -> Result<Money, Reason> {
        self.transfers.iter().try_fold(Money::new(self.currency, 0), |net, transfer| {
            let amount = transfer.amount;
            let minor = if self.owes(transfer) { amount.minor.checked_neg() } else { Some(amount.minor) };
            net.plus(Money::new(amount.currency, minor.ok_or(Reason::AmountTooLarge)?))
        })
    }
}

fn balance(xml: &mut Xml, kind: &str, amount: Money, date: Date) {
    let size = Money::new(amount.currency, amount.minor.saturating_abs());
    xml.within("Bal", |xml| {
        xml.within("Tp", |xml| xml.within("CdOrPrtry", |xml| xml.text("Cd", kind)));
        xml.text_with("Amt", ("Ccy", size.currency.code()), &size.to_major());
        xml.text("CdtDbtInd", if amount.minor < 0 { "DBIT" } else { "CRDT" });
        xml.within("Dt", |xml| xml.text("Dt", &date.to_string()));
    });
}

pub(super) fn write(statement: &Statement<'_>) -> Result<Vec<u8>, Reason> {
    let (net, sum) = (statement.net()?, control_sum(statement.transfers)?);
    let mut xml = Xml::new();
    xml.open_with("Document", ("xmlns", NAMESPACE));
    xml.open("BkToCstmrStmt");
    xml.within("GrpHdr", |xml| {
        xml.text("MsgId", statement.message.as_str());
        xml.text("CreDtTm", &written_time(statement.created_at));
    });
    xml.within("Stmt", |xml| {
        xml.text("Id", statement.message.as_str());
        xml.within("Acct", |xml| {
            let id = statement.bank.member.as_ref().map_or("NONE", Reference::as_str);
            // Max34Text, one less than a member's name may have.
            xml.within("Id", |xml| xml.within("Othr", |xml| xml.clipped("Id", id, 34)));
            xml.text("Ccy", statement.currency.code());
            write_agent(xml, "Svcr", &statement.bank);
        });
        balance(xml, "OPBD", Money::new(statement.currency, 0), statement.date);
        balance(xml, "CLBD", net, statement.date);
        xml.within("TxsSummry", |xml| {
            xml.within("TtlNtries", |xml| {
                xml.text("NbOfNtries", &statement.transfers.len().to_string());
                xml.text("Sum", &sum.to_string());
            });
        });
        for transfer in statement.transfers {
            xml.within("Ntry", |xml| entry(xml, statement, transfer));
        }
        xml.text("AddtlStmtInf", EXPLANATION);
    });
    xml.close("BkToCstmrStmt");
    xml.close("Document");
    Ok(xml.take())
}

/// ReportEntry10.
fn entry(xml: &mut Xml, statement: &Statement<'_>, transfer: &Transfer) {
    let owes = statement.owes(transfer);
    xml.text("NtryRef", transfer.key().as_str());
    xml.text_with("Amt", ("Ccy", transfer.amount.currency.code()), &transfer.amount.to_major());
    xml.text("CdtDbtInd", if owes { "DBIT" } else { "CRDT" });
    xml.within("Sts", |xml| xml.text("Cd", "BOOK"));
    xml.within("BookgDt", |xml| xml.text("Dt", &transfer.day.to_string()));
    // External code set of bank transactions: payments, issued or received credit transfers, domestic.
    xml.within("BkTxCd", |xml| {
        xml.within("Domn", |xml| {
            xml.text("Cd", "PMNT");
            xml.within("Fmly", |xml| {
                xml.text("Cd", if owes { "ICDT" } else { "RCDT" });
                xml.text("SubFmlyCd", "DMCT");
            });
        });
    });
    xml.within("NtryDtls", |xml| {
        xml.within("TxDtls", |xml| {
            xml.within("Refs", |xml| {
                if let Some(instruction) = &transfer.instruction {
                    xml.text("InstrId", instruction.as_str());
                }
                xml.text("EndToEndId", transfer.end_to_end.as_str());
                xml.text("TxId", transfer.key().as_str());
            });
            xml.within("RltdAgts", |xml| {
                write_agent(xml, "DbtrAgt", &transfer.debtor_agent);
                write_agent(xml, "CdtrAgt", &transfer.creditor_agent);
            });
        });
    });
}
