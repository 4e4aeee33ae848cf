//! A person accepts an offer, which tells its bank who that is, or declines it for good.

use domain::offer::{AcceptanceForm, Answer, ShownAs, accept, decline};
use domain::{OfferId, PersonId, Reason};
use prost::Message as _;
use proto::common;
use server_kit::audit::Entry;
use server_kit::keystore::KeyName;
use server_kit::store::StoreError;

use super::sql::{self, AcceptedRow};
use super::steps::Work;
use super::{unusable, words};
use crate::directory::{SecretError, open_name, open_phone};
use crate::signed::{SignedAs, SignedText};

/// What the person has signed to accept an offer.
#[derive(Debug)]
pub(super) struct Accept {
    pub(super) signed: SignedText,
    /// The same, as it was read.
    pub(super) form: AcceptanceForm,
}

impl Accept {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<(), Reason>, StoreError> {
        let (person_id, offer_id) = (self.signed.person_id, self.form.offer_id);
        if let Err(reason) = self.signed.verify(work.tx, SignedAs::Acceptance).await? {
            return Ok(Err(reason));
        }
        let (Some(delivery), Some(stored)) =
            (work.delivery(person_id, offer_id).copied(), work.offer(offer_id).cloned())
        else {
            return Ok(Err(Reason::OfferUnknown));
        };
        let now = work.tx.now();
        let checked = self.form.check(person_id, &stored.offer.filing);
        let accepted = match checked.and_then(|()| accept(&stored.offer, &delivery, now)) {
            Ok(accepted) => accepted,
            Err(reason) => return Ok(Err(reason)),
        };
        if matches!(delivery.answer, Answer::Accepted(_)) {
            return Ok(Ok(()));
        }
        let shown = match self.shown(work).await? {
            Ok(shown) => shown,
            Err(reason) => return Ok(Err(reason)),
        };
        let seal = |what: &str, bytes: &[u8]| {
            work.keys.seal(KeyName::SealedPayload, &context(what, person_id, offer_id), bytes).map_err(unusable)
        };
        let row = AcceptedRow {
            shown_sealed: seal(SHOWN, &shown.encode_to_vec())?,
            text_sealed: seal("offer_deliveries.text", self.signed.text.as_bytes())?,
            signature: self.signed.signature.clone(),
        };
        work.answer(accepted, Some(row));
        let content = format!("person={person_id} shown={}", self.form.shown_as.as_str());
        work.log.push(Entry { kind: "offer.accepted", subject: offer_id.uuid(), content });
        let bank_id = &stored.offer.filing.bank_id;
        let bank = sql::load_bank(work.tx, bank_id).await?.map_or_else(|| bank_id.to_string(), |(name, _)| name);
        work.tell(person_id, words::accepted(&stored.offer.filing, &bank));
        Ok(Ok(()))
    }

    /// What the bank is told of the person. It stays what it was when the person accepted, whatever is bound later.
    async fn shown(&self, work: &mut Work<'_>) -> Result<Result<common::OfferAcceptance, Reason>, StoreError> {
        let (person_id, mut shown) = (self.signed.person_id, common::OfferAcceptance::default());
        match self.form.shown_as {
            ShownAs::Customer => {
                for (sort, id) in sql::load_instruments(work.tx, person_id, &self.form.bank_id).await? {
                    let ids = if sort == "CARD" { &mut shown.card_ids } else { &mut shown.account_ids };
                    ids.push(id.to_string());
                }
                if shown.card_ids.is_empty() && shown.account_ids.is_empty() {
                    return Ok(Err(Reason::NothingToShow));
                }
            }
            ShownAs::Contact => {
                let (name, phone) = match sql::load_contact(work.tx, person_id).await? {
                    Ok(contact) => contact,
                    Err(reason) => return Ok(Err(reason)),
                };
                shown.name = open_name(work.keys, person_id, &name).map_err(unreadable)?.to_string();
                shown.phone_number = open_phone(work.keys, person_id, &phone)?.as_e164().to_owned();
            }
        }
        Ok(Ok(shown))
    }
}

fn unreadable(error: SecretError) -> StoreError {
    StoreError::Refused(format!("a name cannot be read: {error}"))
}

/// What is sealed: what a bank is told of who accepted.
pub(super) const SHOWN: &str = "offer_deliveries.shown";

pub(super) fn context(what: &str, person_id: PersonId, offer_id: OfferId) -> Vec<u8> {
    [what.as_bytes(), b"\n", person_id.uuid().as_bytes().as_slice(), offer_id.uuid().as_bytes()].concat()
}

/// The person wants an offer neither now nor later.
#[derive(Debug)]
pub(super) struct Decline {
    pub(super) person_id: PersonId,
    pub(super) offer_id: OfferId,
}

impl Decline {
    pub(super) fn apply(&self, work: &mut Work<'_>) -> Result<(), Reason> {
        let now = work.tx.now();
        let delivery = *work.delivery(self.person_id, self.offer_id).ok_or(Reason::OfferUnknown)?;
        let declined = decline(&delivery, now)?;
        if declined != delivery {
            work.answer(declined, None);
            let content = format!("person={}", self.person_id);
            work.log.push(Entry { kind: "offer.declined", subject: self.offer_id.uuid(), content });
        }
        Ok(())
    }
}
