//! Who may write under a name, when connections break.

use tokio_util::sync::CancellationToken;

use super::*;

const OFTEN: Duration = Duration::from_millis(10);

async fn set_mark(store: &Store, mark: u128) {
    let mut tx = store.begin().await.unwrap();
    tx.execute("UPDATE owners SET mark = $1 WHERE name = 'bank-a'", vec![id(mark).into()]).await.unwrap();
    tx.commit().await.unwrap();
}

/// Waits until the name is held, or lost.
async fn kept(owner: &Owner) -> Result<(), OwnershipLost> {
    let stop = CancellationToken::new();
    let once_held = |held: bool| {
        if held {
            stop.cancel();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), owner.keep(OFTEN, stop.clone(), once_held)).await.unwrap()
}

#[tokio::test]
async fn one_process_owns_a_name_and_a_successor_fences_it() {
    for database in databases().await {
        let store = open(&database).await;
        let first = Owner::take(&store, "bank-a", id(1)).await.unwrap();
        if database.dialect() == Dialect::Postgres {
            let second = Owner::take(&store, "bank-a", id(2)).await;
            assert!(matches!(second, Err(StoreError::Owned { .. })));
            assert!(Owner::take(&store, "bank-b", id(2)).await.is_ok());
        }
        let mut tx = store.begin().await.unwrap();
        first.fence(&mut tx);
        tx.flush().await.unwrap();
        drop(tx);
        assert_eq!(kept(&first).await, Ok(()));
        // A successor that took over while the first was cut off leaves its mark.
        set_mark(&store, 9).await;
        if database.dialect() == Dialect::Postgres {
            let mut tx = store.begin().await.unwrap();
            first.fence(&mut tx);
            // Also when what it has to write is taken: that may be the successor's doing.
            tx.insert(&OWNERS, vec![vec!["bank-a".into(), id(1).into()]]).await.unwrap();
            assert!(matches!(tx.flush().await, Err(StoreError::Fenced { .. })));
            drop(tx);
            let mut tx = store.begin().await.unwrap();
            first.fence(&mut tx);
            let asked = tx.fetch("SELECT name FROM owners", Vec::new()).await;
            assert!(matches!(asked, Err(StoreError::Fenced { .. })));
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_no_lost_name() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let owner = Owner::take(&store, "bank-a", id(1)).await.unwrap();
    database.cut_connections().await;
    assert_eq!(kept(&owner).await, Ok(()));
    // The mark is the same, so that a step which was under way meanwhile is not fenced.
    let mut tx = open(&database).await.begin().await.unwrap();
    owner.fence(&mut tx);
    tx.flush().await.unwrap();
    drop(tx);
    let second = Owner::take(&store, "bank-a", id(2)).await;
    assert!(matches!(second, Err(StoreError::Owned { .. })), "the lock is held again");
}

#[tokio::test]
async fn a_lock_that_the_server_still_holds_for_the_lost_connection_is_waited_for() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let owner = Owner::take(&store, "bank-a", id(1)).await.unwrap();
    database.cut_connections().await;
    // Stands for the connection of a host that has gone without a word.
    let mut ghost = <sqlx::PgConnection as sqlx::Connection>::connect(database.url()).await.unwrap();
    let lock = "SELECT pg_advisory_lock(hashtextextended('bank-a', 0))";
    sqlx::query(lock).execute(&mut ghost).await.unwrap();
    let (stop, reports) = (CancellationToken::new(), std::sync::Mutex::new(Vec::new()));
    let note = |held| {
        reports.lock().unwrap().push(held);
        if held {
            stop.cancel();
        }
    };
    let ghost_ends = async {
        while reports.lock().unwrap().is_empty() {
            tokio::time::sleep(OFTEN).await;
        }
        drop(ghost);
    };
    let (ended, ()) = tokio::join!(owner.keep(OFTEN, stop.clone(), note), ghost_ends);
    assert_eq!(ended, Ok(()));
    let reports = reports.into_inner().unwrap();
    assert!(reports.len() > 1 && !reports[0] && reports[reports.len() - 1], "{reports:?}");
}

#[tokio::test]
async fn a_name_that_another_process_took_is_lost_even_when_that_one_has_gone_again() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let store = open(&database).await;
    let owner = Owner::take(&store, "bank-a", id(1)).await.unwrap();
    database.cut_connections().await;
    set_mark(&open(&database).await, 9).await;
    assert_eq!(kept(&owner).await, Err(OwnershipLost { name: "bank-a".to_owned() }));
}
