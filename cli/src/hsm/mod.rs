//! The key store of a bank's cards, as those who keep it work on it.

pub mod command;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bank_adapter::hsm::{self, Algorithm, ClearKey, Hsm, HsmConfig, HsmError, KeyId, KeyInfo, KeyName, KeyState, Side};
use secrecy::{ExposeSecret as _, SecretString};
use server_kit::clock::SystemClock;
use server_kit::rng::{Rng as _, SystemRng};
use zeroize::Zeroizing;

use crate::init::{InitError, write_private};

/// The keys that a bank makes by itself.
pub const OWN_KEYS: [KeyName; 3] =
    [KeyName::CardVerification(Side::Credit), KeyName::CardVerification(Side::Debit), KeyName::PinVerification];
/// The key under which the keys of software pads come in.
const TRIAL_TRANSPORT: &str = "trial";

/// Opens the key store that a configuration names.
pub fn open(config: &HsmConfig) -> Result<Arc<dyn Hsm>, HsmError> {
    hsm::open(config, SystemClock::shared(), SystemRng::shared())
}

/// Makes the bank's own keys that are not there yet. Gives those that were made.
pub fn make_own_keys(hsm: &dyn Hsm) -> Result<Vec<KeyInfo>, HsmError> {
    let there = hsm.keys()?;
    let missing = OWN_KEYS.into_iter().filter(|name| !there.iter().any(|key| key.name == *name));
    missing.map(|name| hsm.generate(&name)).collect()
}

/// The key of a terminal's software pad, made if there is none in this file.
pub fn pad_key(file: &Path) -> Result<SecretString, InitError> {
    let at = |source| InitError::File { path: file.to_owned(), source };
    if file.exists() {
        return Ok(SecretString::from(fs::read_to_string(file).map_err(at)?.trim()));
    }
    let mut bytes = Zeroizing::new([0_u8; 16]);
    SystemRng::new().fill(bytes.as_mut())?;
    let digits: Zeroizing<String> = Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
    write_private(file, digits.as_bytes())?;
    Ok(SecretString::from(digits.as_str()))
}

/// Lets a bank know the key of a terminal's software pad: for trials, where one hand holds both ends. Nothing is done when the bank
/// has that very key already.
pub fn pair(hsm: &dyn Hsm, terminal_id: &str, key: &SecretString) -> Result<(), HsmError> {
    let (name, key) = (KeyName::TerminalPin(KeyId::parse(terminal_id)?), ClearKey::from_hex(Algorithm::Aes128, key)?);
    let kcv = key.kcv(&name)?;
    let same = |info: &KeyInfo| info.name == name && info.kcv == kcv && info.state == KeyState::Current;
    if hsm.keys()?.iter().any(same) {
        return Ok(());
    }
    let rng = SystemRng::new();
    let transport = KeyName::KeyTransport(KeyId::parse(TRIAL_TRANSPORT)?);
    let (one, other) = (ClearKey::random(Algorithm::Aes256, &rng)?, ClearKey::random(Algorithm::Aes256, &rng)?);
    let whole = ClearKey::combine(&[one.clone(), other.clone()])?;
    let loaded = hsm.load(&transport, &[one, other])?;
    let imported = hsm.import(&name, &transport, &key.wrap(&name, &whole)?);
    // What carried it is of no use to anybody afterwards.
    hsm.retire(&transport, loaded.version)?;
    imported.map(|_| ())
}

/// What the hub is told of a terminal's software pad: the bytes of its key, and the check value by which a mistake is found out.
pub fn told_of(key: &SecretString) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), HsmError> {
    let clear = ClearKey::from_hex(Algorithm::Aes128, key)?;
    let kcv = clear.kcv(&KeyName::TerminalPin(KeyId::parse("hub")?))?;
    let digits = key.expose_secret().trim().as_bytes();
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    let bytes = digits.as_chunks::<2>().0.iter().map(|[high, low]| digit(high) << 4 | digit(low));
    Ok((Zeroizing::new(bytes.collect()), kcv.0.to_vec()))
}
