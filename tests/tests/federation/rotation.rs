//! Keys of columns rotate while people pay: nothing waits, nobody is lost, and a hub that is killed in between goes on (M8; ADR 40).

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use bankhub::trial::Server;
use domain::{PersonId, PhoneNumber, Reason};
use federation_tests::bankhub as program;
use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::operator as pb;
use proto::terminal::PaymentState;
use proto::{common, counter};
use rustix::process::{Pid, Signal, kill_process};

const BALANCE: i64 = 1_000_000;
const PRICE: i64 = 300;
/// People who are only known; those who pay come to them.
const KNOWN: u32 = 300;
const KEYS: [&str; 5] = ["phone-index", "card-index", "sealed-payload", "card-number", "citizen-index"];

fn setup(engine: Engine) -> Setup {
    let setup = Setup::on(engine).with("keys.rotation.every", "200ms").with("keys.rotation.settle", "0s");
    setup.with("keys.rotation.page", "20").with("keys.rotation.pause", "20ms")
}

/// Adds new versions of keys to the file of a server, as an administrator does it.
fn keys(kind: &str, server: &Server, which: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(["keys", kind, "--config"]).arg(server.config()).arg("rotate").args(which);
    command.output().unwrap()
}

fn rotate(server: &Server) {
    let done = keys("hub", server, &["--all"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn hang_up(server: &Server) {
    let process = i32::try_from(server.process_id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(process, Signal::HUP).unwrap();
}

async fn status(world: &World) -> pb::ListKeysResponse {
    world.federation.operator().unwrap().key_status().await.unwrap()
}

/// The columns that have any row, with their rows by version.
fn rows(columns: &[common::KeyColumn]) -> BTreeMap<&str, BTreeMap<u32, u64>> {
    let all = columns.iter().filter(|column| !column.rows.is_empty());
    all.map(|it| (it.column.as_str(), it.rows.iter().map(|under| (under.version, under.rows)).collect())).collect()
}

/// Waits until every row is under the second version of its key.
async fn rewritten(world: &World) -> pb::ListKeysResponse {
    let all = async || {
        let status = status(world).await;
        let done = rows(&status.columns).values().all(|rows| rows.keys().all(|version| *version == 2));
        (done && status.keys.iter().all(|key| key.current_version == 2)).then_some(status)
    };
    until("every row to be under the new version", Duration::from_secs(60), all).await
}

fn known(n: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("+86139{:08}", 20_000_000 + n)).unwrap()
}

async fn register_all(world: &World) -> Vec<PersonId> {
    let operator = world.federation.operator().unwrap();
    let mut people = Vec::new();
    for n in 0..KNOWN {
        people.push(operator.register_person(&known(n), "Li Lei").await.unwrap());
    }
    people
}

/// Pays again and again until told to stop; every payment is approved.
async fn pay_on(world: &World, payer: &Payer, done: &tokio::sync::Notify) -> i64 {
    let (till, mut paid) = (world.till("till-1"), 0);
    loop {
        let state = till.pay(payer, fen(PRICE)).await.state();
        assert_eq!(state, PaymentState::Approved);
        paid += 1;
        if tokio::time::timeout(Duration::from_millis(10), done.notified()).await.is_ok() {
            return paid;
        }
    }
}

async fn while_people_pay(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let world = setup(engine).start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    register_all(&world).await;
    let operator = world.federation.operator().unwrap();
    let done = tokio::sync::Notify::new();
    let rotating = async {
        let hub = world.federation.server("hub-1").unwrap();
        rotate(hub);
        hang_up(hub);
        // A number that is known stays known in every moment of it.
        let asking = async {
            for n in 0..KNOWN {
                let refused = operator.register_person(&known(n), "Han Meimei").await.unwrap_err();
                assert_eq!(refused.reason(), Some(Reason::PhoneNumberTaken), "{n}");
            }
        };
        let (status, ()) = tokio::join!(rewritten(&world), asking);
        done.notify_one();
        status
    };
    let (status, paid) = tokio::join!(rotating, pay_on(&world, &payer, &done));
    assert_eq!(rows(&status.columns)["persons.phone_hash"], [(2, u64::from(KNOWN) + 1)].into());
    assert!(status.columns.iter().all(|column| column.unknown_rows == 0 && column.damaged.is_empty()), "{status:?}");
    for key in KEYS {
        let request = pb::RetireKeyVersionRequest { key: key.to_owned(), version: 1 };
        // What people pay meanwhile may be sealed anew a moment later.
        let retire = async || operator.retire_key(request.clone()).await.ok();
        until("the old version to be retired", World::HEALING, retire).await;
    }
    let mut world = world;
    // The file has lost what was retired, and is all that the hub needs.
    world.restart("hub-1").await;
    let held: Vec<Vec<u32>> = self::status(&world).await.keys.into_iter().map(|key| key.versions).collect();
    assert_eq!(held, vec![vec![2]; KEYS.len()]);
    assert_eq!(world.till("till-1").pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved);
    assert_eq!(world.settled().await.charged_minor(), (paid + 1) * PRICE);
}

#[tokio::test]
async fn m8_keys_rotate_while_people_pay_and_none_is_lost() {
    Box::pin(while_people_pay(Engine::Sqlite)).await;
    Box::pin(while_people_pay(Engine::Postgres)).await;
}

async fn killed_at(engine: Engine, point: &str, passage: u32) {
    if !engine.is_there() {
        return;
    }
    let mut world = setup(engine).start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let people = register_all(&world).await;
    world.arm("hub-1", point, passage).await;
    let hub = world.federation.server("hub-1").unwrap();
    rotate(hub);
    hang_up(hub);
    world.rise_again("hub-1").await;
    let status = rewritten(&world).await;
    assert_eq!(rows(&status.columns)["persons.phone_hash"], [(2, people.len() as u64 + 1)].into(), "{point}@{passage}");
    assert!(status.columns.iter().all(|column| column.unknown_rows == 0), "{point}@{passage}: {status:?}");
    assert_eq!(world.till("till-1").pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved);
    let refused = world.federation.operator().unwrap().register_person(&known(7), "Han Meimei").await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::PhoneNumberTaken));
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn m8_a_hub_that_is_killed_while_it_rewrites_goes_on_where_it_was() {
    for (point, passage) in [("keys.rewrite.before", 1), ("keys.rewrite.after", 5), ("keys.rewrite.before", 17)] {
        killed_at(Engine::Sqlite, point, passage).await;
        killed_at(Engine::Postgres, point, passage).await;
    }
}

#[tokio::test]
async fn m8_a_hub_without_the_key_that_is_written_is_refused_at_its_start_and_an_old_file_opens_what_it_was_made_with()
{
    let mut world = setup(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", BALANCE).await;
    let file = world.federation.server("hub-1").unwrap().member().sealed_keys();
    let backup = std::fs::read(&file).unwrap();
    // A copy of the file from before opens what was written with it, whatever was added since.
    let hub = world.federation.server("hub-1").unwrap();
    rotate(hub);
    hang_up(hub);
    rewritten(&world).await;
    let rotated = std::fs::read(&file).unwrap();
    world.server("hub-1").stop().await.unwrap();
    std::fs::write(&file, &backup).unwrap();
    let refused = world.server("hub-1").start().await;
    assert!(refused.is_err(), "it has begun with the old file");
    let log = std::fs::read_to_string(world.federation.server("hub-1").unwrap().log()).unwrap();
    assert!(log.contains("holds no version 2 of"), "{log}");
    std::fs::write(&file, &rotated).unwrap();
    world.server("hub-1").start().await.unwrap();
    assert_eq!(world.till("till-1").pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved);
    world.settled().await;
}

/// A bank's node rotates, retires and rotates again while the card of a person pays.
async fn twice_at_a_bank(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with_cards().start().await;
    for (key, value) in [("every", "200ms"), ("settle", "0s"), ("page", "20"), ("pause", "20ms")] {
        world.server("bank-a").set(&format!("keys.rotation.{key}"), value);
    }
    world.restart("bank-a").await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, card) = (world.till("till-1"), holder.read(&world.pad("till-1"), Some(PIN)));
    let desk = world.counter("bank-a").await;
    let ask = |key: &str, version| {
        let request = counter::RetireKeyVersionRequest { key: key.to_owned(), version };
        let desk = &desk;
        async move { desk.retire_key(request).await.map_err(|error| error.reason()) }
    };
    for (key, version, reason) in [
        ("card-index", 1, Reason::KeyVersionCurrent),
        ("card-index", 2, Reason::KeyVersionUnknown),
        ("audit-head", 1, Reason::KeyUnknown),
        ("", 0, Reason::KeyUnknown),
    ] {
        assert_eq!(ask(key, version).await, Err(Some(reason)), "{key} {version}");
    }
    for version in [2, 3] {
        let bank = world.federation.server("bank-a").unwrap();
        for key in KEYS {
            // What was retired leaves the file a moment after.
            let rotated = async || keys("adapter", bank, &["--purpose", key]).status.success().then_some(());
            until("the key to have another version", World::HEALING, rotated).await;
        }
        hang_up(bank);
        let all = async || {
            let paid = till.with_card(&card, common::Nature::Purchase, PRICE).await;
            assert_eq!(paid.state(), PaymentState::Approved, "{paid:?}");
            let status = desk.key_status().await.unwrap();
            let is_new = |rows: &BTreeMap<u32, u64>| rows.keys().all(|under| *under == version);
            let done = status.keys.iter().all(|key| key.current_version == version);
            (done && rows(&status.columns).values().all(is_new)).then_some(status)
        };
        let status = until("every row to be under the new version", Duration::from_secs(60), all).await;
        assert_eq!(rows(&status.columns)["cards.pan_hash"], [(version, 1)].into());
        // A look-up key has two versions at most: the old one has to go before there is a next one.
        let refused = keys("adapter", bank, &["--purpose", "card-index"]);
        assert!(!refused.status.success(), "{refused:?}");
        for key in &status.keys {
            let retire = async || ask(&key.key, version - 1).await.ok();
            until("the old version to be retired", World::HEALING, retire).await;
            assert_eq!(ask(&key.key, version - 1).await, Ok(()), "the same again");
        }
    }
    world.restart("bank-a").await;
    assert_eq!(till.with_card(&card, common::Nature::Purchase, PRICE).await.state(), PaymentState::Approved);
    world.settled().await;
}

#[tokio::test]
async fn m8_a_bank_retires_what_it_has_rotated_and_rotates_again_while_cards_pay() {
    Box::pin(twice_at_a_bank(Engine::Sqlite)).await;
    Box::pin(twice_at_a_bank(Engine::Postgres)).await;
}
