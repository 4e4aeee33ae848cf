//! What sign-ups and numbers change of people, in the transaction of whoever carries them.

use domain::payment::Instrument;
use domain::text::Line;
use domain::{AccountId, BankId, PersonId, PhoneNumber, Reason};
use server_kit::audit::Entry;
use server_kit::keystore::KeyStore;
use server_kit::rotation;
use server_kit::store::{StoreError, Tx};

use super::bindings::{Asked, Bind};
use super::changes::Log;
use super::sealed::{name_is, open_phone, pinned_phone_hashes, seal_name, seal_phone, unusable};
use super::sql::{self, PersonRow};

/// Who has this number as the first one.
pub(crate) async fn holder(tx: &mut Tx, [one, other]: &[[u8; 32]; 2]) -> Result<Option<PersonId>, StoreError> {
    let sql = "SELECT person_id FROM persons WHERE phone_hash IN ($1, $2)";
    let rows = tx.fetch(sql, vec![one.to_vec().into(), other.to_vec().into()]).await?;
    rows.first().map(|row| row.id(0).map(PersonId::from_uuid)).transpose()
}

/// Whether the person is known by this name.
pub(crate) async fn has_name(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person_id: PersonId,
    name: &Line,
) -> Result<bool, StoreError> {
    let rows = tx.fetch("SELECT name_sealed FROM persons WHERE person_id = $1", vec![person_id.uuid().into()]).await?;
    let Some(row) = rows.first() else { return Ok(false) };
    name_is(keys, person_id, &row.bytes(0)?, name).map_err(unusable)
}

/// Adds a person with a first number.
pub(crate) async fn register(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person_id: PersonId,
    (phone, name): (&PhoneNumber, &Line),
) -> Result<(), StoreError> {
    let [hash, _] = pinned_phone_hashes(tx, keys, phone).await?;
    let row = PersonRow {
        person_id,
        phone_hash: hash.to_vec(),
        phone_sealed: seal_phone(keys, person_id, phone).map_err(unusable)?,
        name_sealed: seal_name(keys, person_id, name).map_err(unusable)?,
    };
    sql::insert_person(tx, &row).await
}

/// An account that a bank has opened for somebody.
#[derive(Clone, Debug)]
pub(crate) struct Opened<'o> {
    pub(crate) person_id: PersonId,
    pub(crate) bank_id: &'o BankId,
    pub(crate) account_id: AccountId,
    pub(crate) masked: &'o str,
    /// Whether the person pays from it from now on.
    pub(crate) make_default: bool,
    /// Whether it pays at once, or waits to be activated.
    pub(crate) active: bool,
}

/// Binds an account, as an operator does it. `Err` inside with why nothing was changed.
pub(crate) async fn bind(
    tx: &mut Tx,
    log: &mut Vec<Entry>,
    by: &str,
    opened: &Opened<'_>,
) -> Result<Result<(), Reason>, StoreError> {
    let asked = Asked {
        person_id: opened.person_id,
        bank_id: opened.bank_id.clone(),
        instrument: Instrument::Account(opened.account_id),
        make_default: opened.make_default,
    };
    let bind = Bind { asked, masked: opened.masked.to_owned(), active: opened.active };
    Ok(bind.apply(tx, &mut Log::new(by, log)).await?.map(|_| ()))
}

/// Whether anything pays that the person has bound.
pub(crate) async fn is_active(tx: &mut Tx, person_id: PersonId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM bindings WHERE person_id = $1 AND active = 1";
    Ok(!tx.fetch(sql, vec![person_id.uuid().into()]).await?.is_empty())
}

/// Has everything pay from now on that waits to be activated. Gives how much it was.
pub(crate) async fn activate(tx: &mut Tx, person_id: PersonId) -> Result<u64, StoreError> {
    let sql = "UPDATE bindings SET active = 1, version = version + 1 WHERE person_id = $1 AND active = 0";
    tx.execute(sql, vec![person_id.uuid().into()]).await
}

/// The banks at which the person has an account, active or not.
pub(crate) async fn account_banks(tx: &mut Tx, person_id: PersonId) -> Result<Vec<BankId>, StoreError> {
    let sql = "SELECT DISTINCT bank_id FROM bindings WHERE person_id = $1 AND instrument = 'ACCOUNT'";
    let rows = tx.fetch(sql, vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| row.parsed(0, BankId::parse)).collect()
}

/// What is hashed with the person where no number is. A number is hashed as one part; this one has two.
pub(crate) const NO_NUMBER: &[u8] = b"no number";

/// The number that stands with the person becomes this one; or none, in whose place stands what no number is looked up by.
pub(crate) async fn put_first_number(
    tx: &mut Tx,
    keys: &dyn KeyStore,
    person_id: PersonId,
    number: Option<(Vec<u8>, Vec<u8>)>,
) -> Result<(), StoreError> {
    let sql_hash = "UPDATE persons SET phone_hash = $1, phone_sealed = $2, version = version + 1 WHERE person_id = $3";
    let id = person_id.uuid();
    let (hash, sealed) = match number {
        Some((_, sealed)) => {
            // It may stand under an older version where it comes from.
            let hashes = pinned_phone_hashes(tx, keys, &open_phone(keys, person_id, &sealed)?).await?;
            if holder(tx, &hashes).await?.is_some_and(|holder| holder != person_id) {
                return Err(StoreError::Conflict);
            }
            let [hash, _] = hashes;
            (hash.to_vec(), sealed)
        }
        None => {
            let key = server_kit::keystore::KeyName::PhoneIndex;
            rotation::pin(tx, keys, key).await?;
            let hash = keys.mac(key, &[NO_NUMBER, id.as_bytes()]).map_err(unusable)?;
            (hash.to_vec(), Vec::new())
        }
    };
    tx.execute(sql_hash, vec![hash.into(), sealed.into(), id.into()]).await.map(|_| ())
}
