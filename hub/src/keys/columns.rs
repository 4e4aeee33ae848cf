//! Every column of the hub that is sealed or hashed under a key that changes, and to what each row is bound.

use domain::{PersonId, SignUpId};
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::rotation::{Column, Kind, Plain, Sort};
use server_kit::store::{Cells, Row, StoreError};
use zeroize::Zeroizing;

use crate::directory::join::NO_NUMBER;
use crate::directory::open_phone;
use crate::sign_up::phone_of;

/// A sealed column whose context is the name of the column and the value of one other, or that value alone.
macro_rules! sealed {
    ($key:ident $table:literal . $column:literal by [$($by:literal $sort:ident),+] also [$($also:literal),*] context $context:expr) => {
        Column {
            key: KeyName::$key,
            cells: Cells { table: $table, by: &[$($by),+], column: $column, also: &[$($also),*] },
            sorts: &[$(Sort::$sort),+],
            kind: Kind::Sealed($context),
        }
    };
}

/// A hashed column.
macro_rules! hashed {
    ($key:ident $table:literal . $column:literal by [$by:literal $sort:ident] also [$($also:literal),*] of $plain:expr) => {
        Column {
            key: KeyName::$key,
            cells: Cells { table: $table, by: &[$by], column: $column, also: &[$($also),*] },
            sorts: &[Sort::$sort],
            kind: Kind::Hashed($plain),
        }
    };
}

/// The columns, in the order in which they are rewritten: what people are looked up by first.
pub(super) const COLUMNS: &[Column] = &[
    hashed!(PhoneIndex "persons"."phone_hash" by ["person_id" Id] also ["phone_sealed"] of number_of_person),
    hashed!(PhoneIndex "numbers"."phone_hash" by ["phone_hash" Bytes] also ["person_id", "phone_sealed"] of number_of_carrier),
    hashed!(PhoneIndex "sign_ups"."phone_hash" by ["sign_up_id" Id] also ["sealed"] of number_of_sign_up),
    hashed!(CitizenIndex "citizens"."citizen_hash" by ["citizen_hash" Bytes] also ["person_id", "citizen_sealed"] of citizen),
    hashed!(CardIndex "network_cards"."pan_index" by ["card_id" Id] also ["sealed_pan"] of card),
    sealed!(CardNumber "network_cards"."sealed_pan" by ["card_id" Id] also [] context |row| bound(b"", row, 0)),
    sealed!(SealedPayload "persons"."phone_sealed" by ["person_id" Id] also [] context |row| bound(b"persons.phone\n", row, 0)),
    sealed!(SealedPayload "persons"."name_sealed" by ["person_id" Id] also [] context |row| bound(b"persons.name\n", row, 0)),
    sealed!(SealedPayload "numbers"."phone_sealed" by ["phone_hash" Bytes] also ["person_id"] context |row| bound(b"persons.phone\n", row, 2)),
    sealed!(SealedPayload "citizens"."citizen_sealed" by ["person_id" Id] also [] context |row| bound(b"citizens.citizen\n", row, 0)),
    sealed!(SealedPayload "sign_ups"."sealed" by ["sign_up_id" Id] also [] context |row| bound(b"sign_ups.sealed\n", row, 0)),
    sealed!(SealedPayload "events"."sealed_code" by ["person_id" Id, "sequence" Int] also ["payment_id"] context |row| bound(b"", row, 3)),
    sealed!(SealedPayload "notices"."payload_sealed" by ["notice_id" Id] also [] context |row| bound(b"notices.payload\n", row, 0)),
    sealed!(SealedPayload "preferences"."mail_sealed" by ["person_id" Id] also [] context |row| bound(b"preferences.mail\n", row, 0)),
    sealed!(SealedPayload "mail_proofs"."mail_sealed" by ["person_id" Id] also [] context |row| bound(b"mail_proofs.mail\n", row, 0)),
    sealed!(SealedPayload "templates"."text_sealed" by ["person_id" Id, "kind" Text, "language" Text, "channel" Text] also [] context template),
    sealed!(SealedPayload "push_targets"."token_sealed" by ["device_id" Id] also [] context |row| bound(b"push_targets.token\n", row, 0)),
    sealed!(SealedPayload "consents"."text_sealed" by ["consent_id" Id] also [] context |row| bound(b"consents.text\n", row, 0)),
    sealed!(SealedPayload "inquiry_answers"."report_sealed" by ["inquiry_id" Id, "asker" Text] also [] context |row| with_text(b"inquiry_answers.report\n", row)),
    sealed!(SealedPayload "given_habits"."totals_sealed" by ["person_id" Id, "first_day" Text] also [] context |row| with_text(b"given_habits.totals\n", row)),
    sealed!(SealedPayload "offer_agreements"."text_sealed" by ["person_id" Id] also [] context |row| bound(b"offer_agreements.text\n", row, 0)),
    sealed!(SealedPayload "offer_deliveries"."shown_sealed" by ["person_id" Id, "offer_id" Id] also [] context |row| of_two(b"offer_deliveries.shown\n", row)),
    sealed!(SealedPayload "offer_deliveries"."text_sealed" by ["person_id" Id, "offer_id" Id] also [] context |row| of_two(b"offer_deliveries.text\n", row)),
    sealed!(SealedPayload "network_messages"."sealed_message" by ["message_id" Id] also [] context |row| bound(b"", row, 0)),
    sealed!(SealedPayload "network_orders"."sealed_message" by ["leg_id" Id, "asked" Text] also [] context |row| with_text(b"", row)),
    sealed!(SealedPayload "network_totals"."sealed_message" by ["link" Text, "business_day" Text, "currency" Text] also [] context totals),
    sealed!(SealedPayload "operators"."totp_sealed" by ["operator_id" Text] also [] context |row| named(b"operator-totp\n", row)),
    sealed!(SealedPayload "pin_pads"."sealed_key" by ["terminal_id" Text] also [] context |row| named(b"pin_pads.key\n", row)),
];

/// A word and the id at this place.
fn bound(word: &[u8], row: &Row, at: usize) -> Result<Vec<u8>, StoreError> {
    Ok([word, row.id(at)?.as_bytes().as_slice()].concat())
}

/// A word, the id and the text that name the row.
fn with_text(word: &[u8], row: &Row) -> Result<Vec<u8>, StoreError> {
    Ok([word, row.id(0)?.as_bytes().as_slice(), row.text(1)?.as_bytes()].concat())
}

/// A word and the two ids that name the row.
fn of_two(word: &[u8], row: &Row) -> Result<Vec<u8>, StoreError> {
    Ok([word, row.id(0)?.as_bytes().as_slice(), row.id(1)?.as_bytes().as_slice()].concat())
}

/// A word and the name of the row.
fn named(word: &[u8], row: &Row) -> Result<Vec<u8>, StoreError> {
    Ok([word, row.text(0)?.as_bytes()].concat())
}

fn template(row: &Row) -> Result<Vec<u8>, StoreError> {
    let place = format!("templates.text\n{}/{}/{}/{}", row.id(0)?, row.text(1)?, row.text(2)?, row.text(3)?);
    Ok(place.into_bytes())
}

fn totals(row: &Row) -> Result<Vec<u8>, StoreError> {
    Ok(format!("totals/{}/{}/{}", row.text(0)?, row.text(1)?, row.text(2)?).into_bytes())
}

/// What is hashed as one part.
fn one(part: impl Into<Vec<u8>>) -> Result<Option<Plain>, StoreError> {
    Ok(Some(vec![Zeroizing::new(part.into())]))
}

fn number_of_person(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    let (person, sealed) = (row.id(0)?, row.bytes(2)?);
    if sealed.is_empty() {
        return Ok(Some(vec![Zeroizing::new(NO_NUMBER.to_vec()), Zeroizing::new(person.as_bytes().to_vec())]));
    }
    one(open_phone(keys, PersonId::from_uuid(person), &sealed)?.as_e164())
}

fn number_of_carrier(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    one(open_phone(keys, PersonId::from_uuid(row.id(2)?), &row.bytes(3)?)?.as_e164())
}

/// By a sign-up that is decided nobody looks up anything.
fn number_of_sign_up(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    match row.maybe_bytes(2)? {
        Some(sealed) => one(phone_of(keys, SignUpId::from_uuid(row.id(0)?), &sealed)?.as_e164()),
        None => Ok(None),
    }
}

fn citizen(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    let context = bound(b"citizens.citizen\n", row, 2)?;
    one(keys.open(KeyName::SealedPayload, &context, &row.bytes(3)?)?)
}

fn card(keys: &dyn KeyStore, row: &Row) -> Result<Option<Plain>, StoreError> {
    one(keys.open(KeyName::CardNumber, &bound(b"", row, 0)?, &row.bytes(2)?)?)
}
