//! Waiting for something to become true, with a deadline; no test sleeps to be right.

use std::time::Duration;

use server_kit::clock::Stopwatch;

const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until there is something, and panics with `what` when `within` is over.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(watch.elapsed() < within, "waited {within:?} in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Gives what `work` gives, and panics with `what` when it takes longer than `within`.
pub async fn bounded<T>(what: &str, within: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(within, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} took longer than {within:?}"),
    }
}
