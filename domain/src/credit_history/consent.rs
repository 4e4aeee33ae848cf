//! A consent's life: `GIVEN → USED | REVOKED | EXPIRED`.

use super::{Asker, ConsentForm, Fields, Purpose};
use crate::{PersonId, Reason, Timestamp};

/// Where a consent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentState {
    /// It waits for its inquiry, or is for any number of them.
    Given,
    /// An inquiry was answered under it.
    Used(Timestamp),
    /// The person took it back before it was used.
    Revoked(Timestamp),
    /// Its time was over before it was used.
    Expired,
}

impl ConsentState {
    /// The word that is stored, and since when it has ended where that is stored beside it.
    pub const fn written(self) -> (&'static str, Option<Timestamp>) {
        match self {
            Self::Given => ("GIVEN", None),
            Self::Used(at) => ("USED", Some(at)),
            Self::Revoked(at) => ("REVOKED", Some(at)),
            Self::Expired => ("EXPIRED", None),
        }
    }

    /// Reads a state as it is stored.
    pub fn read(word: &str, at: Option<Timestamp>) -> Result<Self, Reason> {
        match (word, at) {
            ("GIVEN", None) => Ok(Self::Given),
            ("USED", Some(at)) => Ok(Self::Used(at)),
            ("REVOKED", Some(at)) => Ok(Self::Revoked(at)),
            ("EXPIRED", None) => Ok(Self::Expired),
            _ => Err(Reason::FieldUnknown),
        }
    }
}

/// A consent that the person has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    form: ConsentForm,
    state: ConsentState,
}

impl Consent {
    /// Takes in a form whose signature was verified with a key of `signer`. `before` is what is stored under its id: the same
    /// again gives that one, as used or revoked as it is. In this order `Err` with `ConsentMalformed`, `NotYours`, `IdTaken`
    /// when the id is that of another form, or `ConsentExpired`.
    pub fn give(form: ConsentForm, signer: PersonId, before: Option<&Self>, now: Timestamp) -> Result<Self, Reason> {
        form.check()?;
        if form.person_id != signer {
            return Err(Reason::NotYours);
        }
        if let Some(before) = before {
            return if before.form == form { Ok(before.clone()) } else { Err(Reason::IdTaken) };
        }
        if now >= form.until {
            return Err(Reason::ConsentExpired);
        }
        Ok(Self { form, state: ConsentState::Given })
    }

    /// A consent as it is stored.
    pub fn stored(form: ConsentForm, state: ConsentState) -> Self {
        Self { form, state }
    }

    /// What was signed.
    pub fn form(&self) -> &ConsentForm {
        &self.form
    }

    /// Where it stands now. One that has ended in one way does not end in another.
    pub fn state(&self, now: Timestamp) -> ConsentState {
        match self.state {
            ConsentState::Given if now >= self.form.until => ConsentState::Expired,
            state => state,
        }
    }

    /// The person takes it back; so already is fine. `Err` with `ConsentUsed` or `ConsentExpired`: there is nothing left to take back.
    pub fn revoke(self, now: Timestamp) -> Result<Self, Reason> {
        match self.state(now) {
            ConsentState::Given => Ok(Self { state: ConsentState::Revoked(now), ..self }),
            ConsentState::Revoked(_) => Ok(self),
            ConsentState::Used(_) => Err(Reason::ConsentUsed),
            ConsentState::Expired => Err(Reason::ConsentExpired),
        }
    }
}

/// That one report may be made. There is no way to it but [`use_consent`].
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    person_id: PersonId,
    asker: Asker,
    purpose: Purpose,
    fields: Fields,
}

impl Grant {
    /// Of whom.
    pub fn person_id(&self) -> PersonId {
        self.person_id
    }

    /// To whom.
    pub fn asker(&self) -> &Asker {
        &self.asker
    }

    /// What for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// What was asked for, which may be less than was consented to.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
}

/// Uses a consent, which is used up by it unless it is for any number of inquiries: gives it as it is to be stored, in the same
/// transaction as the answer, and the grant. The first rule that forbids it is the reason:
///
/// 1. [`Asker::unanswered`]: it was given to somebody else, and must look like none;
/// 2. `ConsentRevoked`;
/// 3. `ConsentUsed`;
/// 4. `ConsentExpired`;
/// 5. `ConsentNotYetValid`;
/// 6. `ConsentPurposeMismatch`;
/// 7. `ConsentFieldsExceeded`.
pub fn use_consent(
    consent: &Consent,
    asker: &Asker,
    purpose: Purpose,
    fields: &Fields,
    now: Timestamp,
) -> Result<(Consent, Grant), Reason> {
    let form = &consent.form;
    if form.asker != *asker {
        return Err(asker.unanswered());
    }
    match consent.state(now) {
        ConsentState::Given => {}
        ConsentState::Revoked(_) => return Err(Reason::ConsentRevoked),
        ConsentState::Used(_) => return Err(Reason::ConsentUsed),
        ConsentState::Expired => return Err(Reason::ConsentExpired),
    }
    if now < form.from {
        return Err(Reason::ConsentNotYetValid);
    }
    if form.purpose != purpose {
        return Err(Reason::ConsentPurposeMismatch);
    }
    if !fields.is_within(&form.fields) {
        return Err(Reason::ConsentFieldsExceeded);
    }
    let state = if form.is_standing() { ConsentState::Given } else { ConsentState::Used(now) };
    let used = Consent { form: form.clone(), state };
    Ok((used, Grant { person_id: form.person_id, asker: asker.clone(), purpose, fields: fields.clone() }))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::Field;
    use super::super::entry::tests::person;
    use super::super::form::tests::{FROM, bank, form};
    use super::*;
    use crate::ConsentId;

    const NOW: Timestamp = Timestamp::from_secs(1_795_341_660);

    pub(crate) fn given() -> Consent {
        Consent::give(form(), person(1), None, NOW).unwrap()
    }

    pub(crate) fn fields(fields: &[Field]) -> Fields {
        Fields::new(fields.iter().copied()).unwrap()
    }

    /// A grant of person 1 to bank-b.
    pub(crate) fn grant(asked: &[Field]) -> Grant {
        let form = ConsentForm { fields: fields(&Field::OF_HISTORY), ..form() };
        let (bank, purpose, asked) = (form.asker.clone(), form.purpose, fields(asked));
        use_consent(&Consent::stored(form, ConsentState::Given), &bank, purpose, &asked, NOW).unwrap().1
    }

    #[test]
    fn r9_a_consent_is_used_once() {
        use Field::{Arrears, Summary};
        let last = form().until.minus(Duration::from_micros(1));
        let (bank, purpose) = (form().asker, form().purpose);
        let table: [(&str, &[Field], Timestamp); 4] = [
            ("all of it", &[Summary, Arrears], NOW),
            ("less than all", &[Arrears], NOW),
            ("its first moment", &[Arrears], FROM),
            ("its last moment", &[Arrears], last),
        ];
        for (name, asked, now) in table {
            let (used, grant) = use_consent(&given(), &bank, purpose, &fields(asked), now).unwrap();
            assert_eq!((used.form(), used.state(now)), (&form(), ConsentState::Used(now)), "{name}");
            let granted = (grant.person_id(), grant.asker(), grant.purpose(), grant.fields());
            assert_eq!(granted, (person(1), &bank, purpose, &fields(asked)), "{name}");
            let again = use_consent(&used, &bank, purpose, &fields(asked), now);
            assert_eq!(again.err(), Some(Reason::ConsentUsed), "{name}");
        }
    }

    #[test]
    fn r9_the_first_rule_that_forbids_a_use_is_the_reason() {
        use ConsentState::{Expired, Given, Revoked, Used};
        use Field::{Arrears, GoodRecord, Summary};
        use Purpose::{LoanApplication, Review};
        use Reason::{
            ConsentExpired, ConsentFieldsExceeded, ConsentNotYetValid, ConsentPurposeMismatch, ConsentRevoked,
            ConsentUsed, InquiryUnanswered,
        };
        let (until, early) = (form().until, FROM.minus(Duration::from_micros(1)));
        // Where it stands, who asks, what for, which fields, when. The first row of each reason breaks every rule after it too,
        // as far as that can be.
        let (more, fine): (&[Field], &[Field]) = (&[Summary, GoodRecord], &[Arrears]);
        let table = [
            (Revoked(FROM), "bank-c", Review, more, until, InquiryUnanswered),
            (Given, "bank-c", LoanApplication, fine, NOW, InquiryUnanswered),
            (Revoked(FROM), "bank-b", Review, more, until, ConsentRevoked),
            (Revoked(FROM), "bank-b", LoanApplication, fine, NOW, ConsentRevoked),
            (Used(FROM), "bank-b", Review, more, until, ConsentUsed),
            (Used(FROM), "bank-b", LoanApplication, fine, NOW, ConsentUsed),
            (Expired, "bank-b", Review, more, early, ConsentExpired),
            (Given, "bank-b", LoanApplication, fine, until, ConsentExpired),
            (Given, "bank-b", Review, more, early, ConsentNotYetValid),
            (Given, "bank-b", LoanApplication, fine, early, ConsentNotYetValid),
            (Given, "bank-b", Review, more, NOW, ConsentPurposeMismatch),
            (Given, "bank-b", Review, fine, NOW, ConsentPurposeMismatch),
            (Given, "bank-b", LoanApplication, more, NOW, ConsentFieldsExceeded),
            (Given, "bank-b", LoanApplication, &[GoodRecord], NOW, ConsentFieldsExceeded),
        ];
        for (state, who, purpose, asked, now, wanted) in table {
            let consent = Consent::stored(form(), state);
            let told = use_consent(&consent, &bank(who), purpose, &fields(asked), now);
            assert_eq!(told.err(), Some(wanted), "{state:?} {who} {purpose:?} {asked:?} {now:?}");
        }
    }

    #[test]
    fn r5_a_consent_to_habits_is_used_any_number_of_times_until_it_ends_or_is_taken_back() {
        let habits = ConsentForm { fields: fields(&[Field::Habits]), purpose: Purpose::Offers, ..form() };
        let ask = |consent: &Consent, at| {
            use_consent(consent, &bank("bank-b"), Purpose::Offers, &fields(&[Field::Habits]), at).map(|used| used.0)
        };
        let given = Consent::give(habits, person(1), None, NOW).unwrap();
        let used = ask(&given, NOW).unwrap();
        assert_eq!(used, given);
        assert_eq!(ask(&used, form().until).err(), Some(Reason::ConsentExpired));
        assert_eq!(ask(&used.revoke(NOW).unwrap(), NOW).err(), Some(Reason::ConsentRevoked));
    }

    #[test]
    fn r9_a_consent_that_is_edited_or_sent_again_gives_nothing_more() {
        let used = Consent::stored(form(), ConsentState::Used(NOW));
        let late = ConsentForm { id: ConsentId::from_uuid(Uuid::from_u128(9)), ..form() };
        let table = [
            ("new", form(), None, NOW, Ok(given())),
            ("sent again", form(), Some(given()), NOW, Ok(given())),
            ("sent again after it was used", form(), Some(used.clone()), NOW, Ok(used.clone())),
            (
                "more fields",
                ConsentForm { fields: fields(&Field::OF_HISTORY), ..form() },
                Some(given()),
                NOW,
                Err(Reason::IdTaken),
            ),
            (
                "another purpose",
                ConsentForm { purpose: Purpose::Review, ..form() },
                Some(used),
                NOW,
                Err(Reason::IdTaken),
            ),
            (
                "of somebody else",
                ConsentForm { person_id: person(2), ..form() },
                Some(given()),
                NOW,
                Err(Reason::NotYours),
            ),
            ("past its time", late.clone(), None, late.until, Err(Reason::ConsentExpired)),
            ("of no time", ConsentForm { until: FROM, ..form() }, None, NOW, Err(Reason::ConsentMalformed)),
        ];
        for (name, form, before, now, wanted) in table {
            assert_eq!(Consent::give(form, person(1), before.as_ref(), now), wanted, "{name}");
        }
    }

    #[test]
    fn r9_a_consent_ends_in_one_way_only() {
        let until = form().until;
        let revoked = given().revoke(NOW).unwrap();
        assert_eq!(revoked.state(until), ConsentState::Revoked(NOW));
        assert_eq!(revoked.clone().revoke(until), Ok(revoked), "so already is fine, and keeps its time");
        assert_eq!(given().revoke(until), Err(Reason::ConsentExpired));
        let used = Consent::stored(form(), ConsentState::Used(NOW));
        assert_eq!(used.state(until), ConsentState::Used(NOW));
        assert_eq!(used.revoke(NOW), Err(Reason::ConsentUsed));
        assert_eq!((given().state(NOW), given().state(until)), (ConsentState::Given, ConsentState::Expired));
        for state in [ConsentState::Given, ConsentState::Used(NOW), ConsentState::Revoked(NOW), ConsentState::Expired] {
            let (word, at) = state.written();
            assert_eq!(ConsentState::read(word, at), Ok(state));
            assert_eq!(ConsentState::read(word, at.is_none().then_some(NOW)), Err(Reason::FieldUnknown));
        }
    }
}
