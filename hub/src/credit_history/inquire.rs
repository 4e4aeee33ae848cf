//! Somebody asks: the inquiry is decided, recorded, told to the person and answered in one transaction.

use std::collections::BTreeMap;
use std::fmt;

use domain::bill::AccountKey;
use domain::credit_history::{
    Answer, Asker, Consent, Decision, Entry as HistoryEntry, Grant, Holder, Inquiry, InquiryRecord, Question, Report,
    Subject, decide, decide_of,
};
use domain::habit::Row as HabitRow;
use domain::text::Line;
use domain::{ConsentId, InquiryId, PersonId, Reason, Timestamp};
use jiff::civil::Date;
use server_kit::audit::Entry;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::consent::{entry_of, id_of};
use super::habits::{self, Given};
use super::sql::{self, AnswerRow, Head, StoredConsent};
use super::steps::Work;
use super::told::Told;
use super::{bills, sha256, unusable, wire, words};
use crate::directory::open_name;
use crate::feed::Feeds;

/// Who stands in for whom nobody knows, so that the same queries are made.
const NOBODY: PersonId = PersonId::from_uuid(Uuid::nil());

/// About whom it is asked.
pub(super) enum About {
    /// Whoever has this name and number; the number is known by its keyed hashes only.
    Holder {
        name: Line,
        phone_hashes: [[u8; 32]; 2],
        /// The name sealed as that of [`NOBODY`], which is opened where there is no other.
        name_sealed: Vec<u8>,
    },
    /// This person.
    Person(PersonId),
}

/// An inquiry.
pub(super) struct Inquire {
    pub(super) id: InquiryId,
    pub(super) question: Question,
    pub(super) about: About,
    pub(super) consent_id: ConsentId,
    /// Of all that was asked.
    pub(super) fingerprint: [u8; 32],
}

impl fmt::Debug for Inquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquire").field("id", &self.id).field("asker", &self.question.asker).finish_non_exhaustive()
    }
}

/// What the asker is told.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) told: Result<Told, Reason>,
    pub(super) at: Timestamp,
}

/// What an answer is made of.
enum Material {
    Bills(Vec<bills::Billed>),
    Habits {
        rows: Vec<HabitRow>,
        given: Given,
    },
    /// The end of the person's feed.
    Feed(i64),
}

/// What was found for an inquiry; the same is looked for whoever is asked about.
struct Found {
    /// Nobody, if nobody was found.
    person_id: PersonId,
    holder: Option<Holder>,
    consent: Option<StoredConsent>,
    head: Head,
    /// The answer that this inquiry got before.
    before: Option<AnswerRow>,
    material: Material,
    feed: Feeds,
}

impl Inquire {
    pub(super) fn seal_for_nobody(keys: &dyn KeyStore, name: &Line) -> Result<Vec<u8>, StoreError> {
        crate::directory::seal_name(keys, NOBODY, name).map_err(unusable)
    }

    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Answered, Reason>, StoreError> {
        let asker = match self.asker(work).await? {
            Ok(asker) => asker,
            Err(reason) => return Ok(Err(reason)),
        };
        let Found { person_id, holder, consent, head, before, material, feed } = self.find(work).await?;
        let now = work.tx.now();
        let consents: Vec<Consent> = consent.iter().map(|stored| stored.consent.clone()).collect();
        let Decision { person_id: of, told } = self.decide(holder, &consents, now);
        if let Some(before) = before {
            return self.again(work.keys, &before, told.map(|_| ()));
        }
        let told = match told {
            Ok((used, grant)) => self.make(work, person_id, &grant, material).await?.map(|told| (Some(used), told)),
            Err(reason) => Err(reason),
        };
        if let (Ok((Some(used), _)), Some(stored)) = (&told, consent)
            && *used != stored.consent
        {
            sql::update_consent(work.tx, &StoredConsent { consent: used.clone(), ..stored }).await?;
        }
        let told = told.map(|(_, told)| told);
        if of == Some(person_id) {
            let plain = || told.as_ref().map(|_| ()).map_err(|reason| *reason);
            self.record(work, person_id, head, plain()).await?;
            work.tell(feed, person_id, words::inquiry(self.id.uuid(), &asker, &self.question, plain())).await?;
        }
        self.store(work, &told, now).await?;
        self.log(work, of, told.as_ref().err().copied());
        Ok(Ok(Answered { told, at: now }))
    }

    /// What people call who asks. A bank has to be known here.
    async fn asker(&self, work: &mut Work<'_>) -> Result<Result<Line, Reason>, StoreError> {
        let Asker::Bank(bank_id) = &self.question.asker else { return id_of(&self.question.asker).map(Ok) };
        Ok(match sql::load_bank(work.tx, bank_id).await? {
            None => Err(Reason::BankUnknown),
            Some((_, true)) => Err(Reason::BankSuspended),
            Some((name, false)) => Ok(name),
        })
    }

    fn decide(&self, holder: Option<Holder>, consents: &[Consent], now: Timestamp) -> Decision {
        match &self.about {
            About::Holder { name, .. } => {
                let inquiry = Inquiry { question: self.question.clone(), name: name.clone() };
                let holders: Vec<Holder> = holder.into_iter().collect();
                decide(&inquiry, &holders, consents, now)
            }
            About::Person(_) => decide_of(&self.question, holder.map(|holder| holder.person_id), consents, now),
        }
    }

    /// Looks up everything, in the order in which every replica locks it.
    async fn find(&self, work: &mut Work<'_>) -> Result<Found, StoreError> {
        let (person_id, holder) = match &self.about {
            About::Holder { phone_hashes, name_sealed, .. } => {
                let row = sql::load_holder(work.tx, phone_hashes).await?;
                let (person_id, name_sealed) =
                    row.as_ref().map_or((NOBODY, name_sealed), |row| (row.person_id, &row.name_sealed));
                let name = open_name(work.keys, person_id, name_sealed).map_err(unreadable)?;
                let holder =
                    row.map(|row| Holder { person_id, name, bound_from: row.registered_at, bound_until: None });
                (person_id, holder)
            }
            About::Person(person_id) if sql::is_person(work.tx, *person_id).await? => {
                let name = id_of(&self.question.asker)?;
                let bound_from = work.tx.now();
                (*person_id, Some(Holder { person_id: *person_id, name, bound_from, bound_until: None }))
            }
            About::Person(_) => (NOBODY, None),
        };
        Ok(Found {
            person_id,
            holder,
            consent: sql::load_consent(work.tx, work.keys, self.consent_id).await?,
            head: sql::load_head(work.tx, person_id).await?,
            before: sql::load_answer(work.tx, self.id, &self.question.asker).await?,
            material: self.material(work, person_id).await?,
            feed: work.feed(person_id).await?,
        })
    }

    async fn material(&self, work: &mut Work<'_>, person_id: PersonId) -> Result<Material, StoreError> {
        Ok(match self.question.fields.subject() {
            Some(Subject::Habits) => Material::Habits {
                rows: crate::habits::load_rows(work.tx, person_id).await?,
                given: Given::load(work, person_id).await?,
            },
            Some(Subject::Records) => Material::Feed(sql::last_sequence(work.tx, person_id).await?),
            Some(Subject::History) | None => Material::Bills(bills::load(work.tx, person_id).await?),
        })
    }

    /// What is told under a grant.
    async fn make(
        &self,
        work: &mut Work<'_>,
        person_id: PersonId,
        grant: &Grant,
        material: Material,
    ) -> Result<Result<Told, Reason>, StoreError> {
        match material {
            Material::Bills(billed) => {
                let ended = |it: &bills::Billed| Some((it.entry.key.account.clone(), it.relation_ended_on?));
                let ended: BTreeMap<AccountKey, Date> = billed.iter().filter_map(ended).collect();
                let entries: Vec<HistoryEntry> = billed.into_iter().map(|it| it.entry).collect();
                let today = crate::zone::day_of(work.tx.now(), work.zone);
                let ended_on = |account: &AccountKey| ended.get(account).copied();
                let report = today.and_then(|today| Report::make(grant, &entries, ended_on, today));
                Ok(report.map(|report| Told::History(wire::report(&report))))
            }
            Material::Habits { rows, given } => {
                Ok(habits::totals(work, person_id, &rows, given).await?.map(Told::Habits))
            }
            Material::Feed(last_sequence) => Ok(Ok(Told::Records { through_sequence: last_sequence })),
        }
    }

    /// Adds the inquiry to the log of the person whom it is about.
    async fn record(
        &self,
        work: &mut Work<'_>,
        person_id: PersonId,
        head: Head,
        told: Result<(), Reason>,
    ) -> Result<(), StoreError> {
        let number = u64::try_from(head.last_number).unwrap_or_default().saturating_add(1);
        let Question { asker, purpose, fields } = self.question.clone();
        let record = InquiryRecord {
            person_id,
            number,
            at: work.tx.now(),
            asker,
            purpose,
            fields,
            answer: told.map_or_else(Answer::Refused, |()| Answer::Report),
            previous: head.last_hash,
        };
        let hash = sha256(record.to_string().as_bytes());
        sql::append(work.tx, head, self.id, &record, hash).await
    }

    async fn store(&self, work: &mut Work<'_>, told: &Result<Told, Reason>, at: Timestamp) -> Result<(), StoreError> {
        let (answer, report) = match told {
            Ok(told) => {
                let sealed = work.keys.seal(KeyName::SealedPayload, &self.context(), &told.encode());
                (Answer::Report, Some(sealed.map_err(unusable)?))
            }
            Err(reason) => (Answer::Refused(*reason), None),
        };
        let row = AnswerRow { fingerprint: self.fingerprint, answered_at: at, answer, report };
        sql::insert_answer(work.tx, self.id, &self.question.asker, &row).await
    }

    /// The answer that was given before. What is read of records is read anew for each page, so that the consent has still to
    /// allow it; all else is told as it was.
    fn again(
        &self,
        keys: &dyn KeyStore,
        before: &AnswerRow,
        allowed: Result<(), Reason>,
    ) -> Result<Result<Answered, Reason>, StoreError> {
        if before.fingerprint != self.fingerprint {
            return Ok(Err(Reason::IdTaken));
        }
        let told = match (before.answer, &before.report) {
            (Answer::Refused(reason), _) => Err(reason),
            (Answer::Report, Some(sealed)) => {
                let bytes = keys.open(KeyName::SealedPayload, &self.context(), sealed).map_err(unusable)?;
                let subject = self.question.fields.subject().unwrap_or(Subject::History);
                let told = Told::decode(subject, &bytes).map_err(unreadable)?;
                if told.is_read_anew() { allowed.map(|()| told) } else { Ok(told) }
            }
            (Answer::Report, None) => return Err(unreadable("an answer without its report")),
        };
        Ok(Ok(Answered { told, at: before.answered_at }))
    }

    fn log(&self, work: &mut Work<'_>, of: Option<PersonId>, refusal: Option<Reason>) {
        let Question { asker, purpose, fields } = &self.question;
        let (purpose, answer) = (purpose.as_str(), refusal.map_or("REPORT", Reason::code));
        let content = format!(
            "inquiry={} {} purpose={purpose} fields={fields} consent={} answer={answer}",
            self.id,
            entry_of(asker),
            self.consent_id
        );
        let subject = of.map_or_else(Uuid::nil, PersonId::uuid);
        work.log.push(Entry { kind: "history.inquired", subject, content });
    }

    fn context(&self) -> Vec<u8> {
        [b"inquiry_answers.report\n".as_slice(), self.id.uuid().as_bytes(), self.question.asker.key().as_bytes()]
            .concat()
    }
}

fn unreadable(error: impl fmt::Display) -> StoreError {
    StoreError::Refused(format!("what was sealed cannot be read: {error}"))
}
