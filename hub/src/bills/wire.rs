//! Bills as banks and phones get them.

use domain::bill::{BillState, Difference, Record, RunningBill, StatementLine, Total};
use domain::{Money, Reason};
use jiff::civil::Date;
use proto::{cardholder as pb, federation};

use super::compare::Compared;
use super::query::OfOne;
use super::sql::Kept;

/// What a bank is answered.
pub(crate) fn taken(taken: &[Result<(), Reason>]) -> federation::ReportBillsResponse {
    let one = |taken: &Result<(), Reason>| federation::BillTaken { refusal: taken.err().map(proto::refusal) };
    federation::ReportBillsResponse { taken: taken.iter().map(one).collect() }
}

pub(crate) fn list(accounts: &[OfOne], today: Date) -> pb::ListBillsResponse {
    let account = |one: &OfOne| {
        let first = one.bills.first()?;
        Some(pb::AccountBills {
            bank_id: first.bill.account.bank_id.to_string(),
            account_id: first.bill.account.account_id.to_string(),
            currency_code: first.bill.currency.code().to_owned(),
            bills: one.bills.iter().map(|kept| bill(kept, today)).collect(),
            running: Some(running(&one.running)),
        })
    };
    pb::ListBillsResponse { accounts: accounts.iter().filter_map(account).collect() }
}

fn bill(Kept { bill_id, bill, card_id, .. }: &Kept, today: Date) -> pb::Bill {
    pb::Bill {
        bill_id: bill_id.to_string(),
        bank_id: bill.account.bank_id.to_string(),
        account_id: bill.account.account_id.to_string(),
        account_masked: bill.masked.clone(),
        opened_on: bill.from.to_string(),
        closed_on: bill.closed_on.to_string(),
        due_on: bill.due_on.to_string(),
        closing: Some(proto::to_money(Money::new(bill.currency, bill.closing_minor))),
        minimum_minor: bill.minimum_due_minor,
        paid_minor: bill.paid_minor,
        left_minor: bill.left_minor(),
        minimum_left_minor: bill.minimum_left_minor(),
        state: state(bill.state(today)).into(),
        card_id: card_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

const fn state(state: BillState) -> pb::BillState {
    match state {
        BillState::Open => pb::BillState::Open,
        BillState::PartPaid => pb::BillState::PartPaid,
        BillState::MinimumMet => pb::BillState::MinimumMet,
        BillState::Paid => pb::BillState::Paid,
        BillState::Overdue => pb::BillState::Overdue,
    }
}

fn running(running: &RunningBill) -> pb::RunningBill {
    pb::RunningBill {
        opened_on: running.period.from.to_string(),
        closes_on: running.period.closes_on.to_string(),
        due_on: running.period.due_on.to_string(),
        count: count(running.count),
        charged: Some(proto::to_money(running.charged)),
        given_back_minor: running.given_back.minor,
    }
}

pub(crate) fn compared(compared: &Compared, today: Date) -> pb::GetBillResponse {
    pb::GetBillResponse {
        bill: Some(bill(&compared.kept, today)),
        lines: compared.lines.iter().map(line).collect(),
        agreed: count(compared.agreed),
        differences: compared.differences.iter().map(|(it, may_follow)| difference(it, *may_follow)).collect(),
    }
}

fn difference(difference: &Difference, may_follow: bool) -> pb::BillDifference {
    let (in_statement, in_records) = match difference {
        Difference::OnlyInStatement(line) => (Some(line), None),
        Difference::OnlyInRecords(record) => (None, Some(record)),
        Difference::Amount { line, record } => (Some(line), Some(record)),
    };
    pb::BillDifference {
        line: in_statement.map(line),
        record: in_records.map(record),
        // Neither of the two is more than a payment may be.
        delta_minor: i64::try_from(difference.delta_minor()).unwrap_or_default(),
        may_follow,
    }
}

fn line(line: &StatementLine) -> pb::BillLine {
    pb::BillLine {
        posted_on: line.on.to_string(),
        amount_minor: line.amount_minor,
        text: line.text.to_string(),
        payment_id: line.payment_id.map(|id| id.to_string()).unwrap_or_default(),
    }
}

fn record(record: &Record) -> pb::BillRecord {
    pb::BillRecord {
        on: record.on.to_string(),
        amount_minor: record.amount_minor,
        merchant: record.merchant.to_string(),
        payment_id: record.payment_id.to_string(),
    }
}

pub(crate) fn total(totals: &[Total], today: Date) -> pb::GetTotalBillResponse {
    let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
    let one = |total: &Total| pb::TotalBill {
        due: Some(proto::to_money(total.due)),
        minimum_minor: total.minimum.minor,
        next_due_on: day(total.next_due_on),
        overdue_minor: total.overdue.minor,
        overdue_since: day(total.overdue_since),
        open_count: count(total.open),
    };
    pb::GetTotalBillResponse { totals: totals.iter().map(one).collect(), on: today.to_string() }
}

fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
