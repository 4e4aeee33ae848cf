//! The messages that go out over a line to a card network: which fields each has, in one place. Without I/O.
//!
//! | | type | 3 | beside 2, 4, 7, 11, 12, 13, 18, 22, 25, 32, 33, 37, 41, 42, 43, 49, 100 |
//! |---|---|---|---|
//! | charge | 0200, 0201 | 000000, cash 010000 | 14, 35, 52, 53, 55, 120 as the card was shown |
//! | authorisation | 0100, 0101 | 030000 | the same |
//! | completion | 0220, 0221 | 000000 | 38, 90 |
//! | refund | 0220, 0221 | 200000 | 38, 90 |
//! | reversal | 0420, 0421 | of what is taken back | 38, 90 |
//!
//! Types and fields: ISO 8583:1987, clauses 4.1 and 4.3; processing codes annex A.4, and 03 for an authorisation as China UnionPay has it.

use domain::card::Pan;
use domain::ledger::Nature;
use domain::network::{Asked, Counted, PrivateData, Tag, Totals, short_name};
use domain::purchase::Terminal;
use domain::{Money, Reason, Timestamp};
use iso8583::element::{Amount, ProcessingCode, TransmissionTime};
use iso8583::{BuildError, Message, MessageBuilder, Mti};
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::link::{LineKeys, Manner};
use crate::bank::PresentedCard;
use crate::network::reply::PRIVATE;
use crate::network::settle::theirs;

/// PIN blocks of format 0 with the card's number, under triple DES: field 53 as China UnionPay fills it (Q/CUP 006).
const SECURITY_CONTROL: u64 = 2_600_000_000_000_000;

/// Fields 11 and 7: with them an answer names its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Trace {
    pub(super) stan: u64,
    /// MMDDhhmmss in UTC.
    pub(super) time: u64,
}

impl Trace {
    pub(super) fn of(stan: i64, sent_at: Timestamp) -> Self {
        let seconds = u64::try_from(sent_at.micros() / 1_000_000).unwrap_or(0);
        let time = TransmissionTime::from_unix_seconds(seconds).number();
        Self { stan: u64::try_from(stan).unwrap_or(0), time }
    }

    pub(super) fn read(message: &Message<'_>) -> Option<Self> {
        let number = |field| message.field(field)?.as_number();
        Some(Self { stan: number(11)?, time: number(7)? })
    }
}

/// What a leg begins with, without its numbers and without what proves the card.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) asked: Asked,
    pub(super) code: ProcessingCode,
    pub(super) pan: Pan,
    pub(super) amount: Money,
    /// Field 22: how the number was entered, and whether a PIN was.
    pub(super) entry_mode: u64,
    /// Field 25: 00 at a terminal, 08 by phone.
    pub(super) condition: u64,
    pub(super) seller: std::sync::Arc<Terminal>,
    /// Field 100.
    pub(super) receiver: Option<String>,
}

/// What is asked for a sort of transaction. `Err(NatureUnsupported)` for what no message is defined for here.
pub(super) fn first_of(nature: Nature) -> Result<(Asked, ProcessingCode), Reason> {
    let (asked, transaction) = match nature {
        Nature::Purchase => (Asked::Charge, 0),
        Nature::CashWithdrawal => (Asked::Charge, 1),
        Nature::PreAuthorisation => (Asked::Authorisation, 3),
        _ => return Err(Reason::NatureUnsupported),
    };
    Ok((asked, ProcessingCode::new(transaction, 0, 0).ok_or(Reason::Fault)?))
}

/// How a card was entered, field 22 (ISO 8583:1987, annex A.8): by its track, its number, or not at all.
pub(super) fn entry_mode(card: Option<&PresentedCard>) -> u64 {
    let Some(card) = card else { return 12 };
    let way = if card.chip().is_some() {
        50
    } else if card.track2().is_some() {
        20
    } else {
        10
    };
    way + if card.has_pin() { 1 } else { 2 }
}

/// The type of what is asked.
pub(super) const fn mti_of(asked: Asked) -> Mti {
    match asked {
        Asked::Charge => Mti::FINANCIAL_REQUEST,
        Asked::Authorisation => Mti::AUTHORIZATION_REQUEST,
        Asked::Completion | Asked::Refund => Mti::FINANCIAL_ADVICE,
        Asked::Reversal => Mti::REVERSAL_ADVICE,
    }
}

/// When and under which number a message goes out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbered<'z> {
    pub(super) trace: Trace,
    pub(super) sent_at: Timestamp,
    pub(super) zone: &'z TimeZone,
}

fn begin(
    manner: &Manner,
    asked: Asked,
    code: u64,
    numbered: &Numbered<'_>,
) -> Result<MessageBuilder<'static>, BuildError> {
    let mut message = MessageBuilder::new(manner.dialect, mti_of(asked))?;
    if let Some(header) = &manner.header {
        message.header(header)?;
    }
    message.number(3, code)?.number(7, numbered.trace.time)?.number(11, numbered.trace.stan)?;
    if let Ok(at) = jiff::Timestamp::from_microsecond(numbered.sent_at.micros()) {
        let local = numbered.zone.to_datetime(at);
        let part = |value: i8| u64::try_from(value).unwrap_or(0);
        message.number(12, part(local.hour()) * 10_000 + part(local.minute()) * 100 + part(local.second()))?;
        message.number(13, part(local.month()) * 100 + part(local.day()))?;
    }
    message.text(32, &manner.institution)?;
    if let Some(forwarder) = &manner.forwarder {
        message.text(33, forwarder)?;
    }
    Ok(message)
}

fn put_amount(message: &mut MessageBuilder<'_>, amount: Money) -> Result<(), BuildError> {
    let minor = Amount::from_minor_units(amount.minor).ok_or(BuildError::NotANumber { field: 4 })?;
    message.number(4, minor.number())?.text(49, &format!("{:03}", amount.currency.numeric()))?;
    Ok(())
}

/// The first message of a leg, as it is kept.
pub(super) fn first(
    manner: &Manner,
    draft: &Draft,
    reference: &str,
    numbered: &Numbered<'_>,
) -> Result<MessageBuilder<'static>, BuildError> {
    let mut message = begin(manner, draft.asked, draft.code.number(), numbered)?;
    put_amount(&mut message, draft.amount)?;
    let merchant = &draft.seller.merchant;
    message.text(2, draft.pan.reveal())?.text(18, merchant.category.as_str())?;
    message.number(22, draft.entry_mode)?.number(25, draft.condition)?.text(37, reference)?;
    message.padded(41, &short_name(draft.seller.id.as_str(), 8))?;
    message.padded(42, &short_name(merchant.id.as_str(), 15))?;
    // A name in characters that the dialect does not have is left out.
    let name: String = merchant.name.as_str().chars().take(40).collect();
    if name.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        message.padded(43, &name)?;
    }
    if let Some(receiver) = &draft.receiver {
        message.text(100, receiver)?;
    }
    Ok(message)
}

/// A message that is about another one.
#[derive(Debug)]
pub(super) struct About<'m> {
    pub(super) asked: Asked,
    /// The first message of the leg.
    pub(super) first: &'m Message<'m>,
    /// What field 90 names: the first message, or a completion.
    pub(super) named: (Mti, Trace),
    pub(super) amount: Money,
    pub(super) approval_code: Option<&'m str>,
    /// Its own for money that goes back; none for that of the first.
    pub(super) reference: Option<&'m str>,
}

/// A message that is about another one, as it is kept.
pub(super) fn about(
    manner: &Manner,
    about: &About<'_>,
    numbered: &Numbered<'_>,
) -> Result<MessageBuilder<'static>, BuildError> {
    let code = match about.asked {
        Asked::Refund => 200_000,
        Asked::Completion => 0,
        _ => about.first.field(3).and_then(|code| code.as_number()).unwrap_or(0),
    };
    let mut message = begin(manner, about.asked, code, numbered)?;
    put_amount(&mut message, about.amount)?;
    for number in [2, 18, 22, 25, 41, 42, 43, 100] {
        if let Some(field) = about.first.field(number) {
            message.field(&field)?;
        }
    }
    match about.reference {
        Some(reference) => message.text(37, reference)?,
        None => match about.first.field(37) {
            Some(field) => message.field(&field)?,
            None => &mut message,
        },
    };
    if let Some(code) = about.approval_code {
        message.padded(38, code)?;
    }
    let ((mti, trace), forwarder) = (about.named, manner.forwarder.as_deref().unwrap_or_default());
    let named = format!("{mti}{:06}{:010}{:0>11}{forwarder:0>11}", trace.stan, trace.time, manner.institution);
    message.text(90, &named)?;
    Ok(message)
}

/// What goes over the line of a message that was kept: with what proves the card, if it was shown, and its authentication code.
pub(super) fn on_the_wire(
    manner: &Manner,
    keys: &LineKeys,
    (octets, is_repeat): (&[u8], bool),
    card: Option<&PresentedCard>,
) -> Result<Zeroizing<Vec<u8>>, WireError> {
    let kept = Message::read(manner.dialect, octets)?;
    let mti = if is_repeat { kept.mti().repeat().unwrap_or(kept.mti()) } else { kept.mti() };
    let mut message = MessageBuilder::new(manner.dialect, mti)?;
    message.header(kept.header())?;
    for field in kept.fields() {
        message.field(&field)?;
    }
    if let Some(card) = card {
        show(&mut message, keys, card)?;
    }
    let mut out = Zeroizing::new(Vec::with_capacity(1_024));
    match &keys.mac {
        Some(key) => message.write_sealed(&mut out, &key.as_mac()).map_err(|error| match error {
            iso8583::mac::SealError::Build(error) => error,
            iso8583::mac::SealError::Mac(never) => match never {},
        })?,
        None => message.write(&mut out)?,
    }
    Ok(out)
}

fn show(message: &mut MessageBuilder<'_>, keys: &LineKeys, card: &PresentedCard) -> Result<(), WireError> {
    if let Some(expiry) = card.expiry() {
        message.text(14, &expiry.yymm())?;
    }
    if let Some(track) = card.track2() {
        message.text(35, &Zeroizing::new(track.reveal()))?;
    }
    if let Some(chip) = card.chip() {
        message.value(55, chip)?;
    }
    if let Some(cvv2) = card.cvv2() {
        let data = PrivateData::default().with(Tag::Cvv2, cvv2.reveal());
        message.text(PRIVATE, &Zeroizing::new(data.to_text().map_err(WireError::Card)?))?;
    }
    if card.has_pin() {
        // A block under a terminal's own key is for a bank that has the key; nobody else can open it.
        let pin = card.pin().ok_or(WireError::Card(Reason::PinKeyUnknown))?;
        let key = keys.pin.as_ref().ok_or(WireError::Card(Reason::PinKeyUnknown))?;
        message.value(52, &key.close_pin(pin, card.pan()))?.number(53, SECURITY_CONTROL)?;
    }
    Ok(())
}

/// Why a message cannot go out. Nothing of it is repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("a message that was kept is of another dialect: {0}")]
    Read(#[from] iso8583::ReadError),
    #[error("a message cannot be written: {0}")]
    Build(#[from] BuildError),
    #[error("what was shown of a card cannot go out: {}", .0.code())]
    Card(Reason),
}

/// What an answer says, without what is on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Field 39.
    pub(super) code: String,
    /// Field 38.
    pub(super) approval_code: Option<String>,
    amount_minor: Option<i64>,
    reference: Option<String>,
    /// Field 2, and whether it is there, be it a card's number or not.
    card: Option<Pan>,
    names_card: bool,
    /// Field 120, of an answer to a key exchange.
    pub(super) private: Option<String>,
    /// Field 66, of an answer to totals.
    pub(super) settlement: Option<u64>,
    /// What the other side counts, if it says so.
    pub(super) totals: Option<Totals>,
}

impl Answer {
    pub(super) fn of(message: &Message<'_>) -> Self {
        let text = |field: u8| message.field(field).map(|field| field.text().trim().to_owned());
        Self {
            code: text(39).unwrap_or_default(),
            approval_code: text(38).filter(|code| !code.is_empty() && code.is_ascii()),
            amount_minor: message.field(4).and_then(|amount| amount.as_number()).and_then(|n| i64::try_from(n).ok()),
            reference: text(37),
            card: message.field(2).and_then(|field| Pan::parse(&Zeroizing::new(field.text().into_owned())).ok()),
            names_card: message.field(2).is_some(),
            private: text(PRIVATE),
            settlement: message.field(66).and_then(|code| code.as_number()),
            totals: Counted::ALL
                .iter()
                .any(|what| message.field(what.fields().1).is_some())
                .then(|| theirs(message).ok())
                .flatten(),
        }
    }

    /// Whether it is about this amount, this reference and this card, as far as it says.
    pub(super) fn is_of(&self, sent: &Message<'_>) -> bool {
        let sent = Self::of(sent);
        let same_amount = self.amount_minor.is_none_or(|amount| sent.amount_minor == Some(amount));
        let same_card = !self.names_card || self.card.is_some() && self.card == sent.card;
        same_amount
            && same_card
            && self.reference.as_ref().is_none_or(|reference| sent.reference.as_ref() == Some(reference))
    }
}

/// The reference of a leg, field 37: twelve characters of base 32 (Crockford's), of the part of its id that is random.
pub(super) fn reference(id: uuid::Uuid) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = id.as_u128();
    let digit = |place: u32| {
        let index = usize::try_from(bits >> (5 * place) & 31).unwrap_or(0);
        DIGITS.get(index).copied().map_or('0', char::from)
    };
    (0..12).rev().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use domain::card::{Cvv, Expiry, Pin, Track2};
    use domain::purchase::{CategoryCode, Merchant};
    use domain::text::Line;
    use domain::{Currency, MerchantId, TerminalId};
    use iso8583::dialect::ALL;
    use secrecy::SecretString;
    use uuid::Uuid;

    use super::*;
    use crate::bank::LinkCard;
    use crate::network::working_key::WorkingKey;

    const SENT_AT: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn pan() -> Pan {
        Pan::issue(&domain::card::Bin::parse("622849").unwrap(), 1, 16).unwrap()
    }

    fn manner(dialect: &'static iso8583::Dialect) -> Manner {
        let (institution, forwarder) = ("66280000".to_owned(), Some("66280001".to_owned()));
        Manner { dialect, header: None, institution, forwarder }
    }

    fn draft() -> Draft {
        let (asked, code) = first_of(Nature::Purchase).unwrap();
        Draft {
            asked,
            code,
            pan: pan(),
            amount: Money::new(Currency::CNY, 1_250),
            entry_mode: 21,
            condition: 0,
            seller: Arc::new(Terminal {
                id: TerminalId::parse("shanghai-till-1").unwrap(),
                merchant: Merchant {
                    id: MerchantId::parse("noodles").unwrap(),
                    name: Line::parse("面馆").unwrap(),
                    category: CategoryCode::parse("5812").unwrap(),
                },
                place: None,
                location: None,
                suspended: false,
            }),
            receiver: Some("66281000".to_owned()),
        }
    }

    fn numbered(zone: &TimeZone, stan: i64) -> Numbered<'_> {
        Numbered { trace: Trace::of(stan, SENT_AT), sent_at: SENT_AT, zone }
    }

    fn card() -> PresentedCard {
        let shown = LinkCard {
            pan: Some(pan()),
            expiry: Some(Expiry::parse_yymm("2912").unwrap()),
            cvv2: Some(Cvv::parse("017").unwrap()),
            track2: Some(Track2::parse(&format!("{}=29122010000017", pan().reveal())).unwrap()),
            pin: Some(Pin::parse("271828").unwrap()),
            chip: None,
        };
        PresentedCard::over_link(shown, &TerminalId::parse("till-1").unwrap(), |_, _| Ok(None)).unwrap()
    }

    fn octets(message: &MessageBuilder<'_>) -> Vec<u8> {
        let mut octets = Vec::new();
        message.write(&mut octets).unwrap();
        octets
    }

    #[test]
    fn m6_what_is_kept_of_a_charge_proves_nothing_and_what_goes_out_shows_the_card() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let key = WorkingKey::read(&SecretString::from("0123456789ABCDEFFEDCBA9876543210")).unwrap();
        for dialect in ALL {
            let manner = manner(dialect);
            let kept = octets(&first(&manner, &draft(), "ABCDEFGH1234", &numbered(&zone, 7)).unwrap());
            let read = Message::read(dialect, &kept).unwrap();
            let text = |message: &Message<'_>, field| message.field(field).map(|field| field.text().into_owned());
            assert_eq!(text(&read, 4).as_deref(), Some("000000001250"), "{}", dialect.name);
            assert_eq!((text(&read, 7).as_deref(), text(&read, 12).as_deref()), (Some("0115080000"), Some("160000")));
            assert_eq!((text(&read, 13).as_deref(), text(&read, 22).as_deref()), (Some("0115"), Some("021")));
            assert_eq!(text(&read, 41).as_deref().map(str::trim), Some("I-TILL-1"));
            assert_eq!((text(&read, 43), text(&read, 100).as_deref()), (None, Some("66281000")));
            for field in [14, 35, 52, 53, 55, 120] {
                assert!(read.field(field).is_none(), "{} keeps field {field}", dialect.name);
            }
            let keys = LineKeys { mac: Some(key.clone()), pin: Some(key.clone()) };
            let wire = on_the_wire(&manner, &keys, (&kept, true), Some(&card())).unwrap();
            let sent = Message::read(dialect, &wire).unwrap();
            assert_eq!((sent.mti().to_string().as_str(), text(&sent, 14).as_deref()), ("0201", Some("2912")));
            assert_eq!(text(&sent, 120).as_deref(), Some("05003017"));
            let block: [u8; 8] = sent.field(52).unwrap().value().as_ref().try_into().unwrap();
            assert_eq!(key.open_pin(&block, &pan()).unwrap().digits(), Pin::parse("271828").unwrap().digits());
            assert!(sent.verify(&key.as_mac()).is_ok(), "{}", dialect.name);
            let no_key = LineKeys { mac: None, pin: None };
            let refused = on_the_wire(&manner, &no_key, (&kept, false), Some(&card()));
            assert!(matches!(refused, Err(WireError::Card(Reason::PinKeyUnknown))));
        }
    }

    #[test]
    fn m6_a_reversal_names_what_it_takes_back_and_a_refund_has_a_name_of_its_own() {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        let manner = manner(&iso8583::dialect::UNION_PAY);
        let kept = octets(&first(&manner, &draft(), "ABCDEFGH1234", &numbered(&zone, 7)).unwrap());
        let begun = Message::read(manner.dialect, &kept).unwrap();
        let of = |asked, minor, reference| {
            let told = About {
                asked,
                first: &begun,
                named: (begun.mti(), Trace::of(7, SENT_AT)),
                amount: Money::new(Currency::CNY, minor),
                approval_code: Some("123456"),
                reference,
            };
            octets(&about(&manner, &told, &numbered(&zone, 8)).unwrap())
        };
        for (asked, mti, code, minor, reference) in [
            (Asked::Reversal, "0420", "000000", 1_250, None),
            (Asked::Refund, "0220", "200000", 250, Some(())),
            (Asked::Completion, "0220", "000000", 900, None),
        ] {
            let octets = of(asked, minor, reference.map(|_| "ZZZZZZZZZZZZ"));
            let told = Message::read(manner.dialect, &octets).unwrap();
            let text = |field| told.field(field).map(|field| field.text().into_owned()).unwrap_or_default();
            assert_eq!((told.mti().to_string().as_str(), text(3).as_str()), (mti, code));
            assert_eq!((text(2).as_str(), text(4)), (pan().reveal(), format!("{minor:012}")));
            assert_eq!(text(90), named());
            assert_eq!((text(11).as_str(), text(38).as_str()), ("000008", "123456"));
            assert_eq!(text(37), if reference.is_some() { "ZZZZZZZZZZZZ" } else { "ABCDEFGH1234" });
            // An answer that is about another amount or another reference is about something else.
            assert_eq!(Answer::of(&told).is_of(&begun), asked == Asked::Reversal);
        }
    }

    fn named() -> String {
        format!("0200{:06}{:010}{:0>11}{:0>11}", 7, 115_080_000, "66280000", "66280001")
    }

    #[test]
    fn m6_what_has_no_message_is_refused_and_a_reference_is_one_leg_s() {
        for nature in [Nature::Deposit, Nature::TopUp, Nature::TransferOut, Nature::Repayment, Nature::BalanceInquiry] {
            assert_eq!(first_of(nature).err(), Some(Reason::NatureUnsupported));
        }
        assert_eq!(first_of(Nature::PreAuthorisation).unwrap().0, Asked::Authorisation);
        assert_eq!((entry_mode(None), entry_mode(Some(&card()))), (12, 21));
        let names: std::collections::HashSet<String> = (0..5_000).map(|n| reference(Uuid::from_u128(n))).collect();
        assert!(names.len() == 5_000 && names.iter().all(|name| name.len() == 12));
    }
}
