//! What is durable when the process is killed at a durable point (DESIGN §2, D3 and D5): this test starts itself again as
//! the process that dies. Needs the feature `fault-points`.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use domain::ledger::LegState::{Held, Posted};
use domain::{AccountId, LegId};
use server_kit::fault;
use server_kit::store::testing::TestDatabase;

use super::bank::Bank;

/// Tells the process that dies: the URL of the database, the account, and the leg.
const CHILD: &str = "BANKHUB_KILLED_TEST";

#[tokio::test]
async fn what_was_committed_before_a_kill_stands_and_nothing_else() {
    if let Ok(told) = std::env::var(CHILD) {
        return die(&told).await;
    }
    let this_test = "ledger::conformance::killed::what_was_committed_before_a_kill_stands_and_nothing_else";
    let table = [
        ("D3.before", None, 1_000),
        ("D3.after", Some(Held), 700),
        ("D5.before", Some(Held), 700),
        ("D5.after", Some(Posted), 700),
    ];
    for (point, state, left) in table {
        let bank = Bank::open(TestDatabase::sqlite()).await;
        let (account, leg) = (bank.account_with(1_000).await, bank.leg_id());
        let (database, _) = bank.close().await;
        let told = format!("{}|{account}|{leg}", database.url());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", this_test]).env(CHILD, told).env(fault::ENVIRONMENT, point);
        assert_eq!(child.output().unwrap().status.signal(), Some(9), "{point}");

        let bank = Bank::open(database).await;
        assert_eq!(bank.ledger.leg(leg).await.ok().map(|leg| leg.state), state, "{point}");
        assert_eq!(bank.available(account).await, left, "{point}");
        // Whoever asked got no answer and asks again.
        bank.hold(leg, account, 300).await.unwrap();
        assert_eq!(bank.post(leg).await, Ok(Posted), "{point}");
        assert_eq!(bank.available(account).await, 700, "{point}");
        bank.end().await;
    }
}

/// Holds and posts until the fault point that is armed.
async fn die(told: &str) {
    let [url, account, leg] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let bank = Bank::open(TestDatabase::of_another_process(url)).await;
    let leg = LegId::parse(leg).unwrap();
    bank.hold(leg, AccountId::parse(account).unwrap(), 300).await.unwrap();
    bank.post(leg).await.unwrap();
    panic!("nothing killed this process");
}
