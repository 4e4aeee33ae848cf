//! A phone's open stream of events.

use std::sync::Arc;

use domain::Reason;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use proto::cardholder as pb;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::{Code, Status};

use super::session::Session;
use super::{Inner, wire};
use crate::feed::{Watch, WatchError};
use crate::store_status::store_status;

/// A stream that a phone has open.
pub(super) struct Live {
    api: Arc<Inner>,
    session: Session,
    watch: Watch,
    check: Interval,
}

impl Live {
    pub(super) fn new(api: Arc<Inner>, session: Session, watch: Watch) -> Self {
        let mut check = interval(api.options.check_streams_every);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // An interval begins with a tick, and the session has just been looked at.
        check.reset();
        Self { api, session, watch, check }
    }

    /// All events from here on; after a failure none.
    pub(super) fn stream(self) -> BoxStream<'static, Result<pb::WatchEventsResponse, Status>> {
        let next = |live: Option<Self>| async move {
            let mut live = live?;
            match live.next().await? {
                Ok(event) => Some((Ok(event), Some(live))),
                Err(status) => Some((Err(status), None)),
            }
        };
        unfold(Some(self), next).boxed()
    }

    /// The next event; none when the server goes down.
    async fn next(&mut self) -> Option<Result<pb::WatchEventsResponse, Status>> {
        loop {
            tokio::select! {
                event = self.watch.next() => {
                    let event = event?.map_err(|error| watch_status(&error));
                    return Some(event.map(|event| pb::WatchEventsResponse { event: Some(wire::event(&event)) }));
                }
                _ = self.check.tick() => {
                    if let Err(status) = still_stands(&self.api, &self.session).await {
                        return Some(Err(status));
                    }
                }
            }
        }
    }
}

async fn still_stands(api: &Inner, session: &Session) -> Result<(), Status> {
    match api.sessions.still_stands(session).await {
        // That the storage is away says nothing about the session.
        Err(status) if status.code() != Code::Unauthenticated => Ok(()),
        other => other,
    }
}

pub(super) fn watch_status(error: &WatchError) -> Status {
    match error {
        WatchError::TooMany => proto::status(Reason::TooBusy),
        WatchError::NoSuchPlace => proto::status(Reason::SequenceOutOfRange),
        WatchError::Store(error) => store_status(error),
    }
}
