//! How a person's number, name and password are kept: found by keyed hash, stored sealed, never in the clear.

use domain::text::Line;
use domain::{PersonId, PhoneNumber, Reason};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::rotation;
use server_kit::store::{StoreError, Tx};

/// Why nothing could be made of a secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It does not have the form of one.
    #[error(transparent)]
    Malformed(#[from] Reason),
    /// The key could not be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The keyed hash under which a number is looked up.
pub fn phone_hash(keys: &dyn KeyStore, phone: &PhoneNumber) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::PhoneIndex, &[phone.as_e164().as_bytes()])
}

/// The keyed hashes under which a number is looked up: while the key's versions change it may stand under either (ADR 40).
pub(crate) fn phone_hashes(keys: &dyn KeyStore, phone: &PhoneNumber) -> Result<[[u8; 32]; 2], KeyError> {
    keys.mac_both(KeyName::PhoneIndex, &[phone.as_e164().as_bytes()])
}

/// The keyed hashes of a number that is about to be written, that which is written first. Until the end of the transaction nobody writes
/// under another version, so whoever has looked for both here finds or hinders everybody else.
pub(crate) async fn pinned_phone_hashes(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    phone: &PhoneNumber,
) -> Result<[[u8; 32]; 2], StoreError> {
    rotation::pin(tx, keys, KeyName::PhoneIndex).await?;
    phone_hashes(keys, phone).map_err(unusable)
}

/// The keyed hash of a transaction password, bound to the person. Six ASCII digits, or it is malformed.
pub fn password_mac(keys: &dyn KeyStore, person_id: &PersonId, password: &str) -> Result<[u8; 32], SecretError> {
    check_password(password)?;
    Ok(keys.mac(KeyName::TransactionPassword, &[person_id.uuid().as_bytes(), password.as_bytes()])?)
}

/// Whether `stored` is the keyed hash of this password under any version of the key; in constant time.
pub fn password_matches(
    keys: &dyn KeyStore,
    person_id: &PersonId,
    password: &str,
    stored: &[u8],
) -> Result<bool, SecretError> {
    check_password(password)?;
    let person = person_id.uuid();
    Ok(keys.mac_matches(KeyName::TransactionPassword, &[person.as_bytes(), password.as_bytes()], stored)?)
}

pub(crate) fn check_password(password: &str) -> Result<(), Reason> {
    let fine = password.len() == 6 && password.bytes().all(|b| b.is_ascii_digit());
    if fine { Ok(()) } else { Err(Reason::PasswordMalformed) }
}

/// The first part of an enrolment code's keyed hash. The key is that of one-time codes, which an enrolment code is,
/// and this keeps it apart from the code of a payment.
const ENROLMENT: &[u8] = b"enrolment";

/// The keyed hash of an enrolment code, bound to the person.
pub(super) fn enrolment_code_mac(keys: &dyn KeyStore, person_id: PersonId, code: &str) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::OneTimeCode, &[ENROLMENT, person_id.uuid().as_bytes(), code.as_bytes()])
}

/// Whether `stored` is the keyed hash of this enrolment code; in constant time.
pub(crate) fn enrolment_code_matches(
    keys: &dyn KeyStore,
    person_id: PersonId,
    code: &str,
    stored: &[u8],
) -> Result<bool, KeyError> {
    keys.mac_matches(KeyName::OneTimeCode, &[ENROLMENT, person_id.uuid().as_bytes(), code.as_bytes()], stored)
}

/// The first part of the keyed hash of an enrolment code that goes by SMS, which is good for one epoch of the person's number.
const ENROLMENT_BY_SMS: &[u8] = b"enrolment by sms";

/// The keyed hash of an enrolment code that goes by SMS, bound to the person and to the epoch of the number.
pub(crate) fn sms_code_mac(
    keys: &dyn KeyStore,
    person_id: PersonId,
    number_epoch: i64,
    code: &str,
) -> Result<[u8; 32], KeyError> {
    let (person, epoch) = (person_id.uuid(), number_epoch.to_be_bytes());
    keys.mac(KeyName::OneTimeCode, &[ENROLMENT_BY_SMS, person.as_bytes(), &epoch, code.as_bytes()])
}

/// Whether `stored` is the keyed hash of this code by SMS; in constant time.
pub(crate) fn sms_code_matches(
    keys: &dyn KeyStore,
    person_id: PersonId,
    (number_epoch, code): (i64, &str),
    stored: &[u8],
) -> Result<bool, KeyError> {
    let (person, epoch) = (person_id.uuid(), number_epoch.to_be_bytes());
    keys.mac_matches(KeyName::OneTimeCode, &[ENROLMENT_BY_SMS, person.as_bytes(), &epoch, code.as_bytes()], stored)
}

/// The number under AES-GCM, bound to the person's row.
pub(crate) fn seal_phone(keys: &dyn KeyStore, person_id: PersonId, phone: &PhoneNumber) -> Result<Vec<u8>, KeyError> {
    keys.seal(KeyName::SealedPayload, &context(b"persons.phone", person_id), phone.as_e164().as_bytes())
}

/// The number that was sealed.
pub(crate) fn open_phone(keys: &dyn KeyStore, person_id: PersonId, sealed: &[u8]) -> Result<PhoneNumber, StoreError> {
    let opened = keys.open(KeyName::SealedPayload, &context(b"persons.phone", person_id), sealed).map_err(unusable)?;
    let number = std::str::from_utf8(&opened).ok().and_then(|text| PhoneNumber::parse(text).ok());
    number.ok_or_else(|| StoreError::Refused("a sealed phone number is none".to_owned()))
}

/// The name under AES-GCM, bound to the person's row.
pub(crate) fn seal_name(keys: &dyn KeyStore, person_id: PersonId, name: &Line) -> Result<Vec<u8>, KeyError> {
    keys.seal(KeyName::SealedPayload, &context(b"persons.name", person_id), name.as_str().as_bytes())
}

/// The name that was sealed.
pub(crate) fn open_name(keys: &dyn KeyStore, person_id: PersonId, sealed: &[u8]) -> Result<Line, SecretError> {
    let name = keys.open(KeyName::SealedPayload, &context(b"persons.name", person_id), sealed)?;
    Ok(Line::parse(std::str::from_utf8(&name).map_err(|_| Reason::TextMalformed)?)?)
}

/// Whether this is the name that was sealed.
pub(super) fn name_is(keys: &dyn KeyStore, person_id: PersonId, sealed: &[u8], name: &Line) -> Result<bool, KeyError> {
    Ok(keys.open(KeyName::SealedPayload, &context(b"persons.name", person_id), sealed)? == name.as_str().as_bytes())
}

fn context(column: &[u8], person_id: PersonId) -> Vec<u8> {
    [column, b"\n", person_id.uuid().as_bytes()].concat()
}

/// A key that cannot be used, where only the store's errors can be said.
pub(super) fn unusable(error: KeyError) -> StoreError {
    StoreError::Refused(format!("a key cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use server_kit::keystore::Keyring;
    use server_kit::rng::SystemRng;
    use uuid::Uuid;

    use super::*;

    fn person(number: u128) -> PersonId {
        PersonId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn m5_a_transaction_password_is_six_digits_and_matches_for_one_person_only() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let stored = password_mac(&keys, &person(1), "271828").unwrap();
        assert!(password_matches(&keys, &person(1), "271828", &stored).unwrap());
        assert!(!password_matches(&keys, &person(1), "271829", &stored).unwrap());
        assert!(!password_matches(&keys, &person(2), "271828", &stored).unwrap());
        for bad in ["", "12345", "1234567", "12345a", "１２３４５６", "12345\n"] {
            let refused = password_mac(&keys, &person(1), bad);
            assert!(matches!(refused, Err(SecretError::Malformed(Reason::PasswordMalformed))), "{bad:?}");
        }
    }

    #[test]
    fn m8_a_sealed_name_opens_for_its_own_person_only() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let name = Line::parse("王小明").unwrap();
        let sealed = seal_name(&keys, person(1), &name).unwrap();
        assert!(name_is(&keys, person(1), &sealed, &name).unwrap());
        assert!(!name_is(&keys, person(1), &sealed, &Line::parse("王小").unwrap()).unwrap());
        assert!(name_is(&keys, person(2), &sealed, &name).is_err());
        assert!(!sealed.windows(3).any(|bytes| bytes == "王".as_bytes()));
    }
}
