//! What the person signs.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::canonical::{Lines, same_again, time};
use crate::{BankId, ConsentId, PersonId, Reason, Timestamp};

const FORM: &str = "bankhub consent v1";
/// How long a consent may wait for its inquiry.
const LONGEST: Duration = Duration::from_hours(90 * 24);
const SECOND_MICROS: i64 = 1_000_000;

/// What a bank wants to know it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// The person applies for a card.
    CardApplication,
    /// The person applies for a loan.
    LoanApplication,
    /// The person asks for another limit.
    LimitChange,
    /// The bank looks again at what it has agreed on with the person.
    Review,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 4] = [Self::CardApplication, Self::LoanApplication, Self::LimitChange, Self::Review];

    /// The word that is stored and signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardApplication => "CARD_APPLICATION",
            Self::LoanApplication => "LOAN_APPLICATION",
            Self::LimitChange => "LIMIT_CHANGE",
            Self::Review => "REVIEW",
        }
    }

    /// Reads a purpose as it is written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// A part of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// How many accounts at how many banks, and since when.
    Summary,
    /// What is billed and still in time.
    OpenBills,
    /// What was or is not paid in time.
    Arrears,
    /// What was paid in time.
    GoodRecord,
}

impl Field {
    /// Every field, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Summary, Self::OpenBills, Self::Arrears, Self::GoodRecord];

    /// The word that is stored and signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "SUMMARY",
            Self::OpenBills => "OPEN_BILLS",
            Self::Arrears => "ARREARS",
            Self::GoodRecord => "GOOD_RECORD",
        }
    }

    /// Reads a field as it is written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|field| field.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// One part of a report or several.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fields(BTreeSet<Field>);

impl Fields {
    /// `Err(FieldMissing)` for none at all.
    pub fn new(fields: impl IntoIterator<Item = Field>) -> Result<Self, Reason> {
        let fields: BTreeSet<Field> = fields.into_iter().collect();
        if fields.is_empty() { Err(Reason::FieldMissing) } else { Ok(Self(fields)) }
    }

    /// Reads the words with commas between, as they are written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let fields = text.split(',').map(Field::parse).collect::<Result<Vec<_>, _>>()?;
        same_again(Self::new(fields)?, text)
    }

    /// Whether it is one of them.
    pub fn contains(&self, field: Field) -> bool {
        self.0.contains(&field)
    }

    /// Whether all of it is in the other.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|field| field.as_str()).collect();
        f.write_str(&words.join(","))
    }
}

/// What the person agrees to: that this bank may be told these parts, for this purpose, once within this time.
///
/// Its `Display` form is what the phone shows and what its key signs, as UTF-8:
///
/// ```text
/// bankhub consent v1
/// consent: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
/// person: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// bank: bank-a
/// purpose: LOAN_APPLICATION
/// fields: SUMMARY,ARREARS
/// from: 2026-11-22T10:00:00Z
/// until: 2026-12-22T10:00:00Z
/// inquiries: 1
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentForm {
    /// Made by the phone: it tells one consent from another that says the same.
    pub id: ConsentId,
    /// Who agrees.
    pub person_id: PersonId,
    /// The bank that may be told.
    pub bank_id: BankId,
    /// What the bank may use it for.
    pub purpose: Purpose,
    /// What it may be told.
    pub fields: Fields,
    /// Whole seconds.
    pub from: Timestamp,
    /// Whole seconds; at this moment it is over.
    pub until: Timestamp,
}

impl ConsentForm {
    /// `Err(ConsentMalformed)` when its time is not one second to 90 days in whole seconds.
    pub fn check(&self) -> Result<(), Reason> {
        let is_whole = |at: Timestamp| at.micros() % SECOND_MICROS == 0;
        let lasts = self.until.since(self.from);
        let is_fine = is_whole(self.from) && is_whole(self.until) && !lasts.is_zero() && lasts <= LONGEST;
        if is_fine { Ok(()) } else { Err(Reason::ConsentMalformed) }
    }

    /// Reads what was signed. `Err(ConsentMalformed)` for anything that is not written exactly as this writes it.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let form = Self::read(text).map_err(|_| Reason::ConsentMalformed)?;
        form.check()?;
        Ok(form)
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let form = Self {
            id: ConsentId::parse(lines.value("consent")?)?,
            person_id: PersonId::parse(lines.value("person")?)?,
            bank_id: BankId::parse(lines.value("bank")?)?,
            purpose: Purpose::parse(lines.value("purpose")?)?,
            fields: Fields::parse(lines.value("fields")?)?,
            from: lines.time("from")?,
            until: lines.time("until")?,
        };
        same_again(form, text)
    }
}

impl fmt::Display for ConsentForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, person_id, bank_id, purpose, fields, from, until } = self;
        write!(f, "{FORM}\nconsent: {id}\nperson: {person_id}\nbank: {bank_id}\npurpose: {}\n", purpose.as_str())?;
        writeln!(f, "fields: {fields}\nfrom: {}\nuntil: {}\ninquiries: 1", time(*from), time(*until))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::entry::tests::person;
    use super::*;

    pub(crate) const FROM: Timestamp = Timestamp::from_secs(1_795_341_600);

    /// Person 1 for bank-b: a loan, summary and arrears, 30 days.
    pub(crate) fn form() -> ConsentForm {
        ConsentForm {
            id: ConsentId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_000c)),
            person_id: person(1),
            bank_id: BankId::parse("bank-b").unwrap(),
            purpose: Purpose::LoanApplication,
            fields: Fields::new([Field::Arrears, Field::Summary]).unwrap(),
            from: FROM,
            until: FROM.plus(Duration::from_hours(30 * 24)),
        }
    }

    const TEXT: &str = "bankhub consent v1\n\
        consent: 0192f0c1-7a6b-7000-8000-00000000000c\n\
        person: 0192f0c1-7a6b-7000-8000-000000000001\n\
        bank: bank-b\n\
        purpose: LOAN_APPLICATION\n\
        fields: SUMMARY,ARREARS\n\
        from: 2026-11-22T10:00:00Z\n\
        until: 2026-12-22T10:00:00Z\n\
        inquiries: 1\n";

    #[test]
    fn r9_what_is_signed_is_what_is_shown_and_has_one_spelling() {
        assert_eq!(form().to_string(), TEXT);
        assert_eq!(ConsentForm::parse(TEXT), Ok(form()));
        let swapped = TEXT.replace("from", "x").replace("until", "from").replace('x', "until");
        for bad in [
            "",
            TEXT.trim_end(),
            &format!("{TEXT}\n"),
            &format!("{TEXT}bank: bank-c\n"),
            &format!(" {TEXT}"),
            &TEXT.replace('\n', "\r\n"),
            &TEXT.replace("v1", "v2"),
            &TEXT.replace("inquiries: 1", "inquiries: 2"),
            &TEXT.replace("SUMMARY,ARREARS", "ARREARS,SUMMARY"),
            &TEXT.replace("SUMMARY,ARREARS", "SUMMARY,SUMMARY"),
            &TEXT.replace("SUMMARY,ARREARS", ""),
            &TEXT.replace("SUMMARY,ARREARS", "SUMMARY, ARREARS"),
            &TEXT.replace("LOAN_APPLICATION", "loan_application"),
            &TEXT.replace("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5Z"),
            &TEXT.replace("2026-11-22T10:00:00Z", "2026-11-22T18:00:00+08:00"),
            &TEXT.replace("2026-11-22T10:00:00Z", "2026-11-22 10:00:00Z"),
            &TEXT.replace("2026-12-22", "2026-11-22"),
            &TEXT.replace("2026-12-22", "2027-12-22"),
            &TEXT.replace("bank: bank-b\n", ""),
            &swapped,
        ] {
            assert_eq!(ConsentForm::parse(bad), Err(Reason::ConsentMalformed), "{bad}");
        }
    }

    #[test]
    fn r9_a_consent_lasts_a_second_to_ninety_days() {
        let table = [
            (0, 0, false),
            (0, 1, true),
            (0, 90 * 86_400, true),
            (0, 90 * 86_400 + 1, false),
            (1, 0, false),
            (i64::MIN / 1_000_000, i64::MAX / 1_000_000, false),
        ];
        for (from, until, is_fine) in table {
            let form = ConsentForm { from: Timestamp::from_secs(from), until: Timestamp::from_secs(until), ..form() };
            assert_eq!(form.check().is_ok(), is_fine, "{from} to {until}");
        }
        let uneven = ConsentForm { from: Timestamp::from_micros(FROM.micros() + 1), ..form() };
        assert_eq!(uneven.check(), Err(Reason::ConsentMalformed));
    }

    proptest! {
        #[test]
        fn r9_every_form_is_read_as_it_is_written(
            fields in prop::sample::subsequence(Field::ALL.to_vec(), 1..=4), purpose in prop::sample::select(Purpose::ALL.to_vec()),
            bank in "[a-z0-9-]{1,64}", from in 0_i64..4_000_000_000, lasts in 1_i64..7_776_001
        ) {
            let form = ConsentForm {
                bank_id: BankId::parse(&bank).unwrap(),
                purpose,
                fields: Fields::new(fields).unwrap(),
                from: Timestamp::from_secs(from),
                until: Timestamp::from_secs(from + lasts),
                ..form()
            };
            prop_assert_eq!(ConsentForm::parse(&form.to_string()), Ok(form));
        }

        #[test]
        fn r9_a_signed_text_that_is_edited_is_another_one_or_none(place in 0_usize..TEXT.len(), with in any::<char>()) {
            let mut edited: Vec<char> = TEXT.chars().collect();
            edited[place] = with;
            let edited: String = edited.into_iter().collect();
            match ConsentForm::parse(&edited) {
                Ok(form) => prop_assert_eq!(form.to_string(), edited, "the signature is over these bytes"),
                Err(reason) => prop_assert_eq!(reason, Reason::ConsentMalformed),
            }
        }
    }
}
