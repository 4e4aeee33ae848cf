//! Banks that take part only through a card network: charged, completed, given back and taken back over ISO 8583 (M6).

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::common::Nature;
use proto::terminal::PaymentState;

use crate::reason;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

/// A federation, a network with a line to it, and a card; none where it cannot be.
async fn open(engine: Engine, arguments: &[&str], more: &[(&str, &str)]) -> Option<(World, Network, NetworkCard)> {
    if !engine.is_there() {
        return None;
    }
    let mut world = Setup::on(engine).start().await;
    let network = Network::start(&world, arguments).await?;
    world.join_network(&network, more).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    Some((world, network, card))
}

async fn a_phone_pays(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    let paid = till.pay(&payer, fen(PRICE)).await;
    assert_eq!((paid.state(), paid.bank_id.as_str()), (PaymentState::Approved, "bank-n"));
    assert_eq!(paid.account_masked, card.pan.masked());
    assert_eq!(network.left(&card).await, (BALANCE - PRICE, 0));
    // A part of it goes back, then the whole of another one.
    let refunded = till.give_back(&paid.payment_id, fen(250)).await;
    assert_eq!(refunded.state(), PaymentState::Approved, "{refunded:?}");
    let other = till.pay(&payer, fen(PRICE)).await;
    let reversed = till.take_back(&other.payment_id, fen(PRICE)).await;
    assert_eq!(reversed.state(), PaymentState::Reversed);
    // More than there is.
    let too_much = till.pay(&payer, fen(2 * BALANCE)).await;
    assert_eq!((too_much.state(), reason(&too_much)), (PaymentState::Declined, "INSUFFICIENT_FUNDS"));
    let state = network.comes_to(&card, BALANCE - PRICE + 250).await;
    let count = |what: &str| state["effects"][what].as_i64().unwrap_or(0);
    assert_eq!((count("charge"), count("refund"), count("reversal")), (2, 1, 1), "{state}");
    let first = &state["messages"][0];
    assert_eq!((first["receiver"].as_str(), first["entry"].as_str()), (Some("66281000"), Some("012")));
    assert_eq!(world.settled().await.charged_minor(), PRICE - 250);
}

#[tokio::test]
async fn m6_a_phone_pays_from_a_bank_without_an_adapter() {
    a_phone_pays(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_a_phone_pays_from_a_bank_without_an_adapter_on_postgres() {
    a_phone_pays(Engine::Postgres).await;
}

async fn a_card_pays(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let till = world.till("till-1");
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    assert_eq!((paid.state(), paid.account_masked.as_str()), (PaymentState::Approved, card.pan.masked().as_str()));
    let cash = till.with_card(&card.read(), Nature::CashWithdrawal, 5_000).await;
    assert_eq!(cash.state(), PaymentState::Approved);
    // What was reserved is completed with less, and another one given up.
    let reserved = till.with_card(&card.read(), Nature::PreAuthorisation, 9_000).await;
    assert_eq!(reserved.state(), PaymentState::Authorised);
    assert_eq!(network.left(&card).await, (BALANCE - PRICE - 5_000, 9_000));
    till.insist(async |till| till.complete(&reserved.payment_id, 8_000).await).await;
    assert_eq!(till.outcome(&reserved.payment_id).await.state(), PaymentState::Approved);
    let given_up = till.with_card(&card.read(), Nature::PreAuthorisation, 7_000).await;
    let reversed = till.take_back(&given_up.payment_id, fen(7_000)).await;
    assert_eq!(reversed.state(), PaymentState::Declined, "it was never approved");
    // A network has no message for the rest, and cannot open what a till enciphers for banks.
    let deposit = till.with_card(&card.read(), Nature::Deposit, 100).await;
    assert_eq!((deposit.state(), reason(&deposit)), (PaymentState::Declined, "NATURE_UNSUPPORTED"));
    let pin = world.pad("till-1").block(&card.pan, &secrecy::SecretString::from("271828")).unwrap();
    let with_pin = proto::common::PresentedCard { pin_block: Some(pin), ..card.read() };
    let refused = till.with_card(&with_pin, Nature::Purchase, 100).await;
    assert_eq!((refused.state(), reason(&refused)), (PaymentState::Declined, "PIN_KEY_UNKNOWN"));
    let unknown = till.with_card(&NetworkCard::new(2).read(), Nature::Purchase, 100).await;
    assert_eq!((unknown.state(), reason(&unknown)), (PaymentState::Declined, "CARD_NOT_VERIFIED"));
    network.comes_to(&card, BALANCE - PRICE - 5_000 - 8_000).await;
    assert_eq!(world.settled().await.charged_minor(), PRICE + 5_000 + 8_000);
}

#[tokio::test]
async fn m6_a_card_at_a_till_is_charged_reserved_and_completed_over_the_network() {
    Box::pin(a_card_pays(Engine::Sqlite)).await;
}

#[tokio::test]
async fn m6_a_card_at_a_till_is_charged_reserved_and_completed_over_the_network_on_postgres() {
    Box::pin(a_card_pays(Engine::Postgres)).await;
}

async fn answers_are_lost(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    // One answer is lost: the repeat tells what became of it.
    for how in ["silent", "drop-after", "twice", "half", "garbage", "drop-before"] {
        network.fault("charge", how).await;
        let paid = till.pay(&payer, fen(PRICE)).await;
        assert_eq!(paid.state(), PaymentState::Approved, "{how}: {paid:?}");
    }
    assert_eq!(network.left(&card).await, (BALANCE - 6 * PRICE, 0));
    // Another amount was approved than was asked for: that is nobody's yes, and it is taken back.
    for _ in 0..40 {
        network.fault("charge", "amount").await;
    }
    network.fault("reversal", "mute").await;
    network.fault("reversal", "refuse 96").await;
    let over = till.pay(&payer, fen(PRICE)).await;
    assert_eq!((over.state(), reason(&over)), (PaymentState::Declined, "DECISION_TIMED_OUT"));
    network.peer.tell("clear").await;
    network.comes_to(&card, BALANCE - 6 * PRICE).await;
    assert_eq!(world.settled().await.charged_minor(), 6 * PRICE);
}

#[tokio::test]
async fn m6_an_answer_that_is_lost_is_asked_for_again_and_one_that_never_comes_is_taken_back() {
    answers_are_lost(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_an_answer_that_is_lost_is_asked_for_again_and_one_that_never_comes_is_taken_back_on_postgres() {
    answers_are_lost(Engine::Postgres).await;
}

async fn an_approval_comes_late(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let till = world.till("till-1");
    // The till's card is not stored, so that nobody can ask again: its charge is kept from the bank until its reversal was answered.
    network.fault("charge", "park").await;
    for _ in 0..40 {
        network.fault("charge", "mute").await;
    }
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    let over = till.outcome(&paid.payment_id).await;
    assert_eq!((over.state(), reason(&over)), (PaymentState::Declined, "DECISION_TIMED_OUT"));
    network.comes_to(&card, BALANCE).await;
    reversals_answered(&world, 1).await;
    let told = network.peer.state().await["seen"]["reversal"].as_i64().unwrap();
    // The answer that everybody has given up comes after all: the reversal is told once more, and changes nothing.
    network.peer.tell("release").await;
    network
        .peer
        .becomes("the reversal to be told again", |state| state["seen"]["reversal"].as_i64().unwrap() > told)
        .await;
    late_approvals(&world, 1).await;
    network.comes_to(&card, BALANCE).await;
    assert_eq!(world.settled().await.charged_minor(), 0);
}

async fn an_approval_comes_while_its_reversal_is_told(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let till = world.till("till-1");
    network.fault("charge", "park").await;
    for _ in 0..40 {
        network.fault("charge", "mute").await;
        network.fault("reversal", "mute").await;
    }
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    network
        .peer
        .becomes("the reversal to be told", |state| state["seen"]["reversal"].as_i64().unwrap_or_default() > 0)
        .await;
    network.peer.tell("release").await;
    late_approvals(&world, 1).await;
    // What is answered to the reversal from now on might have been said before the network had the charge: once is not enough.
    network.peer.tell("clear").await;
    reversals_answered(&world, 2).await;
    network.comes_to(&card, BALANCE).await;
    assert_eq!(till.outcome(&paid.payment_id).await.state(), PaymentState::Declined);
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m6_an_approval_that_comes_before_its_reversal_is_answered_has_it_told_again() {
    an_approval_comes_while_its_reversal_is_told(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_an_approval_that_comes_before_its_reversal_is_answered_has_it_told_again_on_postgres() {
    an_approval_comes_while_its_reversal_is_told(Engine::Postgres).await;
}

/// Waits until the hub has heard so many times that a reversal was done, which its network does before it says so.
async fn reversals_answered(world: &World, wanted: u64) {
    let answered = async || {
        let metrics = world.operations("hub-1", "/metrics").await;
        let is_it = |line: &&str| {
            line.starts_with("bankhub_issuer_requests_total{")
                && line.contains("asked=\"REVERSAL\"")
                && line.contains("result=\"done\"")
        };
        let counted = metrics.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        (counted.sum::<u64>() >= wanted).then_some(())
    };
    until("the reversal to be answered", World::HEALING, answered).await;
}

/// Waits until the hub has counted so many late approvals.
pub(crate) async fn late_approvals(world: &World, wanted: u64) {
    let counted = async || {
        let metrics = world.operations("hub-1", "/metrics").await;
        let end = format!(" {wanted}");
        let late =
            metrics.lines().any(|line| line.starts_with("bankhub_issuer_late_approvals_total") && line.ends_with(&end));
        late.then_some(())
    };
    until("the late approval to be counted", World::HEALING, counted).await;
}

async fn a_network_changes_its_mind(engine: Engine) {
    let Some((world, network, card)) = open(engine, &[], &[]).await else { return };
    let till = world.till("till-1");
    network.fault("charge", "refuse-park").await;
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    assert_eq!(paid.state(), PaymentState::Declined);
    network.peer.tell("release").await;
    late_approvals(&world, 1).await;
    // What it has charged all the same goes back by itself.
    let state = network.comes_to(&card, BALANCE).await;
    let count = |what: &str| state["effects"][what].as_i64().unwrap_or(0);
    assert_eq!((count("charge"), count("reversal")), (1, 1), "{state}");
    let [charge, reversal] = ["charge", "reversal"]
        .map(|what| state["messages"].as_array().unwrap().iter().find(|message| message["event"] == what).unwrap());
    let stan = charge["name"].as_str().unwrap().split('-').next();
    assert_eq!(reversal["approval"].as_str(), stan, "the code of the late approval");
    assert!(world.logs().contains("a card network approves what it has refused"));
    assert_eq!(till.outcome(&paid.payment_id).await.state(), PaymentState::Declined);
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m6_what_a_network_approves_after_it_has_refused_it_is_taken_back() {
    a_network_changes_its_mind(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_what_a_network_approves_after_it_has_refused_it_is_taken_back_on_postgres() {
    a_network_changes_its_mind(Engine::Postgres).await;
}

#[tokio::test]
async fn m6_a_late_approval_of_something_else_decides_nothing() {
    let Some((world, network, card)) = open(Engine::Sqlite, &[], &[]).await else { return };
    let till = world.till("till-1");
    network.fault("charge", "park-amount").await;
    for _ in 0..40 {
        network.fault("charge", "mute").await;
    }
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    assert_eq!(till.outcome(&paid.payment_id).await.state(), PaymentState::Declined);
    network.comes_to(&card, BALANCE).await;
    reversals_answered(&world, 1).await;
    let told = network.peer.state().await["seen"]["reversal"].as_i64();
    network.peer.tell("release").await;
    late_approvals(&world, 1).await;
    let is_said = async || world.logs().contains("something else than it was asked").then_some(());
    until("the log to say so", World::HEALING, is_said).await;
    assert_eq!(network.peer.state().await["seen"]["reversal"].as_i64(), told, "it was taken back already");
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m6_an_approval_that_comes_after_its_reversal_has_it_told_again() {
    an_approval_comes_late(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_an_approval_that_comes_after_its_reversal_has_it_told_again_on_postgres() {
    an_approval_comes_late(Engine::Postgres).await;
}

#[tokio::test]
async fn m6_what_is_given_back_after_the_cut_over_is_a_refund() {
    let Some((world, network, card)) = open(Engine::Sqlite, &[], &[]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    let paid = till.pay(&payer, fen(PRICE)).await;
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let now = server_kit::clock::Clock::now(&server_kit::clock::SystemClock);
    let today = zone.to_datetime(jiff::Timestamp::from_microsecond(now.micros()).unwrap()).date();
    let tomorrow = today.tomorrow().unwrap();
    let day = |date: jiff::civil::Date| format!("{:02}{:02}", date.month(), date.day());
    assert_eq!(network.peer.tell(&format!("cut-over {}", day(tomorrow))).await, "00");
    assert_eq!(network.peer.tell(&format!("cut-over {}", day(today))).await, "96", "no day comes back");
    let reversed = till.take_back(&paid.payment_id, fen(PRICE)).await;
    assert_eq!(reversed.state(), PaymentState::Reversed);
    let state = network.comes_to(&card, BALANCE).await;
    assert_eq!((state["effects"]["refund"].as_i64(), state["effects"]["reversal"].as_i64()), (Some(1), None));
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m7_a_line_has_codes_and_a_wrong_one_ends_it() {
    let mac = "1C1C1C1C2A2A2A2A3B3B3B3B4D4D4D4D";
    let code = format!("des:{mac}");
    let arguments = ["--dialect", "ascii", "--mac", &code];
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let Some(network) = Network::start(&world, &arguments).await else { return };
    let secret = world.secret("issuer-mac", mac);
    world.join_network(&network, &[("dialect", "iso-1987-ascii"), ("mac_key", &secret)]).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    let till = world.till("till-1");
    network.fault("charge", "bad-mac").await;
    let paid = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    assert_eq!(paid.state(), PaymentState::Approved, "the repeat over a new connection: {paid:?}");
    let state = network.comes_to(&card, BALANCE - PRICE).await;
    assert!(state["seen"]["connection"].as_i64().unwrap() >= 2, "{state}");
    assert_eq!(state["seen"]["wrong-mac"].as_i64(), None, "the network takes the hub's codes");
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn m6_a_network_that_is_away_is_said_at_once_and_nothing_is_left_behind() {
    let Some((world, network, card)) = open(Engine::Sqlite, &[], &[]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    let first = till.pay(&payer, fen(PRICE)).await;
    assert_eq!(first.state(), PaymentState::Approved);
    for _ in 0..200 {
        network.fault("sign-on", "refuse 91").await;
    }
    network.peer.tell("drop").await;
    let refused = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
    assert_eq!((refused.state(), reason(&refused)), (PaymentState::Declined, Reason::BankAway.code()));
    network.peer.tell("clear").await;
    // A refund that was taken in meanwhile, or now, goes out when the line is up again.
    let refunded = till.give_back(&first.payment_id, fen(PRICE)).await;
    assert_eq!(refunded.state(), PaymentState::Approved, "{refunded:?}");
    network.comes_to(&card, BALANCE).await;
    assert_eq!(world.settled().await.charged_minor(), 0);
}
