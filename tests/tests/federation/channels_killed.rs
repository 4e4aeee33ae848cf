//! The hub is killed while it tells people by SMS and e-mail: a code or a notice arrives, under one id, with the same words. What was on
//! its way arrives twice at the worst.

use std::path::PathBuf;

use federation_tests::databases::Engine;
use federation_tests::payer::Payer;
use federation_tests::peers::Peer;
use federation_tests::till::fen;
use federation_tests::wait::until;
use federation_tests::world::{Setup, World};
use proto::cardholder as phone;
use proto::common::{NoticeChannel, NoticeKind};
use proto::terminal::PaymentState;
use serde_json::Value;

/// Has the hubs send SMS by this peer from their next start on.
pub(super) fn by_sms(world: &mut World, smsc: &Peer) {
    let password = secret(world, "smsc-password");
    let port = smsc.port.to_string();
    for (key, value) in [("host", "127.0.0.1"), ("port", &port), ("tls", "false"), ("system_id", "hub")] {
        world.set_for_hubs(&format!("notify.sms.{key}"), value);
    }
    world.set_for_hubs("notify.sms.source", "bankhub");
    world.set_for_hubs("notify.sms.password", &password);
}

/// A file with the password of every peer here.
fn secret(world: &World, name: &str) -> String {
    world.secret(name, "secret")
}

async fn mail_server(world: &mut World) -> Option<Peer> {
    let tls = world.certificate("mail", |shape| shape.dns_names = vec!["localhost".to_owned()]);
    let key = world.federation.folder().join("mail.key");
    let peer = Peer::mail(&tls.certificate.unwrap(), &key).await?;
    let (password, ca) = (secret(world, "mail-password"), world.federation.authority_certificate());
    let (port, ca): (String, PathBuf) = (peer.port.to_string(), ca);
    for (key, value) in [
        ("host", "localhost"),
        ("port", &port),
        ("ca", ca.to_str().unwrap()),
        ("user", "hub"),
        ("password", &password),
        ("from", "notices@bankhub.example"),
    ] {
        world.set_for_hubs(&format!("notify.mail.{key}"), value);
    }
    Some(peer)
}

/// What the SMSC was handed: text by text as a phone shows it, and each message with its reference.
pub(super) fn texts(state: &Value) -> Vec<String> {
    state["texts"].as_array().unwrap().iter().map(|it| it["text"].as_str().unwrap().to_owned()).collect()
}

/// The six digits of a text.
pub(super) fn code_in(text: &str) -> String {
    let digits: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() == 6).collect();
    assert_eq!(digits.len(), 1, "{text}");
    digits[0].to_owned()
}

/// Waits until nothing is left to be sent, and gives how many notices were.
async fn all_sent(world: &mut World) -> i64 {
    // The queue is looked at from outside, as an operator does.
    let empty = async || {
        let metrics = world.operations("hub-1", "/metrics").await;
        let queued: Vec<_> = metrics.lines().filter(|line| line.starts_with("bankhub_notices_queued{")).collect();
        (!queued.is_empty() && queued.iter().all(|line| line.ends_with(" 0"))).then_some(())
    };
    until("the outbox to be empty", World::HEALING, empty).await;
    world.federation.stop().await.unwrap_or_else(|error| panic!("{error}"));
    let store = world.open("hub-1").await;
    assert_eq!(hub::check_books(&store).await.unwrap().faults, Vec::<String>::new());
    let count = async |state: &str| {
        let sql = "SELECT count(*) FROM notices WHERE state = $1";
        store.fetch_one(sql, vec![state.into()]).await.unwrap().unwrap().int(0).unwrap()
    };
    assert_eq!((count("QUEUED").await, count("DEAD").await), (0, 0));
    let sent = count("SENT").await;
    store.close().await;
    world.forget().await;
    sent
}

/// A code reaches the phone by SMS and pays, whenever the hub dies, and so does the notice of the charge. So many of the messages may
/// come twice.
async fn sms_killed_at(engine: Engine, point: &str, twice: usize) {
    if !engine.is_there() {
        return;
    }
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(engine).with("notify.send_within", "1s").start().await;
    let (payer, till) = (world.payer("bank-a", 10_000).await, world.till("till-1"));
    by_sms(&mut world, &smsc);
    world.arm("hub-1", point, 1).await;
    let ((id, in_app), ()) = tokio::join!(till.begin(&payer, fen(1_250)), world.rise_again("hub-1"));
    smsc.has("texts", 1).await;
    let state = smsc.state().await;
    let code = code_in(&texts(&state)[0]);
    assert_eq!(code, in_app, "{point}");
    let attempt = till.new_id();
    till.insist(async |till| till.authorize(&id, &attempt, &code, payer.password()).await).await;
    assert_eq!(till.outcome(&id).await.state(), PaymentState::Approved);
    let state = smsc.becomes("the charge", |state| texts(state).len() >= 2).await;
    assert!(texts(&state)[1].contains("12.50"), "{point}: {state}");
    assert_eq!(all_sent(&mut world).await, 2, "{point}");
    let state = smsc.state().await;
    // A phone shows each text once, since what came twice came under one reference.
    let shown = texts(&state);
    assert_eq!(shown.iter().filter(|text| text.contains(&code)).count(), 1, "{point}: {state}");
    assert_eq!(shown.len(), 2, "{point}: {state}");
    let messages = state["messages"].as_array().unwrap();
    let of = |reference: &Value| messages.iter().filter(|it| it["reference"] == *reference).count();
    let doubled = messages.iter().filter(|it| of(&it["reference"]) > 1).count() / 2;
    assert_eq!(doubled, twice, "{point}: {state}");
}

/// A hub that is killed, at no point that it knows of, while the SMSC has not answered yet.
async fn sms_killed_on_the_way(engine: Engine) {
    if !engine.is_there() {
        return;
    }
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(engine).with("notify.send_within", "1s").start().await;
    let (payer, till) = (world.payer("bank-a", 10_000).await, world.till("till-1"));
    by_sms(&mut world, &smsc);
    world.restart("hub-1").await;
    smsc.tell("fault hold").await;
    let (_, code) = till.begin(&payer, fen(1_250)).await;
    smsc.has("messages", 1).await;
    world.server("hub-1").kill().await.unwrap();
    world.server("hub-1").start().await.unwrap_or_else(|error| panic!("{error}"));
    let messages = smsc.has("messages", 2).await;
    assert_eq!(messages[0]["reference"], messages[1]["reference"]);
    assert_eq!(all_sent(&mut world).await, 1);
    let shown = texts(&smsc.state().await);
    assert_eq!((shown.len(), code_in(&shown[0])), (1, code));
}

/// A replica that stands still has lost its lease when it goes on; another one has sent the code meanwhile, and none comes a third time.
#[tokio::test]
async fn m5_a_replica_that_stands_still_with_a_code_is_stood_in_for() {
    if !Engine::Postgres.is_there() {
        return;
    }
    let Some(smsc) = Peer::smsc("hub", "secret").await else { return };
    let mut world = Setup::on(Engine::Postgres).with_hubs(2).with("notify.send_within", "1s").start().await;
    let payer = world.payer("bank-a", 10_000).await;
    by_sms(&mut world, &smsc);
    world.restart("hub-1").await;
    world.server("hub-2").stop().await.unwrap_or_else(|error| panic!("{error}"));
    smsc.tell("fault hold").await;
    let (_, code) = world.till("till-1").begin(&payer, fen(1_250)).await;
    smsc.has("messages", 1).await;
    world.server("hub-1").pause().unwrap();
    world.server("hub-2").start().await.unwrap_or_else(|error| panic!("{error}"));
    let messages = smsc.has("messages", 2).await;
    assert_eq!(messages[0]["reference"], messages[1]["reference"]);
    world.server("hub-1").resume().unwrap();
    assert_eq!(all_sent(&mut world).await, 1);
    let state = smsc.state().await;
    assert_eq!(state["messages"].as_array().unwrap().len(), 2, "{state}");
    assert_eq!(code_in(&texts(&state)[0]), code);
}

/// A charge is told by e-mail under one Message-ID, whenever the hub dies.
async fn mail_killed_at(engine: Engine, point: &str, times: usize) {
    if !engine.is_there() {
        return;
    }
    let mut world = Setup::on(engine).with("notify.send_within", "1s").start().await;
    let (payer, till) = (world.payer("bank-a", 10_000).await, world.till("till-1"));
    let Some(mail) = mail_server(&mut world).await else { return };
    world.restart("hub-1").await;
    want_mail(&payer, &mail).await;
    world.arm("hub-1", point, 1).await;
    let (sold, ()) = tokio::join!(till.sell(&payer, fen(1_250)), world.rise_again("hub-1"));
    mail.has("messages", 2).await;
    assert_eq!(all_sent(&mut world).await, 2, "{point} {sold}");
    let state = mail.state().await;
    let charges = &state["messages"].as_array().unwrap()[1..];
    assert_eq!(charges.len(), times, "{point}: {state}");
    let same = |it: &Value| {
        it["headers"]["Message-ID"] == charges[0]["headers"]["Message-ID"] && it["text"] == charges[0]["text"]
    };
    assert!(charges.iter().all(same) && charges[0]["text"].as_str().unwrap().contains("12.50"), "{point}: {state}");
}

/// The person names an address, hands in the code that comes there, and wants charges told by mail.
async fn want_mail(payer: &Payer, mail: &Peer) {
    let device = &payer.person.device;
    let usual = device.preferences().await.unwrap().preferences.unwrap();
    let choice =
        phone::NoticeChoice { kind: NoticeKind::Charge.into(), channel: NoticeChannel::Mail.into(), wanted: true };
    let address = "wang@example.com".to_owned();
    let wanted = phone::Preferences { mail_address: address, choices: vec![choice], ..usual };
    device.set_preferences(wanted).await.unwrap();
    let messages = mail.has("messages", 1).await;
    let code = code_in(messages[0]["text"].as_str().unwrap());
    device.confirm_mail(&code).await.unwrap();
}

macro_rules! kill {
    ($($name:ident: $killed:ident($($argument:expr),*);)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $killed(Engine::Sqlite $(, $argument)*).await;
            })*
        }
        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                $killed(Engine::Postgres $(, $argument)*).await;
            })*
        }
    };
}

kill! {
    m5_a_code_is_sent_once_when_the_hub_dies_before_it_has_noted_it: sms_killed_at("follow.before", 0);
    m5_a_code_is_sent_once_when_the_hub_dies_after_it_has_noted_it: sms_killed_at("follow.after", 0);
    m5_a_code_is_sent_once_when_the_hub_dies_before_it_is_handed_over: sms_killed_at("hub.notify.leased", 0);
    m5_a_code_is_sent_again_when_the_hub_dies_before_it_has_written_that_down: sms_killed_at("hub.notify.sent", 1);
    m5_a_code_is_sent_once_when_the_hub_dies_after_it_has_written_that_down: sms_killed_at("hub.notify.marked", 0);
    m5_a_code_is_sent_again_when_the_hub_is_killed_before_it_is_answered: sms_killed_on_the_way();
    r6_a_mail_is_sent_once_when_the_hub_dies_before_it_is_handed_over: mail_killed_at("hub.notify.leased", 1);
    r6_a_mail_is_sent_again_when_the_hub_dies_before_it_has_written_that_down: mail_killed_at("hub.notify.sent", 2);
}
