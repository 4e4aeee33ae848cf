//! What a link gets for bad input (M7): a clear no or the end of the connection, and nothing stored.

use server_kit::shown::holds;
use std::net::SocketAddr;
use std::time::Duration;

use bankhub::acquirer::Acquirer;
use domain::Reason;
use domain::network::Response;
use federation_tests::databases::Engine;
use federation_tests::links::{INSTITUTION, Stubborn, cny, options};
use federation_tests::wait::bounded;
use federation_tests::world::Setup;
use hub::network::config::DialectName;
use iso8583::{MessageBuilder, Mti, dialect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(20);

async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

/// What comes until the other side closes.
async fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut came = Vec::new();
    // A connection that is reset is closed too.
    let _ = bounded("a connection to be closed", PATIENCE, socket.read_to_end(&mut came)).await;
    came
}

fn framed(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    iso8583::frame::LengthHeader::Binary2.write(octets, &mut out).unwrap();
    out
}

fn sign_on() -> Vec<u8> {
    let mut message = MessageBuilder::new(&dialect::ISO_1987_ASCII, Mti::NETWORK_MANAGEMENT_REQUEST).unwrap();
    message.number(7, 1_122_200_000).unwrap().number(11, 1).unwrap().number(70, 1).unwrap();
    let mut octets = Vec::new();
    message.write(&mut octets).unwrap();
    framed(&octets)
}

#[tokio::test]
async fn m7_octets_that_are_no_message_end_their_connection_and_nothing_else() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let more =
        [("message_timeout", "300ms"), ("sign_on_timeout", "500ms"), ("connections", "4"), ("longest_message", "2000")];
    let addr = world.open_link("iso-1987-ascii", &more).await;
    let payer = world.payer("bank-a", 10_000).await;
    let mut good = Stubborn::connect(options(addr, DialectName::Ascii)).await;
    for octets in [
        &b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"[..],
        &[0, 0],
        &[0xFF, 0xFF, 1],
        &[0x07, 0xD1],
        &framed(b"08O0"),
        &framed(b"0900"),
        &framed(b"1800002000000000000000000001"),
        &framed(b"08000020000000000000000001x"),
        &framed(b"080080000000000000008000000000000000"),
        &framed(b"02004000000000000000990000"),
        &framed(b"0200000000000000100001234567"),
        &framed("0200\u{1F600}".as_bytes()),
        // The beginning of a message whose rest does not come, and nothing at all.
        &[0, 40, b'0'],
        &[],
    ] {
        let mut socket = connect(addr).await;
        socket.write_all(octets).await.unwrap();
        assert_eq!(rest(socket).await, Vec::<u8>::new(), "{octets:?}");
    }
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../iso8583/fuzz/corpus/any_octets");
    for file in std::fs::read_dir(corpus).unwrap() {
        let octets = std::fs::read(file.unwrap().path()).unwrap();
        let mut socket = connect(addr).await;
        socket.write_all(&sign_on()).await.unwrap();
        let _ = socket.write_all(&octets).await;
        let _ = socket.shutdown().await;
        rest(socket).await;
    }
    // One octet every now and then does not keep a place.
    let mut slow = connect(addr).await;
    let dripping = async {
        for octet in [0, 100, b'0', b'8', b'0', b'0'].iter().cycle() {
            if slow.write_all(&[*octet]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    bounded("a slow connection to be ended", PATIENCE, dripping).await;
    assert_eq!(good.pay(&payer, cny(100)).await.2, Response::Approved, "others are served as before");
    assert_eq!(world.settled().await.payments.len(), 1);
}

#[tokio::test]
async fn m7_no_more_connect_than_may_and_none_from_elsewhere() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-ascii", &[("connections", "2")]).await;
    let first = Acquirer::connect(options(addr, DialectName::Ascii)).await.unwrap();
    let second = Acquirer::connect(options(addr, DialectName::Ascii)).await.unwrap();
    assert_eq!(rest(connect(addr).await).await, Vec::<u8>::new());
    first.echo().await.unwrap();
    second.echo().await.unwrap();
    let elsewhere = world.open_link("iso-1987-ascii", &[("from", "[\"192.0.2.1\"]")]).await;
    assert_eq!(rest(connect(elsewhere).await).await, Vec::<u8>::new());
    world.settled().await;
}

#[tokio::test]
async fn m7_a_message_that_cannot_be_right_is_refused_by_its_reason_and_changes_nothing() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let payer = world.payer("bank-a", 10_000).await;
    let acquirer = Acquirer::connect(options(addr, DialectName::Ascii)).await.unwrap();
    let good = acquirer.first(&payer.person.phone, cny(100));
    let but = |field: u8, text: &str| {
        let mut fields: Vec<_> = good.iter().filter(|(known, _)| *known != field).cloned().collect();
        fields.push((field, text.to_owned()));
        fields
    };
    let without = |field: u8| good.iter().filter(|(known, _)| *known != field).cloned().collect::<Vec<_>>();
    for (what, fields, reason) in [
        ("no amount", without(4), Reason::FieldMissing),
        ("nothing", but(4, "000000000000"), Reason::AmountNotPositive),
        ("no currency", without(49), Reason::FieldMissing),
        ("a currency that is none", but(49, "999"), Reason::CurrencyUnknown),
        ("no number", without(102), Reason::FieldMissing),
        ("a number that is none", but(102, "12"), Reason::PhoneNumberMalformed),
        ("an unknown number", but(102, "+8619999999999"), Reason::PayerUnavailable),
        ("no processing code", without(3), Reason::FieldMissing),
        ("a deposit", but(3, "210000"), Reason::NatureUnsupported),
        ("a refund of nothing", but(3, "200000"), Reason::FieldMissing),
        ("a terminal that is not there", but(41, "TILL-9  "), Reason::TerminalUnknown),
        ("a terminal with another's name", but(41, "../../.."), Reason::TerminalUnknown),
        ("another acquirer", but(32, "99999999"), Reason::NotYours),
        ("private data that is none", but(120, "01006"), Reason::MessageMalformed),
        ("a code without a password", but(120, "01006123456"), Reason::FieldMissing),
        (
            "an unknown original",
            but(90, &format!("0200000001{}{:0>11}{:0>11}", "1122200000", INSTITUTION, "")),
            Reason::PinRequired,
        ),
    ] {
        let fields = if what == "an unknown original" {
            fields.into_iter().chain([(120, "01006123456".to_owned())]).collect()
        } else {
            fields
        };
        let answer = acquirer.ask(acquirer.name("0200").unwrap(), &fields).await.unwrap();
        assert_eq!(answer.response(), Response::Refused(reason), "{what}");
    }
    for (mti, reason) in [("0100", Reason::NatureUnsupported), ("0600", Reason::NatureUnsupported)] {
        let answer = acquirer.ask(acquirer.name(mti).unwrap(), &good).await.unwrap();
        assert_eq!(answer.response(), Response::Refused(reason), "{mti}");
    }
    let unsigned = acquirer.ask(acquirer.name("0800").unwrap(), &vec![(70, "999".to_owned())]).await.unwrap();
    assert_eq!(unsigned.response(), Response::Refused(Reason::NatureUnsupported));
    let ledgers = world.settled().await;
    assert_eq!((ledgers.payments.len(), ledgers.charged_minor()), (1, 0), "the unknown number alone left a refusal");
}

#[tokio::test]
async fn m7_nothing_is_done_before_a_link_has_signed_on() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let payer = world.payer("bank-a", 10_000).await;
    let acquirer = Acquirer::connect(options(addr, DialectName::Ascii)).await.unwrap();
    let named = acquirer.name("0200").unwrap();
    let message = acquirer.build(named, &acquirer.first(&payer.person.phone, cny(100))).unwrap();
    let mut socket = connect(addr).await;
    socket.write_all(&message).await.unwrap();
    let mut answer = [0; 2];
    bounded("an answer", PATIENCE, socket.read_exact(&mut answer)).await.unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(answer))];
    socket.read_exact(&mut answer).await.unwrap();
    let answer = iso8583::Message::read(&dialect::ISO_1987_ASCII, &answer).unwrap();
    assert_eq!(answer.field(39).unwrap().text(), "N2");
    drop(socket);
    assert_eq!(world.settled().await.payments.len(), 0);
}

#[tokio::test]
async fn m8_the_log_of_frames_can_be_read_and_gives_nothing_away() {
    let mut world = Setup::on(Engine::Sqlite).start().await;
    let addr = world.open_link("iso-1987-ascii", &[]).await;
    let payer = world.payer("bank-a", 10_000).await;
    let stubborn = Stubborn::connect(options(addr, DialectName::Ascii)).await;
    let acquirer = stubborn.acquirer();
    let first = acquirer.name("0200").unwrap();
    acquirer.ask(first, &acquirer.first(&payer.person.phone, cny(100))).await.unwrap();
    let (_, code) = payer.next_code().await;
    let mut fields = stubborn.second(first, &payer, cny(100), &code);
    // A card that stands in the message besides is not shown either.
    fields.extend([(2, "6228480000000015".to_owned()), (35, "6228480000000015=2703201100000179".to_owned())]);
    let block = fields.iter().find(|(field, _)| *field == 52).unwrap().1.clone();
    let answer = acquirer.ask(acquirer.name("0200").unwrap(), &fields).await.unwrap();
    assert_eq!(answer.response(), Response::Approved);
    let logs = world.logs();
    for readable in ["0200 Financial Request", "0210 Financial RequestResponse", "amount, transaction", "response code"]
    {
        assert!(logs.contains(readable), "the log does not say {readable}");
    }
    let number = payer.number().trim_start_matches('+');
    for secret in
        [number, &code, payer.password(), &block, &block.to_lowercase(), "6228480000000015", "2703201100000179"]
    {
        let found = logs.lines().find(|line| holds(line, secret));
        assert!(found.is_none(), "a secret stands in a log: {}", found.unwrap_or_default());
    }
    world.settled().await;
}
