//! A person agrees to get offers, and stops.

use std::collections::BTreeSet;

use domain::offer::{Agreement, AgreementForm};
use domain::{BankId, PersonId, Reason, Timestamp};
use server_kit::audit::Entry;
use server_kit::keystore::KeyName;
use server_kit::store::StoreError;

use super::sql::{self, SignedRow, StoredAgreement};
use super::steps::Work;
use super::{unusable, words};
use crate::signed::{SignedAs, SignedText};

/// What the person has signed to get offers.
#[derive(Debug)]
pub(super) struct Agree(pub(super) SignedText);

impl Agree {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Agreement, Reason>, StoreError> {
        let Self(signed) = self;
        if let Err(reason) = signed.verify(work.tx, SignedAs::Offers).await? {
            return Ok(Err(reason));
        }
        let (person_id, now) = (signed.person_id, work.tx.now());
        let before = work.agreement(person_id).cloned();
        let agreed = AgreementForm::parse(&signed.text)
            .and_then(|form| Agreement::agree(&form, person_id, before.as_ref().map(|before| &before.agreement), now));
        let agreement = match agreed {
            Ok(agreement) => agreement,
            Err(reason) => return Ok(Err(reason)),
        };
        if before.as_ref().is_some_and(|before| before.agreement == agreement) {
            return Ok(Ok(agreement));
        }
        let mut names = Vec::with_capacity(agreement.banks.len());
        for bank_id in &agreement.banks {
            match sql::load_bank(work.tx, bank_id).await? {
                Some((name, _)) => names.push(name),
                None => return Ok(Err(Reason::BankUnknown)),
            }
        }
        let content = format!("banks={} a_week={}", list(&agreement.banks), agreement.most_a_week);
        work.log.push(Entry { kind: "offers.agreed", subject: person_id.uuid(), content });
        work.tell(person_id, words::agreed(person_id, &names, agreement.most_a_week));
        let text_sealed = work.keys.seal(KeyName::SealedPayload, &context(person_id), signed.text.as_bytes());
        let row = SignedRow {
            device_id: signed.device_id,
            text_sealed: text_sealed.map_err(unusable)?,
            signature: signed.signature.clone(),
        };
        let version = before.map_or(0, |before| before.version);
        // What the person has bought until now may be enough for an offer.
        let stored = StoredAgreement { agreement: agreement.clone(), look_at: Some(now), version };
        work.put_agreement(person_id, stored, Some(row));
        Ok(Ok(agreement))
    }
}

fn context(person_id: PersonId) -> Vec<u8> {
    [b"offer_agreements.text\n".as_slice(), person_id.uuid().as_bytes()].concat()
}

fn list(banks: &BTreeSet<BankId>) -> String {
    banks.iter().map(BankId::as_str).collect::<Vec<_>>().join(",")
}

/// The person wants no offers of these banks any more; of none at all where there are none.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) person_id: PersonId,
    pub(super) banks: BTreeSet<BankId>,
}

impl Stop {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Agreement, StoreError> {
        let Some(before) = work.agreement(self.person_id).cloned() else {
            return Ok(Agreement { banks: BTreeSet::new(), most_a_week: 0, signed_at: Timestamp::from_micros(0) });
        };
        let agreement = before.agreement.stop(&self.banks, work.tx.now());
        if agreement.banks == before.agreement.banks {
            return Ok(before.agreement);
        }
        let mut names = Vec::new();
        for bank_id in before.agreement.banks.difference(&agreement.banks) {
            let bank = sql::load_bank(work.tx, bank_id).await?;
            names.push(bank.map_or_else(|| bank_id.to_string(), |(name, _)| name));
        }
        let content = format!("banks={}", list(&agreement.banks));
        work.log.push(Entry { kind: "offers.stopped", subject: self.person_id.uuid(), content });
        work.tell(self.person_id, words::stopped(self.person_id, &names));
        let look_at = before.look_at.filter(|_| !agreement.banks.is_empty());
        work.put_agreement(self.person_id, StoredAgreement { agreement: agreement.clone(), look_at, ..before }, None);
        Ok(agreement)
    }
}
