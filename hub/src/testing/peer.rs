//! Somebody else's program at the other end of a line, as a process of its own: it tells its port, then answers line by line.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Python with what the peers need. Whoever names it, as `tests/run` does, wants the peers: then it must not be missing.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";
/// The folder with the `node_modules` of tests/tools, in the same way.
const NODE_TOOLS: &str = "BANKHUB_TEST_NODE_TOOLS";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[allow(clippy::print_stderr, reason = "a test that leaves something out says so")]
fn skipped(missing: &str) {
    eprintln!("skipped: no {missing}; tests/run sets it up");
}

/// A running peer. It ends when its input does, and is killed when it is dropped.
pub(crate) struct PeerProcess {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
}

impl PeerProcess {
    /// A program of tests/peers in Python that imports `module`; none if this machine does not have it.
    pub(crate) async fn python(module: &str, program: &str, args: &[&str]) -> Option<Self> {
        let named = std::env::var_os(PYTHON).map(PathBuf::from);
        let python = named.clone().unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
        let mut imports = Command::new(&python);
        imports.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
        if !imports.status().await.is_ok_and(|status| status.success()) {
            assert!(named.is_none(), "no {module} at {}", python.display());
            skipped(&format!("Python with {module}"));
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root().join("tests/peers").join(program)).env("PYTHONDONTWRITEBYTECODE", "1").args(args);
        Some(Self::start(command).await)
    }

    /// A program of tests/peers in JavaScript that requires `module`; none if this machine does not have it.
    pub(crate) async fn node(module: &str, program: &str, args: &[&str]) -> Option<Self> {
        let named = std::env::var_os(NODE_TOOLS).map(PathBuf::from);
        let modules = named.clone().unwrap_or_else(|| root().join("tests/tools")).join("node_modules");
        if !modules.join(module).is_dir() {
            assert!(named.is_none(), "no {module} at {}", modules.display());
            skipped(&format!("npm package {module}"));
            return None;
        }
        let mut command = Command::new("node");
        command.arg(root().join("tests/peers").join(program)).env("NODE_PATH", modules).args(args);
        Some(Self::start(command).await)
    }

    async fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = output.next_line().await.unwrap().expect("the peer tells its port").parse().unwrap();
        Self { _child: child, input, output, port }
    }

    pub(crate) async fn tell(&mut self, line: &str) -> String {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = self.output.next_line().await.unwrap().expect("the peer answers");
        assert!(answer != "unknown", "{line}");
        answer
    }

    pub(crate) async fn state(&mut self) -> Value {
        serde_json::from_str(&self.tell("state").await).unwrap()
    }

    /// Waits until its state is so.
    pub(crate) async fn becomes(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let looking = async {
            loop {
                let state = self.state().await;
                if is_so(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking).await.unwrap_or_else(|_| panic!("never: {what}"))
    }
}

/// A certificate for `localhost` that is its own authority, as files.
pub(crate) struct TlsFiles {
    pub(crate) folder: TempDir,
}

impl TlsFiles {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = Self { folder: TempDir::new().unwrap() };
        std::fs::write(files.certificate(), made.cert.pem()).unwrap();
        std::fs::write(files.key(), made.signing_key.serialize_pem()).unwrap();
        files
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// A file with a secret that only its owner can read.
    pub(crate) fn secret(&self, name: &str, secret: &str) -> server_kit::config::SecretRef {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        server_kit::config::SecretRef::File(path)
    }
}
