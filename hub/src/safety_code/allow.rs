//! Somebody's identity was checked: for a while the person may set a safety code (F1).

use domain::payment::Instrument;
use domain::text::Line;
use domain::{BankId, PersonId, Reason};
use server_kit::audit::Entry;
use server_kit::store::StoreError;
use uuid::Uuid;

use super::steps::{Done, Work};
use super::{sql, words};
use crate::feed::Feeds;

/// Who has checked, and of whom.
#[derive(Clone, Debug)]
pub(super) enum Checked {
    /// A bank, whoever holds this account or card at it.
    AtBank { bank_id: BankId, instrument: Instrument },
    /// An operator of the hub.
    ByOperator(PersonId),
}

/// An identity check.
#[derive(Debug)]
pub(super) struct Allow {
    /// Made by whoever has checked: the same one again opens nothing anew.
    pub(super) check_id: Uuid,
    pub(super) checked: Checked,
    /// Who it was, in the words of the bank or by the name in the operator's certificate.
    pub(super) by: Line,
    /// By what it was checked.
    pub(super) how: Line,
    /// Whether the person has also shown to hold the number.
    pub(super) holds_number: bool,
}

impl Allow {
    /// What it says, by which the same check again is known.
    fn content(&self) -> String {
        let of = match &self.checked {
            Checked::AtBank { bank_id, instrument } => {
                format!("bank={bank_id} {}={}", instrument.kind(), instrument.uuid())
            }
            Checked::ByOperator(person_id) => format!("operator person={person_id}"),
        };
        let number = if self.holds_number { " number=HELD" } else { "" };
        format!("{of} by={} how={}{number}", self.by, self.how)
    }

    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Done, Reason>, StoreError> {
        let person_id = match self.person(work).await? {
            Ok(person_id) => person_id,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut feeds = Feeds::load(work.tx, [person_id].into()).await?;
        let (now, content) = (work.tx.now(), self.content());
        match sql::find_check(work.tx, self.check_id).await? {
            None => {}
            Some((before, said, until)) if before == person_id && said == content => {
                return Ok(Ok(Done::Allowed(until)));
            }
            Some(_) => return Ok(Err(Reason::IdTaken)),
        }
        if self.holds_number && sql::has_no_number(work.tx, person_id).await? {
            return Ok(Err(Reason::NumberEnded));
        }
        let until = now.plus(work.policy.window);
        let mut kept = sql::load(work.tx, person_id).await?;
        kept.open_until = Some(until);
        sql::put(work.tx, person_id, &kept).await?;
        sql::insert_check(work.tx, self.check_id, person_id, &content, (until, now)).await?;
        let bank = match &self.checked {
            Checked::AtBank { bank_id, .. } => sql::bank(work.tx, bank_id).await?.map(|(name, _)| name),
            Checked::ByOperator(_) => None,
        };
        let news = words::allowed(self.check_id, bank.as_deref(), until, now);
        work.events.extend(feeds.tell_news(person_id, news, now));
        feeds.write(work.tx).await?;
        work.tx.flush().await?;
        if self.holds_number {
            sql::open_number(work.tx, person_id).await?;
        }
        let content = format!("check={} {content} until={}", self.check_id, until.micros());
        work.log.push(Entry { kind: "safety_code.allowed", subject: person_id.uuid(), content });
        Ok(Ok(Done::Allowed(until)))
    }

    /// Whom it is about. `Err` with `BankUnknown`, `BankSuspended`, `InstrumentUnknown` for what nobody has bound at this bank, or
    /// `PersonUnknown`.
    async fn person(&self, work: &mut Work<'_>) -> Result<Result<PersonId, Reason>, StoreError> {
        match &self.checked {
            Checked::AtBank { bank_id, instrument } => {
                match sql::bank(work.tx, bank_id).await? {
                    None => return Ok(Err(Reason::BankUnknown)),
                    Some((_, true)) => return Ok(Err(Reason::BankSuspended)),
                    Some(_) => {}
                }
                let holder = sql::holder(work.tx, bank_id, *instrument).await?;
                Ok(holder.map(|(person_id, _)| person_id).ok_or(Reason::InstrumentUnknown))
            }
            Checked::ByOperator(person_id) => {
                let is_there = sql::is_person(work.tx, *person_id).await?;
                Ok(if is_there { Ok(*person_id) } else { Err(Reason::PersonUnknown) })
            }
        }
    }
}
