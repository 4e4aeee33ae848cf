//! Between replicas: whose feed has grown, as a hint over PostgreSQL's NOTIFY.
//!
//! A notice is the sender's id and then persons, as UUIDs of 32 hex digits with nothing between them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use domain::PersonId;
use server_kit::store::{Heard, Listener, StoreError, Tx};
use uuid::Uuid;

use super::Inner;
use super::mailbox::Watchers;

const CHANNEL: &str = "bankhub_feed";
/// PostgreSQL refuses notices of 8,000 bytes; this many persons and the sender are 7,712.
const PERSONS_IN_A_NOTICE: usize = 240;
const ID_DIGITS: usize = 32;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) fn announce(tx: &mut Tx, replica: Uuid, persons: &[PersonId]) {
    for some in persons.chunks(PERSONS_IN_A_NOTICE) {
        tx.notify(CHANNEL, notice(replica, some));
    }
}

fn notice(replica: Uuid, persons: &[PersonId]) -> String {
    let mut notice = String::with_capacity(ID_DIGITS * (persons.len() + 1));
    for id in std::iter::once(replica).chain(persons.iter().map(|person| person.uuid())) {
        let _ = write!(notice, "{}", id.simple());
    }
    notice
}

/// Wakes those whom a notice of another replica names; what cannot be read wakes all, who then find out for themselves.
fn heed(watchers: &Watchers, own: Uuid, notice: &str) {
    match read(notice) {
        Some((sender, _)) if sender == own => {}
        Some((_, persons)) => persons.into_iter().for_each(|person| watchers.wake(person)),
        None => watchers.wake_all(),
    }
}

fn read(notice: &str) -> Option<(Uuid, Vec<PersonId>)> {
    let ids = notice.as_bytes().chunks(ID_DIGITS).map(|digits| Uuid::try_parse_ascii(digits).ok());
    let mut ids = ids.collect::<Option<Vec<Uuid>>>()?.into_iter();
    Some((ids.next()?, ids.map(PersonId::from_uuid).collect()))
}

/// Listens until the hub drains; after each loss of the connection wakes everybody, for notices may have been missed.
pub(super) async fn run(feed: &Arc<Inner>) {
    let draining = feed.parts.draining.clone();
    let mut pause = FIRST_PAUSE;
    while !draining.is_cancelled() {
        let error = tokio::select! {
            () = draining.cancelled() => return,
            heard = follow(feed, &mut pause) => match heard {
                Ok(()) => return,
                Err(error) => error,
            },
        };
        tracing::warn!(%error, "other replicas cannot be heard; connecting again");
        tokio::select! {
            () = draining.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
    }
}

/// Listens on one connection for as long as it lasts; returns `Ok` where there is nothing to hear.
async fn follow(feed: &Inner, pause: &mut Duration) -> Result<(), StoreError> {
    let Some(mut listener) = feed.parts.store.listen(CHANNEL).await? else {
        return Ok(());
    };
    *pause = FIRST_PAUSE;
    feed.watchers.wake_all();
    loop {
        hear(feed, &mut listener).await?;
    }
}

async fn hear(feed: &Inner, listener: &mut Listener) -> Result<(), StoreError> {
    match listener.next().await? {
        Heard::Notice(notice) => heed(&feed.watchers, feed.parts.replica, &notice),
        Heard::Gap => feed.watchers.wake_all(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_its_sender_and_its_persons_and_is_never_too_long() {
        let persons: Vec<PersonId> =
            (0..PERSONS_IN_A_NOTICE as u128).map(|n| PersonId::from_uuid(Uuid::from_u128(n))).collect();
        let replica = Uuid::from_u128(77);
        let notice = notice(replica, &persons);
        assert!(notice.len() < 8_000);
        assert_eq!(read(&notice), Some((replica, persons)));
    }

    #[test]
    fn what_is_not_a_notice_is_not_read() {
        for bad in ["", "hello", &"g".repeat(32), &"0".repeat(33)] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
