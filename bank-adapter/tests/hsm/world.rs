//! A key store, and the key under which others come into it.

use std::sync::Arc;

use bank_adapter::hsm::{
    self, Algorithm, CardFace, ClearKey, CvvKind, ExpiryDigits, Hsm, HsmConfig, KeyInfo, KeyName, PanDigits, PinBlock,
    PinBlockFormat, PinPad, SealedFileConfig, Side,
};
use domain::Timestamp;
use domain::card::ServiceCode;
use secrecy::SecretString;
use server_kit::clock::ManualClock;
use server_kit::config::SecretRef;
use server_kit::rng::SystemRng;
use tempfile::TempDir;

pub const FIRST_DAY: Timestamp = Timestamp::from_secs(1_700_000_000);
/// The key of most published vectors.
pub const DES: &str = "0123456789ABCDEFFEDCBA9876543210";
/// The key of the vectors of format 4.
pub const AES: &str = "00112233445566778899AABBCCDDEEFF";
/// The key with which RFC 3394 wraps [`AES`] in section 4.3.
pub const KEK: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

pub struct World {
    pub hsm: Arc<dyn Hsm>,
    pub kek: ClearKey,
    pub config: HsmConfig,
    _folder: Arc<TempDir>,
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub fn clear(algorithm: Algorithm, digits: &str) -> ClearKey {
    ClearKey::from_hex(algorithm, &SecretString::from(digits)).unwrap()
}

pub fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

pub fn pan(digits: &str) -> PanDigits {
    PanDigits::parse(digits).unwrap()
}

pub fn face<'a>(pan: &'a PanDigits, expiry: &str, service_code: &str) -> CardFace<'a> {
    let kind = CvvKind::Track(ServiceCode::parse(service_code).unwrap());
    CardFace { pan, expiry: ExpiryDigits::parse(expiry).unwrap(), kind }
}

impl World {
    /// A store in a new sealed file.
    pub fn in_sealed_file() -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let master = folder.path().join("master");
        write_private(&master, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let file = SealedFileConfig { file: folder.path().join("hsm.keys"), master: SecretRef::File(master) };
        Self::open(HsmConfig { sealed_file: Some(file), pkcs11: None }, folder)
    }

    /// A store without a key but that for transport.
    pub fn open(config: HsmConfig, folder: Arc<TempDir>) -> Self {
        let clock = Arc::new(ManualClock::new(FIRST_DAY));
        let hsm = hsm::open(&config, clock, SystemRng::shared()).unwrap();
        let half = ClearKey::random(Algorithm::Aes256, &SystemRng::new()).unwrap();
        let kek = clear(Algorithm::Aes256, KEK);
        // The exclusive-or of the key and a random half is the other half.
        let other_half = ClearKey::combine(&[kek.clone(), half.clone()]).unwrap();
        hsm.load(&name("key-transport:office"), &[half, other_half]).unwrap();
        Self { hsm, kek, config, _folder: folder }
    }

    pub fn import(&self, key: &str, clear: &ClearKey) -> KeyInfo {
        let key = name(key);
        let wrapped = clear.wrap(&key, &self.kek).unwrap();
        self.hsm.import(&key, &name("key-transport:office"), &wrapped).unwrap()
    }

    pub fn import_des(&self, key: &str, digits: &str) -> KeyInfo {
        self.import(key, &clear(Algorithm::TripleDes, digits))
    }

    pub fn random(&self, key: &str, algorithm: Algorithm) -> ClearKey {
        let made = ClearKey::random(algorithm, &SystemRng::new()).unwrap();
        self.import(key, &made);
        made
    }

    /// A terminal whose key the store holds.
    pub fn terminal(&self, key: &str, algorithm: Algorithm) -> PinPad {
        PinPad::new(name(key), None, &self.random(key, algorithm)).unwrap()
    }

    /// Both cards' keys and the PIN's, of the store's own making.
    pub fn generate_own_keys(&self) {
        for key in ["cvk-credit", "cvk-debit", "pin-verification", "pvv"] {
            self.hsm.generate(&name(key)).unwrap();
        }
    }
}

/// What a pad makes of a PIN.
pub fn typed(pad: &PinPad, format: PinBlockFormat, pan: &PanDigits, pin: &str) -> PinBlock {
    pad.encrypt(format, pan, pin, &SystemRng::new()).unwrap()
}

pub const SIDES: [Side; 2] = [Side::Credit, Side::Debit];

pub fn random_digits(count: usize) -> String {
    server_kit::rng::digits(&SystemRng::new(), count).unwrap()
}

pub fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
