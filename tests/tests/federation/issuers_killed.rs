//! The hub, or the network, is killed at each step of a payment at a bank without an adapter: charged once or not at all, and given back
//! once (D2, D4).

use federation_tests::databases::Engine;
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::till::fen;
use federation_tests::world::{Setup, World};
use proto::common::Nature;
use proto::terminal::PaymentState;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

async fn open(engine: Engine) -> Option<(World, Network, NetworkCard)> {
    if !engine.is_there() {
        return None;
    }
    let mut world = Setup::on(engine).with("payments.decide_within", "20s").start().await;
    let network = Network::start(&world, &[]).await?;
    world.join_network(&network, &[]).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    Some((world, network, card))
}

/// A payment by phone number is carried on by whoever comes after.
async fn paying(engine: Engine, point: &str) {
    let Some((mut world, network, card)) = open(engine).await else { return };
    let payer = world.network_payer(&card).await;
    world.arm("hub-1", point, 1).await;
    let till = world.till("till-1");
    let (paid, ()) = tokio::join!(till.pay(&payer, fen(PRICE)), world.rise_again("hub-1"));
    assert_eq!(paid.state(), PaymentState::Approved, "{point}: {paid:?}");
    let state = network.comes_to(&card, BALANCE - PRICE).await;
    assert_eq!(state["effects"]["charge"].as_i64(), Some(1), "{point}: {state}");
    assert_eq!(world.settled().await.charged_minor(), PRICE, "{point}");
}

/// The whole of a payment goes back once.
async fn giving_back(engine: Engine, point: &str) {
    let Some((mut world, network, card)) = open(engine).await else { return };
    let payer = world.network_payer(&card).await;
    let paid = world.till("till-1").pay(&payer, fen(PRICE)).await;
    world.arm("hub-1", point, 1).await;
    let till = world.till("till-1");
    let id = paid.payment_id.clone();
    let reversing = till.insist(async |till| till.reverse(&id, fen(PRICE)).await);
    let (reversed, ()) = tokio::join!(reversing, world.rise_again("hub-1"));
    assert!(matches!(reversed.state(), PaymentState::Reversed | PaymentState::Pending), "{point}: {reversed:?}");
    let state = network.comes_to(&card, BALANCE).await;
    assert_eq!(state["effects"]["reversal"].as_i64(), Some(1), "{point}: {state}");
    assert_eq!(world.settled().await.charged_minor(), 0, "{point}");
}

/// A card that a till has read is nowhere after its hub was killed: what may have been taken is taken back.
async fn a_card_that_is_gone(engine: Engine) {
    let Some((mut world, network, card)) = open(engine).await else { return };
    world.arm("hub-1", "issuer.answered", 1).await;
    let till = world.till("till-1");
    let id = till.new_id();
    let card_read = card.read();
    let (first, ()) = tokio::join!(till.card(&id, &card_read, Nature::Purchase, PRICE), world.rise_again("hub-1"));
    assert!(first.is_err(), "{first:?}");
    let till = world.till("till-1");
    // The till does not bring the card again but takes the payment back, until it is acknowledged.
    till.insist(async |till| till.reverse(&id, fen(PRICE)).await).await;
    network.comes_to(&card, BALANCE).await;
    assert_eq!(world.settled().await.charged_minor(), 0);
}

/// The network dies with its answer and comes back with its books.
async fn the_network_dies(engine: Engine) {
    let Some((world, network, card)) = open(engine).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    network.fault("charge", "silent").await;
    let paying = till.pay(&payer, fen(PRICE));
    let dying = async {
        network.peer.becomes("the charge to have come", |state| state["seen"]["charge"].as_i64() >= Some(1)).await;
        network.restart().await
    };
    let (paid, network) = tokio::join!(paying, dying);
    assert_eq!(paid.state(), PaymentState::Approved, "{paid:?}");
    network.comes_to(&card, BALANCE - PRICE).await;
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

macro_rules! killed {
    ($($name:ident: $what:ident $(($point:literal))?;)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $what(Engine::Sqlite $(, $point)?).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $what(Engine::Postgres $(, $point)?).await;
            })*
        }
    };
}

killed! {
    m6_killed_before_a_charge_is_kept_the_network_charges_once: paying("issuer.order.before");
    m6_killed_after_a_charge_is_kept_and_before_it_goes_out_the_network_charges_once: paying("issuer.order.after");
    m6_killed_with_the_network_s_answer_the_network_charges_once: paying("issuer.answered");
    m6_killed_after_the_network_s_answer_is_kept_it_charges_once: paying("hold.after");
    m6_killed_after_the_commit_point_the_network_charges_once: paying("D4.after");
    m6_killed_before_a_reversal_is_kept_it_is_told_in_the_end: giving_back("issuer.order.before");
    m6_killed_before_a_reversal_goes_out_it_is_told_in_the_end: giving_back("issuer.order.after");
    m6_killed_with_the_acknowledgement_of_a_reversal_it_is_one: giving_back("issuer.answered");
    m6_killed_with_a_card_that_nobody_brings_again_it_is_not_charged: a_card_that_is_gone;
    m6_a_network_that_dies_with_its_answer_charges_once: the_network_dies;
}
