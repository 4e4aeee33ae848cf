//! The line to an SMSC, against npm `smpp`.

use std::sync::Arc;
use std::time::Duration;

use domain::notice::{ChannelKind, NoticeKind};
use domain::{PhoneNumber, Timestamp};
use futures_util::future::join_all;
use serde_json::Value;
use server_kit::clock::{Clock as _, SystemClock};
use server_kit::rng::SystemRng;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::channel::{Address, Channel as _, Letter, Receipt, SendError, Sent};
use super::super::tests::{PHONE, code, eventually, open, quick};
use super::{Sms, SmsLine, SmsOptions, reference, source, validity};
use crate::testing::on_each_engine;
use crate::testing::peer::{PeerProcess, TlsFiles};

const LONG: &str = "您的第一银行****4821于3月1日12:30在老王面馆（上海西门）支出12.50元。附近同类店铺：小李面馆，牛肉面11.00元，步行3分钟；\
                    西门小吃，牛肉面12.00元，步行5分钟；兰州拉面，牛肉面10.50元，步行8分钟。以上价格由各店铺提供，仅供参考😀。如需更改提醒方式、语言或免打扰时段，请在手机应用的设置中选择通知。";

struct World {
    smsc: PeerProcess,
    files: TlsFiles,
    sms: Arc<Sms>,
    receipts: Option<mpsc::Receiver<Receipt>>,
    task: JoinHandle<()>,
    draining: CancellationToken,
}

fn options(port: u16, files: &TlsFiles) -> SmsOptions {
    SmsOptions {
        host: "localhost".to_owned(),
        port,
        tls: false,
        ca: None,
        system_id: "hub".to_owned(),
        password: files.secret("password", "secret"),
        system_type: String::new(),
        source: "bankhub".to_owned(),
        window: 4,
        per_second: 1_000,
        answer_within: Duration::from_secs(5),
        enquire_every: Duration::from_secs(30),
    }
}

impl World {
    async fn with(change: impl FnOnce(&mut SmsOptions)) -> Option<Self> {
        let files = TlsFiles::new();
        let smsc = PeerProcess::node("smpp", "smsc/smsc.js", &["hub", "secret"]).await?;
        let mut options = options(smsc.port, &files);
        change(&mut options);
        let world = Self::on(smsc, files, options);
        Some(world)
    }

    fn on(smsc: PeerProcess, files: TlsFiles, options: SmsOptions) -> Self {
        let draining = CancellationToken::new();
        let line = Sms::start(options, SystemClock::shared(), SystemRng::shared(), draining.clone()).unwrap();
        let SmsLine { channel, receipts, task } = line;
        Self { smsc, files, sms: channel, receipts: Some(receipts), task, draining }
    }

    async fn bound(&mut self, binds: i64) -> Value {
        self.smsc.becomes("bound", |state| state["binds"] == binds).await
    }

    async fn fault(&mut self, how: &str) {
        self.smsc.tell(&format!("fault {how}")).await;
    }

    /// Sends, again while the line is not bound.
    async fn send(&self, letter: &Letter) -> Result<Sent, SendError> {
        loop {
            match self.sms.send(letter).await {
                Err(SendError::Away { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => return other,
            }
        }
    }

    async fn end(self) {
        self.draining.cancel();
        self.task.await.unwrap();
    }
}

fn letter(text: &str) -> Letter {
    let mut id = [0; 16];
    SystemRng::shared().fill(&mut id).unwrap();
    Letter {
        notice_id: Uuid::from_bytes(id),
        kind: NoticeKind::Charge,
        to: Address::Phone(PhoneNumber::parse(PHONE).unwrap()),
        subject: String::new(),
        text: text.to_owned(),
        html: None,
        expires_at: None,
    }
}

fn texts(state: &Value) -> Vec<&str> {
    state["texts"].as_array().unwrap().iter().map(|shown| shown["text"].as_str().unwrap()).collect()
}

fn code_of(error: &SendError) -> String {
    format!("{error:?}").split(' ').next().unwrap().to_owned() + " " + error.code()
}

#[tokio::test]
async fn r6_a_long_message_in_chinese_arrives_whole() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    let mut expiring = letter("Your code is 271828 [€]");
    expiring.expires_at = Some(SystemClock.now().plus(Duration::from_secs(180)));
    let long = letter(LONG);
    assert_eq!(world.send(&long).await.unwrap().provider_id.as_deref(), Some("m-3"));
    world.send(&expiring).await.unwrap();
    let state = world.smsc.state().await;
    assert_eq!(texts(&state), [LONG, "Your code is 271828 [€]"]);
    let messages = state["messages"].as_array().unwrap();
    let of = |name: &str| messages.iter().map(|message| message[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("coding"), [8, 8, 8, 0]);
    assert_eq!(of("esm"), [0x40, 0x40, 0x40, 0]);
    assert_eq!(of("registered"), [0, 0, 1, 1]);
    assert_eq!(of("to"), ["8613800138000"; 4]);
    assert_eq!(of("ton"), [1; 4]);
    assert_eq!((&messages[0]["from"], &messages[0]["from_ton"]), (&"bankhub".into(), &5.into()));
    let first = reference(long.notice_id);
    assert_eq!(of("reference")[..3], [1, 2, 3].map(|n| Value::from(first.wrapping_add(n))));
    let validity = messages[3]["validity"].as_i64().unwrap();
    assert!((170..=181).contains(&validity), "{validity}");
    world.end().await;
}

#[tokio::test]
async fn r6_no_more_messages_are_out_than_the_window_has() {
    let Some(mut world) = World::with(|options| options.window = 3).await else { return };
    world.bound(1).await;
    for _ in 0..10 {
        world.fault("hold").await;
    }
    let letters: Vec<_> = (0..10).map(|n| letter(&format!("number {n}"))).collect();
    let sms = world.sms.clone();
    let sending = tokio::spawn(async move { join_all(letters.iter().map(|letter| sms.send(letter))).await });
    world.smsc.becomes("three are out", |state| state["submits"] == 3).await;
    while !sending.is_finished() {
        world.smsc.tell("release").await;
    }
    assert!(sending.await.unwrap().iter().all(Result::is_ok));
    let state = world.smsc.state().await;
    assert_eq!((&state["most"], &state["submits"]), (&3.into(), &10.into()));
    world.end().await;
}

#[tokio::test]
async fn r6_what_the_smsc_says_no_to_is_told_apart() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    world.bound(1).await;
    for (how, said) in [
        ("refuse", "Refused SMPP_0B"),
        ("nack", "Refused SMPP_02"),
        ("system", "Later SMPP_08"),
        ("throttle", "Later SMPP_58"),
        ("queue-full", "Later SMPP_14"),
    ] {
        world.fault(how).await;
        let error = world.send(&letter("x")).await.unwrap_err();
        assert_eq!(code_of(&error), said);
    }
    assert!(world.send(&letter("y")).await.is_ok());
    world.end().await;
}

#[tokio::test]
async fn r6_an_answer_that_comes_late_spares_the_second_message() {
    let Some(mut world) = World::with(|options| options.answer_within = Duration::from_millis(300)).await else {
        return;
    };
    world.bound(1).await;
    world.fault("hold").await;
    let (one, other) = (letter("271828"), letter("314159"));
    assert_eq!(code_of(&world.send(&one).await.unwrap_err()), "Unknown NO_ANSWER");
    // The next try waits for the same answer.
    let again = {
        let (sms, one) = (world.sms.clone(), one.clone());
        tokio::spawn(async move { sms.send(&one).await })
    };
    eventually("it waits", async || {
        world.smsc.tell("release").await;
        again.is_finished()
    })
    .await;
    assert_eq!(again.await.unwrap().unwrap().provider_id.as_deref(), Some("m-1"));
    // Nobody waits any more when this one's answer comes.
    world.fault("hold").await;
    assert_eq!(code_of(&world.send(&other).await.unwrap_err()), "Unknown NO_ANSWER");
    world.smsc.tell("release").await;
    eventually("it is remembered", async || world.sms.taken.contains_key(&(other.notice_id, 1))).await;
    assert_eq!(world.send(&other).await.unwrap().provider_id.as_deref(), Some("m-2"));
    assert_eq!(world.smsc.state().await["submits"], 2);
    world.end().await;
}

#[tokio::test]
async fn r6_a_message_without_an_answer_is_sent_again_under_the_same_reference() {
    let Some(mut world) = World::with(|options| options.answer_within = Duration::from_millis(300)).await else {
        return;
    };
    world.bound(1).await;
    world.fault("mute").await;
    let one = letter("271828");
    while let Err(error) = world.send(&one).await {
        assert_eq!(code_of(&error), "Unknown NO_ANSWER");
    }
    let state = world.smsc.state().await;
    assert_eq!(state["submits"], 2);
    assert_eq!(state["messages"][0]["reference"], state["messages"][1]["reference"]);
    assert_eq!(texts(&state), ["271828"]);
    world.end().await;
}

#[tokio::test]
async fn r6_an_answer_that_comes_twice_counts_once() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    world.bound(1).await;
    for n in 1..=3 {
        world.fault("twice").await;
        let sent = world.send(&letter("x")).await.unwrap();
        assert_eq!(sent.provider_id, Some(format!("m-{n}")));
    }
    world.end().await;
}

#[tokio::test]
async fn r6_a_lost_connection_is_made_again_and_only_what_was_out_goes_out_twice() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    for (binds, how) in [(1, "drop-before"), (2, "drop-after"), (3, "garbage")] {
        world.bound(binds).await;
        // The first of its parts is taken; what happens happens to the second.
        world.fault("none").await;
        world.fault(how).await;
        let long = letter(LONG);
        let before = world.smsc.state().await;
        assert_eq!(code_of(&world.send(&long).await.unwrap_err()), "Unknown LOST", "{how}");
        assert!(world.send(&long).await.is_ok(), "{how}");
        let after = world.smsc.state().await;
        let submits = after["submits"].as_i64().unwrap() - before["submits"].as_i64().unwrap();
        assert_eq!(submits, 4, "{how}: three parts, one of them twice");
        assert_eq!(texts(&after).len(), usize::try_from(binds).unwrap(), "{how}: each text once");
    }
    for (binds, how) in [(5, "cut"), (6, "unbind")] {
        world.smsc.tell(how).await;
        world.bound(binds).await;
        assert!(world.send(&letter(how)).await.is_ok());
    }
    world.end().await;
}

#[tokio::test]
async fn r6_both_sides_ask_whether_the_other_is_there() {
    let change = |options: &mut SmsOptions| {
        options.enquire_every = Duration::from_millis(50);
        options.answer_within = Duration::from_secs(2);
    };
    let Some(mut world) = World::with(change).await else { return };
    world.bound(1).await;
    world.smsc.becomes("it is asked", |state| state["enquiries"].as_i64() >= Some(3)).await;
    world.smsc.tell("enquire").await;
    let state = world.smsc.becomes("it is answered", |state| state["answered"] == 1).await;
    assert_eq!(state["binds"], 1);
    world.smsc.tell("silent").await;
    world.bound(2).await;
    world.end().await;
}

#[tokio::test]
async fn r6_a_receipt_is_handed_on_and_acknowledged() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    world.bound(1).await;
    let sent = world.send(&letter("x")).await.unwrap();
    world.smsc.tell("receipt m-1 UNDELIV").await;
    let receipt = world.receipts.as_mut().unwrap().recv().await.unwrap();
    assert_eq!((Some(receipt.provider_id), receipt.is_lost), (sent.provider_id, true));
    world.smsc.becomes("it is acknowledged", |state| state["receipts"][0] == 0).await;
    world.end().await;
}

#[tokio::test]
async fn r6_the_line_says_good_bye_when_the_hub_drains() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    world.bound(1).await;
    world.draining.cancel();
    world.smsc.becomes("unbound", |state| state["unbinds"] == 1).await;
    (&mut world.task).await.unwrap();
    assert_eq!(code_of(&world.sms.send(&letter("x")).await.unwrap_err()), "Away STOPPED");
}

#[tokio::test]
async fn r6_a_wrong_password_is_refused_until_it_is_right() {
    let Some(mut world) = World::with(|_| {}).await else { return };
    world.bound(1).await;
    world.files.secret("password", "wrong");
    world.smsc.tell("cut").await;
    world.smsc.becomes("refused", |state| state["refused"].as_i64() >= Some(1)).await;
    assert_eq!(code_of(&world.sms.send(&letter("x")).await.unwrap_err()), "Away NOT_BOUND");
    world.files.secret("password", "secret");
    world.bound(2).await;
    assert!(world.send(&letter("x")).await.is_ok());
    world.end().await;
}

#[tokio::test]
async fn m8_the_line_is_under_tls_when_it_is_told_to_be() {
    let files = TlsFiles::new();
    let (certificate, key) = (files.certificate(), files.key());
    let args = ["hub", "secret", certificate.to_str().unwrap(), key.to_str().unwrap()];
    let Some(smsc) = PeerProcess::node("smpp", "smsc/smsc.js", &args).await else { return };
    let options = SmsOptions { tls: true, ca: Some(files.certificate()), ..options(smsc.port, &files) };
    let mut world = World::on(smsc, files, options.clone());
    assert!(world.send(&letter(LONG)).await.is_ok());
    assert_eq!(texts(&world.smsc.state().await), [LONG]);
    // The public web's authorities do not know it.
    let strangers = SmsOptions { ca: None, ..options };
    let draining = CancellationToken::new();
    let line = Sms::start(strangers, SystemClock::shared(), SystemRng::shared(), draining.clone()).unwrap();
    assert_eq!(code_of(&line.channel.send(&letter("x")).await.unwrap_err()), "Away NOT_BOUND");
    draining.cancel();
    line.task.await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn m5_whatever_befalls_the_line_a_person_gets_the_same_code_once() {
    on_each_engine(async |hub| {
        let change = |options: &mut SmsOptions| options.answer_within = Duration::from_millis(300);
        let Some(mut world) = World::with(change).await else { return };
        for how in ["throttle", "drop-before", "system", "drop-after", "mute", "twice"] {
            world.fault(how).await;
        }
        let options = super::super::NoticesOptions {
            retry: domain::notice::RetryPolicy { most_tries: 50, ..quick().retry },
            ..quick()
        };
        let office = open(&hub, options, &[ChannelKind::Sms]);
        let person = office.person(PHONE).await;
        let receipts = world.receipts.take().unwrap();
        let deliver = office.notices.clone().deliver(world.sms.clone(), receipts, office.draining.clone());
        let worker = tokio::spawn(deliver);
        office.queue(&[code(person, "1", Duration::from_secs(180))]).await;
        office.becomes("SENT", 1).await;
        let state = world.smsc.state().await;
        assert_eq!(texts(&state).len(), 1, "{state}");
        assert!(texts(&state)[0].starts_with("验证码271828，"));
        let references: Vec<_> = state["messages"].as_array().unwrap().iter().map(|sent| &sent["reference"]).collect();
        assert!(references.len() > 1 && references.iter().all(|found| *found == references[0]), "{state}");
        // What the SMSC says later of the message that it took stands beside it.
        let last = state["messages"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
        world.smsc.tell(&format!("receipt {last} DELIVRD")).await;
        let delivered = "SELECT count(*) FROM notices WHERE state = 'SENT' AND receipt = 'DELIVRD'";
        eventually("the receipt", async || office.number(delivered, Vec::new()).await == 1).await;
        office.draining.cancel();
        worker.await.unwrap();
        world.end().await;
    })
    .await;
}

#[test]
fn a_sender_is_a_number_or_a_short_name() {
    for (text, ton, digits) in
        [("+8610690000", 1, "8610690000"), ("10690000", 0, "10690000"), ("bankhub", 5, "bankhub")]
    {
        let sender = source(text).unwrap();
        assert!((sender.ton, sender.digits.as_str()) == (ton, digits), "{text}");
    }
    for bad in ["", "+", "twelve chars", "银行", "a\0b", "1234567890123456"] {
        assert!(source(bad).is_none(), "{bad}");
    }
}

#[test]
fn m5_an_smsc_keeps_a_code_for_no_longer_than_it_is_good() {
    let now = Timestamp::from_secs(1_000);
    for (seconds, text) in [(180, "000000000300000R"), (3_725, "000000010205000R"), (-5, "000000000001000R")] {
        assert_eq!(validity(Some(Timestamp::from_secs(1_000 + seconds)), now), text);
    }
    assert_eq!(validity(Some(Timestamp::from_secs(9_000_000)), now), "000000235959000R");
    assert_eq!(validity(None, now), "");
}
