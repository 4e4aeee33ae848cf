//! The end of a day on a line on which the hub is the acquirer: its totals are told once, however often, and compared (M7).

use std::time::Duration;

use federation_tests::databases::Engine;
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::operator::{DayTotals, DayTotalsState};
use proto::terminal::PaymentState;

const BALANCE: i64 = 100_000;
const PRICE: i64 = 1_250;

async fn open(engine: Engine) -> Option<(World, Network, NetworkCard)> {
    if !engine.is_there() {
        return None;
    }
    let mut world = Setup::on(engine).start().await;
    let network = Network::start(&world, &[]).await?;
    world.join_network(&network, &[("totals_after", "1s")]).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    Some((world, network, card))
}

/// Today in the hub's zone, and so many days later, as MMDD.
fn day(later: i64) -> String {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let now = server_kit::clock::Clock::now(&server_kit::clock::SystemClock);
    let today = zone.to_datetime(jiff::Timestamp::from_microsecond(now.micros()).unwrap()).date();
    let date = today.checked_add(jiff::Span::new().days(later)).unwrap();
    format!("{:02}{:02}", date.month(), date.day())
}

/// Two payments, one of which is taken back, and a part of the other goes back.
async fn some_payments(world: &World, card: &NetworkCard) {
    let payer = world.network_payer(card).await;
    let till = world.till("till-1");
    let paid = till.pay(&payer, fen(PRICE)).await;
    assert_eq!(paid.state(), PaymentState::Approved);
    till.refund(&till.new_id(), &paid.payment_id, fen(250)).await.unwrap();
    let other = till.pay(&payer, fen(PRICE)).await;
    assert_eq!(till.reverse(&other.payment_id, fen(PRICE)).await.unwrap().state(), PaymentState::Reversed);
}

async fn day_totals(world: &World) -> Vec<DayTotals> {
    world.federation.operator().unwrap().day_totals(false, 50).await.unwrap_or_default()
}

/// Totals are told again after 5 s, then after 10, then after 20.
const TOLD_WITHIN: Duration = Duration::from_secs(90);

async fn comes_to(world: &World, state: DayTotalsState) -> DayTotals {
    let found = async || {
        let mut all = day_totals(world).await;
        all.retain(|it| it.asked_by_hub);
        assert!(all.len() <= 1, "one day is told once: {all:?}");
        all.pop().filter(|it| it.state() == state)
    };
    until(&format!("the day to be {state:?}"), TOLD_WITHIN, found).await
}

const OURS: &str = "debits=2/2500 debit_reversals=1/1250 credits=1/250 credit_reversals=0/0";

async fn a_day_is_told(engine: Engine) {
    let Some((world, network, card)) = open(engine).await else { return };
    some_payments(&world, &card).await;
    assert_eq!(day_totals(&world).await, [], "the day has not ended");
    // Two answers are lost, and one decides nothing.
    for how in ["mute", "drop-after", "refuse 96"] {
        network.fault("totals", how).await;
    }
    assert_eq!(network.peer.tell(&format!("cut-over {}", day(1))).await, "00");
    let told = comes_to(&world, DayTotalsState::InBalance).await;
    assert_eq!((told.ours.as_str(), told.theirs.as_str(), told.currency_code.as_str()), (OURS, OURS, "CNY"));
    assert_eq!((told.link.as_str(), told.tries), ("cup", 4));
    let types = network.peer.state().await["types"].clone();
    assert_eq!((types["0500"].as_i64(), types["0501"].as_i64()), (Some(1), Some(3)), "{types}");
    let metrics = world.operations("hub-1", "/metrics").await;
    let counted = r#"bankhub_issuer_settlements_total{link="cup",balance="IN_BALANCE"} 1"#;
    let counted_so = r#"bankhub_issuer_settlements_total{balance="IN_BALANCE",link="cup"} 1"#;
    assert!(metrics.contains(counted) || metrics.contains(counted_so), "{metrics}");
    // What comes afterwards is another day's, and that of a day without any message is nobody's.
    assert_eq!(network.peer.tell(&format!("cut-over {}", day(2))).await, "00");
    // The network's own totals are compared, too, of whichever day.
    assert_eq!(network.peer.tell(&format!("totals {}", day(0))).await, "00 1");
    assert_eq!(network.peer.tell(&format!("totals {} 1", day(0))).await, "95 2");
    assert_eq!(network.peer.tell(&format!("totals {}", day(2))).await, "00 1");
    let mut all = day_totals(&world).await;
    all.retain(|it| !it.asked_by_hub);
    let states: Vec<_> = all.iter().map(|it| it.state()).collect();
    assert_eq!(states, [DayTotalsState::InBalance, DayTotalsState::OutOfBalance], "{all:?}");
    assert_eq!(world.settled().await.charged_minor(), PRICE - 250);
}

#[tokio::test]
async fn m7_the_totals_of_a_day_are_told_until_the_network_answers_and_are_in_balance() {
    a_day_is_told(Engine::Sqlite).await;
}

#[tokio::test]
async fn m7_the_totals_of_a_day_are_told_until_the_network_answers_and_are_in_balance_on_postgres() {
    a_day_is_told(Engine::Postgres).await;
}

#[tokio::test]
async fn m7_a_day_that_both_sides_count_otherwise_is_shown_to_operators() {
    for (how, state) in [
        ("off", DayTotalsState::OutOfBalance),
        ("refuse 95", DayTotalsState::OutOfBalance),
        ("refuse 12", DayTotalsState::Refused),
    ] {
        let Some((world, network, card)) = open(Engine::Sqlite).await else { return };
        some_payments(&world, &card).await;
        network.fault("totals", how).await;
        assert_eq!(network.peer.tell(&format!("cut-over {}", day(1))).await, "00");
        let told = comes_to(&world, state).await;
        assert_eq!((told.ours.as_str(), told.tries), (OURS, 1), "{how}");
        let troubled = world.federation.operator().unwrap().day_totals(true, 50).await.unwrap();
        assert_eq!(troubled, [told]);
        world.settled().await;
    }
}

/// A charge of which the network's answer never came, and that was taken back, is out of nobody's balance.
#[tokio::test]
async fn m7_what_was_taken_back_unheard_leaves_a_day_in_balance() {
    if !Engine::Sqlite.is_there() {
        return;
    }
    let mut world = Setup::on(Engine::Sqlite).with("payments.decide_within", "2s").start().await;
    let Some(network) = Network::start(&world, &[]).await else { return };
    world.join_network(&network, &[("totals_after", "1s")]).await;
    let card = NetworkCard::new(1);
    network.open(&card, BALANCE).await;
    for _ in 0..10 {
        network.fault("charge", "silent").await;
    }
    let payer = world.network_payer(&card).await;
    let till = world.till("till-1");
    let over = till.pay(&payer, fen(PRICE)).await;
    assert_eq!(over.state(), PaymentState::Declined);
    network.comes_to(&card, BALANCE).await;
    network.peer.tell("clear").await;
    let paid = till.pay(&payer, fen(PRICE)).await;
    assert_eq!(paid.state(), PaymentState::Approved);
    assert_eq!(network.peer.tell(&format!("cut-over {}", day(1))).await, "00");
    let told = comes_to(&world, DayTotalsState::OutOfBalance).await;
    // The network counts a charge and its reversal, says that this is not the same, and that is what is shown; the net is the same.
    assert_eq!(told.ours, "debits=1/1250 debit_reversals=0/0 credits=0/0 credit_reversals=0/0");
    world.settled().await;
}

async fn killed(engine: Engine, point: &str) {
    let Some((mut world, network, card)) = open(engine).await else { return };
    some_payments(&world, &card).await;
    world.arm("hub-1", point, 1).await;
    let connected = async || (network.peer.state().await["open"].as_i64() == Some(1)).then_some(());
    until("the line to be up", World::HEALING, connected).await;
    let cut_over = format!("cut-over {}", day(1));
    let (answered, ()) = tokio::join!(network.peer.tell(&cut_over), world.rise_again("hub-1"));
    assert_eq!(answered, "00");
    let told = comes_to(&world, DayTotalsState::InBalance).await;
    assert_eq!((told.ours.as_str(), told.theirs.as_str()), (OURS, OURS), "{point}");
    let types = network.peer.state().await["types"].clone();
    assert!(types["0500"].as_i64().unwrap_or(0) <= 1, "the same message is told again as 0501: {types}");
    assert_eq!(world.settled().await.charged_minor(), PRICE - 250, "{point}");
}

macro_rules! killed {
    ($($name:ident: $engine:ident $point:literal;)*) => {
        $(#[tokio::test]
        async fn $name() {
            killed(Engine::$engine, $point).await;
        })*
    };
}

killed! {
    m7_killed_before_totals_are_kept_a_day_is_told_once: Sqlite "issuer.totals.before";
    m7_killed_after_totals_are_kept_and_before_they_go_out_a_day_is_told_once: Sqlite "issuer.totals.after";
    m7_killed_with_the_answer_to_totals_a_day_is_told_once: Sqlite "issuer.totals.answered";
    m7_killed_after_totals_are_kept_and_before_they_go_out_a_day_is_told_once_on_postgres: Postgres "issuer.totals.after";
    m7_killed_with_the_answer_to_totals_a_day_is_told_once_on_postgres: Postgres "issuer.totals.answered";
}
