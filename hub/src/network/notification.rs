//! The messages of a link's day as a file: ISO 20022 camt.054 (BankToCustomerDebitCreditNotification), which is read back into the same
//! messages.
//!
//! One table, [`PLACES`], says where a field of ISO 8583 stands in the hub's own request and in an entry of the file. A field goes to its
//! place only if the same field comes back from there; every other one, those of no place, private and unknown ones, stands in the entry's
//! supplementary data, which ISO 20022 keeps for what its messages have no element for. So nothing is lost either way.

use std::collections::BTreeMap;

use domain::{Currency, Money, Reason};
use iso8583::{BuildError, Dialect, Message, MessageBuilder, Mti};
use quick_xml::Reader;
use quick_xml::events::Event;

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
    Place { field: 37, request: "CreatePaymentRequest.payment_id", entry: "NtryDtls/TxDtls/Refs/TxId" },
    Place { field: 90, request: "AuthorizePaymentRequest.payment_id", entry: "NtryDtls/TxDtls/Refs/EndToEndId" },
];

/// The reference of a field, by its element.
const REFERENCES: [(u8, &str); 3] = [(11, "InstrId"), (90, "EndToEndId"), (37, "TxId")];
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08";
/// Max35Text of the schema.
const LONGEST_REFERENCE: usize = 35;

/// A message on its way into a file, or out of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    mti: [u8; 4],
    amount: Option<Money>,
    references: BTreeMap<u8, String>,
    /// What has no place, as the values of the fields; 0 is the header.
    others: BTreeMap<u8, Vec<u8>>,
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
            if amount.is_some() && matches!(number, 4 | 49) {
                continue;
            }
            let text = field.text().into_owned();
            let has_place = REFERENCES.iter().any(|(known, _)| *known == number);
            if has_place && is_plain(&text) && text.len() <= LONGEST_REFERENCE {
                references.insert(number, text);
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

    fn write(&self, out: &mut String) {
        let mti: String = self.mti.iter().map(|digit| char::from(b'0' + digit)).collect();
        out.push_str("<Ntry>");
        if let Some(amount) = self.amount {
            let (code, major) = (amount.currency.code(), amount.to_major());
            out.push_str(&["<Amt Ccy=\"", code, "\">", &major, "</Amt>"].concat());
        }
        // A message of a kind of its own in each direction: what was asked for, as seen by the acquirer.
        out.push_str("<CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>INFO</Cd></Sts>");
        out.push_str(&["<BkTxCd><Prtry><Cd>", &mti, "</Cd></Prtry></BkTxCd>"].concat());
        out.push_str("<NtryDtls><TxDtls>");
        if !self.references.is_empty() {
            out.push_str("<Refs>");
            for (field, name) in REFERENCES {
                if let Some(text) = self.references.get(&field) {
                    out.push_str(&["<", name, ">", text, "</", name, ">"].concat());
                }
            }
            out.push_str("</Refs>");
        }
        out.push_str("<SplmtryData><Envlp>");
        for (field, value) in &self.others {
            let number = field.to_string();
            let text = std::str::from_utf8(value).ok().filter(|text| is_plain(text));
            let (name, text) =
                text.map_or_else(|| ("Octets", crate::hex::encode(value)), |text| ("Text", text.to_owned()));
            out.push_str(&["<Field><Nb>", &number, "</Nb><", name, ">", &text, "</", name, "></Field>"].concat());
        }
        out.push_str("</Envlp></SplmtryData></TxDtls></NtryDtls></Ntry>");
    }
}

/// A file with these entries.
pub fn to_xml(id: &str, entries: &[Entry]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    out.push_str(
        &["<Document xmlns=\"", NAMESPACE, "\"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>", id, "</MsgId></GrpHdr>"]
            .concat(),
    );
    out.push_str(&["<Ntfctn><Id>", id, "</Id>"].concat());
    entries.iter().for_each(|entry| entry.write(&mut out));
    out.push_str("</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>");
    out
}

/// What is read of an entry so far.
#[derive(Default)]
struct Reading {
    entry: Option<Entry>,
    currency: Option<Currency>,
    field: Option<u8>,
}

/// Reads a file that [`to_xml`] has written. `Err(MessageMalformed)` for anything else.
pub fn from_xml(text: &str) -> Result<Vec<Entry>, Reason> {
    let (mut reader, mut path, mut entries) = (Reader::from_str(text), Vec::<String>::new(), Vec::new());
    let mut reading = Reading::default();
    loop {
        match reader.read_event().map_err(|_| Reason::MessageMalformed)? {
            Event::Start(start) => {
                let name = start.name().as_ref().to_owned();
                if name == "Ntry" {
                    let (references, others) = (BTreeMap::new(), BTreeMap::new());
                    reading.entry = Some(Entry { mti: [0; 4], amount: None, references, others });
                }
                for attribute in start.attributes().filter(|_| name == "Amt") {
                    let attribute = attribute.map_err(|_| Reason::MessageMalformed)?;
                    reading.currency = Some(Currency::parse(&attribute.value)?);
                }
                path.push(name);
            }
            Event::Text(text) => {
                if let [.., parent, name] = path.as_slice() {
                    reading.take((parent, name), &text)?;
                }
            }
            Event::End(_) => {
                let ended = path.pop();
                entries.extend(reading.entry.take_if(|_| ended.as_deref() == Some("Ntry")));
            }
            Event::Eof => return if path.is_empty() { Ok(entries) } else { Err(Reason::MessageMalformed) },
            _ => {}
        }
    }
}

impl Reading {
    fn take(&mut self, (parent, name): (&str, &str), text: &str) -> Result<(), Reason> {
        let Some(entry) = &mut self.entry else { return Ok(()) };
        match (parent, name) {
            ("Ntry", "Amt") => {
                let currency = self.currency.ok_or(Reason::MessageMalformed)?;
                entry.amount = Some(Money::parse_major(currency, text)?);
            }
            ("Prtry", "Cd") => {
                let mti = Mti::from_text(text).ok_or(Reason::MessageMalformed)?;
                entry.mti = mti.digits();
            }
            ("Refs", name) => {
                let known = REFERENCES.iter().find(|(_, known)| *known == name).ok_or(Reason::MessageMalformed)?;
                entry.references.insert(known.0, text.to_owned());
            }
            ("Field", "Nb") => self.field = Some(text.parse().map_err(|_| Reason::MessageMalformed)?),
            ("Field", "Text" | "Octets") => {
                let field = self.field.take().ok_or(Reason::MessageMalformed)?;
                let octets = if name == "Text" { Some(text.as_bytes().to_vec()) } else { crate::hex::decode(text) };
                entry.others.insert(field, octets.ok_or(Reason::MessageMalformed)?);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use iso8583::dialect::ALL;
    use iso8583::samples;
    use proptest::prelude::*;

    use super::*;

    fn octets(message: &MessageBuilder<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        message.write(&mut octets).unwrap();
        octets
    }

    /// Through the file and back, octet by octet.
    fn comes_back(dialect: &'static Dialect, frame: &[u8]) {
        let message = Message::read(dialect, frame).unwrap();
        let entry = Entry::of(&message);
        let read = from_xml(&to_xml("day-1", std::slice::from_ref(&entry))).unwrap();
        assert_eq!(read, [entry]);
        let mut again = read[0].message(dialect).unwrap();
        if message.bitmap().has_secondary() {
            again.secondary_bitmap();
        }
        assert_eq!(octets(&again), frame, "{}", dialect.name);
    }

    #[test]
    fn m7_a_days_messages_go_through_a_file_without_loss_in_every_dialect() {
        for dialect in ALL {
            for frame in samples::day(dialect, 200).unwrap() {
                comes_back(dialect, &frame);
            }
        }
    }

    #[test]
    fn m7_a_file_that_is_none_is_refused() {
        for bad in [
            "<Ntry>",
            "<Document><Ntry><Amt>12</Amt></Ntry></Document>",
            "<Document><Ntry><Amt Ccy=\"xyz\">12</Amt></Ntry></Document>",
            "<Document><Ntry><BkTxCd><Prtry><Cd>9999</Cd></Prtry></BkTxCd></Ntry></Document>",
            "<Document><Ntry><Refs><Other>1</Other></Refs></Ntry></Document>",
            "<Document><Ntry><Field><Octets>00</Octets></Field></Ntry></Document>",
            "<Document><Ntry><Field><Nb>400</Nb></Field></Ntry></Document>",
        ] {
            assert!(from_xml(bad).is_err(), "{bad}");
        }
        assert_eq!(from_xml("<Document></Document>"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn m7_private_and_unknown_fields_survive_the_round_trip(
            minor in 0_u64..1_000_000_000_000,
            code in prop::sample::select(vec!["156", "392", "414", "999", "CNY", "abc"]),
            private in "[ -~]{1,200}",
            octets_of_chip in prop::collection::vec(any::<u8>(), 1..200),
            national in "[ -~]{0,7}[A-Za-z<&\"']",
        ) {
            let dialect = &iso8583::dialect::ISO_1987_ASCII_BINARY;
            let mut message = MessageBuilder::new(dialect, Mti::FINANCIAL_REQUEST).unwrap();
            message.number(4, minor).unwrap().text(49, code).unwrap().number(11, 7).unwrap();
            message.text(48, &private).unwrap().value(55, &octets_of_chip).unwrap().padded(41, &national).unwrap();
            message.text(127, &private).unwrap().text(37, "ABC123456789").unwrap();
            comes_back(dialect, &octets(&message));
        }

        #[test]
        fn m7_any_text_is_a_file_or_refused(text in ".{0,300}") {
            let _ = from_xml(&text);
        }
    }
}
