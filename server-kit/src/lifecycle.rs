//! How a server lives and ends: it serves until it is told to drain or until something that it cannot do without fails, lets what
//! is under way finish, and never waits longer than it was told to.

use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::serve::{Drained, ServeError};
use crate::shutdown::Shutdown;

/// A task that the server cannot do without has ended while the server was serving, or has panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the task {name} has ended: {why}")]
pub struct TaskEnded {
    pub name: &'static str,
    pub why: String,
}

/// Tasks that a server cannot do without: its writers, and whoever carries on what was left behind.
#[derive(Debug, Default)]
pub struct VitalTasks {
    tasks: JoinSet<(&'static str, Result<(), JoinError>)>,
}

impl VitalTasks {
    /// Watches over a task.
    pub fn watch(&mut self, name: &'static str, task: JoinHandle<()>) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits until one of the tasks panics, or ends before the server drains.
    pub async fn failure(&mut self, shutdown: &Shutdown) -> TaskEnded {
        while let Some(ended) = self.tasks.join_next().await {
            let (name, why) = match ended {
                Ok((_, Ok(()))) if shutdown.draining().is_cancelled() => continue,
                Ok((name, Ok(()))) => (name, "nobody told it to".to_owned()),
                Ok((name, Err(error))) => (name, error.to_string()),
                Err(error) => ("watcher", error.to_string()),
            };
            return TaskEnded { name, why };
        }
        std::future::pending().await
    }

    /// Waits until all have ended.
    pub async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Serves until the server has drained. When `failure` comes first, the server drains and the failure is what it ends with; a
/// second signal ends it at once.
pub async fn serve_until<E: From<ServeError>>(
    serving: impl Future<Output = Result<Drained, ServeError>>,
    failure: impl Future<Output = E>,
    shutdown: &Shutdown,
) -> Result<Drained, E> {
    let (mut serving, now) = (Box::pin(serving), shutdown.now());
    let failed = tokio::select! {
        drained = &mut serving => return Ok(drained?),
        () = now.cancelled() => return Ok(Drained::Cut),
        failed = failure => failed,
    };
    shutdown.drain();
    let _ = now.run_until_cancelled(serving).await;
    Err(failed)
}

/// Finishes what is under way after the last call was answered, unless it takes longer than `at_most` or somebody is in a hurry. Says whether
/// it was finished.
pub async fn finish(work: impl Future<Output = ()>, at_most: Duration, shutdown: &Shutdown) -> bool {
    shutdown.end_serving();
    let now = shutdown.now();
    let finished = now.run_until_cancelled(tokio::time::timeout(at_most, work)).await;
    let finished = matches!(finished, Some(Ok(())));
    if !finished {
        tracing::warn!("stopped before all that was under way was finished");
    }
    finished
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Ended {
        Served,
        Failed,
    }

    impl From<ServeError> for Ended {
        fn from(_: ServeError) -> Self {
            Self::Served
        }
    }

    #[tokio::test]
    async fn a_failure_drains_the_server_and_is_what_it_ends_with() {
        let shutdown = Shutdown::manual();
        let draining = shutdown.draining();
        let (finished, is_finished) = tokio::sync::oneshot::channel();
        let serving = async move {
            draining.cancelled().await;
            let _ = finished.send(());
            Ok(Drained::Completely)
        };
        let ended = serve_until(serving, async { Ended::Failed }, &shutdown).await;
        assert_eq!(ended, Err(Ended::Failed));
        is_finished.await.expect("what was under way was finished");
    }

    #[tokio::test]
    async fn the_second_signal_is_heeded_while_serving_and_while_finishing() {
        let shutdown = Shutdown::manual();
        shutdown.stop_now();
        let served = serve_until(std::future::pending(), std::future::pending::<Ended>(), &shutdown).await;
        assert_eq!(served, Ok(Drained::Cut));
        assert!(!finish(std::future::pending(), Duration::from_secs(3600), &shutdown).await);
    }

    #[tokio::test(start_paused = true)]
    async fn finishing_has_an_end() {
        let shutdown = Shutdown::manual();
        assert!(finish(async {}, Duration::from_secs(10), &shutdown).await);
        assert!(!finish(std::future::pending(), Duration::from_secs(10), &shutdown).await);
    }

    #[tokio::test]
    async fn a_panic_and_an_end_before_the_drain_are_failures_and_an_end_after_it_is_none() {
        let shutdown = Shutdown::manual();
        let mut tasks = VitalTasks::default();
        tasks.watch("writer", tokio::spawn(async { panic!("a bug") }));
        let ended = tasks.failure(&shutdown).await;
        assert!(ended.name == "writer" && ended.why.contains("a bug"), "{ended}");
        tasks.watch("sweep", tokio::spawn(async {}));
        assert_eq!(tasks.failure(&shutdown).await.name, "sweep");
        shutdown.drain();
        tasks.watch("sweep", tokio::spawn(async {}));
        let quiet = tokio::time::timeout(Duration::from_millis(50), tasks.failure(&shutdown)).await;
        assert!(quiet.is_err());
        tasks.finish().await;
    }
}
