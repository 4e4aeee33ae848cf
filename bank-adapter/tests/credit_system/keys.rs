//! Keys and certificates of both sides.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bank_adapter::hsm::{self, Algorithm, ClearKey, Hsm, HsmConfig, PinPad, SealedFileConfig};
use secrecy::SecretString;
use server_kit::certificate::{CertificateShape, TrialAuthority};
use server_kit::clock::SystemClock;
use server_kit::config::SecretRef;
use server_kit::rng::SystemRng;

pub const MAC: &str = "0123456789ABCDEFFEDCBA9876543210";
pub const ZONE: &str = "404142434445464748494A4B4C4D4E4F";
const TERMINAL: &str = "1C1C2D2D3E3E4F4F5A5A6B6B7C7C8D8D";
const KEK: &str = "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F";

fn clear(algorithm: Algorithm, digits: &str) -> ClearKey {
    ClearKey::from_hex(algorithm, &SecretString::from(digits)).unwrap()
}

/// The pad of a terminal.
pub fn pad() -> PinPad {
    PinPad::new("terminal-pin:t".parse().unwrap(), None, &clear(Algorithm::TripleDes, TERMINAL)).unwrap()
}

/// The key store in the folder, with what the front shares with the issuer and with a terminal.
pub fn key_store(folder: &Path) -> Arc<dyn Hsm> {
    let master = folder.join("master");
    std::fs::write(&master, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    std::fs::set_permissions(&master, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = SealedFileConfig { file: folder.join("hsm.keys"), master: SecretRef::File(master) };
    let config = HsmConfig { sealed_file: Some(file), pkcs11: None };
    let hsm = hsm::open(&config, SystemClock::shared(), SystemRng::shared()).unwrap();
    if !hsm.keys().unwrap().is_empty() {
        return hsm;
    }
    let (kek, half) = (clear(Algorithm::Aes256, KEK), ClearKey::random(Algorithm::Aes256, &SystemRng::new()).unwrap());
    let other_half = ClearKey::combine(&[kek.clone(), half.clone()]).unwrap();
    let office = "key-transport:office".parse().unwrap();
    hsm.load(&office, &[half, other_half]).unwrap();
    for (name, digits) in [("mac:credit-system", MAC), ("zone-pin:credit-system", ZONE), ("terminal-pin:t", TERMINAL)] {
        let name = name.parse().unwrap();
        let wrapped = clear(Algorithm::TripleDes, digits).wrap(&name, &kek).unwrap();
        hsm.import(&name, &office, &wrapped).unwrap();
    }
    hsm.generate(&"pin-verification".parse().unwrap()).unwrap();
    hsm
}

/// The files of an issuer that speaks TLS, and the authority that its peer trusts.
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

pub fn tls_files(folder: &Path, is_trusted: bool) -> TlsFiles {
    let of = |name: &str| folder.join(name);
    let files = TlsFiles { certificate: of("issuer.pem"), key: of("issuer.key"), authority: of("authority.pem") };
    let [authority, stranger] = ["issuer", "stranger"].map(|name| TrialAuthority::create(name, &SystemClock).unwrap());
    let shape = CertificateShape::bare(&SystemClock).reachable_as(&["127.0.0.1"]);
    authority.issue(&shape).unwrap().save(&files.certificate, &files.key).unwrap();
    let trusted = if is_trusted { authority } else { stranger };
    std::fs::write(&files.authority, &trusted.pem().certificate).unwrap();
    files
}
