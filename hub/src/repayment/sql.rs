//! The table of repayments, and what is read of phones, bindings and banks to decide them.

use std::collections::BTreeMap;

use domain::payment::Instrument;
use domain::purchase::{CategoryCode, Merchant, Terminal};
use domain::repayment::{End, Leg, Party, Progress, Repayment, Side, State};
use domain::text::Line;
use domain::{
    BankId, Currency, DeviceId, LegId, MerchantId, Money, PaymentId, PersonId, Reason, TerminalId, Timestamp,
};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use crate::directory::snapshot::{merchant_from_json, merchant_to_json};

/// What changes of a repayment stands first.
const REPAYMENTS: Table = Table {
    name: "repayments",
    key: &["repayment_id"],
    columns: &[
        "repayment_id",
        "version",
        "state",
        "decided_at",
        "refusal",
        "refused_by",
        "from_progress",
        "to_progress",
        "due_at",
        "tries",
        "person_id",
        "device_id",
        "signed_at",
        "signature",
        "currency",
        "amount_minor",
        "created_at",
        "decide_before",
        "from_leg_id",
        "from_bank_id",
        "from_instrument",
        "from_instrument_id",
        "from_masked",
        "from_named",
        "to_leg_id",
        "to_bank_id",
        "to_instrument",
        "to_instrument_id",
        "to_masked",
        "to_named",
    ],
};
const CHANGING: usize = 10;

/// The columns of each end begin here.
const FROM: usize = 17;
const TO: usize = 23;

macro_rules! select_repayments {
    ($tail:literal) => {
        concat!(
            "SELECT repayment_id, version, state, decided_at, refusal, refused_by, from_progress, to_progress, due_at, \
             tries, person_id, device_id, signed_at, currency, amount_minor, created_at, decide_before, \
             from_leg_id, from_bank_id, from_instrument, from_instrument_id, from_masked, from_named, \
             to_leg_id, to_bank_id, to_instrument, to_instrument_id, to_masked, to_named FROM repayments WHERE ",
            $tail
        )
    };
}

/// A repayment as it is stored; the version is 0 when it is not there yet.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) repayment: Repayment,
    pub(super) version: i64,
    /// Kept with a new row; it is never read again but by people.
    pub(super) signature: Vec<u8>,
    pub(super) changed: bool,
}

fn unreadable(column: usize, what: &str) -> StoreError {
    StoreError::Unreadable { column, what: what.to_owned() }
}

fn leg_of(row: &Row, at: usize, progress: usize) -> Result<Leg, StoreError> {
    let id = row.id(at + 3)?;
    let instrument = row.parsed(at + 2, |kind| Instrument::of(kind, id))?;
    let party = Party {
        bank_id: row.parsed(at + 1, BankId::parse)?,
        instrument,
        masked: row.text(at + 4)?,
        named: row.parsed(at + 5, merchant_from_json)?.merchant,
    };
    Ok(Leg { id: LegId::from_uuid(row.id(at)?), party, progress: row.parsed(progress, Progress::parse)? })
}

fn stored_of(row: &Row) -> Result<Stored, StoreError> {
    let refusal = row.maybe_text(4)?;
    let refused_by = row.maybe_text(5)?;
    let repayment = Repayment {
        id: PaymentId::from_uuid(row.id(0)?),
        state: row.parsed(2, State::parse)?,
        decided_at: row.maybe_time(3)?,
        refusal: refusal.map(|code| Reason::from_code(&code).ok_or_else(|| unreadable(4, &code))).transpose()?,
        refused_by: refused_by.map(|side| Side::parse(&side).map_err(|_| unreadable(5, &side))).transpose()?,
        due_at: row.maybe_time(8)?,
        tries: u32::try_from(row.int(9)?).unwrap_or(u32::MAX),
        person_id: PersonId::from_uuid(row.id(10)?),
        device_id: DeviceId::from_uuid(row.id(11)?),
        signed_at: row.time(12)?,
        amount: Money::new(row.parsed(13, Currency::parse)?, row.int(14)?),
        created_at: row.time(15)?,
        decide_before: row.time(16)?,
        paying: leg_of(row, FROM, 6)?,
        receiving: leg_of(row, TO, 7)?,
    };
    Ok(Stored { repayment, version: row.int(1)?, signature: Vec::new(), changed: false })
}

/// The word by which an instrument is stored beside its id.
fn sort_of(instrument: Instrument) -> (&'static str, Uuid) {
    match instrument {
        Instrument::Account(id) => ("ACCOUNT", id.uuid()),
        Instrument::Card(id) => ("CARD", id.uuid()),
    }
}

fn changing(Stored { repayment, version, .. }: &Stored) -> Vec<Value> {
    vec![
        repayment.id.uuid().into(),
        (version + 1).into(),
        repayment.state.name().into(),
        repayment.decided_at.into(),
        repayment.refusal.map(|reason| reason.code().to_owned()).into(),
        repayment.refused_by.map(|side| side.as_str().to_owned()).into(),
        repayment.paying.progress.as_str().into(),
        repayment.receiving.progress.as_str().into(),
        repayment.due_at.into(),
        i64::from(repayment.tries).into(),
    ]
}

fn whole(stored: &Stored) -> Result<Vec<Value>, StoreError> {
    let repayment = &stored.repayment;
    let mut row = changing(stored);
    row.extend([
        repayment.person_id.uuid().into(),
        repayment.device_id.uuid().into(),
        repayment.signed_at.into(),
        stored.signature.clone().into(),
        repayment.amount.currency.code().into(),
        repayment.amount.minor.into(),
        repayment.created_at.into(),
        repayment.decide_before.into(),
    ]);
    for leg in [&repayment.paying, &repayment.receiving] {
        let (sort, id) = sort_of(leg.party.instrument);
        row.extend([
            leg.id.uuid().into(),
            leg.party.bank_id.as_str().into(),
            sort.into(),
            id.into(),
            leg.party.masked.as_str().into(),
            named_to_json(&leg.party.named)?.into(),
        ]);
    }
    Ok(row)
}

/// As merchants are stored everywhere. There is no terminal, and none is written.
fn named_to_json(named: &Merchant) -> Result<String, StoreError> {
    let id = TerminalId::parse("none").map_err(|reason| StoreError::Refused(reason.to_string()))?;
    let terminal = Terminal { id, merchant: named.clone(), place: None, location: None, suspended: false };
    Ok(merchant_to_json(&terminal))
}

/// Loads repayments by id, locked.
pub(super) async fn load(tx: &mut Tx, ids: Vec<Uuid>) -> Result<BTreeMap<PaymentId, Stored>, StoreError> {
    let load = Load { select: select_repayments!("repayment_id"), tail: " ORDER BY repayment_id", lock: true };
    let rows = tx.load(load, Keys::Ids(ids)).await?;
    rows.iter().map(|row| stored_of(row).map(|stored| (stored.repayment.id, stored))).collect()
}

/// Writes those that have changed or are new.
pub(super) async fn write(tx: &mut Tx, all: &[Stored]) -> Result<(), StoreError> {
    let known = all.iter().filter(|stored| stored.changed && stored.version > 0);
    tx.update(&REPAYMENTS.changing(CHANGING), known.map(changing).collect()).await?;
    let new = all.iter().filter(|stored| stored.changed && stored.version == 0);
    tx.insert(&REPAYMENTS, new.map(whole).collect::<Result<_, _>>()?).await
}

/// What is due, at most `most`, locked so that another replica takes others. One that this version cannot read is left to whoever can.
pub(super) async fn claim_due(tx: &mut Tx, most: i64) -> Result<Vec<Stored>, StoreError> {
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => select_repayments!("due_at <= $1 ORDER BY due_at LIMIT $2"),
        Dialect::Postgres => select_repayments!("due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED"),
    };
    let now = tx.now();
    let rows = tx.fetch(sql, vec![now.into(), most.into()]).await?;
    let read = |row: &Row| {
        stored_of(row).inspect_err(|error| tracing::error!(%error, "a repayment that is due cannot be read")).ok()
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Reads one outside of any transaction.
pub(super) async fn find(store: &Store, id: PaymentId) -> Result<Option<Repayment>, StoreError> {
    let row = store.fetch_one(select_repayments!("repayment_id = $1"), vec![id.uuid().into()]).await?;
    row.as_ref().map(stored_of).transpose().map(|found| found.map(|stored| stored.repayment))
}

/// The place of a repayment in the list of its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) created_at: Timestamp,
    pub(super) id: Uuid,
}

/// A person's repayments before a place, the last one first.
pub(super) async fn of_person(
    store: &Store,
    person_id: PersonId,
    before: Place,
    most: i64,
) -> Result<Vec<Repayment>, StoreError> {
    let sql = select_repayments!(
        "person_id = $1 AND (created_at, repayment_id) < ($2, $3) ORDER BY created_at DESC, repayment_id DESC LIMIT $4"
    );
    let args = vec![person_id.uuid().into(), before.created_at.into(), before.id.into(), most.into()];
    let rows = store.fetch(sql, args).await?;
    rows.iter().map(|row| stored_of(row).map(|stored| stored.repayment)).collect()
}

/// How many a person has made since.
pub(super) async fn count(tx: &mut Tx, person_id: PersonId, since: Timestamp) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM repayments WHERE person_id = $1 AND created_at > $2";
    let rows = tx.fetch(sql, vec![person_id.uuid().into(), since.into()]).await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// The key of a phone that is bound to the person and not revoked.
pub(super) async fn load_device_key(
    tx: &mut Tx,
    person_id: PersonId,
    device_id: DeviceId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT public_key FROM devices WHERE device_id = $1 AND person_id = $2 AND revoked = 0";
    let rows = tx.fetch(sql, vec![device_id.uuid().into(), person_id.uuid().into()]).await?;
    rows.first().map(|row| row.bytes(0)).transpose()
}

/// Cash, loans and payments of financial institutions themselves, in ISO 18245.
const FINANCIAL_INSTITUTION: &str = "6012";

/// What a person has bound under this name. `Err` with `InstrumentUnknown`, `AccountInactive` or `BankSuspended`.
pub(super) async fn load_party(
    tx: &mut Tx,
    person_id: PersonId,
    end: &End,
) -> Result<Result<Party, Reason>, StoreError> {
    let sql = "SELECT b.masked, b.active, k.display_name, k.suspended FROM bindings b JOIN banks k ON k.bank_id = b.bank_id \
               WHERE b.bank_id = $1 AND b.instrument_id = $2 AND b.instrument = $3 AND b.person_id = $4";
    let (sort, id) = sort_of(end.instrument);
    let args = vec![end.bank_id.as_str().into(), id.into(), sort.into(), person_id.uuid().into()];
    let rows = tx.fetch(sql, args).await?;
    let Some(row) = rows.first() else { return Ok(Err(Reason::InstrumentUnknown)) };
    if !row.flag(1)? {
        return Ok(Err(Reason::AccountInactive));
    }
    if row.flag(3)? {
        return Ok(Err(Reason::BankSuspended));
    }
    let masked = row.text(0)?;
    let named = named(&end.bank_id, &row.text(2)?, &masked);
    Ok(named.map(|named| Party { bank_id: end.bank_id.clone(), instrument: end.instrument, masked, named }))
}

/// How a statement at the other end names an account: by its bank and its number as others may see it.
fn named(bank_id: &BankId, bank_name: &str, masked: &str) -> Result<Merchant, Reason> {
    // The longest name of a bank leaves no room for the number; then the number has to do.
    let name = Line::parse(&format!("{bank_name} {masked}")).or_else(|_| Line::parse(masked))?;
    Ok(Merchant {
        id: MerchantId::parse(bank_id.as_str())?,
        name,
        category: CategoryCode::parse(FINANCIAL_INSTITUTION)?,
    })
}
