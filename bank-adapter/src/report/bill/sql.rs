//! The rows of bills as the hub is told of them.

use std::collections::{BTreeMap, BTreeSet};

use domain::bill::FollowUp;
use domain::credit::Statement;
use domain::credit_history::Standing;
use domain::{AccountId, CardId, Reason, Timestamp};
use jiff::civil::Date;
use proto::Message as _;
use proto::federation as pb;
use server_kit::store::{Keys, Load, Store, StoreError, Table, Tx};
use uuid::Uuid;

use super::{BillTold, Follower, has_something, message};

const BILLS: Table = Table {
    name: "bill_reports",
    key: &["account_id", "number"],
    columns: &[
        "account_id",
        "number",
        "version",
        "told_version",
        "refusal",
        "bill_version",
        "is_open",
        "standing",
        "content",
        "changed_at",
    ],
};

/// What the hub's answer changes, up to `refusal`.
const TOLD: Table = BILLS.changing(5);

/// What [`row_of`] reads.
macro_rules! columns {
    () => {
        "SELECT account_id, number, version, told_version, bill_version, standing, content FROM bill_reports WHERE "
    };
}

const LOAD_OPEN: Load = Load {
    select: concat!(columns!(), "is_open = 1 AND account_id"),
    tail: " ORDER BY account_id, number",
    lock: false,
};

const LOAD_VERSIONS: Load = Load {
    select: "SELECT account_id, number, version, told_version, bill_version FROM bill_reports WHERE account_id",
    tail: " ORDER BY account_id, number",
    lock: false,
};

const LOAD_ACCOUNTS: Load = Load {
    select: "SELECT instrument_id FROM followed_instruments WHERE instrument_id",
    tail: " ORDER BY instrument_id",
    lock: false,
};

const LOAD_CARDS: Load = Load {
    select: "SELECT c.credit_account_id, c.card_id FROM cards c \
             JOIN followed_instruments f ON f.instrument_id = c.card_id WHERE c.credit_account_id",
    tail: " ORDER BY c.credit_account_id, c.issued_at, c.card_id",
    lock: false,
};

/// Which bill: the account, and the number of its statement.
pub(super) type Key = (AccountId, u32);

/// A bill, and whether something of it is new.
#[derive(Debug)]
pub(super) struct Row {
    /// Of the stored row; 0 when it is new.
    version: i64,
    bill_version: i64,
    told_version: i64,
    /// What was told of it last; none of a new one.
    said: Option<FollowUp>,
    pub(super) follow: FollowUp,
    report: pb::BillReport,
    /// The relation over the account has ended, and nobody was told.
    is_ended_anew: bool,
}

impl Row {
    pub(super) const fn new(report: pb::BillReport, follow: FollowUp) -> Self {
        Self { version: 0, bill_version: 0, told_version: 0, said: None, follow, report, is_ended_anew: false }
    }

    /// The relation over the account has ended on this day, unless it had before.
    pub(super) fn end_relation(&mut self, on: Date) {
        if self.report.relation_ended_on.is_empty() {
            self.report.relation_ended_on = on.to_string();
            self.is_ended_anew = true;
        }
    }

    /// How it stands now.
    pub(super) const fn stands(&mut self, follow: FollowUp) {
        self.follow = follow;
    }
}

fn number_of(column: usize, row: &server_kit::store::Row) -> Result<u32, StoreError> {
    let unreadable = |_| StoreError::Unreadable { column, what: "not a number of a statement".to_owned() };
    u32::try_from(row.int(column)?).map_err(unreadable)
}

fn report_of(column: usize, row: &server_kit::store::Row) -> Result<pb::BillReport, StoreError> {
    let unreadable = |error: &dyn std::fmt::Display| StoreError::Unreadable { column, what: error.to_string() };
    pb::BillReport::decode(row.bytes(column)?.as_slice()).map_err(|error| unreadable(&error))
}

/// By what these accounts are followed, where they are: by the last card that is.
pub(super) async fn load_followers(
    tx: &mut Tx,
    ids: &BTreeSet<AccountId>,
) -> Result<BTreeMap<AccountId, Follower>, StoreError> {
    let keys = || Keys::Ids(ids.iter().map(|id| id.uuid()).collect());
    let mut followers = BTreeMap::new();
    for row in tx.load(LOAD_ACCOUNTS, keys()).await? {
        followers.insert(AccountId::from_uuid(row.id(0)?), None);
    }
    for row in tx.load(LOAD_CARDS, keys()).await? {
        followers.insert(AccountId::from_uuid(row.id(0)?), Some(CardId::from_uuid(row.id(1)?)));
    }
    Ok(followers)
}

/// The open bills of these accounts.
pub(super) async fn load_open(tx: &mut Tx, ids: &BTreeSet<AccountId>) -> Result<BTreeMap<Key, Row>, StoreError> {
    let rows = tx.load(LOAD_OPEN, Keys::Ids(ids.iter().map(|id| id.uuid()).collect())).await?;
    rows.iter().map(row_of).collect()
}

/// The bill of the last statement of an account that is told of.
pub(super) async fn load_last(tx: &mut Tx, id: AccountId) -> Result<Option<(Key, Row)>, StoreError> {
    const SQL: &str = concat!(columns!(), "account_id = $1 ORDER BY number DESC LIMIT 1");
    tx.fetch(SQL, vec![id.uuid().into()]).await?.first().map(row_of).transpose()
}

fn row_of(row: &server_kit::store::Row) -> Result<(Key, Row), StoreError> {
    let report = report_of(6, row)?;
    let unreadable = |reason: Reason| StoreError::Unreadable { column: 6, what: reason.code().to_owned() };
    let follow = message::follow_of(&report, row.parsed(5, Standing::parse)?).map_err(unreadable)?;
    let (version, told_version, bill_version) = (row.int(2)?, row.int(3)?, row.int(4)?);
    let (said, is_ended_anew) = (Some(follow), false);
    let key = (AccountId::from_uuid(row.id(0)?), number_of(1, row)?);
    Ok((key, Row { version, bill_version, told_version, said, follow, report, is_ended_anew }))
}

/// Whether the hub was told of any statement of an account, or is about to be.
pub(super) async fn is_told_of(tx: &mut Tx, id: AccountId) -> Result<bool, StoreError> {
    const SQL: &str = "SELECT 1 FROM bill_reports WHERE account_id = $1 LIMIT 1";
    Ok(!tx.fetch(SQL, vec![id.uuid().into()]).await?.is_empty())
}

/// Writes what is new, and says whether anything is.
pub(super) async fn put(tx: &mut Tx, rows: BTreeMap<Key, Row>, now: Timestamp) -> Result<bool, StoreError> {
    let row = |(key, row): (Key, Row)| {
        let follow = row.follow.told_after(row.said.map(|said| said.standing));
        if row.said == Some(follow) && !row.is_ended_anew {
            return None;
        }
        let (mut report, bill_version) = (row.report, row.bill_version.saturating_add(1));
        message::stands(&mut report, bill_version, &follow);
        Some(vec![
            key.0.uuid().into(),
            i64::from(key.1).into(),
            row.version.saturating_add(1).into(),
            row.told_version.into(),
            Option::<String>::None.into(),
            bill_version.into(),
            follow.is_open().into(),
            follow.standing.to_string().into(),
            proto::bill_content(&report).into(),
            now.into(),
        ])
    };
    let rows: Vec<_> = rows.into_iter().filter_map(row).collect();
    let is_news = !rows.is_empty();
    tx.put(&BILLS, rows).await?;
    Ok(is_news)
}

/// Keeps what the hub has said of bills. What it has said of a version before is known.
pub(super) async fn acknowledge(
    tx: &mut Tx,
    told: Vec<BillTold>,
    loaded: &mut BTreeMap<Key, Row>,
) -> Result<(), StoreError> {
    if told.is_empty() {
        return Ok(());
    }
    let rows = tx.load(LOAD_VERSIONS, Keys::Ids(told.iter().map(|it| it.account_id.uuid()).collect())).await?;
    let mut told: BTreeMap<Key, BillTold> = told.into_iter().map(|it| ((it.account_id, it.number), it)).collect();
    let mut written = Vec::new();
    for row in &rows {
        let (account_id, number) = (AccountId::from_uuid(row.id(0)?), number_of(1, row)?);
        let (told_version, bill_version) = (row.int(3)?, row.int(4)?);
        let Some(it) = told.remove(&(account_id, number)) else { continue };
        if it.version <= told_version || it.version > bill_version {
            continue;
        }
        let version = row.int(2)?.saturating_add(1);
        if let Some(loaded) = loaded.get_mut(&(account_id, number)) {
            (loaded.version, loaded.told_version) = (version, it.version);
        }
        written.push(vec![
            account_id.uuid().into(),
            i64::from(number).into(),
            version.into(),
            it.version.into(),
            it.refusal.map(|reason| reason.code().to_owned()).into(),
        ]);
    }
    tx.update(&TOLD, written).await
}

/// A bill that is to be told of.
#[derive(Debug)]
pub(super) struct ToTell {
    pub(super) account_id: AccountId,
    pub(super) number: u32,
    pub(super) report: pb::BillReport,
}

/// What is to be told, the longest waiting first; at most `limit`, and no more than take `bytes` together, but always one if
/// there is any.
pub(super) async fn read_to_tell(store: &Store, limit: i64, bytes: usize) -> Result<Vec<ToTell>, StoreError> {
    const SQL: &str = "SELECT account_id, number, content FROM bill_reports WHERE told_version < bill_version \
                       ORDER BY changed_at, account_id, number LIMIT $1";
    let (mut bills, mut length) = (Vec::new(), 0_usize);
    for row in store.fetch(SQL, vec![limit.into()]).await? {
        let report = report_of(2, &row)?;
        // What stands before each entry of a list: its tag and its length, of at most four bytes.
        length = length.saturating_add(report.encoded_len()).saturating_add(5);
        if length > bytes && !bills.is_empty() {
            break;
        }
        bills.push(ToTell { account_id: AccountId::from_uuid(row.id(0)?), number: number_of(1, &row)?, report });
    }
    Ok(bills)
}

/// How many bills the hub has yet to take in as they stand.
pub(crate) async fn read_waiting(store: &Store) -> Result<i64, StoreError> {
    const SQL: &str = "SELECT COUNT(*) FROM bill_reports WHERE told_version < bill_version";
    store.fetch_one(SQL, Vec::new()).await?.map_or(Ok(0), |row| row.int(0))
}

/// What the hub has refused, the latest first: account, number of the statement, reason; at most `limit`.
pub(crate) async fn read_refused(store: &Store, limit: i64) -> Result<Vec<(Uuid, i64, String)>, StoreError> {
    const SQL: &str = "SELECT account_id, number, refusal FROM bill_reports WHERE refusal IS NOT NULL \
                       ORDER BY changed_at DESC LIMIT $1";
    let rows = store.fetch(SQL, vec![limit.into()]).await?;
    rows.iter().map(|row| Ok((row.id(0)?, row.int(1)?, row.text(2)?))).collect()
}

/// The most faults that are listed one by one.
const MOST_FAULTS: i64 = 20;

/// Whether each bill says what its statement does, and every statement since an account is told of has one. For an operator's check.
pub(crate) async fn check(store: &Store, faults: &mut Vec<String>) -> Result<(), StoreError> {
    const LOST: &str = "\
        SELECT s.statement FROM statements s \
        JOIN (SELECT account_id, MIN(number) AS first FROM bill_reports GROUP BY account_id) b \
          ON b.account_id = s.account_id AND b.first < s.number \
        WHERE NOT EXISTS (SELECT 1 FROM bill_reports r WHERE r.account_id = s.account_id AND r.number = s.number)";
    const SAID: &str = "\
        SELECT r.account_id, r.number, r.content, r.bill_version, r.is_open, s.statement FROM bill_reports r \
        LEFT JOIN statements s ON s.account_id = r.account_id AND s.number = r.number";
    let mut found = Vec::new();
    for row in store.fetch_at_leisure(LOST, Vec::new()).await? {
        let statement = row.parsed(0, Statement::parse)?;
        if has_something(&statement) {
            found.push(format!("the hub is not told of statement {} of {}", statement.number, statement.account_id));
        }
    }
    for row in store.fetch_at_leisure(SAID, Vec::new()).await? {
        let (id, number, report) = (row.id(0)?, row.int(1)?, report_of(2, &row)?);
        let statement = row.maybe_text(5)?.map(|text| Statement::parse(&text)).transpose();
        let Ok(Some(statement)) = statement else {
            found.push(format!("the hub is told of statement {number} of {id}, which is not there"));
            continue;
        };
        let is_open = report.paid_minor < report.closing_minor.max(0);
        let is_so = report.account_id == id.to_string()
            && report.version == row.int(3)?
            && report.closed_on == statement.closed_on.to_string()
            && report.due_on == statement.due_on.to_string()
            && (report.closing_minor, report.minimum_minor) == (statement.closing_minor, statement.minimum_due_minor)
            && is_open == row.flag(4)?;
        if !is_so {
            found.push(format!("the hub is told something else of statement {number} of {id} than it says"));
        }
    }
    faults.extend(found.into_iter().take(usize::try_from(MOST_FAULTS).unwrap_or_default()));
    Ok(())
}
