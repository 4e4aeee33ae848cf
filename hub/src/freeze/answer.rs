//! What banks say to orders, and which orders they are told next.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::freeze::{Freezing, HolderFreeze, Seen};
use domain::payment::{FrozenInstrument, Instrument};
use domain::{BankId, PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::store::StoreError;

use super::sql::{self, Bound, Kept, Signature};
use super::steps::Work;
use super::tell::Telling;
use super::words;
use crate::feed::Feeds;

/// Orders that are told of in one round.
const AT_ONCE: i64 = 200;
/// Who has claimed what banks are to be told has so long for it.
const CLAIMED_FOR: Duration = Duration::from_secs(10);
/// A bank that does not answer is asked again after 1 s, 2 s, 4 s … and then each minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What came of one order at its bank.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) instrument: Instrument,
    /// The number of the order that the bank was told.
    pub(super) number: i64,
    pub(super) left: Result<(HolderFreeze, Signature), Reason>,
}

/// What a bank has answered to orders of one person.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) person_id: PersonId,
    pub(super) bank_id: BankId,
    pub(super) answers: Vec<Answer>,
}

impl Answered {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let mut feeds = Feeds::load(work.tx, BTreeSet::from([self.person_id])).await?;
        let now = work.tx.now();
        let all = sql::of_person(work.tx, self.person_id).await?;
        let (mut settled, mut again) = (Vec::new(), Vec::new());
        for answer in &self.answers {
            let name = FrozenInstrument { bank_id: self.bank_id.clone(), instrument: answer.instrument };
            // What is bound no longer has nobody to be told.
            let Some(bound) = all.iter().find(|bound| bound.name == name) else { continue };
            let Some(kept) = &bound.kept else { continue };
            let (before, after) = (kept.freezing, answer.taken_into(kept.freezing));
            if before == after {
                continue;
            }
            let signature = answer.left.as_ref().ok().map(|(_, signature)| signature.clone());
            let kept =
                Kept { freezing: after, tries: 0, signature: signature.or(kept.signature.clone()), ..kept.clone() };
            let bound = Bound { kept: Some(kept), ..bound.clone() };
            work.log.push(entry(&bound, after));
            if after.is_to_be_told() {
                again.push(bound);
            } else {
                work.events.extend(feeds.tell_news(self.person_id, words::answered(&bound, after), now));
                settled.push(bound);
            }
        }
        sql::put(work.tx, self.person_id, &settled, None).await?;
        sql::put(work.tx, self.person_id, &again, Some(now)).await?;
        feeds.write(work.tx).await?;
        work.tx.flush().await
    }
}

impl Answer {
    fn taken_into(&self, freezing: Freezing) -> Freezing {
        match &self.left {
            Ok((left, _)) => freezing.confirmed(*left),
            Err(reason) => freezing.refused(self.number, *reason),
        }
    }
}

fn entry(bound: &Bound, after: Freezing) -> Entry {
    let (kind, said) = match (after.seen(), after.confirmed) {
        (Seen::Ended(reason), _) => ("freeze.refused", format!(" reason={}", reason.code())),
        (_, Some(left)) => {
            let HolderFreeze { order_number, frozen, effective_at } = left;
            ("freeze.confirmed", format!(" number={order_number} frozen={frozen} since={}", effective_at.micros()))
        }
        (_, None) => ("freeze.renewed", String::new()),
    };
    let content = format!("bank={} instrument={}{said}", bound.name.bank_id, bound.masked);
    Entry { kind, subject: bound.name.instrument.uuid(), content }
}

/// What a bank could not be told.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) bank_id: BankId,
    pub(super) instruments: Vec<Instrument>,
}

impl Missed {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<(), StoreError> {
        let now = work.tx.now();
        for instrument in &self.instruments {
            let Some(tries) = sql::tries(work.tx, &self.bank_id, *instrument).await? else { continue };
            let wait = Duration::from_secs(1_u64 << tries.clamp(0, 6)).min(LONGEST_WAIT);
            sql::tell_later(work.tx, &self.bank_id, *instrument, now.plus(wait)).await?;
        }
        Ok(())
    }
}

/// Takes what banks are to be told by now, so that no other replica tells them at the same time.
#[derive(Debug)]
pub(super) struct Claim;

impl Claim {
    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Vec<Telling>, StoreError> {
        let now = work.tx.now();
        sql::claim(work.tx, now, now.plus(CLAIMED_FOR), AT_ONCE).await
    }
}
