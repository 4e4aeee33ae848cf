//! The way into the console: a password and a one-time password, tried in one step, and the session that follows.

use std::fmt;
use std::time::Duration;

use domain::operator::{Act, Role, matching_step};
use domain::sign_in::{AccountPassword, Tried};
use domain::{OperatorId, Reason, Timestamp};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::sql::{self, Kept, Session};
use super::steps::{Done, Step, Work};
use super::totp::{self, TotpCode};
use super::{Operators, fault, machinery, secret};
use crate::sign_in::WebToken;

/// The end of a session is moved on at most once in this time.
const EXTEND_EVERY: Duration = Duration::from_secs(20);

/// A browser in which an operator has signed in.
#[derive(Clone)]
pub(crate) struct ConsoleSession {
    pub(crate) operator_id: OperatorId,
    pub(crate) role: Role,
    token_hash: [u8; 32],
}

impl fmt::Debug for ConsoleSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleSession").field("operator_id", &self.operator_id).finish_non_exhaustive()
    }
}

impl Operators {
    /// Sets an operator's own way into the console, and gives the other half of it as a URI. `Err` with
    /// `AccountPasswordMalformed`, `AccountPasswordGuessable` or `TooBusy`.
    pub(super) async fn set_sign_in(&self, operator: OperatorId, password: &str) -> Result<String, Reason> {
        let password = AccountPassword::parse(password)?;
        password.may_be_chosen_as(operator.as_str())?;
        let password_hash = self.hasher.hash(password).await?;
        let secret = secret::make(&*self.parts.rng)?;
        let sealed = secret::seal(&*self.parts.keys, &operator, &secret).map_err(|error| fault(&error))?;
        let uri = totp::uri(&self.parts.federation, operator.as_str(), &secret);
        self.step(Step::SetSignIn(SetSignIn { operator, password_hash, sealed })).await?;
        Ok(uri)
    }

    /// Opens a session, whose token is a new one. `Err(ConsoleRefused)` whatever was wrong; `Err(TooBusy)` when too many sign in.
    pub(crate) async fn sign_in(
        &self,
        operator: Option<OperatorId>,
        password: Option<AccountPassword>,
        code: Option<TotpCode>,
    ) -> Result<WebToken, Reason> {
        let kept = match &operator {
            Some(operator) => {
                sql::read_operator(&self.parts.store, operator).await.map_err(|error| machinery(&error))?
            }
            None => None,
        };
        let compared = kept.and_then(|kept| kept.password_hash);
        // The same work for whom nobody knows and for what cannot be a password.
        let (is_readable, password) = match password {
            Some(password) => (true, password),
            None => (false, AccountPassword::parse("no password at all")?),
        };
        let is_right = self.hasher.verify(password, compared.as_deref()).await? && is_readable;
        let Some(operator) = operator else { return Err(Reason::ConsoleRefused) };
        let token = WebToken::make(&*self.parts.rng)?;
        let sign_in = SignIn {
            operator,
            try_id: self.parts.ids.uuid().map_err(|error| fault(&error))?,
            compared: compared.filter(|_| is_right),
            code,
            session_hash: token.console_hash(&*self.parts.keys)?,
        };
        match self.step(Step::SignIn(sign_in)).await? {
            Done::SignedIn => Ok(token),
            _ => Err(Reason::ConsoleRefused),
        }
    }

    /// Whose session it is, if it goes on and the operator is not suspended; it lives on from now.
    pub(crate) async fn recognise(&self, token: &WebToken) -> Result<Option<ConsoleSession>, Reason> {
        let token_hash = token.console_hash(&*self.parts.keys)?;
        let found = sql::read_session(&self.parts.store, &token_hash).await.map_err(|error| machinery(&error))?;
        let now = self.parts.clock.now();
        let Some(found) = found.filter(|it| it.expires_at > now && it.ends_at > now) else { return Ok(None) };
        let role = match self.allowed(&found.operator_id, Act::SignIntoConsole).await {
            Ok(role) => role,
            Err(Reason::OperatorUnknown | Reason::OperatorSuspended) => return Ok(None),
            Err(reason) => return Err(reason),
        };
        let later = now.plus(self.policy.idle).min(found.ends_at);
        if later.since(found.expires_at) >= EXTEND_EVERY {
            self.step(Step::Extend(Extend { token_hash, until: later })).await?;
        }
        Ok(Some(ConsoleSession { operator_id: found.operator_id, role, token_hash }))
    }

    /// Whether a session goes on as it was opened, in the same role. To ask does not make it live on: somebody has to do something.
    pub(crate) async fn goes_on(&self, session: &ConsoleSession) -> Result<bool, Reason> {
        let found = sql::read_session(&self.parts.store, &session.token_hash).await;
        let (found, now) = (found.map_err(|error| machinery(&error))?, self.parts.clock.now());
        let lives = |it: &Session| it.expires_at > now && it.ends_at > now && it.operator_id == session.operator_id;
        if !found.as_ref().is_some_and(lives) {
            return Ok(false);
        }
        match self.allowed(&session.operator_id, Act::SignIntoConsole).await {
            Ok(role) => Ok(role == session.role),
            Err(Reason::OperatorUnknown | Reason::OperatorSuspended | Reason::OperatorRoleLacking) => Ok(false),
            Err(reason) => Err(reason),
        }
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, session: ConsoleSession) -> Result<(), Reason> {
        self.step(Step::SignOut(SignOut { session })).await.map(|_| ())
    }
}

pub(super) struct SetSignIn {
    operator: OperatorId,
    password_hash: String,
    sealed: Vec<u8>,
}

impl fmt::Debug for SetSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetSignIn").field("operator", &self.operator).finish_non_exhaustive()
    }
}

impl SetSignIn {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let Some(known) = sql::load_operator(work.tx, &self.operator).await? else {
            return Ok(Err(Reason::OperatorUnknown));
        };
        if known.password_hash.as_ref() == Some(&self.password_hash) {
            return Ok(Ok(Done::Noted));
        }
        let kept = Kept {
            version: known.version + 1,
            password_hash: Some(self.password_hash.clone()),
            totp_sealed: Some(self.sealed.clone()),
            totp_step: 0,
            failures: 0,
            blocked_until: None,
            ..known
        };
        sql::put_operator(work.tx, &kept).await?;
        sql::delete_sessions(work.tx, &self.operator).await?;
        work.note("CONSOLE_SIGN_IN_SET", Uuid::nil(), format!("by={}", self.operator));
        Ok(Ok(Done::Noted))
    }
}

pub(super) struct SignIn {
    operator: OperatorId,
    /// A wrong try counts once, also when the outcome of its commit was unknown.
    try_id: Uuid,
    /// The stored hash that the password was compared with, if it was right.
    compared: Option<String>,
    code: Option<TotpCode>,
    session_hash: [u8; 32],
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("try_id", &self.try_id).finish_non_exhaustive()
    }
}

impl SignIn {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if sql::find_session(work.tx, &self.session_hash).await?.is_some() {
            return Ok(Ok(Done::SignedIn));
        }
        let known = sql::load_operator(work.tx, &self.operator).await?;
        let Some(mut kept) = known.filter(|it| !it.suspended && it.has_console() && it.last_try != Some(self.try_id))
        else {
            return Ok(Err(Reason::ConsoleRefused));
        };
        let now = work.tx.now();
        let step = self.step_of_code(work, &kept, now)?.filter(|_| self.compared == kept.password_hash);
        let tried = work.policy.tried(step.is_some(), now, (&mut kept.failures, &mut kept.blocked_until));
        if tried != Tried::Blocked {
            kept.version += 1;
            kept.totp_step = step.unwrap_or(kept.totp_step);
            kept.last_try = Some(self.try_id);
            sql::put_operator(work.tx, &kept).await?;
        }
        let operator = &self.operator;
        if tried != Tried::Right {
            let state = if tried == Tried::Wrong { "wrong" } else { "blocked" };
            work.note("CONSOLE_SIGN_IN_REFUSED", Uuid::nil(), format!("state={state} by={operator}"));
            return Ok(Err(Reason::ConsoleRefused));
        }
        // One session for each operator: a browser that was left open somewhere ends.
        sql::delete_sessions(work.tx, operator).await?;
        let session = Session {
            operator_id: operator.clone(),
            expires_at: now.plus(work.policy.idle),
            ends_at: now.plus(work.policy.session_at_most),
        };
        sql::insert_session(work.tx, &self.session_hash, &session).await?;
        work.note("CONSOLE_SIGNED_IN", Uuid::nil(), format!("by={operator}"));
        Ok(Ok(Done::SignedIn))
    }

    /// The step of which the code is, if it is of one that was not used.
    fn step_of_code(&self, work: &Work<'_>, kept: &Kept, now: Timestamp) -> Result<Option<i64>, StoreError> {
        let (Some(code), Some(sealed)) = (&self.code, &kept.totp_sealed) else { return Ok(None) };
        let secret = secret::open(work.keys, &self.operator, sealed)
            .map_err(|error| StoreError::Refused(format!("a key cannot be used: {error}")))?;
        Ok(matching_step(now, kept.totp_step, |step| code.is_of(&secret, step)))
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
    session: ConsoleSession,
}

impl SignOut {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        if sql::delete_session(work.tx, &self.session.token_hash).await? {
            work.note("CONSOLE_SIGNED_OUT", Uuid::nil(), format!("by={}", self.session.operator_id));
        }
        Ok(Done::Noted)
    }
}
