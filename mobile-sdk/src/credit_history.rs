//! What banks have reported of the person, and who has asked for it.

use std::time::SystemTime;

use domain::credit_history::{Digest, InquiryRecord, check_chain};
use proto::cardholder as pb;
use ring::digest;

use crate::bills::some;
use crate::error::{Failure, SdkError, Trouble};
use crate::log::LogLevel;
use crate::mirror::mirror;
use crate::phone::{Inner, Phone};
use crate::platform::moment;
use crate::purchase::{Money, money_of};
use crate::session::Hub;
use crate::vault::Lasting;

/// The file of the last number of the log of inquiries and its hash, by which a log that was cut is seen.
pub(crate) const INQUIRIES_FILE: &str = "inquiries";
/// The most that the hub gives at once.
const PAGE: i32 = 100;

mirror! {
    /// What became of a bill.
    HistoryStanding = pb::HistoryStanding {
        /// It is to be paid, and still in time.
        Due,
        PaidInTime,
        /// Paid in full and late, before it was reported in arrears.
        PaidLate,
        Arrears,
        /// It was in arrears, and was paid in the end.
        Settled,
    }
}

mirror! {
    /// How much is not paid, in major units of the currency; `Unknown` when nothing is in arrears.
    AmountLeft = pb::AmountLeft { UpTo1000, UpTo10000, UpTo50000, Over50000, }
}

/// A bill of the person's as its bank reported it last.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HistoryEntry {
    pub bank_id: String,
    pub account_masked: String,
    pub closed_on: String,
    pub due_on: String,
    pub billed: Money,
    pub standing: HistoryStanding,
    /// The day that the standing speaks of; none while it is due.
    pub standing_on: Option<String>,
    pub left: AmountLeft,
    pub days_late: i64,
    /// The last day on which it is kept and told of; none while no end is in sight.
    pub kept_through: Option<String>,
}

/// One page of what is on record, the bill that was closed last first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HistoryPage {
    pub entries: Vec<HistoryEntry>,
    pub next_page_token: Option<String>,
}

/// An inquiry about the person, of a log that was verified as a whole.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Inquiry {
    /// Counts up from 1.
    pub number: u64,
    /// The bank's id of the inquiry, which the news of it names.
    pub inquiry_id: String,
    pub at: SystemTime,
    /// Who asked, such as "bank: bank-a" or "operator: anna".
    pub asker: String,
    /// A word such as "LOAN_APPLICATION".
    pub purpose: String,
    /// Words such as "SUMMARY,ARREARS".
    pub fields: String,
    /// REPORT, or the code of the reason for which nothing was told.
    pub answer: String,
}

fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = Digest::default();
    hash.iter_mut().zip(digest::digest(&digest::SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

fn inquiry_of(record: &InquiryRecord, inquiry_id: String) -> Inquiry {
    Inquiry {
        number: record.number,
        inquiry_id,
        at: moment(record.at),
        asker: record.asker.to_string(),
        purpose: record.purpose.as_str().to_owned(),
        fields: record.fields.to_string(),
        answer: record.answer.as_str().to_owned(),
    }
}

/// Whether the log, which is whole in itself, still has what was seen of it before at its place.
fn has_still(records: &[InquiryRecord], seen: (u64, Digest)) -> bool {
    let (number, hash) = seen;
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    number == 0
        || place.and_then(|place| records.get(place)).is_some_and(|it| sha256(it.to_string().as_bytes()) == hash)
}

impl Inner {
    /// The whole log, verified against itself and against what this phone has seen of it before.
    async fn inquiries(&self) -> Result<Vec<Inquiry>, Failure> {
        let person_id = self.bound()?.person_id;
        let (mut records, mut ids) = (Vec::new(), Vec::new());
        let (last_number, last_hash) = loop {
            let after_number = i64::try_from(records.len()).unwrap_or(i64::MAX);
            let request = pb::ListInquiriesRequest { after_number, page_size: PAGE };
            let call = |mut hub: Hub, request| async move { hub.list_inquiries(request).await };
            let answer = self.in_session(request, call).await?;
            let came = answer.inquiries.len();
            for it in answer.inquiries {
                records.push(InquiryRecord::parse(&it.record).map_err(|_| Trouble::AnswerUnreadable)?);
                ids.push(it.inquiry_id);
            }
            if came == 0 || i64::try_from(records.len()).unwrap_or(i64::MAX) >= answer.last_number {
                break (u64::try_from(answer.last_number).unwrap_or(0), answer.last_hash);
            }
        };
        let hash = check_chain(person_id, &records, sha256).map_err(|_| Trouble::InquiriesChanged)?;
        let number = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let is_whole = number == last_number && last_hash == hash && has_still(&records, self.seen_inquiries()?);
        if !is_whole {
            self.log.say(LogLevel::Error, || "the log of inquiries was changed or cut".to_owned());
            return Err(Trouble::InquiriesChanged.into());
        }
        self.vault.write(INQUIRIES_FILE, &[&number.to_be_bytes()[..], &hash].concat(), Lasting::Now)?;
        Ok(records.iter().zip(ids).map(|(record, id)| inquiry_of(record, id)).collect())
    }

    fn seen_inquiries(&self) -> Result<(u64, Digest), Trouble> {
        let Some(bytes) = self.vault.read(INQUIRIES_FILE)? else { return Ok((0, Digest::default())) };
        let (number, hash) = bytes.split_first_chunk::<8>().ok_or(Trouble::DataUnreadable)?;
        Ok((u64::from_be_bytes(*number), Digest::try_from(hash).map_err(|_| Trouble::DataUnreadable)?))
    }
}

#[uniffi::export]
impl Phone {
    /// Everybody who has asked for the person's credit history. `Internal` with `INQUIRIES_CHANGED` when the log is not whole, or is not
    /// the one any more that this phone has seen before.
    pub async fn inquiries(&self) -> Result<Vec<Inquiry>, SdkError> {
        self.run(|inner| async move { inner.inquiries().await }).await
    }

    /// A page of what banks have reported of the person's bills and is kept: at most `page_size` of them, 1 to 200, 0 for 50.
    #[uniffi::method(default(page_size = 0, page_token = None))]
    pub async fn credit_history(&self, page_size: u32, page_token: Option<String>) -> Result<HistoryPage, SdkError> {
        self.run(|inner| async move {
            let page_size = i32::try_from(page_size).map_err(|_| Trouble::NumberMalformed)?;
            let request = pb::GetCreditHistoryRequest { page_size, page_token: page_token.unwrap_or_default() };
            let call = |mut hub: Hub, request| async move { hub.get_credit_history(request).await };
            let (answer, _) = inner.read("credit-history", request, call).await?;
            let entry = |it: pb::HistoryEntry| HistoryEntry {
                standing: HistoryStanding::read(it.standing),
                left: AmountLeft::read(it.left),
                bank_id: it.bank_id,
                account_masked: it.account_masked,
                closed_on: it.closed_on,
                due_on: it.due_on,
                billed: money_of(it.billed),
                standing_on: some(it.standing_on),
                days_late: it.days_late,
                kept_through: some(it.kept_through),
            };
            let entries = answer.entries.into_iter().map(entry).collect();
            Ok(HistoryPage { entries, next_page_token: some(answer.next_page_token) })
        })
        .await
    }
}
