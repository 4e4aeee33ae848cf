//! A sign-in ends with the code and the account password, both at once: nobody is told which of them was wrong.

use std::collections::BTreeSet;
use std::fmt;

use domain::sign_in::{AccountPassword, Tried};
use domain::{OneTimeCode, PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::begin::code_matches;
use super::sql::{self, Session, SignIn};
use super::steps::{Done, Step, Work};
use super::{SignIns, WebSession, WebToken, fault, machinery, words};
use crate::feed::Feeds;

impl SignIns {
    /// Opens a session, whose token is a new one. `Err(SignInRefused)` whatever was wrong; `Err(TooBusy)` when too many sign in.
    pub(crate) async fn finish(
        &self,
        token: Option<&WebToken>,
        code: Option<OneTimeCode>,
        password: Option<AccountPassword>,
    ) -> Result<(WebToken, WebSession), Reason> {
        let token_hash = token.map_or(Ok([0; 32]), |token| token.hash(&*self.keys))?;
        let begun = sql::read_sign_in(&self.store, &token_hash).await.map_err(|error| machinery(&error))?;
        let person_id = begun.and_then(|begun| begun.person_id);
        let kept = match person_id {
            Some(person_id) => sql::read_kept(&self.store, person_id).await.map_err(|error| machinery(&error))?,
            None => None,
        };
        let compared = kept.map(|kept| kept.hash);
        // The same work for whom nobody knows and for what cannot be a password.
        let (is_readable, password) = match password {
            Some(password) => (true, password),
            None => (false, AccountPassword::parse("no password at all")?),
        };
        let is_right = self.hasher.verify(password, compared.as_deref()).await? && is_readable;
        let session_token = WebToken::make(&*self.rng)?;
        let finish = Finish {
            token_hash,
            person_id,
            try_id: self.ids.uuid().map_err(|error| fault(&error))?,
            code,
            compared: compared.filter(|_| is_right),
            session_hash: session_token.hash(&*self.keys)?,
        };
        let session_hash = finish.session_hash;
        match self.step(Step::Finish(finish)).await? {
            Done::SignedIn(person_id) => Ok((session_token, WebSession { person_id, token_hash: session_hash })),
            Done::Noted => Err(Reason::SignInRefused),
        }
    }
}

pub(super) struct Finish {
    token_hash: [u8; 32],
    person_id: Option<PersonId>,
    /// A wrong try counts once, also when the outcome of its commit was unknown.
    try_id: Uuid,
    code: Option<OneTimeCode>,
    /// The stored hash that the password was compared with, if it was right.
    compared: Option<String>,
    session_hash: [u8; 32],
}

impl fmt::Debug for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Finish").field("try_id", &self.try_id).finish_non_exhaustive()
    }
}

impl Finish {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if let Some(session) = sql::find_session(work.tx, &self.session_hash).await? {
            return Ok(Ok(Done::SignedIn(session.person_id)));
        }
        let mut feeds = Feeds::load(work.tx, self.person_id.into_iter().collect::<BTreeSet<_>>()).await?;
        let now = work.tx.now();
        let begun = sql::load_sign_in(work.tx, &self.token_hash).await?;
        let Some(begun) = begun.filter(|it| it.expires_at > now && it.attempts_left > 0) else {
            return Ok(Err(Reason::SignInRefused));
        };
        if begun.last_try == Some(self.try_id) {
            return Ok(Err(Reason::SignInRefused));
        }
        let kept = match self.person_id {
            Some(person_id) => sql::load_kept(work.tx, person_id).await?,
            None => None,
        };
        let Some(mut kept) = kept.filter(|_| begun.person_id == self.person_id) else {
            // Nobody's sign-in counts its tries as everybody's does.
            self.count(work, begun).await?;
            return Ok(Err(Reason::SignInRefused));
        };
        let code_is_right = self.code_is_right(work, &begun)?;
        let is_right = code_is_right && self.compared.as_ref() == Some(&kept.hash);
        let tried = kept.guard.tried(is_right, now, work.policy);
        let (person_id, sign_in_id) = (kept.person_id, begun.sign_in_id);
        if tried != Tried::Blocked {
            kept.version += 1;
            sql::put_kept(work.tx, &kept).await?;
        }
        match tried {
            Tried::Right => {
                work.events.extend(feeds.tell_news(person_id, words::signed_in(sign_in_id), now));
                self.open(work, person_id).await?;
            }
            Tried::WrongAndBlocked => {
                work.events.extend(feeds.tell_news(person_id, words::blocked(sign_in_id), now));
                self.count(work, begun).await?;
            }
            Tried::Wrong | Tried::Blocked => self.count(work, begun).await?,
        }
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        let kind = if tried == Tried::Right { "WEB_SIGNED_IN" } else { "WEB_SIGN_IN_REFUSED" };
        work.log.push(Entry { kind, subject: person_id.uuid(), content: format!("sign_in={sign_in_id}") });
        Ok(if tried == Tried::Right { Ok(Done::SignedIn(person_id)) } else { Err(Reason::SignInRefused) })
    }

    fn code_is_right(&self, work: &Work<'_>, begun: &SignIn) -> Result<bool, StoreError> {
        let (Some(code), Some(stored)) = (&self.code, &begun.code_mac) else { return Ok(false) };
        code_matches(work.keys, &self.token_hash, code, stored)
            .map_err(|error| StoreError::Refused(format!("a key cannot be used: {error}")))
    }

    /// One try less.
    async fn count(&self, work: &mut Work<'_>, begun: SignIn) -> Result<(), StoreError> {
        let (version, attempts_left) = (begun.version + 1, begun.attempts_left - 1);
        let counted = SignIn { version, attempts_left, last_try: Some(self.try_id), ..begun };
        sql::put_sign_ins(work.tx, &[counted]).await
    }

    /// The one session of the person: those before it end.
    async fn open(&self, work: &mut Work<'_>, person_id: PersonId) -> Result<(), StoreError> {
        sql::delete_sign_in(work.tx, &self.token_hash).await?;
        sql::delete_sessions(work.tx, person_id).await?;
        let now = work.tx.now();
        let ends_at = now.plus(work.policy.session_at_most);
        let expires_at = now.plus(work.policy.idle).min(ends_at);
        sql::insert_session(work.tx, &self.session_hash, Session { person_id, expires_at, ends_at }).await
    }
}
