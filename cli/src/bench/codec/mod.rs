//! The codec of card messages on one core, beside codecs of other people with the same messages, in turn.

mod ours;
mod peer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use iso8583::samples::day;
use iso8583::{BuildError, Dialect, ReadError, dialect};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::contest::{Contest, ROUNDS};
use crate::output::Output;
use peer::{Peer, PeerError};

/// As many different messages as are in the caches of a busy line.
const MESSAGES: usize = 1_000;
const MEASURES: [&str; 2] = ["messages parsed", "messages built"];
/// The name under which the peers know each dialect.
const DIALECTS: [(&str, &Dialect); 5] = [
    ("ascii", &dialect::ISO_1987_ASCII),
    ("ascii-binary", &dialect::ISO_1987_ASCII_BINARY),
    ("ebcdic", &dialect::ISO_1987_EBCDIC),
    ("bcd", &dialect::ISO_1987_BCD),
    ("union-pay", &dialect::UNION_PAY),
];

/// With whom the codec is compared.
#[derive(Clone, Debug, Args)]
pub struct CodecArgs {
    /// How long each measurement takes, all its rounds together, in seconds.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// The folder of the peers' sources, tests/peers of a checkout. jPOS needs Maven and a JDK, too.
    #[arg(long, env = "BANKHUB_BENCH_PEERS", value_name = "FOLDER", default_value = "tests/peers")]
    pub peers: PathBuf,
    /// A Python that has pyiso8583.
    #[arg(long, env = "BANKHUB_BENCH_PYTHON", value_name = "PROGRAM", default_value = "python3")]
    pub python: PathBuf,
}

/// Why the codec could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("a message was not read: {0}")]
    Read(#[from] ReadError),
    #[error("a message was not built: {0}")]
    Build(#[from] BuildError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error("the temporary folder: {0}")]
    Folder(#[from] io::Error),
}

/// Measures and prints. Blocks: nothing else is to run meanwhile.
pub fn run(args: &CodecArgs, out: &Output) -> Result<(), CodecError> {
    let folder = TempDir::new()?;
    let span = Duration::from_secs(args.seconds.max(1)) / ROUNDS;
    let (mut peers, mut left_out) = (Vec::new(), Vec::new());
    out.note("The peers …");
    for found in [peer::jpos(&args.peers, &folder.path().join("jpos")), peer::pyiso8583(&args.peers, &args.python)] {
        match found {
            Ok(peer) => peers.push(peer),
            Err(missing) => left_out.push(missing),
        }
    }
    let mut contests = Vec::new();
    for (name, dialect) in DIALECTS {
        out.note(&format!("{} …", dialect.name));
        contests.push(contest((name, dialect), &peers, folder.path(), span)?);
    }
    print(&contests, &left_out, out);
    Ok(())
}

fn contest(
    (name, dialect): (&str, &Dialect),
    peers: &[Peer],
    folder: &Path,
    span: Duration,
) -> Result<Contest, CodecError> {
    let messages = day(dialect, MESSAGES)?;
    let file = folder.join(format!("{name}.hex"));
    std::fs::write(&file, hex(&messages))?;
    let mut contest = Contest::new(dialect.name, &MEASURES);
    for _ in 0..ROUNDS {
        contest.add("bankhub", vec![ours::reads(dialect, &messages, span)?, ours::builds(dialect, &messages, span)?]);
        for peer in peers {
            contest.add(peer.name(), peer.rates(name, &file, span)?.to_vec());
        }
    }
    Ok(contest)
}

/// A line of hexadecimal digits for each message, as the peers read them.
fn hex(messages: &[Vec<u8>]) -> String {
    let line = |message: &Vec<u8>| message.iter().map(|octet| format!("{octet:02X}")).collect::<String>() + "\n";
    messages.iter().map(line).collect()
}

fn print(contests: &[Contest], left_out: &[PeerError], out: &Output) {
    let mut rows: Vec<_> = contests.iter().flat_map(Contest::rows).collect();
    let least = contests.iter().filter_map(|contest| contest.least_ratio(peer::JPOS)).min_by(f64::total_cmp);
    if let Some(least) = least {
        let what = format!("the least of bankhub ÷ {}", peer::JPOS);
        rows.push(vec!["all".to_owned(), what, format!("{least:.1}")]);
    }
    let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    rows.extend(left_out.iter().map(|why| vec!["left out".to_owned(), why.clone(), String::new()]));
    let dialects: Value = contests.iter().map(Contest::json).collect();
    let value = json!({ "dialects": dialects, "least_to_jpos": least, "left_out": left_out });
    out.table(&["of", "what", "value"], &rows, &value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_to_the_peers_as_lines_of_digits() {
        assert_eq!(hex(&[vec![0x08, 0xAF], vec![0]]), "08AF\n00\n");
    }

    #[test]
    fn without_a_peer_the_codec_is_measured_alone_and_it_is_said_what_was_left_out() {
        let nowhere = Path::new("/no/such/folder");
        let missing = peer::jpos(nowhere, nowhere).unwrap_err();
        let mut contest = Contest::new("ASCII", &MEASURES);
        contest.add("bankhub", vec![2.0, 1.0]);
        let printed = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let sink = printed.clone();
        let out = Output::captured(crate::output::Format::Json, move |text| sink.lock().unwrap().push_str(text));
        print(&[contest], &[missing], &out);
        let value: Value = serde_json::from_str(&printed.lock().unwrap()).unwrap();
        assert!(value["left_out"][0].as_str().unwrap().contains("jPOS"), "{value}");
        assert!(value["least_to_jpos"].is_null());
    }

    #[test]
    fn every_dialect_is_read_and_built_at_some_rate() {
        for (_, dialect) in DIALECTS {
            let messages = day(dialect, 10).unwrap();
            assert!(ours::reads(dialect, &messages, Duration::from_millis(1)).unwrap() > 0.0);
            assert!(ours::builds(dialect, &messages, Duration::from_millis(1)).unwrap() > 0.0);
        }
    }
}
