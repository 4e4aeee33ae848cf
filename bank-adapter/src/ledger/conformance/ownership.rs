//! Who may write the ledger, when connections break.

use std::time::Duration;

use domain::Reason;
use domain::ledger::LegState::Held;
use server_kit::store::{Dialect, OwnershipLost, StoreError};
use tokio_util::sync::CancellationToken;

use super::bank::{Bank, hold_order};
use crate::ledger::LedgerError;

const OFTEN: Duration = Duration::from_millis(10);

pub(super) async fn a_second_owner_is_refused(bank: Bank) {
    let refused = bank.second_owner().await.unwrap_err();
    match bank.database.dialect() {
        Dialect::Sqlite => assert!(matches!(refused, StoreError::InUse { .. }), "{refused}"),
        Dialect::Postgres => assert!(matches!(refused, StoreError::Owned { .. }), "{refused}"),
    }
    bank.end().await;
}

pub(super) async fn the_ledger_goes_on_after_all_connections_broke(bank: Bank) {
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    bank.database.cut_connections().await;
    let owner = bank.ledger.owner();
    let (seen, stop) = (CancellationToken::new(), CancellationToken::new());
    let held = |is_held| {
        if is_held {
            seen.cancel()
        }
    };
    let watch = owner.keep(OFTEN, stop.clone(), held);
    let hold = async {
        // Each try may meet a connection of the pool that is broken still; none of them is answered wrongly.
        loop {
            match bank.ledger.hold(hold_order(leg, account, 300)).await {
                Ok(leg) => break assert_eq!(leg.state, Held),
                Err(LedgerError::Store(StoreError::Away(_))) => {}
                Err(error) => panic!("{error}"),
            }
        }
        seen.cancelled().await;
        stop.cancel();
    };
    let (watched, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(watch, hold) }).await.unwrap();
    assert_eq!(watched, Ok(()));
    drop(owner);
    assert_eq!(bank.available(account).await, 700);
    assert_eq!(bank.hold(leg, account, 301).await, Err(Reason::LegIdTaken));
    bank.end().await;
}

pub(super) async fn who_lost_the_ledger_to_another_process_writes_no_more(bank: Bank) {
    if bank.database.dialect() == Dialect::Sqlite {
        // A file has one owner for as long as its process lives.
        return bank.end().await;
    }
    let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
    bank.database.cut_connections().await;
    let successor = loop {
        match bank.second_owner().await {
            Ok(owner) => break owner,
            // The server may still be ending the session that held the lock.
            Err(StoreError::Owned { .. }) => tokio::time::sleep(OFTEN).await,
            Err(error) => panic!("{error}"),
        }
    };
    let refused = loop {
        match bank.ledger.hold(hold_order(leg, account, 300)).await {
            Err(LedgerError::Store(StoreError::Away(_))) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(refused, LedgerError::Store(StoreError::Fenced { .. })), "{refused}");
    let owner = bank.ledger.owner();
    let watched = owner.keep(OFTEN, CancellationToken::new(), |_| {});
    let watched = tokio::time::timeout(Duration::from_secs(20), watched).await.unwrap();
    assert_eq!(watched, Err(OwnershipLost { name: "bank-a/ledger".to_owned() }));
    drop((owner, successor));
    assert_eq!(bank.available(account).await, 1_000);
    bank.end().await;
}
