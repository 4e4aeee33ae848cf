//! What the connections that only read promise, on SQLite.

use super::*;

/// Rows without an end, and one that never comes.
const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
const ENDLESS_COUNT: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

async fn with_readers(database: &TestDatabase, readers: u32) -> Store {
    let options = StoreOptions { readers, ..StoreOptions::new(database.url()) };
    Store::open(&options, &migrations(), SystemClock::shared()).await.unwrap()
}

async fn echoed(store: &Store, number: i64) -> Result<i64, StoreError> {
    store.fetch_one("SELECT $1 + $2 - $2", vec![number.into(), 7.into()]).await?.unwrap().int(0)
}

#[tokio::test]
async fn everybody_gets_the_answer_to_their_own_question() {
    let database = TestDatabase::sqlite();
    for readers in [0, 1, 4] {
        let store = with_readers(&database, readers).await;
        let answers = futures_util::future::join_all((0..2_000).map(|n| echoed(&store, n))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (0..2_000).collect::<Vec<_>>(), "{readers} readers");
        store.close().await;
    }
}

#[tokio::test]
async fn who_reads_cannot_write_and_a_wrong_question_harms_nobody() {
    let database = TestDatabase::sqlite();
    let store = with_readers(&database, 1).await;
    for (sql, args) in [
        ("INSERT INTO owners (name, mark) VALUES ('x', $1)", vec![id(1).into()]),
        ("SELECT nothing FROM nowhere", Vec::new()),
        ("SELECT $1, $2", vec![1.into()]),
    ] {
        let refused = store.fetch(sql, args).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{sql}: {refused:?}");
    }
    assert_eq!(store.fetch("SELECT 1 FROM owners", Vec::new()).await.unwrap().len(), 0);
    assert_eq!(echoed(&store, 3).await.unwrap(), 3);
}

#[tokio::test]
async fn nobody_is_read_for_who_has_gone_away() {
    let database = TestDatabase::sqlite();
    let store = with_readers(&database, 1).await;
    for sql in [ENDLESS, ENDLESS_COUNT] {
        let gone = timeout(Duration::from_millis(30), store.fetch(sql, Vec::new())).await;
        assert!(gone.is_err(), "it has no end");
    }
    // The one connection that reads is free again.
    assert_eq!(echoed(&store, 5).await.unwrap(), 5);
    // More than may wait: whoever finds no place waits for one, and gives it back on leaving.
    let all = futures_util::future::join_all((0..100).map(|_| store.fetch(ENDLESS, Vec::new())));
    assert!(timeout(Duration::from_millis(30), all).await.is_err());
    assert_eq!(echoed(&store, 6).await.unwrap(), 6);
}

#[tokio::test]
async fn what_was_asked_is_answered_before_the_connections_close() {
    let database = TestDatabase::sqlite();
    let store = with_readers(&database, 1).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert(&COUNTERS, vec![counter(1, 1, 1)]).await.unwrap();
    tx.commit().await.unwrap();
    // `join!` polls in this order: all have asked when it closes.
    let asked = futures_util::future::join_all((0..10).map(|n| echoed(&store, n)));
    let (answers, ()) = tokio::join!(biased; asked, store.close());
    for (n, answer) in (0..).zip(answers) {
        assert_eq!(answer.unwrap(), n);
    }
    assert!(matches!(echoed(&store, 1).await, Err(StoreError::Stopped)));
    let file = database.url().strip_prefix("sqlite:").unwrap();
    assert!(!std::path::Path::new(&format!("{file}-wal")).exists(), "the last connection has copied the log");
    // Nobody holds the file any more.
    drop(store);
    assert_eq!(totals(&with_readers(&database, 1).await).await, [(id(1), 1, 1)]);
}

/// One pool of pages for all connections would have them wait for each other: `.cargo/config.toml` leaves it out.
#[tokio::test]
async fn connections_share_no_pool_of_pages() {
    let store = with_readers(&TestDatabase::sqlite(), 1).await;
    let rows = store.fetch("SELECT compile_options FROM pragma_compile_options", Vec::new()).await.unwrap();
    let options: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
    assert!(options.iter().any(|option| option == "ENABLE_FTS5"), "{options:?}");
    assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
}
