//! The rows of reports, of what is followed, and of how far the hub has come.

use std::collections::BTreeSet;

use domain::payment::Instrument;
use domain::{PaymentId, Reason, Timestamp};
use proto::Message as _;
use proto::federation as pb;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx};
use uuid::Uuid;

const REPORTS: Table = Table {
    name: "reports",
    key: &["sequence"],
    columns: &["sequence", "purchase_id", "version", "content", "made_at"],
};

const FOLLOWED: Table =
    Table { name: "followed_instruments", key: &["instrument_id"], columns: &["instrument_id", "kind", "followed_at"] };

const REPORTING: Table =
    Table { name: "reporting", key: &["place"], columns: &["place", "version", "acknowledged_sequence", "changed_at"] };

const REFUSED: Table =
    Table { name: "refused_reports", key: &["sequence"], columns: &["sequence", "reason", "refused_at"] };

const LOAD_FOLLOWED: Load = Load {
    select: "SELECT instrument_id FROM followed_instruments WHERE instrument_id",
    tail: " ORDER BY instrument_id",
    lock: false,
};

const LOAD_REPORTED: Load =
    Load { select: "SELECT purchase_id FROM reports WHERE purchase_id", tail: " ORDER BY purchase_id", lock: false };

/// The one row of `reporting`.
const PLACE: i64 = 1;

/// A report with its place.
#[derive(Debug)]
pub(super) struct Report {
    sequence: i64,
    purchase_id: Uuid,
    version: i64,
    content: Vec<u8>,
}

impl Report {
    pub(super) fn new(sequence: i64, message: &pb::PurchaseReport) -> Self {
        let purchase_id = PaymentId::parse(&message.purchase_id).map_or(Uuid::nil(), PaymentId::uuid);
        Self { sequence, purchase_id, version: message.version, content: proto::report_content(message) }
    }
}

/// How far the hub has come, as it is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    version: i64,
    pub(crate) acknowledged_sequence: i64,
}

pub(super) async fn load_followed(tx: &mut Tx, ids: Vec<Uuid>) -> Result<BTreeSet<Uuid>, StoreError> {
    tx.load(LOAD_FOLLOWED, Keys::Ids(ids)).await?.iter().map(|row| row.id(0)).collect()
}

/// Which of these purchases the hub has been told of.
pub(super) async fn load_reported(tx: &mut Tx, ids: Vec<Uuid>) -> Result<BTreeSet<Uuid>, StoreError> {
    tx.load(LOAD_REPORTED, Keys::Ids(ids)).await?.iter().map(|row| row.id(0)).collect()
}

/// The number of the last report.
pub(super) async fn load_last(tx: &mut Tx) -> Result<i64, StoreError> {
    first_int(&tx.fetch("SELECT COALESCE(MAX(sequence), 0) FROM reports", Vec::new()).await?)
}

fn first_int(rows: &[Row]) -> Result<i64, StoreError> {
    rows.first().map_or(Ok(0), |row| row.int(0))
}

pub(super) async fn load_progress(tx: &mut Tx) -> Result<Option<Progress>, StoreError> {
    let rows = tx.fetch("SELECT version, acknowledged_sequence FROM reporting", Vec::new()).await?;
    rows.first().map(progress_of).transpose()
}

fn progress_of(row: &Row) -> Result<Progress, StoreError> {
    Ok(Progress { version: row.int(0)?, acknowledged_sequence: row.int(1)? })
}

/// Those of a span that are known to be refused.
pub(super) async fn load_refused(tx: &mut Tx, first: i64, last: i64) -> Result<BTreeSet<i64>, StoreError> {
    const SQL: &str = "SELECT sequence FROM refused_reports WHERE sequence BETWEEN $1 AND $2";
    tx.fetch(SQL, vec![first.into(), last.into()]).await?.iter().map(|row| row.int(0)).collect()
}

pub(super) async fn insert_followed(tx: &mut Tx, new: Vec<Instrument>, now: Timestamp) -> Result<(), StoreError> {
    let row = |instrument: Instrument| {
        let (kind, id) = (instrument.kind(), instrument.uuid());
        vec![id.into(), kind.into(), now.into()]
    };
    tx.insert(&FOLLOWED, new.into_iter().map(row).collect()).await
}

pub(super) async fn put_progress(
    tx: &mut Tx,
    before: Option<Progress>,
    acknowledged_sequence: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if before.is_some_and(|before| before.acknowledged_sequence == acknowledged_sequence) {
        return Ok(());
    }
    let version = before.unwrap_or_default().version.saturating_add(1);
    tx.put(&REPORTING, vec![vec![PLACE.into(), version.into(), acknowledged_sequence.into(), now.into()]]).await
}

pub(super) async fn insert_refused(tx: &mut Tx, refused: Vec<(i64, Reason)>, now: Timestamp) -> Result<(), StoreError> {
    let row = |(sequence, reason): (i64, Reason)| vec![sequence.into(), reason.code().into(), now.into()];
    tx.insert(&REFUSED, refused.into_iter().map(row).collect()).await
}

pub(super) async fn insert_reports(tx: &mut Tx, reports: Vec<Report>, now: Timestamp) -> Result<(), StoreError> {
    let row = |report: Report| {
        let Report { sequence, purchase_id, version, content } = report;
        vec![sequence.into(), purchase_id.into(), version.into(), content.into(), now.into()]
    };
    tx.insert(&REPORTS, reports.into_iter().map(row).collect()).await
}

/// The number of the last report, and how far the hub has come.
pub(crate) async fn read_progress(store: &Store) -> Result<(i64, i64), StoreError> {
    const SQL: &str = "SELECT COALESCE((SELECT MAX(sequence) FROM reports), 0), \
                       COALESCE((SELECT acknowledged_sequence FROM reporting), 0)";
    let row = store.fetch_one(SQL, Vec::new()).await?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Reports after a place, in order, each with its place in it; at most `limit`, and no more than take `bytes` together, but
/// always one if there is any.
pub(super) async fn read_after(
    store: &Store,
    after: i64,
    limit: i64,
    bytes: usize,
) -> Result<Vec<pb::PurchaseReport>, StoreError> {
    const SQL: &str = "SELECT sequence, content FROM reports WHERE sequence > $1 ORDER BY sequence LIMIT $2";
    let (mut reports, mut length) = (Vec::new(), 0);
    for row in store.fetch(SQL, vec![after.into(), limit.into()]).await? {
        let content = row.bytes(1)?;
        let report = pb::PurchaseReport::decode(content.as_slice());
        let report = report.map_err(|error| StoreError::Unreadable { column: 1, what: error.to_string() })?;
        let report = pb::PurchaseReport { sequence: row.int(0)?, ..report };
        // What stands before each entry of a list: its tag and its length, of at most four bytes.
        length += report.encoded_len() + 4;
        if length > bytes && !reports.is_empty() {
            break;
        }
        reports.push(report);
    }
    Ok(reports)
}

/// What the hub has refused, the latest first: number, purchase, reason; at most `limit`.
pub(crate) async fn read_refused(store: &Store, limit: i64) -> Result<Vec<(i64, Uuid, String)>, StoreError> {
    const SQL: &str = "SELECT f.sequence, r.purchase_id, f.reason FROM refused_reports f \
                       JOIN reports r ON r.sequence = f.sequence ORDER BY f.sequence DESC LIMIT $1";
    let rows = store.fetch(SQL, vec![limit.into()]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.id(1)?, row.text(2)?))).collect()
}

/// Whether the reports count up from 1 without a gap, and their versions with them. In one pass, for an operator's check.
pub(crate) async fn check(store: &Store, faults: &mut Vec<String>) -> Result<(), StoreError> {
    const COUNTED: &str = "SELECT COUNT(*), COALESCE(MAX(sequence), 0) FROM reports";
    const VERSIONS: &str = "\
        SELECT COUNT(*) FROM ( \
            SELECT version, LAG(version) OVER (PARTITION BY purchase_id ORDER BY sequence) AS before FROM reports \
        ) told WHERE version <= before";
    if let Some(row) = store.fetch_at_leisure(COUNTED, Vec::new()).await?.first() {
        let (count, last) = (row.int(0)?, row.int(1)?);
        if count != last {
            faults.push(format!("there are {count} reports, but the last one has the number {last}"));
        }
    }
    let back = first_int(&store.fetch_at_leisure(VERSIONS, Vec::new()).await?)?;
    if back > 0 {
        faults.push(format!("{back} reports have a version that does not count up"));
    }
    Ok(())
}
