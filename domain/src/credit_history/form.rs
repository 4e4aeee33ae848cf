//! What the person signs.

use super::{Asker, Subject};
use crate::canonical::{Lines, same_again, time};
use crate::{ConsentId, PersonId, Reason, Timestamp};
use std::collections::BTreeSet;
use std::fmt;

const FORM: &str = "bankhub consent v1";
const SECOND_MICROS: i64 = 1_000_000;

/// What somebody wants to know it for.
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
    /// The bank makes the person offers that fit.
    Offers,
    /// The person has asked for help with a payment.
    Support,
    /// The person contests a payment.
    Dispute,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 7] = [
        Self::CardApplication,
        Self::LoanApplication,
        Self::LimitChange,
        Self::Review,
        Self::Offers,
        Self::Support,
        Self::Dispute,
    ];

    /// The word that is stored and signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CardApplication => "CARD_APPLICATION",
            Self::LoanApplication => "LOAN_APPLICATION",
            Self::LimitChange => "LIMIT_CHANGE",
            Self::Review => "REVIEW",
            Self::Offers => "OFFERS",
            Self::Support => "SUPPORT",
            Self::Dispute => "DISPUTE",
        }
    }

    /// Reads a purpose as it is written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// A part of what may be told.
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
    /// Totals of what the person buys ([`crate::habit::consented_totals`]).
    Habits,
    /// Of purchases, what they cost.
    Amounts,
    /// Of purchases, from whom.
    Merchants,
    /// Of purchases, where.
    Places,
    /// Of purchases, what was bought.
    Items,
}

impl Field {
    /// Every field, in the order in which they are written.
    pub const ALL: [Self; 9] = [
        Self::Summary,
        Self::OpenBills,
        Self::Arrears,
        Self::GoodRecord,
        Self::Habits,
        Self::Amounts,
        Self::Merchants,
        Self::Places,
        Self::Items,
    ];
    /// Those of a credit history.
    pub const OF_HISTORY: [Self; 4] = [Self::Summary, Self::OpenBills, Self::Arrears, Self::GoodRecord];

    /// The word that is stored and signed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "SUMMARY",
            Self::OpenBills => "OPEN_BILLS",
            Self::Arrears => "ARREARS",
            Self::GoodRecord => "GOOD_RECORD",
            Self::Habits => "HABITS",
            Self::Amounts => "AMOUNTS",
            Self::Merchants => "MERCHANTS",
            Self::Places => "PLACES",
            Self::Items => "ITEMS",
        }
    }

    /// Reads a field as it is written.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|field| field.as_str() == text).ok_or(Reason::FieldUnknown)
    }

    /// What it is a part of.
    pub const fn subject(self) -> Subject {
        match self {
            Self::Summary | Self::OpenBills | Self::Arrears | Self::GoodRecord => Subject::History,
            Self::Habits => Subject::Habits,
            Self::Amounts | Self::Merchants | Self::Places | Self::Items => Subject::Records,
        }
    }
}

/// One part of what may be told or several.
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

    /// What they are parts of; nothing where they are of several.
    pub fn subject(&self) -> Option<Subject> {
        let mut subjects = self.0.iter().map(|field| field.subject());
        let first = subjects.next()?;
        subjects.all(|subject| subject == first).then_some(first)
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

/// What the person agrees to: that this bank or operator may be told these parts, for this purpose, within this time; once, or
/// for some subjects any number of times ([`Subject::is_standing`]).
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
    /// Who may be told.
    pub asker: Asker,
    /// What it may be used for.
    pub purpose: Purpose,
    /// What may be told.
    pub fields: Fields,
    /// Whole seconds.
    pub from: Timestamp,
    /// Whole seconds; at this moment it is over.
    pub until: Timestamp,
}

impl ConsentForm {
    /// `Err(ConsentMalformed)` when its fields are of several subjects, when its asker or its purpose is none of that subject, or
    /// when its time is not one second to [`Subject::longest`] in whole seconds.
    pub fn check(&self) -> Result<(), Reason> {
        let Some(subject) = self.fields.subject() else { return Err(Reason::ConsentMalformed) };
        let fits = subject.is_for(&self.asker) && subject.purposes().contains(&self.purpose);
        let is_whole = |at: Timestamp| at.micros() % SECOND_MICROS == 0;
        let lasts = self.until.since(self.from);
        let in_time = !lasts.is_zero() && lasts <= subject.longest();
        let is_fine = fits && in_time && is_whole(self.from) && is_whole(self.until);
        if is_fine { Ok(()) } else { Err(Reason::ConsentMalformed) }
    }

    /// Whether it is for any number of inquiries.
    pub fn is_standing(&self) -> bool {
        self.fields.subject().is_some_and(Subject::is_standing)
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
            asker: Asker::read(&mut lines)?,
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
        let Self { id, person_id, asker, purpose, fields, from, until } = self;
        let inquiries = if self.is_standing() { "any" } else { "1" };
        write!(f, "{FORM}\nconsent: {id}\nperson: {person_id}\n{asker}\npurpose: {}\n", purpose.as_str())?;
        writeln!(f, "fields: {fields}\nfrom: {}\nuntil: {}\ninquiries: {inquiries}", time(*from), time(*until))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::entry::tests::person;
    use super::*;
    use crate::{BankId, OperatorId};

    pub(crate) fn bank(id: &str) -> Asker {
        Asker::Bank(BankId::parse(id).unwrap())
    }

    pub(crate) const FROM: Timestamp = Timestamp::from_secs(1_795_341_600);

    /// Person 1 for bank-b: a loan, summary and arrears, 30 days.
    pub(crate) fn form() -> ConsentForm {
        ConsentForm {
            id: ConsentId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_000c)),
            person_id: person(1),
            asker: bank("bank-b"),
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

    #[test]
    fn r5_who_may_ask_and_what_for_follows_from_what_is_asked() {
        let operator = || Asker::Operator(OperatorId::parse("anna").unwrap());
        let (habits, records) = (&[Field::Habits][..], &[Field::Amounts, Field::Items][..]);
        let table = [
            (habits, bank("bank-b"), Purpose::Offers, 90, true),
            (habits, bank("bank-b"), Purpose::LoanApplication, 90, true),
            (habits, bank("bank-b"), Purpose::Dispute, 90, false),
            (habits, bank("bank-b"), Purpose::Offers, 91, false),
            (habits, operator(), Purpose::Offers, 1, false),
            (records, operator(), Purpose::Support, 30, true),
            (records, operator(), Purpose::Dispute, 31, false),
            (records, operator(), Purpose::Review, 1, false),
            (records, bank("bank-b"), Purpose::Support, 1, false),
            (&[Field::Summary], bank("bank-b"), Purpose::Offers, 1, false),
            (&[Field::Summary], operator(), Purpose::Review, 1, false),
            (&[Field::Summary, Field::Habits], bank("bank-b"), Purpose::Review, 1, false),
        ];
        for (fields, asker, purpose, days, is_fine) in table {
            let fields = Fields::new(fields.iter().copied()).unwrap();
            let until = FROM.plus(Duration::from_hours(days * 24));
            let form = ConsentForm { fields, asker, purpose, until, ..form() };
            assert_eq!(form.check().is_ok(), is_fine, "{form}");
            let read = ConsentForm::parse(&form.to_string());
            assert_eq!(read, if is_fine { Ok(form) } else { Err(Reason::ConsentMalformed) });
        }
    }

    #[test]
    fn m9_a_consent_for_an_operator_has_one_spelling_too() {
        let text = TEXT.replace("bank: bank-b", "operator: anna").replace("LOAN_APPLICATION", "DISPUTE");
        let text = text.replace("SUMMARY,ARREARS", "AMOUNTS,ITEMS").replace("inquiries: 1", "inquiries: any");
        assert_eq!(ConsentForm::parse(&text).unwrap().to_string(), text);
        for bad in [
            text.replace("inquiries: any", "inquiries: 1"),
            text.replace("operator: anna", "operator: Anna"),
            text.replace("operator: anna", "terminal: anna"),
            text.replace("operator: anna", "operator:anna"),
            text.replace("AMOUNTS,ITEMS", "ITEMS,AMOUNTS"),
        ] {
            assert_eq!(ConsentForm::parse(&bad), Err(Reason::ConsentMalformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn r9_every_form_is_read_as_it_is_written(
            fields in prop::sample::subsequence(Field::OF_HISTORY.to_vec(), 1..=4),
            purpose in prop::sample::select(Subject::History.purposes().to_vec()), id in "[a-z0-9-]{1,64}", from in 0_i64..4_000_000_000, lasts in 1_i64..7_776_001
        ) {
            let form = ConsentForm {
                asker: bank(&id),
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
