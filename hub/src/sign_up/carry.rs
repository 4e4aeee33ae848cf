//! Carries a sign-up from one durable step to the next by asking its bank, and picks up what was left behind.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use domain::payment::Instrument;
use domain::sign_up::{SignUp, Work, ends_sign_up};
use domain::{AccountId, PersonId, SignUpId};
use proto::bank as pb;
use server_kit::fault;
use server_kit::store::StoreError;
use tokio_util::sync::CancellationToken;

use super::sealed::Who;
use super::steps::{Done, MOST_CLAIMED, Step};
use super::{Inner, SignUps, sql};
use crate::bank::OpenAnswer;
use crate::directory::BankInstruments as _;

/// What accounts are opened in.
const CURRENCY: &str = "CNY";

impl SignUps {
    /// Goes on with a sign-up in a task of its own, if there is a place; what is not carried now is the sweeper's.
    pub(super) fn begin(&self, sign_up: SignUp) {
        let Ok(place) = self.inner.places.clone().try_acquire_owned() else { return };
        let this = self.clone();
        tokio::spawn(async move {
            this.carry(sign_up).await;
            drop(place);
        });
    }

    /// Does what a sign-up needs, as far as it goes by now.
    pub(super) async fn carry(&self, mut sign_up: SignUp) {
        let Some(_busy) = Busy::take(&self.inner, sign_up.id) else { return };
        while sign_up.work() != Work::Nothing {
            match self.next(&sign_up).await {
                Ok(Some(after)) if after.state != sign_up.state => sign_up = after,
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(sign_up = %sign_up.id, %error, "a sign-up could not be carried on yet");
                    return;
                }
            }
        }
    }

    /// The next step, and the sign-up after it; none while there is no answer to go by.
    async fn next(&self, sign_up: &SignUp) -> Result<Option<SignUp>, StoreError> {
        let id = sign_up.id;
        let step = match (sign_up.work(), &sign_up.account) {
            (Work::Choose, _) => Step::Choose { id, account_id: AccountId::from_uuid(sql::new_id(&self.inner.ids)?) },
            (Work::Open, Some((bank, account))) => {
                let Some(request) = self.request(id, *account).await? else { return Ok(None) };
                fault::point("sign_up.bank.before");
                let answer = self.inner.banks.open_account(bank, request).await;
                fault::point("sign_up.bank.after");
                match answer {
                    OpenAnswer::Opened(masked) => {
                        let person_id = PersonId::from_uuid(sql::new_id(&self.inner.ids)?);
                        Step::Opened { id, masked, person_id }
                    }
                    OpenAnswer::Refused(reason) if ends_sign_up(reason) => Step::Refused { id, reason },
                    OpenAnswer::Refused(_) | OpenAnswer::Unknown => return Ok(None),
                }
            }
            (Work::Tell, Some((bank, account))) => {
                if let Err(reason) = self.inner.banks.follow(bank, Instrument::Account(*account)).await {
                    tracing::warn!(%bank, sign_up = %id, reason = reason.code(), "a bank does not follow yet what it has opened");
                    return Ok(None);
                }
                Step::Followed { id }
            }
            _ => return Ok(None),
        };
        Ok(match self.step(step).await? {
            Ok(Done::SignUp(after)) => Some(*after),
            _ => None,
        })
    }

    /// What the bank is asked. None for a sign-up that was decided meanwhile.
    async fn request(&self, id: SignUpId, account: AccountId) -> Result<Option<pb::OpenAccountRequest>, StoreError> {
        let Some(sealed) = sql::find(&self.inner.store, id).await?.and_then(|stored| stored.sealed) else {
            return Ok(None);
        };
        let who = Who::open(&*self.inner.keys, id, &sealed)?;
        Ok(Some(pb::OpenAccountRequest {
            account_id: account.to_string(),
            holder_name: who.name.as_str().to_owned(),
            citizen_number: who.citizen.reveal().to_owned(),
            currency_code: CURRENCY.to_owned(),
        }))
    }

    /// Takes what is due and goes on with it; says whether more may be due.
    pub(super) async fn carry_due(&self) -> Result<bool, StoreError> {
        let claimed = match self.step(Step::Claim).await? {
            Ok(Done::Claimed(claimed)) => claimed,
            _ => Vec::new(),
        };
        let is_full = i64::try_from(claimed.len()).is_ok_and(|count| count == MOST_CLAIMED);
        claimed.into_iter().for_each(|sign_up| self.begin(sign_up));
        Ok(is_full)
    }
}

/// Looks for what is due every `every`, until the server drains.
pub(crate) async fn carry_on(sign_ups: SignUps, every: Duration, draining: CancellationToken) {
    crate::sweep::sweep("sign-ups", every, draining, || sign_ups.carry_due()).await;
}

/// Marks a sign-up as being carried by this replica.
struct Busy {
    inner: Arc<Inner>,
    id: SignUpId,
}

impl Busy {
    fn take(inner: &Arc<Inner>, id: SignUpId) -> Option<Self> {
        let mut busy = inner.busy.lock().unwrap_or_else(PoisonError::into_inner);
        busy.insert(id).then(|| Self { inner: inner.clone(), id })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
