//! The work of cards over any [`Device`].

use domain::card::Cvv;
use server_kit::clock::SharedClock;
use server_kit::rng::SharedRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::algorithms;
use super::card::{CardFace, PanDigits, Pvv};
use super::device::{Device, NewKey, Session, Source};
use super::directory::Entry;
use super::key::{KeyInfo, KeyName, Side, Use};
use super::pin::{PinBlock, PinBlockFormat, PinVerificationValue, PvvKeyIndex};
use super::pin_block::{self, Pin};
use super::transport::{ClearKey, WrappedKey};
use super::{Check, Hsm, HsmError, Made, PinTarget};

/// A store of keys that knows the work of cards.
#[derive(Debug)]
pub(super) struct Store<D> {
    device: D,
    clock: SharedClock,
    rng: SharedRng,
}

impl<D: Device> Store<D> {
    pub(super) const fn new(device: D, clock: SharedClock, rng: SharedRng) -> Self {
        Self { device, clock, rng }
    }

    fn install(&self, name: &KeyName, source: Source<'_>) -> Result<KeyInfo, HsmError> {
        let algorithm = match &source {
            Source::Random => name.algorithms().first().copied(),
            Source::Clear(key) => Some(key.algorithm()),
            Source::Wrapped { key, .. } => Some(key.algorithm),
        };
        let algorithm = algorithm.ok_or_else(|| HsmError::NoCurrentKey { name: name.clone() })?;
        name.must_allow(algorithm)?;
        self.device.install(&NewKey { name, algorithm, created: self.clock.now(), source })
    }
}

fn check(matches: subtle::Choice) -> Check {
    if matches.into() { Check::Matches } else { Check::Differs }
}

/// The key of a block. What can be said of the block without it is said first.
fn key_of<'s, S: Session>(session: &'s S, block: &PinBlock) -> Result<&'s Entry<S::Key>, HsmError> {
    block.key.must_be_for(Use::PinBlocks)?;
    pin_block::look_at(block.format, &block.bytes)?;
    session.directory().chosen(&block.key, block.version)
}

/// The PIN in a block. Whatever is wrong with the block is an error, and so never a wrong PIN.
fn open_block<S: Session>(
    session: &S,
    key: &Entry<S::Key>,
    block: &PinBlock,
    pan: &PanDigits,
) -> Result<Pin, HsmError> {
    pin_block::open(session, &key.key, key.algorithm, (block.format, &block.bytes), pan)
}

/// Makes sure of what the store answered `first`: it has to answer the same again, by keys that are those that came.
fn sure<S: Session, const N: usize>(
    session: &S,
    keys: &[&Entry<S::Key>],
    first: &[u8; N],
    question: impl Fn() -> Result<Zeroizing<[u8; N]>, HsmError>,
) -> Result<(), HsmError> {
    if !bool::from(question()?.ct_eq(first)) {
        return Err(HsmError::BadAnswer { what: "it answered two things to one question" });
    }
    for key in keys {
        if !algorithms::is_same(session, &key.key, (key.algorithm, key.name.is_for()), key.kcv)? {
            return Err(HsmError::BadAnswer { what: "a key is not the one that it was" });
        }
    }
    Ok(())
}

/// Compares the answer with what is claimed. Before it is said to differ the store must be sure: a wrong PIN counts
/// against its owner, and a wrong CVV against the card, so a store that errs is not believed. What is right is asked
/// once.
fn compare<S: Session, const N: usize>(
    session: &S,
    keys: &[&Entry<S::Key>],
    claimed: &[u8; N],
    question: impl Fn() -> Result<Zeroizing<[u8; N]>, HsmError>,
) -> Result<Check, HsmError> {
    let answer = question()?;
    let matches = answer.ct_eq(claimed);
    if !bool::from(matches) {
        sure(session, keys, &answer, question)?;
    }
    Ok(check(matches))
}

impl<D: Device> Hsm for Store<D> {
    fn make_cvv(&self, side: Side, card: &CardFace<'_>, version: Option<u32>) -> Result<Made<Cvv>, HsmError> {
        let session = self.device.session()?;
        let key = session.directory().chosen(&KeyName::CardVerification(side), version)?;
        Ok(Made { value: algorithms::cvv(&session, &key.key, card)?, version: key.version })
    }

    fn verify_cvv(&self, side: Side, card: &CardFace<'_>, claimed: &Made<Cvv>) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let key = session.directory().version(&KeyName::CardVerification(side), claimed.version)?;
        compare(&session, &[key], claimed.value.digits(), || {
            Ok(Zeroizing::new(*algorithms::cvv(&session, &key.key, card)?.digits()))
        })
    }

    fn set_pin(&self, block: &PinBlock, pan: &PanDigits) -> Result<PinVerificationValue, HsmError> {
        let session = self.device.session()?;
        let of_block = key_of(&session, block)?;
        let key = session.directory().current(&KeyName::PinVerification)?;
        let question = || {
            let pin = open_block(&session, of_block, block, pan)?;
            algorithms::pin_value(&session, &key.key, pan, &pin).map(Zeroizing::new)
        };
        // What is stored decides for years whether its owner is believed, so an answer that errs once must not be kept.
        let value = question()?;
        sure(&session, &[of_block, key], &value, question)?;
        Ok(PinVerificationValue::of(key.version, *value))
    }

    fn verify_pin(&self, block: &PinBlock, pan: &PanDigits, stored: &PinVerificationValue) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let of_block = key_of(&session, block)?;
        let key = session.directory().version(&KeyName::PinVerification, stored.version())?;
        compare(&session, &[of_block, key], stored.value(), || {
            let pin = open_block(&session, of_block, block, pan)?;
            algorithms::pin_value(&session, &key.key, pan, &pin).map(Zeroizing::new)
        })
    }

    fn make_pvv(&self, block: &PinBlock, pan: &PanDigits, index: PvvKeyIndex) -> Result<Made<Pvv>, HsmError> {
        let session = self.device.session()?;
        let of_block = key_of(&session, block)?;
        let key = session.directory().current(&KeyName::Pvv)?;
        let question = || {
            let pin = open_block(&session, of_block, block, pan)?;
            algorithms::pvv(&session, &key.key, pan, index, &pin)
        };
        let value = question()?;
        sure(&session, &[of_block, key], value.digits(), || Ok(question()?.into_digits()))?;
        Ok(Made { value, version: key.version })
    }

    fn verify_pvv(
        &self,
        block: &PinBlock,
        pan: &PanDigits,
        index: PvvKeyIndex,
        stored: &Made<Pvv>,
    ) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let of_block = key_of(&session, block)?;
        let key = session.directory().version(&KeyName::Pvv, stored.version)?;
        compare(&session, &[of_block, key], stored.value.digits(), || {
            let pin = open_block(&session, of_block, block, pan)?;
            Ok(algorithms::pvv(&session, &key.key, pan, index, &pin)?.into_digits())
        })
    }

    fn translate_pin(&self, block: &PinBlock, pan: &PanDigits, to: &PinTarget) -> Result<PinBlock, HsmError> {
        let target = KeyName::ZonePin(to.zone.clone());
        let session = self.device.session()?;
        let of_block = key_of(&session, block)?;
        let pin = open_block(&session, of_block, block, pan)?;
        let key = session.directory().current(&target)?;
        let mut random = [0; 8];
        if to.format == PinBlockFormat::Iso4 {
            self.rng.fill(&mut random)?;
        }
        let bytes = pin_block::close(&session, &key.key, key.algorithm, (to.format, random), (&pin, pan))?;
        Ok(PinBlock { version: Some(key.version), key: target, format: to.format, bytes })
    }

    fn mac(&self, key: &KeyName, message: &[u8]) -> Result<Made<[u8; 8]>, HsmError> {
        key.must_be_for(Use::Macs)?;
        let session = self.device.session()?;
        let key = session.directory().current(key)?;
        Ok(Made { value: algorithms::mac(&session, &key.key, key.algorithm, message)?, version: key.version })
    }

    fn verify_mac(
        &self,
        key: &KeyName,
        version: Option<u32>,
        message: &[u8],
        claimed: &[u8; 8],
    ) -> Result<Check, HsmError> {
        key.must_be_for(Use::Macs)?;
        let session = self.device.session()?;
        let key = session.directory().chosen(key, version)?;
        Ok(check(algorithms::mac(&session, &key.key, key.algorithm, message)?.ct_eq(claimed)))
    }

    fn generate(&self, name: &KeyName) -> Result<KeyInfo, HsmError> {
        if name.is_shared() {
            return Err(HsmError::SharedKey { name: name.clone() });
        }
        self.install(name, Source::Random)
    }

    fn load(&self, name: &KeyName, components: &[ClearKey]) -> Result<KeyInfo, HsmError> {
        name.must_be_for(Use::KeyTransport)?;
        self.install(name, Source::Clear(&ClearKey::combine(components)?))
    }

    fn import(&self, name: &KeyName, under: &KeyName, key: &WrappedKey) -> Result<KeyInfo, HsmError> {
        under.must_be_for(Use::KeyTransport)?;
        if name.is_for() == Use::KeyTransport {
            return Err(HsmError::WrongUse { name: under.clone(), wanted: Use::KeyTransport });
        }
        key.must_suit(name)?;
        self.install(name, Source::Wrapped { under, key })
    }

    fn retire(&self, name: &KeyName, version: u32) -> Result<(), HsmError> {
        self.device.retire(name, version)
    }

    fn keys(&self) -> Result<Vec<KeyInfo>, HsmError> {
        Ok(self.device.session()?.directory().infos())
    }

    fn reload(&self) -> Result<(), HsmError> {
        self.device.reload()
    }
}
