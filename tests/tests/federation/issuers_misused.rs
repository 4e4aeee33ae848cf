//! What comes over a line to a card network instead of an answer (M6, M7): each has one outcome, and nothing is charged twice, forgotten or left behind.

use std::time::Duration;

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::common::Nature;
use proto::terminal::PaymentState;
use server_kit::clock::{Clock as _, SystemClock};

use crate::issuers::late_approvals;
use crate::reason;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

async fn open(arguments: &[&str], more: &[(&str, &str)]) -> Option<(World, Network, NetworkCard)> {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let network = Network::start(&world, arguments).await?;
    world.join_network(&network, more).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    Some((world, network, card))
}

/// How often connections of the line have ended so, or for whatever reason.
async fn ended(world: &World, why: &str) -> u64 {
    let metrics = world.operations("hub-1", "/metrics").await;
    let counts = metrics.lines().filter(|line| {
        line.starts_with("bankhub_issuer_line_ended_total")
            && (why.is_empty() || line.contains(&format!("why=\"{why}\"")))
    });
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).map(|count| count as u64).sum()
}

async fn is_up(network: &Network) {
    let connected = async || (network.peer.state().await["open"].as_i64() == Some(1)).then_some(());
    until("the line to be up", World::HEALING, connected).await;
}

#[tokio::test]
async fn m7_whatever_comes_in_the_place_of_an_answer_a_payment_is_charged_once() {
    let Some((world, network, card)) = open(&[], &[("message_timeout", "600ms")]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    let mut paid = 0;
    for (how, why) in [
        // No message at all: the connection ends, and the message is repeated over the next one.
        ("empty", Some("garbage")),
        ("too-long", Some("garbage")),
        ("bitmap", Some("garbage")),
        ("letters", Some("garbage")),
        ("type", Some("garbage")),
        ("garbage", None),
        ("half", None),
        ("slow", None),
        // An answer to something else decides nothing, and the message is repeated.
        ("amount", None),
        ("card", None),
        // The same answer twice is one, and one that comes in pieces is one, too.
        ("twice", None),
        ("split", None),
    ] {
        let before = match why {
            Some(why) => ended(&world, why).await,
            None => 0,
        };
        network.fault("charge", how).await;
        let payment = till.pay(&payer, fen(PRICE)).await;
        assert_eq!(payment.state(), PaymentState::Approved, "{how}: {payment:?}");
        paid += 1;
        let state = network.comes_to(&card, BALANCE - paid * PRICE).await;
        assert_eq!(state["effects"]["charge"].as_i64(), Some(paid), "{how}: {state}");
        if let Some(why) = why {
            assert_eq!(ended(&world, why).await, before + 1, "{how} ends its connection");
        }
    }
    assert_eq!(world.settled().await.charged_minor(), paid * PRICE);
}

#[tokio::test]
async fn m7_what_nobody_has_asked_for_changes_nothing_and_ends_the_line_if_it_is_no_message() {
    let Some((world, network, card)) = open(&[], &[("message_timeout", "500ms")]).await else { return };
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    is_up(&network).await;
    // Approvals of a number that was never given out are counted, and the line stays.
    let lines = network.peer.state().await["seen"]["connection"].clone();
    network.peer.tell("stranger").await;
    late_approvals(&world, 2).await;
    assert_eq!(network.peer.state().await["seen"]["connection"], lines);
    assert_eq!(till.pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved);
    // A length of nothing, one above all measure, text, and a message that never comes to its end, an octet now and then.
    for (what, why) in [
        ("raw 0000", "garbage"),
        ("raw ffff00", "garbage"),
        ("raw 474554202f20485454502f312e310d0a0d0a", "garbage"),
        ("trickle 0040600003000060", "half_message"),
    ] {
        is_up(&network).await;
        let before = ended(&world, why).await;
        let began = SystemClock.now();
        network.peer.tell(what).await;
        let over = async || (ended(&world, why).await > before).then_some(());
        until(&format!("{what} to end the line"), World::HEALING, over).await;
        assert!(SystemClock.now().since(began) < Duration::from_secs(8), "{what}: octets one by one keep no line open");
        is_up(&network).await;
        assert_eq!(till.pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved, "{what}");
    }
    network.comes_to(&card, BALANCE - 5 * PRICE).await;
    assert_eq!(world.settled().await.charged_minor(), 5 * PRICE);
}

#[tokio::test]
async fn m7_an_answer_without_its_code_or_with_a_wrong_one_is_nobody_s_yes() {
    let mac = "1C1C1C1C2A2A2A2A3B3B3B3B4D4D4D4D";
    let code = format!("des:{mac}");
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let Some(network) = Network::start(&world, &["--mac", &code]).await else { return };
    let secret = world.secret("issuer-mac", mac);
    world.join_network(&network, &[("mac_key", &secret)]).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    for (n, how) in (1..).zip(["bad-mac", "no-mac"]) {
        network.fault("charge", how).await;
        let paid = till.pay(&payer, fen(PRICE)).await;
        assert_eq!(paid.state(), PaymentState::Approved, "the repeat over a new connection: {how}: {paid:?}");
        assert_eq!(ended(&world, "wrong_mac").await, n, "{how}");
        network.comes_to(&card, BALANCE - i64::try_from(n).unwrap() * PRICE).await;
    }
    assert_eq!(world.settled().await.charged_minor(), 2 * PRICE);
}

#[tokio::test]
async fn m8_a_line_speaks_with_nobody_but_the_network_that_it_is_for() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let issued = |name: &str, host: &str, is_expired: bool| {
        let files = world.certificate(name, |shape| {
            shape.dns_names = vec![host.to_owned()];
            if is_expired {
                shape.not_before = SystemClock.now().minus(Duration::from_secs(7_200));
                shape.not_after = SystemClock.now().minus(Duration::from_secs(3_600));
            }
        });
        let file =
            |extension: &str| world.federation.folder().join(format!("{name}.{extension}")).display().to_string();
        drop(files);
        ["--certificate".to_owned(), file("pem"), "--key".to_owned(), file("key")]
    };
    let other = issued("network-other", "network.elsewhere", false);
    let expired = issued("network-expired", "network.test", true);
    let right = issued("network-right", "network.test", false);
    let Some(mut network) = Network::start(&world, &other.each_ref().map(String::as_str)).await else { return };
    let authority = world.federation.authority_certificate().display().to_string();
    let tls = [("tls.server_ca", authority.as_str()), ("tls.server_name", "network.test")];
    world.join_network(&network, &tls).await;
    let card = NetworkCard::new(1);
    let till = world.till("till-1");
    for (what, arguments) in [("another name", None), ("expired", Some(&expired[..])), ("no TLS", Some(&[][..]))] {
        if let Some(arguments) = arguments {
            network = network.restart_with(arguments).await;
        }
        network.open(&card, BALANCE).await;
        let before = ended(&world, "").await;
        let tried = async || (ended(&world, "").await >= before + 2).then_some(());
        until(&format!("two tries: {what}"), World::HEALING, tried).await;
        let refused = till.with_card(&card.read(), Nature::Purchase, PRICE).await;
        assert_eq!((refused.state(), reason(&refused)), (PaymentState::Declined, Reason::BankAway.code()), "{what}");
        let state = network.peer.state().await;
        assert_eq!(
            (state["seen"]["sign-on"].as_i64(), state["seen"]["charge"].as_i64()),
            (None, None),
            "{what}: {state}"
        );
    }
    network = network.restart_with(&right).await;
    is_up(&network).await;
    let payer = world.network_payer(&card).await;
    assert_eq!(till.pay(&payer, fen(PRICE)).await.state(), PaymentState::Approved);
    network.comes_to(&card, BALANCE - PRICE).await;
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}
