//! OFX 2.2: bank statements (§11.4.2) and credit card statements (§11.4.3). The sections name the specification.

use domain::Timestamp;
use domain::ledger::Nature;
use domain::purchase::Purchase;

use super::super::scan::Recorded;
use super::entry::{Entry, utc};
use super::statements::{Account, Format, entries_of};
use crate::xml::Xml;

/// A-32, A-255, A-100, A-22 and A-9 of the specification, in characters.
const NAME: usize = 32;
const EXTENDED_NAME: usize = 100;
const MEMO: usize = 255;
const ACCOUNT_ID: usize = 22;
const BANK_ID: usize = 9;

/// Two message sets of the file (§2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Bank,
    CreditCard,
}

/// The names of what the two sets have each in its own way.
struct Names {
    set: &'static str,
    transaction: &'static str,
    statement: &'static str,
}

impl Set {
    const fn of(account: &Account) -> Self {
        if account.has_credit { Self::CreditCard } else { Self::Bank }
    }

    const fn names(self) -> Names {
        match self {
            Self::Bank => Names { set: "BANKMSGSRSV1", transaction: "STMTTRNRS", statement: "STMTRS" },
            Self::CreditCard => Names { set: "CREDITCARDMSGSRSV1", transaction: "CCSTMTTRNRS", statement: "CCSTMTRS" },
        }
    }
}

pub(super) struct Ofx {
    xml: Xml,
    now: Timestamp,
    /// The message set whose statements are being written.
    set: Option<Set>,
}

impl Ofx {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { xml: Xml::new(), now, set: None }
    }

    /// Ends one message set and begins another.
    fn turn_to(&mut self, set: Option<Set>) {
        if self.set != set {
            if let Some(before) = self.set {
                self.xml.close(before.names().set);
            }
            if let Some(set) = set {
                self.xml.open(set.names().set);
            }
            self.set = set;
        }
    }
}

impl Format for Ofx {
    fn begin(&mut self, _: &[Account]) -> Vec<u8> {
        // §2.2.
        self.xml
            .instruction(r#"OFX OFXHEADER="200" VERSION="220" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE""#);
        self.xml.open("OFX");
        let now = self.now;
        self.xml.within("SIGNONMSGSRSV1", |xml| {
            xml.within("SONRS", |xml| {
                status(xml);
                xml.text("DTSERVER", &time(now));
                xml.text("LANGUAGE", "ENG");
            });
        });
        self.xml.take()
    }

    fn open(&mut self, account: &Account) -> Vec<u8> {
        let set = Set::of(account);
        self.turn_to(Some(set));
        let xml = &mut self.xml;
        xml.open(set.names().transaction);
        // The file answers no request (§2.5.2).
        xml.text("TRNUID", "0");
        status(xml);
        xml.open(set.names().statement);
        xml.text("CURDEF", account.balance.currency.code());
        match set {
            Set::Bank => xml.within("BANKACCTFROM", |xml| {
                xml.text("BANKID", &beginning(account.bank_id.as_str(), BANK_ID));
                if account.bank_id.as_str().len() > BANK_ID {
                    xml.text("BRANCHID", &beginning(account.bank_id.as_str(), ACCOUNT_ID));
                }
                xml.text("ACCTID", &account_id(account));
                xml.text("ACCTTYPE", "CHECKING");
            }),
            Set::CreditCard => xml.within("CCACCTFROM", |xml| {
                xml.text("ACCTID", &account_id(account));
                xml.text("ACCTKEY", &beginning(account.bank_id.as_str(), ACCOUNT_ID));
            }),
        }
        xml.open("BANKTRANLIST");
        xml.text("DTSTART", &time(account.first));
        xml.text("DTEND", &time(account.last));
        xml.take()
    }

    fn entries(&mut self, purchases: &[Recorded]) -> Vec<u8> {
        for entry in entries_of(purchases).filter(Entry::is_booked) {
            self.xml.within("STMTTRN", |xml| transaction(xml, &entry));
        }
        self.xml.take()
    }

    fn close(&mut self, account: &Account) -> Vec<u8> {
        let xml = &mut self.xml;
        xml.close("BANKTRANLIST");
        xml.within("LEDGERBAL", |xml| {
            xml.text("BALAMT", &account.balance.to_major());
            xml.text("DTASOF", &time(account.last));
        });
        let names = Set::of(account).names();
        xml.close(names.statement);
        xml.close(names.transaction);
        xml.take()
    }

    fn end(&mut self) -> Vec<u8> {
        self.turn_to(None);
        self.xml.close("OFX");
        self.xml.take()
    }
}

/// §11.4.4.
fn transaction(xml: &mut Xml, entry: &Entry<'_>) {
    let purchase = entry.purchase;
    let at = time(entry.at());
    let name = purchase.merchant.name.as_str();
    xml.text("TRNTYPE", kind(entry));
    xml.text("DTPOSTED", &at);
    xml.text("DTUSER", &at);
    xml.text("TRNAMT", &entry.signed().to_major());
    xml.text("FITID", &entry.id());
    xml.text("SIC", purchase.merchant.category.as_str());
    xml.clipped("NAME", name, NAME);
    if name.chars().nth(NAME).is_some() {
        xml.clipped("EXTDNAME", name, EXTENDED_NAME);
    }
    xml.clipped("MEMO", &memo(purchase), MEMO);
}

fn kind(entry: &Entry<'_>) -> &'static str {
    if entry.came_back() {
        return "CREDIT";
    }
    match entry.purchase.nature {
        Nature::Purchase | Nature::PreAuthorisation | Nature::Completion => "POS",
        Nature::CashWithdrawal => "CASH",
        Nature::Savings | Nature::TransferOut => "XFER",
        // Money comes in by these, and nothing of them stands in the record.
        Nature::Deposit
        | Nature::TopUp
        | Nature::TransferIn
        | Nature::Repayment
        | Nature::Refund
        | Nature::BalanceInquiry => "OTHER",
    }
}

/// The place and the things bought.
fn memo(purchase: &Purchase) -> String {
    let items: Vec<&str> = purchase.items.iter().map(|item| item.name.as_str()).collect();
    let place = purchase.place.as_ref().map(|place| place.as_str().to_owned());
    let parts = place.into_iter().chain((!items.is_empty()).then(|| items.join("; ")));
    parts.collect::<Vec<_>>().join(": ")
}

fn status(xml: &mut Xml) {
    xml.within("STATUS", |xml| {
        xml.text("CODE", "0");
        xml.text("SEVERITY", "INFO");
    });
}

/// §3.2.8.2, in UTC.
fn time(at: Timestamp) -> String {
    utc(at, "%Y%m%d%H%M%S.%3f[0:GMT]")
}

/// The last characters, which are those that tell accounts apart.
fn account_id(account: &Account) -> String {
    let masked: Vec<char> = account.masked.chars().collect();
    let from = masked.len().saturating_sub(ACCOUNT_ID);
    masked.into_iter().skip(from).collect()
}

fn beginning(text: &str, most_chars: usize) -> String {
    text.chars().take(most_chars).collect()
}
