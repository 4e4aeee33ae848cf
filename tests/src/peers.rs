//! Somebody else's program at the other end of a channel, as a process of its own: it tells its port, then answers line by line.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::wait::until;
use crate::world::World;

/// Python with what the peers need, and the folder with the `node_modules` of tests/tools. Whoever names them, as `tests/run` does,
/// wants the peers: then none may be missing.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";
const NODE_TOOLS: &str = "BANKHUB_TEST_NODE_TOOLS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A running peer. It ends when its input does, and is killed when it is dropped.
#[derive(Debug)]
pub struct Peer {
    _child: Child,
    line: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    pub port: u16,
}

impl Peer {
    /// An SMSC on npm `smpp`; none if this machine does not have it.
    pub async fn smsc(user: &str, password: &str) -> Option<Self> {
        let mut command = Self::node("smpp", "smsc/smsc.js")?;
        command.args([user, password]);
        Some(Self::start(command).await)
    }

    /// Vendors' push services on Node's own HTTP/2.
    pub async fn push(certificate: &Path, key: &Path) -> Option<Self> {
        // Node is there where its packages are.
        let mut command = Self::node("smpp", "push/push.js")?;
        command.arg(certificate).arg(key).arg("h2");
        Some(Self::start(command).await)
    }

    /// A card network on pyiso8583, with the banks behind it; its books are in this file.
    pub async fn network(state: &Path, port: u16, more: &[String]) -> Option<Self> {
        let mut command = Self::python("iso8583, Crypto", "network/network.py").await?;
        command.arg("--state").arg(state).args(["--port", &port.to_string()]);
        command.args(["--zone-key", crate::links::PIN_KEY]).args(more);
        Some(Self::start(command).await)
    }

    /// A collector of traces on OpenTelemetry's own messages and grpcio.
    pub async fn collector() -> Option<Self> {
        let mut command = Self::python("opentelemetry.proto.collector.trace.v1", "collector/collector.py").await?;
        command.env("GRPC_VERBOSITY", "ERROR");
        Some(Self::start(command).await)
    }

    /// A mail server on aiosmtpd, under TLS from the start, whose user is `hub` with the password `secret`.
    pub async fn mail(certificate: &Path, key: &Path) -> Option<Self> {
        let mut command = Self::python("aiosmtpd", "mail/mail.py").await?;
        command.arg("--certificate").arg(certificate).arg("--key").arg(key).args(["--mode", "implicit"]);
        Some(Self::start(command).await)
    }

    async fn python(module: &str, program: &str) -> Option<Command> {
        let named = std::env::var_os(PYTHON).map(PathBuf::from);
        let python = named.clone().unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
        let mut imports = Command::new(&python);
        imports.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
        if !imports.status().await.is_ok_and(|status| status.success()) {
            assert!(named.is_none(), "no {module} at {}", python.display());
            println!("skipped: no Python with {module}; tests/run sets it up");
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root().join("tests/peers").join(program)).env("PYTHONDONTWRITEBYTECODE", "1");
        Some(command)
    }

    fn node(module: &str, program: &str) -> Option<Command> {
        let named = std::env::var_os(NODE_TOOLS).map(PathBuf::from);
        let modules = named.clone().unwrap_or_else(|| root().join("tests/tools")).join("node_modules");
        if !modules.join(module).is_dir() {
            assert!(named.is_none(), "no {module} at {}", modules.display());
            println!("skipped: no npm package {module}; tests/run sets it up");
            return None;
        }
        let mut command = Command::new("node");
        command.arg(root().join("tests/peers").join(program)).env("NODE_PATH", modules);
        Some(command)
    }

    async fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { _child: child, line: Mutex::new((input, output)), port }
    }

    pub async fn tell(&self, line: &str) -> String {
        let mut both = self.line.lock().await;
        both.0.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = both.1.next_line().await.unwrap().unwrap();
        assert!(answer != "unknown", "{line}");
        answer
    }

    pub async fn state(&self) -> Value {
        serde_json::from_str(&self.tell("state").await).unwrap()
    }

    /// Waits until its state is so.
    pub async fn becomes(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, World::HEALING, async || Some(self.state().await).filter(|state| is_so(state))).await
    }

    /// Waits until there are so many of something.
    pub async fn has(&self, what: &str, count: usize) -> Vec<Value> {
        let len = |state: &Value| state[what].as_array().unwrap().len();
        self.becomes(&format!("{count} {what}"), |state| len(state) >= count).await[what].as_array().unwrap().clone()
    }
}
