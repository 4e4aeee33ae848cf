//! A hub with banks that report, for the tests of this capability and of those that follow the record.

use domain::payment::Instrument;
use domain::purchase::Purchase;
use domain::record::PurchaseFilter;
use domain::{AccountId, PersonId};
use proto::common;
use proto::federation::purchase_report::Instrument as Named;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::scan::Scan;
use super::*;
use crate::feed::{FeedOptions, FeedParts};
use crate::testing::TestHub;
use crate::testing::past::Past;

pub(crate) const HELD: common::PurchaseState = common::PurchaseState::Held;
pub(crate) const POSTED: common::PurchaseState = common::PurchaseState::Posted;
pub(crate) const REVERSED: common::PurchaseState = common::PurchaseState::Reversed;

pub(crate) struct World {
    pub(crate) hub: TestHub,
    pub(crate) records: Records,
    pub(crate) feed: Feed,
    pub(crate) past: Past,
    /// The last place that each bank has used.
    places: std::collections::BTreeMap<String, i64>,
}

/// A report whose place is not given yet.
pub(crate) fn purchase(
    account: Uuid,
    id: Uuid,
    version: i64,
    state: common::PurchaseState,
    amount_minor: i64,
    given_back_minor: i64,
) -> pb::PurchaseReport {
    pb::PurchaseReport {
        sequence: 0,
        purchase_id: id.to_string(),
        version,
        instrument: Some(Named::AccountId(account.to_string())),
        masked: "****4821".to_owned(),
        state: state.into(),
        nature: common::Nature::Purchase.into(),
        amount: Some(common::Money { currency_code: "CNY".to_owned(), minor_units: amount_minor }),
        credit_minor: None,
        given_back_minor,
        occurred_at: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        seller: Some(pb::SellerReport {
            merchant_code: "tea-7".to_owned(),
            display_name: "茶馆".to_owned(),
            category_code: "5814".to_owned(),
            terminal_code: "pos-1".to_owned(),
            place: "South Road".to_owned(),
            location: Some(common::Location { latitude: 30.5, longitude: 114.25 }),
        }),
        items: vec![common::LineItem {
            name: "Tea".to_owned(),
            code: String::new(),
            quantity_milli: 1_000,
            amount_minor,
        }],
    }
}

impl World {
    pub(crate) async fn open(hub: &TestHub) -> Self {
        Self::replica(hub, "hub-1").await
    }

    pub(crate) async fn replica(hub: &TestHub, name: &str) -> Self {
        let mark = hub.id();
        let parts = FeedParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            clock: hub.clock(),
            replica: mark,
            draining: CancellationToken::new(),
        };
        let feed = Feed::new(parts, FeedOptions::default());
        let (records, _) = Records::start(RecordParts {
            store: hub.store.clone(),
            keys: hub.keys.clone(),
            feed: feed.clone(),
            owner: Arc::new(Owner::take(&hub.store, name, mark).await.unwrap()),
            writer: WriterOptions::default(),
        });
        let past = Past::new(hub, &feed);
        Self { hub: hub.clone(), records, feed, past, places: std::collections::BTreeMap::new() }
    }

    /// A person with an account at a bank.
    pub(crate) async fn person(&self, bank: &str) -> (PersonId, Uuid) {
        let (person, account) = (self.past.person().await, self.hub.id());
        self.bind(bank, account, person).await;
        (person, account)
    }

    pub(crate) async fn bind(&self, bank: &str, account: Uuid, person: PersonId) {
        let sql = "INSERT INTO bindings (bank_id, instrument_id, version, instrument, person_id, masked, active, is_default, bound_at) \
                   VALUES ($1, $2, 1, 'ACCOUNT', $3, '****4821', 1, 0, 0)";
        self.change(sql, vec![bank.into(), account.into(), person.uuid().into()]).await;
    }

    pub(crate) async fn rebind(&self, account: Uuid, person: PersonId) {
        let sql = "UPDATE bindings SET person_id = $1 WHERE instrument_id = $2";
        self.change(sql, vec![person.uuid().into(), account.into()]).await;
    }

    async fn change(&self, sql: &'static str, args: Vec<server_kit::store::Value>) {
        let mut tx = self.hub.store.begin().await.unwrap();
        tx.execute(sql, args).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Sends reports under the bank's next places.
    pub(crate) async fn send(&mut self, bank: &str, reports: &[pb::PurchaseReport]) -> Result<TakenIn, Reason> {
        let first = self.places.get(bank).copied().unwrap_or(0) + 1;
        self.places.insert(bank.to_owned(), first + reports.len() as i64 - 1);
        self.send_from(bank, first, reports).await
    }

    pub(crate) async fn send_from(
        &self,
        bank: &str,
        first: i64,
        reports: &[pb::PurchaseReport],
    ) -> Result<TakenIn, Reason> {
        let placed = |(report, sequence): (&pb::PurchaseReport, i64)| pb::PurchaseReport { sequence, ..report.clone() };
        let request = pb::ReportPurchasesRequest { reports: reports.iter().zip(first..).map(placed).collect() };
        self.send_as_is(bank, &request).await
    }

    pub(crate) async fn send_as_is(&self, bank: &str, request: &pb::ReportPurchasesRequest) -> Result<TakenIn, Reason> {
        let bank = BankId::parse(bank).unwrap();
        self.records.report(bank, request, self.hub.clock().now()).await.unwrap()
    }

    pub(crate) async fn record(&self, person: PersonId) -> Vec<Purchase> {
        self.record_of(person, &PurchaseFilter::default()).await
    }

    /// What a filter says of the time is heeded.
    pub(crate) async fn record_of(&self, person: PersonId, filter: &PurchaseFilter) -> Vec<Purchase> {
        let mut scan = Scan::all(person, filter);
        let mut all = Vec::new();
        loop {
            let found = scan.next(&self.hub.store, 100).await.unwrap();
            if found.is_empty() {
                return all;
            }
            all.extend(found.into_iter().map(|recorded| recorded.purchase));
        }
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.hub.store.fetch_one(sql, Vec::new()).await.unwrap().unwrap().int(0).unwrap()
    }

    /// All that stands in the tables that reports are written to, but for the order in which people were told.
    pub(crate) async fn tables(&self) -> Vec<String> {
        const SQL: [&str; 4] = [
            "SELECT bank_id || ' ' || through_sequence FROM bank_reports ORDER BY 1",
            "SELECT bank_id || ' ' || sequence || ' ' || reason FROM refused_reports ORDER BY 1",
            "SELECT state || ' ' || report_version || ' ' || amount_minor || ' ' || given_back_minor || ' ' || currency \
             FROM reported_purchases ORDER BY purchase_id, bank_id",
            "SELECT state || ' ' || carrier || ' ' || amount_minor || ' ' || given_back_minor || ' ' || merchant || items \
             FROM purchases ORDER BY payment_id, bank_id",
        ];
        let mut all = Vec::new();
        for sql in SQL {
            let rows = self.hub.store.fetch(sql, Vec::new()).await.unwrap();
            all.extend(rows.iter().map(|row| row.text(0).unwrap()));
        }
        all
    }

    /// That the hub's own check finds nothing.
    pub(crate) async fn check(&self) {
        assert_eq!(crate::check_books(&self.hub.store).await.unwrap().faults, Vec::<String>::new());
    }
}

pub(crate) fn account_of(report: &pb::PurchaseReport) -> Instrument {
    match report.instrument.as_ref().unwrap() {
        Named::AccountId(id) => Instrument::Account(AccountId::parse(id).unwrap()),
        Named::CardId(_) => panic!("no account"),
    }
}
