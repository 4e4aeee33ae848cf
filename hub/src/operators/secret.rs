//! Secrets of one-time passwords, as they are stored.

use domain::{OperatorId, Reason};
use server_kit::keystore::{KeyError, KeyName, KeyStore};
use server_kit::rng::Rng;
use zeroize::Zeroizing;

use super::{fault, totp};

/// Which secret it is: one that was moved to another row does not open.
fn context(operator: &OperatorId) -> Vec<u8> {
    [b"operator-totp\n", operator.as_str().as_bytes()].concat()
}

/// A new secret.
pub(super) fn make(rng: &dyn Rng) -> Result<Zeroizing<Vec<u8>>, Reason> {
    let mut secret = Zeroizing::new(vec![0; totp::SECRET_BYTES]);
    rng.fill(&mut secret).map_err(|error| fault(&error))?;
    Ok(secret)
}

pub(super) fn seal(keys: &dyn KeyStore, operator: &OperatorId, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
    keys.seal(KeyName::SealedPayload, &context(operator), secret)
}

pub(super) fn open(keys: &dyn KeyStore, operator: &OperatorId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    keys.open(KeyName::SealedPayload, &context(operator), sealed).map(Zeroizing::new)
}
