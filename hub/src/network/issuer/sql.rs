//! The tables of what is asked over card networks.

use std::collections::BTreeMap;

use domain::network::{Asked, Standing};
use domain::{BankId, CardId, Currency, LegId, Money, PaymentId, Timestamp};
use jiff::civil::Date;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

const ORDERS: Table = Table {
    name: "network_orders",
    key: &["leg_id", "asked"],
    columns: &[
        "leg_id",
        "asked",
        "version",
        "state",
        "reason",
        "unknown",
        "told_again",
        "approval_code",
        "due_at",
        "business_day",
        "link",
        "bank_id",
        "payment_id",
        "original_leg_id",
        "currency",
        "amount_minor",
        "stan",
        "sent_at",
        "sealed_message",
    ],
};

const LINES: Table = Table { name: "network_lines", key: &["link"], columns: &["link", "version", "next_stan"] };

const CARDS: Table = Table {
    name: "network_cards",
    key: &["card_id"],
    columns: &["card_id", "version", "bank_id", "pan_index", "sealed_pan", "masked", "registered_at"],
};

/// A message that was asked over a line, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) leg: LegId,
    pub(super) asked: Asked,
    pub(super) version: i64,
    pub(super) standing: Standing,
    pub(super) unknown: i64,
    /// A reversal that is to be told once more when it is answered.
    pub(super) told_again: bool,
    pub(super) approval_code: Option<String>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) day: Date,
    pub(super) link: String,
    pub(super) bank: BankId,
    pub(super) payment: PaymentId,
    pub(super) original: Option<LegId>,
    pub(super) amount: Money,
    /// 0 when nothing was ever sent.
    pub(super) stan: i64,
    pub(super) sent_at: Timestamp,
    pub(super) sealed: Vec<u8>,
}

/// The orders of a leg.
pub(super) type Orders = BTreeMap<(LegId, Asked), Order>;

macro_rules! select_orders {
    ($where:literal) => {
        concat!(
            "SELECT leg_id, asked, version, state, reason, unknown, approval_code, due_at, business_day, link, bank_id, payment_id, \
             original_leg_id, currency, amount_minor, stan, sent_at, sealed_message, told_again FROM network_orders WHERE ",
            $where
        )
    };
}

fn order(row: &Row) -> Result<Order, StoreError> {
    let reason = row.maybe_text(4)?;
    let currency = row.parsed(13, Currency::parse)?;
    Ok(Order {
        leg: LegId::from_uuid(row.id(0)?),
        asked: row.parsed(1, Asked::parse)?,
        version: row.int(2)?,
        standing: row.parsed(3, |text| Standing::parse(text, reason.as_deref()))?,
        unknown: row.int(5)?,
        approval_code: row.maybe_text(6)?,
        due_at: row.maybe_int(7)?.map(Timestamp::from_micros),
        day: row.parsed(8, str::parse::<Date>)?,
        link: row.text(9)?,
        bank: row.parsed(10, BankId::parse)?,
        payment: PaymentId::from_uuid(row.id(11)?),
        original: row.maybe_id(12)?.map(LegId::from_uuid),
        amount: Money::new(currency, row.int(14)?),
        stan: row.int(15)?,
        sent_at: Timestamp::from_micros(row.int(16)?),
        sealed: row.bytes(17)?,
        told_again: row.flag(18)?,
    })
}

fn by_key(rows: &[Row]) -> Result<Orders, StoreError> {
    rows.iter().map(order).map(|order| order.map(|order| ((order.leg, order.asked), order))).collect()
}

pub(super) async fn load(tx: &mut Tx, legs: Vec<Uuid>) -> Result<Orders, StoreError> {
    let load = Load { select: select_orders!("leg_id"), tail: " ORDER BY leg_id, asked", lock: true };
    by_key(&tx.load(load, Keys::Ids(legs)).await?)
}

/// The first messages that bore these numbers.
pub(super) async fn load_traced(
    tx: &mut Tx,
    link: &str,
    (stan, sent_at): (i64, Timestamp),
) -> Result<Option<LegId>, StoreError> {
    let sql = "SELECT leg_id FROM network_orders WHERE link = $1 AND stan = $2 AND sent_at = $3 \
               AND asked IN ('CHARGE', 'AUTHORISATION')";
    let rows = tx.fetch(sql, vec![link.into(), stan.into(), sent_at.into()]).await?;
    rows.first().map(|row| row.id(0).map(LegId::from_uuid)).transpose()
}

/// Takes up to so many orders that are due: they are due again after a pause, unless they are done before.
pub(super) async fn load_due(tx: &mut Tx, most: i64) -> Result<Vec<LegId>, StoreError> {
    let sql = "SELECT leg_id FROM network_orders WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
    let rows = tx.fetch(sql, vec![tx.now().into(), most.into()]).await?;
    rows.iter().map(|row| row.id(0).map(LegId::from_uuid)).collect()
}

fn values(order: &Order) -> Vec<Value> {
    let reason = match order.standing {
        Standing::Refused(reason) => Some(reason.code().to_owned()),
        Standing::Asked | Standing::Done => None,
    };
    vec![
        order.leg.uuid().into(),
        order.asked.as_str().into(),
        order.version.into(),
        order.standing.as_str().into(),
        reason.into(),
        order.unknown.into(),
        order.told_again.into(),
        order.approval_code.clone().into(),
        order.due_at.into(),
        order.day.to_string().into(),
        order.link.as_str().into(),
        order.bank.as_str().into(),
        order.payment.uuid().into(),
        order.original.map(LegId::uuid).into(),
        order.amount.currency.code().into(),
        order.amount.minor.into(),
        order.stan.into(),
        order.sent_at.into(),
        order.sealed.clone().into(),
    ]
}

pub(super) async fn put(tx: &mut Tx, orders: &[Order]) -> Result<(), StoreError> {
    tx.put(&ORDERS, orders.iter().map(values).collect()).await
}

/// The next numbers of lines, with the versions of their rows. No two hubs are at one line at once.
pub(super) async fn load_lines(tx: &mut Tx, links: Vec<String>) -> Result<Lines, StoreError> {
    let found = lines(tx, links.clone()).await?;
    if links.iter().all(|link| found.contains_key(link)) {
        return Ok(found);
    }
    // A row that is not there yet cannot be locked.
    for link in links.iter().filter(|link| !found.contains_key(*link)) {
        let sql =
            "INSERT INTO network_lines (link, version, next_stan) VALUES ($1, 1, 1) ON CONFLICT (link) DO NOTHING";
        tx.execute(sql, vec![link.as_str().into()]).await?;
    }
    lines(tx, links).await
}

type Lines = BTreeMap<String, (i64, i64)>;

async fn lines(tx: &mut Tx, links: Vec<String>) -> Result<Lines, StoreError> {
    let select = "SELECT link, version, next_stan FROM network_lines WHERE link";
    let load = Load { select, tail: " ORDER BY link", lock: true };
    let rows = tx.load(load, Keys::Names(links)).await?;
    rows.iter().map(|row| Ok((row.text(0)?, (row.int(1)?, row.int(2)?)))).collect()
}

pub(super) async fn put_lines(tx: &mut Tx, lines: &BTreeMap<String, (i64, i64)>) -> Result<(), StoreError> {
    let row =
        |(link, (version, next)): (&String, &(i64, i64))| vec![link.as_str().into(), (*version).into(), (*next).into()];
    tx.put(&LINES, lines.iter().map(row).collect()).await
}

/// Whether anything was ever asked about a leg.
pub(super) async fn is_known(store: &Store, leg: LegId) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM network_orders WHERE leg_id = $1";
    let row = store.fetch_one(sql, vec![leg.uuid().into()]).await?;
    row.map_or(Ok(false), |row| row.int(0).map(|count| count > 0))
}

/// Whether anything is to be told by itself.
pub(super) async fn is_any_due(store: &Store, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) FROM network_orders WHERE due_at IS NOT NULL AND due_at <= $1";
    let row = store.fetch_one(sql, vec![now.into()]).await?;
    row.map_or(Ok(false), |row| row.int(0).map(|count| count > 0))
}

/// A card by which somebody pays without showing it.
#[derive(Clone, Debug)]
pub(super) struct CardRow {
    pub(super) card: CardId,
    pub(super) bank: BankId,
    pub(super) sealed_pan: Vec<u8>,
    pub(super) masked: String,
}

/// A card to keep, with the hashes by which it is found, that which is written first.
#[derive(Clone, Debug)]
pub(super) struct NewCard {
    pub(super) row: CardRow,
    pub(super) indexes: [[u8; 32]; 2],
}

const SELECT_CARD: &str = "SELECT card_id, bank_id, sealed_pan, masked FROM network_cards WHERE card_id = $1";
const SELECT_CARD_BY_NUMBER: &str =
    "SELECT card_id, bank_id, sealed_pan, masked FROM network_cards WHERE pan_index IN ($1, $2)";

fn card(row: &Row) -> Result<CardRow, StoreError> {
    Ok(CardRow {
        card: CardId::from_uuid(row.id(0)?),
        bank: row.parsed(1, BankId::parse)?,
        sealed_pan: row.bytes(2)?,
        masked: row.text(3)?,
    })
}

pub(super) async fn read_card(store: &Store, id: CardId) -> Result<Option<CardRow>, StoreError> {
    store.fetch_one(SELECT_CARD, vec![id.uuid().into()]).await?.as_ref().map(card).transpose()
}

fn by_number([one, other]: &[[u8; 32]; 2]) -> Vec<Value> {
    vec![one.to_vec().into(), other.to_vec().into()]
}

pub(super) async fn read_card_by_number(store: &Store, indexes: &[[u8; 32]; 2]) -> Result<Option<CardRow>, StoreError> {
    store.fetch_one(SELECT_CARD_BY_NUMBER, by_number(indexes)).await?.as_ref().map(card).transpose()
}

/// The card with this id, and the one with this number.
pub(super) async fn load_cards(tx: &mut Tx, wanted: &NewCard) -> Result<[Option<CardRow>; 2], StoreError> {
    let by_id = tx.fetch(SELECT_CARD, vec![wanted.row.card.uuid().into()]).await?;
    let by_number = tx.fetch(SELECT_CARD_BY_NUMBER, by_number(&wanted.indexes)).await?;
    Ok([by_id.first().map(card).transpose()?, by_number.first().map(card).transpose()?])
}

pub(super) async fn insert_card(tx: &mut Tx, NewCard { row: card, indexes }: &NewCard) -> Result<(), StoreError> {
    let [index, _] = indexes;
    let row = vec![
        card.card.uuid().into(),
        1.into(),
        card.bank.as_str().into(),
        index.to_vec().into(),
        card.sealed_pan.clone().into(),
        card.masked.as_str().into(),
        tx.now().into(),
    ];
    tx.insert(&CARDS, vec![row]).await
}
