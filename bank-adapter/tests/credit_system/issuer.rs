//! The issuer of tests/peers/issuer as a process: somebody else's codec and cryptography at the other end of the line.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Python with pyiso8583 and PyCryptodome. Whoever names it, as `tests/run` does, wants the peer: then it must not be missing.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";

/// How the issuer is started.
#[derive(Clone, Debug)]
pub struct Settings {
    pub dialect: &'static str,
    pub mac: String,
    pub zone_key: String,
    pub state: PathBuf,
    /// Certificate and key, for TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// A running issuer. It ends when its input does, and is killed when it is dropped.
pub struct Issuer {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    settings: Settings,
    pub port: u16,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The Python that has what the issuer needs, or none if this machine does not.
pub fn python() -> Option<PathBuf> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let python = named.clone().unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let mut imports = std::process::Command::new(&python);
    imports.args(["-c", "import iso8583, Crypto"]).stderr(Stdio::null());
    if imports.status().is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert!(named.is_none(), "no pyiso8583 and PyCryptodome at {}", python.display());
    eprintln!("skipped: no Python with pyiso8583 and PyCryptodome; tests/run sets it up");
    None
}

impl Issuer {
    pub async fn start(settings: Settings) -> Option<Self> {
        Self::start_at(settings, 0).await
    }

    async fn start_at(settings: Settings, port: u16) -> Option<Self> {
        let mut command = Command::new(python()?);
        command.arg(root().join("tests/peers/issuer/issuer.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg("--state").arg(&settings.state).args(["--port", &port.to_string()]);
        command.args(["--dialect", settings.dialect, "--mac", &settings.mac, "--zone-key", &settings.zone_key]);
        if let Some((certificate, key)) = &settings.certificate {
            command.arg("--certificate").arg(certificate).arg("--key").arg(key);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next_line().await.unwrap().expect("the issuer tells its port").parse().unwrap();
        Some(Self { child, input, output, settings, port })
    }

    pub async fn tell(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = self.output.next_line().await.unwrap().expect("the issuer answers");
        assert!(!answer.starts_with("error") && answer != "unknown", "{line}: {answer}");
        answer
    }

    pub async fn fault(&mut self, what: &str, how: &str) {
        self.tell(&format!("fault {what} {how}")).await;
    }

    pub async fn state(&mut self) -> Value {
        serde_json::from_str(&self.tell("state").await).unwrap()
    }

    /// How many messages of a sort it has seen, or of a type.
    pub async fn seen(&mut self, what: &str) -> i64 {
        let state = self.state().await;
        state["seen"][what].as_i64().or(state["types"][what].as_i64()).unwrap_or(0)
    }

    /// Waits until it has seen so many.
    pub async fn sees(&mut self, what: &str, count: i64) {
        let seeing = async { while self.seen(what).await < count {} };
        tokio::time::timeout(Duration::from_secs(30), seeing).await.unwrap_or_else(|_| panic!("never {count} {what}"));
    }

    /// Waits until it has killed itself, as a fault told it to.
    pub async fn is_dead(&mut self) {
        tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it dies").unwrap();
    }

    /// Kills it and starts it again at the same port, with what it has written down.
    pub async fn restart(self) -> Self {
        let Self { mut child, settings, port, .. } = self;
        let _ = child.kill().await;
        Self::start_at(settings, port).await.unwrap()
    }
}
