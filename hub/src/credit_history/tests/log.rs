//! The log of inquiries: read in parts, verified, and checked by the hub itself.

use super::*;

async fn asked_three_times(world: &World) -> Person {
    let wang = world.person(WANG.0, WANG.1).await;
    for _ in 0..3 {
        let form = world.given(&wang).await;
        world.ask(&world.inquiry(&wang, &form)).await.unwrap();
    }
    wang
}

#[tokio::test]
async fn r9_the_log_is_read_in_parts_and_each_follows_the_one_before() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let wang = asked_three_times(&world).await;
        let whole = world.log(&wang).await;
        let numbers: Vec<u64> = whole.iter().map(|record| record.number).collect();
        assert_eq!(numbers, [1, 2, 3], "{}", hub.engine);
        let mut parts = Vec::new();
        for after_number in 0..4 {
            let request = phone_pb::ListInquiriesRequest { after_number, page_size: 1 };
            let part = world.history.list_inquiries(wang.id, &request).await.unwrap();
            assert_eq!(part.last_number, 3);
            parts.extend(part.inquiries.iter().map(|it| InquiryRecord::parse(&it.record).unwrap()));
        }
        assert_eq!(parts, whole);
        let li = world.person(LI.0, LI.1).await;
        assert_eq!(world.log(&li).await, [], "of somebody else there is nothing to read");
        let request = phone_pb::ListInquiriesRequest { after_number: -1, page_size: 0 };
        assert_eq!(reason(world.history.list_inquiries(li.id, &request).await), Reason::SequenceOutOfRange);
    })
    .await;
}

#[tokio::test]
async fn r9_a_record_that_was_changed_or_removed_is_found() {
    const CHANGED: &str = "1 logs of inquiries were changed";
    const CUT: &str = "1 logs of inquiries do not end where they should";
    let table: [(&str, &'static str, &[&str]); 6] = [
        ("nothing", "UPDATE inquiry_log SET number = number", &[]),
        (
            "another purpose",
            "UPDATE inquiry_log SET record = replace(record, 'LOAN_APPLICATION', 'REVIEW') WHERE number = 2",
            &[CHANGED],
        ),
        ("unreadable", "UPDATE inquiry_log SET record = 'nothing' WHERE number = 2", &[CHANGED]),
        ("one left out", "DELETE FROM inquiry_log WHERE number = 2", &[CHANGED]),
        ("the last left out", "DELETE FROM inquiry_log WHERE number = 3", &[CUT]),
        ("all left out", "DELETE FROM inquiry_log", &[CUT]),
    ];
    for (name, sql, wanted) in table {
        on_each_engine(async |hub| {
            let world = World::open(&hub).await;
            let li = world.person(LI.0, LI.1).await;
            let form = world.given(&li).await;
            let wang = asked_three_times(&world).await;
            assert_eq!(world.faults().await, Vec::<String>::new());
            assert!(world.change(sql, vec![]).await > 0);
            assert_eq!(world.faults().await, wanted, "{} {name}", hub.engine);
            let request = phone_pb::ListInquiriesRequest::default();
            let log = world.history.list_inquiries(wang.id, &request).await.unwrap();
            let records: Result<Vec<_>, _> = log.inquiries.iter().map(|it| InquiryRecord::parse(&it.record)).collect();
            let seen = records.ok().and_then(|it| domain::credit_history::check_chain(wang.id, &it, sha256).ok());
            assert_eq!(seen.is_some_and(|last| last == log.last_hash[..]), wanted.is_empty(), "the phone sees {name}");
            // Another person's log is not touched by it.
            world.ask(&world.inquiry(&li, &form)).await.unwrap();
            assert_eq!(world.log(&li).await.len(), 1);
        })
        .await;
    }
}
