//! Between a bank's reports and the domain. A report that cannot be read is refused by itself, so that it does not hold up those
//! that come after it; only what says nothing about its own place refuses the message.

use std::sync::Arc;
use std::time::Duration;

use domain::ledger::Flow;
use domain::payment::Instrument;
use domain::purchase::{CategoryCode, Location, Merchant, Terminal};
use domain::record::Report;
use domain::text::Line;
use domain::{AccountId, BankId, CardId, MerchantId, PaymentId, Reason, TerminalId, Timestamp};
use proto::common;
use proto::federation as pb;
use proto::federation::purchase_report::Instrument as Named;
use ring::digest::{SHA256, digest};

/// The most reports of one message.
const MOST_REPORTS: usize = 200;
/// How far a bank's clock may be ahead.
const AHEAD_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// Nothing was bought before, in microseconds: 2000-01-01.
const EARLIEST: Timestamp = Timestamp::from_secs(946_684_800);
const MASKED_AT_MOST: usize = 32;
const MASKED_DIGITS_AT_MOST: usize = 10;
const MERCHANT_CODE_AT_MOST: usize = 15;
const TERMINAL_CODE_AT_MOST: usize = 8;
/// Before the name of a merchant or a terminal that is none of the federation's.
const OUTSIDE: &str = "ext-";

/// A bank's reports, with places that count up by one.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) bank_id: BankId,
    pub(super) reports: Vec<Sent>,
}

/// A report with its place, whether it can be read or not.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) sequence: i64,
    pub(super) fingerprint: [u8; 32],
    pub(super) purchase_id: Option<PaymentId>,
    pub(super) report: Result<Arc<Report>, Reason>,
}

impl Intake {
    /// Which bank's it is, and where it begins in that bank's count.
    pub(super) fn place(&self) -> (&BankId, i64) {
        (&self.bank_id, self.reports.first().map_or(0, |sent| sent.sequence))
    }

    pub(super) fn read(bank_id: BankId, request: &pb::ReportPurchasesRequest, now: Timestamp) -> Result<Self, Reason> {
        let sent = &request.reports;
        let first = sent.first().ok_or(Reason::FieldMissing)?.sequence;
        if sent.len() > MOST_REPORTS {
            return Err(Reason::TooManyItems);
        }
        if first < 1 || first > i64::MAX - MOST_REPORTS as i64 {
            return Err(Reason::SequenceOutOfRange);
        }
        if !sent.iter().zip(first..).all(|(report, place)| report.sequence == place) {
            return Err(Reason::ReportsOutOfOrder);
        }
        let reports = sent.iter().map(|report| read(&bank_id, report, now)).collect();
        Ok(Self { bank_id, reports })
    }
}

fn read(bank_id: &BankId, message: &pb::PurchaseReport, now: Timestamp) -> Sent {
    let sequence = message.sequence;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, &proto::report_content(message)).as_ref());
    let purchase_id = PaymentId::parse(&message.purchase_id);
    let report = report_of(bank_id, message, fingerprint, now).map(Arc::new);
    Sent { sequence, fingerprint, purchase_id: purchase_id.ok(), report }
}

fn report_of(
    bank_id: &BankId,
    message: &pb::PurchaseReport,
    fingerprint: [u8; 32],
    now: Timestamp,
) -> Result<Report, Reason> {
    let nature = proto::from_nature(message.nature())?;
    if nature.flow() != Flow::Out {
        return Err(Reason::NatureUnsupported);
    }
    let occurred_at = proto::from_timestamp(message.occurred_at.as_ref().ok_or(Reason::FieldMissing)?);
    if occurred_at < EARLIEST || occurred_at > now.plus(AHEAD_AT_MOST) {
        return Err(Reason::TimeOutOfRange);
    }
    let report = Report {
        sequence: message.sequence,
        fingerprint,
        purchase_id: PaymentId::parse(&message.purchase_id)?,
        version: message.version,
        bank_id: bank_id.clone(),
        instrument: match message.instrument.as_ref().ok_or(Reason::FieldMissing)? {
            Named::AccountId(id) => Instrument::Account(AccountId::parse(id)?),
            Named::CardId(id) => Instrument::Card(CardId::parse(id)?),
        },
        account_masked: masked(&message.masked)?,
        state: proto::from_purchase_state(message.state())?,
        nature,
        amount: proto::to_payable(message.amount.as_ref())?,
        credit_minor: message.credit_minor,
        given_back_minor: message.given_back_minor,
        occurred_at,
        seller: seller(message.seller.as_ref().ok_or(Reason::FieldMissing)?)?,
        items: proto::to_items(&message.items)?,
    };
    report.check()?;
    Ok(report)
}

/// A number as a receipt shows it, and never a whole card number.
pub(crate) fn masked(text: &str) -> Result<String, Reason> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let fine = (1..=MASKED_AT_MOST).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b' ' | b'-'))
        && digits <= MASKED_DIGITS_AT_MOST;
    if fine { Ok(text.to_owned()) } else { Err(Reason::TextMalformed) }
}

fn seller(message: &pb::SellerReport) -> Result<Terminal, Reason> {
    let outside = |code: &str, most: usize| {
        if (1..=most).contains(&code.len()) { Ok(format!("{OUTSIDE}{code}")) } else { Err(Reason::NameMalformed) }
    };
    Ok(Terminal {
        id: TerminalId::parse(&outside(&message.terminal_code, TERMINAL_CODE_AT_MOST)?)?,
        merchant: Merchant {
            id: MerchantId::parse(&outside(&message.merchant_code, MERCHANT_CODE_AT_MOST)?)?,
            name: Line::parse(&message.display_name)?,
            category: CategoryCode::parse(&message.category_code)?,
        },
        place: if message.place.is_empty() { None } else { Some(Line::parse(&message.place)?) },
        location: message.location.as_ref().map(location).transpose()?,
        suspended: false,
    })
}

fn location(message: &common::Location) -> Result<Location, Reason> {
    let (latitude, longitude) = proto::to_location(message)?;
    Ok(Location { latitude, longitude })
}
