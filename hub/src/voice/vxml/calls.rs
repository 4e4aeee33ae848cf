//! Calls between two documents.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Held, PoisonError};
use std::time::Duration;

use domain::voice::Call;
use domain::{PhoneNumber, Timestamp};
use ring::digest;
use server_kit::rng::RngError;
use tokio::sync::{Mutex, OwnedSemaphorePermit};
use zeroize::Zeroizing;

use super::super::Ended;
use super::{FRONT, Sources};

/// How long the gateway may be silent: longer than the longest entry of keys with the prompts before it.
const QUIET_AT_MOST: Duration = Duration::from_secs(5 * 60);
/// How long what is over is still answered, for a gateway that has lost the answer.
const OVER_FOR: Duration = Duration::from_secs(30);

/// A call that a gateway carries.
pub(super) struct OnTheLine {
    pub(super) caller: PhoneNumber,
    pub(super) call: Option<Call>,
    /// The number of the document that is out …
    pub(super) step: u32,
    /// … which is wiped, since the token of the call stands in it.
    pub(super) last: Zeroizing<String>,
    line: Option<OwnedSemaphorePermit>,
}

impl OnTheLine {
    /// Takes note of the end, once, and gives the line back.
    pub(super) fn end(&mut self, ended: Ended) {
        self.call = None;
        if self.line.take().is_some() {
            ended.count(FRONT);
        }
    }
}

struct Kept {
    call: Arc<Mutex<OnTheLine>>,
    /// When the call as a whole is over, and when the gateway was last heard.
    until: Timestamp,
    heard_at: Timestamp,
}

/// The calls by the hash of their token, so that how long a look-up takes tells nothing of a token.
pub(super) struct Calls {
    sources: Sources,
    at_most: Duration,
    by_token: Held<HashMap<[u8; 32], Kept>>,
}

fn key(token: &str) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().unwrap_or_default()
}

impl Calls {
    pub(super) fn new(sources: Sources, at_most: Duration) -> Self {
        Self { sources, at_most, by_token: Held::default() }
    }

    /// Takes a call in under a token that nobody can guess.
    pub(super) fn take_in(
        &self,
        caller: PhoneNumber,
        call: Call,
        line: OwnedSemaphorePermit,
    ) -> Result<(Zeroizing<String>, Arc<Mutex<OnTheLine>>), RngError> {
        let mut random = Zeroizing::new([0_u8; 16]);
        self.sources.rng.fill(random.as_mut())?;
        let token: Zeroizing<String> = Zeroizing::new(random.iter().map(|byte| format!("{byte:02x}")).collect());
        let on_the_line = OnTheLine { caller, call: Some(call), step: 0, last: Zeroizing::default(), line: Some(line) };
        let call = Arc::new(Mutex::new(on_the_line));
        let now = self.sources.clock.now();
        let kept = Kept { call: call.clone(), until: now.plus(self.at_most), heard_at: now };
        self.by_token.lock().unwrap_or_else(PoisonError::into_inner).insert(key(&token), kept);
        Ok((token, call))
    }

    /// The call of a token, unless it is over.
    pub(super) fn find(&self, token: &str) -> Option<Arc<Mutex<OnTheLine>>> {
        let now = self.sources.clock.now();
        let mut all = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get_mut(&key(token)).filter(|kept| kept.is_alive(now))?;
        kept.heard_at = now;
        Some(kept.call.clone())
    }

    /// Forgets calls that have lasted too long or that the gateway has not carried on.
    pub(super) fn forget_expired(&self) {
        let now = self.sources.clock.now();
        let mut all = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, kept| {
            // One that a step is being made of is looked at the next time.
            let Ok(mut on_the_line) = kept.call.try_lock() else { return true };
            let is_over = on_the_line.line.is_none();
            let stays = kept.is_alive(now) && !(is_over && now.since(kept.heard_at) > OVER_FOR);
            if !stays {
                on_the_line.end(Ended::TimeOver);
            }
            stays
        });
    }

    /// The hub goes down.
    pub(super) fn end_all(&self) {
        for (_, kept) in self.by_token.lock().unwrap_or_else(PoisonError::into_inner).drain() {
            if let Ok(mut on_the_line) = kept.call.try_lock() {
                on_the_line.end(Ended::Drained);
            }
        }
    }
}

impl Kept {
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.until && now.since(self.heard_at) <= QUIET_AT_MOST
    }
}
