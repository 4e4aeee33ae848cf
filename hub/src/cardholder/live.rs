//! A phone's open stream of events.

use std::sync::Arc;

use domain::Reason;
use futures_util::StreamExt as _;
use proto::cardholder as pb;
use tokio::time::Interval;
use tonic::{Code, Status};

use super::session::Session;
use super::{Inner, wire};
use crate::feed::{Watch, WatchError};
use crate::store_status::store_status;

/// A stream that a phone has open.
pub(super) struct Live {
    pub(super) api: Arc<Inner>,
    pub(super) session: Session,
    pub(super) watch: Watch,
    pub(super) check: Interval,
}

impl Live {
    /// The next event; none when the server goes down.
    pub(super) async fn next(&mut self) -> Option<Result<pb::WatchEventsResponse, Status>> {
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
