//! A lender asks by name and phone number.

use super::{Asker, Consent, Fields, Grant, Purpose, use_consent};
use crate::text::Line;
use crate::{PersonId, Reason, Timestamp};

/// What is asked, whoever it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who asks, as the certificate names it.
    pub asker: Asker,
    /// What it is asked for.
    pub purpose: Purpose,
    /// What is to be told.
    pub fields: Fields,
}

/// What a bank asks. The phone number has been looked up by then: see [`Holder`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// Who asks, and what.
    pub question: Question,
    /// The person's name as the person gave it to the bank.
    pub name: Line,
}

/// Somebody to whom the phone number is bound, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub person_id: PersonId,
    /// The person's name as the hub has it.
    pub name: Line,
    /// From this moment on it is.
    pub bound_from: Timestamp,
    /// At this moment it is no longer; nothing while it is bound.
    pub bound_until: Option<Timestamp>,
}

impl Holder {
    fn has_it(&self, now: Timestamp) -> bool {
        self.bound_from <= now && self.bound_until.is_none_or(|until| now < until)
    }
}

/// What comes of an inquiry.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// In whose log of inquiries it stands; nobody's if nobody was found.
    pub person_id: Option<PersonId>,
    /// What the bank is told. The consent is to be stored, used up, before anything is.
    pub told: Result<(Consent, Grant), Reason>,
}

/// Whether two names are the same: without surrounding space, with `A`–`Z` as `a`–`z`, and else character by character.
/// Nothing is normalised: what two keyboards compose in two ways (Unicode NFC and NFD) are two names, and so are a full-width
/// and a plain letter. A name that is the same and looks another is refused, which the person can mend; the other way round
/// somebody's history would go to a stranger.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// Answers an inquiry, where `holders` are all to whom the number is or was bound and `consents` those that any of them has
/// given to this bank.
///
/// The bank must not find out who is known here, or by which number. `InquiryUnanswered` is what it is told of a number
/// that is bound to nobody, a name that is not that of the person who has the number, a number that has passed from the person of
/// that name to another, two people of that name who both have it, and a person who has given this bank no consent. How long the
/// answer takes must not tell either: the shell looks up the same things in each case.
///
/// What is wrong with a consent that this bank was given is told to it as [`use_consent`] says it, since it was a party to it. Of
/// several consents the one that can be used and ends first is used; if none can, the one that begins last says why.
pub fn decide(inquiry: &Inquiry, holders: &[Holder], consents: &[Consent], now: Timestamp) -> Decision {
    let Inquiry { question, name } = inquiry;
    let is_meant = |holder: &&Holder| holder.has_it(now) && is_same_name(holder.name.as_str(), name.as_str());
    let mut found = holders.iter().filter(is_meant);
    let person_id = match (found.next(), found.next()) {
        (Some(holder), None) => Some(holder.person_id),
        _ => None,
    };
    decide_of(question, person_id, consents, now)
}

/// Answers a question about somebody who has been found, or not. Whoever may not be told anything is told
/// [`Asker::unanswered`], whatever the cause: nobody was found, or nobody who has given a consent to this asker.
pub fn decide_of(question: &Question, found: Option<PersonId>, consents: &[Consent], now: Timestamp) -> Decision {
    let Question { asker, purpose, fields } = question;
    let Some(person_id) = found else {
        return Decision { person_id: None, told: Err(asker.unanswered()) };
    };
    let mut given: Vec<&Consent> = consents
        .iter()
        .filter(|consent| consent.form().person_id == person_id && consent.form().asker == *asker)
        .collect();
    given.sort_by_key(|consent| (consent.form().until, consent.form().id));
    let tried = |consent: &Consent| use_consent(consent, asker, *purpose, fields, now);
    let newest = given.iter().max_by_key(|consent| (consent.form().from, consent.form().id));
    let otherwise = newest.map_or(Err(asker.unanswered()), |consent| tried(consent));
    let told = given.iter().find_map(|consent| tried(consent).ok()).map_or(otherwise, Ok);
    Decision { person_id: Some(person_id), told }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::super::consent::tests::{fields, given};
    use super::super::entry::tests::person;
    use super::super::form::tests::{FROM, form};
    use super::super::{ConsentForm, ConsentState, Field};
    use super::*;
    use crate::ConsentId;

    const NOW: Timestamp = Timestamp::from_secs(1_795_341_660);

    fn holder(n: u128, name: &str) -> Holder {
        Holder {
            person_id: person(n),
            name: Line::parse(name).unwrap(),
            bound_from: Timestamp::from_secs(0),
            bound_until: None,
        }
    }

    fn inquiry(bank: &str, name: &str) -> Inquiry {
        Inquiry {
            name: Line::parse(name).unwrap(),
            question: Question {
                asker: super::super::form::tests::bank(bank),
                purpose: Purpose::LoanApplication,
                fields: fields(&[Field::Arrears]),
            },
        }
    }

    #[test]
    fn r9_whoever_cannot_be_told_of_is_one_answer_whatever_the_cause() {
        let wang = holder(1, "王小明");
        let until = |at| Holder { bound_until: Some(at), ..wang.clone() };
        let from = |at| Holder { bound_from: at, ..wang.clone() };
        let next = || Holder { bound_from: NOW, ..holder(2, "李雷") };
        let later = Timestamp::from_micros(NOW.micros() + 1);
        type Row = (&'static str, &'static str, Vec<Holder>, Vec<Consent>, Option<u128>);
        // Who has the number, who is asked for; and in whose log it stands.
        let table: [Row; 11] = [
            ("a wrong name", "王大明", vec![wang.clone()], vec![given()], None),
            ("an unknown number", "王小明", vec![], vec![given()], None),
            ("two of the same name", "王小明", vec![wang.clone(), holder(2, "王小明")], vec![given()], None),
            ("a number that has passed on", "王小明", vec![until(NOW), next()], vec![given()], None),
            ("to one of the same name", "王小明", vec![until(NOW), holder(2, "王小明")], vec![given()], Some(2)),
            ("a number that was given up", "王小明", vec![until(NOW)], vec![given()], None),
            ("a number that is not bound yet", "王小明", vec![from(later)], vec![given()], None),
            ("no consent", "王小明", vec![wang.clone()], vec![], Some(1)),
            ("a consent of another person", "李雷", vec![holder(2, "李雷")], vec![given()], Some(2)),
            ("part of the name", "王小", vec![wang.clone()], vec![given()], None),
            ("a full-width name", "Ｗang", vec![holder(1, "Wang")], vec![given()], None),
        ];
        for (name, asked, holders, consents, log) in table {
            let decision = decide(&inquiry("bank-b", asked), &holders, &consents, NOW);
            let wanted = Decision { person_id: log.map(person), told: Err(Reason::InquiryUnanswered) };
            assert_eq!(decision, wanted, "{name}");
        }
        let other_bank = decide(&inquiry("bank-c", "王小明"), &[wang], &[given()], NOW);
        assert_eq!(other_bank.told, Err(Reason::InquiryUnanswered), "a consent for another bank");
    }

    #[test]
    fn r9_a_bank_with_the_name_the_number_and_a_consent_is_answered_once() {
        let wang = holder(1, "Wáng Xiǎo-Míng");
        let before = Holder { bound_until: Some(FROM), ..holder(2, "Li Lei") };
        let asked = inquiry("bank-b", "wáNG xiǎo-mínG");
        let decision = decide(&asked, &[before, wang.clone()], &[given()], NOW);
        let (used, grant) = decision.told.unwrap();
        assert_eq!((used.state(NOW), decision.person_id), (ConsentState::Used(NOW), Some(person(1))));
        assert_eq!((grant.person_id(), grant.asker().name()), (person(1), "bank-b"));
        let again = decide(&asked, &[wang], &[used], NOW);
        assert_eq!(again.told, Err(Reason::ConsentUsed));
    }

    #[test]
    fn r9_of_several_consents_the_one_that_can_be_used_and_ends_first_is() {
        let with = |n: u128, days: u64, state| {
            let id = ConsentId::from_uuid(Uuid::from_u128(n));
            let until = FROM.plus(Duration::from_hours(days * 24));
            let from = FROM.minus(Duration::from_secs(60 - u64::try_from(n).unwrap()));
            Consent::stored(ConsentForm { id, from, until, ..form() }, state)
        };
        use ConsentState::{Given, Revoked, Used};
        let consents = [with(1, 20, Given), with(2, 10, Given), with(3, 5, Revoked(FROM)), with(4, 30, Used(FROM))];
        let wang = [holder(1, "Wang")];
        let told = decide(&inquiry("bank-b", "Wang"), &wang, &consents, NOW).told.unwrap();
        assert_eq!(told.0.form().id, ConsentId::from_uuid(Uuid::from_u128(2)));
        let none_left = [with(3, 5, Revoked(FROM)), with(4, 3, Used(FROM))];
        assert_eq!(decide(&inquiry("bank-b", "Wang"), &wang, &none_left, NOW).told, Err(Reason::ConsentUsed));
    }

    #[test]
    fn m9_an_operator_without_a_consent_is_told_nothing_of_the_person_not_even_that_there_is_one() {
        let operator = |id| Asker::Operator(crate::OperatorId::parse(id).unwrap());
        let question =
            |who| Question { asker: operator(who), purpose: Purpose::Dispute, fields: fields(&[Field::Amounts]) };
        let consent = Consent::stored(
            ConsentForm {
                asker: operator("anna"),
                purpose: Purpose::Dispute,
                fields: fields(&[Field::Amounts]),
                ..form()
            },
            ConsentState::Given,
        );
        for (who, found, consents) in [
            ("anna", None, vec![consent.clone()]),
            ("anna", Some(person(1)), vec![]),
            ("anna", Some(person(2)), vec![consent.clone()]),
            ("bert", Some(person(1)), vec![consent.clone()]),
        ] {
            let told = decide_of(&question(who), found, &consents, NOW);
            assert_eq!(told, Decision { person_id: found, told: Err(Reason::ConsentRequired) }, "{who} {found:?}");
        }
        let told = decide_of(&question("anna"), Some(person(1)), std::slice::from_ref(&consent), NOW).told.unwrap();
        assert_eq!((told.0, told.1.person_id()), (consent, person(1)), "it is for any number of inquiries");
    }

    #[test]
    fn r9_names_are_compared_exactly_but_for_case_and_space_around() {
        let table = [
            ("Wang", "wANG", true),
            (" Wang\u{3000}", "Wang", true),
            ("王小明", "王小明", true),
            ("Zoë", "zoë", true),
            ("Zoë", "ZOË", false),
            ("Zo\u{eb}", "Zoe\u{308}", false),
            ("Wang Wei", "Wang  Wei", false),
            ("Wang", "Wangs", false),
            ("Wang", "", false),
        ];
        for (one, other, same) in table {
            assert_eq!((is_same_name(one, other), is_same_name(other, one)), (same, same), "{one:?} {other:?}");
        }
    }
}
