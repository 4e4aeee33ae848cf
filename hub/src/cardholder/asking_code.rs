//! AskEnrolmentCode: the code that enrols a phone goes by SMS to the number that was said (ADR 41).
//!
//! Whoever asks is answered before it is looked up whose number it is; what follows is written by a task for which nobody waits. A request that
//! is lost with the process is made again.

use std::fmt;

use domain::enrolment::Policy;
use domain::notice::{Field, NoticeKind, Variables};
use server_kit::audit::Entry;
use server_kit::keystore::KeyStore;
use server_kit::store::{GroupWriter, StoreError, Tx};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::sql;
use super::steps::{Done, Phones, Step};
use crate::directory::join::holder;
use crate::directory::sms_code_mac;
use crate::freeze::load_guard;
use crate::notify::{Notice, Notices};

/// Requests that may wait; more are refused, whoever's number they say.
const QUEUE: usize = 1_024;

/// A code that may go out.
pub(super) struct AskedCode {
    pub(super) id: Uuid,
    pub(super) phone_hashes: [[u8; 32]; 2],
    pub(super) code: Zeroizing<String>,
}

impl fmt::Debug for AskedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskedCode").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The door to the task, which ends when the last one is closed and what has queued is written.
pub(super) fn start(writer: GroupWriter<Phones>) -> (mpsc::Sender<AskedCode>, JoinHandle<()>) {
    let (queue, mut asked) = mpsc::channel(QUEUE);
    let task = tokio::spawn(async move {
        while let Some(next) = asked.recv().await {
            if let Err(error) = writer.write(Step::AskCode(next)).await {
                tracing::warn!(%error, "an enrolment code could not be sent");
            }
        }
    });
    (queue, task)
}

impl AskedCode {
    /// Makes the code of a person who has the number, and queues its SMS, in one transaction. The same again finds that one was sent just
    /// so, and sends none.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        log: &mut Vec<Entry>,
        (keys, policy, notices): (&dyn KeyStore, &Policy, &Notices),
    ) -> Result<Done, StoreError> {
        let Some(person_id) = holder(tx, &self.phone_hashes).await? else { return Ok(Done::Asked) };
        // The person's row is locked first, as in every step that has one.
        let Some((payer, _)) = load_guard(tx, person_id).await? else { return Ok(Done::Asked) };
        let mut stored = sql::load_codes_by_sms(tx, person_id).await?;
        let now = tx.now();
        let Some(sent) = stored.codes.send(&payer, now, policy) else { return Ok(Done::Asked) };
        let mac = sms_code_mac(keys, person_id, sent.number_epoch, &self.code)
            .map_err(|error| StoreError::Refused(format!("a key cannot be used: {error}")))?;
        stored.mac = Some(mac.to_vec());
        stored.version += 1;
        sql::put_codes_by_sms(tx, person_id, &stored).await?;
        let said = Variables::new().with_text(Field::Code, &self.code).with_time(Field::Until, sent.expires_at);
        let key = format!("enrolment/{}", self.id.simple());
        let notice = Notice { person_id, kind: NoticeKind::Enrolment, key, occurred_at: now, variables: said };
        notices.queue(tx, &[notice]).await?;
        let content = format!("by=sms attempts={}", sent.attempts_left);
        log.push(Entry { kind: "ENROLMENT_CODE_SENT", subject: person_id.uuid(), content });
        Ok(Done::Asked)
    }
}
