//! Who does more about an event than to let phones read it. What is to be done is noted in the transaction of the event
//! itself, so that it is never forgotten; what nobody wants costs nothing.

use std::sync::Arc;
use std::time::Duration;

use domain::feed::Event;
use server_kit::store::{StoreError, Table, Tx};
use tokio::sync::Notify;

/// What is older when it happens to be heard of is told by the feed alone: an SMS of last week's charge frightens people, and shops
/// that were cheaper then help nobody.
pub(crate) const FRESH: Duration = Duration::from_secs(24 * 3600);

const FOLLOWED: Table = Table {
    name: "followed_events",
    key: &["follower", "person_id", "sequence"],
    columns: &["follower", "person_id", "sequence"],
};

/// Somebody who follows events of all people.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The name under which it is noted what is to be done.
    pub name: &'static str,
    /// Whether something is to be done about an event.
    pub wants: fn(&Event) -> bool,
    /// Woken when there is something.
    pub woken: Arc<Notify>,
}

/// Notes what is to be done about these events.
pub(super) async fn note(tx: &mut Tx, followers: &[Follower], events: &[Arc<Event>]) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let stale_before = tx.now().minus(FRESH);
    for follower in followers {
        let wanted = events.iter().filter(|event| event.occurred_at >= stale_before && (follower.wants)(event));
        rows.extend(
            wanted.map(|event| vec![follower.name.into(), event.person_id.uuid().into(), event.sequence.into()]),
        );
    }
    tx.insert(&FOLLOWED, rows).await
}

/// Wakes who wants any of these events.
pub(super) fn wake(followers: &[Follower], events: &[Arc<Event>]) {
    for follower in followers {
        if events.iter().any(|event| (follower.wants)(event)) {
            follower.woken.notify_one();
        }
    }
}
