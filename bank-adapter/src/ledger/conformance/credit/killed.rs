//! A process that is killed while it closes a day has closed it or has not: this test starts itself again as the process that dies.
//! Needs the feature `fault-points`.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use domain::AccountId;
use domain::ledger::Nature::Purchase;
use jiff::civil::date;
use server_kit::fault;
use server_kit::store::testing::TestDatabase;

use super::super::bank::{Bank, teller};
use super::world::{World, terms};
use crate::credit::CloseOrder;

/// Tells the process that dies: the URL of the database, and the credit account.
const CHILD: &str = "BANKHUB_KILLED_DAY_TEST";

#[tokio::test]
async fn c7_a_day_that_a_kill_broke_off_is_open_or_closed_and_books_once() {
    if let Ok(told) = std::env::var(CHILD) {
        return die(&told).await;
    }
    let this_test =
        "ledger::conformance::credit::killed::c7_a_day_that_a_kill_broke_off_is_open_or_closed_and_books_once";
    for (point, bookings) in [("day.before", 0), ("day.after", 1)] {
        let mut world = World::open(TestDatabase::sqlite(), date(2026, 1, 6), terms()).await;
        world.pay(Purchase, 90_000).await;
        // The due day is over, and not closed.
        world.live_until(date(2026, 2, 25)).await;
        let credit = world.credit;
        let database = world.close_bank().await;
        let told = format!("{}|{credit}", database.url());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", this_test]).env(CHILD, told).env(fault::ENVIRONMENT, point);
        assert_eq!(child.output().unwrap().status.signal(), Some(9), "{point}");

        let bank = Bank::open(database).await;
        let booked = async || bank.store.fetch("SELECT 1 FROM bookings", Vec::new()).await.unwrap().len();
        assert_eq!(booked().await, bookings, "{point}");
        assert!(crate::check_books(&bank.store).await.unwrap().is_right(), "{point}");
        close(&bank, credit).await;
        assert_eq!(booked().await, 1, "{point}");
        assert_eq!(bank.ledger.account(credit).await.unwrap().balance_minor(), -40_000, "{point}");
        bank.end().await;
    }
}

async fn close(bank: &Bank, credit: AccountId) {
    let order = CloseOrder { accounts: vec![credit], through: date(2026, 2, 25) };
    bank.ledger.close_days(order, teller()).await.unwrap();
}

/// Closes the due day until the fault point that is armed.
async fn die(told: &str) {
    let [url, credit] = told.split('|').collect::<Vec<_>>().try_into().unwrap();
    let bank = Bank::open(TestDatabase::of_another_process(url)).await;
    close(&bank, AccountId::parse(credit).unwrap()).await;
    panic!("nothing killed this process");
}
