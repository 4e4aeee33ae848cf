//! What of bills is marked as standing in the total.

use domain::bill::Total;

use super::*;

/// On how many days ago the bills of an account were closed that are marked, the first first.
async fn marked(world: &World, account: Uuid) -> Vec<i64> {
    let sql = "SELECT closed_on FROM bills WHERE account_id = $1 AND in_total = 1 ORDER BY closed_on";
    let rows = world.fetch(sql, vec![account.into()]).await;
    let ago = |closed_on: Date| i64::from((world.today - closed_on).get_days());
    rows.iter().map(|row| ago(row.parsed(0, str::parse::<Date>).unwrap())).collect()
}

async fn totals(world: &World, person: PersonId) -> Vec<Total> {
    world.bills.total(person, world.today).await.unwrap().unwrap()
}

#[tokio::test]
async fn r8_the_newest_bill_and_arrears_are_marked_in_whatever_order_they_come() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let closed = |ago: i64| bill(account, world.day(-ago), world.day(20 - ago));
        let arrears = version(&closed(33), 1, |it| standing(it, pb::BillStanding::Arrears, world.day(-1)));
        let settled = version(&arrears, 2, |it| {
            standing(it, pb::BillStanding::Settled, world.today);
            it.paid_minor = it.closing_minor;
        });
        let steps = [
            (vec![closed(2)], vec![2]),
            (vec![arrears.clone()], vec![33, 2]),
            (vec![closed(21), closed(12)], vec![33, 2]),
            (vec![settled], vec![2]),
            // In one call, and one over the other.
            (vec![closed(1), closed(0)], vec![0]),
            (vec![version(&closed(2), 2, |it| it.paid_minor = 1)], vec![0]),
        ];
        for (reports, wanted) in steps {
            let count = reports.len();
            assert_eq!(world.send("bank-a", reports).await, vec![Ok(()); count]);
            assert_eq!(marked(&world, account).await, wanted, "{}", hub.engine);
            world.recorded.check().await;
        }
        let open: Vec<_> = totals(&world, person).await.iter().map(|it| (it.open, it.due.minor)).collect();
        assert_eq!(open, [(1, 150_000)], "{}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r8_marks_that_a_hub_from_before_has_left_are_passed_over_until_the_next_bill() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let reports = [35, 5].map(|ago| bill(account, world.day(-ago), world.day(20 - ago))).to_vec();
        assert_eq!(world.send("bank-a", reports).await, [Ok(()), Ok(())]);
        let before = totals(&world, person).await;
        assert_eq!(before[0].overdue_since, None);
        let mut tx = hub.store.begin().await.unwrap();
        tx.execute("UPDATE bills SET in_total = 1", Vec::new()).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(totals(&world, person).await, before, "{}", hub.engine);
        let faults = crate::check::check_books(&hub.store).await.unwrap().faults;
        assert!(faults.iter().any(|fault| fault.contains("1 bills stand in the total")), "{faults:?}");
        // The migration marks as the rule does, on both engines by the same words.
        let migration = include_str!("../../../migrations/sqlite/0037_bills_in_total.sql");
        let update = migration.split(';').find(|it| it.contains("UPDATE bills")).unwrap();
        assert!(include_str!("../../../migrations/postgres/0037_bills_in_total.sql").contains(update));
        let mut tx = hub.store.begin().await.unwrap();
        assert_eq!(tx.execute(update, Vec::new()).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(marked(&world, account).await, [5], "{}", hub.engine);
        assert_eq!(world.send("bank-a", vec![bill(account, world.today, world.day(25))]).await, [Ok(())]);
        assert_eq!(marked(&world, account).await, [0], "{}", hub.engine);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r8_bills_of_two_people_over_one_account_are_marked_each() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (anna, account) = world.person("bank-a").await;
        let ben = world.recorded.past.person().await;
        assert_eq!(world.send("bank-a", vec![bill(account, world.day(-35), world.day(-15))]).await, [Ok(())]);
        world.recorded.rebind(account, ben).await;
        assert_eq!(world.send("bank-a", vec![world.bill(account)]).await, [Ok(())]);
        assert_eq!(marked(&world, account).await, [35, 5], "{}", hub.engine);
        for person in [anna, ben] {
            assert_eq!(totals(&world, person).await[0].open, 1, "{}", hub.engine);
        }
        world.recorded.check().await;
    })
    .await;
}
