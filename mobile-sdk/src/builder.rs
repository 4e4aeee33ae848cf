//! How an app gets a phone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::cardholder::cardholder_service_client::CardholderServiceClient;

use crate::device_key::{DeviceKey, Signer};
use tonic::transport::Channel;

use crate::error::{Failure, SdkError, Trouble};
use crate::feed::reader::LONGEST_PAUSE;
use crate::log::{Log, LogSink};
use crate::phone::{Inner, Parts, Phone};
use crate::platform::{self, Clock, SystemClock};
use crate::preferences::Language;
use crate::secure_store::{MemorySecureStore, SecureStore};
use crate::transport;
use crate::vault::Vault;

/// Puts a phone together. Each call gives a builder with one thing more; [`PhoneBuilder::build`] makes no connection.
#[derive(Clone, Debug, Default, uniffi::Object)]
pub struct PhoneBuilder {
    endpoint: String,
    authority_pem: Vec<u8>,
    folder: Option<PathBuf>,
    language: Option<Language>,
    key: Option<Arc<dyn DeviceKey>>,
    store: Option<Arc<dyn SecureStore>>,
    sink: Option<Arc<dyn LogSink>>,
    clock: Option<Arc<dyn Clock>>,
    channel: Option<Channel>,
    is_in_memory: bool,
    longest_pause: Option<Duration>,
}

impl PhoneBuilder {
    /// For programs in Rust: a connection that others use as well, in the place of an address and an authority.
    #[must_use]
    pub fn over(self: Arc<Self>, channel: Channel) -> Arc<Self> {
        Arc::new(Self { channel: Some(channel), ..(*self).clone() })
    }

    /// For programs in Rust: nothing is stored on disk, so that the phone ends with the process; it needs no folder and no secure store.
    #[must_use]
    pub fn in_memory(self: Arc<Self>) -> Arc<Self> {
        Arc::new(Self { is_in_memory: true, ..(*self).clone() })
    }

    /// For programs in Rust: how long a lost stream of events waits at most before it is opened again; otherwise 30 seconds, which spares
    /// a battery.
    #[must_use]
    pub fn longest_pause(self: Arc<Self>, pause: Duration) -> Arc<Self> {
        Arc::new(Self { longest_pause: Some(pause), ..(*self).clone() })
    }

    /// By which clock certificates are judged and consents are dated, for tests; otherwise the phone's own.
    #[must_use]
    pub fn clock(self: Arc<Self>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock: Some(clock), ..(*self).clone() })
    }

    async fn put_together(self: Arc<Self>) -> Result<Arc<Phone>, Failure> {
        let Some(key) = &self.key else { return Err(Trouble::BuilderIncomplete.into()) };
        let (vault, store) = match (&self.folder, &self.store) {
            _ if self.is_in_memory => (Vault::in_memory(), MemorySecureStore::new().as_secure_store()),
            (Some(folder), Some(store)) => (Vault::open(folder, &**store).await?, store.clone()),
            _ => return Err(Trouble::BuilderIncomplete.into()),
        };
        let clock = self.clock.clone().unwrap_or_else(|| Arc::new(SystemClock));
        let channel = match &self.channel {
            Some(channel) => channel.clone(),
            None => transport::channel(&self.endpoint, &self.authority_pem, clock.clone())?,
        };
        let parts = Parts {
            hub: CardholderServiceClient::new(channel),
            signer: Signer::new(key.clone()),
            vault,
            store,
            clock,
            language: self.spoken(),
            log: self.sink.clone().map_or_else(Log::default, Log::to),
            longest_pause: self.longest_pause.unwrap_or(LONGEST_PAUSE),
        };
        Ok(Arc::new(Phone { inner: Arc::new(Inner::new(parts)?) }))
    }

    fn spoken(&self) -> Language {
        self.language.unwrap_or(Language::Chinese)
    }
}

#[uniffi::export]
impl PhoneBuilder {
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Where the hub is: `https://host:port`.
    pub fn hub(self: Arc<Self>, endpoint: String) -> Arc<Self> {
        Arc::new(Self { endpoint, ..(*self).clone() })
    }

    /// The authority of the federation's certificates, PEM, which ships with the app. No other authority counts, whatever the phone
    /// trusts.
    pub fn authority(self: Arc<Self>, pem: String) -> Arc<Self> {
        Arc::new(Self { authority_pem: pem.into_bytes(), ..(*self).clone() })
    }

    /// The app's own folder, for the SDK's few sealed files; it is made if it is not there. One phone at a time uses it.
    pub fn data_folder(self: Arc<Self>, path: String) -> Arc<Self> {
        Arc::new(Self { folder: Some(path.into()), ..(*self).clone() })
    }

    /// The language of errors and news; Chinese if nothing is said.
    pub fn language(self: Arc<Self>, language: Language) -> Arc<Self> {
        Arc::new(Self { language: Some(language), ..(*self).clone() })
    }

    /// The key that this phone is known by.
    pub fn device_key(self: Arc<Self>, key: Arc<dyn DeviceKey>) -> Arc<Self> {
        Arc::new(Self { key: Some(key), ..(*self).clone() })
    }

    /// Where the key of the phone's files is kept.
    pub fn secure_store(self: Arc<Self>, store: Arc<dyn SecureStore>) -> Arc<Self> {
        Arc::new(Self { store: Some(store), ..(*self).clone() })
    }

    /// Who takes the lines of the log; nobody if nothing is said.
    pub fn log_sink(self: Arc<Self>, sink: Arc<dyn LogSink>) -> Arc<Self> {
        Arc::new(Self { sink: Some(sink), ..(*self).clone() })
    }

    /// The phone, with what it has stored. Nothing is sent, so it works without a network.
    pub async fn build(self: Arc<Self>) -> Result<Arc<Phone>, SdkError> {
        let language = self.spoken();
        let building = async move {
            let task = platform::runtime()?.spawn(self.put_together());
            task.await.unwrap_or_else(|_| Err(Trouble::Panicked.into()))
        };
        building.await.map_err(|failure: Failure| failure.in_words(language))
    }
}
