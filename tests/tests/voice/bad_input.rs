//! What is no call, or no good one.

use std::net::SocketAddr;
use std::time::Duration;

use bankhub::voice::{CallEnded, Exchange};
use hub::voice::VoiceConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::front::{TestFront, config};

const HEADERS: &str = "agi_request: agi://x/y\nagi_callerid: 13800138000\nagi_callingpres: 0\n\n";

/// Sends something, and reads until the hub closes.
async fn sent(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The hub may close before it has taken everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer));
    let _ = read.await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A call by the terminal's own exchange, from a number.
async fn call(address: SocketAddr, caller: &str, keys: &[&str]) -> (CallEnded, Vec<String>) {
    let (press, mut pressed) = mpsc::channel(keys.len().max(1));
    for keys in keys {
        press.send((*keys).to_owned()).await.unwrap();
    }
    drop(press);
    let heard = std::sync::Mutex::new(Vec::new());
    let exchange = Exchange::connect(&address.to_string(), caller).await.unwrap();
    let ended = exchange.play(&mut pressed, |words| heard.lock().unwrap().push(words.to_owned())).await.unwrap();
    (ended, heard.into_inner().unwrap())
}

async fn still_takes_calls(front: &TestFront) {
    let (ended, heard) = call(front.agi(), "+8613800138000", &["2", "1", "271828#"]).await;
    assert_eq!(ended, CallEnded::ByCaller);
    assert!(heard.iter().any(|words| words.contains("two of three banks")), "{heard:?}");
}

#[tokio::test]
async fn f2_garbage_is_broken_off_and_the_next_call_is_taken() {
    let front = TestFront::start(&config()).await;
    let endless = "agi_arg_1: x\n".repeat(100_000);
    let long = format!("agi_request: {}", "x".repeat(1_000_000));
    for garbage in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x00\x00\x00\n\n",
        b"\n\n\n",
        b"agi_request: x\x00y\n\n",
        endless.as_bytes(),
        long.as_bytes(),
    ] {
        // What has no end of a line is waited for no longer than headers are.
        assert_eq!(sent(front.agi(), garbage).await, "", "nothing is said to garbage");
    }
    assert!(front.desk.asked().is_empty());
    still_takes_calls(&front).await;
    front.stop().await;
}

/// A call in which each command is answered by the next of `answers`; gives the commands, up to where the hub closes.
async fn answering(address: SocketAddr, answers: &[&str]) -> Vec<String> {
    let (from_hub, mut to_hub) = TcpStream::connect(address).await.unwrap().into_split();
    to_hub.write_all(HEADERS.as_bytes()).await.unwrap();
    let (mut lines, mut commands) = (BufReader::new(from_hub).lines(), Vec::new());
    let mut answers = answers.iter();
    let conversation = async {
        while let Ok(Some(command)) = lines.next_line().await {
            commands.push(command);
            if let Some(answer) = answers.next() {
                let _ = to_hub.write_all(answer.as_bytes()).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(15), conversation).await.unwrap();
    commands
}

#[tokio::test]
async fn f2_answers_that_are_none_end_the_call_and_ask_nothing_of_the_desk() {
    let front = TestFront::start(&config()).await;
    let storm = format!("200 result={}\n", "7".repeat(20_000));
    let unasked = "200 result=50\n".repeat(5_000);
    for (answers, commands) in [
        (&["hello\n"][..], 1),
        (&["200\n"], 1),
        (&["511 Command Not Permitted on a dead channel or intercept routine\n"], 1),
        (&["HANGUP\n"], 1),
        (&["200 result=-1\n"], 1),
        (&["200 result=0\n", "510 Invalid or unknown command\n"], 2),
        (&["200 result=0\n", "520-Invalid command syntax.  Proper usage follows:\n520 End of proper usage.\n"], 2),
        (&["200 result=0\n", "511 dead\n"], 2),
        (&["200 result=0\n", "HANGUP\n"], 2),
        (&["200 result=0\n", "200 result=300 endpos=1\n"], 2),
        (&["200 result=0\n", "200 result=65 endpos=1\n"], 2),
        (&["200 result=0\n", "200 result=\u{0}\n"], 2),
        (&["200 result=0\n", &storm], 2),
        // Two answers to one question, and the end of the call right behind an answer.
        (&["200 result=0\n200 result=0\n"], 1),
        (&["200 result=0\nHANGUP\n"], 1),
        (&[&unasked], 1),
    ] {
        assert_eq!(answering(front.agi(), answers).await.len(), commands, "{:?}", answers[0].get(..20));
    }
    assert!(front.desk.asked().is_empty(), "{:?}", front.desk.asked());
    still_takes_calls(&front).await;
    front.stop().await;
}

#[tokio::test]
async fn f2_a_storm_of_keys_is_bounded_and_ends_politely() {
    let front = TestFront::start(&config()).await;
    let storm = "7".repeat(5_000);
    let (ended, heard) = call(front.agi(), "+8613800138000", &["2", "1", &storm, &storm, &storm, &storm]).await;
    assert_eq!(ended, CallEnded::ByHub);
    assert!(heard.last().unwrap().ends_with("Goodbye."), "{heard:?}");
    // Round and round without an error: it ends as well.
    let circles = vec!["0"; 500];
    let (ended, heard) = call(front.agi(), "+8613800138000", &circles).await;
    assert_eq!(ended, CallEnded::ByHub);
    assert!(heard.last().unwrap().contains("taken too long"), "{heard:?}");
    assert!(front.desk.asked().is_empty());
    front.stop().await;
}

#[tokio::test]
async fn f2_whoever_sends_headers_slowly_or_none_is_not_waited_for() {
    let front = TestFront::start(&config()).await;
    let mut slow = TcpStream::connect(front.agi()).await.unwrap();
    let silent = sent(front.agi(), b"");
    let dripping = async {
        let mut answer = [0; 16];
        for byte in HEADERS.bytes().cycle() {
            tokio::select! {
                read = slow.read(&mut answer) => return read.unwrap_or(0),
                () = tokio::time::sleep(Duration::from_millis(200)) => {
                    if slow.write_all(&[byte]).await.is_err() {
                        return 0;
                    }
                }
            }
        }
        0
    };
    let both = async { tokio::join!(silent, dripping) };
    let (silent, dripping) = tokio::time::timeout(Duration::from_secs(12), both).await.expect("neither is waited for");
    assert_eq!((silent.as_str(), dripping), ("", 0));
    still_takes_calls(&front).await;
    front.stop().await;
}

#[tokio::test]
async fn f2_two_hundred_calls_at_once_are_each_heard_out() {
    let front = TestFront::start(&config()).await;
    let address = front.agi();
    let calls: Vec<_> = (0..200)
        .map(|number| {
            tokio::spawn(async move {
                let language = if number % 2 == 0 { "1" } else { "2" };
                call(address, "+8613800138000", &[language, "1", "271828#", "3"]).await
            })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let (ended, heard) = call.await.unwrap();
        let wanted = if number % 2 == 0 { "三家银行中两家已确认" } else { "two of three banks" };
        assert_eq!(ended, CallEnded::ByCaller, "call {number}");
        assert!(heard.iter().any(|words| words.contains(wanted)), "call {number}: {heard:?}");
    }
    assert_eq!(front.desk.asked().iter().filter(|what| *what == "freeze").count(), 200);
    assert!(front.desk.every_order_has_its_own_id());
    front.stop().await;
}

#[tokio::test]
async fn f2_a_call_beyond_the_lines_is_left_to_the_exchange() {
    let front = TestFront::start(&VoiceConfig { calls_at_once: 1, ..config() }).await;
    let mut first = TcpStream::connect(front.agi()).await.unwrap();
    first.write_all(HEADERS.as_bytes()).await.unwrap();
    let mut answer = [0; 7];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ANSWER\n");
    assert_eq!(sent(front.agi(), HEADERS.as_bytes()).await, "");
    drop(first);
    front.stop().await;
}

#[tokio::test]
async fn f2_calls_come_from_nowhere_but_where_they_are_configured_to() {
    let elsewhere = VoiceConfig { from: vec![[192, 0, 2, 1].into()], ..config() };
    let front = TestFront::start(&elsewhere).await;
    assert_eq!(sent(front.agi(), HEADERS.as_bytes()).await, "");
    front.stop().await;
}

#[tokio::test]
async fn f2_a_call_ends_when_it_has_lasted_as_long_as_calls_may() {
    let short = server_kit::config::HumanDuration(Duration::from_millis(300));
    let front = TestFront::start(&VoiceConfig { call_at_most: short, ..config() }).await;
    let commands = answering(front.agi(), &["200 result=0\n"]).await;
    let wanted = ["ANSWER", "STREAM FILE bankhub/zh/choose-language \"0123456789*#\"", "HANGUP"];
    assert_eq!(commands, wanted, "the last is all that is still said");
    front.stop().await;
}

#[tokio::test]
async fn f2_a_hub_that_drains_waits_for_calls_no_longer_than_it_must() {
    let front = TestFront::start(&config()).await;
    let mut waiting = TcpStream::connect(front.agi()).await.unwrap();
    waiting.write_all(HEADERS.as_bytes()).await.unwrap();
    let mut answer = [0; 7];
    waiting.read_exact(&mut answer).await.unwrap();
    let address = front.agi();
    front.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "no call is taken any more");
}
