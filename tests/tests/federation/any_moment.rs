//! Servers are killed and links are cut at moments that nobody has chosen, while people pay, cancel, and get money back.

use std::time::Duration;

use federation_tests::databases::Engine;
use federation_tests::payer::{Payer, another_code};
use federation_tests::till::{Till, fen};
use federation_tests::world::{Setup, World};
use futures_util::future::join_all;
use proto::terminal::PaymentState;
use server_kit::clock::Stopwatch;
use server_kit::rng::{Rng as _, SeededRng, SystemRng};

const PAYERS: u64 = 5;
const BALANCE: i64 = 10_000_000;
/// For how long things go wrong.
const TROUBLE: Duration = Duration::from_secs(8);
/// Names a seed, to see a run again. What the clock and the network do is not repeated with it.
const SEED: &str = "BANKHUB_TEST_SEED";

/// Chance that can be repeated.
struct Dice(SeededRng);

impl Dice {
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) % bound
    }
}

fn seed() -> u64 {
    if let Some(seed) = std::env::var(SEED).ok().and_then(|text| text.parse().ok()) {
        return seed;
    }
    let mut bytes = [0; 8];
    SystemRng::new().fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// What one person does, until the time is over. Gives what the person has spent in the end.
async fn live(till: &Till, payer: &Payer, dice: &Dice, time: &Stopwatch) -> i64 {
    let mut spent = 0;
    while time.elapsed() < TROUBLE {
        let price = 100 + i64::try_from(dice.below(900)).unwrap();
        if dice.below(8) == 0 {
            let (id, code) = till.begin(payer, fen(price)).await;
            let attempt = till.new_id();
            let wrong = another_code(&code);
            till.insist(async |till| till.authorize(&id, &attempt, &wrong, payer.password()).await).await;
            till.insist(async |till| till.cancel(&id).await).await;
            assert_eq!(till.outcome(&id).await.state(), PaymentState::Declined);
            continue;
        }
        let payment = till.pay(payer, fen(price)).await;
        if payment.state() != PaymentState::Approved {
            assert_eq!(crate::reason(&payment), "DECISION_TIMED_OUT", "{payment:?}");
            continue;
        }
        let id = payment.payment_id;
        spent += price;
        match dice.below(4) {
            0 => {
                let (refund, part) = (till.new_id(), 1 + i64::try_from(dice.below(100)).unwrap());
                till.insist(async |till| till.refund(&refund, &id, fen(part)).await).await;
                assert_eq!(till.outcome(&refund).await.state(), PaymentState::Approved);
                spent -= part;
            }
            1 => {
                let reversed = till.insist(async |till| till.reverse(&id, fen(price)).await).await;
                assert_eq!(reversed.state(), PaymentState::Reversed);
                spent -= price;
            }
            _ => {}
        }
    }
    spent
}

/// Kills, cuts and holds back until the time is over; in the end everything is as it should be.
async fn trouble(world: &mut World, dice: &Dice, time: &Stopwatch) {
    let relay = world.relay("bank-a").clone();
    while time.elapsed() < TROUBLE {
        tokio::time::sleep(Duration::from_millis(50 + dice.below(400))).await;
        match dice.below(5) {
            0 => relay.cut(),
            1 => {
                relay.hold_back();
                tokio::time::sleep(Duration::from_millis(dice.below(1_500))).await;
                relay.let_pass();
            }
            // PostgreSQL ends all connections, as when it is restarted; a file has none.
            2 => {
                let server = if dice.below(2) == 0 { "hub-1" } else { "bank-a" };
                world.databases[server].disconnect().await;
            }
            n => {
                let server = world.server(if n == 3 { "hub-1" } else { "bank-a" });
                server.kill().await.unwrap();
                tokio::time::sleep(Duration::from_millis(dice.below(500))).await;
                server.start().await.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}

async fn books_agree_after_trouble(engine: Engine) {
    let seed = seed();
    println!("{SEED}={seed}");
    let mut world = Setup::on(engine).interposed().start().await;
    let mut payers = Vec::new();
    for _ in 0..PAYERS {
        payers.push(world.payer("bank-a", BALANCE).await);
    }
    let till = world.till("till-1");
    let dice: Vec<_> = (0..=PAYERS).map(|n| Dice(SeededRng::new(seed.wrapping_add(n)))).collect();
    let (own, others) = dice.split_first().unwrap();
    let time = Stopwatch::start();
    let lives = join_all(payers.iter().zip(others).map(|(payer, dice)| live(&till, payer, dice, &time)));
    let (spent, ()) = tokio::join!(lives, trouble(&mut world, own, &time));
    assert!(spent.iter().any(|spent| *spent > 0), "nobody could pay at all");
    let ledgers = world.settled().await;
    println!("{} payments and refunds, {} legs", ledgers.payments.len(), ledgers.legs.len());
    assert_eq!(ledgers.charged_minor(), spent.iter().sum::<i64>(), "what people think they have spent");
}

#[tokio::test]
async fn m6_whatever_is_killed_or_cut_while_people_pay_the_books_agree_on_sqlite() {
    books_agree_after_trouble(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_whatever_is_killed_or_cut_while_people_pay_the_books_agree_on_postgresql() {
    if Engine::Postgres.is_there() {
        books_agree_after_trouble(Engine::Postgres).await;
    }
}
