//! What a bank must not send, each refused by its reason and nothing stored.

use proto::federation::purchase_report::Instrument as Named;

use super::*;
use crate::testing::TestHub;

#[tokio::test]
async fn r1_reports_that_do_not_say_their_place_are_refused_as_a_whole() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (_, account) = world.person("bank-a").await;
        let fine = purchase(account, hub.id(), 1, POSTED, 100, 0);
        let at = |sequence| pb::PurchaseReport { sequence, ..fine.clone() };
        let table = [
            (vec![], Reason::FieldMissing),
            (vec![at(0)], Reason::SequenceOutOfRange),
            (vec![at(-1)], Reason::SequenceOutOfRange),
            (vec![at(i64::MIN)], Reason::SequenceOutOfRange),
            (vec![at(i64::MAX)], Reason::SequenceOutOfRange),
            (vec![at(1), at(3)], Reason::ReportsOutOfOrder),
            (vec![at(2), at(1)], Reason::ReportsOutOfOrder),
            (vec![at(1), at(1)], Reason::ReportsOutOfOrder),
            ((1..=201).map(at).collect(), Reason::TooManyItems),
        ];
        for (reports, wanted) in table {
            let sent = world.send_as_is("bank-a", &pb::ReportPurchasesRequest { reports }).await;
            assert_eq!(sent, Err(wanted), "{}", hub.engine);
        }
        assert_eq!(world.tables().await, Vec::<String>::new());
    })
    .await;
}

/// Reports that cannot be, and why.
fn unreadable(hub: &TestHub, account: uuid::Uuid, of_another_bank: uuid::Uuid) -> Vec<(pb::PurchaseReport, Reason)> {
    let fine = || purchase(account, hub.id(), 1, POSTED, 1_000, 0);
    let seller = |change: fn(&mut pb::SellerReport)| {
        let mut report = fine();
        change(report.seller.as_mut().unwrap());
        report
    };
    let money = |code: &str, minor_units| Some(common::Money { currency_code: code.to_owned(), minor_units });
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    vec![
        (purchase(of_another_bank, hub.id(), 1, POSTED, 100, 0), Reason::NotYours),
        (pb::PurchaseReport { purchase_id: "7".to_owned(), ..fine() }, Reason::IdMalformed),
        (pb::PurchaseReport { version: 0, ..fine() }, Reason::SequenceOutOfRange),
        (pb::PurchaseReport { version: -3, ..fine() }, Reason::SequenceOutOfRange),
        (pb::PurchaseReport { instrument: None, ..fine() }, Reason::FieldMissing),
        (pb::PurchaseReport { instrument: Some(Named::CardId("x".to_owned())), ..fine() }, Reason::IdMalformed),
        (pb::PurchaseReport { masked: "6228480000000015".to_owned(), ..fine() }, Reason::TextMalformed),
        (pb::PurchaseReport { masked: String::new(), ..fine() }, Reason::TextMalformed),
        (pb::PurchaseReport { masked: "****\u{1b}[31m".to_owned(), ..fine() }, Reason::TextMalformed),
        (pb::PurchaseReport { state: 0, ..fine() }, Reason::FieldUnknown),
        (pb::PurchaseReport { state: 9, ..fine() }, Reason::FieldUnknown),
        (pb::PurchaseReport { nature: 0, ..fine() }, Reason::FieldUnknown),
        (pb::PurchaseReport { nature: common::Nature::Deposit.into(), ..fine() }, Reason::NatureUnsupported),
        (pb::PurchaseReport { amount: None, ..fine() }, Reason::FieldMissing),
        (pb::PurchaseReport { amount: money("cny", 1), ..fine() }, Reason::CurrencyUnknown),
        (pb::PurchaseReport { amount: money("CNY", -1), ..fine() }, Reason::AmountNotPositive),
        (pb::PurchaseReport { amount: money("CNY", i64::MAX), ..fine() }, Reason::AmountTooLarge),
        (pb::PurchaseReport { credit_minor: Some(1_001), ..fine() }, Reason::AmountMalformed),
        (pb::PurchaseReport { given_back_minor: 1_001, ..fine() }, Reason::RefundTooLarge),
        (pb::PurchaseReport { given_back_minor: -1, ..fine() }, Reason::RefundTooLarge),
        (pb::PurchaseReport { state: HELD.into(), given_back_minor: 1, ..fine() }, Reason::RefundTooLarge),
        (pb::PurchaseReport { occurred_at: None, ..fine() }, Reason::FieldMissing),
        (pb::PurchaseReport { occurred_at: at(0), ..fine() }, Reason::TimeOutOfRange),
        (pb::PurchaseReport { occurred_at: at(i64::MAX), ..fine() }, Reason::TimeOutOfRange),
        (pb::PurchaseReport { seller: None, ..fine() }, Reason::FieldMissing),
        (seller(|it| it.merchant_code = "Tea".to_owned()), Reason::NameMalformed),
        (seller(|it| it.merchant_code = "a".repeat(16)), Reason::NameMalformed),
        (seller(|it| it.terminal_code.clear()), Reason::NameMalformed),
        (seller(|it| it.display_name = "two\nlines".to_owned()), Reason::TextMalformed),
        (seller(|it| it.category_code = "58".to_owned()), Reason::CategoryMalformed),
        (
            seller(|it| it.location = Some(common::Location { latitude: 91.0, longitude: 0.0 })),
            Reason::LocationMalformed,
        ),
        (
            seller(|it| it.location = Some(common::Location { latitude: f64::NAN, longitude: 0.0 })),
            Reason::LocationMalformed,
        ),
        (
            seller(|it| it.location = Some(common::Location { latitude: 0.0, longitude: -180.1 })),
            Reason::LocationMalformed,
        ),
        (
            seller(|it| it.location = Some(common::Location { latitude: 0.0, longitude: f64::INFINITY })),
            Reason::LocationMalformed,
        ),
        (pb::PurchaseReport { items: vec![common::LineItem::default()], ..fine() }, Reason::AmountNotPositive),
        (pb::PurchaseReport { items: vec![fine().items[0].clone(); 101], ..fine() }, Reason::TooManyItems),
    ]
}

#[tokio::test]
async fn r1_a_report_that_cannot_be_is_refused_by_itself_and_those_after_it_are_taken_in() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let (_, of_another_bank) = world.person("bank-b").await;
        let table = unreadable(&hub, account, of_another_bank);
        let mut reports: Vec<pb::PurchaseReport> = table.iter().map(|(report, _)| report.clone()).collect();
        reports.push(purchase(account, hub.id(), 1, POSTED, 1_000, 0));
        let wanted: Vec<(i64, Reason)> = table.iter().zip(1..).map(|((_, reason), place)| (place, *reason)).collect();
        let sent = world.send("bank-a", &reports).await.unwrap();
        assert_eq!(sent, TakenIn { through_sequence: reports.len() as i64, refused: wanted }, "{}", hub.engine);
        assert_eq!(world.record(person).await.len(), 1);
        assert_eq!(world.count("SELECT count(*) FROM purchases").await, 1);
        world.check().await;
    })
    .await;
}

#[tokio::test]
async fn r1_a_version_that_goes_back_or_says_something_else_changes_nothing() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let id = hub.id();
        let of = |version, state, amount, back| purchase(account, id, version, state, amount, back);
        world.send("bank-a", &[of(5, POSTED, 1_000, 400)]).await.unwrap();
        let before = world.record(person).await;
        let yen = common::Money { currency_code: "JPY".to_owned(), minor_units: 1_000 };
        let told = [
            of(5, POSTED, 1_000, 500),
            of(6, HELD, 1_000, 0),
            of(7, POSTED, 1_000, 399),
            pb::PurchaseReport { amount: Some(yen), ..of(8, POSTED, 1_000, 400) },
            of(4, REVERSED, 1_000, 0),
        ];
        let refused = vec![
            (2, Reason::RecordVersionTaken),
            (3, Reason::RecordGoesBack),
            (4, Reason::RecordGoesBack),
            (5, Reason::CurrencyMismatch),
        ];
        assert_eq!(world.send("bank-a", &told).await, Ok(TakenIn { through_sequence: 6, refused }), "{}", hub.engine);
        assert_eq!(world.record(person).await, before);
    })
    .await;
}

#[tokio::test]
async fn r1_a_bank_whose_count_has_gone_back_is_told_so() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let told = [purchase(account, hub.id(), 1, POSTED, 100, 0), purchase(account, hub.id(), 1, POSTED, 200, 0)];
        world.send("bank-a", &told).await.unwrap();
        let other = purchase(account, hub.id(), 1, POSTED, 300, 0);
        assert_eq!(world.send_from("bank-a", 2, &[other]).await, Err(Reason::ReportSequenceTaken), "{}", hub.engine);
        assert_eq!(world.record(person).await.len(), 2);
    })
    .await;
}
