//! The phone's key: held by the platform's key store, which signs and never gives it out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::error::{Failure, Trouble};
use crate::platform;

/// An uncompressed point of P-256 (SEC 1, section 2.3.3).
pub(crate) const PUBLIC_KEY_BYTES: usize = 65;
/// What stands before the point in a SubjectPublicKeyInfo of P-256 (RFC 5480), as Android's key store gives it.
const SPKI_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// r and s are numbers of so many bytes.
const NUMBER_BYTES: usize = 32;
/// How long a person may think over whether the key is released.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why a key store did not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum KeyError {
    /// The person or the system said no; nothing is tried again by itself.
    #[error("the key was not released")]
    Refused,
    /// The key store failed; it may work later.
    #[error("the key store failed")]
    Failed,
}

#[cfg(feature = "bindings")]
impl From<uniffi::UnexpectedUniFFICallbackError> for KeyError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed
    }
}

/// A key of P-256 that never leaves its store: Android's KeyStore, Apple's Secure Enclave. Both calls may ask the person.
#[uniffi::export(rust, foreign)]
#[async_trait::async_trait]
pub trait DeviceKey: Send + Sync + fmt::Debug {
    /// The public key: the uncompressed point of 65 bytes (Swift's `x963Representation`), or the SubjectPublicKeyInfo of 91 bytes
    /// (`PublicKey.getEncoded()` in Java). Always of the same key.
    async fn public_key(&self) -> Result<Vec<u8>, KeyError>;

    /// ECDSA with SHA-256 over the message, which is not hashed yet: the numbers r and s in 64 bytes (`rawRepresentation` in Swift), or
    /// in DER (`SHA256withECDSA` in Java).
    async fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, KeyError>;
}

/// A device key in memory, for tests and demonstrations. A real phone's key does not leave its key store.
#[derive(uniffi::Object)]
pub struct SoftwareDeviceKey {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for SoftwareDeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareDeviceKey").finish_non_exhaustive()
    }
}

impl SoftwareDeviceKey {
    /// For programs in Rust: the public key, the uncompressed point.
    pub fn point(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// For programs in Rust: the signature, r and s in 64 bytes, without waiting for anybody.
    pub fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&platform::random(), message);
        Ok(signature.map_err(|_| KeyError::Failed)?.as_ref().to_vec())
    }
}

#[uniffi::export]
impl SoftwareDeviceKey {
    /// A new key.
    #[uniffi::constructor]
    pub fn generate() -> Result<Arc<Self>, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &platform::random());
        Self::from_pkcs8(pkcs8.map_err(|_| KeyError::Failed)?.as_ref().to_vec())
    }

    /// A key that was exported, PKCS#8.
    #[uniffi::constructor]
    pub fn from_pkcs8(pkcs8: Vec<u8>) -> Result<Arc<Self>, KeyError> {
        let pkcs8 = Zeroizing::new(pkcs8);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &platform::random());
        Ok(Arc::new(Self { pair: pair.map_err(|_| KeyError::Failed)?, pkcs8 }))
    }

    /// The private key, PKCS#8, for a test that goes on in another process.
    pub fn export_for_tests(&self) -> Vec<u8> {
        self.pkcs8.to_vec()
    }

    /// As Kotlin or Swift pass a key in.
    pub fn as_device_key(self: Arc<Self>) -> Arc<dyn DeviceKey> {
        self
    }
}

#[async_trait::async_trait]
impl DeviceKey for SoftwareDeviceKey {
    async fn public_key(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.point())
    }

    async fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, KeyError> {
        self.signature(&message)
    }
}

/// A key store as the rest of the SDK uses it: whatever form it answers in, and whatever it does wrong.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    key: Arc<dyn DeviceKey>,
}

impl Signer {
    pub(crate) fn new(key: Arc<dyn DeviceKey>) -> Self {
        Self { key }
    }

    pub(crate) async fn public_key(&self) -> Result<[u8; PUBLIC_KEY_BYTES], Failure> {
        let bytes = timeout(PATIENCE, self.key.public_key()).await.map_err(|_| Trouble::KeyFailed)?.map_err(trouble)?;
        point(&bytes).ok_or_else(|| Trouble::KeyMalformed.into())
    }

    /// The signature as the hub takes it, which has been verified with the key that the hub knows.
    pub(crate) async fn sign(&self, message: &[u8], enrolled: &[u8]) -> Result<Vec<u8>, Failure> {
        let signing = timeout(PATIENCE, self.key.sign(message.to_vec())).await;
        let signature = signing.map_err(|_| Trouble::KeyFailed)?.map_err(trouble)?;
        let signature = fixed(&signature).ok_or(Trouble::KeyMalformed)?;
        let known = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, enrolled);
        known.verify(message, &signature).map_err(|_| Trouble::KeyChanged)?;
        Ok(signature)
    }
}

fn trouble(error: KeyError) -> Trouble {
    match error {
        KeyError::Refused => Trouble::KeyRefused,
        KeyError::Failed => Trouble::KeyFailed,
    }
}

fn point(bytes: &[u8]) -> Option<[u8; PUBLIC_KEY_BYTES]> {
    let point: [u8; PUBLIC_KEY_BYTES] = bytes.strip_prefix(&SPKI_HEAD[..]).unwrap_or(bytes).try_into().ok()?;
    (point.first() == Some(&4)).then_some(point)
}

/// r‖s in 64 bytes, from that or from DER.
fn fixed(signature: &[u8]) -> Option<Vec<u8>> {
    if signature.len() == 2 * NUMBER_BYTES {
        return Some(signature.to_vec());
    }
    let (&[0x30, length], rest) = signature.split_first_chunk::<2>()? else { return None };
    let (r, rest) = number(rest)?;
    let (s, rest) = number(rest)?;
    let fits = rest.is_empty() && usize::from(length).checked_add(2) == Some(signature.len());
    fits.then(|| [r, s].concat())
}

/// The INTEGER at the front in 32 bytes, and what follows.
fn number(der: &[u8]) -> Option<([u8; NUMBER_BYTES], &[u8])> {
    let (&[0x02, length], rest) = der.split_first_chunk::<2>()? else { return None };
    let (digits, rest) = rest.split_at_checked(length.into())?;
    let digits = if let Some((0, digits)) = digits.split_first() { digits } else { digits };
    let mut number = [0; NUMBER_BYTES];
    let at = NUMBER_BYTES.checked_sub(digits.len())?;
    number.get_mut(at..)?.copy_from_slice(digits);
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::signature::ECDSA_P256_SHA256_ASN1_SIGNING;

    use super::*;

    /// What a store answers, whatever is asked.
    #[derive(Debug)]
    struct Answers {
        public_key: Result<Vec<u8>, KeyError>,
        signature: Result<Vec<u8>, KeyError>,
    }

    #[async_trait::async_trait]
    impl DeviceKey for Answers {
        async fn public_key(&self) -> Result<Vec<u8>, KeyError> {
            self.public_key.clone()
        }

        async fn sign(&self, _: Vec<u8>) -> Result<Vec<u8>, KeyError> {
            self.signature.clone()
        }
    }

    fn pair() -> (Vec<u8>, EcdsaKeyPair) {
        let key = SoftwareDeviceKey::generate().unwrap();
        let pkcs8 = key.export_for_tests();
        let der = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &platform::random()).unwrap();
        (key.pair.public_key().as_ref().to_vec(), der)
    }

    #[tokio::test]
    async fn s1_a_signature_is_taken_as_android_and_as_apple_give_it() {
        let (public, der) = pair();
        // r and s are shorter or have a zero before them now and then.
        for _ in 0..500 {
            let signature = der.sign(&platform::random(), b"hello").unwrap().as_ref().to_vec();
            let spki = [&SPKI_HEAD[..], &public].concat();
            let signer = Signer::new(Arc::new(Answers { public_key: Ok(spki), signature: Ok(signature) }));
            assert_eq!(signer.public_key().await.unwrap().to_vec(), public);
            assert_eq!(signer.sign(b"hello", &public).await.unwrap().len(), 64);
            assert_eq!(signer.sign(b"other", &public).await, Err(Trouble::KeyChanged.into()));
        }
    }

    #[tokio::test]
    async fn s1_a_key_store_that_fails_refuses_or_lies_is_told_from_each_other() {
        let (public, _) = pair();
        for (answer, wanted) in [
            (Err(KeyError::Refused), Trouble::KeyRefused),
            (Err(KeyError::Failed), Trouble::KeyFailed),
            (Ok(Vec::new()), Trouble::KeyMalformed),
            (Ok(vec![0; 63]), Trouble::KeyMalformed),
            (Ok(vec![1; 64]), Trouble::KeyChanged),
        ] {
            let signer = Signer::new(Arc::new(Answers { public_key: answer.clone(), signature: answer.clone() }));
            assert_eq!(signer.sign(b"hello", &public).await, Err(wanted.into()), "{answer:?}");
            let by_key = if wanted == Trouble::KeyChanged { Trouble::KeyMalformed } else { wanted };
            assert_eq!(signer.public_key().await, Err(by_key.into()), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_store_answers_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..140)) {
            let _ = (point(&bytes), fixed(&bytes));
            let _ = fixed(&[&[0x30, 0x45, 0x02, 0x21][..], &bytes].concat());
        }
    }
}
