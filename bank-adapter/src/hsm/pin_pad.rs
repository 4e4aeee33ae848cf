//! The other end of a PIN block: a PIN pad in software, for terminals on trial and for tests.

use server_kit::rng::Rng;

use super::HsmError;
use super::card::PanDigits;
use super::key::KeyName;
use super::pin::{PinBlock, PinBlockFormat};
use super::pin_block::{self, Pin};
use super::software::{InProcess, SoftKey};
use super::transport::ClearKey;

/// Encrypts what a person types.
#[derive(Debug)]
pub struct PinPad {
    name: KeyName,
    version: Option<u32>,
    clear: ClearKey,
    key: SoftKey,
}

impl PinPad {
    /// A pad whose key the bank knows by `name` and `version`.
    pub fn new(name: KeyName, version: Option<u32>, key: &ClearKey) -> Result<Self, HsmError> {
        Ok(Self { name, version, clear: key.clone(), key: SoftKey::prepare(key)? })
    }

    /// A block for a PIN of 4 to 12 ASCII digits.
    pub fn encrypt(
        &self,
        format: PinBlockFormat,
        pan: &PanDigits,
        pin: &str,
        rng: &dyn Rng,
    ) -> Result<PinBlock, HsmError> {
        let pin = Pin::parse(pin).map_err(|_| HsmError::Malformed { what: "a PIN" })?;
        let mut random = [0; 8];
        rng.fill(&mut random)?;
        let algorithm = self.clear.algorithm();
        let bytes = pin_block::close(&InProcess, &self.key, algorithm, (format, random), (&pin, pan))?;
        Ok(PinBlock { key: self.name.clone(), version: self.version, format, bytes })
    }
}
