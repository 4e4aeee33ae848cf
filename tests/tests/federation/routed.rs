//! Payments by phone number that a link's network charges by itself (M5, M6): the card is named once its holder has proved to be there, and stands
//! in the holder's record once, if the network says that it has charged it.

use bankhub::acquirer::{Acquirer, AcquirerOptions, Named};
use domain::Reason;
use domain::network::Response;
use federation_tests::databases::Engine;
use federation_tests::links::{Stubborn, cny, options};
use federation_tests::network_bank::{Network, NetworkCard};
use federation_tests::payer::{Payer, another_code};
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use hub::network::config::DialectName;
use server_kit::identity::Role;
use server_kit::tls::ClientTls;

const PRICE: i64 = 1_250;

struct Routing {
    world: World,
    /// Its line is only there for the cards of its bank.
    network: Network,
    card: NetworkCard,
    options: AcquirerOptions,
}

/// A federation with a link under TLS that may route, and a person with a card of a network's bank; none where it cannot be.
async fn open(engine: Engine, setup: Setup) -> Option<Routing> {
    if !engine.is_there() {
        return None;
    }
    let mut world = setup.start().await;
    let network = Network::start(&world, &[]).await?;
    world.join_network(&network, &[("totals", "false")]).await;
    let hub = world.federation.server("hub-1").unwrap().member();
    let (certificate, authority) = (hub.certificate().display().to_string(), hub.authority().display().to_string());
    let key = format!("file:{}", hub.key().display());
    let tls = [("tls.certificate", certificate.as_str()), ("tls.key", &key), ("tls.client_ca", &authority)];
    let addr = world.open_link("union-pay", &tls).await;
    world.federation.operator().unwrap().allow_routing("acq").await.unwrap();
    let member = world.federation.member(Role::Terminal, "till-1").unwrap();
    let files = bankhub::trial::Federation::client_tls(&member);
    let tls = ClientTls::load(&files, world.federation.name()).unwrap();
    let options = AcquirerOptions { tls: Some((tls, addr.ip().to_string())), ..options(addr, DialectName::UnionPay) };
    Some(Routing { world, network, card: NetworkCard::new(1), options })
}

/// The first message of a payment; gives its name and the code that the payer is sent.
async fn code_sent(stubborn: &mut Stubborn, payer: &Payer) -> (Named, String) {
    let first = stubborn.acquirer().name("0200").unwrap();
    let fields = stubborn.acquirer().first(&payer.person.phone, cny(PRICE));
    let answer = stubborn.ask(first, &fields).await;
    assert_eq!(answer.response(), Response::CodeSent, "{answer:?}");
    let (_, code) = payer.next_code().await;
    (first, code)
}

/// Brings a wrong code and then the right one; gives the names of both tries, and what each was told.
async fn prove_at_the_second(
    stubborn: &mut Stubborn,
    payer: &Payer,
) -> (Named, [Named; 2], [bankhub::acquirer::Answer; 2]) {
    let (first, code) = code_sent(stubborn, payer).await;
    let [wrong, right] = ["0200"; 2].map(|mti| stubborn.acquirer().name(mti).unwrap());
    let fields = stubborn.second(first, payer, cny(PRICE), &another_code(&code));
    let refused = stubborn.ask(wrong, &fields).await;
    let fields = stubborn.second(first, payer, cny(PRICE), &code);
    let named = stubborn.ask(right, &fields).await;
    (first, [wrong, right], [refused, named])
}

/// Has the payer sent a code, and brings it; gives the first message and what the second one was told.
async fn prove(stubborn: &mut Stubborn, payer: &Payer) -> (Named, Named, bankhub::acquirer::Answer) {
    let (first, code) = code_sent(stubborn, payer).await;
    let second = stubborn.acquirer().name("0200").unwrap();
    let fields = stubborn.second(first, payer, cny(PRICE), &code);
    let answer = stubborn.ask(second, &fields).await;
    (first, second, answer)
}

/// How often a purchase of this amount stands in the payer's record, and how much of it came back.
async fn record(payer: &Payer) -> Vec<(i64, i64)> {
    let purchases = payer.person.device.payments(50, "").await.unwrap().purchases;
    purchases.iter().map(|it| (it.amount.as_ref().unwrap().minor_units, it.given_back_minor)).collect()
}

async fn a_card_is_named_and_charged_elsewhere(engine: Engine) {
    let Some(Routing { world, card, options, network: _network }) = open(engine, Setup::on(engine)).await else {
        return;
    };
    let payer = world.network_payer(&card).await;
    let mut stubborn = Stubborn::connect(options).await;
    let (first, [wrong, second], [refused, named]) = prove_at_the_second(&mut stubborn, &payer).await;
    assert_eq!((refused.response(), refused.text(2)), (Response::Refused(Reason::VerificationFailed), None));
    assert_eq!((named.response(), named.text(2)), (Response::Route, Some(card.pan.reveal())));
    assert_eq!(record(&payer).await, []);
    // The try that was wrong stays so, whatever it says by now.
    let fields = stubborn.second(first, &payer, cny(PRICE), "000000");
    let again = stubborn.ask(wrong, &fields).await;
    assert_eq!((again.response(), again.text(2)), (Response::Refused(Reason::VerificationFailed), None));
    let acquirer = stubborn.acquirer().clone();
    // The same message again is the same answer, another one names nothing.
    let fields = stubborn.second(first, &payer, cny(PRICE), "000000");
    let again = acquirer.ask(second, &fields).await.unwrap();
    assert_eq!((again.response(), again.text(2)), (Response::Route, Some(card.pan.reveal())));
    let other = acquirer.ask(acquirer.name("0200").unwrap(), &fields).await.unwrap();
    assert_eq!((other.response(), other.text(2)), (Response::Refused(Reason::NotAwaitingCode), None));
    // Of another amount nothing is taken note of.
    let dearer = acquirer.advise(first, cny(PRICE + 1), "00").await.unwrap();
    assert_eq!(dearer.response(), Response::Refused(Reason::ReversalAmountMismatch));
    // The network has charged it, and says so as often as it likes.
    let advice = acquirer.advice(first, cny(PRICE), "00");
    let name = acquirer.name("0220").unwrap();
    for _ in 0..20 {
        let told = acquirer.ask(name, &advice).await.unwrap();
        assert_eq!((told.response(), told.text(2)), (Response::Approved, None));
    }
    assert_eq!(acquirer.advise(first, cny(PRICE), "00").await.unwrap().response(), Response::Approved);
    assert_eq!(record(&payer).await, [(PRICE, 0)]);
    // What is final names no card any more, and is not refused afterwards.
    let spent = acquirer.ask(second, &fields).await.unwrap();
    assert_eq!((spent.response(), spent.text(2)), (Response::Approved, None));
    let refused = acquirer.advise(first, cny(PRICE), "51").await.unwrap();
    assert_eq!(refused.response(), Response::Refused(Reason::NotReversible));
    let refund = acquirer.refund(first, cny(250)).await.unwrap();
    assert_eq!(refund.response(), Response::Refused(Reason::NotRefundable), "who has charged it gives it back");
    for _ in 0..3 {
        assert_eq!(acquirer.reverse(first, cny(PRICE)).await.unwrap().response(), Response::Approved);
    }
    assert_eq!(record(&payer).await, [(PRICE, PRICE)]);
    let logs = world.logs();
    assert!(!logs.contains(card.pan.reveal()), "a card number stands in a log");
    let ledgers = world.settled().await;
    assert_eq!((ledgers.charged_minor(), ledgers.count("REVERSED")), (0, 1));
}

#[tokio::test]
async fn m6_a_card_is_named_once_and_stands_in_the_record_once_when_its_network_has_charged_it() {
    a_card_is_named_and_charged_elsewhere(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_a_card_is_named_once_and_stands_in_the_record_once_when_its_network_has_charged_it_on_postgres() {
    a_card_is_named_and_charged_elsewhere(Engine::Postgres).await;
}

async fn nothing_is_charged_that_nobody_says_so_of(engine: Engine) {
    let setup = Setup::on(engine).with("payments.routed_for", "3s");
    let Some(Routing { world, card, options, network: _network }) = open(engine, setup).await else { return };
    let payer = world.network_payer(&card).await;
    let mut stubborn = Stubborn::connect(options).await;
    let acquirer = stubborn.acquirer().clone();
    // Its network says no.
    let (declined, _, named) = prove(&mut stubborn, &payer).await;
    assert_eq!(named.response(), Response::Route);
    for _ in 0..2 {
        let told = acquirer.advise(declined, cny(PRICE), "51").await.unwrap();
        assert_eq!(told.response(), Response::Approved, "it was taken note of");
    }
    let late = acquirer.advise(declined, cny(PRICE), "00").await.unwrap();
    assert_eq!(late.response(), Response::Refused(Reason::InsufficientFunds), "what is final stays so");
    // It is taken back before anything was said.
    let (reversed, _, _) = prove(&mut stubborn, &payer).await;
    assert_eq!(acquirer.reverse(reversed, cny(PRICE)).await.unwrap().response(), Response::Approved);
    let late = acquirer.advise(reversed, cny(PRICE), "00").await.unwrap();
    assert_eq!(late.response(), Response::Refused(Reason::ReversedBeforeApproval));
    // Nobody says anything in time.
    let (silent, second, _) = prove(&mut stubborn, &payer).await;
    let fields = stubborn.second(silent, &payer, cny(PRICE), "000000");
    let gone = async || {
        let again = acquirer.ask(second, &fields).await.unwrap();
        (again.response() == Response::Refused(Reason::RoutingLapsed)).then_some(again.text(2).map(str::to_owned))
    };
    assert_eq!(until("the payment to lapse", World::HEALING, gone).await, None);
    let late = acquirer.advise(silent, cny(PRICE), "00").await.unwrap();
    assert_eq!(late.response(), Response::Refused(Reason::RoutingLapsed));
    // A wrong code names nothing, and counts.
    let first = acquirer.name("0200").unwrap();
    acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    let (_, code) = payer.next_code().await;
    let wrong = stubborn.second(first, &payer, cny(PRICE), &another_code(&code));
    let told = acquirer.ask(acquirer.name("0200").unwrap(), &wrong).await.unwrap();
    assert_eq!((told.response(), told.text(2)), (Response::Refused(Reason::VerificationFailed), None));
    assert_eq!(record(&payer).await, []);
    assert_eq!(world.settled().await.charged_minor(), 0);
}

#[tokio::test]
async fn m6_what_no_network_says_it_has_charged_is_not_charged() {
    nothing_is_charged_that_nobody_says_so_of(Engine::Sqlite).await;
}

#[tokio::test]
async fn m6_what_no_network_says_it_has_charged_is_not_charged_on_postgres() {
    nothing_is_charged_that_nobody_says_so_of(Engine::Postgres).await;
}

#[tokio::test]
async fn m9_a_link_is_told_cards_while_operators_let_it_and_never_without_tls() {
    let setup = Setup::on(Engine::Sqlite);
    let Some(Routing { world, card, options, network: _network }) = open(Engine::Sqlite, setup).await else { return };
    let payer = world.network_payer(&card).await;
    let mut stubborn = Stubborn::connect(options).await;
    let acquirer = stubborn.acquirer().clone();
    // An account has no number that a network could charge; who has proved to be its holder is told so.
    let account = world.payer("bank-a", 10_000).await;
    let (_, _, refused) = prove(&mut stubborn, &account).await;
    assert_eq!(refused.response(), Response::Refused(Reason::InstrumentNotRoutable));
    // Suspended between the two messages: no card is named, and no try is counted.
    let operator = world.federation.operator().unwrap();
    let first = acquirer.name("0200").unwrap();
    acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(PRICE))).await.unwrap();
    let (_, code) = payer.next_code().await;
    let (named, _, answer) = prove_named(&acquirer, &stubborn, (first, &payer), &code, async || {
        operator.suspend_routing("acq").await.unwrap()
    })
    .await;
    assert_eq!((answer.response(), answer.text(2)), (Response::Refused(Reason::RoutingSuspended), None));
    operator.allow_routing("acq").await.unwrap();
    let fields = stubborn.second(first, &payer, cny(PRICE), &code);
    let again = acquirer.ask(named, &fields).await.unwrap();
    assert_eq!(again.response(), Response::Route, "the code was not spent");
    // What was named before is taken note of all the same.
    operator.suspend_routing("acq").await.unwrap();
    let spent = acquirer.ask(named, &fields).await.unwrap();
    assert_eq!((spent.response(), spent.text(2)), (Response::Refused(Reason::RoutingSuspended), None));
    assert_eq!(acquirer.advise(first, cny(PRICE), "00").await.unwrap().response(), Response::Approved);
    assert_eq!(record(&payer).await, [(PRICE, 0)]);
    let listed = operator.links().await.unwrap();
    assert_eq!(
        listed.iter().map(|it| (it.link.as_str(), it.tls, it.routes)).collect::<Vec<_>>(),
        [("acq", true, false)]
    );
    assert_eq!(operator.allow_routing("other").await.unwrap_err().reason(), Some(Reason::LinkUnknown));
    world.settled().await;
}

#[tokio::test]
async fn m9_a_link_without_tls_is_never_told_a_card() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let refused = world.federation.operator().unwrap().allow_routing("acq").await.unwrap_err();
    assert_eq!(refused.reason(), Some(Reason::RoutingNeedsTls));
    let payer = world.payer("bank-a", 10_000).await;
    let mut stubborn = Stubborn::connect(options(addr, DialectName::UnionPay)).await;
    let (_, _, paid) = prove(&mut stubborn, &payer).await;
    assert_eq!((paid.response(), paid.text(2)), (Response::Approved, None), "the hub charges by itself");
    assert_eq!(world.settled().await.charged_minor(), PRICE);
}

/// Brings the second message after something has happened.
async fn prove_named(
    acquirer: &Acquirer,
    stubborn: &Stubborn,
    (first, payer): (Named, &Payer),
    code: &str,
    before: impl AsyncFnOnce(),
) -> (Named, Named, bankhub::acquirer::Answer) {
    before().await;
    let second = acquirer.name("0200").unwrap();
    let fields = stubborn.second(first, payer, cny(PRICE), code);
    let answer = acquirer.ask(second, &fields).await.unwrap();
    (second, first, answer)
}

/// Killed at each durable step, and told again: one purchase in the record.
async fn killed(engine: Engine, point: &str) {
    let Some(Routing { mut world, card, options, network: _network }) = open(engine, Setup::on(engine)).await else {
        return;
    };
    let payer = world.network_payer(&card).await;
    world.arm("hub-1", point, 1).await;
    let mut stubborn = Stubborn::connect(options).await;
    let paying = async {
        let (first, _, named) = prove(&mut stubborn, &payer).await;
        assert_eq!((named.response(), named.text(2)), (Response::Route, Some(card.pan.reveal())), "{point}");
        let name = stubborn.acquirer().name("0220").unwrap();
        let fields = stubborn.acquirer().advice(first, cny(PRICE), "00");
        stubborn.ask(name, &fields).await
    };
    let (told, ()) = tokio::join!(paying, world.rise_again("hub-1"));
    assert_eq!(told.response(), Response::Approved, "{point}: {told:?}");
    assert_eq!(record(&payer).await, [(PRICE, 0)], "{point}");
    let ledgers = world.settled().await;
    assert_eq!((ledgers.charged_minor(), ledgers.count("POSTED")), (0, 1), "{point}");
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
    m6_killed_before_a_card_is_named_it_is_named_in_the_end: Sqlite "D2.before";
    m6_killed_after_a_card_may_be_named_it_is_named_again: Sqlite "D2.after";
    m6_killed_before_an_advice_is_durable_the_record_has_the_purchase_once: Sqlite "D4.before";
    m6_killed_after_an_advice_is_durable_the_record_has_the_purchase_once: Sqlite "D4.after";
    m6_killed_after_a_card_may_be_named_it_is_named_again_on_postgres: Postgres "D2.after";
    m6_killed_after_an_advice_is_durable_the_record_has_the_purchase_once_on_postgres: Postgres "D4.after";
}
