//! A device key in software: P-256, made on this machine. On a real phone the platform's key store holds it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::PhoneError;

/// Signs what the phone says.
pub struct DeviceKey {
    pair: EcdsaKeyPair,
    pkcs8: zeroize::Zeroizing<Vec<u8>>,
    random: SystemRandom,
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceKey").finish_non_exhaustive()
    }
}

/// ring takes its own source of randomness for signatures and no other.
#[allow(clippy::disallowed_methods, reason = "ring's trait for randomness is sealed, so the Rng cannot be passed in")]
fn random() -> SystemRandom {
    SystemRandom::new()
}

impl DeviceKey {
    pub fn generate() -> Result<Self, PhoneError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random());
        Self::from_pkcs8(pkcs8.map_err(|_| PhoneError::Key("it could not be made"))?.as_ref())
    }

    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, PhoneError> {
        let random = random();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random)
            .map_err(|_| PhoneError::Key("it is not a P-256 key in PKCS#8 form"))?;
        Ok(Self { pair, pkcs8: zeroize::Zeroizing::new(pkcs8.to_vec()), random })
    }

    pub fn load(path: &Path) -> Result<Self, PhoneError> {
        let bytes = zeroize::Zeroizing::new(fs::read(path).map_err(|error| PhoneError::file(path, &error))?);
        Self::from_pkcs8(&bytes)
    }

    /// Writes the key for its owner's eyes only. A key that is there is kept, and the call fails.
    pub fn save(&self, path: &Path) -> Result<(), PhoneError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(&self.pkcs8).and_then(|()| file.sync_all()))
            .map_err(|error| PhoneError::file(path, &error))
    }

    /// The uncompressed point, 65 bytes.
    pub fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// ECDSA with SHA-256, 64 bytes r‖s.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PhoneError> {
        let signature = self.pair.sign(&self.random, message);
        Ok(signature.map_err(|_| PhoneError::Key("it could not sign"))?.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_is_kept_privately_and_signs_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("device.key");
        let key = DeviceKey::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(key.save(&path).is_err());
        let again = DeviceKey::load(&path).unwrap();
        assert_eq!(again.public().len(), 65);
        let signature = again.sign(b"hello").unwrap();
        assert_eq!(signature.len(), 64);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public()).verify(b"hello", &signature).unwrap();
    }
}
