//! What a person signs to accept an offer: the bank is told of it.

use std::fmt;

use super::{Filing, Wording};
use crate::canonical::{Lines, same_again};
use crate::text::Line;
use crate::{BankId, OfferId, PersonId, Reason};

const FORM: &str = "bankhub acceptance v1";

/// As whom the bank is told of the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownAs {
    /// By the accounts and cards that the person has bound at this bank, which knows whose they are.
    Customer,
    /// By name and phone number.
    Contact,
}

impl ShownAs {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Contact];

    /// The word that is signed and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "CUSTOMER",
            Self::Contact => "CONTACT",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|shown| shown.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// That the person accepts an offer, and agrees that its bank is told so: that the person met the offer's rule, and who it is.
///
/// Its `Display` form is what the phone shows and what its key signs, as UTF-8:
///
/// ```text
/// bankhub acceptance v1
/// person: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e10
/// offer: 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f
/// bank: bank-a
/// title en: 5 % back on groceries
/// title zh: 超市消费返现5%
/// shown as: CUSTOMER
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptanceForm {
    /// Who accepts.
    pub person_id: PersonId,
    /// Which offer.
    pub offer_id: OfferId,
    /// The bank that is told.
    pub bank_id: BankId,
    /// What the offer is called.
    pub title: Wording,
    /// As whom the bank is told of the person.
    pub shown_as: ShownAs,
}

impl AcceptanceForm {
    /// What is to be signed to accept this offer.
    pub fn of(filing: &Filing, person_id: PersonId, shown_as: ShownAs) -> Self {
        Self { person_id, offer_id: filing.id, bank_id: filing.bank_id.clone(), title: filing.title.clone(), shown_as }
    }

    /// Reads what was signed. `Err(AcceptanceMalformed)` for anything that is not written exactly as this writes it.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::read(text).map_err(|_| Reason::AcceptanceMalformed)
    }

    /// That it was signed by this person and says what the offer says. `Err` with `NotYours` or `AcceptanceMalformed`.
    pub fn check(&self, signer: PersonId, filing: &Filing) -> Result<(), Reason> {
        if self.person_id != signer {
            return Err(Reason::NotYours);
        }
        if *self == Self::of(filing, signer, self.shown_as) { Ok(()) } else { Err(Reason::AcceptanceMalformed) }
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let mut lines = Lines::after(FORM, text)?;
        let form = Self {
            person_id: PersonId::parse(lines.value("person")?)?,
            offer_id: OfferId::parse(lines.value("offer")?)?,
            bank_id: BankId::parse(lines.value("bank")?)?,
            title: Wording {
                english: Line::parse(lines.value("title en")?)?,
                chinese: Line::parse(lines.value("title zh")?)?,
            },
            shown_as: ShownAs::parse(lines.value("shown as")?)?,
        };
        same_again(form, text)
    }
}

impl fmt::Display for AcceptanceForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { person_id, offer_id, bank_id, title, shown_as } = self;
        write!(f, "{FORM}\nperson: {person_id}\noffer: {offer_id}\nbank: {bank_id}\n")?;
        writeln!(f, "title en: {}\ntitle zh: {}\nshown as: {}", title.english, title.chinese, shown_as.as_str())
    }
}
