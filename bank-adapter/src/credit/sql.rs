//! The rows of credit accounts, their entries, bookings, statements and verdicts.

use std::collections::BTreeSet;

use domain::credit::{Entry, EntryKind, Position, Statement, Terms, Verdict};
use domain::ledger::{
    AccountKind, Agreement, Booking, BookingId, Books, Cause, DepositId, Transfer, TransferKind, credit_entry,
};
use domain::{AccountId, Currency, LegId, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::Date;
use server_kit::store::{Keys, Load, Row, Store, StoreError, Table, Tx, Value};
use uuid::Uuid;

use super::audit::{Kept, KeptStatement};
use super::books::{CreditAccount, CreditBooks, Judged};

const CREDIT_ACCOUNTS: Table = Table {
    name: "credit_accounts",
    key: &["account_id"],
    columns: &[
        "account_id",
        "version",
        "closed_through",
        "position",
        // From here on nothing changes after the account was opened: see CREDIT_POSITIONS.
        "currency",
        "terms",
        "repay_from_account_id",
        "opened_on",
    ],
};

/// What changes of a credit account with the end of a day, up to `position`.
const CREDIT_POSITIONS: Table = CREDIT_ACCOUNTS.changing(4);

const CREDIT_ENTRIES: Table = Table {
    name: "credit_entries",
    key: &["account_id", "day", "source_id", "seq"],
    columns: &["account_id", "day", "source_id", "seq", "made_at", "place", "kind", "amount_minor"],
};

const BOOKINGS: Table = Table {
    name: "bookings",
    key: &["booking_id"],
    columns: &[
        "booking_id",
        "account_id",
        "kind",
        "booked_on",
        "other_account_id",
        "currency",
        "amount_minor",
        "made_at",
    ],
};

const STATEMENTS: Table = Table {
    name: "statements",
    key: &["account_id", "number"],
    columns: &["account_id", "number", "closed_on", "due_on", "statement"],
};

const VERDICTS: Table = Table {
    name: "statement_verdicts",
    key: &["account_id", "number"],
    columns: &["account_id", "number", "judged_on", "due_on", "open_minor", "missing_minor"],
};

macro_rules! select_accounts {
    ($tail:literal) => {
        concat!(
            "SELECT c.account_id, c.version, c.position, c.currency, c.terms, c.repay_from_account_id, c.opened_on ",
            $tail
        )
    };
}

const LOAD_ACCOUNTS: Load = Load {
    select: select_accounts!("FROM credit_accounts c WHERE account_id"),
    tail: " ORDER BY account_id",
    lock: true,
};

const LOAD_OPEN_ENTRIES: Load = Load {
    select: "SELECT e.account_id, e.day, e.source_id, e.kind, e.amount_minor FROM credit_entries e \
             JOIN credit_accounts c ON c.account_id = e.account_id AND c.closed_through < e.day WHERE e.account_id",
    tail: " ORDER BY e.account_id, e.day, e.made_at, e.place",
    lock: false,
};

/// The day after the last one that was closed of any account; `None` when there is no credit account.
pub(super) async fn day_after_the_last_closed(tx: &mut Tx) -> Result<Option<Date>, StoreError> {
    let rows = tx.fetch("SELECT MAX(closed_through) FROM credit_accounts", Vec::new()).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let last = row.maybe_text(0)?.map(|text| day_of(0, &text)).transpose()?;
    Ok(last.map(|day| day.saturating_add(1.day())))
}

/// The accounts that are there, with their positions. One that cannot be read is left out, so that it does not keep the others
/// from being closed.
pub(super) async fn load_accounts(
    tx: &mut Tx,
    ids: &BTreeSet<AccountId>,
) -> Result<Vec<(CreditAccount, Position)>, StoreError> {
    let rows = tx.load(LOAD_ACCOUNTS, Keys::Ids(ids.iter().map(|id| id.uuid()).collect())).await?;
    let mut accounts = Vec::with_capacity(rows.len());
    for row in &rows {
        match account_of(row) {
            Ok(account) => accounts.push(account),
            Err(error) => tracing::error!(account_id = %row.id(0)?, %error, "a credit account cannot be read"),
        }
    }
    Ok(accounts)
}

/// What came to the accounts after their last closed days, in order.
pub(super) async fn load_open_entries(
    tx: &mut Tx,
    ids: impl Iterator<Item = AccountId>,
) -> Result<Vec<(AccountId, Date, Entry)>, StoreError> {
    let rows = tx.load(LOAD_OPEN_ENTRIES, Keys::Ids(ids.map(AccountId::uuid).collect())).await?;
    rows.iter().map(entry_of).collect()
}

/// Writes positions, and what closing days has made.
pub(super) async fn save(tx: &mut Tx, credit: &CreditBooks, books: &Books) -> Result<(), StoreError> {
    let (mut opened, mut moved) = (Vec::new(), Vec::new());
    for position in books.changed_positions() {
        let missing = || StoreError::Refused(format!("credit account {} was not loaded", position.account_id()));
        let account = credit.accounts.get(&position.account_id()).ok_or_else(missing)?;
        if account.version == 0 {
            opened.push(account_row(account, position));
        } else {
            moved.push(position_row(account, position));
        }
    }
    tx.insert(&CREDIT_ACCOUNTS, opened).await?;
    tx.update(&CREDIT_POSITIONS, moved).await?;
    tx.insert(&STATEMENTS, credit.statements.iter().map(statement_row).collect()).await?;
    tx.insert(&VERDICTS, credit.verdicts.iter().map(verdict_row).collect()).await
}

/// Writes what a set has posted to credit accounts, and what it has booked. Sets without credit accounts write nothing.
pub(crate) async fn save_posted(tx: &mut Tx, books: &Books) -> Result<(), StoreError> {
    if !books.accounts().any(|account| account.kind == AccountKind::CustomerCredit) {
        return Ok(());
    }
    let now = tx.now();
    tx.insert(&CREDIT_ENTRIES, entry_rows(books)?).await?;
    tx.insert(&BOOKINGS, books.new_bookings().map(|booking| booking_row(booking, now)).collect()).await
}

fn entry_rows(books: &Books) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut rows = Vec::new();
    for (place, transfer) in (0_i64..).zip(books.new_transfers()) {
        if !matches!(transfer.kind, TransferKind::Posted | TransferKind::PostOf(_)) {
            continue;
        }
        for id in [transfer.debit_account, transfer.credit_account] {
            if books.account(id).is_none_or(|account| account.kind != AccountKind::CustomerCredit) {
                continue;
            }
            let fault = |what: &str| StoreError::Refused(format!("transfer {}: {what}", transfer.source));
            let (cause, day) = match books.booking(BookingId::from_uuid(transfer.source)) {
                Some(booking) => (Cause::Booking(booking), booking.on),
                None => {
                    let today = books.today().map_err(|_| fault("the day is not known"))?;
                    (cause_of(books, transfer).ok_or_else(|| fault("nothing has caused it"))?, today)
                }
            };
            let entry = credit_entry(id, transfer, cause).ok_or_else(|| fault("it is no entry"))?;
            rows.push(entry_row(id, day, transfer, place, &entry));
        }
    }
    Ok(rows)
}

fn cause_of<'b>(books: &'b Books, transfer: &Transfer) -> Option<Cause<'b>> {
    match books.leg(LegId::from_uuid(transfer.source)) {
        Some(leg) => Some(Cause::Leg(leg)),
        None => books.deposit(DepositId::from_uuid(transfer.source)).map(|_| Cause::CashDeposit),
    }
}

/// What a credit account was opened with; `None` when there is no such account.
pub(crate) async fn read_agreement(store: &Store, id: AccountId) -> Result<Option<Agreement>, StoreError> {
    const SQL: &str = select_accounts!("FROM credit_accounts c WHERE account_id = $1");
    let row = store.fetch_one(SQL, vec![id.uuid().into()]).await?;
    row.as_ref().map(agreement_of).transpose()
}

/// An account with a day that is not closed: its place in the order in which they are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenDay {
    pub(crate) closed_through: Date,
    pub(crate) account_id: AccountId,
}

/// The accounts after a place of which this day is not closed, the longest open first.
pub(crate) async fn read_open(
    store: &Store,
    after: Option<OpenDay>,
    through: Date,
    limit: i64,
) -> Result<Vec<OpenDay>, StoreError> {
    const SQL: &str = "SELECT closed_through, account_id FROM credit_accounts \
                       WHERE (closed_through, account_id) > ($1, $2) AND closed_through < $3 \
                       ORDER BY closed_through, account_id LIMIT $4";
    let (day, id) = match after {
        Some(place) => (place.closed_through.to_string(), place.account_id.uuid()),
        None => (String::new(), Uuid::nil()),
    };
    let rows = store.fetch(SQL, vec![day.into(), id.into(), through.to_string().into(), limit.into()]).await?;
    let place = |row: &Row| -> Result<OpenDay, StoreError> {
        Ok(OpenDay { closed_through: day_of(0, &row.text(0)?)?, account_id: AccountId::from_uuid(row.id(1)?) })
    };
    rows.iter().map(place).collect()
}

/// Which statements to read: the latest first, below a number, at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) account_id: AccountId,
    pub(crate) before_number: Option<u32>,
    pub(crate) limit: i64,
}

/// Statements, each with what was missed of its minimum if that is known yet.
pub(crate) async fn read_statements(store: &Store, page: Page) -> Result<Vec<(Statement, Option<i64>)>, StoreError> {
    const SQL: &str = "SELECT s.statement, v.missing_minor FROM statements s \
                       LEFT JOIN statement_verdicts v ON v.account_id = s.account_id AND v.number = s.number \
                       WHERE s.account_id = $1 AND s.number < $2 ORDER BY s.number DESC LIMIT $3";
    let before = page.before_number.map_or(i64::MAX, i64::from);
    let rows = store.fetch(SQL, vec![page.account_id.uuid().into(), before.into(), page.limit.into()]).await?;
    rows.iter().map(|row| Ok((row.parsed(0, Statement::parse)?, row.maybe_int(1)?))).collect()
}

/// The last statement of an account, with what came of it.
pub(super) async fn load_last_statement(
    tx: &mut Tx,
    id: AccountId,
) -> Result<Option<(Statement, Option<Verdict>)>, StoreError> {
    const SQL: &str = "SELECT s.statement, v.due_on, v.open_minor, v.missing_minor FROM statements s \
                       LEFT JOIN statement_verdicts v ON v.account_id = s.account_id AND v.number = s.number \
                       WHERE s.account_id = $1 ORDER BY s.number DESC LIMIT 1";
    let rows = tx.fetch(SQL, vec![id.uuid().into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let statement = row.parsed(0, Statement::parse)?;
    let verdict = match row.maybe_text(1)? {
        None => None,
        Some(due_on) => {
            let (due_on, open_minor, missing_minor) = (day_of(1, &due_on)?, row.int(2)?, row.int(3)?);
            Some(Verdict { number: statement.number, due_on, open_minor, missing_minor })
        }
    };
    Ok(Some((statement, verdict)))
}

/// The accounts after one id, up to and with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) after: Uuid,
    pub(super) last: Uuid,
}

/// The next accounts in order of their ids, and in words which of them cannot be read. For a check at leisure.
pub(super) async fn read_accounts(
    store: &Store,
    after: Uuid,
    limit: i64,
) -> Result<(Vec<(Uuid, Option<Kept>)>, Vec<String>), StoreError> {
    // Not joined: PostgreSQL would walk the accounts from the first one for each page.
    const SQL: &str = select_accounts!(
        ", (SELECT a.cash_owed_minor FROM accounts a WHERE a.account_id = c.account_id) FROM credit_accounts c \
         WHERE c.account_id > $1 ORDER BY c.account_id LIMIT $2"
    );
    let (mut accounts, mut faults) = (Vec::new(), Vec::new());
    for row in &store.fetch_at_leisure(SQL, vec![after.into(), limit.into()]).await? {
        let kept = account_of(row).and_then(|(account, position)| {
            let CreditAccount { id, agreement, opened_on, .. } = account;
            let cash_owed_minor = row.maybe_int(7)?.unwrap_or_default();
            Ok(Kept { id, agreement, opened_on, position, cash_owed_minor })
        });
        let id = row.id(0)?;
        if let Err(error) = &kept {
            faults.push(format!("credit account {id} cannot be read: {error}"));
        }
        accounts.push((id, kept.ok()));
    }
    Ok((accounts, faults))
}

/// The statements of a span of accounts in order, each with what came of it. For a check at leisure.
pub(super) async fn read_judged_statements(store: &Store, span: Span) -> Result<Vec<KeptStatement>, StoreError> {
    const SQL: &str = "SELECT s.account_id, s.statement, s.number, v.judged_on, v.due_on, v.open_minor, v.missing_minor \
                       FROM statements s \
                       LEFT JOIN statement_verdicts v ON v.account_id = s.account_id AND v.number = s.number \
                       WHERE s.account_id > $1 AND s.account_id <= $2 ORDER BY s.account_id, s.number";
    let rows = store.fetch_at_leisure(SQL, vec![span.after.into(), span.last.into()]).await?;
    let kept = |row: &Row| -> Result<KeptStatement, StoreError> {
        let statement = row.parsed(1, Statement::parse)?;
        let judged = match row.maybe_text(3)? {
            None => None,
            Some(on) => {
                let (due_on, open_minor, missing_minor) = (day_of(4, &row.text(4)?)?, row.int(5)?, row.int(6)?);
                Some((day_of(3, &on)?, Verdict { number: statement.number, due_on, open_minor, missing_minor }))
            }
        };
        Ok(KeptStatement { account_id: AccountId::from_uuid(row.id(0)?), statement, judged })
    };
    rows.iter().map(kept).collect()
}

pub(super) fn day_of(column: usize, text: &str) -> Result<Date, StoreError> {
    text.parse().map_err(|_| StoreError::Unreadable { column, what: "not a day".to_owned() })
}

fn account_of(row: &Row) -> Result<(CreditAccount, Position), StoreError> {
    let account = CreditAccount {
        id: AccountId::from_uuid(row.id(0)?),
        version: row.int(1)?,
        currency: row.parsed(3, Currency::parse)?,
        agreement: agreement_of(row)?,
        opened_on: day_of(6, &row.text(6)?)?,
    };
    Ok((account, row.parsed(2, Position::parse)?))
}

fn agreement_of(row: &Row) -> Result<Agreement, StoreError> {
    let repay_from = row.maybe_id(5)?.map(AccountId::from_uuid);
    Ok(Agreement { terms: row.parsed(4, Terms::parse)?, repay_from })
}

fn account_row(account: &CreditAccount, position: &Position) -> Vec<Value> {
    let mut row = position_row(account, position);
    row.extend([
        account.currency.code().into(),
        account.agreement.terms.to_string().into(),
        account.agreement.repay_from.map(AccountId::uuid).into(),
        account.opened_on.to_string().into(),
    ]);
    row
}

fn position_row(account: &CreditAccount, position: &Position) -> Vec<Value> {
    vec![
        account.id.uuid().into(),
        account.version.saturating_add(1).into(),
        position.closed_through().to_string().into(),
        position.to_string().into(),
    ]
}

fn entry_of(row: &Row) -> Result<(AccountId, Date, Entry), StoreError> {
    let entry = Entry { source: row.id(2)?, kind: row.parsed(3, EntryKind::parse)?, amount_minor: row.int(4)? };
    Ok((AccountId::from_uuid(row.id(0)?), day_of(1, &row.text(1)?)?, entry))
}

fn entry_row(id: AccountId, day: Date, transfer: &Transfer, place: i64, entry: &Entry) -> Vec<Value> {
    vec![
        id.uuid().into(),
        day.to_string().into(),
        transfer.source.into(),
        transfer.seq.into(),
        transfer.made_at.into(),
        place.into(),
        entry.kind.as_str().into(),
        entry.amount_minor.into(),
    ]
}

fn booking_row(booking: &Booking, now: Timestamp) -> Vec<Value> {
    vec![
        booking.id().uuid().into(),
        booking.account_id.uuid().into(),
        booking.kind.as_str().into(),
        booking.on.to_string().into(),
        booking.other.uuid().into(),
        booking.amount.currency.code().into(),
        booking.amount.minor.into(),
        now.into(),
    ]
}

fn statement_row(statement: &Statement) -> Vec<Value> {
    vec![
        statement.account_id.uuid().into(),
        i64::from(statement.number).into(),
        statement.closed_on.to_string().into(),
        statement.due_on.to_string().into(),
        statement.to_string().into(),
    ]
}

fn verdict_row(judged: &Judged) -> Vec<Value> {
    vec![
        judged.account_id.uuid().into(),
        i64::from(judged.verdict.number).into(),
        judged.on.to_string().into(),
        judged.verdict.due_on.to_string().into(),
        judged.verdict.open_minor.into(),
        judged.verdict.missing_minor.into(),
    ]
}
