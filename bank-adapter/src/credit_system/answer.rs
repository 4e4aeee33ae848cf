//! What comes back: the fields of an answer that this side goes by. Without I/O.

use domain::Currency;
use domain::ledger::CreditLeft;
use iso8583::Message;
use iso8583::element::ResponseCode;

use super::reference::Reference;
use super::response::{self, Verdict};
use super::trace::Trace;

/// An answer, without what is on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Field 39; none if the peer left it out, which is no approval.
    pub code: Option<ResponseCode>,
    /// Field 38.
    pub approval_code: Option<String>,
    /// Field 37.
    pub reference: Option<Reference>,
    /// Field 4, in minor units.
    pub amount_minor: Option<i64>,
    /// Field 54.
    pub amounts: Vec<AccountAmount>,
}

/// One of the amounts in field 54: twenty characters each (ISO 8583:1987, annex A.15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountAmount {
    /// 30 is a credit account.
    pub account: u8,
    /// 02 is what is available, 40 how much of that as cash.
    pub kind: u8,
    /// The number of the currency.
    pub currency: u16,
    /// Below zero when the account is in debit.
    pub minor: i64,
}

const CREDIT_ACCOUNT: u8 = 30;
const AVAILABLE: u8 = 2;
const AVAILABLE_AS_CASH: u8 = 40;
const AMOUNT_CHARACTERS: usize = 20;

/// Fields 11 and 7; none if one is missing.
pub fn trace_of(message: &Message<'_>) -> Option<Trace> {
    let number = |field| message.field(field)?.as_number();
    Trace::from_numbers(number(11)?, number(7)?)
}

impl Answer {
    pub fn of(message: &Message<'_>) -> Self {
        let text = |field| message.field(field).map(|field| field.text().into_owned());
        Self {
            code: text(39).and_then(|code| ResponseCode::from_text(&code)),
            approval_code: text(38).map(|code| code.trim().to_owned()).filter(|code| !code.is_empty()),
            reference: text(37).and_then(|reference| Reference::parse(&reference)),
            amount_minor: message.field(4).and_then(|amount| amount.as_number()).and_then(|n| i64::try_from(n).ok()),
            amounts: text(54).and_then(|amounts| amounts_of(&amounts)).unwrap_or_default(),
        }
    }

    /// What it says to a request about `asked_minor`, or about none. An approval of something else is unclear.
    pub fn verdict(&self, reference: Reference, asked_minor: Option<i64>) -> Verdict {
        let verdict = self.code.map_or(Verdict::Unclear(domain::Reason::Fault), response::verdict);
        let is_of_another = self.reference.is_some_and(|other| other != reference);
        let is_other_amount = matches!((self.amount_minor, asked_minor), (Some(told), Some(asked)) if told != asked);
        match verdict {
            Verdict::Approved if is_of_another || is_other_amount => Verdict::Unclear(domain::Reason::Fault),
            verdict => verdict,
        }
    }

    /// What the credit line has left in a currency; none if the answer does not say.
    pub fn left(&self, currency: Currency) -> Option<CreditLeft> {
        let find = |kind| {
            let is_it = |amount: &&AccountAmount| {
                amount.account == CREDIT_ACCOUNT && amount.kind == kind && amount.currency == currency.numeric()
            };
            self.amounts.iter().find(is_it).map(|amount| amount.minor)
        };
        let credit_minor = find(AVAILABLE)?;
        // A peer that tells one amount decides by itself how much of it may be cash.
        Some(CreditLeft { credit_minor, cash_minor: find(AVAILABLE_AS_CASH).unwrap_or(credit_minor).min(credit_minor) })
    }
}

fn amounts_of(text: &str) -> Option<Vec<AccountAmount>> {
    let bytes = text.as_bytes();
    let rest = bytes.chunks(AMOUNT_CHARACTERS);
    rest.map(|chunk| amount_of(std::str::from_utf8(chunk).ok()?)).collect()
}

fn amount_of(text: &str) -> Option<AccountAmount> {
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range)?;
        digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let sign = match text.get(7..8)? {
        "C" => 1,
        "D" => -1,
        _ => return None,
    };
    (text.len() == AMOUNT_CHARACTERS).then_some(())?;
    Some(AccountAmount {
        account: u8::try_from(number(0..2)?).ok()?,
        kind: u8::try_from(number(2..4)?).ok()?,
        currency: u16::try_from(number(4..7)?).ok()?,
        minor: number(8..20)? * sign,
    })
}

#[cfg(test)]
mod tests {
    use domain::Reason;
    use iso8583::{MessageBuilder, Mti, dialect};
    use uuid::Uuid;

    use super::*;

    fn answer(fields: &[(u8, &str)]) -> Answer {
        let mut octets = Vec::new();
        let mti = Mti::AUTHORIZATION_REQUEST.answer().unwrap();
        let mut builder = MessageBuilder::new(&dialect::ISO_1987_ASCII, mti).unwrap();
        builder.number(11, 1).unwrap();
        for (field, text) in fields {
            builder.text(*field, text).unwrap();
        }
        builder.write(&mut octets).unwrap();
        Answer::of(&Message::read(&dialect::ISO_1987_ASCII, &octets).unwrap())
    }

    #[test]
    fn what_is_left_is_read_from_field_54() {
        for (text, left) in [
            ("3002156C000000012345", Some((12_345, 12_345))),
            ("3002156C0000000123453040156C000000001000", Some((12_345, 1_000))),
            ("3002156C0000000123453040156C000000099999", Some((12_345, 12_345))),
            ("3040156C0000000010003002156D000000000001", Some((-1, -1))),
            ("1002156C000000012345", None),
            ("3001156C000000012345", None),
            ("3002840C000000012345", None),
            ("3002156X000000012345", None),
            ("3002156C00000001234", None),
            ("3002156C0000000123453040156", None),
        ] {
            let left = left.map(|(credit_minor, cash_minor)| CreditLeft { credit_minor, cash_minor });
            assert_eq!(answer(&[(54, text)]).left(Currency::CNY), left, "{text}");
        }
        assert_eq!(answer(&[]).left(Currency::CNY), None);
    }

    #[test]
    fn an_approval_of_something_else_is_none() {
        let reference = Reference::of(Uuid::from_u128(1));
        let of = |fields: &[(u8, &str)]| answer(fields).verdict(reference, Some(300));
        assert_eq!(of(&[(39, "00")]), Verdict::Approved);
        assert_eq!(of(&[(4, "000000000300"), (37, reference.as_str()), (39, "00")]), Verdict::Approved);
        let unclear = Verdict::Unclear(Reason::Fault);
        assert_eq!(of(&[(4, "000000000299"), (39, "00")]), unclear);
        assert_eq!(of(&[(37, Reference::of(Uuid::from_u128(2)).as_str()), (39, "00")]), unclear);
        assert_eq!(of(&[]), unclear, "without a code");
        assert_eq!(of(&[(4, "000000000299"), (39, "51")]), Verdict::Refused(Reason::InsufficientFunds));
    }
}
