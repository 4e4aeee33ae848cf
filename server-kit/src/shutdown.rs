//! How a server stops: the first signal drains it, the second ends it at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The steps of stopping, as tokens that any task can wait for. Clones are the same shutdown.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    draining: CancellationToken,
    served: CancellationToken,
    now: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT in a task of its own. From here on the process does not die of them by itself,
    /// so someone must wait for the tokens.
    pub fn listen() -> io::Result<Self> {
        let shutdown = Self::manual();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(shutdown.clone().follow(terminate, interrupt));
        Ok(shutdown)
    }

    /// A shutdown that no signal reaches, for tests and for servers that another one starts in process.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Cancelled when no new work may begin: streams end, listeners close, what is under way is finished.
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Cancelled when the last gRPC call was answered: what has to run as long as anybody is served ends. Pages, lines and what is written
    /// after a call may still be finished.
    pub fn served(&self) -> CancellationToken {
        self.served.clone()
    }

    /// Cancelled when the process must end without waiting any longer.
    pub fn now(&self) -> CancellationToken {
        self.now.clone()
    }

    /// Begins to drain, as the first signal does.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// The last call was answered.
    pub fn end_serving(&self) {
        self.served.cancel();
    }

    /// Stops at once, as the second signal does. Draining begins with it.
    pub fn stop_now(&self) {
        self.draining.cancel();
        self.now.cancel();
    }

    async fn follow(self, mut terminate: Signal, mut interrupt: Signal) {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("draining: a second signal ends the process at once");
        self.drain();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("stopping at once");
        self.stop_now();
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// SIGHUP, by which an administrator asks for certificates to be read again. Until this is called SIGHUP ends the
/// process.
pub fn reload_requests() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_signal_drains_and_the_second_stops() {
        let shutdown = Shutdown::listen().unwrap();
        let me = rustix::process::getpid();
        assert!(!shutdown.draining().is_cancelled());
        rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
        shutdown.draining().cancelled().await;
        assert!(!shutdown.now().is_cancelled());
        rustix::process::kill_process(me, rustix::process::Signal::INT).unwrap();
        shutdown.now().cancelled().await;
    }

    #[test]
    fn stopping_at_once_drains_too() {
        let shutdown = Shutdown::manual();
        shutdown.stop_now();
        assert!(shutdown.draining().is_cancelled() && shutdown.now().is_cancelled());
    }
}
