//! The store's promises, on both engines.

mod owner;
mod readers;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::testing::{TestDatabase, databases};
use super::*;
use crate::clock::SystemClock;

const COUNTERS: Table =
    Table { name: "counters", key: &["id"], columns: &["id", "version", "total", "note", "bytes", "owner", "place"] };

const OWNERS: Table = Table { name: "owners", key: &["name"], columns: &["name", "mark"] };

fn migrations() -> Migrations {
    Migrations {
        sqlite: sqlx::migrate!("tests/migrations/sqlite"),
        postgres: sqlx::migrate!("tests/migrations/postgres"),
    }
}

async fn open(database: &TestDatabase) -> Store {
    database.open(&migrations(), SystemClock::shared()).await.unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn counter(n: u128, version: i64, total: i64) -> Vec<Value> {
    vec![
        id(n).into(),
        version.into(),
        total.into(),
        Some("好\n'note'".to_owned()).into(),
        vec![0_u8, 255].into(),
        None::<Uuid>.into(),
        Value::Real(Some(1.5)),
    ]
}

async fn totals(store: &Store) -> Vec<(Uuid, i64, i64)> {
    let rows = store.fetch("SELECT id, version, total FROM counters ORDER BY id", Vec::new()).await.unwrap();
    rows.iter().map(|row| (row.id(0).unwrap(), row.int(1).unwrap(), row.int(2).unwrap())).collect()
}

/// As deploy/README has it done: what is committed and stands in the log alone is in it.
#[tokio::test]
async fn a_copy_made_beside_an_open_database_has_all_that_was_committed() {
    let database = TestDatabase::sqlite();
    let store = open(&database).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert(&COUNTERS, vec![counter(1, 1, 10)]).await.unwrap();
    tx.commit().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("books.db").display().to_string();
    let beside = rusqlite::Connection::open(database.url().strip_prefix("sqlite:").unwrap()).unwrap();
    beside.execute("VACUUM INTO ?1", [&copy]).unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.insert(&COUNTERS, vec![counter(2, 1, 20)]).await.unwrap();
    tx.commit().await.unwrap();
    let options = StoreOptions::new(&format!("sqlite:{copy}"));
    let copied = Store::open(&options, &migrations(), SystemClock::shared()).await.unwrap();
    assert_eq!(totals(&copied).await, [(id(1), 1, 10)]);
    assert_eq!(totals(&store).await, [(id(1), 1, 10), (id(2), 1, 20)]);
}

#[tokio::test]
async fn a_row_that_is_too_short_is_refused_and_not_filled_up_from_the_one_before() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        let mut short = counter(2, 1, 2);
        short.pop();
        let refused = tx.insert(&COUNTERS, vec![counter(1, 1, 1), short]).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        drop(tx);
        assert!(totals(&store).await.is_empty());
    }
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert(&COUNTERS, vec![counter(1, 1, i64::MIN)]).await.unwrap();
        tx.commit().await.unwrap();
        let row = store.fetch_one("SELECT * FROM counters", Vec::new()).await.unwrap().unwrap();
        assert_eq!(row.id(0).unwrap(), id(1));
        assert_eq!(row.int(2).unwrap(), i64::MIN);
        assert_eq!(row.maybe_text(3).unwrap().as_deref(), Some("好\n'note'"));
        assert_eq!(row.bytes(4).unwrap(), [0, 255]);
        assert_eq!(row.maybe_id(5).unwrap(), None);
        assert_eq!(row.real(6).unwrap(), Some(1.5));
        assert!(matches!(row.text(0), Err(StoreError::Unreadable { column: 0, .. })));
    }
}

#[tokio::test]
async fn a_put_inserts_the_new_and_updates_the_old_in_one_statement() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.put(&COUNTERS, (0..300).map(|n| counter(n, 1, 1)).collect()).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.put(&COUNTERS, vec![counter(300, 1, 5), counter(7, 2, 9)]).await.unwrap();
        tx.commit().await.unwrap();
        let all = totals(&store).await;
        assert_eq!(all.len(), 301);
        assert_eq!((all[7], all[300]), ((id(7), 2, 9), (id(300), 1, 5)));
    }
}

#[tokio::test]
async fn a_put_over_another_version_is_a_conflict_and_leaves_nothing() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.put(&COUNTERS, vec![counter(1, 1, 1)]).await.unwrap();
        tx.commit().await.unwrap();
        for version in [1, 3] {
            let mut tx = store.begin().await.unwrap();
            let put = tx.put(&COUNTERS, vec![counter(2, 1, 1), counter(1, version, 9)]).await;
            let put = put.and(tx.flush().await);
            assert!(matches!(put, Err(StoreError::Conflict)), "{put:?}");
            drop(tx);
        }
        assert_eq!(totals(&store).await, [(id(1), 1, 1)]);
    }
}

#[tokio::test]
async fn an_update_changes_its_own_columns_over_the_version_before_and_nothing_else() {
    const TOTALS: Table = Table { name: "counters", key: &["id"], columns: &["id", "version", "total"] };
    let row = |n: u128, version: i64, total: i64| vec![id(n).into(), version.into(), total.into()];
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.put(&COUNTERS, (0..300).map(|n| counter(n, 1, 1)).collect()).await.unwrap();
        tx.update(&TOTALS, (0..100).map(|n| row(n, 2, 7)).collect()).await.unwrap();
        tx.commit().await.unwrap();
        let all = totals(&store).await;
        assert_eq!((all[99], all[100]), ((id(99), 2, 7), (id(100), 1, 1)));
        let note = store.fetch_one("SELECT note FROM counters WHERE total = 7", Vec::new()).await.unwrap().unwrap();
        assert!(note.maybe_text(0).unwrap().is_some());
        for stale in [row(5, 2, 9), row(5, 4, 9), row(5000, 2, 9)] {
            let mut tx = store.begin().await.unwrap();
            let updated = tx.update(&TOTALS, vec![row(6, 3, 9), stale]).await;
            let updated = updated.and(tx.flush().await);
            assert!(matches!(updated, Err(StoreError::Conflict)), "{updated:?}");
        }
        assert_eq!(totals(&store).await, all);
    }
}

#[tokio::test]
async fn a_transaction_sees_what_it_has_written_and_may_write_a_row_twice() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert(&COUNTERS, vec![counter(1, 1, 1), counter(2, 1, 1)]).await.unwrap();
        tx.insert(&OWNERS, vec![vec!["me".into(), id(1).into()]]).await.unwrap();
        let missing = tx.update(&COUNTERS, vec![counter(2, 2, 5), counter(3, 2, 5)]).await;
        let missing = missing.and(tx.flush().await);
        assert!(matches!(missing, Err(StoreError::Conflict)), "{missing:?}");
        drop(tx);
        assert!(totals(&store).await.is_empty());

        let mut tx = store.begin().await.unwrap();
        tx.insert(&COUNTERS, vec![counter(1, 1, 1), counter(2, 1, 1)]).await.unwrap();
        tx.insert(&OWNERS, vec![vec!["me".into(), id(1).into()]]).await.unwrap();
        tx.update(&COUNTERS, vec![counter(2, 2, 5)]).await.unwrap();
        tx.insert(&COUNTERS, vec![counter(3, 1, 1)]).await.unwrap();
        let owners = tx.fetch("SELECT mark FROM owners WHERE name = 'me'", Vec::new()).await.unwrap();
        assert_eq!(owners[0].id(0).unwrap(), id(1));
        assert_eq!(tx.fetch("SELECT id FROM counters", Vec::new()).await.unwrap().len(), 3);
        tx.commit().await.unwrap();
        assert_eq!(totals(&store).await, [(id(1), 1, 1), (id(2), 2, 5), (id(3), 1, 1)]);
    }
}

#[tokio::test]
async fn a_load_finds_what_the_keys_name_in_order_and_once() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.put(&COUNTERS, (0..1000).map(|n| counter(n, 1, n as i64)).collect()).await.unwrap();
        let load = Load { select: "SELECT id FROM counters WHERE id", tail: " ORDER BY id", lock: true };
        let keys = (0..600).rev().flat_map(|n| [id(n), id(n), id(n + 5000)]).collect();
        let rows = tx.load(load, Keys::Ids(keys)).await.unwrap();
        let found: Vec<Uuid> = rows.iter().map(|row| row.id(0).unwrap()).collect();
        assert_eq!(found, (0..600).map(id).collect::<Vec<_>>());
        assert!(tx.load(load, Keys::Ids(Vec::new())).await.unwrap().is_empty());
    }
}

/// Adds to counters; a step with a negative amount is refused by a rule, and one of 13 by the database.
#[derive(Debug, Default)]
struct Adding {
    dropped: std::sync::atomic::AtomicUsize,
}

impl StepSet for Adding {
    const NAME: &'static str = "adding-writer";

    type Step = (u128, i64);
    type Outcome = Result<i64, &'static str>;

    async fn run(&self, tx: &mut Tx, steps: &[(u128, i64)]) -> Result<Vec<Self::Outcome>, StoreError> {
        let load =
            Load { select: "SELECT id, version, total FROM counters WHERE id", tail: " ORDER BY id", lock: true };
        let rows = tx.load(load, Keys::Ids(steps.iter().map(|(n, _)| id(*n)).collect())).await?;
        let mut found = std::collections::BTreeMap::new();
        for row in rows {
            found.insert(row.id(0)?, (row.int(1)?, row.int(2)?));
        }
        let mut outcomes = Vec::new();
        let mut changed = std::collections::BTreeMap::new();
        for (n, amount) in steps {
            if *amount == 13 {
                tx.execute("INSERT INTO no_such_table VALUES (1)", Vec::new()).await?;
            }
            let (version, total) = found.entry(id(*n)).or_insert((0, 0));
            if *amount < 0 {
                outcomes.push(Err("negative"));
                continue;
            }
            *total += amount;
            changed.insert(*n, (*version + 1, *total));
            outcomes.push(Ok(*total));
        }
        let rows = changed.into_iter().map(|(n, (version, total))| counter(n, version, total)).collect();
        tx.put(&COUNTERS, rows).await?;
        Ok(outcomes)
    }

    fn dropped(&self, _: &StoreError) {
        self.dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[tokio::test]
async fn steps_of_many_callers_share_transactions_and_each_gets_its_own_answer() {
    for database in databases().await {
        let store = open(&database).await;
        let (writer, task) = GroupWriter::start(store.clone(), Arc::new(Adding::default()), WriterOptions::default());
        let steps = (0..500_u128).map(|n| {
            let writer = writer.clone();
            async move { writer.write((n % 10, if n % 50 == 49 { -1 } else { 1 })).await.unwrap() }
        });
        let outcomes = futures_util::future::join_all(steps).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 10);
        assert_eq!(totals(&store).await.iter().map(|(_, _, total)| total).sum::<i64>(), 490);
        drop(writer);
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_step_that_the_database_refuses_spoils_nobody_elses() {
    for database in databases().await {
        let store = open(&database).await;
        let (writer, _task) = GroupWriter::start(store.clone(), Arc::new(Adding::default()), WriterOptions::default());
        let steps = [(1, 1), (2, 13), (3, 1)].map(|step| {
            let writer = writer.clone();
            async move { writer.write(step).await }
        });
        let outcomes = futures_util::future::join_all(steps).await;
        assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
        assert!(matches!(outcomes[1], Err(StoreError::Refused(_))));
        assert_eq!(totals(&store).await, [(id(1), 1, 1), (id(3), 1, 1)]);
    }
}

#[tokio::test]
async fn two_writers_on_one_postgresql_lose_no_update() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let stores = [open(&database).await, open(&database).await];
    let writers = stores.clone().map(|store| {
        let options = WriterOptions { tries: 50, pause: Duration::from_millis(1), ..WriterOptions::default() };
        GroupWriter::start(store, Arc::new(Adding::default()), options).0
    });
    let steps = (0..400_usize).map(|n| {
        let writer = writers[n % 2].clone();
        async move { writer.write((n as u128 % 7, 1)).await.unwrap().unwrap() }
    });
    futures_util::future::join_all(steps).await;
    assert_eq!(totals(&stores[0]).await.iter().map(|(_, _, total)| total).sum::<i64>(), 400);
}

#[tokio::test]
async fn an_sqlite_file_is_opened_once() {
    let database = TestDatabase::sqlite();
    let store = open(&database).await;
    let second = database.open(&migrations(), SystemClock::shared()).await;
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    store.close().await;
    drop(store);
    open(&database).await;
}

#[tokio::test]
async fn an_sqlite_database_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let database = TestDatabase::sqlite();
    let _store = open(&database).await;
    let file = database.url().strip_prefix("sqlite:").unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mode = std::fs::metadata(format!("{file}{suffix}")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn the_server_finds_a_host_that_has_gone_within_seconds() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    // On a Unix socket there is nothing to find, and the settings read 0.
    let sql = "SELECT CASE WHEN inet_client_addr() IS NULL THEN '5 2 3' ELSE current_setting('tcp_keepalives_idle') \
               || ' ' || current_setting('tcp_keepalives_interval') || ' ' || current_setting('tcp_keepalives_count') END";
    let row = store.fetch_one(sql, Vec::new()).await.unwrap().unwrap();
    assert_eq!(row.text(0).unwrap(), "5 2 3");
}

#[tokio::test]
async fn a_database_that_is_newer_than_the_program_is_refused() {
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                   VALUES (999, 'from the future', TRUE, $1, 0)";
        tx.execute(sql, vec![vec![1_u8].into()]).await.unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        drop(store);
        let opened = database.open(&migrations(), SystemClock::shared()).await;
        assert!(matches!(opened, Err(StoreError::NewerDatabase { found: 999 })), "{opened:?}");
    }
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused_without_repeating_it() {
    let options = StoreOptions::new("mysql://user:secret@host/db");
    let error = Store::open(&options, &migrations(), SystemClock::shared()).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn postgresql_that_forgets_what_it_committed_is_refused() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let weak = format!("{}?options=-c%20synchronous_commit%3Doff", database.url());
    let opened = Store::open(&StoreOptions::new(&weak), &migrations(), SystemClock::shared()).await;
    assert!(matches!(opened, Err(StoreError::WeakSetting { setting: "synchronous_commit", .. })), "{opened:?}");
}

/// What rewrites a column reads it in pages and never writes over what somebody else has written meanwhile.
#[tokio::test]
async fn a_cell_is_swapped_only_while_its_old_value_stands() {
    const CELLS: Cells = Cells { table: "counters", by: &["id"], column: "bytes", also: &["total"] };
    for database in databases().await {
        let store = open(&database).await;
        let mut tx = store.begin().await.unwrap();
        tx.insert(&COUNTERS, (1..=5).map(|n| counter(n, 1, n as i64)).collect()).await.unwrap();
        tx.execute("UPDATE counters SET bytes = $1 WHERE id = $2", vec![vec![1_u8, 7].into(), id(4).into()])
            .await
            .unwrap();
        tx.execute("UPDATE counters SET bytes = $1 WHERE id = $2", vec![Vec::<u8>::new().into(), id(5).into()])
            .await
            .unwrap();
        let page = |after: Option<u128>, most| Page { after: after.map(|after| vec![id(after).into()]), most };
        let ids = |rows: &[Row]| rows.iter().map(|row| row.id(0).unwrap()).collect::<Vec<_>>();
        let rows = tx.page(&CELLS, page(None, 2)).await.unwrap();
        assert_eq!(ids(&rows), [id(1), id(2)]);
        assert_eq!((rows[1].bytes(1).unwrap(), rows[1].int(2).unwrap()), (vec![0, 255], 2));
        assert_eq!(ids(&tx.page(&CELLS, page(Some(2), 9)).await.unwrap()), [id(3), id(4)]);
        let swap = |n, old: &[u8]| Swap { by: vec![id(n).into()], old: old.to_vec(), new: vec![1, 9] };
        let swapped = tx.swap(&CELLS, vec![swap(1, &[0, 255]), swap(2, &[3]), swap(3, &[0, 255])]).await.unwrap();
        assert_eq!(swapped, 2);
        tx.commit().await.unwrap();
        let counted = store.count_prefixes(&CELLS, 1).await.unwrap();
        assert_eq!(counted, [(vec![0], 1), (vec![1], 3)]);
        assert_eq!(ids(&store.page(&CELLS, page(None, 9)).await.unwrap()), [id(1), id(2), id(3), id(4)]);
        assert_eq!(store.fetch("SELECT version FROM counters WHERE version <> 1", Vec::new()).await.unwrap().len(), 0);
    }
}

/// A page passes over what another transaction has locked, so that neither waits; SQLite has one writer.
#[tokio::test]
async fn a_page_passes_over_rows_that_are_locked() {
    const CELLS: Cells = Cells { table: "counters", by: &["id"], column: "bytes", also: &[] };
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert(&COUNTERS, (1..=3).map(|n| counter(n, 1, 1)).collect()).await.unwrap();
    tx.commit().await.unwrap();
    let mut other = store.begin().await.unwrap();
    other.fetch("SELECT id FROM counters WHERE id = $1 FOR UPDATE", vec![id(2).into()]).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let rows = tx.page(&CELLS, Page { after: None, most: 9 }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.id(0).unwrap()).collect::<Vec<_>>(), [id(1), id(3)]);
}
