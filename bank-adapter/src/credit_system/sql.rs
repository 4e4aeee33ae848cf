//! The rows of what the credit system must come to know.

use std::collections::BTreeSet;

use domain::{CardId, Currency, LegId, Money, Reason, Timestamp};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};

use super::card::{self, CardAdvice};
use super::message::Original;
use super::order::{AdviceKey, Kind, Order, OrderKey, State};
use super::orders::Orders;
use super::reference::Reference;
use super::trace::Trace;

const ORDERS: Table = Table {
    name: "credit_orders",
    key: &["leg_id", "place"],
    columns: &[
        "leg_id",
        "place",
        "version",
        "state",
        "reason",
        "stan",
        "sent_time",
        "tries",
        "next_try_at",
        "approval_code",
        "changed_at",
        // From here on nothing changes after the order was made: see ORDER_STATES.
        "hold_leg_id",
        "card_id",
        "is_cash",
        "currency",
        "amount_minor",
        "reference",
        "queued_at",
    ],
};

/// What changes of an order after it was made, up to `changed_at`.
const ORDER_STATES: Table = ORDERS.changing(11);

macro_rules! select_orders {
    ($tail:literal) => {
        concat!(
            "SELECT o.leg_id, o.place, o.version, o.state, o.reason, o.stan, o.sent_time, o.tries, o.next_try_at, \
             o.approval_code, o.changed_at, o.hold_leg_id, o.card_id, o.is_cash, o.currency, o.amount_minor, \
             o.reference, o.queued_at FROM credit_orders o ",
            $tail
        )
    };
}

const LOAD_ORDERS: Load =
    Load { select: select_orders!("WHERE o.leg_id"), tail: " ORDER BY o.leg_id, o.place", lock: true };

impl Orders {
    /// What is stored of these legs. One query, and none for no legs.
    pub async fn load(tx: &mut Tx, legs: &BTreeSet<LegId>) -> Result<Self, StoreError> {
        let keys = Keys::Ids(legs.iter().map(|leg| leg.uuid()).collect());
        let rows = tx.load(LOAD_ORDERS, keys).await?;
        Ok(Self::of(rows.iter().map(order_of).collect::<Result<Vec<_>, _>>()?))
    }

    /// Writes what changed.
    pub async fn save(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let (made, changed): (Vec<_>, Vec<_>) = self.changed().partition(|order| order.version == 0);
        tx.insert(&ORDERS, made.into_iter().map(order_row).collect()).await?;
        tx.update(&ORDER_STATES, changed.into_iter().map(order_state).collect()).await
    }
}

/// The holds that were asked for before a point in time and whose answer is not known, the oldest first: when the node starts
/// those that a crash has interrupted, and later those whose caller went away before it could settle them.
pub async fn asking(store: &Store, before: Timestamp, limit: i64) -> Result<Vec<Order>, StoreError> {
    const SQL: &str =
        select_orders!("WHERE o.state = 'ASKING' AND o.queued_at <= $1 ORDER BY o.queued_at, o.leg_id LIMIT $2");
    store.fetch(SQL, vec![before.into(), limit.into()]).await?.iter().map(order_of).collect()
}

/// The orders of a leg, in the order of its life.
pub async fn of_leg(store: &Store, leg_id: LegId) -> Result<Vec<Order>, StoreError> {
    const SQL: &str = select_orders!("WHERE o.leg_id = $1 ORDER BY o.place");
    store.fetch(SQL, vec![leg_id.uuid().into()]).await?.iter().map(order_of).collect()
}

/// An advice whose turn it is, and what it is about.
#[derive(Clone, Debug)]
pub(super) enum Due {
    /// With the message of the hold, or of the charge or repayment that goes back.
    Leg(Box<Order>, Option<Original>),
    Card(CardAdvice),
}

impl Due {
    pub(super) fn key(&self) -> AdviceKey {
        match self {
            Self::Leg(order, _) => AdviceKey::Leg(order.key),
            Self::Card(advice) => AdviceKey::Card(advice.key),
        }
    }

    /// The numbers of its first message, and how often it was sent.
    pub(super) fn sent(&self) -> (Option<Trace>, i64) {
        match self {
            Self::Leg(order, _) => (order.trace, order.tries),
            Self::Card(advice) => (advice.trace, advice.tries),
        }
    }

    pub(super) fn reference(&self) -> Reference {
        match self {
            Self::Leg(order, _) => order.reference,
            Self::Card(advice) => advice.reference(),
        }
    }
}

/// The advices whose time has come, of legs and of cards up to `limit` each.
pub(super) async fn due(store: &Store, now: Timestamp, limit: i64) -> Result<Vec<Due>, StoreError> {
    let cards = card::due(store, now, limit).await?;
    let legs = due_of_legs(store, now, limit).await?;
    Ok(cards.into_iter().map(Due::Card).chain(legs).collect())
}

/// Those that nothing of the same hold stands before.
async fn due_of_legs(store: &Store, now: Timestamp, limit: i64) -> Result<Vec<Due>, StoreError> {
    const SQL: &str = "SELECT o.leg_id, o.place, o.version, o.state, o.reason, o.stan, o.sent_time, o.tries, o.next_try_at, \
                       o.approval_code, o.changed_at, o.hold_leg_id, o.card_id, o.is_cash, o.currency, o.amount_minor, \
                       o.reference, o.queued_at, h.stan, h.sent_time, p.stan, p.sent_time FROM credit_orders o \
                       LEFT JOIN credit_orders h ON h.leg_id = o.hold_leg_id AND h.place = 0 \
                       LEFT JOIN credit_orders p ON p.leg_id = o.hold_leg_id AND p.place IN (1, 4) \
                       WHERE o.state = 'WAITING' AND o.next_try_at <= $1 AND NOT EXISTS (\
                       SELECT 1 FROM credit_orders e WHERE e.hold_leg_id = o.hold_leg_id AND e.place < o.place \
                       AND e.state IN ('WAITING', 'STUCK')) ORDER BY o.next_try_at, o.queued_at, o.place LIMIT $2";
    store.fetch(SQL, vec![now.into(), limit.into()]).await?.iter().map(due_of).collect()
}

/// The leg whose hold has this reference, if there is one.
pub(super) async fn leg_of(tx: &mut Tx, reference: Reference) -> Result<Option<LegId>, StoreError> {
    const SQL: &str = "SELECT leg_id FROM credit_orders WHERE reference = $1 AND place = 0";
    let rows = tx.fetch(SQL, vec![reference.as_str().into()]).await?;
    rows.first().map(|row| row.id(0).map(LegId::from_uuid)).transpose()
}

/// How many advices wait and how many are stuck.
pub(super) async fn depths(store: &Store) -> Result<(i64, i64), StoreError> {
    const SQL: &str = "SELECT state, COUNT(*) FROM credit_orders WHERE state IN ('WAITING', 'STUCK') GROUP BY state \
                       UNION ALL SELECT state, COUNT(*) FROM card_advices WHERE state IN ('WAITING', 'STUCK') \
                       GROUP BY state";
    let (mut waiting, mut stuck) = (0_i64, 0_i64);
    for row in store.fetch(SQL, Vec::new()).await? {
        let depth = if row.text(0)? == "STUCK" { &mut stuck } else { &mut waiting };
        *depth = depth.saturating_add(row.int(1)?);
    }
    Ok((waiting, stuck))
}

fn due_of(row: &Row) -> Result<Due, StoreError> {
    let order = order_of(row)?;
    let (mti, trace) = match order.key.kind {
        Kind::Refund | Kind::Reversal => (iso8583::Mti::FINANCIAL_ADVICE, trace_of(row, 20)?),
        _ => (iso8583::Mti::AUTHORIZATION_REQUEST, trace_of(row, 18)?),
    };
    Ok(Due::Leg(Box::new(order), trace.map(|trace| Original { mti, trace })))
}

pub(super) fn trace_of(row: &Row, column: usize) -> Result<Option<Trace>, StoreError> {
    let (Some(stan), Some(time)) = (row.maybe_int(column)?, row.maybe_int(column + 1)?) else { return Ok(None) };
    let read = || Trace::from_numbers(u64::try_from(stan).ok()?, u64::try_from(time).ok()?);
    read().map(Some).ok_or(StoreError::Unreadable { column, what: "no trace".to_owned() })
}

fn order_of(row: &Row) -> Result<Order, StoreError> {
    let unreadable = |column| move || StoreError::Unreadable { column, what: "out of range".to_owned() };
    let kind = Kind::of_place(row.int(1)?).ok_or_else(unreadable(1))?;
    let reason = row.maybe_text(4)?.map(|code| Reason::from_code(&code).ok_or_else(unreadable(4))).transpose()?;
    Ok(Order {
        key: OrderKey { leg_id: LegId::from_uuid(row.id(0)?), kind },
        version: row.int(2)?,
        state: row.parsed(3, |text| State::parse(text, reason))?,
        trace: trace_of(row, 5)?,
        tries: row.int(7)?,
        next_try_at: row.time(8)?,
        approval_code: row.maybe_text(9)?,
        changed_at: row.time(10)?,
        hold_leg_id: LegId::from_uuid(row.id(11)?),
        card_id: CardId::from_uuid(row.id(12)?),
        is_cash: row.flag(13)?,
        amount: Money::new(row.parsed(14, Currency::parse)?, row.int(15)?),
        reference: row.parsed(16, |text| Reference::parse(text).ok_or(Reason::FieldUnknown))?,
        queued_at: row.time(17)?,
    })
}

fn order_row(order: &Order) -> Vec<Value> {
    let mut row = order_state(order);
    row.extend([
        order.hold_leg_id.uuid().into(),
        order.card_id.uuid().into(),
        order.is_cash.into(),
        order.amount.currency.code().into(),
        order.amount.minor.into(),
        order.reference.as_str().into(),
        order.queued_at.into(),
    ]);
    row
}

fn order_state(order: &Order) -> Vec<Value> {
    let number = |of: fn(Trace) -> u64| order.trace.map(of).and_then(|number| i64::try_from(number).ok());
    vec![
        order.key.leg_id.uuid().into(),
        order.key.kind.place().into(),
        order.version.saturating_add(1).into(),
        order.state.as_str().into(),
        order.state.reason().map(|reason| reason.code().to_owned()).into(),
        number(|trace| trace.stan.number()).into(),
        number(|trace| trace.time.number()).into(),
        order.tries.into(),
        order.next_try_at.into(),
        order.approval_code.clone().into(),
        order.changed_at.into(),
    ]
}
