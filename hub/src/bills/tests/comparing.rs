//! What a bill lists, against what the person's own record has of the account.

use super::*;
use crate::records::testing::{HELD, POSTED, REVERSED, purchase};

/// A purchase that the bank reports as of a day.
fn bought(account: Uuid, id: Uuid, on: Date, amount_minor: i64) -> pb::PurchaseReport {
    let noon = on.at(12, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
    pb::PurchaseReport {
        occurred_at: Some(prost_types::Timestamp { seconds: noon, nanos: 0 }),
        ..purchase(account, id, 1, POSTED, amount_minor, 0)
    }
}

fn line(on: Date, amount_minor: i64, payment: Option<Uuid>) -> pb::BillLine {
    let payment_id = payment.map(|id| id.to_string()).unwrap_or_default();
    pb::BillLine { posted_on: on.to_string(), amount_minor, text: "茶馆".to_owned(), payment_id }
}

async fn compared(world: &World, person: PersonId) -> proto::cardholder::GetBillResponse {
    let all = sql::of_person(&world.bills.store, person).await.unwrap();
    let found = world.bills.compare(person, all[0].bill_id).await.unwrap().unwrap();
    wire::compared(&found, world.today)
}

/// On which side each difference is, with how much more the bill says.
fn brief(answer: &proto::cardholder::GetBillResponse) -> Vec<(&'static str, i64, bool)> {
    let side = |it: &proto::cardholder::BillDifference| match (&it.line, &it.record) {
        (Some(_), None) => "statement",
        (None, Some(_)) => "record",
        _ => "both",
    };
    answer.differences.iter().map(|it| (side(it), it.delta_minor, it.may_follow)).collect()
}

#[tokio::test]
async fn r8_a_bill_lists_where_it_and_the_record_differ() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let other_bank = hub.id();
        world.recorded.bind("bank-b", other_bank, person).await;
        let ids: Vec<Uuid> = (0..9).map(|_| hub.id()).collect();
        let at = |n: usize, ahead, minor| bought(account, ids[n], world.day(ahead), minor);
        let held = pb::PurchaseReport { state: HELD.into(), ..at(4, -15, 700) };
        let split = pb::PurchaseReport { credit_minor: Some(400), ..at(7, -14, 1_000) };
        let reports = [
            at(0, -20, 1_000),
            at(1, -19, 2_000),
            at(2, -18, 3_000),
            at(3, -6, 4_000),
            held,
            at(5, -13, 900),
            at(6, -37, 5_000),
            split,
            at(8, -1, 8_800),
        ];
        world.recorded.send("bank-a", &reports).await.unwrap();
        let reversed = pb::PurchaseReport { version: 2, state: REVERSED.into(), ..reports[5].clone() };
        world.recorded.send("bank-a", &[reversed]).await.unwrap();
        let elsewhere = bought(other_bank, hub.id(), world.day(-20), 1_000);
        world.recorded.send("bank-b", &[elsewhere]).await.unwrap();
        let lines = vec![
            // Posted two days late and named by nothing; then by its payment with another amount, and one that the record lacks.
            line(world.day(-18), 1_000, None),
            line(world.day(-18), 2_500, Some(ids[1])),
            line(world.day(-17), 111, None),
            // Of the cycle before, but posted in this one.
            line(world.day(-35), 5_000, None),
            line(world.day(-14), 400, None),
        ];
        let report = version(&world.bill(account), 1, |it| it.lines = lines);
        assert_eq!(world.send("bank-a", vec![report]).await, [Ok(())]);
        let answer = compared(&world, person).await;
        assert_eq!(answer.agreed, 3, "{} {answer:?}", hub.engine);
        let wanted =
            [("statement", 111, false), ("record", -3_000, false), ("record", -4_000, true), ("both", 500, false)];
        assert_eq!(brief(&answer), wanted, "{} {answer:?}", hub.engine);
        assert_eq!(answer.lines.len(), 5);
        let stranger = world.recorded.past.person().await;
        let bill_id = sql::of_person(&world.bills.store, person).await.unwrap()[0].bill_id;
        let refused = world.bills.compare(stranger, bill_id).await.unwrap();
        assert_eq!(refused.map(|_| ()), Err(Reason::BillUnknown));
    })
    .await;
}

#[tokio::test]
async fn r8_what_came_back_counts_on_the_day_on_which_it_did() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let id = hub.id();
        // Bought in the cycle before this one; the hub hears of the refund today, in the one after.
        let first = bought(account, id, world.day(-50), 3_000);
        world.recorded.send("bank-a", std::slice::from_ref(&first)).await.unwrap();
        let refunded = pb::PurchaseReport { version: 2, given_back_minor: 800, ..first };
        world.recorded.send("bank-a", &[refunded]).await.unwrap();
        let today = bill(account, world.today, world.day(20));
        let report = version(&today, 1, |it| it.lines = vec![line(world.today, -800, None)]);
        assert_eq!(world.send("bank-a", vec![report]).await, [Ok(())]);
        let answer = compared(&world, person).await;
        assert_eq!((answer.agreed, brief(&answer)), (1, Vec::new()), "{} {answer:?}", hub.engine);
    })
    .await;
}

#[tokio::test]
async fn r8_the_bill_that_is_running_has_what_the_record_has_since_the_last_close() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let at = |ahead, minor| bought(account, hub.id(), world.day(ahead), minor);
        let held = pb::PurchaseReport { state: HELD.into(), ..at(-1, 700) };
        let reports = [at(-6, 100), at(-5, 200), at(-4, 3_000), held];
        world.recorded.send("bank-a", &reports).await.unwrap();
        let refunded = pb::PurchaseReport { version: 2, given_back_minor: 500, ..reports[2].clone() };
        world.recorded.send("bank-a", &[refunded]).await.unwrap();
        assert_eq!(world.send("bank-a", vec![world.bill(account)]).await, [Ok(())]);
        let listed = list(&world, person, pb_list(0, "")).await;
        let running = listed[0].running.as_ref().unwrap();
        assert_eq!(running.opened_on, world.day(-4).to_string(), "{}", hub.engine);
        let charged = running.charged.as_ref().unwrap().minor_units;
        assert_eq!((running.count, charged, running.given_back_minor), (3, 3_700, 500), "{running:?}");
        assert!(running.closes_on > world.today.to_string() && running.due_on > running.closes_on, "{running:?}");
    })
    .await;
}

#[tokio::test]
async fn r8_two_cards_of_one_bank_that_are_masked_alike_are_told_apart() {
    on_each_engine(async |hub| {
        let mut world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let other = hub.id();
        world.recorded.bind("bank-a", other, person).await;
        let reports =
            [bought(account, hub.id(), world.day(-20), 1_000), bought(other, hub.id(), world.day(-19), 2_000)];
        let came_back = pb::PurchaseReport { version: 2, given_back_minor: 300, ..reports[1].clone() };
        world.recorded.send("bank-a", &reports).await.unwrap();
        world.recorded.send("bank-a", &[came_back]).await.unwrap();
        let listing = |report: pb::BillReport, amount| {
            version(&report, 1, |it| it.lines = vec![line(world.day(-18), amount, None)])
        };
        let bills = [listing(world.bill(account), 1_000), listing(world.bill(other), 2_000)];
        // As long as the other one has no bill, nothing says that there is one.
        assert_eq!(world.send("bank-a", bills[..1].to_vec()).await, [Ok(())]);
        assert_eq!(compared(&world, person).await.differences.len(), 1, "{}", hub.engine);
        assert_eq!(world.send("bank-a", bills[1..].to_vec()).await, [Ok(())]);
        for kept in sql::of_person(&world.bills.store, person).await.unwrap() {
            let found = world.bills.compare(person, kept.bill_id).await.unwrap().unwrap();
            let answer = wire::compared(&found, world.today);
            assert_eq!((answer.agreed, brief(&answer)), (1, Vec::new()), "{} {answer:?}", hub.engine);
        }
    })
    .await;
}
