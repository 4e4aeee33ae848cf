//! A person gives a consent and takes it back.

use std::time::Duration;

use domain::credit_history::{Asker, Consent, ConsentForm, ConsentState};
use domain::text::Line;
use domain::{ConsentId, PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::store::{StoreError, Tx};

use super::sql::{self, StoredConsent};
use super::steps::Work;
use super::words;
use crate::signed::{SignedAs, SignedText};

/// Consents that a person may give …
const MOST: i64 = 100;
/// … in this time.
const WITHIN: Duration = Duration::from_hours(24);

/// A consent that a phone says to have signed.
#[derive(Debug)]
pub(super) struct Give(pub(super) SignedText);

impl Give {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<StoredConsent, Reason>, StoreError> {
        let signed = &self.0;
        if let Err(reason) = signed.verify(work.tx, SignedAs::Consent).await? {
            return Ok(Err(reason));
        }
        let form = match ConsentForm::parse(&signed.text) {
            Ok(form) => form,
            Err(reason) => return Ok(Err(reason)),
        };
        let now = work.tx.now();
        let before = sql::load_consent(work.tx, work.keys, form.id).await?;
        let given = Consent::give(form, signed.person_id, before.as_ref().map(|before| &before.consent), now);
        let consent = match (given, before) {
            (Err(reason), _) => return Ok(Err(reason)),
            (Ok(_), Some(before)) => return Ok(Ok(before)),
            (Ok(consent), None) => consent,
        };
        let form = consent.form();
        let Some(asker) = name_of(work.tx, &form.asker).await? else { return Ok(Err(Reason::BankUnknown)) };
        if sql::count_consents(work.tx, signed.person_id, now.minus(WITHIN)).await? >= MOST {
            return Ok(Err(Reason::ConsentsTooMany));
        }
        let news = words::given(form, &asker);
        let content = format!(
            "consent={} {} purpose={} fields={} device={}",
            form.id,
            entry_of(&form.asker),
            form.purpose.as_str(),
            form.fields,
            signed.device_id
        );
        work.log.push(Entry { kind: "consent.given", subject: signed.person_id.uuid(), content });
        let stored = StoredConsent { consent, device_id: signed.device_id, given_at: now, version: 1 };
        sql::insert_consent(work.tx, work.keys, &stored, &signed.signature).await?;
        let feed = work.feed(signed.person_id).await?;
        work.tell(feed, signed.person_id, news).await?;
        Ok(Ok(stored))
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
        let content = format!("consent={} {}", form.id, entry_of(&form.asker));
        work.log.push(Entry { kind: "consent.revoked", subject: self.person_id.uuid(), content });
        let name = match name_of(work.tx, &form.asker).await? {
            Some(name) => name,
            None => id_of(&form.asker)?,
        };
        let news = words::revoked(form, &name);
        let feed = work.feed(self.person_id).await?;
        work.tell(feed, self.person_id, news).await?;
        Ok(Ok(stored))
    }
}

/// What people call a bank, if it is known; of an operator there is nothing but the id.
async fn name_of(tx: &mut Tx, asker: &Asker) -> Result<Option<Line>, StoreError> {
    match asker {
        Asker::Bank(bank_id) => Ok(sql::load_bank(tx, bank_id).await?.map(|(name, _)| name)),
        Asker::Operator(_) => id_of(asker).map(Some),
    }
}

/// An asker's id as a name.
pub(super) fn id_of(asker: &Asker) -> Result<Line, StoreError> {
    Line::parse(asker.name()).map_err(|reason| StoreError::Refused(reason.to_string()))
}

/// Who asks, as it stands in the hub's own log.
pub(super) fn entry_of(asker: &Asker) -> String {
    match asker {
        Asker::Bank(id) => format!("bank={id}"),
        Asker::Operator(id) => format!("operator={id}"),
    }
}
