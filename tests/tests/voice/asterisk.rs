//! The peer that speaks as Asterisk does, and what it has heard.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use domain::voice::{Language, all_sounds};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Plays a scenario, and gives what happened; none if there is no Python here.
pub(crate) async fn play(address: SocketAddr, mut scenario: Value) -> Option<Vec<Value>> {
    scenario["address"] = json!(address.to_string());
    let named = std::env::var_os("BANKHUB_TEST_PYTHON").map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/asterisk/asterisk.py");
    let mut command = Command::new(python);
    command.arg(peer).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else {
        assert!(named.is_none(), "no Python where BANKHUB_TEST_PYTHON says");
        println!("skipped: no Python");
        return None;
    };
    child.stdin.take().unwrap().write_all(scenario.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "the peer failed on {scenario}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What was heard up to each wait for keys and at the end, as text.
pub(crate) fn heard(events: &[Value]) -> Vec<String> {
    let (mut told, mut words) = (Vec::new(), String::new());
    for event in events {
        if let Some(name) = event["said"].as_str() {
            let mut parts = name.rsplit('/');
            let (name, folder) = (parts.next().unwrap(), parts.next().unwrap());
            let language = Language::from_code(folder).unwrap();
            let sound = all_sounds(language).into_iter().find(|sound| sound.name == name);
            let sound = sound.unwrap_or_else(|| panic!("no recording {name}"));
            if language == Language::English && !words.is_empty() {
                words.push(' ');
            }
            words.push_str(&sound.words);
        } else {
            let line = match (&event["pressed"], event["hung_up_by"].as_str(), event["answered"].as_str()) {
                (Value::String(keys), _, _) => format!("> {keys}"),
                (_, Some(who), _) => format!("hung up by the {who}"),
                (_, _, Some(code)) => format!("answered {code}"),
                _ => "> silence".to_owned(),
            };
            told.push(words.trim().to_owned());
            told.push(line);
            words.clear();
        }
    }
    told.retain(|line| !line.is_empty());
    told
}
