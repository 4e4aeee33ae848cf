//! A hub as a process that takes calls, and the terminal that calls it.

use bankhub::trial::{Federation, ServerOptions, TrialOptions};
use server_kit::shown::holds;
use tokio::process::Command;

/// A port that was free a moment ago.
async fn port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn f2_a_hub_takes_calls_where_it_is_told_to_and_its_log_has_nothing_of_what_was_typed() {
    let folder = tempfile::tempdir().unwrap();
    let at = format!("127.0.0.1:{}", port().await);
    let mut trial = TrialOptions::in_folder(folder.path()).unwrap();
    trial.binary = federation_tests::bankhub();
    trial.log_filter = "trace,h2=info,hyper=info,rustls=info,sqlx=info,tower=info".to_owned();
    trial.hubs = vec![ServerOptions::named("hub-1").with("voice.agi_listen", &at)];
    let mut federation = Federation::start(trial).await.unwrap();

    let call = async |caller: &str, keys: &str| {
        let mut command = Command::new(federation_tests::bankhub());
        command.args(["voice", "call", caller, "--at", &at, "--keys", keys]);
        let output = command.output().await.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (done, heard) = call("+8613912345678", "2,4,6228480000000007#,314159#,27182818#,27182818#,1,27182818#").await;
    assert!(done && heard.contains("To freeze all your cards and accounts, press one."), "{heard}");
    assert!(heard.ends_with("The caller has hung up.\n"), "{heard}");
    let (done, heard) = call("+8613912345678", "1,,,").await;
    assert!(done && heard.contains("错误次数过多") && heard.ends_with("The hub has hung up.\n"), "{heard}");

    let server = federation.server("hub-1").unwrap();
    let metrics = metrics(server.ops_address().unwrap()).await;
    assert!(metrics.contains("bankhub_voice_calls_total{front=\"agi\",ended=\"hung_up\"} 1"), "{metrics}");
    assert!(metrics.contains("bankhub_voice_calls_total{front=\"agi\",ended=\"errors\"} 1"), "{metrics}");
    let log = server.log();
    federation.stop().await.unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("a call has ended"), "the log is at its most talkative");
    for secret in ["6228480000000007", "314159", "27182818", "13912345678"] {
        assert!(!holds(&log, secret), "{secret} in the log");
    }
}

async fn metrics(address: std::net::SocketAddr) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: ops\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
