//! The platform's store for small secrets: Android's keystore-backed preferences, Apple's Keychain.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

/// The secure store could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum StoreError {
    #[error("the secure store failed")]
    Failed,
}

#[cfg(feature = "bindings")]
impl From<uniffi::UnexpectedUniFFICallbackError> for StoreError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// Keeps a few small values that no other app may read and that no backup takes along to another phone. The SDK keeps one value of 32
/// bytes here: the key of the data that lie in its folder.
#[uniffi::export(rust, foreign)]
#[async_trait::async_trait]
pub trait SecureStore: Send + Sync + fmt::Debug {
    /// The value under this name; none when there is none.
    async fn get(&self, name: String) -> Result<Option<Vec<u8>>, StoreError>;

    /// Stores the value, in the place of the one before. When this returns, the value outlives the process.
    async fn put(&self, name: String, value: Vec<u8>) -> Result<(), StoreError>;

    /// Removes the value; one that is not there is no error.
    async fn remove(&self, name: String) -> Result<(), StoreError>;
}

/// A store in memory, for tests and demonstrations: what it has is gone with the process.
#[derive(Default, uniffi::Object)]
pub struct MemorySecureStore {
    values: Mutex<BTreeMap<String, Zeroizing<Vec<u8>>>>,
}

impl fmt::Debug for MemorySecureStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySecureStore").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl MemorySecureStore {
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// As Kotlin or Swift pass a store in.
    pub fn as_secure_store(self: Arc<Self>) -> Arc<dyn SecureStore> {
        self
    }
}

#[async_trait::async_trait]
impl SecureStore for MemorySecureStore {
    async fn get(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(values.get(&name).map(|value| value.to_vec()))
    }

    async fn put(&self, name: String, value: Vec<u8>) -> Result<(), StoreError> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Zeroizing::new(value));
        Ok(())
    }

    async fn remove(&self, name: String) -> Result<(), StoreError> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        Ok(())
    }
}
