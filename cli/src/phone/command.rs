//! `bankhub phone`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::{BillId, Currency, Money, PhoneNumber, Timestamp};
use proto::cardholder as pb;
use proto::cardholder::event::Kind;
use proto::common;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::owing::{self, BillsArgs, ReminderCommand};
use super::{Enrolment, FeedOptions, PhoneFolder};
use crate::error::CliError;
use crate::output::{Output, Tone};
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub phone --dir ann enrol +8613800138000 --hub https://localhost:7400 --ca pay/authority/ca.pem
  bankhub phone --dir ann watch
  bankhub phone --dir ann payments
  bankhub phone --dir ann reminders set --days-before 3 --at 9:00";

#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PhoneArgs {
    /// The phone's own folder: its key, and how far it has read.
    #[arg(long, global = true, value_name = "DIR", default_value = "phone")]
    pub dir: PathBuf,
    #[command(subcommand)]
    pub command: PhoneCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub enum PhoneCommand {
    /// Make a device key and bind it to the person, with the code that the bank or the operator handed out.
    Enrol(EnrolArgs),
    /// Show codes, charges and refunds as they happen, beginning where this phone has stopped.
    Watch {
        /// Show everything again that is kept.
        #[arg(long)]
        from_start: bool,
        /// End after so many events.
        #[arg(long, value_name = "COUNT")]
        count: Option<usize>,
    },
    /// List purchases over all banks, newest first.
    Payments {
        /// At most this many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=200))]
        most: i32,
    },
    /// List bills by account, newest first, and what has come since the last of each.
    Bills(BillsArgs),
    /// Say what is to be paid over all banks.
    TotalBill,
    /// Show one bill with what it lists, and where it and the person's own record differ.
    Bill {
        /// The bill, by the id that `bills` and news of it name.
        #[arg(value_name = "BILL", value_parser = typed::bill_id)]
        bill_id: BillId,
    },
    /// Set, list and take away reminders of what is due.
    #[command(subcommand)]
    Reminders(ReminderCommand),
}

#[derive(Clone, Args)]
pub struct EnrolArgs {
    /// The person's number in international form.
    #[arg(value_name = "PHONE", value_parser = typed::phone_number)]
    pub phone: PhoneNumber,
    /// Where the hub is.
    #[arg(long, value_name = "URL", default_value = "https://localhost:7400")]
    pub hub: String,
    /// The authority of the hub's certificate.
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// The federation's name.
    #[arg(long, default_value = "trial.bankhub")]
    pub federation: String,
    /// The eight digits from the bank or the operator; asked when they are not given.
    #[arg(long)]
    pub code: Option<String>,
    /// Read the new transaction password from the first line of standard input; asked when not given.
    #[arg(long)]
    pub password_stdin: bool,
    /// Keep the transaction password that is set.
    #[arg(long, conflicts_with = "password_stdin")]
    pub keep_password: bool,
}

impl std::fmt::Debug for EnrolArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolArgs").field("phone", &self.phone).field("hub", &self.hub).finish_non_exhaustive()
    }
}

pub async fn run(args: &PhoneArgs, out: &Output) -> Result<(), CliError> {
    let folder = PhoneFolder::new(&args.dir);
    match &args.command {
        PhoneCommand::Enrol(enrol_args) => enrol(&folder, enrol_args, out).await,
        PhoneCommand::Watch { from_start, count } => watch(&folder, *from_start, *count, out).await,
        PhoneCommand::Payments { most } => payments(&folder, *most, out).await,
        PhoneCommand::Bills(bills_args) => owing::bills(&folder.open()?, bills_args, out).await,
        PhoneCommand::TotalBill => owing::total_bill(&folder.open()?, out).await,
        PhoneCommand::Bill { bill_id } => owing::bill(&folder.open()?, *bill_id, out).await,
        PhoneCommand::Reminders(command) => owing::reminders(&folder.open()?, command, out).await,
    }
}

async fn enrol(folder: &PhoneFolder, args: &EnrolArgs, out: &Output) -> Result<(), CliError> {
    let asking = |source| CliError::System { what: "code and password cannot be asked for".to_owned(), source };
    let code = match &args.code {
        Some(code) => SecretString::from(code.as_str()),
        None => typed::hidden("enrolment code: ").map_err(asking)?,
    };
    let transaction_password = match (args.keep_password, args.password_stdin) {
        (true, _) => None,
        (_, true) => Some(typed::secret_from_stdin().map_err(asking)?),
        _ => Some(typed::hidden("choose a transaction password, six digits: ").map_err(asking)?),
    };
    let enrolment = Enrolment { phone: args.phone.clone(), code, transaction_password };
    if !enrolment.is_well_formed() {
        return Err(CliError::Usage("an enrolment code has eight digits, a transaction password six".to_owned()));
    }
    let phone = folder.enrol(&args.federation, &args.hub, &args.ca, &enrolment).await?;
    let (device, number) = (phone.device_id().to_string(), args.phone.masked());
    let fields = [("phone", number.clone()), ("device", device.clone())];
    out.record(&fields, &json!({ "phone_number_masked": number, "device_id": device }));
    Ok(())
}

async fn watch(folder: &PhoneFolder, from_start: bool, count: Option<usize>, out: &Output) -> Result<(), CliError> {
    let after = if from_start { 0 } else { folder.cursor() };
    let phone = folder.open()?;
    let mut feed = phone.follow(FeedOptions::after(after));
    let mut shown = 0_usize;
    let control_c = tokio::signal::ctrl_c();
    tokio::pin!(control_c);
    while count.is_none_or(|count| shown < count) {
        let event = tokio::select! {
            event = feed.next() => event?,
            _ = &mut control_c => return Ok(()),
        };
        out.event(&sentence(&event, out), &value(&event));
        // Shown first and then remembered: what is shown twice harms nobody, what is never shown might.
        if event.sequence > folder.cursor() {
            folder.keep_cursor(event.sequence)?;
            phone.acknowledge(event.sequence).await?;
        }
        shown = shown.saturating_add(1);
    }
    Ok(())
}

async fn payments(folder: &PhoneFolder, most: i32, out: &Output) -> Result<(), CliError> {
    let page = folder.open()?.payments(most, "").await?;
    let rows: Vec<Vec<String>> = page
        .purchases
        .iter()
        .map(|purchase| {
            vec![
                time(purchase.occurred_at.as_ref()),
                money(purchase.amount.as_ref()),
                purchase.merchant.as_ref().map(|merchant| merchant.display_name.clone()).unwrap_or_default(),
                format!("{} {}", purchase.bank_id, purchase.account_masked),
                if purchase.given_back_minor > 0 { given_back(purchase) } else { String::new() },
            ]
        })
        .collect();
    let value = Value::Array(page.purchases.iter().map(purchase_value).collect());
    out.table(&["when", "amount", "paid to", "from", "given back"], &rows, &value);
    Ok(())
}

/// The amount as it stands, and how sure it is.
fn standing(purchase: &pb::Purchase) -> String {
    let state = match purchase.state() {
        common::PurchaseState::Held => "pending",
        common::PurchaseState::Reversed => "reversed",
        common::PurchaseState::Posted | common::PurchaseState::Unspecified => "booked",
    };
    format!("{} {state}", money(purchase.amount.as_ref()))
}

fn given_back(purchase: &pb::Purchase) -> String {
    let amount = purchase.amount.as_ref().map(|amount| common::Money {
        currency_code: amount.currency_code.clone(),
        minor_units: purchase.given_back_minor,
    });
    money(amount.as_ref())
}

pub(super) fn money(amount: Option<&common::Money>) -> String {
    let Some(amount) = amount else { return String::new() };
    match Currency::parse(&amount.currency_code) {
        Ok(currency) => Money::new(currency, amount.minor_units).to_string(),
        Err(_) => format!("{} {}", amount.minor_units, amount.currency_code),
    }
}

fn name(merchant: Option<&common::Merchant>) -> String {
    merchant.map(|merchant| merchant.display_name.clone()).unwrap_or_default()
}

pub(super) fn time(at: Option<&prost_types::Timestamp>) -> String {
    at.map(|at| clock_time(proto::from_timestamp(at))).unwrap_or_default()
}

fn clock_time(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.micros()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => String::new(),
    }
}

fn sentence(event: &pb::Event, out: &Output) -> String {
    let at = out.paint(Tone::Quiet, &time(event.occurred_at.as_ref()));
    let what = match &event.kind {
        Some(Kind::PaymentCode(code)) if code.code.is_empty() => {
            format!("{} asked for {}; the code has ended", name(code.merchant.as_ref()), money(code.amount.as_ref()))
        }
        Some(Kind::PaymentCode(code)) => format!(
            "{} asks for {}: your code is {}, until {}",
            name(code.merchant.as_ref()),
            money(code.amount.as_ref()),
            out.paint(Tone::Strong, &code.code),
            time(code.expires_at.as_ref())
        ),
        Some(Kind::Charge(charge)) => {
            let purchase = charge.purchase.clone().unwrap_or_default();
            format!(
                "{} paid to {} from {} {}",
                out.paint(Tone::Bad, &money(purchase.amount.as_ref())),
                name(purchase.merchant.as_ref()),
                purchase.bank_id,
                purchase.account_masked
            ) + if purchase.state() == common::PurchaseState::Held { " (pending)" } else { "" }
        }
        Some(Kind::PurchaseUpdate(update)) => {
            let purchase = update.purchase.clone().unwrap_or_default();
            format!(
                "{} paid to {} from {} {} is {} now",
                out.paint(Tone::Bad, &money(update.amount_before.as_ref())),
                name(purchase.merchant.as_ref()),
                purchase.bank_id,
                purchase.account_masked,
                standing(&purchase)
            )
        }
        Some(Kind::News(news)) => news.text_en.clone(),
        Some(Kind::GiveBack(back)) => format!(
            "{} came back from {} ({})",
            out.paint(Tone::Good, &money(back.amount.as_ref())),
            name(back.merchant.as_ref()),
            if back.reversal { "the payment was reversed" } else { "a refund" }
        ),
        Some(Kind::PaidIn(paid_in)) => format!(
            "{} came in to {} {} at {}",
            out.paint(Tone::Good, &money(paid_in.amount.as_ref())),
            paid_in.bank_id,
            paid_in.card_masked,
            name(paid_in.merchant.as_ref())
        ),
        None => "something that this program does not know; a newer one does".to_owned(),
    };
    format!("{at} {:>4}  {what}", event.sequence)
}

/// The event for programs. The code is in it: this is the payer's own phone, and its output is the payer's.
fn value(event: &pb::Event) -> Value {
    let kind = match &event.kind {
        Some(Kind::PaymentCode(code)) => json!({
            "payment_code": {
                "payment_id": code.payment_id,
                "code": code.code,
                "amount": money_value(code.amount.as_ref()),
                "merchant": name(code.merchant.as_ref()),
            }
        }),
        Some(Kind::Charge(charge)) => json!({ "charge": charge.purchase.as_ref().map(purchase_value) }),
        Some(Kind::PurchaseUpdate(update)) => json!({
            "purchase_update": {
                "purchase": update.purchase.as_ref().map(purchase_value),
                "amount_before": money_value(update.amount_before.as_ref()),
            }
        }),
        Some(Kind::News(news)) => json!({
            "news": {
                "topic": news.topic().as_str_name(),
                "subject_id": news.subject_id,
                "text_en": news.text_en,
                "text_zh": news.text_zh,
            }
        }),
        Some(Kind::GiveBack(back)) => json!({
            "give_back": {
                "payment_id": back.payment_id,
                "amount": money_value(back.amount.as_ref()),
                "reversal": back.reversal,
                "merchant": name(back.merchant.as_ref()),
            }
        }),
        Some(Kind::PaidIn(paid_in)) => json!({
            "paid_in": {
                "payment_id": paid_in.payment_id,
                "nature": paid_in.nature().as_str_name(),
                "amount": money_value(paid_in.amount.as_ref()),
                "bank_id": paid_in.bank_id,
                "card_masked": paid_in.card_masked,
                "merchant": name(paid_in.merchant.as_ref()),
            }
        }),
        None => Value::Null,
    };
    json!({ "sequence": event.sequence, "occurred_at": time(event.occurred_at.as_ref()), "kind": kind })
}

pub(super) fn money_value(amount: Option<&common::Money>) -> Value {
    amount.map_or(
        Value::Null,
        |amount| json!({ "currency_code": amount.currency_code, "minor_units": amount.minor_units }),
    )
}

fn purchase_value(purchase: &pb::Purchase) -> Value {
    json!({
        "payment_id": purchase.payment_id,
        "amount": money_value(purchase.amount.as_ref()),
        "occurred_at": time(purchase.occurred_at.as_ref()),
        "bank_id": purchase.bank_id,
        "account_masked": purchase.account_masked,
        "merchant": name(purchase.merchant.as_ref()),
        "terminal_id": purchase.terminal_id,
        "place": purchase.place,
        "given_back_minor": purchase.given_back_minor,
        "state": purchase.state().as_str_name(),
        "carrier": purchase.carrier().as_str_name(),
        "items": purchase.items.iter().map(|item| json!({
            "name": item.name,
            "quantity_milli": item.quantity_milli,
            "amount_minor": item.amount_minor,
        })).collect::<Vec<_>>(),
    })
}
