//! The end of a relation to a bank, which is said with the last bill of an account.

use super::*;

/// What the bills of an account say of their relation, the first first.
async fn relations(world: &World, account: Uuid) -> Vec<Option<String>> {
    let sql = "SELECT relation_ended_on FROM bills WHERE account_id = $1 ORDER BY closed_on";
    world.fetch(sql, vec![account.into()]).await.iter().map(|row| row.maybe_text(0).unwrap()).collect()
}

#[tokio::test]
async fn r9_the_end_of_a_relation_holds_for_all_bills_of_the_account_until_there_is_another_one() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (_, account) = world.person("bank-a").await;
        let paid = |report: pb::BillReport, on: Date| pb::BillReport {
            paid_minor: 150_000,
            standing: pb::BillStanding::PaidInTime.into(),
            standing_on: on.to_string(),
            ..report
        };
        let old = paid(bill(account, world.day(-40), world.day(-20)), world.day(-30));
        let last = paid(bill(account, world.day(-10), world.day(10)), world.day(-5));
        assert_eq!(world.send("bank-a", vec![old.clone(), last.clone()]).await, [Ok(()), Ok(())]);
        assert_eq!(relations(&world, account).await, [None, None], "{}", hub.engine);
        let ended = |on: String| pb::BillReport { version: 2, relation_ended_on: on, ..last.clone() };
        let unpaid = pb::BillReport { version: 2, ..bill(account, world.day(-10), world.day(10)) };
        let table = [
            (ended(world.day(2).to_string()), Reason::TimeOutOfRange),
            (ended(world.day(-11).to_string()), Reason::HistoryMalformed),
            (ended("tomorrow".to_owned()), Reason::DayMalformed),
            (pb::BillReport { relation_ended_on: world.today.to_string(), ..unpaid }, Reason::HistoryMalformed),
        ];
        for (bad, reason) in table {
            assert_eq!(world.send("bank-a", vec![bad.clone()]).await, [Err(reason)], "{bad:?}");
        }
        let on = world.today.to_string();
        for _ in 0..2 {
            assert_eq!(world.send("bank-a", vec![ended(on.clone())]).await, [Ok(())]);
            assert_eq!(relations(&world, account).await, [Some(on.clone()), Some(on.clone())], "{}", hub.engine);
        }
        // One that is corrected later says it, too.
        assert_eq!(world.send("bank-a", vec![pb::BillReport { version: 2, ..old }]).await, [Ok(())]);
        assert_eq!(relations(&world, account).await, [Some(on.clone()), Some(on)], "{}", hub.engine);
        let next = bill(account, world.today, world.day(20));
        assert_eq!(world.send("bank-a", vec![next]).await, [Ok(())]);
        assert_eq!(relations(&world, account).await, [None, None, None], "it lasts again");
    })
    .await;
}
