//! A carrier asks for an account for somebody's number.

use std::fmt;

use domain::sign_up::{Known, NewSignUp, Numbered, SignUp, join};
use domain::{CarrierId, Reason};
use server_kit::store::StoreError;

use super::sealed::{Who, citizen_hashes};
use super::sql::{self, Carrier, Stored};
use super::steps::Work;
use super::{number_sql, sealed};
use crate::directory::{join as people, pinned_phone_hashes};

/// What a carrier asks for.
pub(super) struct Ask {
    pub(super) new: NewSignUp,
    pub(super) who: Who,
    /// What the person has agreed to, in words.
    pub(super) consent: String,
    pub(super) content_mac: [u8; 32],
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask").field("id", &self.new.id).field("carrier", &self.new.carrier_id).finish_non_exhaustive()
    }
}

/// The carrier, if it may ask for anything. `Err` with `CarrierUnknown` or `CarrierSuspended`.
pub(super) async fn active(work: &mut Work<'_>, id: &CarrierId) -> Result<Result<Carrier, Reason>, StoreError> {
    Ok(match sql::load_carrier(work.tx, id).await? {
        None => Err(Reason::CarrierUnknown),
        Some(carrier) if carrier.suspended => Err(Reason::CarrierSuspended),
        Some(carrier) => Ok(carrier),
    })
}

impl Ask {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<SignUp, Reason>, StoreError> {
        let known = sql::load(work.tx, self.new.id).await?;
        let carrier = match active(work, &self.new.carrier_id).await? {
            Ok(carrier) => carrier,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(known) = known {
            let same =
                known.sign_up.carrier_id == self.new.carrier_id && known.content_mac.as_slice() == self.content_mac;
            return Ok(if same { Ok(known.sign_up) } else { Err(Reason::IdTaken) });
        }
        let hashes = pinned_phone_hashes(work.tx, work.keys, &self.who.phone).await?;
        if sql::under_way(work.tx, &hashes).await?.is_some() {
            return Ok(Err(Reason::SignUpUnderWay));
        }
        if let Some(asked) = &self.new.asked_bank {
            if !carrier.banks.contains(asked) {
                return Ok(Err(Reason::BankNotOffered));
            }
            if sql::open_bank(work.tx, asked).await?.is_none() {
                return Ok(Err(Reason::BankSuspended));
            }
        }
        // It is looked at once more when it is bound; now it is told to whoever still speaks with the person.
        let (number, citizen) = found(work, &hashes, &self.who).await?;
        if let Err(reason) = join(&self.new.carrier_id, number.as_ref(), citizen) {
            return Ok(Err(reason));
        }
        let [hash, _] = hashes;
        let stored = Stored {
            sign_up: SignUp::ask(self.new.clone(), work.now),
            version: 0,
            sealed: Some(self.who.seal(work.keys, self.new.id)?),
            phone_hash: hash.to_vec(),
            content_mac: self.content_mac.to_vec(),
            consent: self.consent.clone(),
        };
        work.moved(&stored).await?;
        Ok(Ok(stored.sign_up))
    }
}

/// Who has the number, and who is known under the citizen number.
pub(super) async fn found(
    work: &mut Work<'_>,
    hashes: &[[u8; 32]; 2],
    who: &Who,
) -> Result<(Option<Numbered>, Option<Known>), StoreError> {
    let number = match number_sql::load(work.tx, hashes).await? {
        Some(stored) => Some(Numbered { person_id: stored.person_id, carrier_id: Some(stored.number.carrier_id) }),
        None => {
            let holder = people::holder(work.tx, hashes).await?;
            holder.map(|person_id| Numbered { person_id, carrier_id: None })
        }
    };
    let citizen = match sql::citizen(work.tx, &citizen_hashes(work.keys, &who.citizen)?).await? {
        None => None,
        Some(person_id) => {
            let has_name = people::has_name(work.tx, work.keys, person_id, who.name.line()).await?;
            Some(Known { person_id, has_name })
        }
    };
    Ok((number, citizen))
}

/// Opens who it is of a sign-up that is not decided.
pub(super) fn who_of(work: &Work<'_>, stored: &Stored) -> Result<Who, StoreError> {
    let sealed = stored.sealed.as_deref();
    let sealed = sealed.ok_or_else(|| StoreError::Refused("a sign-up has nobody to sign up".to_owned()))?;
    sealed::Who::open(work.keys, stored.sign_up.id, sealed)
}
