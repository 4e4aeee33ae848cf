//! The advices that the credit system refuses to take note of, for an operator.

use domain::{CardId, Currency, LegId, Money, Reason, Timestamp};
use server_kit::store::{Row, Store, StoreError};
use uuid::Uuid;

use super::card::CardStatus;
use super::order::{Kind, OrderKey};

/// What an advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    Leg { key: OrderKey, amount: Money },
    Card(CardStatus),
}

/// Names an advice that may be stuck: of a card at most one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StuckKey {
    Leg(OrderKey),
    Card(CardId),
}

/// An advice that waits for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub about: About,
    pub card_id: CardId,
    /// The card's number as a receipt may show it; empty when the bank does not have the card.
    pub card_masked: String,
    /// What the credit system said.
    pub refusal: Reason,
    pub queued_at: Timestamp,
    /// Since when it is stuck.
    pub refused_at: Timestamp,
    /// How often it was sent.
    pub tries: i64,
}

impl Stuck {
    pub const fn key(&self) -> StuckKey {
        match self.about {
            About::Leg { key, .. } => StuckKey::Leg(key),
            About::Card(_) => StuckKey::Card(self.card_id),
        }
    }
}

/// A place in the list of them: the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StuckPlace {
    queued_at: Timestamp,
    id: Uuid,
    place: i64,
}

impl StuckPlace {
    const LEN: usize = 32;
    const FIRST: Self = Self { queued_at: Timestamp::from_micros(i64::MIN), id: Uuid::nil(), place: i64::MIN };

    /// The place of a card's advice among those with the same id.
    const CARD: i64 = 99;

    pub const fn of(stuck: &Stuck) -> Self {
        let (id, place) = match stuck.about {
            About::Leg { key, .. } => (key.leg_id.uuid(), key.kind.place()),
            About::Card(_) => (stuck.card_id.uuid(), Self::CARD),
        };
        Self { queued_at: stuck.queued_at, id, place }
    }

    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (time, rest) = bytes.split_at_mut(8);
        let (id, place) = rest.split_at_mut(16);
        time.copy_from_slice(&self.queued_at.micros().to_be_bytes());
        id.copy_from_slice(self.id.as_bytes());
        place.copy_from_slice(&self.place.to_be_bytes());
        bytes
    }

    /// None for what [`Self::to_bytes`] has not made.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (id, place) = rest.split_first_chunk::<16>()?;
        Some(Self {
            queued_at: Timestamp::from_micros(i64::from_be_bytes(*time)),
            id: Uuid::from_bytes(*id),
            place: i64::from_be_bytes(place.try_into().ok()?),
        })
    }
}

/// What the credit system refuses to take note of, after a place and the oldest first.
pub async fn stuck(store: &Store, after: Option<StuckPlace>, limit: i64) -> Result<Vec<Stuck>, StoreError> {
    const SQL: &str = "SELECT s.id, s.place, s.currency, s.amount_minor, s.status, s.card_id, c.masked, s.reason, \
                       s.queued_at, s.changed_at, s.tries FROM (\
                       SELECT leg_id AS id, place, currency, amount_minor, NULL AS status, card_id, reason, queued_at, \
                       changed_at, tries FROM credit_orders WHERE state = 'STUCK' UNION ALL \
                       SELECT card_id, 99, NULL, NULL, status, card_id, reason, queued_at, changed_at, tries \
                       FROM card_advices WHERE state = 'STUCK') s LEFT JOIN cards c ON c.card_id = s.card_id \
                       WHERE (s.queued_at, s.id, s.place) > ($1, $2, $3) \
                       ORDER BY s.queued_at, s.id, s.place LIMIT $4";
    let StuckPlace { queued_at, id, place } = after.unwrap_or(StuckPlace::FIRST);
    let args = vec![queued_at.into(), id.into(), place.into(), limit.into()];
    store.fetch(SQL, args).await?.iter().map(stuck_of).collect()
}

fn stuck_of(row: &Row) -> Result<Stuck, StoreError> {
    let unreadable = |column| move || StoreError::Unreadable { column, what: "out of range".to_owned() };
    let about = match row.int(1)? {
        StuckPlace::CARD => About::Card(row.parsed(4, CardStatus::parse)?),
        place => {
            let kind = Kind::of_place(place).ok_or_else(unreadable(1))?;
            let key = OrderKey { leg_id: LegId::from_uuid(row.id(0)?), kind };
            About::Leg { key, amount: Money::new(row.parsed(2, Currency::parse)?, row.int(3)?) }
        }
    };
    Ok(Stuck {
        about,
        card_id: CardId::from_uuid(row.id(5)?),
        card_masked: row.maybe_text(6)?.unwrap_or_default(),
        refusal: row.parsed(7, |code| Reason::from_code(code).ok_or(Reason::FieldUnknown))?,
        queued_at: row.time(8)?,
        refused_at: row.time(9)?,
        tries: row.int(10)?,
    })
}
