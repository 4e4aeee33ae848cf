//! What a person's phone has signed: a text that the person saw, under a key of that phone.

use std::fmt;

use domain::{DeviceId, PersonId, Reason};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::store::{Store, StoreError, Tx, Value};

/// The key of a phone that is bound to this person.
const DEVICE_KEY: &str = "SELECT public_key FROM devices WHERE device_id = $1 AND person_id = $2 AND revoked = 0";

/// What a text is signed as, so that a signature under one sort of text is good for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedAs {
    Consent,
    Offers,
    Acceptance,
    Approval,
    SafetyCode,
    AccountPassword,
}

impl SignedAs {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Consent => "bankhub.v1.consent\n",
            Self::Offers => "bankhub.v1.offers\n",
            Self::Acceptance => "bankhub.v1.acceptance\n",
            Self::Approval => "bankhub.v1.approval\n",
            Self::SafetyCode => "bankhub.v1.safety_code\n",
            Self::AccountPassword => "bankhub.v1.account_password\n",
        }
    }
}

/// A text that a phone says to have signed.
pub(crate) struct SignedText {
    pub(crate) person_id: PersonId,
    pub(crate) device_id: DeviceId,
    pub(crate) text: String,
    pub(crate) signature: Vec<u8>,
}

impl fmt::Debug for SignedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedText").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

impl SignedText {
    /// A text as it comes in a session. `Err(NotYours)` when it names another phone than that of the session.
    pub(crate) fn read(
        person_id: PersonId,
        device_id: DeviceId,
        (named, text, signature): (&str, String, Vec<u8>),
    ) -> Result<Self, Reason> {
        if DeviceId::parse(named)? != device_id {
            return Err(Reason::NotYours);
        }
        Ok(Self { person_id, device_id, text, signature })
    }

    /// Whether the phone signed it, with the key that it has bound and that is not revoked. `Err` with `DeviceRefused` or
    /// `SignatureRefused`.
    pub(crate) async fn verify(&self, tx: &mut Tx, signed_as: SignedAs) -> Result<Result<(), Reason>, StoreError> {
        let rows = tx.fetch(DEVICE_KEY, self.device()).await?;
        let key = rows.first().map(|row| row.bytes(0)).transpose()?;
        Ok(self.is_genuine(key, signed_as))
    }

    /// The same outside of any transaction, so that the work of verifying is not the writer's. Whoever acts on it looks again, when it
    /// writes, whether the phone is still bound.
    pub(crate) async fn verify_read(
        &self,
        store: &Store,
        signed_as: SignedAs,
    ) -> Result<Result<(), Reason>, StoreError> {
        let row = store.fetch_one(DEVICE_KEY, self.device()).await?;
        let key = row.map(|row| row.bytes(0)).transpose()?;
        Ok(self.is_genuine(key, signed_as))
    }

    fn device(&self) -> Vec<Value> {
        vec![self.device_id.uuid().into(), self.person_id.uuid().into()]
    }

    fn is_genuine(&self, key: Option<Vec<u8>>, signed_as: SignedAs) -> Result<(), Reason> {
        let key = key.ok_or(Reason::DeviceRefused)?;
        let message = format!("{}{}\n{}", signed_as.prefix(), self.device_id, self.text);
        let genuine = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message.as_bytes(), &self.signature);
        genuine.map_err(|_| Reason::SignatureRefused)
    }
}
