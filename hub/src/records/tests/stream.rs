//! A long stream of reports: shuffled, repeated, with gaps, to two replicas at once.

use std::collections::BTreeMap;

use server_kit::store::testing::databases;

use super::super::testing::account_of;
use super::*;
use crate::testing::TestHub;

/// Reports of one message, and how many of them the stream has.
const OF_ONE: usize = 100;
const REPORTS: usize = 100_000;
const PEOPLE: usize = 200;

/// A generator of numbers that needs no more than a seed (SplitMix64, Steele et al. 2014).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// The life of purchases, version by version, of several people mixed; some versions come late or twice.
fn reports(hub: &TestHub, accounts: &[uuid::Uuid], seed: u64, count: usize) -> Vec<pb::PurchaseReport> {
    let mut seeded = Seeded(seed);
    let mut all = Vec::with_capacity(count + 8);
    while all.len() < count {
        let (account, id) = (accounts[seeded.below(accounts.len())], hub.id());
        let amount = 100 + i64::try_from(seeded.below(100_000)).unwrap();
        let mut life = vec![purchase(account, id, 1, HELD, amount, 0)];
        match seeded.below(4) {
            0 => life.push(purchase(account, id, 2, REVERSED, amount, 0)),
            1 => life.push(purchase(account, id, 2, POSTED, amount, 0)),
            _ => {
                life.push(purchase(account, id, 2, POSTED, amount - 50, 0));
                life.push(purchase(account, id, 3, POSTED, amount - 50, 30));
            }
        }
        let life_len = life.len();
        match seeded.below(5) {
            0 => life.swap(0, life_len - 1),
            1 => life.push(life[0].clone()),
            _ => {}
        }
        all.extend(life);
    }
    all.truncate(count);
    all
}

/// What the record ends as, reckoned without any of the rules: the last version of each purchase.
fn reckoned(reports: &[pb::PurchaseReport]) -> BTreeMap<String, (i64, i32, i64, i64)> {
    let mut last: BTreeMap<String, (i64, i32, i64, i64)> = BTreeMap::new();
    for report in reports {
        let amount = report.amount.as_ref().unwrap().minor_units;
        let back = if report.state == i32::from(REVERSED) { amount } else { report.given_back_minor };
        let now = (report.version, report.state, amount, back);
        last.entry(report.purchase_id.clone()).and_modify(|known| *known = (*known).max(now)).or_insert(now);
    }
    last
}

async fn recorded(hub: &TestHub) -> BTreeMap<String, (i64, i32, i64, i64)> {
    let sql = "SELECT r.purchase_id, r.report_version, p.state, p.amount_minor, p.given_back_minor FROM reported_purchases r \
               JOIN purchases p ON p.person_id = r.person_id AND p.sequence = r.sequence";
    let rows = hub.store.fetch_at_leisure(sql, Vec::new()).await.unwrap();
    let state = |text: String| match text.as_str() {
        "HELD" => HELD,
        "POSTED" => POSTED,
        _ => REVERSED,
    };
    let read = |row: &server_kit::store::Row| {
        let state = i32::from(state(row.text(2).unwrap()));
        (row.id(0).unwrap().to_string(), (row.int(1).unwrap(), state, row.int(3).unwrap(), row.int(4).unwrap()))
    };
    rows.iter().map(read).collect()
}

#[tokio::test]
async fn r1_a_shuffled_repeated_gappy_stream_of_reports_ends_as_the_clean_one() {
    // One engine takes the long stream, so that the test does not take all day; the other one a tenth of it.
    for (database, count) in databases().await.into_iter().zip([REPORTS, REPORTS / 10]) {
        crate::testing::on(&database, &async |hub| long_stream(&hub, count).await).await;
    }
}

async fn long_stream(hub: &TestHub, count: usize) {
    let world = World::open(hub).await;
    let other = World::replica(hub, "hub-2").await;
    let mut accounts = Vec::new();
    for _ in 0..PEOPLE {
        accounts.push(world.person("bank-a").await.1);
    }
    let seed = 20_261_122;
    let all = reports(hub, &accounts, seed, count);
    assert!(all.iter().all(|report| matches!(account_of(report), domain::payment::Instrument::Account(_))));
    let mut seeded = Seeded(seed);
    let (mut done, mut gaps, mut repeats) = (0, 0, 0);
    while done < all.len() {
        // Mostly where the hub wants to go on, sometimes before it, sometimes beyond it.
        let first = match seeded.below(10) {
            0 => done.saturating_sub(seeded.below(3 * OF_ONE)),
            1 => (done + 1 + seeded.below(OF_ONE)).min(all.len() - 1),
            _ => done,
        };
        let some = &all[first..(first + 1 + seeded.below(OF_ONE)).min(all.len())];
        let to = if seeded.below(2) == 0 { &world } else { &other };
        let taken = to.send_from("bank-a", first as i64 + 1, some).await.unwrap();
        gaps += usize::from(first > done);
        repeats += usize::from(first < done);
        let through = usize::try_from(taken.through_sequence).unwrap();
        assert!(taken.refused.is_empty() && through >= done, "{taken:?}");
        assert!(first <= done || through == done, "a gap was passed over: {first} {through}");
        done = through;
    }
    assert!(gaps > 0 && repeats > 0, "the stream was a clean one");
    assert_eq!(recorded(hub).await, reckoned(&all), "seed {seed}");
    world.check().await;
}
