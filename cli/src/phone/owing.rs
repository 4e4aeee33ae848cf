//! `bankhub phone bills`, `total-bill`, `bill` and `reminders`.

use clap::{Args, Subcommand};
use domain::{AccountId, BankId, BillId, ReminderId};
use proto::cardholder as pb;
use proto::cardholder::reminder::When;
use proto::common;
use serde_json::{Value, json};
use server_kit::clock::SystemClock;
use server_kit::rng::{IdMaker, SystemRng};

use super::show::{money, money_value, time};
use super::{Phone, PhoneError};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

#[derive(Clone, Debug, Args)]
pub struct BillsArgs {
    /// Of this bank only.
    #[arg(long, value_parser = typed::bank_id)]
    pub bank: Option<BankId>,
    /// Of this account only.
    #[arg(long, value_parser = typed::account_id)]
    pub account: Option<AccountId>,
    /// At most so many of each account.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(i32).range(1..=60))]
    pub most: i32,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ReminderCommand {
    /// List the reminders, each with when it comes next.
    List,
    /// Set a reminder, or change the one with this id.
    Set(SetArgs),
    /// Take a reminder away.
    Delete {
        /// The reminder.
        #[arg(value_parser = typed::reminder_id)]
        id: ReminderId,
    },
}

#[derive(Clone, Debug, Args)]
pub struct SetArgs {
    /// The reminder to change; a new one without it.
    #[arg(long, value_parser = typed::reminder_id)]
    pub id: Option<ReminderId>,
    /// So many days before each due date.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i32).range(0..=30), required_unless_present = "day_of_month")]
    pub days_before: Option<i32>,
    /// On this day of each month.
    #[arg(long, value_name = "DAY", value_parser = clap::value_parser!(i32).range(1..=31), conflicts_with = "days_before")]
    pub day_of_month: Option<i32>,
    /// The time of day.
    #[arg(long, value_name = "HOUR:MINUTE", default_value = "9:00", value_parser = typed::time_of_day)]
    pub at: (i32, i32),
    /// The time zone by its IANA name; that of the hub without it.
    #[arg(long, value_name = "ZONE", default_value = "")]
    pub zone: String,
    /// Of one account only: its bank …
    #[arg(long, value_parser = typed::bank_id, requires = "account")]
    pub bank: Option<BankId>,
    /// … and the account.
    #[arg(long, value_parser = typed::account_id, requires = "bank")]
    pub account: Option<AccountId>,
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

pub(super) async fn bills(phone: &Phone, args: &BillsArgs, out: &Output) -> Result<(), CliError> {
    let asked = pb::ListBillsRequest {
        bank_id: text(args.bank.as_ref()),
        account_id: text(args.account.as_ref()),
        most: args.most,
    };
    let accounts = phone.bills(asked).await?.accounts;
    let mut rows = Vec::new();
    for account in &accounts {
        rows.extend(account.running.as_ref().map(|running| running_row(account, running)));
        rows.extend(account.bills.iter().map(bill_row));
    }
    let value = |account: &pb::AccountBills| {
        json!({
            "bank_id": account.bank_id,
            "account_id": account.account_id,
            "currency_code": account.currency_code,
            "bills": account.bills.iter().map(bill_value).collect::<Vec<_>>(),
            "running": account.running.as_ref().map(running_value),
        })
    };
    let headers = ["account", "closed", "due", "amount", "at least", "left", "state", "bill"];
    out.table(&headers, &rows, &Value::Array(accounts.iter().map(value).collect()));
    Ok(())
}

fn in_currency_of(amount: Option<&common::Money>, minor_units: i64) -> common::Money {
    let currency_code = amount.map(|amount| amount.currency_code.clone()).unwrap_or_default();
    common::Money { currency_code, minor_units }
}

fn running_row(account: &pb::AccountBills, running: &pb::RunningBill) -> Vec<String> {
    let masked = account.bills.first().map(|bill| bill.account_masked.as_str()).unwrap_or_default();
    let charged = running.charged.as_ref();
    let sum = charged.map_or(0, |charged| charged.minor_units).saturating_sub(running.given_back_minor);
    vec![
        format!("{} {masked}", account.bank_id),
        format!("on {}", running.closes_on),
        running.due_on.clone(),
        money(Some(&in_currency_of(charged, sum))),
        String::new(),
        String::new(),
        "running".to_owned(),
        String::new(),
    ]
}

fn bill_row(bill: &pb::Bill) -> Vec<String> {
    let minor = |minor| money(Some(&in_currency_of(bill.closing.as_ref(), minor)));
    vec![
        format!("{} {}", bill.bank_id, bill.account_masked),
        bill.closed_on.clone(),
        bill.due_on.clone(),
        money(bill.closing.as_ref()),
        minor(bill.minimum_minor),
        minor(bill.left_minor),
        state(bill).to_owned(),
        bill.bill_id.clone(),
    ]
}

fn state(bill: &pb::Bill) -> &'static str {
    match bill.state() {
        pb::BillState::Unspecified => "",
        pb::BillState::Open => "open",
        pb::BillState::PartPaid => "part paid",
        pb::BillState::MinimumMet => "minimum met",
        pb::BillState::Paid => "paid",
        pb::BillState::Overdue => "overdue",
    }
}

fn bill_value(bill: &pb::Bill) -> Value {
    json!({
        "bill_id": bill.bill_id,
        "bank_id": bill.bank_id,
        "account_id": bill.account_id,
        "account_masked": bill.account_masked,
        "opened_on": bill.opened_on,
        "closed_on": bill.closed_on,
        "due_on": bill.due_on,
        "closing": money_value(bill.closing.as_ref()),
        "minimum_minor": bill.minimum_minor,
        "paid_minor": bill.paid_minor,
        "left_minor": bill.left_minor,
        "minimum_left_minor": bill.minimum_left_minor,
        "state": bill.state().as_str_name(),
    })
}

fn running_value(running: &pb::RunningBill) -> Value {
    json!({
        "opened_on": running.opened_on,
        "closes_on": running.closes_on,
        "due_on": running.due_on,
        "count": running.count,
        "charged": money_value(running.charged.as_ref()),
        "given_back_minor": running.given_back_minor,
    })
}

pub(super) async fn total_bill(phone: &Phone, out: &Output) -> Result<(), CliError> {
    let answer = phone.total_bill().await?;
    let row = |total: &pb::TotalBill| {
        let minor = |minor| money(Some(&in_currency_of(total.due.as_ref(), minor)));
        vec![
            money(total.due.as_ref()),
            minor(total.minimum_minor),
            total.next_due_on.clone(),
            if total.overdue_minor > 0 { minor(total.overdue_minor) } else { String::new() },
            total.overdue_since.clone(),
            total.open_count.to_string(),
        ]
    };
    let value = |total: &pb::TotalBill| {
        json!({
            "due": money_value(total.due.as_ref()),
            "minimum_minor": total.minimum_minor,
            "next_due_on": total.next_due_on,
            "overdue_minor": total.overdue_minor,
            "overdue_since": total.overdue_since,
            "open_count": total.open_count,
        })
    };
    let rows: Vec<Vec<String>> = answer.totals.iter().map(row).collect();
    let value = json!({ "on": answer.on, "totals": answer.totals.iter().map(value).collect::<Vec<_>>() });
    out.table(&["to pay", "at least", "by", "overdue", "since", "bills"], &rows, &value);
    Ok(())
}

pub(super) async fn bill(phone: &Phone, bill_id: BillId, out: &Output) -> Result<(), CliError> {
    let answer = phone.bill(bill_id).await?;
    let bill = answer.bill.clone().unwrap_or_default();
    let minor = |minor| money(Some(&in_currency_of(bill.closing.as_ref(), minor)));
    let line_value = |line: &pb::BillLine| {
        json!({
            "posted_on": line.posted_on,
            "amount_minor": line.amount_minor,
            "text": line.text,
            "payment_id": line.payment_id,
        })
    };
    if out.is_json() {
        let difference = |it: &pb::BillDifference| {
            json!({
                "line": it.line.as_ref().map(line_value),
                "record": it.record.as_ref().map(|record| json!({
                    "on": record.on,
                    "amount_minor": record.amount_minor,
                    "merchant": record.merchant,
                    "payment_id": record.payment_id,
                })),
                "delta_minor": it.delta_minor,
                "may_follow": it.may_follow,
            })
        };
        let value = json!({
            "bill": bill_value(&bill),
            "lines": answer.lines.iter().map(line_value).collect::<Vec<_>>(),
            "agreed": answer.agreed,
            "differences": answer.differences.iter().map(difference).collect::<Vec<_>>(),
        });
        out.table(&[], &[], &value);
        return Ok(());
    }
    out.table(
        &["account", "closed", "due", "amount", "at least", "left", "state", "bill"],
        &[bill_row(&bill)],
        &Value::Null,
    );
    let line = |line: &pb::BillLine| vec![line.posted_on.clone(), minor(line.amount_minor), line.text.clone()];
    out.table(&["posted", "amount", "what"], &answer.lines.iter().map(line).collect::<Vec<_>>(), &Value::Null);
    out.line(&format!("{} of {} lines agree with the record.", answer.agreed, answer.lines.len()));
    if !answer.differences.is_empty() {
        let rows: Vec<Vec<String>> = answer.differences.iter().map(|it| difference_row(it, minor)).collect();
        out.table(&["day", "what", "bill", "record", ""], &rows, &Value::Null);
    }
    Ok(())
}

fn difference_row(it: &pb::BillDifference, minor: impl Fn(i64) -> String) -> Vec<String> {
    let (line, record) = (it.line.as_ref(), it.record.as_ref());
    let on = line.map(|line| &line.posted_on).or(record.map(|record| &record.on));
    let what = record.map(|record| &record.merchant).or(line.map(|line| &line.text));
    vec![
        text(on),
        text(what),
        line.map(|line| minor(line.amount_minor)).unwrap_or_default(),
        record.map(|record| minor(record.amount_minor)).unwrap_or_default(),
        if it.may_follow { "may stand on the next bill".to_owned() } else { String::new() },
    ]
}

pub(super) async fn reminders(phone: &Phone, command: &ReminderCommand, out: &Output) -> Result<(), CliError> {
    match command {
        ReminderCommand::List => list_reminders(phone, out).await,
        ReminderCommand::Set(args) => set_reminder(phone, args, out).await,
        ReminderCommand::Delete { id } => Ok(phone.delete_reminder(*id).await?),
    }
}

async fn set_reminder(phone: &Phone, args: &SetArgs, out: &Output) -> Result<(), CliError> {
    let new_id = || {
        let made = IdMaker::new(SystemClock::shared(), SystemRng::shared()).uuid();
        made.map(ReminderId::from_uuid).map_err(PhoneError::from)
    };
    let id = args.id.map_or_else(new_id, Ok)?;
    let (hour, minute) = args.at;
    let reminder = pb::Reminder {
        reminder_id: id.to_string(),
        bank_id: text(args.bank.as_ref()),
        account_id: text(args.account.as_ref()),
        when: args.days_before.map(When::DaysBefore).or(args.day_of_month.map(When::DayOfMonth)),
        hour,
        minute,
        time_zone: args.zone.clone(),
        next_at: None,
    };
    phone.set_reminder(reminder).await?;
    out.record(&[("reminder", id.to_string())], &json!({ "reminder_id": id.to_string() }));
    Ok(())
}

async fn list_reminders(phone: &Phone, out: &Output) -> Result<(), CliError> {
    let reminders = phone.reminders().await?;
    let when = |reminder: &pb::Reminder| match reminder.when {
        Some(When::DaysBefore(days)) => format!("{days} days before the due date"),
        Some(When::DayOfMonth(day)) => format!("on day {day} of the month"),
        None => String::new(),
    };
    let at = |reminder: &pb::Reminder| format!("{}:{:02} {}", reminder.hour, reminder.minute, reminder.time_zone);
    let whose = |reminder: &pb::Reminder| match reminder.bank_id.as_str() {
        "" => "all accounts".to_owned(),
        bank_id => format!("{bank_id} {}", reminder.account_id),
    };
    let row = |it: &pb::Reminder| vec![whose(it), when(it), at(it), time(it.next_at.as_ref()), it.reminder_id.clone()];
    let value = |it: &pb::Reminder| {
        let (days_before, day_of_month) = match it.when {
            Some(When::DaysBefore(days)) => (Some(days), None),
            Some(When::DayOfMonth(day)) => (None, Some(day)),
            None => (None, None),
        };
        json!({
            "reminder_id": it.reminder_id,
            "bank_id": it.bank_id,
            "account_id": it.account_id,
            "days_before": days_before,
            "day_of_month": day_of_month,
            "hour": it.hour,
            "minute": it.minute,
            "time_zone": it.time_zone,
            "next_at": it.next_at.as_ref().map(|at| time(Some(at))),
        })
    };
    let rows: Vec<Vec<String>> = reminders.iter().map(row).collect();
    let value = Value::Array(reminders.iter().map(value).collect());
    out.table(&["of", "when", "at", "next (UTC)", "reminder"], &rows, &value);
    Ok(())
}
