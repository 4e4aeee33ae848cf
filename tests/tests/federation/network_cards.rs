//! Cards that an acquirer has read and brings over its link: the bank is asked as for a card at a terminal, and the PIN goes on under another
//! key, to an adapter or to another network (R2, M7).

use std::net::SocketAddr;

use bankhub::acquirer::{Acquirer, Fields, Named};
use domain::Reason;
use domain::card::{Pan, Pin};
use domain::network::{Response, Sum, Totals};
use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::links::{EXCHANGE_KEY, INSTITUTION, PIN_KEY, Stubborn, cny, key, options};
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use hub::network::config::DialectName;
use secrecy::ExposeSecret as _;
use server_kit::identity::Role;

const PRICE: i64 = 1_250;

/// What a reader and a PIN pad give.
struct Shown<'s> {
    track: &'s str,
    pan: &'s Pan,
    pin: Option<&'s str>,
}

fn fields(code: &str, minor: i64, shown: &Shown<'_>) -> Fields {
    let mut fields = vec![(3, code.to_owned()), (4, format!("{minor:012}")), (49, "156".to_owned())];
    fields.push((35, shown.track.to_owned()));
    if let Some(pin) = shown.pin {
        let block = key(PIN_KEY).close_pin(&Pin::parse(pin).unwrap(), shown.pan);
        fields.push((52, block.iter().map(|byte| format!("{byte:02X}")).collect()));
    }
    fields
}

/// An advice about a message of type 0100.
fn completion(original: Named, minor: i64) -> Fields {
    let text = original.to_string();
    let mut parts = text.split('-');
    let (mti, stan, time) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let named = format!("{mti}{stan}{time}{INSTITUTION:0>11}{:0>11}", "");
    vec![(3, "000000".to_owned()), (4, format!("{minor:012}")), (49, "156".to_owned()), (90, named)]
}

async fn ask(acquirer: &Acquirer, named: Named, fields: &Fields) -> Response {
    acquirer.ask(named, fields).await.unwrap().response()
}

async fn connect(addr: SocketAddr) -> Stubborn {
    let mut plain = options(addr, DialectName::Ascii);
    plain.institution = INSTITUTION.to_owned();
    Stubborn::connect(plain).await
}

/// Has a payment approved as soon as the hub knows the network's cards.
async fn approved_once_known(acquirer: &Acquirer, payment: &Fields) {
    until("the hub to know the network's cards", World::HEALING, async || {
        match ask(acquirer, acquirer.name("0200").unwrap(), payment).await {
            Response::Approved => Some(()),
            Response::Refused(Reason::BinUnknown | Reason::BankAway) => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
}

/// Gives the hub's links the PIN pad of the second till, whose key the banks have.
fn with_pad(world: &mut World) {
    let key = world.federation.member(Role::Terminal, "till-2").unwrap().pin_key();
    world.set_for_hubs("network.pin_pad", "till-2");
    world.set_for_hubs("network.pin_pad_key", &format!("file:{}", key.display()));
}

async fn a_card_of_a_bank_with_an_adapter(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with_cards().start().await;
    with_pad(&mut world);
    let addr = world.open_link("union-pay", &[]).await;
    let holder = world.holder(0, "bank-a", 50_000, 30_000).await;
    let track = holder.card.track2.expose_secret().to_owned();
    let shown = |pin| Shown { track: &track, pan: &holder.card.pan, pin };
    let stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    let acquirer = stubborn.acquirer();
    let good = fields("000000", PRICE, &shown(Some(PIN)));
    // A hub that does not know the bank's cards yet is asked again, under a new name.
    let first = until("the hub to know the bank's cards", World::HEALING, async || {
        let named = acquirer.name("0200").unwrap();
        match ask(acquirer, named, &good).await {
            Response::Approved => Some(named),
            Response::Refused(Reason::BinUnknown) => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(ask(acquirer, first, &good).await, Response::Approved, "a repeat is answered alike");
    let other = fields("000000", PRICE + 1, &shown(Some(PIN)));
    assert_eq!(ask(acquirer, first, &other).await, Response::Refused(Reason::PaymentIdTaken));
    // A wrong PIN is the bank's no; a block that opens to nothing counts nowhere.
    let wrong = fields("000000", PRICE, &shown(Some("314159")));
    let answer = ask(acquirer, acquirer.name("0200").unwrap(), &wrong).await;
    assert_eq!(answer, Response::Refused(Reason::CardNotVerified));
    let mut garbled = good.clone();
    garbled.iter_mut().filter(|(field, _)| *field == 52).for_each(|(_, text)| *text = "0011223344556677".to_owned());
    let answer = ask(acquirer, acquirer.name("0200").unwrap(), &garbled).await;
    assert_eq!(answer, Response::Refused(Reason::PinBlockUnreadable));
    // Reserved and completed with less; reserved and taken back.
    let reserved = acquirer.name("0100").unwrap();
    assert_eq!(ask(acquirer, reserved, &fields("030000", 9_000, &shown(Some(PIN)))).await, Response::Approved);
    let completing = acquirer.name("0220").unwrap();
    let too_much = ask(acquirer, acquirer.name("0220").unwrap(), &completion(reserved, 9_001)).await;
    assert_eq!(too_much, Response::Refused(Reason::CompletionTooLarge));
    for _ in 0..2 {
        assert_eq!(ask(acquirer, completing, &completion(reserved, 8_000)).await, Response::Approved);
    }
    let given_up = acquirer.name("0100").unwrap();
    assert_eq!(ask(acquirer, given_up, &fields("030000", 7_000, &shown(Some(PIN)))).await, Response::Approved);
    assert_eq!(acquirer.reverse(given_up, cny(7_000)).await.unwrap().response(), Response::Approved);
    // A reversal that comes before its message wins.
    let unseen = acquirer.name("0200").unwrap();
    assert_eq!(acquirer.reverse(unseen, cny(PRICE)).await.unwrap().response(), Response::Approved);
    let late = ask(acquirer, unseen, &good).await;
    assert_eq!(late, Response::Refused(Reason::ReversedBeforeApproval));
    let sum = |number, minor| Sum { number, minor };
    let theirs = Totals { debits: sum(2, PRICE + 8_000), ..Totals::default() };
    assert_eq!(acquirer.totals(None, cny(0).currency, &theirs).await.unwrap(), (Response::Approved, theirs));
    let (debit, credit) = world.left(&holder).await;
    assert_eq!(debit + credit, 80_000 - PRICE - 8_000);
    let logs = world.logs();
    for secret in [track.as_str(), holder.card.pan.reveal()] {
        assert!(!logs.contains(secret), "a log shows a card");
    }
    assert_eq!(world.settled().await.charged_minor(), PRICE + 8_000);
}

#[tokio::test]
async fn m7_a_card_over_a_link_is_charged_as_at_a_terminal() {
    a_card_of_a_bank_with_an_adapter(Engine::Sqlite).await;
}

#[tokio::test]
async fn m7_a_card_over_a_link_is_charged_as_at_a_terminal_on_postgres() {
    a_card_of_a_bank_with_an_adapter(Engine::Postgres).await;
}

async fn from_network_to_network(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).start().await;
    let Some(network) = Network::start(&world, &["--exchange-key", EXCHANGE_KEY]).await else { return };
    let exchange = world.secret("issuer-exchange", EXCHANGE_KEY);
    world.join_network(&network, &[("exchange_key", &exchange)]).await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let card = NetworkCard::new(1);
    network.open(&card, 50_000).await;
    let track = card.read().track2;
    let stubborn = connect(addr).await;
    let acquirer = stubborn.acquirer();
    let good = fields("000000", PRICE, &Shown { track: &track, pan: &card.pan, pin: Some(PIN) });
    approved_once_known(acquirer, &good).await;
    let wrong = fields("000000", PRICE, &Shown { track: &track, pan: &card.pan, pin: Some("314159") });
    let answer = ask(acquirer, acquirer.name("0200").unwrap(), &wrong).await;
    assert_eq!(answer, Response::Refused(Reason::CardNotVerified), "the network opens the block under its own key");
    let state = network.comes_to(&card, 50_000 - PRICE).await;
    assert!(state["seen"]["keys"].as_i64() >= Some(1), "{state}");
    let charged = state["messages"].as_array().unwrap().iter().find(|message| message["code"] == "00").unwrap();
    assert_eq!(charged["entry"], "021", "by track, with a PIN");
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

#[tokio::test]
async fn m7_a_pin_goes_from_an_acquirer_s_key_to_another_network_s() {
    from_network_to_network(Engine::Sqlite).await;
}

#[tokio::test]
async fn m7_a_pin_goes_from_an_acquirer_s_key_to_another_network_s_on_postgres() {
    from_network_to_network(Engine::Postgres).await;
}

#[tokio::test]
async fn m7_a_pin_that_a_line_has_no_key_for_is_refused_at_once() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let Some(network) = Network::start(&world, &[]).await else { return };
    world.join_network(&network, &[("pin_key", "")]).await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let card = NetworkCard::new(1);
    network.open(&card, 50_000).await;
    let track = card.read().track2;
    let stubborn = connect(addr).await;
    let acquirer = stubborn.acquirer();
    let with = |pin| fields("000000", PRICE, &Shown { track: &track, pan: &card.pan, pin });
    approved_once_known(acquirer, &with(None)).await;
    let answer = ask(acquirer, acquirer.name("0200").unwrap(), &with(Some(PIN))).await;
    assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
    let state = network.comes_to(&card, 50_000 - PRICE).await;
    assert_eq!(state["seen"]["charge"].as_i64(), Some(1), "nothing went out: {state}");
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}
