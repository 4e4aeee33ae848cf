//! Bills over all banks, on both engines.

mod bad;
mod comparing;
mod relations;
mod totals;

use domain::PersonId;
use jiff::ToSpan as _;
use server_kit::rng::{Rng as _, SeededRng};
use uuid::Uuid;

use super::query::ListAsked;
use super::testing::{World, bill, replica, report};
use super::*;
use crate::testing::{TestHub, on_each_engine};

/// The same bill in a later version.
fn version(of: &pb::BillReport, version: i64, change: impl FnOnce(&mut pb::BillReport)) -> pb::BillReport {
    let mut bill = pb::BillReport { version, ..of.clone() };
    change(&mut bill);
    bill
}

fn standing(bill: &mut pb::BillReport, standing: pb::BillStanding, on: Date) {
    (bill.standing, bill.standing_on) = (standing.into(), on.to_string());
}

#[tokio::test]
async fn r8_a_person_hears_of_a_bill_when_it_comes_and_when_it_is_overdue_once_each() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, account) = world.person("bank-a").await;
        let (closed, due) = (world.day(-40), world.day(-10));
        let first = bill(account, closed, due);
        let overdue = version(&first, 3, |it| standing(it, pb::BillStanding::Arrears, world.day(-9)));
        let still = version(&first, 4, |it| {
            standing(it, pb::BillStanding::Arrears, world.day(-5));
            it.paid_minor = 5_000;
        });
        let settled = version(&first, 5, |it| {
            standing(it, pb::BillStanding::Settled, world.day(-1));
            it.paid_minor = 150_000;
        });
        let came = format!("Bill of bank-a ****4821: 1500.00 CNY, at least 150.00 CNY, due on {due}.");
        let late = format!(
            "The bill of bank-a ****4821 was due on {due} and is overdue: 1500.00 CNY left to pay, at least 150.00 CNY of it at once."
        );
        for (report, told) in [
            (first.clone(), vec![came.clone()]),
            (first.clone(), vec![came.clone()]),
            (version(&first, 2, |it| it.paid_minor = 100), vec![came.clone()]),
            (overdue.clone(), vec![came.clone(), late.clone()]),
            (overdue, vec![came.clone(), late.clone()]),
            (still, vec![came.clone(), late.clone()]),
            (settled, vec![came, late]),
        ] {
            assert_eq!(world.send("bank-a", vec![report]).await, [Ok(())], "{}", hub.engine);
            assert_eq!(world.told(person, "BILL").await, told, "{}", hub.engine);
        }
        let sql = "SELECT count(*) FROM events e JOIN bills b ON b.bill_id = e.payment_id AND b.person_id = e.person_id";
        assert_eq!(world.recorded.count(sql).await, 2, "news names the bill");
        // Of what was over long ago nobody is told.
        let old = version(&bill(account, world.day(-100), world.day(-80)), 1, |it| {
            standing(it, pb::BillStanding::PaidInTime, world.day(-85));
            it.paid_minor = 150_000;
        });
        assert_eq!(world.send("bank-a", vec![old]).await, [Ok(())]);
        assert_eq!(world.told(person, "BILL").await.len(), 2);
        let log = server_kit::audit::read_chain(&hub.store, "hub-2/bills").await.unwrap();
        assert_eq!(log.iter().filter(|line| line.kind == "bill.reported").count(), 6);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r8_versions_do_not_go_back_and_say_one_thing_each() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (_, account) = world.person("bank-a").await;
        let stored = version(&world.bill(account), 2, |it| it.paid_minor = 100);
        assert_eq!(world.send("bank-a", vec![stored.clone()]).await, [Ok(())]);
        let before = world.table().await;
        let line = pb::BillLine {
            posted_on: world.day(-9).to_string(),
            amount_minor: 5,
            text: "Tea".into(),
            payment_id: String::new(),
        };
        let table = [
            (stored.clone(), Ok(())),
            (version(&stored, 1, |_| {}), Err(Reason::HistoryOutdated)),
            (version(&stored, 2, |it| it.paid_minor = 200), Err(Reason::HistoryVersionTaken)),
            (version(&stored, 2, |it| it.closing_minor = 149_999), Err(Reason::HistoryVersionTaken)),
            (version(&stored, 2, |it| it.lines = vec![line]), Err(Reason::HistoryVersionTaken)),
        ];
        for (report, wanted) in table {
            assert_eq!(world.send("bank-a", vec![report.clone()]).await, [wanted], "{} {report:?}", hub.engine);
            assert_eq!(world.table().await, before, "{}", hub.engine);
        }
    })
    .await;
}

#[tokio::test]
async fn r8_a_bill_is_of_whoever_has_the_account_or_its_card_and_stays_theirs() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (anna, account) = world.person("bank-a").await;
        let (_, of_another_bank) = world.person("bank-b").await;
        let ben = world.recorded.past.person().await;
        let whose = async || -> Vec<PersonId> {
            let rows = world.fetch("SELECT person_id FROM bills ORDER BY bill_id", Vec::new()).await;
            rows.iter().map(|row| PersonId::from_uuid(row.id(0).unwrap())).collect()
        };
        assert_eq!(world.send("bank-a", vec![world.bill(of_another_bank)]).await, [Err(Reason::NotYours)]);
        assert_eq!(world.send("bank-a", vec![world.bill(hub.id())]).await, [Ok(())], "nobody's");
        assert_eq!(whose().await, [], "{}", hub.engine);
        assert_eq!(world.send("bank-a", vec![world.bill(account)]).await, [Ok(())]);
        // The card is bound and the account by itself is not.
        let card = hub.id();
        world.recorded.bind("bank-a", card, ben).await;
        let mut tx = hub.store.begin().await.unwrap();
        let sql = "UPDATE bindings SET instrument = 'CARD' WHERE instrument_id = $1";
        tx.execute(sql, vec![card.into()]).await.unwrap();
        tx.commit().await.unwrap();
        let over_card = version(&world.bill(hub.id()), 1, |it| it.card_id = card.to_string());
        assert_eq!(world.send("bank-a", vec![over_card]).await, [Ok(())]);
        assert_eq!(whose().await, [anna, ben], "{}", hub.engine);
        world.recorded.rebind(account, ben).await;
        let later = version(&world.bill(account), 2, |it| it.paid_minor = 1);
        let next = bill(account, world.today, world.day(20));
        assert_eq!(world.send("bank-a", vec![later, next]).await, [Ok(()), Ok(())]);
        assert_eq!(whose().await, [anna, ben, ben], "{}", hub.engine);
    })
    .await;
}

/// Bills of some accounts, each in several versions, in order.
fn stream(world: &World, accounts: &[Uuid]) -> Vec<pb::BillReport> {
    let mut all = Vec::new();
    for (n, account) in (1_i64..).zip(accounts) {
        for month in 0..3 {
            let closed = world.day(-10 - 30 * month);
            let first = bill(*account, closed, closed.saturating_add(20.days()));
            for number in 1..=5 {
                all.push(version(&first, number, |it| {
                    it.paid_minor = number * 1_000 + n;
                    it.lines = vec![pb::BillLine {
                        posted_on: closed.to_string(),
                        amount_minor: number,
                        text: format!("line {number}"),
                        payment_id: String::new(),
                    }];
                }));
            }
        }
    }
    all
}

fn shuffle<T>(all: &mut [T], rng: &SeededRng) {
    for i in (1..all.len()).rev() {
        let mut byte = [0; 8];
        rng.fill(&mut byte).unwrap();
        all.swap(i, usize::try_from(u64::from_le_bytes(byte) % (i as u64 + 1)).unwrap());
    }
}

#[tokio::test]
async fn r8_whatever_order_and_however_often_versions_come_at_two_replicas_the_last_stands() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let mut accounts = Vec::new();
        for _ in 0..4 {
            accounts.push(world.person("bank-a").await.1);
        }
        let in_order = stream(&world, &accounts);
        let rng = SeededRng::new(11);
        let mut shuffled = [in_order.clone(), in_order.clone()].concat();
        shuffle(&mut shuffled, &rng);
        let other = replica(&hub, &world.recorded.feed, "hub-3").await;
        let some: Vec<Vec<_>> = shuffled.chunks(7).map(<[_]>::to_vec).collect();
        let calls = some.into_iter().enumerate().map(|(n, reports)| {
            let bills = if n % 2 == 0 { &world.bills } else { &other };
            report(bills, "bank-a", reports)
        });
        for taken in futures_util::future::join_all(calls).await {
            let only_old = taken.unwrap().into_iter().all(|it| matches!(it, Ok(()) | Err(Reason::HistoryOutdated)));
            assert!(only_old, "{}", hub.engine);
        }
        let ended = world.table().await;
        assert_eq!(ended.len(), 12);
        assert!(ended.iter().all(|bill| bill.contains("line 5")), "{} {ended:?}", hub.engine);
        for reports in in_order.chunks(20) {
            world.send("bank-a", reports.to_vec()).await;
        }
        assert_eq!(world.table().await, ended, "{}", hub.engine);
        assert_eq!(world.recorded.count("SELECT count(*) FROM events WHERE topic = 'BILL'").await, 12);
        world.recorded.check().await;
    })
    .await;
}

#[tokio::test]
async fn r8_the_total_is_over_two_banks_by_currency_and_the_list_by_account() {
    on_each_engine(async |hub| {
        let world = World::open(&hub).await;
        let (person, at_a) = world.person("bank-a").await;
        let at_b = hub.id();
        world.recorded.bind("bank-b", at_b, person).await;
        let older = version(&bill(at_a, world.day(-35), world.day(-15)), 2, |it| {
            standing(it, pb::BillStanding::Arrears, world.day(-14));
        });
        let newest = bill(at_a, world.day(-5), world.day(15));
        let of_b = version(&bill(at_b, world.day(-8), world.day(12)), 1, |it| it.paid_minor = 15_000);
        let yen = version(&of_b, 1, |it| (it.currency_code, it.paid_minor) = ("JPY".to_owned(), 0));
        assert_eq!(world.send("bank-a", vec![older, newest]).await, [Ok(()), Ok(())]);
        assert_eq!(world.send("bank-b", vec![of_b, yen]).await, [Ok(()), Ok(())]);
        let totals = world.bills.total(person, world.today).await.unwrap().unwrap();
        let said = wire::total(&totals, world.today).totals;
        let brief: Vec<_> = said
            .iter()
            .map(|it| {
                (it.due.clone().unwrap(), it.minimum_minor, it.next_due_on.clone(), it.overdue_minor, it.open_count)
            })
            .collect();
        let money = |code: &str, minor_units| proto::common::Money { currency_code: code.to_owned(), minor_units };
        let in_twelve = world.day(12).to_string();
        assert_eq!(
            brief,
            [
                (money("CNY", 285_000), 15_000, in_twelve.clone(), 15_000, 2),
                (money("JPY", 150_000), 15_000, in_twelve, 0, 1)
            ],
            "{}",
            hub.engine
        );
        assert_eq!(said[0].overdue_since, world.day(-15).to_string());
        let listed = list(&world, person, pb_list(0, "")).await;
        let states: Vec<_> =
            listed.iter().flat_map(|it| &it.bills).map(|it| (it.bank_id.as_str(), it.state())).collect();
        use proto::cardholder::BillState::{MinimumMet, Open, Overdue};
        assert_eq!(states, [("bank-a", Open), ("bank-a", Overdue), ("bank-b", MinimumMet), ("bank-b", Open)]);
        assert_eq!(list(&world, person, pb_list(1, "bank-a")).await[0].bills.len(), 1);
        let stranger = world.recorded.past.person().await;
        assert_eq!(list(&world, stranger, pb_list(0, "")).await, []);
        assert_eq!(world.bills.total(stranger, world.today).await.unwrap(), Ok(Vec::new()));
    })
    .await;
}

fn pb_list(most: i32, bank_id: &str) -> proto::cardholder::ListBillsRequest {
    proto::cardholder::ListBillsRequest { bank_id: bank_id.to_owned(), account_id: String::new(), most }
}

async fn list(
    world: &World,
    person: PersonId,
    request: proto::cardholder::ListBillsRequest,
) -> Vec<proto::cardholder::AccountBills> {
    let asked = ListAsked::read(&request).unwrap();
    let found = world.bills.list(person, &asked, world.today).await.unwrap().unwrap();
    wire::list(&found, world.today).accounts
}
