//! Callers who are not who they should be.

use domain::Reason;
use federation_tests::databases::Engine;
use federation_tests::till::{Till, fen};
use federation_tests::world::{Setup, World};
use proto::bank::bank_service_client::BankServiceClient;
use proto::bank::{GetLegRequest, PostLegsRequest};
use proto::cardholder::cardholder_service_client::CardholderServiceClient;
use proto::cardholder::{ListPaymentsRequest, WatchEventsRequest};
use proto::counter::DepositCashRequest;
use proto::counter::counter_service_client::CounterServiceClient;
use proto::federation::federation_service_client::FederationServiceClient;
use proto::federation::{LegVerdict, ResolveLegRequest};
use proto::operator::operator_service_client::OperatorServiceClient;
use proto::operator::{GetOverviewRequest, SetTerminalSuspendedRequest};
use proto::terminal::PaymentState;
use server_kit::certificate::TrialAuthority;
use server_kit::clock::SystemClock;
use server_kit::identity::Role;
use server_kit::tls::ClientTlsConfig;
use tonic::Request;

use crate::refused;

fn till(world: &World, tls: &ClientTlsConfig) -> Till {
    Till::new(world.hub_channel(tls), world.answers.clone())
}

#[tokio::test]
async fn only_the_one_exact_uri_of_a_certificate_says_who_calls() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let name = world.federation.name().to_owned();
    let uri = |path: &str| format!("spiffe://{name}/{path}");
    let genuine = world.certificate("genuine", |shape| shape.uris = vec![uri("terminal/till-1")]);
    let id = till(&world, &genuine).new_id();
    assert_eq!(refused(till(&world, &genuine).get(&id).await), Reason::PaymentUnknown, "this one is known");
    assert_eq!(refused(till(&world, &world.stranger()).get(&id).await), Reason::CertificateMissing);
    let cases: [(&str, Vec<String>, Option<&str>, Reason); 9] = [
        ("common-name", vec![], Some("till-1"), Reason::CertificateRefused),
        ("uri-as-common-name", vec![], Some("spiffe://trial.bankhub/terminal/till-1"), Reason::CertificateRefused),
        ("wildcard", vec![uri("terminal/*")], None, Reason::CertificateRefused),
        ("two", vec![uri("terminal/till-1"), uri("terminal/till-2")], None, Reason::CertificateRefused),
        ("upper-case", vec![uri("terminal/TILL-1")], None, Reason::CertificateRefused),
        ("longer", vec![uri("terminal/till-1/x")], None, Reason::CertificateRefused),
        ("elsewhere", vec!["spiffe://elsewhere/terminal/till-1".to_owned()], None, Reason::CertificateRefused),
        ("a-bank", vec![uri("bank/bank-a")], None, Reason::RoleNotAllowed),
        ("not-enrolled", vec![uri("terminal/till-9")], None, Reason::TerminalUnknown),
    ];
    for (what, uris, common_name, expected) in cases {
        let tls = world.certificate(what, |shape| {
            shape.uris = uris;
            shape.common_name = common_name.map(str::to_owned);
        });
        assert_eq!(refused(till(&world, &tls).get(&id).await), expected, "{what}");
    }
    let dns = world.certificate("dns", |shape| shape.dns_names = vec!["*".to_owned(), "till-1".to_owned()]);
    assert_eq!(refused(till(&world, &dns).get(&id).await), Reason::CertificateRefused);
    world.settled().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_another_time_gets_no_connection() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let uri = format!("spiffe://{}/terminal/till-1", world.federation.name());
    let stranger = TrialAuthority::create("somebody else", &SystemClock).unwrap();
    let foreign = world.certificate_of(&stranger, "foreign", |shape| shape.uris = vec![uri.clone()]);
    let day = std::time::Duration::from_secs(86_400);
    let ended = world.certificate("ended", |shape| {
        shape.uris = vec![uri.clone()];
        shape.not_after = shape.not_before.minus(day);
        shape.not_before = shape.not_before.minus(day * 2);
    });
    let server_only = world.certificate("server-only", |shape| {
        shape.uris = vec![uri.clone()];
        shape.usage = server_kit::certificate::Usage::Server;
    });
    for (what, tls) in [("foreign", foreign), ("ended", ended), ("for servers", server_only)] {
        let till = till(&world, &tls);
        let status = till.get(&till.new_id()).await.expect_err(what);
        assert_eq!(proto::reason_of(&status), None, "{what}: {status:?}");
        // It is the transport that fails, and not a service that answers.
        assert!(std::error::Error::source(&status).is_some(), "{what}: {status:?}");
    }
    world.settled().await;
}

#[tokio::test]
async fn every_service_answers_its_own_audience_only() {
    let world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).start().await;
    let till = world.till("till-1");
    let (leg_id, payment_id) = (till.new_id(), till.new_id());
    let roles =
        [(Role::Terminal, "till-1"), (Role::Bank, "bank-b"), (Role::Carrier, "carrier"), (Role::Operator, "ops")];
    let mut callers: Vec<_> = roles.iter().map(|(role, id)| (Some(*role), world.member(*role, id))).collect();
    callers.push((None, world.stranger()));
    for (role, tls) in callers {
        let expected = if role.is_none() { Reason::CertificateMissing } else { Reason::RoleNotAllowed };
        let hub = world.hub_channel(&tls);
        let bank = world.bank_channel("bank-a", &tls);
        if role != Some(Role::Operator) {
            let answer = OperatorServiceClient::new(hub.clone()).get_overview(GetOverviewRequest {}).await;
            assert_eq!(refused(answer), expected, "{role:?} as operator");
        }
        if role != Some(Role::Bank) {
            let request = ResolveLegRequest { leg_id: leg_id.clone(), payment_id: payment_id.clone() };
            let answer = FederationServiceClient::new(hub.clone()).resolve_leg(request).await;
            assert_eq!(refused(answer), expected, "{role:?} as bank");
        }
        if role != Some(Role::Terminal) {
            let answer = Till::new(hub, world.answers.clone()).get(&payment_id).await;
            assert_eq!(refused(answer), expected, "{role:?} as terminal");
        }
        let mut bank = BankServiceClient::new(bank);
        let post = bank.post_legs(PostLegsRequest { leg_ids: vec![leg_id.clone()] }).await;
        assert_eq!(refused(post), expected, "{role:?} as hub");
        let get = bank.get_leg(GetLegRequest { leg_id: leg_id.clone() }).await;
        assert_eq!(refused(get), expected, "{role:?} as hub");
    }
    world.settled().await;
}

#[tokio::test]
async fn a_banks_counter_serves_its_own_operators_and_neither_the_hub_nor_the_hubs_operators() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 1_000).await;
    let till = world.till("till-1");
    let others = [world.member(Role::Operator, "ops"), world.member(Role::Bank, "bank-a")];
    let mut others: Vec<_> =
        others.iter().map(|tls| CounterServiceClient::new(world.bank_channel("bank-a", tls))).collect();
    others.push(CounterServiceClient::new(world.federation.bank_channel_as_hub("bank-a").unwrap()));
    for other in &mut others {
        let deposit = DepositCashRequest {
            deposit_id: till.new_id(),
            account_id: payer.person.account.to_string(),
            amount: Some(fen(1_000_000)),
        };
        assert_eq!(refused(other.deposit_cash(deposit).await), Reason::RoleNotAllowed);
    }
    assert_eq!(world.available(&payer).await, 1_000);
    world.settled().await;
}

#[tokio::test]
async fn a_bank_hears_nothing_about_another_banks_leg() {
    let world = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let payment_id = till.sell(&payer, fen(1_000)).await;
    let id = domain::PaymentId::parse(&payment_id).unwrap();
    let leg_id = world.federation.operator().unwrap().inspect(id).await.unwrap().leg_id;
    let ask = async |bank: &str, leg_id: &str, payment_id: &str| {
        let channel = world.hub_channel(&world.member(Role::Bank, bank));
        let request = ResolveLegRequest { leg_id: leg_id.to_owned(), payment_id: payment_id.to_owned() };
        FederationServiceClient::new(channel).resolve_leg(request).await.map(|answer| answer.into_inner().verdict())
    };
    assert_eq!(ask("bank-a", &leg_id, &payment_id).await.unwrap(), LegVerdict::Post);
    assert_eq!(refused(ask("bank-b", &leg_id, &payment_id).await), Reason::NotYours);
    // What the hub does not know is void, whoever asks.
    assert_eq!(ask("bank-b", &till.new_id(), &till.new_id()).await.unwrap(), LegVerdict::Void);
    assert_eq!(ask("bank-a", &till.new_id(), &payment_id).await.unwrap(), LegVerdict::Void);
    world.settled().await;
}

#[tokio::test]
async fn m6_a_bank_that_stands_where_another_should_is_told_nothing_and_charges_nobody() {
    let setup = Setup::on(Engine::Sqlite).with_banks(&["bank-a", "bank-b"]).with("payments.decide_within", "2s");
    let world = setup.start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let (right, wrong) =
        ["bank-a", "bank-b"].map(|bank| world.federation.server(bank).unwrap().endpoint().unwrap()).into();
    world.federation.register_bank_at("bank-a", &wrong).await.unwrap();
    let (id, code) = till.begin(&payer, fen(1_000)).await;
    let answer = till.authorize(&id, &till.new_id(), &code, payer.password()).await.unwrap();
    assert_eq!(answer.state(), PaymentState::Pending);
    world.federation.register_bank_at("bank-a", &right).await.unwrap();
    till.outcome(&id).await;
    let ledgers = world.settled().await;
    assert!(ledgers.legs.iter().all(|leg| leg.bank == "bank-a"), "{:?}", ledgers.legs);
}

#[tokio::test]
async fn m9_a_terminal_that_is_suspended_is_refused_until_it_may_go_on() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let (till, payer) = (world.till("till-1"), world.payer("bank-a", 10_000).await);
    let client = |name| OperatorServiceClient::new(world.hub_channel(&world.member(Role::Operator, name)));
    let request = |suspended| SetTerminalSuspendedRequest { terminal_id: "till-1".to_owned(), suspended };
    // A certificate of the federation is not enough: nobody has registered this operator.
    let unknown = client("ops").set_terminal_suspended(request(true)).await;
    assert_eq!(refused(unknown), Reason::OperatorUnknown);
    let mut operator = client("founder");
    let mut suspend = async |suspended| {
        let request = request(suspended);
        operator.set_terminal_suspended(request).await.unwrap();
    };
    suspend(true).await;
    assert_eq!(refused(till.create(&till.new_id(), &payer, fen(1)).await), Reason::TerminalSuspended);
    suspend(false).await;
    till.sell(&payer, fen(1)).await;
    assert_eq!(world.settled().await.charged_minor(), 1);
}

#[tokio::test]
async fn a_phone_without_a_session_sees_nobodys_money() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 10_000).await;
    world.till("till-1").sell(&payer, fen(1)).await;
    let mut phone = CardholderServiceClient::new(world.federation.phone_channel().unwrap());
    for token in [None, Some("Bearer"), Some("Bearer "), Some("Bearer AAAA"), Some("Basic AAAA")] {
        let with = |message| {
            let mut request = Request::new(message);
            if let Some(token) = token {
                request.metadata_mut().insert("authorization", token.parse().unwrap());
            }
            request
        };
        let request = ListPaymentsRequest { page_size: 10, ..ListPaymentsRequest::default() };
        assert_eq!(refused(phone.list_payments(with(request)).await), Reason::SessionInvalid, "{token:?}");
        let mut request = Request::new(WatchEventsRequest { after_sequence: 0 });
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", token.parse().unwrap());
        }
        assert_eq!(refused(phone.watch_events(request).await.map(|_| ())), Reason::SessionInvalid, "{token:?}");
    }
    world.settled().await;
}
