//! `bankhub phone`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::{BillId, PaymentId, PhoneNumber};
use secrecy::SecretString;
use serde_json::json;

use super::account_password::{self, AccountPasswordArgs};
use super::approvals::{self, ApproveArgs};
use super::freezing::{self, UnfreezeArgs, Which};
use super::habits::{self, HabitsArgs};
use super::history::{self, ConsentsCommand};
use super::offers::{self, AllowCommand, OffersCommand};
use super::owing::{self, BillsArgs, ReminderCommand};
use super::record::{self, ExportArgs, PaymentsArgs, SumsArgs};
use super::repay::{self, RepayArgs, RepaymentsArgs};
use super::safety_code::{self, SafetyCodeArgs};
use super::show::{sentence, value};
use super::telling::{self, PreferencesCommand};
use super::templates::{self, TemplatesCommand};
use super::{Enrolment, PhoneError, PhoneFolder};
use crate::error::CliError;
use crate::output::Output;
use crate::typed;

const EXAMPLES: &str = "\
Examples:
  bankhub phone --dir ann enrol +8613800138000 --hub https://localhost:7400 --ca pay/authority/ca.pem
  bankhub phone --dir ann enrol +8613800138000 --by-sms --ca pay/authority/ca.pem
  bankhub phone --dir ann watch
  bankhub phone --dir ann payments --bank bank-a --from 2026-11-01 --at-least 100
  bankhub phone --dir ann sums --by month --time-zone Asia/Shanghai
  bankhub phone --dir ann export --format ofx --to ann.ofx
  bankhub phone --dir ann approvals
  bankhub phone --dir ann approve 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f --password-stdin
  bankhub phone --dir ann freeze --all
  bankhub phone --dir ann unfreeze 4821
  bankhub phone --dir ann repay --from bank-a --to bank-b/622848******0015 --statement
  bankhub phone --dir ann reminders set --days-before 3 --at 9:00
  bankhub phone --dir ann preferences set --mail ann@example.com --tell charge/mail --quiet 22:00-07:00
  bankhub phone --dir ann preferences confirm 271828
  bankhub phone --dir ann templates list --kind charge
  bankhub phone --dir ann consents give bank-b --purpose loan-application --fields summary,arrears --days 7
  bankhub phone --dir ann inquiries
  bankhub phone --dir ann habits --by weekday";

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
    Watch(WatchArgs),
    /// List purchases over all banks, newest first.
    Payments(PaymentsArgs),
    /// Sum purchases up over all banks, what has cost most first.
    Sums(SumsArgs),
    /// Take purchases over all banks away as a file, for a spreadsheet or a bookkeeping program.
    ///
    /// An OFX or camt.053 file has a statement for each account and currency. The banks' balances are not known: each statement
    /// begins at zero, and its balance is what the entries add up to.
    Export(ExportArgs),
    /// List the payments that wait at terminals for the code, which may be approved here instead.
    Approvals,
    /// Approve a payment that waits, in the place of its code; it is signed. Takes the transaction password.
    Approve(ApproveArgs),
    /// Decline a payment that waits.
    Decline {
        /// The payment, as `approvals` and the feed name it.
        #[arg(value_name = "PAYMENT", value_parser = typed::payment_id)]
        payment: PaymentId,
    },
    /// List the accounts and cards that the phone number is bound to, and whether money goes out of them.
    Instruments,
    /// Stop money from going out of accounts and cards, at the hub at once and at their banks as they confirm it.
    Freeze(Which),
    /// Let money go out again.
    Unfreeze(UnfreezeArgs),
    /// Set the code by which you are known over the telephone, or say how it stands.
    SafetyCode(SafetyCodeArgs),
    /// Set the account password, by which and by a code the person signs in at the hub's web page.
    AccountPassword(AccountPasswordArgs),
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
    /// Repay a card from an account, at whichever banks. A bill counts as paid when its bank says so.
    Repay(RepayArgs),
    /// List repayments, the last one first.
    Repayments(RepaymentsArgs),
    /// Set, list and take away reminders of what is due.
    #[command(subcommand)]
    Reminders(ReminderCommand),
    /// Give banks a consent to one inquiry about the person's credit history, list consents, take them back.
    #[command(subcommand)]
    Consents(ConsentsCommand),
    /// List who has asked about the person's credit history, and verify that the log of it is whole.
    Inquiries,
    /// Show what is on record of how the person has paid bills.
    CreditHistory,
    /// Show the person's habits of spending.
    Habits(HabitsArgs),
    /// How the person is told by SMS, e-mail and push.
    #[command(subcommand)]
    Preferences(PreferencesCommand),
    /// Banks' offers: whose come, why they came, and what is said to them.
    #[command(subcommand)]
    Offers(OffersCommand),
    /// Allow a bank to ask for habits, or an operator to look at purchases, for a time.
    #[command(subcommand)]
    Allow(AllowCommand),
    /// The person's own words for notices.
    #[command(subcommand)]
    Templates(TemplatesCommand),
}

#[derive(Clone, Debug, Args)]
pub struct WatchArgs {
    /// Show everything again that is kept.
    #[arg(long)]
    pub from_start: bool,
    /// Begin after this event, wherever this phone has stopped: whoever notes how far it is misses nothing and hears nothing twice, whatever
    /// is killed.
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "from_start", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,
    /// End after so many events.
    #[arg(long, value_name = "COUNT")]
    pub count: Option<usize>,
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
    /// Have the eight digits sent to the number by SMS first. Where a transaction password is set, it has to be said then.
    #[arg(long, conflicts_with_all = ["code", "keep_password"])]
    pub by_sms: bool,
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
        PhoneCommand::Watch(args) => watch(&folder, args, out).await,
        PhoneCommand::Payments(args) => record::payments(&folder, args, out).await,
        PhoneCommand::Sums(args) => record::sums(&folder, args, out).await,
        PhoneCommand::Export(args) => record::export(&folder, args, out).await,
        PhoneCommand::Approvals => approvals::approvals(&folder.open().await?, out).await,
        PhoneCommand::Approve(args) => approvals::approve(&folder.open().await?, args, out).await,
        PhoneCommand::Decline { payment } => approvals::decline(&folder.open().await?, *payment, out).await,
        PhoneCommand::Instruments => freezing::instruments(&folder.open().await?, out).await,
        PhoneCommand::Freeze(which) => freezing::freeze(&folder.open().await?, which, out).await,
        PhoneCommand::Unfreeze(args) => freezing::unfreeze(&folder.open().await?, args, out).await,
        PhoneCommand::SafetyCode(args) => safety_code::safety_code(&folder.open().await?, args, out).await,
        PhoneCommand::AccountPassword(args) => account_password::set(&folder.open().await?, args, out).await,
        PhoneCommand::Bills(bills_args) => owing::bills(&folder.open().await?, bills_args, out).await,
        PhoneCommand::TotalBill => owing::total_bill(&folder.open().await?, out).await,
        PhoneCommand::Bill { bill_id } => owing::bill(&folder.open().await?, *bill_id, out).await,
        PhoneCommand::Repay(repay_args) => repay::repay(&folder, repay_args, out).await,
        PhoneCommand::Repayments(args) => repay::repayments(&folder.open().await?, args, out).await,
        PhoneCommand::Reminders(command) => owing::reminders(&folder.open().await?, command, out).await,
        PhoneCommand::Consents(command) => history::consents(&folder.open().await?, command, out).await,
        PhoneCommand::Inquiries => history::inquiries(&folder, out).await,
        PhoneCommand::CreditHistory => history::credit_history(&folder.open().await?, out).await,
        PhoneCommand::Habits(args) => habits::habits(&folder.open().await?, args, out).await,
        PhoneCommand::Preferences(command) => telling::preferences(&folder, command, out).await,
        PhoneCommand::Offers(command) => offers::offers(&folder.open().await?, command, out).await,
        PhoneCommand::Allow(command) => offers::allow(&folder.open().await?, command, out).await,
        PhoneCommand::Templates(command) => templates::templates(&folder, command, out).await,
    }
}

async fn enrol(folder: &PhoneFolder, args: &EnrolArgs, out: &Output) -> Result<(), CliError> {
    let asking = |source| CliError::System { what: "code and password cannot be asked for".to_owned(), source };
    if args.by_sms {
        let asked = PhoneFolder::ask_enrolment_code(&args.federation, &args.hub, &args.ca, &args.phone).await?;
        out.note(&format!(
            "If somebody is known by {}, an SMS comes; its code is good for {} s.",
            args.phone.masked(),
            asked.as_secs()
        ));
    }
    let code = match &args.code {
        Some(code) => SecretString::from(code.as_str()),
        None => typed::hidden("enrolment code: ").map_err(asking)?,
    };
    let transaction_password = match (args.keep_password, args.password_stdin) {
        (true, _) => None,
        (_, true) => Some(typed::secret_from_stdin().map_err(asking)?),
        _ if args.by_sms => {
            Some(typed::hidden("transaction password, six digits; a new one if there is none yet: ").map_err(asking)?)
        }
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

async fn watch(folder: &PhoneFolder, args: &WatchArgs, out: &Output) -> Result<(), CliError> {
    let phone = folder.open().await?;
    let after = if args.from_start { Some(0) } else { args.after };
    let feed = phone.sdk().events(after).map_err(PhoneError::from)?;
    let mut shown = 0_usize;
    let control_c = tokio::signal::ctrl_c();
    tokio::pin!(control_c);
    while args.count.is_none_or(|count| shown < count) {
        let event = tokio::select! {
            event = feed.next_message() => event.map_err(PhoneError::from)?,
            _ = &mut control_c => break,
        };
        out.event(&sentence(&event, out), &value(&event));
        // Shown first and then remembered: what is shown twice harms nobody, what is never shown might.
        feed.event_handled(event.sequence).map_err(PhoneError::from)?;
        shown = shown.saturating_add(1);
    }
    phone.sdk().settle().await.map_err(PhoneError::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        args: PhoneArgs,
    }

    fn typed(line: &str) -> Result<PhoneCommand, clap::Error> {
        Typed::try_parse_from(std::iter::once("phone").chain(line.split(' '))).map(|typed| typed.args.command)
    }

    #[test]
    fn what_the_examples_say_can_be_typed() {
        let lines: Vec<&str> = EXAMPLES.lines().filter_map(|line| line.trim().strip_prefix("bankhub phone ")).collect();
        assert_eq!(lines.len(), 18);
        for line in lines {
            typed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn r6_how_the_person_is_told_is_typed_in_words() {
        for line in [
            "preferences",
            "preferences set",
            "preferences set --language fr",
            "preferences set --quiet 22:00",
            "preferences set --quiet 22:00-22:00",
            "preferences set --tell charge",
            "preferences set --tell charge/fax",
            "preferences set --mute parcel/sms",
            "preferences set --prices loud",
            "preferences confirm",
            "preferences confirm 12345",
            "templates",
            "templates preview parcel x",
            "templates save charge fax x",
            "templates save charge sms",
            "templates forget charge",
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
        for line in [
            "preferences show",
            "preferences set --language en --time-zone Europe/Berlin --quiet none --mail none --prices off",
            "preferences set --tell charge/mail --tell give-back/push --mute offer/push --prices with-charge",
            "preferences confirm 012345",
            "templates list --language en",
            "templates preview give-back {{amount}}",
            "templates save charge mail {{amount}} --language en",
            "templates forget charge sms --language zh",
        ] {
            typed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn r8_a_repayment_says_from_where_to_where_and_how_much_or_resumes() {
        for line in [
            "repay",
            "repay --from bank-a --to bank-b",
            "repay --from bank-a --amount 12.50",
            "repay --from bank-a --to bank-b --amount 0",
            "repay --from bank-a --to bank-b --amount -1",
            "repay --from bank-a --to bank-b --amount 12.505",
            "repay --from BankA --to bank-b --amount 12.50",
            "repay --from bank-a --to bank-b --minimum --statement",
            "repay --resume --from bank-a --to bank-b",
            "repayments --most 0",
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
        for line in [
            "repay --from bank-a/****4821 --to bank-b/622848******0015 --amount 12.50",
            "repay --from bank-a --to bank-b --minimum",
            "repay --resume",
            "repayments --most 200",
            "instruments",
        ] {
            typed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn s2_a_payment_that_is_approved_or_declined_is_named() {
        for line in ["approve", "decline", "approve 7", "decline x", "approvals all"] {
            assert!(typed(line).is_err(), "{line}");
        }
        for line in ["approvals", "decline 0192f0c1-7a6b-7c3d-8e4f-5a6b7c8d9e0f"] {
            typed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn r7_what_is_asked_of_the_record_wrongly_is_refused_before_anything_is_sent() {
        for line in [
            "payments --most 0",
            "payments --most 10001",
            "payments --bank BankA",
            "payments --from yesterday",
            "payments --until 2026-02-30",
            "payments --category 58",
            "payments --currency yuan",
            "payments --state paid",
            "payments --nature gift",
            "sums --by year",
            "sums --by",
            "export",
            "export --format pdf",
        ] {
            assert!(typed(line).is_err(), "{line}");
        }
        for line in [
            "payments --most 10000 --account ****4821 --merchant noodles --category 5812 --state held --text tea",
            "sums",
            "sums --by weekday --time-zone Europe/Berlin --nature cash-withdrawal",
            "export --format csv",
            "export --format camt053 --to a.xml --from 2026-11-01T00:00:00+08:00 --until 2026-11-30 --currency JPY",
        ] {
            typed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
