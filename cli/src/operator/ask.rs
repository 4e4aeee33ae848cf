//! Asking about a person under a consent: `ask`. A bank asks for habits at its own counter, an operator of the hub for purchases.

use clap::{Args, Subcommand, ValueEnum};
use domain::{BankId, ConsentId, InquiryId, PersonId, PhoneNumber};
use proto::operator as hub_pb;
use proto::{cardholder, common, counter as pb};
use serde_json::{Value, json};

use super::command::OperatorArgs;
use super::{Counter, Operator, OperatorError, answer, bounded};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Subcommand)]
pub enum AskCommand {
    /// Ask for totals of what a person buys, at a bank's counter, under a consent that the person has signed for this bank.
    Habits(HabitsArgs),
    /// Ask the hub for a person's purchases, under a consent that the person has signed for this operator.
    Payments(PaymentsArgs),
}

#[derive(Clone, Debug, Args)]
pub struct HabitsArgs {
    #[arg(value_parser = typed::bank_id)]
    pub bank: BankId,
    /// The person's number.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    pub phone: PhoneNumber,
    /// The person's name.
    pub name: String,
    #[arg(long, value_parser = typed::consent_id)]
    pub consent: ConsentId,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = HabitsPurposeWord::Offers)]
    pub purpose: HabitsPurposeWord,
    /// The inquiry: the same one twice is one. A new one when it is not given.
    #[arg(long, value_parser = typed::inquiry_id)]
    pub id: Option<InquiryId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HabitsPurposeWord {
    CardApplication,
    LoanApplication,
    LimitChange,
    Review,
    Offers,
}

#[derive(Clone, Debug, Args)]
pub struct PaymentsArgs {
    #[arg(value_parser = typed::person_id)]
    pub person: PersonId,
    #[arg(long, value_parser = typed::consent_id)]
    pub consent: ConsentId,
    /// What it is for.
    #[arg(long, value_enum, default_value_t = RecordsPurposeWord::Dispute)]
    pub purpose: RecordsPurposeWord,
    /// What is to be shown; may be given several times.
    #[arg(long = "field", value_enum, required = true)]
    pub fields: Vec<RecordFieldWord>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub most: u16,
    /// The inquiry: the pages of one answer have one. A new one when it is not given.
    #[arg(long, value_parser = typed::inquiry_id)]
    pub id: Option<InquiryId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordsPurposeWord {
    Support,
    Dispute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RecordFieldWord {
    Amounts,
    Merchants,
    Places,
    Items,
}

impl Counter {
    /// Asks the hub for totals of what a person buys, under a new inquiry's id unless one is given.
    pub async fn habits(&self, asked: &HabitsArgs) -> Result<pb::InquireHabitsResponse, OperatorError> {
        let purpose = match asked.purpose {
            HabitsPurposeWord::CardApplication => pb::HabitsPurpose::CardApplication,
            HabitsPurposeWord::LoanApplication => pb::HabitsPurpose::LoanApplication,
            HabitsPurposeWord::LimitChange => pb::HabitsPurpose::LimitChange,
            HabitsPurposeWord::Review => pb::HabitsPurpose::Review,
            HabitsPurposeWord::Offers => pb::HabitsPurpose::Offers,
        };
        let request = bounded(pb::InquireHabitsRequest {
            inquiry_id: asked.id.map_or_else(|| self.ids.uuid().map(InquiryId::from_uuid), Ok)?.to_string(),
            name: asked.name.clone(),
            phone_number: asked.phone.as_e164().to_owned(),
            purpose: purpose.into(),
            consent_id: asked.consent.to_string(),
        });
        answer(self.counter.clone().inquire_habits(request)).await
    }
}

impl Operator {
    /// A person's purchases, as many as are asked for, over as many pages as it takes.
    pub async fn person_payments(&self, asked: &PaymentsArgs) -> Result<Vec<cardholder::Purchase>, OperatorError> {
        let field = |word: &RecordFieldWord| match word {
            RecordFieldWord::Amounts => hub_pb::RecordField::Amounts.into(),
            RecordFieldWord::Merchants => hub_pb::RecordField::Merchants.into(),
            RecordFieldWord::Places => hub_pb::RecordField::Places.into(),
            RecordFieldWord::Items => hub_pb::RecordField::Items.into(),
        };
        let purpose = match asked.purpose {
            RecordsPurposeWord::Support => hub_pb::RecordsPurpose::Support,
            RecordsPurposeWord::Dispute => hub_pb::RecordsPurpose::Dispute,
        };
        let mut request = hub_pb::ListPersonPaymentsRequest {
            inquiry_id: asked.id.map_or_else(|| self.ids.uuid().map(InquiryId::from_uuid), Ok)?.to_string(),
            person_id: asked.person.to_string(),
            consent_id: asked.consent.to_string(),
            purpose: purpose.into(),
            fields: asked.fields.iter().map(field).collect(),
            page_size: i32::from(asked.most.min(200)),
            ..hub_pb::ListPersonPaymentsRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = answer(self.hub.clone().list_person_payments(bounded(request.clone()))).await?;
            found.extend(page.purchases);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() || found.len() >= usize::from(asked.most) {
                found.truncate(usize::from(asked.most));
                return Ok(found);
            }
        }
    }
}

pub async fn ask(args: &OperatorArgs<AskCommand>, out: &Output) -> Result<(), CliError> {
    let operator = args.connect()?;
    match &args.command {
        AskCommand::Habits(asked) => {
            print_habits(&operator.counter(&asked.bank).await?.habits(asked).await?, out);
        }
        AskCommand::Payments(asked) => print_payments(&operator.person_payments(asked).await?, out),
    }
    Ok(())
}

fn print_habits(told: &pb::InquireHabitsResponse, out: &Output) {
    let habits = told.habits.clone().unwrap_or_default();
    let row =
        |it: &common::HabitTotal| vec![it.slice.clone(), it.count_at_least.to_string(), money(it.sum_about.as_ref())];
    let value = |it: &common::HabitTotal| {
        json!({
            "slice": it.slice,
            "count_at_least": it.count_at_least,
            "currency_code": it.sum_about.as_ref().map(|sum| sum.currency_code.as_str()),
            "sum_about_minor": it.sum_about.as_ref().map(|sum| sum.minor_units),
        })
    };
    let value = json!({
        "from_day": habits.from_day,
        "through_day": habits.through_day,
        "totals": habits.totals.iter().map(value).collect::<Value>(),
    });
    out.line(&format!("{} to {}", habits.from_day, habits.through_day));
    let rows: Vec<_> = habits.totals.iter().map(row).collect();
    out.table(&["purchases", "at least", "about"], &rows, &value);
}

fn money(amount: Option<&common::Money>) -> String {
    let read = |money: &common::Money| {
        Some(domain::Money::new(domain::Currency::parse(&money.currency_code).ok()?, money.minor_units).to_string())
    };
    amount.and_then(read).unwrap_or_default()
}

fn print_payments(found: &[cardholder::Purchase], out: &Output) {
    let at = |it: &cardholder::Purchase| {
        let at =
            it.occurred_at.as_ref().map(|at| jiff::Timestamp::from_microsecond(proto::from_timestamp(at).micros()));
        at.and_then(Result::ok).map(|at| at.to_string()).unwrap_or_default()
    };
    let merchant = |it: &cardholder::Purchase| {
        it.merchant.as_ref().map(|merchant| merchant.display_name.clone()).unwrap_or_default()
    };
    let row = |it: &cardholder::Purchase| {
        let bought: Vec<&str> = it.items.iter().map(|item| item.name.as_str()).collect();
        vec![
            at(it),
            it.bank_id.clone(),
            money(it.amount.as_ref()),
            merchant(it),
            it.place.clone(),
            bought.join(", "),
            it.payment_id.clone(),
        ]
    };
    let value = |it: &cardholder::Purchase| {
        json!({
            "payment_id": it.payment_id,
            "occurred_at": at(it),
            "bank_id": it.bank_id,
            "currency_code": it.amount.as_ref().map(|amount| amount.currency_code.as_str()),
            "amount_minor": it.amount.as_ref().map(|amount| amount.minor_units),
            "merchant": merchant(it),
            "place": it.place,
            "items": it.items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(),
        })
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let head = ["at", "bank", "amount", "merchant", "place", "bought", "payment"];
    out.table(&head, &rows, &found.iter().map(value).collect::<Value>());
}
