//! The tables of whose offers people get.

use std::collections::{BTreeMap, BTreeSet};

use domain::offer::Agreement;
use domain::{BankId, DeviceId, PersonId, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx, Value};

const AGREEMENTS: Table = Table {
    name: "offer_agreements",
    key: &["person_id"],
    columns: &[
        "person_id",
        "version",
        "most_a_week",
        "signed_at",
        "look_at",
        "banks",
        "device_id",
        "text_sealed",
        "signature",
    ],
};
const AGREEMENT_CHANGING: usize = 6;

const RECIPIENTS: Table =
    Table { name: "offer_recipients", key: &["bank_id", "person_id"], columns: &["bank_id", "person_id"] };

/// An agreement as it is stored.
#[derive(Clone, Debug)]
pub(in crate::offers) struct StoredAgreement {
    pub(in crate::offers) agreement: Agreement,
    /// When it is looked again which offers are for the person; nothing while only a purchase changes that.
    pub(in crate::offers) look_at: Option<Timestamp>,
    /// That of the row; none is 0.
    pub(in crate::offers) version: i64,
}

/// What was signed, as it is stored.
#[derive(Debug)]
pub(in crate::offers) struct SignedRow {
    pub(in crate::offers) device_id: DeviceId,
    pub(in crate::offers) text_sealed: Vec<u8>,
    pub(in crate::offers) signature: Vec<u8>,
}

macro_rules! agreements {
    ($tail:literal) => {
        concat!("SELECT person_id, version, most_a_week, signed_at, look_at, banks FROM offer_agreements ", $tail)
    };
}

fn agreement_of(row: &Row) -> Result<(PersonId, StoredAgreement), StoreError> {
    let banks = |text: &str| text.split(',').filter(|id| !id.is_empty()).map(BankId::parse).collect::<Result<_, _>>();
    let what = |_| StoreError::Unreadable { column: 2, what: "it is no number of offers".to_owned() };
    let agreement = Agreement {
        banks: row.parsed(5, banks)?,
        most_a_week: u8::try_from(row.int(2)?).map_err(what)?,
        signed_at: row.time(3)?,
    };
    let stored = StoredAgreement { agreement, look_at: row.maybe_time(4)?, version: row.int(1)? };
    Ok((PersonId::from_uuid(row.id(0)?), stored))
}

/// Locks these people's agreements.
pub(in crate::offers) async fn load_agreements(
    tx: &mut Tx,
    persons: &BTreeSet<PersonId>,
) -> Result<BTreeMap<PersonId, StoredAgreement>, StoreError> {
    let load = Load { select: agreements!("WHERE person_id"), tail: " ORDER BY person_id", lock: true };
    let rows = tx.load(load, Keys::Ids(persons.iter().map(|id| id.uuid()).collect())).await?;
    rows.iter().map(agreement_of).collect()
}

pub(in crate::offers) async fn read_agreement(
    store: &Store,
    person_id: PersonId,
) -> Result<Option<StoredAgreement>, StoreError> {
    let row = store.fetch_one(agreements!("WHERE person_id = $1"), vec![person_id.uuid().into()]).await?;
    row.map(|row| agreement_of(&row).map(|(_, stored)| stored)).transpose()
}

/// Takes people who are to be looked at by now, whom nobody else is taking.
pub(in crate::offers) async fn claim_persons(
    tx: &mut Tx,
    now: Timestamp,
    most: i64,
) -> Result<BTreeSet<PersonId>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => agreements!("WHERE look_at <= $1 ORDER BY look_at LIMIT $2"),
        Dialect::Postgres => agreements!("WHERE look_at <= $1 ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED"),
    };
    let rows = tx.fetch(sql, vec![now.into(), most.into()]).await?;
    rows.iter().map(|row| row.id(0).map(PersonId::from_uuid)).collect()
}

/// Writes agreements over the versions that were found; with what was signed where that is new.
pub(in crate::offers) async fn put_agreements(
    tx: &mut Tx,
    agreements: Vec<(PersonId, StoredAgreement, Option<SignedRow>)>,
) -> Result<(), StoreError> {
    let (mut whole, mut changing) = (Vec::new(), Vec::new());
    for (person_id, stored, signed) in agreements {
        let banks: Vec<&str> = stored.agreement.banks.iter().map(BankId::as_str).collect();
        let mut row: Vec<Value> = vec![
            person_id.uuid().into(),
            (stored.version + 1).into(),
            i64::from(stored.agreement.most_a_week).into(),
            stored.agreement.signed_at.into(),
            stored.look_at.into(),
            banks.join(",").into(),
        ];
        match signed {
            None => changing.push(row),
            Some(SignedRow { device_id, text_sealed, signature }) => {
                row.extend([device_id.uuid().into(), text_sealed.into(), signature.into()]);
                whole.push(row);
            }
        }
    }
    tx.put(&AGREEMENTS, whole).await?;
    tx.update(&AGREEMENTS.changing(AGREEMENT_CHANGING), changing).await
}

/// Keeps the list by bank as the agreements have it.
pub(in crate::offers) async fn change_recipients(
    tx: &mut Tx,
    person_id: PersonId,
    before: &BTreeSet<BankId>,
    after: &BTreeSet<BankId>,
) -> Result<(), StoreError> {
    for gone in before.difference(after) {
        let sql = "DELETE FROM offer_recipients WHERE bank_id = $1 AND person_id = $2";
        tx.execute(sql, vec![gone.as_str().into(), person_id.uuid().into()]).await?;
    }
    let new = after.difference(before).map(|bank| vec![bank.as_str().into(), person_id.uuid().into()]);
    tx.insert(&RECIPIENTS, new.collect()).await
}
