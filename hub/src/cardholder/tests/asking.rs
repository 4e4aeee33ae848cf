//! Filters, sums and files of the record, as a phone asks for them (R7).

use proto::common;

use super::*;

fn filter(change: impl FnOnce(&mut pb::PurchaseFilter)) -> Option<pb::PurchaseFilter> {
    let mut filter = pb::PurchaseFilter::default();
    change(&mut filter);
    Some(filter)
}

async fn sums(world: &World, token: &str, request: pb::SumPaymentsRequest) -> Result<Vec<pb::PurchaseSum>, Status> {
    world.api.sum_payments(with_token(token, request)).await.map(|answer| answer.into_inner().sums)
}

async fn file(world: &World, token: &str, request: pb::ExportPaymentsRequest) -> Result<String, Status> {
    let pieces = world.api.export_payments(with_token(token, request)).await?.into_inner();
    let pieces: Vec<Vec<u8>> = pieces.map(|piece| piece.unwrap().chunk).collect().await;
    Ok(String::from_utf8(pieces.concat()).unwrap())
}

#[tokio::test]
async fn r7_a_filtered_record_is_paged_to_its_end_with_each_purchase_once() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        // Every fourth event is a charge of so many yuan as its place: 2, 6, 10 …
        world.past.happen(&[phone.person_id], 200).await;
        let dear = filter(|it| it.least_minor = Some(10_000));
        let (mut found, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListPaymentsRequest { page_size: 7, page_token, filter: dear.clone() };
            let page = world.api.list_payments(with_token(&phone.token, request)).await.unwrap().into_inner();
            found.extend(page.purchases.iter().map(|purchase| purchase.amount.as_ref().unwrap().minor_units));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let wanted: Vec<i64> = (1..=200).rev().filter(|n| n % 4 == 2 && *n >= 100).map(|n| n * 100).collect();
        assert_eq!(found, wanted, "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r7_sums_over_all_banks_are_those_of_the_list() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        world.past.happen(&[phone.person_id], 40).await;
        let by = |group_by: pb::GroupBy| pb::SumPaymentsRequest { group_by: group_by.into(), ..Default::default() };
        let all = sums(&world, &phone.token, by(pb::GroupBy::Unspecified)).await.unwrap();
        let wanted: i64 = (1..=40).filter(|n| n % 4 == 2).map(|n| n * 100).sum();
        assert_eq!(all.len(), 1, "{}", hub.engine);
        assert_eq!((all[0].amount.as_ref().unwrap().minor_units, all[0].count), (wanted, 10));
        for (group_by, key) in [
            (pb::GroupBy::Bank, "bank-a"),
            (pb::GroupBy::Account, "bank-a ****4821"),
            (pb::GroupBy::Merchant, "noodles"),
            (pb::GroupBy::Category, "5812"),
            (pb::GroupBy::Nature, "CASH_WITHDRAWAL"),
        ] {
            let some = sums(&world, &phone.token, by(group_by)).await.unwrap();
            let found: Vec<_> =
                some.iter().map(|sum| (sum.key.as_str(), sum.amount.as_ref().unwrap().minor_units)).collect();
            assert_eq!(found, [(key, wanted)]);
        }
        let none = pb::SumPaymentsRequest {
            filter: filter(|it| it.bank_ids = vec!["bank-b".to_owned()]),
            ..by(pb::GroupBy::Bank)
        };
        assert_eq!(sums(&world, &phone.token, none).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn r7_the_record_as_csv_has_a_line_for_each_purchase_and_runs_no_formula() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        world.past.happen(&[phone.person_id], 900).await;
        let named = r#"{"id":"noodles","name":"=1+1, \"面馆\"","category":"5812"}"#;
        let sql = "UPDATE purchases SET merchant = $1 WHERE sequence = 2";
        let mut tx = world.hub.store.begin().await.unwrap();
        tx.execute(sql, vec![named.into()]).await.unwrap();
        tx.commit().await.unwrap();
        let request = pb::ExportPaymentsRequest { filter: None, format: pb::ExportFormat::Csv.into() };
        let text = file(&world, &phone.token, request).await.unwrap();
        let lines: Vec<&str> = text.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        assert_eq!(lines.len(), 1 + 225, "{}", hub.engine);
        assert!(lines[0].starts_with("entry_id,entry,payment_id,time,state,nature,amount,currency,"));
        assert!(lines[225].contains(",\"'=1+1, \"\"面馆\"\"\","), "{}", lines[225]);
        assert!(
            lines[1]
                .contains(",898.00,CNY,0.00,bank-a,****4821,noodles,老王面馆,5812,till-1,West Gate,牛肉面; Tea,HUB")
        );
    })
    .await;
}

#[tokio::test]
async fn r7_a_question_that_cannot_be_read_is_refused_by_reason() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let many = |text: &str| vec![text.to_owned(); 51];
        let table = [
            (filter(|it| it.bank_ids = vec!["Bank A".to_owned()]), Reason::NameMalformed),
            (filter(|it| it.bank_ids = many("bank-a")), Reason::TooManyItems),
            (filter(|it| it.accounts_masked = vec!["a\nb".to_owned()]), Reason::TextMalformed),
            (filter(|it| it.merchant_ids = vec![String::new()]), Reason::NameMalformed),
            (filter(|it| it.category_codes = vec!["x".to_owned()]), Reason::CategoryMalformed),
            (filter(|it| it.natures = vec![0]), Reason::FieldUnknown),
            (filter(|it| it.natures = vec![99]), Reason::FieldUnknown),
            (filter(|it| it.states = vec![common::PurchaseState::Unspecified.into()]), Reason::FieldUnknown),
            (filter(|it| it.currency_code = "yuan".to_owned()), Reason::CurrencyUnknown),
            (filter(|it| it.text = "x".repeat(101)), Reason::TextMalformed),
            (filter(|it| it.text = "a b c d e f g h i".to_owned()), Reason::TooManyItems),
            (filter(|it| (it.from_time, it.until_time) = (at(10), at(9))), Reason::TimeOutOfRange),
        ];
        for (filter, wanted) in table {
            let list = pb::ListPaymentsRequest { filter: filter.clone(), ..Default::default() };
            assert_eq!(reason(world.api.list_payments(with_token(&phone.token, list)).await), wanted, "{filter:?}");
            let sum = pb::SumPaymentsRequest { filter: filter.clone(), ..Default::default() };
            assert_eq!(reason(sums(&world, &phone.token, sum).await), wanted, "{filter:?}");
            let export = pb::ExportPaymentsRequest { filter, format: pb::ExportFormat::Csv.into() };
            assert_eq!(reason(file(&world, &phone.token, export).await), wanted);
        }
        let zone = pb::SumPaymentsRequest { time_zone: "Mars/Olympus".to_owned(), ..Default::default() };
        assert_eq!(reason(sums(&world, &phone.token, zone).await), Reason::TimeZoneUnknown);
        let by = pb::SumPaymentsRequest { group_by: 99, ..Default::default() };
        assert_eq!(reason(sums(&world, &phone.token, by).await), Reason::FieldUnknown);
        assert_eq!(
            reason(file(&world, &phone.token, pb::ExportPaymentsRequest::default()).await),
            Reason::FieldUnknown
        );
    })
    .await;
}
