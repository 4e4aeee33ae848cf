//! The log as those who run the hub read it, and what becomes of one that somebody has touched.

use server_kit::audit::find::{Filter, Place};
use server_kit::audit::{Chain, Entry};
use server_kit::store::Value;

use super::*;
use crate::sign_in::testing::change;

/// A chain of so many pages with two entries each.
async fn write(hub: &TestHub, chain: &str, pages: u128) {
    let mut chain = Chain::new(chain, hub.keys.clone());
    for page in 0..pages {
        let mut tx = hub.store.begin().await.unwrap();
        let entry = |kind, by: &str| Entry {
            kind,
            subject: uuid::Uuid::from_u128(page + 1),
            content: format!("page={page} by={by}"),
        };
        let entries = vec![entry("FIRST", "ann"), entry("SECOND", "operator/bob")];
        chain.append(&mut tx, entries).await.unwrap();
        chain.settle(tx.commit().await).unwrap();
    }
    chain.seal_now(&hub.store).await.unwrap();
}

async fn faults(hub: &TestHub) -> Vec<String> {
    let reports = audit::verify(&hub.store, &*hub.keys).await.unwrap();
    reports.into_iter().flat_map(|report| report.faults).collect()
}

#[tokio::test]
async fn m8_a_row_of_the_log_that_was_changed_removed_or_swapped_is_found() {
    on_each_engine(async |hub| {
        write(&hub, "hub-9/test", 20).await;
        assert!(faults(&hub).await.is_empty());
        let page = |seq: i64| vec![Value::from("hub-9/test"), seq.into()];
        let sql = "SELECT occurred_at, entries, hash FROM audit_log WHERE chain = $1 AND seq = $2";
        let row = hub.store.fetch_one(sql, page(10)).await.unwrap().unwrap();
        let (at, entries, hash) = (row.int(0).unwrap(), row.text(1).unwrap(), row.bytes(2).unwrap());

        let set = "UPDATE audit_log SET entries = $3 WHERE chain = $1 AND seq = $2";
        let forged = entries.replace("by=ann", "by=bob");
        assert_ne!(forged, entries);
        change(&hub, set, [page(10), vec![forged.into()]].concat()).await;
        let found = faults(&hub).await;
        assert!(found.iter().any(|fault| fault.contains("entries 9 to 10 was changed")), "{found:?}");
        change(&hub, set, [page(10), vec![entries.clone().into()]].concat()).await;
        assert!(faults(&hub).await.is_empty());

        change(&hub, "DELETE FROM audit_log WHERE chain = $1 AND seq = $2", page(10)).await;
        let found = faults(&hub).await;
        assert!(found.iter().any(|fault| fault.contains("entries 9 to 10 are missing")), "{found:?}");
        let back = "INSERT INTO audit_log (chain, seq, occurred_at, entries, hash) VALUES ($1, $2, $3, $4, $5)";
        change(&hub, back, [page(10), vec![at.into(), entries.into(), hash.into()]].concat()).await;
        assert!(faults(&hub).await.is_empty());

        // Two pages change places, each with everything that is its own.
        for (from, to) in [(10_i64, -1_i64), (12, 10), (-1, 12)] {
            let swap = "UPDATE audit_log SET seq = $3 WHERE chain = $1 AND seq = $2";
            change(&hub, swap, [page(from), vec![to.into()]].concat()).await;
        }
        let found = faults(&hub).await;
        assert!(found.iter().any(|fault| fault.contains("was changed")), "{found:?} on {}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn m8_lines_are_found_by_subject_person_kind_and_time_page_by_page_without_a_gap() {
    on_each_engine(async |hub| {
        let operators = replica(&hub, "hub-1", true).await;
        write(&hub, "hub-8/one", 60).await;
        write(&hub, "hub-9/two", 60).await;
        let count = async |filter: Filter, size| {
            let (mut place, mut seen): (Option<Place>, Vec<(String, i64, String)>) = (None, Vec::new());
            loop {
                let found = operators.log(&filter, place, size).await.unwrap();
                assert!(found.lines.len() <= size);
                seen.extend(
                    found
                        .lines
                        .iter()
                        .map(|it| (it.chain.clone(), it.seq, format!("{} {}", it.logged.kind, it.logged.content))),
                );
                place = found.next.map(|place| Place::parse(&place.to_string()).unwrap());
                if place.is_none() {
                    let all = seen.len();
                    seen.sort();
                    seen.dedup();
                    assert_eq!(seen.len(), all, "none twice");
                    return all;
                }
            }
        };
        for size in [1, 7, 50, 500] {
            let test = |kind: &str| Filter { kind: Some(kind.to_owned()), ..Filter::default() };
            assert_eq!(count(test("FIRST"), size).await, 120, "{size} on {}", hub.engine);
            assert_eq!(count(Filter::default(), size).await, 242, "with the two registrations");
        }
        let by = |by: &str| Filter { by: Some(by.to_owned()), ..Filter::default() };
        assert_eq!((count(by("bob"), 50).await, count(by("mallory"), 50).await), (120, 0));
        let about = Filter { subject: Some(uuid::Uuid::from_u128(7)), ..Filter::default() };
        assert_eq!(count(about, 50).await, 4);
        let past = Filter { until: Some(domain::Timestamp::from_secs(1)), ..Filter::default() };
        assert_eq!(count(past, 50).await, 0);
        let bad = pb::FindLogLinesRequest { page_token: "1.2".to_owned(), ..Default::default() };
        assert_eq!(operators.find_log_lines(&bad).await.err(), Some(Reason::PageTokenMalformed));
        let bad = pb::FindLogLinesRequest { page_size: 201, ..Default::default() };
        assert_eq!(operators.find_log_lines(&bad).await.err(), Some(Reason::PageSizeOutOfRange));
    })
    .await;
}
