//! One server as a process of its own, known by its id: started, paused, killed, started again.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::ports::Ports;
use super::ready::is_ready;
use super::{ServerOptions, TrialError, TrialOptions};
use crate::init::Member;
use server_kit::clock::Stopwatch;

/// The file in a server's folder that it writes its ports to.
pub(super) const PORTS_FILE: &str = "ports.json";
const POLL: Duration = Duration::from_millis(20);
/// How much of a log is shown when a server dies while it starts.
const TAIL_LINES: usize = 12;

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hub,
    Adapter,
}

impl Kind {
    /// The command that runs it.
    const fn command(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Adapter => "adapter",
        }
    }
}

/// A server of the federation, running or not.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    name: String,
    member: Member,
    config: PathBuf,
    binary: PathBuf,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    ready_within: Duration,
    stop_within: Duration,
    child: Option<Child>,
    /// Kept open for as long as the server is to run, and apart from the child, since waiting for a child closes its own.
    stdin: Option<ChildStdin>,
    /// Chosen at its first start; a restarted server listens there again, as its peers expect.
    ports: Option<Ports>,
}

impl Server {
    pub(super) fn new(
        kind: Kind,
        member: Member,
        config: PathBuf,
        options: &ServerOptions,
        trial: &TrialOptions,
    ) -> Self {
        let mut settings = vec![("log.filter".to_owned(), trial.log_filter.clone())];
        settings.extend(options.settings.iter().cloned());
        let ports = if trial.keep_ports { Ports::read(&member.folder.join(PORTS_FILE)) } else { None };
        Self {
            kind,
            name: options.name.clone(),
            member,
            config,
            binary: trial.binary.clone(),
            settings,
            environment: options.environment.clone(),
            ready_within: trial.ready_within,
            stop_within: trial.stop_within,
            child: None,
            stdin: None,
            ports,
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn member(&self) -> &Member {
        &self.member
    }

    /// The configuration file.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// What the server wrote, over all its starts.
    pub fn log(&self) -> PathBuf {
        self.member.folder.join("log")
    }

    /// Where it listens, `https://127.0.0.1:port`.
    pub fn endpoint(&self) -> Result<String, TrialError> {
        Ok(format!("https://{}", self.ports()?.grpc))
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, TrialError> {
        Ok(self.ports()?.grpc)
    }

    /// Where `/metrics` is.
    pub fn ops_address(&self) -> Result<SocketAddr, TrialError> {
        Ok(self.ports()?.ops)
    }

    /// Where the hub serves its pages for browsers, as it has written since its last start.
    pub fn web_address(&self) -> Option<SocketAddr> {
        Ports::read(&self.member.folder.join(PORTS_FILE)).and_then(|ports| ports.web)
    }

    /// Where the hub serves its operators' console, as it has written since its last start.
    pub fn console_address(&self) -> Option<SocketAddr> {
        Ports::read(&self.member.folder.join(PORTS_FILE)).and_then(|ports| ports.console)
    }

    fn ports(&self) -> Result<&Ports, TrialError> {
        self.ports.as_ref().ok_or_else(|| TrialError::NotRunning(self.name.clone()))
    }

    /// The process's id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Variables for the next start, in place of those before, such as `BANKHUB_FAULT`.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// One more setting for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    /// Starts the process and waits until it is ready.
    pub async fn start(&mut self) -> Result<(), TrialError> {
        self.spawn()?;
        self.wait_ready().await
    }

    /// Starts the process and does not wait.
    pub fn spawn(&mut self) -> Result<(), TrialError> {
        let ports_file = self.ports_file();
        if let Err(source) = fs::remove_file(&ports_file)
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(TrialError::File { path: ports_file, source });
        }
        let failed = |source| TrialError::Spawn { server: self.name.clone(), source };
        let ports = self.ports.map_or_else(Ports::choose, Ok).map_err(failed)?;
        let log = self.open_log()?;
        let mut command = Command::new(&self.binary);
        command.arg(self.kind.command()).arg("--config").arg(&self.config).arg("--until-stdin-closes");
        for (key, value) in &self.settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        command.arg("--set").arg(format!("listen={}", ports.grpc));
        command.arg("--set").arg(format!("ops.listen={}", ports.ops));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        // The server ends when its standard input does: so none outlives whoever started it, even one that was killed.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
        // Control-C at a terminal goes to the whole group; it is the launcher who stops servers, in order.
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        self.ports = Some(ports);
        self.stdin = child.stdin.take();
        self.child = Some(child);
        Ok(())
    }

    fn ports_file(&self) -> PathBuf {
        self.member.folder.join(PORTS_FILE)
    }

    fn open_log(&self) -> Result<File, TrialError> {
        let path = self.log();
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.map_err(|source| TrialError::File { path, source })
    }

    /// Waits until the process listens and says that it is ready.
    pub async fn wait_ready(&mut self) -> Result<(), TrialError> {
        let watch = Stopwatch::start();
        while watch.elapsed() < self.ready_within {
            if let Some(status) = self.exited()? {
                self.child = None;
                return Err(TrialError::Died {
                    server: self.name.clone(),
                    status,
                    log: self.log(),
                    tail: tail(&self.log()),
                });
            }
            if let Some(ports) = Ports::read(&self.ports_file())
                && is_ready(ports.ops).await
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(TrialError::NotReady { server: self.name.clone(), within: self.ready_within, log: self.log() })
    }

    /// How the process ended, if it did.
    fn exited(&mut self) -> Result<Option<String>, TrialError> {
        let child = self.child.as_mut().ok_or_else(|| TrialError::NotRunning(self.name.clone()))?;
        let status = child.try_wait().map_err(|source| TrialError::Spawn { server: self.name.clone(), source })?;
        Ok(status.map(|status| status.to_string()))
    }

    fn signal(&self, signal: Signal) -> Result<(), TrialError> {
        let id = self.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| TrialError::NotRunning(self.name.clone()))?;
        let failed = |error: rustix::io::Errno| TrialError::Spawn { server: self.name.clone(), source: error.into() };
        kill_process(id, signal).map_err(failed)
    }

    /// Stands still (SIGSTOP): calls reach it and are not answered.
    pub fn pause(&self) -> Result<(), TrialError> {
        self.signal(Signal::STOP)
    }

    /// Goes on (SIGCONT).
    pub fn resume(&self) -> Result<(), TrialError> {
        self.signal(Signal::CONT)
    }

    /// Kills it (SIGKILL), as a power cut would.
    pub async fn kill(&mut self) -> Result<(), TrialError> {
        self.signal(Signal::KILL)?;
        self.wait_gone().await.map(|_| ())
    }

    /// Waits until it has died by itself, at a fault point.
    pub async fn wait_gone(&mut self) -> Result<std::process::ExitStatus, TrialError> {
        let mut child = self.child.take().ok_or_else(|| TrialError::NotRunning(self.name.clone()))?;
        match tokio::time::timeout(self.stop_within, child.wait()).await {
            Ok(status) => status.map_err(|source| TrialError::Spawn { server: self.name.clone(), source }),
            Err(_) => {
                self.child = Some(child);
                Err(TrialError::NotStopped { server: self.name.clone(), within: self.stop_within })
            }
        }
    }

    /// Stops it with SIGTERM and waits until it has drained.
    pub async fn stop(&mut self) -> Result<(), TrialError> {
        self.signal(Signal::TERM)?;
        let status = self.wait_gone().await?;
        if status.success() {
            return Ok(());
        }
        Err(TrialError::BadExit { server: self.name.clone(), status: status.to_string(), log: self.log() })
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
}
