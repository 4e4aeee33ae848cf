//! EnrolDevice: a phone's key is bound to the person who has the enrolment code.
//!
//! Unknown number, no code, wrong code, used code, dead code and code that has ended are one refusal, in the same
//! words and after the same work: the queries, the comparisons, a counted try and a line in the log. A code that an operator handed out and one
//! that came by SMS are compared side by side (ADR 41).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use domain::enrolment::{PasswordRule, password_rule};
use domain::feed::Event;
use domain::payment::{self, PayerGuard};
use domain::{DeviceId, PersonId, PhoneNumber, Reason, Timestamp, TransactionPassword};
use proto::cardholder as pb;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::audit::Entry;
use server_kit::keystore::{KeyError, KeyStore};
use server_kit::store::{StoreError, Tx};
use uuid::Uuid;

use super::sql::{self, Device, Enrolling, EnrolmentCode, StoredCodes};
use super::steps::Done;
use super::words;
use crate::directory::join::activate;
use crate::directory::{SecretError, check_password, enrolment_code_matches, password_mac, sms_code_matches};
use crate::feed::Feeds;
use crate::freeze::load_guard;
use crate::transaction_password;

/// An uncompressed point of P-256 (SEC 1, section 2.3.3).
const PUBLIC_KEY_BYTES: usize = 65;
const UNCOMPRESSED: u8 = 4;
pub(super) const CODE_DIGITS: usize = 8;

/// A phone that has proved to hold its key, and says to hold a code.
pub(super) struct Enrol {
    pub(super) phone: PhoneNumber,
    code: Box<str>,
    public_key: Vec<u8>,
    password: Option<Box<str>>,
    phone_hashes: [[u8; 32]; 2],
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

    pub(super) fn with(self, phone_hashes: [[u8; 32]; 2], device_id: DeviceId) -> Enrol {
        let Self { phone, code, public_key, password } = self;
        Enrol { phone, code, public_key, password, phone_hashes, device_id }
    }
}

impl Enrol {
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        (keys, payments): (&dyn KeyStore, &payment::Policy),
    ) -> Result<Result<Done, Reason>, StoreError> {
        // The same step may be run again when the outcome of its commit was unknown; its id is new with each call.
        if let Some(device) = sql::load_devices(tx, vec![self.device_id.uuid()]).await?.first() {
            return Ok(Ok(Done::Enrolled(device.person_id, None)));
        }
        let found = sql::load_enrolling(tx, &self.phone_hashes).await?;
        // Somebody who is not there stands in for whom nobody knows.
        let person_id = found.as_ref().map_or(PersonId::from_uuid(Uuid::nil()), |found| found.person_id);
        // The person's row is locked first, as in every step that has one.
        let payer = load_guard(tx, person_id).await?;
        let by_sms = sql::load_codes_by_sms(tx, person_id).await?;
        let code = found.as_ref().and_then(|found| found.code.as_ref());
        let is_operators = self.code_matches(keys, person_id, code)? && code.is_some_and(|it| is_alive(it, tx.now()));
        let is_by_sms = self.sms_code_counts(keys, person_id, &by_sms, (payer.as_ref(), tx.now()))?;
        let proof = match (is_operators, is_by_sms) {
            (true, _) => Some(Proof::Operator),
            (false, true) if self.password_proved(tx, (keys, payments), person_id, payer.as_ref()).await? => {
                Some(Proof::Sms)
            }
            _ => None,
        };
        if let (Some(found), Some(proof)) = (&found, proof) {
            let had_password = payer.as_ref().is_some_and(|(_, mac)| !mac.is_empty());
            let told = self.bind(tx, keys, (found, had_password), (proof, by_sms)).await?;
            log.push(self.entry("DEVICE_ENROLLED", person_id, proof.word()));
            return Ok(Ok(Done::Enrolled(person_id, told)));
        }
        self.count_wrong(tx, person_id, (code, by_sms)).await?;
        log.push(self.entry("ENROLMENT_REFUSED", person_id, ""));
        Ok(Err(Reason::EnrolmentRefused))
    }

    /// A wrong code costs a try of either sort, since it was meant for one of them.
    async fn count_wrong(
        &self,
        tx: &mut Tx,
        person_id: PersonId,
        (code, mut by_sms): (Option<&EnrolmentCode>, StoredCodes),
    ) -> Result<(), StoreError> {
        let (version, alive) = code.map_or((0, false), |code| (code.version, code.attempts_left > 0));
        let counted = sql::count_try(tx, person_id, version).await?;
        if alive && counted == 0 {
            // Another replica has counted or spent it meanwhile: what was compared is not what is stored.
            return Err(StoreError::Conflict);
        }
        if by_sms.codes.failed() {
            by_sms.version += 1;
            sql::put_codes_by_sms(tx, person_id, &by_sms).await?;
        }
        Ok(())
    }

    fn code_matches(
        &self,
        keys: &dyn KeyStore,
        person_id: PersonId,
        code: Option<&EnrolmentCode>,
    ) -> Result<bool, StoreError> {
        let stored = code.map_or(&[0; 32][..], |code| &code.mac);
        enrolment_code_matches(keys, person_id, &self.code, stored).map_err(unusable)
    }

    /// Whether it is the code that went out by SMS, and still counts.
    fn sms_code_counts(
        &self,
        keys: &dyn KeyStore,
        person_id: PersonId,
        by_sms: &StoredCodes,
        (payer, now): (Option<&(PayerGuard, Vec<u8>)>, Timestamp),
    ) -> Result<bool, StoreError> {
        let stored = by_sms.mac.as_deref().unwrap_or(&[0; 32]);
        let epoch = by_sms.codes.code.map_or(0, |code| code.number_epoch);
        let matches = sms_code_matches(keys, person_id, (epoch, &self.code), stored).map_err(unusable)?;
        Ok(matches && payer.is_some_and(|(payer, _)| by_sms.codes.counts(payer, now)))
    }

    /// Whether whoever has the code by SMS may go on: where a transaction password is set, it has to be said. A wrong one counts as one
    /// at a terminal; nobody comes here without the right code.
    async fn password_proved(
        &self,
        tx: &mut Tx,
        by: (&dyn KeyStore, &payment::Policy),
        person_id: PersonId,
        payer: Option<&(PayerGuard, Vec<u8>)>,
    ) -> Result<bool, StoreError> {
        let is_set = payer.is_some_and(|(_, mac)| !mac.is_empty());
        let said = match (password_rule(true, is_set), &self.password) {
            (PasswordRule::Choose, _) => return Ok(true),
            (PasswordRule::Prove, None) => return Ok(false),
            (PasswordRule::Prove, Some(said)) => said,
        };
        let Ok(said) = TransactionPassword::parse(said) else { return Ok(false) };
        Ok(transaction_password::prove(tx, by, person_id, &said).await?.is_ok())
    }

    /// Binds the phone, and tells the person of it where an SMS was enough, which may have been read by somebody else, or where the
    /// password that was there is another one now.
    async fn bind(
        &self,
        tx: &mut Tx,
        keys: &dyn KeyStore,
        (found, had_password): (&Enrolling, bool),
        (proof, mut by_sms): (Proof, StoredCodes),
    ) -> Result<Option<Arc<Event>>, StoreError> {
        let person_id = found.person_id;
        match (proof, &found.code) {
            (Proof::Operator, Some(code)) => sql::spend_code(tx, person_id, code.version).await?,
            _ => {
                by_sms.codes.spend();
                by_sms.version += 1;
                sql::put_codes_by_sms(tx, person_id, &by_sms).await?;
            }
        }
        if let Some(password) = &self.password {
            let mac = password_mac(keys, &person_id, password)
                .map_err(|error: SecretError| StoreError::Refused(format!("a password cannot be kept: {error}")))?;
            sql::set_password(tx, person_id, found.person_version, &mac).await?;
        }
        // Whoever has the code was known to whom it was handed out by, or has the number: what waits to be activated pays from now on.
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
        sql::put_devices(tx, &[device]).await?;
        let news = match proof {
            Proof::Sms => words::enrolled_by_sms(self.device_id),
            Proof::Operator if had_password && self.password.is_some() => words::password_replaced(self.device_id),
            Proof::Operator => return Ok(None),
        };
        let mut feeds = Feeds::load(tx, BTreeSet::from([person_id])).await?;
        let told = feeds.tell_news(person_id, news, tx.now());
        feeds.write(tx).await?;
        Ok(told)
    }

    fn entry(&self, kind: &'static str, person_id: PersonId, by: &str) -> Entry {
        let password = if self.password.is_some() { "set" } else { "kept" };
        let content = format!("phone={} device={} password={password}{by}", self.phone.masked(), self.device_id);
        Entry { kind, subject: person_id.uuid(), content }
    }
}

/// Which sort of code it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Operator,
    Sms,
}

impl Proof {
    const fn word(self) -> &'static str {
        match self {
            Self::Operator => "",
            Self::Sms => " by=sms",
        }
    }
}

fn unusable(error: KeyError) -> StoreError {
    StoreError::Refused(format!("a key cannot be used: {error}"))
}

fn is_alive(code: &EnrolmentCode, now: Timestamp) -> bool {
    code.attempts_left > 0 && code.expires_at > now
}
