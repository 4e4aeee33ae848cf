//! Credit history as banks and phones get it.

use domain::credit_history::{
    AgeBucket, AmountBucket, ArrearsPart, ConsentState, Entry, Field, GoodRecord, OpenBills, Purpose, Report, Standing,
    Summary,
};
use domain::{Money, Reason, Timestamp};
use proto::{cardholder, federation};

use super::bills::Billed;
use super::sql::{Logged, StoredConsent};

pub(super) fn purpose(purpose: i32) -> Result<Purpose, Reason> {
    use federation::InquiryPurpose as P;
    match P::try_from(purpose).map_err(|_| Reason::FieldUnknown)? {
        P::Unspecified => Err(Reason::FieldMissing),
        P::CardApplication => Ok(Purpose::CardApplication),
        P::LoanApplication => Ok(Purpose::LoanApplication),
        P::LimitChange => Ok(Purpose::LimitChange),
        P::Review => Ok(Purpose::Review),
        P::Offers => Ok(Purpose::Offers),
    }
}

pub(super) fn field(field: i32) -> Result<Field, Reason> {
    use federation::ReportField as F;
    match F::try_from(field).map_err(|_| Reason::FieldUnknown)? {
        F::Unspecified => Err(Reason::FieldUnknown),
        F::Summary => Ok(Field::Summary),
        F::OpenBills => Ok(Field::OpenBills),
        F::Arrears => Ok(Field::Arrears),
        F::GoodRecord => Ok(Field::GoodRecord),
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a bank is told.
pub(super) fn report(report: &Report) -> federation::CreditReport {
    let open_bills =
        |bills: &Vec<OpenBills>| federation::OpenBillsPart { open_bills: bills.iter().map(open_bills).collect() };
    federation::CreditReport {
        summary: report.summary.as_ref().map(summary),
        open_bills: report.open_bills.as_ref().map(open_bills),
        arrears: report.arrears.as_ref().map(arrears),
        good_record: report.good_record.as_ref().map(good_record),
    }
}

fn summary(summary: &Summary) -> federation::HistorySummary {
    federation::HistorySummary {
        accounts: count(summary.accounts),
        banks: count(summary.banks),
        since: summary.since.map(|since| since.to_string()).unwrap_or_default(),
    }
}

fn open_bills(open: &OpenBills) -> federation::OpenBills {
    federation::OpenBills {
        bills: count(open.bills),
        billed: Some(proto::to_money(open.billed)),
        earliest_due_on: open.earliest_due_on.to_string(),
    }
}

fn arrears(part: &ArrearsPart) -> federation::ArrearsPart {
    let open = part.open.iter().map(|open| federation::ArrearsCount {
        late_by: late_by(open.age).into(),
        left: left_to_pay(open.left).into(),
        bills: count(open.bills),
    });
    federation::ArrearsPart {
        open: open.collect(),
        paid_late: count(part.paid_late),
        worst: part.worst.map_or(federation::LateBy::Unspecified, late_by).into(),
    }
}

fn good_record(record: &GoodRecord) -> federation::GoodRecord {
    federation::GoodRecord {
        in_time: count(record.in_time),
        in_time_since: record.in_time_since.map(|since| since.to_string()).unwrap_or_default(),
    }
}

const fn late_by(age: AgeBucket) -> federation::LateBy {
    match age {
        AgeBucket::Days1To30 => federation::LateBy::Days1To30,
        AgeBucket::Days31To60 => federation::LateBy::Days31To60,
        AgeBucket::Days61To90 => federation::LateBy::Days61To90,
        AgeBucket::Over90Days => federation::LateBy::Over90Days,
    }
}

const fn left_to_pay(left: AmountBucket) -> federation::LeftToPay {
    match left {
        AmountBucket::UpTo1000 => federation::LeftToPay::UpTo1000,
        AmountBucket::UpTo10000 => federation::LeftToPay::UpTo10000,
        AmountBucket::UpTo50000 => federation::LeftToPay::UpTo50000,
        AmountBucket::Over50000 => federation::LeftToPay::Over50000,
    }
}

const fn amount_left(left: AmountBucket) -> cardholder::AmountLeft {
    match left {
        AmountBucket::UpTo1000 => cardholder::AmountLeft::UpTo1000,
        AmountBucket::UpTo10000 => cardholder::AmountLeft::UpTo10000,
        AmountBucket::UpTo50000 => cardholder::AmountLeft::UpTo50000,
        AmountBucket::Over50000 => cardholder::AmountLeft::Over50000,
    }
}

/// A consent as it stands now.
pub(super) fn consent(stored: &StoredConsent, now: Timestamp) -> cardholder::Consent {
    let (state, ended_at) = match stored.consent.state(now) {
        ConsentState::Given => (cardholder::ConsentState::Given, None),
        ConsentState::Used(at) => (cardholder::ConsentState::Used, Some(at)),
        ConsentState::Revoked(at) => (cardholder::ConsentState::Revoked, Some(at)),
        ConsentState::Expired => (cardholder::ConsentState::Expired, None),
    };
    let form = stored.consent.form();
    cardholder::Consent {
        consent_id: form.id.to_string(),
        text: form.to_string(),
        device_id: stored.device_id.to_string(),
        state: state.into(),
        given_at: Some(proto::to_timestamp(stored.given_at)),
        ended_at: ended_at.map(proto::to_timestamp),
    }
}

pub(super) fn inquiry(logged: Logged) -> cardholder::Inquiry {
    cardholder::Inquiry { record: logged.record, hash: logged.hash, inquiry_id: logged.inquiry_id.to_string() }
}

/// A bill on record.
pub(super) fn entry(billed: &Billed) -> cardholder::HistoryEntry {
    use cardholder::HistoryStanding as S;
    let Billed { entry, account_masked, .. } = billed;
    let Entry { key, due_on, billed_minor, .. } = entry;
    let (standing, on, left) = match entry.standing {
        Standing::Due => (S::Due, None, None),
        Standing::PaidInTime { on } => (S::PaidInTime, Some(on), None),
        Standing::PaidLate { on } => (S::PaidLate, Some(on), None),
        Standing::Arrears { as_of, left } => (S::Arrears, Some(as_of), Some(left)),
        Standing::Settled { on } => (S::Settled, Some(on), None),
    };
    cardholder::HistoryEntry {
        bank_id: key.account.bank_id.to_string(),
        account_masked: account_masked.clone(),
        closed_on: key.closed_on.to_string(),
        due_on: due_on.to_string(),
        billed: Some(proto::to_money(Money::new(key.currency, *billed_minor))),
        standing: standing.into(),
        standing_on: on.map(|on| on.to_string()).unwrap_or_default(),
        left: left.map_or(cardholder::AmountLeft::Unspecified, amount_left).into(),
        days_late: entry.days_late(),
        kept_through: entry.kept_through(billed.relation_ended_on).map(|last| last.to_string()).unwrap_or_default(),
    }
}
