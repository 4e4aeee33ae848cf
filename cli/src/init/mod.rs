//! `bankhub init`: an authority for trials, certificates, keys and commented configurations.

mod cards;
pub mod command;
mod members;
mod template;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bank_adapter::hsm::{Hsm, HsmConfig, HsmError, SealedFileConfig};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::SecretString;
use server_kit::certificate::{CertificateError, CertificateShape, TrialAuthority};
use server_kit::clock::SystemClock;
use server_kit::config::{ConfigError, SecretRef};
use server_kit::identity::{IdentityError, Principal, Role};
use server_kit::keystore::{KeyFileError, SealedFile};
use server_kit::rng::{Rng as _, RngError, SystemRng};
use zeroize::Zeroizing;

pub use cards::CardRange;
pub use members::{carrier_toml, identity_simulator_toml};
pub use template::{ServerSettings, adapter_toml, hub_toml, operator_toml, terminal_toml};

/// Why something could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error("{path} cannot be written: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} is there already; --force makes it anew")]
    Exists(PathBuf),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the key store for cards: {0}")]
    Hsm(#[from] HsmError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    #[error(transparent)]
    Secret(#[from] ConfigError),
    #[error(transparent)]
    Random(#[from] RngError),
    #[error("the authority in {folder} is of the federation {found:?}, not {wanted:?}")]
    OtherFederation { folder: PathBuf, found: String, wanted: String },
}

fn at(path: &Path) -> impl Fn(io::Error) -> InitError {
    move |source| InitError::File { path: path.to_owned(), source }
}

/// A certificate authority for one trial federation, kept in a folder.
#[derive(Debug)]
pub struct Authority {
    inner: TrialAuthority,
    federation: String,
    /// The authority's own certificate, which every member trusts.
    certificate: PathBuf,
}

impl Authority {
    /// The authority in `folder`, made when there is none. Without a name the one that is there says it.
    pub fn open_or_create(folder: &Path, federation: Option<&str>) -> Result<Self, InitError> {
        let (certificate, key, name) = (folder.join("ca.pem"), folder.join("ca.key"), folder.join("federation"));
        if certificate.exists() {
            let found = fs::read_to_string(&name).map_err(at(&name))?.trim().to_owned();
            if let Some(wanted) = federation.filter(|wanted| *wanted != found) {
                let (folder, wanted) = (folder.to_owned(), wanted.to_owned());
                return Err(InitError::OtherFederation { folder, found, wanted });
            }
            let pem = fs::read_to_string(&certificate).map_err(at(&certificate))?;
            let inner = TrialAuthority::load(&pem, &SecretRef::File(absolute(&key)?).read()?)?;
            return Ok(Self { inner, federation: found, certificate });
        }
        let federation = federation.unwrap_or("trial.bankhub");
        Principal::hub(federation)?;
        make_folder(folder)?;
        let inner = TrialAuthority::create(&format!("bankhub trial authority of {federation}"), &SystemClock)?;
        fs::write(&name, format!("{federation}\n")).map_err(at(&name))?;
        inner.pem().save(&certificate, &key)?;
        Ok(Self { inner, federation: federation.to_owned(), certificate })
    }

    pub fn federation(&self) -> &str {
        &self.federation
    }

    /// The certificate that members trust.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Makes a member's folder with certificate, key and the authority's certificate. `hosts` are the names and addresses
    /// that others reach a server by.
    pub fn member(&self, role: Role, id: &str, folder: &Path, hosts: &[&str]) -> Result<Member, InitError> {
        let principal = Principal::member(&self.federation, role, id)?;
        let shape = CertificateShape::of(&principal, &SystemClock).reachable_as(hosts);
        make_folder(folder)?;
        let folder = absolute(folder)?;
        let member = Member { folder, federation: self.federation.clone(), id: id.to_owned() };
        self.inner.issue(&shape)?.save(&member.certificate(), &member.key())?;
        fs::copy(&self.certificate, member.authority()).map_err(at(&member.authority()))?;
        Ok(member)
    }
}

/// The folder of one member of the federation.
#[derive(Clone, Debug)]
pub struct Member {
    pub folder: PathBuf,
    pub federation: String,
    /// Empty for the hub.
    pub id: String,
}

impl Member {
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn sealed_keys(&self) -> PathBuf {
        self.folder.join("keys.sealed")
    }

    pub fn master(&self) -> PathBuf {
        self.folder.join("master.key")
    }

    /// Makes the sealed keys and the master key that opens them. Keys that are there are kept: without them nothing in
    /// the database can be read.
    pub fn make_keys(&self) -> Result<bool, InitError> {
        if self.sealed_keys().exists() {
            return Ok(false);
        }
        let rng = SystemRng::new();
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rng.fill(bytes.as_mut())?;
        let text = Zeroizing::new(BASE64_STANDARD.encode(*bytes));
        write_private(&self.master(), text.as_bytes())?;
        SealedFile::create(&self.sealed_keys(), &SecretString::from(text.as_str()), &rng)?;
        Ok(true)
    }

    pub fn sealed_card_keys(&self) -> PathBuf {
        self.folder.join("cards.sealed")
    }

    pub fn card_master(&self) -> PathBuf {
        self.folder.join("cards-master.key")
    }

    /// The bank's key store for cards as the configuration names it.
    pub fn card_store(&self) -> HsmConfig {
        let file = SealedFileConfig { file: self.sealed_card_keys(), master: SecretRef::File(self.card_master()) };
        HsmConfig { sealed_file: Some(file), pkcs11: None }
    }

    /// Makes the key store for cards with the bank's own keys. Keys that are there are kept: without them no card can be verified.
    pub fn make_card_keys(&self) -> Result<Arc<dyn Hsm>, InitError> {
        if !self.card_master().exists() {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            SystemRng::new().fill(bytes.as_mut())?;
            write_private(&self.card_master(), Zeroizing::new(BASE64_STANDARD.encode(*bytes)).as_bytes())?;
        }
        let hsm = crate::hsm::open(&self.card_store())?;
        crate::hsm::make_own_keys(&*hsm)?;
        Ok(hsm)
    }

    /// The key of a terminal's software PIN pad.
    pub fn pin_key(&self) -> PathBuf {
        self.folder.join("pin.key")
    }

    /// The key that a terminal's software PIN pad shares with the hub.
    pub fn hub_pin_key(&self) -> PathBuf {
        self.folder.join("hub-pin.key")
    }

    /// Writes a configuration beside the certificate.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, InitError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(at(&path))?;
        Ok(path)
    }
}

/// A folder that others cannot look into, with its parents.
fn make_folder(folder: &Path) -> Result<(), InitError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), InitError> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        // The mode above is for a new file only.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(at(path))
}

/// Secrets and configurations name files absolutely, since a server is started from anywhere.
fn absolute(path: &Path) -> Result<PathBuf, InitError> {
    std::path::absolute(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("authority");
        let made = Authority::open_or_create(&folder, Some("pay.example")).unwrap();
        let certificate = fs::read(made.certificate()).unwrap();
        let again = Authority::open_or_create(&folder, None).unwrap();
        assert_eq!(again.federation(), "pay.example");
        assert_eq!(fs::read(again.certificate()).unwrap(), certificate);
        assert_eq!(fs::metadata(folder.join("ca.key")).unwrap().permissions().mode() & 0o777, 0o600);
        let other = Authority::open_or_create(&folder, Some("other.example")).unwrap_err();
        assert!(matches!(other, InitError::OtherFederation { .. }));
    }

    #[test]
    fn keys_are_never_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(&folder.path().join("authority"), None).unwrap();
        let member = authority.member(Role::Bank, "bank-a", &folder.path().join("bank-a"), &["localhost"]).unwrap();
        assert!(member.make_keys().unwrap());
        let sealed = fs::read(member.sealed_keys()).unwrap();
        assert!(!member.make_keys().unwrap());
        assert_eq!(fs::read(member.sealed_keys()).unwrap(), sealed);
        let master = SecretRef::File(member.master()).read().unwrap();
        SealedFile::open(&member.sealed_keys(), &master).unwrap();
    }

    #[test]
    fn a_name_that_cannot_stand_in_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open_or_create(&folder.path().join("authority"), None).unwrap();
        for bad in ["", "Bank A", "*", "a/b"] {
            assert!(authority.member(Role::Bank, bad, &folder.path().join("x"), &[]).is_err(), "{bad:?}");
        }
    }
}
