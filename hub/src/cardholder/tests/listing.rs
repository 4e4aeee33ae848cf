//! ListPayments.

use super::*;

#[tokio::test]
async fn r7_the_record_comes_in_pages_newest_first_with_nothing_left_out() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let phone = world.phone_in_session(PHONE).await;
        // Ten sets of 24 events are 60 purchases; the six of one set have the same time.
        for _ in 0..10 {
            world.past.happen(&[phone.person_id], 24).await;
        }
        for (size, pages) in [(1, 60), (7, 9), (60, 1), (200, 1), (0, 2)] {
            let (mut purchases, mut token, mut count) = (Vec::new(), String::new(), 0);
            loop {
                let page = world.list(&phone.token, size, &token).await.unwrap();
                purchases.extend(page.purchases);
                count += 1;
                token = page.next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((purchases.len(), count), (60, pages), "{} {size}", hub.engine);
            let keys: Vec<_> = purchases
                .iter()
                .map(|purchase| {
                    let at = proto::from_timestamp(purchase.occurred_at.as_ref().unwrap());
                    (at, purchase.payment_id.clone())
                })
                .collect();
            assert!(keys.windows(2).all(|pair| pair[0] > pair[1]));
            // Of each set of four events the second is a withdrawal, whose place is how much of it is an advance.
            let advances: Vec<_> = purchases.iter().map(|p| (p.nature(), p.credit_minor)).collect();
            let expected = (0..60).rev().map(|n| (proto::common::Nature::CashWithdrawal, Some(4 * n + 2)));
            assert_eq!(advances, expected.collect::<Vec<_>>());
        }
    })
    .await;
}

#[tokio::test]
async fn r7_a_page_token_is_good_for_its_own_person_and_cannot_be_made_up() {
    on_each_engine(async |hub| {
        let world = open(&hub, CardholderOptions::default()).await;
        let one = world.phone_in_session(PHONE).await;
        let other = world.phone_in_session("+8613800138001").await;
        world.past.happen(&[one.person_id, other.person_id], 8).await;
        let token = world.list(&one.token, 1, "").await.unwrap().next_page_token;
        world.list(&one.token, 1, &token).await.unwrap();
        let foreign = world.list(&other.token, 1, "").await.unwrap().next_page_token;
        let mut changed = token.clone();
        changed.replace_range(14..16, if &token[14..16] == "00" { "01" } else { "00" });
        for bad in ["x", "00", &foreign, &changed, &token[2..], &format!("{token}00"), &token.to_uppercase()] {
            assert_eq!(
                reason(world.list(&one.token, 1, bad).await),
                Reason::PageTokenMalformed,
                "{} {bad}",
                hub.engine
            );
        }
        for bad in [-1, i32::MIN, 201, i32::MAX] {
            assert_eq!(reason(world.list(&one.token, bad, "").await), Reason::PageSizeOutOfRange, "{bad}");
        }
    })
    .await;
}
