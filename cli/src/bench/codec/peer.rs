//! Codecs of other people, each a process of its own: nothing of theirs is linked or shipped. Their programs are tests/peers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub const JPOS: &str = "jPOS";
const PYISO8583: &str = "pyiso8583";

/// Why a peer could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error("{peer}: there is no {} here; --peers names the folder", source_file.display())]
    NoSource { peer: &'static str, source_file: PathBuf },
    #[error("{peer}: it needs {needs}")]
    NoProgram { peer: &'static str, needs: String },
    #[error("{peer}: {program} failed: {detail}")]
    Failed { peer: &'static str, program: String, detail: String },
    #[error("{peer}: nobody understands its answer {answer:?}")]
    Answer { peer: &'static str, answer: String },
}

/// A codec that can be measured.
#[derive(Clone, Debug)]
pub struct Peer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
}

/// Builds jPOS' side into a folder: Maven fetches jPOS.
pub fn jpos(sources: &Path, built: &Path) -> Result<Peer, PeerError> {
    let project = source(JPOS, sources, "jpos/pom.xml")?;
    for program in ["java", "javac", "mvn"] {
        if !runs(Command::new(program).arg("-version")) {
            let needs = format!("a JDK of version 17 or newer and Maven, and `{program}` cannot be run");
            return Err(PeerError::NoProgram { peer: JPOS, needs });
        }
    }
    let mut build = Command::new("mvn");
    build.args(["--quiet", "--batch-mode", "package", "--file"]).arg(&project);
    output(JPOS, build.arg(format!("-Dpeer.folder={}", built.display())))?;
    let classes = format!("{0}/peer.jar:{0}/libraries/*", built.display());
    Ok(Peer {
        name: JPOS,
        program: PathBuf::from("java"),
        arguments: vec!["-cp".to_owned(), classes, "peer.Peer".to_owned()],
    })
}

/// pyiso8583 under a Python that has it.
pub fn pyiso8583(sources: &Path, python: &Path) -> Result<Peer, PeerError> {
    let script = source(PYISO8583, sources, "pyiso8583/peer.py")?;
    if !runs(Command::new(python).args(["-c", "import iso8583"])) {
        let needs = format!("a Python that has it, and {} has not; --python names another", python.display());
        return Err(PeerError::NoProgram { peer: PYISO8583, needs });
    }
    // -B writes no compiled files beside the sources.
    let arguments = vec!["-B".to_owned(), script.display().to_string()];
    Ok(Peer { name: PYISO8583, program: python.to_owned(), arguments })
}

fn source(peer: &'static str, sources: &Path, file: &str) -> Result<PathBuf, PeerError> {
    let source_file = sources.join(file);
    if source_file.is_file() { Ok(source_file) } else { Err(PeerError::NoSource { peer, source_file }) }
}

fn runs(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn output(peer: &'static str, command: &mut Command) -> Result<String, PeerError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = match command.stdin(Stdio::null()).output() {
        Ok(done) => done,
        Err(error) => return Err(PeerError::Failed { peer, program, detail: error.to_string() }),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if done.status.success() {
        return Ok(text(&done.stdout));
    }
    // Maven complains on its standard output.
    let said = [text(&done.stderr), text(&done.stdout)].join("\n");
    let detail = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing").to_owned();
    Err(PeerError::Failed { peer, program, detail })
}

impl Peer {
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The messages of a file that it parses and builds a second, for so long each.
    pub fn rates(&self, dialect: &str, file: &Path, span: Duration) -> Result<[f64; 2], PeerError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(["bench", dialect]).arg(file).arg(span.as_secs_f64().to_string());
        let answer = output(self.name, &mut command)?;
        rates(&answer).ok_or(PeerError::Answer { peer: self.name, answer })
    }
}

/// `parse 123/s build 456/s`.
fn rates(answer: &str) -> Option<[f64; 2]> {
    let (parsed, built) = answer.trim().strip_prefix("parse ")?.split_once(" build ")?;
    let rate = |text: &str| text.strip_suffix("/s")?.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    Some([rate(parsed)?, rate(built)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_of_a_peer_are_read() {
        assert_eq!(rates("parse 123/s build 456/s\n"), Some([123.0, 456.0]));
        for bad in ["", "parse 1/s", "parse 1/s build x/s", "parse 0/s build 1/s", "parse inf/s build 1/s"] {
            assert_eq!(rates(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let nowhere = Path::new("/no/such/folder");
        let missing = jpos(nowhere, nowhere).unwrap_err().to_string();
        assert!(missing.contains("/no/such/folder/jpos/pom.xml") && missing.contains("--peers"), "{missing}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pyiso8583")).unwrap();
        std::fs::write(folder.path().join("pyiso8583/peer.py"), "").unwrap();
        let missing = pyiso8583(folder.path(), Path::new("/no/such/python")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/python") && missing.contains("--python"), "{missing}");
    }

    #[test]
    fn a_program_that_fails_is_quoted() {
        let failed = output(JPOS, Command::new("sh").args(["-c", "echo; echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(failed.to_string(), "jPOS: sh failed: why");
    }
}
