//! A sign-in begins with a number. Whoever says one is answered before it is looked up; the code goes out afterwards.

use std::collections::BTreeSet;
use std::fmt;

use domain::{OneTimeCode, PhoneNumber, Reason};
use server_kit::audit::Entry;
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::rng::digits;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::sql::{self, SignIn};
use super::steps::{Done, Step, Work};
use super::{SignIns, WebToken, fault};
use crate::directory::phone_hashes;
use crate::feed::Feeds;

/// Which sort of code it is, so that no other one is good in its place.
const SIGN_IN: &[u8] = b"sign-in";

/// The keyed hash of a code, bound to the sign-in.
pub(super) fn code_mac(keys: &dyn KeyStore, token_hash: &[u8], code: &OneTimeCode) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::OneTimeCode, &[SIGN_IN, token_hash, code.reveal().as_bytes()])
}

/// Whether it is this code; in constant time.
pub(super) fn code_matches(
    keys: &dyn KeyStore,
    token_hash: &[u8],
    code: &OneTimeCode,
    stored: &[u8],
) -> Result<bool, KeyError> {
    keys.mac_matches(KeyName::OneTimeCode, &[SIGN_IN, token_hash, code.reveal().as_bytes()], stored)
}

impl SignIns {
    /// Begins a sign-in, the same for every number, and gives what the browser holds from then on.
    pub(crate) async fn begin(&self, phone: &PhoneNumber) -> Result<WebToken, Reason> {
        let token = WebToken::make(&*self.rng)?;
        let token_hash = token.hash(&*self.keys)?;
        let hashes = phone_hashes(&*self.keys, phone).map_err(|error| fault(&error))?;
        let [hash, _] = hashes;
        let sign_in_id = self.ids.uuid().map_err(|error| fault(&error))?;
        self.step(Step::Begin(Begin { token_hash, sign_in_id, phone_hash: hash })).await?;
        let code = digits(&*self.rng, OneTimeCode::DIGITS).map_err(|error| fault(&error))?;
        let code = OneTimeCode::parse(&code)?;
        let mac = code_mac(&*self.keys, &token_hash, &code).map_err(|error| fault(&error))?;
        let sealed = self.keys.seal(KeyName::SealedPayload, sign_in_id.as_bytes(), code.reveal().as_bytes());
        let sealed = sealed.map_err(|error| fault(&error))?;
        // Nobody waits for it, so that the time that it takes tells nothing. One that is lost with the process is asked for again.
        let (this, send) = (self.clone(), SendCode { token_hash, phone_hashes: hashes, code, mac, sealed });
        tokio::spawn(async move {
            if let Err(reason) = this.step(Step::Send(send)).await {
                tracing::warn!(reason = reason.code(), "a code to sign in could not be sent");
            }
        });
        Ok(token)
    }
}

/// Takes note of a sign-in.
#[derive(Debug)]
pub(super) struct Begin {
    token_hash: [u8; 32],
    sign_in_id: Uuid,
    phone_hash: [u8; 32],
}

impl Begin {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        if sql::load_sign_in(work.tx, &self.token_hash).await?.is_none() {
            let sign_in = SignIn {
                token_hash: self.token_hash.to_vec(),
                version: 1,
                sign_in_id: self.sign_in_id,
                phone_hash: self.phone_hash.to_vec(),
                expires_at: work.tx.now().plus(work.policy.code_ttl),
                attempts_left: work.policy.attempts.into(),
                person_id: None,
                code_mac: None,
                last_try: None,
            };
            sql::put_sign_ins(work.tx, &[sign_in]).await?;
        }
        Ok(Done::Noted)
    }
}

/// Sends the code, to whom has an account password and has not got too many.
pub(super) struct SendCode {
    token_hash: [u8; 32],
    phone_hashes: [[u8; 32]; 2],
    code: OneTimeCode,
    mac: [u8; 32],
    sealed: Vec<u8>,
}

impl fmt::Debug for SendCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendCode").finish_non_exhaustive()
    }
}

impl SendCode {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Done, StoreError> {
        let Some(person_id) = sql::person_of(work.tx, &self.phone_hashes).await? else { return Ok(Done::Noted) };
        // The person's row is locked first, as in every step that has one.
        let mut feeds = Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
        let Some(begun) = sql::load_sign_in(work.tx, &self.token_hash).await?.filter(|it| it.code_mac.is_none()) else {
            return Ok(Done::Noted);
        };
        let Some(mut kept) = sql::load_kept(work.tx, person_id).await? else { return Ok(Done::Noted) };
        let now = work.tx.now();
        if now >= begun.expires_at || !kept.guard.send_code(now, work.policy) {
            return Ok(Done::Noted);
        }
        kept.version += 1;
        sql::put_kept(work.tx, &kept).await?;
        let what = (begun.sign_in_id, self.code.clone(), self.sealed.clone());
        work.events.extend(feeds.tell_sign_in_code(person_id, what, (now, begun.expires_at)));
        feeds.write(work.tx).await?;
        let content = format!("sign_in={}", begun.sign_in_id);
        work.log.push(Entry { kind: "SIGN_IN_CODE_SENT", subject: person_id.uuid(), content });
        let code_mac = Some(self.mac.to_vec());
        let sent = SignIn { version: begun.version + 1, person_id: Some(person_id), code_mac, ..begun };
        sql::put_sign_ins(work.tx, &[sent]).await?;
        work.tx.flush().await?;
        Ok(Done::Noted)
    }
}
