//! ISO 20022 camt.053.001.08, a bank's statements to its customer. Elements stand in the order of its schema.

use domain::purchase::Purchase;
use domain::{Money, Timestamp};

use super::super::scan::Recorded;
use super::entry::{Entry, utc};
use super::statements::{Account, Format, entries_of};
use crate::xml::Xml;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08";
/// Max34Text to Max140Text of the schema, in characters.
const ACCOUNT_ID: usize = 34;
const IDENTIFIER: usize = 35;
const ADDRESS_LINE: usize = 70;
const NAME: usize = 140;
const REMITTANCE_LINE: usize = 140;
/// The schema sets no end to them; an entry has one, so that a file stays readable.
const REMITTANCE_LINES: usize = 10;
const EXPLANATION: &str = "Made from a record of purchases. The bank's own balance is not known: the balances begin at zero and \
                           are what the booked entries add up to.";

pub(super) struct Camt053 {
    xml: Xml,
    now: Timestamp,
    statements: usize,
}

impl Camt053 {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { xml: Xml::new(), now, statements: 0 }
    }

    fn message_id(&self) -> String {
        utc(self.now, "bankhub-%Y%m%dT%H%M%S%6f")
    }

    fn statement_id(&mut self) -> String {
        self.statements = self.statements.saturating_add(1);
        format!("{}-{}", self.message_id(), self.statements)
    }

    /// A message has a statement at least, and a statement an account and a balance.
    fn nothing(&mut self) {
        let (id, now) = (self.statement_id(), self.now);
        self.xml.within("Stmt", |xml| {
            xml.text("Id", &id);
            xml.text("CreDtTm", &time(now));
            xml.within("Acct", |xml| xml.within("Id", |xml| xml.within("Othr", |xml| xml.text("Id", "NONE"))));
            for kind in ["OPBD", "CLBD"] {
                balance(xml, kind, ("XXX", "0"), "CRDT", now);
            }
            xml.text("AddtlStmtInf", EXPLANATION);
        });
    }
}

impl Format for Camt053 {
    fn begin(&mut self, accounts: &[Account]) -> Vec<u8> {
        self.xml.open_with("Document", ("xmlns", NAMESPACE));
        self.xml.open("BkToCstmrStmt");
        let (id, now) = (self.message_id(), self.now);
        self.xml.within("GrpHdr", |xml| {
            xml.text("MsgId", &id);
            xml.text("CreDtTm", &time(now));
        });
        if accounts.is_empty() {
            self.nothing();
        }
        self.xml.take()
    }

    fn open(&mut self, account: &Account) -> Vec<u8> {
        let (id, now) = (self.statement_id(), self.now);
        let currency = account.balance.currency;
        let xml = &mut self.xml;
        xml.open("Stmt");
        xml.text("Id", &id);
        xml.text("CreDtTm", &time(now));
        xml.within("FrToDt", |xml| {
            xml.text("FrDtTm", &time(account.first));
            xml.text("ToDtTm", &time(account.last));
        });
        xml.within("Acct", |xml| {
            xml.within("Id", |xml| {
                xml.within("Othr", |xml| xml.clipped("Id", &account.masked, ACCOUNT_ID));
            });
            xml.text("Ccy", currency.code());
            xml.within("Svcr", |xml| {
                xml.within("FinInstnId", |xml| xml.clipped("Nm", account.bank_id.as_str(), NAME));
            });
        });
        let (closing, side) = absolute(account.balance);
        let zero = Money::new(currency, 0).to_major();
        balance(xml, "OPBD", (currency.code(), &zero), "CRDT", account.first);
        balance(xml, "CLBD", (currency.code(), &closing), side, account.last);
        xml.take()
    }

    fn entries(&mut self, purchases: &[Recorded]) -> Vec<u8> {
        for entry in entries_of(purchases) {
            self.xml.within("Ntry", |xml| report_entry(xml, &entry));
        }
        self.xml.take()
    }

    fn close(&mut self, _: &Account) -> Vec<u8> {
        self.xml.text("AddtlStmtInf", EXPLANATION);
        self.xml.close("Stmt");
        self.xml.take()
    }

    fn end(&mut self) -> Vec<u8> {
        self.xml.close("BkToCstmrStmt");
        self.xml.close("Document");
        self.xml.take()
    }
}

fn balance(xml: &mut Xml, kind: &str, (currency, amount): (&str, &str), side: &str, at: Timestamp) {
    xml.within("Bal", |xml| {
        xml.within("Tp", |xml| xml.within("CdOrPrtry", |xml| xml.text("Cd", kind)));
        xml.text_with("Amt", ("Ccy", currency), amount);
        xml.text("CdtDbtInd", side);
        xml.within("Dt", |xml| xml.text("Dt", &utc(at, "%Y-%m-%d")));
    });
}

/// ReportEntry10.
fn report_entry(xml: &mut Xml, entry: &Entry<'_>) {
    let purchase = entry.purchase;
    let id = id_of(entry);
    let (amount, side) = absolute(entry.signed());
    xml.text("NtryRef", &id);
    xml.text_with("Amt", ("Ccy", purchase.amount.currency.code()), &amount);
    xml.text("CdtDbtInd", side);
    if entry.is_reversal() {
        xml.text("RvslInd", "true");
    }
    xml.within("Sts", |xml| xml.text("Cd", if entry.is_booked() { "BOOK" } else { "PDNG" }));
    if entry.is_booked() {
        xml.within("BookgDt", |xml| xml.text("DtTm", &time(entry.at())));
    }
    xml.text("AcctSvcrRef", &id);
    xml.within("BkTxCd", |xml| {
        xml.within("Prtry", |xml| {
            xml.text("Cd", kind(entry));
            xml.text("Issr", "bankhub");
        });
    });
    xml.within("NtryDtls", |xml| xml.within("TxDtls", |xml| details(xml, entry, &id)));
}

/// EntryTransaction10.
fn details(xml: &mut Xml, entry: &Entry<'_>, id: &str) {
    let purchase = entry.purchase;
    xml.within("Refs", |xml| xml.text("AcctSvcrRef", id));
    // Whoever gives money back is the debtor of that entry.
    xml.within("RltdPties", |xml| {
        xml.within(if entry.came_back() { "Dbtr" } else { "Cdtr" }, |xml| merchant(xml, purchase))
    });
    if !purchase.items.is_empty() {
        xml.within("RmtInf", |xml| {
            for item in purchase.items.iter().take(REMITTANCE_LINES) {
                xml.clipped("Ustrd", item.name.as_str(), REMITTANCE_LINE);
            }
        });
    }
    xml.within("RltdDts", |xml| xml.text("TxDtTm", &time(entry.at())));
    if fits(purchase.terminal_id.as_str()) {
        xml.within("CardTx", |xml| {
            xml.within("POI", |xml| xml.within("Id", |xml| xml.text("Id", purchase.terminal_id.as_str())));
        });
    }
}

fn merchant(xml: &mut Xml, purchase: &Purchase) {
    let merchant = &purchase.merchant;
    xml.within("Pty", |xml| {
        xml.clipped("Nm", merchant.name.as_str(), NAME);
        if let Some(place) = &purchase.place {
            xml.within("PstlAdr", |xml| xml.clipped("AdrLine", place.as_str(), ADDRESS_LINE));
        }
        let ids = [("MERCHANT", merchant.id.as_str()), ("ISO 18245", merchant.category.as_str())];
        xml.within("Id", |xml| {
            xml.within("OrgId", |xml| {
                for (scheme, id) in ids.into_iter().filter(|(_, id)| fits(id)) {
                    xml.within("Othr", |xml| {
                        xml.text("Id", id);
                        xml.within("SchmeNm", |xml| xml.text("Prtry", scheme));
                    });
                }
            });
        });
    });
}

/// Whether it fits as a whole: half an identifier would name something else.
fn fits(id: &str) -> bool {
    id.chars().count() <= IDENTIFIER
}

/// A payment's id has 36 characters with its dashes, one more than a reference takes. Without them there is room for the number of a
/// give-back in three digits of base 36, up to 46,655.
fn id_of(entry: &Entry<'_>) -> String {
    let id = entry.purchase.payment_id.uuid().simple().to_string();
    match entry.given_back {
        Some(given) => id + &digits36(given.number),
        None => id,
    }
}

fn digits36(number: i64) -> String {
    let digit = |value: i64| {
        let value = u32::try_from(value.rem_euclid(36)).unwrap_or_default();
        char::from_digit(value, 36).unwrap_or('0')
    };
    [number / (36 * 36), number / 36, number].map(digit).into_iter().collect()
}

fn kind(entry: &Entry<'_>) -> &'static str {
    match (entry.came_back(), entry.is_reversal()) {
        (false, _) => entry.purchase.nature.as_str(),
        (true, false) => "REFUND",
        (true, true) => "REVERSAL",
    }
}

/// The amount without its sign, and the side that it stands on; nothing stands on the credit side.
fn absolute(amount: Money) -> (String, &'static str) {
    let side = if amount.minor < 0 { "DBIT" } else { "CRDT" };
    (Money::new(amount.currency, amount.minor.saturating_abs()).to_major(), side)
}

fn time(at: Timestamp) -> String {
    utc(at, "%Y-%m-%dT%H:%M:%S.%6fZ")
}
