//! Sessions of phones: BeginSession gives a nonce, OpenSession takes it signed and gives a token, and every call
//! after that is recognised by its token.
//!
//! A nonce is not stored when it is given, so that strangers cannot make the hub write: it is 16 random bytes and 16
//! bytes of their keyed hash with the phone and the time. That it was used is stored, for longer than it is good.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{DeviceId, PersonId, Reason, Timestamp};
use moka::sync::Cache;
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::audit::Entry;
use server_kit::clock::SharedClock;
use server_kit::keystore::{KeyError, KeyName, KeyStore, SharedKeyStore};
use server_kit::rng::{Rng, RngError};
use server_kit::store::{Store, StoreError, Tx};
use tonic::{Request, Status};

use super::limits::{Limits, address};
use super::marks::Marks;
use super::sql::{self, SessionRow};
use super::steps::Done;
use super::{CardholderOptions, CardholderParts};
use crate::hex;
use crate::store_status::{fault, store_status};

/// Times are told apart to this many microseconds …
const NONCE_SLOT_MICROS: i64 = 20_000_000;
/// … and a nonce is good for its own slot and three more, which is a minute at least.
const NONCE_SLOTS: i64 = 3;
/// For so long it is kept that a nonce was used: longer than any replica would take it.
const NONCE_KEPT: Duration = Duration::from_secs(180);
const NONCE_BYTES: usize = 32;
const NONCE_RANDOM_BYTES: usize = 16;
const TOKEN_BYTES: usize = 32;

/// The generator of P-256, against which the signature of a phone that nobody knows is checked, so that it takes the
/// time that a known one takes. Whoever can sign for it gains nothing: the phone is not known.
const SOME_PUBLIC_KEY: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// Why no nonce could be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NonceError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Rng(#[from] RngError),
}

/// A nonce for this phone, whether or not there is such a phone.
pub(super) fn make_nonce(
    keys: &dyn KeyStore,
    rng: &dyn Rng,
    device_id: DeviceId,
    now: Timestamp,
) -> Result<Vec<u8>, NonceError> {
    let mut random = [0; NONCE_RANDOM_BYTES];
    rng.fill(&mut random)?;
    let proof = nonce_proof(keys, device_id, &random, now.micros().div_euclid(NONCE_SLOT_MICROS))?;
    Ok([&random[..], &proof[..]].concat())
}

fn nonce_proof(keys: &dyn KeyStore, device_id: DeviceId, random: &[u8], slot: i64) -> Result<Vec<u8>, KeyError> {
    let (device, slot) = (device_id.uuid(), slot.to_be_bytes());
    let mac = keys.mac(KeyName::SessionToken, &[b"nonce", device.as_bytes(), random, &slot])?;
    Ok(mac.into_iter().take(NONCE_BYTES - NONCE_RANDOM_BYTES).collect())
}

/// Whether this hub made the nonce for this phone a short time ago.
fn nonce_is_good(keys: &dyn KeyStore, device_id: DeviceId, nonce: &[u8], now: Timestamp) -> Result<bool, KeyError> {
    let Some((random, proof)) = nonce.split_at_checked(NONCE_RANDOM_BYTES) else { return Ok(false) };
    let slot = now.micros().div_euclid(NONCE_SLOT_MICROS);
    let mut good = false;
    // One slot ahead too, for a replica whose clock is ahead of this one's.
    for slot in slot.saturating_sub(NONCE_SLOTS)..=slot.saturating_add(1) {
        good |= same(&nonce_proof(keys, device_id, random, slot)?, proof);
    }
    Ok(good && nonce.len() == NONCE_BYTES)
}

/// Compares without stopping at the first difference.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

/// A nonce that a phone has signed.
pub(super) struct Signed {
    pub(super) device_id: DeviceId,
    nonce: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    pub(super) fn read(request: pb::OpenSessionRequest) -> Result<Self, Reason> {
        let device_id = DeviceId::parse(&request.device_id)?;
        Ok(Self { device_id, nonce: request.nonce, signature: request.signature })
    }

    /// Whether the phone may have a session; the same work whoever asks.
    pub(super) fn is_genuine(
        &self,
        keys: &dyn KeyStore,
        device: Option<&sql::Device>,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        let key = device.map_or(&SOME_PUBLIC_KEY[..], |device| &device.public_key);
        let message = [format!("bankhub.v1.session\n{}\n", self.device_id).as_bytes(), &self.nonce].concat();
        let signed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(&message, &self.signature).is_ok();
        let good = nonce_is_good(keys, self.device_id, &self.nonce, now)?;
        Ok(signed && good && device.is_some_and(|device| !device.revoked))
    }

    pub(super) fn open(self, token: &Token, idle: Duration) -> OpenSession {
        OpenSession { device_id: self.device_id, nonce: self.nonce, token_hash: token.hash, idle }
    }
}

/// A new bearer token.
pub(super) struct Token {
    /// What the phone gets.
    pub(super) text: String,
    /// What is stored.
    hash: [u8; 32],
}

impl Token {
    pub(super) fn make(keys: &dyn KeyStore, rng: &dyn Rng) -> Result<Self, NonceError> {
        let mut bytes = [0; TOKEN_BYTES];
        rng.fill(&mut bytes)?;
        Ok(Self { text: hex::encode(&bytes), hash: token_hash(keys, &bytes)? })
    }
}

fn token_hash(keys: &dyn KeyStore, token: &[u8]) -> Result<[u8; 32], KeyError> {
    keys.mac(KeyName::SessionToken, &[b"token", token])
}

/// Opens a session; the nonce is used up.
#[derive(Debug)]
pub(super) struct OpenSession {
    device_id: DeviceId,
    nonce: Vec<u8>,
    token_hash: [u8; 32],
    idle: Duration,
}

impl OpenSession {
    pub(super) async fn apply(&self, tx: &mut Tx, log: &mut Vec<Entry>) -> Result<Result<Done, Reason>, StoreError> {
        // The same step may be run again when the outcome of its commit was unknown.
        if !sql::load_sessions(tx, vec![self.token_hash.to_vec()]).await?.is_empty() {
            return Ok(Ok(Done::Opened));
        }
        let devices = sql::load_devices(tx, vec![self.device_id.uuid()]).await?;
        let Some(device) = devices.first().filter(|device| !device.revoked) else {
            return Ok(Err(Reason::DeviceRefused));
        };
        if !sql::spend_nonce(tx, &self.nonce, self.device_id, tx.now().plus(NONCE_KEPT)).await? {
            return Ok(Err(Reason::DeviceRefused));
        }
        let session = SessionRow {
            token_hash: self.token_hash.to_vec(),
            version: 1,
            device_id: self.device_id,
            person_id: device.person_id,
            expires_at: tx.now().plus(self.idle),
        };
        sql::put_sessions(tx, &[session]).await?;
        let content = format!("device={}", self.device_id);
        log.push(Entry { kind: "SESSION_OPENED", subject: device.person_id.uuid(), content });
        Ok(Ok(Done::Opened))
    }
}

/// Who calls, by token.
#[derive(Clone, Copy)]
pub(super) struct Session {
    pub(super) device_id: DeviceId,
    pub(super) person_id: PersonId,
    token_hash: [u8; 32],
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

/// A session as it was read a moment ago; its end moves on with its calls.
#[derive(Debug)]
struct Known {
    device_id: DeviceId,
    person_id: PersonId,
    expires_at: AtomicI64,
}

/// Recognises sessions. What was read is believed for a moment, so that a call costs no query.
#[derive(Debug)]
pub(super) struct Sessions {
    store: Store,
    keys: SharedKeyStore,
    clock: SharedClock,
    marks: Marks,
    idle: Duration,
    extend_every: Duration,
    known: Cache<[u8; 32], Arc<Known>>,
}

impl Sessions {
    pub(super) fn new(parts: &CardholderParts, options: &CardholderOptions, marks: Marks) -> Self {
        let known = Cache::builder()
            .max_capacity(options.session_cache_entries)
            .time_to_live(options.session_cache_ttl)
            .build();
        Self {
            store: parts.store.clone(),
            keys: parts.keys.clone(),
            clock: parts.clock.clone(),
            marks,
            idle: options.idle,
            extend_every: options.extend_every,
            known,
        }
    }

    /// Who sent this request; the session lives on from now.
    pub(super) async fn recognise<T>(&self, request: &Request<T>, limits: &Limits) -> Result<Session, Status> {
        let token = bearer(request).ok_or_else(|| proto::status(Reason::SessionInvalid))?;
        let hash = token_hash(&*self.keys, &token).map_err(|error| fault(&error))?;
        if let Some(known) = self.known.get(&hash)
            && let Some(session) = self.go_on(hash, &known)
        {
            return Ok(session);
        }
        limits.look_up(address(request))?;
        self.read(hash).await
    }

    /// Whether the session of an open stream still stands, by the table; the stream is a call that goes on.
    pub(super) async fn still_stands(&self, session: &Session) -> Result<(), Status> {
        self.read(session.token_hash).await.map(|_| ())
    }

    async fn read(&self, hash: [u8; 32]) -> Result<Session, Status> {
        let row = sql::read_session(&self.store, &hash).await.map_err(|error| store_status(&error))?;
        let row = row.ok_or_else(|| proto::status(Reason::SessionInvalid))?;
        let known = Arc::new(Known {
            device_id: row.device_id,
            person_id: row.person_id,
            expires_at: AtomicI64::new(row.expires_at.micros()),
        });
        let session = self.go_on(hash, &known).ok_or_else(|| proto::status(Reason::SessionInvalid))?;
        self.known.insert(hash, known);
        Ok(session)
    }

    /// The session, unless it has ended; its end is moved on when the last time is long enough ago.
    fn go_on(&self, token_hash: [u8; 32], known: &Known) -> Option<Session> {
        let now = self.clock.now();
        let expires_at = Timestamp::from_micros(known.expires_at.load(Ordering::Relaxed));
        if expires_at <= now {
            return None;
        }
        let later = now.plus(self.idle);
        if later.since(expires_at) >= self.extend_every {
            known.expires_at.store(later.micros(), Ordering::Relaxed);
            self.marks.extend(token_hash, later);
        }
        Some(Session { device_id: known.device_id, person_id: known.person_id, token_hash })
    }
}

/// The token of `authorization: Bearer <token>`: 64 lower-case hex digits.
fn bearer<T>(request: &Request<T>) -> Option<Vec<u8>> {
    let header = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    let fine = scheme.eq_ignore_ascii_case("bearer") && token.len() == TOKEN_BYTES * 2;
    if fine { hex::decode(token) } else { None }
}

#[cfg(test)]
mod tests {
    use server_kit::keystore::Keyring;
    use server_kit::rng::SystemRng;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn s1_a_nonce_is_good_for_one_phone_and_for_one_minute() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let phone = |n| DeviceId::from_uuid(Uuid::from_u128(n));
        let begun = Timestamp::from_secs(1_700_000_000);
        let after = |seconds| begun.plus(Duration::from_secs(seconds));
        let nonce = make_nonce(&keys, &SystemRng::new(), phone(1), begun).unwrap();
        assert_eq!(nonce.len(), 32);
        for seconds in [0, 1, 30, 60] {
            assert!(nonce_is_good(&keys, phone(1), &nonce, after(seconds)).unwrap(), "{seconds}");
        }
        assert!(!nonce_is_good(&keys, phone(1), &nonce, after(81)).unwrap());
        assert!(!nonce_is_good(&keys, phone(2), &nonce, begun).unwrap());
        for i in 0..nonce.len() {
            let mut other = nonce.clone();
            other[i] ^= 1;
            assert!(!nonce_is_good(&keys, phone(1), &other, begun).unwrap());
        }
        for bad in [&nonce[..31], &[], &[&nonce[..], &[0]].concat()] {
            assert!(!nonce_is_good(&keys, phone(1), bad, begun).unwrap());
        }
    }

    #[test]
    fn s1_a_token_has_one_spelling() {
        let keys = Keyring::generate(SystemRng::shared()).unwrap();
        let token = Token::make(&keys, &SystemRng::new()).unwrap();
        let said = |header: &str| {
            let mut request = Request::new(());
            request.metadata_mut().insert("authorization", header.parse().unwrap());
            bearer(&request)
        };
        let read = said(&format!("Bearer {}", token.text)).unwrap();
        assert_eq!(token_hash(&keys, &read).unwrap(), token.hash);
        for bad in [
            String::new(),
            token.text.clone(),
            format!("Basic {}", token.text),
            format!("Bearer  {}", token.text),
            format!("Bearer {}", token.text.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
            format!("Bearer {}0", token.text),
            format!("Bearer {}", &token.text[1..]),
        ] {
            assert_eq!(said(&bad), None, "{bad}");
        }
    }
}
