//! The line itself, and what a peer can do to it.

use std::time::Duration;

use bank_adapter::credit_system::{Advice, Kind, State};
use domain::{Currency, Reason};
use iso8583::frame::LengthHeader;
use iso8583::{Message, MessageBuilder, dialect};
use server_kit::config::HumanDuration;
use server_kit::rng::{Rng as _, SeededRng};
use server_kit::store::testing::TestDatabase;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::front::{self, Front, cny, eventually};
use crate::world::{CASH, LIMIT, World};

const SHORT: HumanDuration = HumanDuration::from_millis(300);

#[tokio::test]
async fn c8_the_line_signs_on_sends_echoes_in_silence_and_signs_off() {
    let Some(mut world) = World::with("ascii", |config| config.echo_every = HumanDuration::from_millis(50)).await
    else {
        return;
    };
    world.up().await;
    world.issuer.sees("echo", 3).await;
    let mut issuer = world.shut_down().await;
    let seen = (issuer.seen("sign-on").await, issuer.seen("sign-off").await, issuer.seen("connection").await);
    assert_eq!(seen, (1, 1, 1));
}

#[tokio::test]
async fn c8_what_the_peer_asks_is_answered() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    for code in ["301", "001", "002"] {
        world.issuer.tell(&format!("ask {code}")).await;
    }
    world.issuer.sees("answer 00", 3).await;
    assert_eq!(world.issuer.seen("0810").await, 3);
    world.end().await;
}

#[tokio::test]
async fn c8_the_balance_says_what_is_left_in_every_dialect() {
    for dialect in ["ascii", "ascii-binary", "ebcdic", "bcd", "union-pay"] {
        let Some(mut world) = World::with(dialect, |_| {}).await else { return };
        world.up().await;
        let leg = world.leg();
        assert_eq!(world.hold(leg, 300).await, Ok(State::Approved), "{dialect}");
        let left = world.system().left(world.card, Currency::CNY).await.unwrap();
        // There is one amount in field 54 of UnionPay.
        let cash = if dialect == "union-pay" { LIMIT - 300 } else { CASH };
        assert_eq!((left.credit_minor, left.cash_minor), (LIMIT - 300, cash), "{dialect}");
        world.post(leg, 300).await;
        world.acknowledged(leg, Kind::Post).await;
        assert_eq!(world.books().await, (0, 300), "{dialect}");
        let id = world.intend_pin("4321").await.unwrap();
        world.pin_change_over(id).await;
        world.both_have("4321").await;
        world.end().await;
    }
}

#[tokio::test]
async fn c8_whatever_the_peer_answers_that_is_no_answer_voids_the_hold_on_a_new_connection() {
    for how in ["garbage", "too-long", "half", "no-mac", "bad-mac", "drop-before", "drop-after"] {
        let Some(mut world) = World::with("ascii", |config| config.message_timeout = SHORT).await else { return };
        world.up().await;
        world.issuer.fault("hold", how).await;
        let leg = world.leg();
        assert_eq!(world.hold(leg, 300).await, Ok(State::Unanswered), "{how}");
        world.acknowledged(leg, Kind::Void).await;
        assert_eq!(world.books().await, (0, 0), "{how}");
        assert_eq!(world.issuer.seen("connection").await, 2, "{how}");
        assert_eq!(world.queue(Advice::Post { leg_id: leg, amount: cny(300) }).await, Err(Reason::LegVoided));
        let next = world.leg();
        assert_eq!(world.hold(next, LIMIT).await, Ok(State::Approved), "{how}: nothing is left held");
        world.end().await;
    }
}

#[tokio::test]
async fn c8_an_answer_that_comes_twice_counts_once_and_one_with_another_amount_voids() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    for what in ["hold", "hold", "post", "void"] {
        world.issuer.fault(what, "twice").await;
    }
    let (posted, voided, odd) = (world.leg(), world.leg(), world.leg());
    assert_eq!(world.hold(posted, 300).await, Ok(State::Approved));
    assert_eq!(world.hold(voided, 300).await, Ok(State::Approved));
    world.post(posted, 300).await;
    world.void(voided).await;
    world.acknowledged(posted, Kind::Post).await;
    world.acknowledged(voided, Kind::Void).await;
    assert_eq!(world.books().await, (0, 300));
    world.issuer.fault("hold", "amount").await;
    assert_eq!(world.hold(odd, 100).await, Ok(State::Unanswered));
    world.acknowledged(odd, Kind::Void).await;
    assert_eq!(world.books().await, (0, 300));
    assert_eq!(world.issuer.seen("connection").await, 1, "nothing of this ends the connection");
    world.end().await;
}

#[tokio::test]
async fn c8_an_approval_that_comes_late_is_voided() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = SHORT).await else { return };
    world.up().await;
    world.issuer.fault("hold", "park").await;
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Unanswered));
    world.acknowledged(leg, Kind::Void).await;
    let voids = world.issuer.seen("void").await;
    world.issuer.tell("release").await;
    world.issuer.sees("void", voids + 1).await;
    world.acknowledged(leg, Kind::Void).await;
    assert_eq!(world.books().await, (0, 0));
    assert_eq!(world.issuer.seen("connection").await, 1);
    world.end().await;
}

#[tokio::test]
async fn c8_an_approval_that_comes_late_on_another_connection_is_voided() {
    let Some(mut world) = World::with("ascii", |config| config.answer_timeout = SHORT).await else { return };
    world.up().await;
    world.issuer.fault("hold", "park").await;
    let (leg, good) = (world.leg(), world.leg());
    assert_eq!(world.hold(leg, 300).await, Ok(State::Unanswered));
    assert_eq!(world.hold(good, 100).await, Ok(State::Approved));
    world.acknowledged(leg, Kind::Void).await;
    world.issuer.tell("drop").await;
    world.issuer.sees("sign-on", 2).await;
    world.up().await;
    let voids = world.issuer.seen("void").await;
    world.issuer.tell("release").await;
    world.issuer.sees("void", voids + 1).await;
    world.acknowledged(leg, Kind::Void).await;
    assert_eq!(world.books().await, (100, 0), "the good hold stands");
    world.end().await;
}

#[tokio::test]
async fn c8_more_than_the_window_and_the_queue_hold_is_refused_and_the_rest_is_answered() {
    let small = World::with("ascii", |config| (config.window, config.queue) = (2, 1));
    let Some(mut world) = small.await else { return };
    world.up().await;
    let ask = |system: bank_adapter::credit_system::ExistingCreditSystem, card| {
        tokio::spawn(async move { system.left(card, Currency::CNY).await })
    };
    let mut asked = Vec::new();
    for count in 1..=2 {
        world.issuer.fault("balance", "park").await;
        asked.push(ask(world.system().clone(), world.card));
        world.issuer.sees("balance", count).await;
    }
    let system = world.system().clone();
    let mut third = Box::pin(system.left(world.card, Currency::CNY));
    tokio::select! {
        biased;
        left = &mut third => panic!("{left:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(system.left(world.card, Currency::CNY).await, Err(Reason::TooBusy));
    assert_eq!(world.issuer.seen("balance").await, 2, "no more than the window goes out");
    world.issuer.tell("release").await;
    for asked in asked {
        assert_eq!(asked.await.unwrap().map(|left| left.credit_minor), Ok(LIMIT));
    }
    assert_eq!(third.await.map(|left| left.credit_minor), Ok(LIMIT));
    world.end().await;
}

#[tokio::test]
async fn c8_a_refused_sign_on_is_tried_again_and_nothing_goes_out_before_it() {
    let Some(mut world) = World::new().await else { return };
    world.up().await;
    for how in ["refuse 05", "mute", "bad-mac"] {
        world.issuer.fault("sign-on", how).await;
    }
    world.issuer.tell("drop").await;
    eventually("the line is down", || async { (!world.link().is_up()).then_some(()) }).await;
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Refused(Reason::BankAway)), "not sent, so a plain no");
    world.up().await;
    assert_eq!(world.issuer.seen("hold").await, 0);
    assert_eq!(world.hold(world.leg(), 300).await, Ok(State::Approved));
    assert_eq!(world.order(leg, Kind::Void).await, None);
    world.end().await;
}

#[tokio::test]
async fn c8_an_echo_without_an_answer_ends_the_connection() {
    let quick = World::with("ascii", |config| {
        config.echo_every = HumanDuration::from_millis(50);
        config.answer_timeout = HumanDuration::from_millis(200);
    });
    let Some(mut world) = quick.await else { return };
    world.up().await;
    world.issuer.fault("echo", "mute").await;
    world.issuer.sees("sign-on", 2).await;
    world.up().await;
    world.end().await;
}

#[tokio::test]
async fn c8_without_the_key_of_its_codes_the_line_stays_down() {
    let Some(world) = World::with("ascii", |config| config.mac_key = Some("nobody".to_owned())).await else { return };
    assert!(!world.link().wait_until_up(Duration::from_millis(300)).await);
    let left = world.system().left(world.card, Currency::CNY).await;
    assert_eq!(left, Err(Reason::BankAway));
    world.end().await;
}

#[tokio::test]
async fn c8_the_line_is_encrypted_to_a_credit_system_with_the_right_certificate() {
    let Some(mut world) = World::over_tls(true).await else { return };
    world.up().await;
    let leg = world.leg();
    assert_eq!(world.hold(leg, 300).await, Ok(State::Approved));
    world.post(leg, 300).await;
    world.acknowledged(leg, Kind::Post).await;
    assert_eq!(world.books().await, (0, 300));
    let mut issuer = world.shut_down().await;
    assert_eq!(issuer.seen("sign-off").await, 1);

    let Some(mut world) = World::over_tls(false).await else { return };
    assert!(!world.link().wait_until_up(Duration::from_millis(300)).await);
    assert_eq!(world.hold(world.leg(), 300).await, Ok(State::Refused(Reason::BankAway)));
    assert_eq!(world.issuer.seen("sign-on").await, 0);
    world.end().await;
}

#[tokio::test]
async fn c8_no_octets_of_a_peer_end_the_line_for_good() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = TempDir::new().unwrap();
    let config = front::config(listener.local_addr().unwrap().port(), "ascii");
    let front = Front::open(TestDatabase::sqlite(), config, folder.path()).await;
    let rng = SeededRng::new(7);
    for round in 0..60 {
        let (mut socket, _) = listener.accept().await.unwrap();
        // Its sign-on, which the peer answers with noise, with some of it again, or with nothing.
        let mut noise = vec![0; 600];
        let length = socket.read(&mut noise).await.unwrap();
        match round % 3 {
            0 => {
                rng.fill(&mut noise).unwrap();
                noise[0] &= 0x03;
            }
            1 => {
                noise.truncate(length);
                let mut place = [0; 2];
                rng.fill(&mut place).unwrap();
                noise[usize::from(place[0]) % length] ^= 1 << (place[1] % 8);
            }
            _ => noise.clear(),
        }
        let _ = socket.write_all(&noise).await;
        let _ = socket.shutdown().await;
    }
    assert!(!front.link().is_up());
    assert_eq!(front.system().left(front.card, Currency::CNY).await, Err(Reason::BankAway));
    front.shut_down().await;
}

#[tokio::test]
async fn c8_a_peer_that_never_stops_sending_puts_no_deadline_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = TempDir::new().unwrap();
    let mut config = front::config(listener.local_addr().unwrap().port(), "ascii");
    (config.mac_key, config.answer_timeout) = (None, SHORT);
    let front = Front::open(TestDatabase::sqlite(), config, folder.path()).await;
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut sign_on = vec![0; 600];
    let length = socket.read(&mut sign_on).await.unwrap();
    let asked = Message::read(&dialect::ISO_1987_ASCII, &sign_on[2..length]).unwrap();
    let mut builder = MessageBuilder::copy_of(&asked, &dialect::ISO_1987_ASCII).unwrap();
    builder.text(39, "00").unwrap();
    let mut message = Vec::new();
    builder.write(&mut message).unwrap();
    // 0800 becomes 0810.
    message[2] = b'1';
    let mut frame = Vec::new();
    LengthHeader::Binary2.write(&message, &mut frame).unwrap();
    let flood = frame.repeat(200);
    let flooding = tokio::spawn(async move { while socket.write_all(&flood).await.is_ok() {} });
    front.up().await;
    assert_eq!(front.system().left(front.card, Currency::CNY).await, Err(Reason::BankAway));
    assert!(front.link().is_up(), "duplicates are ignored, and the request was given up in its time");
    front.shut_down().await;
    flooding.await.unwrap();
}
