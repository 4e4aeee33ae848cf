//! What is on record, for how long, and what is removed.

use phone_pb::HistoryStanding;

use super::*;

#[tokio::test]
async fn r9_what_was_late_is_told_of_for_five_years_after_it_was_paid_and_then_removed() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let last = world.today().saturating_sub(5.years());
        let over = last.saturating_sub(2.days());
        world.bill(&wang, "bank-a", 2_500, &format!("PAID_LATE on={over}")).await;
        world.bill(&wang, "bank-a", 2_501, &format!("SETTLED on={over}")).await;
        world.bill(&wang, "bank-a", 2_502, &format!("SETTLED on={}", last.saturating_add(1.day()))).await;
        world.bill(&wang, "bank-a", 2_503, &format!("ARREARS on={over} left=OVER_50000")).await;
        world.bill(&wang, "bank-a", 2_504, &format!("PAID_IN_TIME on={over}")).await;
        let standings = async || {
            let request = phone_pb::GetCreditHistoryRequest::default();
            let history = world.history.get_credit_history(wang.id, &request).await.unwrap();
            history.entries.iter().map(phone_pb::HistoryEntry::standing).collect::<Vec<_>>()
        };
        let kept = [HistoryStanding::Settled, HistoryStanding::Arrears, HistoryStanding::PaidInTime];
        assert_eq!(standings().await, kept, "{}", hub.engine);
        let form = world.given(&wang).await;
        let report = world.ask(&world.inquiry(&wang, &form)).await.unwrap().report.unwrap();
        assert_eq!(
            (report.summary.unwrap().accounts, report.arrears.unwrap().paid_late),
            (3, 1),
            "before the sweep too"
        );
        assert_eq!(world.count("SELECT count(*) FROM bills").await, 5);
        assert!(!world.history.sweep_some().await.unwrap());
        assert_eq!(world.count("SELECT count(*) FROM bills").await, 3, "{}", hub.engine);
        assert_eq!(standings().await, kept);
    })
    .await;
}

#[tokio::test]
async fn r9_the_sweep_goes_on_until_nothing_is_left_to_remove() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let over = world.today().saturating_sub(6.years());
        for n in 0..250 {
            world.bill(&wang, "bank-a", 2_500 + n, &format!("SETTLED on={over}")).await;
        }
        assert!(world.history.sweep_some().await.unwrap(), "{}", hub.engine);
        assert!(!world.history.sweep_some().await.unwrap());
        assert_eq!(world.count("SELECT count(*) FROM bills").await, 0);
    })
    .await;
}

#[tokio::test]
async fn r9_what_a_bank_was_told_is_kept_for_thirty_days_and_that_it_asked_for_ever() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let form = world.given(&wang).await;
        let request = world.inquiry(&wang, &form);
        let answer = world.ask(&request).await.unwrap();
        let by = async |hours: i64| {
            let sql = "UPDATE inquiry_answers SET answered_at = answered_at - $1";
            world.change(sql, vec![(hours * HOUR * 1_000_000).into()]).await;
            world.history.sweep_some().await.unwrap();
        };
        by(29 * 24).await;
        assert_eq!(world.ask(&request).await.unwrap().report, answer.report, "{}", hub.engine);
        by(2 * 24).await;
        assert_eq!(world.count("SELECT count(*) FROM inquiry_answers").await, 0);
        assert_eq!(world.ask(&request).await, Err(Reason::ConsentUsed));
        assert_eq!(world.log(&wang).await.len(), 2);
        assert_eq!(world.faults().await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn r9_a_person_reads_what_is_on_record_page_by_page() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (wang, li) = (world.person(WANG.0, WANG.1).await, world.person(LI.0, LI.1).await);
        let mut closed = Vec::new();
        for n in 0..23 {
            // Two were closed on each day.
            world.bill(&wang, if n % 2 == 0 { "bank-a" } else { "bank-b" }, 10 + n / 2, "DUE").await;
            closed.push(world.today().saturating_sub((10 + n / 2).days()).to_string());
        }
        world.bill(&li, "bank-a", 12, "DUE").await;
        let (mut read, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = phone_pb::GetCreditHistoryRequest { page_size: 5, page_token };
            let page = world.history.get_credit_history(wang.id, &request).await.unwrap();
            assert!(page.entries.len() <= 5);
            read.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let days: Vec<String> = read.iter().map(|entry| entry.closed_on.clone()).collect();
        assert_eq!(days, closed, "{}", hub.engine);
        let entry = &read[0];
        assert_eq!((entry.account_masked.as_str(), entry.billed.as_ref().unwrap().minor_units), ("****4821", 150_000));
        assert_eq!((entry.standing(), entry.days_late, entry.kept_through.as_str()), (HistoryStanding::Due, 0, ""));
        let request = phone_pb::GetCreditHistoryRequest { page_size: 5, page_token: "x".to_owned() };
        assert_eq!(reason(world.history.get_credit_history(wang.id, &request).await), Reason::PageTokenMalformed);
    })
    .await;
}

#[tokio::test]
async fn r9_what_was_paid_in_time_is_kept_for_five_years_after_the_relation_to_the_bank() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let last = world.today().saturating_sub(5.years());
        let paid = format!("PAID_IN_TIME on={}", last.saturating_sub(30.days()));
        for (bank, ended_on) in [("bank-a", last.saturating_sub(2.days())), ("bank-b", last.saturating_add(1.day()))] {
            world.bill(&wang, bank, 2_000, &paid).await;
            world.bill(&wang, bank, 2_001, "DUE").await;
            world.bill(&wang, bank, 2_002, &format!("ARREARS on={last} left=OVER_50000")).await;
            let sql = "UPDATE bills SET relation_ended_on = $1 WHERE bank_id = $2";
            world.change(sql, vec![ended_on.to_string().into(), bank.into()]).await;
        }
        world.bill(&wang, "bank-c", 2_000, &paid).await;
        let banks = async || {
            let request = phone_pb::GetCreditHistoryRequest::default();
            let history = world.history.get_credit_history(wang.id, &request).await.unwrap();
            let mut banks: Vec<String> = history.entries.iter().map(|entry| entry.bank_id.clone()).collect();
            banks.sort();
            banks
        };
        let kept = ["bank-a", "bank-b", "bank-b", "bank-b", "bank-c"];
        assert_eq!(banks().await, kept, "{}", hub.engine);
        let form = world.given(&wang).await;
        let report = world.ask(&world.inquiry(&wang, &form)).await.unwrap().report.unwrap();
        assert_eq!(report.summary.unwrap().accounts, 5, "arrears are told of until they are paid");
        assert!(!world.history.sweep_some().await.unwrap());
        assert_eq!(world.count("SELECT count(*) FROM bills").await, 5, "{}", hub.engine);
        assert_eq!(banks().await, kept);
    })
    .await;
}

#[tokio::test]
async fn r8_the_newest_bill_that_is_left_stands_in_the_total() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = world.person(WANG.0, WANG.1).await;
        let over = world.today().saturating_sub(6.years());
        world.bill(&wang, "bank-a", 2_600, "DUE").await;
        world.bill(&wang, "bank-a", 2_500, "DUE").await;
        world.bill(&wang, "bank-a", 2_400, &format!("SETTLED on={over}")).await;
        let newest = world.today().saturating_sub(2_400.days()).to_string();
        let sql = "UPDATE bills SET account_id = $1, in_total = CASE WHEN closed_on = $2 THEN 1 ELSE 0 END";
        world.change(sql, vec![hub.id().into(), newest.into()]).await;
        assert!(!world.history.sweep_some().await.unwrap());
        let sql = "SELECT count(*) FROM bills WHERE in_total = CASE WHEN closed_on = \
                   (SELECT max(closed_on) FROM bills) THEN 1 ELSE 0 END";
        assert_eq!(world.count(sql).await, 2, "{}", hub.engine);
    })
    .await;
}
