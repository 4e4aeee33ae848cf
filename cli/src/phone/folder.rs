//! A phone on disk: its profile, its key, and the SDK's sealed files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bankhub_mobile::{SecureStore, StoreError};
use domain::credit_history::Digest;
use domain::{DeviceId, PersonId, PhoneNumber};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use server_kit::tls::ClientTlsConfig;

use super::{DeviceKey, Enrolment, Phone, PhoneError, bind, builder};
use crate::profile::{Link, ProfileError};

/// What a phone knows besides what the SDK keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PhoneFile {
    federation: String,
    /// Where the hub is, `https://host:port`.
    hub: String,
    /// The authority of the hub's certificate.
    server_ca: PathBuf,
    /// Which phone and whose it is, where it was bound before the SDK kept that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    device_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    person_id: String,
}

/// Small secrets in files that only their owner can read, in the place of a platform's store.
#[derive(Debug)]
struct FileStore(PathBuf);

impl FileStore {
    fn write(&self, name: &str, value: &[u8]) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        let (path, partial) = (self.0.join(name), self.0.join(format!("{name}.partial")));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(value)?;
        file.sync_all()?;
        fs::rename(partial, path)?;
        File::open(&self.0)?.sync_all()
    }
}

#[async_trait::async_trait]
impl SecureStore for FileStore {
    async fn get(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(self.0.join(name)) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(StoreError::Failed),
        }
    }

    async fn put(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        self.write(&name, &value).map_err(|_| StoreError::Failed)
    }

    async fn remove(&self, name: String) -> Result<(), StoreError> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::Failed),
            _ => Ok(()),
        }
    }
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

    fn failed<'p>(path: &'p Path) -> impl Fn(io::Error) -> PhoneError + 'p {
        move |error| PhoneError::file(path, &error)
    }

    /// The SDK over this folder's files.
    async fn build(&self, key: &DeviceKey, file: &PhoneFile) -> Result<Arc<bankhub_mobile::Phone>, PhoneError> {
        let store: Arc<dyn SecureStore> = Arc::new(FileStore(self.path("store")));
        let channel = channel(&file.federation, &file.hub, &file.server_ca)?;
        let data = self.path("data").display().to_string();
        Ok(builder(key).over(channel).data_folder(data).secure_store(store).build().await?)
    }

    /// Has an enrolment code sent by SMS, if a person has the number; how long it is good for.
    pub async fn ask_enrolment_code(
        federation: &str,
        hub: &str,
        server_ca: &Path,
        phone: &PhoneNumber,
    ) -> Result<Duration, PhoneError> {
        Phone::ask_enrolment_code(channel(federation, hub, server_ca)?, phone).await
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
        let file = PhoneFile {
            federation: federation.to_owned(),
            hub: hub.to_owned(),
            server_ca: std::path::absolute(server_ca).map_err(Self::failed(server_ca))?,
            device_id: String::new(),
            person_id: String::new(),
        };
        let key = DeviceKey::generate()?;
        // The key is on disk before the hub hears of it: a key that is bound and lost could never be used.
        key.save(&self.path("device.key"))?;
        let bound = self.bound(&key, &file, enrolment).await;
        if bound.is_err() {
            let _ = fs::remove_file(self.path("device.key"));
        }
        Phone::of(bound?, Arc::new(key))
    }

    async fn bound(
        &self,
        key: &DeviceKey,
        file: &PhoneFile,
        enrolment: &Enrolment,
    ) -> Result<Arc<bankhub_mobile::Phone>, PhoneError> {
        let sdk = self.build(key, file).await?;
        let path = self.path("phone.json");
        let text = serde_json::to_string_pretty(file).map_err(|_| PhoneError::Unreadable("its profile"))?;
        fs::write(&path, text).map_err(Self::failed(&path))?;
        bind(&sdk, enrolment).await?;
        Ok(sdk)
    }

    /// The phone that was bound here.
    pub async fn open(&self) -> Result<Phone, PhoneError> {
        let path = self.path("phone.json");
        let text = fs::read_to_string(&path).map_err(Self::failed(&path))?;
        let file: PhoneFile = serde_json::from_str(&text).map_err(|_| PhoneError::Unreadable("its profile"))?;
        let key = DeviceKey::load(&self.path("device.key"))?;
        let sdk = self.build(&key, &file).await?;
        if sdk.bound_as().is_none() && !file.device_id.is_empty() {
            let device_id = DeviceId::parse(&file.device_id).map_err(|_| PhoneError::Unreadable("its device id"))?;
            let unknown = |_| PhoneError::Unreadable("whose phone it is; enrol it again in another folder");
            sdk.adopt(device_id, PersonId::parse(&file.person_id).map_err(unknown)?).await?;
        }
        Phone::of(sdk, Arc::new(key))
    }

    /// Held while a repayment is made and sent: two programs on one folder would each write down their own.
    pub(super) fn hold_repayments(&self) -> Result<File, PhoneError> {
        let path = self.path("repaying.lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(Self::failed(&path))?;
        file.try_lock().map_err(|error| PhoneError::file(&path, &error.into()))?;
        Ok(file)
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
    fn r9_a_phone_remembers_the_end_of_the_log_of_inquiries() {
        let folder = tempfile::tempdir().unwrap();
        let phone = PhoneFolder::new(folder.path());
        assert_eq!(phone.last_inquiry(), None);
        phone.keep_last_inquiry((3, [0xab; 32])).unwrap();
        assert_eq!(phone.last_inquiry(), Some((3, [0xab; 32])));
    }

    #[tokio::test]
    async fn s1_the_sdks_key_lies_in_a_file_that_only_its_owner_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore(folder.path().join("store"));
        assert_eq!(store.get("k".to_owned()).await, Ok(None));
        store.put("k".to_owned(), vec![1]).await.unwrap();
        store.put("k".to_owned(), vec![2]).await.unwrap();
        assert_eq!(store.get("k".to_owned()).await, Ok(Some(vec![2])));
        assert_eq!(fs::metadata(folder.path().join("store/k")).unwrap().permissions().mode() & 0o777, 0o600);
        store.remove("k".to_owned()).await.unwrap();
        store.remove("k".to_owned()).await.unwrap();
        assert_eq!(store.get("k".to_owned()).await, Ok(None));
    }

    #[test]
    fn r8_two_programs_on_one_phone_do_not_repay_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let phone = PhoneFolder::new(folder.path());
        let held = phone.hold_repayments().unwrap();
        assert!(phone.hold_repayments().is_err());
        drop(held);
        phone.hold_repayments().unwrap();
    }
}
