//! Somebody else's codec as a process, which answers a line with a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

/// Python with pyiso8583. Whoever names it, as `tests/run` does, wants every peer: one that is missing is a failure then.
const PYTHON: &str = "BANKHUB_TEST_PYTHON";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    Jpos,
    Pyiso8583,
}

/// A running peer. It ends when its input does.
pub struct Peer {
    child: Child,
}

impl Peer {
    /// The peer, or none if this machine does not have it.
    pub fn start(kind: PeerKind) -> Option<Self> {
        let command = match kind {
            PeerKind::Jpos => jpos(),
            PeerKind::Pyiso8583 => pyiso8583(),
        };
        let mut command = match command {
            Ok(command) => command,
            Err(missing) if std::env::var_os(PYTHON).is_some() => panic!("{kind:?}: {missing}"),
            Err(missing) => {
                println!("skipped: {missing}; tests/run sets it up");
                return None;
            }
        };
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Some(Self { child })
    }

    /// The answer to each line, in order.
    pub fn answers(&mut self, lines: Vec<String>) -> Vec<String> {
        let asked = lines.len();
        let mut input = self.child.stdin.take().unwrap();
        let output = BufReader::new(self.child.stdout.as_mut().unwrap());
        std::thread::scope(|scope| {
            // Written beside the reading, so that neither side waits for the other to empty a pipe.
            let writer = scope.spawn(move || {
                for line in lines {
                    writeln!(input, "{line}").unwrap();
                }
                input.flush().unwrap();
                input
            });
            let answers: Vec<String> = output.lines().take(asked).map(Result::unwrap).collect();
            self.child.stdin = Some(writer.join().unwrap());
            assert_eq!(answers.len(), asked, "the peer has ended");
            answers
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn pyiso8583() -> Result<Command, String> {
    let named = std::env::var_os(PYTHON).map(PathBuf::from);
    let python = named.unwrap_or_else(|| root().join("tests/tools/venv/bin/python"));
    let has_it = Command::new(&python).args(["-c", "import iso8583"]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        return Err(format!("no Python with pyiso8583 at {}", python.display()));
    }
    let mut command = Command::new(python);
    command.arg(root().join("tests/peers/pyiso8583/peer.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn jpos() -> Result<Command, String> {
    for program in ["java", "mvn"] {
        let found = Command::new(program).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            return Err(format!("no `{program}`: jPOS needs a JDK of version 17 or newer, and Maven"));
        }
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jpos-peer");
    let sources = root().join("tests/peers/jpos");
    let jar = folder.join("peer.jar");
    if modified(&jar) < newest(&sources) {
        let mut build = Command::new("mvn");
        build.args(["--quiet", "--batch-mode", "package"]).current_dir(&sources);
        build.arg(format!("-Dpeer.folder={}", folder.display()));
        let output = build.output().unwrap();
        assert!(output.status.success(), "jPOS was not built: {}", String::from_utf8_lossy(&output.stdout));
    }
    let mut command = Command::new("java");
    command.arg("-cp").arg(format!("{}:{}/libraries/*", jar.display(), folder.display())).arg("peer.Peer");
    Ok(command)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// When a file of the peer was changed last.
fn newest(folder: &Path) -> Option<SystemTime> {
    let mut newest = None;
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                newest = newest.max(modified(&path));
            }
        }
    }
    newest
}
