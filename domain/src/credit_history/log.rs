//! What the person can look up and verify: who asked, when, what for, and what was told.

use std::fmt;

use super::{Fields, Purpose};
use crate::canonical::{Lines, same_again, time};
use crate::{BankId, PersonId, Reason, Timestamp};

const FORM: &str = "bankhub inquiry v1";

/// What a hash function of the shell makes of a record's bytes.
pub type Digest = [u8; 32];

/// What stands before the first record.
pub const NOTHING_BEFORE: Digest = [0; 32];

/// What a bank was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A report on the fields that it asked for.
    Report,
    /// Nothing, for this reason.
    Refused(Reason),
}

impl Answer {
    const REPORT: &str = "REPORT";

    /// The word that is stored; that of a refusal is its reason's code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => Self::REPORT,
            Self::Refused(reason) => reason.code(),
        }
    }

    /// Reads an answer as it is stored.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        if text == Self::REPORT {
            return Ok(Self::Report);
        }
        Reason::from_code(text).map(Self::Refused).ok_or(Reason::FieldUnknown)
    }
}

/// One inquiry in the log of the person whom it was about.
///
/// Its `Display` form, as UTF-8, is what is hashed, and it carries the hash of the record before it: whoever has the last hash
/// sees whether any record was changed, left out or put in. Who has only the records cannot see whether the last of them are missing.
///
/// ```text
/// bankhub inquiry v1
/// person: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// number: 1
/// at: 2026-11-22T10:01:00.25Z
/// bank: bank-b
/// purpose: LOAN_APPLICATION
/// fields: SUMMARY,ARREARS
/// answer: REPORT
/// previous: 0000000000000000000000000000000000000000000000000000000000000000
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryRecord {
    /// Whom it was about.
    pub person_id: PersonId,
    /// Counts up by one for each person, from 1.
    pub number: u64,
    /// When it was answered.
    pub at: Timestamp,
    /// Who asked.
    pub bank_id: BankId,
    /// What it said that it asked for.
    pub purpose: Purpose,
    /// What was asked for.
    pub fields: Fields,
    /// What it was told.
    pub answer: Answer,
    /// The hash of the record before; [`NOTHING_BEFORE`] for the first.
    pub previous: Digest,
}

impl InquiryRecord {
    /// Reads a record as it is written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let record = Self {
            person_id: PersonId::parse(lines.value("person")?)?,
            number: lines.value("number")?.parse().map_err(|_| Reason::FieldUnknown)?,
            at: lines.time("at")?,
            bank_id: BankId::parse(lines.value("bank")?)?,
            purpose: Purpose::parse(lines.value("purpose")?)?,
            fields: Fields::parse(lines.value("fields")?)?,
            answer: Answer::parse(lines.value("answer")?)?,
            previous: read_digest(lines.value("previous")?)?,
        };
        same_again(record, text)
    }
}

impl fmt::Display for InquiryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person_id, number, at, bank_id, purpose, fields, answer, previous } = self;
        write!(f, "{FORM}\nperson: {person_id}\nnumber: {number}\nat: {}\nbank: {bank_id}\n", time(*at))?;
        write!(f, "purpose: {}\nfields: {fields}\nanswer: {}\nprevious: ", purpose.as_str(), answer.as_str())?;
        previous.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        writeln!(f)
    }
}

fn read_digest(text: &str) -> Result<Digest, Reason> {
    let mut digest = NOTHING_BEFORE;
    if text.len() != 2 * digest.len() || !text.is_ascii() {
        return Err(Reason::FieldUnknown);
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| Reason::FieldUnknown)?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| Reason::FieldUnknown)?;
    }
    Ok(digest)
}

/// Follows the log of one person from its first record, and gives the hash of the last. `Err` with the place, from 1, of the first
/// record that does not belong where it stands: by its number, its person, or the hash that it carries.
pub fn check_chain(
    person_id: PersonId,
    records: &[InquiryRecord],
    hash: impl Fn(&[u8]) -> Digest,
) -> Result<Digest, u64> {
    let mut previous = NOTHING_BEFORE;
    for (place, record) in (1_u64..).zip(records) {
        if record.number != place || record.person_id != person_id || record.previous != previous {
            return Err(place);
        }
        previous = hash(record.to_string().as_bytes());
    }
    Ok(previous)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Field;
    use super::super::consent::tests::fields;
    use super::super::entry::tests::person;
    use super::*;

    /// A stand-in that depends on every byte and its place; the real one is the shell's.
    fn hash(bytes: &[u8]) -> Digest {
        let mut digest = [7_u8; 32];
        for (place, byte) in bytes.iter().enumerate() {
            let at = place % 32;
            digest[at] = digest[at].rotate_left(3) ^ digest[(at + 31) % 32] ^ byte;
        }
        digest
    }

    fn record(number: u64, previous: Digest) -> InquiryRecord {
        InquiryRecord {
            person_id: person(1),
            number,
            at: Timestamp::from_micros(1_795_341_660_250_000),
            bank_id: BankId::parse("bank-b").unwrap(),
            purpose: Purpose::LoanApplication,
            fields: fields(&[Field::Summary, Field::Arrears]),
            answer: if number % 2 == 1 { Answer::Report } else { Answer::Refused(Reason::ConsentUsed) },
            previous,
        }
    }

    fn chain(length: u64) -> Vec<InquiryRecord> {
        let mut previous = NOTHING_BEFORE;
        let mut chain = Vec::new();
        for number in 1..=length {
            let record = record(number, previous);
            previous = hash(record.to_string().as_bytes());
            chain.push(record);
        }
        chain
    }

    #[test]
    fn r9_an_inquiry_is_written_in_one_way() {
        let mut previous = NOTHING_BEFORE;
        previous[31] = 0xab;
        let text = "bankhub inquiry v1\nperson: 0192f0c1-7a6b-7000-8000-000000000001\nnumber: 2\nat: 2026-11-22T10:01:00.25Z\n\
                    bank: bank-b\npurpose: LOAN_APPLICATION\nfields: SUMMARY,ARREARS\nanswer: CONSENT_USED\n\
                    previous: 00000000000000000000000000000000000000000000000000000000000000ab\n";
        assert_eq!(record(2, previous).to_string(), text);
        assert_eq!(InquiryRecord::parse(text), Ok(record(2, previous)));
        for bad in [
            text.replace("000ab", "000AB"),
            text.replace("000ab", "00ab"),
            text.replace("000ab", "000é"),
            text.replace("000ab", "00+ab"),
            text.replace("number: 2", "number: 02"),
            text.replace("number: 2", "number: -2"),
            text.replace("CONSENT_USED", "NO_SUCH_REASON"),
            text.replace("10:01:00.25Z", "10:01:00.250Z"),
            text.replace("answer", "reply"),
            text.trim_end().to_owned(),
            format!("{text}more: 1\n"),
        ] {
            assert!(InquiryRecord::parse(&bad).is_err(), "{bad}");
        }
        assert_eq!(Answer::parse("REPORT"), Ok(Answer::Report));
    }

    #[test]
    fn r9_a_log_that_was_tampered_with_says_where() {
        let good = chain(5);
        let last = hash(good[4].to_string().as_bytes());
        assert_eq!(check_chain(person(1), &good, hash), Ok(last));
        assert_eq!(check_chain(person(1), &[], hash), Ok(NOTHING_BEFORE));
        assert_eq!(check_chain(person(2), &good, hash), Err(1));
        let left_out: Vec<_> = good.iter().filter(|record| record.number != 3).cloned().collect();
        assert_eq!(check_chain(person(1), &left_out, hash), Err(3));
        let renumbered: Vec<_> =
            left_out.into_iter().zip(1..).map(|(record, number)| InquiryRecord { number, ..record }).collect();
        assert_eq!(check_chain(person(1), &renumbered, hash), Err(3));
        let cut = &good[..3];
        assert_ne!(check_chain(person(1), cut, hash), Ok(last), "the last hash tells that some are missing");
    }

    proptest! {
        #[test]
        fn r9_no_field_of_a_record_can_be_changed_unseen(place in 0_usize..4, field in 0_usize..5) {
            let mut changed = chain(5);
            let record = &mut changed[place];
            match field {
                0 => record.at = record.at.plus(std::time::Duration::from_micros(1)),
                1 => record.bank_id = BankId::parse("bank-c").unwrap(),
                2 => record.purpose = Purpose::Review,
                3 => record.fields = fields(&[Field::Summary]),
                _ => record.answer = Answer::Refused(Reason::InquiryUnanswered),
            }
            prop_assert_eq!(check_chain(person(1), &changed, hash), Err(place as u64 + 2));
        }
    }
}
