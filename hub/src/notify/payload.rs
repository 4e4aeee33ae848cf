//! What is sealed and how: the values of a notice, addresses and templates, each bound to the row that it stands in.

use std::collections::BTreeMap;

use domain::notice::{Field, FieldValue, MailAddress, Variables};
use domain::{Currency, Money, PersonId, Timestamp};
use serde::{Deserialize, Serialize};
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::StoreError;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A value as it is stored.
#[derive(Serialize, Deserialize)]
enum Stored {
    #[serde(rename = "t")]
    Text(String),
    #[serde(rename = "w")]
    Words { zh: String, en: String },
    #[serde(rename = "m")]
    Money { currency: String, minor: i64 },
    #[serde(rename = "at")]
    Time(i64),
    #[serde(rename = "d")]
    Day(String),
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Refused(format!("a sealed value of a notice cannot be read: {what}"))
}

fn stored(value: &FieldValue) -> Stored {
    match value {
        FieldValue::Text(text) => Stored::Text(text.clone()),
        FieldValue::Words { chinese, english } => Stored::Words { zh: chinese.clone(), en: english.clone() },
        FieldValue::Money(money) => Stored::Money { currency: money.currency.code().to_owned(), minor: money.minor },
        FieldValue::Time(time) => Stored::Time(time.micros()),
        FieldValue::Day(day) => Stored::Day(day.to_string()),
    }
}

fn value_of(stored: Stored) -> Result<FieldValue, StoreError> {
    Ok(match stored {
        Stored::Text(text) => FieldValue::Text(text),
        Stored::Words { zh, en } => FieldValue::Words { chinese: zh, english: en },
        Stored::Money { currency, minor } => {
            let currency = Currency::parse(&currency).map_err(|_| unreadable("its currency"))?;
            FieldValue::Money(Money::new(currency, minor))
        }
        Stored::Time(micros) => FieldValue::Time(Timestamp::from_micros(micros)),
        Stored::Day(day) => FieldValue::Day(day.parse().map_err(|_| unreadable("its day"))?),
    })
}

pub(super) fn seal_variables(keys: &dyn KeyStore, notice: Uuid, said: &Variables) -> Result<Vec<u8>, StoreError> {
    let fields: BTreeMap<&str, Stored> = said.iter().map(|(field, value)| (field.name(), stored(value))).collect();
    let text = Zeroizing::new(serde_json::to_vec(&fields).map_err(|_| unreadable("its form"))?);
    Ok(keys.seal(KeyName::SealedPayload, &context("notices.payload", notice.as_bytes()), &text)?)
}

pub(super) fn open_variables(keys: &dyn KeyStore, notice: Uuid, sealed: &[u8]) -> Result<Variables, StoreError> {
    let text = keys.open(KeyName::SealedPayload, &context("notices.payload", notice.as_bytes()), sealed)?;
    let text = Zeroizing::new(text);
    let fields: BTreeMap<String, Stored> = serde_json::from_slice(&text).map_err(|_| unreadable("its form"))?;
    fields.into_iter().try_fold(Variables::new(), |said, (name, value)| {
        let field = Field::parse(&name).map_err(|_| unreadable("its field"))?;
        Ok(said.with(field, value_of(value)?))
    })
}

pub(super) fn seal_mail(keys: &dyn KeyStore, person: PersonId, mail: &MailAddress) -> Result<Vec<u8>, StoreError> {
    let context = context("preferences.mail", person.uuid().as_bytes());
    Ok(keys.seal(KeyName::SealedPayload, &context, mail.as_str().as_bytes())?)
}

pub(super) fn open_mail(keys: &dyn KeyStore, person: PersonId, sealed: &[u8]) -> Result<MailAddress, StoreError> {
    let context = context("preferences.mail", person.uuid().as_bytes());
    let text = open_text(keys, &context, sealed)?;
    MailAddress::parse(&text).map_err(|_| unreadable("its address"))
}

/// An address that is not confirmed.
pub(super) fn seal_awaited(keys: &dyn KeyStore, person: PersonId, mail: &MailAddress) -> Result<Vec<u8>, StoreError> {
    let context = context("mail_proofs.mail", person.uuid().as_bytes());
    Ok(keys.seal(KeyName::SealedPayload, &context, mail.as_str().as_bytes())?)
}

pub(super) fn open_awaited(keys: &dyn KeyStore, person: PersonId, sealed: &[u8]) -> Result<MailAddress, StoreError> {
    let context = context("mail_proofs.mail", person.uuid().as_bytes());
    MailAddress::parse(&open_text(keys, &context, sealed)?).map_err(|_| unreadable("its address"))
}

pub(super) fn seal_token(keys: &dyn KeyStore, device: Uuid, token: &str) -> Result<Vec<u8>, StoreError> {
    Ok(keys.seal(KeyName::SealedPayload, &context("push_targets.token", device.as_bytes()), token.as_bytes())?)
}

pub(super) fn open_token(keys: &dyn KeyStore, device: Uuid, sealed: &[u8]) -> Result<String, StoreError> {
    open_text(keys, &context("push_targets.token", device.as_bytes()), sealed)
}

/// `place` names the person, the kind, the language and the channel.
pub(super) fn seal_template(keys: &dyn KeyStore, place: &str, text: &str) -> Result<Vec<u8>, StoreError> {
    Ok(keys.seal(KeyName::SealedPayload, &context("templates.text", place.as_bytes()), text.as_bytes())?)
}

pub(super) fn open_template(keys: &dyn KeyStore, place: &str, sealed: &[u8]) -> Result<String, StoreError> {
    open_text(keys, &context("templates.text", place.as_bytes()), sealed)
}

fn open_text(keys: &dyn KeyStore, context: &[u8], sealed: &[u8]) -> Result<String, StoreError> {
    let opened = keys.open(KeyName::SealedPayload, context, sealed)?;
    String::from_utf8(opened).map_err(|_| unreadable("its text"))
}

fn context(column: &str, row: &[u8]) -> Vec<u8> {
    [column.as_bytes(), b"\n", row].concat()
}

#[cfg(test)]
mod tests {
    use server_kit::keystore::Keyring;
    use server_kit::rng::SystemRng;

    use super::*;

    #[test]
    fn m8_what_a_notice_says_opens_for_its_own_row_only() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let said = Variables::new()
            .with_text(Field::Merchant, "老王面馆")
            .with_money(Field::Amount, Money::new(Currency::CNY, 1_250))
            .with_time(Field::Time, Timestamp::from_secs(1_700_000_000))
            .with(Field::Due, FieldValue::Day(jiff::civil::date(2026, 3, 21)))
            .with(
                Field::Subject,
                FieldValue::Words { chinese: "新设备".to_owned(), english: "A new phone".to_owned() },
            );
        let (row, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = seal_variables(&keys, row, &said).unwrap();
        assert_eq!(open_variables(&keys, row, &sealed).unwrap(), said);
        assert!(open_variables(&keys, other, &sealed).is_err());
        assert!(!sealed.windows(6).any(|bytes| bytes == "老王".as_bytes()));
    }
}
