//! Banks that bill, for the tests of this capability and of those that go by bills.

use domain::PersonId;
use jiff::ToSpan as _;
use server_kit::store::{StoreError, Value};
use uuid::Uuid;

use super::*;
use crate::records::testing::World as Recorded;
use crate::testing::TestHub;

pub(crate) fn bill_parts(hub: &TestHub, feed: &Feed, owner: &Arc<Owner>) -> BillParts {
    BillParts {
        store: hub.store.clone(),
        keys: hub.keys.clone(),
        clock: hub.clock(),
        ids: hub.ids.clone(),
        feed: feed.clone(),
        owner: owner.clone(),
        zone: TimeZone::UTC,
    }
}

/// A hub with people, banks that report what they bought, and banks that bill it.
pub(crate) struct World {
    pub(crate) recorded: Recorded,
    pub(crate) bills: Bills,
    pub(crate) today: Date,
}

/// A bill over 1,500.00 of which 150.00 are due at least, in its first version.
pub(crate) fn bill(account: Uuid, closed_on: Date, due_on: Date) -> pb::BillReport {
    pb::BillReport {
        account_id: account.to_string(),
        card_id: String::new(),
        masked: "****4821".to_owned(),
        currency_code: "CNY".to_owned(),
        version: 1,
        opened_on: closed_on.saturating_sub(30.days()).to_string(),
        closed_on: closed_on.to_string(),
        due_on: due_on.to_string(),
        closing_minor: 150_000,
        minimum_minor: 15_000,
        paid_minor: 0,
        standing: pb::BillStanding::Due.into(),
        standing_on: String::new(),
        lines: Vec::new(),
        relation_ended_on: String::new(),
    }
}

impl World {
    pub(crate) async fn open(hub: &TestHub) -> Self {
        let recorded = Recorded::open(hub).await;
        let bills = replica(hub, &recorded.feed, "hub-2").await;
        let today = bills.today().unwrap();
        Self { recorded, bills, today }
    }

    /// So many days from today.
    pub(crate) fn day(&self, ahead: i64) -> Date {
        self.today.saturating_add(ahead.days())
    }

    /// A bill that was closed five days ago and is due in ten.
    pub(crate) fn bill(&self, account: Uuid) -> pb::BillReport {
        bill(account, self.day(-5), self.day(10))
    }

    pub(crate) async fn person(&self, bank: &str) -> (PersonId, Uuid) {
        self.recorded.person(bank).await
    }

    pub(crate) async fn send(&self, bank: &str, bills: Vec<pb::BillReport>) -> Taken {
        report(&self.bills, bank, bills).await.unwrap()
    }

    /// What the person was told as news, by topic, in English.
    pub(crate) async fn told(&self, person: PersonId, topic: &str) -> Vec<String> {
        let sql = "SELECT text_en FROM events WHERE person_id = $1 AND topic = $2 ORDER BY sequence";
        let rows = self.fetch(sql, vec![person.uuid().into(), topic.into()]).await;
        rows.iter().map(|row| row.text(0).unwrap()).collect()
    }

    pub(crate) async fn fetch(&self, sql: &'static str, args: Vec<Value>) -> Vec<server_kit::store::Row> {
        self.recorded.hub.store.fetch(sql, args).await.unwrap()
    }

    /// All that stands of bills, but for the ids that the hub gave them.
    pub(crate) async fn table(&self) -> Vec<String> {
        let sql = "SELECT bank_id || ' ' || currency || ' ' || closed_on || ' ' || report_version || ' ' || due_on || ' ' || \
                   closing_minor || ' ' || minimum_minor || ' ' || paid_minor || ' ' || standing || lines FROM bills \
                   JOIN bill_lines USING (bill_id) \
                   ORDER BY account_id, bank_id, currency, closed_on";
        self.fetch(sql, Vec::new()).await.iter().map(|row| row.text(0).unwrap()).collect()
    }
}

pub(crate) async fn replica(hub: &TestHub, feed: &Feed, name: &str) -> Bills {
    let owner = Arc::new(Owner::take(&hub.store, name, hub.id()).await.unwrap());
    Bills::start(bill_parts(hub, feed, &owner)).0
}

pub(crate) async fn report(bills: &Bills, bank: &str, reports: Vec<pb::BillReport>) -> Result<Taken, Reason> {
    let (bank, request) = (BankId::parse(bank).unwrap(), pb::ReportBillsRequest { bills: reports });
    for _ in 0..20 {
        match bills.report(bank.clone(), &request).await {
            // Another replica has held the rows for a second; a bank sends it again.
            Err(StoreError::Locked(_)) => {}
            taken => return taken.unwrap(),
        }
    }
    panic!("the rows stay locked");
}
