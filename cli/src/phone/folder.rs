//! A phone on disk: its profile, its key, and how far it has read.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use domain::credit_history::Digest;
use domain::{DeviceId, PersonId};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use server_kit::tls::ClientTlsConfig;

use super::{DeviceKey, Enrolment, OpenRepayments, Phone, PhoneError};
use crate::profile::{Link, ProfileError};

/// What a phone knows besides its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhoneFile {
    federation: String,
    /// Where the hub is, `https://host:port`.
    hub: String,
    /// The authority of the hub's certificate.
    server_ca: PathBuf,
    device_id: String,
    /// Whose phone it is; empty where the hub did not say.
    #[serde(default)]
    person_id: String,
}

/// The folder that a software phone lives in.
#[derive(Clone, Debug)]
pub struct PhoneFolder {
    folder: PathBuf,
}

impl PhoneFolder {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn failed<'p>(path: &'p Path) -> impl Fn(std::io::Error) -> PhoneError + 'p {
        move |error| PhoneError::file(path, &error)
    }

    /// Binds a new key and keeps it here. A phone that is here already is kept, and the call fails.
    pub async fn enrol(
        &self,
        federation: &str,
        hub: &str,
        server_ca: &Path,
        enrolment: &Enrolment,
    ) -> Result<Phone, PhoneError> {
        fs::create_dir_all(&self.folder).map_err(Self::failed(&self.folder))?;
        let key = DeviceKey::generate()?;
        // The key is on disk before the hub hears of it: a key that is bound and lost could never be used.
        key.save(&self.path("device.key"))?;
        let channel = channel(federation, hub, server_ca)?;
        let enrolled = Phone::enrol(channel, key, enrolment).await;
        let phone = match enrolled {
            Ok(phone) => phone,
            Err(error) => {
                let _ = fs::remove_file(self.path("device.key"));
                return Err(error);
            }
        };
        let file = PhoneFile {
            federation: federation.to_owned(),
            hub: hub.to_owned(),
            server_ca: std::path::absolute(server_ca).map_err(Self::failed(server_ca))?,
            device_id: phone.device_id().to_string(),
            person_id: phone.person_id().map(|id| id.to_string()).unwrap_or_default(),
        };
        let path = self.path("phone.json");
        let text = serde_json::to_string_pretty(&file).map_err(|_| PhoneError::Unreadable("its profile"))?;
        fs::write(&path, text).map_err(Self::failed(&path))?;
        Ok(phone)
    }

    /// The phone that was bound here.
    pub fn open(&self) -> Result<Phone, PhoneError> {
        let path = self.path("phone.json");
        let text = fs::read_to_string(&path).map_err(Self::failed(&path))?;
        let file: PhoneFile = serde_json::from_str(&text).map_err(|_| PhoneError::Unreadable("its profile"))?;
        let device_id = DeviceId::parse(&file.device_id).map_err(|_| PhoneError::Unreadable("its device id"))?;
        let key = DeviceKey::load(&self.path("device.key"))?;
        let person_id = match file.person_id.as_str() {
            "" => None,
            id => Some(PersonId::parse(id).map_err(|_| PhoneError::Unreadable("whose phone it is"))?),
        };
        let channel = channel(&file.federation, &file.hub, &file.server_ca)?;
        Ok(Phone::open(channel, (device_id, person_id), key))
    }

    /// What this phone has asked to repay and has got no final answer for.
    pub fn open_repayments(&self) -> OpenRepayments {
        OpenRepayments::of(&self.folder)
    }

    /// The last sequence that was handled here; 0 for none.
    pub fn cursor(&self) -> i64 {
        let text = fs::read_to_string(self.path("cursor")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// The end of the log of inquiries as this phone saw it last: how many there were, and the hash of the last one.
    pub(super) fn last_inquiry(&self) -> Option<(usize, Digest)> {
        let text = fs::read_to_string(self.path("inquiries")).ok()?;
        let (number, hash) = text.trim().split_once(' ')?;
        let hash = (0..hash.len()).step_by(2).map(|at| u8::from_str_radix(hash.get(at..at + 2)?, 16).ok());
        let hash: Vec<u8> = hash.collect::<Option<_>>()?;
        Some((number.parse().ok()?, hash.try_into().ok()?))
    }

    pub(super) fn keep_last_inquiry(&self, (number, hash): (usize, Digest)) -> Result<(), PhoneError> {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        self.keep("inquiries", &format!("{number} {hash}"))
    }

    /// Keeps how far the phone has read. Either the old cursor or the new one is found after a power cut; an old one
    /// only means that events are shown again.
    pub fn keep_cursor(&self, sequence: i64) -> Result<(), PhoneError> {
        self.keep("cursor", &sequence.to_string())
    }

    fn keep(&self, name: &str, line: &str) -> Result<(), PhoneError> {
        let (path, partial) = (self.path(name), self.path(&format!("{name}.partial")));
        let written = fs::File::create(&partial)
            .and_then(|mut file| writeln!(file, "{line}").and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&partial, &path));
        written.map_err(Self::failed(&path))
    }
}

/// A phone checks the hub's certificate as a browser does, and shows none.
fn channel(federation: &str, hub: &str, server_ca: &Path) -> Result<tonic::transport::Channel, PhoneError> {
    let tls = ClientTlsConfig { server_ca: server_ca.to_owned(), certificate: None, key: None };
    Link::new(federation, &tls).and_then(|link| link.host(hub)).map_err(|error: ProfileError| PhoneError::File {
        path: server_ca.display().to_string(),
        message: error.to_string(),
    })
}

impl Enrolment {
    /// Whether code and password have the form that the hub takes, so that a typing error costs no try.
    pub fn is_well_formed(&self) -> bool {
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        digits(self.code.expose_secret(), 8)
            && self.transaction_password.as_ref().is_none_or(|password| digits(password.expose_secret(), 6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_begins_at_the_start_of_its_feed_and_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let phone = PhoneFolder::new(folder.path());
        assert_eq!(phone.cursor(), 0);
        phone.keep_cursor(41).unwrap();
        phone.keep_cursor(42).unwrap();
        assert_eq!(phone.cursor(), 42);
        assert_eq!(phone.last_inquiry(), None);
        phone.keep_last_inquiry((3, [0xab; 32])).unwrap();
        assert_eq!(phone.last_inquiry(), Some((3, [0xab; 32])));
    }
}
