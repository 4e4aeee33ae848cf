//! The rows of cards and of their PINs.

use std::collections::{BTreeSet, HashMap};

use domain::card::{Card, CardState, CvvTries, Expiry, PinTries, Product, Sides};
use domain::ledger::Books;
use domain::{AccountId, CardId};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use crate::freeze::{frozen_by, mark};
use crate::hsm::PinVerificationValue;

const CARDS: Table = Table {
    name: "cards",
    key: &["card_id"],
    columns: &[
        "card_id",
        "version",
        "state",
        "frozen",
        "wrong_pins",
        "wrong_cvvs",
        "cvv_blocked_until",
        "replaced_by",
        // From here on nothing changes after the card was issued: see CARD_STATES.
        "expiry",
        "debit_account_id",
        "credit_account_id",
        "masked",
        "pan_hash",
        "pan_sealed",
        "product",
        "cvk_version",
        "issued_at",
    ],
};

/// What changes of a card after it was issued, up to `replaced_by`.
const CARD_STATES: Table = CARDS.changing(8);

const PINS: Table = Table {
    name: "card_pins",
    key: &["card_id"],
    columns: &["card_id", "version", "pin_value", "change_id", "set_at"],
};

macro_rules! card_columns {
    () => {
        "c.card_id, c.version, c.state, c.frozen, c.wrong_pins, c.wrong_cvvs, c.cvv_blocked_until, c.replaced_by, \
         c.expiry, c.debit_account_id, c.credit_account_id, c.masked"
    };
}

macro_rules! select_known {
    ($tail:literal) => {
        concat!(
            "SELECT ",
            card_columns!(),
            ", c.pan_sealed, c.product, c.cvk_version, p.pin_value \
             FROM cards c LEFT JOIN card_pins p ON p.card_id = c.card_id WHERE ",
            $tail
        )
    };
}

const LOAD_CARDS: Load = Load {
    select: concat!("SELECT ", card_columns!(), " FROM cards c WHERE c.card_id"),
    tail: " ORDER BY c.card_id",
    lock: true,
};
const LOAD_PINS: Load =
    Load { select: "SELECT card_id, version FROM card_pins WHERE card_id", tail: " ORDER BY card_id", lock: true };

const LOAD_NUMBERS: Load =
    Load { select: "SELECT pan_hash, card_id FROM cards WHERE pan_hash", tail: " ORDER BY pan_hash", lock: false };

/// Who has a number, by its keyed hash.
pub(crate) type Numbers = HashMap<[u8; 32], CardId>;

/// What the bank keeps of a card besides its state.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CardFile {
    /// The keyed hashes of the number, that which is written first (ADR 40).
    pub(crate) pan_hashes: [[u8; 32]; 2],
    /// The number under AES-GCM, bound to the card.
    pub(crate) pan_sealed: Vec<u8>,
    pub(crate) product: Product,
    /// The version of the key that makes its verification values.
    pub(crate) cvk_version: u32,
}

impl CardFile {
    fn written_hash(&self) -> &[u8; 32] {
        let [written, _] = &self.pan_hashes;
        written
    }
}

impl std::fmt::Debug for CardFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CardFile").field("product", &self.product).finish_non_exhaustive()
    }
}

/// A card with what it takes to verify it.
#[derive(Clone, Debug)]
pub(crate) struct KnownCard {
    pub(crate) card: Card,
    /// The number under AES-GCM.
    pub(crate) pan_sealed: Vec<u8>,
    pub(crate) product: Product,
    pub(crate) cvk_version: u32,
    /// None has been set yet.
    pub(crate) pin: Option<PinVerificationValue>,
}

/// A PIN as it was set last, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredPin {
    pub(crate) version: i64,
}

/// A PIN to store.
#[derive(Clone, Debug)]
pub(crate) struct NewPin {
    pub(crate) card_id: CardId,
    /// The version of the row before; 0 when there was none.
    pub(crate) version: i64,
    pub(crate) change_id: Uuid,
    pub(crate) value: PinVerificationValue,
}

pub(crate) async fn load_cards(tx: &mut Tx, ids: BTreeSet<CardId>) -> Result<Vec<Card>, StoreError> {
    let rows = tx.load(LOAD_CARDS, Keys::Ids(ids.into_iter().map(CardId::uuid).collect())).await?;
    rows.iter().map(card_of).collect()
}

/// The cards that have any of these numbers.
pub(crate) async fn load_numbers(tx: &mut Tx, pan_hashes: Vec<[u8; 32]>) -> Result<Numbers, StoreError> {
    let rows = tx.load(LOAD_NUMBERS, Keys::Blobs(pan_hashes.iter().map(|hash| hash.to_vec()).collect())).await?;
    let read = |row: &Row| {
        let hash = row.bytes(0)?.try_into();
        let hash = hash.map_err(|_| StoreError::Unreadable { column: 0, what: "no hash of a number".to_owned() })?;
        Ok((hash, CardId::from_uuid(row.id(1)?)))
    };
    rows.iter().map(read).collect()
}

pub(crate) async fn load_pins(tx: &mut Tx, ids: BTreeSet<CardId>) -> Result<HashMap<CardId, StoredPin>, StoreError> {
    let rows = tx.load(LOAD_PINS, Keys::Ids(ids.into_iter().map(CardId::uuid).collect())).await?;
    let read = |row: &Row| Ok((CardId::from_uuid(row.id(0)?), StoredPin { version: row.int(1)? }));
    rows.iter().map(read).collect()
}

/// Writes the cards that changed; new ones with their files.
pub(crate) async fn save_cards(
    tx: &mut Tx,
    books: &Books,
    files: &HashMap<CardId, CardFile>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let (issued, changed): (Vec<_>, Vec<_>) = books.changed_cards().partition(|card| card.version == 0);
    let mut rows = Vec::with_capacity(issued.len());
    for card in issued {
        let file = files.get(&card.id).ok_or_else(|| StoreError::Refused(format!("no file of card {}", card.id)))?;
        let mut row = card_state(card);
        row.extend([
            card.expiry.yymm().into(),
            card.sides.debit().map(AccountId::uuid).into(),
            card.sides.credit().map(AccountId::uuid).into(),
            card.masked.as_str().into(),
            file.written_hash().to_vec().into(),
            file.pan_sealed.clone().into(),
            file.product.as_str().into(),
            i64::from(file.cvk_version).into(),
            now.into(),
        ]);
        rows.push(row);
    }
    tx.insert(&CARDS, rows).await?;
    tx.update(&CARD_STATES, changed.into_iter().map(card_state).collect()).await
}

pub(crate) async fn save_pins(tx: &mut Tx, pins: &[NewPin]) -> Result<(), StoreError> {
    let now = tx.now();
    let row = |pin: &NewPin| {
        vec![
            pin.card_id.uuid().into(),
            pin.version.saturating_add(1).into(),
            pin.value.to_bytes().to_vec().into(),
            pin.change_id.into(),
            now.into(),
        ]
    };
    tx.put(&PINS, pins.iter().map(row).collect()).await
}

pub(crate) async fn find_by_hash(store: &Store, [one, other]: [[u8; 32]; 2]) -> Result<Option<KnownCard>, StoreError> {
    let hashes = vec![one.to_vec().into(), other.to_vec().into()];
    let row = store.fetch_one(select_known!("c.pan_hash IN ($1, $2)"), hashes).await?;
    row.as_ref().map(known_of).transpose()
}

pub(crate) async fn find(store: &Store, id: CardId) -> Result<Option<KnownCard>, StoreError> {
    let row = store.fetch_one(select_known!("c.card_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(known_of).transpose()
}

fn card_of(row: &Row) -> Result<Card, StoreError> {
    let side = |column| -> Result<_, StoreError> { Ok(row.maybe_id(column)?.map(AccountId::from_uuid)) };
    let sides = match (side(9)?, side(10)?) {
        (Some(debit), Some(credit)) => Sides::Both { debit, credit },
        (Some(debit), None) => Sides::Debit(debit),
        (None, Some(credit)) => Sides::Credit(credit),
        (None, None) => return Err(StoreError::Unreadable { column: 9, what: "a card of no account".to_owned() }),
    };
    let (frozen, frozen_by_holder) = frozen_by(row, 3)?;
    Ok(Card {
        id: CardId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        state: row.parsed(2, CardState::parse)?,
        frozen,
        frozen_by_holder,
        tries: PinTries::from_stored(few(row.int(4)?)),
        cvv_tries: CvvTries::from_stored(few(row.int(5)?), row.maybe_time(6)?),
        replaced_by: row.maybe_id(7)?.map(CardId::from_uuid),
        expiry: row.parsed(8, Expiry::parse_yymm)?,
        sides,
        masked: row.text(11)?,
    })
}

/// So many tries; more than can be are as many as there can be.
fn few(tries: i64) -> u8 {
    u8::try_from(tries).unwrap_or(u8::MAX)
}

fn known_of(row: &Row) -> Result<KnownCard, StoreError> {
    let pin = |bytes: Vec<u8>| {
        let value = PinVerificationValue::from_bytes(&bytes);
        value.map_err(|error| StoreError::Unreadable { column: 15, what: error.to_string() })
    };
    Ok(KnownCard {
        card: card_of(row)?,
        pan_sealed: row.bytes(12)?,
        product: row.parsed(13, Product::parse)?,
        cvk_version: u32::try_from(row.int(14)?)
            .map_err(|_| StoreError::Unreadable { column: 14, what: "no version of a key".to_owned() })?,
        pin: row.maybe_bytes(15)?.map(pin).transpose()?,
    })
}

fn card_state(card: &Card) -> Vec<Value> {
    vec![
        card.id.uuid().into(),
        card.version.saturating_add(1).into(),
        card.state.as_str().into(),
        mark(card.frozen, card.frozen_by_holder).into(),
        i64::from(card.tries.wrong()).into(),
        i64::from(card.cvv_tries.wrong()).into(),
        card.cvv_tries.blocked_until().into(),
        card.replaced_by.map(CardId::uuid).into(),
    ]
}
