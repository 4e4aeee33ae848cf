//! Sessions of browsers: read from the table with each request, so that one that was ended is ended everywhere at once.

use std::fmt;
use std::time::Duration;

use domain::{PersonId, Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::store::StoreError;

use super::sql;
use super::steps::{Done, Step, Work};
use super::{SignIns, WebToken, machinery};

/// The end of a session is moved on at most once in this time.
const EXTEND_EVERY: Duration = Duration::from_secs(20);

/// A browser in which somebody has signed in.
#[derive(Clone, Copy)]
pub struct WebSession {
    pub(crate) person_id: PersonId,
    pub(super) token_hash: [u8; 32],
}

impl fmt::Debug for WebSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSession").field("person_id", &self.person_id).finish_non_exhaustive()
    }
}

impl SignIns {
    /// Whose session it is, if it goes on; it lives on from now.
    pub(crate) async fn recognise(&self, token: &WebToken) -> Result<Option<WebSession>, Reason> {
        let token_hash = token.hash(&*self.keys)?;
        let found = sql::read_session(&self.store, &token_hash).await.map_err(|error| machinery(&error))?;
        let now = self.clock.now();
        let Some(found) = found.filter(|it| it.expires_at > now && it.ends_at > now) else { return Ok(None) };
        let later = now.plus(self.policy.idle).min(found.ends_at);
        if later.since(found.expires_at) >= EXTEND_EVERY {
            self.step(Step::Extend(Extend { token_hash, until: later })).await?;
        }
        Ok(Some(WebSession { person_id: found.person_id, token_hash }))
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, session: WebSession) -> Result<(), Reason> {
        self.step(Step::SignOut(SignOut { session })).await.map(|_| ())
    }
}

#[derive(Debug)]
pub(super) struct Extend {
    token_hash: [u8; 32],
    until: Timestamp,
}

impl Extend {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        sql::extend_session(work.tx, &self.token_hash, self.until).await.map(|()| Done::Noted)
    }
}

#[derive(Debug)]
pub(super) struct SignOut {
    session: WebSession,
}

impl SignOut {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        if sql::delete_session(work.tx, &self.session.token_hash).await? {
            let subject = self.session.person_id.uuid();
            work.log.push(Entry { kind: "WEB_SIGNED_OUT", subject, content: String::new() });
        }
        Ok(Done::Noted)
    }
}
