//! EnrolDevice: a phone's key is bound to the person who has the enrolment code.
//!
//! Unknown number, no code, wrong code, used code, dead code and code that has ended are one refusal, in the same
//! words and after the same work: a query, a comparison, a counted try and a line in the log.

use std::fmt;

use domain::{DeviceId, PersonId, PhoneNumber, Reason, Timestamp};
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::audit::Entry;
use server_kit::keystore::KeyStore;
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Device, EnrolmentCode};
use super::steps::Done;
use crate::directory::join::activate;
use crate::directory::{SecretError, check_password, enrolment_code_matches, password_mac};

/// An uncompressed point of P-256 (SEC 1, section 2.3.3).
const PUBLIC_KEY_BYTES: usize = 65;
const UNCOMPRESSED: u8 = 4;
const CODE_DIGITS: usize = 8;

/// A phone that has proved to hold its key, and says to hold a code.
pub(super) struct Enrol {
    pub(super) phone: PhoneNumber,
    code: Box<str>,
    public_key: Vec<u8>,
    password: Option<Box<str>>,
    phone_hash: [u8; 32],
    device_id: DeviceId,
}

impl fmt::Debug for Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrol").field("phone", &self.phone).field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

/// What is known before the hub adds its part.
pub(super) struct Asked {
    phone: PhoneNumber,
    code: Box<str>,
    public_key: Vec<u8>,
    password: Option<Box<str>>,
}

impl Asked {
    pub(super) fn read(request: pb::EnrolDeviceRequest) -> Result<Self, Reason> {
        let phone = PhoneNumber::parse(&request.phone_number)?;
        let key = &request.device_public_key;
        if key.len() != PUBLIC_KEY_BYTES || key.first() != Some(&UNCOMPRESSED) {
            return Err(Reason::DeviceKeyMalformed);
        }
        let password = match request.transaction_password.as_str() {
            "" => None,
            password => {
                check_password(password)?;
                Some(password.into())
            }
        };
        let code = request.enrolment_code;
        if code.len() != CODE_DIGITS || !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::EnrolmentRefused);
        }
        let signed = format!("bankhub.v1.enrol\n{}\n{code}", phone.as_e164());
        // It says that the phone has the key, and nothing about the code; so a wrong one costs no try.
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        key.verify(signed.as_bytes(), &request.signature).map_err(|_| Reason::DeviceRefused)?;
        Ok(Self { phone, code: code.into(), public_key: request.device_public_key, password })
    }

    pub(super) fn phone(&self) -> &PhoneNumber {
        &self.phone
    }

    pub(super) fn with(self, phone_hash: [u8; 32], device_id: DeviceId) -> Enrol {
        let Self { phone, code, public_key, password } = self;
        Enrol { phone, code, public_key, password, phone_hash, device_id }
    }
}

impl Enrol {
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        keys: &dyn KeyStore,
    ) -> Result<Result<Done, Reason>, StoreError> {
        // The same step may be run again when the outcome of its commit was unknown; its id is new with each call.
        if let Some(device) = sql::load_devices(tx, vec![self.device_id.uuid()]).await?.first() {
            return Ok(Ok(Done::Enrolled(device.person_id)));
        }
        let found = sql::load_enrolling(tx, &self.phone_hash).await?;
        // Somebody who is not there stands in for whom nobody knows.
        let nobody = PersonId::from_uuid(Uuid::nil());
        let (person_id, person_version, code) = match found {
            Some(found) => (found.person_id, found.person_version, found.code),
            None => (nobody, 0, None),
        };
        let matches = self.code_matches(keys, person_id, code.as_ref())?;
        match code {
            Some(code) if matches && is_alive(&code, tx.now()) => {
                self.bind(tx, keys, person_id, person_version, code.version).await?;
                log.push(self.entry("DEVICE_ENROLLED", person_id));
                Ok(Ok(Done::Enrolled(person_id)))
            }
            code => {
                let (version, alive) = code.map_or((0, false), |code| (code.version, code.attempts_left > 0));
                let counted = sql::count_try(tx, person_id, version).await?;
                if alive && counted == 0 {
                    // Another replica has counted or spent it meanwhile: what was compared is not what is stored.
                    return Err(StoreError::Conflict);
                }
                log.push(self.entry("ENROLMENT_REFUSED", person_id));
                Ok(Err(Reason::EnrolmentRefused))
            }
        }
    }

    fn code_matches(
        &self,
        keys: &dyn KeyStore,
        person_id: PersonId,
        code: Option<&EnrolmentCode>,
    ) -> Result<bool, StoreError> {
        let stored = code.map_or(&[0; 32][..], |code| &code.mac);
        enrolment_code_matches(keys, person_id, &self.code, stored)
            .map_err(|error| StoreError::Refused(format!("a key cannot be used: {error}")))
    }

    async fn bind(
        &self,
        tx: &mut Tx,
        keys: &dyn KeyStore,
        person_id: PersonId,
        person_version: i64,
        code_version: i64,
    ) -> Result<(), StoreError> {
        sql::spend_code(tx, person_id, code_version).await?;
        if let Some(password) = &self.password {
            let mac = password_mac(keys, &person_id, password)
                .map_err(|error: SecretError| StoreError::Refused(format!("a password cannot be kept: {error}")))?;
            sql::set_password(tx, person_id, person_version, &mac).await?;
        }
        // Whoever has the code was known to whom it was handed out by: what waits to be activated pays from now on.
        activate(tx, person_id).await?;
        let device = Device {
            device_id: self.device_id,
            version: 1,
            person_id,
            public_key: self.public_key.clone(),
            revoked: false,
            acknowledged_sequence: 0,
            enrolled_at: tx.now(),
        };
        sql::put_devices(tx, &[device]).await
    }

    fn entry(&self, kind: &'static str, person_id: PersonId) -> Entry {
        let password = if self.password.is_some() { "set" } else { "kept" };
        let content = format!("phone={} device={} password={password}", self.phone.masked(), self.device_id);
        Entry { kind, subject: person_id.uuid(), content }
    }
}

fn is_alive(code: &EnrolmentCode, now: Timestamp) -> bool {
    code.attempts_left > 0 && code.expires_at > now
}
