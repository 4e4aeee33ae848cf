//! The token that says to a push service who sends: read from a file that somebody else renews, signed by ourselves (APNs), or asked
//! for at the vendor's token endpoint (FCM, HMS).
//!
//! A token is kept until shortly before its end. One renewal is in flight; meanwhile whoever has a token that is still good goes on with
//! it, and whoever has none waits. A token that a service refuses is renewed once. When there is none to be had nothing is sent, and
//! the next attempt comes after a pause that doubles.

mod exchange;
mod jwt;
mod source;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::SharedClock;
use server_kit::config::SecretRef;

use super::super::ChannelError;
use super::super::channel::SendError;
use exchange::{Denied, Granted};
use source::Source;

/// The pause after a failure, which doubles, and the longest for an endpoint that is away and for one that refuses us.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_AWAY: Duration = Duration::from_secs(60);
const LONGEST_REFUSED: Duration = Duration::from_secs(15 * 60);
/// A token is renewed when a tenth of its time is left, and not earlier than so long before its end.
const EARLIEST_RENEWAL: Duration = Duration::from_secs(5 * 60);

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Read again every half minute: whoever renews it writes it there.
    Kept(SecretRef),
    /// The key file of a Google service account, in JSON, which names its token endpoint.
    ServiceAccount { key: SecretRef },
    /// A client's id and secret at a token endpoint, as Huawei gives them.
    ClientCredentials { endpoint: String, client_id: String, secret: SecretRef },
    /// A provider's signing key at Apple (.p8), with its id and that of the team.
    ProviderKey { key: SecretRef, key_id: String, team_id: String },
}

/// A token as it was given out. The number tells it from the one before.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) text: SecretString,
    number: u64,
}

/// The tokens of one service.
pub(super) struct Bearer {
    vendor: &'static str,
    source: Source,
    clock: SharedClock,
    state: Mutex<State>,
    /// Held by the one renewal.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    failure: Option<Failure>,
    /// How many tokens there were.
    given: u64,
}

struct Held {
    token: Token,
    got_at: Timestamp,
    good_for: Duration,
}

/// Since when there is no token to be had.
struct Failure {
    at: Timestamp,
    pause: Duration,
    denied: Denied,
    /// How many in a row.
    count: u32,
}

/// How a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    /// Still good, but to be renewed.
    Due,
    Over,
}

impl Held {
    fn age(&self, now: Timestamp) -> Age {
        // A clock that was set back leaves nothing to go by.
        if now < self.got_at {
            return Age::Due;
        }
        let (age, margin) = (now.since(self.got_at), (self.good_for / 10).min(EARLIEST_RENEWAL));
        match age {
            _ if age >= self.good_for => Age::Over,
            _ if age >= self.good_for.saturating_sub(margin) => Age::Due,
            _ => Age::Fresh,
        }
    }
}

impl Failure {
    fn next(before: Option<&Self>, denied: Denied, now: Timestamp) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let doubled = |longest: Duration| {
            FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(count.saturating_sub(1).min(16))).min(longest)
        };
        let pause = match denied {
            Denied::Refused => doubled(LONGEST_REFUSED),
            Denied::Busy { pause: Some(pause) } => pause.clamp(FIRST_PAUSE, LONGEST_REFUSED),
            Denied::Busy { pause: None } | Denied::Away | Denied::Unreadable => doubled(LONGEST_AWAY),
        };
        Self { at: now, pause, denied, count }
    }

    /// Whether it is too early to try again.
    fn holds(&self, now: Timestamp) -> bool {
        now >= self.at && now.since(self.at) < self.pause
    }
}

/// Nothing was sent, and the notice is not to blame.
fn away(denied: Denied) -> SendError {
    let code = match denied {
        Denied::Refused => "TOKEN_REFUSED",
        Denied::Busy { .. } => "TOKEN_BUSY",
        Denied::Away => "TOKEN_AWAY",
        Denied::Unreadable => "TOKEN_UNREADABLE",
    };
    SendError::Away { code: code.to_owned() }
}

impl Bearer {
    /// A key or a secret that cannot be read is told at the start.
    pub(super) fn open(
        vendor: &'static str,
        source: &TokenSource,
        ca: Option<PathBuf>,
        answer_within: Duration,
        clock: SharedClock,
    ) -> Result<Self, ChannelError> {
        let source = Source::open(source, ca, answer_within)?;
        Ok(Self { vendor, source, clock, state: Mutex::default(), renewing: tokio::sync::Mutex::default() })
    }

    /// The token to send with.
    pub(super) async fn token(&self) -> Result<Token, SendError> {
        let still_good = match self.kept() {
            Some((token, Age::Fresh)) => return Ok(token),
            Some((token, Age::Due)) => Some(token),
            _ => None,
        };
        let renewed = match (&still_good, self.renewing.try_lock()) {
            (Some(token), Err(_)) => return Ok(token.clone()),
            (_, Ok(turn)) => self.renew(turn).await,
            (None, Err(_)) => self.renew(self.renewing.lock().await).await,
        };
        // One that is still good serves while there is no other.
        renewed.or_else(|denied| still_good.ok_or_else(|| away(denied)))
    }

    /// The next token after one that the service has refused; none when it cannot be another one yet.
    pub(super) async fn after(&self, refused: &Token) -> Result<Option<Token>, SendError> {
        let turn = self.renewing.lock().await;
        {
            let mut state = self.state();
            match &state.held {
                // Somebody else was told so, too.
                Some(held) if held.token.number != refused.number => return Ok(Some(held.token.clone())),
                Some(held) if self.clock.now().since(held.got_at) < self.source.least_age() => return Ok(None),
                _ => state.held = None,
            }
        }
        let token = self.renew(turn).await.map_err(away)?;
        let is_another = token.text.expose_secret() != refused.text.expose_secret();
        Ok(is_another.then_some(token))
    }

    /// Notes that the service refuses what was got just now: another one at once would be refused as well.
    pub(super) fn is_refused(&self, token: &Token) {
        let now = self.clock.now();
        let mut state = self.state();
        if state.held.as_ref().is_some_and(|held| held.token.number == token.number) {
            state.held = None;
            state.failure = Some(Failure::next(state.failure.as_ref(), Denied::Refused, now));
        }
    }

    /// Notes that the service takes it, which ends what was wrong before.
    pub(super) fn is_taken(&self) {
        self.state().failure = None;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<(Token, Age)> {
        let now = self.clock.now();
        self.state().held.as_ref().map(|held| (held.token.clone(), held.age(now)))
    }

    /// Gets a new token, unless somebody else has got one meanwhile or it is too early after a failure.
    async fn renew(&self, _turn: tokio::sync::MutexGuard<'_, ()>) -> Result<Token, Denied> {
        let now = self.clock.now();
        {
            let state = self.state();
            if let Some(held) = state.held.as_ref().filter(|held| held.age(now) == Age::Fresh) {
                return Ok(held.token.clone());
            }
            if let Some(failure) = state.failure.as_ref().filter(|failure| failure.holds(now)) {
                return Err(failure.denied);
            }
        }
        let got = self.source.get(now).await;
        let result = if got.is_ok() { "renewed" } else { "failed" };
        metrics::counter!("bankhub_push_tokens_total", "vendor" => self.vendor, "result" => result).increment(1);
        let mut state = self.state();
        match got {
            Ok(Granted { token, good_for }) => {
                state.given = state.given.saturating_add(1);
                let token = Token { text: token, number: state.given };
                // A failure is over when the service has taken the token: one that is granted and refused again and again is one.
                state.held = Some(Held { token: token.clone(), got_at: now, good_for });
                Ok(token)
            }
            Err(denied) => {
                let failure = Failure::next(state.failure.as_ref(), denied, now);
                let pause_ms = u64::try_from(failure.pause.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(vendor = self.vendor, ?denied, pause_ms, "there is no token for a push service");
                state.failure = Some(failure);
                Err(denied)
            }
        }
    }
}
