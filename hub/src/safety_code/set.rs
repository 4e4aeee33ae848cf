//! A safety code is set.

use std::fmt;

use domain::payment::FrozenInstrument;
use domain::safety_code::{SafetyCode, SetForm, Setter, may_set};
use domain::{DeviceId, OrderId, PersonId, Reason, TransactionPassword};
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use zeroize::Zeroize as _;

use super::prove::{mac, matches};
use super::sql::{self, Kept, SetCode};
use super::steps::{Done, Work};
use super::words;
use crate::feed::Feeds;
use crate::transaction_password;

use crate::signed::{SignedAs, SignedText};

/// What a phone has signed, with the transaction password.
pub(super) struct AppSetting {
    pub(super) person_id: PersonId,
    pub(super) device_id: DeviceId,
    pub(super) signed: SignedText,
    pub(super) form: SetForm,
    pub(super) password: TransactionPassword,
}

/// What a caller wants, and which card the caller has proved by its bank's word.
pub(crate) struct CardSetting {
    /// [`NOBODY`](super::NOBODY) for a number that is not known.
    pub(crate) person_id: PersonId,
    /// None when the bank would not have it.
    pub(crate) card: Option<FrozenInstrument>,
    pub(crate) code: SafetyCode,
    /// Who calls, for the log.
    pub(crate) by: String,
}

macro_rules! hides_its_code {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("person_id", &self.person_id).finish_non_exhaustive()
            }
        }
    )*};
}

hides_its_code! { AppSetting CardSetting }

impl Drop for AppSetting {
    /// What was signed has the code in it.
    fn drop(&mut self) {
        self.signed.text.zeroize();
    }
}

impl AppSetting {
    /// `Err` inside with `DeviceRefused`, `SignatureRefused`, `AttemptsExhausted`, `VerificationFailed`, `IdTaken` or
    /// `SafetyCodeNotAllowed`.
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        if let Err(reason) = self.signed.verify(work.tx, SignedAs::SafetyCode).await? {
            return Ok(Err(reason));
        }
        if let Err(reason) = self.prove(work).await? {
            return Ok(Err(reason));
        }
        let by = format!("device/{}", self.device_id);
        set(work, self.person_id, &self.form.code, (Setter::App, Some(self.form.order_id), &by)).await
    }

    /// Compares the transaction password; a wrong one counts as one at a terminal, and is stored.
    async fn prove(&self, work: &mut Work<'_>) -> Result<Result<(), Reason>, StoreError> {
        let by = (work.keys, work.payments);
        let proved = transaction_password::prove(work.tx, by, self.person_id, &self.password).await?;
        let Err(not_proved) = proved else { return Ok(Ok(())) };
        work.log.extend(not_proved.wrong_tries.map(|tries| self.refused(tries)));
        Ok(Err(not_proved.reason))
    }

    fn refused(&self, wrong_tries: u32) -> Entry {
        let content = format!("by=device/{} wrong_tries={wrong_tries}", self.device_id);
        Entry { kind: "safety_code.not_proved", subject: self.person_id.uuid(), content }
    }
}

impl CardSetting {
    /// `Err(SafetyCodeCardRefused)` inside, whatever was wrong.
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        // A number may have gone to somebody else since, and a card to another number: whose it is counts here and now.
        let holder = match &self.card {
            Some(card) => sql::holder(work.tx, &card.bank_id, card.instrument).await?,
            None => None,
        };
        let is_holder = holder.is_some_and(|(holder, _)| holder == self.person_id);
        let person_id = if is_holder { self.person_id } else { super::NOBODY };
        let done = set(work, person_id, &self.code, (Setter::Card, None, &self.by)).await?;
        if done.is_err() {
            let content = format!("by={} card_is_proved={}", self.by, self.card.is_some());
            let subject = self.person_id.uuid();
            work.log.push(Entry { kind: "safety_code.card_refused", subject, content });
        }
        Ok(done.map_err(|_| Reason::SafetyCodeCardRefused))
    }
}

/// Sets it, if it may be set. `Err` inside with `IdTaken` or `SafetyCodeNotAllowed`.
async fn set(
    work: &mut Work<'_>,
    person_id: PersonId,
    code: &SafetyCode,
    (setter, order_id, by): (Setter, Option<OrderId>, &str),
) -> Result<Result<Done, Reason>, StoreError> {
    let mut feeds = Feeds::load(work.tx, [person_id].into()).await?;
    let now = work.tx.now();
    let kept = sql::load(work.tx, person_id).await?;
    if let Some(before) = kept.code.as_ref().filter(|before| order_id.is_some() && before.order_id == order_id) {
        let is_same = matches(work.keys, person_id, code, &before.mac)?;
        return Ok(if is_same { Ok(Done::Set(before.at)) } else { Err(Reason::IdTaken) });
    }
    let mac = mac(work.keys, person_id, code)?.to_vec();
    if let Err(reason) = may_set(kept.code.is_some(), kept.open_until, setter, now) {
        return Ok(Err(reason));
    }
    // Wrong tries before it stay counted: whoever guesses does not begin anew by it.
    let kept = Kept { code: Some(SetCode { mac, at: now, by: setter, order_id }), open_until: None, ..kept };
    sql::put(work.tx, person_id, &kept).await?;
    work.events.extend(feeds.tell_news(person_id, words::set(person_id, setter), now));
    feeds.write(work.tx).await?;
    work.tx.flush().await?;
    let content = format!("by={by} set_by={}", sql::word(setter));
    work.log.push(Entry { kind: "safety_code.set", subject: person_id.uuid(), content });
    Ok(Ok(Done::Set(now)))
}
