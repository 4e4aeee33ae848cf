//! Somebody says to know a safety code.

use std::fmt;
use std::sync::Arc;

use domain::feed::Event;
use domain::safety_code::{Policy, SafetyCode, Tried};
use domain::{PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::store::{StoreError, Tx};

use super::{sql, words};
use crate::feed::Feeds;

/// Compared with where there is no code; no keyed hash that anybody finds a code to.
const NO_CODE: [u8; 32] = [0; 32];

/// What somebody says to know.
pub(crate) struct Claim {
    /// Whose code; [`NOBODY`](super::NOBODY)'s for a number that is not known.
    pub(crate) person_id: PersonId,
    pub(crate) code: SafetyCode,
    /// Who says it, for the log: the channel, and the number masked.
    pub(crate) by: String,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("person_id", &self.person_id).finish_non_exhaustive()
    }
}

/// What came of it: to be logged and told in the same transaction.
#[derive(Debug)]
pub(crate) struct Proved {
    /// `Err(SafetyCodeRefused)`, whatever was wrong.
    pub(crate) answer: Result<(), Reason>,
    pub(crate) log: Vec<Entry>,
    pub(crate) told: Vec<Arc<Event>>,
}

/// Compares and counts, in the transaction of whatever the code is for. `feeds` has locked the row of the person, so that no two
/// tries are counted as one. For somebody without a code, or without a name here, the same is read, compared, written and logged.
pub(crate) async fn prove(
    tx: &mut Tx,
    (keys, policy): (&dyn KeyStore, &Policy),
    feeds: &mut Feeds,
    claim: &Claim,
) -> Result<Proved, StoreError> {
    let now = tx.now();
    let kept = sql::load(tx, claim.person_id).await?;
    let stored = kept.code.as_ref().map_or(NO_CODE.as_slice(), |code| &code.mac);
    let matches = matches(keys, claim.person_id, &claim.code, stored)?;
    let mut guard = kept.guard;
    let tried = guard.tried(matches & kept.code.is_some(), now, policy);
    if tried == Tried::Right {
        if guard != kept.guard {
            sql::count(tx, claim.person_id, guard).await?;
        }
        return Ok(Proved { answer: Ok(()), log: Vec::new(), told: Vec::new() });
    }
    sql::count(tx, claim.person_id, guard).await?;
    let mut told = Vec::new();
    if tried == Tried::WrongAndBlocked
        && let Some(until) = guard.blocked_until
    {
        told.extend(feeds.tell_news(claim.person_id, words::blocked(claim.person_id, until, now), now));
    }
    let content = format!("by={} wrong_tries={} blocked={}", claim.by, guard.failures, guard.is_blocked(now));
    let log = vec![Entry { kind: "safety_code.refused", subject: claim.person_id.uuid(), content }];
    Ok(Proved { answer: Err(Reason::SafetyCodeRefused), log, told })
}

/// The keyed hash of a code, bound to the person.
pub(super) fn mac(keys: &dyn KeyStore, person_id: PersonId, code: &SafetyCode) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::SafetyCode, &[person_id.uuid().as_bytes(), code.reveal().as_bytes()])
}

/// Whether `stored` is the keyed hash of this code under any version of the key; in constant time.
pub(super) fn matches(
    keys: &dyn KeyStore,
    person_id: PersonId,
    code: &SafetyCode,
    stored: &[u8],
) -> Result<bool, KeyError> {
    keys.mac_matches(KeyName::SafetyCode, &[person_id.uuid().as_bytes(), code.reveal().as_bytes()], stored)
}
