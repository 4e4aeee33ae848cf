//! Between what a bank says of bills and the domain. Each is read, and refused, by itself.

use domain::bill::{AccountKey, Bill, StatementLine};
use domain::credit_history::{AmountBucket, Entry, EntryKey, Standing};
use domain::money::MAX_PAYMENT_MAJOR;
use domain::text::Line;
use domain::{AccountId, BankId, BillId, CardId, Currency, Money, PaymentId, PersonId, Reason};
use jiff::ToSpan as _;
use jiff::civil::Date;
use proto::federation as pb;
use ring::digest::{SHA256, digest};
use uuid::Uuid;

use crate::records::intake::masked;

/// The most bills of one message, and lines of one bill.
const MOST_BILLS: usize = 20;
const MOST_LINES: usize = 500;
/// Nothing was billed before.
const EARLIEST: Date = Date::constant(2000, 1, 1);
/// How far a bank's day may be ahead, in days.
const AHEAD_AT_MOST: i64 = 1;
/// No bill is due later after its close, in days.
const TO_PAY_AT_MOST: i64 = 366;

/// The bills of a message, in its order.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) bank_id: BankId,
    pub(super) bills: Vec<Result<Box<Sent>, Reason>>,
}

/// A bill as its bank says that it stands.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The id that it gets if it is not known.
    pub(super) bill_id: BillId,
    pub(super) bill: Bill,
    pub(super) card_id: Option<CardId>,
    pub(super) version: u32,
    pub(super) standing: Standing,
    pub(super) lines: Vec<StatementLine>,
    /// The day on which the relation over the account ended.
    pub(super) relation_ended_on: Option<Date>,
    /// Keyed by nothing but the content: whether two reports say the same.
    pub(super) fingerprint: [u8; 32],
}

impl Sent {
    pub(super) fn key(&self) -> EntryKey {
        EntryKey { account: self.bill.account.clone(), closed_on: self.bill.closed_on, currency: self.bill.currency }
    }

    /// The same for the credit history.
    pub(super) fn entry(&self, person_id: PersonId) -> Entry {
        Entry {
            key: self.key(),
            person_id,
            version: self.version,
            billed_minor: self.bill.closing_minor.max(0),
            due_on: self.bill.due_on,
            standing: self.standing,
        }
    }
}

impl Intake {
    pub(super) fn read(
        bank_id: &BankId,
        request: &pb::ReportBillsRequest,
        today: Date,
        new_id: impl Fn() -> Result<BillId, Reason>,
    ) -> Result<Self, Reason> {
        if request.bills.is_empty() {
            return Err(Reason::FieldMissing);
        }
        if request.bills.len() > MOST_BILLS {
            return Err(Reason::TooManyItems);
        }
        let latest = today.saturating_add(AHEAD_AT_MOST.days());
        let read = |report| bill_of(bank_id, report, latest, new_id()?).map(Box::new);
        Ok(Self { bank_id: bank_id.clone(), bills: request.bills.iter().map(read).collect() })
    }
}

fn bill_of(bank_id: &BankId, report: &pb::BillReport, latest: Date, bill_id: BillId) -> Result<Sent, Reason> {
    let account = AccountKey { bank_id: bank_id.clone(), account_id: AccountId::parse(&report.account_id)? };
    let currency = Currency::parse(&report.currency_code)?;
    let bill = Bill {
        account,
        masked: masked(&report.masked)?,
        currency,
        from: day(&report.opened_on)?,
        closed_on: day(&report.closed_on)?,
        due_on: day(&report.due_on)?,
        closing_minor: amount(currency, report.closing_minor)?,
        minimum_due_minor: amount(currency, report.minimum_minor)?,
        paid_minor: amount(currency, report.paid_minor)?,
    };
    bill.check()?;
    let due_at_most = bill.closed_on.saturating_add(TO_PAY_AT_MOST.days());
    if bill.from < EARLIEST || bill.closed_on > latest || bill.due_on > due_at_most {
        return Err(Reason::TimeOutOfRange);
    }
    let standing = standing(report, &bill, latest)?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, &proto::bill_content(report)).as_ref());
    let sent = Sent {
        bill_id,
        card_id: if report.card_id.is_empty() { None } else { Some(CardId::parse(&report.card_id)?) },
        version: u32::try_from(report.version).ok().filter(|it| *it > 0).ok_or(Reason::SequenceOutOfRange)?,
        standing,
        lines: lines(&report.lines, &bill)?,
        relation_ended_on: relation_ended_on(report, &bill, latest)?,
        fingerprint,
        bill,
    };
    // Whose it is plays no part in whether it can be.
    sent.entry(PersonId::from_uuid(Uuid::nil())).check()?;
    Ok(sent)
}

fn standing(report: &pb::BillReport, bill: &Bill, latest: Date) -> Result<Standing, Reason> {
    let left_minor = bill.left_minor();
    let on = || day(&report.standing_on).and_then(|on| if on > latest { Err(Reason::TimeOutOfRange) } else { Ok(on) });
    let paid_on = || if left_minor == 0 { on() } else { Err(Reason::BillMalformed) };
    match report.standing() {
        pb::BillStanding::Unspecified => Err(Reason::FieldUnknown),
        pb::BillStanding::Due if report.standing_on.is_empty() => Ok(Standing::Due),
        pb::BillStanding::Due => Err(Reason::HistoryMalformed),
        pb::BillStanding::PaidInTime => Ok(Standing::PaidInTime { on: paid_on()? }),
        pb::BillStanding::PaidLate => Ok(Standing::PaidLate { on: paid_on()? }),
        pb::BillStanding::Settled => Ok(Standing::Settled { on: paid_on()? }),
        pb::BillStanding::Arrears if left_minor == 0 => Err(Reason::BillMalformed),
        pb::BillStanding::Arrears => {
            Ok(Standing::Arrears { as_of: on()?, left: AmountBucket::of(Money::new(bill.currency, left_minor)) })
        }
    }
}

/// No relation ends before its last bill, nor while something is left to pay.
fn relation_ended_on(report: &pb::BillReport, bill: &Bill, latest: Date) -> Result<Option<Date>, Reason> {
    if report.relation_ended_on.is_empty() {
        return Ok(None);
    }
    let on = day(&report.relation_ended_on)?;
    if on > latest {
        return Err(Reason::TimeOutOfRange);
    }
    if on < bill.closed_on || bill.left_minor() > 0 { Err(Reason::HistoryMalformed) } else { Ok(Some(on)) }
}

fn lines(reports: &[pb::BillLine], bill: &Bill) -> Result<Vec<StatementLine>, Reason> {
    if reports.len() > MOST_LINES {
        return Err(Reason::TooManyItems);
    }
    let line = |report: &pb::BillLine| {
        let on = day(&report.posted_on)?;
        if !(EARLIEST..=bill.closed_on).contains(&on) {
            return Err(Reason::TimeOutOfRange);
        }
        let payment = report.payment_id.as_str();
        Ok(StatementLine {
            on,
            amount_minor: amount(bill.currency, report.amount_minor)?,
            text: Line::parse(&report.text)?,
            payment_id: if payment.is_empty() { None } else { Some(PaymentId::parse(payment)?) },
        })
    };
    reports.iter().map(line).collect()
}

/// A day in its one spelling.
pub(super) fn day(text: &str) -> Result<Date, Reason> {
    let day: Date = text.parse().map_err(|_| Reason::DayMalformed)?;
    if day.to_string() == text { Ok(day) } else { Err(Reason::DayMalformed) }
}

/// Not more than any payment may be, so that sums over many bills have room.
fn amount(currency: Currency, minor: i64) -> Result<i64, Reason> {
    let most = MAX_PAYMENT_MAJOR.saturating_mul(10_i64.saturating_pow(currency.exponent()));
    if (-most..=most).contains(&minor) { Ok(minor) } else { Err(Reason::AmountTooLarge) }
}
