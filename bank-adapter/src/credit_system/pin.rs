//! Changes of PINs that reach the credit system and the front, or neither (C4).
//!
//! The front makes the change durable first, with the new PIN's block for the credit system and what it will compare the PIN
//! with itself. Then the credit system is asked, under one id as often as it takes, until its answer is known. Only when it
//! has approved does the front's PIN change, in the transaction that ends the change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use domain::{CardId, Reason, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use super::reference::Reference;
use crate::hsm::PinVerificationValue;

/// One change of one card's PIN.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(Uuid);

impl ChangeId {
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    pub const fn uuid(self) -> Uuid {
        self.0
    }

    pub fn reference(self) -> Reference {
        Reference::of(self.0)
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinState {
    /// The credit system may have been asked; its answer is not known.
    Asking,
    /// Both have the new PIN.
    Done,
    /// Neither has.
    Refused(Reason),
}

impl PinState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asking => "ASKING",
            Self::Done => "DONE",
            Self::Refused(_) => "REFUSED",
        }
    }

    const fn reason(self) -> Option<Reason> {
        match self {
            Self::Refused(reason) => Some(reason),
            Self::Asking | Self::Done => None,
        }
    }
}

/// What is kept of the new PIN until the change is over.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPin {
    /// The block under the key of the zone, sealed by the key store.
    pub sealed_block: Vec<u8>,
    /// What the front compares the PIN with once the change is done.
    pub value: PinVerificationValue,
}

impl fmt::Debug for NewPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPin").finish_non_exhaustive()
    }
}

/// A stored change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinChange {
    pub id: ChangeId,
    pub version: i64,
    pub state: PinState,
    /// None when the change is over.
    pub new: Option<NewPin>,
    pub tries: i64,
    pub next_try_at: Timestamp,
    pub changed_at: Timestamp,
    pub card_id: CardId,
    pub asked_at: Timestamp,
}

/// The changes of a set of steps: loaded, decided in memory, written once.
#[derive(Debug, Default)]
pub struct PinChanges {
    rows: BTreeMap<ChangeId, PinChange>,
    changed: BTreeSet<ChangeId>,
}

impl PinChanges {
    pub fn of(rows: impl IntoIterator<Item = PinChange>) -> Self {
        Self { rows: rows.into_iter().map(|change| (change.id, change)).collect(), changed: BTreeSet::new() }
    }

    pub fn get(&self, id: ChangeId) -> Option<&PinChange> {
        self.rows.get(&id)
    }

    /// Makes it durable that the credit system is about to be asked. The same change again is the change as it stands. `Err`
    /// with `IdTaken` for the change of another card, and `PinChangePending` while another change of the card is not over.
    pub fn intend(&mut self, id: ChangeId, card_id: CardId, new: NewPin, now: Timestamp) -> Result<PinState, Reason> {
        if let Some(stored) = self.rows.get(&id) {
            return if stored.card_id == card_id { Ok(stored.state) } else { Err(Reason::IdTaken) };
        }
        if self.rows.values().any(|other| other.card_id == card_id && other.state == PinState::Asking) {
            return Err(Reason::PinChangePending);
        }
        let state = PinState::Asking;
        let change = PinChange {
            id,
            version: 0,
            state,
            new: Some(new),
            tries: 0,
            next_try_at: now,
            changed_at: now,
            card_id,
            asked_at: now,
        };
        self.put(change);
        Ok(state)
    }

    /// Ends a change and forgets the new PIN. What it gives is what the card's PIN is compared with from then on: in the same
    /// transaction it becomes the card's. None when the PIN stays as it is, or the change was over before.
    pub fn settle(&mut self, id: ChangeId, refusal: Option<Reason>, now: Timestamp) -> Option<PinVerificationValue> {
        let stored = self.rows.get(&id).filter(|change| change.state == PinState::Asking)?.clone();
        let state = refusal.map_or(PinState::Done, PinState::Refused);
        let value = stored.new.as_ref().map(|new| new.value.clone()).filter(|_| refusal.is_none());
        self.put(PinChange { state, new: None, changed_at: now, ..stored });
        value
    }

    pub(super) fn asking(&mut self, id: ChangeId, next: Timestamp, now: Timestamp) -> Option<i64> {
        let stored = self.rows.get(&id).filter(|change| change.state == PinState::Asking)?;
        let tries = stored.tries.saturating_add(1);
        let change = PinChange { tries, next_try_at: next, changed_at: now, ..stored.clone() };
        self.put(change);
        Some(tries)
    }

    fn put(&mut self, change: PinChange) {
        self.changed.insert(change.id);
        self.rows.insert(change.id, change);
    }

    /// The changes with these ids, and those of these cards that are not over.
    pub async fn load(tx: &mut Tx, changes: &BTreeSet<ChangeId>, cards: &BTreeSet<CardId>) -> Result<Self, StoreError> {
        let by_id = tx.load(BY_ID, Keys::Ids(changes.iter().map(|change| change.uuid()).collect())).await?;
        let by_card = tx.load(BY_CARD, Keys::Ids(cards.iter().map(|card| card.uuid()).collect())).await?;
        Ok(Self::of(by_id.iter().chain(&by_card).map(change_of).collect::<Result<Vec<_>, _>>()?))
    }

    /// Writes what changed.
    pub async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let changed = self.changed.iter().filter_map(|id| self.rows.get(id));
        let (made, moved): (Vec<_>, Vec<_>) = changed.partition(|change| change.version == 0);
        tx.insert(&CHANGES, made.into_iter().map(change_row).collect()).await?;
        tx.update(&CHANGE_STATES, moved.into_iter().map(change_state).collect()).await
    }
}

const CHANGES: Table = Table {
    name: "pin_changes",
    key: &["change_id"],
    columns: &[
        "change_id",
        "version",
        "state",
        "reason",
        "sealed_block",
        "pin_value",
        "tries",
        "next_try_at",
        "changed_at",
        "card_id",
        "asked_at",
    ],
};

const CHANGE_STATES: Table = CHANGES.changing(9);

macro_rules! select_changes {
    ($tail:literal) => {
        concat!(
            "SELECT change_id, version, state, reason, sealed_block, pin_value, tries, next_try_at, changed_at, \
             card_id, asked_at FROM pin_changes ",
            $tail
        )
    };
}

const BY_ID: Load = Load { select: select_changes!("WHERE change_id"), tail: " ORDER BY change_id", lock: true };
const BY_CARD: Load =
    Load { select: select_changes!("WHERE state = 'ASKING' AND card_id"), tail: " ORDER BY change_id", lock: true };

/// The changes whose time to be asked for has come.
pub(super) async fn due(store: &Store, now: Timestamp, limit: i64) -> Result<Vec<PinChange>, StoreError> {
    const SQL: &str =
        // A card that takes over is unknown to the credit system until it has heard of that.
        select_changes!(
            "WHERE state = 'ASKING' AND next_try_at <= $1 AND NOT EXISTS (SELECT 1 FROM card_advices r \
             WHERE r.replaced_by = pin_changes.card_id AND r.state IN ('WAITING', 'STUCK')) \
             ORDER BY next_try_at, change_id LIMIT $2"
        );
    store.fetch(SQL, vec![now.into(), limit.into()]).await?.iter().map(change_of).collect()
}

/// The change as it stands.
pub async fn change(store: &Store, id: ChangeId) -> Result<Option<PinChange>, StoreError> {
    let row = store.fetch_one(select_changes!("WHERE change_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(change_of).transpose()
}

fn change_of(row: &Row) -> Result<PinChange, StoreError> {
    let unreadable = |column| move || StoreError::Unreadable { column, what: "out of range".to_owned() };
    let reason = row.maybe_text(3)?.map(|code| Reason::from_code(&code).ok_or_else(unreadable(3))).transpose()?;
    let state = row.parsed(2, |text| match (text, reason) {
        ("ASKING", None) => Ok(PinState::Asking),
        ("DONE", None) => Ok(PinState::Done),
        ("REFUSED", Some(reason)) => Ok(PinState::Refused(reason)),
        _ => Err(Reason::FieldUnknown),
    })?;
    let new = match (row.maybe_bytes(4)?, row.maybe_bytes(5)?) {
        (Some(sealed_block), Some(value)) => {
            let value = PinVerificationValue::from_bytes(&value).map_err(|_| unreadable(5)())?;
            Some(NewPin { sealed_block, value })
        }
        _ => None,
    };
    Ok(PinChange {
        id: ChangeId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        state,
        new,
        tries: row.int(6)?,
        next_try_at: row.time(7)?,
        changed_at: row.time(8)?,
        card_id: CardId::from_uuid(row.id(9)?),
        asked_at: row.time(10)?,
    })
}

fn change_row(change: &PinChange) -> Vec<Value> {
    let mut row = change_state(change);
    row.extend([change.card_id.uuid().into(), change.asked_at.into()]);
    row
}

fn change_state(change: &PinChange) -> Vec<Value> {
    vec![
        change.id.uuid().into(),
        change.version.saturating_add(1).into(),
        change.state.as_str().into(),
        change.state.reason().map(|reason| reason.code().to_owned()).into(),
        change.new.as_ref().map(|new| new.sealed_block.clone()).into(),
        change.new.as_ref().map(|new| new.value.to_bytes().to_vec()).into(),
        change.tries.into(),
        change.next_try_at.into(),
        change.changed_at.into(),
    ]
}
