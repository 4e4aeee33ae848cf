//! The messages of a link's day as a file: ISO 20022 camt.054.001.08 (BankToCustomerDebitCreditNotificationV08), which is read back into
//! the same messages.
//!
//! One table, [`PLACES`], says where a field of ISO 8583 stands in the hub's own request and in an entry of the file; [`NEVER`] says which
//! stand nowhere, since they prove a card or a payer. A field goes to its place only if the same field comes back from there; every other
//! one, those of no place, private and unknown ones, stands in the entry's supplementary data, which ISO 20022 keeps for what its messages
//! have no element for. So nothing else is lost either way.

use std::collections::BTreeMap;

use domain::network::{PrivateData, Tag};
use domain::{Currency, Money, Reason, Timestamp};
use iso8583::{BuildError, Dialect, Message, MessageBuilder, Mti};
use zeroize::Zeroizing;

use super::reply::PRIVATE;
use crate::xml::{Document, Fault, Piece, Xml, written_time};

/// Where a field stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub field: u8,
    /// The field of `bankhub.terminal.v1` that it becomes.
    pub request: &'static str,
    /// The element under `Ntry` of camt.054.001.08.
    pub entry: &'static str,
}

/// Fields 4 and 49 together make the amount.
pub const PLACES: [Place; 5] = [
    Place { field: 4, request: "CreatePaymentRequest.amount.minor_units", entry: "Amt" },
    Place { field: 49, request: "CreatePaymentRequest.amount.currency_code", entry: "Amt/@Ccy" },
    Place { field: 11, request: "CreatePaymentRequest.payment_id", entry: "NtryDtls/TxDtls/Refs/InstrId" },
    Place { field: 90, request: "AuthorizePaymentRequest.payment_id", entry: "NtryDtls/TxDtls/Refs/EndToEndId" },
    Place { field: 37, request: "CreatePaymentRequest.payment_id", entry: "NtryDtls/TxDtls/Refs/TxId" },
];

/// What is in no file and is not kept with a message either: the card's number and expiry, its tracks, PIN blocks, the chip's data, and
/// authentication codes. Of field 120 the one-time code and the digits on the back of the card.
pub(super) const NEVER: [u8; 11] = [2, 14, 34, 35, 36, 45, 52, 55, 64, 96, 128];
const REFERENCES: &str = "NtryDtls/TxDtls/Refs/";
pub(crate) const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08";
/// Of what stands in an entry's supplementary data.
const FIELDS: &str = "urn:bankhub:iso8583:1987";
/// Max35Text of the schema.
const LONGEST_REFERENCE: usize = 35;
/// Max34Text of the schema.
const LONGEST_ACCOUNT: usize = 34;
/// ISO 4217: no currency. An entry has an amount, and there are messages that have none.
const NO_CURRENCY: &str = "XXX";
const ONE: &str = "BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry";

/// The references of the table, by field, in the order of the schema.
fn places_of_references() -> impl Iterator<Item = (u8, &'static str)> {
    PLACES.iter().filter_map(|place| Some((place.field, place.entry.strip_prefix(REFERENCES)?)))
}

/// What is kept of field 120: the entries that prove nothing. None if nothing is left, and for what is no list of entries, which may be
/// anything.
pub(super) fn kept_private(text: &str) -> Option<Zeroizing<String>> {
    let rest = PrivateData::parse(text).ok()?.without(Tag::Code).without(Tag::Cvv2);
    if rest.is_empty() { None } else { rest.to_text().ok().map(Zeroizing::new) }
}

/// A message on its way into a file, or out of one.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    mti: [u8; 4],
    amount: Option<Money>,
    references: BTreeMap<u8, String>,
    /// What has no place, as the values of the fields; 0 is the header.
    others: BTreeMap<u8, Vec<u8>>,
}

/// Without values: the log of frames shows no more.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Vec<&u8> = self.references.keys().chain(self.others.keys()).collect();
        f.debug_struct("Entry").field("mti", &self.mti).field("fields", &fields).finish_non_exhaustive()
    }
}

/// The two fields of an amount as the hub writes them.
fn fields_of(amount: Money) -> [(u8, String); 2] {
    [(4, format!("{:012}", amount.minor)), (49, format!("{:03}", amount.currency.numeric()))]
}

fn amount_of(message: &Message<'_>) -> Option<Money> {
    let minor = i64::try_from(message.field(4)?.as_number()?).ok()?;
    let code = message.field(49)?.text().into_owned();
    let amount = Money::new(Currency::from_numeric(code.parse().ok()?).ok()?, minor);
    let is_same = |(field, text): (u8, String)| message.field(field).is_some_and(|field| field.text() == text);
    fields_of(amount).into_iter().all(is_same).then_some(amount)
}

/// What stands in a file as it is: nothing that would have to be escaped, and no blank at either end.
fn is_plain(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b" .,:;/+-=_()".contains(&byte);
    !text.is_empty() && text.trim() == text && text.bytes().all(fine)
}

impl Entry {
    pub fn of(message: &Message<'_>) -> Self {
        let amount = amount_of(message);
        let (mut references, mut others) = (BTreeMap::new(), BTreeMap::new());
        if !message.header().is_empty() {
            others.insert(0, message.header().to_vec());
        }
        for field in message.fields() {
            let number = field.number();
            if NEVER.contains(&number) || (amount.is_some() && matches!(number, 4 | 49)) {
                continue;
            }
            let text = Zeroizing::new(field.text().into_owned());
            if number == PRIVATE {
                others.extend(kept_private(&text).map(|text| (PRIVATE, text.as_bytes().to_vec())));
                continue;
            }
            let has_place = places_of_references().any(|(known, _)| known == number);
            if has_place && is_plain(&text) && text.len() <= LONGEST_REFERENCE {
                references.insert(number, text.to_string());
            } else {
                others.insert(number, field.value().into_owned());
            }
        }
        Self { mti: message.mti().digits(), amount, references, others }
    }

    /// The message again, without an authentication code.
    pub fn message(&self, dialect: &'static Dialect) -> Result<MessageBuilder<'static>, BuildError> {
        let mti = Mti::from_digits(self.mti).ok_or(BuildError::MtiVersion)?;
        let mut message = MessageBuilder::new(dialect, mti)?;
        for (field, text) in self.amount.map(fields_of).into_iter().flatten() {
            message.text(field, &text)?;
        }
        for (field, text) in &self.references {
            message.text(*field, text)?;
        }
        for (field, value) in &self.others {
            match field {
                0 => message.header(value)?,
                field => message.value(*field, value)?,
            };
        }
        Ok(message)
    }

    /// ReportEntry10, as the acquirer sees it: what is paid comes in, what is given or taken back goes out.
    fn write(&self, xml: &mut Xml) {
        let mti: String = self.mti.iter().map(|digit| char::from(b'0'.saturating_add(*digit))).collect();
        let is_reversal = matches!(self.mti, [_, 4, ..]);
        let is_refund = self.others.get(&3).is_some_and(|code| code.starts_with(b"20"));
        let (code, major) = match self.amount {
            Some(amount) => (amount.currency.code(), amount.to_major()),
            None => (NO_CURRENCY, "0".to_owned()),
        };
        xml.text_with("Amt", ("Ccy", code), &major);
        xml.text("CdtDbtInd", if is_reversal || is_refund { "DBIT" } else { "CRDT" });
        if is_reversal {
            xml.text("RvslInd", "true");
        }
        // That it came, and not what became of it.
        xml.within("Sts", |xml| xml.text("Cd", "INFO"));
        xml.within("BkTxCd", |xml| {
            xml.within("Prtry", |xml| {
                xml.text("Cd", &mti);
                xml.text("Issr", "ISO 8583");
            });
        });
        xml.within("NtryDtls", |xml| xml.within("TxDtls", |xml| self.write_details(xml)));
    }

    fn write_details(&self, xml: &mut Xml) {
        if !self.references.is_empty() {
            xml.within("Refs", |xml| {
                for (field, name) in places_of_references() {
                    if let Some(text) = self.references.get(&field) {
                        xml.text(name, text);
                    }
                }
            });
        }
        if self.others.is_empty() {
            return;
        }
        xml.open("SplmtryData");
        xml.open("Envlp");
        xml.open_with("Iso8583", ("xmlns", FIELDS));
        for (field, value) in &self.others {
            xml.within("Field", |xml| {
                xml.text("Nb", &field.to_string());
                match std::str::from_utf8(value).ok().filter(|text| is_plain(text)) {
                    Some(text) => xml.text("Text", text),
                    None => xml.text("Octets", &crate::hex::encode(value)),
                }
            });
        }
        for name in ["Iso8583", "Envlp", "SplmtryData"] {
            xml.close(name);
        }
    }
}

/// A file with these entries of a link. `Err(ClearingNameTooLong)` for an id or a link that the schema has no room for.
pub fn to_xml((id, link): (&str, &str), entries: &[Entry], now: Timestamp) -> Result<Vec<u8>, Reason> {
    if id.chars().count() > LONGEST_REFERENCE || link.chars().count() > LONGEST_ACCOUNT {
        return Err(Reason::ClearingNameTooLong);
    }
    let mut xml = Xml::new();
    xml.open_with("Document", ("xmlns", NAMESPACE));
    xml.open("BkToCstmrDbtCdtNtfctn");
    xml.within("GrpHdr", |xml| {
        xml.text("MsgId", id);
        xml.text("CreDtTm", &written_time(now));
    });
    xml.open("Ntfctn");
    xml.text("Id", id);
    xml.within("Acct", |xml| xml.within("Id", |xml| xml.within("Othr", |xml| xml.text("Id", link))));
    for entry in entries {
        xml.within("Ntry", |xml| entry.write(xml));
    }
    for name in ["Ntfctn", "BkToCstmrDbtCdtNtfctn", "Document"] {
        xml.close(name);
    }
    Ok(xml.take())
}

/// Reads a file that [`to_xml`] has written.
pub fn from_xml(octets: &[u8]) -> Result<Vec<Entry>, Fault> {
    let mut document = Document::open(octets)?;
    if document.namespace() != NAMESPACE {
        return Err(document.fault(Reason::FileKindUnknown));
    }
    read(&mut document)
}

/// Reads a file whose root is open.
pub(crate) fn read(document: &mut Document<'_>) -> Result<Vec<Entry>, Fault> {
    let (mut entries, mut reading) = (Vec::new(), Reading::default());
    while let Some(piece) = document.next()? {
        let path = document.path();
        let taken = match piece {
            Piece::Leaf { text, currency } => match path.strip_prefix(ONE).and_then(|rest| rest.strip_prefix('/')) {
                Some(path) => reading.take(path, &text, currency.as_deref()),
                None if path == ONE => Err(Reason::FieldMissing),
                None => Ok(()),
            },
            Piece::Close if path == ONE => std::mem::take(&mut reading).finish().map(|entry| entries.push(entry)),
            Piece::Open | Piece::Close => Ok(()),
        };
        taken.map_err(|reason| document.fault(reason))?;
    }
    Ok(entries)
}

/// What is read of an entry so far.
#[derive(Default)]
struct Reading {
    mti: Option<[u8; 4]>,
    amount: Option<Money>,
    references: BTreeMap<u8, String>,
    others: BTreeMap<u8, Vec<u8>>,
    field: Option<u8>,
}

impl Reading {
    fn take(&mut self, path: &str, text: &str, currency: Option<&str>) -> Result<(), Reason> {
        if let Some(name) = path.strip_prefix(REFERENCES) {
            let known = places_of_references().find(|(_, known)| *known == name);
            let (field, _) = known.ok_or(Reason::MessageMalformed)?;
            return put(&mut self.references, field, text.to_owned());
        }
        match path {
            "Amt" if currency == Some(NO_CURRENCY) => Ok(()),
            "Amt" => {
                let currency = Currency::parse(currency.ok_or(Reason::FieldMissing)?)?;
                self.amount = Some(Money::parse_major(currency, text)?);
                Ok(())
            }
            "BkTxCd/Prtry/Cd" => {
                self.mti = Some(Mti::from_text(text).ok_or(Reason::MessageMalformed)?.digits());
                Ok(())
            }
            _ => self.take_field(path.strip_prefix("NtryDtls/TxDtls/SplmtryData/Envlp/Iso8583/Field/"), text),
        }
    }

    fn take_field(&mut self, name: Option<&str>, text: &str) -> Result<(), Reason> {
        match name {
            Some("Nb") => {
                self.field = Some(text.parse().map_err(|_| Reason::MessageMalformed)?);
                Ok(())
            }
            Some(name @ ("Text" | "Octets")) => {
                let field = self.field.take().ok_or(Reason::MessageMalformed)?;
                let octets = if name == "Text" { Some(text.as_bytes().to_vec()) } else { crate::hex::decode(text) };
                put(&mut self.others, field, octets.ok_or(Reason::MessageMalformed)?)
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<Entry, Reason> {
        let mti = self.mti.ok_or(Reason::FieldMissing)?;
        Ok(Entry { mti, amount: self.amount, references: self.references, others: self.others })
    }
}

/// A field that stands twice would be one of two.
fn put<T>(fields: &mut BTreeMap<u8, T>, field: u8, value: T) -> Result<(), Reason> {
    if fields.insert(field, value).is_some() { Err(Reason::MessageMalformed) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
