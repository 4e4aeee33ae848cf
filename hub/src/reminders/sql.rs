//! The tables of reminders.

use std::collections::{BTreeMap, BTreeSet};

use domain::bill::AccountKey;
use domain::reminder::{FiringKey, Reminder, Scope, When};
use domain::{AccountId, BankId, PersonId, Reason, ReminderId, Timestamp};
use server_kit::store::{Dialect, Keys, Load, Row, Store, StoreError, Table, Tx};

use super::Planned;
use crate::records::query::zone_of;

const REMINDERS: Table = Table {
    name: "reminders",
    key: &["reminder_id"],
    columns: &[
        "reminder_id",
        "version",
        "person_id",
        "bank_id",
        "account_id",
        "days_before",
        "day_of_month",
        "hour",
        "minute",
        "time_zone",
        "set_at",
        "next_at",
        "looked_at",
    ],
};

const SENT: Table = Table {
    name: "sent_reminders",
    key: &["reminder_id", "firing_key"],
    columns: &["reminder_id", "firing_key", "person_id", "sequence"],
};

/// The columns that [`stored_of`] reads, in order.
macro_rules! reminder_columns {
    () => {
        "reminder_id, version, person_id, bank_id, account_id, days_before, day_of_month, hour, minute, time_zone, set_at"
    };
}

/// Before any time: it is to be looked at as soon as may be, whatever clocks say.
pub(super) const AT_ONCE: Timestamp = Timestamp::from_micros(0);

/// A reminder as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) planned: Planned,
    pub(super) person_id: PersonId,
    /// That of the row; none is 0.
    pub(super) version: i64,
}

/// When it is looked at next, and when it was looked at last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked {
    pub(super) next_at: Option<Timestamp>,
    pub(super) at: Timestamp,
}

fn stored_of(row: &Row) -> Result<Stored, StoreError> {
    let small = |column: usize| {
        let read = |n: i64| u8::try_from(n).map_err(|_| unreadable(column, n));
        row.maybe_int(column)?.map(read).transpose()
    };
    let missing = |column| move || unreadable(column, "NULL");
    let scope = match (row.maybe_text(3)?, row.maybe_id(4)?) {
        (Some(bank_id), Some(account_id)) => Scope::One(AccountKey {
            bank_id: BankId::parse(&bank_id).map_err(|reason| unreadable(3, reason))?,
            account_id: AccountId::from_uuid(account_id),
        }),
        _ => Scope::All,
    };
    let when = match (small(5)?, small(6)?) {
        (Some(days), _) => When::DaysBefore(days),
        (None, day) => When::DayOfMonth(day.ok_or_else(missing(6))?),
    };
    let at = (small(7)?.ok_or_else(missing(7))?, small(8)?.ok_or_else(missing(8))?);
    let reminder = Reminder::new(ReminderId::from_uuid(row.id(0)?), scope, when, at, row.time(10)?);
    let (zone_name, zone) = (row.text(9)?, row.parsed(9, zone_of)?);
    Ok(Stored {
        planned: Planned { reminder: reminder.map_err(|reason| unreadable(7, reason))?, zone, zone_name },
        person_id: PersonId::from_uuid(row.id(2)?),
        version: row.int(1)?,
    })
}

fn unreadable(column: usize, what: impl ToString) -> StoreError {
    StoreError::Unreadable { column, what: what.to_string() }
}

pub(super) async fn load(tx: &mut Tx, reminder_id: ReminderId) -> Result<Option<Stored>, StoreError> {
    let load = Load {
        select: concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE reminder_id"),
        tail: "",
        lock: true,
    };
    tx.load(load, Keys::Ids(vec![reminder_id.uuid()])).await?.first().map(stored_of).transpose()
}

/// What is to be looked at, at most `most`, locked so that another replica takes others: what is due by now, and what was looked
/// at later than `latest`, which is to say with a clock that was set back since.
pub(super) async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    latest: Timestamp,
    most: usize,
) -> Result<Vec<Result<Stored, ReminderId>>, StoreError> {
    macro_rules! claim {
        ($lock:literal) => {
            concat!(
                "SELECT ",
                reminder_columns!(),
                " FROM reminders WHERE next_at <= $1 OR looked_at > $2 ORDER BY next_at LIMIT $3",
                $lock
            )
        };
    }
    // SQLite has one writer and knows no row locks.
    let sql = match tx.dialect() {
        Dialect::Sqlite => claim!(""),
        Dialect::Postgres => claim!(" FOR UPDATE SKIP LOCKED"),
    };
    let rows = tx.fetch(sql, vec![now.into(), latest.into(), (most as i64).into()]).await?;
    let read = |row: &Row| {
        let id = ReminderId::from_uuid(row.id(0)?);
        let of_row = |error| {
            tracing::error!(%error, %id, "a reminder that is due cannot be read");
            id
        };
        Ok(stored_of(row).map_err(of_row))
    };
    rows.iter().map(read).collect()
}

pub(super) async fn put(tx: &mut Tx, reminders: Vec<(Stored, Looked)>) -> Result<(), StoreError> {
    let row = |(Stored { planned, person_id, version }, Looked { next_at, at }): (Stored, Looked)| {
        let reminder = &planned.reminder;
        let account = match reminder.scope() {
            Scope::All => None,
            Scope::One(account) => Some(account),
        };
        let (days_before, day_of_month) = match reminder.when() {
            When::DaysBefore(days) => (Some(i64::from(days)), None),
            When::DayOfMonth(day) => (None, Some(i64::from(day))),
        };
        vec![
            reminder.id().uuid().into(),
            (version + 1).into(),
            person_id.uuid().into(),
            account.map(|account| account.bank_id.to_string()).into(),
            account.map(|account| account.account_id.uuid()).into(),
            days_before.into(),
            day_of_month.into(),
            i64::from(reminder.at().hour()).into(),
            i64::from(reminder.at().minute()).into(),
            planned.zone_name.into(),
            reminder.set_at().into(),
            next_at.into(),
            at.into(),
        ]
    };
    tx.put(&REMINDERS, reminders.into_iter().map(row).collect()).await
}

pub(super) async fn delete(tx: &mut Tx, person_id: PersonId, reminder_id: ReminderId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM reminders WHERE reminder_id = $1 AND person_id = $2";
    Ok(tx.execute(sql, vec![reminder_id.uuid().into(), person_id.uuid().into()]).await? > 0)
}

/// Has a reminder that cannot be read looked at again at this time.
pub(super) async fn put_off(tx: &mut Tx, reminder_id: ReminderId, looked: Looked) -> Result<(), StoreError> {
    let sql = "UPDATE reminders SET next_at = $1, looked_at = $2, version = version + 1 WHERE reminder_id = $3";
    tx.execute(sql, vec![looked.next_at.into(), looked.at.into(), reminder_id.uuid().into()]).await?;
    Ok(())
}

/// Has the reminders of people looked at again as soon as may be: a bill of theirs has come or stands differently now.
pub(crate) async fn look_again(tx: &mut Tx, persons: &BTreeSet<PersonId>) -> Result<(), StoreError> {
    // Also those that are to be looked at already: one that is being looked at right now has not seen the bill, and only an update
    // waits for it to be over.
    let sql = "UPDATE reminders SET next_at = $1, version = version + 1 WHERE person_id = $2";
    for person_id in persons {
        tx.execute(sql, vec![AT_ONCE.into(), person_id.uuid().into()]).await?;
    }
    Ok(())
}

pub(super) type SentKeys = BTreeMap<ReminderId, BTreeSet<FiringKey>>;

pub(super) async fn load_sent(tx: &mut Tx, reminders: Vec<ReminderId>) -> Result<SentKeys, StoreError> {
    let load =
        Load { select: "SELECT reminder_id, firing_key FROM sent_reminders WHERE reminder_id", tail: "", lock: false };
    let rows = tx.load(load, Keys::Ids(reminders.into_iter().map(ReminderId::uuid).collect())).await?;
    let mut sent = SentKeys::new();
    for row in &rows {
        let key = row.parsed(1, FiringKey::parse)?;
        sent.entry(ReminderId::from_uuid(row.id(0)?)).or_default().insert(key);
    }
    Ok(sent)
}

pub(super) async fn read_sent(store: &Store, reminder_id: ReminderId) -> Result<BTreeSet<FiringKey>, StoreError> {
    let sql = "SELECT firing_key FROM sent_reminders WHERE reminder_id = $1";
    let rows = store.fetch(sql, vec![reminder_id.uuid().into()]).await?;
    rows.iter().map(|row| row.parsed(0, FiringKey::parse)).collect()
}

/// What was sent, and where in the person's feed.
pub(super) async fn insert_sent(tx: &mut Tx, sent: Vec<(FiringKey, PersonId, i64)>) -> Result<(), StoreError> {
    let row = |(key, person_id, sequence): (FiringKey, PersonId, i64)| {
        let reminder_id = key.reminder_id.uuid();
        vec![reminder_id.into(), key.to_string().into(), person_id.uuid().into(), sequence.into()]
    };
    tx.insert(&SENT, sent.into_iter().map(row).collect()).await
}

/// A person's reminders in the order in which they were made.
pub(super) async fn of_person(store: &Store, person_id: PersonId) -> Result<Vec<Planned>, StoreError> {
    const SQL: &str =
        concat!("SELECT ", reminder_columns!(), " FROM reminders WHERE person_id = $1 ORDER BY set_at, reminder_id");
    let rows = store.fetch(SQL, vec![person_id.uuid().into()]).await?;
    rows.iter().map(|row| stored_of(row).map(|stored| stored.planned)).collect()
}

/// That a person may have one more.
pub(super) async fn has_room(tx: &mut Tx, person_id: PersonId, most: i64) -> Result<Result<(), Reason>, StoreError> {
    let sql = "SELECT count(*) FROM reminders WHERE person_id = $1";
    let found = tx.fetch(sql, vec![person_id.uuid().into()]).await?.first().map_or(Ok(0), |row| row.int(0))?;
    Ok(if found < most { Ok(()) } else { Err(Reason::TooManyItems) })
}
