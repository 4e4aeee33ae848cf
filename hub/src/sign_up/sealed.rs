//! Who is signed up, as it is kept until the sign-up is decided; and citizen numbers for as long as the person is known.

use domain::sign_up::{CitizenNumber, PersonName};
use domain::{PersonId, PhoneNumber, SignUpId};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::StoreError;
use zeroize::Zeroizing;

/// Who is to be signed up. It is shown masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) phone: PhoneNumber,
    pub(super) name: PersonName,
    pub(super) citizen: CitizenNumber,
}

fn citizen_context(person_id: PersonId) -> Vec<u8> {
    [b"citizens.citizen\n", person_id.uuid().as_bytes().as_slice()].concat()
}

fn context(id: SignUpId) -> Vec<u8> {
    [b"sign_ups.sealed\n", id.uuid().as_bytes().as_slice()].concat()
}

impl Who {
    /// None of the three has a line break.
    pub(super) fn seal(&self, keys: &dyn KeyStore, id: SignUpId) -> Result<Vec<u8>, KeyError> {
        let text = format!("{}\n{}\n{}", self.phone.as_e164(), self.name.as_str(), self.citizen.reveal());
        keys.seal(KeyName::SealedPayload, &context(id), Zeroizing::new(text).as_bytes())
    }

    pub(super) fn open(keys: &dyn KeyStore, id: SignUpId, sealed: &[u8]) -> Result<Self, StoreError> {
        let opened = Zeroizing::new(keys.open(KeyName::SealedPayload, &context(id), sealed)?);
        let unreadable = || StoreError::Refused("what is sealed of a sign-up cannot be read".to_owned());
        let text = std::str::from_utf8(&opened).map_err(|_| unreadable())?;
        let mut lines = text.split('\n');
        let (Some(phone), Some(name), Some(citizen), None) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(unreadable());
        };
        Ok(Self {
            phone: PhoneNumber::parse(phone).map_err(|_| unreadable())?,
            name: PersonName::parse(name).map_err(|_| unreadable())?,
            citizen: CitizenNumber::stored(citizen).map_err(|_| unreadable())?,
        })
    }
}

/// The keyed hashes under which a citizen number is looked up, as with phone numbers.
pub(super) fn citizen_hashes(keys: &dyn KeyStore, citizen: &CitizenNumber) -> Result<[[u8; 32]; 2], KeyError> {
    keys.mac_both(KeyName::CitizenIndex, &[citizen.reveal().as_bytes()])
}

/// The number under AES-GCM, bound to its person.
pub(super) fn seal_citizen(
    keys: &dyn KeyStore,
    person_id: PersonId,
    citizen: &CitizenNumber,
) -> Result<Vec<u8>, KeyError> {
    keys.seal(KeyName::SealedPayload, &citizen_context(person_id), citizen.reveal().as_bytes())
}

/// The number of a sign-up that is not decided, which is looked up by its keyed hash.
pub(crate) fn phone_of(keys: &dyn KeyStore, id: SignUpId, sealed: &[u8]) -> Result<PhoneNumber, StoreError> {
    Who::open(keys, id, sealed).map(|who| who.phone)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use server_kit::keystore::Keyring;
    use server_kit::rng::SystemRng;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn m8_who_is_signed_up_opens_for_its_own_row_and_shows_nowhere() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let who = Who {
            phone: PhoneNumber::parse("+8613800138000").unwrap(),
            name: PersonName::parse("王小明").unwrap(),
            citizen: CitizenNumber::parse("11010519491231002X", date(2026, 11, 22)).unwrap(),
        };
        let (id, other) = (SignUpId::from_uuid(Uuid::from_u128(1)), SignUpId::from_uuid(Uuid::from_u128(2)));
        let sealed = who.seal(&keys, id).unwrap();
        assert_eq!(Who::open(&keys, id, &sealed).unwrap(), who);
        assert!(Who::open(&keys, other, &sealed).is_err());
        let shown = format!("{who:?}");
        assert!(!shown.contains("王") && !shown.contains("1949") && !shown.contains("138000"), "{shown}");
        assert!(!sealed.windows(8).any(|bytes| bytes == b"19491231"));
    }
}
