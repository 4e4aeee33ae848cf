//! A bank asks: the inquiry is decided, recorded, told to the person and answered in one transaction.

use std::collections::BTreeMap;
use std::fmt;

use domain::bill::AccountKey;
use domain::credit_history::{
    Answer, Consent, Decision, Entry as HistoryEntry, Holder, Inquiry, InquiryRecord, Report, decide,
};
use domain::text::Line;
use domain::{BankId, ConsentId, InquiryId, PersonId, Reason, Timestamp};
use jiff::civil::Date;
use prost::Message as _;
use proto::federation as pb;
use server_kit::audit::Entry;
use server_kit::keystore::{KeyName, KeyStore};
use server_kit::store::StoreError;
use uuid::Uuid;

use super::sql::{self, AnswerRow, Head, StoredConsent};
use super::steps::Work;
use super::{bills, sha256, unusable, wire, words};
use crate::directory::open_name;
use crate::feed::Feeds;

/// Who stands in for whom nobody knows, so that the same queries are made.
const NOBODY: PersonId = PersonId::from_uuid(Uuid::nil());

/// An inquiry, where the number is known by its keyed hash only.
pub(super) struct Inquire {
    pub(super) id: InquiryId,
    pub(super) asked: Inquiry,
    pub(super) phone_hash: [u8; 32],
    pub(super) consent_id: ConsentId,
    /// Of all that was asked.
    pub(super) fingerprint: [u8; 32],
    /// The name sealed as that of [`NOBODY`], which is opened where there is no other.
    pub(super) name_sealed: Vec<u8>,
}

impl fmt::Debug for Inquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inquire").field("id", &self.id).field("bank_id", &self.asked.bank_id).finish_non_exhaustive()
    }
}

/// What the bank is told.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) told: Result<pb::CreditReport, Reason>,
    pub(super) at: Timestamp,
}

/// What was found for an inquiry; the same is looked for whoever is asked about.
struct Found {
    /// Nobody, if nobody has the number.
    person_id: PersonId,
    holder: Option<Holder>,
    consent: Option<StoredConsent>,
    head: Head,
    /// The answer that this inquiry got before.
    before: Option<AnswerRow>,
    billed: Vec<bills::Billed>,
    feed: Feeds,
}

impl Inquire {
    pub(super) fn seal_for_nobody(keys: &dyn KeyStore, name: &Line) -> Result<Vec<u8>, StoreError> {
        crate::directory::seal_name(keys, NOBODY, name).map_err(unusable)
    }

    pub(super) async fn apply(&self, work: &mut Work<'_>) -> Result<Result<Answered, Reason>, StoreError> {
        let bank = match sql::load_bank(work.tx, &self.asked.bank_id).await? {
            None => return Ok(Err(Reason::BankUnknown)),
            Some((_, true)) => return Ok(Err(Reason::BankSuspended)),
            Some((name, false)) => name,
        };
        let Found { person_id, holder, consent, head, before, billed, feed } = self.find(work).await?;
        if let Some(before) = before {
            let is_same = before.fingerprint == self.fingerprint;
            return if is_same { self.again(work.keys, &before).map(Ok) } else { Ok(Err(Reason::IdTaken)) };
        }
        let now = work.tx.now();
        let ended: BTreeMap<AccountKey, Date> =
            billed.iter().filter_map(|it| it.relation_ended_on.map(|on| (it.entry.key.account.clone(), on))).collect();
        let entries: Vec<HistoryEntry> = billed.into_iter().map(|it| it.entry).collect();
        let holders: Vec<Holder> = holder.into_iter().collect();
        let consents: Vec<Consent> = consent.iter().map(|stored| stored.consent.clone()).collect();
        let Decision { person_id: of, told } = decide(&self.asked, &holders, &consents, now);
        let told = told.and_then(|(used, grant)| {
            let today = crate::zone::day_of(now, work.zone)?;
            let report = Report::make(&grant, &entries, |account| ended.get(account).copied(), today)?;
            Ok((used, wire::report(&report)))
        });
        if let (Ok((used, _)), Some(stored)) = (&told, consent) {
            sql::update_consent(work.tx, &StoredConsent { consent: used.clone(), ..stored }).await?;
        }
        let told = told.map(|(_, report)| report);
        if of == Some(person_id) {
            self.record(work, person_id, head, told.as_ref().map(|_| ()).map_err(|reason| *reason)).await?;
            let told = told.as_ref().map(|_| ()).map_err(|reason| *reason);
            let news = words::inquiry(self.id.uuid(), &bank, self.asked.purpose, &self.asked.fields, told);
            work.tell(feed, person_id, news).await?;
        }
        self.store(work, &told, now).await?;
        self.log(work, of, told.as_ref().err().copied());
        Ok(Ok(Answered { told, at: now }))
    }

    /// Looks up everything, in the order in which every replica locks it.
    async fn find(&self, work: &mut Work<'_>) -> Result<Found, StoreError> {
        let row = sql::load_holder(work.tx, &self.phone_hash).await?;
        let (person_id, name_sealed) =
            row.as_ref().map_or((NOBODY, &self.name_sealed), |row| (row.person_id, &row.name_sealed));
        let name = open_name(work.keys, person_id, name_sealed).map_err(unreadable)?;
        let holder = row.map(|row| Holder { person_id, name, bound_from: row.registered_at, bound_until: None });
        Ok(Found {
            person_id,
            holder,
            consent: sql::load_consent(work.tx, work.keys, self.consent_id).await?,
            head: sql::load_head(work.tx, person_id).await?,
            before: sql::load_answer(work.tx, self.id, &self.asked.bank_id).await?,
            billed: bills::load(work.tx, person_id).await?,
            feed: work.feed(person_id).await?,
        })
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
        let record = InquiryRecord {
            person_id,
            number,
            at: work.tx.now(),
            bank_id: self.asked.bank_id.clone(),
            purpose: self.asked.purpose,
            fields: self.asked.fields.clone(),
            answer: told.map_or_else(Answer::Refused, |()| Answer::Report),
            previous: head.last_hash,
        };
        let hash = sha256(record.to_string().as_bytes());
        sql::append(work.tx, head, self.id, &record, hash).await
    }

    async fn store(
        &self,
        work: &mut Work<'_>,
        told: &Result<pb::CreditReport, Reason>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (answer, report) = match told {
            Ok(report) => {
                let sealed = work.keys.seal(KeyName::SealedPayload, &self.context(), &report.encode_to_vec());
                (Answer::Report, Some(sealed.map_err(unusable)?))
            }
            Err(reason) => (Answer::Refused(*reason), None),
        };
        let row = AnswerRow { fingerprint: self.fingerprint, answered_at: at, answer, report };
        sql::insert_answer(work.tx, self.id, &self.asked.bank_id, &row).await
    }

    /// The answer that was given before.
    fn again(&self, keys: &dyn KeyStore, before: &AnswerRow) -> Result<Answered, StoreError> {
        let told = match (before.answer, &before.report) {
            (Answer::Refused(reason), _) => Err(reason),
            (Answer::Report, Some(sealed)) => {
                let bytes = keys.open(KeyName::SealedPayload, &self.context(), sealed).map_err(unusable)?;
                Ok(pb::CreditReport::decode(&*bytes).map_err(unreadable)?)
            }
            (Answer::Report, None) => return Err(unreadable("an answer without its report")),
        };
        Ok(Answered { told, at: before.answered_at })
    }

    fn log(&self, work: &mut Work<'_>, of: Option<PersonId>, refusal: Option<Reason>) {
        let Inquiry { bank_id, purpose, fields, .. } = &self.asked;
        let (purpose, answer) = (purpose.as_str(), refusal.map_or("REPORT", Reason::code));
        let content = format!(
            "inquiry={} bank={bank_id} purpose={purpose} fields={fields} consent={} answer={answer}",
            self.id, self.consent_id
        );
        let subject = of.map_or_else(Uuid::nil, PersonId::uuid);
        work.log.push(Entry { kind: "history.inquired", subject, content });
    }

    fn context(&self) -> Vec<u8> {
        context(self.id, &self.asked.bank_id)
    }
}

fn context(id: InquiryId, bank_id: &BankId) -> Vec<u8> {
    [b"inquiry_answers.report\n".as_slice(), id.uuid().as_bytes(), bank_id.as_str().as_bytes()].concat()
}

fn unreadable(error: impl fmt::Display) -> StoreError {
    StoreError::Refused(format!("what was sealed cannot be read: {error}"))
}
