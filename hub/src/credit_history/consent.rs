//! A person gives a consent and takes it back.

use std::fmt;
use std::time::Duration;

use domain::credit_history::{Consent, ConsentForm, ConsentState};
use domain::text::Line;
use domain::{BankId, ConsentId, DeviceId, PersonId, Reason};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};

use super::sql::{self, StoredConsent};
use super::steps::Work;
use super::words;

/// What is signed begins with this, so that a signature under a consent is good for nothing else.
const SIGNED: &str = "bankhub.v1.consent\n";
/// Consents that a person may give …
const MOST: i64 = 100;
/// … in this time.
const WITHIN: Duration = Duration::from_hours(24);

/// A text that a phone says to have signed.
pub(super) struct Give {
    pub(super) person_id: PersonId,
    pub(super) device_id: DeviceId,
    pub(super) text: String,
    pub(super) signature: Vec<u8>,
}

impl fmt::Debug for Give {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Give").field("device_id", &self.device_id).finish_non_exhaustive()
    }
}

impl Give {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<StoredConsent, Reason>, StoreError> {
        let key = sql::load_device_key(work.tx, self.person_id, self.device_id).await?;
        let form = match self.read(key.as_deref()) {
            Ok(form) => form,
            Err(reason) => return Ok(Err(reason)),
        };
        let now = work.tx.now();
        let before = sql::load_consent(work.tx, work.keys, form.id).await?;
        let given = Consent::give(form, self.person_id, before.as_ref().map(|before| &before.consent), now);
        let consent = match (given, before) {
            (Err(reason), _) => return Ok(Err(reason)),
            (Ok(_), Some(before)) => return Ok(Ok(before)),
            (Ok(consent), None) => consent,
        };
        let form = consent.form();
        let Some((bank, _)) = sql::load_bank(work.tx, &form.bank_id).await? else {
            return Ok(Err(Reason::BankUnknown));
        };
        if sql::count_consents(work.tx, self.person_id, now.minus(WITHIN)).await? >= MOST {
            return Ok(Err(Reason::ConsentsTooMany));
        }
        let news = words::given(form, &bank);
        let content = format!(
            "consent={} bank={} purpose={} fields={} device={}",
            form.id,
            form.bank_id,
            form.purpose.as_str(),
            form.fields,
            self.device_id
        );
        work.log.push(Entry { kind: "consent.given", subject: self.person_id.uuid(), content });
        let stored = StoredConsent { consent, device_id: self.device_id, given_at: now, version: 1 };
        sql::insert_consent(work.tx, work.keys, &stored, &self.signature).await?;
        let feed = work.feed(self.person_id).await?;
        work.tell(feed, self.person_id, news).await?;
        Ok(Ok(stored))
    }

    /// What was signed, if the phone's key signed it.
    fn read(&self, key: Option<&[u8]>) -> Result<ConsentForm, Reason> {
        let key = key.ok_or(Reason::DeviceRefused)?;
        let message = format!("{SIGNED}{}\n{}", self.device_id, self.text);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
            .verify(message.as_bytes(), &self.signature)
            .map_err(|_| Reason::SignatureRefused)?;
        ConsentForm::parse(&self.text)
    }
}

/// Takes a consent back.
#[derive(Debug)]
pub(super) struct Revoke {
    pub(super) person_id: PersonId,
    pub(super) consent_id: ConsentId,
}

impl Revoke {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<StoredConsent, Reason>, StoreError> {
        let stored = sql::load_consent(work.tx, work.keys, self.consent_id).await?;
        let Some(before) = stored.filter(|stored| stored.consent.form().person_id == self.person_id) else {
            return Ok(Err(Reason::ConsentUnknown));
        };
        let now = work.tx.now();
        if matches!(before.consent.state(now), ConsentState::Revoked(_)) {
            return Ok(Ok(before));
        }
        let consent = match before.consent.clone().revoke(now) {
            Ok(consent) => consent,
            Err(reason) => return Ok(Err(reason)),
        };
        let stored = StoredConsent { consent, ..before };
        sql::update_consent(work.tx, &stored).await?;
        let form = stored.consent.form();
        let content = format!("consent={} bank={}", form.id, form.bank_id);
        work.log.push(Entry { kind: "consent.revoked", subject: self.person_id.uuid(), content });
        let news = words::revoked(form, &name_of(work.tx, &form.bank_id).await?);
        let feed = work.feed(self.person_id).await?;
        work.tell(feed, self.person_id, news).await?;
        Ok(Ok(stored))
    }
}

/// What people call the bank.
async fn name_of(tx: &mut Tx, bank_id: &BankId) -> Result<Line, StoreError> {
    match sql::load_bank(tx, bank_id).await? {
        Some((name, _)) => Ok(name),
        None => Line::parse(bank_id.as_str()).map_err(|reason| StoreError::Refused(reason.to_string())),
    }
}
