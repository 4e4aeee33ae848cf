//! Who is a customer, and how much of it a terminal finds out that asks of all numbers.

use std::collections::BTreeMap;

use bankhub::acquirer::Acquirer;
use domain::network::Response;
use domain::{PhoneNumber, Reason};
use federation_tests::databases::Engine;
use federation_tests::links::{cny, options};
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use hub::network::config::DialectName;
use proto::common::{ErrandKind, Money};
use proto::operator as operator_pb;
use proto::operator::operator_service_client::OperatorServiceClient;
use proto::terminal as pb;
use proto::terminal::create_payment_request::Payer;
use proto::terminal::terminal_service_client::TerminalServiceClient;
use server_kit::clock::SystemClock;
use server_kit::identity::Role;
use server_kit::rng::{IdMaker, SystemRng, digits};
use tonic::transport::Channel;

/// Numbers that are asked for, one of them in a hundred a customer's.
const NUMBERS: usize = 10_000;
/// What the usual budget lets a terminal find out at once: a thousand tokens at twenty for a miss, or one for a hit.
const MISSES: usize = 50;

type Till = TerminalServiceClient<Channel>;

/// Each call of a terminal that begins with a number.
const CALLS: [Call; 3] = [Call::Payment, Call::TopUp, Call::Errand];

#[derive(Clone, Copy)]
enum Call {
    Payment,
    TopUp,
    Errand,
}

/// Says whether the number is a customer's, or everything that a caller can see of a refusal.
async fn ask(till: &mut Till, ids: &IdMaker, (call, phone): (Call, String)) -> Result<bool, String> {
    let id = ids.uuid().unwrap().to_string();
    let amount = Some(Money { currency_code: "CNY".to_owned(), minor_units: 100 });
    let answer = match call {
        Call::Payment => {
            let payer = Some(Payer::PhoneNumber(phone));
            let request = pb::CreatePaymentRequest { payment_id: id, payer, amount, ..Default::default() };
            let answer = till.create_payment(request).await;
            answer.map(|answer| answer.into_inner().payment.unwrap().state() == pb::PaymentState::AwaitingCode)
        }
        Call::TopUp => {
            let request = pb::CreateTopUpRequest { payment_id: id, phone_number: phone, amount, ..Default::default() };
            let answer = till.create_top_up(request).await;
            answer.map(|answer| answer.into_inner().payment.unwrap().state() != pb::PaymentState::Declined)
        }
        Call::Errand => {
            let kind = ErrandKind::SetPassword.into();
            let answer = till.create_errand(pb::CreateErrandRequest { errand_id: id, phone_number: phone, kind }).await;
            answer.map(|answer| answer.into_inner().errand.unwrap().state() == pb::ErrandState::Waiting)
        }
    };
    answer.map_err(|status| format!("{:?} {} {:?}", status.code(), status.message(), status.details()))
}

async fn from_one_terminal(engine: Engine) {
    let setup = Setup::on(engine).with("lookups.terminal_burst", "1000").with("lookups.terminal_per_hour", "1");
    let mut world = setup.start().await;
    let payer = world.payer("bank-a", 100_000).await;
    let ids = IdMaker::new(SystemClock::shared(), SystemRng::shared());
    let rng = SystemRng::shared();
    let mut till = TerminalServiceClient::new(world.hub_channel(&world.member(Role::Terminal, "till-1")));
    let (mut learned, mut customers) = (0, 0);
    let mut refusals: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for n in 0..NUMBERS {
        let is_customer = n % 100 == 10;
        let phone = match is_customer {
            true => payer.number().to_owned(),
            false => format!("+8619{}", digits(rng.as_ref(), 9).unwrap()),
        };
        if n == NUMBERS / 2 {
            // Nothing that a restart forgets.
            let hub = world.server("hub-1");
            hub.kill().await.unwrap();
            hub.start().await.unwrap();
            till = TerminalServiceClient::new(world.hub_channel(&world.member(Role::Terminal, "till-1")));
        }
        match ask(&mut till, &ids, (CALLS[n % CALLS.len()], phone)).await {
            Ok(found) => {
                learned += 1;
                customers += usize::from(found);
            }
            Err(said) => {
                let counted = refusals.entry(said).or_default();
                if is_customer { counted.1 += 1 } else { counted.0 += 1 }
            }
        }
    }
    println!("{engine:?}: of {NUMBERS} numbers {learned} were answered, {customers} of them customers'; {refusals:?}");
    assert!((MISSES - 10..=MISSES + 1).contains(&learned), "{learned}");
    assert_eq!(customers, 1, "the eleventh number");
    assert_eq!(refusals.len(), 1, "a known number is refused in no other words: {refusals:?}");
    let (said, (unknown, known)) = refusals.first_key_value().unwrap();
    assert!(
        said.contains(Reason::LookupsExhausted.code()) || said.contains(Reason::LookupsExhausted.english()),
        "{said}"
    );
    assert!(*unknown > 9_000 && *known == 99, "{unknown} {known}");

    // Operators see who asks, and the shop next to it goes on.
    let mut founder = OperatorServiceClient::new(world.hub_channel(&world.member(Role::Operator, "founder")));
    let dry = operator_pb::ListLookupBudgetsRequest { only_dry: true, ..Default::default() };
    let dry = founder.list_lookup_budgets(dry).await.unwrap().into_inner().budgets;
    let seen: Vec<_> = dry.iter().map(|it| (it.scope.as_str(), it.id.as_str(), it.dry_times)).collect();
    assert_eq!(seen, [("TERMINAL", "till-1", 1)]);
    let mut other = TerminalServiceClient::new(world.hub_channel(&world.member(Role::Terminal, "till-2")));
    assert_eq!(ask(&mut other, &ids, (Call::Payment, payer.number().to_owned())).await, Ok(true));
    world.settled().await;
}

/// Room for five misses, whichever terminals of the link ask: over it a known number is refused as an unknown one.
#[tokio::test]
async fn m4_a_link_finds_out_about_no_more_numbers_than_its_budget_over_the_link_itself() {
    let roomy = [("lookups.terminal_burst", "100000"), ("lookups.merchant_burst", "100000")];
    let setup = roomy.into_iter().fold(Setup::on(Engine::Sqlite), |setup, (key, value)| setup.with(key, value));
    let mut world = setup.with("lookups.link_burst", "100").with("lookups.link_per_hour", "1").start().await;
    let addr = world.open_link("union-pay", &[]).await;
    let payer = world.payer("bank-a", 100_000).await;
    let mut acquirer = Acquirer::connect(options(addr, DialectName::UnionPay)).await.unwrap();
    let ask = async |acquirer: &Acquirer, phone: &str| {
        let phone = PhoneNumber::parse(phone).unwrap();
        let named = acquirer.name("0200").unwrap();
        let answer = acquirer.ask(named, &acquirer.first(&phone, cny(100))).await.unwrap();
        (named, answer.response())
    };
    let mut told = Vec::new();
    for n in 0..12 {
        if n == 6 {
            // Nothing that a restart forgets.
            world.restart("hub-1").await;
            acquirer = Acquirer::connect(options(addr, DialectName::UnionPay)).await.unwrap();
        }
        told.push(ask(&acquirer, &format!("+8619{n:09}")).await);
    }
    let answered = told.iter().filter(|(_, it)| *it == Response::Refused(Reason::PayerUnavailable)).count();
    let dry = told.iter().filter(|(_, it)| *it == Response::Refused(Reason::LookupsExhausted)).count();
    assert!((4..=5).contains(&answered) && answered + dry == told.len(), "{told:?}");
    assert_eq!(ask(&acquirer, payer.number()).await.1, Response::Refused(Reason::LookupsExhausted));
    // What was answered before is answered again.
    let first = acquirer.first(&PhoneNumber::parse("+8619000000000").unwrap(), cny(100));
    assert_eq!(acquirer.ask(told[0].0, &first).await.unwrap().response(), Response::Refused(Reason::PayerUnavailable));
    // Operators see which link it is, and let it go on.
    let operator = world.federation.operator().unwrap();
    let budgets = operator.lookup_budgets(true, 50).await.unwrap();
    assert_eq!(budgets.iter().map(|it| (it.scope.as_str(), it.id.as_str())).collect::<Vec<_>>(), [("LINK", "acq")]);
    operator.fill_lookups("LINK", "acq").await.unwrap();
    let goes_on = async || (ask(&acquirer, payer.number()).await.1 == Response::CodeSent).then_some(());
    until("the link to ask again", World::HEALING, goes_on).await;
    world.settled().await;
}

#[tokio::test]
async fn m4_ten_thousand_numbers_from_one_terminal_tell_no_more_than_its_budget_on_sqlite() {
    from_one_terminal(Engine::Sqlite).await;
}

#[tokio::test]
async fn m4_ten_thousand_numbers_from_one_terminal_tell_no_more_than_its_budget_on_postgres() {
    if Engine::Postgres.is_there() {
        from_one_terminal(Engine::Postgres).await;
    }
}
