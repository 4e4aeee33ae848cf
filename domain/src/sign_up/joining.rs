//! Whose a sign-up is: a person's who is known here, or a new one's.

use crate::{CarrierId, PersonId, Reason};

/// Who has a number now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    pub person_id: PersonId,
    /// The carrier that speaks of it; none for one that an operator has registered.
    pub carrier_id: Option<CarrierId>,
}

/// Who is known here under a citizen number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub person_id: PersonId,
    /// Whether the name is the one that is stored.
    pub has_name: bool,
}

/// What a sign-up makes of the people who are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// Somebody new.
    NewPerson,
    /// Another number of a person who is known.
    NewNumber(PersonId),
    /// Another account for a number that this person has already: the account that it pays from, from then on.
    NewAccount(PersonId),
}

/// Whose a sign-up by `carrier_id` is. A citizen number is one person, whatever banks and numbers there are; a number is one person's, and is
/// spoken of by one carrier. `Err` with `PhoneNumberTaken`, or `IdentityMismatch` when the citizen is known by another name.
pub fn join(carrier_id: &CarrierId, number: Option<&Numbered>, citizen: Option<Known>) -> Result<Joining, Reason> {
    match (number, citizen) {
        (None, None) => Ok(Joining::NewPerson),
        (None, Some(citizen)) if citizen.has_name => Ok(Joining::NewNumber(citizen.person_id)),
        (None, Some(_)) => Err(Reason::IdentityMismatch),
        // Of somebody else's number nothing is said but that it is somebody's.
        (Some(number), Some(citizen))
            if number.carrier_id.as_ref() == Some(carrier_id) && number.person_id == citizen.person_id =>
        {
            if citizen.has_name { Ok(Joining::NewAccount(citizen.person_id)) } else { Err(Reason::IdentityMismatch) }
        }
        (Some(_), _) => Err(Reason::PhoneNumberTaken),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn m1_a_sign_up_joins_whoever_has_the_citizen_number_and_takes_nobodys_number() {
        let person = |n| PersonId::from_uuid(Uuid::from_u128(n));
        let carrier = |id: &str| CarrierId::parse(id).unwrap();
        let at = |id: Option<&str>, n| Numbered { person_id: person(n), carrier_id: id.map(carrier) };
        let known = |n, has_name| Known { person_id: person(n), has_name };
        let taken = Err(Reason::PhoneNumberTaken);
        for (number, citizen, wanted) in [
            (None, None, Ok(Joining::NewPerson)),
            (None, Some(known(1, true)), Ok(Joining::NewNumber(person(1)))),
            (None, Some(known(1, false)), Err(Reason::IdentityMismatch)),
            (Some(at(Some("east"), 1)), Some(known(1, true)), Ok(Joining::NewAccount(person(1)))),
            (Some(at(Some("east"), 1)), Some(known(1, false)), Err(Reason::IdentityMismatch)),
            (Some(at(Some("east"), 1)), Some(known(2, true)), taken),
            (Some(at(Some("east"), 1)), None, taken),
            (Some(at(Some("west"), 1)), Some(known(1, true)), taken),
            (Some(at(Some("west"), 1)), None, taken),
            (Some(at(None, 1)), Some(known(1, true)), taken),
            (Some(at(None, 1)), None, taken),
        ] {
            assert_eq!(join(&carrier("east"), number.as_ref(), citizen), wanted, "{number:?} {citizen:?}");
        }
    }
}
