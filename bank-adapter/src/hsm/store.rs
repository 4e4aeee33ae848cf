//! The work of cards over any [`Device`].

use server_kit::clock::SharedClock;
use server_kit::rng::SharedRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::algorithms;
use super::card::{CardFace, Cvv, Pan, Pvv};
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

/// The PIN in a block. Whatever is wrong with the block is an error, and so never a wrong PIN.
fn open_block<S: Session>(session: &S, block: &PinBlock, pan: &Pan) -> Result<Pin, HsmError> {
    block.key.must_be_for(Use::PinBlocks)?;
    pin_block::look_at(block.format, &block.bytes)?;
    let key = session.directory().chosen(&block.key, block.version)?;
    pin_block::open(session, &key.key, key.algorithm, (block.format, &block.bytes), pan)
}

/// Before a PIN is called wrong the store must answer the same again, and must show that the key is the one that it was when
/// it came. A wrong PIN counts against its owner, so a store that errs is not believed; that the right one is
/// seldom asked twice costs little.
fn confirm<S: Session, const N: usize>(
    session: &S,
    key: &Entry<S::Key>,
    found: &[u8; N],
    again: impl FnOnce() -> Result<[u8; N], HsmError>,
) -> Result<(), HsmError> {
    if !bool::from(again()?.ct_eq(found)) {
        return Err(HsmError::BadAnswer { what: "it answered two things to one question" });
    }
    if algorithms::kcv(session, &key.key, key.algorithm, key.name.is_for())? != key.kcv {
        return Err(HsmError::BadAnswer { what: "a key is not the one that it was" });
    }
    Ok(())
}

fn four(pvv: &Pvv) -> Zeroizing<[u8; 4]> {
    Zeroizing::new(pvv.reveal().as_bytes().try_into().unwrap_or([0; 4]))
}

impl<D: Device> Hsm for Store<D> {
    fn make_cvv(&self, side: Side, card: &CardFace<'_>) -> Result<Made<Cvv>, HsmError> {
        let session = self.device.session()?;
        let key = session.directory().current(&KeyName::CardVerification(side))?;
        Ok(Made { value: algorithms::cvv(&session, &key.key, card)?, version: key.version })
    }

    fn verify_cvv(&self, side: Side, card: &CardFace<'_>, claimed: &Made<Cvv>) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let key = session.directory().version(&KeyName::CardVerification(side), claimed.version)?;
        let cvv = algorithms::cvv(&session, &key.key, card)?;
        Ok(if cvv == claimed.value { Check::Matches } else { Check::Differs })
    }

    fn set_pin(&self, block: &PinBlock, pan: &Pan) -> Result<PinVerificationValue, HsmError> {
        let session = self.device.session()?;
        let pin = open_block(&session, block, pan)?;
        let key = session.directory().current(&KeyName::PinVerification)?;
        let value = algorithms::pin_value(&session, &key.key, pan, &pin)?;
        // What is stored decides for years whether its owner is believed, so an answer that errs once must not be kept.
        confirm(&session, key, &value, || algorithms::pin_value(&session, &key.key, pan, &pin))?;
        Ok(PinVerificationValue::of(key.version, value))
    }

    fn verify_pin(&self, block: &PinBlock, pan: &Pan, stored: &PinVerificationValue) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let pin = open_block(&session, block, pan)?;
        let key = session.directory().version(&KeyName::PinVerification, stored.version())?;
        let value = algorithms::pin_value(&session, &key.key, pan, &pin)?;
        let matches = value.ct_eq(stored.value());
        if !bool::from(matches) {
            confirm(&session, key, &value, || algorithms::pin_value(&session, &key.key, pan, &pin))?;
        }
        Ok(check(matches))
    }

    fn make_pvv(&self, block: &PinBlock, pan: &Pan, index: PvvKeyIndex) -> Result<Made<Pvv>, HsmError> {
        let session = self.device.session()?;
        let pin = open_block(&session, block, pan)?;
        let key = session.directory().current(&KeyName::Pvv)?;
        Ok(Made { value: algorithms::pvv(&session, &key.key, pan, index, &pin)?, version: key.version })
    }

    fn verify_pvv(
        &self,
        block: &PinBlock,
        pan: &Pan,
        index: PvvKeyIndex,
        stored: &Made<Pvv>,
    ) -> Result<Check, HsmError> {
        let session = self.device.session()?;
        let pin = open_block(&session, block, pan)?;
        let key = session.directory().version(&KeyName::Pvv, stored.version)?;
        let make = || algorithms::pvv(&session, &key.key, pan, index, &pin).map(|pvv| *four(&pvv));
        let pvv = Zeroizing::new(make()?);
        let matches = pvv.ct_eq(&*four(&stored.value));
        if !bool::from(matches) {
            confirm(&session, key, &pvv, make)?;
        }
        Ok(check(matches))
    }

    fn translate_pin(&self, block: &PinBlock, pan: &Pan, to: &PinTarget) -> Result<PinBlock, HsmError> {
        let target = KeyName::ZonePin(to.zone.clone());
        let session = self.device.session()?;
        let pin = open_block(&session, block, pan)?;
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
