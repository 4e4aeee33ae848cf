//! What a person's phone has signed: a text that the person saw, under a key of that phone.

use std::fmt;

use domain::{DeviceId, PersonId, Reason};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::store::{StoreError, Tx};

/// What a text is signed as, so that a signature under one sort of text is good for no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedAs {
    Consent,
    Offers,
    Acceptance,
    AccountPassword,
}

impl SignedAs {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Consent => "bankhub.v1.consent\n",
            Self::Offers => "bankhub.v1.offers\n",
            Self::Acceptance => "bankhub.v1.acceptance\n",
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
        let Some(key) = load_device_key(tx, self.person_id, self.device_id).await? else {
            return Ok(Err(Reason::DeviceRefused));
        };
        let message = format!("{}{}\n{}", signed_as.prefix(), self.device_id, self.text);
        let genuine = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message.as_bytes(), &self.signature);
        Ok(genuine.map_err(|_| Reason::SignatureRefused))
    }
}

async fn load_device_key(tx: &mut Tx, person_id: PersonId, device_id: DeviceId) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT public_key FROM devices WHERE device_id = $1 AND person_id = $2 AND revoked = 0";
    let rows = tx.fetch(sql, vec![device_id.uuid().into(), person_id.uuid().into()]).await?;
    rows.first().map(|row| row.bytes(0)).transpose()
}
