//! The table of what people have got, and what is read of people to tell a bank who accepted.

use std::collections::{BTreeMap, BTreeSet};

use domain::offer::{Answer, Delivery, Finding, Offer};
use domain::{BankId, OfferId, PersonId, Reason};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use super::filed::{OFFER_COLUMNS, StoredOffer, offer_columns, offer_of};

/// What changes of a delivery stands first.
const DELIVERIES: Table = Table {
    name: "offer_deliveries",
    key: &["person_id", "offer_id"],
    columns: &[
        "person_id",
        "offer_id",
        "version",
        "answer",
        "answered_at",
        "shown_sealed",
        "text_sealed",
        "signature",
        "delivered_at",
        "sequence",
        "count",
        "sum_minor",
        "in_place",
    ],
};
const DELIVERY_CHANGING: usize = 8;

/// A delivery as it is stored.
#[derive(Clone, Debug)]
pub(in crate::offers) struct StoredDelivery {
    pub(in crate::offers) delivery: Delivery,
    /// That of the row; none is 0.
    pub(in crate::offers) version: i64,
}

/// What a new delivery has beside its answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::offers) struct NewDelivery {
    pub(in crate::offers) delivery: Delivery,
    /// Its place in the person's feed.
    pub(in crate::offers) sequence: i64,
    pub(in crate::offers) because: Finding,
}

/// What of an acceptance is kept.
#[derive(Clone, Debug)]
pub(in crate::offers) struct AcceptedRow {
    pub(in crate::offers) shown_sealed: Vec<u8>,
    pub(in crate::offers) text_sealed: Vec<u8>,
    pub(in crate::offers) signature: Vec<u8>,
}

/// What people have got, by person.
pub(in crate::offers) async fn load_deliveries(
    tx: &mut Tx,
    persons: &BTreeSet<PersonId>,
) -> Result<BTreeMap<PersonId, BTreeMap<OfferId, StoredDelivery>>, StoreError> {
    let load = Load {
        select: "SELECT person_id, offer_id, version, answer, answered_at, delivered_at FROM offer_deliveries WHERE person_id",
        tail: " ORDER BY person_id, offer_id",
        lock: true,
    };
    let rows = tx.load(load, Keys::Ids(persons.iter().map(|id| id.uuid()).collect())).await?;
    let mut found: BTreeMap<PersonId, BTreeMap<OfferId, StoredDelivery>> = BTreeMap::new();
    for row in &rows {
        let (person_id, offer_id) = (PersonId::from_uuid(row.id(0)?), OfferId::from_uuid(row.id(1)?));
        let answered_at = row.maybe_time(4)?;
        let answer = row.parsed(3, |word| Answer::read(word, answered_at))?;
        let delivery = Delivery { offer_id, person_id, delivered_at: row.time(5)?, answer };
        let stored = StoredDelivery { delivery, version: row.int(2)? };
        found.entry(person_id).or_default().insert(offer_id, stored);
    }
    Ok(found)
}

fn answering(delivery: &Delivery, version: i64, accepted: Option<&AcceptedRow>) -> Vec<Value> {
    let (word, at) = delivery.answer.written();
    vec![
        delivery.person_id.uuid().into(),
        delivery.offer_id.uuid().into(),
        version.into(),
        word.into(),
        at.into(),
        accepted.map(|row| row.shown_sealed.clone()).into(),
        accepted.map(|row| row.text_sealed.clone()).into(),
        accepted.map(|row| row.signature.clone()).into(),
    ]
}

pub(in crate::offers) async fn insert_deliveries(tx: &mut Tx, new: Vec<NewDelivery>) -> Result<(), StoreError> {
    let row = |new: NewDelivery| {
        let mut row = answering(&new.delivery, 1, None);
        let Finding { count, sum_minor, in_place, .. } = new.because;
        row.extend([
            new.delivery.delivered_at.into(),
            new.sequence.into(),
            count.into(),
            sum_minor.into(),
            in_place.into(),
        ]);
        row
    };
    tx.insert(&DELIVERIES, new.into_iter().map(row).collect()).await
}

/// Stores what people have answered.
pub(in crate::offers) async fn update_deliveries(
    tx: &mut Tx,
    answered: Vec<(StoredDelivery, Option<AcceptedRow>)>,
) -> Result<(), StoreError> {
    let row = |(stored, accepted): &(StoredDelivery, Option<AcceptedRow>)| {
        answering(&stored.delivery, stored.version + 1, accepted.as_ref())
    };
    tx.update(&DELIVERIES.changing(DELIVERY_CHANGING), answered.iter().map(row).collect()).await
}

/// An offer that a person has got.
#[derive(Debug)]
pub(in crate::offers) struct Got {
    pub(in crate::offers) offer: Offer,
    pub(in crate::offers) bank_name: String,
    pub(in crate::offers) delivery: Delivery,
    pub(in crate::offers) because: Finding,
    /// Its place in the person's feed.
    pub(in crate::offers) sequence: i64,
}

macro_rules! got {
    ($tail:literal) => {
        concat!(
            "SELECT ",
            offer_columns!(),
            ", d.answer, d.answered_at, d.delivered_at, d.count, d.sum_minor, d.in_place, d.sequence, \
             COALESCE(b.display_name, o.bank_id) FROM offer_deliveries d JOIN offers o ON o.offer_id = d.offer_id \
             LEFT JOIN banks b ON b.bank_id = o.bank_id WHERE d.person_id = $1 AND ",
            $tail
        )
    };
}

fn got_of(row: &Row, person_id: PersonId) -> Result<Got, StoreError> {
    let at = OFFER_COLUMNS;
    let StoredOffer { offer, .. } = offer_of(row)?;
    let answered_at = row.maybe_time(at + 1)?;
    let answer = row.parsed(at, |word| Answer::read(word, answered_at))?;
    let delivery = Delivery { offer_id: offer.filing.id, person_id, delivered_at: row.time(at + 2)?, answer };
    let (count, sum_minor, in_place) = (row.int(at + 3)?, row.int(at + 4)?, row.int(at + 5)?);
    let because = Finding { rule: offer.filing.rule, count, sum_minor, in_place };
    Ok(Got { offer, bank_name: row.text(at + 7)?, delivery, because, sequence: row.int(at + 6)? })
}

/// What a person has got before a place in the feed and not declined, the last first.
pub(in crate::offers) async fn read_got(
    store: &Store,
    person_id: PersonId,
    before: i64,
    most: i64,
) -> Result<Vec<Got>, StoreError> {
    let sql = got!("d.answer <> 'DECLINED' AND d.sequence < $2 ORDER BY d.sequence DESC LIMIT $3");
    let rows = store.fetch(sql, vec![person_id.uuid().into(), before.into(), most.into()]).await?;
    rows.iter().map(|row| got_of(row, person_id)).collect()
}

pub(in crate::offers) async fn read_one_got(
    store: &Store,
    person_id: PersonId,
    offer_id: OfferId,
) -> Result<Option<Got>, StoreError> {
    let row = store.fetch_one(got!("d.offer_id = $2"), vec![person_id.uuid().into(), offer_id.uuid().into()]).await?;
    row.map(|row| got_of(&row, person_id)).transpose()
}

/// What the bank is told of those who accepted, in the order of their ids, after somebody.
pub(in crate::offers) async fn read_acceptances(
    store: &Store,
    offer_id: OfferId,
    after: PersonId,
    most: i64,
) -> Result<Vec<(PersonId, Vec<u8>)>, StoreError> {
    let sql = "SELECT person_id, shown_sealed FROM offer_deliveries \
               WHERE offer_id = $1 AND answer = 'ACCEPTED' AND person_id > $2 ORDER BY person_id LIMIT $3";
    let rows = store.fetch(sql, vec![offer_id.uuid().into(), after.uuid().into(), most.into()]).await?;
    rows.iter().map(|row| Ok((PersonId::from_uuid(row.id(0)?), row.bytes(1)?))).collect()
}

/// The person's active accounts and cards at a bank: what they are and their ids.
pub(in crate::offers) async fn load_instruments(
    tx: &mut Tx,
    person_id: PersonId,
    bank_id: &BankId,
) -> Result<Vec<(String, Uuid)>, StoreError> {
    let sql = "SELECT instrument, instrument_id FROM bindings WHERE person_id = $1 AND bank_id = $2 AND active = 1 \
               ORDER BY instrument_id";
    let rows = tx.fetch(sql, vec![person_id.uuid().into(), bank_id.as_str().into()]).await?;
    rows.iter().map(|row| Ok((row.text(0)?, row.id(1)?))).collect()
}

/// At which banks the person has accounts or cards.
pub(in crate::offers) async fn read_banks_of(
    store: &Store,
    person_id: PersonId,
) -> Result<BTreeSet<BankId>, StoreError> {
    let sql = "SELECT DISTINCT bank_id FROM bindings WHERE person_id = $1 AND active = 1";
    let rows = store.fetch(sql, vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| row.parsed(0, BankId::parse)).collect()
}

/// The person's name and number, sealed.
pub(in crate::offers) async fn load_contact(
    tx: &mut Tx,
    person_id: PersonId,
) -> Result<Result<(Vec<u8>, Vec<u8>), Reason>, StoreError> {
    let sql = "SELECT name_sealed, phone_sealed FROM persons WHERE person_id = $1";
    let rows = tx.fetch(sql, vec![person_id.uuid().into()]).await?;
    let Some(row) = rows.first() else { return Ok(Err(Reason::PersonUnknown)) };
    let phone = row.bytes(1)?;
    Ok(if phone.is_empty() { Err(Reason::NumberEnded) } else { Ok((row.bytes(0)?, phone)) })
}
