//! The bank's node as the hub and an operator meet it: over mutual TLS, configured from a file.

mod bill_desk;
mod bills;
mod credit;
mod credit_system;
mod federation;
mod freezes;
mod identities;
mod inquiries;
#[cfg(feature = "fault-points")]
mod killed;
mod network;
mod pages;
mod peer_killed;
mod pins;
mod report_desk;
mod reports;

use std::net::SocketAddr;
use std::time::Duration;

use domain::{Reason, Timestamp};
use proto::bank::bank_service_client::BankServiceClient;
use proto::bank::*;
use proto::common::{Merchant, Money, Nature};
use proto::counter::counter_service_client::CounterServiceClient;
use proto::counter::{self, DepositCashRequest, OpenAccountRequest, SetAccountFrozenRequest};
use proto::federation::LegVerdict;
use proto::reason_of;
use ring::digest::{SHA256, digest};
use server_kit::clock::SystemClock;
use server_kit::config::ConfigError;
use server_kit::shutdown::Shutdown;
use server_kit::store::StoreError;
use server_kit::store::testing::TestDatabase;
use server_kit::telemetry::detached_metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::transport::Channel;
use tonic::{Code, Status};

use self::federation::{Caller, Federation, Node, Verdicts};
use crate::{Adapter, Config, RunError};

/// Where no hub listens.
const NO_HUB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// When something is taken never to come: a bound for a machine that others use, too, and no measure of speed.
const NEVER: Duration = Duration::from_secs(60);
/// Between two tries of what waits for somebody else, who wants to run meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

fn cny(minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: "CNY".to_owned(), minor_units })
}

fn hold(leg_id: &str, account_id: &str, minor: i64) -> Hold {
    let merchant = Merchant {
        merchant_id: "tea-house".to_owned(),
        display_name: "Tea House".to_owned(),
        category_code: "5812".to_owned(),
    };
    Hold {
        leg_id: leg_id.to_owned(),
        payment_id: leg_id.to_owned(),
        payer: Some(hold::Payer::AccountId(account_id.to_owned())),
        amount: cny(minor),
        merchant: Some(merchant),
        nature: Nature::Purchase.into(),
        savings_account_id: String::new(),
        traceparent: String::new(),
    }
}

/// The leg, or why nothing was stored, as a status has it.
async fn hold_one(client: &mut BankServiceClient<Channel>, hold: Hold) -> Result<Leg, Status> {
    let answer = client.hold_legs(HoldLegsRequest { holds: vec![hold] }).await?.into_inner();
    let [result] = <[_; 1]>::try_from(answer.results).unwrap();
    let refused = |refusal: proto::common::Refusal| proto::status(Reason::from_code(&refusal.reason).unwrap());
    assert!(result.leg.is_none() || result.refusal.is_none());
    result.refusal.map_or(Ok(()), |refusal| Err(refused(refusal)))?;
    Ok(result.leg.unwrap())
}

fn refusal(leg: &Leg) -> &str {
    leg.refusal.as_ref().map_or("", |refusal| &refusal.reason)
}

struct Trial {
    federation: Federation,
    node: Node,
    hub: BankServiceClient<Channel>,
    counter: CounterServiceClient<Channel>,
}

impl Trial {
    async fn start() -> Self {
        Self::with(NO_HUB, "").await
    }

    async fn with(hub: SocketAddr, more: &str) -> Self {
        let federation = Federation::new();
        let node = federation.bank(hub, more).await;
        Self::of(federation, node)
    }

    fn of(federation: Federation, node: Node) -> Self {
        let (hub, counter) = (federation.call(&node, Caller::Hub), federation.counter(&node, Caller::Operator));
        Self { federation, node, hub, counter }
    }

    fn id(&self) -> String {
        self.federation.ids.uuid().unwrap().to_string()
    }

    async fn account_with(&mut self, minor: i64) -> String {
        let account_id = self.id();
        let opening = OpenAccountRequest {
            account_id: account_id.clone(),
            currency_code: "CNY".to_owned(),
            holder_name: "王小明".to_owned(),
            payment_limit_minor: 0,
            kind: counter::AccountKind::Deposit.into(),
            credit_line: None,
        };
        self.counter.open_account(opening).await.unwrap();
        let deposit = DepositCashRequest { deposit_id: self.id(), account_id: account_id.clone(), amount: cny(minor) };
        self.counter.deposit_cash(deposit).await.unwrap();
        account_id
    }

    async fn hold(&mut self, request: Hold) -> Result<Leg, Status> {
        hold_one(&mut self.hub, request).await
    }

    async fn account(&mut self, account_id: &str) -> Account {
        let request = GetAccountRequest { account_id: account_id.to_owned() };
        self.hub.get_account(request).await.unwrap().into_inner().account.unwrap()
    }

    async fn available(&mut self, account_id: &str) -> i64 {
        self.account(account_id).await.available.unwrap().minor_units
    }
}

#[tokio::test]
async fn m6_the_hub_holds_posts_voids_and_refunds_and_an_operator_freezes() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let [paid, dropped, back, frozen] = std::array::from_fn(|_| trial.id());

    let leg = trial.hold(hold(&paid, &account, 300)).await.unwrap();
    assert_eq!((leg.state(), leg.amount.clone(), refusal(&leg)), (LegState::Held, cny(300), ""));
    assert!(leg.account_masked.starts_with("****") && leg.account_masked.len() == 8, "{leg:?}");
    trial.hold(hold(&dropped, &account, 200)).await.unwrap();
    assert_eq!(trial.available(&account).await, 500);

    let leg_ids = vec![paid.clone(), dropped.clone(), trial.id()];
    let void = VoidLegRequest { leg_id: dropped.clone(), payment_id: dropped.clone() };
    let voided = trial.hub.void_leg(void).await.unwrap().into_inner().leg.unwrap();
    assert_eq!((voided.state(), refusal(&voided)), (LegState::Voided, ""));
    let posts = trial.hub.post_legs(PostLegsRequest { leg_ids }).await.unwrap().into_inner().results;
    let answers: Vec<_> =
        posts.iter().map(|it| (it.state(), it.refusal.as_ref().map_or("", |refusal| &refusal.reason))).collect();
    let unknown = (LegState::Unspecified, "LEG_UNKNOWN");
    assert_eq!(answers, [(LegState::Posted, ""), (LegState::Voided, "LEG_VOIDED"), unknown]);
    let late = trial.hold(hold(&dropped, &account, 200)).await.unwrap();
    assert_eq!((late.state(), refusal(&late)), (LegState::Voided, "LEG_VOIDED"));

    let freeze = SetAccountFrozenRequest { account_id: account.clone(), frozen: true };
    assert!(trial.counter.set_account_frozen(freeze).await.unwrap().into_inner().account.unwrap().frozen);
    let refused = trial.hold(hold(&frozen, &account, 1)).await.unwrap();
    assert_eq!((refused.state(), refusal(&refused)), (LegState::Refused, "ACCOUNT_FROZEN"));

    let refund = RefundLegRequest {
        leg_id: back.clone(),
        payment_id: back.clone(),
        original_leg_id: paid.clone(),
        amount: cny(100),
    };
    let refunded = trial.hub.refund_leg(refund).await.unwrap().into_inner().leg.unwrap();
    assert_eq!((refunded.state(), refunded.original_leg_id.as_str()), (LegState::Posted, paid.as_str()));
    assert_eq!(refunded.account_id, account);
    let stands = trial.account(&account).await;
    assert_eq!((stands.available, stands.balance), (cny(800), cny(800)));

    let read = trial.hub.get_leg(GetLegRequest { leg_id: paid }).await.unwrap().into_inner().leg.unwrap();
    assert_eq!(read.state(), LegState::Posted);
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn only_the_hub_moves_money_and_only_the_banks_own_operators_serve_the_counter() {
    let mut trial = Trial::start().await;
    let (nobody, account) = (trial.id(), trial.account_with(1_000).await);
    let denied = Err(Reason::RoleNotAllowed);
    // Who calls; whether they may move money for payments, serve the counter.
    let table = [
        (Caller::Hub, Ok(()), denied),
        (Caller::Operator, denied, Ok(())),
        (Caller::OtherOperator, denied, denied),
        (Caller::Terminal, denied, denied),
        (Caller::OtherBank, denied, denied),
        (Caller::Nobody, Err(Reason::CertificateMissing), Err(Reason::CertificateMissing)),
        (Caller::CommonNameOnly, Err(Reason::CertificateRefused), Err(Reason::CertificateRefused)),
    ];
    for (caller, legs, at_counter) in table {
        let mut client = trial.federation.call(&trial.node, caller);
        let leg = client.get_leg(GetLegRequest { leg_id: nobody.clone() }).await.unwrap_err();
        assert_eq!(reason_of(&leg), Some(legs.err().unwrap_or(Reason::LegUnknown)), "{caller:?}");
        let hold = hold_one(&mut client, hold(&trial.id(), &nobody, 1)).await;
        assert_eq!(hold.err().and_then(|status| reason_of(&status)), legs.err(), "{caller:?}");
        let posts = client.post_legs(PostLegsRequest { leg_ids: vec![nobody.clone()] }).await;
        assert_eq!(posts.err().and_then(|status| reason_of(&status)), legs.err(), "{caller:?}");
        let seen = client.get_account(GetAccountRequest { account_id: nobody.clone() }).await.unwrap_err();
        assert_eq!(reason_of(&seen), Some(legs.err().unwrap_or(Reason::AccountUnknown)), "{caller:?}");
        let mut client = trial.federation.counter(&trial.node, caller);
        let read = counter::GetAccountRequest { account_id: nobody.clone() };
        let seen = client.get_account(read).await.unwrap_err();
        assert_eq!(reason_of(&seen), Some(at_counter.err().unwrap_or(Reason::AccountUnknown)), "{caller:?}");
        let freeze = SetAccountFrozenRequest { account_id: account.clone(), frozen: false };
        let frozen = client.set_account_frozen(freeze).await;
        assert_eq!(frozen.err().and_then(|status| reason_of(&status)), at_counter.err(), "{caller:?}");
        let deposit = DepositCashRequest { deposit_id: trial.id(), account_id: account.clone(), amount: cny(1) };
        let deposited = client.deposit_cash(deposit).await;
        assert_eq!(deposited.err().and_then(|status| reason_of(&status)), at_counter.err(), "{caller:?}");
    }
    assert_eq!(trial.available(&account).await, 1_001);
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn bad_input_is_refused_by_reason_and_stores_nothing() {
    let mut trial = Trial::start().await;
    let (account, leg) = (trial.account_with(1_000).await, trial.id());
    let good = hold(&leg, &account, 1);
    let money = |code: &str, minor_units| Some(Money { currency_code: code.to_owned(), minor_units });
    let merchant = |change: fn(&mut Merchant)| {
        let mut merchant = good.merchant.clone().unwrap();
        change(&mut merchant);
        Some(merchant)
    };
    let with = |change: &dyn Fn(&mut Hold)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let table = [
        (with(&|it| it.leg_id.clear()), Reason::IdMalformed),
        (with(&|it| it.leg_id = "0192f0c1".to_owned()), Reason::IdMalformed),
        (with(&|it| it.leg_id = leg.to_uppercase() + "\u{202e}"), Reason::IdMalformed),
        (with(&|it| it.payment_id.clear()), Reason::IdMalformed),
        (with(&|it| it.payer = Some(hold::Payer::AccountId("CASH".to_owned()))), Reason::IdMalformed),
        (with(&|it| it.payer = None), Reason::FieldMissing),
        (with(&|it| it.amount = None), Reason::FieldMissing),
        (with(&|it| it.amount = cny(0)), Reason::AmountNotPositive),
        (with(&|it| it.amount = cny(-1)), Reason::AmountNotPositive),
        (with(&|it| it.amount = cny(i64::MIN)), Reason::AmountNotPositive),
        (with(&|it| it.amount = cny(i64::MAX)), Reason::AmountTooLarge),
        (with(&|it| it.amount = money("cny", 1)), Reason::CurrencyUnknown),
        (with(&|it| it.amount = money("XXX", 1)), Reason::CurrencyUnknown),
        (with(&|it| it.merchant = None), Reason::FieldMissing),
        (with(&|it| it.merchant = merchant(|it| it.merchant_id = "Tea".to_owned())), Reason::NameMalformed),
        (with(&|it| it.merchant = merchant(|it| it.display_name = "a\u{1b}[31m".to_owned())), Reason::TextMalformed),
        (with(&|it| it.merchant = merchant(|it| it.category_code = "581".to_owned())), Reason::CategoryMalformed),
    ];
    for (request, reason) in table {
        let refused = trial.hold(request.clone()).await.unwrap_err();
        assert_eq!(reason_of(&refused), Some(reason), "{request:?}");
    }
    let unknown = trial.hub.get_leg(GetLegRequest { leg_id: leg.clone() }).await.unwrap_err();
    assert_eq!(reason_of(&unknown), Some(Reason::LegUnknown), "nothing was stored");
    let deposit = DepositCashRequest { deposit_id: trial.id(), account_id: account.clone(), amount: cny(-5) };
    let refused = trial.counter.deposit_cash(deposit).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::AmountNotPositive));
    let opening = OpenAccountRequest {
        account_id: trial.id(),
        currency_code: "CNY".to_owned(),
        holder_name: "\u{202e}x".to_owned(),
        payment_limit_minor: 0,
        kind: counter::AccountKind::Deposit.into(),
        credit_line: None,
    };
    let refused = trial.counter.open_account(opening).await.unwrap_err();
    assert_eq!(reason_of(&refused), Some(Reason::TextMalformed));
    assert_eq!(trial.available(&account).await, 1_000);

    let other_currency = trial.hold(with(&|it| it.amount = money("JPY", 1))).await.unwrap();
    assert_eq!(refusal(&other_currency), "CURRENCY_MISMATCH");
    let taken = trial.hold(good.clone()).await.unwrap_err();
    assert_eq!((taken.code(), reason_of(&taken)), (Code::AlreadyExists, Some(Reason::LegIdTaken)));
    let posted = trial
        .hub
        .void_leg(VoidLegRequest { leg_id: leg, payment_id: trial.federation.ids.uuid().unwrap().to_string() });
    assert_eq!(reason_of(&posted.await.unwrap_err()), Some(Reason::LegIdTaken));
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn each_hold_of_a_call_has_its_own_answer_in_its_place_and_spoils_no_other() {
    let mut trial = Trial::start().await;
    let account = trial.account_with(1_000).await;
    let (first, last) = (hold(&trial.id(), &account, 300), hold(&trial.id(), &account, 700));
    let unreadable = Hold { amount: cny(0), ..hold(&trial.id(), &account, 1) };
    let taken = Hold { amount: cny(301), ..first.clone() };
    let poor = hold(&trial.id(), &account, 701);
    let holds = vec![first.clone(), unreadable, taken, poor, last, first];
    let legs: Vec<String> = holds.iter().map(|hold| hold.leg_id.clone()).collect();
    let results = trial.hub.hold_legs(HoldLegsRequest { holds }).await.unwrap().into_inner().results;
    assert!(results.iter().zip(&legs).all(|(result, leg)| result.leg_id == *leg), "{results:?}");
    let said: Vec<&str> = results
        .iter()
        .map(|result| match (&result.leg, &result.refusal) {
            (Some(leg), None) if leg.leg_id == result.leg_id && leg.refusal.is_none() => leg.state().as_str_name(),
            (Some(leg), None) => refusal(leg),
            (None, Some(refusal)) => &refusal.reason,
            other => panic!("{other:?}"),
        })
        .collect();
    let held = "LEG_STATE_HELD";
    assert_eq!(said, [held, "AMOUNT_NOT_POSITIVE", "LEG_ID_TAKEN", "INSUFFICIENT_FUNDS", held, held]);
    assert_eq!(trial.available(&account).await, 0);
    let too_many = HoldLegsRequest { holds: (0..129).map(|_| hold(&trial.id(), &account, 1)).collect() };
    assert_eq!(reason_of(&trial.hub.hold_legs(too_many).await.unwrap_err()), Some(Reason::TooManyItems));
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn at_most_512_legs_are_posted_in_one_call_and_no_message_is_larger_than_64_kib() {
    let mut trial = Trial::start().await;
    let ids = |count| PostLegsRequest { leg_ids: (0..count).map(|_| trial.id()).collect() };
    let (fits, too_many, too_large) = (ids(512), ids(513), ids(2_000));
    assert_eq!(trial.hub.post_legs(fits).await.unwrap().into_inner().results.len(), 512);
    assert_eq!(reason_of(&trial.hub.post_legs(too_many).await.unwrap_err()), Some(Reason::TooManyItems));
    assert_eq!(reason_of(&trial.hub.post_legs(too_large).await.unwrap_err()), Some(Reason::MessageTooLarge));
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_leg_that_was_held_for_long_becomes_what_the_hub_says_once_the_hub_is_there() {
    let federation = Federation::new();
    let verdicts = Verdicts::default();
    let hub = federation.hub(verdicts.clone()).await;
    let node = federation.bank(hub, "[ledger]\nresolve_after = \"0s\"\nresolve_every = \"20ms\"\n").await;
    let mut trial = Trial::of(federation, node);
    let account = trial.account_with(1_000).await;
    let [posted, voided, waiting] = std::array::from_fn(|_| trial.id());
    for leg in [&posted, &voided, &waiting] {
        trial.hold(hold(leg, &account, 100)).await.unwrap();
    }
    verdicts.lock().unwrap().extend([(posted.clone(), LegVerdict::Post), (voided.clone(), LegVerdict::Void)]);
    for (leg_id, state) in [(posted, LegState::Posted), (voided, LegState::Voided), (waiting, LegState::Held)] {
        let reached = async {
            loop {
                let request = GetLegRequest { leg_id: leg_id.clone() };
                if trial.hub.get_leg(request).await.unwrap().into_inner().leg.unwrap().state() == state {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the verdict is carried out");
    }
    assert_eq!(trial.available(&account).await, 800);
    trial.node.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_says_where_it_is_and_that_it_is_ready_and_ends_when_it_is_drained() {
    let mut trial = Trial::start().await;
    trial.account_with(1).await;
    let running = trial.node.running;
    let ports = std::fs::read_to_string(trial.federation.path("ports.json")).unwrap();
    let ports: serde_json::Value = serde_json::from_str(&ports).unwrap();
    assert_eq!(ports["grpc"], running.grpc_addr.to_string());
    assert_eq!(ports["ops"], running.ops_addr.to_string());

    let mut socket = tokio::net::TcpStream::connect(running.ops_addr).await.unwrap();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let second = Adapter::build(trial.federation.config(NO_HUB, ""), detached_metrics().unwrap(), &Shutdown::manual())
        .await
        .unwrap_err();
    assert!(matches!(second, RunError::Store(StoreError::InUse { .. })), "{second}");
    trial.node.stop().await.unwrap();

    // The ledger is free again, and what was in it is there.
    let again = trial.federation.bank(NO_HUB, "").await;
    again.stop().await.unwrap();
}

#[tokio::test]
async fn a_node_that_lost_its_ledger_to_another_process_ends_with_an_error() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let federation = Federation::on(database.url());
    let node = federation.bank(NO_HUB, "[ledger]\nownership_every = \"20ms\"\n").await;
    let store = database.open(&crate::migrations(), SystemClock::shared()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.execute("UPDATE owners SET mark = $1", vec![federation.ids.uuid().unwrap().into()]).await.unwrap();
    tx.commit().await.unwrap();
    database.cut_connections().await;
    let ended = node.ended().await;
    assert!(matches!(ended, Err(RunError::Ownership(_))), "{ended:?}");
}

#[test]
fn who_serves_the_counter_is_named_as_a_certificate_names_them() {
    let federation = Federation::new();
    let mut config = federation.config(NO_HUB, "");
    config.counter.operators.push("spiffe://trial.example/operator/ann".to_owned());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let built = runtime.block_on(Adapter::build(config, detached_metrics().unwrap(), &Shutdown::manual()));
    assert!(matches!(built, Err(RunError::Operator(name)) if name.ends_with("/ann")));
}

#[test]
fn a_configuration_is_refused_with_its_line_and_the_defaults_are_those_that_are_documented() {
    let federation = Federation::new();
    let config = federation.config(NO_HUB, "");
    assert!(crate::config::CounterConfig::default().operators.is_empty(), "nobody serves the counter by default");
    assert_eq!(config.ledger.resolve_after.to_string(), "1m");
    assert_eq!((config.ledger.queue, config.ledger.batch), (8192, 256));
    assert_eq!(config.hub.timeout.to_string(), "3s");

    let file = federation.path("bank.toml");
    let text = std::fs::read_to_string(&file).unwrap() + "\n[ledger]\nresolve_aftr = \"1s\"\n";
    std::fs::write(&file, &text).unwrap();
    let refused = server_kit::config::load::<Config>(Some(&file), "BANKHUB_TEST_WIRE_", &[]).unwrap_err();
    let message = refused.to_string();
    assert!(matches!(refused, ConfigError::UnknownKey { .. }), "{message}");
    assert!(message.contains("resolve_after") && message.contains(&format!(":{}:", text.lines().count())), "{message}");
}

#[test]
fn both_engines_have_the_same_migrations() {
    let migrations = crate::migrations();
    let names = |migrator: &sqlx::migrate::Migrator| -> Vec<_> {
        migrator.iter().map(|migration| (migration.version, migration.description.to_string())).collect()
    };
    assert_eq!(names(&migrations.sqlite), names(&migrations.postgres));
    assert!(names(&migrations.sqlite).len() >= 2);
}
