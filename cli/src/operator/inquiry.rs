//! `bankhub credit inquire`: a bank's operator asks the hub for a person's credit history, at the bank's own counter.

use clap::Args;
use domain::credit_history::{Field, Purpose};
use domain::{BankId, ConsentId, InquiryId, PhoneNumber};
use proto::counter as pb;
use proto::federation::{self, InquiryPurpose, ReportField};
use serde_json::{Value, json};

use super::command::money;
use super::{Counter, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

/// What is asked, of whom, and under which consent.
#[derive(Clone, Args)]
pub struct InquireArgs {
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    /// The person's name as the person gave it to the bank.
    pub name: String,
    /// The person's number in international form.
    #[arg(value_parser = typed::phone_number)]
    pub phone: PhoneNumber,
    /// The consent that the person has signed for this bank.
    #[arg(value_parser = typed::consent_id)]
    pub consent: ConsentId,
    /// What for: card-application, loan-application, limit-change or review.
    #[arg(long, value_parser = typed::purpose)]
    pub purpose: Purpose,
    /// What is asked for: summary, open-bills, arrears, good-record; all of them without it.
    #[arg(long, value_delimiter = ',', value_parser = typed::report_field)]
    pub fields: Vec<Field>,
    /// The inquiry's own id: asked again with it, the same is answered. A new one when it is not given.
    #[arg(long, value_parser = typed::inquiry_id)]
    pub id: Option<InquiryId>,
}

impl std::fmt::Debug for InquireArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InquireArgs").field("bank", &self.bank).field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// `UNSPECIFIED` for what no credit history is asked for; the hub refuses it by reason.
const fn to_purpose(purpose: Purpose) -> InquiryPurpose {
    match purpose {
        Purpose::CardApplication => InquiryPurpose::CardApplication,
        Purpose::LoanApplication => InquiryPurpose::LoanApplication,
        Purpose::LimitChange => InquiryPurpose::LimitChange,
        Purpose::Review => InquiryPurpose::Review,
        Purpose::Offers => InquiryPurpose::Offers,
        Purpose::Support | Purpose::Dispute => InquiryPurpose::Unspecified,
    }
}

/// `UNSPECIFIED` for what is no part of a credit history; the hub refuses it by reason.
const fn to_field(field: Field) -> ReportField {
    match field {
        Field::Summary => ReportField::Summary,
        Field::OpenBills => ReportField::OpenBills,
        Field::Arrears => ReportField::Arrears,
        Field::GoodRecord => ReportField::GoodRecord,
        Field::Habits | Field::Amounts | Field::Merchants | Field::Places | Field::Items => ReportField::Unspecified,
    }
}

impl InquireArgs {
    /// What is sent; a new inquiry unless it names one.
    pub fn message(&self, counter: &Counter) -> Result<pb::InquireCreditHistoryRequest, OperatorError> {
        let inquiry_id = match self.id {
            Some(id) => id.to_string(),
            None => counter.ids.uuid()?.to_string(),
        };
        let fields = if self.fields.is_empty() { &Field::OF_HISTORY[..] } else { &self.fields };
        Ok(pb::InquireCreditHistoryRequest {
            inquiry_id,
            name: self.name.clone(),
            phone_number: self.phone.as_e164().to_owned(),
            purpose: to_purpose(self.purpose).into(),
            fields: fields.iter().map(|field| to_field(*field).into()).collect(),
            consent_id: self.consent.to_string(),
        })
    }
}

impl Counter {
    /// Asks the hub for a person's credit history.
    pub async fn inquire(
        &self,
        message: pb::InquireCreditHistoryRequest,
    ) -> Result<pb::InquireCreditHistoryResponse, OperatorError> {
        answer(self.counter.clone().inquire_credit_history(bounded(message))).await
    }
}

pub(super) async fn inquire(counter: &Counter, args: &InquireArgs, out: &Output) -> Result<(), CliError> {
    let message = args.message(counter)?;
    let inquiry_id = message.inquiry_id.clone();
    let told = counter.inquire(message).await?;
    let report = told.report.unwrap_or_default();
    let mut fields = vec![("inquiry", inquiry_id.clone())];
    if let Some(summary) = &report.summary {
        let federation::HistorySummary { accounts, banks, since } = summary;
        let since = if since.is_empty() { "never".to_owned() } else { since.clone() };
        fields.push(("summary", format!("{accounts} accounts at {banks} banks, since {since}")));
    }
    if let Some(part) = &report.open_bills {
        let open = |it: &federation::OpenBills| {
            format!("{} over {}, the first due {}", it.bills, money(it.billed.as_ref()), it.earliest_due_on)
        };
        fields.push(("open bills", listed(part.open_bills.iter().map(open))));
    }
    if let Some(part) = &report.arrears {
        let open = |it: &federation::ArrearsCount| {
            format!("{} for {}, {} each", it.bills, words(it.late_by().as_str_name()), words(it.left().as_str_name()))
        };
        fields.push(("in arrears", listed(part.open.iter().map(open))));
        let worst = words(part.worst().as_str_name());
        fields.push(("paid late", format!("{}; at the worst {worst}", part.paid_late)));
    }
    if let Some(record) = &report.good_record {
        let since = if record.in_time_since.is_empty() {
            String::new()
        } else {
            format!(", all since {}", record.in_time_since)
        };
        fields.push(("paid in time", format!("{}{since}", record.in_time)));
    }
    out.record(&fields, &json!({ "inquiry_id": inquiry_id, "report": value(&report) }));
    Ok(())
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let text = parts.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "none".to_owned() } else { text }
}

/// A bucket as people read it.
fn words(name: &str) -> String {
    match name {
        "LATE_BY_UNSPECIFIED" => return "never late".to_owned(),
        "LATE_BY_OVER_90_DAYS" => return "more than 90 days".to_owned(),
        _ => {}
    }
    if let Some(days) = name.strip_prefix("LATE_BY_DAYS_") {
        return format!("{} days", days.to_lowercase().replace('_', " "));
    }
    name.trim_start_matches("LEFT_TO_PAY_").to_lowercase().replace('_', " ")
}

fn value(report: &federation::CreditReport) -> Value {
    json!({
        "summary": report.summary.as_ref().map(|it| json!({
            "accounts": it.accounts, "banks": it.banks, "since": it.since,
        })),
        "open_bills": report.open_bills.as_ref().map(|part| part.open_bills.iter().map(|it| json!({
            "bills": it.bills,
            "billed_minor": it.billed.as_ref().map(|billed| billed.minor_units),
            "currency_code": it.billed.as_ref().map(|billed| billed.currency_code.as_str()),
            "earliest_due_on": it.earliest_due_on,
        })).collect::<Value>()),
        "arrears": report.arrears.as_ref().map(|part| json!({
            "open": part.open.iter().map(|it| json!({
                "late_by": it.late_by().as_str_name(), "left": it.left().as_str_name(), "bills": it.bills,
            })).collect::<Value>(),
            "paid_late": part.paid_late,
            "worst": part.worst().as_str_name(),
        })),
        "good_record": report.good_record.as_ref().map(|it| json!({
            "in_time": it.in_time, "in_time_since": it.in_time_since,
        })),
    })
}
