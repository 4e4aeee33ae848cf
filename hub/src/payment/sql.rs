//! The rows of payments and payers; beside them, in a file of its own, those of what payers are told.

mod told;

use std::collections::HashMap;
use std::sync::Arc;

use domain::fee::Fee;
use domain::ledger::Nature;
use domain::payment::{Challenge, Charge, FrozenInstrument, Instrument, Kind, PayerGuard, Payment, State};
use domain::purchase::Terminal;
use domain::text::Line;
use domain::{
    AccountId, AttemptId, BankId, CardId, Currency, LegId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp,
};
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use crate::directory::snapshot;

pub(crate) use told::{Charged, NewEvent, insert_events, insert_purchases};
pub(super) use told::{GivenBack, add_given_back};

pub(super) const PAYMENTS: Table = Table {
    name: "payments",
    key: &["payment_id"],
    columns: &[
        "payment_id",
        "version",
        "state",
        "refunded_minor",
        "decided_at",
        "code_mac",
        "code_expires_at",
        "attempts_left",
        "code_epoch",
        "attempt_ids",
        "refusal",
        "leg_id",
        "reversal_leg_id",
        "charge_sequence",
        "decide_before",
        "due_at",
        "tries",
        "logged_at",
        "fee_minor",
        "fee",
        // Up to here of any payment: see PAYMENT_STATES. Up to the next note of one with a card: see CARD_STATES.
        "person_id",
        "card_id",
        "credit_minor",
        "completed_minor",
        // From here on nothing changes after the payment was taken in.
        "kind",
        "terminal_id",
        "fingerprint",
        "nature",
        "currency",
        "amount_minor",
        "original_id",
        "merchant",
        "items",
        "reference",
        "created_at",
        "bank_id",
        "account_id",
        "masked",
    ],
};

/// What changes of a payment after it was taken in, up to `fee`.
pub(super) const PAYMENT_STATES: Table = PAYMENTS.changing(20);

/// What changes of a payment with a card, whose bank says whose card it is and which side of it pays.
pub(super) const CARD_STATES: Table = PAYMENTS.changing(24);

const PAYERS: Table = Table {
    name: "payers",
    key: &["person_id"],
    columns: &["person_id", "version", "failures", "blocked_until", "codes_sent", "last_sequence"],
};

macro_rules! select_payments {
    ($tail:literal) => {
        concat!(
            "SELECT payment_id, version, state, kind, terminal_id, fingerprint, person_id, currency, amount_minor, \
             refunded_minor, original_id, merchant, items, reference, created_at, decided_at, code_mac, \
             code_expires_at, attempts_left, attempt_ids, refusal, bank_id, account_id, masked, leg_id, \
             reversal_leg_id, decide_before, due_at, tries, logged_at, charge_sequence, nature, card_id, credit_minor, \
             completed_minor, code_epoch, fee_minor, fee FROM payments WHERE ",
            $tail
        )
    };
}

/// A row as it was read, with the version that its successor must follow.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub value: T,
    /// 0 for a row that is not there yet.
    pub version: i64,
    /// When the log speaks of it; of payments only.
    pub logged_at: Vec<Timestamp>,
}

impl Stored<Payment> {
    pub(super) fn logged(&mut self, at: Timestamp) {
        if self.logged_at.last() != Some(&at) {
            self.logged_at.push(at);
        }
    }
}

pub(super) async fn load_payments(
    tx: &mut Tx,
    ids: Vec<Uuid>,
    lock: bool,
) -> Result<HashMap<PaymentId, Stored<Payment>>, StoreError> {
    let load = Load { select: select_payments!("payment_id"), tail: " ORDER BY payment_id", lock };
    let rows = tx.load(load, Keys::Ids(ids)).await?;
    rows.iter().map(|row| read_payment(row).map(|stored| (stored.value.id, stored))).collect()
}

/// Reads one payment outside of any transaction.
pub(super) async fn find_payment(store: &Store, id: PaymentId) -> Result<Option<Payment>, StoreError> {
    let row = store.fetch_one(select_payments!("payment_id = $1"), vec![id.uuid().into()]).await?;
    Ok(row.as_ref().map(read_payment).transpose()?.map(|stored| stored.value))
}

/// What is due, at most `most`, locked so that another replica takes other rows. A row that this version cannot read, such as
/// one of a newer replica, is left to whoever can.
pub(super) async fn claim_due(tx: &mut Tx, most: i64) -> Result<Vec<Stored<Payment>>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        server_kit::store::Dialect::Sqlite => select_payments!("due_at <= $1 ORDER BY due_at LIMIT $2"),
        server_kit::store::Dialect::Postgres => {
            select_payments!("due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED")
        }
    };
    let now = tx.now();
    let rows = tx.fetch(sql, vec![now.into(), most.into()]).await?;
    let read = |row: &Row| {
        read_payment(row).inspect_err(|error| tracing::error!(%error, "a payment that is due cannot be read")).ok()
    };
    Ok(rows.iter().filter_map(read).collect())
}

pub(crate) async fn put_payments(tx: &mut Tx, payments: &[Stored<Payment>]) -> Result<(), StoreError> {
    update_payments(tx, payments).await?;
    insert_payments(tx, payments).await
}

/// Writes those that were there.
pub(super) async fn update_payments(tx: &mut Tx, payments: &[Stored<Payment>]) -> Result<(), StoreError> {
    let known = payments.iter().filter(|stored| stored.version > 0);
    let (cards, others): (Vec<_>, Vec<_>) = known.partition(|stored| concerns_card(&stored.value));
    tx.update(&PAYMENT_STATES, others.into_iter().map(write_state).collect()).await?;
    tx.update(&CARD_STATES, cards.into_iter().map(write_card_state).collect()).await
}

/// Writes those that are new.
pub(super) async fn insert_payments(tx: &mut Tx, payments: &[Stored<Payment>]) -> Result<(), StoreError> {
    let new = payments.iter().filter(|stored| stored.version == 0);
    tx.insert(&PAYMENTS, new.map(write_payment).collect()).await
}

fn unreadable(column: usize, what: &str) -> StoreError {
    StoreError::Unreadable { column, what: what.to_owned() }
}

fn read_payment(row: &Row) -> Result<Stored<Payment>, StoreError> {
    let currency = row.parsed(7, Currency::parse)?;
    let terminal_id = row.parsed(4, TerminalId::parse)?;
    let merchant = row.text(11)?;
    let refusal = row.maybe_text(20)?;
    let payment = Payment {
        id: PaymentId::from_uuid(row.id(0)?),
        state: row.parsed(2, |name| State::from_name(name).ok_or("no such state"))?,
        kind: read_kind(&row.text(3)?, row.maybe_id(10)?, row.maybe_text(31)?)?,
        fingerprint: read_hash(row.bytes(5)?, 5)?,
        person_id: row.maybe_id(6)?.map(PersonId::from_uuid),
        amount: Money::new(currency, row.int(8)?),
        completed_minor: row.maybe_int(34)?,
        refunded_minor: row.int(9)?,
        fee: read_fee(row)?,
        seller: if merchant.is_empty() { None } else { Some(Arc::new(read_seller(&merchant, &terminal_id)?)) },
        terminal_id,
        items: row.parsed(12, snapshot::items_from_json)?,
        reference: match row.text(13)? {
            text if text.is_empty() => None,
            text => Some(Line::parse(&text).map_err(|_| unreadable(13, "not a line"))?),
        },
        created_at: row.time(14)?,
        decided_at: row.maybe_time(15)?,
        challenge: read_challenge(row)?,
        attempts: read_attempts(&row.bytes(19)?),
        refusal: refusal.map(|code| Reason::from_code(&code).ok_or_else(|| unreadable(20, &code))).transpose()?,
        charge: read_charge(row)?,
        charge_sequence: row.maybe_int(30)?,
        decide_before: row.maybe_time(26)?,
        due_at: row.maybe_time(27)?,
        tries: u32::try_from(row.int(28)?).unwrap_or(u32::MAX),
    };
    Ok(Stored { value: payment, version: row.int(1)?, logged_at: times_of(&row.bytes(29)?) })
}

fn read_seller(json: &str, terminal_id: &TerminalId) -> Result<Terminal, StoreError> {
    let seller = snapshot::merchant_from_json(json).map_err(|error| unreadable(11, &error.to_string()))?;
    let snapshot::Snapshot { merchant, place, location } = seller;
    Ok(Terminal { id: terminal_id.clone(), merchant, place, location, suspended: false })
}

fn read_kind(name: &str, original: Option<Uuid>, nature: Option<String>) -> Result<Kind, StoreError> {
    let nature = nature.map(|nature| Nature::parse(&nature).map_err(|_| unreadable(31, &nature))).transpose()?;
    match (name, original, nature) {
        ("PURCHASE", None, None) => Ok(Kind::Purchase),
        ("ROUTED", None, None) => Ok(Kind::Routed),
        ("CARD", None, Some(nature)) => Ok(Kind::Card { nature }),
        ("TOP_UP", None, Some(Nature::TopUp)) => Ok(Kind::TopUp),
        ("TOMBSTONE", None, None) => Ok(Kind::Tombstone),
        ("REFUND", Some(id), None) => Ok(Kind::Refund { original: PaymentId::from_uuid(id) }),
        _ => Err(unreadable(3, name)),
    }
}

fn read_fee(row: &Row) -> Result<Option<Fee>, StoreError> {
    let (Some(minor), Some(words)) = (row.maybe_int(36)?, row.maybe_text(37)?) else { return Ok(None) };
    Fee::parse(minor, &words).map(Some).map_err(|_| unreadable(37, &words))
}

fn read_hash(bytes: Vec<u8>, column: usize) -> Result<[u8; 32], StoreError> {
    <[u8; 32]>::try_from(bytes).map_err(|_| unreadable(column, "not 32 bytes"))
}

fn read_attempts(bytes: &[u8]) -> Vec<AttemptId> {
    let ids = bytes.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok());
    ids.map(AttemptId::from_uuid).collect()
}

fn read_challenge(row: &Row) -> Result<Option<Challenge>, StoreError> {
    let (Some(code_mac), Some(expires_at)) = (row.maybe_bytes(16)?, row.maybe_time(17)?) else { return Ok(None) };
    let attempts_left = u8::try_from(row.int(18)?).map_err(|_| unreadable(18, "out of range"))?;
    Ok(Some(Challenge { code_mac: read_hash(code_mac, 16)?, epoch: row.int(35)?, expires_at, attempts_left }))
}

fn read_charge(row: &Row) -> Result<Option<Charge>, StoreError> {
    let Some(bank) = row.maybe_text(21)? else { return Ok(None) };
    let account = row.maybe_id(22)?.map(|id| Instrument::Account(AccountId::from_uuid(id)));
    let card = row.maybe_id(32)?.map(|id| Instrument::Card(CardId::from_uuid(id)));
    Ok(Some(Charge {
        bank_id: BankId::parse(&bank).map_err(|_| unreadable(21, &bank))?,
        instrument: account.or(card),
        masked: row.maybe_text(23)?.unwrap_or_default(),
        credit_minor: row.maybe_int(33)?,
        leg_id: row.maybe_id(24)?.map(LegId::from_uuid),
        reversal_leg_id: row.maybe_id(25)?.map(LegId::from_uuid),
    }))
}

/// Points in time, 8 bytes each.
pub(crate) fn times_of(bytes: &[u8]) -> Vec<Timestamp> {
    let times = bytes.chunks_exact(8).filter_map(|bytes| <[u8; 8]>::try_from(bytes).ok());
    times.map(|bytes| Timestamp::from_micros(i64::from_be_bytes(bytes))).collect()
}

fn bytes_of(times: &[Timestamp]) -> Vec<u8> {
    times.iter().flat_map(|at| at.micros().to_be_bytes()).collect()
}

fn write_payment(stored: &Stored<Payment>) -> Vec<Value> {
    let payment = &stored.value;
    let (kind, original, nature) = match payment.kind {
        Kind::Purchase => ("PURCHASE", None, None),
        Kind::Routed => ("ROUTED", None, None),
        Kind::Card { nature } => ("CARD", None, Some(nature.as_str().to_owned())),
        Kind::TopUp => ("TOP_UP", None, Some(Nature::TopUp.as_str().to_owned())),
        Kind::Tombstone => ("TOMBSTONE", None, None),
        Kind::Refund { original } => ("REFUND", Some(original.uuid()), None),
    };
    let charge = payment.charge.as_ref();
    let account = charge.and_then(|charge| match charge.instrument {
        Some(Instrument::Account(id)) => Some(id.uuid()),
        _ => None,
    });
    let mut row = write_card_state(stored);
    row.extend([
        kind.into(),
        payment.terminal_id.as_str().into(),
        payment.fingerprint.to_vec().into(),
        nature.into(),
        payment.amount.currency.code().into(),
        payment.amount.minor.into(),
        original.into(),
        payment.seller.as_deref().map(snapshot::merchant_to_json).unwrap_or_default().into(),
        snapshot::items_to_json(&payment.items).into(),
        payment.reference.as_ref().map(|line| line.as_str().to_owned()).unwrap_or_default().into(),
        payment.created_at.into(),
        charge.map(|charge| charge.bank_id.as_str().to_owned()).into(),
        account.into(),
        charge.map(|charge| charge.masked.clone()).into(),
    ]);
    row
}

/// Whether more of it changes than of a payment from an account.
fn concerns_card(payment: &Payment) -> bool {
    let by_card = |charge: &Charge| matches!(charge.instrument, Some(Instrument::Card(_)));
    matches!(payment.kind, Kind::Card { .. }) || payment.charge.as_ref().is_some_and(by_card)
}

fn write_card_state(stored: &Stored<Payment>) -> Vec<Value> {
    let payment = &stored.value;
    let charge = payment.charge.as_ref();
    let card = charge.and_then(|charge| match charge.instrument {
        Some(Instrument::Card(id)) => Some(id.uuid()),
        _ => None,
    });
    let mut row = write_state(stored);
    row.extend([
        payment.person_id.map(PersonId::uuid).into(),
        card.into(),
        charge.and_then(|charge| charge.credit_minor).into(),
        payment.completed_minor.into(),
    ]);
    row
}

fn write_state(stored: &Stored<Payment>) -> Vec<Value> {
    let payment = &stored.value;
    let challenge = payment.challenge.as_ref();
    let charge = payment.charge.as_ref();
    vec![
        payment.id.uuid().into(),
        (stored.version + 1).into(),
        payment.state.name().into(),
        payment.refunded_minor.into(),
        payment.decided_at.into(),
        challenge.map(|challenge| challenge.code_mac.to_vec()).into(),
        challenge.map(|challenge| challenge.expires_at).into(),
        challenge.map_or(0, |challenge| i64::from(challenge.attempts_left)).into(),
        challenge.map_or(0, |challenge| challenge.epoch).into(),
        payment.attempts.iter().flat_map(|id| *id.uuid().as_bytes()).collect::<Vec<u8>>().into(),
        payment.refusal.map(|reason| reason.code().to_owned()).into(),
        charge.and_then(|charge| charge.leg_id).map(LegId::uuid).into(),
        charge.and_then(|charge| charge.reversal_leg_id).map(LegId::uuid).into(),
        payment.charge_sequence.into(),
        payment.decide_before.into(),
        payment.due_at.into(),
        i64::from(payment.tries).into(),
        bytes_of(&stored.logged_at).into(),
        payment.fee.map(|fee| fee.parts.minor).into(),
        payment.fee.map(|fee| fee.words()).into(),
    ]
}

/// The counters of a payer, and the keyed hash of the payer's transaction password; empty when none is set.
pub(super) type Guarded = (Stored<PayerGuard>, Vec<u8>);

pub(crate) async fn load_guards(
    tx: &mut Tx,
    persons: Vec<Uuid>,
    lock: bool,
) -> Result<HashMap<PersonId, Guarded>, StoreError> {
    let load = Load {
        select: "SELECT person_id, version, failures, blocked_until, codes_sent, last_sequence, \
                 (SELECT password_mac FROM persons WHERE persons.person_id = payers.person_id), frozen, \
                 gets_offers, number_epoch, number_closed \
                 FROM payers WHERE person_id",
        tail: " ORDER BY person_id",
        lock,
    };
    let rows = tx.load(load, Keys::Ids(persons)).await?;
    rows.iter().map(|row| read_guard(row).map(|guarded| (guarded.0.value.person_id, guarded))).collect()
}

fn frozen_of(lines: &str) -> Result<Vec<FrozenInstrument>, StoreError> {
    let read = |line| {
        FrozenInstrument::parse(line).map_err(|reason| StoreError::Unreadable { column: 7, what: reason.to_string() })
    };
    lines.lines().map(read).collect()
}

fn read_guard(row: &Row) -> Result<Guarded, StoreError> {
    let guard = PayerGuard {
        person_id: PersonId::from_uuid(row.id(0)?),
        failures: u32::try_from(row.int(2)?).unwrap_or(u32::MAX),
        blocked_until: row.maybe_time(3)?,
        codes_sent: times_of(&row.bytes(4)?),
        last_sequence: row.int(5)?,
        frozen: row.maybe_text(7)?.as_deref().map_or_else(|| Ok(Vec::new()), frozen_of)?,
        gets_offers: row.flag(8)?,
        number_epoch: row.int(9)?,
        number_closed: row.maybe_text(10)?.is_some(),
    };
    Ok((Stored { value: guard, version: row.int(1)?, logged_at: Vec::new() }, row.maybe_bytes(6)?.unwrap_or_default()))
}

pub(super) async fn update_guards(tx: &mut Tx, guards: &[Stored<PayerGuard>]) -> Result<(), StoreError> {
    let write = |stored: &Stored<PayerGuard>| {
        let guard = &stored.value;
        vec![
            guard.person_id.uuid().into(),
            (stored.version + 1).into(),
            i64::from(guard.failures).into(),
            guard.blocked_until.into(),
            bytes_of(&guard.codes_sent).into(),
            guard.last_sequence.into(),
        ]
    };
    tx.update(&PAYERS, guards.iter().map(write).collect()).await
}
