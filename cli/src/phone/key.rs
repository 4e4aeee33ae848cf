//! A device key in a file, in the place of a platform's key store: P-256, made on this machine.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use bankhub_mobile::{KeyError, SoftwareDeviceKey};
use zeroize::Zeroizing;

use super::PhoneError;

/// Signs what the phone says.
#[derive(Clone, Debug)]
pub struct DeviceKey {
    software: Arc<SoftwareDeviceKey>,
}

fn failed(what: &'static str) -> impl FnOnce(KeyError) -> PhoneError {
    move |_| PhoneError::Key(what)
}

impl DeviceKey {
    pub fn generate() -> Result<Self, PhoneError> {
        Ok(Self { software: SoftwareDeviceKey::generate().map_err(failed("it could not be made"))? })
    }

    /// Reads a key that was saved.
    pub fn load(path: &Path) -> Result<Self, PhoneError> {
        let bytes = Zeroizing::new(fs::read(path).map_err(|error| PhoneError::file(path, &error))?);
        let software = SoftwareDeviceKey::from_pkcs8(bytes.to_vec());
        Ok(Self { software: software.map_err(failed("it is not a P-256 key in PKCS#8 form"))? })
    }

    /// Writes the key to a new file that only its owner can read.
    pub fn save(&self, path: &Path) -> Result<(), PhoneError> {
        let pkcs8 = Zeroizing::new(self.software.export_for_tests());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(&pkcs8).and_then(|()| file.sync_all()))
            .map_err(|error| PhoneError::file(path, &error))
    }

    /// The uncompressed point, 65 bytes.
    pub fn public(&self) -> Vec<u8> {
        self.software.point()
    }

    /// r and s, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PhoneError> {
        self.software.signature(message).map_err(failed("it could not sign"))
    }

    /// As the SDK takes it.
    pub fn as_device_key(&self) -> Arc<dyn bankhub_mobile::DeviceKey> {
        self.software.clone().as_device_key()
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
