//! Keys in memory, prepared once, so that an operation costs the cryptography and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use ring::{digest, hmac};
use zeroize::Zeroizing;

use super::{HeldVersion, KeyError, KeyName, KeyStore, Purpose, signature_is_of};
use crate::rng::{Rng, RngError, SharedRng};

/// The first byte of everything sealed.
pub(super) const FORMAT: u8 = 1;

/// Format byte and key version before the nonce.
const HEADER_LEN: usize = 1 + 4;

/// The raw bytes of one version of a key. Every purpose takes 32.
#[derive(Clone)]
pub(super) struct RawKey {
    pub(super) name: KeyName,
    pub(super) version: u32,
    pub(super) bytes: Zeroizing<[u8; 32]>,
}

impl RawKey {
    pub(super) fn generate(name: KeyName, version: u32, rng: &dyn Rng) -> Result<Self, RngError> {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill(bytes.as_mut())?;
        Ok(Self { name, version, bytes })
    }

    pub(super) fn generate_all(rng: &dyn Rng) -> Result<Vec<Self>, RngError> {
        KeyName::ALL.into_iter().map(|name| Self::generate(name, 1, rng)).collect()
    }

    /// Tells it from another key of the same name and number.
    fn check(&self) -> [u8; 8] {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"bankhub key check\n");
        context.update(&[self.name.number()]);
        context.update(&self.version.to_be_bytes());
        context.update(self.bytes.as_ref());
        context.finish().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

enum Prepared {
    Mac(hmac::Key),
    Seal(Box<LessSafeKey>),
    Sign(Box<Ed25519KeyPair>),
}

impl Prepared {
    fn new(raw: &RawKey) -> Option<Self> {
        Some(match raw.name.purpose() {
            Purpose::Mac => Self::Mac(hmac::Key::new(hmac::HMAC_SHA256, raw.bytes.as_ref())),
            Purpose::Seal => {
                Self::Seal(Box::new(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, raw.bytes.as_ref()).ok()?)))
            }
            Purpose::Sign => Self::Sign(Box::new(Ed25519KeyPair::from_seed_unchecked(raw.bytes.as_ref()).ok()?)),
        })
    }
}

/// A version of a key, ready for use.
struct Version {
    key: Prepared,
    check: [u8; 8],
}

/// The versions of one key. Cheap to clone, so that nobody holds the lock while a key is used.
#[derive(Clone)]
struct Versions {
    all: BTreeMap<u32, Arc<Version>>,
    /// What is written with.
    current: u32,
}

impl Versions {
    fn current(&self) -> Option<&Prepared> {
        self.all.get(&self.current).map(|version| &version.key)
    }

    /// The current version, and another one if there is one: the newest of the others.
    fn both(&self) -> (Option<&Prepared>, Option<&Prepared>) {
        let other = self.all.iter().rev().find(|(number, _)| **number != self.current);
        (self.current(), other.map(|(_, version)| &version.key))
    }
}

type Keys = BTreeMap<KeyName, Arc<Versions>>;

/// A key store in memory. On its own it is for tests and the simulator; [`super::SealedFile`] keeps one for good.
///
/// The raw bytes are wiped once the keys are prepared. The prepared keys are ring's, which does not wipe them.
pub struct Keyring {
    keys: RwLock<Keys>,
    rng: SharedRng,
}

impl Keyring {
    /// New keys under every name, known to nobody and gone with the process.
    pub fn generate(rng: SharedRng) -> Result<Self, RngError> {
        let raw = RawKey::generate_all(&*rng)?;
        Ok(Self::prepare(&raw, rng))
    }

    /// Adds a new version of a key, which is not written with before somebody says so. Gives its number.
    #[cfg(any(test, feature = "testing"))]
    pub fn add_version(&self, name: KeyName) -> Result<u32, RngError> {
        let version = self.versions_of(name).last().copied().unwrap_or(0) + 1;
        let raw = RawKey::generate(name, version, &*self.rng)?;
        self.change(name, |versions| {
            versions
                .all
                .extend(Prepared::new(&raw).map(|key| (version, Arc::new(Version { key, check: raw.check() }))));
        });
        Ok(version)
    }

    /// The same keys for another process: what one of them is told later the other does not hear.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn copy(&self) -> Self {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        Self { keys: RwLock::new(keys), rng: self.rng.clone() }
    }

    /// Holds what another one holds, too: as when a server gets the file of the others. What is written with stays.
    #[cfg(any(test, feature = "testing"))]
    pub fn follow(&self, other: &Self) {
        for (name, theirs) in other.keys.read().unwrap_or_else(PoisonError::into_inner).iter() {
            self.change(*name, |mine| mine.all.extend(theirs.all.iter().map(|(number, key)| (*number, key.clone()))));
        }
    }

    /// `rng` makes the nonces. The newest version of each key is written with.
    pub(super) fn prepare(raw: &[RawKey], rng: SharedRng) -> Self {
        Self { keys: RwLock::new(prepared(raw)), rng }
    }

    /// Takes these keys in the place of those from before; what was written with still is. `Err` with the key of which that version is not
    /// there, or any version another one: then nothing is taken.
    pub(super) fn take(&self, raw: &[RawKey]) -> Result<(), KeyName> {
        let mut new = prepared(raw);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        for (name, before) in keys.iter() {
            let versions = new.get_mut(name).ok_or(*name)?;
            let differs = |(n, was): (&u32, &Arc<Version>)| versions.all.get(n).is_some_and(|it| it.check != was.check);
            if !versions.all.contains_key(&before.current) || before.all.iter().any(differs) {
                return Err(*name);
            }
            Arc::make_mut(versions).current = before.current;
        }
        *keys = new;
        Ok(())
    }

    pub(super) fn with_rng(self, rng: SharedRng) -> Self {
        Self { rng, ..self }
    }

    pub(super) fn versions_of(&self, name: KeyName) -> Vec<u32> {
        self.held(name).into_iter().map(|held| held.version).collect()
    }

    fn found(&self, name: KeyName) -> Option<Arc<Versions>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    fn versions(&self, name: KeyName, wanted: Purpose) -> Result<Arc<Versions>, KeyError> {
        if name.purpose() != wanted {
            return Err(KeyError::WrongPurpose { name, wanted });
        }
        self.found(name).ok_or(KeyError::Missing { name })
    }

    fn change(&self, name: KeyName, change: impl FnOnce(&mut Versions)) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(versions) = keys.get_mut(&name) {
            change(Arc::make_mut(versions));
        }
    }
}

fn prepared(raw: &[RawKey]) -> Keys {
    let mut keys = BTreeMap::<KeyName, Versions>::new();
    for raw in raw {
        // Preparing fails only for a length that the algorithm does not have, and every key has 32 bytes.
        let Some(key) = Prepared::new(raw) else { continue };
        let versions = keys.entry(raw.name).or_insert_with(|| Versions { all: BTreeMap::new(), current: raw.version });
        versions.all.insert(raw.version, Arc::new(Version { key, check: raw.check() }));
        versions.current = versions.current.max(raw.version);
    }
    keys.into_iter().map(|(name, versions)| (name, Arc::new(versions))).collect()
}

fn hash(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(part);
    }
    context.sign()
}

impl KeyStore for Keyring {
    fn mac(&self, name: KeyName, parts: &[&[u8]]) -> Result<[u8; 32], KeyError> {
        let versions = self.versions(name, Purpose::Mac)?;
        let Some(Prepared::Mac(key)) = versions.current() else { return Err(KeyError::Missing { name }) };
        hash(key, parts).as_ref().try_into().map_err(|_| KeyError::Malformed)
    }

    fn mac_matches(&self, name: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<bool, KeyError> {
        use subtle::ConstantTimeEq as _;
        let mut matches = subtle::Choice::from(0);
        for version in self.versions(name, Purpose::Mac)?.all.values() {
            if let Prepared::Mac(key) = &version.key {
                matches |= hash(key, parts).as_ref().ct_eq(expected);
            }
        }
        Ok(matches.into())
    }

    fn mac_both(&self, name: KeyName, parts: &[&[u8]]) -> Result<[[u8; 32]; 2], KeyError> {
        let versions = self.versions(name, Purpose::Mac)?;
        let bytes = |key: &hmac::Key| hash(key, parts).as_ref().try_into().map_err(|_| KeyError::Malformed);
        match versions.both() {
            (Some(Prepared::Mac(current)), Some(Prepared::Mac(other))) => Ok([bytes(current)?, bytes(other)?]),
            (Some(Prepared::Mac(current)), _) => bytes(current).map(|hash| [hash, hash]),
            _ => Err(KeyError::Missing { name }),
        }
    }

    fn mac_version(&self, name: KeyName, parts: &[&[u8]], expected: &[u8]) -> Result<Option<u32>, KeyError> {
        use subtle::ConstantTimeEq as _;
        let mut found = None;
        for (number, version) in &self.versions(name, Purpose::Mac)?.all {
            if let Prepared::Mac(key) = &version.key
                && bool::from(hash(key, parts).as_ref().ct_eq(expected))
            {
                found = Some(*number);
            }
        }
        Ok(found)
    }

    fn held(&self, name: KeyName) -> Vec<HeldVersion> {
        let held = |(number, version): (&u32, &Arc<Version>)| HeldVersion { version: *number, check: version.check };
        self.found(name).map(|versions| versions.all.iter().map(held).collect()).unwrap_or_default()
    }

    fn current_version(&self, name: KeyName) -> Option<u32> {
        self.found(name).map(|versions| versions.current)
    }

    fn use_version(&self, name: KeyName, version: u32) -> Result<(), KeyError> {
        let found = self.found(name).ok_or(KeyError::Missing { name })?;
        if found.current == version {
            return Ok(());
        }
        if !found.all.contains_key(&version) {
            return Err(KeyError::UnknownVersion { name, version });
        }
        self.change(name, |versions| versions.current = version);
        Ok(())
    }

    fn forget_version(&self, name: KeyName, version: u32) {
        self.change(name, |versions| {
            if versions.current != version {
                versions.all.remove(&version);
            }
        });
    }

    fn seal(&self, name: KeyName, context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let versions = self.versions(name, Purpose::Seal)?;
        let (version, Some(Prepared::Seal(key))) = (versions.current, versions.current()) else {
            return Err(KeyError::Missing { name });
        };
        // A random nonce of 96 bits serves 2^32 messages of one key version (SP 800-38D, section 8.3); rotate before.
        let mut nonce = [0; NONCE_LEN];
        self.rng.fill(&mut nonce)?;
        let mut sealed = Vec::with_capacity(HEADER_LEN + NONCE_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(FORMAT);
        sealed.extend_from_slice(&version.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let mut body = plaintext.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
            .map_err(|_| KeyError::TooLong)?;
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    fn open(&self, name: KeyName, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let versions = self.versions(name, Purpose::Seal)?;
        let (format, rest) = sealed.split_first().ok_or(KeyError::Malformed)?;
        let (version, rest) = rest.split_first_chunk::<4>().ok_or(KeyError::Malformed)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Malformed)?;
        if *format != FORMAT || body.len() < AES_256_GCM.tag_len() {
            return Err(KeyError::Malformed);
        }
        let version = u32::from_be_bytes(*version);
        let Some(Prepared::Seal(key)) = versions.all.get(&version).map(|version| &version.key) else {
            return Err(KeyError::UnknownVersion { name, version });
        };
        let mut body = body.to_vec();
        let opened = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut body)
            .map_err(|_| KeyError::DoesNotOpen { name })?
            .len();
        body.truncate(opened);
        Ok(body)
    }

    fn sign(&self, name: KeyName, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let versions = self.versions(name, Purpose::Sign)?;
        let Some(Prepared::Sign(key)) = versions.current() else { return Err(KeyError::Missing { name }) };
        Ok(key.sign(message).as_ref().to_vec())
    }

    fn public_key(&self, name: KeyName) -> Result<Vec<u8>, KeyError> {
        let versions = self.versions(name, Purpose::Sign)?;
        let Some(Prepared::Sign(key)) = versions.current() else { return Err(KeyError::Missing { name }) };
        Ok(key.public_key().as_ref().to_vec())
    }

    fn signature_matches(&self, name: KeyName, message: &[u8], signature: &[u8]) -> Result<bool, KeyError> {
        Ok(self.versions(name, Purpose::Sign)?.all.values().any(|version| {
            matches!(&version.key, Prepared::Sign(key) if signature_is_of(key.public_key().as_ref(), message, signature))
        }))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_map().entries(keys.iter().map(|(name, versions)| (name, versions.all.keys()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Stopwatch;
    use crate::rng::{SeededRng, SystemRng};

    fn keys() -> Keyring {
        Keyring::generate(SystemRng::shared()).unwrap()
    }

    /// A key ring on which every key has two versions, and the one before the second was made.
    fn rotated() -> (Keyring, Keyring) {
        let rng: SharedRng = Arc::new(SeededRng::new(1));
        let old = RawKey::generate_all(&*rng).unwrap();
        let mut both = old.clone();
        both.extend(KeyName::ALL.map(|name| RawKey::generate(name, 2, &*rng).unwrap()));
        (Keyring::prepare(&old, rng.clone()), Keyring::prepare(&both, rng))
    }

    #[test]
    fn a_hash_matches_its_own_parts_only() {
        let keys = keys();
        let hash = keys.mac(KeyName::OneTimeCode, &[b"ab", b"c"]).unwrap();
        assert!(keys.mac_matches(KeyName::OneTimeCode, &[b"ab", b"c"], &hash).unwrap());
        let others: [&[&[u8]]; 5] = [&[b"a", b"bc"], &[b"abc"], &[b"ab", b"c", b""], &[], &[b"ab", b"d"]];
        for parts in others {
            assert!(!keys.mac_matches(KeyName::OneTimeCode, parts, &hash).unwrap());
        }
        assert!(!keys.mac_matches(KeyName::OneTimeCode, &[b"ab", b"c"], &hash[..31]).unwrap());
        assert!(!keys.mac_matches(KeyName::OneTimeCode, &[b"ab", b"c"], b"").unwrap());
    }

    #[test]
    fn every_name_has_a_key_of_its_own() {
        let keys = keys();
        let hash = keys.mac(KeyName::PhoneIndex, &[b"+8613800138000"]).unwrap();
        assert!(!keys.mac_matches(KeyName::CardIndex, &[b"+8613800138000"], &hash).unwrap());
        let sealed = keys.seal(KeyName::SealedPayload, b"", b"text").unwrap();
        let refused = keys.open(KeyName::CardNumber, b"", &sealed);
        assert!(matches!(refused, Err(KeyError::DoesNotOpen { name: KeyName::CardNumber })));
    }

    #[test]
    fn what_is_sealed_opens_in_its_context_and_differs_every_time() {
        let keys = keys();
        let sealed = keys.seal(KeyName::CardNumber, b"card 1", b"4111111111111111").unwrap();
        assert_eq!(keys.open(KeyName::CardNumber, b"card 1", &sealed).unwrap(), b"4111111111111111");
        assert!(matches!(keys.open(KeyName::CardNumber, b"card 2", &sealed), Err(KeyError::DoesNotOpen { .. })));
        assert_ne!(sealed, keys.seal(KeyName::CardNumber, b"card 1", b"4111111111111111").unwrap());
    }

    #[test]
    fn sealed_bytes_that_were_changed_or_cut_do_not_open() {
        let keys = keys();
        let sealed = keys.seal(KeyName::CardNumber, b"", b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(keys.open(KeyName::CardNumber, b"", &changed).is_err(), "byte {at}");
            assert!(keys.open(KeyName::CardNumber, b"", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_signature_is_of_its_message_and_key() {
        let keys = keys();
        let signature = keys.sign(KeyName::AuditHead, b"head").unwrap();
        let public = keys.public_key(KeyName::AuditHead).unwrap();
        assert_eq!((signature.len(), public.len()), (64, 32));
        assert!(signature_is_of(&public, b"head", &signature));
        assert!(keys.signature_matches(KeyName::AuditHead, b"head", &signature).unwrap());
        assert!(!keys.signature_matches(KeyName::AuditHead, b"tail", &signature).unwrap());
        assert!(!signature_is_of(b"short", b"head", &signature));
    }

    #[test]
    fn what_an_older_version_made_is_still_good_after_a_rotation() {
        let (before, after) = rotated();
        let hash = before.mac(KeyName::OneTimeCode, &[b"x"]).unwrap();
        assert!(after.mac_matches(KeyName::OneTimeCode, &[b"x"], &hash).unwrap());
        assert_ne!(after.mac(KeyName::OneTimeCode, &[b"x"]).unwrap(), hash);
        let sealed = before.seal(KeyName::CardNumber, b"", b"x").unwrap();
        assert_eq!(after.open(KeyName::CardNumber, b"", &sealed).unwrap(), b"x");
        let newer = after.seal(KeyName::CardNumber, b"", b"x").unwrap();
        assert!(matches!(
            before.open(KeyName::CardNumber, b"", &newer),
            Err(KeyError::UnknownVersion { version: 2, .. })
        ));
        let signature = before.sign(KeyName::AuditHead, b"x").unwrap();
        assert!(after.signature_matches(KeyName::AuditHead, b"x", &signature).unwrap());
    }

    #[test]
    fn m8_a_new_version_is_read_with_before_it_is_written_with() {
        let keys = keys();
        let old = keys.mac(KeyName::PhoneIndex, &[b"+86"]).unwrap();
        assert_eq!(keys.mac_both(KeyName::PhoneIndex, &[b"+86"]).unwrap(), [old, old]);
        assert_eq!(keys.add_version(KeyName::PhoneIndex).unwrap(), 2);
        let [current, other] = keys.mac_both(KeyName::PhoneIndex, &[b"+86"]).unwrap();
        assert!(current == old && other != old && keys.current_version(KeyName::PhoneIndex) == Some(1));
        keys.use_version(KeyName::PhoneIndex, 2).unwrap();
        assert_eq!(keys.mac_both(KeyName::PhoneIndex, &[b"+86"]).unwrap(), [other, old]);
        assert_eq!(keys.mac(KeyName::PhoneIndex, &[b"+86"]).unwrap(), other);
        let version = |hash: &[u8; 32]| keys.mac_version(KeyName::PhoneIndex, &[b"+86"], hash).unwrap();
        assert_eq!((version(&old), version(&other), version(&[0; 32])), (Some(1), Some(2), None));
        keys.forget_version(KeyName::PhoneIndex, 2);
        keys.forget_version(KeyName::PhoneIndex, 1);
        assert_eq!(keys.mac_both(KeyName::PhoneIndex, &[b"+86"]).unwrap(), [other, other]);
        let refused = keys.use_version(KeyName::PhoneIndex, 1);
        assert!(matches!(refused, Err(KeyError::UnknownVersion { version: 1, .. })));
    }

    #[test]
    fn m8_two_keys_of_one_number_are_told_apart_and_what_is_sealed_says_its_version() {
        let [one, two] = [keys(), keys()].map(|keys| keys.held(KeyName::CardNumber));
        assert!(one.first().unwrap().version == 1 && two.first().unwrap().version == 1 && one != two);
        let (before, after) = rotated();
        assert_eq!(before.held(KeyName::CardNumber), after.held(KeyName::CardNumber).get(..1).unwrap());
        let sealed = after.seal(KeyName::CardNumber, b"", b"x").unwrap();
        assert_eq!(super::super::sealed_version(&sealed), Some(2));
        assert_eq!(super::super::sealed_version(b"12345"), None);
    }

    #[test]
    fn a_key_does_only_what_it_is_for() {
        let refused = keys().sign(KeyName::PhoneIndex, b"x");
        assert!(matches!(refused, Err(KeyError::WrongPurpose { name: KeyName::PhoneIndex, wanted: Purpose::Sign })));
        assert!(matches!(keys().mac(KeyName::AuditHead, &[]), Err(KeyError::WrongPurpose { .. })));
    }

    #[test]
    fn debug_output_names_keys_and_versions_and_nothing_else() {
        let text = format!("{:?}", rotated().1);
        assert!(text.starts_with("{OneTimeCode: [1, 2], "), "{text}");
    }

    #[test]
    #[ignore = "a measurement: run it with --ignored --nocapture"]
    #[allow(clippy::print_stderr, reason = "a measurement has to be shown")]
    fn what_an_operation_costs() {
        let keys = keys();
        let measure = |name, operation: &dyn Fn()| {
            let watch = Stopwatch::start();
            (0..10_000).for_each(|_| operation());
            eprintln!("{name}: {:?}", watch.elapsed() / 10_000);
        };
        measure("mac", &|| assert!(keys.mac(KeyName::OneTimeCode, &[b"123456", &[7; 16], &[9; 8]]).is_ok()));
        measure("seal", &|| drop(keys.seal(KeyName::CardNumber, b"card", &[7; 64]).unwrap()));
        measure("sign", &|| drop(keys.sign(KeyName::AuditHead, &[7; 64]).unwrap()));
    }
}
