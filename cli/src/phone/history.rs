//! `bankhub phone consents`, `inquiries` and `credit-history`: who may learn of a person's bills, who has asked, and what is on record.

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::credit_history::{
    Asker, ConsentForm, Digest, Field, Fields, InquiryRecord, NOTHING_BEFORE, Purpose, check_chain,
};
use domain::{BankId, ConsentId};
use proto::cardholder as pb;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::show::{money, money_value, time};
use super::{Phone, PhoneError, PhoneFolder};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// The most consents, inquiries and bills that are asked for at once.
const PAGE: i32 = 100;
pub(super) const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Debug, Subcommand)]
pub enum ConsentsCommand {
    /// Sign that a bank may be told of the person's credit history once, for one purpose. Prints what is signed.
    Give(GiveArgs),
    /// List the consents with where each stands, the last one first.
    List,
    /// Take a consent back: from then on no inquiry is answered under it.
    Revoke {
        /// The consent.
        #[arg(value_parser = typed::consent_id)]
        id: ConsentId,
    },
}

#[derive(Clone, Debug, Args)]
pub struct GiveArgs {
    /// The bank that may be told.
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    /// What for: card-application, loan-application, limit-change or review.
    #[arg(long, value_parser = typed::purpose)]
    pub purpose: Purpose,
    /// What it may be told: summary, open-bills, arrears, good-record; all of them without it.
    #[arg(long, value_delimiter = ',', value_parser = typed::report_field)]
    pub fields: Vec<Field>,
    /// For how many days it is good.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=89))]
    pub days: u32,
}

/// What a person agrees to.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub asker: Asker,
    pub purpose: Purpose,
    pub fields: Fields,
    /// From this moment on, rounded to whole seconds.
    pub lasts: Duration,
}

/// The log of inquiries about a person, and whether it is whole.
#[derive(Clone, Debug)]
pub struct InquiryLog {
    /// In order, each with the bank's id of it.
    pub inquiries: Vec<(InquiryRecord, String)>,
    /// The hash of the last; with the place of the first that does not belong there, from 1, where there is one.
    pub verified: Result<Digest, u64>,
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = NOTHING_BEFORE;
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

impl InquiryLog {
    /// What the hub tells, held against itself: every record by the hash of the one before, and the end by what the hub says
    /// that it is.
    fn read(told: &[pb::Inquiry], last_number: i64, last_hash: &[u8]) -> Result<Self, PhoneError> {
        let mut inquiries = Vec::with_capacity(told.len());
        for inquiry in told {
            let record = InquiryRecord::parse(&inquiry.record).map_err(|_| PhoneError::Unreadable("an inquiry"))?;
            inquiries.push((record, inquiry.inquiry_id.clone()));
        }
        let records: Vec<InquiryRecord> = inquiries.iter().map(|(record, _)| record.clone()).collect();
        let end = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let chain = match records.first() {
            Some(first) => check_chain(first.person_id, &records, sha256),
            None => Ok(NOTHING_BEFORE),
        };
        let is_end = |hash: &Digest| hash[..] == *last_hash && i64::try_from(end) == Ok(last_number);
        let verified = chain.and_then(|hash| if is_end(&hash) { Ok(hash) } else { Err(end.saturating_add(1)) });
        Ok(Self { inquiries, verified })
    }

    /// Whether what this phone saw at the end of the log before is still there.
    fn goes_on_from(&self, (number, hash): (usize, Digest)) -> bool {
        match number.checked_sub(1) {
            None => true,
            Some(place) => {
                self.inquiries.get(place).is_some_and(|(record, _)| sha256(record.to_string().as_bytes()) == hash)
            }
        }
    }
}

impl Phone {
    /// Signs a consent, and gives it as the hub has stored it.
    pub async fn give_consent(&self, agreed: Agreed) -> Result<pb::Consent, PhoneError> {
        let Agreed { asker, purpose, fields, lasts } = agreed;
        Ok(self.sdk.give_consent_now(asker, purpose, fields, lasts).await?)
    }

    /// The same, and gives its id.
    pub async fn allow(&self, agreed: Agreed) -> Result<ConsentId, PhoneError> {
        let consent = self.give_consent(agreed).await?;
        ConsentId::parse(&consent.consent_id).map_err(|_| PhoneError::Unreadable("the consent"))
    }

    pub async fn revoke_consent(&self, id: ConsentId) -> Result<pb::Consent, PhoneError> {
        let request = pb::RevokeConsentRequest { consent_id: id.to_string() };
        let call = self.in_session(request, |mut hub, request| async move { hub.revoke_consent(request).await });
        call.await?.consent.ok_or(PhoneError::Unreadable("the consent"))
    }

    /// All consents, the last one first.
    pub async fn consents(&self) -> Result<Vec<pb::Consent>, PhoneError> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListConsentsRequest { page_size: PAGE, page_token };
            let call = self.in_session(request, |mut hub, request| async move { hub.list_consents(request).await });
            let page = call.await?;
            all.extend(page.consents);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// The whole log of inquiries, verified.
    pub async fn inquiries(&self) -> Result<InquiryLog, PhoneError> {
        let (mut all, mut after_number) = (Vec::new(), 0);
        loop {
            let request = pb::ListInquiriesRequest { after_number, page_size: PAGE };
            let call = self.in_session(request, |mut hub, request| async move { hub.list_inquiries(request).await });
            let page = call.await?;
            let is_last = page.inquiries.is_empty();
            all.extend(page.inquiries);
            after_number = i64::try_from(all.len()).unwrap_or(i64::MAX);
            // What was added meanwhile comes after the end that was told last.
            if is_last || after_number >= page.last_number {
                all.truncate(usize::try_from(page.last_number).unwrap_or(0));
                return InquiryLog::read(&all, page.last_number, &page.last_hash);
            }
        }
    }

    /// What is on record of the person, the bill that was closed last first.
    pub async fn credit_history(&self) -> Result<Vec<pb::HistoryEntry>, PhoneError> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = pb::GetCreditHistoryRequest { page_size: PAGE, page_token };
            let call =
                self.in_session(request, |mut hub, request| async move { hub.get_credit_history(request).await });
            let page = call.await?;
            all.extend(page.entries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }
}

/// The value of an enum as people read it.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', " ")
}

pub(super) async fn consents(phone: &Phone, command: &ConsentsCommand, out: &Output) -> Result<(), CliError> {
    let found = match command {
        ConsentsCommand::Give(args) => {
            let fields = if args.fields.is_empty() { Field::OF_HISTORY.to_vec() } else { args.fields.clone() };
            let fields = Fields::new(fields).map_err(|reason| CliError::Usage(reason.english().to_owned()))?;
            let (asker, lasts) = (Asker::Bank(args.bank.clone()), DAY.saturating_mul(args.days));
            let agreed = Agreed { asker, purpose: args.purpose, fields, lasts };
            let consent = phone.give_consent(agreed).await?;
            out.note(&consent.text);
            vec![consent]
        }
        ConsentsCommand::Revoke { id } => vec![phone.revoke_consent(*id).await?],
        ConsentsCommand::List => phone.consents().await?,
    };
    let rows: Vec<_> = found.iter().map(consent_row).collect();
    let head = ["consent", "who", "purpose", "fields", "until", "state"];
    out.table(&head, &rows, &Value::Array(found.iter().map(consent_value).collect()));
    Ok(())
}

fn consent_row(consent: &pb::Consent) -> Vec<String> {
    let state = word(consent.state().as_str_name(), "CONSENT_STATE_");
    let Ok(form) = ConsentForm::parse(&consent.text) else {
        return vec![consent.consent_id.clone(), String::new(), String::new(), String::new(), String::new(), state];
    };
    vec![
        consent.consent_id.clone(),
        form.asker.to_string(),
        word(form.purpose.as_str(), ""),
        form.fields.to_string().to_lowercase(),
        time(Some(&proto::to_timestamp(form.until))),
        state,
    ]
}

fn consent_value(consent: &pb::Consent) -> Value {
    json!({
        "consent_id": consent.consent_id,
        "text": consent.text,
        "device_id": consent.device_id,
        "state": consent.state().as_str_name(),
        "given_at": time(consent.given_at.as_ref()),
        "ended_at": time(consent.ended_at.as_ref()),
    })
}

pub(super) async fn inquiries(folder: &PhoneFolder, out: &Output) -> Result<(), CliError> {
    let log = folder.open().await?.inquiries().await?;
    let row = |(record, inquiry_id): &(InquiryRecord, String)| {
        vec![
            record.number.to_string(),
            time(Some(&proto::to_timestamp(record.at))),
            record.asker.to_string(),
            word(record.purpose.as_str(), ""),
            record.fields.to_string().to_lowercase(),
            record.answer.as_str().to_owned(),
            inquiry_id.clone(),
        ]
    };
    let known = folder.last_inquiry();
    let goes_on = known.is_none_or(|known| log.goes_on_from(known));
    let rows: Vec<_> = log.inquiries.iter().map(row).collect();
    let records = log.inquiries.iter().map(|(record, id)| json!({ "inquiry_id": id, "record": record.to_string() }));
    let is_whole = log.verified.is_ok() && goes_on;
    let value = json!({ "inquiries": records.collect::<Vec<_>>(), "whole": is_whole });
    out.table(&["number", "at", "who", "purpose", "fields", "answer", "inquiry"], &rows, &value);
    match log.verified {
        Err(place) => Err(CliError::CheckFailed(format!("the log was changed or cut: see number {place}"))),
        Ok(_) if !goes_on => {
            Err(CliError::CheckFailed("the log does not go on from what this phone has seen of it before".to_owned()))
        }
        Ok(hash) => {
            folder.keep_last_inquiry((log.inquiries.len(), hash))?;
            out.note(&format!("The log is whole: {} inquiries, each with the hash of the one before.", rows.len()));
            Ok(())
        }
    }
}

pub(super) async fn credit_history(phone: &Phone, out: &Output) -> Result<(), CliError> {
    let entries = phone.credit_history().await?;
    let standing = |it: &pb::HistoryEntry| word(it.standing().as_str_name(), "HISTORY_STANDING_");
    let row = |it: &pb::HistoryEntry| {
        vec![
            format!("{} {}", it.bank_id, it.account_masked),
            it.closed_on.clone(),
            it.due_on.clone(),
            money(it.billed.as_ref()),
            standing(it),
            it.standing_on.clone(),
            if it.days_late > 0 { it.days_late.to_string() } else { String::new() },
            it.kept_through.clone(),
        ]
    };
    let value = |it: &pb::HistoryEntry| {
        json!({
            "bank_id": it.bank_id,
            "account_masked": it.account_masked,
            "closed_on": it.closed_on,
            "due_on": it.due_on,
            "billed": money_value(it.billed.as_ref()),
            "standing": it.standing().as_str_name(),
            "standing_on": it.standing_on,
            "left": it.left().as_str_name(),
            "days_late": it.days_late,
            "kept_through": it.kept_through,
        })
    };
    let head = ["account", "closed", "due", "billed", "standing", "on", "days late", "kept until"];
    let rows: Vec<_> = entries.iter().map(row).collect();
    out.table(&head, &rows, &Value::Array(entries.iter().map(value).collect()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::credit_history::Answer;
    use domain::{PersonId, Reason, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn log(length: u64) -> Vec<pb::Inquiry> {
        let mut previous = NOTHING_BEFORE;
        let one = |number| {
            let record = InquiryRecord {
                person_id: PersonId::from_uuid(Uuid::from_u128(0x0192_f0c1_7a6b_7000_8000_0000_0000_0007)),
                number,
                at: Timestamp::from_secs(1_795_341_660),
                asker: Asker::Bank(BankId::parse("bank-b").unwrap()),
                purpose: Purpose::Review,
                fields: Fields::new([Field::Summary]).unwrap(),
                answer: Answer::Refused(Reason::ConsentUsed),
                previous,
            };
            let record = record.to_string();
            previous = sha256(record.as_bytes());
            pb::Inquiry { record, hash: previous.to_vec(), inquiry_id: number.to_string() }
        };
        (1..=length).map(one).collect()
    }

    #[test]
    fn r9_a_log_of_inquiries_that_was_changed_or_cut_is_seen_by_the_phone() {
        let told = log(3);
        let end = told[2].hash.clone();
        let whole = InquiryLog::read(&told, 3, &end).unwrap();
        assert!(whole.verified.is_ok());
        assert_eq!(InquiryLog::read(&[], 0, &NOTHING_BEFORE).unwrap().verified, Ok(NOTHING_BEFORE));
        let mut changed = told.clone();
        changed[1].record = changed[1].record.replace("REVIEW", "LIMIT_CHANGE");
        let table = [
            ("cut, with its end", &told[..2], 3, &end, Err(3)),
            ("cut, and its end with it", &told[..2], 2, &told[1].hash, Ok(())),
            ("changed", &changed[..], 3, &end, Err(3)),
            ("the end of another one", &told[..], 3, &told[1].hash, Err(4)),
            ("the first is missing", &told[1..], 3, &end, Err(1)),
        ];
        for (name, told, last_number, last_hash, wanted) in table {
            let read = InquiryLog::read(told, last_number, last_hash).unwrap();
            assert_eq!(read.verified.map(|_| ()), wanted, "{name}");
        }
        assert!(matches!(InquiryLog::read(&[pb::Inquiry::default()], 1, &end), Err(PhoneError::Unreadable(_))));
        // Whoever cuts the end of the log, and says so, is found out by what the phone has kept.
        let cut = InquiryLog::read(&told[..2], 2, &told[1].hash).unwrap();
        let seen = (3, sha256(told[2].record.as_bytes()));
        assert!(whole.goes_on_from(seen) && !cut.goes_on_from(seen));
        assert!(cut.goes_on_from((0, NOTHING_BEFORE)));
    }
}
