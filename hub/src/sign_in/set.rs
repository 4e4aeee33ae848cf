//! The account password is set from the app: by the phone's signature and the transaction password.

use std::collections::BTreeSet;
use std::fmt;

use domain::sign_in::{SetForm, SignInGuard};
use domain::{DeviceId, OrderId, PersonId, Reason, Timestamp, TransactionPassword};
use proto::cardholder as pb;
use server_kit::audit::Entry;
use server_kit::store::StoreError;

use super::sql::{self, Kept};
use super::steps::{Done, Step, Work};
use super::{SignIns, machinery, words};
use crate::directory::open_phone;
use crate::feed::Feeds;
use crate::signed::{SignedAs, SignedText};
use crate::transaction_password;

/// Longer than a text with the longest password.
const LONGEST_TEXT_BYTES: usize = 512;

impl SignIns {
    /// Sets what a phone has signed. `Err` with what the form, the password or the transaction password is refused for.
    pub(crate) async fn set_password(
        &self,
        person_id: PersonId,
        device_id: DeviceId,
        request: pb::SetAccountPasswordRequest,
    ) -> Result<(), Reason> {
        if request.text.len() > LONGEST_TEXT_BYTES {
            return Err(Reason::AccountPasswordMalformed);
        }
        let password = TransactionPassword::parse(&request.transaction_password)?;
        let form = SetForm::parse(&request.text, self.clock.now())?;
        let sealed = sql::read_phone(&self.store, person_id).await.map_err(|error| machinery(&error))?;
        let sealed = sealed.ok_or(Reason::DeviceRefused)?;
        let phone = open_phone(&*self.keys, person_id, &sealed).map_err(|error| machinery(&error))?;
        form.password.may_be_chosen(&phone)?;
        let signed = SignedText { person_id, device_id, text: request.text, signature: request.signature };
        let kept = sql::read_kept(&self.store, person_id).await.map_err(|error| machinery(&error))?;
        if let Some(kept) = kept.filter(|kept| kept.order_id == form.order_id) {
            // The same order again changes nothing, and must be the same.
            let same = self.hasher.verify(form.password, Some(&kept.hash)).await?;
            return if same && kept.signed_at == form.signed_at { Ok(()) } else { Err(Reason::IdTaken) };
        }
        let hash = self.hasher.hash(form.password).await?;
        let (order_id, signed_at) = (form.order_id, form.signed_at);
        self.step(Step::Set(SetPassword { signed, password, hash, order_id, signed_at })).await.map(|_| ())
    }
}

pub(super) struct SetPassword {
    signed: SignedText,
    password: TransactionPassword,
    hash: String,
    order_id: OrderId,
    signed_at: Timestamp,
}

impl fmt::Debug for SetPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetPassword").field("order_id", &self.order_id).finish_non_exhaustive()
    }
}

impl SetPassword {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let person_id = self.signed.person_id;
        // The person's row is locked first and for all that follows, so that steps of one person come one after the other.
        Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
        if let Err(reason) = self.signed.verify(work.tx, SignedAs::AccountPassword).await? {
            return Ok(Err(reason));
        }
        let before = sql::load_kept(work.tx, person_id).await?;
        match &before {
            // Only this order has this hash: whoever stored it was this step.
            Some(kept) if kept.hash == self.hash => return Ok(Ok(Done::Noted)),
            Some(kept) if kept.order_id == self.order_id => return Ok(Err(Reason::IdTaken)),
            Some(kept) if kept.signed_at >= self.signed_at => return Ok(Err(Reason::TimeOutOfRange)),
            _ => {}
        }
        if let Err(reason) = self.prove(work).await? {
            return Ok(Err(reason));
        }
        let kept = Kept {
            person_id,
            version: before.as_ref().map_or(1, |kept| kept.version + 1),
            hash: self.hash.clone(),
            order_id: self.order_id,
            signed_at: self.signed_at,
            // Whoever has the phone need not wait; how many codes went out stays.
            guard: SignInGuard {
                codes_sent: before.map(|kept| kept.guard.codes_sent).unwrap_or_default(),
                ..Default::default()
            },
        };
        sql::put_kept(work.tx, &kept).await?;
        sql::delete_sessions(work.tx, person_id).await?;
        // Counting tries has moved the row of the feed on.
        let mut feeds = Feeds::load(work.tx, BTreeSet::from([person_id])).await?;
        work.events.extend(feeds.tell_news(person_id, words::password_set(self.order_id.uuid()), work.tx.now()));
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        work.log.push(self.entry("ACCOUNT_PASSWORD_SET", String::new()));
        Ok(Ok(Done::Noted))
    }

    /// Compares the transaction password; a wrong one counts as one at a terminal, and is stored. `Err` inside with `AttemptsExhausted`
    /// or `VerificationFailed`.
    async fn prove(&self, work: &mut Work<'_>) -> Result<Result<(), Reason>, StoreError> {
        let by = (work.keys, work.payments);
        let proved = transaction_password::prove(work.tx, by, self.signed.person_id, &self.password).await?;
        let Err(not_proved) = proved else { return Ok(Ok(())) };
        let refused = |tries| self.entry("ACCOUNT_PASSWORD_REFUSED", format!(" wrong_tries={tries}"));
        work.log.extend(not_proved.wrong_tries.map(refused));
        Ok(Err(not_proved.reason))
    }

    fn entry(&self, kind: &'static str, more: String) -> Entry {
        let content = format!("order={} device={}{more}", self.order_id, self.signed.device_id);
        Entry { kind, subject: self.signed.person_id.uuid(), content }
    }
}
