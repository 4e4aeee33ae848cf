//! One payment is one trace, from the terminal over the hub to the bank: its spans come to a collector, which is somebody else's program,
//! and each log line on the way has its id.

use server_kit::shown::holds;
use std::collections::{BTreeSet, HashMap};
use std::process::Stdio;

use domain::card::Pan;
use federation_tests::cards::PIN;
use federation_tests::databases::Engine;
use federation_tests::peers::Peer;
use federation_tests::till::{PATIENCE, fen};
use federation_tests::wait::{bounded, until};
use federation_tests::world::{Setup, World};
use proto::common::Nature;
use proto::terminal::{CreatePaymentRequest, PaymentState, create_payment_request::Payer};
use serde_json::Value;
use server_kit::identity::Role;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tonic::Request;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Has all servers send the spans of all traces there, from their next start on.
fn send_spans(world: &mut World, port: u16) {
    for server in world.databases.keys().cloned().collect::<Vec<_>>() {
        world.server(&server).set("trace.endpoint", &format!("http://127.0.0.1:{port}"));
        world.server(&server).set("trace.sample_ratio", "1.0");
    }
}

async fn restart_all(world: &mut World) {
    for server in world.databases.keys().cloned().collect::<Vec<_>>() {
        world.restart(&server).await;
    }
}

fn log(world: &World, server: &str) -> String {
    std::fs::read_to_string(world.federation.server(server).unwrap().log()).unwrap()
}

/// The traces of the lines that name this id.
fn traces_of(log: &str, id: &str) -> Vec<Option<String>> {
    let naming = log.lines().filter(|line| line.contains(id));
    naming
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            line["trace_id"].as_str().map(str::to_owned)
        })
        .collect()
}

struct Taken {
    payment: String,
    log: String,
}

/// Takes a payment with a card in a process of the real terminal.
async fn take(world: &World, port: u16, card: &str, pin: &str, amount: &str) -> Taken {
    let member = world.federation.member(Role::Terminal, "till-1").unwrap();
    let mut command = Command::new(federation_tests::bankhub());
    command.args(["--output", "json", "terminal", "--config"]).arg(member.folder.join("terminal.toml"));
    command.args(["--set", &format!("trace.endpoint=http://127.0.0.1:{port}"), "--set", "trace.sample_ratio=1.0"]);
    command.args(["card", "purchase", amount]).env("BANKHUB_LOG", "bankhub=debug");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{card}\n{pin}\n").as_bytes()).await.unwrap();
    let done = bounded("the terminal", PATIENCE, child.wait_with_output()).await.unwrap();
    let log = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{log}");
    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    Taken { payment: said["payment_id"].as_str().unwrap().to_owned(), log }
}

/// The spans of one trace, by service and name.
fn named(spans: &[Value], trace: &str) -> BTreeSet<(String, String)> {
    let own = spans.iter().filter(|span| span["trace"] == trace);
    own.map(|span| (span["service"].as_str().unwrap().to_owned(), span["name"].as_str().unwrap().to_owned())).collect()
}

async fn one_trace(engine: Engine) {
    let Some(collector) = Peer::collector().await else { return };
    let mut world = Setup::on(engine).with_cards().start().await;
    let holder = world.holder(0, "bank-a", 50_000, 100_000).await;
    let (till, pad) = (world.till("till-1"), world.pad("till-1"));
    // The hub knows the bank's cards from here on; this terminal's journal is not the other one's.
    assert_eq!(
        till.with_card(&holder.read(&pad, Some(PIN)), Nature::Purchase, 100).await.state(),
        PaymentState::Approved
    );
    drop(world.federation.terminal("till-1").unwrap());
    send_spans(&mut world, collector.port);
    restart_all(&mut world).await;

    let track = secrecy::ExposeSecret::expose_secret(&holder.card.track2).to_owned();
    let taken = take(&world, collector.port, &track, PIN, "36.80").await;
    let wanted = [
        ("bankhub-terminal", "terminal"),
        ("bankhub-terminal", "CreateCardPayment"),
        ("bankhub-hub", "bankhub.terminal.v1.TerminalService/CreateCardPayment"),
        ("bankhub-hub", "payment step"),
        ("bankhub-hub", "hold"),
        ("bankhub-hub", "hold set"),
        ("bankhub-hub", "hold_legs"),
        ("bankhub-adapter", "bankhub.bank.v1.BankService/HoldLegs"),
        ("bankhub-adapter", "ledger hold"),
        ("bankhub-hub", "post"),
        ("bankhub-hub", "post_legs"),
        ("bankhub-adapter", "bankhub.bank.v1.BankService/PostLegs"),
    ];
    let is_of = |span: &Value| span["attributes"]["bankhub.payment.id"] == taken.payment.as_str();
    let trace_of = |state: &Value| {
        let spans = state["spans"].as_array().unwrap();
        spans.iter().find(|span| is_of(span)).map(|span| span["trace"].as_str().unwrap().to_owned())
    };
    let state = collector
        .becomes("all spans of the payment", |state| {
            let Some(trace) = trace_of(state) else { return false };
            let named = named(state["spans"].as_array().unwrap(), &trace);
            wanted.iter().all(|(service, name)| named.contains(&((*service).to_owned(), (*name).to_owned())))
        })
        .await;
    let (trace, spans) = (trace_of(&state).unwrap(), state["spans"].as_array().unwrap());
    assert!(spans.iter().filter(|span| is_of(span)).all(|span| span["trace"] == trace.as_str()), "{state}");
    is_a_tree(spans, &trace);
    committed_before_approved(spans, &trace);

    for server in ["hub-1", "bank-a"] {
        let traces = traces_of(&log(&world, server), &taken.payment);
        assert!(!traces.is_empty(), "{server} says nothing of the payment");
        assert!(traces.iter().all(|found| found.as_deref() == Some(&trace)), "{server}: {traces:?}");
    }
    let lines: Vec<_> = taken.log.lines().filter(|line| line.contains(&taken.payment)).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains(&format!("trace_id={trace}"))), "{}", taken.log);
    tells_nothing(&state, &holder.card.pan, &[holder.phone.as_e164(), &track, PIN, "Li Na", "Noodle House"]);
    assert_eq!(world.settled().await.charged_minor(), 100 + 3_680);
}

/// Each span but the first stands below another one of the same trace.
fn is_a_tree(spans: &[Value], trace: &str) {
    let own: Vec<_> = spans.iter().filter(|span| span["trace"] == trace).collect();
    let ids: BTreeSet<_> = own.iter().map(|span| span["span"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), own.len(), "ids of spans are told apart");
    let roots: Vec<_> = own.iter().filter(|span| span["parent"] == "").collect();
    assert!(roots.len() == 1 && roots[0]["name"] == "terminal", "{roots:?}");
    for span in &own {
        let parent = span["parent"].as_str().unwrap();
        assert!(parent.is_empty() || ids.contains(parent), "{span}");
    }
    // Whoever answers another process stands below whoever asked there.
    let by_id: HashMap<_, _> = own.iter().map(|span| (span["span"].as_str().unwrap(), span)).collect();
    for served in own.iter().filter(|span| span["kind"] == "SPAN_KIND_SERVER") {
        let asking = by_id[served["parent"].as_str().unwrap()];
        assert_eq!(asking["kind"], "SPAN_KIND_CLIENT", "{served}");
        assert_ne!(asking["service"], served["service"], "{served}");
    }
}

/// The commit point ends before the terminal has its answer.
fn committed_before_approved(spans: &[Value], trace: &str) {
    let find = |wanted: &dyn Fn(&Value) -> bool| {
        let found = spans.iter().find(|span| span["trace"] == trace && wanted(span));
        let found = found.unwrap_or_else(|| panic!("{spans:?}"));
        (found["began"].as_u64().unwrap(), found["nanos"].as_u64().unwrap())
    };
    let commit = find(&|span| span["attributes"]["bankhub.step"] == "commit");
    let answer = find(&|span| span["name"] == "bankhub.terminal.v1.TerminalService/CreateCardPayment");
    // Times begin at whole microseconds.
    assert!(commit.0 + commit.1 <= answer.0 + answer.1 + 2_000, "{commit:?} {answer:?}");
}

fn tells_nothing(state: &Value, pan: &Pan, secrets: &[&str]) {
    let text = state.to_string();
    let pan = pan.reveal();
    for secret in secrets.iter().chain(&[pan]) {
        assert!(!holds(&text, secret), "{secret} is in a span");
    }
}

#[tokio::test]
async fn m9_a_payment_is_one_trace_from_the_terminal_to_the_bank() {
    one_trace(Engine::Sqlite).await;
}

#[tokio::test]
async fn m9_a_payment_is_one_trace_on_postgres_too() {
    if Engine::Postgres.is_there() {
        one_trace(Engine::Postgres).await;
    }
}

/// Begins a payment by phone number under this `traceparent`; gives its id.
async fn begin(world: &World, number: &str, traceparent: &[&str]) -> String {
    let mut till = world.till("till-1");
    let id = till.new_id();
    let mut request = Request::new(CreatePaymentRequest {
        payment_id: id.clone(),
        payer: Some(Payer::PhoneNumber(number.to_owned())),
        amount: Some(fen(1_250)),
        ..CreatePaymentRequest::default()
    });
    for value in traceparent {
        request.metadata_mut().append("traceparent", value.parse().unwrap());
    }
    let begun = till.client.create_payment(request).await.unwrap().into_inner().payment.unwrap();
    assert_eq!(begun.state(), PaymentState::AwaitingCode, "{begun:?}");
    id
}

#[tokio::test]
async fn m9_a_hostile_traceparent_is_ignored_and_the_payment_is_taken_all_the_same() {
    let world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    let valid = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let twice = [valid.as_str(), valid.as_str()];
    let long = "0".repeat(8_000);
    let hostile: [&[&str]; 7] = [
        &["00-00000000000000000000000000000000-00f067aa0ba902b7-01"],
        &["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        &["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"],
        &["\"}{\"level\":\"ERROR\",\"message\":\"forged\"}"],
        &["00-'; DROP TABLE payments; --aaaaaaaa-00f067aa0ba902b7-01"],
        &[long.as_str()],
        &twice,
    ];
    let mut begun = Vec::new();
    for traceparent in hostile {
        begun.push(begin(&world, payer.number(), traceparent).await);
    }
    let believed = begin(&world, payer.number(), &[&valid]).await;
    let log = log(&world, "hub-1");
    let mut seen = BTreeSet::new();
    for id in &begun {
        let traces = traces_of(&log, id);
        let trace = traces.first().cloned().flatten().unwrap_or_else(|| panic!("{id} has no trace"));
        assert!(trace.len() == 32 && trace != TRACE && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{trace}");
        assert!(traces.iter().all(|found| found.as_ref() == Some(&trace)), "{traces:?}");
        assert!(seen.insert(trace), "each has a trace of its own");
    }
    let traces = traces_of(&log, &believed);
    assert!(!traces.is_empty() && traces.iter().all(|found| found.as_deref() == Some(TRACE)), "{traces:?}");
    assert!(!log.contains("forged") && !log.contains("DROP TABLE"));
}

#[tokio::test]
async fn m9_a_collector_that_is_away_loses_spans_that_are_counted_and_no_payment() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let payer = world.payer("bank-a", 100_000).await;
    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    send_spans(&mut world, port);
    world.server("hub-1").set("trace.queue", "1");
    restart_all(&mut world).await;
    let till = world.till("till-1");
    for _ in 0..3 {
        assert_eq!(till.pay(&payer, fen(1_000)).await.state(), PaymentState::Approved);
    }
    until("spans that are counted as lost", World::HEALING, async || {
        let metrics = world.operations("hub-1", "/metrics").await;
        let lost = |result: &str| metrics.contains(&format!("bankhub_trace_spans_total{{result=\"{result}\"}}"));
        (lost("dropped") && lost("failed")).then_some(())
    })
    .await;
    assert_eq!(world.settled().await.charged_minor(), 3_000);
}
