//! Totals of a person's habits for a bank, under a consent (R5): `domain::habit::consented_totals` of the weeks that are over.
//!
//! What is given of a span of weeks is kept and given again until the next span, to all banks, so that a refund of an older purchase
//! does not show as the difference of two answers.

use std::time::Duration;

use domain::credit_history::{Asker, Field, Fields, Question};
use domain::habit::{Consented, Row as HabitRow, Slice, consented_totals, weeks_given};
use domain::text::Line;
use domain::{BankId, ConsentId, InquiryId, Money, PersonId, PhoneNumber, Reason, Timestamp};
use jiff::civil::Date;
use prost::Message as _;
use proto::{common, federation as pb};
use server_kit::keystore::KeyName;
use server_kit::store::{StoreError, Table, Tx};

use super::inquire::{About, Inquire};
use super::steps::{Done, Work};
use super::told::Told;
use super::{CreditHistory, sql, unusable, wire};
use crate::directory::phone_hashes;

const GIVEN: Table = Table {
    name: "given_habits",
    key: &["person_id", "first_day"],
    columns: &["person_id", "first_day", "given_at", "totals_sealed"],
};

/// What is kept longer is of no use: the weeks have changed by then.
pub(super) const KEPT: Duration = Duration::from_hours(14 * 24);

/// The weeks that are given today, and what was given of them before.
pub(super) struct Given {
    weeks: Result<(Date, Date), Reason>,
    before: Option<common::HabitTotals>,
}

impl Given {
    pub(super) async fn load(work: &mut Work<'_>, person_id: PersonId) -> Result<Self, StoreError> {
        let weeks = crate::zone::day_of(work.tx.now(), work.zone).map(weeks_given);
        let first_day = weeks.map(|(first, _)| first.to_string()).unwrap_or_default();
        let sql = "SELECT totals_sealed FROM given_habits WHERE person_id = $1 AND first_day = $2";
        let rows = work.tx.fetch(sql, vec![person_id.uuid().into(), first_day.as_str().into()]).await?;
        let before = match rows.first() {
            None => None,
            Some(row) => {
                let opened = work.keys.open(KeyName::SealedPayload, &context(person_id, &first_day), &row.bytes(0)?);
                let totals = common::HabitTotals::decode(&*opened.map_err(unusable)?);
                Some(totals.map_err(|error| StoreError::Refused(format!("totals cannot be read: {error}")))?)
            }
        };
        Ok(Self { weeks, before })
    }
}

fn context(person_id: PersonId, first_day: &str) -> Vec<u8> {
    [b"given_habits.totals\n".as_slice(), person_id.uuid().as_bytes(), first_day.as_bytes()].concat()
}

/// What is given, which is what was given before where there is such.
pub(super) async fn totals(
    work: &mut Work<'_>,
    person_id: PersonId,
    rows: &[HabitRow],
    given: Given,
) -> Result<Result<common::HabitTotals, Reason>, StoreError> {
    let (first, last) = match (given.before, given.weeks) {
        (Some(before), _) => return Ok(Ok(before)),
        (None, Err(reason)) => return Ok(Err(reason)),
        (None, Ok(weeks)) => weeks,
    };
    let today = crate::zone::day_of(work.tx.now(), work.zone);
    let made = match today.and_then(|today| consented_totals(rows, today, work.habits_floor)) {
        Ok(made) => made,
        Err(reason) => return Ok(Err(reason)),
    };
    let (from_day, through_day) = (first.to_string(), last.to_string());
    let totals = common::HabitTotals { from_day, through_day, totals: made.iter().map(total).collect() };
    let sealed = work.keys.seal(KeyName::SealedPayload, &context(person_id, &totals.from_day), &totals.encode_to_vec());
    let row = vec![
        person_id.uuid().into(),
        totals.from_day.as_str().into(),
        work.tx.now().into(),
        sealed.map_err(unusable)?.into(),
    ];
    work.tx.insert(&GIVEN, vec![row]).await?;
    Ok(Ok(totals))
}

/// Deletes some of what was given before this moment, and says how many.
pub(super) async fn delete_given(tx: &mut Tx, before: Timestamp, most: i64) -> Result<i64, StoreError> {
    let sql = "DELETE FROM given_habits WHERE (person_id, first_day) IN \
               (SELECT person_id, first_day FROM given_habits WHERE given_at < $1 LIMIT $2)";
    let deleted = tx.execute(sql, vec![before.into(), most.into()]).await?;
    Ok(i64::try_from(deleted).unwrap_or(i64::MAX))
}

fn total(total: &Consented) -> common::HabitTotal {
    common::HabitTotal {
        slice: slice(total.slice),
        count_at_least: total.count_at_least,
        sum_about: Some(proto::to_money(Money::new(total.currency, total.sum_about_minor))),
    }
}

fn slice(slice: Slice) -> String {
    match slice {
        Slice::Group(group) => format!("group:{}", group.as_str()),
        Slice::OtherGroups => "group:others".to_owned(),
        Slice::Weekday(weekday) => format!("weekday:{}", weekday.as_str()),
        Slice::OtherWeekdays => "weekday:others".to_owned(),
        Slice::HourBand(band) => format!("hours:{}", band.as_str()),
        Slice::OtherHours => "hours:others".to_owned(),
    }
}

/// What a bank asks, as it was read.
struct Asked {
    id: InquiryId,
    question: Question,
    name: Line,
    phone: PhoneNumber,
    consent_id: ConsentId,
}

impl Asked {
    fn read(bank_id: BankId, request: &pb::InquireHabitsRequest) -> Result<Self, Reason> {
        let purpose = wire::purpose(request.purpose)?;
        let fields = Fields::new([Field::Habits])?;
        Ok(Self {
            id: InquiryId::parse(&request.inquiry_id)?,
            question: Question { asker: Asker::Bank(bank_id), purpose, fields },
            name: Line::parse(&request.name)?,
            phone: PhoneNumber::parse(&request.phone_number)?,
            consent_id: ConsentId::parse(&request.consent_id)?,
        })
    }
}

impl CreditHistory {
    /// Answers a bank's inquiry about habits.
    pub async fn inquire_habits(
        &self,
        bank_id: BankId,
        request: &pb::InquireHabitsRequest,
    ) -> Result<Result<pb::InquireHabitsResponse, Reason>, StoreError> {
        let asked = match Asked::read(bank_id.clone(), request) {
            Ok(asked) => asked,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Err(reason) = self.may_ask(&asked.question.asker) {
            return Ok(Err(reason));
        }
        let (parts, consent) = (&self.parts, asked.consent_id);
        let keys = &*parts.keys;
        // Only of somebody who has given this bank a consent, so that how long it takes says nothing to a bank that has none.
        let giver = sql::read_giver(&parts.store, keys, consent, &asked.question.asker).await?;
        if let Some(giver) = giver
            && let Err(reason) = parts.habits.catch_up(giver).await?
        {
            return Ok(Err(reason));
        }
        let consent_uuid = consent.uuid();
        let about: [&[u8]; 5] = [
            b"InquireHabits",
            asked.name.as_str().as_bytes(),
            asked.phone.as_e164().as_bytes(),
            asked.question.purpose.as_str().as_bytes(),
            consent_uuid.as_bytes(),
        ];
        let inquire = Inquire {
            id: asked.id,
            fingerprint: keys.mac(KeyName::RequestFingerprint, &about).map_err(unusable)?,
            about: About::Holder {
                phone_hashes: phone_hashes(keys, &asked.phone).map_err(unusable)?,
                name_sealed: Inquire::seal_for_nobody(keys, &asked.name)?,
                name: asked.name,
            },
            question: asked.question,
            consent_id: consent,
        };
        let outcome = match self.paid_inquiry(&bank_id, inquire).await? {
            Ok(outcome) => outcome,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(match outcome.done {
            Ok(Done::Answered(answered)) => match answered.told {
                Ok(Told::Habits(habits)) => Ok(pb::InquireHabitsResponse {
                    habits: Some(habits),
                    answered_at: Some(proto::to_timestamp(answered.at)),
                }),
                Ok(_) => Err(Reason::Fault),
                Err(reason) => Err(reason),
            },
            Ok(_) => Err(Reason::Fault),
            Err(reason) => Err(reason),
        })
    }
}
