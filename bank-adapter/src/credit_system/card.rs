//! What the credit system is told of a card: where it stands, in the order of its changes (C9).
//!
//! The last status is what counts, so each is told whole. A later one takes the place of one that was not sent yet or that the
//! credit system refused; what may have been sent is told to its end first.

use std::collections::{BTreeMap, BTreeSet};

use domain::card::{Card, CardState, Expiry};
use domain::{CardId, Reason, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};

use super::order::{State, Told};
use super::orders::Retold;
use super::reference::Reference;
use super::sql::trace_of;
use super::trace::Trace;

/// Where a card stands, as the credit system is told: the first that is true of it stands for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStatus {
    /// Made and not activated. What is true of a card of which nothing was told.
    Issued,
    Active,
    Frozen,
    Lost,
    Replaced,
    Closed,
}

impl CardStatus {
    const ALL: [Self; 6] = [Self::Issued, Self::Active, Self::Frozen, Self::Lost, Self::Replaced, Self::Closed];

    /// A freeze says nothing of a card with which nothing is ever paid again.
    pub const fn of(card: &Card) -> Self {
        match card.state {
            CardState::Closed => Self::Closed,
            CardState::Replaced => Self::Replaced,
            CardState::Lost => Self::Lost,
            CardState::Issued | CardState::Active if card.is_frozen() => Self::Frozen,
            CardState::Active => Self::Active,
            CardState::Issued => Self::Issued,
        }
    }

    /// The word that is stored, and the name of the file in which the credit system puts the card: field 101.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "ISSUED",
            Self::Active => "ACTIVE",
            Self::Frozen => "FROZEN",
            Self::Lost => "LOST",
            Self::Replaced => "REPLACED",
            Self::Closed => "CLOSED",
        }
    }

    pub fn parse(text: &str) -> Result<Self, Reason> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(Reason::FieldUnknown)
    }
}

/// Names what is told of one change of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardKey {
    pub card_id: CardId,
    /// Counts the changes of the card, from 1.
    pub number: i64,
}

/// A status of a card that the credit system must come to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardAdvice {
    pub key: CardKey,
    /// The version of the stored row; 0 when it is not stored yet.
    pub version: i64,
    /// One of those of an advice.
    pub state: State,
    pub status: CardStatus,
    /// Until when the card is valid, or the one that takes over.
    pub expiry: Expiry,
    /// The card that takes over.
    pub replaced_by: Option<CardId>,
    /// The numbers of its first message; what is sent again has them again.
    pub trace: Option<Trace>,
    pub tries: i64,
    pub next_try_at: Timestamp,
    pub queued_at: Timestamp,
    pub changed_at: Timestamp,
}

impl CardAdvice {
    /// Field 37.
    pub fn reference(&self) -> Reference {
        Reference::of_change(self.key.card_id.uuid(), self.key.number)
    }

    /// Whether the credit system may not know of it, and nothing about it is on its way.
    fn gives_way(&self) -> bool {
        matches!(self.state, State::Stuck(_)) || (self.state == State::Waiting && self.tries == 0)
    }
}

/// What is told of some cards, and which of it has changed. See [`CardAdvices::load`].
#[derive(Debug, Default)]
pub struct CardAdvices {
    rows: BTreeMap<CardKey, CardAdvice>,
    changed: BTreeSet<CardKey>,
}

impl CardAdvices {
    pub fn of(rows: impl IntoIterator<Item = CardAdvice>) -> Self {
        Self { rows: rows.into_iter().map(|advice| (advice.key, advice)).collect(), changed: BTreeSet::new() }
    }

    /// What was told last of a card, or is to be.
    pub fn last(&self, card_id: CardId) -> Option<&CardAdvice> {
        let of_card = CardKey { card_id, number: i64::MIN }..=CardKey { card_id, number: i64::MAX };
        self.rows.range(of_card).next_back().map(|(_, advice)| advice)
    }

    /// Queues where a card stands; `successor` is the card that takes over from it, if one does. Says whether that is news.
    pub fn tell(&mut self, card: &Card, successor: Option<&Card>, now: Timestamp) -> bool {
        let (card_id, status) = (card.id, CardStatus::of(card));
        let last = self.last(card_id).cloned();
        if last.as_ref().map_or(CardStatus::Issued, |last| last.status) == status {
            return false;
        }
        let number = last.as_ref().map_or(0, |last| last.key.number).saturating_add(1);
        if let Some(last) = last.filter(CardAdvice::gives_way) {
            self.put(CardAdvice { state: State::Superseded, changed_at: now, ..last });
        }
        self.put(CardAdvice {
            key: CardKey { card_id, number },
            version: 0,
            state: State::Waiting,
            status,
            expiry: successor.unwrap_or(card).expiry,
            replaced_by: card.replaced_by,
            trace: None,
            tries: 0,
            next_try_at: now,
            queued_at: now,
            changed_at: now,
        });
        true
    }

    /// As [`Orders::sending`](super::Orders).
    pub(super) fn sending(
        &mut self,
        key: CardKey,
        trace: Trace,
        next: Timestamp,
        now: Timestamp,
    ) -> Option<&CardAdvice> {
        let stored = self.rows.get(&key).filter(|advice| advice.state == State::Waiting)?;
        let trace = Some(stored.trace.unwrap_or(trace));
        let tries = stored.tries.saturating_add(1);
        let advice = CardAdvice { trace, tries, next_try_at: next, changed_at: now, ..stored.clone() };
        self.put(advice);
        self.rows.get(&key)
    }

    /// What came of sending it. One that is refused does not keep a later one waiting.
    pub(super) fn told(&mut self, key: CardKey, told: Told, now: Timestamp) {
        let is_last = self.last(key.card_id).is_some_and(|last| last.key == key);
        let Some(stored) = self.rows.get(&key).filter(|advice| advice.state == State::Waiting) else { return };
        let state = match told {
            Told::Acknowledged => State::Acknowledged,
            Told::Stuck(reason) if is_last => State::Stuck(reason),
            Told::Stuck(_) => State::Superseded,
            Told::Again => return,
        };
        let advice = CardAdvice { state, changed_at: now, ..stored.clone() };
        self.put(advice);
    }

    /// As [`Orders::retell`](super::Orders::retell): of a card at most one advice is stuck, the last one.
    pub fn retell(&mut self, card_id: CardId, now: Timestamp) -> Result<Retold, Reason> {
        let last = self.last(card_id).ok_or(Reason::AdviceUnknown)?;
        let State::Stuck(refusal) = last.state else {
            return Ok(Retold { state: last.state, refusal: None });
        };
        let advice = CardAdvice { state: State::Waiting, next_try_at: now, changed_at: now, ..last.clone() };
        self.put(advice);
        Ok(Retold { state: State::Waiting, refusal: Some(refusal) })
    }

    fn put(&mut self, advice: CardAdvice) {
        self.changed.insert(advice.key);
        self.rows.insert(advice.key, advice);
    }

    /// All that was told of these cards, or is to be.
    pub async fn load(tx: &mut Tx, cards: &BTreeSet<CardId>) -> Result<Self, StoreError> {
        let rows = tx.load(LOAD, Keys::Ids(cards.iter().map(|card| card.uuid()).collect())).await?;
        Ok(Self::of(rows.iter().map(advice_of).collect::<Result<Vec<_>, _>>()?))
    }

    /// Writes what changed.
    pub async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let changed = self.changed.iter().filter_map(|key| self.rows.get(key));
        let (made, moved): (Vec<_>, Vec<_>) = changed.partition(|advice| advice.version == 0);
        tx.insert(&ADVICES, made.into_iter().map(row_of).collect()).await?;
        tx.update(&ADVICE_STATES, moved.into_iter().map(state_of).collect()).await
    }
}

const ADVICES: Table = Table {
    name: "card_advices",
    key: &["card_id", "number"],
    columns: &[
        "card_id",
        "number",
        "version",
        "state",
        "reason",
        "stan",
        "sent_time",
        "tries",
        "next_try_at",
        "changed_at",
        // From here on nothing changes after it was queued: see ADVICE_STATES.
        "status",
        "expiry",
        "replaced_by",
        "queued_at",
    ],
};

/// What changes of an advice after it was queued, up to `changed_at`.
const ADVICE_STATES: Table = ADVICES.changing(10);

macro_rules! select_advices {
    ($tail:literal) => {
        concat!(
            "SELECT a.card_id, a.number, a.version, a.state, a.reason, a.stan, a.sent_time, a.tries, a.next_try_at, \
             a.changed_at, a.status, a.expiry, a.replaced_by, a.queued_at FROM card_advices a ",
            $tail
        )
    };
}

const LOAD: Load =
    Load { select: select_advices!("WHERE a.card_id"), tail: " ORDER BY a.card_id, a.number", lock: true };

/// Those whose time has come and that no earlier one of the card stands before; of a card that takes over from another one
/// also not that the credit system has yet to hear of that.
pub(super) async fn due(store: &Store, now: Timestamp, limit: i64) -> Result<Vec<CardAdvice>, StoreError> {
    const SQL: &str = select_advices!(
        "WHERE a.state = 'WAITING' AND a.next_try_at <= $1 AND NOT EXISTS (SELECT 1 FROM card_advices e \
         WHERE e.card_id = a.card_id AND e.number < a.number AND e.state = 'WAITING') AND NOT EXISTS (\
         SELECT 1 FROM card_advices r WHERE r.replaced_by = a.card_id AND r.state IN ('WAITING', 'STUCK')) \
         ORDER BY a.next_try_at, a.queued_at, a.card_id LIMIT $2"
    );
    store.fetch(SQL, vec![now.into(), limit.into()]).await?.iter().map(advice_of).collect()
}

/// All that was told of a card, or is to be, in order.
pub async fn of_card(store: &Store, card_id: CardId) -> Result<Vec<CardAdvice>, StoreError> {
    const SQL: &str = select_advices!("WHERE a.card_id = $1 ORDER BY a.number");
    store.fetch(SQL, vec![card_id.uuid().into()]).await?.iter().map(advice_of).collect()
}

fn advice_of(row: &Row) -> Result<CardAdvice, StoreError> {
    let unreadable = |column| move || StoreError::Unreadable { column, what: "out of range".to_owned() };
    let reason = row.maybe_text(4)?.map(|code| Reason::from_code(&code).ok_or_else(unreadable(4))).transpose()?;
    Ok(CardAdvice {
        key: CardKey { card_id: CardId::from_uuid(row.id(0)?), number: row.int(1)? },
        version: row.int(2)?,
        state: row.parsed(3, |text| State::parse(text, reason))?,
        trace: trace_of(row, 5)?,
        tries: row.int(7)?,
        next_try_at: row.time(8)?,
        changed_at: row.time(9)?,
        status: row.parsed(10, CardStatus::parse)?,
        expiry: row.parsed(11, Expiry::parse_yymm)?,
        replaced_by: row.maybe_id(12)?.map(CardId::from_uuid),
        queued_at: row.time(13)?,
    })
}

fn row_of(advice: &CardAdvice) -> Vec<Value> {
    let mut row = state_of(advice);
    row.extend([
        advice.status.as_str().into(),
        advice.expiry.yymm().into(),
        advice.replaced_by.map(CardId::uuid).into(),
        advice.queued_at.into(),
    ]);
    row
}

fn state_of(advice: &CardAdvice) -> Vec<Value> {
    let number = |of: fn(Trace) -> u64| advice.trace.map(of).and_then(|number| i64::try_from(number).ok());
    vec![
        advice.key.card_id.uuid().into(),
        advice.key.number.into(),
        advice.version.saturating_add(1).into(),
        advice.state.as_str().into(),
        advice.state.reason().map(|reason| reason.code().to_owned()).into(),
        number(|trace| trace.stan.number()).into(),
        number(|trace| trace.time.number()).into(),
        advice.tries.into(),
        advice.next_try_at.into(),
        advice.changed_at.into(),
    ]
}

#[cfg(test)]
mod tests {
    use domain::AccountId;
    use domain::card::Sides;
    use iso8583::element::{Stan, TransmissionTime};
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn trace() -> Trace {
        Trace { stan: Stan::FIRST, time: TransmissionTime::from_unix_seconds(1_800_000_000) }
    }

    fn card(state: CardState, frozen: bool) -> Card {
        let sides = Sides::Credit(AccountId::from_uuid(Uuid::from_u128(2)));
        let expiry = Expiry::parse_yymm("2711").unwrap();
        let card = Card::issue(CardId::from_uuid(Uuid::from_u128(9)), expiry, sides, String::new());
        Card { state, frozen, ..card }
    }

    fn told(advices: &CardAdvices) -> Vec<(CardStatus, State)> {
        advices.rows.values().map(|advice| (advice.status, advice.state)).collect()
    }

    #[test]
    fn c9_of_a_card_that_is_several_things_the_one_that_lasts_is_told() {
        use CardState::{Active, Closed, Issued, Lost, Replaced};
        for (state, open, frozen) in [
            (Issued, CardStatus::Issued, CardStatus::Frozen),
            (Active, CardStatus::Active, CardStatus::Frozen),
            (Lost, CardStatus::Lost, CardStatus::Lost),
            (Replaced, CardStatus::Replaced, CardStatus::Replaced),
            (Closed, CardStatus::Closed, CardStatus::Closed),
        ] {
            assert_eq!([false, true].map(|is| CardStatus::of(&card(state, is))), [open, frozen], "{state:?}");
            assert_eq!(CardStatus::parse(open.as_str()), Ok(open));
        }
    }

    #[test]
    fn c9_a_later_status_takes_the_place_of_one_that_was_not_sent_and_of_no_other() {
        use CardStatus::{Active, Frozen, Lost};
        let (frozen, active) = (card(CardState::Active, true), card(CardState::Active, false));
        let lost = card(CardState::Lost, false);
        let mut advices = CardAdvices::default();
        assert!(!advices.tell(&card(CardState::Issued, false), None, NOW), "nobody has to hear of it");
        assert!(advices.tell(&frozen, None, NOW) && !advices.tell(&frozen, None, NOW));
        assert!(advices.tell(&active, None, NOW));
        assert_eq!(told(&advices), [(Frozen, State::Superseded), (Active, State::Waiting)]);
        let key = |number| CardKey { card_id: frozen.id, number };
        assert_eq!(advices.sending(key(1), trace(), NOW, NOW), None);
        assert_eq!(advices.sending(key(2), trace(), NOW, NOW).map(|advice| advice.tries), Some(1));
        // It may be there by now: it is told to its end, whatever comes after it.
        assert!(advices.tell(&frozen, None, NOW) && advices.tell(&lost, None, NOW));
        let waiting = |second, fourth| {
            [(Frozen, State::Superseded), (Active, second), (Frozen, State::Superseded), (Lost, fourth)]
        };
        assert_eq!(told(&advices), waiting(State::Waiting, State::Waiting));
        advices.told(key(2), Told::Stuck(Reason::CardUnknown), NOW);
        assert_eq!(
            told(&advices),
            waiting(State::Superseded, State::Waiting),
            "nobody has to look: there is a later one"
        );
        assert_eq!(advices.retell(frozen.id, NOW), Ok(Retold { state: State::Waiting, refusal: None }));
        let stuck = State::Stuck(Reason::CardUnknown);
        advices.told(key(4), Told::Stuck(Reason::CardUnknown), NOW);
        assert_eq!(told(&advices), waiting(State::Superseded, stuck));
        let refusal = Some(Reason::CardUnknown);
        assert_eq!(advices.retell(frozen.id, NOW), Ok(Retold { state: State::Waiting, refusal }));
        let stranger = CardId::from_uuid(Uuid::from_u128(10));
        assert_eq!(advices.retell(stranger, NOW), Err(Reason::AdviceUnknown));
    }

    #[test]
    fn c9_what_was_refused_gives_way_to_what_is_true_later() {
        let mut advices = CardAdvices::default();
        let (frozen, active) = (card(CardState::Active, true), card(CardState::Active, false));
        advices.tell(&frozen, None, NOW);
        let key = CardKey { card_id: frozen.id, number: 1 };
        advices.sending(key, trace(), NOW, NOW);
        advices.told(key, Told::Stuck(Reason::CardUnknown), NOW);
        advices.tell(&active, None, NOW);
        assert_eq!(told(&advices), [(CardStatus::Frozen, State::Superseded), (CardStatus::Active, State::Waiting)]);
    }
}
